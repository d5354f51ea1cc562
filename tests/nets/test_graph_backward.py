"""The hand-written backward pass of a graph convolution against finite differences and against autograd."""

import pytest
import torch
from torch import Tensor

from nets import graph_convolution


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def test_its_gradient_is_that_of_finite_differences():
    """On a graph with directions, where Sᵀ is not S."""
    x, weight = randn(5, 4).requires_grad_(), randn(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, weight: graph_convolution(x, randn(5, 5), weight), (x, weight))


def test_outputs_and_gradients_are_autograds():
    x, weight, adjacency, target = randn(6, 4).requires_grad_(), randn(4, 2).requires_grad_(), randn(6, 6), randn(6, 2)
    by_hand, by_autograd = graph_convolution(x, adjacency, weight), torch.tanh(adjacency @ x @ weight)
    torch.testing.assert_close(by_hand, by_autograd)
    found, expected = (
        torch.autograd.grad((out - target).square().sum(), (x, weight)) for out in (by_hand, by_autograd)
    )
    torch.testing.assert_close(found, expected)


def test_with_weight_decay_the_gradient_has_its_term():
    x, weight, adjacency = randn(5, 4), randn(4, 3).requires_grad_(), randn(5, 5)
    plain = torch.autograd.grad(graph_convolution(x, adjacency, weight).sum(), weight)[0]
    loss = graph_convolution(x, adjacency, weight).sum() + 0.3 / 2 * weight.square().sum()
    torch.testing.assert_close(torch.autograd.grad(loss, weight)[0], plain + 0.3 * weight)


@pytest.mark.parametrize("shapes", [((5, 4), (4, 4), (4, 3)), ((5, 4), (5, 5), (3, 3)), ((5,), (5, 5), (5, 3))])
def test_matrices_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match=r"must be \(N, I\), \(N, N\) and \(I, D\), but their shapes are"):
        graph_convolution(*map(torch.ones, shapes))
