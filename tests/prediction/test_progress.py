"""What a run shows: one line before, a bar that moves at once, one line after, and nothing in a batch job."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import pytest
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.prediction import progress
from pgxeval.prediction.progress import RunProgress, clock
from pgxeval.prediction.run import predict_cohort

TOLD = "2 genes x 12 individuals: cheap; 3 folds, 4 permuted replicates; smallest counted p-value 0.11"


class Watched:
    """The positions of a bar, without a screen."""

    def __init__(self) -> None:
        self.positions: list[float] = []

    def __call__(self, **settings: Any) -> Watched:
        self.n, self.total, self.closed = float(settings["initial"]), settings["total"], 0
        return self

    def update(self, further: float) -> None:
        assert further > 0
        assert not self.closed
        self.n += further
        self.positions.append(self.n)

    def close(self) -> None:
        self.closed += 1

    def set_description(self, text: str) -> None:
        pass

    def set_postfix(self, *, refresh: bool, failed: int) -> None:
        self.failed = failed

    def write(self, text: str, file: object) -> None:
        self.told = text


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    bar = Watched()
    monkeypatch.setattr(progress, "tqdm", bar)
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.01)
    return bar


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bar_moves_within_a_gene_and_ends_where_it_must(watched: Watched, workers: int) -> None:
    cohort = cheap_cohort(n_genes=2)
    predict_cohort(cohort, [Cheap(seconds=0.02)], folds=3, replicates=4, workers=workers)
    assert watched.told == TOLD
    assert any(position != int(position) for position in watched.positions)
    assert watched.positions == sorted(watched.positions)
    assert watched.n == pytest.approx(2)
    assert watched.closed == 1


def test_failures_are_counted_and_the_bar_still_ends(watched: Watched) -> None:
    cohort = cheap_cohort(n_genes=3)
    predict_cohort(cohort, [Cheap(die_at=["G00001"])], folds=3, replicates=1, workers=1)
    assert (watched.failed, watched.n) == (1, pytest.approx(3))


def test_a_batch_job_shows_nothing_and_logs_what_it_does(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="pgxeval"):
        predict_cohort(cheap_cohort(n_genes=2), [Cheap()], folds=3, replicates=4, workers=1)
    out, err = capfd.readouterr()
    assert out + err == ""
    assert caplog.messages[0] == TOLD
    assert re.fullmatch(r"first result after .*; about .* for the others", caplog.messages[1])


def test_nothing_is_shown_without_progress(watched: Watched) -> None:
    predict_cohort(cheap_cohort(n_genes=2), [Cheap()], folds=3, replicates=1, workers=1, progress=False)
    assert not hasattr(watched, "told")


def test_the_thread_ends_with_the_run(watched: Watched) -> None:
    with RunProgress("what", 4, 0, show=True) as bar:
        steps = bar.count_steps(10, 1)
        assert steps is not None
        steps.add(5)
        time.sleep(0.1)
        assert watched.n == 0.5
    time.sleep(0.05)
    assert not steps.path.exists()
    steps.add(5)
    time.sleep(0.05)
    assert watched.n == 0.5


def test_durations_in_words() -> None:
    assert [clock(seconds) for seconds in (0.2, 119.4, 130, 3 * 3600, 60 * 3600)] == [
        "under 1 s",
        "119 s",
        "2 min",
        "3.0 h",
        "2.5 days",
    ]
