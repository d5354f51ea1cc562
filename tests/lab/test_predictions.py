"""What a prediction leaves: every row in the file in the order of the data, and words on the screen."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lab.predictions import SHOWN, PredictionsFile
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
