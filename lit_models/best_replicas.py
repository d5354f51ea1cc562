"""Which weights each of many replicas is tested with."""

import torch
from torch import Tensor, nn


class BestReplicas(nn.Module):
    """The weights that each replica had when its validation loss was lowest, as a run of its own would keep them.

    Of a single network it keeps the loss alone, since that network's checkpoint keeps the weights.

    Args:
        net: a network, or a stack of replicas as ``nets.stack_replicas`` makes it.
        num_replicas: replicas R.
    """

    lowest: Tensor

    def __init__(self, net: nn.Module, num_replicas: int) -> None:
        super().__init__()
        self.register_buffer("lowest", torch.full((num_replicas,), torch.inf))
        for name, parameter in net.named_parameters() if num_replicas > 1 else ():
            self.register_buffer(name.replace(".", "_"), parameter.detach().clone())

    @torch.no_grad()
    def update(self, net: nn.Module, losses: Tensor) -> None:
        """Keep the weights of the replicas whose loss is lower than ever before.

        Shapes:
            losses (R,)
        """
        better = losses < self.lowest
        self.lowest = torch.where(better, losses, self.lowest)
        for kept, parameter in self._pairs(net):
            kept[better] = parameter[better]

    @torch.no_grad()
    def restore(self, net: nn.Module) -> None:
        """Give each replica its best weights back, if it was ever validated."""
        known = self.lowest < torch.inf
        for kept, parameter in self._pairs(net):
            parameter[known] = kept[known]

    def _pairs(self, net: nn.Module) -> list[tuple[Tensor, Tensor]]:
        if len(self.lowest) == 1:
            return []
        return [(self.get_buffer(name.replace(".", "_")), value) for name, value in net.named_parameters()]
