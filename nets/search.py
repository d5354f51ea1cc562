"""Beam search: the most probable sequences of a model of the next token.

Letters: B batch, k beam width, V vocabulary, t and T steps, n sequences returned.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.search_state import expand_state, reorder_state

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Hypotheses(NamedTuple):
    """Sequences and their log-probabilities, best first.

    Args:
        tokens: (B, n, T), without the start; behind the end of a sequence stands ``eos``.
        log_probs: (B, n), summed over the tokens of a sequence; −inf where there are fewer than n sequences.
        history: where it was asked for, the hypotheses (B, k, t) that went on after step t, for t = 1 … T; those of
            −inf are none.

    Example:
        >>> found = Hypotheses(tokens=torch.tensor([[[3, 0]]]), log_probs=torch.tensor([[-0.5]]))
        >>> found.tokens.shape
        torch.Size([1, 1, 2])
    """

    tokens: Tensor
    log_probs: Tensor
    history: "list[Hypotheses] | None" = None


@torch.no_grad()
def beam_search(
    step: Step,
    state: Any,
    start: Tensor,
    beam_width: int,
    max_length: int,
    eos: int | None = None,
    length_penalty: float = 0.0,
    num_return: int = 1,
    return_history: bool = False,
) -> Hypotheses:
    r"""The most probable sequences that a beam search finds.

    "The HARPY speech recognition system" (Lowerre, 1976); with the length penalty of "Transformers: State-of-the-Art
    Natural Language Processing" (Wolf et al., 2020), https://arxiv.org/abs/1910.03771.
    Every token continues each of the k hypotheses, and the k most probable continuations are kept. Those of them that
    end with ``eos`` are set aside as finished, and the next best take their places. The search ends when nothing can
    surpass the k best finished ones any more, or at ``max_length``, where all are finished. They are ranked by
    log p(y) / |y|^length_penalty, where |y| counts ``eos``.

    With k ≥ V^T it finds what exhaustive search finds, with k = 1 and no length penalty what ``greedy_search`` finds.
    Of equals the continuation of the better hypothesis comes first, then the smaller token.

    Args:
        step: from tokens (B·k,) and a state to the log-probabilities (B·k, V) of the next token, and the next state.
        state: the state before ``start``: None, or tensors with B rows, nested in tuples, lists and dictionaries; it
            is expanded to B·k rows and reordered here.
        start: the first token of each of the B sequences.
        beam_width: hypotheses k that are kept, ≥ 1.
        max_length: steps T at most, ≥ 1.
        eos: the token that ends a sequence; without it all have ``max_length``.
        length_penalty: 0 for the most probable sequences; the higher it is, the longer are those that are preferred;
            in [−10, 10].
        num_return: sequences n, in 1 … k.
        return_history: also give the hypotheses that were kept at every step.

    Shapes:
        start (B,) -> tokens (B, n, T), log-probabilities (B, n)

    Raises:
        ValueError: when an argument is out of its range, a tensor of the state has not B rows, or what ``step`` gives
            is not (B·k, V), has no token ``eos``, or is NaN.

    Example:
        >>> table = torch.tensor([[0.1, 0.6, 0.3], [0.6, 0.2, 0.2], [0.9, 0.05, 0.05]]).log()  # from token to token
        >>> found = beam_search(lambda tokens, state: (table[tokens], state), None, torch.tensor([1]), 2, 4, eos=0)
        >>> found.tokens, found.log_probs.exp()
        (tensor([[[0, 0]]]), tensor([[0.6000]]))
    """
    check_start(start, beam_width=beam_width, max_length=max_length, num_return=num_return)
    _check_ranges(beam_width, num_return, length_penalty)
    first_row = beam_width * torch.arange(len(start), device=start.device)[:, None]
    state = expand_state(state, len(start), beam_width)
    tokens = start.long().view(-1, 1, 1).repeat(1, beam_width, 1)  # (B, k, 1 + t), with the start
    # Log-probabilities (B, k) of the unfinished. All k are the same as yet: the first alone counts.
    live = torch.full(tokens.shape[:2], -torch.inf, dtype=torch.float32, device=start.device)
    live[:, 0] = 0.0
    finished: _Finished | None = None
    history: list[Hypotheses] = []
    for length in range(1, max_length + 1):
        log_probs, state = step(tokens[..., -1].flatten(), state)
        log_probs = check_log_probs(log_probs, tokens[..., 0].numel(), eos).view(*tokens.shape[:2], -1)
        live, parents, tokens = _continue(live, log_probs, tokens, beam_width if eos is None else 2 * beam_width)
        if eos is not None:
            ends = tokens[..., -1] == eos
            among_best = live.masked_fill(~ends, -torch.inf)[:, :beam_width]
            finished = _set_aside(finished, tokens[:, :beam_width], among_best, length_penalty, eos)
            live, parents, tokens = _go_on(live, parents, tokens, ends, beam_width)
        if return_history:
            history.append(Hypotheses(tokens[..., 1:], live))
        if finished is not None and _is_over(live, finished, length, max_length, length_penalty):
            break
        state = reorder_state(state, (first_row + parents).flatten())
    else:  # at max_length all are finished
        finished = _set_aside(finished, tokens, live, length_penalty, eos)
    found = Hypotheses(finished.tokens[:, :num_return, 1:], finished.log_probs[:, :num_return])
    return found._replace(history=history) if return_history else found


class _Finished(NamedTuple):
    """The best finished hypotheses so far, at most k, by their scores log p(y) / |y|^length_penalty."""

    tokens: Tensor  # (B, k, 1 + t)
    log_probs: Tensor  # (B, k)
    scores: Tensor  # (B, k)


def _continue(live: Tensor, log_probs: Tensor, tokens: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """The most probable continuations: their log-probabilities, what they continue, and their tokens."""
    sums = (live[..., None] + log_probs).flatten(1)  # (B, k·V)
    best, places = _best(sums, min(number, sums.shape[1]))
    parents = places // log_probs.shape[-1]
    chosen = places % log_probs.shape[-1]
    return best, parents, torch.cat([_take(tokens, parents), chosen[..., None].to(tokens.dtype)], dim=-1)


def _go_on(
    live: Tensor, parents: Tensor, tokens: Tensor, ends: Tensor, beam_width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The k best of those that did not end, in the order that they have."""
    goes_on = ends.byte().sort(dim=1, stable=True).indices[:, :beam_width]
    live = live.masked_fill(ends, -torch.inf).gather(1, goes_on)
    return live, parents.gather(1, goes_on), _take(tokens, goes_on)


def _best(values: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The highest values of each row and their places, of equals the first; ``topk`` alone may take any of them."""
    best, places = values.topk(min(number + 1, values.shape[1]))
    if (best[:, 1:] == best[:, :-1]).any():
        best, places = values.sort(dim=1, descending=True, stable=True)
    return best[:, :number], places[:, :number]


def _set_aside(
    finished: _Finished | None, tokens: Tensor, log_probs: Tensor, length_penalty: float, eos: int | None
) -> _Finished:
    """The k best of those that finished before, and of new ones; of equals the older."""
    length = tokens.shape[-1] - 1
    candidates = _Finished(tokens, log_probs, log_probs / length**length_penalty)
    if finished is not None:
        padding = (0, tokens.shape[-1] - finished.tokens.shape[-1])
        older = finished._replace(tokens=F.pad(finished.tokens, padding, value=eos))
        candidates = _Finished(*(torch.cat(parts, dim=1) for parts in zip(older, candidates, strict=True)))
    order = candidates.scores.sort(dim=1, descending=True, stable=True).indices[:, : tokens.shape[1]]
    log_probs, scores = candidates.log_probs.gather(1, order), candidates.scores.gather(1, order)
    return _Finished(_take(candidates.tokens, order), log_probs, scores)


def _is_over(live: Tensor, finished: _Finished, length: int, max_length: int, length_penalty: float) -> bool:
    """Whether no hypothesis, continued with certainty, could surpass the k-th best finished one of its sequence."""
    best_length = max_length if length_penalty > 0 else min(length + 1, max_length)
    return bool((live[:, 0] / best_length**length_penalty <= finished.scores[:, -1]).all())


def _take(tokens: Tensor, places: Tensor) -> Tensor:
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[-1]))


def check_start(start: Tensor, **numbers: int) -> None:
    """Raise ValueError unless the numbers are at least 1, and ``start`` holds the first token of each sequence.

    Shapes:
        start (B,)
    """
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}.")
    if start.dim() != 1 or not len(start) or start.is_floating_point():
        raise ValueError(
            f"start must be integers (B,), the first token of each sequence, but it has the shape "
            f"{tuple(start.shape)} and the type {start.dtype}."
        )


def _check_ranges(beam_width: int, num_return: int, length_penalty: float) -> None:
    if num_return > beam_width:
        raise ValueError(f"num_return must be at most beam_width={beam_width}, but it is {num_return}.")
    if not -10 <= length_penalty <= 10:
        raise ValueError(f"length_penalty must be in [−10, 10], but it is {length_penalty}.")


def check_log_probs(log_probs: Tensor, rows: int, eos: int | None) -> Tensor:
    """What ``step`` gave, checked, and at least in float32, in which sums of it are taken.

    Shapes:
        log_probs (rows, V) -> (rows, V)
    """
    if log_probs.dim() != 2 or len(log_probs) != rows:
        raise ValueError(f"step must give log-probabilities ({rows}, V), but they are {tuple(log_probs.shape)}.")
    if eos is not None and not 0 <= eos < log_probs.shape[1]:
        raise ValueError(f"eos must be one of the tokens 0 … {log_probs.shape[1] - 1}, but it is {eos}.")
    if log_probs.isnan().any():
        raise ValueError("step must give log-probabilities, but some of them are NaN.")
    return log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))
