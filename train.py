"""Train, validate, test or predict with an experiment stated in YAML: python train.py fit --config configs/X.yaml."""

import sys

import callbacks
import datamodules
import lit_models
import nets
from lab.commands.main import main

ROOMS = (callbacks, datamodules, lit_models, nets)  # so that their classes are known by their short names

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOMS))
