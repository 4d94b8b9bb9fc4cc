"""How nonlinear genes are selected: random forest against elastic net, with the selected genes marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.evaluation.strata import NONLINEAR
from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, numbers, say, scatter_classes, symmetric_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def nonlinear_selection(evaluation: Evaluation, *, top: int = 300, ax: Axes | None = None) -> Axes:
    """Draw the correlations of elastic net and random forest, and mark the genes that are selected as nonlinear.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw; its strata must come from elastic net and random forest.
    top
        The genes, or gene-tissue pairs, with this many largest gains are marked as well, as Shen selected them: without
        a test, so that some are chance.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Elastic net on the x axis, random forest on the y axis; undefined correlations are drawn at 0, as the gain
        counts them. The legend counts each group.
    """
    strata = evaluation.strata
    ax = axes_or_new(ax, (5.4, 5.4))
    if not len(strata) or strata["gain"].isna().all():
        return say(ax, "The strata were not defined by\nelastic net and random forest.")
    x = np.nan_to_num(numbers(strata, "correlation_en"), nan=0.0)
    y = np.nan_to_num(numbers(strata, "correlation_rf"), nan=0.0)
    gain = np.nan_to_num(numbers(strata, "gain"), nan=-np.inf)
    is_nonlinear = (strata["stratum"].astype(str) == NONLINEAR).to_numpy()
    largest = np.zeros(len(strata), dtype=bool)
    largest[np.argsort(-gain, kind="stable")[:top]] = True
    largest &= (gain > 0) & ~is_nonlinear
    limit = symmetric_limit(np.concatenate([x, y]))
    ax.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    classes = (
        (~is_nonlinear & ~largest, "#B8BEC6", "o", "other"),
        (largest, PALETTE[4], "s", f"among the {top:,} largest gains, not significant"),
        (is_nonlinear, PALETTE[1], "^", "nonlinear: significant gain"),
    )
    scatter_classes(ax, x, y, classes)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_xlabel(f"{evaluation.measure_name}, elastic net")
    ax.set_ylabel(f"{evaluation.measure_name}, random forest")
    return ax
