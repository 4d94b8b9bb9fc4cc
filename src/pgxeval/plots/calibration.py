"""Calibration of directions: share of right ones against the size of the predicted effect, or any strength of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.plots.drawing import GREY, axes_or_new, despine, predictor_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def direction_calibration(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of right directions in bins of genes, one curve per predictor.

    Parameters
    ----------
    table
        What `pgxeval.evaluation.direction_curve` returns.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bin, from weak to strong, against the share of right directions in percent, with its interval. Bins and not
        values are on the axis, because the values of different predictors have different units.
    """
    ax = axes_or_new(ax, (6.4, 4.0))
    names = list(dict.fromkeys(table["predictor"]))
    for number, name in enumerate(names):
        part = table[table["predictor"] == name].sort_values("bin")
        share, low, high = (
            100 * part[column].to_numpy(dtype="float64") for column in ("share_right", "share_low", "share_high")
        )
        x = part["bin"].to_numpy(dtype="float64") + 0.12 * (number - (len(names) - 1) / 2)
        error = np.maximum(np.nan_to_num(np.stack([share - low, high - share])), 0)
        ax.errorbar(x, share, yerr=error, label=name, **(predictor_mark(number) | {"linestyle": "-"}))
    ax.axhline(50, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    ax.set_xticks(sorted(set(table["bin"].tolist())))
    by = str(table["by"].iloc[0]).replace("_", " ") if len(table) else "value"
    ax.set_xlabel(f"genes by {by}, bins from weak to strong")
    ax.set_ylabel("right direction [% of genes]")
    if names:
        ax.legend(frameon=False, loc="best", fontsize="small")
    despine(ax)
    return ax
