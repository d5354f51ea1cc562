"""Texts with classes: what there is of them, and their random split."""

from collections import Counter
from collections.abc import Callable, Mapping

import torch
from lightning.pytorch.utilities import rank_zero_info

from datamodules.alphabet import Alphabet
from lab.errors import LabError

Rows = list[tuple[str, int]]  # a text, and the number of its class


def describe_rows(
    lists: Mapping[str, list[str]],
    write: Callable[[str], tuple[str, str]],
    deduplicate: bool,
    words: tuple[str, str, str, str],
) -> tuple[Rows, str]:
    """All texts as they are read with the numbers of their classes, and a sentence about them.

    Args:
        lists: the texts of each class.
        write: from a text to what is read of it, nothing where it is left out, and the characters left out of it.
        deduplicate: whether a text that is repeated in a class counts once.
        words: what is said for "Texts", "texts", "class" and "classes".

    Raises:
        LabError: when nothing of a class can be read.
    """
    title, several, of_class, classes = words
    written = [(write(text), number) for number, texts in enumerate(lists.values()) for text in texts]
    rows = [(text, number) for (text, _), number in written if text]
    for number in set(range(len(lists))) - {number for _, number in rows}:
        raise LabError(
            f"no {several.removesuffix('s')} of {list(lists)[number]} is written in the letters a–z and A–Z: write "
            f"them in Latin letters."
        )
    cut = [characters for (text, characters), _ in written if text and characters]
    lost = Counter(list(lists)[number] for (text, _), number in written if not text)
    distinct = sorted(set(rows))
    shared = sum(times > 1 for times in Counter(text for text, _ in distinct).values())
    kept = "left out" if deduplicate else "kept"
    report = (
        f"{title}: {len(rows)} in {len(lists)} {classes}; {len(rows) - len(distinct)} repeats within a {of_class} are "
        f"{kept}; {shared} {several} are in several {classes}."
    )
    if lost:
        listed = ", ".join(f"{count} of {of}" for of, count in lost.items())
        report += (
            f" {several.capitalize()} with most letters outside the alphabet, or none in it, are left out: {listed}."
        )
    if cut:
        report += f" Characters outside it are left out of {len(cut)} {several}: {''.join(sorted(set(''.join(cut))))}"
    return distinct if deduplicate else rows, report


def split_rows(rows: Rows, fractions: Mapping[str, float], deduplicate: bool, seed: int) -> dict[str, Rows]:
    """Distinct texts at random, all the classes of one together; or rows at random, whatever their texts.

    Args:
        rows: texts with the numbers of their classes.
        fractions: the shares of "test" and "val".
        deduplicate: whether a text stands in one split alone.
        seed: of the split.
    """
    keys = [text for text, _ in rows] if deduplicate else list(range(len(rows)))
    distinct = list(dict.fromkeys(keys))
    order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed)).tolist()
    ends = [round(len(distinct) * fractions["test"]), round(len(distinct) * sum(fractions.values()))]
    split_of = {}
    for place, number in enumerate(order):
        split_of[distinct[number]] = "test" if place < ends[0] else "val" if place < ends[1] else "train"
    splits: dict[str, Rows] = {"train": [], "val": [], "test": []}
    for key, row in zip(keys, rows, strict=True):
        splits[split_of[key]].append(row)
    return splits


def check_given(text: str, write: Callable[[str], tuple[str, str]], alphabet: Alphabet, one: str, option: str) -> str:
    """A text to predict as it is read; what has no place in the alphabet is told.

    Args:
        text: as it was given.
        write: see ``describe_rows``.
        alphabet: that of the network.
        one: what a text is called.
        option: the argument that it came by.

    Raises:
        LabError: when it is empty, or nothing of it can be read.
    """
    written, left_out = write(text)
    if not text.strip():
        raise LabError(f"a {one} to predict must have a letter, but one is empty: take it out of data.{option}.")
    if not written:
        raise LabError(
            f'the {one} "{text}" has no letter in the alphabet of the network, a–z and A–Z, or most of its letters '
            f"outside it: write it in Latin letters."
        )
    if unknown := left_out or "".join(dict.fromkeys(alphabet.unknown([written]))):
        (shown,) = alphabet.decode(alphabet.encode([written])[0])
        rank_zero_info(f'"{text}" is read as "{shown}": {", ".join(unknown)} is not in the alphabet.')
    return written
