"""Chains of scalar units: one weight for all steps of a recurrence, or a weight a layer."""

from typing import NamedTuple

import torch
from torch import Tensor


class ScalarChain(NamedTuple):
    """The chain h_t = w(u_t + h_{t−1}): its end, the gradient of that, and the partial derivatives along its edges.

    Args:
        y: h_T.
        dy_dw: the gradient dy/dw over all paths.
        dh_dw: for each t the edge from w to h_t, which is the sum u_t + h_{t−1} itself.
        dh_du: for each t the edge from u_t to h_t, w.
        dh_dh: for each t the edge from h_{t−1} to h_t, w.
        states: h_1 … h_T.
        dy_dstates: ∂y/∂h_t = w^{T−t}.
        dy_dsums: the derivative of y with respect to each sum u_t + h_{t−1}, w^{T−t+1}.
        terms: what each edge out of w contributes to dy/dw, (u_t + h_{t−1}) w^{T−t}; their sum is ``dy_dw``.
    """

    y: Tensor
    dy_dw: Tensor
    dh_dw: Tensor
    dh_du: Tensor
    dh_dh: Tensor
    states: Tensor
    dy_dstates: Tensor
    dy_dsums: Tensor
    terms: Tensor


def scalar_chain_gradient(w: Tensor | float, u: Tensor) -> ScalarChain:
    r"""The recurrence h_t = w(u_t + h_{t−1}), h_0 = 0, with one weight for all steps, and its gradient in closed form.

    "On the Difficulty of Training Recurrent Neural Networks" (Pascanu et al., 2013), https://arxiv.org/abs/1211.5063,
    section 2, for one linear unit.
    y = h_T = Σ_t w^{T−t+1} u_t, dy/dw = Σ_t (T−t+1) w^{T−t} u_t: the sum over t of the edge from w to h_t, times the
    w^{T−t} of the T−t edges from there to the end.

    Args:
        w: the weight.
        u: the inputs of the T ≥ 1 steps.

    Shapes:
        w a number, u (T,) -> y and dy/dw (), all others (T,)

    Raises:
        ValueError: when w is no single number, or u no row of at least one.

    Example:
        >>> chain = scalar_chain_gradient(w=0.5, u=torch.tensor([1.0, 1.0]))
        >>> chain.y, chain.dy_dw  # 0.5 + 0.25 and 1 + 2 · 0.5
        (tensor(0.7500), tensor(2.))
        >>> chain.terms  # 1 · 0.5 along the first edge, 1.5 along the last
        tensor([0.5000, 1.5000])
    """
    u = u if u.is_floating_point() else u.to(torch.get_default_dtype())
    w = torch.as_tensor(w, dtype=u.dtype, device=u.device)
    if w.dim() or u.dim() != 1 or len(u) == 0:
        raise ValueError(
            f"w must be a number and u one number a step, but their shapes are {tuple(w.shape)} and {tuple(u.shape)}."
        )
    steps_left = torch.arange(len(u) - 1, -1, -1, device=u.device)  # T − t
    y = (w ** (steps_left + 1) * u).sum()
    dy_dh = w**steps_left
    dy_dw = ((steps_left + 1) * dy_dh * u).sum()
    hidden = [(w ** (steps_left[-t:] + 1) * u[:t]).sum() for t in range(1, len(u))]  # h_1 … h_{T−1}
    before = torch.stack([torch.zeros_like(y), *hidden])
    sums, edge = u + before, w.expand(len(u))
    return ScalarChain(y, dy_dw, sums, edge, edge, w * sums, dy_dh, w * dy_dh, sums * dy_dh)


def scalar_chain_bound(weights: Tensor) -> Tensor:
    r"""The largest slope of a deep chain of scalar ReLU units, ∏ |w_i|.

    For f(x) = w_n σ(w_{n−1} σ(… σ(w_1 x))) with a σ whose slope is at most 1, such as ReLU, |f′(x)| ≤ ∏ |w_i|; with
    ReLU it is this product where every unit is active, and 0 elsewhere.

    Args:
        weights: w_1 … w_n, one a layer.

    Shapes:
        weights (…, n) -> (…)

    Example:
        >>> scalar_chain_bound(torch.tensor([2.0, -0.5, 3.0]))
        tensor(3.)
    """
    return weights.abs().prod(dim=-1)
