"""What a prediction leaves: every row in the file in the order of the data, and words on the screen."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from lab.evaluation.predictions import SHOWN, PredictionsFile
from lit_models import LitImageClassifier

WORDS = {"name": ["Ślusàrski", "O'Neill, Jr."], "probability": torch.tensor([0.25, 0.123456789]), "new": ["", "new"]}


def write(batches: list[dict[str, Any]], indices: list[list[int]], make_trainer: Callable, task: Any) -> list[dict]:
    writer, trainer = PredictionsFile(), make_trainer()
    writer.write_on_epoch_end(trainer, task, batches, [indices])
    assert writer.path == Path(trainer.logger.log_dir) / "predictions.csv"
    with writer.path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def task(tiny_task: Callable) -> LitImageClassifier:
    return tiny_task()


def test_columns_are_numbers_rows_of_numbers_and_words(make_trainer: Callable, task: LitImageClassifier) -> None:
    rows = write([{**WORDS, "logits": torch.tensor([[1.0, 2], [3, 4]])}], [[0, 1]], make_trainer, task)
    assert rows == [
        {"index": "0", "name": "Ślusàrski", "probability": "0.25", "new": "", "logits_0": "1", "logits_1": "2"},
        {
            "index": "1",
            "name": "O'Neill, Jr.",
            "probability": "0.123457",
            "new": "new",
            "logits_0": "3",
            "logits_1": "4",
        },
    ]


def test_rows_stand_in_the_order_of_the_data(make_trainer: Callable, task: LitImageClassifier) -> None:
    batches = [{"class": torch.tensor([2, 0])}, {"class": torch.tensor([1])}]
    rows = write(batches, [[4, 0], [2]], make_trainer, task)
    assert [(row["index"], row["class"]) for row in rows] == [("0", "0"), ("2", "1"), ("4", "2")]


def test_words_are_printed_as_a_table(
    make_trainer: Callable, task: LitImageClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    write([WORDS], [[0, 1]], make_trainer, task)
    assert capsys.readouterr().out.splitlines() == [
        "name          probability  new",
        "Ślusàrski           0.250",
        "O'Neill, Jr.        0.123  new",
    ]


def test_of_many_rows_the_first_are_printed(
    make_trainer: Callable, task: LitImageClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    many = SHOWN + 7
    rows = write([{"name": [f"name{n}" for n in range(many)]}], [list(range(many))], make_trainer, task)
    lines = capsys.readouterr().out.splitlines()
    assert len(rows) == many and len(lines) == 1 + SHOWN + 1
    assert lines[SHOWN] == f"name{SHOWN - 1}" and lines[-1] == "… and 7 more rows in the file."


def test_numbers_alone_are_not_printed(
    make_trainer: Callable, task: LitImageClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    write([{"class": torch.tensor([2, 0])}], [[0, 1]], make_trainer, task)
    assert capsys.readouterr().out == ""


class Painter(LightningModule):
    """Predicts, for numbers n, a picture of n pixels, a colour picture of one, and a number."""

    def __init__(self, words: bool = False) -> None:
        super().__init__()
        self.words = words

    def predict_step(self, numbers: Tensor, batch_idx: int) -> dict[str, Any]:
        sizes = [torch.full((1, n), n, dtype=torch.uint8) for n in numbers.tolist()]
        colours = numbers.byte().view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
        words = {"word": [f"word{n}" for n in numbers.tolist()]} if self.words else {}
        return {"mask": sizes, "half": numbers / 2, "seen": colours, **words}


def paint(trainer: Trainer, **arguments: bool) -> tuple[Path, list[dict[str, Any]]]:
    """The run folder, and what Lightning has kept of five predictions."""
    loader = DataLoader(torch.arange(1, 6), batch_size=2)
    return Path(trainer.logger.log_dir), trainer.predict(Painter(**arguments), loader)


def test_pictures_are_files_and_their_paths_a_column(
    make_trainer: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = paint(make_trainer(callbacks=[PredictionsFile()]))
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "index": "1",
        "mask": "predictions/mask_0001.png",
        "half": "1",
        "seen": "predictions/seen_0001.png",
    }
    for index, row in enumerate(rows):
        for name, size in {"mask": (index + 1, 1), "seen": (1, 1)}.items():
            with Image.open(folder / row[name]) as picture:
                assert picture.size == size and set(picture.tobytes()) == {index + 1}
    assert len(rows) == 5 and len(list((folder / "predictions").iterdir())) == 10
    assert "mask" not in capsys.readouterr().out  # paths are no words to read


def test_words_beside_pictures_are_printed(make_trainer: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    paint(make_trainer(callbacks=[PredictionsFile()]), words=True)
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split() == ["predictions/mask_0002.png", "1.500", "predictions/seen_0002.png", "word3"] for line in lines
    )


def test_no_pixels_are_kept_to_the_end(make_trainer: Callable) -> None:
    _, kept = paint(make_trainer(callbacks=[PredictionsFile()]))
    assert [len(batch["mask"]) for batch in kept] == [2, 2, 1]
    assert not any(
        isinstance(picture, Tensor) for batch in kept for name in ("mask", "seen") for picture in batch[name]
    )


def test_every_process_writes_the_pictures_it_has(make_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "is_global_zero", False)
    folder, _ = paint(make_trainer(callbacks=[PredictionsFile()]))
    assert len(list((folder / "predictions").iterdir())) == 10 and not (folder / "predictions.csv").exists()


def test_a_fast_development_run_writes_no_pictures(make_trainer: Callable, tmp_path: Path) -> None:
    trainer = make_trainer(callbacks=[PredictionsFile()], fast_dev_run=True)
    trainer.predict(Painter(), DataLoader(torch.arange(1, 6), batch_size=2))
    assert not list(tmp_path.rglob("*.png"))


def test_files_and_the_names_of_their_classes_stand_beside_the_numbers(
    make_trainer: Callable, task: LitImageClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    class Data:
        file_names, class_names = ("a/0.png", "b/0.png"), ("ant", "bee")

    batch = {"class": torch.tensor([1, 2]), "probability": torch.tensor([0.5, 0.25]), "logits": torch.zeros(2, 3)}
    writer, trainer = PredictionsFile(), make_trainer()
    trainer.datamodule = Data()
    writer.write_on_epoch_end(trainer, task, [batch], [[[1], [0]]])
    with writer.path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [[*row.values()][:5] for row in rows] == [
        ["0", "a/0.png", "2", "2", "0.25"],
        ["1", "b/0.png", "bee", "1", "0.5"],
    ]
    assert [*rows[0]][:5] == ["index", "file", "class_name", "class", "probability"]
    assert capsys.readouterr().out.splitlines() == [
        "file     class name  class  probability",
        "a/0.png  2           2            0.250",
        "b/0.png  bee         1            0.500",
    ]
