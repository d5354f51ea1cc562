"""Images and their label masks: read as pairs, served as pairs, augmented as pairs.

Shapes: B batch, I channels of an image, H height, W width; the classes of a mask are 0 … C−1.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.image_files import squash, to_tensor
from datamodules.image_reading import Notes, Picture, open_picture, to_bytes
from datamodules.in_memory import InMemoryDataModule
from datamodules.mask_values import VOID, MaskValues, read_mask
from lab.errors import LabError


class ImagePairs(Dataset):
    """Images of any sizes, each with its mask, kept as bytes and served as numbers in [0, 1].

    Args:
        images: (I, H, W) of type uint8 each.
        masks: (H, W) of type uint8 each, classes 0 … C−1 or ``VOID``.
        compared_at: side in pixels at which images are compared with those of other splits; None for as they are.

    Shapes:
        an item: image (I, H, W) of values in [0, 1], mask (H, W) of type uint8;
        a batch, of images of one size: images (B, I, H, W), masks (B, H, W)
    """

    def __init__(self, images: Sequence[Tensor], masks: Sequence[Tensor], compared_at: int | None = None) -> None:
        self.tensors, self.compared_at = (images, masks), compared_at

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, masks = self.tensors
        return images[index].float() / 255, masks[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        images, masks = zip(*(self[index] for index in indices), strict=True)
        check_one_size(masks)
        return torch.stack(images), torch.stack(masks)

    def contents(self) -> Iterable[bytes]:
        """The pixels of each image and its size, or as a network that trains at one size would see them."""
        if self.compared_at is None:
            return (str(tuple(image.shape)).encode() + image.numpy().tobytes() for image in self.tensors[0])
        return (squash(to_picture(image), self.compared_at).tobytes() for image in self.tensors[0])


class UnlabelledImages(Dataset):
    """Images of any sizes without masks, kept as bytes and served as numbers in [0, 1].

    Args:
        images: (I, H, W) of type uint8 each.

    Shapes:
        an item: image (I, H, W); a batch, of images of one size: images (B, I, H, W) alone in a tuple
    """

    def __init__(self, images: Sequence[Tensor]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor]:
        return (self.images[index].float() / 255,)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor]:
        images = [self[index][0] for index in indices]
        check_one_size(images)
        return (torch.stack(images),)


def check_one_size(items: Sequence[Tensor]) -> None:
    """Raise ValueError unless images or masks (…, H, W) are of one size."""
    sizes = sorted({"×".join(map(str, item.shape[-2:])) for item in items})
    if len(sizes) > 1:
        raise ValueError(f"a batch must hold images of one size, but holds {', '.join(sizes)}: use batches of one.")


class SegmentationDataModule(InMemoryDataModule):
    """A datamodule of images and masks, which are augmented together.

    Its arguments are those of InMemoryDataModule; ``augmentation`` maps (images, masks) to (images, masks).

    Shapes:
        a batch: images (B, I, H, W) of values in [0, 1], masks (B, H, W) of type uint8, classes 0 … C−1 or ``VOID``
    """

    classes: Mapping[int, int] = {}  # the class, or VOID, that each value in the files of the masks stands for

    @property
    def mask_values(self) -> tuple[int, ...] | None:
        """The value of each class in the files of the masks; None where no files say."""
        values = {label: value for value, label in reversed(self.classes.items()) if label != VOID}
        return tuple(values[label] for label in sorted(values)) or None

    def augment(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.augmentation(*batch)


def read_pairs(
    pairs: Iterable[tuple[Path, Path]],
    mode: str,
    classes: Mapping[int, int],
    size: int | None = None,
    in_colour: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """Read images and masks, each as a viewer shows it; see ``to_bytes`` and ``read_mask``.

    Args:
        pairs: the files of each image and of its mask.
        mode: "L" for images of one channel, "RGB" for images of three.
        classes: the class, or ``VOID``, that each value in the files of the masks stands for.
        size: side S in pixels to which images (bilinear, antialiased) and masks (nearest) are squashed; None for none.
        in_colour: whether the keys of ``classes`` are colours.

    Shapes:
        images (I, H, W), or (I, S, S), masks (H, W), or (S, S), all of type uint8

    Raises:
        LabError: when a file is missing or damaged, an image has no range that could be scaled to bytes, a mask is not
            of its image's size, or holds an unknown value.
    """
    notes, values = Notes(), MaskValues(classes, (), in_colour)
    read = [_read_pair(image_path, mask_path, mode, values, size, notes) for image_path, mask_path in pairs]
    notes.tell()
    return [image for image, _ in read], [mask for _, mask in read]


def to_picture(image: Tensor) -> Image.Image:
    """The image of bytes (I, H, W), I 1 or 3."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(-1).contiguous().numpy())


def _read_pair(
    image_path: Path, mask_path: Path, mode: str, values: MaskValues, size: int | None, notes: Notes
) -> tuple[Tensor, Tensor]:
    picture = open_picture(image_path)
    mask_picture = open_picture(mask_path)
    _check_sizes(picture, mask_picture)
    if picture.turned and not mask_picture.turned:
        notes.add("turned", image_path)
    image = to_bytes(picture, mode, notes)
    mask = Image.fromarray(read_mask(mask_picture, values))
    if size is not None:
        image = squash(image, size)
        mask = mask.resize((size, size), Image.Resampling.NEAREST)
    return to_tensor(image), to_tensor(mask)[0]


def _check_sizes(image: Picture, mask: Picture) -> None:
    (width, height), (mask_width, mask_height) = image.pixels.size, mask.pixels.size
    if (width, height) != (mask_width, mask_height):
        turned = [picture.path for picture in (image, mask) if picture.turned]
        why = f" (turned as the EXIF orientation of {turned[0]} says)" if turned else ""
        raise LabError(
            f"{image.path} has {width}×{height} pixels and {mask.path} has {mask_width}×{mask_height}{why}: "
            f"an image and its mask must be of one size."
        )
