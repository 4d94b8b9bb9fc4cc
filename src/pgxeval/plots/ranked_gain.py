"""Genes ranked by the gain of the random forest over the elastic net."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.evaluation.strata import NONLINEAR
from pgxeval.plots.drawing import GREY, MARKERS, PALETTE, axes_or_new, despine, in_order, numbers, pairs_of, plain, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation

_NAMED = 5


def ranked_gain(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw the gain of the random forest over the elastic net, genes ranked by it.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Rank of the gene against its gain (correlation of the random forest less that of the elastic net, an undefined
        one counting as 0), with colour and marker by stratum. The nonlinear genes of the largest gain are named.
    """
    table = evaluation.strata
    ax = axes_or_new(ax, (6.4, 3.7))
    gain = numbers(table, "gain") if "gain" in table else np.empty(0)
    finite = np.isfinite(gain)
    if not finite.any():
        return say(ax, "The evaluation has no gain of a random forest over an elastic net.")
    order = np.argsort(-gain[finite], kind="stable")
    genes = table[finite].iloc[order]
    values, strata = gain[finite][order], genes["stratum"].astype(str).to_numpy(dtype=object)
    rank = np.arange(1, len(values) + 1)
    ax.axhline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    size = 30 if len(values) <= 200 else 12 if len(values) <= 1000 else 6
    for k, name in enumerate(in_order(strata)):
        members = strata == name
        label = f"{plain(name)} ({members.sum():,})"
        ax.scatter(
            rank[members],
            values[members],
            s=size,
            color=PALETTE[k % len(PALETTE)],
            marker=MARKERS[k % len(MARKERS)],
            linewidths=0,
            alpha=0.8,
            label=label,
            rasterized=len(values) > 1000,
        )
    names = dict(zip(pairs_of(evaluation.per_gene), evaluation.per_gene["gene_name"].astype(str), strict=True))
    pairs = pairs_of(genes).to_numpy(dtype=object)
    height = max(float(np.ptp(values)), 1e-6)
    for k, row in enumerate(np.flatnonzero(strata == NONLINEAR)[:_NAMED]):
        ax.annotate(
            plain(names.get(pairs[row], pairs[row])),
            (rank[row], values[row]),
            xytext=(0.25 * len(values), values.max() - 0.09 * k * height),
            fontsize="small",
            va="center",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3},
        )
    ax.legend(frameon=False, fontsize="small", loc="upper right")
    ax.set_xlabel("genes, ranked by gain")
    ax.set_ylabel("gain: random forest − elastic net")
    ax.margins(x=0.02)
    despine(ax)
    return ax
