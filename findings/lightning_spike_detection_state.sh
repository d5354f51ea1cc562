#!/usr/bin/env bash
# lightning 2.6.6: the callback SpikeDetection cannot load the state that it saves itself, since loading names an attribute
# that is not there. A run that watched for spikes can be neither resumed nor tested with that callback.
# Seen: an AttributeError from load_state_dict(state_dict()).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6
cd "$folder"
"$folder/venv/bin/python" - 2> log.txt <<'PYTHON'
from lightning.pytorch.callbacks import SpikeDetection

callback = SpikeDetection()
try:
    callback.load_state_dict(callback.state_dict())
except AttributeError as error:
    print("AttributeError:", error)
    raise SystemExit(0)
print("it loads")
raise SystemExit(1)
PYTHON
