"""Random sequences and their convolution or max-pool: targets against plain loops, splits that share nothing."""

import pytest
import torch

from datamodules import LocalOperatorDataModule


def loaded(**arguments: object) -> LocalOperatorDataModule:
    data = LocalOperatorDataModule(**{"num_train": 20, "num_eval": 7, "batch_size": 4, "length": 9, **arguments})
    data.setup("fit")
    data.setup("test")
    return data


@pytest.mark.parametrize(
    ("arguments", "radius"),
    [
        ({}, 1),
        ({"kernel": [0.5]}, 0),
        ({"kernel": [1.0, 0.0, 0.3, 2.0, 0.7]}, 2),
        ({"operator": "max_pool"}, 1),
        ({"operator": "max_pool", "k": 0}, 0),
        ({"operator": "max_pool", "k": 4, "kernel": [1.0]}, 4),
    ],
)
def test_targets_are_those_of_a_plain_loop_over_the_central_positions(arguments: dict, radius: int) -> None:
    data = loaded(**arguments)
    assert data.radius == radius
    taps = arguments.get("kernel", [2.0, 0.0, 1.0])
    for split, num_sequences in {"train": 20, "val": 7, "test": 7}.items():
        inputs, targets = data.datasets[split].tensors
        assert inputs.shape == (num_sequences, 9, 1) and targets.shape == (num_sequences, 9 - 2 * radius, 1)
        for row, target in zip(inputs[..., 0].tolist(), targets[..., 0].tolist(), strict=True):
            windows = [row[i - radius : i + radius + 1] for i in range(radius, 9 - radius)]
            if "operator" in arguments:
                assert target == [max(window) for window in windows]
            else:
                products = ([x * tap for x, tap in zip(window, taps, strict=True)] for window in windows)
                assert target == pytest.approx([sum(row) for row in products])


@pytest.mark.parametrize(("low", "high"), [(0.1, 1.1), (0.0, 5.0), (3.0, 3.5)])
def test_inputs_fill_their_range(low: float, high: float) -> None:
    inputs = loaded(low=low, high=high, num_train=500).datasets["train"].tensors[0]
    assert inputs.min() >= low and inputs.max() <= high
    # Of 4500 uniform numbers 1 % at either end hold 45.
    assert inputs.quantile(0.01).item() == pytest.approx(low + 0.01 * (high - low), abs=0.01 * (high - low))
    assert inputs.quantile(0.99).item() == pytest.approx(high - 0.01 * (high - low), abs=0.01 * (high - low))


def test_a_batch_is_what_the_docstring_says() -> None:
    data = loaded(eval_batch_size=5)
    inputs, targets = next(iter(data.train_dataloader()))
    assert inputs.shape == (4, 9, 1) and targets.shape == (4, 7, 1)
    assert inputs.dtype == targets.dtype == torch.float32
    assert torch.equal(data.apply(inputs), targets)
    assert [len(batch[0]) for batch in data.test_dataloader()] == [5, 2]


def test_defaults_are_the_kernel_of_the_handout_and_the_sizes_of_the_docstring() -> None:
    data = LocalOperatorDataModule()
    data.setup("fit")
    assert (data.operator, data.kernel, data.radius) == ("conv", [2.0, 0.0, 1.0], 1)
    assert data.datasets["train"].tensors[0].shape == (4096, 32, 1)
    assert data.datasets["val"].tensors[1].shape == (1024, 30, 1)


def test_no_sequence_is_in_two_splits_or_under_two_seeds() -> None:
    rows = []
    for seed in range(4):
        for dataset in loaded(seed=seed).datasets.values():
            rows += map(tuple, dataset.tensors[0][..., 0].tolist())
    assert len(set(rows)) == len(rows) == 4 * (20 + 7 + 7)


def test_the_same_seed_gives_the_same_data() -> None:
    first, again = loaded(seed=3), loaded(seed=3)
    for split in ("train", "val", "test"):
        for tensor, same in zip(first.datasets[split].tensors, again.datasets[split].tensors, strict=True):
            assert torch.equal(tensor, same)


@pytest.mark.parametrize("stage", ["test", "predict"])
def test_test_split_is_the_same_whatever_was_set_up_before_and_drawn_elsewhere(stage: str) -> None:
    data = LocalOperatorDataModule(num_eval=7, num_train=3, length=9)
    torch.manual_seed(5)
    data.setup(stage)
    assert set(data.datasets) == {"test"}
    assert torch.equal(data.datasets["test"].tensors[0], loaded().datasets["test"].tensors[0])


def test_fit_does_not_draw_the_test_split_or_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    data = LocalOperatorDataModule(num_train=3, num_eval=2)
    data.setup("fit")
    assert set(data.datasets) == {"train", "val"}
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operator": "median"}, 'operator must be "conv" or "max_pool", but it is "median"'),
        ({"kernel": [1.0, 2.0]}, r"kernel must be an odd number of taps ≥ 0, .* but it is \[1.0, 2.0\]"),
        ({"kernel": [1.0, -2.0, 1.0]}, r"kernel must be .* ≥ 0, .* but it is \[1.0, -2.0, 1.0\]"),
        ({"kernel": []}, r"kernel must be an odd number of taps ≥ 0, .* but it is \[\]"),
        ({"k": -1}, "k must be at least 0, .* but they are -1, 4096, 1024"),
        ({"num_train": 0}, "num_train and num_eval at least 1, but they are 1, 0, 1024"),
        ({"num_eval": 0}, "num_train and num_eval at least 1, but they are 1, 4096, 0"),
        ({"low": -0.1}, "0 ≤ low < high, but they are -0.1 and 1.1"),
        ({"low": 1.1}, "0 ≤ low < high, but they are 1.1 and 1.1"),
        ({"length": 2}, "length must be more than 2, twice the operator's reach, but it is 2"),
        ({"operator": "max_pool", "k": 3, "length": 6}, "length must be more than 6, .* but it is 6"),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": -1}, "eval_batch_size must be at least 1, but it is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalOperatorDataModule(**arguments)


@pytest.mark.parametrize("kernel", [[0.0, 0.0, 0.0], [1.0, float("nan"), 1.0], [1.0, float("inf"), 1.0]])
def test_a_kernel_that_no_attention_can_be_is_refused(kernel: list[float]) -> None:
    with pytest.raises(ValueError, match="kernel must"):  # as theory.conv1d_as_relative_attention does
        LocalOperatorDataModule(kernel=kernel)
