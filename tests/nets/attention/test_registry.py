"""The five named attentions: one word apart, alike in what they take and give, and what each refuses."""

import math
from typing import Any

import pytest
import torch
from naive_attention import LargestTensor, naive_attention, naive_average, random_inputs, value_and_gradients
from torch import Tensor, nn
from torch.testing import assert_close

from nets import MultiHeadAttention, VisionTransformer, softmax_attention
from nets.attention.registry import NAMED, named_attention

NAMES = ["softmax", "elu", "quadratic", "performer", "linformer"]
UNMASKED = "linformer"
LENGTHS = [1, 4, 5, 12, 13, 30]  # heads of width 5: beyond 12.5 tokens the quadratic kernel goes by its features


def multi_head(name: str, num_tokens: int, seed: int = 0, **options: Any) -> MultiHeadAttention:
    torch.manual_seed(seed)
    return MultiHeadAttention(10, 2, attention=name, attention_options=options, num_tokens=num_tokens).double()


def random_tokens(length: int) -> Tensor:
    return torch.randn(3, length, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(length))


def naive_named(attention: nn.Module, name: str, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """The formula of each, all pairs of tokens written out."""
    if name == "softmax":
        return naive_attention(q, k, v, mask)[0]
    if name == "linformer":
        return naive_attention(q, attention.c @ k, attention.d @ v)[0]
    if name == "quadratic":
        return naive_average((torch.einsum("...nd,...sd->...ns", q, k) + 1) ** 2, v, mask)[0]
    of_elu = {"elu": lambda x: torch.where(x > 0, x + 1, x.exp())}
    features = of_elu.get(name, attention.feature_map if name == "performer" else None)
    return naive_average(torch.einsum("...nc,...sc->...ns", features(q), features(k)), v, mask)[0]


def test_there_are_five_names() -> None:
    assert list(NAMED) == NAMES


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_its_formula_in_value_and_gradients_by_both_paths(name: str, length: int) -> None:
    torch.manual_seed(0)
    attention = named_attention(name, 5, length, {}).double()
    inputs = random_inputs(2, 3, queries=length, keys=length, width=5)
    leaves = [*inputs, *attention.parameters()]
    expected = value_and_gradients(naive_named(attention, name, *inputs, None), leaves)
    assert_close(value_and_gradients(attention(*inputs), leaves), expected)
    assert_close(value_and_gradients(attention(*inputs, return_weights=True)[0], leaves), expected)


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("length", [5, 30])
@pytest.mark.parametrize("name", [name for name in NAMES if name != UNMASKED])
def test_masks_hide_keys_and_a_query_without_any_gives_zeros(name: str, length: int, return_weights: bool) -> None:
    torch.manual_seed(0)
    attention = named_attention(name, 5, length, {}).double()
    inputs = random_inputs(2, 3, queries=length, keys=length, width=5)
    mask = torch.rand(2, 1, length, length) < 0.6
    mask[0, 0, 2] = False
    expected = naive_named(attention, name, *inputs, mask)
    output = attention(*inputs, mask=mask, return_weights=return_weights)
    if return_weights:
        output, weights = output
        assert (weights.masked_select(~mask) == 0).all()
    assert (output[0, :, 2] == 0).all()
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_the_layer_give_its_output(name: str, length: int) -> None:
    layer, x = multi_head(name, length), random_tokens(length)
    output, weights = layer(x, return_weights=True)
    assert weights.shape == (3, 2, length, length)
    v = layer.project(x)[2]
    assert_close(layer.out((weights @ v).transpose(1, 2).flatten(2)), output)
    assert_close(output, layer(x))
    if name != "linformer":  # its weights are those of a few rows, times the projection d
        assert (weights >= 0).all()
        assert_close(weights.sum(dim=-1), torch.ones(3, 2, length, dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name in NAMES if name != UNMASKED])
def test_a_causal_mask_of_the_layer_hides_later_tokens(name: str) -> None:
    layer, x = multi_head(name, 9), random_tokens(9)
    causal = torch.ones(9, 9).tril().bool()
    changed = x.index_fill(1, torch.arange(6, 9), 1.0)
    assert_close(layer(x, causal)[:, :6], layer(changed, causal)[:, :6], rtol=0, atol=1e-12)
    assert (layer(x) - layer(changed))[:, :6].abs().max() > 1e-4


@pytest.mark.parametrize("name", ["elu", "quadratic", "performer", "linformer"])
def test_long_sequences_need_no_matrix_of_all_pairs(name: str) -> None:
    torch.manual_seed(0)
    attention = named_attention(name, 4, 200, {"rank": 8} if name == "linformer" else {})
    with LargestTensor() as largest:
        attention.double()(*random_inputs(queries=200, keys=200)).sum().backward()
    assert largest.numel <= 200 * 15  # the quadratic features


def test_short_sequences_need_no_quadratic_features() -> None:
    with LargestTensor() as largest:
        named_attention("quadratic", 5, None, {})(*random_inputs(queries=12, keys=12, width=5)).sum().backward()
    assert largest.numel == 12 * 12


@pytest.mark.parametrize("name", NAMES)
def test_the_first_queries_alone_attend_as_among_all(name: str) -> None:
    layer, x = multi_head(name, 30), random_tokens(30)
    assert_close(layer(x, num_queries=2), layer(x)[:, :2])


@pytest.mark.parametrize("name", ["softmax", "linformer"])
def test_dropout_acts_on_weights_in_training_alone(name: str) -> None:
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(10, 2, dropout=0.5, attention=name, num_tokens=30).double(), random_tokens(30)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("name", ["softmax", "performer", "linformer"])
def test_scale_replaces_the_square_root(name: str) -> None:
    rank = {"rank": 3} if name == "linformer" else {}
    torch.manual_seed(0)
    default = named_attention(name, 4, 7, rank).double()
    torch.manual_seed(0)
    halved = named_attention(name, 4, 7, {"scale": 0.25, **rank}).double()  # 1/√4 is 0.5
    q, k, v = random_inputs(2, queries=7)
    assert (halved(q, k, v) - default(q, k, v)).abs().max() > 1e-3
    both = (q / math.sqrt(2), k / math.sqrt(2), v)
    assert_close(halved(q, k, v), default(*both))
    assert_close(halved(q, k, v, return_weights=True)[1], default(*both, return_weights=True)[1])


def test_performers_differ_between_layers_and_are_reproducible() -> None:
    torch.manual_seed(3)
    first, second = (MultiHeadAttention(10, 2, attention="performer").attention.feature_map for _ in range(2))
    torch.manual_seed(3)
    again = MultiHeadAttention(10, 2, attention="performer").attention.feature_map
    assert torch.equal(first.directions, again.directions)
    assert (first.directions != second.directions).all()


def test_sizes_of_performer_and_linformer() -> None:
    assert named_attention("performer", 5, None, {}).feature_map.directions.shape == (10, 5)
    assert named_attention("performer", 5, None, {"num_features": 7}).feature_map.directions.shape == (7, 5)
    for num_tokens, rank in ((17, 4), (3, 2), (1, 1)):
        linformer = named_attention("linformer", 5, num_tokens, {})
        assert linformer.c.shape == linformer.d.shape == (rank, num_tokens)
    assert named_attention("linformer", 5, 17, {"rank": 17}).c.shape == (17, 17)


@pytest.mark.parametrize("name", ["performer", "linformer"])
def test_what_was_drawn_is_part_of_the_state(name: str) -> None:
    first, second, x = multi_head(name, 9, seed=1), multi_head(name, 9, seed=2), random_tokens(9)
    assert not torch.allclose(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "cosine"}, 'one of softmax, elu, .* path of a function such as .*, but it is "cosine"'),
        ({"attention": "nets.cosine"}, 'one of softmax, elu, quadratic, .*, but it is "nets.cosine"'),
        ({"attention": "no_such.module"}, 'one of softmax, elu, quadratic, .*, but it is "no_such.module"'),
        (
            {"attention": "nets.softmax_attention", "attention_options": {"scale": 1.0}},
            'attention_options belong to softmax, .*, but attention is "nets.softmax_attention"',
        ),
        ({"attention": "elu", "attention_options": {"scale": 1.0}}, '"elu" may have no key, but has "scale"'),
        ({"attention": "softmax", "attention_options": {"rank": 2}}, '"softmax" may have scale, but has "rank"'),
        ({"attention": "performer", "attention_options": {"dim": 2}}, 'may have num_features, scale, but has "dim"'),
        ({"attention": "performer", "attention_options": {"num_features": 0}}, "at least 1, but they are 4 and 0"),
        ({"attention": "performer", "attention_options": {"scale": -1.0}}, "scale must be a positive number, .* -1.0"),
        ({"attention": "softmax", "attention_options": {"scale": "1"}}, "scale must be a positive number, .* '1'"),
        (
            {"attention": "softmax", "attention_options": {"scale": float("inf")}},
            "scale must be a positive number, .* inf",
        ),
        (
            {"attention": "linformer", "num_tokens": 9, "attention_options": {"rank": 2.5}},
            "rank must be a whole number in 1 … 9, .* 2.5",
        ),
        ({"attention": "linformer", "attention_options": {"num_tokens": 2}}, 'rank, scale, but has "num_tokens"'),
        ({"attention": "linformer"}, '"linformer" needs num_tokens, the length of the sequence'),
        (
            {"attention": "linformer", "num_tokens": 9, "attention_options": {"rank": 10}},
            "rank must be a whole number in 1 … 9, .* 10",
        ),
        (
            {"attention": "linformer", "num_tokens": 9, "attention_options": {"rank": 0}},
            "rank must be a whole number in 1 … 9, .* 0",
        ),
    ],
)
def test_names_and_options_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(8, 2, **arguments)


def test_a_path_to_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match=r"math.pi"):
        MultiHeadAttention(8, 2, attention="math.pi")


def test_a_path_imports_its_function() -> None:
    assert MultiHeadAttention(8, 2, attention="nets.softmax_attention").attention is softmax_attention


def test_linformer_refuses_a_mask_and_another_length() -> None:
    layer = multi_head("linformer", 9)
    with pytest.raises(ValueError, match=r"linformer.* cannot take a mask"):
        layer(random_tokens(9), torch.ones(9, 9).bool())
    with pytest.raises(ValueError, match="num_tokens is 9, but the sequence has 8 tokens"):
        layer(random_tokens(8))


def test_a_hidden_key_beside_which_the_others_of_a_performer_vanish_is_told() -> None:
    attention = named_attention("performer", 4, None, {}).double()
    q, k, v = random_inputs(queries=3, keys=3)
    k = torch.cat([40 * k[:2], torch.zeros_like(k[2:])])
    with pytest.raises(ValueError, match=r"for 3 of 3 queries the similarities .* sum up to 0"):
        attention(q, k, v, mask=torch.tensor([True, True, False]))


@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("name", NAMES)
def test_a_vision_transformer_learns_with_each_by_one_word(name: str, pool: str) -> None:
    torch.manual_seed(0)
    net = VisionTransformer(12, 4, 1, 3, embed_dim=8, depth=2, num_heads=2, head_dim=4, pool=pool, attention=name)
    images, labels = torch.rand(6, 1, 12, 12).double(), torch.arange(6) % 3
    loss = nn.functional.cross_entropy(net.double()(images), labels)
    loss.backward()
    gradients = [parameter.grad for parameter in net.parameters()]
    assert all((gradient != 0).any() for gradient in gradients)
    torch.optim.SGD(net.parameters(), lr=1e-5).step()
    fall = loss - nn.functional.cross_entropy(net(images), labels)
    assert_close(fall, 1e-5 * sum(gradient.square().sum() for gradient in gradients), rtol=1e-3, atol=0)
    logits, weights = net(images, return_weights=True)
    assert_close(logits, net(images))
    tokens = 10 if pool == "cls" else 9
    assert [layer.shape for layer in weights] == [(6, 2, tokens, tokens)] * 2
