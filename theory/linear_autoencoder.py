"""What a linear autoencoder A = W₂W₁ must learn: the optima of four objectives, and how far a trained one is off.

d input dimensions, n samples, k units of the bottleneck. X is (d, n), a sample per column, and is taken as it is:
centre it where the network has biases, and do not where it has none. Every loss is a sum over entries and samples.
C = XXᵀ, D is its diagonal part, σ_i are the singular values of X, U_k its first k left singular vectors. Beyond the
rank of X the σ_i are 0; a bottleneck wider than d is the same as one of d.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class LinearAutoencoderOptimum(NamedTuple):
    """An orthonormal basis (d, min(k, d)) of the best subspace, and the loss (); beyond the rank the basis is any."""

    subspace: Tensor
    loss: Tensor


class LinearAutoencoderResidual(NamedTuple):
    """What is left of the first-order conditions of W₂, (d, k), and of W₁, (k, d)."""

    decoder: Tensor
    encoder: Tensor


class RegularizedLinearAutoencoderOptimum(NamedTuple):
    """W₁ (r, d), W₂ (d, r), the singular values (r,) that both have, and the loss (), with r = min(k, d)."""

    w1: Tensor
    w2: Tensor
    singular_values: Tensor
    loss: Tensor


class ReconstructionOptimum(NamedTuple):
    """The best matrix A (d, d) of rank ≤ k, and the expected loss ()."""

    matrix: Tensor
    loss: Tensor


def linear_autoencoder_optimum(x: Tensor, k: int) -> LinearAutoencoderOptimum:
    r"""The subspace onto which a linear autoencoder projects at its global minimum, that of PCA.

    "Neural networks and principal component analysis: Learning from examples without local minima" (Baldi & Hornik,
    1989), https://doi.org/10.1016/0893-6080(89)90014-2.
    min ‖X − W₂W₁X‖² = Σ_{i>k} σ_i², at W₂W₁ = U_k U_kᵀ. W₂ is unique up to an invertible matrix in the bottleneck, so
    compare subspaces (``largest_principal_angle``), not weights. With 1/n in front of the loss pass x/√n.

    Args:
        x: X, centred where the network has biases.
        k: width of the bottleneck, ≥ 1.

    Shapes:
        x (d, n) -> subspace (d, min(k, d)), loss ()

    Raises:
        ValueError: when x is not a matrix of floating point, or k is below 1.
    """
    subspace, squares = _principal_components(x, k)
    return LinearAutoencoderOptimum(subspace, squares[k:].sum())


def linear_autoencoder_residual(w1: Tensor, w2: Tensor, x: Tensor) -> LinearAutoencoderResidual:
    r"""How far a linear autoencoder is from a critical point.

    "Neural networks and principal component analysis: Learning from examples without local minima" (Baldi & Hornik,
    1989), https://doi.org/10.1016/0893-6080(89)90014-2.
    With E = X − W₂W₁X: decoder E Xᵀ W₁ᵀ and encoder W₂ᵀ E Xᵀ, −1/2 times the gradients of ‖E‖² with respect to W₂ and
    W₁. Both are 0 at the optimum and at saddles; there is no other local minimum. With 1/n before the loss pass x/√n.

    Args:
        w1: weight W₁ of the encoder.
        w2: weight W₂ of the decoder.
        x: X, centred where the network has biases.

    Shapes:
        w1 (k, d), w2 (d, k), x (d, n) -> decoder (d, k), encoder (k, d)

    Raises:
        ValueError: when the three are not matrices of these shapes.
    """
    if any(matrix.dim() != 2 for matrix in (w1, w2, x)) or w2.shape != w1.T.shape or w1.shape[1] != x.shape[0]:
        shapes = ", ".join(str(tuple(matrix.shape)) for matrix in (w1, w2, x))
        raise ValueError(f"w1, w2 and x must be (k, d), (d, k) and (d, n), but their shapes are {shapes}.")
    code = w1 @ x  # (k, n)
    error = x - w2 @ code  # (d, n)
    return LinearAutoencoderResidual(error @ code.T, w2.T @ error @ x.T)


def regularized_linear_autoencoder_optimum(
    x: Tensor, k: int, weight_penalty: float
) -> RegularizedLinearAutoencoderOptimum:
    r"""The weights of a linear autoencoder with an ℓ2 penalty on both layers at its global minimum.

    "Loss Landscapes of Regularized Linear Autoencoders" (Kunin et al., 2019), https://arxiv.org/abs/1901.08168.
    min ‖X − W₂W₁X‖² + λ‖W₁‖² + λ‖W₂‖² = Σ_{i≤k, σ_i²>λ} (2λ − λ²/σ_i²) + Σ_{other i} σ_i², at W₂ = U_k diag(s) and
    W₁ = W₂ᵀ with s_i = √(1 − λ/σ_i²) where σ_i² > λ, else 0. A rotation O of the bottleneck, W₂O and OᵀW₁, changes
    nothing. With 1/n in front of the data term pass x/√n; nn.MSELoss and SGD's weight decay w are x and λ = n·d·w/2.

    Args:
        x: X, centred where the network has biases.
        k: width of the bottleneck, ≥ 1.
        weight_penalty: λ ≥ 0.

    Shapes:
        x (d, n) -> w1 (min(k, d), d), w2 (d, min(k, d)), singular_values (min(k, d),), loss ()

    Raises:
        ValueError: when x is not a matrix of floating point, k is below 1, or ``weight_penalty`` is negative.
    """
    if not weight_penalty >= 0:
        raise ValueError(f"weight_penalty must not be negative, but it is {weight_penalty}.")
    directions, squares = _principal_components(x, k)
    top, zero = squares[:k], squares.new_zeros(())
    learnt = top > weight_penalty
    singular_values = torch.where(learnt, 1 - weight_penalty / top, zero).sqrt()
    w2 = directions * singular_values
    loss = torch.where(learnt, 2 * weight_penalty - weight_penalty**2 / top, top).sum() + squares[k:].sum()
    # W₁ has memory of its own, so that both can become parameters.
    return RegularizedLinearAutoencoderOptimum(w2.T.clone(), w2, singular_values, loss)


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
    """
    if not 0 <= mask_prob < 1:
        raise ValueError(f"mask_prob must be in [0, 1), but it is {mask_prob}.")
    keep, covariance = 1 - mask_prob, _second_moments(x, k)
    masked = keep**2 * covariance + keep * mask_prob * covariance.diag().diag()
    return _reduced_rank_reconstruction(x, k, keep * covariance, masked)


def largest_principal_angle(first: Tensor, second: Tensor) -> Tensor:
    r"""The largest principal angle between two column spaces, in degrees: 0 when they are the same.

    "Numerical Methods for Computing Angles Between Linear Subspaces" (Björck & Golub, 1973),
    https://doi.org/10.2307/2005662.
    With orthonormal bases Q₁ and Q₂: sin θ is the largest singular value of (I − Q₁Q₁ᵀ)Q₂, cos θ the smallest of
    Q₁ᵀQ₂. The two together keep all digits: the cosine alone loses small angles, the sine those near 90°. It is
    computed in float64.

    Args:
        first: a matrix, its columns need not be orthonormal.
        second: another one, of the same shape. When either has not full column rank to the precision of its dtype, a
            direction is missing and the angle is 90.

    Shapes:
        first (d, a), second (d, a) -> ()

    Raises:
        ValueError: when the two are not matrices of floating point, or have different shapes.
    """
    _check_matrix("first", first)
    _check_matrix("second", second)
    if first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"first and second must have the same shape, but have {shapes}.")
    bases = [_orthonormal_basis(matrix) for matrix in (first, second)]
    if any(basis.shape != first.shape for basis in bases):
        return torch.tensor(90.0, dtype=torch.float64, device=first.device)
    overlap = bases[0].T @ bases[1]  # (a, a)
    sine = torch.linalg.svdvals(bases[1] - bases[0] @ overlap)[0]
    return torch.rad2deg(torch.atan2(sine, torch.linalg.svdvals(overlap)[-1]))


def _principal_components(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    _check_matrix("x", x, k)
    triangle = torch.linalg.qr(x.T, mode="r").R.T  # (d, min(d, n)), with the left singular vectors of x
    left, singular_values, _ = torch.linalg.svd(triangle, full_matrices=k > min(x.shape))
    squares = torch.cat([singular_values.square(), x.new_zeros(len(x) - len(singular_values))])  # (d,)
    return left[:, :k], squares


def _second_moments(x: Tensor, k: int) -> Tensor:
    _check_matrix("x", x, k)
    return x.double() @ x.double().T  # (d, d), squared singular values need the digits


def _reduced_rank_reconstruction(x: Tensor, k: int, cross_moments: Tensor, moments: Tensor) -> ReconstructionOptimum:
    variances, directions = torch.linalg.eigh(moments)
    present = variances > len(x) * torch.finfo(variances.dtype).eps * variances[-1]
    inverse_root = directions * torch.where(present, variances, torch.inf).rsqrt()  # M^{−1/2} up to a rotation
    left, singular_values, right = torch.linalg.svd(cross_moments @ inverse_root)
    matrix = (left[:, :k] * singular_values[:k]) @ right[:k] @ inverse_root.T
    loss = x.double().square().sum() - singular_values[:k].square().sum()
    return ReconstructionOptimum(matrix.to(x.dtype), loss.clamp(min=0).to(x.dtype))


def _orthonormal_basis(matrix: Tensor) -> Tensor:
    left, singular_values, _ = torch.linalg.svd(matrix.double(), full_matrices=False)
    cutoff = max(matrix.shape) * torch.finfo(matrix.dtype).eps * singular_values[0]
    return left[:, : int((singular_values > cutoff).sum())]


def _check_matrix(name: str, matrix: Tensor, k: int = 1) -> None:
    if matrix.dim() != 2 or matrix.numel() == 0 or not matrix.is_floating_point():
        described = f"its shape is {tuple(matrix.shape)} and its dtype {matrix.dtype}"
        raise ValueError(f"{name} must be a matrix of floating point that is not empty, but {described}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, but it is {k}.")
