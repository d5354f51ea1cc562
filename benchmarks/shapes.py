"""How many images a second the generator of shapes draws, plain and with every distortion.

python benchmarks/shapes.py
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
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
    comparison.publish("shapes", arguments.smoke)


def images_per_second(images: int, **kind: object) -> float:
    """Draw training images and one more of each other split; the training images drawn in a second."""
    data = ShapesDataModule(num_train=images, num_eval=1, **kind)
    started = time.perf_counter()
    data.setup("fit")
    return images / (time.perf_counter() - started)


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=9)
    parser.add_argument("--images", type=int, default=8192, help="images in a round")
    return parse_benchmark(parser, images=256)


if __name__ == "__main__":
    main()
