"""PassProgress: a progress bar over model passes or hosted calls."""

from __future__ import annotations

from collections.abc import Mapping

from pgxeval.bars import tqdm


class PassProgress:
    """A bar over sequences; the total is known for the windows planned so far and extrapolated to the others.

    Parameters
    ----------
    name
        Name of the predictor.
    n_windows
        Total number of windows.
    show
        Whether the bar is visible.
    unit
        Unit of the bar.
    """

    def __init__(self, name: str, n_windows: int, *, show: bool, unit: str) -> None:
        self._n_windows = max(1, n_windows)
        self._planned_windows = self._planned = self._cached = 0
        self._bar = tqdm(total=0, desc=f"{name}, passes", unit=unit, disable=not show, leave=False, smoothing=0.05)

    def plan(self, n_passes: int, n_cached: int) -> None:
        """Add a window: sequences that must pass, and sequences whose scores are in the cache."""
        self._planned_windows += 1
        self._planned += n_passes
        self._cached += n_cached
        self._bar.total = max(self._planned, round(self._planned * self._n_windows / self._planned_windows))
        self._bar.refresh()

    def done(self, n_passes: int, counts: Mapping[str, int]) -> None:
        """Add completed passes, and counts that the model wants to be shown."""
        shown = {"cached": self._cached, **{name: count for name, count in counts.items() if count}}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(n_passes)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
