"""The entropy of graph attention: nodes, means by degree, and the entropy of uniform attention."""

import pytest
import torch
from torch.testing import assert_close

from figures import draw_attention_entropy

DEGREES = torch.tensor([5, 2, 2, 3, 4, 2, 1])


@pytest.mark.parametrize("heads", [1, 12])
def test_the_drawing_of_the_entropy_has_nodes_their_means_by_degree_and_the_bound(heads: int) -> None:
    generator = torch.Generator().manual_seed(0)
    entropy = DEGREES.double().log()[:, None] * torch.rand(7, heads, generator=generator).double()
    averages = torch.linspace(0.1, 0.9, heads)
    left, right = draw_attention_entropy(entropy, DEGREES, averages).axes
    assert left.get_xscale() == right.get_xscale() == "log"
    assert len(left.collections) == heads and len(left.lines) == len(right.lines) == heads + 1
    *means, bound = [torch.as_tensor(line.get_ydata()) for line in left.lines]
    distinct = torch.arange(1, 6)
    assert_close(bound, distinct.double().log())
    for head in range(heads):
        shown = torch.as_tensor(left.collections[head].get_offsets().data)
        assert_close(shown[:, 1], entropy[:, head])
        assert (shown[:, 0] / DEGREES - 1).abs().max() < 0.04  # the heads lie side by side
        expected = torch.stack([entropy[degree == DEGREES, head].mean() for degree in distinct])
        assert_close(means[head], expected)
        shares = expected[1:] / distinct[1:].double().log()
        assert_close(torch.as_tensor(right.lines[head].get_ydata()), shares)
        name = f"head {head + 1}: {averages[head]:.2%} on average"
        assert right.get_legend().get_texts()[head].get_text() == name
        assert right.get_ylim()[0] < shares.min()
