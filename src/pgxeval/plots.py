"""Figures from evaluation tables: each function draws on one matplotlib Axes and returns it.

Every function takes an `Evaluation`, or the one table of it that it needs, and an Axes to draw on. Without
one it makes a new `matplotlib.figure.Figure` (never through pyplot, so nothing is kept open and nothing
global changes); the figure of an Axes is ``ax.figure``, and ``ax.figure.savefig("name.pdf")`` writes it.
Genes whose correlation is undefined are never drawn as zero: they are counted in a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pgxeval.drawing import (
    ALL,
    GREY,
    NAIVE_GROUND,
    PALETTE,
    REFERENCE_MARK,
    axes_or_new,
    despine,
    flags,
    in_order,
    name_predictors,
    name_reference,
    numbers,
    of_stratum,
    plain,
    predictor_mark,
    predictor_names,
    say,
    short,
    symmetric_limit,
    table_of,
)
from pgxeval.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY_POINTS = 3000
"""Above this number of genes a scatter becomes a hexagonal density."""

OddsRatio = Literal["mcnemar", "marginal", "association"]
_ODDS_RATIO_NAMES = {
    "mcnemar": "McNemar odds ratio (genes that only A gets right / only B)",
    "marginal": "Marginal odds ratio (odds of right in A / odds in B)",
    "association": "Association odds ratio (do A and B get the same genes right?)",
}


def scatter_predictors(
    per_gene: Any,
    predictor_a: str,
    predictor_b: str,
    *,
    strata: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each gene's Spearman correlation under two predictors, with the quadrants counted.

    Parameters
    ----------
    per_gene
        An `Evaluation`, or its ``per_gene`` table (columns predictor, gene_id, spearman; direction where
        there is one).
    predictor_a, predictor_b
        Names of the predictors on the x and y axis.
    strata
        The ``strata`` table (gene_id, stratum): its nonlinear genes are marked. Left out where the genes
        are so many that a density is drawn.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes run over Spearman's rho (no unit). Above `MANY_POINTS` genes, hexagons coloured by
        number of genes. A note counts genes undefined under either predictor. Counts are taken from
        ``direction``, so that they agree with the concordance table.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.

    Examples
    --------
    >>> table = pd.DataFrame({"predictor": ["a", "a", "b", "b"], "gene_id": ["G1", "G2", "G1", "G2"],
    ...                       "spearman": [0.2, -0.1, 0.3, 0.4]})
    >>> ax = scatter_predictors(table, "a", "b")
    >>> ax.get_xlabel()
    'Spearman ρ, a'
    """
    table = table_of(per_gene, "per_gene", ("predictor", "gene_id", "spearman"))
    pair = _pair(table, predictor_a, predictor_b)
    ax = axes_or_new(ax, (5.6, 5.6))
    defined = pair["a"].notna() & pair["b"].notna()
    note = _undefined_note(pair)
    if not defined.any():
        return say(ax, f"No gene has a defined correlation\nunder both predictors.\n{note}")
    shown = pair[defined]
    x, y = shown["a"].to_numpy(), shown["b"].to_numpy()
    limit = symmetric_limit(np.concatenate([x, y]))
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    ax.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=0.8, linestyle="--", zorder=1)
    if len(shown) > MANY_POINTS:
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
        _scatter_genes(ax, shown, strata)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_xlabel(f"Spearman ρ, {plain(predictor_a)}")
    ax.set_ylabel(f"Spearman ρ, {plain(predictor_b)}")
    _count_quadrants(ax, shown)
    ax.set_title(
        f"{len(shown):,} gene{'s' * (len(shown) != 1)} defined under both\n{note}".strip(), fontsize="small", loc="left"
    )
    return ax


def correlation_distribution(
    per_gene: Any,
    *,
    summary: pd.DataFrame | None = None,
    predictors: Sequence[str] | None = None,
    bins: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution over genes of each predictor's Spearman correlation.

    Parameters
    ----------
    per_gene
        An `Evaluation`, or its ``per_gene`` table.
    summary
        The ``summary`` table, from which the share of right directions under permuted expression is
        written beside the observed one; taken from the evaluation where one is given.
    predictors
        Which predictors, in which order; all of them by default.
    bins
        Number of bins of the histograms.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One row a predictor: a histogram over genes (its height is scaled to the row), a tick at the
        median, and the share of genes pointing the right way beside its permuted reference. The row's
        label counts the genes that are defined and undefined.

    Raises
    ------
    UnknownNameError
        If a predictor is not in the table.
    """
    table = table_of(per_gene, "per_gene", ("predictor", "gene_id", "spearman"))
    if summary is None and hasattr(per_gene, "summary"):
        summary = per_gene.summary
    names = predictor_names(table, predictors)
    ax = axes_or_new(ax, (7.2, 1.1 + 0.95 * max(len(names), 1)))
    values = {name: table.loc[table["predictor"] == name, "spearman"].to_numpy(np.float64) for name in names}
    everything = np.concatenate([*values.values(), np.empty(0)])
    if not np.isfinite(everything).any():
        return say(ax, "No gene has a defined correlation\nunder any predictor.")
    limit = symmetric_limit(everything)
    edges = np.linspace(-limit, limit, bins + 1)
    labels = []
    for row, name in enumerate(names):
        known = values[name][np.isfinite(values[name])]
        undefined = len(values[name]) - len(known)
        labels.append(f"{short(name)}\n{len(known):,} genes" + (f", {undefined:,} undefined" * bool(undefined)))
        if not len(known):
            ax.text(0, -row + 0.3, "undefined for every gene", ha="center", color=GREY)
            continue
        counts, _ = np.histogram(known, edges)
        color = PALETTE[row % len(PALETTE)]
        height = 0.78 * counts / counts.max()
        ax.stairs(height - row, edges, baseline=-row, fill=True, color=color, alpha=0.35)
        ax.stairs(height - row, edges, baseline=-row, color=color, linewidth=1.2)
        median = float(np.median(known))
        ax.plot([median, median], [-row, -row + 0.86], color="black", linewidth=1.6)
        share = _share_text(name, summary, table)
        ax.text(
            1.01,
            -row + 0.4,
            f"median {median:.3f}\n{share}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize="small",
        )
    ax.axvline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    ax.set(xlim=(-limit, limit), ylim=(-len(names) + 0.9, 1.0))
    ax.set_yticks([-row + 0.3 for row in range(len(names))], labels)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Spearman ρ across individuals, one value a gene (thick tick: median)")
    despine(ax, "left")
    return ax


def sign_concordance(summary: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the share of genes that each predictor points the right way, beside its permuted reference.

    Parameters
    ----------
    summary
        An `Evaluation`, or its ``summary`` table.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One row a predictor, shares in percent of the genes with a direction: observed with its
        block-bootstrap interval, and the share that the same procedure reaches on permuted expression.
        The line at 50 % is the reference of a zero-shot predictor only.
    """
    table = of_stratum(table_of(summary, "summary", ("predictor", "share_right")), ALL)
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
    drawn = 100 * np.concatenate([share, low, high, reference, [0.5]])
    drawn = drawn[np.isfinite(drawn)]
    margin = 0.08 * max(drawn.max() - drawn.min(), 10)
    ax.set(xlim=(drawn.min() - margin, drawn.max() + margin), ylim=(-len(names) + 0.4, 0.6))
    ax.set_yticks(-np.arange(len(names)), [short(name) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("genes predicted in the right direction [% of genes with a direction]")
    name_reference(ax, drawn=bool(np.isfinite(reference).any()))
    despine(ax, "left")
    return ax


def strata_comparison(summary: Any, *, ax: Axes | None = None) -> Axes:
    """Draw each predictor's mean Spearman correlation in each stratum of genes.

    Parameters
    ----------
    summary
        An `Evaluation`, or its ``summary`` table, whose rows of single strata are drawn.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One group a stratum, one point a predictor: the mean over genes of Spearman's rho (no unit) with its
        block-bootstrap interval. Naive results, where the stratum was defined with the very predictor that
        is judged in it, are hollow on a hatched ground, and named in the legend.
    """
    table = table_of(summary, "summary", ("predictor", "stratum", "mean_spearman"))
    names = predictor_names(table, None)
    table = table[table["stratum"].astype(str) != ALL].reset_index(drop=True)
    ax = axes_or_new(ax, (7.6, 4.2))
    mean = numbers(table, "mean_spearman")
    if not np.isfinite(mean).any():
        return say(ax, "No stratum has a gene with a defined correlation.")
    low, high, genes = (numbers(table, name) for name in ("mean_low", "mean_high", "n_genes"))
    naive = flags(table, "naive")
    groups = table["stratum"].astype(str).to_numpy(dtype=object)
    strata = in_order(groups)
    step = min(0.8 / max(len(names), 1), 0.22)
    for row, (name, group) in enumerate(zip(table["predictor"].astype(str), groups, strict=True)):
        if not np.isfinite(mean[row]):
            continue
        index = names.index(name)
        color = PALETTE[index % len(PALETTE)]
        x = strata.index(group) + step * (index - (len(names) - 1) / 2)
        if naive[row]:
            ax.axvspan(x - step / 2, x + step / 2, **NAIVE_GROUND, zorder=0)
        ax.plot([x, x], [low[row], high[row]], color=color, linewidth=2, solid_capstyle="butt")
        face = "white" if naive[row] else color
        ax.plot(x, mean[row], **predictor_mark(index), markerfacecolor=face, markeredgewidth=1.6)
    name_predictors(ax, names, naive=bool(naive.any()))
    ax.axhline(0, color=GREY, linewidth=0.9, linestyle="--", zorder=0)
    counts = [np.nanmax(genes[groups == group], initial=-1) for group in strata]
    labels = [
        f"{plain(group)}\n{int(n):,} genes" if n >= 0 else plain(group) for group, n in zip(strata, counts, strict=True)
    ]
    ax.set_xticks(range(len(strata)), labels)
    ax.set_xlim(-0.6, len(strata) - 0.4)
    ax.set_xlabel("stratum of genes")
    ax.set_ylabel("mean Spearman ρ over genes")
    despine(ax)
    return ax


def odds_ratios(concordance: Any, *, kind: OddsRatio = "mcnemar", stratum: str = ALL, ax: Axes | None = None) -> Axes:
    """Draw a forest plot of the odds ratios of every pair of predictors.

    Parameters
    ----------
    concordance
        An `Evaluation`, or its ``concordance`` table.
    kind
        Which of the three odds ratios.
    stratum
        Which stratum's rows; by default those over all genes.
    ax
        Axes to draw on; a new figure without.

    Returns
    -------
    matplotlib.axes.Axes
        One row a pair, on a log axis (no unit): the odds ratio with its interval, the same under permuted
        expression as a hollow diamond, the numbers in words at the right. An odds ratio or an end of an
        interval that is 0 or infinite is an arrow at the edge; 0/0 is written as undefined.
    """
    if kind not in _ODDS_RATIO_NAMES:
        raise SettingError(f"kind must be one of {', '.join(_ODDS_RATIO_NAMES)}, got {kind!r}")
    table = of_stratum(table_of(concordance, "concordance", ("predictor_a", "predictor_b", f"{kind}_or")), stratum)
    ax = axes_or_new(ax, (8.2, 1.5 + 0.62 * max(len(table), 1)))
    if table.empty:
        return say(ax, "There is no pair of predictors to compare.")
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
    rho = shown["predicted"].rank().corr(shown["observed"].rank())
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


def _pair(table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    predictor_names(table, (a, b))
    names = table["predictor"].astype(str)
    sides = {}
    for side, name in (("a", a), ("b", b)):
        rows = table[names == name].set_index("gene_id")
        sides[side] = pd.to_numeric(rows["spearman"]).astype("float64")
        given = rows["direction"].astype("Float64").fillna(0.0) if "direction" in rows else sides[side]
        sides[f"direction_{side}"] = given.astype("float64")
    return pd.concat(sides, axis=1)


def _undefined_note(pair: pd.DataFrame) -> str:
    no_a, no_b = pair["a"].isna(), pair["b"].isna()
    undefined = {"for x only": no_a & ~no_b, "for y only": no_b & ~no_a, "for both": no_a & no_b}
    parts = [f"{int(genes.sum()):,} {where}" for where, genes in undefined.items() if genes.any()]
    return f"undefined, not drawn: {', '.join(parts)}" if parts else ""


def _scatter_genes(ax: Axes, shown: pd.DataFrame, strata: pd.DataFrame | None) -> None:
    nonlinear = np.zeros(len(shown), dtype=bool)
    if strata is not None and {"gene_id", "stratum"} <= set(strata.columns):
        stratum = strata.drop_duplicates("gene_id").set_index("gene_id")["stratum"].astype(str)
        nonlinear = (stratum.reindex(shown.index) == "nonlinear").to_numpy()
    size = 34 if len(shown) <= 200 else 14 if len(shown) <= 1000 else 7
    for chosen, color, marker, label in (
        (~nonlinear, PALETTE[0], "o", "other genes"),
        (nonlinear, PALETTE[1], "^", "nonlinear genes"),
    ):
        if chosen.any():
            ax.scatter(
                shown["a"][chosen],
                shown["b"][chosen],
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


def _share_text(name: str, summary: pd.DataFrame | None, table: pd.DataFrame) -> str:
    if summary is not None and {"predictor", "share_right"} <= set(summary.columns):
        row = of_stratum(summary[summary["predictor"].astype(str) == name], ALL)
        share = float(row["share_right"].iloc[0]) if len(row) else np.nan
        reference = float(row["reference_share"].iloc[0]) if len(row) and "reference_share" in row else np.nan
    else:
        known = table.loc[table["predictor"].astype(str) == name, "spearman"].dropna()
        share, reference = float((known > 0).mean()) if len(known) else np.nan, np.nan
    observed = f"{100 * share:.1f} % right" if np.isfinite(share) else "share undefined"
    permuted = f"{100 * reference:.1f} %" if np.isfinite(reference) else "not known"
    return f"{observed}\npermuted: {permuted}"


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
