#!/usr/bin/env bash
# jsonargparse 4.53.0: where a later value names another class, the arguments of the earlier class that the new one does
# not take are left out; only the log at level DEBUG says so. Seen: the parsed class without "depth", nothing printed.
# A config's augmentation or optimizer setting vanishes so from an experiment.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'jsonargparse[signatures]==4.53.0'
cd "$folder"
cat > shapes.py <<'PYTHON'
class Shape:
    pass


class Box(Shape):
    def __init__(self, width: int = 1, depth: int = 1):
        pass


class Line(Shape):
    def __init__(self, width: int = 1):
        pass
PYTHON
"$folder/venv/bin/python" - > seen.txt 2>&1 <<'PYTHON'
from jsonargparse import ArgumentParser

import shapes

parser = ArgumentParser()
parser.add_subclass_arguments(shapes.Shape, "shape")
boxed = ["--shape=shapes.Box", "--shape.width=3", "--shape.depth=5"]
parsed = parser.parse_args([*boxed, "--shape=shapes.Line"])
print(parsed.shape.class_path, dict(vars(parsed.shape.init_args)))
PYTHON
cat seen.txt
[ "$(cat seen.txt)" = "shapes.Line {'width': 3}" ]
