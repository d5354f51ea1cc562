"""Run a grid of experiments, or what is missing of it: python sweep.py configs/grids/X.yaml, or --config and --grid."""

import sys

from lab.sweep import main
from train import ROOMS

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOMS))
