#!/usr/bin/env bash
# Are the lower bounds of requirements.txt true? By hand, about ten minutes, some 8 GB on the disk; CI does not run it.
#
#   tests/lowest_versions.sh                                  the lowest versions, with python3.11
#   PYTHON=python3.13 tests/lowest_versions.sh                with another Python, of 3.10 … 3.13
#   RESOLUTION=highest tests/lowest_versions.sh               the newest versions that the bounds allow
#
# It installs requirements.txt with uv into an environment under TMPDIR, which is removed at the end; checks that the
# lowest versions are those of requirements.txt; runs the tests of nets and one or more of each other room; and fits and
# tests one config of each task. No source is compiled: a version without a wheel for this Python is passed over.
set -uo pipefail
PYTHON=${PYTHON:-python3.11}
RESOLUTION=${RESOLUTION:-lowest-direct}
root=$(cd "$(dirname "$0")/.." && pwd) || exit
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failed=()
export MPLBACKEND=agg PYTHONDONTWRITEBYTECODE=1

say() { printf '%-24s %s\n' "$1" "$2"; }

check() { # name, command …: run it quietly, say ok or failed, and show the end of what a failed one printed
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    say "$name" ok
  else
    say "$name" failed
    tail -n 30 "$work/log"
    failed+=("$name")
  fi
}

fit() { # name, config, further words: a short fit, then its test
  local name=$1 config=$2
  shift 2
  check "$name" "$work/venv/bin/python" "$root/train.py" fit --config "$root/configs/$config.yaml" \
    --trainer.accelerator cpu --trainer.max_epochs 1 --trainer.limit_train_batches 10 --test_after_fit true "$@"
}

if ! "$PYTHON" -m venv "$work/tool"; then
  echo "$PYTHON makes no environment: name another Python of 3.10 … 3.13, PYTHON=python3.11 $0"
  exit 1
fi
uv=$(command -v uv) || { uv=$work/tool/bin/uv && "$work/tool/bin/pip" install --quiet uv || exit; }
"$uv" venv --quiet --python "$work/tool/bin/python" "$work/venv" || exit
"$uv" pip install --quiet --python "$work/venv/bin/python" --resolution "$RESOLUTION" --no-build \
  -r "$root/requirements.txt" 'pytest>=8.0' || exit
"$work/venv/bin/python" --version

cd "$work" || exit # runs go into a folder of their own
cat >bounds.py <<'END'
"""Print the version of each requirement; with the lowest versions, they must be the bounds."""
import sys
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

untrue = []
for line in Path(sys.argv[1]).read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    wanted = Requirement(line)
    if wanted.marker and not wanted.marker.evaluate():
        continue
    (bound,) = (one.version for one in wanted.specifier if one.operator == ">=")
    installed = Version(version(wanted.name)).public
    print(f"  {wanted.name} {installed}")
    if sys.argv[2].startswith("lowest") and Version(installed) != Version(bound):
        untrue.append(f"{wanted.name}>={bound} is untrue: {installed} is the lowest that can be installed.")
sys.exit("\n".join(untrue) or None)
END
if "$work/venv/bin/python" bounds.py "$root/requirements.txt" "$RESOLUTION"; then
  say bounds ok
else
  say bounds failed
  failed+=(bounds)
fi

cd "$root" || exit
pytest=("$work/venv/bin/python" -m pytest -q --tb=short --disable-warnings -p no:cacheprovider --basetemp "$work/pytest")
check "tests of nets" "${pytest[@]}" tests/nets
others=(theory/test_attention.py datamodules/test_surname_lists.py datamodules/test_pair_augmentation.py
  datamodules/test_digits_graph.py lit_models/test_task.py callbacks/test_linear_probe.py)
check "tests of other rooms" "${pytest[@]}" "${others[@]/#/tests/}"
mapfile -t lab < <(find tests/lab -name test_trainer.py -o -name test_messages.py -o -name test_loggers.py \
  -o -name test_grid_tables.py -o -name 'test_*local.py' -o -name test_lightning_internals.py)
check "tests of lab" "${pytest[@]}" "${lab[@]}"
check "tensorboard" "$work/venv/bin/tensorboard" --version

cd "$work" || exit
fit "autoencoder" autoencoder_digits --model.num_replicas 2
fit "sequence regressor" lstm_running_average
fit "sequence classifier" surname_classifier
fit "language model" surname_generator
fit "node classifier" gcn_digits_graph --model.num_replicas 2
fit "the same by attention" gat_digits_graph --model.num_replicas 2
fit "image classifier" vit_digits
fit "segmenter" unet_shapes --data.num_train 112

if ((${#failed[@]})); then
  printf 'failed: %s\n' "${failed[*]}"
  exit 1
fi
echo "all ok: $("$work/venv/bin/python" --version), $RESOLUTION"
