"""Axes that show themselves as the last line of a notebook cell; imported only when a figure is drawn."""

from __future__ import annotations

import io
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class ShownAxes(Axes):
    """A matplotlib Axes on a separate figure, which notebooks display without ``%matplotlib inline``."""

    name = "pgxeval"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        cast("Figure", self.figure).savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def new_axes(width: float, height: float) -> ShownAxes:
    """Return the Axes of a new figure of this size in inches, unknown to pyplot."""
    return cast("ShownAxes", Figure(figsize=(width, height), layout="constrained").add_subplot(axes_class=ShownAxes))
