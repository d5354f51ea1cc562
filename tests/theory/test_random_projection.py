"""Random projections and almost orthogonal vectors against known values, simulation and the beta distribution."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy.special import betainc
from torch import Tensor
from torch.testing import assert_close

from theory import almost_orthogonal_count, almost_orthogonal_vectors, jl_dimension, jl_projection, welch_bound


def unit_vectors(*shape: int, seed: int = 0) -> Tensor:
    vectors = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return vectors / vectors.norm(dim=-1, keepdim=True)


def collision_probability(dim: int, delta: float) -> float:
    """Back from the count to p."""
    return math.pi / 2 / almost_orthogonal_count(dim, delta) ** 2


@pytest.mark.parametrize(
    ("n", "eps", "expected"), [(1000, 0.2, 1382), (1, 0.5, 1), (2, 0.9, 7), (10**6, 0.1, 11053), (60_000, 0.3, 978)]
)
def test_dimensions_of_the_lemma(n: int, eps: float, expected: int) -> None:
    assert jl_dimension(n, eps) == expected == max(1, math.ceil(8 * math.log(n) / eps**2))
    third_order = 4 * math.log(n) / (eps**2 / 2 - eps**3 / 3)
    assert third_order >= 8 * math.log(n) / eps**2  # the form of the paper asks for more
    if (n, eps) == (1000, 0.2):
        assert math.floor(third_order) == 1594


@pytest.mark.parametrize(("n", "eps"), [(50, 0.3), (100, 0.5), (200, 0.4)])
def test_projection_keeps_distances(n: int, eps: float) -> None:
    points = torch.rand(n, 2000, generator=torch.Generator().manual_seed(1))
    projected = points @ jl_projection(2000, jl_dimension(n, eps), seed=0).T
    ratios = torch.nn.functional.pdist(projected) / torch.nn.functional.pdist(points)
    assert 1 - eps < ratios.square().min() < 1 < ratios.square().max() < 1 + eps
    assert 1 - eps < ratios.min() < 1 < ratios.max() < 1 + eps
    too_few = points @ jl_projection(2000, 5, seed=0).T
    assert (torch.nn.functional.pdist(too_few) / torch.nn.functional.pdist(points)).min() < 1 - eps


def test_projection_keeps_squared_lengths_on_average() -> None:
    k, vector = 20, torch.tensor([3.0, 0.0, 4.0])
    squares = torch.stack([(jl_projection(3, k, seed) @ vector).square().sum() for seed in range(2000)]) / 25
    assert abs(squares.mean() - 1) < 5 * math.sqrt(2 / k / 2000)
    assert squares.var().item() == pytest.approx(2 / k, rel=0.2)


def test_a_seed_gives_the_same_projection_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, again, other = (jl_projection(6, 4, seed) for seed in (3, 3, 4))
    vectors = almost_orthogonal_vectors(5, 100, 0.9, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (4, 6)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(vectors, almost_orthogonal_vectors(5, 100, 0.9, seed=3))


@pytest.mark.parametrize(("count", "dim", "delta"), [(1, 3, 0.1), (30, 200, 0.4), (1500, 1000, 0.2), (600, 300, 0.4)])
def test_almost_orthogonal_vectors_are_what_they_say(count: int, dim: int, delta: float) -> None:
    vectors = almost_orthogonal_vectors(count, dim, delta, seed=0)
    assert vectors.shape == (count, dim)
    assert_close(vectors.norm(dim=1), torch.ones(count))
    assert (vectors @ vectors.T - torch.eye(count)).abs().max() <= delta


@pytest.mark.parametrize(  # the largest lies in the second chunk of 512 with seed 2, between it and the third with 50
    ("count", "seed"), [(2, 1), (10, 1), (511, 1), (512, 1), (513, 1), (1100, 1), (1100, 2), (1100, 50)]
)
def test_the_largest_overlap_is_that_of_all_pairs(count: int, seed: int) -> None:
    vectors = almost_orthogonal_vectors(count, 40, 0.95, seed)
    largest = (vectors @ vectors.T).fill_diagonal_(0).abs().max().item()
    almost_orthogonal_vectors(count, 40, largest + 1e-6, seed)
    with pytest.raises(ValueError, match=f"reaches {largest:.4f} for {count} vectors in 40 dimensions"):
        almost_orthogonal_vectors(count, 40, largest - 1e-6, seed)


def test_the_dimension_of_the_message_suffices() -> None:
    with pytest.raises(ValueError, match=r"at most delta=0.4, but it reaches 0\.\d+ .*: dim=213 suffices for 99 seeds"):
        almost_orthogonal_vectors(500, 50, 0.4, seed=0)
    assert 500**2 * math.exp(-213 * 0.4**2 / 2) <= 0.01 < 500**2 * math.exp(-212 * 0.4**2 / 2)
    for seed in range(20):
        almost_orthogonal_vectors(500, 213, 0.4, seed=seed)


@pytest.mark.parametrize(
    ("count", "dim", "expected"),
    [(3, 2, 0.5), (2, 2, 0.0), (2, 5, 0.0), (1, 1, 0.0), (2, 1, 1.0), (5, 1, 1.0), (6, 3, 1 / math.sqrt(5))],
)
def test_welch_bound(count: int, dim: int, expected: float) -> None:
    assert welch_bound(count, dim) == pytest.approx(expected)


def test_welch_bound_is_reached_by_regular_figures_and_never_undercut() -> None:
    angles = torch.arange(3, dtype=torch.float64) * 2 * math.pi / 3
    golden = (1 + math.sqrt(5)) / 2
    icosahedron = torch.tensor(
        [[0, 1, golden], [0, 1, -golden], [1, golden, 0], [1, -golden, 0], [golden, 0, 1], [-golden, 0, 1]]
    )
    triangle = torch.stack([angles.cos(), angles.sin()], dim=1)
    for vectors in (triangle, icosahedron / icosahedron.norm(dim=1, keepdim=True)):
        largest = (vectors @ vectors.T).fill_diagonal_(0).abs().max().item()
        assert largest == pytest.approx(welch_bound(*vectors.shape), rel=1e-6)
    for seed in range(50):
        vectors = unit_vectors(7, 4, seed=seed)
        assert (vectors @ vectors.T).fill_diagonal_(0).abs().max() > welch_bound(7, 4)


@pytest.mark.parametrize("dim", [1, 2, 10, 300])
def test_squared_cosines_of_random_directions_have_the_mean_one_over_the_dimension(dim: int) -> None:
    first, second = unit_vectors(2, 10_000, dim)
    squares = (first * second).sum(dim=1).square()
    assert abs(squares.mean() - 1 / dim) <= 5 * squares.std() / 100 + 1e-12


@pytest.mark.parametrize("delta", [1e-4, 0.1, 0.5, 0.9, 0.999])
def test_collisions_have_the_probability_of_the_beta_distribution(delta: float) -> None:
    closed = {1: 1.0, 2: 2 * math.acos(delta) / math.pi, 3: 1 - delta, 5: 1 - (3 * delta - delta**3) / 2}
    for dim, expected in closed.items():
        assert collision_probability(dim, delta) == pytest.approx(expected, rel=1e-9)
    for dim in (2, 3, 4, 7, 50, 101, 1000):
        expected = betainc((dim - 1) / 2, 0.5, (1 - delta) * (1 + delta))
        if expected > 1e-290:
            assert collision_probability(dim, delta) == pytest.approx(expected, rel=1e-9)


def test_the_count_grows_at_least_like_its_exponential_bound() -> None:
    for dim in (1, 2, 3, 10, 100, 1000, 100_000):
        for delta in (0.01, 0.1, 0.3, 0.7):
            if dim * delta**2 < 1000:
                assert almost_orthogonal_count(dim, delta) >= math.sqrt(math.pi / 4) * math.exp(dim * delta**2 / 4)
    growth = math.log(almost_orthogonal_count(8000, 0.1) / almost_orthogonal_count(4000, 0.1)) / 4000
    assert growth == pytest.approx(0.1**2 / 4, rel=0.05)
    assert almost_orthogonal_count(10**6, 0.5) == math.inf


def draws_until_collision(dim: int, delta: float, seed: int) -> int:
    vectors = unit_vectors(400, dim, seed=seed)
    collides = ((vectors @ vectors.T).abs() > delta).tril(diagonal=-1).any(dim=1)
    return int(collides.nonzero()[0]) + 1


def test_the_count_is_the_mean_of_simulated_draws() -> None:
    dim, delta = 30, 0.6
    draws = torch.tensor([draws_until_collision(dim, delta, seed) for seed in range(600)], dtype=torch.float64)
    expected = almost_orthogonal_count(dim, delta) + 2 / 3  # the next term of the birthday problem's mean
    assert expected > 50
    assert abs(draws.mean() - expected) < 5 * draws.std() / math.sqrt(600)
    assert draws.std() / math.sqrt(600) < 0.03 * expected


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (jl_dimension, (0, 0.1), "n must be at least 1, but it is 0"),
        (jl_dimension, (10, 0.0), r"eps must be in \(0, 1\), but it is 0.0"),
        (jl_dimension, (10, 1), r"eps must be in \(0, 1\), but it is 1"),
        (jl_projection, (0, 3, 0), "n_dims and k must be at least 1, but are 0 and 3"),
        (jl_projection, (3, -1, 0), "n_dims and k must be at least 1, but are 3 and -1"),
        (welch_bound, (0, 3), "count and dim must be at least 1, but are 0 and 3"),
        (almost_orthogonal_count, (0, 0.1), "dim must be at least 1, but it is 0"),
        (almost_orthogonal_count, (10, 1.0), r"delta must be in \(0, 1\), but it is 1.0"),
        (almost_orthogonal_vectors, (0, 3, 0.1, 0), "count and dim must be at least 1, but are 0 and 3"),
        (almost_orthogonal_vectors, (3, 3, 0.0, 0), r"delta must be in \(0, 1\), but it is 0.0"),
        (almost_orthogonal_vectors, (3, 2, 0.4, 0), r"no set of so many can be below the Welch bound 0\.5000\.$"),
        (almost_orthogonal_vectors, (3, 1, 0.9, 0), r"reaches 1\.0000 for 3 vectors .* Welch bound 1\.0000"),
    ],
)
def test_misfits_are_refused(function: Callable, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(*arguments)
