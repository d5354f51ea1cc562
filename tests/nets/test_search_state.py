"""The state of a model in a search, in every nest that it may have."""

from typing import Any, NamedTuple

import pytest
import torch
from plain_search import random_model
from torch import Tensor

from nets import beam_search


class Pair(NamedTuple):
    read: Tensor
    nothing: None


@pytest.mark.parametrize("eos", [None, 2])
def test_the_state_is_expanded_and_follows_its_hypotheses_in_every_nest(eos: int | None) -> None:
    model, start, seen = random_model(3, 4, batch=3), torch.tensor([2, 0, 1]), []

    def step(tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        (row, past), (read, nothing), [twice] = state["tuple"], state["pair"], state["list"]
        assert [type(part) for part in state.values()] == [tuple, Pair, list, type(None)] and nothing is None
        assert torch.equal(row, torch.arange(3).repeat_interleave(4))
        assert torch.equal(twice, torch.stack([read, read], dim=2))
        read = torch.cat([read, tokens[:, None]], dim=1)
        seen.append(read.view(3, 4, -1))
        log_probs, known = model.step(tokens, (row, past))
        state = {"tuple": known, "pair": Pair(read, None), "list": [torch.stack([read, read], dim=2)], "none": None}
        return log_probs, state

    empty = start.new_zeros(3, 0)
    state = {"tuple": model.state, "pair": Pair(empty, None), "list": [empty.new_zeros(3, 0, 2)], "none": None}
    found = beam_search(step, state, start, 4, 4, eos, return_history=True)
    assert len(seen) == 4 and torch.equal(seen[0], start[:, None, None].expand(3, 4, 1))
    for read, kept in zip(seen[1:], found.history, strict=False):
        assert torch.equal(read[..., 0], start[:, None].expand(3, 4)) and torch.equal(read[..., 1:], kept.tokens)
    assert torch.equal(found.tokens, beam_search(model.step, model.state, start, 4, 4, eos).tokens)
