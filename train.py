"""Train, validate, test or predict with an experiment stated in YAML: python train.py fit --config configs/X.yaml."""

import sys

from lab.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
