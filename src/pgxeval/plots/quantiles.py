"""Observed against expected p-values, next to those of a permuted replicate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, despine, predictor_mark, predictor_names, say, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def p_value_quantiles(evaluation: Evaluation, permuted: pd.DataFrame | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw p-values against those expected without any signal (a quantile-quantile plot).

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    permuted
        p-values of a permuted replicate, from `pgxeval.evaluation.permuted_p_values`; None draws none.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        ``-log10`` of expected against observed p-values over genes, one filled marker per predictor; the same of the
        permuted replicate hollow, which should follow the diagonal. Grey: 95 % range of each order statistic of
        independent uniform p-values.
    """
    names = predictor_names(evaluation.per_gene, None)
    ax = axes_or_new(ax, (6.8, 4.4))
    observed = {name: _sorted(evaluation.per_gene, name) for name in names}
    most = max((len(values) for values in observed.values()), default=0)
    if most == 0:
        return say(ax, "No gene has a p-value.")
    order = np.arange(1, most + 1)
    expected = -np.log10(order / (most + 1))
    low, high = (-np.log10(stats.beta.ppf(q, order, most + 1 - order)) for q in (0.975, 0.025))
    ax.fill_between(expected, low, high, color="#DADDE1", linewidth=0, zorder=0)
    ax.plot([0, expected[0]], [0, expected[0]], color=GREY, linewidth=0.9, linestyle="--", zorder=1)
    for k, name in enumerate(names):
        mark = predictor_mark(k) | {"markersize": 4 if most <= 1000 else 2.5}
        values = observed[name]
        if len(values):
            ax.plot(*_points(values), **mark, alpha=0.8, label=short(name), rasterized=len(values) > 1000)
        null = _sorted(permuted, name) if permuted is not None else np.empty(0)
        if len(null):
            hollow = mark | {"markerfacecolor": "white", "markeredgewidth": 0.8, "color": PALETTE[k % len(PALETTE)]}
            ax.plot(*_points(null), **hollow, zorder=1.5, label=f"{short(name)}, permuted", rasterized=len(null) > 1000)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_xlabel("expected −log10 p")
    ax.set_ylabel("observed −log10 p")
    despine(ax)
    return ax


def _sorted(table: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    values = table.loc[table["predictor"].astype(str) == name, "p_value"].to_numpy(dtype=np.float64)
    return np.sort(values[np.isfinite(values)])


def _points(p: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    expected = np.arange(1, len(p) + 1) / (len(p) + 1)
    return -np.log10(expected), -np.log10(np.maximum(p, np.finfo(float).tiny))
