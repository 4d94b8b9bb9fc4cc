"""Digests are equal in every process, and differences are spelled out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pgxeval.prediction.digest import differences


def test_the_digest_is_the_same_in_every_process() -> None:
    script = (
        "from pgxeval.prediction.digest import digest\n"
        "from pgxeval.prediction.predictor_state import identify\n"
        "class P:\n"
        "  def __init__(self): self.a = {'x', 'y', (1, 'z'), frozenset({'q', 'r'})}\n"
        "  def predict(self): return {'b', 'a'} & {1} or self.a in {'m', 'n', 'o'}\n"
        "print(digest(identify(P(), 'p')))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_differences_are_spelled_out() -> None:
    ours = {"folds": 3, "predictor": {"state": {"alpha": 1, "l1": 0.5}}}
    theirs = {"folds": 5, "predictor": {"state": {"alpha": 2, "l1": 0.5}}, "groups": None, "more": 1}
    assert differences(ours, theirs) == [
        "folds: 3 instead of 5",
        "predictor.state.alpha: 1 instead of 2",
        "more: nothing instead of 1",
    ]
