"""Two predictors at every gene-tissue pair, with the pairs coloured at which one is significantly better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.plots.drawing import (
    GREY,
    PALETTE,
    axes_or_new,
    compared_sides,
    plain,
    say,
    scatter_classes,
    symmetric_limit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def scatter_better(compared: pd.DataFrame, predictor_a: str, predictor_b: str, *, ax: Axes | None = None) -> Axes:
    """Draw the correlations of two predictors, and colour and count the pairs at which one is significantly better.

    Parameters
    ----------
    compared
        What `pgxeval.evaluation.compare_genes` returned for these two, or the ``pairs`` table of the evaluation of a
        study, which holds all pairs of predictors.
    predictor_a, predictor_b
        Names of the predictors on the x and y axis.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One point per gene, or gene-tissue pair, with a correlation under both. Better means a difference with a
        q-value below the level of the evaluation.

    Raises
    ------
    UnknownNameError
        If the table holds pairs of predictors, and not this one.
    """
    sides = compared_sides(compared, predictor_a, predictor_b)
    ax = axes_or_new(ax, (5.4, 5.4))
    points = sides[sides["a"].notna() & sides["b"].notna()]
    n_undefined = len(sides) - len(points)
    if points.empty:
        return say(ax, "No pair has a defined correlation\nunder both predictors.")
    x, y = points["a"].to_numpy(), points["b"].to_numpy()
    limit = symmetric_limit(np.concatenate([x, y]))
    ax.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    ax.axvline(0, color=GREY, linewidth=0.7, zorder=1)
    ax.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    better = points["better"].to_numpy()
    classes = (
        (better == "", "#B8BEC6", "o", "neither"),
        (better == "a", PALETTE[0], "o", f"{plain(predictor_a)} better"),
        (better == "b", PALETTE[1], "^", f"{plain(predictor_b)} better"),
    )
    scatter_classes(ax, x, y, classes)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_xlabel(f"correlation, {plain(predictor_a)}")
    ax.set_ylabel(f"correlation, {plain(predictor_b)}")
    note = f"{len(points):,} pairs" + (f"; {n_undefined:,} undefined, not drawn" if n_undefined else "")
    ax.text(0.98, 0.02, note, transform=ax.transAxes, ha="right", va="bottom", fontsize="small")
    return ax
