"""Observed against predicted expression at one gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.plots.drawing import PALETTE, axes_or_new, despine, gene_label, plain, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def observed_predicted(evaluation: Evaluation, gene_id: str, predictor: str, *, ax: Axes | None = None) -> Axes:
    """Draw observed against predicted expression of the individuals, for one gene and one predictor.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw. One that was read from a folder has no values of individuals.
    gene_id, predictor
        Which gene and which predictor to draw.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Predicted on the x axis, in the predictor's own unit (centred within folds where cross-fitted);
        observed expression on the y axis, in the unit of the expression table. The correlation, without
        covariates, and the number of individuals are written above.
    """
    table = evaluation.observed_predicted(gene_id, predictor)
    ax = axes_or_new(ax, (5.2, 4.6))
    points = table[["predicted", "observed"]].dropna()
    if len(points) < 2:
        return say(ax, "Fewer than two individuals have both\na prediction and a measured expression.")
    many = len(points) > 1000
    ax.plot(
        points["predicted"],
        points["observed"],
        "o",
        color=PALETTE[0],
        alpha=0.3 if many else 0.6,
        markersize=4,
        markeredgewidth=0,
        rasterized=many,
    )
    values = points[["predicted", "observed"]]
    values = values.rank() if evaluation.measure == "spearman" else values
    r = values["predicted"].corr(values["observed"]) if np.ptp(values.to_numpy(), axis=0).all() else np.nan
    ax.set_xlabel(f"predicted by {plain(predictor)} [its own unit]")
    ax.set_ylabel("observed expression [unit of the expression table]")
    name = evaluation.measure_name
    words = f"{name} = {r:.3f}" if np.isfinite(r) else f"{name} undefined: constant values"
    ax.set_title(
        f"{plain(gene_label(evaluation.per_gene, gene_id))}  {words}, {len(points):,} individuals", fontsize="small"
    )
    despine(ax)
    return ax
