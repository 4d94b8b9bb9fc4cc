"""The difference between two predictors, gene by gene, with its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import (
    GREY,
    PALETTE,
    REFERENCE_MARK,
    axes_or_new,
    despine,
    name_reference,
    numbers,
    of_stratum,
    pairs_of,
    predictor_names,
    say,
    short,
    symmetric_limit,
)
from pgxeval.wording import bracketed, correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def paired_difference(
    evaluation: Evaluation, predictor_a: str, predictor_b: str, *, bins: int = 41, ax: Axes | None = None
) -> Axes:
    """Draw the difference between the correlations of two predictors over the genes, with its mean.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    predictor_a, predictor_b
        The difference is that of a less that of b.
    bins
        Number of bins.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A histogram over genes; an undefined correlation counts as 0, as in the comparison table. Above it the mean
        difference with its block-jackknife interval (square), and the mean difference on permuted expression (hollow
        diamond), both from the comparison table.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    table = evaluation.per_gene
    predictor_names(table, (predictor_a, predictor_b))
    long = table.assign(pair=pairs_of(table), predictor=table["predictor"].astype(str))
    wide = long.pivot_table(index="pair", columns="predictor", values="correlation", sort=False, dropna=False)
    both = wide.reindex(columns=[predictor_a, predictor_b]).fillna(0.0).to_numpy(dtype=np.float64)
    difference = both[:, 0] - both[:, 1]
    ax = axes_or_new(ax, (6.4, 3.7))
    if not len(difference):
        return say(ax, "The evaluation has no genes.")
    limit = symmetric_limit(difference)
    counts, edges = np.histogram(difference, np.linspace(-limit, limit, bins + 1))
    ax.stairs(counts, edges, fill=True, color=PALETTE[0], alpha=0.35)
    ax.stairs(counts, edges, color=PALETTE[0], linewidth=1.1)
    ax.axvline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    top = max(int(counts.max()), 1)
    value, low, high, reference = _mean_difference(evaluation, predictor_a, predictor_b)
    words = f"{short(predictor_a)} higher at {(difference > 0).sum():,}, {short(predictor_b)} at "
    words += f"{(difference < 0).sum():,} of {len(difference):,} genes"
    if np.isfinite(value):
        ax.plot([low, high], [1.1 * top, 1.1 * top], color="black", linewidth=2, solid_capstyle="butt")
        ax.plot(value, 1.1 * top, "s", color="black", markersize=7)
        words += f"\nmean difference {bracketed(value, low, high, correlation)}"
    if np.isfinite(reference):
        ax.plot(reference, 1.2 * top, **REFERENCE_MARK)
        words += f", permuted {correlation(reference)}"
        name_reference(ax, drawn=True)
    ax.set_title(words, fontsize="small", loc="left", pad=22 if np.isfinite(reference) else 6)
    ax.set(xlim=(-limit, limit), ylim=(0, 1.3 * top))
    ax.set_xlabel(f"{evaluation.measure_name}: {short(predictor_a)} − {short(predictor_b)}")
    ax.set_ylabel("genes")
    despine(ax)
    return ax


def _mean_difference(evaluation: Evaluation, a: str, b: str) -> tuple[float, float, float, float]:
    """Return mean difference of a less b, its limits and its permuted reference; NaN where they are unknown."""
    rows = of_stratum(evaluation.comparison, ALL)
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        row = rows[(rows["predictor_a"].astype(str) == first) & (rows["predictor_b"].astype(str) == second)]
        if len(row):
            names = ("mean_difference", "mean_difference_low", "mean_difference_high", "reference_difference")
            value, low, high, reference = (sign * float(numbers(row, name)[0]) for name in names)
            return value, min(low, high), max(low, high), reference
    return (np.nan,) * 4
