"""Power curves: how many genes a comparison needs at each number of individuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pgxeval.plots.drawing import GREY, axes_or_new, despine, predictor_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def power_curves(table: pd.DataFrame, *, goal: float = 0.8, ax: Axes | None = None) -> Axes:
    """Draw power against the number of genes, one curve per number of individuals.

    Parameters
    ----------
    table
        What `pgxeval.evaluation.power` returns.
    goal
        Power at which a line is drawn.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Number of genes (logarithmic) against power, with bars of one Monte Carlo standard error.
    """
    ax = axes_or_new(ax, (6.4, 4.0))
    for number, (individuals, part) in enumerate(table.sort_values("genes").groupby("individuals")):
        genes, power, error = (part[name].to_numpy(dtype="float64") for name in ("genes", "power", "power_se"))
        ax.errorbar(genes, power, yerr=error, label=f"{individuals:,}", **(predictor_mark(number) | {"linestyle": "-"}))
    ax.axhline(goal, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("genes")
    ax.set_ylabel("power")
    ax.legend(title="individuals", frameon=False, loc="lower right")
    despine(ax)
    return ax
