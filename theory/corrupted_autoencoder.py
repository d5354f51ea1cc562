"""What a linear autoencoder A must learn that sees its inputs with noise, or with entries set to 0.

d input dimensions, n samples, k units of the bottleneck. X is (d, n), a sample per column, and is taken as it is:
centre it where the network has biases, and do not where it has none. Every loss is a sum over entries and samples.
C = XXᵀ, D is its diagonal part, σ_i are the singular values of X, U_k its first k left singular vectors.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from theory.matrices import check_matrix


class ReconstructionOptimum(NamedTuple):
    """The best matrix A (d, d) of rank ≤ k, and the expected loss ()."""

    matrix: Tensor
    loss: Tensor


def denoising_linear_autoencoder_optimum(x: Tensor, k: int, noise_std: float) -> ReconstructionOptimum:
    r"""The best linear reconstruction of X from X + E, with Gaussian noise E ~ N(0, σ²) on every entry.

    "Training with Noise is Equivalent to Tikhonov Regularization" (Bishop, 1995),
    https://doi.org/10.1162/neco.1995.7.1.108.
    E‖X − A(X + E)‖² = ‖X − AX‖² + λ‖A‖² with λ = nσ², at its least for A = U_k diag(σ_i²/(σ_i² + λ)) U_kᵀ: the
    subspace is that of PCA, but directions of small variance are shrunk. With 1/n in front of the loss pass x/√n and
    σ/√n, because the noise is divided like the data.

    Args:
        x: X, centred where the network has biases.
        k: width of the bottleneck, ≥ 1.
        noise_std: σ ≥ 0.

    Shapes:
        x (d, n) -> matrix (d, d), loss ()

    Raises:
        ValueError: when x is not a matrix of floating point, k is below 1, or ``noise_std`` is negative.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> denoising_linear_autoencoder_optimum(x, k=1, noise_std=1.0).loss.round(decimals=4)
        tensor(2.3333)
    """
    if not noise_std >= 0:
        raise ValueError(f"noise_std must not be negative, but it is {noise_std}.")
    covariance = _second_moments(x, k)
    noise = x.shape[1] * noise_std**2 * torch.eye(len(x), dtype=covariance.dtype, device=x.device)
    return _reduced_rank_reconstruction(x, k, covariance, covariance + noise)


def masked_linear_autoencoder_optimum(x: Tensor, k: int, mask_prob: float) -> ReconstructionOptimum:
    r"""The best linear reconstruction of X when entries are set to 0 at random, each by itself, and not rescaled.

    "Marginalized Denoising Autoencoders for Domain Adaptation" (Chen et al., 2012), https://arxiv.org/abs/1206.4683;
    the bottleneck is "Reduced-rank regression for the multivariate linear model" (Izenman, 1975),
    https://doi.org/10.1016/0047-259X(75)90042-1.
    With p = 1 − mask_prob and the columns a_j of A the expected loss is ‖X − pAX‖² + p(1−p) Σ_j C_jj ‖a_j‖². With
    M = p²C + p(1−p)D the best A without a bottleneck is A* = pCM⁻¹ = C(pC + (1−p)D)⁻¹, and with one it is
    [A*M^{1/2}]_k M^{−1/2}, where [·]_k keeps the k largest singular values s_i; its loss is tr C − Σ_{i≤k} s_i². A
    pixel that is always 0 makes M singular: M⁻¹ is then the pseudo-inverse. With 1/n before the loss pass x/√n.

    Args:
        x: X as it is masked: where it was centred, 0 stands for the mean.
        k: width of the bottleneck, ≥ 1.
        mask_prob: probability that an entry is set to 0, in [0, 1).

    Shapes:
        x (d, n) -> matrix (d, d), loss ()

    Raises:
        ValueError: when x is not a matrix of floating point, k is below 1, or ``mask_prob`` is out of its range.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> masked_linear_autoencoder_optimum(x, k=1, mask_prob=0.5).loss.round(decimals=4)
        tensor(3.)
    """
    if not 0 <= mask_prob < 1:
        raise ValueError(f"mask_prob must be in [0, 1), but it is {mask_prob}.")
    keep, covariance = 1 - mask_prob, _second_moments(x, k)
    masked = keep**2 * covariance + keep * mask_prob * covariance.diag().diag()
    return _reduced_rank_reconstruction(x, k, keep * covariance, masked)


def _second_moments(x: Tensor, k: int) -> Tensor:
    check_matrix("x", x, k)
    return x.double() @ x.double().T  # (d, d), squared singular values need the digits


def _reduced_rank_reconstruction(x: Tensor, k: int, cross_moments: Tensor, moments: Tensor) -> ReconstructionOptimum:
    variances, directions = torch.linalg.eigh(moments)
    present = variances > len(x) * torch.finfo(variances.dtype).eps * variances[-1]
    inverse_root = directions * torch.where(present, variances, torch.inf).rsqrt()  # M^{−1/2} up to a rotation
    left, singular_values, right = torch.linalg.svd(cross_moments @ inverse_root)
    matrix = (left[:, :k] * singular_values[:k]) @ right[:k] @ inverse_root.T
    loss = x.double().square().sum() - singular_values[:k].square().sum()
    return ReconstructionOptimum(matrix.to(x.dtype), loss.clamp(min=0).to(x.dtype))
