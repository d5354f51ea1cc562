"""The files of the membrane data, fetched whole or not at all from a mirror made here; and the real checksums."""

import hashlib
import io
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from datamodules import membrane_files
from datamodules.membrane_files import MD5, MIRROR, download_membrane
from lab.errors import LabError

TINY = {kind: [f"{kind} {number}".encode() for number in range(3)] for kind in MD5}
NAMES = [f"{kind}/{number}.png" for kind in MD5 for number in range(3)]


class Mirror:
    """Serves the tiny files under the addresses of the real ones, but for those that are away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *away: str) -> None:
        self.away, self.asked = away, []
        checksums = {kind: [hashlib.md5(content).hexdigest() for content in TINY[kind]] for kind in MD5}
        monkeypatch.setattr(urllib.request, "urlopen", self.urlopen)
        monkeypatch.setattr(membrane_files, "MD5", checksums)

    def urlopen(self, url: str, **kwargs: object) -> io.BytesIO:
        name = url.removeprefix(MIRROR)
        self.asked.append(name)
        if name in self.away:
            raise urllib.error.URLError("no route to host")
        kind, number = name.removesuffix(".png").split("/")
        response = io.BytesIO(TINY[kind][int(number)])
        response.headers = {}
        return response


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_file_is_fetched_to_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(monkeypatch)
    folder = tmp_path / "membrane" / "train"
    download_membrane(folder)
    assert mirror.asked == files(folder) == NAMES
    assert (folder / "label" / "2.png").read_bytes() == b"label 2"
    assert [path.name for path in folder.parent.iterdir()] == ["train"]


def test_a_broken_off_download_shows_nothing_and_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "membrane" / "train"
    Mirror(monkeypatch, "label/1.png")
    message = r"are not in .*train \(label/1\.png is missing\) .*no route to host.*ARCHLAB_DATA.*configs/unet_shapes"
    with pytest.raises(LabError, match=message):
        download_membrane(folder)
    assert not folder.exists()
    mirror = Mirror(monkeypatch)
    download_membrane(folder)
    assert mirror.asked == ["label/1.png", "label/2.png"]
    assert files(folder) == NAMES


def test_another_file_than_the_published_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(monkeypatch)
    monkeypatch.setattr(membrane_files, "MD5", MD5)
    with pytest.raises(LabError, match=r"image/0\.png is missing.* served a file with the md5 .* instead of 2afebfcb"):
        download_membrane(tmp_path / "train")
    assert files(tmp_path) == []


def test_each_of_the_30_slices_has_two_checksums() -> None:
    assert {kind: len(sums) for kind, sums in MD5.items()} == {"image": 30, "label": 30}
    everything = [md5 for sums in MD5.values() for md5 in sums]
    assert len(set(everything)) == 60 and all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in everything)


@pytest.mark.realdata
def test_the_checksums_are_those_of_the_real_files(real_data: Path) -> None:
    folder = real_data / "membrane" / "train"
    if not folder.is_dir():
        pytest.skip(f"no membrane images in {folder}")
    for kind, sums in MD5.items():
        read = [hashlib.md5((folder / kind / f"{number}.png").read_bytes()).hexdigest() for number in range(30)]
        assert read == list(sums)
