"""Surnames and their languages: to classify, or to write new ones."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.alphabet import VOCAB_SIZE, decode, encode, to_ascii
from datamodules.buckets import BucketSampler, Names
from datamodules.in_memory import InMemoryDataModule, InMemoryDataset
from datamodules.listing import has_files
from datamodules.surname_lists import TEXT, download_surnames, faker_surnames, file_surnames, read_names
from lab.downloads import data_root
from lab.errors import LabError, nearest

Rows = list[tuple[str, int]]  # a name in the alphabet, and the number of its language
SOURCES = ("faker", "files")


class SurnamesDataModule(InMemoryDataModule):
    """Surnames, each with the language it is from.

    The lists of Faker, https://github.com/joke2k/faker, or those of "NLP From Scratch: Classifying Names with a
    Character-Level RNN" (Robertson, 2017), https://pytorch.org/tutorials/intermediate/char_rnn_classification_tutorial.
    Names are written in 57 characters (``to_ascii``) and padded on the right with token 0. By default a name stands
    once in each language that has it, and all its languages are in one split. The splits are drawn from all languages
    of the source, whichever of them are asked for.

    Args:
        source: "faker", the lists in the Faker package, or "files", ``<root>/names/<Language>.txt`` with a name a line,
            or such files in ``root`` itself; the 18 languages of the tutorial are downloaded where there are none.
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        languages: those to learn, or in prediction those to write surnames in; all of the source when None.
        val_fraction: share of the names that validates, in (0, 1).
        test_fraction: share of the names that tests, in (0, 1), with ``val_fraction`` below 1.
        batch_size: training names in a batch, per process, ≥ 1.
        seed: seed ≥ 0 of the split and of the order of the training names.
        deduplicate: whether a name stands in one split alone. False keeps repeats, and splits at random: the protocol
            of the handout, where a seventh of the tested names were seen in training.
        eval_batch_size: names in a batch of validation, test and prediction, per process, ≥ 1.
        names: what to predict: names, or the path of a text file with one a line; the test split when None.
        num_written: how many surnames a generator is to write in each language; None for a classifier.

    Shapes:
        a batch: tokens (B, T) in 0 … 57, lengths (B,), languages (B,); to predict: tokens, lengths, the B names as they
        were given; for a generator to predict: languages (B,), and the place (B,) of each surname in its language

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing or damaged, a language is unknown, or nothing of a name is in the alphabet.
    """

    dataset_class = Names
    vocab_size = VOCAB_SIZE

    def __init__(
        self,
        source: str = "faker",
        root: str | None = None,
        languages: list[str] | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        batch_size: int = 64,
        seed: int = 0,
        deduplicate: bool = True,
        eval_batch_size: int = 1024,
        names: list[str] | str | None = None,
        num_written: int | None = None,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        if source not in SOURCES:
            raise ValueError(f'source must be "faker" or "files", but it is "{source}".')
        if not (val_fraction > 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
            raise ValueError(
                f"val_fraction and test_fraction must be above 0 and together below 1, but they are {val_fraction} and "
                f"{test_fraction}."
            )
        for name, value in {"languages": languages, "names": names}.items():
            if value is not None and not value:
                raise ValueError(f"{name} must be null or hold something, but it is {value!r}.")
        if languages is not None and len(set(languages)) < len(languages):
            raise ValueError(f"languages must name each language once, but it is {languages}.")
        if num_written is not None and num_written < 1:
            raise ValueError(f"num_written must be at least 1, but it is {num_written}.")
        if num_written is not None and names is not None:
            raise ValueError("names are for a classifier to read and num_written is for a generator: leave one out.")
        self.reads_files = source == "files"
        self.source, self.languages, self.deduplicate = source, languages, deduplicate
        self.fractions = {"test": test_fraction, "val": val_fraction}
        self.names, self.num_written = names, num_written
        self.name = f"Surnames ({source})"  # of the pictures
        folder, inner = data_root(root), data_root(root) / "names"
        self.folder = folder if has_files(folder, TEXT) and not has_files(inner, TEXT) else inner
        self.class_names: list[str] = []
        self.stage = "predict"

    def prepare_data(self) -> None:
        """Download the files where there are none; with files there, nothing is written."""
        if self.source == "files" and not has_files(self.folder, TEXT):
            download_surnames(self.folder)

    def setup(self, stage: str) -> None:
        """Load the splits that a stage reads; where names are given to predict, none."""
        self.stage = stage
        if stage != "predict":
            super().setup(stage)
        elif self.num_written is not None:
            super().setup("fit")  # what is new is held against the training names
        elif self.names is None:
            super().setup("test")

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        lists = faker_surnames() if self.source == "faker" else file_surnames(self.folder)
        writes = self.stage == "predict" and self.num_written is not None  # what is new is new to all languages
        known, wanted = list(lists), list(lists) if writes else self.languages or list(lists)
        self._check_languages(wanted, known)
        rows, report = self._rows(lists)
        if training:
            rank_zero_info(report)
        self.class_names = self.loaded = [language for language in known if language in wanted]
        self.num_classes = len(self.class_names)
        splits = self._split(rows)
        numbers = {known.index(language): number for number, language in enumerate(self.class_names)}
        asked = ("train", "val") if training else ("test",)
        kept = {split: [(name, numbers[of]) for name, of in splits[split] if of in numbers] for split in asked}
        for split, of_split in kept.items():
            if not of_split:
                raise LabError(f"the split {split} has no name of {', '.join(wanted)}: choose other fractions.")
        return {
            split: (*encode([name for name, _ in of_split]), torch.tensor([number for _, number in of_split]))
            for split, of_split in kept.items()
        }

    def train_sampler(self, dataset: Names, skip: Callable[[], int], **arguments: int) -> BucketSampler:
        return BucketSampler(dataset, skip, self.batch_size, **arguments)

    def predict_dataloader(self) -> DataLoader:
        """Given names, the test split, or for a generator the number of each language as often as it is to write."""
        if self.num_written is not None:
            wanted = self.languages or self.class_names
            self._check_languages(wanted, self.class_names)
            numbers = torch.tensor([self.class_names.index(language) for language in wanted])
            places = torch.arange(self.num_written).repeat(len(numbers))
            self.datasets["predict"] = InMemoryDataset(numbers.repeat_interleave(self.num_written), places)
        elif self.names is None:
            tokens, lengths, _ = self.datasets["test"].tensors
            self.datasets["predict"] = Names(tokens, lengths, texts=decode(tokens))
        else:
            names = read_names(Path(self.names)) if isinstance(self.names, str) else self.names
            self.datasets["predict"] = Names(*encode([_in_alphabet(name) for name in names]), texts=names)
        return self._eval_dataloader("predict")

    def decode(self, tokens: Tensor) -> list[str]:
        """The names of tokens (B, T), each up to its end."""
        return decode(tokens)

    def training_names(self) -> set[str]:
        """The names that a generator has seen, those of the languages that it has learnt."""
        tokens, _, numbers = self.datasets["train"].tensors
        learnt = [number for number, language in enumerate(self.loaded) if language in self.class_names]
        return set(decode(tokens[torch.isin(numbers, torch.tensor(learnt))]))

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps which language each number stands for."""
        return {**super().state_dict(), "class_names": self.class_names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        learnt = state_dict["class_names"]
        if self.stage != "predict" and self.class_names != learnt:
            raise LabError(
                f"the checkpoint has learnt {', '.join(learnt)}, but the data have {', '.join(self.class_names)}: set "
                f"data.source and data.languages as in its run."
            )
        self.class_names = learnt

    def _rows(self, lists: Mapping[str, list[str]]) -> tuple[Rows, str]:
        """All names in the alphabet with the numbers of their languages, and a sentence about them."""
        written = [(to_ascii(name), number) for number, names in enumerate(lists.values()) for name in names]
        rows = [(name, number) for (name, _), number in written if name]
        for number in set(range(len(lists))) - {number for _, number in rows}:
            raise LabError(
                f"no name of {list(lists)[number]} is written in the letters a–z and A–Z: write them in Latin letters."
            )
        cut = [characters for (name, characters), _ in written if name and characters]
        lost = Counter(list(lists)[number] for (name, _), number in written if not name)
        distinct = sorted(set(rows))
        shared = sum(times > 1 for times in Counter(name for name, _ in distinct).values())
        kept = "left out" if self.deduplicate else "kept"
        report = (
            f"Surnames: {len(rows)} in {len(lists)} languages; {len(rows) - len(distinct)} repeats within a "
            f"language are {kept}; {shared} names are in several languages."
        )
        if lost:
            listed = ", ".join(f"{count} of {language}" for language, count in lost.items())
            report += f" Names with most letters outside the alphabet, or none in it, are left out: {listed}."
        if cut:
            report += f" Characters outside it are left out of {len(cut)} names: {''.join(sorted(set(''.join(cut))))}"
        return distinct if self.deduplicate else rows, report

    def _split(self, rows: Rows) -> dict[str, Rows]:
        """Distinct names at random, all the languages of one together; or rows at random, whatever their names."""
        keys = [name for name, _ in rows] if self.deduplicate else list(range(len(rows)))
        distinct = list(dict.fromkeys(keys))
        order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(self.seed)).tolist()
        ends = [round(len(distinct) * self.fractions["test"]), round(len(distinct) * sum(self.fractions.values()))]
        split_of = {}
        for place, number in enumerate(order):
            split_of[distinct[number]] = "test" if place < ends[0] else "val" if place < ends[1] else "train"
        splits: dict[str, Rows] = {"train": [], "val": [], "test": []}
        for key, row in zip(keys, rows, strict=True):
            splits[split_of[key]].append(row)
        return splits

    def _check_languages(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        unknown = [language for language in wanted if language not in known]
        if unknown:
            raise LabError(
                f'languages must be among {", ".join(known)}, but "{unknown[0]}" is not{nearest(unknown[0], known)}'
            )


def _in_alphabet(name: str) -> str:
    """A name to predict in the alphabet; what has no place in it is told."""
    written, left_out = to_ascii(name)
    if not name.strip():
        raise LabError("a name to predict must have a letter, but one is empty: take it out of data.names.")
    if not written:
        raise LabError(
            f'the name "{name}" has no letter in the alphabet of the network, a–z and A–Z, or most of its letters '
            f"outside it: write it in Latin letters."
        )
    if left_out:
        rank_zero_info(f'"{name}" is read as "{written}": {", ".join(left_out)} is not in the alphabet.')
    return written
