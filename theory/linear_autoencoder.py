"""What a linear autoencoder A = W₂W₁ must learn, with and without a penalty, and how far a trained one is off.

The optima for inputs with noise or masks: ``theory/corrupted_autoencoder.py``.

d input dimensions, n samples, k units of the bottleneck. X is (d, n), a sample per column, and is taken as it is:
centre it where the network has biases, and do not where it has none. Every loss is a sum over entries and samples.
σ_i are the singular values of X, U_k its first k left singular vectors. Beyond the
rank of X the σ_i are 0; a bottleneck wider than d is the same as one of d.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from theory.matrices import check_matrix


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

    Example:
        >>> linear_autoencoder_optimum(torch.tensor([[3.0, 0.0], [0.0, 2.0]]), k=1).loss.round(decimals=4)
        tensor(4.)
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

    Example:
        >>> x, zero = torch.rand(3, 8), torch.zeros(1, 3)
        >>> linear_autoencoder_residual(zero, zero.T, x).decoder.abs().max()  # 0 is a saddle
        tensor(0.)
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

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> regularized_linear_autoencoder_optimum(x, k=1, weight_penalty=3.0).singular_values.round(decimals=4)
        tensor([0.5000])
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


def _principal_components(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    check_matrix("x", x, k)
    triangle = torch.linalg.qr(x.T, mode="r").R.T  # (d, min(d, n)), with the left singular vectors of x
    left, singular_values, _ = torch.linalg.svd(triangle, full_matrices=k > min(x.shape))
    squares = torch.cat([singular_values.square(), x.new_zeros(len(x) - len(singular_values))])  # (d,)
    return left[:, :k], squares
