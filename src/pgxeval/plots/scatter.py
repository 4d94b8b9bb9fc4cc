"""Two predictors, gene by gene, with the quadrants counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, pairs_of, plain, predictor_names, say, symmetric_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.evaluation.evaluation import Evaluation

MANY_POINTS = 3000
"""Above this number of genes a scatter becomes a hexagonal density."""


def scatter_predictors(
    evaluation: Evaluation,
    predictor_a: str,
    predictor_b: str,
    *,
    mark_nonlinear: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw each gene's correlation under two predictors, with the quadrants counted.

    Parameters
    ----------
    evaluation
        The `Evaluation` to draw.
    predictor_a, predictor_b
        Names of the predictors on the x and y axis.
    mark_nonlinear
        Whether genes of the nonlinear stratum have a different colour and marker. They are not marked if the
        number of genes is so large that a density is drawn.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes run over Spearman's rho or Pearson's r (no unit). Above `MANY_POINTS` genes, hexagons coloured by
        number of genes. A note counts genes undefined under either predictor. Quadrants are counted from
        ``direction``, so they agree with the concordance table.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    pair = _pair(evaluation.per_gene, predictor_a, predictor_b)
    ax = axes_or_new(ax, (5.6, 5.6))
    complete = pair["a"].notna() & pair["b"].notna()
    note = _undefined_note(pair)
    if not complete.any():
        return say(ax, f"No gene has a defined correlation\nunder both predictors.\n{note}")
    points = pair[complete]
    x, y = points["a"].to_numpy(), points["b"].to_numpy()
    limit = symmetric_limit(np.concatenate([x, y]))
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    if len(points) > MANY_POINTS:
        hexagons = ax.hexbin(
            x,
            y,
            gridsize=60,
            extent=(-limit, limit, -limit, limit),
            bins="log",
            mincnt=1,
            cmap="cividis",
            zorder=2,
            rasterized=True,
        )
        ax.figure.colorbar(hexagons, ax=ax, shrink=0.75, label="genes per hexagon (log scale)")
    else:
        _scatter_genes(ax, points, evaluation.strata if mark_nonlinear else None)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_xlabel(f"{evaluation.measure_name}, {plain(predictor_a)}")
    ax.set_ylabel(f"{evaluation.measure_name}, {plain(predictor_b)}")
    _count_quadrants(ax, points)
    ax.set_title(
        f"{len(points):,} gene{'s' * (len(points) != 1)} defined under both\n{note}".strip(),
        fontsize="small",
        loc="left",
    )
    return ax


def _pair(table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    predictor_names(table, (a, b))
    names = table["predictor"].astype(str)
    sides = {}
    for side, name in (("a", a), ("b", b)):
        rows = table[names == name]
        rows = rows.set_index(pairs_of(rows))
        sides[side] = pd.to_numeric(rows["correlation"]).astype("float64")
        sides[f"direction_{side}"] = rows["direction"].astype("Float64").fillna(0.0).astype("float64")
    return pd.concat(sides, axis=1)


def _undefined_note(pair: pd.DataFrame) -> str:
    no_a, no_b = pair["a"].isna(), pair["b"].isna()
    gaps = {"for x only": no_a & ~no_b, "for y only": no_b & ~no_a, "for both": no_a & no_b}
    parts = [f"{int(genes.sum()):,} {where}" for where, genes in gaps.items() if genes.any()]
    return f"undefined, not drawn: {', '.join(parts)}" if parts else ""


def _scatter_genes(ax: Axes, shown: pd.DataFrame, strata: pd.DataFrame | None) -> None:
    nonlinear = np.zeros(len(shown), dtype=bool)
    if strata is not None:
        stratum_of = strata.set_index(pairs_of(strata))["stratum"].astype(str)
        stratum = stratum_of[~stratum_of.index.duplicated()]
        nonlinear = (stratum.reindex(shown.index) == "nonlinear").to_numpy()
    size = 34 if len(shown) <= 200 else 14 if len(shown) <= 1000 else 7
    for members, color, marker, label in (
        (~nonlinear, PALETTE[0], "o", "other genes"),
        (nonlinear, PALETTE[1], "^", "nonlinear genes"),
    ):
        if members.any():
            ax.scatter(
                shown["a"][members],
                shown["b"][members],
                s=size,
                color=color,
                marker=marker,
                alpha=0.65,
                linewidths=0,
                label=label,
                zorder=3,
                rasterized=len(shown) > 500,
            )
    if nonlinear.any():
        ax.legend(frameon=False, fontsize="small", loc="lower right", bbox_to_anchor=(1.0, 0.08))


def _count_quadrants(ax: Axes, shown: pd.DataFrame) -> None:
    # A correlation of exactly zero has no direction and is in no quadrant, as in the concordance table.
    a, b = shown["direction_a"], shown["direction_b"]
    corners = (
        (0.98, 0.98, "right", "top", "both right", (a > 0) & (b > 0)),
        (0.98, 0.02, "right", "bottom", "only x right", (a > 0) & (b < 0)),
        (0.02, 0.98, "left", "top", "only y right", (a < 0) & (b > 0)),
        (0.02, 0.02, "left", "bottom", "neither right", (a < 0) & (b < 0)),
    )
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    for x, y, ha, va, label, genes in corners:
        words = f"{label}: {int(genes.sum()):,}"
        ax.text(x, y, words, transform=ax.transAxes, ha=ha, va=va, fontsize="small", zorder=5, bbox=box)
