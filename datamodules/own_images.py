"""What data of a person's own images have in common: sizes and classes known before training, and labels optional."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from datamodules.image_files import files_to_predict, list_images, names_of
from datamodules.in_memory import InMemoryDataModule
from lab.errors import LabError


class OwnImages(InMemoryDataModule):
    """A datamodule of images in files, which predicts images without labels too.

    Its ``class_names``, ``num_classes``, ``in_channels`` and ``image_size`` are known from the files as soon as it is
    built, and of a checkpoint's data from the checkpoint, so that images are predicted where the training data are not.

    A subclass sets ``folder``, ``table`` and ``predict_files``, and says what is in the files.
    """

    folder: Path
    table: Path | None = None
    predict_files: str | Sequence[str] | None = None
    file_names: list[str] | None = None  # of the samples that predict reads, in their order
    learnt: Mapping[str, Any] = {}  # the form of the data of a checkpoint that predicts
    stage = "fit"

    @abstractmethod
    def found(self) -> dict[str, Any]:
        """The ``class_names``, ``in_channels`` and ``image_size`` of the labelled files."""

    @abstractmethod
    def read_unlabelled(self, paths: Sequence[Path]) -> Dataset:
        """The images of some files, without labels."""

    @abstractmethod
    def test_files(self) -> list[Path]:
        """The images of the test split."""

    def test_counts(self) -> Mapping[str, int]:
        """How many samples of each class the test split has, as far as that is known without reading an image."""
        return {}

    @property
    def has_labels(self) -> bool:
        """Whether there are labelled files; not where a checkpoint is to predict images from elsewhere."""
        if self.table is not None:
            return self.table.is_file() or self.predict_files is None
        if not self.folder.is_dir():
            return self.predict_files is None
        return any(path.is_dir() for path in self.folder.iterdir()) or not list_images(self.folder)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The name of each class; None where only unlabelled images are known."""
        return self._known("class_names")

    @property
    def num_classes(self) -> int | None:
        """Number of classes C."""
        return len(self.class_names) if self.class_names else None

    @property
    def in_channels(self) -> int | None:
        """1 for grey images, 3 for images in colour."""
        return self._known("in_channels")

    @property
    def image_size(self) -> int | None:
        """Side of the square images that train, in pixels; None where they are no squares of one size."""
        return self._known("image_size")

    def setup(self, stage: str) -> None:
        """Load the splits that a stage reads; where images without labels are to be predicted, none."""
        self.stage = stage
        if stage != "predict" or self._predicts_test():
            super().setup(stage)

    def predict_dataloader(self) -> DataLoader:
        """The images that a person named, or those of a folder that has images alone, or the test split."""
        if self._predicts_test():
            self.datasets["predict"] = self.datasets["test"]
            self.file_names = names_of(self.test_files(), self.folder)
        else:
            paths = files_to_predict(str(self.folder) if self.predict_files is None else self.predict_files)
            self.datasets["predict"] = self.read_unlabelled(paths)
            self.file_names = names_of(paths)
        return self._eval_dataloader("predict")

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows; the test split is counted and not read."""
        shown = super().preview()
        with suppress(LabError):  # training needs no test split
            shown["sizes"]["test"] = len(self.test_files())
            shown["counts"].update({"test": dict(self.test_counts())} if self.test_counts() else {})
        return shown

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps which class each number stands for, and which images its network has seen."""
        form = {"class_names": list(self.class_names), "in_channels": self.in_channels, "image_size": self.image_size}
        return {**super().state_dict(), "form": form}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        form = state_dict.get("form")
        if form is None:  # of a checkpoint that was made by another datamodule
            return
        form = {**form, "class_names": tuple(form["class_names"])}
        if self.stage == "predict":
            self.learnt = form
        elif self.class_names != form["class_names"]:
            raise LabError(
                f"the checkpoint has learnt the classes {', '.join(form['class_names'])}, but the data in "
                f"{self.folder} have {', '.join(self.class_names)}: set data.root and data.folder as in its run."
            )

    def _known(self, key: str) -> Any:
        if key in self.learnt:
            return self.learnt[key]
        return self.found()[key] if self.has_labels else None

    def _predicts_test(self) -> bool:
        return self.predict_files is None and self.has_labels
