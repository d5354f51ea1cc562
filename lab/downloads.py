"""Where data lies, and how a file gets there: from a mirror, verified, whole or not at all."""

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError

TIMEOUT_SECONDS = 15


def data_root(root: str | None) -> Path:
    """The folder of data sets: ``root``, else the environment variable ``ARCHLAB_DATA``, else ``data``."""
    return Path(root or os.environ.get("ARCHLAB_DATA") or "data").expanduser()


def download(urls: Sequence[str], path: Path, md5: str) -> None:
    """Fetch a file from the first mirror that serves it with the right checksum.

    The bytes go to a temporary file beside ``path``, which is renamed only after its checksum held.

    Args:
        urls: mirrors, tried in order.
        path: where the file shall lie; its folder is made.
        md5: expected checksum, in hexadecimal.

    Raises:
        LabError: when the folder cannot be written, or no mirror serves the file; says each mirror's reason.
    """
    reasons = []
    for url in urls:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        except OSError as error:
            raise LabError(f"cannot write in {path.parent} ({error.strerror}): choose another --data.root.") from error
        try:
            found = _fetch(url, handle)
            if found == md5:
                os.chmod(part, 0o644)  # mkstemp makes private files; data is shared
                os.replace(part, path)
                return
            reasons.append(f"{url} served a file with the md5 {found} instead of {md5}")
        except OSError as error:
            reasons.append(f"{url} did not answer: {getattr(error, 'reason', error)}")
        finally:
            Path(part).unlink(missing_ok=True)
    raise LabError("; ".join(reasons))


def _fetch(url: str, handle: int) -> str:
    """Write what ``url`` serves to the open file and return its md5."""
    from rich.progress import wrap_file

    digest = hashlib.md5(usedforsecurity=False)
    with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        total = int(response.headers.get("Content-Length", 0))
        with wrap_file(response, total=total, description=url.rsplit("/", 1)[-1]) as stream:
            while chunk := stream.read(1 << 16):
                digest.update(chunk)
                file.write(chunk)
    return digest.hexdigest()
