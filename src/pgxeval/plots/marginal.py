"""Marginal effects: how a prediction changes when the dosage of one variant goes from 0 to 1 to 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.errors import TableError
from pgxeval.plots.drawing import GREY, MARKERS, PALETTE, axes_or_new, despine, plain, predictor_names, say, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVELS = ("at_0", "at_1", "at_2")


def marginal_effects(
    effects: pd.DataFrame, gene_id: str, predictor: str, *, variants: int = 5, ax: Axes | None = None
) -> Axes:
    """Draw the mean prediction at dosages 0, 1 and 2 of the variants that change it most.

    Parameters
    ----------
    effects
        What `pgxeval.attribute` returned, for one predictor or several.
    gene_id, predictor
        Which gene and which predictor to draw.
    variants
        Largest number of variants: those with the widest range of the mean prediction.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The x axis is the dosage of the alternate allele, the y axis the change of the mean prediction from dosage 0, in
        the unit of the prediction. A straight line is an additive effect. Methods that give no value for dosage 1
        (substitution into the reference) have no point there.

    Raises
    ------
    UnknownNameError
        If the predictor is not in the table.
    TableError
        If the table has no row of the gene for this predictor.
    """
    predictor_names(effects, [predictor])
    rows = effects[(effects["gene_id"].astype(str) == gene_id) & (effects["predictor"].astype(str) == predictor)]
    if rows.empty:
        raise TableError(f"the effects table has no row of gene {gene_id} and predictor {predictor}")
    at = rows[list(_LEVELS)].to_numpy(dtype=np.float64)
    at = at - at[:, :1]
    with np.errstate(invalid="ignore"):
        spread = np.where(np.isfinite(at).sum(axis=1) >= 2, np.nanmax(at, 1) - np.nanmin(at, 1), 0.0) if len(at) else at
    order = [row for row in np.argsort(-spread, kind="stable")[:variants] if spread[row] > 0]
    ax = axes_or_new(ax, (5.2, 3.8))
    if not order:
        return say(ax, f"{plain(predictor)} gives no variant of this gene\na marginal effect.")
    for place, row in enumerate(order):
        finite = np.isfinite(at[row])
        ax.plot(
            np.arange(3)[finite],
            at[row][finite],
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)],
            label=short(str(rows["variant"].iloc[row]), 28),
        )
    ax.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    ax.set_xticks([0, 1, 2])
    ax.set_xlabel("dosage of the alternate allele")
    ax.set_ylabel("change of the mean prediction")
    ax.set_title(plain(predictor), loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))
    despine(ax)
    return ax
