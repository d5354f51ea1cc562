"""Corruptions of an autoencoder's input, active in training only."""

import torch
from torch import Tensor, nn


class GaussianNoise(nn.Module):
    """Adds Gaussian noise in training; the identity in evaluation.

    "Extracting and Composing Robust Features with Denoising Autoencoders" (Vincent et al., 2008),
    https://doi.org/10.1145/1390156.1390294. x + σε, ε ~ N(0, 1) in each entry.

    Args:
        std: standard deviation σ of the noise, in the unit of the inputs, ≥ 0.

    Shapes:
        any -> the same

    Raises:
        ValueError: when ``std`` is negative or no number.

    Example:
        >>> GaussianNoise(std=0.5)(torch.zeros(3, 4)).shape
        torch.Size([3, 4])
    """

    def __init__(self, std: float) -> None:
        super().__init__()
        if not 0 <= std < float("inf"):
            raise ValueError(f"std must be a finite number ≥ 0, but it is {std}.")
        self.std = std

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.std * torch.randn_like(inputs) if self.training else inputs


class RandomMask(nn.Module):
    """Sets entries to zero in training; the identity in evaluation.

    "Extracting and Composing Robust Features with Denoising Autoencoders" (Vincent et al., 2008),
    https://doi.org/10.1145/1390156.1390294. Each entry is lost independently with the probability p. What is kept is
    not scaled up, unlike in dropout: a network that fills gaps sees the true values around them.

    Args:
        prob: probability p with which an entry is lost, in [0, 1].

    Shapes:
        any -> the same

    Raises:
        ValueError: when ``prob`` is outside [0, 1].

    Example:
        >>> RandomMask(prob=1.0)(torch.ones(2, 3))
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """

    def __init__(self, prob: float) -> None:
        super().__init__()
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must be a probability in [0, 1], but it is {prob}.")
        self.prob = prob

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        return inputs * (torch.rand_like(inputs) >= self.prob)
