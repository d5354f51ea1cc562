"""A single head is the formula, equals a multi-head layer of one head, and drops weights in training alone."""

import pytest
import torch

from nets import MultiHeadAttention, SingleHeadAttention


def head_and_input(**options: float) -> tuple[SingleHeadAttention, torch.Tensor]:
    torch.manual_seed(0)
    return SingleHeadAttention(6, 4, **options).double(), torch.randn(2, 5, 6, dtype=torch.float64)


def test_it_is_the_formula():
    head, x = head_and_input()
    q, k, v = (x @ linear.weight.T for linear in (head.query, head.key, head.value))
    weights = (q @ k.mT / 4**0.5).softmax(dim=-1)
    output, found = head(x, return_weights=True)
    torch.testing.assert_close((output, found, head(x)), (weights @ v, weights, weights @ v))


def test_it_is_a_multi_head_layer_of_one_head_before_its_projection():
    head, x = head_and_input()
    layer = MultiHeadAttention(6, num_heads=1, head_dim=4).double()
    layer.qkv.weight.data = torch.cat([head.query.weight, head.key.weight, head.value.weight])
    torch.testing.assert_close(layer(x), layer.out(head(x)))


def test_a_masked_token_is_not_attended_to():
    head, x = head_and_input()
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    output, weights = head(x, mask, return_weights=True)
    assert (weights.triu(1) == 0).all()
    torch.testing.assert_close(head(x[:, :3], mask[:3, :3]), output[:, :3])


def test_weights_are_dropped_in_training_alone():
    head, x = head_and_input(dropout=0.5)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"embed_dim": 0}, "embed_dim and head_dim must be at least 1, but they are 0 and 0"),
        ({"embed_dim": 4, "head_dim": 0}, "they are 4 and 0"),
        ({"embed_dim": 4, "dropout": 1.0}, r"dropout must be in \[0, 1\), but it is 1.0"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SingleHeadAttention(**arguments)
