"""How a gradient grows or shrinks on its way back through time or through layers."""

import torch
from torch import Tensor


def jacobian_bound(sigma_max: Tensor | float, lipschitz: float, steps: Tensor | int) -> Tensor:
    r"""The largest singular value that the Jacobian of a recurrence x_{t+1} = σ(W x_t + …) can have after some steps.

    "On the Difficulty of Training Recurrent Neural Networks" (Pascanu et al., 2013), https://arxiv.org/abs/1211.5063,
    section 2.1.
    σ_max(∂x_n/∂x_1) ≤ (γ σ_max(W))^{n−1}: n − 1 steps lead from x_1 to x_n. With the sigmoid (γ = 1/4) and
    σ_max(W) = 1/4 this is (1/16)^{n−1}.

    Args:
        sigma_max: largest singular value of W, ≥ 0.
        lipschitz: γ, the largest slope of σ, ≥ 0: 1/4 for the sigmoid, 1 for tanh, ReLU and identity.
        steps: number of steps n − 1, ≥ 0.

    Shapes:
        sigma_max and steps are numbers, or broadcast -> (…)

    Raises:
        ValueError: when an argument is negative.

    Example:
        >>> jacobian_bound(sigma_max=0.5, lipschitz=1.0, steps=torch.tensor([0, 1, 2]))
        tensor([1.0000, 0.5000, 0.2500], dtype=torch.float64)
    """
    if not isinstance(sigma_max, Tensor):
        sigma_max = torch.tensor(sigma_max, dtype=torch.float64)  # float32 would end at 1e-45
    steps = torch.as_tensor(steps)
    least: dict[str, Tensor | float] = {"sigma_max": sigma_max.min(), "lipschitz": lipschitz, "steps": steps.min()}
    for name, value in least.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, but it is {value}.")
    return (lipschitz * sigma_max) ** steps


def gradient_bound(direct_norms: Tensor, sigma_max: Tensor | float, lipschitz: float) -> Tensor:
    r"""The largest norm that the gradient with respect to each hidden state can have.

    With g_s the gradient that reaches h_s from the loss or the next layer at that very step,
    ‖∂L/∂h_t‖ ≤ Σ_{s ≥ t} (γ σ_max(W))^{s−t} ‖g_s‖: each comes back through s − t steps, see ``jacobian_bound``. Where
    the loss reads the last step alone this is (γ σ_max(W))^{T−t} ‖g_T‖.

    Args:
        direct_norms: ‖g_1‖ … ‖g_T‖.
        sigma_max: largest singular value of W, ≥ 0.
        lipschitz: γ, the largest slope of σ, ≥ 0.

    Shapes:
        direct_norms (T,) -> (T,)

    Raises:
        ValueError: when an argument is negative.

    Example:
        >>> gradient_bound(torch.tensor([0.0, 0.0, 1.0]), sigma_max=0.5, lipschitz=1.0)
        tensor([0.2500, 0.5000, 1.0000])
    """
    if (direct_norms < 0).any():
        raise ValueError(f"direct_norms must not be negative, but one is {direct_norms.min()}.")
    factor = float(jacobian_bound(float(sigma_max), lipschitz, 1))
    bounds = [0.0]
    for direct in reversed(direct_norms.tolist()):  # from the last step: what comes from beyond it, and its own
        bounds.append(factor * bounds[-1] + direct)
    dtype = direct_norms.dtype if direct_norms.is_floating_point() else torch.get_default_dtype()
    return torch.tensor(bounds[:0:-1], dtype=dtype, device=direct_norms.device)


def vanishing_rate(norms: Tensor) -> Tensor:
    r"""How fast a gradient vanishes on its way back: the slope of log ‖∂L/∂h_t‖ over t, in nats a step.

    The least-squares slope over the steps at which the norm is above 0. Above 0 the gradient vanishes towards the
    first step, below 0 it explodes: a linear recurrence with W = c·orthogonal and a loss of the last step has
    −log c exactly.

    Args:
        norms: ‖∂L/∂h_1‖ … ‖∂L/∂h_T‖.

    Shapes:
        norms (T,) -> (); NaN where fewer than two norms are above 0, or one is not finite

    Raises:
        ValueError: when a norm is negative, or they are no row.

    Example:
        >>> round(vanishing_rate(torch.tensor([0.25, 0.5, 1.0])).item(), 4)  # −log 0.5
        0.6931
    """
    if norms.dim() != 1 or (norms < 0).any():
        raise ValueError(f"norms must be one number ≥ 0 a step, but they are {norms.tolist()}.")
    norms = norms.double()
    steps = norms.nonzero()[:, 0].double()
    logs = norms[norms != 0].log()
    if len(steps) < 2 or not norms.isfinite().all():
        return norms.new_tensor(float("nan"))
    centred = steps - steps.mean()
    return (centred * logs).sum() / centred.square().sum()
