"""Figures of the study report, each with its caption and an alternative text made from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from pgxeval import plots
from pgxeval.genome import Gene
from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, despine, short
from pgxeval.report.markup import figure, paragraph
from pgxeval.study.ceiling import HERITABLE
from pgxeval.study.results import StudyResults
from pgxeval.wording import correlation, listed, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOP = 15
STRANDS: dict[str, Literal["+", "-"]] = {"+": "+", "-": "-"}


def direction(study: StudyResults) -> str:
    """Draw violins of all predictors, the two models pair by pair, and the largest gains."""
    model, other = study.settings["roles"]["model"], study.settings["roles"]["other_model"]
    return _violins(study) + _side_by_side(_scatter(study, model, other), _gains(study, model, other))


def nonlinear(study: StudyResults) -> str:
    """Draw how nonlinear pairs were selected, and the model against the random forest."""
    roles, top = study.settings["roles"], int(study.settings["settings"]["top_nonlinear"])
    count = int((study.evaluation.strata["stratum"].astype(str) == "nonlinear").sum())
    selection = figure(
        plots.nonlinear_selection(study.evaluation, top=top),
        alt=f"Scatter of the correlations of elastic net and random forest; {count} pairs are nonlinear.",
        caption="Which pairs are nonlinear: the gain of the random forest over the elastic net is significant. The "
        f"{top:,} largest gains, by which others have selected, contain chance.",
    )
    return _side_by_side(selection, _scatter(study, roles["model"], roles["random_forest"]))


def mechanism(study: StudyResults) -> str:
    """Draw the effects of variants around the TSS of one gene, and marginal effects of the forest."""
    if not len(study.effects):
        return ""
    roles = study.settings["roles"]
    names = [name for name in (roles["random_forest"], roles["model"]) if name is not None]
    genes = {gene.gene_id: gene for gene in genes_of(study.genes)}
    complete = [
        (str(part["tissue"].iloc[0]), str(part["gene_id"].iloc[0]), part)
        for _, part in study.effects.groupby(["tissue", "gene_id"], sort=False)
        if set(names) <= set(part["predictor"]) and genes[str(part["gene_id"].iloc[0])].tss is not None
    ]
    if not complete:
        return paragraph("No gene with a TSS has effects under both predictors, so no effects are drawn.", "note")
    tissue, gene_id, rows = complete[0]
    gene = genes[gene_id]
    dosages = None if study.cohorts is None else _dosages(study, tissue, rows)
    drawn = figure(
        plots.effect_tracks(rows, gene, predictors=names, dosages=dosages)[0],
        alt=f"Effects of variants within 20 kb of the TSS of {gene.name} under {listed(names)}.",
        caption=f"Effect of each variant within 20 kb of the TSS of `{gene.name}` ({tissue}), one panel per predictor, "
        "each in its own unit.",
    )
    forest = roles["random_forest"]
    marginal = figure(
        plots.marginal_effects(rows, gene_id, forest),
        alt=f"Mean prediction of {forest} at dosages 0, 1 and 2 of its leading variants of {gene.name}.",
        caption=f"Marginal effects of `{forest}` at `{gene.name}`: a straight line is additive.",
    )
    return drawn + marginal


def baseline(study: StudyResults) -> str:
    """Draw the model against the trained baseline, pair by pair."""
    model, trained = study.settings["roles"]["model"], study.settings["roles"]["baseline"]
    return _side_by_side(_scatter(study, model, trained), _gains(study, trained, model))


def ceiling(study: StudyResults) -> str:
    """Draw the share of the ceiling that each predictor reaches."""
    rows = study.ceiling[(study.ceiling["pairs"] == HERITABLE) & study.ceiling["share"].notna()]
    if not len(rows):
        return ""
    shares = [f"{row.predictor} {percent(row.share)}" for row in rows.itertuples()]
    return figure(
        _ceiling_axes(rows),
        alt=f"Share of the ceiling by predictor: {listed(shares)}.",
        caption="Mean correlation over mean ceiling of the pairs with significant heritability, with interval.",
    )


def across_genes(study: StudyResults) -> str:
    """Draw the correlation across genes next to the mean correlation across individuals."""
    table = study.across_genes[study.across_genes["spearman"].notna()]
    if not len(table):
        return ""
    summary = study.evaluation.summary
    within = summary[summary["stratum"].astype(str) == "all"].set_index("predictor")
    column = "mean_correlation"
    names = list(dict.fromkeys(table["predictor"]))
    ax = axes_or_new(None, (5.4, 4.2))
    for place, name in enumerate(names):
        x = table.loc[table["predictor"] == name, "spearman"]
        y = np.full(len(x), float(within.loc[name, column]))
        ax.plot(x, y, "o", color=PALETTE[place % len(PALETTE)], label=short(name))
    ax.axhline(0, color=GREY, linewidth=0.7, zorder=0)
    ax.axvline(0, color=GREY, linewidth=0.7, zorder=0)
    ax.set_xlabel("correlation across genes, one point per tissue")
    ax.set_ylabel("mean correlation across individuals")
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    despine(ax)
    means = [f"{name} {correlation(float(within.loc[name, column]))}" for name in names]
    return figure(
        ax,
        alt=f"Correlation across genes against mean correlation across individuals: {listed(means)}.",
        caption="Across genes and across individuals are different questions: a predictor far to the right and near 0 "
        "ranks genes, but not individuals.",
    )


def genes_of(table: pd.DataFrame) -> list[Gene]:
    """Return the genes of the genes table."""
    genes = []
    for row in table.to_dict("records"):
        parts = [part.split("-") for part in str(row["exons"] or "").split(",") if part]
        genes.append(
            Gene(
                gene_id=str(row["gene_id"]),
                name=str(row["name"]),
                contig=str(row["contig"]),
                start=int(row["start"]),
                end=int(row["end"]),
                strand=STRANDS.get(str(row["strand"])),
                tss=None if pd.isna(row["tss"]) else int(row["tss"]),
                exons=[(int(start), int(end)) for start, end in parts],
            )
        )
    return genes


def _violins(study: StudyResults) -> str:
    per_gene = study.evaluation.per_gene
    medians = [
        f"{name} {correlation(part['correlation'].median())}"
        for name, part in per_gene.groupby("predictor", sort=False, observed=True)
    ]
    return figure(
        plots.correlation_violins(study.evaluation),
        alt=f"Violins of the correlations over gene-tissue pairs. Medians: {listed(medians)}.",
        caption="Correlations across individuals of all gene-tissue pairs, one violin per predictor; bar: median, box: "
        "quartiles.",
    )


def _scatter(study: StudyResults, a: str, b: str) -> str:
    if not _compared(study, a, b):
        return ""
    return figure(
        plots.scatter_better(study.evaluation.pairs, a, b),
        alt=f"Scatter of the correlations of {a} and {b}; pairs where one is significantly better are coloured.",
        caption=f"`{a}` against `{b}`, pair by pair; coloured and counted where one is significantly better.",
    )


def _gains(study: StudyResults, a: str, b: str) -> str:
    if not _compared(study, a, b):
        return ""
    return figure(
        plots.largest_gains(study.evaluation.pairs, a, b, n=_TOP),
        alt=f"The {_TOP} pairs with the largest gain of {a} over {b}.",
        caption=f"The largest gains of `{a}` over `{b}`. The largest of many noisy differences are overestimated.",
    )


def _compared(study: StudyResults, a: str, b: str) -> bool:
    pairs = study.evaluation.pairs
    return bool(((pairs["predictor_a"].isin([a, b])) & (pairs["predictor_b"].isin([a, b]))).any())


def _side_by_side(*drawn: str) -> str:
    return f'<div class="pair">{"".join(drawn)}</div>' if any(drawn) else ""


def _ceiling_axes(rows: pd.DataFrame) -> Axes:
    ax = axes_or_new(None, (6.0, 1.2 + 0.4 * len(rows)))
    values = rows[["share", "low", "high"]].to_numpy(dtype=np.float64)
    for place, (share, low, high) in enumerate(values):
        color = PALETTE[place % len(PALETTE)]
        ax.plot([low, high], [-place, -place], color=color, linewidth=2)
        ax.plot(share, -place, "o", color=color)
    ax.axvline(1, color=GREY, linewidth=0.9, linestyle="--")
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.set_yticks(-np.arange(len(rows)), [short(name) for name in rows["predictor"]])
    ax.set_xlabel("share of the ceiling (dashed: the ceiling)")
    ax.set_ylim(-len(rows) + 0.5, 0.5)
    despine(ax)
    return ax


def _dosages(study: StudyResults, tissue: str, rows: pd.DataFrame) -> pd.DataFrame | None:
    from pgxeval.study.mechanism import dosages_of

    assert study.cohorts is not None
    variants = rows.drop_duplicates("variant").sort_values("position")
    values = dosages_of(study.cohorts[tissue], variants)
    return pd.DataFrame(values, columns=variants["variant"].tolist())
