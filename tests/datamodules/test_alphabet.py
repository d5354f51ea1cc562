"""Names in 57 characters: what becomes of every other character, and tokens there and back."""

import string
import unicodedata

import pytest
import torch

from datamodules.alphabet import ALPHABET, NEAREST, TOKENS, VOCAB_SIZE, decode, encode, to_ascii

LETTERS = (
    ("Weiß ẞ Æble kæmpe Œuvre cœur Øre Møller Łódź Małek", "Weiss Ss Aeble kaempe Oeuvre coeur Ore Moller Lodz Malek"),
    (
        "Đoković Anđić Ðór Guðrún Þór Kaþar ıŞıK əƏɔƆεɛƐŋŊ ĦalħaŦŧ Ǿ Ǽrø",
        "Dokovic Andic Dor Gudrun Thor Kathar iSiK eEoOeeEngNg HalhaTt O Aero",
    ),
    ("D’Arc D‘Arc DʼArc DʻArc D`Arc D´Arc D′Arc D‛Arc DʾArc DʿArc D'Arc", " ".join(["D'Arc"] * 11)),
    ("Abd-al‐Ali‑ben–Ali\xa0bin\tAli‒a—b−c", "Abd al Ali ben Ali bin Ali a b c"),
)
ACCENTED = {
    "Ślusàrski": "Slusarski",
    "Béringer": "Beringer",
    "Ñuñoa": "Nunoa",
    "Øñå": "Ona",
    "İnönü": "Inonu",
    "Nguyễn": "Nguyen",
    "Żółć": "Zolc",
    "Þórðardóttir": "Thordardottir",
    "Jr., Smith;": "Jr., Smith;",
}


def test_alphabet_is_letters_space_and_four_signs_behind_the_padding() -> None:
    assert list(ALPHABET) == [*string.ascii_lowercase, *string.ascii_uppercase, *" .,;'"]
    assert (len(ALPHABET), VOCAB_SIZE) == (57, 58)
    assert [TOKENS[character] for character in ALPHABET] == list(range(1, 58))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ACCENTED)
def test_accents_are_taken_off_however_they_are_encoded(name: str, form: str) -> None:
    assert to_ascii(unicodedata.normalize(form, name)) == (ACCENTED[name], "")


def test_every_letter_of_the_table_is_written_with_the_nearest_ones() -> None:
    for name, written in LETTERS:
        assert to_ascii(name) == (written, "")
    assert set(NEAREST) <= {character for name, _ in LETTERS for character in name}


@pytest.mark.parametrize(
    ("name", "written", "left_out"),
    [
        ("Ђоковић", "", "Ђоквић"),  # each once, in their order
        ("To!b#y!1", "Toby", "!#1"),
        ("Ωm\u0301ega", "mega", "Ω"),  # an accent is no character of its own
        ("O\u2009Hara", "O Hara", ""),
        ("Ｒｏｓｓｉ", "Rossi", ""),
        ("\ufeffDe\u00adﬁno\u200b", "Defino", ""),
        ("Дем'янчук", "", "Демянчук"),  # not the name of an apostrophe
        ("Иванoв", "", "Иван"),  # nor that of its one Latin letter
        ("abгд", "", "гд"),
        ("abвc", "abc", "в"),
        ("';.", "", ""),
        ("¨\u0301", "", ""),
        ("/to/", "to", "/"),
        ("", "", ""),
    ],
)
def test_what_is_outside_the_alphabet_is_left_out_and_told(name: str, written: str, left_out: str) -> None:
    assert to_ascii(name) == (written, left_out)


def test_spaces_are_single_and_only_within_a_name() -> None:
    assert to_ascii("  van -  der\tBerg- ") == ("van der Berg", "")
    assert to_ascii("A / B") == ("A B", "/")


def test_what_is_in_the_alphabet_stays_as_it_is() -> None:
    for character in ALPHABET:
        assert to_ascii(f"a{character}b") == (f"a{character}b", "")


def test_tokens_are_padded_on_the_right() -> None:
    tokens, lengths = encode(["aZ", "b", " .,;'"])
    assert tokens.tolist() == [[1, 52, 0, 0, 0], [2, 0, 0, 0, 0], [53, 54, 55, 56, 57]]
    assert lengths.tolist() == [2, 1, 5]
    assert tokens.dtype == lengths.dtype == torch.int64


def test_decode_undoes_encode() -> None:
    names = [ALPHABET[start : start + 7] for start in range(57)] + ["", "a"]
    assert decode(encode(names)[0]) == names


def test_decode_stops_at_the_first_padding() -> None:
    assert decode(torch.tensor([[1, 2, 0, 3], [0, 1, 2, 3], [1, 2, 3, 0]])) == ["ab", "", "abc"]
    assert decode(torch.zeros(0, 4, dtype=torch.long)) == []
