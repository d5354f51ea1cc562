"""Surnames and their languages: to classify, or to write new ones."""

from collections.abc import Mapping

from datamodules.labeled_texts import LabeledTextsDataModule
from datamodules.listing import has_files
from datamodules.surname_lists import download_surnames, faker_surnames, file_surnames
from datamodules.text_files import TEXT
from lab.downloads import data_root

SOURCES = ("faker", "files")


class SurnamesDataModule(LabeledTextsDataModule):
    """Surnames, each with the language it is from.

    The lists of Faker, https://github.com/joke2k/faker, or those of "NLP From Scratch: Classifying Names with a
    Character-Level RNN" (Robertson, 2017), https://pytorch.org/tutorials/intermediate/char_rnn_classification_tutorial.
    Names are written in 57 characters (``to_ascii``), or with ``alphabet="learnt"`` as they are, and
    padded on the right with token 0. By default a name stands once in each language that has it, and all its languages
    are in one split. The splits are drawn from all languages of the source, whichever of them are asked for.

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
        alphabet: "ascii", the 57 characters, or "learnt", those of the training names and one for any other.

    Shapes:
        a batch: tokens (B, T) in 0 … 57 (ascii), lengths (B,), languages (B,); to predict: tokens, lengths, the B names
        as given; for a generator to predict: languages (B,), and the place (B,) of each surname in its language

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing or damaged, a language is unknown, or nothing of a name is in the alphabet.
    """

    words = ("Surnames", "names", "language", "languages")
    options = ("names", "languages")
    remedy = "data.source and data.languages"

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
        alphabet: str = "ascii",
    ) -> None:
        if source not in SOURCES:
            raise ValueError(f'source must be "faker" or "files", but it is "{source}".')
        super().__init__(
            languages, val_fraction, test_fraction, batch_size, seed, deduplicate, eval_batch_size, names, num_written,
            alphabet,
        )  # fmt: skip
        self.source, self.reads_files = source, source == "files"
        self.name = f"Surnames ({source})"  # of the pictures
        folder, inner = data_root(root), data_root(root) / "names"
        self.folder = folder if has_files(folder, TEXT) and not has_files(inner, TEXT) else inner

    @property
    def languages(self) -> list[str] | None:
        """The languages that are asked for."""
        return self.classes

    @languages.setter
    def languages(self, value: list[str] | None) -> None:
        self.classes = value

    @property
    def names(self) -> list[str] | str | None:
        """What to predict."""
        return self.texts

    @names.setter
    def names(self, value: list[str] | str | None) -> None:
        self.texts = value

    def prepare_data(self) -> None:
        """Download the files where there are none; with files there, nothing is written."""
        if self.source == "files" and not has_files(self.folder, TEXT):
            download_surnames(self.folder)

    def lists(self) -> Mapping[str, list[str]]:
        return faker_surnames() if self.source == "faker" else file_surnames(self.folder)
