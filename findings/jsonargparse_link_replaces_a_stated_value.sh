#!/usr/bin/env bash
# jsonargparse 4.53.0: an argument that is linked to a property of another instance (apply_on="instantiate") is accepted
# when a person states it, and then replaced by the linked value without a word. Seen: 9 was parsed and 5 was built.
# So LightningCLI's usual link of num_classes to the data makes a config's own num_classes void.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'jsonargparse[signatures]==4.53.0'
cd "$folder"
cat > parts.py <<'PYTHON'
class Data:
    num_classes = 5


class Net:
    def __init__(self, num_classes: int = 2):
        self.num_classes = num_classes
PYTHON
"$folder/venv/bin/python" - > seen.txt 2>&1 <<'PYTHON'
from jsonargparse import ArgumentParser

import parts

parser = ArgumentParser()
parser.add_subclass_arguments(parts.Data, "data")
parser.add_subclass_arguments(parts.Net, "net")
parser.link_arguments("data.num_classes", "net.init_args.num_classes", apply_on="instantiate")
parsed = parser.parse_args(["--data=parts.Data", "--net=parts.Net", "--net.num_classes=9"])
built = parser.instantiate(parsed)
print("parsed", parsed.net.init_args.num_classes, "built", built.net.num_classes)
PYTHON
cat seen.txt
[ "$(cat seen.txt)" = "parsed 9 built 5" ]
