"""Texts, each with its class: to classify, or to write new ones.

Letters: B texts, T characters.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.alphabet import Alphabet, composed, to_ascii
from datamodules.buckets import BucketSampler, Names
from datamodules.fractions import check_fractions
from datamodules.in_memory import InMemoryDataModule, InMemoryDataset
from datamodules.label_counts import count_labels
from datamodules.text_files import read_texts
from datamodules.text_splits import Rows, check_given, describe_rows, split_rows
from lab.errors import LabError, nearest

ALPHABETS = ("ascii", "learnt")


class LabeledTextsDataModule(InMemoryDataModule):
    """What all data of texts with classes share; a subclass says where the ``lists`` of texts come from.

    Args:
        classes: those to learn, or in prediction those to write texts in; all of the source when None.
        val_fraction: share of the texts that validates, in (0, 1).
        test_fraction: share of the texts that tests, in (0, 1), with ``val_fraction`` below 1.
        batch_size: training texts in a batch, per process, ≥ 1.
        seed: seed ≥ 0 of the split and of the order of the training texts.
        deduplicate: whether a text stands in one split alone.
        eval_batch_size: texts in a batch of validation, test and prediction, per process, ≥ 1.
        texts: what to predict: texts, or the path of a file of them; the test split when None.
        num_written: how many texts a generator is to write in each class; None for a classifier.
        alphabet: "ascii", 57 characters, or "learnt", those of the training texts and one for any other.

    Shapes:
        a batch: tokens (B, T), lengths (B,), classes (B,); to predict: tokens, lengths, the B texts as they were given;
        for a generator to predict: classes (B,), and the place (B,) of each text in its class

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when a class is unknown, or nothing of a text is in the alphabet.
    """

    dataset_class = Names
    words = ("Texts", "texts", "class", "classes")
    options = ("texts", "classes")  # the arguments that a subclass may call otherwise
    remedy = "data.classes"

    def __init__(
        self,
        classes: list[str] | None,
        val_fraction: float,
        test_fraction: float,
        batch_size: int,
        seed: int,
        deduplicate: bool,
        eval_batch_size: int,
        texts: list[str] | str | None,
        num_written: int | None,
        alphabet: str,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        of_texts, of_classes = self.options
        check_fractions(val_fraction, test_fraction)
        for name, value in {of_classes: classes, of_texts: texts}.items():
            if value is not None and not value:
                raise ValueError(f"{name} must be null or hold something, but it is {value!r}.")
        if classes is not None and len(set(classes)) < len(classes):
            raise ValueError(f"{of_classes} must name each {self.words[2]} once, but it is {classes}.")
        if num_written is not None and num_written < 1:
            raise ValueError(f"num_written must be at least 1, but it is {num_written}.")
        if num_written is not None and texts is not None:
            raise ValueError(
                f"{of_texts} are for a classifier to read and num_written is for a generator: leave one out."
            )
        if alphabet not in ALPHABETS:
            raise ValueError(f'alphabet must be "ascii" or "learnt", but it is "{alphabet}".')
        self.classes, self.deduplicate, self.learns_alphabet = classes, deduplicate, alphabet == "learnt"
        self.fractions = {"test": test_fraction, "val": val_fraction}
        self.texts, self.num_written = texts, num_written
        self.alphabet = None if self.learns_alphabet else Alphabet()
        self.class_names: list[str] = []
        self.stage: str | None = None
        self._rows: dict[str, Rows] = {}

    @abstractmethod
    def lists(self) -> Mapping[str, list[str]]:
        """The texts of each class, with their repeats."""

    @property
    def num_classes(self) -> int | None:
        """Classes of the data; None where texts are given to predict, and nothing else is read."""
        if not self.class_names:
            self._read()
        return len(self.class_names) or None

    @property
    def vocab_size(self) -> int | None:
        """Tokens, the padding included; None as ``num_classes``."""
        if self.alphabet is None:
            self._read()
        return self.alphabet.vocab_size if self.alphabet else None

    def setup(self, stage: str) -> None:
        """Load the splits that a stage reads; where names are given to predict, none."""
        self.stage = stage
        if stage != "predict":
            super().setup(stage)
        elif self.num_written is not None:
            super().setup("fit")  # what is new is held against the training names
        elif self.texts is None:
            super().setup("test")

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        report = self._read()
        if training and report:
            rank_zero_info(report)
        asked = ("train", "val") if training else ("test",)
        for split in asked:
            if not self._rows[split]:
                raise LabError(
                    f"the split {split} has no {self.words[1].removesuffix('s')} of {', '.join(self.class_names)}: "
                    f"choose other fractions."
                )
        return {split: self._tensors(split) for split in asked}

    def _read(self) -> str:
        """Read, check and split all texts once, and say what there is; nothing where texts are given to predict."""
        if self._rows or (self.stage == "predict" and self.texts is not None):
            return self._report if self._rows else ""
        lists = self.lists()
        writes = self.stage == "predict" and self.num_written is not None  # what is new is new to all classes
        known, wanted = list(lists), list(lists) if writes else self.classes or list(lists)
        self._check_classes(wanted, known)
        rows, self._report = describe_rows(lists, self._written, self.deduplicate, self.words)
        self.class_names = self.loaded = [name for name in known if name in wanted]
        numbers = {known.index(name): number for number, name in enumerate(self.class_names)}
        splits = split_rows(rows, self.fractions, self.deduplicate, self.seed)
        self._rows = {
            split: [(text, numbers[of]) for text, of in of_split if of in numbers] for split, of_split in splits.items()
        }
        if self.learns_alphabet:
            self.alphabet = Alphabet.of(text for text, _ in self._rows["train"])
        return self._report

    def _tensors(self, split: str) -> tuple[Tensor, ...]:
        texts = [text for text, _ in self._rows[split]]
        if self.learns_alphabet and (lacking := Counter(self.alphabet.unknown(texts))):
            listed = ", ".join(character for character, _ in lacking.most_common(10))
            rank_zero_info(
                f"{sum(lacking.values())} characters of the split {split} are in no training text, and are read as one "
                f"unknown symbol: {listed}{', …' if len(lacking) > 10 else ''}"
            )
        return (*self.alphabet.encode(texts), torch.tensor([number for _, number in self._rows[split]]))

    def _written(self, text: str) -> tuple[str, str]:
        """A text as it is read, and the characters that are left out of it."""
        return (composed(text), "") if self.learns_alphabet else to_ascii(text)

    def train_sampler(self, dataset: Names, skip: Callable[[], int], **arguments: int) -> BucketSampler:
        return BucketSampler(dataset, skip, self.batch_size, **arguments)

    def predict_dataloader(self) -> DataLoader:
        """Given names, the test split, or for a generator the number of each class as often as it is to write."""
        if self.num_written is not None:
            wanted = self.classes or self.class_names
            self._check_classes(wanted, self.class_names)
            numbers = torch.tensor([self.class_names.index(name) for name in wanted])
            places = torch.arange(self.num_written).repeat(len(numbers))
            self.datasets["predict"] = InMemoryDataset(numbers.repeat_interleave(self.num_written), places)
        elif self.texts is None:
            tokens, lengths, _ = self.datasets["test"].tensors
            self.datasets["predict"] = Names(tokens, lengths, texts=self.decode(tokens))
        else:
            texts = self.read_given(Path(self.texts)) if isinstance(self.texts, str) else self.texts
            tokens, lengths = self.alphabet.encode([self._given(text) for text in texts])
            self.datasets["predict"] = Names(tokens, lengths, texts=texts)
        return self._eval_dataloader("predict")

    def decode(self, tokens: Tensor) -> list[str]:
        """The texts of tokens (B, T), each up to its end."""
        return self.alphabet.decode(tokens)

    def read_given(self, path: Path) -> list[str]:
        """The texts of a file to predict, one a line."""
        return read_texts(path, self.options[0])

    def training_names(self) -> set[str]:
        """The texts that a generator has seen, those of the classes that it has learnt."""
        learnt = [number for number, name in enumerate(self.loaded) if name in self.class_names]
        return {text for text, number in self._rows["train"] if number in learnt}

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows: the classes of each split, and a training text of each class."""
        self._read()
        numbers = {split: torch.tensor([of for _, of in rows], dtype=torch.long) for split, rows in self._rows.items()}
        splits = {split: count_labels(of, self.class_names, len(self.class_names)) for split, of in numbers.items()}
        first = {number: text for text, number in reversed(self._rows.get("train", []))}
        return {"splits": splits, "samples": [(self.class_names[number], first[number]) for number in sorted(first)]}

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps which class each number stands for, and a learnt alphabet."""
        learnt = {"alphabet": self.alphabet.characters} if self.learns_alphabet and self.alphabet else {}
        return {**super().state_dict(), "class_names": self.class_names, **learnt}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        learnt = state_dict["class_names"]
        if self.stage not in (None, "predict") and self.class_names != learnt:
            raise LabError(
                f"the checkpoint has learnt {', '.join(learnt)}, but the data have {', '.join(self.class_names)}: set "
                f"{self.remedy} as in its run."
            )
        if self.learns_alphabet and "alphabet" in state_dict:
            self._take_alphabet(Alphabet(state_dict["alphabet"], has_unknown=True))
        self.class_names = learnt

    def _take_alphabet(self, alphabet: Alphabet) -> None:
        """Read what is loaded in the alphabet of a checkpoint, whose network knows no other."""
        if alphabet != self.alphabet:
            self.alphabet = alphabet
            for split in self._rows.keys() & self.datasets.keys():
                self.datasets[split] = Names(*self._tensors(split))

    def _check_classes(self, wanted: Sequence[str], known: Sequence[str]) -> None:
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise LabError(
                f'{self.options[1]} must be among {", ".join(known)}, but "{unknown[0]}" is not'
                f"{nearest(unknown[0], known)}"
            )

    def _given(self, text: str) -> str:
        return check_given(text, self._written, self.alphabet, self.words[1].removesuffix("s"), self.options[0])
