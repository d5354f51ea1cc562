"""Closed forms of linear autoencoders against autograd, minimisation and simulation."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import theory

D, N, PENALTY, NOISE_STD, MASK_PROB = 5, 12, 8.0, 0.4, 0.3
X = torch.ones(3, 4)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_x(d: int = D, n: int = N, seed: int = 0) -> Tensor:
    """Directions of different variance, not centred, so that masking it is another thing than adding noise."""
    return torch.linspace(0.3, 2, d, dtype=torch.float64)[:, None] * (randn(d, n, seed=seed) + 0.5)


def plain_loss(w1: Tensor, w2: Tensor, x: Tensor) -> Tensor:
    return (x - w2 @ w1 @ x).square().sum()


def penalised_loss(w1: Tensor, w2: Tensor, x: Tensor) -> Tensor:
    return plain_loss(w1, w2, x) + PENALTY * (w1.square().sum() + w2.square().sum())


def denoising_loss(w1: Tensor, w2: Tensor, x: Tensor) -> Tensor:
    return plain_loss(w1, w2, x) + x.shape[1] * NOISE_STD**2 * (w2 @ w1).square().sum()


def masked_loss(w1: Tensor, w2: Tensor, x: Tensor) -> Tensor:
    keep, matrix = 1 - MASK_PROB, w2 @ w1
    of_columns = x.square().sum(dim=1) * matrix.square().sum(dim=0)
    return (x - keep * matrix @ x).square().sum() + keep * MASK_PROB * of_columns.sum()


OBJECTIVES = {
    plain_loss: theory.linear_autoencoder_optimum,
    penalised_loss: lambda x, k: theory.regularized_linear_autoencoder_optimum(x, k, PENALTY),
    denoising_loss: lambda x, k: theory.denoising_linear_autoencoder_optimum(x, k, NOISE_STD),
    masked_loss: lambda x, k: theory.masked_linear_autoencoder_optimum(x, k, MASK_PROB),
}


def minimise(objective: Callable, x: Tensor, k: int, seed: int) -> float:
    w1, w2 = (randn(*shape, seed=seed).requires_grad_() for shape in ((k, len(x)), (len(x), k)))
    optimizer = torch.optim.LBFGS([w1, w2], max_iter=2000, tolerance_change=1e-13, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(w1, w2, x)
        loss.backward()
        return loss

    optimizer.step(closure)
    return objective(w1, w2, x).item()


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_minimisation_reaches_the_optimum_and_not_less(objective: Callable, k: int) -> None:
    for seed in range(3):
        x = random_x(seed=seed)
        expected = OBJECTIVES[objective](x, k).loss.item()
        assert minimise(objective, x, k, seed=seed + 10) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(D, N), (7, 4)])  # the second of rank 4
@pytest.mark.parametrize("k", [1, 3, 4, 6, 9])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_is_that_of_the_weights(objective: Callable, k: int, shape: tuple) -> None:
    x, eye = random_x(*shape), torch.eye(shape[0], dtype=torch.float64)
    found = OBJECTIVES[objective](x, k)
    if objective is plain_loss:
        w1, w2 = found.subspace.T, found.subspace
        assert_close(w1 @ w2, eye[:k, :k])  # orthonormal, min(k, d) columns
    elif objective is penalised_loss:
        w1, w2 = found.w1, found.w2
    else:
        w1, w2 = found.matrix, eye
        assert torch.linalg.matrix_rank(w1) == min(k, *shape)
    assert_close(objective(w1, w2, x), found.loss)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_single_precision_agrees_with_double(objective: Callable) -> None:
    double, single = (OBJECTIVES[objective](random_x().to(dtype), 2) for dtype in (torch.float64, torch.float32))
    assert {field.dtype for field in single} == {torch.float32}
    assert_close(single.loss.double(), double.loss, rtol=1e-5, atol=0)
    if objective in (denoising_loss, masked_loss):
        assert_close(single.matrix.double(), double.matrix, rtol=0, atol=1e-5)


@pytest.mark.parametrize("k", [4, 6, 9])
def test_loss_beyond_the_rank_is_zero(k: int) -> None:
    x, zero = random_x(7, 4), torch.zeros((), dtype=torch.float64)
    assert theory.linear_autoencoder_optimum(x, k).loss < 1e-12
    for function in (theory.masked_linear_autoencoder_optimum, theory.denoising_linear_autoencoder_optimum):
        assert_close(function(x, k, 0.0), (x @ x.pinverse(), zero), rtol=0, atol=1e-10)
        matrix, loss = function(torch.zeros(3, 4), k, 0.0)
        assert (matrix.abs().max(), loss) == (0, 0)


def test_residual_is_minus_half_of_the_gradients() -> None:
    # One printed form of the second condition has X in place of Xᵀ, which is not even a product that exists.
    w1, w2, x = randn(3, D).requires_grad_(), randn(D, 3, seed=1).requires_grad_(), random_x()
    plain_loss(w1, w2, x).backward()
    assert_close(theory.linear_autoencoder_residual(w1, w2, x), (-w2.grad / 2, -w1.grad / 2))


@pytest.mark.parametrize("chosen", [[0, 1], [0, 3], [2, 4]])
def test_residual_is_zero_for_singular_vectors_in_any_basis(chosen: list[int]) -> None:
    x, basis = random_x(), randn(2, 2)
    w2 = torch.linalg.svd(x).U[:, chosen]  # the leading ones are the optimum, the others saddles
    for part in theory.linear_autoencoder_residual(basis @ w2.T, w2 @ basis.inverse(), x):
        assert part.abs().max() < 1e-10
    assert all(part.norm() > 0.1 for part in theory.linear_autoencoder_residual(w2.T, 1.1 * w2, x))


def test_regularised_optimum_is_critical_in_any_rotation() -> None:
    x, k = random_x(), 3
    found, rotation = theory.regularized_linear_autoencoder_optimum(x, k, PENALTY), torch.linalg.qr(randn(k, k)).Q
    for w1, w2 in ((found.w1, found.w2), (rotation.T @ found.w1, found.w2 @ rotation)):
        residual = theory.linear_autoencoder_residual(w1, w2, x)  # −1/2 of the gradients of the data term
        assert_close(residual, (PENALTY * w2, PENALTY * w1))
        assert_close(penalised_loss(w1, w2, x), found.loss)


def test_regularised_singular_values() -> None:
    found = theory.regularized_linear_autoencoder_optimum(torch.tensor([3.0, 2.0, 1.0]).diag(), 3, weight_penalty=2.0)
    assert found.w1.data_ptr() != found.w2.data_ptr()
    assert_close(found.singular_values, torch.tensor([math.sqrt(7 / 9), math.sqrt(1 / 2), 0.0]))
    assert_close(found.singular_values, torch.linalg.svdvals(found.w2))
    assert found.loss.item() == pytest.approx((4 - 4 / 9) + (4 - 4 / 4) + 1)
    unpenalised = theory.regularized_linear_autoencoder_optimum(torch.ones(2, 1), 2, weight_penalty=0.0)
    assert (unpenalised.singular_values.tolist(), unpenalised.loss.item()) == ([1, 0], 0)  # no 0/0


def test_penalties_of_means() -> None:
    x, weight_decay = random_x(), 0.08
    penalty = N * D * weight_decay / 2
    w1, w2, singular_values, loss = theory.regularized_linear_autoencoder_optimum(x, 2, penalty)
    of_mean = theory.regularized_linear_autoencoder_optimum(x / math.sqrt(N), 2, penalty / N)
    assert_close((of_mean.singular_values, of_mean.loss), (singular_values, loss / N))
    torch.nn.functional.mse_loss(w2.requires_grad_() @ w1.requires_grad_() @ x, x).backward()
    assert_close((w1.grad, w2.grad), (-weight_decay * w1.detach(), -weight_decay * w2.detach()))


@pytest.mark.parametrize("k", [1, 3, D])
def test_denoising_shrinks_the_principal_directions(k: int) -> None:
    x, penalty = random_x(), N * NOISE_STD**2
    u, s, _ = torch.linalg.svd(x)
    found = theory.denoising_linear_autoencoder_optimum(x, k, NOISE_STD)
    assert_close(found.matrix, u[:, :k] @ torch.diag(s[:k] ** 2 / (s[:k] ** 2 + penalty)) @ u[:, :k].T)
    assert_close(found.loss, (penalty * s[:k] ** 2 / (s[:k] ** 2 + penalty)).sum() + (s[k:] ** 2).sum())
    of_mean = theory.denoising_linear_autoencoder_optimum(x / math.sqrt(N), k, NOISE_STD / math.sqrt(N))
    assert_close(of_mean, (found.matrix, found.loss / N))


def test_masked_optimum_without_a_bottleneck() -> None:
    x, keep = random_x(), 1 - MASK_PROB
    c = x @ x.T
    expected = c @ (keep * c + MASK_PROB * torch.diag(torch.diag(c))).inverse()
    assert_close(theory.masked_linear_autoencoder_optimum(x, D, MASK_PROB).matrix, expected)
    assert_close(theory.masked_linear_autoencoder_optimum(x, D + 3, MASK_PROB).matrix, expected)


@pytest.mark.parametrize("mask_prob", [0.0, MASK_PROB])
@pytest.mark.parametrize("k", [2, 6])
def test_a_pixel_that_is_always_zero_is_left_out(k: int, mask_prob: float) -> None:
    x = random_x()
    with_zero = torch.cat([x[:2], torch.zeros(1, N, dtype=x.dtype), x[2:]])
    found, expected = (theory.masked_linear_autoencoder_optimum(data, k, mask_prob) for data in (with_zero, x))
    others = [0, 1, 3, 4, 5]
    assert_close(found.loss, expected.loss, rtol=1e-9, atol=1e-11)
    assert_close(found.matrix[others][:, others], expected.matrix, rtol=0, atol=1e-9)
    assert max(found.matrix[2].abs().max(), found.matrix[:, 2].abs().max()) < 1e-9


@pytest.mark.parametrize("k", [1, 3, D])
@pytest.mark.parametrize("corruption", ["noise", "mask"])
def test_expected_losses_are_within_five_standard_errors_of_simulated_ones(corruption: str, k: int) -> None:
    x, draws, generator = random_x(), 20_000, torch.Generator().manual_seed(k)
    if corruption == "noise":
        optimum = theory.denoising_linear_autoencoder_optimum(x, k, NOISE_STD)
        corrupted = x + NOISE_STD * torch.randn(draws, D, N, generator=generator, dtype=x.dtype)
    else:
        optimum = theory.masked_linear_autoencoder_optimum(x, k, MASK_PROB)
        corrupted = x * (torch.rand(draws, D, N, generator=generator) >= MASK_PROB)
    losses = (x - optimum.matrix @ corrupted).square().sum(dim=(1, 2))
    standard_error = losses.std() / math.sqrt(draws)
    assert abs(losses.mean() - optimum.loss) < 5 * standard_error
    assert standard_error < 0.01 * optimum.loss


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (theory.linear_autoencoder_optimum, (X, 0), "k must be at least 1, but it is 0"),
        (theory.linear_autoencoder_optimum, (X[0], 1), r"x must be a matrix of floating point .* its shape is \(4,\)"),
        (theory.linear_autoencoder_optimum, (X.long(), 1), r"x must be .* its dtype torch\.int64"),
        (theory.linear_autoencoder_optimum, (X[:0], 1), r"that is not empty, but its shape is \(0, 4\)"),
        (theory.regularized_linear_autoencoder_optimum, (X, 1, -2.0), "weight_penalty must not be negative, .* -2.0"),
        (theory.denoising_linear_autoencoder_optimum, (X, 1, -2.0), "noise_std must not be negative, but it is -2.0"),
        (theory.masked_linear_autoencoder_optimum, (X, 1, 1.0), r"mask_prob must be in \[0, 1\), but it is 1.0"),
        (theory.linear_autoencoder_residual, (X, X.T, X), r"w1, w2 and x must be \(k, d\), \(d, k\) and \(d, n\)"),
    ],
)
def test_misfits_are_refused(function: Callable, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(*arguments)
