"""Which weights each of many replicas is tested with."""

import torch
from torch import Tensor, nn


class BestReplicas(nn.Module):
    """What each replica was when its validation loss was lowest, as the checkpoint of a run of its own would keep it.

    That is its weights and its buffers, such as the running statistics of a batch normalisation. Of a single network
    it keeps the loss alone, since that network's checkpoint keeps the rest.

    Args:
        net: a network, or a stack of replicas as ``nets.stack_replicas`` makes it.
        num_replicas: replicas R.
    """

    lowest: Tensor

    def __init__(self, net: nn.Module, num_replicas: int) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.full((num_replicas,), torch.inf))
        for name, value in _state(net).items() if num_replicas > 1 else ():
            self.register_buffer(_kept(name), value.clone())

    @torch.no_grad()
    def update(self, net: nn.Module, losses: Tensor) -> None:
        """Keep the state of the replicas whose loss is lower than ever before.

        Shapes:
            losses (R,)
        """
        better = losses < self.lowest
        self.lowest = torch.where(better, losses, self.lowest)
        for kept, value in self._pairs(net):
            kept[better] = value[better]

    @torch.no_grad()
    def restore(self, net: nn.Module) -> None:
        """Give each replica its best state back, if it was ever validated."""
        known = self.lowest < torch.inf
        for kept, value in self._pairs(net):
            value[known] = kept[known]

    def fill_in(self, state: dict[str, Tensor], own: str, net: str) -> None:
        """Add to a saved state what an earlier version did not keep: no loss is known, and nothing but the last epoch.

        Args:
            state: that of a task, with the weights of its network; it is changed.
            own: the prefix of this module's entries.
            net: the prefix of the network's entries.

        Shapes:
            each entry of the state of a replicated network (R, ...)
        """
        state.setdefault(f"{own}lowest", torch.full_like(self.lowest, torch.inf))
        for name in [name for name in state if name.startswith(net)]:
            kept = _kept(name.removeprefix(net))
            if kept in self._buffers:
                state.setdefault(own + kept, state[name])

    def _pairs(self, net: nn.Module) -> list[tuple[Tensor, Tensor]]:
        if len(self.lowest) == 1:
            return []
        return [(self.get_buffer(_kept(name)), value) for name, value in _state(net).items()]


def _state(net: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}


def _kept(name: str) -> str:
    return name.replace(".", "_")  # the name of a buffer has no dot
