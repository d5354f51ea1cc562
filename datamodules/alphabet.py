"""Names as tokens: what is not in the alphabet is mapped to it, or reported; nothing disappears in silence.

Letters: B names, T characters.
"""

import string
import unicodedata
from collections.abc import Sequence

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


def encode(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Names in the alphabet as tokens, padded on the right with ``PAD_TOKEN``, and their lengths.

    Shapes:
        B names -> tokens (B, T), lengths (B,)
    """
    lengths = torch.tensor([len(name) for name in names])
    tokens = torch.full((len(names), max(map(len, names), default=0)), PAD_TOKEN)
    for row, name in zip(tokens, names, strict=True):
        row[: len(name)] = torch.tensor([TOKENS[character] for character in name])
    return tokens, lengths


def decode(tokens: Tensor) -> list[str]:
    """The names that stand before the first padding.

    Shapes:
        tokens (B, T) -> B names
    """
    rows = [row[: row.index(PAD_TOKEN)] if PAD_TOKEN in row else row for row in tokens.tolist()]
    return ["".join(ALPHABET[token - 1] for token in row) for row in rows]
