"""Splits that are drawn cover the data without repeats, each class in each; ranges are what they say."""

from pathlib import Path

import pytest

from datamodules.file_tables import FileRow
from datamodules.own_splits import complete_splits, split_of_row, split_ranges
from lab.errors import LabError

FRACTIONS = {"val": 0.2, "test": 0.1}


@pytest.mark.parametrize("length", [3, 4, 7, 10, 50])
@pytest.mark.parametrize("fractions", [FRACTIONS, {"val": 0.01, "test": 0.01}, {"val": 0.5, "test": 0.49}])
def test_each_sample_is_in_one_split_and_no_split_is_empty(length: int, fractions: dict[str, float]) -> None:
    groups = ["a"] * length + ["b"] * (2 * length)
    splits = complete_splits({"train": range(3 * length)}, fractions, seed=0, groups=groups)
    assert sorted(sample for split in splits.values() for sample in split) == list(range(3 * length))
    for split in splits.values():
        assert {groups[sample] for sample in split} == {"a", "b"}
        assert split == sorted(split)


def test_a_split_that_is_there_stays_as_it_is() -> None:
    splits = complete_splits({"train": range(10), "test": ["x", "y"]}, FRACTIONS, seed=0)
    assert splits["test"] == ["x", "y"] and len(splits["val"]) == 2 and len(splits["train"]) == 8
    all_there = {"train": [1], "val": [2], "test": [3]}
    assert complete_splits(all_there, FRACTIONS, seed=0) == all_there


def test_the_draw_follows_the_seed() -> None:
    first, again, other = (complete_splits({"train": range(30)}, FRACTIONS, seed)["val"] for seed in (0, 0, 1))
    assert first == again != other


def test_ranges_leave_the_rest_to_train_in_its_order() -> None:
    splits = split_ranges({"train": "abcdefg"}, {"val": [1, 2], "test": [4, 6]}, "letters")
    assert splits == {"train": list("acdg"), "val": ["b"], "test": list("ef")}


@pytest.mark.parametrize(
    ("splits", "ranges", "message"),
    [
        ({"train": "ab"}, {"val": [0, 1], "test": [1, 2]}, r"letters has 2 samples, 0 … 1, which are too few"),
        ({"train": "abc", "val": "d"}, {"val": [0, 1], "test": [1, 2]}, r"letters has a val split of its own: leave"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(splits: dict, ranges: dict, message: str) -> None:
    with pytest.raises(LabError, match=message):
        split_ranges(splits, ranges, "letters")


@pytest.mark.parametrize(
    ("word", "split"), [("Train", "train"), ("VALIDATION", "val"), ("dev", "val"), ("test", "test")]
)
def test_a_row_names_its_split_in_the_words_of_the_field(word: str, split: str) -> None:
    assert split_of_row(FileRow("table.csv, line 2", {}, {"split": word})) == split


@pytest.mark.parametrize("word", ["", "holdout"])
def test_another_word_is_named(word: str) -> None:
    row = FileRow("table.csv, line 2", {"file": Path("a.png")}, {"split": word})
    with pytest.raises(
        LabError, match=rf'^table\.csv, line 2: the split is "{word}", but must be train, val or test: m'
    ):
        split_of_row(row)
