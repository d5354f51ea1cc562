"""The vision transformer: a twin with a convolution, the handout's size, and what the order of patches means."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from nets import VisionTransformer

SMALL = {
    "image_size": 12,
    "patch_size": 4,
    "in_channels": 2,
    "num_classes": 5,
    "embed_dim": 12,
    "depth": 3,
    "num_heads": 2,
    "head_dim": 5,
    "mlp_dim": 16,
}


def small_vit(**changes: object) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(**{**SMALL, **changes})


def naive_vit(net: VisionTransformer, images: Tensor) -> Tensor:
    """The same network, its patches embedded by a strided convolution as in the paper's own code."""
    kernel = net.patch_embedding.weight.view(-1, net.in_channels, net.patch_size, net.patch_size)
    x = F.conv2d(images, kernel, net.patch_embedding.bias, stride=net.patch_size).flatten(2).transpose(1, 2)
    if net.pool == "cls":
        x = torch.cat([net.class_token.repeat(len(x), 1, 1), x], dim=1)
    x = x + net.position_embedding
    for layer in net.layers:
        x = layer(x)
    return net.head(net.norm(x[:, 0] if net.pool == "cls" else x.mean(dim=1)))


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_equals_its_convolutional_twin_in_value_and_gradients(pool: str) -> None:
    net = small_vit(pool=pool).double()
    images = torch.randn(3, 2, 12, 12, dtype=torch.float64, requires_grad=True)
    logits, expected = net(images), naive_vit(net, images)
    assert logits.shape == (3, 5)
    assert_close(logits, expected)
    inputs = [images, *net.parameters()]
    gradients = (torch.autograd.grad(out.square().sum(), inputs) for out in (logits, expected))
    assert_close(*gradients)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_fused_path_equals_the_path_of_the_weights_in_float32(pool: str) -> None:
    net, images = small_vit(pool=pool), torch.randn(3, 2, 12, 12)
    logits, weights = net(images, return_weights=True)
    tokens = 10 if pool == "cls" else 9
    assert [layer.shape for layer in weights] == [(3, 2, tokens, tokens)] * 3
    for layer in weights:
        assert_close(layer.sum(dim=-1), torch.ones(3, 2, tokens))
    assert_close(net(images), logits, atol=1e-5, rtol=1e-5)


def test_number_of_parameters_of_the_network_of_the_handout() -> None:
    patch, tokens, embed, layers, inner, hidden, classes = 7 * 7, 4 * 4 + 1, 64, 6, 8 * 64, 128, 10
    norm = 2 * embed
    attention = embed * 3 * inner + inner * embed
    mlp = embed * hidden + hidden + hidden * embed + embed
    expected = (
        (patch * embed + embed)  # patch embedding
        + embed  # class token
        + tokens * embed  # position embedding
        + layers * (norm + attention + norm + mlp)
        + norm
        + (embed * classes + classes)  # head
    )
    net = VisionTransformer()  # the defaults are the handout's: 7×7 patches, 6 layers, 8 heads of width 64, MLP 128
    assert sum(parameter.numel() for parameter in net.parameters()) == expected == 892_554


def shuffle_patches(images: Tensor, order: Tensor, patch: int) -> Tensor:
    columns = F.unfold(images, patch, stride=patch)  # (B, I·P², N)
    return F.fold(columns[..., order], images.shape[-2:], patch, stride=patch)


def test_without_positions_and_with_mean_pooling_the_order_of_patches_is_nothing() -> None:
    net = small_vit(pool="mean").double()
    images = torch.randn(2, 2, 12, 12, dtype=torch.float64)
    order = torch.tensor([3, 1, 4, 8, 5, 0, 2, 6, 7])
    shuffled = shuffle_patches(images, order, 4)
    assert (net(images) - net(shuffled)).abs().max() > 1e-3  # positions matter
    torch.nn.init.zeros_(net.position_embedding)
    assert_close(net(images), net(shuffled))


def test_attention_to_patches_is_the_row_of_the_class_token_or_the_mean_row() -> None:
    torch.manual_seed(0)
    weights = torch.rand(2, 4, 10, 10)
    by_class = small_vit(pool="cls").attention_to_patches(weights)
    assert by_class.shape == (2, 4, 3, 3)
    assert torch.equal(by_class[1, 2, 2, 1], weights[1, 2, 0, 1 + 2 * 3 + 1])  # row 2, column 1
    weights = weights[..., 1:, 1:]
    by_mean = small_vit(pool="mean").attention_to_patches(weights)
    assert_close(by_mean[1, 2, 2, 1], weights[1, 2, :, 2 * 3 + 1].mean())


def test_attention_maps_lie_over_the_patches_of_the_image() -> None:
    net = small_vit(in_channels=1, depth=1, num_heads=1)
    torch.nn.init.zeros_(net.position_embedding)
    image = torch.zeros(1, 1, 12, 12)
    image[..., 0:4, 8:12] = 1  # the patch in row 0, column 2 differs from the others
    with torch.no_grad():
        _, (weights,) = net(image, return_weights=True)
    to_patches = net.attention_to_patches(weights)[0, 0]
    others = to_patches.flatten()[[0, 1, 3, 4, 5, 6, 7, 8]]
    assert_close(others, others[:1].expand(8))
    assert (to_patches[0, 2] - others[0]).abs() > 1e-4


def test_dropout_acts_in_training_alone() -> None:
    net, images = small_vit(dropout=0.3), torch.randn(2, 2, 12, 12)
    assert not torch.equal(net(images), net(images))
    net.eval()
    assert torch.equal(net(images), net(images))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 5}, "patch_size=5 does not divide image_size=12: choose a patch_size of 1, 2, 3, 4, 6, 12"),
        ({"pool": "max"}, 'pool must be "cls" or "mean", but it is "max"'),
        ({"image_size": 0}, "image_size must be at least 1, but it is 0"),
        ({"patch_size": 0}, "patch_size must be at least 1, but it is 0"),
        ({"in_channels": 0}, "in_channels must be at least 1, but it is 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, but it is 0"),
        ({"depth": 0}, "depth must be at least 1, but it is 0"),
        ({"head_dim": None, "num_heads": 5}, "num_heads=5 does not divide embed_dim=12"),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_vit(**changes)


@pytest.mark.parametrize("shape", [(3, 1, 12, 12), (3, 2, 8, 8), (3, 288), (2, 12, 12)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(batch, 2, 12, 12\), but .*set image_size"):
        small_vit()(torch.zeros(shape))
