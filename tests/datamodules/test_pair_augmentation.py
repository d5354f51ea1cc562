"""The mask moves as its image does; each option against torchvision, or a turn or a smoothing made by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torchvision.transforms import v2

from datamodules.image_pairs import VOID
from datamodules.pair_augmentation import Bend, PairAugmentation, smoothing_matrix

MOVES = {
    "horizontal_flip": {"horizontal_flip": True},
    "vertical_flip": {"vertical_flip": True},
    "quarter_turns": {"quarter_turns": True},
    "elastic": {"elastic_alpha": 150.0, "elastic_sigma": 4.0},
    "crop": {"crop_scale": 0.3},
}
LIGHTS = {"brightness": {"brightness": 0.5}, "contrast": {"contrast": 0.5}}
EVERYTHING = {name: value for option in (MOVES | LIGHTS).values() for name, value in option.items()}


def random_pairs(length: int = 6, channels: int = 1, size: int = 32) -> tuple[Tensor, Tensor]:
    """Masks of 0, 1 and void in blocks of 4×4 pixels, and images that tell the class of each pixel."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(3, (length, size // 4, size // 4), generator=generator)
    blocks = blocks.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    images = blocks[:, None].float().repeat(1, channels, 1, 1) / 2
    return images, torch.tensor([0, 1, VOID], dtype=torch.uint8)[blocks]


def augmented(images: Tensor, masks: Tensor, seed: int = 0, **options: float) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return PairAugmentation(**options)(images, masks)


def told_by(images: Tensor) -> Tensor:
    """The masks that images tell, where a pixel is no mixture of classes; 7 elsewhere."""
    masks = torch.full(images[:, 0].shape, 7, dtype=torch.uint8)
    for brightness, label in {0.0: 0, 0.5: 1, 1.0: VOID}.items():
        masks[(images[:, 0] - brightness).abs() < 1e-5] = label
    return masks


@pytest.mark.parametrize("options", MOVES.values(), ids=MOVES.keys())
def test_the_mask_moves_exactly_as_its_image_does(options: dict[str, float]) -> None:
    images, masks = random_pairs()
    assert torch.equal(told_by(images), masks)
    moved_images, moved_masks = augmented(images, masks, **options)
    told = told_by(moved_images)
    sure = told != 7
    assert torch.equal(moved_masks[sure], told[sure])
    assert sure.float().mean() > (0.3 if "elastic_alpha" in options or "crop_scale" in options else 0.999)
    assert not torch.equal(moved_masks, masks)


@pytest.mark.parametrize("options", [MOVES["elastic"], MOVES["crop"]], ids=["elastic", "crop"])
def test_a_mixture_has_the_class_of_its_larger_part(options: dict[str, float]) -> None:
    images, masks = random_pairs(size=64)
    masks, images = (masks > 0).byte(), (masks > 0)[:, None].float()  # so that brightness ½ is the contour
    moved_images, moved_masks = augmented(images, masks, **options)
    disagree = (moved_images[:, 0] > 0.5) != moved_masks.bool()
    assert disagree.float().mean() < 0.02  # at corners alone; half a pixel off would be 0.06
    assert (moved_images[:, 0][disagree] - 0.5).abs().max() < 0.25


@pytest.mark.parametrize("options", LIGHTS.values(), ids=LIGHTS.keys())
@pytest.mark.parametrize("channels", [1, 3])
def test_light_changes_images_alone(options: dict[str, float], channels: int) -> None:
    images, masks = random_pairs(channels=channels)
    lit, same = augmented(0.25 + images / 4, masks, **options)
    assert torch.equal(same, masks)
    assert lit.shape == images.shape and lit.min() >= 0 and lit.max() <= 1
    assert ((lit - 0.25 - images / 4).abs().flatten(1).amax(dim=1) > 1e-3).all()


def test_without_options_nothing_changes() -> None:
    images, masks = random_pairs()
    same_images, same_masks = augmented(images, masks)
    assert torch.equal(same_images, images) and torch.equal(same_masks, masks)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_at_once_keeps_shapes_types_and_the_set_of_classes(dtype: torch.dtype, channels: int) -> None:
    images, masks = random_pairs(channels=channels)
    moved_images, moved_masks = augmented(images, masks.to(dtype), **EVERYTHING)
    assert type(moved_images) is Tensor and type(moved_masks) is Tensor
    assert moved_images.shape == images.shape and moved_images.dtype == torch.float32
    assert moved_masks.shape == masks.shape and moved_masks.dtype == dtype
    assert set(moved_masks.unique().tolist()) == {0, 1, VOID}
    assert moved_images.min() >= 0 and moved_images.max() <= 1


def test_each_pair_has_its_own_draw() -> None:
    images, masks = random_pairs(length=1)
    moved_images, moved_masks = augmented(images.repeat(5, 1, 1, 1), masks.repeat(5, 1, 1), **EVERYTHING)
    for first in range(5):
        for second in range(first):
            assert (moved_images[first] - moved_images[second]).abs().max() > 0.01
            assert not torch.equal(moved_masks[first], moved_masks[second])


def test_draws_follow_the_global_seed() -> None:
    pairs = random_pairs()
    first, again, other = (augmented(*pairs, seed=seed, **EVERYTHING) for seed in (1, 1, 2))
    assert all(torch.equal(*both) for both in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_quarter_turns_are_all_four_turns() -> None:
    images, masks = random_pairs(length=1)
    turned, _ = augmented(images.repeat(40, 1, 1, 1), masks.repeat(40, 1, 1), quarter_turns=True)
    counts = [sum(torch.equal(image, torch.rot90(images[0], turn, (1, 2))) for image in turned) for turn in range(4)]
    assert min(counts) > 0 and sum(counts) == 40


def test_a_cut_out_part_is_enlarged_by_at_most_what_crop_scale_says() -> None:
    ramp = torch.linspace(0, 1, 65)[1:] - 1 / 128  # a pixel of the image tells its column
    images = ramp.expand(200, 1, 64, 64)
    moved, _ = augmented(images, torch.zeros(200, 64, 64, dtype=torch.uint8), crop_scale=0.5)
    widths = 64 * (moved[:, 0, 0, -2] - moved[:, 0, 0, 1]) / 61  # of the cut-out part, as a share of the image
    assert widths.min() > math.sqrt(0.5 * 3 / 4) - 0.03 and widths.max() < 1.01  # its sides are at most as 3 to 4
    assert widths.std() > 0.03


def test_smoothing_equals_torchvisions_blur() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 23, 31)
    expected = v2.functional.gaussian_blur(noise, [21, 21], [2.5, 2.5])
    assert_close(smoothing_matrix(23, 2.5) @ noise @ smoothing_matrix(31, 2.5).T, expected)


def test_displacements_equal_torchvisions_away_from_the_border() -> None:
    image = torch.zeros(1, 40, 50)
    torch.manual_seed(0)
    expected = v2.ElasticTransform(100.0, 3.0).make_params([image])["displacement"]
    torch.manual_seed(0)
    displacement = Bend(100.0, 3.0).make_params([image])["displacement"]
    inside = (slice(None), slice(10, -10), slice(10, -10))  # pixels, more than the largest displacement
    assert displacement.shape == expected.shape == (1, 40, 50, 2)
    assert_close(displacement[inside], expected[inside], atol=1e-6, rtol=0)
    assert not torch.allclose(displacement, expected, atol=1e-3)


def test_what_comes_in_from_outside_is_mirrored() -> None:
    images, masks = torch.ones(2, 1, 32, 32), torch.ones(2, 32, 32, dtype=torch.uint8)
    moved_images, moved_masks = augmented(images, masks, elastic_alpha=500.0, elastic_sigma=4.0)
    assert_close(moved_images, images)
    assert torch.equal(moved_masks, masks)


def test_displacements_have_the_promised_standard_deviation() -> None:
    alpha, sigma, size = 60.0, 3.0, 128
    torch.manual_seed(0)
    draws = [Bend(alpha, sigma).make_params([torch.zeros(1, size, size)])["displacement"] for _ in range(5)]
    pixels = torch.cat(draws)[:, 8:-8, 8:-8] * size / 2
    assert float(pixels.std()) == pytest.approx(alpha / (4 * math.sqrt(3 * math.pi) * sigma), rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_scale": 0.0}, r"crop_scale must be in \(0, 1\], but it is 0\.0"),
        ({"crop_scale": 1.1}, r"crop_scale must be in \(0, 1\], but it is 1\.1"),
        ({"elastic_sigma": 0.0}, r"elastic_sigma must be above 0, but it is 0\.0"),
        ({"elastic_alpha": -1.0}, r"elastic_alpha must be at least 0, but it is -1\.0"),
        ({"brightness": -0.1}, r"brightness must be at least 0, but it is -0\.1"),
        ({"contrast": -0.1}, r"contrast must be at least 0, but it is -0\.1"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PairAugmentation(**options)


def test_images_that_an_option_does_not_fit_are_refused() -> None:
    images, masks = torch.zeros(1, 1, 32, 40), torch.zeros(1, 32, 40, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"quarter_turns need square images, but these are of 32×40 pixels"):
        PairAugmentation(quarter_turns=True)(images, masks)
    with pytest.raises(ValueError, match=r"elastic_sigma must be below a quarter .* of 32×40 pixels, but it is 8\.0"):
        PairAugmentation(elastic_alpha=1.0, elastic_sigma=8.0)(images, masks)
    PairAugmentation(elastic_sigma=8.0)(images, masks)
