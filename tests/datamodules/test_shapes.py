"""Shapes that are distorted one way at a time: what changes, what stays, and how much."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from datamodules import ShapesDataModule
from datamodules.shape_drawing import SHAPES, draw_coverage

CLEAN = {"rotation": 180.0, "translation": 0.1, "scale": 0.2, "noise": 0.0}
STRONGER = {"rotation": 90.0, "translation": 0.2, "scale": 0.4, "pixel_dropout": 0.3, "noise": 0.2, "occlusion": 0.4}


def shapes(**arguments: object) -> ShapesDataModule:
    sizes = {"image_size": 24, "num_train": 30, "num_eval": 50, "batch_size": 8}
    return ShapesDataModule(**{**sizes, **CLEAN, **arguments})


def tensors(split: str, **arguments: object) -> tuple[Tensor, Tensor]:
    data = shapes(**arguments)
    data.setup("test" if split == "test" else "fit")
    return data.datasets[split].tensors


def circles(images: Tensor) -> tuple[Tensor, Tensor]:
    """The centres (N, 2), column and row, and the radii (N,) of single circles, found from how bright pixels are."""
    ground, bright = images.amin(dim=(1, 2, 3)), images.amax(dim=(1, 2, 3))
    coverage = (images[:, 0] - ground[:, None, None]) / (bright - ground)[:, None, None]
    middles, area = torch.arange(images.shape[-1]) + 0.5, coverage.sum(dim=(1, 2))
    column = (coverage.sum(dim=1) * middles).sum(dim=1) / area
    row = (coverage.sum(dim=2) * middles).sum(dim=1) / area
    return torch.stack([column, row], dim=1), (area / math.pi).sqrt() / 0.85


@pytest.fixture
def only_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of shape is drawn as a circle, of which one can see where and how large it is."""
    for kind in SHAPES:
        monkeypatch.setitem(SHAPES, kind, SHAPES["circle"])


@pytest.mark.parametrize(("task", "target"), [("classify", ()), ("segment", (24, 24))])
def test_a_batch_is_what_the_docstring_says(task: str, target: tuple[int, ...]) -> None:
    data = shapes(task=task, eval_batch_size=40)
    data.setup("fit")
    data.setup("test")
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 30, "val": 50, "test": 50}
    images, targets = next(iter(data.train_dataloader()))
    assert images.shape == (8, 1, 24, 24) and images.dtype == torch.float32
    assert targets.shape == (8, *target) and targets.dtype == (torch.uint8 if target else torch.int64)
    assert [len(batch[0]) for batch in data.test_dataloader()] == [40, 10]


@pytest.mark.parametrize(
    "strengths", [{}, {"noise": 0.5}, {"noise": 10.0, "pixel_dropout": 0.5, "occlusion": 0.5}, {"occlusion": 0.9}]
)
def test_values_are_from_0_to_1(strengths: dict) -> None:
    images, _ = tensors("train", **strengths)
    assert 0 <= images.min() < 0.3 and 0.7 < images.max() <= 1


def test_the_same_seed_gives_the_same_data_whatever_is_drawn_elsewhere() -> None:
    before = torch.get_rng_state()
    for split in ("train", "val", "test"):
        first, again = (tensors(split, seed=3, noise=0.1, pixel_dropout=0.1) for _ in range(2))
        assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_image_is_in_two_splits_or_under_two_seeds() -> None:
    images = [tensors(split, seed=seed)[0] for seed in range(3) for split in ("train", "val", "test")]
    flat = torch.cat(images).flatten(1)
    assert len(flat.unique(dim=0)) == len(flat) == 3 * 130
    noises = [tensors(split, seed=seed, noise=0.1)[0] for seed in range(3) for split in ("train", "val", "test")]
    first = [(noisy - clean)[0] for noisy, clean in zip(noises, images, strict=True)]
    assert len(torch.stack(first).flatten(1).unique(dim=0)) == 9


def test_labels_are_balanced() -> None:
    _, labels = tensors("train", num_train=4000, image_size=8)
    counts = Counter(labels.tolist())
    assert set(counts) == set(range(8))
    assert all(abs(count - 500) < 5 * math.sqrt(500 * 7 / 8) for count in counts.values())


@pytest.mark.parametrize("num_classes", [2, 5, 8])
def test_labels_are_the_first_kinds_and_their_names_say_which(num_classes: int) -> None:
    data = shapes(num_classes=num_classes)
    assert data.class_names == list(SHAPES)[:num_classes] and data.num_classes == num_classes
    images, labels = data._draw("train", {**data.distortion, "rotation": 0.0, "translation": 0.0, "scale": 0.0})
    assert set(labels.tolist()) == set(range(num_classes))
    upright = torch.full((num_classes, 2), 12.0), torch.full((num_classes,), 0.3 * 24), torch.zeros(num_classes)
    templates = draw_coverage(torch.arange(num_classes), *upright, 24)
    for image, label in zip(images[:, 0], labels, strict=True):
        ground, bright = image.min(), image.max()
        assert 0 <= ground <= 0.3 and 0.6 <= bright <= 1
        assert_close((image - ground) / (bright - ground), templates[label], atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_classes", [2, 4, 9])
def test_masks_hold_the_ground_and_the_first_kinds(num_classes: int) -> None:
    data = shapes(task="segment", num_classes=num_classes, num_objects=2)
    assert data.class_names == ["ground", *SHAPES][:num_classes]
    data.setup("fit")
    assert data.datasets["train"].tensors[1].unique().tolist() == list(range(num_classes))


def test_a_mask_is_where_the_image_is_nearer_to_the_shape_than_to_the_ground() -> None:
    images, masks = tensors("train", task="segment", num_classes=9)
    ground, bright = images.amin(dim=(1, 2, 3)), images.amax(dim=(1, 2, 3))
    middle = ((ground + bright) / 2)[:, None, None]
    clear = (images[:, 0] - middle).abs() > 1e-5
    assert torch.equal((images[:, 0] > middle)[clear], (masks > 0)[clear]) and clear.float().mean() > 0.99


def test_the_kinds_of_masks_and_labels_are_the_same_shapes() -> None:
    images, labels = tensors("train")
    same_images, masks = tensors("train", task="segment", num_classes=9)
    assert torch.equal(images, same_images) and torch.equal(masks.amax(dim=(1, 2)).long(), labels + 1)


def test_later_shapes_are_in_front() -> None:
    data, generator = shapes(task="segment", num_classes=9, num_objects=3), torch.Generator().manual_seed(0)
    kinds = torch.randint(8, (20, 3), generator=generator)
    of_shapes, of_images = torch.rand(20, 3, 5, generator=generator), torch.rand(20, 4, generator=generator)
    images, masks = data._paint(kinds, of_shapes, of_images, data.distortion)
    overlaps = 0
    for number in range(20):
        image, mask = torch.full((24, 24), 0.3 * of_images[number, 0].item()), torch.zeros(24, 24, dtype=torch.uint8)
        for nth, (kind, draws) in enumerate(zip(kinds[number], of_shapes[number], strict=True)):
            column, row, zoom, angle, bright = draws
            center = 24 * (0.5 + 0.1 * (2 * torch.stack([column, row]) - 1))
            radius, turn = 24 * 0.3 * (1 + 0.2 * (2 * zoom - 1)), math.pi * (2 * angle - 1)
            coverage = draw_coverage(kind[None], center[None], radius[None], turn[None], 24)[0]
            image = image * (1 - coverage) + (0.6 + 0.4 * (nth + bright) / 3) * coverage
            overlaps += int(((coverage > 0.5) & (mask > 0)).sum())
            mask[coverage > 0.5] = kind.byte() + 1
        assert_close(images[number], image)
        assert torch.equal(masks[number], mask)
    assert overlaps > 1000


@pytest.mark.usefixtures("only_circles")
@pytest.mark.parametrize(("translation", "scale"), [(0.0, 0.0), (0.05, 0.5), (0.2, 0.1)])
def test_places_and_sizes_fill_their_ranges(translation: float, scale: float) -> None:
    images, _ = tensors("train", num_train=400, translation=translation, scale=scale, radius=0.2, image_size=32)
    centers, radii = circles(images)
    for numbers, middle, reach in [*((axis, 16, 32 * translation) for axis in centers.T), (radii, 6.4, 6.4 * scale)]:
        assert numbers.min() >= middle - reach - 0.02 and numbers.max() <= middle + reach + 0.02
        assert numbers.quantile(0.1) <= middle - 0.7 * reach + 0.02  # of even numbers 0.8
        assert numbers.quantile(0.9) >= middle + 0.7 * reach - 0.02


@pytest.mark.usefixtures("only_circles")
def test_a_stronger_shift_moves_and_a_stronger_scale_grows_each_shape_in_proportion() -> None:
    data = shapes(radius=0.2, translation=0.1, scale=0.2, image_size=32)
    centers, radii = circles(data.distorted_test({})[0])
    further, same_radii = circles(data.distorted_test({"translation": 0.25})[0])
    assert_close(further - 16, 2.5 * (centers - 16), atol=0.08, rtol=0)
    assert_close(same_radii, radii, atol=0.05, rtol=0)
    same_centers, larger = circles(data.distorted_test({"scale": 0.4})[0])
    assert_close(larger - 6.4, 2 * (radii - 6.4), atol=0.08, rtol=0)
    assert_close(same_centers, centers, atol=0.05, rtol=0)


def test_rotation_turns_what_is_not_round_and_nothing_else() -> None:
    data = shapes()
    (images, labels), (turned, same_labels) = (data.distorted_test({"rotation": angle}) for angle in (180.0, 90.0))
    assert torch.equal(labels, same_labels)
    is_round = torch.isin(labels, torch.tensor([list(SHAPES).index(kind) for kind in ("circle", "ring")]))
    assert 0 < is_round.sum() < 50
    assert_close(images[is_round], turned[is_round], atol=1e-5, rtol=0)
    assert ((images - turned).abs().amax(dim=(1, 2, 3)) > 0.1)[~is_round].float().mean() > 0.9  # few hardly turn
    for extreme in (torch.amin, torch.amax):  # the brightness of ground and shape
        assert_close(extreme(images, (1, 2, 3)), extreme(turned, (1, 2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("rotation", [0.0, 30.0, 180.0])
def test_angles_fill_their_range(rotation: float, monkeypatch: pytest.MonkeyPatch) -> None:
    angles = []

    def draw(*arguments: object, **named: Tensor) -> Tensor:
        angles.append(named["angles"])
        return draw_coverage(*arguments, **named)

    monkeypatch.setattr("datamodules.shapes.draw_coverage", draw)
    tensors("train", rotation=rotation, num_train=400, image_size=8)
    degrees = torch.cat(angles).rad2deg()
    assert degrees.abs().max() <= rotation + 1e-4
    assert degrees.quantile(0.1) <= -0.7 * rotation and degrees.quantile(0.9) >= 0.7 * rotation  # of even ones 0.8


def test_lost_pixels_are_lost_under_stronger_dropout_too_and_the_others_stay() -> None:
    data = shapes()
    clean, _ = data.distorted_test({})
    assert clean.min() > 0
    lost_before = torch.zeros_like(clean, dtype=torch.bool)
    for strength in (0.1, 0.3, 0.9, 1.0):
        images, _ = data.distorted_test({"pixel_dropout": strength})
        lost = images == 0
        assert (lost | ~lost_before).all() and torch.equal(images[~lost], clean[~lost])
        deviation = math.sqrt(strength * (1 - strength) / lost.numel())
        assert abs(lost.float().mean().item() - strength) <= 5 * deviation
        lost_before = lost


def test_noise_has_its_standard_deviation_and_grows_in_proportion() -> None:
    data = shapes()
    clean, _ = data.distorted_test({})
    inner = (clean > 0.1) & (clean < 0.9)  # more than five deviations away from the ends, where it is cut
    weak, double = ((data.distorted_test({"noise": strength})[0] - clean)[inner] for strength in (0.01, 0.02))
    assert_close(double, 2 * weak, atol=1e-6, rtol=0)
    assert weak.std().item() == pytest.approx(0.01, rel=5 / math.sqrt(2 * len(weak)))
    assert abs(weak.mean().item()) < 5 * 0.01 / math.sqrt(len(weak))


def test_the_noise_is_the_same_whatever_else_is_distorted_and_falls_on_lost_pixels_too() -> None:
    data = shapes()
    for other in ({"occlusion": 0.5}, {"pixel_dropout": 0.5}, {"translation": 0.3}):
        before, _ = data.distorted_test(other)
        noises, inner = [], before > -1
        for strengths in ({}, other):
            clean, _ = data.distorted_test(strengths)
            noisy, _ = data.distorted_test({**strengths, "noise": 0.05})
            noises.append(noisy - clean)
            inner &= (noisy > 0) & (noisy < 1)
        assert inner.float().mean() > 0.3
        assert_close(noises[0][inner], noises[1][inner], atol=1e-6, rtol=0)
    lost = data.distorted_test({"pixel_dropout": 1.0, "noise": 0.05})[0]
    assert 0.4 < (lost > 0).float().mean() < 0.6 and lost.max() < 0.4


@pytest.mark.parametrize(("occlusion", "side"), [(0.02, 0), (0.25, 6), (0.5, 12), (0.9, 22)])
def test_a_grey_square_inside_the_image_is_in_front_and_is_ground(occlusion: float, side: int) -> None:
    data = shapes(task="segment", num_classes=9, num_objects=2, radius=0.5)
    clean, clean_masks = data.distorted_test({})
    images, masks = data.distorted_test({"occlusion": occlusion})
    hits = 0
    for image, mask, before, mask_before in zip(images[:, 0], masks, clean[:, 0], clean_masks, strict=True):
        changed = (image != before).nonzero()
        if side == 0:
            assert len(changed) == 0 and torch.equal(mask, mask_before)
            continue
        (top, left), (bottom, right) = changed.amin(dim=0).tolist(), changed.amax(dim=0).tolist()
        assert bottom - top + 1 == right - left + 1 == side
        within = torch.zeros(24, 24, dtype=torch.bool)
        within[top : top + side, left : left + side] = True
        assert torch.equal(image[~within], before[~within])
        assert len(image[within].unique()) == 1 and 0.2 <= image[within][0] <= 0.8
        assert torch.equal(mask, mask_before.masked_fill(within, 0))
        hits += int(mask_before[within].sum() > 0)
    assert side == 0 or hits > 40


def test_squares_lie_all_over_the_image_and_keep_their_grey() -> None:
    data = shapes(num_eval=400)
    clean, _ = data.distorted_test({})
    places, greys = [], []
    for occlusion in (0.5, 0.25):
        images, _ = data.distorted_test({"occlusion": occlusion})
        changed = (images != clean)[:, 0]
        rows, columns = changed.any(dim=2).float().argmax(dim=1), changed.any(dim=1).float().argmax(dim=1)
        greys.append(images[torch.arange(400), 0, rows, columns])
        places.append((rows, columns))
    assert torch.equal(*greys) and greys[0].min() < 0.22 and greys[0].max() > 0.78
    for axis in (0, 1):
        assert set(places[1][axis].tolist()) == set(range(24 - 6 + 1))
        assert torch.corrcoef(torch.stack([places[0][axis].float(), places[1][axis].float()]))[0, 1] > 0.99
    assert torch.corrcoef(torch.stack(places[1]).float())[0, 1].abs() < 0.2  # 4 deviations of 400 independent pairs


@pytest.mark.parametrize("name", STRONGER)
@pytest.mark.parametrize("task", ["classify", "segment"])
def test_a_distortion_of_the_test_split_leaves_the_others_alone(task: str, name: str) -> None:
    change = {name: STRONGER[name]}
    for split in ("train", "val"):
        plain, same = tensors(split, task=task), tensors(split, task=task, test_distortion=change)
        assert all(torch.equal(*pair) for pair in zip(plain, same, strict=True))
    plain, distorted = tensors("test", task=task), tensors("test", task=task, test_distortion=change)
    assert not torch.equal(plain[0], distorted[0])
    everywhere = tensors("test", task=task, **change)
    of_method = shapes(task=task).distorted_test(change)
    for other in (everywhere, of_method):
        assert all(torch.equal(*pair) for pair in zip(distorted, other, strict=True))


def test_a_distorted_test_differs_from_the_test_split_by_what_is_named_alone() -> None:
    data = shapes(noise=0.1, test_distortion={"pixel_dropout": 0.2, "occlusion": 0.3})
    data.setup("test")
    assert all(map(torch.equal, data.distorted_test({}), data.datasets["test"].tensors))
    expected = tensors("test", noise=0.3, test_distortion={"pixel_dropout": 0.2, "occlusion": 0.3})
    assert all(map(torch.equal, data.distorted_test({"noise": 0.3}), expected))
    assert data.test_distortion["noise"] == 0.1  # it is not changed


@pytest.mark.parametrize("length", [127, 128, 300])
def test_how_many_are_drawn_at_once_is_nothing_to_the_data(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"num_train": length, "image_size": 8, "task": "segment", "num_classes": 9, "num_objects": 2}
    spoilt = {"noise": 0.1, "pixel_dropout": 0.1, "occlusion": 0.3}
    in_chunks = tensors("train", **arguments, **spoilt)
    monkeypatch.setattr("datamodules.shapes.CHUNK", 1000)
    assert_close(in_chunks, tensors("train", **arguments, **spoilt))
    monkeypatch.setattr("datamodules.shapes.CHUNK", 16)
    assert_close(in_chunks, tensors("train", **arguments, **spoilt))


NO_SIZE = r"image_size must be at least 8, radius in \(0, 0.5\], num_train and num_eval at least 1, but they are "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "detect"}, r'task must be "classify" or "segment", but it is "detect"\.'),
        ({"num_classes": 1}, r"num_classes must be from 2 to 8 to classify, but it is 1\."),
        ({"num_classes": 9}, r"num_classes must be from 2 to 8 to classify, but it is 9\."),
        ({"task": "segment", "num_classes": 10}, r"num_classes must be from 2 to 9 to segment, but it is 10\."),
        ({"image_size": 7}, NO_SIZE + r"7, 0\.3, 30 and 50\."),
        ({"radius": 0.0}, NO_SIZE + r"24, 0\.0, 30 and 50\."),
        ({"radius": 0.6}, NO_SIZE + r"24, 0\.6, 30 and 50\."),
        ({"num_train": 0}, NO_SIZE + r"24, 0\.3, 0 and 50\."),
        ({"num_eval": 0}, NO_SIZE + r"24, 0\.3, 30 and 0\."),
        ({"num_objects": 2}, r"num_objects must be at least 1, and 1 to classify, but it is 2\."),
        ({"task": "segment", "num_objects": 0}, r"num_objects must be at least 1, and 1 to classify, but it is 0\."),
        ({"rotation": 181.0}, r"rotation must be in \[0, 180\], but it is 181\.0\."),
        ({"translation": -0.1}, r"translation must be in \[0, 0\.5\], but it is -0\.1\."),
        ({"scale": 1.0}, r"scale must be in \[0, 0\.9\], but it is 1\.0\."),
        ({"pixel_dropout": 1.1}, r"pixel_dropout must be in \[0, 1\], but it is 1\.1\."),
        ({"noise": float("nan")}, r"noise must be in \[0, 10\], but it is nan\."),
        ({"occlusion": 0.95}, r"occlusion must be in \[0, 0\.9\], but it is 0\.95\."),
        ({"test_distortion": {"noise": -1.0}}, r"noise must be in \[0, 10\], but it is -1\.0\."),
        ({"test_distortion": {"nois": 0.1}}, r'"nois" is no distortion of shapes: there are rotation, translation, '),
        ({"batch_size": 0}, r"batch_size must be at least 1, but it is 0\."),
        ({"eval_batch_size": 0}, r"eval_batch_size must be at least 1, but it is 0\."),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shapes(**arguments)


def test_distortions_of_no_name_or_strength_are_refused() -> None:
    with pytest.raises(ValueError, match=r'"blur" is no distortion of shapes: there are rotation, .*, occlusion\.'):
        shapes().distorted_test({"blur": 1.0})
    with pytest.raises(ValueError, match=r"scale must be in \[0, 0\.9\], but it is 2\.0\."):
        shapes().distorted_test({"scale": 2.0})
