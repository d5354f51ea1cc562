"""Beam search in a small tree: all sequences, the hypotheses that are kept, and the most probable sequence.

Letters: B sequences, V vocabulary, T steps.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Prefix = tuple[int, ...]
Tree = Mapping[Prefix, Sequence[float]]  # the log-probabilities (V,) of the next token after each sequence
Found = tuple[Sequence[int], float]  # the tokens of a sequence, and its log-probability

# The example of the handout, where a beam of two misses the most probable sequence, "neural neural neural".
HANDOUT_WORDS = ("neural", "network")
HANDOUT_TREE: Tree = {
    (): (-0.65, -0.73),
    (0,): (-0.8, -0.6),
    (1,): (-0.6, -0.8),
    (0, 0): (-0.01, -4.6),
    (0, 1): (-0.8, -0.6),
    (1, 0): (-0.8, -0.6),
    (1, 1): (-0.7, -0.7),
}


def step_of_tree(tree: Tree) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The ``step`` of a tree for ``nets.beam_search``: its state is the sequence so far, with the start token in front.

    Args:
        tree: the log-probabilities (nats) of the next token after every sequence of fewer than T tokens.

    Shapes:
        tokens (B,), state (B, t) -> log-probabilities (B, V), state (B, t+1); at first t = 0
    """

    def step(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.cat([state, tokens[:, None]], dim=1)
        return torch.tensor([tree[tuple(row[1:])] for row in state.tolist()], dtype=torch.float64), state

    return step


def draw_search_tree(
    tree: Tree, words: Sequence[str], beam_width: int, kept: Collection[Prefix], found: Found, best: Found
) -> "Figure":
    """All sequences of a small tree, those that beam search keeps, and the most probable one of all.

    Bold and blue are the hypotheses that beam search keeps at each step, with their log-probabilities. Orange is the
    most probable sequence, where the beam has lost it.

    Args:
        tree: the log-probabilities (nats) of the next word after every sequence of fewer than T words.
        words: the vocabulary.
        beam_width: the number of hypotheses that beam search keeps, ≥ 1.
        kept: the hypotheses that it kept, of 1 to T words.
        found: the sequence that it found, and its log-probability.
        best: the most probable sequence of all, and its log-probability.

    Shapes:
        tree: (V,) after each sequence; the sequences of found and best T tokens
    """
    from matplotlib.figure import Figure

    depth = 1 + max(map(len, tree))
    best_path = {tuple(best[0][:length]) for length in range(1, depth + 1)}
    figure = Figure(figsize=(3.0 * depth + 1.0, 0.5 * len(words) ** depth + 1.6), layout="constrained")
    axes = figure.subplots()
    for length in range(1, depth + 1):
        for prefix in product(range(len(words)), repeat=length):
            colour = "C0" if prefix in kept else "C1" if prefix in best_path else "0.6"
            _draw_branch(axes, tree, prefix, depth, words, colour, prefix in kept)
    axes.set_axis_off()
    axes.set_xlim(0.4, depth + 0.55)
    lost = "the same" if tuple(found[0]) == tuple(best[0]) else "orange"
    axes.set_title(
        f"A beam of {beam_width} (blue) finds “{_text(found[0], words)}” at {found[1]:.2f};\n"
        f"the most probable of all ({lost}) is “{_text(best[0], words)}” at {best[1]:.2f}",
        fontsize=11,
    )
    return figure


def _draw_branch(
    axes: "Axes", tree: Tree, prefix: Prefix, depth: int, words: Sequence[str], colour: str, kept: bool
) -> None:
    """A word, the line from the one before it with the word's log-probability, and the sum so far."""
    width, y = 2.4 if kept else 1.0, _height(prefix, depth, len(words))
    x = len(prefix)
    before = _height(prefix[:-1], depth, len(words))
    axes.plot([x - 0.55, x], [before, y], color=colour, linewidth=width, zorder=1)
    weight = "bold" if kept else "normal"
    box = {"color": "white", "pad": 1}
    weight_of_edge = f"{tree[prefix[:-1]][prefix[-1]]:g}"
    axes.text(x - 0.3, (before + y) / 2, weight_of_edge, fontsize=8, color="0.35", ha="center", bbox=box)
    total = sum(tree[prefix[:place]][prefix[place]] for place in range(len(prefix)))
    axes.text(x + 0.02, y, f"{words[prefix[-1]]}  {total:.2f}", fontsize=9, color=colour, weight=weight, va="center")


def _height(prefix: Prefix, depth: int, num_words: int) -> float:
    """The middle of the leaves below a sequence, the first word on top."""
    leaves = num_words ** (depth - len(prefix))
    first = sum(word * num_words ** (depth - 1 - place) for place, word in enumerate(prefix))
    return -(first + (leaves - 1) / 2)


def _text(tokens: Sequence[int], words: Sequence[str]) -> str:
    return " ".join(words[token] for token in tokens)
