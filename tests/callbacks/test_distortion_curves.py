"""Accuracy under distortions: that of the same data distorted from the start, its names, and what is drawn of it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from callbacks import DistortionCurves
from datamodules import ShapesDataModule
from figures import distortion_curves_of
from lab import read_metrics
from lit_models import LitImageClassifier

pytestmark = pytest.mark.usefixtures("coarse_figures")
MODULE = import_module("callbacks.distortion_curves")  # in the package its function has the same name

STRENGTHS = {"noise": [0.0, 1.0], "translation": [0.3, 0.0], "pixel_dropout": [0.5]}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "save_figure", lambda *arguments: None)
    monkeypatch.setattr(MODULE, "draw_distortion_curves", lambda *arguments: None)


def shapes(**arguments: object) -> ShapesDataModule:
    sizes = {"image_size": 12, "num_classes": 3, "num_train": 24, "num_eval": 41, "batch_size": 8, "rotation": 10.0}
    return ShapesDataModule(**{**sizes, **arguments})


def classifier() -> LitImageClassifier:
    """A network that knows a little of the three shapes: those in the middle, by what they look like on average."""
    data = shapes(num_train=200, translation=0.0, noise=0.0)
    data.setup("fit")
    images, labels = data.datasets["train"].tensors
    means = torch.stack([images[labels == label].mean(dim=0).flatten() for label in range(3)])
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3), nn.Dropout(0.5))
    net[1].weight.data, net[1].bias.data = means, -means.square().sum(dim=1) / 2
    return LitImageClassifier(net, num_classes=3)


def measured(make_trainer: Callable, *callbacks: Callback, **options: object) -> tuple[dict[str, float], Trainer]:
    data = options.pop("data", None) or shapes()
    trainer = make_trainer(callbacks=list(callbacks), **options)
    (metrics,) = trainer.test(classifier(), datamodule=data, verbose=False)
    return metrics, trainer


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("batch_size", [256, 7])
def test_accuracies_are_those_of_data_that_are_distorted_from_the_start(
    make_trainer: Callable, batch_size: int
) -> None:
    fixed = {"occlusion": 0.1}  # what is not varied is that of the test split
    data = shapes(test_distortion=fixed)
    metrics, _ = measured(make_trainer, DistortionCurves(STRENGTHS, batch_size), data=data)
    accuracies = set()
    for name, strengths in STRENGTHS.items():
        for strength in strengths:
            expected, _ = measured(make_trainer, data=shapes(test_distortion={**fixed, name: strength}))
            assert metrics[f"distorted_acc/{name}_{strength:g}"] == expected["test/acc"]
            accuracies.add(expected["test/acc"])
    assert len(accuracies) > 3


@pytest.mark.usefixtures("undrawn")
def test_logs_each_strength_by_its_name_once(make_trainer: Callable) -> None:
    _, trainer = measured(make_trainer, DistortionCurves(STRENGTHS))
    logged = {name for name in read_metrics(trainer.logger.log_dir) if not name.startswith("test/")}
    names = ["noise_0", "noise_1", "translation_0", "translation_0.3", "pixel_dropout_0.5"]
    assert logged == {f"distorted_acc/{name}" for name in names}


@pytest.mark.usefixtures("undrawn")
def test_curves_are_read_back_from_what_a_run_has_logged(make_trainer: Callable) -> None:
    strengths = {**STRENGTHS, "scale": [1e-5, 0.25, 0.125]}
    metrics, trainer = measured(make_trainer, DistortionCurves(strengths))
    curves = distortion_curves_of(read_metrics(trainer.logger.log_dir))
    assert curves.keys() == strengths.keys()
    for name, (read, accuracies) in curves.items():
        assert read == sorted(strengths[name])
        expected = [metrics[f"distorted_acc/{name}_{strength:g}"] for strength in read]
        assert accuracies == pytest.approx(expected)


def test_saves_a_figure_in_the_folder_of_the_run(make_trainer: Callable) -> None:
    _, trainer = measured(make_trainer, DistortionCurves(STRENGTHS))
    (path,) = (Path(trainer.logger.log_dir) / "figures").iterdir()
    assert path.name == "distortion_curves_0.png" and path.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_files_still_logs(make_trainer: Callable) -> None:
    metrics, _ = measured(make_trainer, DistortionCurves(STRENGTHS), logger=False)
    assert "distorted_acc/noise_1" in metrics


@pytest.mark.usefixtures("undrawn")
def test_the_test_and_the_random_numbers_are_the_same_with_and_without_the_callback(make_trainer: Callable) -> None:
    class After(Callback):
        def on_test_end(self, trainer: Trainer, pl_module: LitImageClassifier) -> None:
            seen.append((torch.get_rng_state(), [module.training for module in pl_module.modules()]))

    seen: list = []
    results = []
    for callbacks in ([DistortionCurves(STRENGTHS)], []):
        torch.manual_seed(0)
        metrics, _ = measured(make_trainer, *callbacks, After())
        results.append({name: value for name, value in metrics.items() if name.startswith("test/")})
    assert results[0] == results[1] and len(results[0]) == 2
    (state, modes), (same_state, same_modes) = seen
    assert torch.equal(state, same_state) and modes == same_modes


@pytest.mark.usefixtures("undrawn")
def test_training_is_bit_identical_with_and_without_the_callback(make_trainer: Callable) -> None:
    weights = []
    for callbacks in ([DistortionCurves(STRENGTHS)], []):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            task, trainer = classifier(), make_trainer(callbacks=callbacks)
            for run in (trainer.fit, trainer.test, trainer.fit):
                run(task, datamodule=shapes())
                trainer.fit_loop.max_epochs = 2
            weights.append(task.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_processes_share_the_images_and_count_them_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data, task = shapes(), classifier()
    precision = SimpleNamespace(forward_context=torch.no_grad)
    counted: list[tuple[int, int]] = []

    def gather(trainer: Trainer, value: tuple[int, int]) -> list[tuple[int, int]]:
        counted.append(value)
        return counted

    monkeypatch.setattr(MODULE, "gather", gather)
    for rank in range(3):
        trainer = SimpleNamespace(global_rank=rank, world_size=3, datamodule=data, precision_plugin=precision)
        together = DistortionCurves(STRENGTHS)._accuracy(trainer, task, {"noise": 0.3})
    assert [length for _, length in counted] == [14, 14, 13]
    images, labels = data.distorted_test({"noise": 0.3})
    right = task.eval()(images).argmax(dim=1) == labels
    assert together == pytest.approx(right.double().mean().item()) and 0 < together < 1


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_tests_in_the_precision_of_the_trainer(make_trainer: Callable, precision: str) -> None:
    data = shapes(test_distortion={"noise": 0.5})
    metrics, _ = measured(make_trainer, DistortionCurves({"noise": [0.5]}), data=data, precision=precision)
    assert metrics["distorted_acc/noise_0.5"] == metrics["test/acc"]


@pytest.mark.parametrize(
    ("strengths", "batch_size", "but"),
    [({}, 8, r"\{\} and 8"), ({"noise": []}, 8, r"\{'noise': \[\]\} and 8"), ({"noise": [0.1]}, 0, r"\[0.1\]\} and 0")],
)
def test_arguments_out_of_range_are_refused(strengths: dict, batch_size: int, but: str) -> None:
    message = r"strengths must name distortions with one strength or more each, and batch_size be at least 1, but they"
    with pytest.raises(ValueError, match=rf"{message} are .*{but}\."):
        DistortionCurves(strengths, batch_size)


@pytest.mark.parametrize("run", ["fit", "test"])
def test_data_that_cannot_be_distorted_are_refused(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, run: str
) -> None:
    message = r"DistortionCurves needs a datamodule that can distort the test images of a classifier, such as"
    with pytest.raises(ValueError, match=message):
        getattr(make_trainer(callbacks=[DistortionCurves(STRENGTHS)]), run)(tiny_task(), datamodule=tiny_images())


@pytest.mark.usefixtures("undrawn")
def test_images_to_segment_are_refused(tiny_task: Callable, make_trainer: Callable) -> None:
    data = ShapesDataModule(task="segment", image_size=16)
    with pytest.raises(
        ValueError, match=r"of a classifier, such as datamodules\.ShapesDataModule\(task=.classify.\)\."
    ):
        make_trainer(callbacks=[DistortionCurves(STRENGTHS)]).fit(tiny_task(), datamodule=data)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        ({"nois": [0.1]}, r'"nois" is no distortion of shapes: there are rotation'),
        ({"noise": [0.1, -1.0]}, r"noise must be in \[0, 10\], but it is -1\.0\."),
    ],
)
def test_distortions_that_there_are_not_are_refused_before_training(
    make_trainer: Callable, strengths: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_trainer(callbacks=[DistortionCurves(strengths)]).fit(classifier(), datamodule=shapes())
