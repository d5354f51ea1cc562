"""Texts of one's own in any script: the learnt alphabet, what it lacks, and what may be wrong."""

from pathlib import Path
from typing import Any

import pytest
from own_data import write_csv, write_names

from datamodules import TextsDataModule, labeled_texts, text_files, text_splits
from datamodules.alphabet import Alphabet
from lab.errors import LabError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    for module in (labeled_texts, text_splits):
        monkeypatch.setattr(module, "rank_zero_info", sentences.append)
    monkeypatch.setattr(text_files, "tell_once", sentences.append)
    return sentences


def ready(path: Path, *stages: str, **arguments: Any) -> TextsDataModule:
    data = TextsDataModule(path=str(path), **arguments)
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


def test_the_alphabet_is_that_of_the_training_texts(tmp_path: Path, told: list[str]) -> None:
    data = ready(write_names(tmp_path / "names.csv"))
    tokens, lengths, _ = data.datasets["train"].tensors
    texts = data.decode(tokens)
    assert data.alphabet == Alphabet("".join(sorted(set("".join(texts)))), has_unknown=True)
    assert data.vocab_size == len(data.alphabet.characters) + 2 and data.class_names == ["Bulgarian", "Greek"]
    assert [len(text) for text in texts] == lengths.tolist()
    assert told[0].startswith("Texts: 120 in 2 classes; 0 repeats within a class are left out; 0 texts are in several")


def test_sizes_are_known_before_training(tmp_path: Path) -> None:
    data = TextsDataModule(path=str(write_names(tmp_path / "names.csv")))
    assert data.num_classes == 2 and data.vocab_size == 21


def test_a_letter_that_no_training_text_has_is_one_symbol_and_is_told(tmp_path: Path, told: list[str]) -> None:
    rows = [[f"{'ab'[number % 2]}{number:02d}"[:3], "xy"[number % 2]] for number in range(50)]
    path = write_csv(tmp_path / "own.csv", ["text", "label"], rows)
    rare = ready(path)._rows["test"][0][0]
    rows = [[text + "Ωж" if text == rare else text, label] for text, label in rows]  # in the same place when sorted
    told.clear()
    data = ready(write_csv(path, ["text", "label"], rows))
    assert [sentence for sentence in told if "unknown" in sentence] == [
        "2 characters of the split test are in no training text, and are read as one unknown symbol: Ω, ж"
    ]
    assert rare + 2 * "\N{REPLACEMENT CHARACTER}" in data.decode(data.datasets["test"].tensors[0])


def test_a_checkpoint_keeps_the_alphabet_for_what_is_predicted(tmp_path: Path, told: list[str]) -> None:
    trained = ready(write_names(tmp_path / "names.csv"), "fit")
    data = ready(tmp_path / "none.csv", "predict", texts=["  абвг  ов", "Ωος", "ε\u0301"])
    assert data.num_classes is None and data.vocab_size is None
    data.load_state_dict(trained.state_dict())
    ((tokens, lengths, texts),) = list(data.predict_dataloader())
    unknown = "\N{REPLACEMENT CHARACTER}"
    assert data.decode(tokens) == [f"абвг{unknown}ов", f"{unknown}ος", unknown] and lengths.tolist() == [7, 3, 1]
    assert texts == ["  абвг  ов", "Ωος", "ε\u0301"] and data.class_names == ["Bulgarian", "Greek"]
    assert told[-2] == f'"Ωος" is read as "{unknown}ος": Ω is not in the alphabet.'


def test_ascii_takes_accents_off_as_for_surnames(tmp_path: Path) -> None:
    rows = [[f"Ślus{'abcdefghijklmnop'[number]}", "xy"[number % 2]] for number in range(16)]
    data = ready(write_csv(tmp_path / "own.csv", ["text", "label"], rows), alphabet="ascii")
    assert data.vocab_size == 58 and all(text.startswith("Slus") for text, _ in data._rows["train"])


def test_texts_to_predict_may_be_a_column(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", ["word", "n"], [["абв", 1], ["где", 2]])
    trained = ready(write_names(tmp_path / "names.csv"), "fit")
    data = ready(tmp_path, "predict", texts=str(path), text_column="word")
    data.load_state_dict(trained.state_dict())
    assert next(iter(data.predict_dataloader()))[2] == ["абв", "где"]


def test_a_preview_counts_the_classes_of_each_split(tmp_path: Path) -> None:
    preview = ready(write_names(tmp_path / "names.csv"), "fit").preview()
    sizes = {split: sum(counts.values()) for split, counts in preview["splits"].items()}
    assert sizes == {"train": 84, "val": 12, "test": 24}
    assert [label for label, _ in preview["samples"]] == ["Bulgarian", "Greek"]


def test_repeated_rows_are_told(tmp_path: Path, told: list[str]) -> None:
    rows = [["a", "x"], ["b", "y"], ["c", "x"], ["a", "x"]] + [[f"t{number}", "y"] for number in range(9)]
    ready(write_csv(tmp_path / "own.csv", ["text", "label"], rows))
    assert f'{tmp_path / "own.csv"}, line 5 repeats "a" of line 2; there are 1 such rows.' in told


WRONG = {
    r'own\.csv, line 3, column "text" is empty: fill the cell': [["a", "x"], ["", "y"]],
    r'own\.csv, line 2, column "label" is empty: fill the cell': [["a", ""], ["b", "y"]],
    r"own\.csv must hold texts of at least two classes, but has x alone": [["a", "x"], ["b", "x"]],
    r"the split test has no text of x, y: choose other fractions": [["a", "x"], ["b", "y"]],
}


@pytest.mark.parametrize(("message", "rows"), WRONG.items(), ids=list(WRONG))
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, message: str, rows: list) -> None:
    with pytest.raises(LabError, match=message):
        ready(write_csv(tmp_path / "own.csv", ["text", "label"], rows))


def test_a_folder_holds_a_file_for_each_class(tmp_path: Path) -> None:
    for name, letters in {"Greek": "αβγδε", "Russian": "абвгд"}.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(a + b for a in letters for b in letters), encoding="utf-8")
    assert ready(tmp_path).class_names == ["Greek", "Russian"]
    with pytest.raises(ValueError, match='alphabet must be "ascii" or "learnt", but it is "latin"'):
        TextsDataModule(path=str(tmp_path), alphabet="latin")
