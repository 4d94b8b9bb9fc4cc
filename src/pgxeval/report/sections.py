"""The sections of the report before the appendix: each takes an evaluation and returns the HTML of one section."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.evaluation.by_tissue import by_tissue
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.pair_views import comparison_view, concordance_view, true_directions_view
from pgxeval.evaluation.predictor_views import structure_view, summary_view
from pgxeval.evaluation.settings import MEASURE_SYMBOLS
from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import gene_label, in_order, of_stratum
from pgxeval.report import figures
from pgxeval.report.answers import answers
from pgxeval.report.findings import NOTHING, attenuation, cautions
from pgxeval.report.individuals import genes_in_detail
from pgxeval.report.markup import details, finding, pair, paragraph, table, view, warning
from pgxeval.view import Column, TableView, cells
from pgxeval.wording import (
    UNDEFINED,
    bracketed_correlation,
    bracketed_percent,
    correlation,
    count,
    counted,
    interval,
    is_undefined,
    listed,
    number,
    percent,
    probability,
)


@attrs.frozen(kw_only=True, eq=False)
class Options:
    """What the page shows.

    Parameters
    ----------
    show_individuals_of
        Genes whose individuals are drawn; if empty, no value and no name of an individual is on the page.
    max_genes
        Rows of the per-gene table.
    cohort
        The cohort with its genotypes, for figures of expression by genotype; None draws none.
    otherwise
        Further evaluations of the same predictors, by how they were made.
    """

    show_individuals_of: tuple[str, ...] = ()
    max_genes: int = 200
    cohort: Cohort | None = None
    otherwise: Mapping[str, Evaluation] = attrs.field(factory=dict)


def answer(evaluation: Evaluation, options: Options) -> str:
    """Show one number and one sentence per question, what to know before trusting them, and one figure."""
    items = [finding(one.question, one.value, one.sentence, one.details) for one in answers(evaluation)]
    if not items:
        return paragraph(NOTHING)
    cards = f'<div class="answers">{"".join(items)}</div>'
    return cards + "".join(warning(words) for words in cautions(evaluation)) + figures.distribution(evaluation)


def summary(evaluation: Evaluation, options: Options) -> str:
    """Show each predictor over all genes."""
    whole = attrs.evolve(evaluation, summary=of_stratum(evaluation.summary, ALL))
    return view(summary_view(whole)) + pair(figures.directions(evaluation), figures.p_values(evaluation))


def pairs(evaluation: Evaluation, options: Options) -> str:
    """Show pairs of predictors: means, directions and odds ratios."""
    whole = attrs.evolve(
        evaluation,
        comparison=of_stratum(evaluation.comparison, ALL),
        concordance=of_stratum(evaluation.concordance, ALL),
        true_directions=of_stratum(evaluation.true_directions, ALL),
    )
    if whole.concordance.empty:
        return paragraph("A comparison needs at least two predictors.")
    rows = [pair(*two) for two in zip(figures.differences(evaluation), figures.scatters(evaluation), strict=True)]
    parts = [view(comparison_view(whole)), view(concordance_view(whole)), paragraph(attenuation(evaluation), "note")]
    if len(whole.true_directions):
        parts.append(view(true_directions_view(whole)))
    parts += [rows[0], figures.odds_ratios(evaluation)]
    if len(rows) > 1:
        remainder = len(figures.pairs(evaluation)) - len(rows)
        note = paragraph(f"{counted(remainder, 'further pair')} not drawn.", "note") if remainder else ""
        parts.append(details("Figures of the other pairs", "".join(rows[1:]) + note))
    other = [view(concordance_view(whole, kind=kind)) for kind in ("marginal", "association")]
    parts.append(
        details("Other odds ratios, and exact tests", "".join(other) + _exact(whole.concordance) + _PAIRED_NOTE)
    )
    return "".join(parts)


_PAIRED_NOTE = paragraph(
    "Two predictors whose predictions correlate are right at the same genes even if both are noise, so a small p of "
    "the association odds ratio does not show that either has learned anything: compare with permuted expression.",
    "note",
)


def _exact(rows: pd.DataFrame) -> str:
    kinds = ("mcnemar", "association")
    exact = [
        (
            Column(
                title=f"{kind.capitalize()} odds ratio\nexact interval",
                cells=cells(rows, interval, f"{kind}_exact_low", f"{kind}_exact_high"),
            ),
            Column(title="Exact p", cells=cells(rows, probability, f"{kind}_exact_p")),
        )
        for kind in kinds
    ]
    counts = {"both_right": "Both right", "only_a": "Only A", "only_b": "Only B", "neither": "Neither"}
    return table(
        [
            Column(title="A", cells=cells(rows, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(rows, str, "predictor_b"), numeric=False),
            *(Column(title=title, cells=cells(rows, count, name)) for name, title in counts.items()),
            *(column for columns in exact for column in columns),
        ],
        "Genes by which of two predictors point the right way, with tests that assume independent genes: these "
        "intervals and p-values are too small.",
    )


def strata(evaluation: Evaluation, options: Options) -> str:
    """Show genes by stratum, and every predictor in each stratum."""
    genes = evaluation.strata
    if genes.empty:
        return ""
    counts = genes["stratum"].astype(str).value_counts()
    how = sorted({str(value) for value in genes["assignment"]})
    numbers = listed([f"{name} {count(counts[name])}" for name in in_order(counts.index)])
    rows = evaluation.summary
    rows = rows[(rows["stratum"].astype(str) != ALL) & (rows["n_genes"] > 0)]
    parts = [paragraph(f"Genes by stratum: {numbers}. How they were assigned: {listed(how)}.")]
    if len(rows):
        parts += [
            view(summary_view(attrs.evolve(evaluation, summary=rows)), caption="Every predictor in each stratum."),
            paragraph(
                "Strata that were defined on the same individuals flatter or harm the predictors that defined them, "
                "and bias all others in the same direction, by less. Strata from one half of the individuals with "
                "results from the other are free of this.",
                "note",
            ),
        ]
    return "".join([*parts, pair(figures.strata(evaluation), figures.gains(evaluation))])


def tissues(evaluation: Evaluation, options: Options) -> str:
    """Show the predictors side by side in every tissue, where there are several."""
    if "tissue" not in evaluation.per_gene:
        return ""
    rows = by_tissue(evaluation)
    order = list(dict.fromkeys(rows["tissue"].astype(str)))
    symbol = MEASURE_SYMBOLS[evaluation.measure]
    sizes = rows.groupby("tissue", observed=True)[["n_genes", "n"]].max()
    columns = [
        Column(title="Tissue", cells=order, numeric=False),
        Column(title="Genes", cells=[count(sizes.loc[tissue, "n_genes"]) for tissue in order]),
        Column(title="Individuals", cells=[count(sizes.loc[tissue, "n"]) for tissue in order]),
    ]
    for name in dict.fromkeys(rows["predictor"].astype(str)):
        own = rows[rows["predictor"].astype(str) == name].set_index("tissue").reindex(order)
        columns += [
            Column(title=f"`{name}`\nmean {symbol}", cells=cells(own, correlation, "mean_correlation")),
            Column(title="right", cells=cells(own, percent, "share_right")),
        ]
    caption = "Predictors side by side in each tissue, over genes with a defined correlation."
    return table(columns, caption, name="tissues") + figures.tissues(evaluation)


def genes(evaluation: Evaluation, options: Options) -> str:
    """Show the genes with the smallest q-values, and single genes in detail."""
    rows = evaluation.per_gene
    if rows.empty:
        return paragraph("The evaluation has no genes.")
    order = genes_by_q(rows)
    first_genes = order[: options.max_genes]
    sizes = rows.groupby("gene_id", observed=True)["n"].max()
    strata_of = dict(
        zip(evaluation.strata["gene_id"].astype(str), evaluation.strata["stratum"].astype(str), strict=True)
    )
    columns = [
        Column(title="Gene", cells=[gene_label(rows, gene) for gene in first_genes], numeric=False),
        Column(title="Stratum", cells=[strata_of.get(gene, UNDEFINED) for gene in first_genes], numeric=False),
        Column(title="Individuals", cells=[count(sizes[gene]) for gene in first_genes]),
    ]
    for name in dict.fromkeys(rows["predictor"].astype(str)):
        own = rows[rows["predictor"].astype(str) == name].set_index("gene_id").reindex(first_genes)
        symbol = MEASURE_SYMBOLS[evaluation.measure]
        columns += [
            Column(
                title=f"`{name}`\n{symbol}",
                cells=cells(own, bracketed_correlation, "correlation", "ci_low", "ci_high"),
            ),
            Column(title="q", cells=cells(own, probability, "q_value")),
        ]
    confidence = f"{100 * evaluation.settings['confidence']:g} % interval"
    caption = (
        f"The {counted(len(first_genes), 'gene')} with the smallest q-value under any predictor, of "
        f"{count(len(order))}; in square brackets: {confidence}."
    )
    legend = (
        "The full table, with p-values, how they were found, both correlations and reasons where something is "
        "undefined, is `evaluation.per_gene` in Python; `evaluation.write(folder)` writes all tables to files. A print "
        "shows 40 rows."
    )
    return table(columns, caption, legend=[legend], name="genes") + genes_in_detail(
        evaluation, options.show_individuals_of, options.cohort
    )


def genes_by_q(rows: pd.DataFrame) -> list[str]:
    """Return all genes, those with the smallest q-value under any predictor first."""
    ranking = pd.DataFrame({"gene": rows["gene_id"].astype(str)})
    ranking["q"] = rows["q_value"].fillna(math.inf)
    ranking["r"] = -rows["correlation"].abs().fillna(0.0)
    return list(ranking.sort_values(["q", "r", "gene"], kind="stable")["gene"].drop_duplicates())


def structure(evaluation: Evaluation, options: Options) -> str:
    """Show results with and without components of the genotypes, where population structure was found."""
    return view(structure_view(evaluation)) if len(evaluation.structure) else ""


def otherwise(evaluation: Evaluation, options: Options) -> str:
    """Show the same predictors under other evaluations, such as with genotype components as covariates."""
    if not options.otherwise:
        return ""
    parts = []
    for label, one in {"as above": evaluation, **options.otherwise}.items():
        rows = of_stratum(one.summary, ALL)
        covariates = list(one.settings.get("covariates", []))
        parts.append(rows.assign(label=label, covariates=len(covariates), measure=one.measure))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.sort_values("predictor", key=lambda names: names.map(_first_places(names)), kind="stable")
    evaluations_view = TableView(
        title="The same predictors, evaluated otherwise",
        columns=(
            Column(title="Predictor", cells=cells(rows, str, "predictor"), numeric=False),
            Column(title="Evaluation", cells=cells(rows, str, "label"), numeric=False),
            Column(title="Covariates", cells=cells(rows, count, "covariates")),
            Column(
                title="Mean correlation",
                cells=cells(rows, bracketed_correlation, "mean_correlation", "mean_low", "mean_high"),
            ),
            Column(title="Permuted", cells=cells(rows, correlation, "reference_mean_correlation")),
            Column(title="Significant", cells=cells(rows, count, "n_significant")),
            Column(title="Right", cells=cells(rows, bracketed_percent, "share_right", "share_low", "share_high")),
            Column(title="Permuted", cells=cells(rows, percent, "reference_share")),
        ),
        legend=("A result that depends on population structure changes where its components are covariates.",),
        table=rows,
    )
    return view(evaluations_view)


def _first_places(names: pd.Series) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def more(content: str | pd.DataFrame | TableView | Sequence[str | pd.DataFrame | TableView]) -> str:
    """Show paragraphs and tables of the caller."""
    parts = [content] if isinstance(content, str | pd.DataFrame | TableView) else list(content)
    return "".join(_part(part) for part in parts)


def _part(content: str | pd.DataFrame | TableView) -> str:
    if isinstance(content, str):
        return paragraph(content)
    if isinstance(content, TableView):
        return view(content)
    return table([_column(str(name), content[name]) for name in content.columns], "")


def _column(title: str, values: pd.Series) -> Column:
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return Column(
            title=title, cells=[UNDEFINED if is_undefined(value) else str(value) for value in values], numeric=False
        )
    write = count if pd.api.types.is_integer_dtype(values) else number
    return Column(title=title, cells=[write(value) for value in values])
