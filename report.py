"""Write RESULTS.md from finished runs: python report.py [runs/<config name>/version_<n> …]."""

import sys
from pathlib import Path

from lab.errors import LabError
from lab.report import all_runs, write_results

if __name__ == "__main__":
    try:
        folders = [Path(word) for word in sys.argv[1:]] or all_runs(Path("runs"))
        print(write_results(folders, Path("RESULTS.md"), notes=Path("runs") / "benchmarks"))
    except LabError as error:
        sys.exit(f"error: {error}")
