"""Plane shapes, distorted as much as one likes: the data that a generator knows all about."""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule
from datamodules.shape_drawing import SHAPES, draw_coverage

SPLITS = ("train", "val", "test")
RANGES = {
    "rotation": (0.0, 180.0),
    "translation": (0.0, 0.5),
    "scale": (0.0, 0.9),
    "pixel_dropout": (0.0, 1.0),
    "noise": (0.0, 10.0),
    "occlusion": (0.0, 0.9),
}
CHUNK = 128  # images drawn at once, so that what belongs to them stays in the cache


class ShapesDataModule(InMemoryDataModule):
    r"""Circles, triangles, squares, stars, crosses, rings, half-discs and moons at random angles, places and sizes.

    They are anti-aliased, light on a dark ground of random brightness, and of several in an image the nearer is the
    lighter, so that one sees which is in front; then pixels go missing (0), and noise is added.
    The masks are exact: a pixel belongs to the shape that covers its centre. A distortion of the test split is drawn
    from the same random numbers at every strength, so that strengths are compared on the same images.

    Args:
        task: "classify" (one shape an image, the label is its kind) or "segment" (a class a pixel, 0 the ground).
        image_size: side S of the images, in pixels, ≥ 8.
        num_classes: classes of the task, 2 … 8, for "segment" with the ground, 2 … 9.
        num_objects: shapes in an image, the later ones in front, ≥ 1; one for "classify".
        radius: mean radius of a shape, as a fraction of S, in (0, 0.5].
        rotation: largest angle either way, in degrees, in [0, 180].
        translation: largest shift from the middle either way along each axis, as a fraction of S, in [0, 0.5].
        scale: largest relative change of the radius either way, in [0, 0.9].
        pixel_dropout: probability that a pixel is missing, in [0, 1].
        noise: standard deviation of the Gaussian noise, in [0, 10]; brightness runs from 0 to 1.
        occlusion: side of a grey square in front of all shapes, as a fraction of S, in [0, 0.9]; it is ground.
        test_distortion: those of the six distortions above that are of another strength in the test split.
        num_train: training images, ≥ 1.
        num_eval: images to validate, and as many to test, ≥ 1.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of the images, and of the order of the training samples.

    Shapes:
        a batch: images (B, 1, S, S) of values in [0, 1]; labels (B,), or masks (B, S, S)

    Raises:
        ValueError: when an argument is out of its range.
    """

    draws_samples = True
    in_channels = 1

    def __init__(
        self,
        task: str = "classify",
        image_size: int = 64,
        num_classes: int = 8,
        num_objects: int = 1,
        radius: float = 0.3,
        rotation: float = 180.0,
        translation: float = 0.2,
        scale: float = 0.3,
        pixel_dropout: float = 0.0,
        noise: float = 0.05,
        occlusion: float = 0.0,
        test_distortion: dict[str, float] | None = None,
        num_train: int = 8192,
        num_eval: int = 1024,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        if task not in ("classify", "segment"):
            raise ValueError(f'task must be "classify" or "segment", but it is "{task}".')
        names = list(SHAPES) if task == "classify" else ["ground", *SHAPES]
        if not 2 <= num_classes <= len(names):
            raise ValueError(f"num_classes must be from 2 to {len(names)} to {task}, but it is {num_classes}.")
        if image_size < 8 or not 0 < radius <= 0.5 or min(num_train, num_eval) < 1:
            raise ValueError(
                f"image_size must be at least 8, radius in (0, 0.5], num_train and num_eval at least 1, "
                f"but they are {image_size}, {radius}, {num_train} and {num_eval}."
            )
        if num_objects < 1 or (task == "classify" and num_objects > 1):
            raise ValueError(f"num_objects must be at least 1, and 1 to classify, but it is {num_objects}.")
        self.task, self.image_size, self.num_classes, self.num_objects = task, image_size, num_classes, num_objects
        self.radius, self.num_train, self.num_eval = radius, num_train, num_eval
        strengths = (rotation, translation, scale, pixel_dropout, noise, occlusion)
        self.distortion = dict(zip(RANGES, strengths, strict=True))
        self.check_distortion(self.distortion)
        self.check_distortion(test_distortion or {})
        self.test_distortion = {**self.distortion, **(test_distortion or {})}
        self.class_names = names[:num_classes]

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        if training:
            return {split: self._draw(split, self.distortion) for split in ("train", "val")}
        return {"test": self._draw("test", self.test_distortion)}

    def distorted_test(self, distortion: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        """The images and targets of the test split with some distortions at another strength.

        Args:
            distortion: strengths by name, for those that shall differ from the test split's own.

        Raises:
            ValueError: when a name is no distortion's, or a strength out of its range.
        """
        self.check_distortion(distortion)
        return self._draw("test", {**self.test_distortion, **distortion})

    @staticmethod
    def check_distortion(distortion: Mapping[str, float]) -> None:
        """Raise ValueError unless each name is a distortion's and each strength in its range."""
        for name, strength in distortion.items():
            if name not in RANGES:
                raise ValueError(f'"{name}" is no distortion of shapes: there are {", ".join(RANGES)}.')
            low, high = RANGES[name]
            if not low <= strength <= high:
                raise ValueError(f"{name} must be in [{low:g}, {high:g}], but it is {strength}.")

    def _draw(self, split: str, distortion: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(len(SPLITS) * self.seed + SPLITS.index(split))
        length = self.num_train if split == "train" else self.num_eval
        first_kind = 0 if self.task == "classify" else 1
        kinds = torch.randint(self.num_classes - first_kind, (length, self.num_objects), generator=generator)
        # For each shape: column, row, size, angle, brightness; for each image: ground, and the square's place and grey.
        of_shapes = torch.rand(length, self.num_objects, 5, generator=generator)
        of_images = torch.rand(length, 4, generator=generator)
        images = torch.empty(length, 1, self.image_size, self.image_size)
        masks = torch.empty(length, self.image_size, self.image_size, dtype=torch.uint8)
        for part in _chunks(length):
            scene = (kinds[part], of_shapes[part], of_images[part])
            images[part, 0], masks[part] = self._paint(*scene, distortion)
        self._spoil(images, distortion, generator)
        return images, kinds[:, 0] if self.task == "classify" else masks

    def _paint(
        self, kinds: Tensor, of_shapes: Tensor, of_images: Tensor, distortion: Mapping[str, float]
    ) -> tuple[Tensor, Tensor]:
        """Shapes one in front of the other, and the square in front of all."""
        size = self.image_size
        image = (0.3 * of_images[:, 0, None, None]).expand(-1, size, size)
        mask = torch.zeros(len(kinds), size, size, dtype=torch.uint8)
        for number in range(self.num_objects):
            place, zoom, angle, bright = of_shapes[:, number].split((2, 1, 1, 1), dim=-1)
            coverage = draw_coverage(
                kinds[:, number],
                centers=size * (0.5 + distortion["translation"] * (2 * place - 1)),
                radii=size * self.radius * (1 + distortion["scale"] * (2 * zoom[:, 0] - 1)),
                angles=math.radians(distortion["rotation"]) * (2 * angle[:, 0] - 1),
                image_size=size,
            )
            bright = 0.6 + 0.4 * (number + bright[:, :, None]) / self.num_objects
            image = torch.lerp(image, bright, coverage)
            mask = torch.where(coverage > 0.5, kinds[:, number, None, None].to(torch.uint8) + 1, mask)
        if distortion["occlusion"] > 0:
            hidden = self._square(of_images[:, 1:3], round(distortion["occlusion"] * size))
            image = torch.where(hidden, 0.2 + 0.6 * of_images[:, 3, None, None], image)
            mask = mask.masked_fill(hidden, 0)
        return image, mask

    def _square(self, place: Tensor, side: int) -> Tensor:
        """Where a square of that side is, at a random place inside the image."""
        first = (place * (self.image_size - side + 1)).long()[:, :, None]  # (N, 2, 1)
        pixels = torch.arange(self.image_size)
        within = (pixels >= first) & (pixels < first + side)  # (N, 2, S)
        return within[:, 1, :, None] & within[:, 0, None, :]

    def _spoil(self, images: Tensor, distortion: Mapping[str, float], generator: torch.Generator) -> None:
        """Lose pixels and add noise, in place, each from random numbers of its own."""
        of_dropout, of_noise = torch.randint(2**31, (2,), generator=generator).tolist()
        if distortion["pixel_dropout"] > 0:
            generator.manual_seed(of_dropout)
            for part in _chunks(len(images)):
                lost = torch.rand(images[part].shape, generator=generator) < distortion["pixel_dropout"]
                images[part].masked_fill_(lost, 0)
        if distortion["noise"] > 0:
            generator.manual_seed(of_noise)
            for part in _chunks(len(images)):
                noise = torch.randn(images[part].shape, generator=generator)
                images[part].add_(noise, alpha=distortion["noise"]).clamp_(0, 1)


def _chunks(length: int) -> Iterator[slice]:
    return (slice(first, first + CHUNK) for first in range(0, length, CHUNK))
