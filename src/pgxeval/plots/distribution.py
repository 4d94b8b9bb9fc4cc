"""The correlations of all predictors, each beside its share of right directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pgxeval.plots.drawing import (
    ALL,
    GREY,
    PALETTE,
    axes_or_new,
    despine,
    of_stratum,
    predictor_names,
    say,
    short,
    symmetric_limit,
    table_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def correlation_distribution(
    per_gene: Any,
    *,
    summary: pd.DataFrame | None = None,
    predictors: Sequence[str] | None = None,
    bins: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution over genes of each predictor's Spearman correlation.

    Parameters
    ----------
    per_gene
        An `Evaluation`, or its ``per_gene`` table.
    summary
        The ``summary`` table, from which the share of right directions under permuted expression is
        written beside the observed one; taken from the evaluation where one is given.
    predictors
        Which predictors, in which order; all of them by default.
    bins
        Number of bins of the histograms.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One row a predictor: a histogram over genes (its height is scaled to the row), a tick at the
        median, and the share of genes pointing the right way beside its permuted reference. The row's
        label counts the genes that are defined and undefined.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    table = table_of(per_gene, "per_gene", ("predictor", "gene_id", "spearman"))
    if summary is None and hasattr(per_gene, "summary"):
        summary = per_gene.summary
    names = predictor_names(table, predictors)
    ax = axes_or_new(ax, (7.2, 1.1 + 0.95 * max(len(names), 1)))
    values = {name: table.loc[table["predictor"] == name, "spearman"].to_numpy(np.float64) for name in names}
    everything = np.concatenate([*values.values(), np.empty(0)])
    if not np.isfinite(everything).any():
        return say(ax, "No gene has a defined correlation\nunder any predictor.")
    limit = symmetric_limit(everything)
    edges = np.linspace(-limit, limit, bins + 1)
    labels = []
    for row, name in enumerate(names):
        known = values[name][np.isfinite(values[name])]
        undefined = len(values[name]) - len(known)
        labels.append(f"{short(name)}\n{len(known):,} genes" + (f", {undefined:,} undefined" * bool(undefined)))
        if not len(known):
            ax.text(0, -row + 0.3, "undefined for every gene", ha="center", color=GREY)
            continue
        counts, _ = np.histogram(known, edges)
        color = PALETTE[row % len(PALETTE)]
        height = 0.78 * counts / counts.max()
        ax.stairs(height - row, edges, baseline=-row, fill=True, color=color, alpha=0.35)
        ax.stairs(height - row, edges, baseline=-row, color=color, linewidth=1.2)
        median = float(np.median(known))
        ax.plot([median, median], [-row, -row + 0.86], color="black", linewidth=1.6)
        share = _share_text(name, summary, table)
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
    ax.set_xlabel("Spearman ρ across individuals, one value a gene (thick tick: median)")
    despine(ax, "left")
    return ax


def _share_text(name: str, summary: pd.DataFrame | None, table: pd.DataFrame) -> str:
    if summary is not None and {"predictor", "share_right"} <= set(summary.columns):
        row = of_stratum(summary[summary["predictor"].astype(str) == name], ALL)
        share = float(row["share_right"].iloc[0]) if len(row) else np.nan
        reference = float(row["reference_share"].iloc[0]) if len(row) and "reference_share" in row else np.nan
    else:
        known = table.loc[table["predictor"].astype(str) == name, "spearman"].dropna()
        share, reference = float((known > 0).mean()) if len(known) else np.nan, np.nan
    observed = f"{100 * share:.1f} % right" if np.isfinite(share) else "share undefined"
    permuted = f"{100 * reference:.1f} %" if np.isfinite(reference) else "not known"
    return f"{observed}\npermuted: {permuted}"
