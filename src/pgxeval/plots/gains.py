"""The pairs at which one predictor gains most over another, as a dumbbell plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, compared_sides, despine, plain, say, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def largest_gains(
    compared: pd.DataFrame, predictor_a: str, predictor_b: str, *, n: int = 15, ax: Axes | None = None
) -> Axes:
    """Draw the pairs at which the correlation of `predictor_a` exceeds that of `predictor_b` most.

    The largest of many noisy differences are overestimated: these pairs illustrate, they do not measure the gain.

    Parameters
    ----------
    compared
        As for `scatter_better`.
    predictor_a, predictor_b
        The predictor that gains, and the one it is compared with.
    n
        Largest number of pairs to draw. Pairs without a gain are not drawn.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per gene, or gene-tissue pair, the largest gain on top; one point per predictor, joined by a line. A
        star marks pairs at which `predictor_a` is significantly better.
    """
    sides = compared_sides(compared, predictor_a, predictor_b)
    gain = sides["a"] - sides["b"]
    order = gain[gain > 0].sort_values(ascending=False, kind="stable").index[:n]
    ax = axes_or_new(ax, (6.4, 1.4 + 0.27 * max(len(order), 3)))
    if not len(order):
        return say(ax, f"{plain(predictor_a)} gains over {plain(predictor_b)}\nat no pair.")
    top = sides.loc[order]
    places = -np.arange(len(top))
    ax.hlines(places, top["b"], top["a"], color=GREY, linewidth=1.2, zorder=1)
    for side, name, color, marker in (("a", predictor_a, PALETTE[0], "o"), ("b", predictor_b, PALETTE[1], "^")):
        ax.plot(top[side], places, marker, color=color, markersize=6, label=short(name), zorder=2)
    stars = [" *" if better == "a" else "" for better in top["better"]]
    labels = [f"{short(label, 30)}{star}" for label, star in zip(top["label"], stars, strict=True)]
    ax.set_yticks(places, labels, fontsize="small")
    ax.axvline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    ax.set_xlabel("correlation across individuals (*: significantly better)")
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    despine(ax, "left")
    ax.tick_params(axis="y", length=0)
    return ax
