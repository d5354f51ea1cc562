"""Sparse features: the share of zeros, the range, the importance, and splits that share nothing."""

import math

import pytest
import torch

from datamodules import SparseFeaturesDataModule


def loaded(**arguments: object) -> SparseFeaturesDataModule:
    data = SparseFeaturesDataModule(**{"num_features": 6, "num_train": 20, "num_eval": 7, **arguments})
    data.setup("fit")
    data.setup("test")
    return data


def test_splits_have_the_sizes_asked_for_and_samples_alone() -> None:
    data = loaded(batch_size=8, eval_batch_size=5)
    for split, length in {"train": 20, "val": 7, "test": 7}.items():
        (samples,) = data.datasets[split].tensors
        assert samples.shape == (length, 6) and samples.dtype == torch.float32
    (batch,) = next(iter(data.train_dataloader()))
    assert batch.shape == (8, 6)
    assert [len(batch[0]) for batch in data.test_dataloader()] == [5, 2]


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_share_of_zeros_is_the_sparsity_and_features_are_independent(split: str, sparsity: float) -> None:
    samples = loaded(sparsity=sparsity, num_train=10000, num_eval=10000).datasets[split].tensors[0]
    zeros = (samples == 0).double()
    variance = sparsity * (1 - sparsity)
    assert zeros.mean().item() == pytest.approx(sparsity, abs=5 * math.sqrt(variance / zeros.numel()))
    assert (zeros.mean(dim=0) - sparsity).abs().max() < 5 * math.sqrt(variance / len(zeros))
    correlations = zeros.mT.corrcoef() - torch.eye(6)
    assert correlations.abs().max() < 5 / math.sqrt(len(zeros))


@pytest.mark.parametrize("sparsity", [0.0, 0.8])
def test_what_is_not_zero_is_uniform_between_0_and_1(sparsity: float) -> None:
    samples = loaded(sparsity=sparsity, num_train=20000).datasets["train"].tensors[0].double()
    present = samples[samples != 0]
    assert 0 < present.min() < 0.001 and 0.999 < present.max() <= 1
    for level in (0.1, 0.5, 0.9):
        share = (present < level).double().mean().item()
        assert share == pytest.approx(level, abs=5 * math.sqrt(level * (1 - level) / len(present)))
    if sparsity == 0:
        assert len(present) >= samples.numel() - 1  # a uniform float32 is itself 0 once in 2²⁴
        assert (samples.mT.corrcoef() - torch.eye(6)).abs().max() < 5 / math.sqrt(len(samples))


def test_whether_a_feature_is_there_says_nothing_of_the_others_values() -> None:
    samples = loaded(sparsity=0.5, num_train=20000).datasets["train"].tensors[0].double()
    first, second = samples[:, 0], samples[:, 1]
    values = first[(first != 0) & (second != 0)].mean() - first[(first != 0) & (second == 0)].mean()
    assert abs(values.item()) < 5 * math.sqrt(1 / 12 * (1 / 5000 + 1 / 5000))


@pytest.mark.parametrize("importance_decay", [0.7, 1.0])
def test_the_importance_decays_from_feature_to_feature(importance_decay: float) -> None:
    importance = loaded(importance_decay=importance_decay).importance
    assert importance.shape == (6,) and importance.dtype == torch.float32
    assert importance.tolist() == pytest.approx([importance_decay**index for index in range(6)])


def test_defaults_are_the_sizes_of_the_docstring() -> None:
    data = SparseFeaturesDataModule()
    assert (data.num_features, data.sparsity, data.batch_size, data.eval_batch_size) == (20, 0.9, 1000, 5000)
    data.setup("validate")
    assert data.datasets["train"].tensors[0].shape == (100_000, 20)
    assert data.datasets["val"].tensors[0].shape == (20_000, 20)
    assert data.importance[[0, 19]].tolist() == pytest.approx([1, 0.9**19])


def test_no_sample_is_in_two_splits_or_under_two_seeds() -> None:
    rows = []
    for seed in range(4):
        for dataset in loaded(seed=seed, sparsity=0.0).datasets.values():
            rows += map(tuple, dataset.tensors[0].tolist())
    assert len(set(rows)) == len(rows) == 4 * (20 + 7 + 7)


def test_the_same_seed_gives_the_same_data() -> None:
    first, again = loaded(seed=3), loaded(seed=3)
    for split in ("train", "val", "test"):
        assert torch.equal(first.datasets[split].tensors[0], again.datasets[split].tensors[0])


@pytest.mark.parametrize("stage", ["test", "predict"])
def test_test_split_is_the_same_whatever_was_set_up_before_and_drawn_elsewhere(stage: str) -> None:
    data = SparseFeaturesDataModule(num_features=6, num_train=3, num_eval=7)
    torch.manual_seed(5)
    data.setup(stage)
    assert set(data.datasets) == {"test"}
    assert torch.equal(data.datasets["test"].tensors[0], loaded().datasets["test"].tensors[0])


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_fit_does_not_draw_the_test_split_or_from_the_global_generator(stage: str) -> None:
    before = torch.get_rng_state()
    data = SparseFeaturesDataModule(num_features=6, num_train=3, num_eval=7)
    data.setup(stage)
    assert set(data.datasets) == {"train", "val"}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_features": 0}, "num_features, num_train and num_eval must be at least 1, but they are 0, 100000 and 20"),
        ({"num_train": 0}, "must be at least 1, but they are 20, 0 and 20000"),
        ({"num_eval": -1}, "must be at least 1, but they are 20, 100000 and -1"),
        ({"sparsity": 1.0}, r"sparsity must be in \[0, 1\) .* but they are 1.0 and 0.9"),
        ({"sparsity": -0.1}, r"sparsity must be in \[0, 1\) .* but they are -0.1 and 0.9"),
        ({"sparsity": math.nan}, r"sparsity must be in \[0, 1\) .* but they are nan and 0.9"),
        ({"importance_decay": 0.0}, r"importance_decay in \(0, 1\], but they are 0.9 and 0.0"),
        ({"importance_decay": 1.1}, r"importance_decay in \(0, 1\], but they are 0.9 and 1.1"),
        ({"importance_decay": math.nan}, r"importance_decay in \(0, 1\], but they are 0.9 and nan"),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": 0}, "eval_batch_size must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparseFeaturesDataModule(**arguments)
