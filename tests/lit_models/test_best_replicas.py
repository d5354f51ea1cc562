"""The weights and buffers of each replica's best epoch."""

import torch
from torch import nn
from torch.testing import assert_close

from lit_models.best_replicas import BestReplicas
from nets import call_replicas, stack_replicas


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


def normalised() -> nn.Module:
    return stack_replicas(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 3, seed=0)


def test_the_running_statistics_of_a_batch_normalisation_go_with_the_weights() -> None:
    net, best, kept = normalised(), BestReplicas(normalised(), 3), []
    for losses in (torch.tensor([3.0, 1.0, 2.0]), torch.tensor([2.0, 4.0, 2.0])):
        for _ in range(2):
            call_replicas(net, torch.randn(4, 2, generator=torch.Generator().manual_seed(len(kept))))
        best.update(net, losses)
        kept.append({name: value.clone() for name, value in net.state_dict().items()})
    best.restore(net)
    for name, value in net.state_dict().items():
        first, second = (state[name] for state in kept)
        assert torch.equal(value, torch.stack([second[0], first[1], first[2]])), name
    assert net[1].num_batches_tracked.tolist() == [4, 2, 2]


def test_what_an_earlier_version_did_not_keep_is_what_the_checkpoint_has_of_its_last_epoch() -> None:
    net, best = normalised(), BestReplicas(normalised(), 3)
    state = {f"net.{name}": value + 1 for name, value in net.state_dict().items()}
    weights_alone = {**state, "best.lowest": torch.zeros(3), "best.0_weight": torch.zeros(3, 2, 2)}
    best.fill_in(weights_alone, "best.", "net.")
    best.fill_in(state, "best.", "net.")
    assert bool((state["best.lowest"] == torch.inf).all()) and not weights_alone["best.lowest"].any()
    for saved in (state, weights_alone):
        best.load_state_dict({name[5:]: value for name, value in saved.items() if name.startswith("best.")})
        assert torch.equal(best.get_buffer("1_running_var"), saved["net.1.running_var"])
    assert not best.get_buffer("0_weight").any()
