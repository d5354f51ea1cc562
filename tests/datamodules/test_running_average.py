"""Running means against a plain loop, batches that never come twice, and the scores that closed forms give."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.testing import assert_close

from datamodules import RunningAverageDataModule
from datamodules.running_average import FreshBatches
from lit_models import LitSequenceRegressor
from nets import RNNLayer

Row = tuple[float, ...]


def loaded(**arguments: Any) -> RunningAverageDataModule:
    small = {"seq_len": 4, "batch_size": 3, "num_batches": 6, "num_eval": 7, "eval_batch_size": 4}
    data = RunningAverageDataModule(**{**small, **arguments})
    data.setup("fit")
    data.setup("test")
    return data


def under(data: RunningAverageDataModule, world_size: int, rank: int) -> RunningAverageDataModule:
    fit_loop = SimpleNamespace(restarting=False)
    data.trainer = SimpleNamespace(world_size=world_size, global_rank=rank, fit_loop=fit_loop)
    return data


def rows_of(inputs: Tensor) -> tuple[Row, ...]:
    return tuple(map(tuple, inputs[..., 0].tolist()))


def epoch_batches(data: RunningAverageDataModule, epoch: int) -> list[tuple[Row, ...]]:
    """The sequences of each training batch of an epoch."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return [rows_of(inputs) for inputs, _ in loader]


def evaluated(data: RunningAverageDataModule) -> dict[str, tuple[Tensor, Tensor]]:
    return {split: data.datasets[split].tensors for split in ("val", "test")}


class Seen(Callback):
    """Keeps every batch that a run trains on."""

    def __init__(self) -> None:
        self.batches: list[tuple[Row, ...]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append(rows_of(batch[0]))


@pytest.mark.parametrize("seq_len", [1, 4, 11])
def test_targets_are_the_means_of_a_plain_loop(seq_len: int) -> None:
    data = loaded(seq_len=seq_len)
    batches = [*data.train_dataloader(), *data.val_dataloader(), *data.test_dataloader()]
    assert [len(inputs) for inputs, _ in batches] == [3] * 6 + [4, 3] * 2
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (len(inputs), seq_len, 1)
        assert inputs.dtype == targets.dtype == torch.float32
        for row, target in zip(rows_of(inputs), rows_of(targets), strict=True):
            assert target == pytest.approx([sum(row[:t]) / t for t in range(1, seq_len + 1)], abs=1e-6)


def test_no_sequence_comes_twice_in_any_epoch_split_or_seed() -> None:
    rows = []  # of batches as large as a split, which the same generator would fill with the same rows
    for seed in range(3):
        data = loaded(seed=seed, batch_size=7)
        rows += chain(*(batch for epoch in range(4) for batch in epoch_batches(data, epoch)))
        rows += chain(*(rows_of(inputs) for inputs, _ in evaluated(data).values()))
    assert len(set(rows)) == len(rows) == 3 * (4 * 6 * 7 + 7 + 7)


def test_a_batch_is_a_function_of_seed_epoch_and_number_alone() -> None:
    data = loaded(seed=3)
    first = [epoch_batches(data, epoch) for epoch in range(3)]
    torch.manual_seed(5)  # the global generator has no say
    again = loaded(seed=3)
    assert [epoch_batches(again, epoch) for epoch in (2, 1, 0)] == first[::-1]
    for split, tensors in evaluated(data).items():
        assert_close(evaluated(again)[split], tensors, rtol=0, atol=0)
    assert rows_of(data.datasets["train"][7][0]) in first[1]  # the numbers go on from one epoch to the next


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_a_split_to_evaluate_is_the_same_whatever_else_was_drawn(stage: str) -> None:
    data, before = RunningAverageDataModule(seq_len=4, num_eval=7, batch_size=2), torch.get_rng_state()
    data.setup(stage)
    assert torch.equal(torch.get_rng_state(), before)
    split = "val" if stage == "validate" else "test"
    assert set(data.datasets) == ({"train", "val"} if split == "val" else {"test"})
    assert_close(data.datasets[split].tensors, evaluated(loaded())[split], rtol=0, atol=0)
    loader = data.val_dataloader() if split == "val" else data.predict_dataloader()
    assert_close(next(iter(loader))[0], data.datasets[split].tensors[0])


def test_defaults_are_the_sizes_of_the_docstring() -> None:
    data = RunningAverageDataModule()
    data.setup("fit")
    data.setup("test")
    assert len(data.train_dataloader()) == 5000
    assert next(iter(data.train_dataloader()))[0].shape == (32, 10, 1)
    for split, loader in {"val": data.val_dataloader(), "test": data.test_dataloader()}.items():
        assert data.datasets[split].tensors[0].shape == (4096, 10, 1) and len(loader) == 4


def test_batches_that_32_bits_of_a_seed_confuse_are_different() -> None:
    """Numbers 75,673 and 89,578 of seed 0 have 64-bit states that agree in their lower half."""
    batches = FreshBatches(5000, 2, 3, 0)
    assert not torch.equal(batches[75673][0], batches[89578][0])


def test_processes_leave_out_what_does_not_divide_by_their_number() -> None:
    data = loaded(num_batches=5)
    seen = [number for rank in range(2) for number in under(data, 2, rank).train_dataloader().sampler]
    assert len(seen) == len(set(seen)) == 4


def test_each_process_needs_a_batch_to_train_on() -> None:
    with pytest.raises(ValueError, match="num_batches is 1, but each of 2 processes needs one"):
        under(loaded(num_batches=1), 2, 0).train_dataloader()


@pytest.mark.parametrize("epoch", [0, 2])
def test_processes_share_the_batches_of_one(epoch: int) -> None:
    data = loaded()
    whole = epoch_batches(data, epoch)
    shards = [epoch_batches(under(data, 2, rank), epoch) for rank in range(2)]
    assert [len(shard) for shard in shards] == [3, 3]
    assert set(shards[0]) | set(shards[1]) == set(whole) and len(set(whole)) == 6
    assert [len(under(data, 2, rank).train_dataloader()) for rank in range(2)] == [3, 3]
    served = [rows_of(inputs) for rank in range(2) for inputs, _ in under(data, 2, rank).val_dataloader()]
    assert sorted(chain(*served)) == sorted(rows_of(data.datasets["val"].tensors[0]))


def test_a_run_sees_every_batch_once_also_when_it_is_resumed_within_an_epoch(
    tmp_path: Path, make_trainer: Callable
) -> None:
    def fit(*callbacks: Callback, **resuming: Any) -> list[tuple[Row, ...]]:
        trainer = make_trainer(max_epochs=2, callbacks=[seen := Seen(), *callbacks], enable_checkpointing=True)
        trainer.fit(LitSequenceRegressor(nn.Linear(1, 1)), datamodule=loaded(), **resuming)
        return seen.batches

    keep = ModelCheckpoint(tmp_path / "kept", "{step}", every_n_train_steps=1, save_top_k=-1)
    whole = fit(keep)
    assert whole == [*epoch_batches(loaded(), 0), *epoch_batches(loaded(), 1)]
    assert len(set(chain(*whole))) == 2 * 6 * 3
    for step in (2, 6, 7, 11):
        torch.rand(step)
        assert fit(ckpt_path=tmp_path / "kept" / f"step={step}.ckpt", weights_only=True) == whole[step:]


@pytest.mark.parametrize("seq_len", [1, 3, 10])
def test_predicting_zero_scores_the_variance_of_the_mean(seq_len: int) -> None:
    expected = sum(1 / t for t in range(1, seq_len + 1)) / seq_len
    assert seq_len != 10 or expected == pytest.approx(0.29290, abs=5e-6)
    for inputs, targets in evaluated(loaded(seq_len=seq_len, num_eval=20_000)).values():
        for scores, mean in (
            (targets.square().mean(dim=(1, 2)), expected),
            (targets[:, -1, 0].square(), 1 / seq_len),
            (inputs.square().mean(dim=(1, 2)), 1.0),
            (inputs.mean(dim=(1, 2)), 0.0),
        ):
            standard_error = scores.std() / 20_000**0.5
            assert abs(scores.mean() - mean) < 5 * standard_error < 0.1


def test_training_batches_are_as_wide_as_the_others() -> None:
    data = loaded(seq_len=10, batch_size=100, num_batches=50)
    scores = torch.cat([targets for _, targets in data.train_dataloader()]).square().mean(dim=(1, 2))
    assert abs(scores.mean() - 0.29290) < 5 * scores.std() / 5000**0.5


def test_the_last_step_is_solved_by_a_linear_unit_that_adds_up() -> None:
    inputs, targets = loaded(seq_len=10).datasets["val"].tensors
    unit = RNNLayer(1, 1, "identity")
    unit.load_state_dict({"weight_ih": torch.tensor([[0.1]]), "weight_hh": torch.ones(1, 1), "bias": torch.zeros(1)})
    outputs, _ = unit(inputs)
    assert_close(outputs[:, -1], targets[:, -1], atol=1e-6, rtol=0)
    assert (outputs[:, :-1] - targets[:, :-1]).abs().max() > 0.1


def test_no_linear_recurrence_is_as_good_at_every_step() -> None:
    # A linear recurrence weighs x_{t−k} by a number of its own for each k, whatever t: here the best ones for the data.
    inputs, targets = loaded(seq_len=10, num_eval=20_000).datasets["val"].tensors
    lagged = torch.stack([nn.functional.pad(inputs[..., 0], (k, 0))[:, :10] for k in range(10)], dim=-1)  # (B, T, k)
    weights = torch.linalg.lstsq(lagged.flatten(0, 1), targets.flatten(0, 1)).solution
    scores = (lagged @ weights - targets).square().mean(dim=(1, 2))
    assert abs(scores.mean() - 0.0901) < 5 * scores.std() / 20_000**0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seq_len": 0}, "^seq_len must be at least 1, but it is 0"),
        ({"num_batches": 0}, "^num_batches must be at least 1, but it is 0"),
        ({"num_eval": -2}, "^num_eval must be at least 1, but it is -2"),
        ({"batch_size": 0}, "^batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": 0}, "^eval_batch_size must be at least 1, but it is 0"),
        ({"seed": -1}, "^seed must not be negative, but it is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunningAverageDataModule(**arguments)


def test_a_preview_draws_a_sequence_and_its_means() -> None:
    preview = RunningAverageDataModule(seq_len=4, num_batches=2, batch_size=3, num_eval=5).preview()
    assert preview["splits"] == {"train": {"sequences": 6}, "val": {"sequences": 5}, "test": {"sequences": 5}}
    (_, numbers), (_, means) = preview["samples"]
    assert means[-1] == pytest.approx(numbers.mean(), abs=1e-6)
