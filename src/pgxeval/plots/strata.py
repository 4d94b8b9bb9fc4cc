"""Predictors' mean correlations in each stratum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pgxeval.plots.drawing import (
    ALL,
    GREY,
    NAIVE_GROUND,
    PALETTE,
    axes_or_new,
    despine,
    flags,
    in_order,
    name_predictors,
    numbers,
    plain,
    predictor_mark,
    predictor_names,
    say,
    table_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def strata_comparison(summary: Any, *, ax: Axes | None = None) -> Axes:
    """Draw each predictor's mean Spearman correlation in each stratum of genes.

    Parameters
    ----------
    summary
        An `Evaluation`, or its ``summary`` table, whose rows of single strata are drawn.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One group a stratum, one point a predictor: the mean over genes of Spearman's rho (no unit) with its
        block-bootstrap interval. Naive results, where the stratum was defined with the very predictor that
        is judged in it, are hollow on a hatched ground, and named in the legend.
    """
    table = table_of(summary, "summary", ("predictor", "stratum", "mean_spearman"))
    names = predictor_names(table, None)
    table = table[table["stratum"].astype(str) != ALL].reset_index(drop=True)
    ax = axes_or_new(ax, (7.6, 4.2))
    mean = numbers(table, "mean_spearman")
    if not np.isfinite(mean).any():
        return say(ax, "No stratum has a gene with a defined correlation.")
    low, high, genes = (numbers(table, name) for name in ("mean_low", "mean_high", "n_genes"))
    naive = flags(table, "naive")
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
    ax.set_xlabel("stratum of genes")
    ax.set_ylabel("mean Spearman ρ over genes")
    despine(ax)
    return ax
