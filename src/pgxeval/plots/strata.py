"""Predictors' mean correlations in each stratum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import (
    GREY,
    NAIVE_GROUND,
    PALETTE,
    axes_or_new,
    despine,
    in_order,
    name_predictors,
    numbers,
    plain,
    predictor_mark,
    predictor_names,
    say,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def strata_comparison(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw each predictor's mean correlation with expression in each stratum of genes.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One group per stratum, one point per predictor: the mean over genes of Spearman's rho or Pearson's r (no unit)
        with its block-jackknife interval. Naive results (the stratum was defined with this predictor) are hollow on a
        hatched background and named in the legend. All other results on the same individuals are biased in the same
        direction, and less; the axis label states this.
    """
    table = evaluation.summary
    names = predictor_names(table, None)
    table = table[table["stratum"].astype(str) != ALL].reset_index(drop=True)
    ax = axes_or_new(ax, (7.6, 4.2))
    mean = numbers(table, "mean_correlation")
    if not np.isfinite(mean).any():
        return say(ax, "No stratum has a gene with a defined correlation.")
    low, high, genes = (numbers(table, name) for name in ("mean_low", "mean_high", "n_genes"))
    naive = table["naive"].to_numpy(dtype=bool)
    groups = table["stratum"].astype(str).to_numpy(dtype=object)
    strata = in_order(groups)
    step = min(0.8 / max(len(names), 1), 0.22)
    for row, (name, group) in enumerate(zip(table["predictor"].astype(str), groups, strict=True)):
        if not np.isfinite(mean[row]):
            continue
        index = names.index(name)
        color = PALETTE[index % len(PALETTE)]
        x = strata.index(group) + step * (index - (len(names) - 1) / 2)
        if naive[row]:
            ax.axvspan(x - step / 2, x + step / 2, **NAIVE_GROUND, zorder=0)
        ax.plot([x, x], [low[row], high[row]], color=color, linewidth=2, solid_capstyle="butt")
        face = "white" if naive[row] else color
        ax.plot(x, mean[row], **predictor_mark(index), markerfacecolor=face, markeredgewidth=1.6)
    name_predictors(ax, names, naive=bool(naive.any()))
    ax.axhline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    counts = [np.nanmax(genes[groups == group], initial=-1) for group in strata]
    labels = [
        f"{plain(group)}\n{int(n):,} genes" if n >= 0 else plain(group) for group, n in zip(strata, counts, strict=True)
    ]
    ax.set_xticks(range(len(strata)), labels)
    ax.set_xlim(-0.6, len(strata) - 0.4)
    same = bool((table["assignment"] == "same individuals").any())
    ax.set_xlabel("stratum of genes" + (", defined on the same individuals" if same or naive.any() else ""))
    ax.set_ylabel(f"mean {evaluation.measure_name} over genes")
    despine(ax)
    return ax
