"""One token after another: the most probable one, or one that is drawn.

Letters: B batch, V vocabulary, T steps.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nets.search import Hypotheses, Step, check_log_probs, check_start


def greedy_search(step: Step, state: Any, start: Tensor, max_length: int, eos: int | None = None) -> Hypotheses:
    """The sequences that come of taking the most probable token at every step, of equals the smallest.

    Args:
        step: from tokens (B,) and a state to the log-probabilities (B, V) of the next token, and the next state.
        state: the state before ``start``; only ``step`` looks into it.
        start: the first token of each of the B sequences.
        max_length: steps T at most, ≥ 1.
        eos: the token that ends a sequence; without it all have ``max_length``.

    Shapes:
        start (B,) -> tokens (B, 1, T), log-probabilities (B, 1)

    Raises:
        ValueError: as ``beam_search``.

    Example:
        >>> table = torch.tensor([[0.1, 0.6, 0.3], [0.2, 0.1, 0.7], [0.9, 0.05, 0.05]]).log()  # from token to token
        >>> found = greedy_search(lambda tokens, state: (table[tokens], state), None, torch.tensor([1]), 4, eos=0)
        >>> found.tokens, found.log_probs.exp()
        (tensor([[[2, 0]]]), tensor([[0.6300]]))
    """
    return _roll_out(step, state, start, max_length, eos, lambda log_probs: log_probs.argmax(dim=1))


def sample_search(
    step: Step,
    state: Any,
    start: Tensor,
    max_length: int,
    eos: int | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Hypotheses:
    """Sequences drawn token by token, each with a probability in proportion to p^(1/temperature).

    Args:
        step: from tokens (B,) and a state to the log-probabilities (B, V) of the next token, and the next state.
        state: the state before ``start``; only ``step`` looks into it.
        start: the first token of each of the B sequences.
        max_length: steps T at most, ≥ 1.
        eos: the token that ends a sequence; without it all have ``max_length``.
        temperature: above 0; 1 draws from the model, less keeps closer to ``greedy_search``.
        generator: where the random numbers come from; torch's own when None.

    Shapes:
        start (B,) -> tokens (B, 1, T), log-probabilities (B, 1) under the model, whatever the temperature

    Raises:
        ValueError: as ``beam_search``, and when the temperature is not above 0.

    Example:
        >>> table = torch.full((3, 3), 1 / 3).log()  # from token to token
        >>> generator = torch.Generator().manual_seed(0)
        >>> step = lambda tokens, state: (table[tokens], state)
        >>> sample_search(step, None, torch.tensor([1, 2]), 4, generator=generator).tokens.shape
        torch.Size([2, 1, 4])
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, but it is {temperature}.")

    def draw(log_probs: Tensor) -> Tensor:
        weights = (log_probs / temperature).softmax(dim=1)
        return torch.multinomial(weights, 1, generator=generator)[:, 0]

    return _roll_out(step, state, start, max_length, eos, draw)


@torch.no_grad()
def _roll_out(
    step: Step, state: Any, last: Tensor, max_length: int, eos: int | None, choose: Callable[[Tensor], Tensor]
) -> Hypotheses:
    """One token after another for each sequence, as ``choose`` takes them from the log-probabilities."""
    check_start(last, max_length=max_length)
    goes_on = torch.ones_like(last, dtype=torch.bool)
    tokens, total = [], torch.zeros(len(last), 1, dtype=torch.float32, device=last.device)
    for _ in range(max_length):
        log_probs, state = step(last, state)
        log_probs = check_log_probs(log_probs, len(last), eos)
        last = choose(log_probs)
        last = last if eos is None else last.where(goes_on, eos)
        total = total + log_probs.gather(1, last[:, None]).where(goes_on[:, None], 0.0)
        tokens.append(last)
        goes_on = goes_on if eos is None else goes_on & (last != eos)
        if not goes_on.any():
            break
    return Hypotheses(torch.stack(tokens, dim=1)[:, None], total)
