"""Convolution, normalisation and ReLU, folded into one where no gradient is wanted."""

from collections import Counter

import pytest
import torch
from image_nets import random_images
from torch import nn
from torch.testing import assert_close
from unet_twin import KINDS, small_net

from nets.conv_block import ConvNormReLU


@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
def test_the_normalisation_is_part_of_the_convolution_where_no_gradient_is_wanted(skips: bool, upsampling: str) -> None:
    net, images = small_net(skip_connections=skips, upsampling=upsampling).eval(), random_images(2, 2, 9, 8)
    calls: Counter = Counter()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda *arguments: calls.update(norm=1))
    unfolded = net(images)
    assert unfolded.requires_grad and calls["norm"] == 10
    with torch.no_grad():
        folded = net(images)
    with torch.inference_mode():
        inferred = net(images)
    assert calls["norm"] == 10
    assert_close(folded, unfolded.detach())
    assert torch.equal(inferred, folded)
    net.train()
    with torch.no_grad():
        net(images)  # counts its batch
    assert calls["norm"] == 20


def test_a_folded_layer_leaves_its_input_and_its_weights_alone() -> None:
    torch.manual_seed(0)
    layer, maps = ConvNormReLU(2, 3).eval(), torch.randn(1, 2, 5, 5)
    before, state = maps.clone(), {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        layer(maps)
    assert torch.equal(maps, before)
    assert_close(layer.state_dict(), state, rtol=0, atol=0)
