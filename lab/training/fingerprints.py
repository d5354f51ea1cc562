"""What a run notes of its data: which they are, how many, and a fingerprint of their files that costs little."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.config_files import values_of
from lab.downloads import data_root
from lab.errors import LabError
from lab.files import write_yaml
from lab.run_folder import RunFolder

READ = 1000  # files of which the first bytes are read, spread evenly; of all others the names and sizes count
BYTES = 1 << 16


def describe_data(datamodule: Any, data: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """What ``data.yaml`` holds: class, name, settings, samples of each loaded split, fingerprint, and processes.

    Args:
        datamodule: it has been set up.
        data: its configuration, a class path and its arguments.
        processes: how many there are, each of which has batches of its own.
    """
    datasets = getattr(datamodule, "datasets", None)
    counts = {split: len(of) for split, of in datasets.items()} if isinstance(datasets, dict) else {}
    values = values_of({"data": dict(data)})
    return {
        "class": data.get("class_path"),
        "name": str(getattr(datamodule, "name", None) or ""),
        "settings": {key: value for key, value in values.items() if key not in ("data", "data.root")},
        "samples": counts,
        "fingerprint": fingerprint(datamodule, data),
        "usual": usual_fingerprint(datamodule, data),
        "processes": processes,
    }


def fingerprint(datamodule: Any, data: Mapping[str, Any]) -> str | None:
    """A number of the files of data, by their names, sizes and first bytes; None where there are none.

    A folder that was moved, and a file that was packed (.gz), are the same. Data that are generated, or that come with
    a package, have no files. The files of a datamodule of ours lie in its ``folder``; those of another one in the
    folders and files that its arguments name.

    Args:
        datamodule: where ``reads_files`` is false, its folder is not looked at.
        data: its configuration.
    """
    if not getattr(datamodule, "reads_files", True):
        return None
    if (folder := getattr(datamodule, "folder", None)) is not None:
        return fingerprint_of(Path(folder))
    arguments = [value for value in (data.get("init_args") or {}).values() if isinstance(value, str | Path) and value]
    found = [digest for value in arguments if (digest := fingerprint_of(Path(value).expanduser()))]
    return hashlib.sha256("".join(found).encode()).hexdigest() if found else None


def usual_fingerprint(datamodule: Any, data: Mapping[str, Any]) -> str | None:
    """The fingerprint of the same folder where data lie unless a place is typed; None where none lies there."""
    root, folder = (data.get("init_args") or {}).get("root"), getattr(datamodule, "folder", None)
    if root is None or folder is None or not Path(folder).is_relative_to(data_root(root)):
        return None
    return fingerprint_of(data_root(None) / Path(folder).relative_to(data_root(root)))


def fingerprint_of(path: Path) -> str | None:
    """The fingerprint of a file, or of all files in a folder that are not hidden; None where there is none."""
    files = {_name(file, path): file for file in sorted(_files(path), reverse=True)}  # x takes the place of x.gz
    names, digest = sorted(files), hashlib.sha256()
    step = max(1, -(-len(names) // READ))
    for number, name in enumerate(names):
        with suppress(OSError):  # what cannot be read is reported by who needs it
            digest.update(f"{name}\0{_size(files[name])}\0".encode())
            digest.update(_start(files[name]) if number % step == 0 else b"")
    return digest.hexdigest() if names else None


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in path.rglob("*") if path.is_dir() else ():
        inner = file.relative_to(path).parts
        if file.is_file() and not any(part.startswith(".") for part in inner):
            yield file


def _name(file: Path, folder: Path) -> str:
    """The name of a file within a folder, as that of what it packs, in letters of one case."""
    inner = file.relative_to(folder) if folder != file else Path()
    return inner.as_posix().lower().removesuffix(".gz")


def _size(file: Path) -> int:
    """The bytes of a file; of a packed one those that its last four say are in it."""
    if not _is_packed(file):
        return file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(-min(4, file.stat().st_size), 2)
        return int.from_bytes(stream.read(4), "little")


def _start(file: Path) -> bytes:
    if not _is_packed(file):
        with file.open("rb") as stream:
            return stream.read(BYTES)
    try:
        with gzip.open(file) as stream:
            return stream.read(BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""


def _is_packed(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def note_data(run: Path, data: Mapping[str, Any]) -> None:
    """Write what the data of a run hold, once.

    Raises:
        LabError: when a run that is resumed has noted that it had other data.
    """
    noted = RunFolder(run).data
    known = noted.get("fingerprint") and data.get("fingerprint")
    if known and noted["fingerprint"] != data["fingerprint"]:
        raise LabError(
            f"the files of data are others than those that {run} has trained on: give their place with --data.root, or "
            f"leave --ckpt_path out and fit anew."
        )
    if not noted and not (run / "checkpoints" / "last.ckpt").is_file():  # else an older version has begun it
        write_yaml(run / "data.yaml", data)
