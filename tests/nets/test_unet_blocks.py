"""Levels of a U-Net as modules: put together they are the U-Net, to the last bit."""

import pytest
import torch

from nets import Down, UNet, Up


@pytest.mark.parametrize("skips", [True, False])
def test_levels_put_together_are_the_unet(skips):
    torch.manual_seed(0)
    net, images = UNet(1, 3, base_channels=2, depth=2, skip_connections=skips), torch.rand(2, 1, 8, 12)
    downs, ups = [Down(2, 4), Down(4, 8)], [Up(4, 2, skips), Up(8, 4, skips)]
    for down, block in zip(downs, net.encoder[1:], strict=True):
        down.convolutions = block
    for up, upsample, block in zip(ups, net.upsample, net.decoder, strict=True):
        up.upsample, up.convolutions = upsample, block
    maps = [net.encoder[0](images)]
    for down in downs:
        maps.append(down(maps[-1]))
    decoded = maps[2]
    for level in (1, 0):
        decoded = ups[level](decoded, maps[level]) if skips else ups[level](decoded)
    assert torch.equal(net.output(decoded), net(images))


def test_an_odd_pixel_that_pooling_dropped_comes_back():
    fine = torch.rand(1, 2, 7, 9)
    assert Down(2, 4)(fine).shape == (1, 4, 3, 4)
    assert Up(4, 2)(Down(2, 4)(fine), fine).shape == (1, 2, 7, 9)


def test_gradients_reach_the_fine_and_the_coarse_maps():
    coarse, fine = torch.rand(1, 4, 3, 3, requires_grad=True), torch.rand(1, 2, 6, 6, requires_grad=True)
    Up(4, 2)(coarse, fine).square().sum().backward()
    assert coarse.grad.abs().sum() > 0 and fine.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "skips, skip, message",
    [
        (True, None, "skip_connection=True, but none was given"),
        (False, torch.rand(1, 2, 6, 6), "skip_connection=False, but one was given"),
        (True, torch.rand(1, 3, 6, 6), r"skip must be \(B, 2, H, W\)"),
        (True, torch.rand(1, 2, 9, 6), r"it is \(1, 2, 9, 6\) where they become \(1, 2, 6, 6\)"),
    ],
)
def test_a_skip_that_does_not_fit_is_refused(skips, skip, message):
    with pytest.raises(ValueError, match=message):
        Up(4, 2, skips)(torch.rand(1, 4, 3, 3), skip)


@pytest.mark.parametrize("block", [Down, Up])
def test_no_channels_are_refused(block):
    with pytest.raises(ValueError, match="in_channels and out_channels must be at least 1, but they are 0 and 2"):
        block(0, 2)
