"""Recurrent networks that read tokens: a classifier of sequences, and a language model under a condition.

Letters: B batch, T time, V vocabulary, H hidden size, L layers, C classes.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nets.gru import GRU
from nets.lstm import LSTM
from nets.rnn import RNN
from nets.sequences import PAD_TOKEN

CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


class RecurrentClassifier(nn.Module):
    """Reads a sequence of tokens and classifies it by the state at its last one.

    "Finding Structure in Time" (Elman, 1990), https://doi.org/10.1207/s15516709cog1402_1.
    Embedding, recurrent stack, the last layer's state at the last token, dropout, linear; dropout stands between the
    layers too.

    Args:
        vocab_size: tokens V, ≥ 1; token 0 is the padding.
        hidden_size: width H of the embedding and of every recurrent layer, ≥ 1; must be given.
        num_classes: classes C, ≥ 1; must be given.
        num_layers: recurrent layers, ≥ 1.
        dropout: share of the states of each layer that is dropped in training, in [0, 1).
        cell: "rnn", "lstm" or "gru".
        embed_dropout: share of the embeddings that is dropped in training, in [0, 1).
        rnn_size: the former name of ``hidden_size``; where it is given, it counts.

    Shapes:
        tokens (B, T) of integers in 0 … V−1, lengths (B,) in 1 … T -> logits (B, C)

    Raises:
        ValueError: when an argument is missing or out of its range, or the tokens or their lengths have another form.

    Example:
        >>> net = RecurrentClassifier(vocab_size=58, hidden_size=16, num_classes=21, cell="gru")
        >>> tokens, lengths = torch.tensor([[5, 3, 9], [7, 0, 0]]), torch.tensor([3, 1])
        >>> net(tokens, lengths).shape
        torch.Size([2, 21])
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int | None = None,
        num_classes: int | None = None,
        num_layers: int = 1,
        dropout: float = 0.0,
        cell: str = "rnn",
        embed_dropout: float = 0.0,
        rnn_size: int | None = None,
    ) -> None:
        super().__init__()
        hidden_size = _by_its_former_name(rnn_size, hidden_size)
        if hidden_size is None or num_classes is None:
            missing = "hidden_size" if hidden_size is None else "num_classes"
            raise ValueError(f"{missing} must be given, at least 1.")
        sizes = {"vocab_size": vocab_size, "hidden_size": hidden_size, "num_classes": num_classes}
        _check({"dropout": dropout, "embed_dropout": embed_dropout}, cell, **sizes)
        self.vocab_size, self.num_classes = vocab_size, num_classes
        self.embedding = nn.Embedding(vocab_size, hidden_size, padding_idx=PAD_TOKEN)
        self.rnn = CELLS[cell](hidden_size, hidden_size, num_layers)
        self.embed_dropout, self.dropout = nn.Dropout(embed_dropout), nn.Dropout(dropout)
        self.readout = nn.Linear(hidden_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The logits of sequences that are padded behind their last token; without lengths all have T."""
        _check_tokens(tokens, self.vocab_size)
        lengths = torch.full_like(tokens[:, 0], tokens.shape[1]) if lengths is None else lengths
        if lengths.shape != tokens.shape[:1] or not 1 <= int(lengths.min()) <= int(lengths.max()) <= tokens.shape[1]:
            raise ValueError(
                f"lengths must be {len(tokens)} numbers in 1 … {tokens.shape[1]}, one for each sequence, but they have "
                f"the shape {tuple(lengths.shape)} and go from {int(lengths.min())} to {int(lengths.max())}."
            )
        outputs = self.embed_dropout(self.embedding(tokens))
        for layer in self.rnn.recurrent_layers:
            outputs = self.dropout(layer(outputs)[0])  # padding cannot change the state at the last token
        return self.readout(outputs[torch.arange(len(tokens), device=tokens.device), lengths - 1])


class RecurrentLanguageModel(nn.Module):
    """Gives the probability of each token as the next one, under a condition such as a language.

    "Generating Sequences With Recurrent Neural Networks" (Graves, 2013), https://arxiv.org/abs/1308.0850.
    Embeddings of the token and of the condition side by side, recurrent stack, dropout, linear.

    Args:
        vocab_size: tokens V, ≥ 1.
        num_conditions: conditions, ≥ 1.
        embed_dim: width of each of the two embeddings, ≥ 1.
        hidden_size: width of every recurrent layer, ≥ 1.
        num_layers: recurrent layers L, ≥ 1.
        dropout: share of the embeddings and of the states that is dropped in training, in [0, 1).
        cell: "rnn", "lstm" or "gru".

    Shapes:
        tokens (B, T) of integers in 0 … V−1, conditions (B,) -> logits (B, T, V) of the token that follows each

    Raises:
        ValueError: when an argument is out of its range, or the tokens or conditions have another form.

    Example:
        >>> net = RecurrentLanguageModel(vocab_size=58, num_conditions=21, embed_dim=8, hidden_size=16)
        >>> net(torch.tensor([[0, 5, 3]]), torch.tensor([4])).shape
        torch.Size([1, 3, 58])
    """

    def __init__(
        self,
        vocab_size: int,
        num_conditions: int,
        embed_dim: int = 64,
        hidden_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.0,
        cell: str = "lstm",
    ) -> None:
        super().__init__()
        sizes = {"vocab_size": vocab_size, "num_conditions": num_conditions, "embed_dim": embed_dim}
        _check({"dropout": dropout}, cell, **sizes, hidden_size=hidden_size)
        self.vocab_size, self.num_conditions = vocab_size, num_conditions
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.condition = nn.Embedding(num_conditions, embed_dim)
        self.rnn = CELLS[cell](2 * embed_dim, hidden_size, num_layers)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden_size, vocab_size)

    def forward(self, tokens: Tensor, conditions: Tensor) -> Tensor:
        """The logits of the token that follows each one, from the beginning of the sequences."""
        _check_tokens(tokens, self.vocab_size)
        if conditions.shape != tokens.shape[:1]:
            raise ValueError(
                f"conditions must be one number for each of the {len(tokens)} sequences, but have the shape "
                f"{tuple(conditions.shape)}."
            )
        return self._run(tokens, conditions, None)[0]

    def initial_state(self, conditions: Tensor) -> dict[str, Any]:
        """The state before the first token, as ``step`` takes it: nested tensors, batched on the first dimension.

        Shapes:
            conditions (B,) -> conditions (B,), each part of memory (B, L, H)
        """
        weight = self.readout.weight
        zeros = weight.new_zeros(len(conditions), self.rnn.num_layers, self.rnn.hidden_size)
        return {"conditions": conditions, "memory": (zeros,) * len(self.rnn.state_names)}

    def step(self, tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """One token further: what ``beam_search``, ``greedy_search`` and ``sample_search`` call.

        Shapes:
            tokens (B,) -> log-probabilities (B, V) of the next token, the next state
        """
        memory = tuple(part.transpose(0, 1).contiguous() for part in state["memory"])  # (L, B, H)
        logits, memory = self._run(tokens[:, None], state["conditions"], memory)
        parts = (memory,) if isinstance(memory, Tensor) else memory
        memory = tuple(part.transpose(0, 1) for part in parts)
        return logits[:, 0].log_softmax(dim=-1), {"conditions": state["conditions"], "memory": memory}

    def _run(self, tokens: Tensor, conditions: Tensor, memory: Any) -> tuple[Tensor, Any]:
        condition = self.condition(conditions)[:, None].expand(-1, tokens.shape[1], -1)
        inputs = torch.cat([self.embedding(tokens), condition], dim=-1)
        outputs, memory = self.rnn(self.dropout(inputs), memory)
        return self.readout(self.dropout(outputs)), memory


def _by_its_former_name(rnn_size: int | None, hidden_size: int | None) -> int | None:
    """``hidden_size``, or what was given as ``rnn_size``, which a command line may put over a config's new name."""
    if rnn_size is None:
        return hidden_size
    instead = "" if hidden_size in (None, rnn_size) else f", and stands in for hidden_size={hidden_size}"
    message = f"rnn_size={rnn_size} is the former name of hidden_size; it still works{instead}: say hidden_size."
    warnings.warn(message, FutureWarning, stacklevel=3)
    return rnn_size


def _check(shares: Mapping[str, float], cell: str, **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}.")
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be in [0, 1), but it is {share}.")
    if cell not in CELLS:
        raise ValueError(f'cell must be one of {", ".join(CELLS)}, but it is "{cell}".')


def _check_tokens(tokens: Tensor, vocab_size: int) -> None:
    if tokens.dim() != 2 or not tokens.numel() or tokens.is_floating_point():
        raise ValueError(
            f"tokens must be integers (batch, time) with at least one step, but they have the shape "
            f"{tuple(tokens.shape)} and the type {tokens.dtype}."
        )
    if tokens.is_cpu and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        raise ValueError(
            f"tokens must be in 0 … {vocab_size - 1}, but go from {int(tokens.min())} to {int(tokens.max())}."
        )
