#!/usr/bin/env bash
# Pillow 13.0.0: an uncompressed grey TIFF whose orientation tag says a quarter turn comes out with its pixels in another
# order when it is opened by its path; opened as a stream it is right. Seen: by path False, as a stream True.
# A mask read by its path then lies wrongly on its image, and nothing says so.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.3.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
tags = Image.Exif()
tags[0x0112] = 6  # the camera was turned by 90 degrees
Image.fromarray(stored).save("page.tif", exif=tags)
right = np.rot90(stored, -1)

def upright(source):
    with Image.open(source) as image:
        turned = ImageOps.exif_transpose(image)
        return turned.size == (2, 3) and np.array_equal(np.asarray(turned), right)

with Path("page.tif").open("rb") as stream:
    seen = (bool(upright("page.tif")), bool(upright(stream)))
print("by path", seen[0], "as a stream", seen[1])
raise SystemExit(seen != (False, True))
PYTHON
