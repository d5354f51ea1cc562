"""Loss trajectories: drawn from metrics.csv, also when training breaks off."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch import Callback
from tiny_graph import CLASSES, FEATURES, TinyGraph

from callbacks import LearningCurves
from callbacks import learning_curves as module
from figures import draw_learning_curves
from lab import read_metrics
from lit_models import LitNodeClassifier
from nets import GCN

pytestmark = pytest.mark.usefixtures("coarse_figures")


class Breakdown(Callback):
    """Raises an error in a hook of the trainer, once a number of steps have been taken."""

    def __init__(self, hook: str, step: int = 0) -> None:
        def fail(trainer: object, *args: object, **kwargs: object) -> None:
            if trainer.global_step >= step:
                raise RuntimeError("the disk is full")

        setattr(self, hook, fail)


def figures(trainer: object) -> list[str]:
    return sorted(path.name for path in (Path(trainer.logger.log_dir) / "figures").glob("*"))


def test_draws_what_metrics_csv_holds(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw(*arguments: object) -> object:
        drawn.append(arguments)
        return draw_learning_curves(*arguments)

    monkeypatch.setattr(module, "draw_learning_curves", draw)
    trainer = make_trainer(max_epochs=3, callbacks=[LearningCurves()])
    trainer.fit(tiny_task(), datamodule=tiny_images())
    assert figures(trainer) == ["learning_curves_15.png"]
    ((curves, title, ylabel),) = drawn
    logged = read_metrics(trainer.logger.log_dir)
    assert curves == {name: logged[name] for name in ("train/loss", "val/loss")}
    assert curves["train/loss"][0] == [4, 9, 14] and len(curves["val/loss"][1]) == 3
    assert (title, ylabel) == ("tiny on TinyImages", "cross-entropy (nats)")


def test_the_curves_of_replicas_say_that_they_are_means(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = []

    def draw(curves: object, title: str, ylabel: str) -> object:
        titles.append(title)
        return draw_learning_curves(curves, title, ylabel)

    monkeypatch.setattr(module, "draw_learning_curves", draw)
    task = LitNodeClassifier(GCN(FEATURES, 4, CLASSES), CLASSES, num_replicas=2)
    make_trainer(callbacks=[LearningCurves()]).fit(task, datamodule=TinyGraph())
    assert titles == ["tiny on TinyGraph, mean of 2 replicas"]


def test_metrics_are_to_choose(tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> None:
    for metrics, expected in {("val/acc",): ["learning_curves_5.png"], ("no/such",): []}.items():
        trainer = make_trainer(callbacks=[LearningCurves(metrics, ylabel="accuracy")])
        trainer.fit(tiny_task(), datamodule=tiny_images())
        assert figures(trainer) == expected


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_epoch_start", "on_validation_start"])
def test_draws_also_when_training_breaks_off(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, hook: str
) -> None:
    trainer = make_trainer(max_epochs=5, callbacks=[LearningCurves(), Breakdown(hook, step=10)])
    with pytest.raises(RuntimeError, match="the disk is full"):
        trainer.fit(tiny_task(), datamodule=tiny_images())
    assert figures(trainer) == ["learning_curves_10.png"]


@pytest.mark.parametrize("hook", ["on_sanity_check_start", "on_train_start"])
def test_a_run_that_breaks_off_before_it_logs_keeps_its_own_error(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, hook: str
) -> None:
    trainer = make_trainer(callbacks=[LearningCurves(), Breakdown(hook)])
    with pytest.raises(RuntimeError, match="the disk is full"):
        trainer.fit(tiny_task(), datamodule=tiny_images())
    assert figures(trainer) == []


def test_an_error_in_test_draws_nothing(tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> None:
    trainer = make_trainer(callbacks=[LearningCurves(), Breakdown("on_test_batch_end")])
    with pytest.raises(RuntimeError, match="the disk is full"):
        trainer.test(tiny_task(), datamodule=tiny_images(), verbose=False)
    assert figures(trainer) == []


@pytest.mark.parametrize("arguments", [{"logger": False}, {"fast_dev_run": True}])
def test_a_run_that_leaves_no_files_draws_nothing(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, tmp_path: Path, arguments: dict
) -> None:
    trainer = make_trainer(callbacks=[LearningCurves()], default_root_dir=tmp_path, **arguments)
    trainer.fit(tiny_task(), datamodule=tiny_images())
    assert list(tmp_path.rglob("*.png")) == []
