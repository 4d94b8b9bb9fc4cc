"""The share of right directions next to its permuted reference."""

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
    predictor_mark,
    predictor_names,
    say,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation


def sign_concordance(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw the share of genes in the right direction for each predictor, next to its permuted reference.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per predictor, shares in percent of the genes with a direction: observed with its
        block-jackknife interval, and the share that the same procedure reaches on permuted expression.
        The line at 50 % is the reference of a zero-shot predictor only.
    """
    table = of_stratum(evaluation.summary, ALL)
    names = predictor_names(table, None)
    ax = axes_or_new(ax, (7.2, 1.5 + 0.6 * max(len(names), 1)))
    table = table.drop_duplicates("predictor").set_index("predictor").loc[names]
    share = numbers(table, "share_right")
    if not np.isfinite(share).any():
        return say(ax, "No predictor has a gene with a direction.")
    low, high = numbers(table, "share_low"), numbers(table, "share_high")
    reference = numbers(table, "reference_share")
    ax.axvline(50, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    for row, name in enumerate(names):
        color, y = PALETTE[row % len(PALETTE)], -float(row)
        if not np.isfinite(share[row]):
            ax.text(50, y, f"{short(name)}: no gene has a direction", va="center", color=GREY)
            continue
        ends = [100 * low[row], 100 * high[row]]
        ax.plot(ends, [y, y], color=color, linewidth=2.2, solid_capstyle="butt")
        ax.plot(100 * share[row], y, **predictor_mark(row))
        ax.plot(100 * reference[row], y - 0.24, **REFERENCE_MARK)
        words = f"{100 * share[row]:.1f} %"
        if np.isfinite(ends).all():
            words += f" [{ends[0]:.1f}, {ends[1]:.1f}]"
        words += f"\npermuted {100 * reference[row]:.1f} %" if np.isfinite(reference[row]) else "\npermuted: not known"
        ax.text(1.01, y - 0.1, words, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    extent = 100 * np.concatenate([share, low, high, reference, [0.5]])
    extent = extent[np.isfinite(extent)]
    margin = 0.08 * max(extent.max() - extent.min(), 10)
    ax.set(xlim=(extent.min() - margin, extent.max() + margin), ylim=(-len(names) + 0.4, 0.6))
    ax.set_yticks(-np.arange(len(names)), [short(name) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("genes predicted in the right direction [% of genes with a direction]")
    name_reference(ax, drawn=bool(np.isfinite(reference).any()))
    despine(ax, "left")
    return ax
