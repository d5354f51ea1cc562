"""A run that was killed, however often and wherever, ends as one that was not."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interrupted
import numpy as np
import pytest
import torch
from outcomes import differing, outcome
from running import ROOT

from lab.training.exact_resume import random_states, set_random_states

STEPS, EPOCHS = 5, 3
TASKS = {  # augmentation, corruption of ten replicas, dropout and names of many lengths, sampled neighbourhoods
    "vit_digits": ["--model.net.depth=1"],
    "autoencoder_digits": [],
    "surname_classifier": ["--model.net.rnn_size=16"],
    "gcn_digits_graph_sampled": [],
}
RANDOM = random.Random(0)
HOOKS = ("on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end", "on_train_epoch_start")
MOMENTS = {  # ten in all, besides those in a validation and in the writing of a checkpoint
    task: [(RANDOM.choice(HOOKS), RANDOM.randrange(1, 12)) for _ in range(count)]
    for task, count in zip(TASKS, (3, 3, 2, 2), strict=True)
}


def words(task: str, *kill: Any) -> list[str]:
    callbacks: list[dict[str, Any]] = [{"class_path": "interrupted.DataOrder"}]
    if kill:
        arguments = dict(zip(("hook", "step", "name"), kill, strict=False))
        callbacks.append({"class_path": "interrupted.KillAt", "init_args": arguments})
    return [
        *("fit", "--config", str(ROOT / "configs" / f"{task}.yaml"), *TASKS[task], "--trainer.accelerator=cpu"),
        *(f"--trainer.max_epochs={EPOCHS}", f"--trainer.limit_train_batches={STEPS}", "--trainer.limit_val_batches=2"),
        *("--trainer.log_every_n_steps=1", "--save_every_minutes=0", "--trainer.logger=False"),
        f"--trainer.callbacks={json.dumps(callbacks)}",
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """What comes of each task when nothing interrupts it."""
    outcomes: dict[str, dict[str, Any]] = {}

    def of(task: str) -> dict[str, Any]:
        if task not in outcomes:
            folder = tmp_path_factory.mktemp(task)
            assert interrupted.run(folder, *words(task)) == 0, (folder / "log.txt").read_text()
            outcomes[task] = outcome(folder)
        return outcomes[task]

    return of


@pytest.mark.parametrize("task", TASKS)
def test_a_run_killed_again_and_again_ends_as_an_uninterrupted_one(tmp_path: Path, whole: Callable, task: str) -> None:
    kills = sorted(MOMENTS[task], key=lambda moment: moment[1])
    statuses = [interrupted.run(tmp_path, *words(task, *kill), "--ckpt_path=last") for kill in kills]
    assert -9 in statuses and interrupted.run(tmp_path, *words(task), "--ckpt_path=last") == 0
    assert differing(tmp_path, whole(task)) == []


@pytest.mark.parametrize(
    ("task", "kill", "status"),
    [
        ("surname_classifier", ("on_validation_batch_end", 10, "SIGKILL"), -9),
        ("surname_classifier", ("on_validation_batch_start", 10, "SIGTERM"), 143),
        ("vit_digits", ("on_train_batch_end", 7, "SIGTERM"), 143),
        ("vit_digits", ("on_train_epoch_end", 10, "SIGKILL"), -9),
    ],
)
def test_so_does_one_stopped_in_validation_or_between_epochs(
    tmp_path: Path, whole: Callable, task: str, kill: tuple[str, int, str], status: int
) -> None:
    assert interrupted.run(tmp_path, *words(task, *kill)) == status
    assert interrupted.run(tmp_path, *words(task), "--ckpt_path=last") == 0
    assert differing(tmp_path, whole(task)) == []


@pytest.mark.parametrize("number", [1, 6])
def test_and_one_killed_while_a_checkpoint_is_written(tmp_path: Path, whole: Callable, number: int) -> None:
    task = "autoencoder_digits"
    assert interrupted.run(tmp_path, *words(task), torn=("checkpoint", number)) == -9
    torn = list(tmp_path.glob("runs/*/*/checkpoints/.*.ckpt"))
    assert len(torn) == 1  # beside the whole ones, if there are any
    for path in tmp_path.glob("runs/*/*/checkpoints/[bl]*.ckpt"):
        torch.load(path, weights_only=True)
    if number == 1:
        (tmp_path / "order.txt").unlink()
        assert interrupted.run(tmp_path, *words(task), "--ckpt_path=last") == 0  # afresh, in a folder of its own
        assert (tmp_path / "runs" / task / "version_1" / "checkpoints" / "last.ckpt").is_file()
        return
    assert interrupted.run(tmp_path, *words(task), "--ckpt_path=last") == 0
    assert differing(tmp_path, whole(task)) == []
    assert not list(tmp_path.glob("runs/*/*/checkpoints/.*.ckpt"))


def test_and_one_killed_while_a_row_of_its_metrics_is_written(tmp_path: Path, whole: Callable) -> None:
    task = "autoencoder_digits"
    assert interrupted.run(tmp_path, *words(task), torn=("rows", 3)) == -9
    (path,) = tmp_path.glob("runs/*/*/metrics.csv")
    assert path.read_text().endswith("\n0.12")
    assert interrupted.run(tmp_path, *words(task), "--ckpt_path=last") == 0
    assert differing(tmp_path, whole(task)) == []


def test_the_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), np.random.standard_normal(), torch.rand(()).item()]

    with torch.random.fork_rng():
        before = random_states()
        draw()
        torch.save(random_states(), tmp_path / "states.ckpt")
        drawn = draw()
        set_random_states(torch.load(tmp_path / "states.ckpt", weights_only=True))
        assert draw() == drawn
        set_random_states(before)
