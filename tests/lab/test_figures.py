"""A figure is a file first, then a picture in every logger that takes one."""

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure

from lab.figures import save_figure
from lab.training.loggers import RunLogger


class Trainer:
    """As much of a trainer as a figure needs."""

    is_global_zero, global_step = True, 7

    def __init__(self, *loggers) -> None:
        self.loggers = list(loggers)


class ImageLogger:
    def __init__(self) -> None:
        self.logged = []

    def log_image(self, key, images, step) -> None:
        self.logged.append((key, images, step))


def a_figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    return figure


def test_a_figure_is_a_file_named_by_its_step_and_goes_to_the_loggers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board, images = TensorBoardLogger(tmp_path, name="x", version="version_0"), ImageLogger()
    path = save_figure(a_figure(), "curves", Trainer(RunLogger(tmp_path, "x", "version_0"), board, images))
    assert path == tmp_path / "x" / "version_0" / "figures" / "curves_7.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert images.logged == [("curves", [str(path)], 7)]
    board.experiment.flush()
    events = EventAccumulator(board.log_dir)
    events.Reload()
    assert events.Tags()["images"] == ["curves"]


def test_below_a_figure_stands_what_it_is_of(tmp_path):
    trainer, figure = Trainer(RunLogger(tmp_path, "gcn_cora", "version_0")), a_figure()
    trainer.datamodule = type("CiteSeerDataModule", (), {})()
    save_figure(figure, "curves", trainer, "replica 0 of 3")
    (line,) = figure.texts
    assert line.get_text() == "gcn_cora on CiteSeer, replica 0 of 3" and line.get_position()[1] <= 0


@pytest.mark.parametrize("loggers", [[], ["run"]])
def test_no_file_without_a_run_or_in_another_process(tmp_path, loggers):
    trainer = Trainer(*[RunLogger(tmp_path, "x", "version_0") for _ in loggers])
    trainer.is_global_zero = not loggers
    assert save_figure(a_figure(), "curves", trainer) is None
    assert not list(tmp_path.rglob("*.png"))
