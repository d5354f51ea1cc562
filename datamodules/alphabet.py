"""Names as tokens: what is not in the alphabet is mapped to it, or reported; nothing disappears in silence.

Letters: B names, T characters.
"""

import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ALPHABET = string.ascii_letters + " .,;'"  # 57 characters
PAD_TOKEN = 0  # behind the end of a name, and to a generator its end: the same as nets.sequences.PAD_TOKEN
VOCAB_SIZE = len(ALPHABET) + 1
TOKENS = {character: token for token, character in enumerate(ALPHABET, start=PAD_TOKEN + 1)}
# Letters that Unicode does not take apart, and signs of the same meaning.
NEAREST = {
    "ß": "ss", "ẞ": "Ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ə": "e", "Ə": "E", "ɔ": "o", "Ɔ": "O",
    "ε": "e", "ɛ": "e", "Ɛ": "E", "ŋ": "ng", "Ŋ": "Ng", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T",
    "′": "'", "’": "'", "‘": "'", "‛": "'", "ʼ": "'", "ʻ": "'", "ʾ": "'", "ʿ": "'", "`": "'", "´": "'",
    "-": " ", "‐": " ", "‑": " ", "‒": " ", "–": " ", "—": " ", "−": " ", "\xa0": " ", "\t": " ",
}  # fmt: skip
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
UNSEEN = ("Mn", "Cf")  # categories of accents, and of marks that say how a text runs


def to_ascii(name: str) -> tuple[str, str]:
    """A name in the alphabet, and the characters that have no place in it.

    Accents are taken off by Unicode's canonical decomposition (NFD): Ślusàrski becomes Slusarski. Further letters are
    written with the nearest ones (ß: ss, ł: l), a hyphen becomes a space, and what Unicode holds to be the same in
    another shape is written in the usual one (NFKD: the full-width Ｒｏｓｓｉ is Rossi); what is left over is left out.
    A name that does not keep more letters than it loses would be another one, or none: it is empty.
    """
    characters = "".join(_nearest(character) for character in unicodedata.normalize("NFD", name))
    kept = "".join(c for c in characters if c in TOKENS)
    left_out = [c for c in characters if c not in TOKENS]
    is_name = sum(map(str.isalpha, kept)) > sum(map(str.isalpha, left_out))
    return " ".join(kept.split()) if is_name else "", "".join(dict.fromkeys(left_out))


def _nearest(character: str) -> str:
    if character in TOKENS or character in NEAREST:
        return NEAREST.get(character, character)
    parts = (c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c) not in UNSEEN)
    return "".join(NEAREST.get(part, part) for part in parts)


def composed(text: str) -> str:
    """A text in any script: accents joined with their letters (NFC), blanks as single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Alphabet:
    """The characters that have tokens 1, 2, …; token 0 is the padding.

    Args:
        characters: each of them once.
        has_unknown: whether one more token, the last, stands for any other character.
    """

    characters: str = ALPHABET
    has_unknown: bool = False

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Alphabet":
        """The alphabet of some texts, and a token for what they lack."""
        return cls("".join(sorted(set().union(*texts))), has_unknown=True)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, the padding included."""
        return len(self.characters) + 1 + self.has_unknown

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """The characters of texts that the alphabet lacks, as often as they come."""
        known = set(self.characters)
        return [character for text in texts for character in text if character not in known]

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Texts as tokens, padded on the right with ``PAD_TOKEN``, and their lengths.

        Shapes:
            B texts -> tokens (B, T), lengths (B,)
        """
        numbers = {character: token for token, character in enumerate(self.characters, start=1)}
        if self.has_unknown:
            numbers |= dict.fromkeys(self.unknown(texts), self.vocab_size - 1)
        lengths = torch.tensor([len(text) for text in texts])
        tokens = torch.full((len(texts), max(map(len, texts), default=0)), PAD_TOKEN)
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text)] = torch.tensor([numbers[character] for character in text])
        return tokens, lengths

    def decode(self, tokens: Tensor) -> list[str]:
        """The texts that stand before the first padding; an unknown character is shown as �.

        Shapes:
            tokens (B, T) -> B texts
        """
        characters = self.characters + UNKNOWN * self.has_unknown
        rows = [row[: row.index(PAD_TOKEN)] if PAD_TOKEN in row else row for row in tokens.tolist()]
        return ["".join(characters[token - 1] for token in row) for row in rows]


def encode(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Names in the 57 characters as tokens, padded on the right with ``PAD_TOKEN``, and their lengths.

    Shapes:
        B names -> tokens (B, T), lengths (B,)
    """
    return Alphabet().encode(names)


def decode(tokens: Tensor) -> list[str]:
    """The names of tokens of the 57 characters that stand before the first padding.

    Shapes:
        tokens (B, T) -> B names
    """
    return Alphabet().decode(tokens)
