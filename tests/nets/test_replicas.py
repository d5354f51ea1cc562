"""Stacked replicas against the same networks built and called one by one."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import (
    Autoencoder,
    TiedAutoencoder,
    call_replicas,
    clip_replicas,
    is_replica_metric,
    replica_metrics,
    stack_replicas,
    take_replica,
)

SEED, REPLICAS = 7, 3
BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: Autoencoder(5, [2]),
    "relu": lambda: Autoencoder(5, [7, 2]),
    "without biases": lambda: Autoencoder(5, [7, 2], nn.Tanh, bias=False),
    "tied": lambda: TiedAutoencoder(5, 2),
    "with buffers": lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 5)),
}


@pytest.fixture(params=BUILDERS.values(), ids=BUILDERS)
def build(request: pytest.FixtureRequest) -> Callable[[], nn.Module]:
    return request.param


def alone(build: Callable[[], nn.Module]) -> list[nn.Module]:
    """The networks that separate runs would build, each right after its seed."""
    nets = []
    with torch.random.fork_rng():
        for number in range(REPLICAS):
            torch.manual_seed(SEED + number)
            nets.append(build().double())
    return nets


def stacked(build: Callable[[], nn.Module]) -> nn.Module:
    return stack_replicas(build(), REPLICAS, SEED).double()


def batch(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_replica_r_starts_as_a_network_built_after_seed_plus_r(build: Callable) -> None:
    state, twins = stacked(build).state_dict(), alone(build)
    assert list(state) == list(twins[0].state_dict())
    for name, values in state.items():
        assert values.shape == (REPLICAS, *twins[0].state_dict()[name].shape)
        for value, twin in zip(values, twins, strict=True):
            assert torch.equal(value, twin.state_dict()[name]), name
    weight = next(value for name, value in state.items() if name.endswith("weight"))
    assert not torch.equal(weight[0], weight[1]) and not torch.equal(weight[1], weight[2])


@pytest.mark.parametrize("shared", [True, False], ids=["one batch", "a batch each"])
def test_a_call_gives_the_values_gradients_and_buffers_of_separate_calls(build: Callable, shared: bool) -> None:
    net, twins = stacked(build), alone(build)
    inputs = batch(6, 5) if shared else batch(REPLICAS, 6, 5)
    first, second = (inputs.clone().requires_grad_() for _ in range(2))
    output = call_replicas(net, first)
    expected = torch.stack([twin(second if shared else second[r]) for r, twin in enumerate(twins)])
    assert output.shape == (REPLICAS, 6, 5)
    assert_close(output, expected)
    weights = batch(REPLICAS, 6, 5) + 1
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(first.grad, second.grad)
    for name, parameter in net.named_parameters():
        grads = torch.stack([twin.get_parameter(name).grad for twin in twins])
        assert_close(parameter.grad, grads)
        assert grads.flatten(1).abs().amax(1).min() > 0 or name == "0.bias"  # normalising a batch undoes that bias
    for name, values in net.named_buffers():
        assert_close(values, torch.stack([twin.get_buffer(name) for twin in twins]))


def test_buffers_are_read_by_their_own_replica_in_evaluation() -> None:
    build = BUILDERS["with buffers"]
    net, twins = stacked(build), alone(build)
    for _ in range(2):
        call_replicas(net, batch(6, 5))
        for twin in twins:
            twin(batch(6, 5))
    assert net[1].num_batches_tracked.tolist() == [2] * REPLICAS
    expected = torch.stack([twin.eval()(batch(6, 5)) for twin in twins])
    assert_close(call_replicas(net.eval(), batch(6, 5)), expected)
    assert_close(take_replica(net, 2)(batch(6, 5)), expected[2])


def test_steps_of_an_optimizer_are_those_of_separate_runs(build: Callable) -> None:
    net, twins = stacked(build), alone(build)
    for task in (net, *twins):
        optimizer = torch.optim.Adam(task.parameters(), lr=0.01)
        for step in range(5):
            optimizer.zero_grad()
            inputs = batch(6, 5) + step
            output = call_replicas(net, inputs) if task is net else task(inputs)
            (output - inputs).square().sum().backward()
            optimizer.step()
    for name, values in net.named_parameters():
        expected = torch.stack([twin.get_parameter(name) for twin in twins])
        # The true gradient of a bias before a normalisation is 0, and Adam makes steps of its rounding errors.
        if name != "0.bias":
            assert_close(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("index", range(REPLICAS))
def test_a_replica_taken_out_is_a_plain_network_that_computes_the_same(build: Callable, index: int) -> None:
    net = stacked(build).eval()
    taken = take_replica(net, index)
    assert type(taken) is type(build())
    assert {name: value.shape for name, value in taken.state_dict().items()} == {
        name: value.shape for name, value in build().state_dict().items()
    }
    assert_close(taken(batch(6, 5)), call_replicas(net, batch(6, 5))[index])


def test_a_replica_taken_out_shares_its_weights_and_buffers_with_the_stack() -> None:
    net = stacked(BUILDERS["with buffers"])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    taken = take_replica(net, 1)
    for value in taken.state_dict().values():
        value.add_(1)
    for name, value in net.state_dict().items():
        assert torch.equal(value[1], before[name][1] + 1), name
        assert torch.equal(value[::2], before[name][::2]), name
    with torch.no_grad():
        net[0].weight.zero_()
    assert not taken[0].weight.any()
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in taken.parameters())


def test_stacking_leaves_the_network_and_the_global_random_numbers_alone(build: Callable) -> None:
    net = build()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random_state = torch.get_rng_state()
    stack = stack_replicas(net, REPLICAS, SEED)
    assert torch.equal(torch.get_rng_state(), random_state)
    with torch.no_grad():
        for value in stack.state_dict().values():
            value.add_(1)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_replicas_do_not_depend_on_the_weights_that_were_copied() -> None:
    torch.manual_seed(1)
    first = stack_replicas(TiedAutoencoder(5, 2), 2, SEED)
    second = stack_replicas(TiedAutoencoder(5, 2), 2, SEED)
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(stack_replicas(TiedAutoencoder(5, 2), 1, SEED + 1).weight[0], first.weight[1])


def test_parameters_of_the_stack_can_be_trained_and_keep_the_mode() -> None:
    net = stack_replicas(Autoencoder(5, [7, 2]).eval(), REPLICAS, SEED)
    assert not net.training
    parameters = list(net.parameters())
    assert len(parameters) == 8 and all(isinstance(parameter, nn.Parameter) for parameter in parameters)
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in parameters)


@pytest.mark.parametrize("num_replicas", [0, -1])
def test_fewer_than_one_replica_is_refused(num_replicas: int) -> None:
    with pytest.raises(ValueError, match=f"num_replicas must be at least 1, but it is {num_replicas}"):
        stack_replicas(Autoencoder(5, [2]), num_replicas, SEED)


def test_a_module_that_cannot_be_initialised_anew_is_refused_by_its_name() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

    with pytest.raises(ValueError, match="replicas need reset_parameters in every module, but Scale has none"):
        stack_replicas(nn.Sequential(nn.Linear(3, 3), Scale()), 2, SEED)


def test_metrics_are_the_mean_the_spread_of_the_sample_and_each_replica() -> None:
    metrics = replica_metrics("val/loss", torch.tensor([1.0, 2.0, 6.0]))
    assert {name: float(value) for name, value in metrics.items()} == {
        "val/loss": 3.0,
        "val/loss_std": pytest.approx(math.sqrt((4 + 1 + 9) / 2)),
        "val/loss_replica_0": 1.0,
        "val/loss_replica_1": 2.0,
        "val/loss_replica_2": 6.0,
    }


def test_a_metric_of_one_replica_is_told_from_those_of_all() -> None:
    metrics = replica_metrics("val/loss", torch.tensor([1.0, 2.0, 6.0]))
    of_one = ["val/loss_replica_0", "val/loss_replica_1", "val/loss_replica_2"]
    assert [name for name in metrics if is_replica_metric(name)] == of_one
    assert [name for name in metrics if not is_replica_metric(name)] == ["val/loss", "val/loss_std"]


def test_the_metric_of_one_replica_stands_alone() -> None:
    metrics = replica_metrics("val/loss", torch.tensor([4.0]))
    assert {name: value.tolist() for name, value in metrics.items()} == {"val/loss": 4.0}


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 1e6])
def test_gradients_are_clipped_by_the_norm_of_each_replica_as_torch_clips_one(build: Callable, max_norm: float) -> None:
    net, twins = stacked(build), alone(build)
    scales = torch.tensor([0.01, 1.0, math.nan], dtype=torch.float64)  # one within, one beyond, one that is no number
    for number, twin in enumerate(twins):
        (twin(batch(6, 5)).square().sum() * scales[number]).backward()
    for name, parameter in net.named_parameters():
        parameter.grad = torch.stack([twin.get_parameter(name).grad for twin in twins])
    clip_replicas(net, max_norm)
    for twin in twins:
        nn.utils.clip_grad_norm_(twin.parameters(), max_norm)
    for name, parameter in net.named_parameters():
        expected = torch.stack([twin.get_parameter(name).grad for twin in twins])
        assert_close(parameter.grad, expected, rtol=0, atol=1e-12, equal_nan=True)


def test_parameters_without_gradients_are_left_out_of_the_norm() -> None:
    net = stacked(BUILDERS["linear"])
    clip_replicas(net, 1.0)
    assert all(parameter.grad is None for parameter in net.parameters())
    first, *others = net.parameters()
    first.grad = torch.full_like(first, 3.0)
    clip_replicas(net, 1.0)
    assert_close(first.grad.flatten(1).norm(dim=1), torch.ones(len(first), dtype=first.dtype), rtol=0, atol=1e-6)
    assert all(parameter.grad is None for parameter in others)


def test_a_cumulative_average_which_vmap_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="replicas need a number as the momentum of BatchNorm1d, but it is None"):
        stack_replicas(nn.BatchNorm1d(4, momentum=None), 2, SEED)
    stack_replicas(nn.BatchNorm1d(4, momentum=None, track_running_stats=False), 2, SEED)
