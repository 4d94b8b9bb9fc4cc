"""Predictors side by side in several tissues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.evaluation.by_tissue import by_tissue
from pgxeval.plots.drawing import (
    GREY,
    axes_or_new,
    despine,
    name_predictors,
    numbers,
    predictor_mark,
    predictor_names,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def tissue_comparison(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw each predictor's mean correlation in each tissue.

    Parameters
    ----------
    evaluation
        An evaluation of several tissues.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per tissue with its number of genes, one marker per predictor: the mean over the defined genes, from
        `pgxeval.evaluation.by_tissue`. Tissues are sorted by the mean over predictors.

    Raises
    ------
    SettingError
        If the evaluation has a single tissue.
    """
    table = by_tissue(evaluation)
    names = predictor_names(table, None)
    means = table.groupby("tissue", sort=False, observed=True)["mean_correlation"].mean()
    tissues = list(means.sort_values(ascending=False, kind="stable").index)
    ax = axes_or_new(ax, (7.2, 1.3 + 0.3 * len(tissues)))
    row = {tissue: -k for k, tissue in enumerate(tissues)}
    for k, name in enumerate(names):
        part = table[table["predictor"].astype(str) == name]
        ax.plot(numbers(part, "mean_correlation"), part["tissue"].map(row), **(predictor_mark(k) | {"markersize": 6}))
    ax.hlines(-np.arange(len(tissues)), *ax.get_xlim(), color="#E3E7EC", linewidth=0.8, zorder=0)
    ax.axvline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    genes = table.groupby("tissue", observed=True)["n_genes"].max()
    labels = [f"{short(str(tissue), 34)}  ({genes[tissue]:,})" for tissue in tissues]
    ax.set_yticks(-np.arange(len(tissues)), labels, fontsize="small")
    ax.set_ylim(-len(tissues) + 0.4, 0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"mean {evaluation.measure_name} over genes (number in brackets)")
    name_predictors(ax, names, naive=False)
    despine(ax, "left")
    return ax
