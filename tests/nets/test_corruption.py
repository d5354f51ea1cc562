"""Corruptions: nothing in evaluation, the right spread and share in training, no other change."""

import math

import pytest
import torch
from torch import nn

from nets import GaussianNoise, RandomMask

SIZE = 200_000


@pytest.fixture(autouse=True)
def same_numbers_each_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("corruption", [GaussianNoise(0.5), RandomMask(0.5), RandomMask(1.0)])
def test_evaluation_leaves_the_inputs_alone_and_draws_nothing(corruption: nn.Module) -> None:
    inputs, before = torch.randn(20, 3), torch.get_rng_state()
    assert torch.equal(corruption.eval()(inputs), inputs)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(corruption.train()(inputs), inputs)


@pytest.mark.parametrize("corruption", [GaussianNoise(0.5), RandomMask(0.5)])
def test_the_clean_inputs_are_not_written_to_and_each_call_draws_anew(corruption: nn.Module) -> None:
    inputs = torch.randn(20, 3, dtype=torch.float64)
    before = inputs.clone()
    first, second = corruption(inputs), corruption(inputs)
    assert torch.equal(inputs, before)
    assert not torch.equal(first, second)
    assert first.shape == inputs.shape and first.dtype == torch.float64


@pytest.mark.parametrize("std", [0.01, 0.5, 3.0])
def test_noise_is_normal_with_the_standard_deviation_asked_for(std: float) -> None:
    inputs = 10 * torch.randn(SIZE, dtype=torch.float64)
    noise = (GaussianNoise(std)(inputs) - inputs) / std
    assert abs(noise.mean().item()) < 5 / math.sqrt(SIZE)
    assert noise.std().item() == pytest.approx(1, abs=5 / math.sqrt(2 * SIZE))
    # The fourth moment of a normal variable is 3, with the variance E z⁸ − 9 = 96.
    assert noise.pow(4).mean().item() == pytest.approx(3, abs=5 * math.sqrt(96 / SIZE))
    # It knows nothing of the inputs, and neighbours know nothing of one another.
    assert abs((noise * inputs / 10).mean().item()) < 5 / math.sqrt(SIZE)
    assert abs((noise[1:] * noise[:-1]).mean().item()) < 5 / math.sqrt(SIZE)


def test_noise_without_spread_is_none() -> None:
    inputs = torch.randn(50)
    assert torch.equal(GaussianNoise(0.0)(inputs), inputs)


@pytest.mark.parametrize("prob", [0.1, 0.25, 0.9])
def test_the_share_asked_for_is_lost_and_the_rest_is_not_scaled(prob: float) -> None:
    inputs = torch.randn(SIZE // 20, 20, dtype=torch.float64)
    masked = RandomMask(prob)(inputs)
    lost = masked == 0
    assert torch.equal(masked[~lost], inputs[~lost])
    assert lost.double().mean().item() == pytest.approx(prob, abs=5 * math.sqrt(prob * (1 - prob) / SIZE))
    # Entries are lost one by one: neighbours in a row, or in a column, both with p². Two pairs may share an entry.
    variance = prob**2 * (1 - prob**2) + 2 * prob**3 * (1 - prob)
    for both in (lost[:, 1:] & lost[:, :-1], lost[1:] & lost[:-1]):
        assert both.double().mean().item() == pytest.approx(prob**2, abs=5 * math.sqrt(variance / both.numel()))


def test_a_mask_of_probability_zero_keeps_all_and_one_of_probability_one_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = torch.randn(1000) + 10
    assert torch.equal(RandomMask(0.0)(inputs), inputs)
    assert torch.equal(RandomMask(1.0)(inputs), torch.zeros(1000))
    monkeypatch.setattr(torch, "rand_like", torch.zeros_like)  # the smallest number that is ever drawn
    assert torch.equal(RandomMask(0.0)(inputs), inputs)


@pytest.mark.parametrize("std", [-0.1, math.nan, math.inf, -math.inf])
def test_noise_that_is_none_is_refused(std: float) -> None:
    with pytest.raises(ValueError, match=f"std must be a finite number ≥ 0, but it is {std}"):
        GaussianNoise(std)


@pytest.mark.parametrize("prob", [-0.01, 1.01, math.nan, math.inf])
def test_a_mask_outside_the_probabilities_is_refused(prob: float) -> None:
    with pytest.raises(ValueError, match=rf"prob must be a probability in \[0, 1\], but it is {prob}"):
        RandomMask(prob)
