"""PassProgress: what passes and hosted calls cost so far, and how long the rest may take."""

from __future__ import annotations

from collections.abc import Mapping

from tqdm.auto import tqdm


class PassProgress:
    """A bar over sequences, whose total is known for the windows planned so far and extended to the others.

    Parameters
    ----------
    name
        Of the predictor.
    n_windows
        That there will be.
    show
        Whether it is seen.
    unit
        Of the bar.
    """

    def __init__(self, name: str, n_windows: int, *, show: bool, unit: str) -> None:
        self._n_windows = max(1, n_windows)
        self._planned_windows = self._planned = self._cached = 0
        self._bar = tqdm(total=0, desc=f"{name}, passes", unit=unit, disable=not show, leave=False, smoothing=0.05)

    def plan(self, n_passes: int, n_cached: int) -> None:
        """Take a window into account: sequences that must pass, and those whose scores were kept."""
        self._planned_windows += 1
        self._planned += n_passes
        self._cached += n_cached
        self._bar.total = max(self._planned, round(self._planned * self._n_windows / self._planned_windows))
        self._bar.refresh()

    def done(self, n_passes: int, counts: Mapping[str, int]) -> None:
        """Take passes into account that are done, and counts that the model wants shown."""
        shown = {"cached": self._cached, **{name: count for name, count in counts.items() if count}}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(n_passes)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
