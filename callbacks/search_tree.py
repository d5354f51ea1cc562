"""A picture of beam search: the tree of all sequences, and the hypotheses that are kept.

Letters: V vocabulary, T steps, k beam width.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nets import beam_search

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Tree = Mapping[tuple[int, ...], Sequence[float]]  # the log-probabilities (V,) of the next token after each sequence
Prefix = tuple[int, ...]

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
    """The ``step`` of a tree for ``nets.beam_search``; its state, at first (B, 0), is the sequence with the start."""

    def step(tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.cat([state, tokens[:, None]], dim=1)
        return torch.tensor([tree[tuple(row[1:])] for row in state.tolist()], dtype=torch.float64), state

    return step


def draw_search_tree(tree: Tree, words: Sequence[str], beam_width: int) -> "Figure":
    """All sequences of a small tree, those that a beam keeps, and the most probable one of all.

    Bold and blue is what beam search keeps at each step, with its log-probability; orange is the best of an exhaustive
    search, where the beam has lost it.

    Args:
        tree: the log-probabilities of the next word after every sequence of fewer than T words.
        words: the vocabulary.
        beam_width: hypotheses k that are kept.
    """
    from matplotlib.figure import Figure

    depth = 1 + max(map(len, tree))
    start, state = torch.zeros(1, dtype=torch.long), torch.zeros(1, 0, dtype=torch.long)
    arguments = (step_of_tree(tree), state, start)
    found = beam_search(*arguments, beam_width, depth, return_history=True)
    best = beam_search(*arguments, len(words) ** depth, depth)
    kept = {tuple(row) for level in found.history for row in level.tokens[0].tolist()}
    best_path = {tuple(best.tokens[0, 0, :length].tolist()) for length in range(1, depth + 1)}
    figure = Figure(figsize=(3.0 * depth + 1.0, 0.5 * len(words) ** depth + 1.6), layout="constrained")
    axes = figure.subplots()
    for length in range(1, depth + 1):
        for prefix in product(range(len(words)), repeat=length):
            colour = "C0" if prefix in kept else "C1" if prefix in best_path else "0.6"
            _draw_branch(axes, tree, prefix, depth, words, colour, prefix in kept)
    axes.set_axis_off()
    axes.set_xlim(0.4, depth + 0.55)
    lost = "the same" if found.tokens[0, 0].equal(best.tokens[0, 0]) else "orange"
    axes.set_title(
        f"A beam of {beam_width} (blue) finds “{_text(found.tokens[0, 0].tolist(), words)}” at "
        f"{found.log_probs[0, 0]:.2f};\nthe most probable of all ({lost}) is "
        f"“{_text(best.tokens[0, 0].tolist(), words)}” at {best.log_probs[0, 0]:.2f}",
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
    label = {"fontsize": 8, "color": "0.35", "ha": "center", "bbox": {"color": "white", "pad": 1}}
    axes.text(x - 0.3, (before + y) / 2, f"{tree[prefix[:-1]][prefix[-1]]:g}", **label)
    total = sum(tree[prefix[:place]][prefix[place]] for place in range(len(prefix)))
    axes.text(x + 0.02, y, f"{words[prefix[-1]]}  {total:.2f}", fontsize=9, color=colour, weight=weight, va="center")


def _height(prefix: Prefix, depth: int, num_words: int) -> float:
    """The middle of the leaves below a sequence, the first word on top."""
    leaves = num_words ** (depth - len(prefix))
    first = sum(word * num_words ** (depth - 1 - place) for place, word in enumerate(prefix))
    return -(first + (leaves - 1) / 2)


def _text(tokens: Sequence[int], words: Sequence[str]) -> str:
    return " ".join(words[token] for token in tokens)
