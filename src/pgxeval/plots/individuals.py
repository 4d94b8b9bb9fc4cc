"""Observed against predicted expression at one gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.plots.drawing import PALETTE, axes_or_new, despine, plain, say, table_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def observed_predicted(
    evaluation: Any, gene_id: str | None = None, predictor: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw observed against predicted expression of the individuals, for one gene and one predictor.

    Parameters
    ----------
    evaluation
        An `Evaluation` that keeps its observed and predicted values, or a table with one row an
        individual (columns predicted, observed).
    gene_id, predictor
        Which gene and predictor; needed with an `Evaluation`.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        Predicted on the x axis, in the predictor's own unit (centred within folds where cross-fitted);
        observed expression on the y axis, in the unit of the expression table. Spearman's rho and the
        number of individuals are written above.
    """
    table = _individuals(evaluation, gene_id, predictor)
    ax = axes_or_new(ax, (5.2, 4.6))
    shown = table[["predicted", "observed"]].dropna()
    if len(shown) < 2:
        return say(ax, "Fewer than two individuals have both\na prediction and a measured expression.")
    many = len(shown) > 1000
    ax.plot(
        shown["predicted"],
        shown["observed"],
        "o",
        color=PALETTE[0],
        alpha=0.3 if many else 0.6,
        markersize=4,
        markeredgewidth=0,
        rasterized=many,
    )
    ranks = shown[["predicted", "observed"]].rank()
    rho = ranks["predicted"].corr(ranks["observed"]) if np.ptp(ranks.to_numpy(), axis=0).all() else np.nan
    ax.set_xlabel(f"predicted by {plain(predictor or 'the predictor')} [its own unit]")
    ax.set_ylabel("observed expression [unit of the expression table]")
    words = f"Spearman ρ = {rho:.3f}" if np.isfinite(rho) else "Spearman ρ undefined: constant values"
    ax.set_title(f"{plain(gene_id or '')}  {words}, {len(shown):,} individuals".strip(), fontsize="small")
    despine(ax)
    return ax


def _individuals(source: Any, gene_id: str | None, predictor: str | None) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return table_of(source, "individuals", ("predicted", "observed"))
    if gene_id is None or predictor is None:
        raise SettingError("observed_predicted needs gene_id and predictor to find the values in an Evaluation")
    return table_of(source.observed_predicted(gene_id, predictor), "individuals", ("predicted", "observed"))
