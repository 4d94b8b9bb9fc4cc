"""RunProgress: one bar over a whole run, shown in interactive sessions only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm.auto import tqdm


def is_interactive() -> bool:
    """Tell whether a bar would be seen: in a terminal or a notebook, but not in the log of a batch job."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class RunProgress:
    """Progress over the genes of all predictors of a run.

    Parameters
    ----------
    total
        Number of results expected: one per predictor and gene.
    done
        Number of them that were in the store.
    show
        Whether to show a bar, if the session is interactive.
    """

    def __init__(self, total: int, done: int, *, show: bool) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            desc="predicting",
            unit="gene",
            disable=not (show and is_interactive()),
            mininterval=0.5,
        )
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, name: str) -> None:
        """Name the predictors at work."""
        self._bar.set_description(name)

    def advance(self, *, results: int, failures: int) -> None:
        """Count results and failures."""
        if failures:
            self._failures += failures
            self._bar.set_postfix(failed=self._failures, refresh=False)
        self._bar.update(results + failures)
