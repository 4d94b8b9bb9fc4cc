"""RunProgress: what a run will do in one line, and one bar over it, shown in interactive sessions only."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType
from typing import Self

from pgxeval.bars import tqdm
from pgxeval.prediction.steps import Steps

_POLL_SECONDS = 0.5
_log = logging.getLogger(__name__)


def is_interactive() -> bool:
    """Tell whether a bar would be seen: in a terminal or a notebook, but not in the log of a batch job."""
    if sys.stderr.isatty():
        return True
    # a script may import ipykernel without running in one
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def clock(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> clock(0.4), clock(75), clock(5_000), clock(400_000)
    ('under 1 s', '75 s', '83 min', '4.6 days')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 120 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86_400:.1f} days"


class RunProgress:
    """Progress over the genes of all predictors of a run.

    Parameters
    ----------
    what
        What the run will do, in one line.
    total
        Number of results expected: one per predictor and gene.
    done
        Number of them that were in the store.
    show
        Whether to show a line and a bar, if the session is interactive. The line is logged in any case, and so is the
        estimated time after the first result.
    """

    def __init__(self, what: str, total: int, done: int, *, show: bool) -> None:
        self._shown = show and is_interactive()
        self._total, self._results, self._failures = total, done, 0
        self._begun, self._estimated, self._begun_with = time.monotonic(), False, done
        self._lock, self._over = threading.Lock(), threading.Event()
        self._steps: Steps | None = None
        self._in_steps, self._before_steps = 0, done
        _log.info("%s", what)
        if self._shown:
            tqdm.write(what, file=sys.stderr)
        self._bar = tqdm(
            total=total,
            initial=done,
            desc="predicting",
            bar_format="{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} genes [{elapsed}<{remaining}{postfix}]",
            disable=not self._shown,
            mininterval=0.1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._steps is not None:
            self._steps.end()
        with self._lock:
            self._move(self._results)
            self._bar.close()

    def begin(self, name: str) -> None:
        """Name the predictors at work."""
        with self._lock:
            self._steps = None
            self._bar.set_description(name)

    def count_steps(self, per_gene: int, n_predictors: int) -> Steps | None:
        """Return a count for the workers, which moves the bar before the first gene completes; None without a bar."""
        if not self._shown:
            return None
        self._steps, self._in_steps, self._before_steps = Steps.begin(per_gene), n_predictors, self._results
        threading.Thread(target=self._poll, args=(self._steps,), name="pgxeval-progress", daemon=True).start()
        return self._steps

    def advance(self, *, results: int, failures: int) -> None:
        """Count results and failures."""
        with self._lock:
            self._results += results + failures
            if failures:
                self._failures += failures
                self._bar.set_postfix(failed=self._failures, refresh=False)
            self._move(self._results)
        if not self._estimated:
            self._estimated = True
            passed, share = time.monotonic() - self._begun, self._results - self._begun_with
            rest = passed / share * (self._total - self._results)
            _log.info("first result after %s; about %s for the others", clock(passed), clock(rest))

    def _poll(self, steps: Steps) -> None:
        while not self._over.wait(_POLL_SECONDS):
            with self._lock:
                if self._steps is not steps or self._over.is_set():
                    break
                self._move(self._before_steps + steps.genes * self._in_steps)
        steps.end()

    def _move(self, position: float) -> None:
        """Move the bar forward, never backward and never beyond what is expected."""
        if (further := min(position, self._total) - self._bar.n) > 1e-6:
            self._bar.update(further)
