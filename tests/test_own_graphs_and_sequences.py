"""Data that nobody prepared for: from files to a tested run and its predictions, by options alone."""

import csv
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from own_data import write_arrays, write_names, write_sine, write_wine
from running import ROOT, Lab

from lab import read_metrics

SHORT = ["--trainer.callbacks=[]", "--trainer.accelerator=cpu", "--test_after_fit=true"]
FAKE = "{avg_num_nodes: 60, num_classes: 3, num_channels: 5, edge_dim: 1}"
WINE = ["--model.net.in_channels=13", "--model.num_classes=3", "--model.net.num_classes=3"]
RING = ["--model.net.in_channels=2", "--model.num_classes=2", "--model.net.num_classes=2"]
NAMES = ["--model.net.rnn_size=16", "--model.num_classes=2", "--model.net.num_classes=2", "--model.net.vocab_size=21"]


def config(name: str) -> list[str]:
    return ["--config", str(ROOT / "configs" / f"{name}.yaml")]


# What is written, the config, what is typed, epochs, the metric and what it must reach or, of a loss, stay below.
DATA: dict[str, tuple[Callable[[Path], Path] | None, str, list[str], int, str, float]] = {
    "wine": (write_wine, "gcn_cora", ["--data=GraphDataModule", "--data.path=own", *WINE], 20, "test/acc", 0.85),
    "ring": (
        lambda path: write_arrays(path.with_suffix(".npz")), "gcn_cora",
        ["--data=GraphDataModule", "--data.path=own.npz", "--data.split=3", *RING], 60, "test/acc", 0.85,
    ),
    "fake": (
        None, "gat_cora",
        ["--data=GraphDataModule", "--data.dataset=torch_geometric.datasets.FakeDataset", f"--data.dataset_args={FAKE}",
         "--model.net.in_channels=5", "--model.num_classes=3", "--model.net.num_classes=3"], 2, "test/acc", 0.0,
    ),
    "names": (
        write_names, "surname_classifier",
        ["--data=TextsDataModule", "--data.path=own", "--data.batch_size=8", *NAMES], 10, "test/acc", 0.9,
    ),
    "sine": (
        write_sine, "rnn_running_average",
        ["--data=SeriesDataModule", "--data.path=own", "--data.target=later", "--data.window=20",
         "--data.batch_size=8", "--model.optimizer.lr=0.01"], 10, "test/rse", 0.3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_data_of_ones_own_go_from_files_to_a_tested_run(lab: Lab, name: str) -> None:
    write, base, words, epochs, metric, bound = DATA[name]
    if write is not None:
        write(lab.folder / "own")
    assert lab("fit", *config(base), *words, *SHORT, f"--trainer.max_epochs={epochs}") == 0, lab.err
    reached = read_metrics(lab.run(base))[metric][1][-1]
    assert reached < bound if metric == "test/rse" else reached >= bound


PREDICTED: dict[str, tuple[Callable[[Path], Path], list[str], int, str, str]] = {
    "wine": (lambda path: write_wine(path, labeled=False), ["--data.path=new"], 178, "wine 3", "class_name"),
    "names": (
        lambda path: path.with_suffix(".txt").write_text("абвгов\nαβγδος\nΩαβγος\n", encoding="utf-8"),
        ["--data.texts=new.txt"], 3, "αβγδος", "class_1",
    ),
    "sine": (
        lambda path: write_sine(path, 300, 40, labeled=False), ["--data.predict_path=new"], 21, "lines 3 to 22",
        "prediction_0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PREDICTED)
def test_what_is_predicted_needs_no_labels_and_is_called_by_its_name(lab: Lab, name: str) -> None:
    write, base, words, *_ = DATA[name]
    write(lab.folder / "own")
    assert lab("fit", *config(base), *words, *SHORT, "--trainer.max_epochs=1", "--test_after_fit=false") == 0, lab.err
    write_new, typed, length, second, column = PREDICTED[name]
    write_new(lab.folder / "new")
    assert lab("predict", "--config", str(lab.run(base) / "config.yaml"), *typed, "--trainer.callbacks=[]") == 0, (
        lab.err
    )
    (path,) = lab.run(base).rglob("predictions.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == length and column in rows[0] and "label" not in rows[0]
    assert second in [row["name"] for row in rows][1:4]
    if name == "names":
        assert rows[2]["read_as"] == "\N{REPLACEMENT CHARACTER}αβγος"


def commands() -> list[list[str]]:
    """The commands of the page, as a shell splits them."""
    page = (ROOT / "docs" / "extending_graphs.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page, re.S)).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in blocks.splitlines() if line.strip()]


def test_the_commands_of_the_page_run_in_their_order(lab: Lab) -> None:
    write_wine(lab.folder / "my_graph")
    write_wine(lab.folder / "my_new_graph", labeled=False)
    write_names(lab.folder / "my_names.csv")
    (lab.folder / "my_new_names.txt").write_text("абвгов\n", encoding="utf-8")
    write_sine(lab.folder / "my_series.csv")
    write_sine(lab.folder / "my_new_series.csv", 300, 40, labeled=False)
    for python, script, command, *words in commands():
        assert (python, script) == ("python", "train.py")
        words = [str(ROOT / word) if word.startswith("configs/") else word for word in words]
        few = ["--trainer.max_epochs=1", "--test_after_fit=false"] if command == "fit" else []
        assert lab(command, *words, "--trainer.callbacks=[]", "--trainer.accelerator=cpu", *few) == 0, lab.err
    assert len(list(lab.folder.glob("runs/*/version_0/**/predictions.csv"))) == 3
