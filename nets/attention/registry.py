"""The forms of attention that a config chooses by name.

Each is called with the heads' queries, keys and values, as ``softmax_attention`` is:

    q (B, H, N, D), k (B, H, S, D), v (B, H, S, D) -> output (B, H, N, D), weights (B, H, N, S)

Letters: B batch, H heads, N queries, S keys, D width of a head, K rank.
"""

import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nets.attention.feature_maps import PositiveRandomFeatures, elu_features, features_of, quadratic_features
from nets.attention.kernels import kernel_attention, quadratic_kernel
from nets.attention.linear import linear_attention
from nets.attention.low_rank import check_rank
from nets.attention.softmax import softmax_attention


class SoftmaxAttention(nn.Module):
    """``softmax_attention``, with the factor ``scale`` of the scores (1/√D when None).

    Shapes:
        q (B, H, N, D), k and v (B, H, S, D) -> output (B, H, N, D), weights (B, H, N, S)
    """

    def __init__(self, head_dim: int, num_tokens: int | None, scale: float | None = None) -> None:
        super().__init__()
        _check_scale(scale)
        self.scale = scale

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        return softmax_attention(q, k, v, mask, dropout_p, self.scale, return_weights)


class FeatureAttention(nn.Module):
    """``linear_attention``; with a mask, or to give its weights, all N×S similarities are formed.

    Shapes:
        q (B, H, N, D), k and v (B, H, S, D) -> output (B, H, N, D), weights (B, H, N, S)
    """

    def __init__(self, feature_map: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.feature_map = feature_map

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        if mask is None and not return_weights:
            return linear_attention(q, k, v, self.feature_map)
        return kernel_attention(q, k, v, self.similarity, mask, return_weights)

    def similarity(self, q: Tensor, k: Tensor) -> Tensor:
        """The similarity φ(q)·φ(k) of every query and key.

        Shapes:
            q (..., N, D), k (..., S, D) -> (..., N, S)
        """
        q, k = features_of(self.feature_map, q, k)
        return q @ k.transpose(-2, -1)


class EluAttention(FeatureAttention):
    """Linear attention with φ = elu + 1."""

    def __init__(self, head_dim: int, num_tokens: int | None) -> None:
        super().__init__(elu_features)


class QuadraticAttention(FeatureAttention):
    """Attention with (q·k + 1)²: by its features where that is cheaper, beyond some D²/2 tokens.

    Shapes:
        q (B, H, N, D), k and v (B, H, S, D) -> output (B, H, N, D), weights (B, H, N, S)
    """

    def __init__(self, head_dim: int, num_tokens: int | None) -> None:
        super().__init__(quadratic_features)

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        if k.shape[-2] > q.shape[-1] ** 2 / 2:
            return super().forward(q, k, v, mask, dropout_p, return_weights)
        return kernel_attention(q, k, v, quadratic_kernel, mask, return_weights)

    def similarity(self, q: Tensor, k: Tensor) -> Tensor:
        return quadratic_kernel(q, k)


class PerformerAttention(FeatureAttention):
    """Linear attention with ``num_features`` positive random features, 2D when None, other ones in each layer."""

    def __init__(
        self, head_dim: int, num_tokens: int | None, num_features: int | None = None, scale: float | None = None
    ) -> None:
        _check_scale(scale)
        num_features = 2 * head_dim if num_features is None else num_features
        seed = int(torch.randint(2**31, ()))
        super().__init__(PositiveRandomFeatures(head_dim, num_features, seed, scale))


class LinformerAttention(nn.Module):
    r"""softmax(Q(CK)ᵀ/√D) DV with learned C, D ∈ R^{K×S}, shared by the heads; K is S/4 when None.

    "Linformer: Self-Attention with Linear Complexity" (Wang et al., 2020), https://arxiv.org/abs/2006.04768.
    The weights it returns are softmax(…) D, those of the values before they are summed up; they may be negative.

    Shapes:
        q (B, H, N, D), k and v (B, H, S, D) with S = ``num_tokens`` -> output (B, H, N, D), weights (B, H, N, S)
    """

    def __init__(
        self, head_dim: int, num_tokens: int | None, rank: int | None = None, scale: float | None = None
    ) -> None:
        super().__init__()
        if num_tokens is None:
            raise ValueError('attention="linformer" needs num_tokens, the length of the sequence.')
        rank = min(num_tokens, max(2, num_tokens // 4)) if rank is None else rank
        check_rank("rank", rank, num_tokens)
        _check_scale(scale)
        self.scale = scale
        # 1/√S leaves the keys as large as they were.
        self.c, self.d = (nn.Parameter(torch.randn(rank, num_tokens) * num_tokens**-0.5) for _ in range(2))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0,
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        if mask is not None:
            raise ValueError('attention="linformer" sums up the tokens before it attends: it cannot take a mask.')
        if k.shape[-2] != self.c.shape[-1]:
            raise ValueError(f"num_tokens is {self.c.shape[-1]}, but the sequence has {k.shape[-2]} tokens.")
        attended = softmax_attention(q, self.c @ k, self.d @ v, None, dropout_p, self.scale, return_weights)
        return (attended[0], attended[1] @ self.d) if return_weights else attended


NAMED = {
    "softmax": SoftmaxAttention,
    "elu": EluAttention,
    "quadratic": QuadraticAttention,
    "performer": PerformerAttention,
    "linformer": LinformerAttention,
}


def named_attention(name: str, head_dim: int, num_tokens: int | None, options: dict[str, Any]) -> Callable[..., Any]:
    """Build the attention of a name, or import the function of a path such as "module.function".

    Raises:
        ValueError: when the name is unknown, or has options that it does not take.
    """
    if name not in NAMED:
        if options:
            raise ValueError(f'attention_options belong to {", ".join(NAMED)}, but attention is "{name}".')
        return _imported(name)
    taken = [option for option in inspect.signature(NAMED[name]).parameters if option not in ("head_dim", "num_tokens")]
    for option in options:
        if option not in taken:
            raise ValueError(
                f'attention_options of attention="{name}" may have {", ".join(taken) or "no key"}, but has "{option}".'
            )
    return NAMED[name](head_dim, num_tokens, **options)


def _imported(path: str) -> Callable[..., Any]:
    module, _, function = path.rpartition(".")
    found, reason = None, ""
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        reason = f" ({error})" if module else ""
    if not callable(found):
        raise ValueError(
            f"attention must be one of {', '.join(NAMED)}, a callable, or the path of a function such as "
            f'"nets.softmax_attention", but it is "{path}"{reason}.'
        )
    return found


def _check_scale(scale: float | None) -> None:
    if scale is not None and not (isinstance(scale, int | float) and 0 < scale < math.inf):
        raise ValueError(f"scale must be a positive number, or None for 1/√D, but it is {scale!r}.")
