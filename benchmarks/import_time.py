"""Seconds that `import pgxeval` adds to `import pandas, sklearn`, each in a fresh process, in one run.

Writes `import_time.md` next to this file. Bar: under 0.5 s.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

ROUNDS = 9
CODE = """
import time
start = time.perf_counter()
import pandas, sklearn
middle = time.perf_counter()
import pgxeval
print(middle - start, time.perf_counter() - middle)
"""


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
        rounds.append([float(value) for value in done.stdout.split()])
    base, ours = (median(column) for column in zip(*rounds[1:], strict=True))
    report = (
        f"# Import\n\n{__doc__}\n| import | seconds (median of {ROUNDS - 1}) |\n|:--|--:|\n"
        f"| pandas, sklearn | {base:.2f} |\n| pgxeval on top | {ours:.2f} |\n"
    )
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    assert ours < 0.5


if __name__ == "__main__":
    main()
