"""Many copies of a small network in one: their parameters stacked, their arithmetic batched.

Letters: R replicas, B batch, D inputs, O outputs.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


def stack_replicas(net: nn.Module, num_replicas: int, seed: int) -> nn.Module:
    """A network with the parameters of R independently initialised copies of another, stacked.

    Replica r has the weights that a network of this shape gets when it is built right after
    ``torch.manual_seed(seed + r)``. The state has the names of that of ``net`` and one dimension more, (R, …).

    Args:
        net: what is to be copied; each of its modules with parameters has ``reset_parameters``.
        num_replicas: copies R, ≥ 1.
        seed: seed of the first copy.

    Raises:
        ValueError: when ``num_replicas`` is below 1, or a module cannot be initialised anew.

    Example:
        >>> net = stack_replicas(nn.Linear(3, 2), num_replicas=4, seed=0)
        >>> net.weight.shape
        torch.Size([4, 2, 3])
    """
    if num_replicas < 1:
        raise ValueError(f"num_replicas must be at least 1, but it is {num_replicas}.")
    for module in net.modules():
        if list(module.parameters(recurse=False)) and not hasattr(module, "reset_parameters"):
            raise ValueError(f"replicas need reset_parameters in every module, but {type(module).__name__} has none.")
        if getattr(module, "track_running_stats", False) and module.momentum is None:
            raise ValueError(f"replicas need a number as the momentum of {type(module).__name__}, but it is None.")
    copies = [_reset(deepcopy(net), seed + number) for number in range(num_replicas)]
    parameters, buffers = stack_module_state(copies)
    first = copies[0]
    replaced: dict[int, Tensor] = {
        id(one := first.get_parameter(name)): _like(one, value) for name, value in parameters.items()
    }
    replaced |= {id(first.get_buffer(name)): value for name, value in buffers.items()}
    return deepcopy(first, replaced)


def call_replicas(stacked: nn.Module, *inputs: Tensor) -> Tensor:
    """The output of every replica, in one batched call.

    Dropout inside the network differs between the replicas, but is drawn from the global generator.

    Args:
        stacked: what ``stack_replicas`` made.
        *inputs: each one for all replicas, or with one dimension more, one for each.

    Shapes:
        inputs (B, D) or (R, B, D) -> (R, B, O)

    Example:
        >>> net = stack_replicas(nn.Linear(3, 2), num_replicas=4, seed=0)
        >>> call_replicas(net, torch.rand(5, 3)).shape
        torch.Size([4, 5, 2])
    """
    state = {**dict(stacked.named_parameters()), **dict(stacked.named_buffers())}

    def call(replica: dict[str, Tensor], *batch: Tensor) -> Tensor:
        return functional_call(stacked, replica, batch)

    in_dims = (0, *(0 if one.ndim == 3 else None for one in inputs))
    return vmap(call, in_dims=in_dims, randomness="different")(state, *inputs)


def take_replica(stacked: nn.Module, index: int) -> nn.Module:
    """One replica as a plain network, which shares its weights with the stack.

    Args:
        stacked: what ``stack_replicas`` made.
        index: which replica.

    Example:
        >>> net = stack_replicas(nn.Linear(3, 2), num_replicas=4, seed=0)
        >>> take_replica(net, 1)(torch.rand(5, 3)).shape
        torch.Size([5, 2])
    """
    taken: dict[int, Tensor] = {id(value): _like(value, value[index]) for value in stacked.parameters()}
    taken |= {id(value): value[index] for value in stacked.buffers()}
    return deepcopy(stacked, taken)


@torch.no_grad()
def clip_replicas(stacked: nn.Module, max_norm: float) -> None:
    """Scale the gradients of each replica down to a norm at most, as if it were alone.

    g_r ← g_r · min(1, c / (‖g_r‖ + 10⁻⁶)), as ``torch.nn.utils.clip_grad_norm_`` does for a single network
    ("On the difficulty of training recurrent neural networks", Pascanu et al., 2013, https://arxiv.org/abs/1211.5063).

    Args:
        stacked: what ``stack_replicas`` made, with gradients.
        max_norm: the norm c, > 0.

    Example:
        >>> net = stack_replicas(nn.Linear(3, 2), num_replicas=4, seed=0)
        >>> call_replicas(net, torch.ones(5, 3)).sum().backward()
        >>> clip_replicas(net, max_norm=0.1)
        >>> bool(net.weight.grad.flatten(1).norm(dim=1).max() <= 0.1)
        True
    """
    gradients = [parameter.grad for parameter in stacked.parameters() if parameter.grad is not None]
    if not gradients:
        return
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])  # (P, R)
    scales = (max_norm / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scales.view(-1, *[1] * (gradient.ndim - 1)))


REPLICA_SUFFIX = "_replica_"


def replica_metrics(name: str, values: Tensor) -> dict[str, Tensor]:
    """A metric of every replica as what is logged: their mean by its name, their spread, and each by itself.

    Args:
        name: the metric, such as "val/loss".
        values: its value for each replica, (R,).

    Shapes:
        values (R,) -> each ()

    Returns:
        ``name`` alone for one replica; else also ``name_std`` (of the sample, R − 1) and ``name_replica_<r>``.

    Example:
        >>> metrics = replica_metrics("val/loss", torch.tensor([1.0, 3.0]))
        >>> {name: round(value.item(), 4) for name, value in metrics.items()}
        {'val/loss': 2.0, 'val/loss_std': 1.4142, 'val/loss_replica_0': 1.0, 'val/loss_replica_1': 3.0}
    """
    if len(values) == 1:
        return {name: values[0]}
    each = {f"{name}{replica_suffix(number)}": value for number, value in enumerate(values)}
    return {name: values.mean(), f"{name}_std": values.std(), **each}


def replica_suffix(number: int) -> str:
    """What is put behind the name of a metric or a column that is of one replica."""
    return f"{REPLICA_SUFFIX}{number}"


def is_replica_metric(name: str) -> bool:
    """Whether a metric is of one replica alone, as ``replica_metrics`` names it.

    Example:
        >>> [name for name in ("val/loss", "val/loss_std", "val/loss_replica_0") if is_replica_metric(name)]
        ['val/loss_replica_0']
    """
    return REPLICA_SUFFIX in name


def _like(parameter: nn.Parameter, value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach(), requires_grad=parameter.requires_grad)


def _reset(net: nn.Module, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every GPU too
        for module in net.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return net
