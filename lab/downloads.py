"""Where data lies, and how a file gets there: from a mirror, verified, complete or not at all."""

import hashlib
import os
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from lab.errors import LabError
from lab.files import atomic_write

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
            with atomic_write(path) as part:
                _fetch(url, part, md5)
            return
        except PermissionError as error:
            raise LabError(f"cannot write in {path.parent} ({error.strerror}): choose another --data.root.") from error
        except (OSError, HTTPException) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}")
    raise LabError("; ".join(reasons))


def _fetch(url: str, part: Path, md5: str) -> None:
    """Write what ``url`` serves, and raise OSError unless its checksum is ``md5``."""
    from rich.progress import wrap_file

    digest = hashlib.md5(usedforsecurity=False)
    with part.open("wb") as file, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        total = int(response.headers.get("Content-Length", 0))
        with wrap_file(response, total=total, description=url.rsplit("/", 1)[-1]) as stream:
            while chunk := stream.read(1 << 16):
                digest.update(chunk)
                file.write(chunk)
    if digest.hexdigest() != md5:
        raise OSError(f"served a file with the md5 {digest.hexdigest()} instead of {md5}")
