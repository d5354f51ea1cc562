"""How many images a second the generator of shapes draws, plain and with every distortion.

python benchmarks/shapes.py
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, machine, publish
from datamodules import ShapesDataModule

TARGET = 5000
KINDS = {
    "classify: one shape": {},
    "segment: one shape": {"task": "segment", "num_classes": 9},
    "segment: three shapes, a square in front, missing pixels": {
        "task": "segment",
        "num_classes": 9,
        "num_objects": 3,
        "pixel_dropout": 0.1,
        "occlusion": 0.2,
    },
}


def main() -> None:
    """Draw images of every kind in alternating rounds and print how many come in a second."""
    arguments = _parse()
    contenders = {name: lambda kind=kind: images_per_second(arguments.images, **kind) for name, kind in KINDS.items()}
    results = alternate(contenders, arguments.rounds)
    measurements = [Measurement(name, values) for name, values in results.items()]
    slowest = min(measurement.median for measurement in measurements)
    met = "met" if slowest >= TARGET else "not met"
    comparison = Comparison(
        "Images of shapes, 64×64, drawn with their labels or masks",
        "images/s",
        measurements,
        f"The slowest kind comes at {slowest:,.0f} images/s; target ≥ {TARGET:,} with two cores: {met}.",
        machine(),
    )
    publish(comparison.result("shapes_smoke" if arguments.smoke else "shapes"))


def images_per_second(images: int, **kind: object) -> float:
    """Draw training images and one more of each other split; the training images drawn in a second."""
    data = ShapesDataModule(num_train=images, num_eval=1, **kind)
    started = time.perf_counter()
    data.setup("fit")
    return images / (time.perf_counter() - started)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8192, help="images in a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--smoke", action="store_true", help="does it run at all? its numbers mean nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.smoke:
        arguments.images, arguments.rounds = 256, 2
    return arguments


if __name__ == "__main__":
    main()
