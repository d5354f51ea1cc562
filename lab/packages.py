"""The packages whose classes a config may name, and the short names of these classes."""

import importlib
import re
from collections.abc import Iterator, Mapping

PACKAGES = ("callbacks", "datamodules", "lit_models", "nets")


def import_packages() -> None:
    """Import them: a class that YAML names without its package is looked for among those that are imported."""
    for package in PACKAGES:
        importlib.import_module(package)


class ClassPaths(Mapping[str, str]):
    """The full path of each public class by its short name.

    The packages are imported when the first word is looked up that may be a class: that takes seconds. Without full
    paths jsonargparse asks which of all imported classes of a name is meant: torchvision has a VisionTransformer too.
    """

    def __init__(self) -> None:
        self._paths: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        if not re.fullmatch(r"[A-Z]\w*", name):
            raise KeyError(name)
        return self._load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def _load(self) -> dict[str, str]:
        if self._paths is None:
            public = {name: importlib.import_module(name).__all__ for name in PACKAGES}
            self._paths = {name: f"{of}.{name}" for of, names in public.items() for name in names if name[0].isupper()}
        return self._paths
