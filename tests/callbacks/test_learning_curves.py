"""Loss trajectories: drawn from metrics.csv, also when training breaks off."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch import Callback
from tiny_graph import CLASSES, FEATURES, TinyGraph

from callbacks import LearningCurves, draw_learning_curves, draw_repeats
from callbacks import learning_curves as module
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


def test_curves_share_one_axis_with_their_lowest_values_marked() -> None:
    curves = {"train/loss": ([1, 2, 3], [3.0, 1.5, 2.0]), "val/loss": ([2, 3], [2.0, 1.8])}
    figure = draw_learning_curves(curves, "vit_digits", "cross-entropy (nats)")
    figure.savefig(io.BytesIO())
    (axes,) = figure.axes
    assert axes.get_title() == "Learning curves — vit_digits"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer step", "cross-entropy (nats)")
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {
        "train/loss": [[1, 3.0], [2, 1.5], [3, 2.0]],
        "lowest: 1.5000 at step 2": [[2, 1.5]],
        "val/loss": [[2, 2.0], [3, 1.8]],
        "lowest: 1.8000 at step 3": [[3, 1.8]],
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([2.0, 0.3], "linear"), ([2.0, 0.1], "log"), ([2.0, 0.0], "linear"), ([2.0, -1.0], "linear"), ([0.5], "linear")],
)
def test_the_axis_is_logarithmic_where_the_curves_span_a_decade(values: list[float], scale: str) -> None:
    figure = draw_learning_curves({"loss": (list(range(len(values))), values)}, "a run", "loss")
    assert figure.axes[0].get_yscale() == scale


def test_repeats_are_a_line_of_their_mean_in_a_band_of_their_range() -> None:
    repeats = [([1, 2], [4.0, 1.0]), ([1, 2], [2.0, 3.0])]
    figure = draw_repeats({"linear": {"k = 5": repeats, "k = 10": repeats[:1]}, "ReLU": {"k = 5": repeats}}, "error")
    figure.savefig(io.BytesIO())
    left, right = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["linear", "ReLU"]
    assert {line.get_label(): line.get_xydata().tolist() for line in left.lines} == {
        "k = 5": [[1, 3.0], [2, 2.0]],
        "k = 10": [[1, 4.0], [2, 1.0]],
    }
    low, high = left.collections[0].get_datalim(left.transData).intervaly
    assert (low, high) == (1.0, 4.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["k = 5", "k = 10"]
    assert left.get_yscale() == right.get_yscale() == "linear"


def test_panels_have_horizontal_axes_of_their_own_where_they_are_named() -> None:
    curves = {f"panel {reach}": {"k": [([0, reach], [2.0, 1.0])]} for reach in (1, 20, 300, 4, 5)}
    figure = draw_repeats(curves, "accuracy", xlabels=["a", "b", "c", "d", "e"])
    drawn = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_xlabel() for axes in drawn] == ["a", "b", "c", "d", "e"]
    assert [round(axes.dataLim.x1) for axes in drawn] == [1, 20, 300, 4, 5]
    for axes, reach in zip(drawn, (1, 20, 300, 4, 5), strict=True):
        assert reach <= axes.get_xlim()[1] < 1.2 * reach
    assert [axes.get_ylabel() for axes in drawn] == ["accuracy", "", "", "accuracy", ""]
    assert len({axes.get_ylim() for axes in drawn}) == 1


def test_panels_share_the_axis_of_the_optimizer_step_otherwise() -> None:
    panels = {f"panel {reach}": {"k": [([0, reach], [2.0, 1.0])]} for reach in (1, 20, 300, 4, 5, 6)}
    figure = draw_repeats(panels, "error")
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 3 + ["optimizer step"] * 3  # below the last row


@pytest.mark.parametrize(("last", "bottom"), [(0.5, 0.5), (1e-9, 1e-2)])
def test_a_loss_that_falls_to_nothing_leaves_three_decades(last: float, bottom: float) -> None:
    figure = draw_repeats({"linear": {"k": [([1, 2], [10.0, last])]}}, "error")
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim()[0] == pytest.approx(bottom / 1.5)
