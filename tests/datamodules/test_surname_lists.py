"""Lists of surnames: those of Faker, of small folders made here, downloaded ones, and the real ones."""

import hashlib
import io
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest
from faker.providers.person import Provider as DefaultProvider

from datamodules import surname_lists, text_files
from datamodules.alphabet import to_ascii
from datamodules.surname_lists import FAKER_LOCALES, MD5, MIRROR, faker_surnames, file_surnames
from lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
TINY = {"Irish": b"Kelly\n", "Italian": b"Rossi\nBianchi\n"}


def write_lists(folder: Path, **contents: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for language, content in contents.items():
        (folder / f"{language}.txt").write_bytes(content)


def test_faker_has_many_names_in_latin_script_of_many_languages() -> None:
    lists = faker_surnames()
    assert list(lists) == sorted(lists) and len(lists) >= 12
    for language, names in lists.items():
        assert names == sorted(set(names)) and len(names) >= 150, language
        assert not any(left_out for _, left_out in map(to_ascii, names)), language
        assert len({written for written, _ in map(to_ascii, names) if written}) >= 150, language


def test_a_locale_belongs_to_one_language_and_lends_none_of_fakers_default_names() -> None:
    locales = [locale for locales in FAKER_LOCALES.values() for locale in locales]
    assert len(set(locales)) == len(locales)
    for language, names in faker_surnames().items():
        assert not set(DefaultProvider.last_names) & set(names), language


def test_every_locale_has_names_and_icelandic_ones_are_made_of_the_stems() -> None:
    assert all(surname_lists._of_locale(locale) for locales in FAKER_LOCALES.values() for locale in locales)
    names = faker_surnames()["Icelandic"]
    assert {name[-3:] for name in names} == {"son", "tir"}
    assert abs(sum(name.endswith("son") for name in names) - len(names) / 2) <= 1


def test_names_of_a_language_are_those_of_its_locales_and_none_of_a_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parent:
        last_names = ("Smith",)

    class First(Parent):
        last_names_female = MappingProxyType({"Nowak": 0.5, "Kowalska": 0.5})
        last_names_male = ("Nowak", "Kowalski", 7)
        first_names = ("Anna",)

        def generate_last_names(self) -> None: ...

    class Second(Parent):
        last_names = ("Abel",)

    for locale, provider in {"first": First, "second": Second}.items():
        module = ModuleType(locale)
        module.Provider = provider
        monkeypatch.setitem(sys.modules, f"faker.providers.person.{locale}", module)
    monkeypatch.setattr(surname_lists, "FAKER_LOCALES", {"Both": ["first", "second"], "One": ["second"]})
    assert faker_surnames() == {"Both": ["Abel", "Kowalska", "Kowalski", "Nowak"], "One": ["Abel"]}


def test_an_older_faker_is_refused_with_the_version_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker.providers.person.is_IS", None)  # as if it were not there
    monkeypatch.setattr(surname_lists, "version", lambda name: "37.1.1")
    needed = re.search(r"^faker>=(.+)$", (ROOT / "requirements.txt").read_text(), re.M)[1]
    remedy = f"pip install 'faker>={re.escape(needed)}', or use --data.source files"
    with pytest.raises(LabError, match=rf"^Faker 37\.1\.1 has no surnames of is_IS: {remedy}\.$"):
        faker_surnames()


def test_a_faker_that_is_not_installed_is_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'faker'", name="faker")

    monkeypatch.setattr(surname_lists, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="No module named 'faker'"):
        faker_surnames()


def test_files_are_sorted_and_keep_their_order_and_repeats(tmp_path: Path) -> None:
    write_lists(tmp_path, Irish=b"\n Kelly \n\nAhearn\nKelly\n", Czech="Novák\r\n  \r\nČapek".encode())
    (tmp_path / "Zulu.TXT").write_text("Zondi")
    for name in ("README.md", "._Irish.txt"):
        (tmp_path / name).write_bytes(b"\xff no names")
    with pytest.warns(UserWarning, match=r"2 of the entries are passed over, as no text files: \._Irish\.txt, READ"):
        lists = file_surnames(tmp_path)
    irish = ["Kelly", "Ahearn", "Kelly"]
    assert list(lists.items()) == [("Czech", ["Novák", "Čapek"]), ("Irish", irish), ("Zulu", ["Zondi"])]


def test_two_files_of_one_language_are_named(tmp_path: Path) -> None:
    write_lists(tmp_path, Irish=b"Kelly")
    (tmp_path / "Irish.TXT").write_text("Ahearn")
    with pytest.raises(LabError, match=r'one file of the name "Irish", but holds Irish\.TXT and Irish\.txt: take one'):
        file_surnames(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"Irish\.txt must hold names, one a line, but it is empty\."),
        (b" \n\n", r"Irish\.txt must hold names, one a line, but it is empty\."),
        ("Ó Sé".encode("latin-1"), r"Irish\.txt is no text in UTF-8 with one name a line: save it as such\."),
    ],
)
def test_a_file_without_names_or_in_another_encoding_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    write_lists(tmp_path, Czech=b"Dvorak\n", Irish=content)
    with pytest.raises(LabError, match=message):
        file_surnames(tmp_path)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "Irish.txt").mkdir()
    with pytest.raises(LabError, match=r"Irish\.txt is no text in UTF-8"):
        text_files.read_texts(tmp_path / "Irish.txt")


def test_a_folder_without_lists_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(LabError, match=f"^{folder} must hold text files such as Italian.txt, .* but holds none"):
            file_surnames(folder)


def test_a_missing_file_of_names_may_have_been_meant_as_a_name() -> None:
    message = r'the file of names "Rossi" does not exist; a name itself goes in brackets: --data.names "\[Rossi\]"'
    with pytest.raises(LabError, match=message):
        text_files.read_texts(Path("Rossi"))


class Mirror:
    """Serves what ``contents`` says under the addresses of the tutorial's files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **contents: bytes) -> None:
        self.contents, self.asked = contents, []
        monkeypatch.setattr(urllib.request, "urlopen", self.urlopen)
        checksums = {language: hashlib.md5(content).hexdigest() for language, content in TINY.items()}
        monkeypatch.setattr(surname_lists, "MD5", checksums)

    def urlopen(self, url: str, **kwargs: object) -> io.BytesIO:
        self.asked.append(url)
        language = url.rpartition("/")[2].removesuffix(".txt")
        if language not in self.contents:
            raise urllib.error.URLError("no route to host")
        response = io.BytesIO(self.contents[language])
        response.headers = {}
        return response


def test_a_broken_off_download_leaves_no_names_and_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Mirror(monkeypatch, Irish=TINY["Irish"])
    monkeypatch.setitem(surname_lists.MD5, "Italian", "0" * 32)
    with pytest.raises(LabError, match=r"Italian.txt is missing"):
        surname_lists.download_surnames(tmp_path / "names")
    assert not (tmp_path / "names").exists()
    mirror = Mirror(monkeypatch, **TINY)
    surname_lists.download_surnames(tmp_path / "names")
    assert mirror.asked == [f"{MIRROR}Italian.txt"]
    assert file_surnames(tmp_path / "names") == {"Irish": ["Kelly"], "Italian": ["Rossi", "Bianchi"]}
    assert [path.name for path in tmp_path.iterdir()] == ["names"]


def test_downloads_into_a_folder_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(monkeypatch, **TINY)
    surname_lists.download_surnames(tmp_path / "data" / "names")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "names").iterdir()} == {
        "Irish.txt": b"Kelly\n",
        "Italian.txt": b"Rossi\nBianchi\n",
    }


def test_a_wrong_checksum_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(monkeypatch, Irish=b"<html>log in first</html>")
    with pytest.raises(LabError, match=rf"\({MIRROR}Irish.txt: served a file with the md5 \w+ instead of \w+\)"):
        surname_lists.download_surnames(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_one_sentence_says_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(monkeypatch)
    message = (
        rf"^the surnames are not in {tmp_path} \(Irish.txt is missing\) and cannot be downloaded \(.*no route to host\)"
        r"\. Set --data.root or ARCHLAB_DATA to the folder that holds names/, or use --data.source faker, which .*\.$"
    )
    with pytest.raises(LabError, match=message):
        surname_lists.download_surnames(tmp_path)


def test_the_mirror_is_of_one_commit_and_has_a_checksum_of_every_file() -> None:
    assert MIRROR.startswith("https://raw.githubusercontent.com/spro/practical-pytorch/") and MIRROR.endswith("/")
    assert len(set(MD5.values())) == 18 and all(len(md5) == 32 for md5 in MD5.values())


@pytest.mark.realdata
def test_real_surnames(real_data: Path) -> None:
    folder = real_data / "names"
    if not folder.is_dir():
        pytest.skip(f"no names in {folder}")
    assert {path.stem: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.glob("*.txt")} == MD5
    lists = file_surnames(folder)
    assert list(lists) == list(MD5)
    assert sum(map(len, lists.values())) == 20_074
    assert (len(lists["Russian"]), len(lists["Portuguese"])) == (9408, 74)
    assert {len(names) for names in lists.values()} >= {2000, 519, 3668, 94}  # Arabic, Czech, English, Korean


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "latin-1"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "names.txt").write_text("Nuñez\nRossi" if encoding == "latin-1" else "Rossi", encoding=encoding)
    with pytest.raises(LabError, match="is no text in UTF-8 with one name a line: save it as such"):
        text_files.read_texts(tmp_path / "names.txt")


def test_blank_lines_comments_and_a_byte_order_mark_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\ufeff# of a register\n\n  Rossi \n \t\nBruni\r\n", encoding="utf-8")
    assert text_files.read_texts(tmp_path / "names.txt") == ["Rossi", "Bruni"]
