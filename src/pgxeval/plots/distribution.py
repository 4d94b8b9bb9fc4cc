"""The correlations of all predictors, each next to its share of right directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import (
    GREY,
    PALETTE,
    axes_or_new,
    despine,
    of_stratum,
    predictor_names,
    say,
    short,
    symmetric_limit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def correlation_distribution(
    evaluation: Evaluation,
    *,
    predictors: Sequence[str] | None = None,
    bins: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution over genes of each predictor's correlation with expression.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    predictors
        Which predictors to draw, in which order; None draws all of them.
    bins
        Number of bins of the histograms.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per predictor: a histogram over genes (its height is scaled to the row), a tick at the
        median, and the share of genes pointing the right way next to its permuted reference. The row's
        label counts the genes that are defined and undefined.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    table = evaluation.per_gene
    names = predictor_names(table, predictors)
    ax = axes_or_new(ax, (7.2, 1.1 + 0.95 * max(len(names), 1)))
    values = {name: table.loc[table["predictor"] == name, "correlation"].to_numpy(np.float64) for name in names}
    everything = np.concatenate([*values.values(), np.empty(0)])
    if not np.isfinite(everything).any():
        return say(ax, "No gene has a defined correlation\nunder any predictor.")
    limit = symmetric_limit(everything)
    edges = np.linspace(-limit, limit, bins + 1)
    labels = []
    for row, name in enumerate(names):
        finite = values[name][np.isfinite(values[name])]
        n_undefined = len(values[name]) - len(finite)
        labels.append(f"{short(name)}\n{len(finite):,} genes" + (f", {n_undefined:,} undefined" * bool(n_undefined)))
        if not len(finite):
            ax.text(0, -row + 0.3, "undefined for every gene", ha="center", color=GREY)
            continue
        counts, _ = np.histogram(finite, edges)
        color = PALETTE[row % len(PALETTE)]
        height = 0.78 * counts / counts.max()
        ax.stairs(height - row, edges, baseline=-row, fill=True, color=color, alpha=0.35)
        ax.stairs(height - row, edges, baseline=-row, color=color, linewidth=1.2)
        median = float(np.median(finite))
        ax.plot([median, median], [-row, -row + 0.86], color="black", linewidth=1.6)
        share = _share_text(of_stratum(evaluation.summary, ALL), name)
        ax.text(
            1.01,
            -row + 0.4,
            f"median {median:.3f}\n{share}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize="small",
        )
    ax.axvline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    ax.set(xlim=(-limit, limit), ylim=(-len(names) + 0.9, 1.0))
    ax.set_yticks([-row + 0.3 for row in range(len(names))], labels)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"{evaluation.measure_name} across individuals, one value per gene (thick tick: median)")
    despine(ax, "left")
    return ax


def _share_text(summary: pd.DataFrame, name: str) -> str:
    row = summary[summary["predictor"].astype(str) == name].iloc[0]
    share, reference = float(row["share_right"]), float(row["reference_share"])
    own = f"{100 * share:.1f} % right" if np.isfinite(share) else "share undefined"
    chance = f"{100 * reference:.1f} %" if np.isfinite(reference) else "not known"
    return f"{own}\npermuted: {chance}"
