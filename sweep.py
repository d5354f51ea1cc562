"""Run a grid of experiments, or what is missing of it: python sweep.py configs/grids/X.yaml, or --config and --grid."""

import sys

if __name__ == "__main__":
    try:
        from lab.sweeps.main import main  # here, since the imports take long enough for a Ctrl-C

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C.", file=sys.stderr)
        sys.exit(130)
