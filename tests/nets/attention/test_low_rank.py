"""Attention through matrices of low rank against the products written out."""

import pytest
import torch
from naive_attention import LargestTensor, random_inputs, value_and_gradients
from torch import Tensor
from torch.testing import assert_close

from nets import low_rank_attention, projected_attention, softmax_attention

BATCHES = [(), (2,), (2, 3, 2)]


def random_matrix(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(("queries", "keys", "rank"), [(5, 7, 3), (7, 5, 5), (6, 6, 1), (1, 1, 1)])
@pytest.mark.parametrize("batch", BATCHES)
def test_low_rank_attention_equals_the_product_of_all_four(
    batch: tuple[int, ...], queries: int, keys: int, rank: int
) -> None:
    shapes = (*batch, queries, rank), (*batch, rank), (*batch, rank, keys), (*batch, keys, 6)
    inputs = [random_matrix(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    expected = torch.einsum("...nk,...k,...ks,...sm->...nm", *inputs)
    output = low_rank_attention(*inputs)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_low_rank_attention_is_that_with_weights_of_its_rank(rank: int, batch: tuple[int, ...]) -> None:
    weights = random_matrix(*batch, 5, rank) @ random_matrix(*batch, rank, 7, seed=2)
    v = random_matrix(*batch, 7, 6, seed=3)
    u, s, vh = torch.linalg.svd(weights, full_matrices=False)
    assert_close(low_rank_attention(u[..., :rank], s[..., :rank], vh[..., :rank, :], v), weights @ v)
    if rank > 1:
        fewer = low_rank_attention(u[..., : rank - 1], s[..., : rank - 1], vh[..., : rank - 1, :], v)
        assert (fewer - weights @ v).abs().max() > 1e-3


def test_low_rank_attention_of_all_singular_values_is_softmax_attention() -> None:
    q, k, v = random_inputs(2, 3)
    output, weights = softmax_attention(q, k, v, return_weights=True)
    assert_close(low_rank_attention(*torch.linalg.svd(weights, full_matrices=False), v), output)


@pytest.mark.parametrize(("queries", "keys", "rank"), [(5, 7, 3), (5, 7, 7), (7, 5, 1), (1, 1, 1)])
@pytest.mark.parametrize("batch", BATCHES)
def test_projected_attention_equals_the_naive_product(
    batch: tuple[int, ...], queries: int, keys: int, rank: int
) -> None:
    c, d = random_matrix(*batch, rank, keys, seed=1), random_matrix(*batch, rank, keys, seed=2)
    inputs = [*random_inputs(*batch, queries=queries, keys=keys), c, d]
    expected = torch.einsum("...nd,...td,...sm,...kt,...ks->...nm", *inputs)
    output = projected_attention(*inputs)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


def test_projections_without_a_batch_serve_every_sample() -> None:
    inputs = [*random_inputs(2, 3), random_matrix(3, 7, seed=1), random_matrix(3, 7, seed=2)]
    expected = torch.einsum("...nd,...td,...sm,kt,ks->...nm", *inputs)
    output = projected_attention(*inputs)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


def test_right_singular_vectors_as_projections_lose_nothing() -> None:
    q, k, v = random_inputs(2, 3)
    scores = q @ k.transpose(-2, -1)  # of rank 4, the width
    vh = torch.linalg.svd(scores, full_matrices=False).Vh
    assert_close(projected_attention(q, k, v, vh[..., :4, :], vh[..., :4, :]), scores @ v)
    fewer = projected_attention(q, k, v, vh[..., :3, :], vh[..., :3, :])
    assert (fewer - scores @ v).abs().max() > 1e-3


def test_no_matrix_of_all_pairs_is_formed() -> None:
    length, rank = 1000, 8
    inputs = random_inputs(queries=length, keys=length)
    vectors = [random_matrix(*shape) for shape in [(length, rank), (rank,), (rank, length)]]
    with LargestTensor() as largest:
        projected_attention(*inputs, vectors[2], vectors[2]).sum().backward()
        low_rank_attention(*vectors, inputs[2]).sum().backward()
    assert largest.numel == length * rank


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 3), (2,), (2, 7), (7, 6)), r"share the rank, but u has 3 columns .*, s 2 values and vh 2 rows"),
        (((5, 2), (2,), (3, 7), (7, 6)), r"u has 2 columns .*, s 2 values and vh 3 rows .* cut them to u\[..., :k\]"),
        (((5, 2), (2,), (2, 7), (6, 6)), r"same length, but vh has 7 columns .* and v has 6 rows"),
        (((5, 6), (6,), (6, 7), (7, 6)), "the rank of u, s and vh must be a whole number in 1 … 5, .* but it is 6"),
        (((7, 6), (6,), (6, 5), (5, 6)), "the rank of u, s and vh must be a whole number in 1 … 5, .* but it is 6"),
        (((5, 0), (0,), (0, 7), (7, 6)), "the rank of u, s and vh must be a whole number in 1 … 5, .* but it is 0"),
    ],
)
def test_singular_vectors_that_do_not_fit_are_refused(shapes: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        low_rank_attention(*map(torch.zeros, shapes))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 4), (7, 3), (7, 6), (2, 7), (2, 7)), r"same width, but q has 4 .* and k has 3"),
        (((5, 4), (7, 4), (8, 6), (2, 7), (2, 7)), r"same length, but k has 7 .* and v has 8"),
        (
            ((5, 4), (7, 4), (7, 6), (2, 6), (2, 7)),
            r"c must be a matrix with as many columns as k has rows, 7, but .* \(2, 6\)",
        ),
        (
            ((5, 4), (7, 4), (7, 6), (2, 7), (2, 8)),
            r"d must be a matrix with as many columns as k has rows, 7, but .* \(2, 8\)",
        ),
        (
            ((5, 4), (7, 4), (7, 6), (8, 7), (8, 7)),
            "the number of rows of c must be a whole number in 1 … 7, .* but it is 8",
        ),
        (
            ((5, 4), (7, 4), (7, 6), (2, 7), (0, 7)),
            "the number of rows of d must be a whole number in 1 … 7, .* but it is 0",
        ),
        (((5, 4), (7, 4), (7, 6), (2, 7), (3, 7)), "as many rows as each other, but have 2 and 3"),
    ],
)
def test_projections_that_do_not_fit_are_refused(shapes: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        projected_attention(*map(torch.zeros, shapes))
