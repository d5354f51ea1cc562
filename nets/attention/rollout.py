"""Attention rollout: from the weights of every layer to what the network looks at.

Letters in shape comments: B batch, H heads, N tokens.
"""

import torch
from torch import Tensor


def attention_rollout(weights: list[Tensor]) -> Tensor:
    r"""Attention followed through all layers, residual connections counted as attention to oneself.

    "Quantifying Attention Flow in Transformers" (Abnar and Zuidema, 2020), https://arxiv.org/abs/2005.00928.
    R = Â_L ⋯ Â_1 with Â_l = (I + mean over heads of A_l)/2; each row sums to 1.

    Args:
        weights: the attention weights of every layer, first layer first.

    Shapes:
        weights: a list of (B, H, N, N) -> (B, N, N)

    Raises:
        ValueError: when the list is empty.

    Example:
        >>> layers = [torch.full((1, 2, 3, 3), 1 / 3)] * 2  # two layers that look everywhere alike
        >>> attention_rollout(layers)[0].sum(dim=1)
        tensor([1.0000, 1.0000, 1.0000])
    """
    if not weights:
        raise ValueError("attention_rollout needs the weights of at least one layer, but the list is empty.")
    identity = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    rollout = identity
    for layer in weights:
        rollout = 0.5 * (identity + layer.mean(dim=1)) @ rollout
    return rollout
