"""Sparse products against dense ones in value and gradient, dropout, and what is remembered."""

import gc
import math
import weakref

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.testing import assert_close

from nets.sparse import Dropout, LastCall, SparseMatrix, SparsePattern

ROWS, COLUMNS, OUTPUTS = 5, 4, 3
SHAPES = {"one": ((), ()), "several values": ((2,), ()), "several matrices": ((), (2,)), "both": ((3, 1), (2,))}


def entries(seed: int = 0, count: int = 11) -> tuple[Tensor, Tensor]:
    """Rows and columns in any order, some of them twice; the last row and the last column are empty."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(ROWS - 1, (count,), generator=generator)
    return rows, torch.randint(COLUMNS - 1, (count,), generator=generator)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


def dense_of(values: Tensor, pattern: SparsePattern) -> Tensor:
    """The naive twin: the matrix with all its zeros, entries at one place summed."""
    flat = pattern.rows * COLUMNS + pattern.columns
    return values.new_zeros(*values.shape[:-1], ROWS * COLUMNS).index_add(-1, flat, values).unflatten(-1, (ROWS, -1))


@pytest.fixture
def pattern() -> SparsePattern:
    return SparsePattern.of_entries(*entries(), (ROWS, COLUMNS))[0]


def test_a_pattern_holds_its_entries_row_by_row() -> None:
    rows, columns = entries()
    pattern, order = SparsePattern.of_entries(rows, columns, (ROWS, COLUMNS))
    assert torch.equal(pattern.rows, rows[order]) and torch.equal(pattern.columns.long(), columns[order])
    assert bool((pattern.rows.diff() >= 0).all()) and pattern.shape == (ROWS, COLUMNS)


def test_the_transposed_pattern_is_that_of_the_transposed_matrix(pattern: SparsePattern) -> None:
    values = normal(len(pattern.columns)).detach()
    transposed, order = pattern.transposed
    flat = transposed.rows * ROWS + transposed.columns
    dense = values.new_zeros(COLUMNS * ROWS).index_add(0, flat, values[order]).view(COLUMNS, ROWS)
    assert_close(dense, dense_of(values, pattern).T)


@pytest.mark.parametrize(("of_values", "of_dense"), SHAPES.values(), ids=SHAPES)
def test_a_product_is_that_of_dense_matrices_in_value_and_gradients(
    pattern: SparsePattern, of_values: tuple[int, ...], of_dense: tuple[int, ...]
) -> None:
    values, dense = normal(*of_values, len(pattern.columns)), normal(*of_dense, COLUMNS, OUTPUTS, seed=1)
    product, expected = SparseMatrix(values, pattern) @ dense, dense_of(values, pattern) @ dense
    assert_close(product, expected)
    weights = normal(*product.shape, seed=2).detach()
    got, wanted = (torch.autograd.grad((out * weights).sum(), (values, dense)) for out in (product, expected))
    assert_close(got, wanted)


def test_the_gradient_can_be_differentiated_again(pattern: SparsePattern) -> None:
    values = normal(len(pattern.columns)).detach()
    assert torch.autograd.gradgradcheck(lambda dense: (SparseMatrix(values, pattern) @ dense) ** 2, normal(4, 3))


@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 1)])
def test_vmap_multiplies_each_matrix(pattern: SparsePattern, in_dims: tuple[int | None, ...]) -> None:
    count = len(pattern.columns)
    values = normal(*([3] if in_dims[0] == 0 else []), 2, count)
    dense = normal(*{0: (3, 2, COLUMNS), 1: (2, 3, COLUMNS), None: (2, COLUMNS)}[in_dims[1]], OUTPUTS, seed=1)
    product = vmap(lambda one, other: SparseMatrix(one, pattern) @ other, in_dims)(values, dense)
    expected = vmap(lambda one, other: dense_of(one, pattern) @ other, in_dims)(values, dense)
    assert_close(product, expected)
    got, wanted = (torch.autograd.grad(out.square().sum(), (values, dense)) for out in (product, expected))
    assert_close(got, wanted)


def test_a_csr_tensor_becomes_a_sparse_matrix(pattern: SparsePattern) -> None:
    dense = dense_of(normal(len(pattern.columns)).detach(), pattern)
    assert_close(SparseMatrix.of(dense.to_sparse_csr()) @ torch.eye(COLUMNS, dtype=torch.float64), dense)


def test_half_precision_is_multiplied_in_float32(pattern: SparsePattern) -> None:
    values, dense = normal(len(pattern.columns)).detach().float(), normal(COLUMNS, OUTPUTS).detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        dense.requires_grad_()
        product = SparseMatrix(values, pattern) @ dense
        product.sum().backward()
    assert product.dtype == dense.grad.dtype == torch.bfloat16
    assert_close(product, (dense_of(values, pattern) @ dense.float()).bfloat16())


@pytest.mark.parametrize("p", [0.25, 0.5, 0.6])
def test_dropout_drops_a_share_p_and_scales_the_others(p: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = Dropout(p)(torch.full((1000, 999), 2.0))
    kept = out != 0
    assert_close(out[kept], torch.full_like(out[kept], 2 / (1 - p)))
    assert abs(kept.double().mean().item() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / out.numel())
    together = (kept[:, 1:] & kept[:, :-1]).double().mean().item()  # neighbours share their random numbers' bits
    assert abs(together - (1 - p) ** 2) < 5 / math.sqrt(out.numel())


def test_dropout_passes_gradients_where_it_keeps() -> None:
    x = normal(50, 7)
    out = Dropout(0.5)(x)
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(grad, torch.where(out != 0, 2.0, 0.0).double())


def test_dropout_is_nothing_in_evaluation_and_keeps_the_pattern_of_a_sparse_matrix(pattern: SparsePattern) -> None:
    matrix, dropout = SparseMatrix(normal(len(pattern.columns)), pattern), Dropout(0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = dropout(matrix)
    assert dropped.pattern is pattern and bool((dropped.values == 0).any())
    assert torch.equal(dropout.eval()(matrix).values, matrix.values)
    assert Dropout(0.0)(matrix.values) is matrix.values and str(dropout) == "Dropout(p=0.5)"


def test_replicas_drop_different_entries() -> None:
    dropout = Dropout(0.5)
    out = vmap(lambda scale: dropout(torch.ones(100) * scale), randomness="different")(torch.ones(2))
    assert not torch.equal(out[0], out[1])


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_dropout_out_of_range_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=rf"dropout must be in \[0, 1\), but it is {p}\."):
        Dropout(p)


def test_the_last_call_is_remembered_for_the_same_tensor_only() -> None:
    calls = []
    double = LastCall(lambda tensor, factor: calls.append(factor) or tensor * factor)
    x = torch.ones(2)
    with torch.inference_mode():
        first = double(x, 2)
    assert double(x, 2) is first and not first.is_inference()  # so that training may use it
    assert torch.equal(double(x, 3), 3 * x) and torch.equal(double(x.clone(), 3), 3 * x)
    assert calls == [2, 3, 3]


def test_a_tensor_that_was_changed_in_place_is_another() -> None:
    double, x = LastCall(lambda tensor: tensor * 2), torch.ones(2)
    double(x)
    x[0] = 5.0
    assert torch.equal(double(x), torch.tensor([10.0, 2.0]))
    with torch.inference_mode():
        y = torch.ones(2)
    assert double(y) is double(y)


def test_a_pattern_is_freed_with_its_last_user() -> None:
    pattern = SparsePattern.of_entries(*entries(), (ROWS, COLUMNS))[0]
    assert pattern.blocks(1) is pattern and pattern.blocks(3) is pattern.blocks(3)
    gone = weakref.ref(pattern)
    gc.disable()
    try:
        del pattern
        assert gone() is None  # without the garbage collector
    finally:
        gc.enable()


def test_sparse_features_that_want_a_gradient_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a torch\.sparse_csr tensor gets no gradient here"):
        SparseMatrix.of(torch.eye(3).to_sparse_csr().requires_grad_())
