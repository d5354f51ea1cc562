"""The Gaussian cloud: variances, labels and splits are what the docstring promises, for every seed."""

import math

import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from datamodules import GaussianDataModule
from datamodules.gaussian import split_lengths

SPLITS = ("train", "val", "test")


def loaded(**arguments: object) -> GaussianDataModule:
    data = GaussianDataModule(**{"input_dim": 6, "num_samples": 50, "num_high_variance": 3, **arguments})
    data.setup("fit")
    data.setup("test")
    return data


def everything(data: GaussianDataModule) -> tuple[Tensor, Tensor]:
    """Samples and labels of all splits, in float64."""
    samples, labels = (
        torch.cat(tensors) for tensors in zip(*(data.datasets[split].tensors for split in SPLITS), strict=True)
    )
    return samples.double(), labels


def spectrum(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of the covariance, highest first, and its eigenvectors in columns."""
    values, vectors = torch.linalg.eigh(samples.mT.cov())
    return values.flip(0), vectors.flip(1)


@pytest.mark.parametrize(
    ("num_samples", "splits", "lengths"),
    [
        (20000, (0.7, 0.2, 0.1), [14000, 4000, 2000]),
        (10, (0.2, 0.5, 0.3), [2, 5, 3]),
        (11, (1 / 3, 1 / 3, 1 / 3), [4, 4, 3]),
        (3, [1 / 3, 1 / 3, 1 / 3], [1, 1, 1]),
    ],
)
def test_splits_have_the_lengths_asked_for(num_samples: int, splits: tuple, lengths: list[int]) -> None:
    assert split_lengths(num_samples, splits) == lengths
    data = loaded(num_samples=num_samples, splits=splits)
    assert [len(data.datasets[split]) for split in SPLITS] == lengths


def test_defaults_are_those_of_the_handout() -> None:
    samples, labels = everything(loaded(input_dim=100, num_samples=20000, num_high_variance=20))
    data = GaussianDataModule()
    data.setup("fit")
    train_samples, train_labels = data.datasets["train"].tensors
    assert torch.equal(train_samples.double(), samples[:14000]) and torch.equal(train_labels, labels[:14000])
    assert data.variances.tolist() == [100.0] * 20 + [1.0] * 80
    assert data.num_classes == len(data.class_names) == 2


def test_the_covariance_has_the_variances_asked_for_in_rotated_directions() -> None:
    samples, _ = everything(loaded(input_dim=100, num_samples=20000, num_high_variance=20))
    values, vectors = spectrum(samples)
    # Sampling alone spreads H equal eigenvalues over v(1 ± √(H/n))²: here 94 … 106 and 0.88 … 1.13.
    assert values[19] > 90 and values[0] < 110
    assert values[99] > 0.85 and values[20] < 1.16
    assert values[:20].mean().item() == pytest.approx(100, rel=0.02)
    assert values[20:].mean().item() == pytest.approx(1, rel=0.02)
    # Each coordinate of the data has its part of the long axes, 20/100 on average, and none is one of them.
    shares = vectors[:, :20].square().sum(dim=1)
    assert shares.min() > 0.02 and shares.max() < 0.6
    errors = samples.mean(dim=0) / (samples.var(dim=0) / len(samples)).sqrt()
    assert errors.abs().max() < 5


def test_each_next_high_variance_is_smaller_by_the_decay() -> None:
    data = loaded(num_samples=20000, num_high_variance=4, variance_scale=64.0, variance_decay=0.5)
    assert data.variances.tolist() == [64.0, 32.0, 16.0, 8.0, 1.0, 1.0]
    values, _ = spectrum(everything(data)[0])
    expected = torch.tensor([64.0, 32, 16, 8, 1, 1], dtype=torch.float64)
    assert (values / expected - 1).abs().max() < 0.05  # √(2/n) = 0.01


def test_variances_need_not_stand_out() -> None:
    data = loaded(num_samples=20000, num_high_variance=6, variance_scale=1)
    assert data.variances.tolist() == [1.0] * 6
    assert (spectrum(everything(data)[0])[0] - 1).abs().max() < 0.06


def separable(samples: Tensor, labels: Tensor) -> bool:
    """Whether some w has a positive product with each sample of label 1 and a negative one with the others."""
    signed = ((2 * labels[:, None] - 1) * samples).numpy()
    found = linprog([0.0] * signed.shape[1], A_ub=-signed, b_ub=[-1.0] * len(signed), bounds=(None, None))
    assert found.status in (0, 2)  # solved, or without solution
    return found.status == 0


@pytest.mark.parametrize("high", [1, 3, 6])
def test_a_linear_classifier_is_always_right(high: int) -> None:
    samples, labels = everything(loaded(num_samples=2000, num_high_variance=high))
    assert separable(samples, labels)
    labels[samples.norm(dim=1).argmax()] ^= 1
    assert not separable(samples, labels)


@pytest.mark.parametrize("high", [1, 2, 4])
def test_labels_are_decided_by_the_sum_of_the_high_variance_coordinates(high: int) -> None:
    data = loaded(num_samples=20000, num_high_variance=high, variance_decay=0.5)
    samples, labels = everything(data)
    # Least squares finds the direction that decides (Stein's lemma); in the axes of the cloud it is (1, …, 1, 0, …, 0).
    direction = torch.linalg.lstsq(samples, (2 * labels[:, None] - 1).double()).solution[:, 0]
    shares = (spectrum(samples)[1].mT @ (direction / direction.norm())).square()
    expected = torch.tensor([1 / high] * high + [0.0] * (6 - high), dtype=torch.float64)
    assert (shares - expected).abs().max() < 0.05
    # Learned on the training split, it holds for the others too: one rotation for all of them.
    train = slice(0, data.lengths[0])
    direction = torch.linalg.lstsq(samples[train], (2 * labels[train, None] - 1).double()).solution
    assert ((samples @ direction > 0)[:, 0] == labels).double().mean() > 0.97


def test_both_labels_are_equally_frequent() -> None:
    for seed in range(3):
        labels = everything(loaded(num_samples=10000, seed=seed))[1]
        assert set(labels.tolist()) == {0, 1}
        assert labels.double().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(10000))


def test_a_batch_is_what_the_docstring_says() -> None:
    data = loaded(batch_size=8, eval_batch_size=3)
    samples, labels = next(iter(data.train_dataloader()))
    assert samples.shape == (8, 6) and samples.dtype == torch.float32
    assert labels.shape == (8,) and labels.dtype == torch.int64
    assert [len(batch[0]) for batch in data.test_dataloader()] == [3, 2]


def test_no_sample_is_in_two_splits_or_under_two_seeds() -> None:
    rows = [tuple(row) for seed in range(4) for row in everything(loaded(seed=seed))[0].tolist()]
    assert len(set(rows)) == len(rows) == 4 * 50


def test_the_seed_decides_on_the_rotation_too() -> None:
    axes = [
        spectrum(everything(loaded(num_samples=1000, num_high_variance=1, seed=seed))[0])[1][:, 0] for seed in (0, 1)
    ]
    assert abs(float(axes[0] @ axes[1])) < 0.95


def test_the_same_seed_gives_the_same_data() -> None:
    for first, again in zip(everything(loaded(seed=3)), everything(loaded(seed=3)), strict=True):
        assert torch.equal(first, again)


@pytest.mark.parametrize("stage", ["test", "predict"])
def test_test_split_is_the_same_whatever_was_set_up_before_and_drawn_elsewhere(stage: str) -> None:
    data = GaussianDataModule(input_dim=6, num_samples=50, num_high_variance=3)
    torch.manual_seed(5)
    data.setup(stage)
    assert set(data.datasets) == {"test"}
    for tensor, same in zip(data.datasets["test"].tensors, loaded().datasets["test"].tensors, strict=True):
        assert torch.equal(tensor, same)


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_fit_does_not_hold_the_test_split_or_draw_from_the_global_generator(stage: str) -> None:
    before = torch.get_rng_state()
    data = GaussianDataModule(input_dim=6, num_samples=50, num_high_variance=3)
    data.setup(stage)
    assert set(data.datasets) == {"train", "val"}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": (0.7, 0.2, 0.2)}, r"splits must be .* that sum to 1, but they are \[0.7, 0.2, 0.2\]"),
        ({"splits": (0.5, 0.2, 0.1)}, r"splits must be .* that sum to 1, but they are \[0.5, 0.2, 0.1\]"),
        ({"splits": (0.9, 0.2, -0.1)}, r"splits must be three positive shares .* \[0.9, 0.2, -0.1\]"),
        ({"splits": (0.8, 0.2, 0.0)}, r"splits must be three positive shares .* \[0.8, 0.2, 0.0\]"),
        ({"splits": (math.nan, 0.5, 0.5)}, r"splits must be three positive shares .* \[nan, 0.5, 0.5\]"),
        ({"splits": (0.5, 0.5, math.nan)}, r"splits must be three positive shares .* \[0.5, 0.5, nan\]"),
        ({"num_samples": 3}, r"splits=\[0.7, 0.2, 0.1\] of num_samples=3 leave a split empty: give more samples"),
        ({"num_samples": 0}, "of num_samples=0 leave a split empty"),
        ({"input_dim": 1, "num_high_variance": 1}, "input_dim must be at least 2, .* but they are 1 and 1"),
        ({"num_high_variance": 0}, "num_high_variance in 1 … input_dim, but they are 100 and 0"),
        ({"num_high_variance": 101}, "num_high_variance in 1 … input_dim, but they are 100 and 101"),
        ({"variance_scale": 0.0}, "variance_scale must be > 0 .* but they are 0.0 and 1.0"),
        ({"variance_scale": math.inf}, "variance_scale must be > 0 .* but they are inf and 1.0"),
        ({"variance_scale": math.nan}, "variance_scale must be > 0 .* but they are nan and 1.0"),
        ({"variance_decay": 0.0}, r"variance_decay in \(0, 1\], but they are 100.0 and 0.0"),
        ({"variance_decay": 1.01}, r"variance_decay in \(0, 1\], but they are 100.0 and 1.01"),
        ({"variance_decay": math.nan}, r"variance_decay in \(0, 1\], but they are 100.0 and nan"),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": 0}, "eval_batch_size must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GaussianDataModule(**arguments)
