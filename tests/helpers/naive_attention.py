"""What the tests of attention share: attention written out, its inputs and gradients, and the largest tensor formed."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MASKS = {
    "none": lambda: None,
    "one for all": lambda: torch.rand(5, 7) < 0.6,
    "one a sample": lambda: torch.rand(2, 1, 5, 7) < 0.6,
    "padding of keys": lambda: (torch.arange(7) < torch.tensor([[4], [6]]))[:, None, None, :],
    "rows without any key": lambda: torch.ones(5, 7, dtype=torch.bool).index_fill(0, torch.tensor([1, 3]), False),
}  # for inputs with the batch (2, 3), 5 queries and 7 keys


def naive_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Softmax attention by the exponentials of the scores."""
    scores = torch.einsum("...nd,...sd->...ns", q, k) / math.sqrt(q.shape[-1])
    return naive_average(scores.exp(), v, mask)


def naive_average(similarities: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each query its similarities to the keys that it may see, divided by their sum, and the values so weighted."""
    allowed = torch.ones_like(similarities, dtype=torch.bool) if mask is None else mask.expand(similarities.shape)
    similarities = similarities * allowed
    weights = similarities / similarities.sum(dim=-1, keepdim=True).clamp(min=1e-300)
    return torch.einsum("...ns,...sm->...nm", weights, v), weights


def random_inputs(*batch: int, queries: int = 5, keys: int = 7, width: int = 4) -> list[Tensor]:
    """Queries, keys, and values of width 6, after torch.manual_seed(0)."""
    torch.manual_seed(0)
    shapes = (*batch, queries, width), (*batch, keys, width), (*batch, keys, 6)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def value_and_gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The output, and the gradients of one fixed linear function of it."""
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return [output, *torch.autograd.grad((output * direction).sum(), inputs)]


class LargestTensor(TorchDispatchMode):
    """``numel`` is the size of the largest tensor that any operation in the block gave, those of backward included."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


# Shapes of q, k and v, a mask, and what is wrong with them.
MISFITS = [
    (((5, 4), (7, 3), (7, 6)), None, r"same width, but q has 4 .* and k has 3"),
    (((5, 4), (7, 4), (8, 6)), None, r"same length, but k has 7 .* and v has 8"),
    (((5, 4), (4,), (7, 6)), None, r"k must have the shape \(..., tokens, width\), but its shape is \(4,\)"),
    (((2, 5, 4), (3, 7, 4), (3, 7, 6)), None, r"batch dimensions .* \(2, 5, 4\), .k.: \(3, 7, 4\)"),
    (
        ((5, 4), (7, 4), (7, 6)),
        torch.ones(5, 6).bool(),
        r"mask must be broadcastable to the shape \(5, 7\), but its shape is \(5, 6\)",
    ),
    (((5, 4), (7, 4), (7, 6)), torch.ones(5, 7), r"mask must be boolean .* torch.float32; use mask.bool\(\)"),
]
