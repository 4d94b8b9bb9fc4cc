"""Odds ratios between two predictors, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pgxeval.errors import SettingError
from pgxeval.evaluation.concordance import OddsRatioKind
from pgxeval.evaluation.orientation import above_one
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
    say,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation

_ODDS_RATIO_NAMES = {
    "mcnemar": "McNemar odds ratio (genes that only A gets right / only B)",
    "marginal": "Marginal odds ratio (odds of right in A / odds in B)",
    "association": "Association odds ratio (do A and B get the same genes right?)",
}


def odds_ratios(
    evaluation: Evaluation, *, kind: OddsRatioKind = "mcnemar", stratum: str = ALL, ax: Axes | None = None
) -> Axes:
    """Draw a forest plot of the odds ratios of every pair of predictors.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    kind
        Which of the three odds ratios to draw.
    stratum
        The stratum to draw; all genes by default.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row per pair, turned so that the odds ratio is above 1 (the association odds ratio has no direction), on a
        log axis (no unit): the odds ratio with its interval, the same under permuted
        expression as a hollow diamond, the numbers as text at the right. An odds ratio or an end of an
        interval that is 0 or infinite is an arrow at the edge; 0/0 is written as undefined.
    """
    if kind not in _ODDS_RATIO_NAMES:
        raise SettingError(f"kind must be one of {', '.join(_ODDS_RATIO_NAMES)}, got {kind!r}")
    table = above_one(of_stratum(evaluation.concordance, stratum), kind)
    ax = axes_or_new(ax, (8.2, 1.5 + 0.62 * max(len(table), 1)))
    if table.empty:
        return say(ax, "A comparison needs at least two predictors.")
    ratio, low, high = (numbers(table, f"{kind}_or{end}") for end in ("", "_low", "_high"))
    reference = numbers(table, f"reference_{kind}_or")
    finite = np.concatenate([ratio, low, high, reference])
    finite = finite[np.isfinite(finite) & (finite > 0)]
    reach = 1.35 * max(1 / finite.min(), finite.max(), 4.0) if finite.size else 8.0
    reach = min(reach, 1e4)
    ax.axvline(1, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    for row in range(len(table)):
        _draw_odds_ratio(ax, -row, ratio[row], (low[row], high[row]), reach)
        if 1 / reach <= reference[row] <= reach:
            ax.plot(reference[row], -row - 0.24, **REFERENCE_MARK)
        ax.text(
            1.01,
            -row,
            _odds_ratio_text(ratio[row], low[row], high[row], reference[row]),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize="small",
        )
    ax.set_xscale("log")
    ax.set(xlim=(1 / (1.2 * reach), 1.2 * reach), ylim=(-len(table) + 0.4, 0.6))
    pairs = zip(table["predictor_a"].astype(str), table["predictor_b"].astype(str), strict=True)
    ax.set_yticks(-np.arange(len(table)), [f"A: {short(a)}\nB: {short(b)}" for a, b in pairs])
    ticks = 2.0 ** np.arange(-5, 6) if reach <= 40 else 10.0 ** np.arange(-4, 5)
    ticks = ticks[(ticks >= 1 / reach) & (ticks <= reach)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(_ODDS_RATIO_NAMES[kind])
    name_reference(ax, drawn=bool(np.isfinite(reference).any()))
    despine(ax, "left")
    return ax


def _draw_odds_ratio(ax: Axes, y: float, ratio: float, ends: tuple[float, float], reach: float) -> None:
    color, edges = PALETTE[0], (1 / reach, reach)
    if np.isfinite(ends).any():
        low, high = np.clip(np.nan_to_num(ends, nan=ratio, posinf=np.inf), *edges)
        ax.plot([low, high], [y, y], color=color, linewidth=2.2, solid_capstyle="butt")
        if ends[0] < edges[0]:
            ax.plot(edges[0], y, "<", color=color, markersize=7)
        if ends[1] > edges[1]:
            ax.plot(edges[1], y, ">", color=color, markersize=7)
    if edges[0] <= ratio <= edges[1]:
        ax.plot(ratio, y, "s", color=color, markersize=8)
    elif np.isfinite(ratio) or ratio == np.inf:
        ax.plot(edges[int(ratio > 1)], y, ">" if ratio > 1 else "<", color=color, markersize=11)


def _odds_ratio_text(ratio: float, low: float, high: float, reference: float) -> str:
    words = "undefined (0/0)" if np.isnan(ratio) else f"{_odds(ratio)} [{_odds(low)}, {_odds(high)}]"
    return f"{words}\npermuted {'not known' if np.isnan(reference) else _odds(reference)}"


def _odds(value: float) -> str:
    return "–" if np.isnan(value) else "∞" if value == np.inf else f"{value:.3g}"
