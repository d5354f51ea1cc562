"""Closed forms of attention against simulation, loops that count, and the singular value decomposition."""

import math
from itertools import count

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nets import linear_attention, low_rank_attention, projected_attention, quadratic_features, softmax_attention
from theory import attention_cost, dot_product_moments, exact_projections


def test_the_worked_example_of_the_handout() -> None:
    k = torch.tensor([[2.0, 0.0, 0.0], [3.0, -1.0, 0.0], [1.0, 0.0, 2.0]])
    v = torch.tensor([[5.0, 4.0, 5.0], [3.0, 5.0, 5.0], [1.0, 2.0, 4.0]])
    q = torch.tensor([[1.0, 0.0, 4.0], [2.0, -1.0, 3.0], [4.0, 6.0, 1.0]])
    assert (k @ q[1]).tolist() == [4.0, 7.0, 8.0]
    for similarities, mask in (
        ([math.exp(4), math.exp(7), math.exp(8)], None),
        ([math.exp(4), math.exp(7), 0.0], torch.tensor([True, True, False])),
    ):
        pairs = [(similarity / sum(similarities), row) for similarity, row in zip(similarities, v, strict=True)]
        expected = torch.stack([weight * row for weight, row in pairs]).sum(dim=0)
        assert_close(softmax_attention(q, k, v, mask=mask, scale=1.0)[1], expected)
    assert_close(expected, torch.tensor([3.09485, 4.95257, 5.0]), atol=1e-5, rtol=0)  # 1/(1 + e³) of the first value


@pytest.mark.parametrize(
    ("mean", "std", "dim", "expected"),
    [
        (0.0, 1.0, 64, (0, 64)),  # hence the scale √D
        (0, 2, 3, (0, 48)),
        (0.5, 0.0, 4, (1, 0)),
        (2.0, 1.0, 3, (12, 27)),
        (torch.tensor([1.0, 2.0, 2.0]), 3.0, 3, (9, 405)),
        (torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([1.0, 2.0]), 2, ([5, 0], [12, 32])),
    ],
)
def test_moments_are_those_of_the_closed_form(mean: object, std: object, dim: int, expected: tuple) -> None:
    moments = dot_product_moments(mean, std, dim)
    assert (moments.mean.tolist(), moments.variance.tolist()) == expected


def sample_scores(mean: Tensor | float, std: float, dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    q, k = mean + std * torch.randn(2, 20_000, dim, generator=generator, dtype=torch.float64)
    return (q * k).sum(dim=-1)


@pytest.mark.parametrize(
    ("mean", "std", "dim"),
    [(0.0, 1.0, 16), (0.7, 0.5, 8), (torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64), 1.5, 4), (-0.3, 2.0, 1)],
)
def test_moments_are_within_five_standard_errors_of_simulated_ones(mean: Tensor | float, std: float, dim: int) -> None:
    scores = sample_scores(mean, std, dim)
    expected = dot_product_moments(mean, std, dim)
    of_variance = (scores - scores.mean()).square()  # its mean is the variance, its spread gives that of the variance
    assert abs(scores.mean() - expected.mean) < 5 * scores.std() / math.sqrt(len(scores))
    assert abs(of_variance.mean() - expected.variance) < 5 * of_variance.std() / math.sqrt(len(scores))
    assert of_variance.std() / math.sqrt(len(scores)) < 0.03 * expected.variance  # a standard error worth the name


@pytest.mark.parametrize("dim", [4, 64, 256])
def test_scores_divided_by_the_root_of_the_width_keep_the_variance_one(dim: int) -> None:
    assert dot_product_moments(0.0, 1.0, dim).variance / dim == 1
    assert (sample_scores(0.0, 1.0, dim) / math.sqrt(dim)).var().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("mean", "std", "dim", "message"),
    [
        (0.0, 1.0, 0, "dim must be at least 1, but it is 0"),
        (0.0, -0.5, 4, "std must not be negative, but it is -0.5"),
        (0.0, torch.tensor([1.0, -2.0]), 4, "std must not be negative, but it is -2.0"),
        (torch.zeros(2, 3), 1.0, 4, r"number or have the width dim=4, but its shape is \(2, 3\)"),
    ],
)
def test_moments_of_nothing_are_refused(mean: object, std: object, dim: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dot_product_moments(mean, std, dim)


class Counting:
    """Attention number by number over lists, which counts its multiply-adds and what it stores."""

    multiply_adds = stored_elements = 0

    def dot(self, x: list[float], y: list[float]) -> float:
        total = 0.0
        for a, b in zip(x, y, strict=True):
            total += a * b
            self.multiply_adds += 1
        return total

    def store(self, rows: list[list[float]]) -> list[list[float]]:
        self.stored_elements += sum(map(len, rows))
        return rows

    def softmax(self, q: list, k: list, v: list) -> list[list[float]]:
        weights = self.store([[math.exp(self.dot(a, b) / math.sqrt(len(a))) for b in k] for a in q])
        return [[self.dot(row, column) / sum(row) for column in zip(*v, strict=True)] for row in weights]

    def linear(self, of_q: list, of_k: list, v: list) -> list[list[float]]:
        self.store(of_q + of_k)
        by_feature = list(zip(*of_k, strict=True))
        columns = [*zip(*v, strict=True), [1.0] * len(v)]  # the last one for the denominator
        state = self.store([[self.dot(column, row) for row in by_feature] for column in columns])
        sums = [[self.dot(row, column) for column in state] for row in of_q]
        return [[value / denominator for value in values] for *values, denominator in sums]

    def quadratic_features(self, x: list[float]) -> list[float]:
        root, pairs = math.sqrt(2), [(i, j) for i in range(len(x)) for j in range(i, len(x))]
        products = [(1 if i == j else root) * self.dot([x[i]], [x[j]]) for i, j in pairs]
        return [1.0, *(root * entry for entry in x), *products]

    def quadratic(self, q: list, k: list, v: list) -> list[list[float]]:
        return self.linear([self.quadratic_features(x) for x in q], [self.quadratic_features(x) for x in k], v)


@pytest.mark.parametrize(("n", "d", "m"), [(1, 1, 1), (2, 3, 5), (5, 3, 2), (7, 2, 2), (3, 1, 4)])
@pytest.mark.parametrize("kind", ["softmax", "quadratic", "features"])
def test_cost_is_what_a_loop_counts(kind: str, n: int, d: int, m: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.rand(n, width, generator=generator, dtype=torch.float64) for width in (d, d, m))
    counting = Counting()
    output = getattr(counting, "linear" if kind == "features" else kind)(q.tolist(), k.tolist(), v.tolist())
    expected = {
        "softmax": lambda: softmax_attention(q, k, v),
        "quadratic": lambda: linear_attention(q, k, v, quadratic_features),
        "features": lambda: linear_attention(q, k, v, lambda x: x),
    }[kind]()
    assert_close(torch.tensor(output, dtype=torch.float64), expected)
    cost = attention_cost(n, d, m, kind, num_features=d if kind == "features" else None)
    assert cost == (counting.multiply_adds, counting.stored_elements)


@pytest.mark.parametrize("width", [16, 32, 64])
def test_quadratic_kernel_is_cheaper_than_softmax_from_between_half_the_squared_width_and_all_of_it(width: int) -> None:
    def cheaper(n: int) -> bool:
        quadratic, softmax = (attention_cost(n, width, width, kind) for kind in ("quadratic", "softmax"))
        return quadratic.multiply_adds < softmax.multiply_adds

    crossover = next(filter(cheaper, count(1)))
    assert width**2 / 2 < crossover < width**2
    assert all(map(cheaper, range(crossover, 4 * crossover)))


def test_cost_grows_with_the_square_of_the_length_for_softmax_alone() -> None:
    costs = {
        kind: [attention_cost(n, 8, 8, kind, 5 if kind == "features" else None) for n in (1000, 2000)]
        for kind in ("softmax", "quadratic", "features")
    }
    growth = {kind: second.multiply_adds / first.multiply_adds for kind, (first, second) in costs.items()}
    assert growth == {"softmax": 4, "quadratic": 2, "features": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, 4, "softmax"), "at least 1, but are 0, 4, 4 and None"),
        ((8, 0, 4, "softmax"), "at least 1, but are 8, 0, 4 and None"),
        ((8, 4, -1, "softmax"), "at least 1, but are 8, 4, -1 and None"),
        ((8, 4, 4, "features", 0), "at least 1, but are 8, 4, 4 and 0"),
        ((8, 4, 4, "cubic"), 'kind must be "softmax", "quadratic" or "features", but it is "cubic"'),
        ((8, 4, 4, "features"), 'num_features belongs to kind="features", but it is None with kind="features"'),
        ((8, 4, 4, "softmax", 3), 'num_features belongs to kind="features", but it is 3 with kind="softmax"'),
    ],
)
def test_costs_that_cannot_be_counted_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention_cost(*arguments)


def random_inputs(*batch: int, n: int, s: int, d: int, rank: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, of a rank when it is given, keys and values."""
    generator = torch.Generator().manual_seed(0)
    shapes = (*batch, n, d), (*batch, s, d), (*batch, s, 3)
    q, k, v = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return (q if rank is None else q[..., :rank] @ q[..., :rank, :]), k, v


@pytest.mark.parametrize(
    ("batch", "sizes", "rank"),
    [
        ((), {"n": 12, "s": 12, "d": 4}, 4),  # D < N
        ((), {"n": 4, "s": 4, "d": 9}, 4),  # N < D
        ((), {"n": 5, "s": 11, "d": 7}, 5),  # N < D < S
        ((), {"n": 11, "s": 3, "d": 7}, 3),  # S < D < N
        ((), {"n": 12, "s": 10, "d": 6, "rank": 2}, 2),
        ((2, 3), {"n": 9, "s": 7, "d": 4}, 4),
        ((2,), {"n": 9, "s": 7, "d": 4, "rank": 1}, 1),
    ],
)
def test_projections_of_the_rank_of_the_scores_are_exact(batch: tuple, sizes: dict, rank: int) -> None:
    q, k, v = random_inputs(*batch, **sizes)
    c, d = exact_projections(q, k)
    assert c.shape == d.shape == (*batch, rank, sizes["s"])
    assert_close(projected_attention(q, k, v, c, d), q @ k.transpose(-2, -1) @ v)


def test_projections_of_a_batch_have_the_largest_of_its_ranks() -> None:
    q, k, v = random_inputs(2, n=9, s=7, d=4)
    q[0] = q[0, :, :1] * torch.ones(4)  # of rank 1
    c, d = exact_projections(q, k)
    assert c.shape == d.shape == (2, 4, 7)
    assert_close(projected_attention(q, k, v, c, d), q @ k.transpose(-2, -1) @ v)


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize(("n", "s", "d"), [(9, 7, 5), (5, 8, 12)])
def test_fewer_rows_are_the_truncated_singular_value_decomposition(n: int, s: int, d: int, rank: int) -> None:
    q, k, v = random_inputs(2, n=n, s=s, d=d)
    output = projected_attention(q, k, v, *exact_projections(q, k, rank))
    u, singular_values, vh = torch.linalg.svd(q @ k.transpose(-2, -1), full_matrices=False)
    truncated = u[..., :rank], singular_values[..., :rank], vh[..., :rank, :]
    assert_close(output, u[..., :rank] @ torch.diag_embed(truncated[1]) @ truncated[2] @ v)
    assert_close(output, low_rank_attention(*truncated, v))


@pytest.mark.parametrize(
    ("shapes", "rank", "message"),
    [
        (((5, 4), (6, 3)), None, r"same batch and width, but their shapes are \(5, 4\) and \(6, 3\)"),
        (((5, 9), (6, 9)), 6, "rank must be in 1 … 5, .* lengths 5 and 6 and the width 9, but it is 6"),
        (((5, 4), (6, 4)), 5, "rank must be in 1 … 4, .* lengths 5 and 6 and the width 4, but it is 5"),
        (((5, 4), (6, 4)), 0, "rank must be in 1 … 4, .* but it is 0"),
    ],
)
def test_projections_that_cannot_be_are_refused(shapes: tuple, rank: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exact_projections(*map(torch.ones, shapes), rank)
