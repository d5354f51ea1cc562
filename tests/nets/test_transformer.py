"""The encoder layer against torch's own, with the same weights."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nets import TransformerEncoderLayer


def torch_layer(ours: TransformerEncoderLayer, embed_dim: int, num_heads: int, mlp_dim: int) -> nn.Module:
    """torch's pre-norm layer with the weights of ours, which has no bias in its attention."""
    theirs = nn.TransformerEncoderLayer(
        embed_dim, num_heads, mlp_dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    theirs.self_attn.in_proj_weight.data = ours.attention.qkv.weight.data
    theirs.self_attn.out_proj.weight.data = ours.attention.out.weight.data
    nn.init.zeros_(theirs.self_attn.in_proj_bias)
    nn.init.zeros_(theirs.self_attn.out_proj.bias)
    for mine, other in (
        (ours.attention_norm, theirs.norm1),
        (ours.mlp_norm, theirs.norm2),
        (ours.mlp[0], theirs.linear1),
        (ours.mlp[3], theirs.linear2),
    ):
        other.load_state_dict(mine.state_dict())
    return theirs


def randomized_layer(**arguments: float) -> TransformerEncoderLayer:
    """A layer whose norms are not the identity, so that a mixed-up norm shows."""
    torch.manual_seed(0)
    layer = TransformerEncoderLayer(**arguments)
    for norm in (layer.attention_norm, layer.mlp_norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return layer


@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_pre_norm_layer_of_torch_in_value_and_gradients(masked: bool) -> None:
    ours = randomized_layer(embed_dim=12, num_heads=3, mlp_dim=20).double()
    theirs = torch_layer(ours, 12, 3, 20)
    x = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(5, 5).tril().bool() if masked else None
    output, expected = ours(x, mask), theirs(x, src_mask=None if mask is None else ~mask)
    assert_close(output, expected)
    direction = torch.randn_like(output)
    pairs = [
        (ours.attention.qkv.weight, theirs.self_attn.in_proj_weight),
        (ours.attention.out.weight, theirs.self_attn.out_proj.weight),
        (ours.attention_norm.weight, theirs.norm1.weight),
        (ours.mlp_norm.bias, theirs.norm2.bias),
        (ours.mlp[0].weight, theirs.linear1.weight),
        (ours.mlp[3].bias, theirs.linear2.bias),
    ]
    mine = torch.autograd.grad((output * direction).sum(), [x, *(pair[0] for pair in pairs)])
    other = torch.autograd.grad((expected * direction).sum(), [x, *(pair[1] for pair in pairs)])
    assert_close(mine, other)


def test_fused_path_equals_the_path_of_the_weights_in_float32() -> None:
    layer = randomized_layer(embed_dim=16, num_heads=4, head_dim=6, mlp_dim=24)
    x = torch.randn(3, 9, 16)
    output, weights = layer(x, return_weights=True)
    assert weights.shape == (3, 4, 9, 9)
    assert_close(weights.sum(dim=-1), torch.ones(3, 4, 9))
    assert_close(layer(x), output, atol=1e-5, rtol=1e-5)


def test_defaults_are_an_even_share_a_head_and_four_times_the_width() -> None:
    layer = TransformerEncoderLayer(embed_dim=12, num_heads=3)
    assert layer.attention.head_dim == 4
    assert layer.mlp[0].out_features == 48


def test_dropout_is_inside_and_after_the_perceptron_and_after_attention() -> None:
    layer = TransformerEncoderLayer(embed_dim=8, num_heads=2, dropout=0.25)
    assert [module.p for module in layer.modules() if isinstance(module, nn.Dropout)] == [0.25] * 3
    assert layer.attention.dropout == 0.25
    assert [type(module) for module in layer.mlp] == [nn.Linear, nn.GELU, nn.Dropout, nn.Linear, nn.Dropout]
    torch.manual_seed(0)
    x = torch.randn(2, 5, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_causal_mask_hides_later_tokens() -> None:
    layer = randomized_layer(embed_dim=8, num_heads=2)
    x = torch.randn(1, 6, 8)
    later = x.clone()
    later[:, 4:] = torch.randn(1, 2, 8)
    causal = torch.ones(6, 6).tril().bool()
    assert_close(layer(x, causal)[:, :4], layer(later, causal)[:, :4])
    assert (layer(x) - layer(later))[:, :4].abs().max() > 1e-3


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="num_heads=3 does not divide embed_dim=8"):
        TransformerEncoderLayer(embed_dim=8, num_heads=3)


def test_the_first_queries_alone_are_encoded_as_among_all() -> None:
    torch.manual_seed(0)
    layer = TransformerEncoderLayer(8, 2, mlp_dim=16).double()
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    (alone,) = torch.autograd.grad(layer(x, num_queries=2).square().sum(), x)
    (among_all,) = torch.autograd.grad(layer(x)[:, :2].square().sum(), x)
    assert torch.allclose(layer(x, num_queries=2), layer(x)[:, :2], rtol=0, atol=1e-12)
    assert torch.allclose(alone, among_all, rtol=0, atol=1e-12)
