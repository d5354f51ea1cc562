"""The weights of each replica's best epoch."""

import torch
from torch import nn
from torch.testing import assert_close

from lit_models.best_replicas import BestReplicas
from nets import stack_replicas


def filled(net: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(value)
    return net


def test_each_replica_gets_the_weights_of_its_own_lowest_loss_back() -> None:
    net = stack_replicas(nn.Linear(2, 1), 3, seed=0)
    best = BestReplicas(net, 3)
    for epoch, losses in enumerate([(3.0, 1.0, 2.0), (2.0, 4.0, 2.0), (5.0, 0.5, float("nan"))]):
        best.update(filled(net, epoch), torch.tensor(losses))
    assert_close(best.lowest, torch.tensor([2.0, 0.5, 2.0]))
    best.restore(net)
    assert_close(net.weight, torch.tensor([1.0, 2.0, 0.0])[:, None, None].expand(3, 1, 2))
    assert_close(net.bias, torch.tensor([[1.0], [2.0], [0.0]]))


def test_what_was_never_validated_stays_as_it_is() -> None:
    net = stack_replicas(nn.Linear(2, 1), 2, seed=0)
    best = BestReplicas(net, 2)
    best.restore(filled(net, 7.0))
    assert bool((net.weight == 7).all())


def test_of_a_single_network_it_keeps_the_loss_alone() -> None:
    net = nn.Linear(2, 1)
    best = BestReplicas(net, 1)
    best.update(net, torch.tensor([0.5]))
    assert list(best.state_dict()) == ["lowest"] and float(best.lowest) == 0.5
    assert not list(best.parameters())
