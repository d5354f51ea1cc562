"""Texts of one's own, in any script, each with its class."""

from collections.abc import Mapping
from pathlib import Path

from datamodules.labeled_texts import LabeledTextsDataModule
from datamodules.text_files import read_lists, read_texts


class TextsDataModule(LabeledTextsDataModule):
    """Texts of a CSV file, or of a folder of ``<Class>.txt`` with a text a line, each with its class.

    By default the alphabet is learnt: the characters of the training texts, in any script, and one symbol for all that
    are not among them. It is kept in the checkpoint.

    Args:
        path: the CSV file or the folder.
        text_column: of a CSV file.
        label_column: of a CSV file.
        classes: those to learn, or in prediction those to write texts in; all when None.
        val_fraction: share of the texts that validates, in (0, 1).
        test_fraction: share of the texts that tests, in (0, 1), with ``val_fraction`` below 1.
        batch_size: training texts in a batch, per process, ≥ 1.
        seed: seed ≥ 0 of the split and of the order of the training texts.
        deduplicate: whether a text stands in one split alone.
        eval_batch_size: texts in a batch of validation, test and prediction, per process, ≥ 1.
        texts: what to predict: texts, or the path of a text file with one a line, or of a CSV file with the column
            ``text_column``; the test split when None.
        num_written: how many texts a generator is to write in each class; None for a classifier.
        alphabet: "learnt", or "ascii", 57 characters in which accents are left out.

    Shapes:
        a batch: tokens (B, T) in 0 … ``vocab_size`` − 1, lengths (B,), classes (B,)

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when a file is missing, or what is wrong in it; says where.

    Example:
        ``python train.py fit --config configs/surname_classifier.yaml --data TextsDataModule --data.path names.csv``
    """

    remedy = "data.path and data.classes"

    def __init__(
        self,
        path: str,
        text_column: str = "text",
        label_column: str = "label",
        classes: list[str] | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        batch_size: int = 64,
        seed: int = 0,
        deduplicate: bool = True,
        eval_batch_size: int = 1024,
        texts: list[str] | str | None = None,
        num_written: int | None = None,
        alphabet: str = "learnt",
    ) -> None:
        super().__init__(
            classes, val_fraction, test_fraction, batch_size, seed, deduplicate, eval_batch_size, texts, num_written,
            alphabet,
        )  # fmt: skip
        self.path, self.text_column, self.label_column = Path(path).expanduser(), text_column, label_column

    def lists(self) -> Mapping[str, list[str]]:
        return read_lists(self.path, self.text_column, self.label_column)

    def read_given(self, path: Path) -> list[str]:
        return read_texts(path, "texts", self.text_column)
