"""Which class each value, or colour, in the files of masks stands for: as a person says, or as the masks show.

Letters: H height, W width, C classes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.image_reading import Picture, open_picture
from datamodules.mask_reading import to_colours, to_values
from lab.errors import LabError

VOID = 255  # the label of pixels that count neither in the loss nor in the metrics
MANY = 32  # values of masks, of which more are hardly classes
Value = int | str
EXAMPLE = "{background: 0, cell: 255}"


@dataclass(frozen=True)
class MaskValues:
    """The classes of masks.

    Args:
        classes: the class, or ``VOID``, of each value, or of each colour as 65536 red + 256 green + blue.
        class_names: the name of each class.
        in_colour: whether the keys of ``classes`` are colours.
    """

    classes: Mapping[int, int]
    class_names: tuple[str, ...]
    in_colour: bool = False


def stated_values(class_values: Mapping[str, Value | Sequence[Value]]) -> MaskValues:
    """The classes that a person states, by their names and in their order; "void" stands for what counts nowhere.

    Args:
        class_values: the value of each class in the files, whole numbers ≥ 0 or colours such as "#ff8000"; or a list.

    Raises:
        ValueError: when there are fewer than two classes, or a value is none, stands for two, or is of another kind.
    """
    names = tuple(name for name in class_values if name != "void")
    if not 2 <= len(names) < VOID:
        raise ValueError(
            f"class_values must name from 2 to {VOID - 1} classes beside void, such as {EXAMPLE}, but names "
            f"{len(names)}."
        )
    classes: dict[int, int] = {}
    owner: dict[int, str] = {}
    kinds = set()
    for name, stated in class_values.items():
        for value in stated if isinstance(stated, list | tuple) else [stated]:
            code = _code(name, value)
            kinds.add(isinstance(value, str))
            if code in classes:
                raise ValueError(f"class_values gives {value} to {owner[code]} and to {name}: leave one of them out.")
            classes[code], owner[code] = (VOID if name == "void" else names.index(name)), name
    if len(kinds) > 1:
        raise ValueError("class_values must be all numbers or all colours, but holds both: masks are of one kind.")
    if absent := {*class_values} - {*owner.values()}:
        raise ValueError(f"class_values must give {min(absent)} a value, but its list is empty.")
    return MaskValues(classes, names, in_colour=kinds == {True})


def learnt_values(masks: Iterable[Path]) -> MaskValues:
    """The classes that masks show: 0 the background and another value the object, or 0 … C−1 with 255 for void.

    Raises:
        LabError: when a mask is in colours or damaged, or their values do not say what the classes are.
    """
    seen: dict[int, Path] = {}
    for path in masks:
        for value in np.unique(to_values(open_picture(path), range(256))).tolist():
            seen.setdefault(value, path)
        if len(seen) > MANY:
            raise LabError(
                f"masks up to {path} hold {len(seen)} values ({_shown(seen)}), too many for classes: save them without "
                f"smoothed edges and lossy compression, or set data.class_values, such as {EXAMPLE}."
            )
    numbers = sorted(seen)
    if len(numbers) == 2 and numbers[0] == 0:
        return MaskValues({0: 0, numbers[1]: 1}, ("background", "object"))
    of_classes = [value for value in numbers if value != VOID]
    if len(of_classes) < 2 or of_classes != list(range(len(of_classes))):
        raise LabError(
            f"the masks such as {seen[numbers[-1]]} hold {'the value' if len(numbers) == 1 else 'the values'} "
            f"{_shown(seen)}, which do not say what the classes are (0 and another value, or 0, 1, 2, … and 255 for "
            f"void): set data.class_values, such as {EXAMPLE}."
        )
    names = ("background", "object") if len(of_classes) == 2 else _numbered(len(of_classes))
    return MaskValues({**{value: value for value in of_classes}, VOID: VOID}, names)


def read_mask(picture: Picture, values: MaskValues) -> np.ndarray:
    """The classes (H, W) of a decoded mask as bytes.

    Raises:
        LabError: when it holds an unknown value, or no values at all.
    """
    found = to_colours(picture) if values.in_colour else to_values(picture, values.classes)
    present = np.unique(found)
    unknown = np.setdiff1d(present, list(values.classes))
    if len(unknown):
        raise _unknown(picture.path, int(unknown[0]), len(present), values)
    table = np.zeros(1 + max(values.classes), dtype=np.uint8)
    table[list(values.classes)] = list(values.classes.values())
    return table[found]


def _unknown(path: Path, value: int, num_present: int, values: MaskValues) -> LabError:
    name = "{:d}" if not values.in_colour else "#{:06x}"
    allowed = ", ".join(name.format(code) for code in sorted(values.classes))
    smooth = ": save it without smoothed edges and lossy compression" if num_present > len(values.classes) else ""
    kind = "colour" if values.in_colour else "value"
    return LabError(f"{path} holds the {kind} {name.format(value)}, but the {kind}s of a mask are {allowed}{smooth}.")


def _code(name: str, value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:], 16)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 16:
        return value
    raise ValueError(
        f"class_values must give {name} a whole number from 0 to 65535, or a colour in quotes such as '#ff8000', but "
        f"gives {value!r}."
    )


def _numbered(count: int) -> tuple[str, ...]:
    return ("background", *(f"class {number}" for number in range(1, count)))


def _shown(values: Iterable[int]) -> str:
    numbers = sorted(values)
    return ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
