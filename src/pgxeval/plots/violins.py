"""The correlations of all predictors as violins, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pgxeval.plots.drawing import (
    GREY,
    PALETTE,
    axes_or_new,
    despine,
    numbers,
    predictor_names,
    say,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation

_FEW = 5


def correlation_violins(
    evaluation: Evaluation, *, predictors: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one violin per predictor: the distribution of its correlations over genes, or over gene-tissue pairs.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    predictors
        Which predictors to draw, in which order; None draws all of them.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The y axis is the correlation that the evaluation was made of. A bar marks the median, a box the quartiles;
        the label counts defined correlations and the undefined ones, which are not drawn. With fewer than five
        defined correlations the points are drawn without a violin.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    table = evaluation.per_gene
    names = predictor_names(table, predictors)
    ax = axes_or_new(ax, (1.6 + 1.25 * max(len(names), 1), 4.4))
    labels = []
    n_points = 0
    for place, name in enumerate(names):
        r = numbers(table[table["predictor"].astype(str) == name], "correlation")
        finite = r[np.isfinite(r)]
        n_undefined = len(r) - len(finite)
        labels.append(f"{short(name, 14)}\n{len(finite):,}" + (f"\n({n_undefined:,} undefined)" if n_undefined else ""))
        n_points += len(finite)
        color = PALETTE[place % len(PALETTE)]
        if len(finite) < _FEW or np.ptp(finite) == 0:
            ax.plot(np.full(len(finite), place), finite, "o", color=color, markersize=4, alpha=0.7)
            continue
        parts: dict[str, Any] = ax.violinplot(finite, positions=[place], widths=0.82, showextrema=False)
        parts["bodies"][0].set(facecolor=color, edgecolor=color, alpha=0.35)
        low, middle, high = np.quantile(finite, [0.25, 0.5, 0.75])
        ax.vlines(place, low, high, color=color, linewidth=6)
        ax.hlines(middle, place - 0.22, place + 0.22, color="black", linewidth=1.8)
    if not n_points:
        return say(ax, "No correlation is defined\nunder any predictor.")
    ax.axhline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    ax.set_xticks(range(len(names)), labels, fontsize="small")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_ylabel(f"{evaluation.measure_name} across individuals")
    despine(ax)
    return ax
