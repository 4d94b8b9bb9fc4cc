"""The sections of the report: each takes an evaluation and returns the HTML of one section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import pandas as pd

from pgxeval.evaluation.concordance import ODDS_RATIO_KINDS
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import gene_label, in_order, of_stratum
from pgxeval.report import texts
from pgxeval.report.findings import attenuation, cautions, findings, interval_words, level_words
from pgxeval.report.markup import bullets, paragraph, table, terms, warning
from pgxeval.view import Column, cells
from pgxeval.wording import (
    UNDEFINED,
    correlation,
    correlation_interval,
    count,
    counted,
    interval,
    is_undefined,
    listed,
    number,
    percent,
    percent_interval,
    probability,
)


@attrs.frozen(kw_only=True)
class Options:
    """What the page shows.

    Parameters
    ----------
    show_individuals_of
        Genes whose individuals are drawn; if empty, no value and no name of an individual is on the page.
    max_genes
        Rows of the per-gene table.
    """

    show_individuals_of: tuple[str, ...] = ()
    max_genes: int = 50


def with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a number with its interval on a line below."""
    bounds = interval(low, high)
    return number(value) if bounds == UNDEFINED else f"{number(value)}\n{bounds}"


def with_block_interval(value: Any, low: Any, high: Any) -> str:
    """Write a ratio with its block interval; 0 and infinity have none, because no single block changes them."""
    return number(value) if not is_undefined(value) and value in (0.0, math.inf) else with_interval(value, low, high)


def correlation_with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a correlation with its interval on a line below."""
    bounds = correlation_interval(low, high)
    return correlation(value) if bounds == UNDEFINED else f"{correlation(value)}\n{bounds}"


def share_with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a share in percent with its interval on a line below."""
    bounds = percent_interval(low, high)
    return percent(value) if bounds == UNDEFINED else f"{percent(value)}\n{bounds}"


def answer(evaluation: Evaluation, options: Options) -> str:
    """Show the answer in a few sentences, and what to know before trusting it."""
    return bullets(findings(evaluation)) + "".join(warning(words) for words in cautions(evaluation))


_MOST_FAILURES = 20


def cohort(evaluation: Evaluation, options: Options) -> str:
    """Show which individuals were judged, how they were predicted, and what was excluded."""
    settings = evaluation.settings
    covariates = list(settings["covariates"])
    given = f"covariates {listed([f'`{name}`' for name in covariates])}" if covariates else "no covariates"
    sizes = f"{counted(settings['n_genes'], 'gene')} in {counted(settings['n_individuals'], 'individual')}"
    parts = [paragraph(f"The evaluation covers {sizes}, with {given}.")]
    parts += [paragraph(_how_predicted(name, dict(one))) for name, one in settings["predictors"].items()]
    parts += [_notes(evaluation, options), _failures(evaluation)]
    if evaluation.exclusions.empty:
        return "".join([*parts, paragraph("Nothing was excluded and nothing is undefined.")])
    return "".join([*parts, _exclusions(evaluation.exclusions, options)])


def _notes(evaluation: Evaluation, options: Options) -> str:
    """Show how the inputs were read; a note that names an individual only where individuals may be shown."""
    if evaluation.target is None or not evaluation.target.notes:
        return ""
    names = evaluation.target.individuals
    shown = [
        note
        for note in evaluation.target.notes
        if options.show_individuals_of or not any(name in note for name in names)
    ]
    hidden = len(evaluation.target.notes) - len(shown)
    if hidden:
        shown.append(f"{counted(hidden, 'note')} naming individuals: see `cohort.notes`")
    return paragraph("Notes on how the inputs were read:") + bullets(shown)


def _failures(evaluation: Evaluation) -> str:
    """List the genes at which a predictor failed, with the reason."""
    failures = None if evaluation.predictions is None else evaluation.predictions.failures
    if failures is None or failures.empty:
        return ""
    first = failures.head(_MOST_FAILURES)
    columns = [
        Column(title=title, cells=[str(cell) for cell in first[name]], numeric=False)
        for title, name in (("Predictor", "predictor"), ("Gene", "gene_id"), ("Reason", "reason"))
    ]
    caption = f"{counted(len(failures), 'failure')} of predictors at single genes; these genes are undefined."
    if len(failures) > len(first):
        caption += f" The first {len(first)} are shown; `predictions.failures` has all."
    return table(columns, caption)


def _how_predicted(name: str, settings: dict[str, Any]) -> str:
    kind = settings.get("kind")
    if kind == "zero-shot" and "cross_fitting" not in settings:
        words = f"`{name}` is treated as zero-shot because no folds were given"
    elif kind == "zero-shot":
        words = f"`{name}` is zero-shot: it learned nothing from these individuals"
    elif kind == "prequential":
        words = f"`{name}` was trained on these individuals, each fold on the earlier folds only (prequential)"
    elif kind == "crossfit":
        words = f"`{name}` was trained on these individuals and cross-fitted"
    else:
        words = f"`{name}`: how it was made is not recorded"
    if kind in ("prequential", "crossfit") and "folds" in settings:
        words += f" in {settings['folds']} folds"
    words += _cis_window(settings.get("asked"), settings.get("used"))
    reference = settings.get("reference")
    return f"{words}. Permuted reference: {reference}." if reference else f"{words}."


def _cis_window(asked: Any, used: Any) -> str:
    variants = next((asked[key] for key in ("cis_variants", "variants") if key in asked), None) if asked else None
    if not isinstance(variants, dict) or "flank_bp" not in variants:
        return ""
    around = {"body": "the gene's span", "tss": "its TSS"}.get(str(variants.get("around")), "the gene")
    words = f"; its cis window is {count(variants['flank_bp'])} bp on either side of {around}"
    number_used = used.get("variants") if isinstance(used, dict) else None
    if isinstance(number_used, dict) and {"min", "median", "max"} <= set(number_used):
        words += f", with {count(number_used['median'])} variants in the median fit "
        words += f"({count(number_used['min'])} to {count(number_used['max'])})"
    elif isinstance(number_used, int):
        words += f", with {count(number_used)} variants"
    return words


_NAMED_KINDS = ("gene", "covariate", "prediction")


def _exclusions(exclusions: pd.DataFrame, options: Options) -> str:
    def names(kind: str, shown: str) -> str:
        if is_undefined(shown) or not shown:
            return UNDEFINED
        return shown if kind in _NAMED_KINDS or options.show_individuals_of else "names withheld"

    def whose(predictor: str) -> str:
        return predictor or "all"

    columns = [
        Column(title="What", cells=cells(exclusions, str, "kind"), numeric=False),
        Column(title="Predictor", cells=cells(exclusions, whose, "predictor"), numeric=False),
        Column(title="Why", cells=cells(exclusions, str, "reason"), numeric=False),
        Column(title="How many", cells=cells(exclusions, count, "count")),
        Column(title="Which (first few)", cells=cells(exclusions, names, "kind", "name"), numeric=False),
    ]
    hidden = "names withheld" in columns[-1].cells
    note = " Names of individuals are shown only on request." if hidden else ""
    return table(columns, f"What was excluded or is undefined, and why.{note}")


def summary(evaluation: Evaluation, options: Options) -> str:
    """Show each predictor over all genes."""
    rows = of_stratum(evaluation.summary, ALL)
    called = interval_words(evaluation)
    return table(
        [
            Column(title="Predictor", cells=cells(rows, str, "predictor"), numeric=False),
            Column(title="Genes defined", cells=cells(rows, _of, "defined", "n_genes")),
            *_correlation_columns(rows, called),
            Column(
                title=f"Genes with {level_words(evaluation)}\n(wrong direction)",
                cells=cells(rows, _significant, "n_significant", "n_significant_wrong"),
            ),
        ],
        f"How well individuals are ranked within genes: Spearman's rho. {called.capitalize()}s by block jackknife.",
    ) + table(
        [
            Column(title="Predictor", cells=cells(rows, str, "predictor"), numeric=False),
            Column(title="Right direction", cells=cells(rows, _of, "n_right", "n_directed")),
            *_direction_columns(rows, called),
            Column(
                title="Interval if genes were independent",
                cells=cells(rows, percent_interval, "binomial_low", "binomial_high"),
            ),
        ],
        "How many genes point the right way, next to the share that the same procedure reaches on permuted "
        "expression. Half is the reference of zero-shot predictors only.",
    )


def _of(part: Any, whole: Any) -> str:
    return count(part) if is_undefined(whole) else f"{count(part)} of {count(whole)}"


def _significant(significant: Any, wrong: Any) -> str:
    return count(significant) if is_undefined(wrong) else f"{count(significant)} ({count(wrong)})"


def _correlation_columns(rows: pd.DataFrame, called: str) -> list[Column]:
    return [
        Column(
            title=f"Mean rho\n({called})",
            cells=cells(rows, correlation_with_interval, "mean_correlation", "mean_low", "mean_high"),
        ),
        Column(title="Median rho", cells=cells(rows, correlation, "median_correlation")),
        Column(title="Mean rho,\nundefined as 0", cells=cells(rows, correlation, "mean_correlation_undefined_as_0")),
        Column(
            title="The same on permuted expression",
            cells=cells(rows, correlation, "reference_mean_correlation_undefined_as_0"),
        ),
    ]


def _direction_columns(rows: pd.DataFrame, called: str) -> list[Column]:
    return [
        Column(
            title=f"Share\n({called})", cells=cells(rows, share_with_interval, "share_right", "share_low", "share_high")
        ),
        Column(title="On permuted expression", cells=cells(rows, percent, "reference_share")),
        Column(
            title=f"Difference\n({called})",
            cells=cells(rows, share_with_interval, "difference", "difference_low", "difference_high"),
        ),
    ]


def concordance(evaluation: Evaluation, options: Options) -> str:
    """Show pairs of predictors: who is right where, and the three odds ratios."""
    rows = of_stratum(evaluation.concordance, ALL)
    if rows.empty:
        return paragraph("A comparison needs at least two predictors.")
    called = interval_words(evaluation)
    pair = [
        Column(title="A", cells=cells(rows, str, "predictor_a"), numeric=False),
        Column(title="B", cells=cells(rows, str, "predictor_b"), numeric=False),
    ]
    counts = {
        "n": "Genes with a direction under both",
        "both_right": "Both right",
        "only_a": "Only A right",
        "only_b": "Only B right",
        "neither": "Neither right",
        "undefined": "Undefined under A or B",
    }
    paired = table(
        [*pair, *(Column(title=title, cells=cells(rows, count, name)) for name, title in counts.items())],
        "Genes by which of two predictors point the right way.",
    )
    sources = sorted({str(value) for value in rows["reference"]})
    parts = [paired, paragraph(attenuation(evaluation), "note")]
    parts += [_odds_ratio_table(rows, kind, pair, called) for kind in ODDS_RATIO_KINDS]
    parts.append(paragraph(f"Permuted reference of the pairs: {listed(sources)}.", "note"))
    return "".join(parts)


def _odds_ratio_table(rows: pd.DataFrame, kind: str, pair: list[Column], called: str) -> str:
    exact = (
        []
        if kind == "marginal"
        else [
            Column(
                title=f"{called}\nassumes independent genes",
                cells=cells(rows, interval, f"{kind}_exact_low", f"{kind}_exact_high"),
            ),
            Column(title="Exact p\nassumes independent genes", cells=cells(rows, probability, f"{kind}_exact_p")),
        ]
    )
    over = [f"{kind}_over_reference{end}" for end in ("", "_low", "_high")]
    return table(
        [
            *pair,
            Column(
                title=f"Odds ratio\n({called})",
                cells=cells(rows, with_interval, f"{kind}_or", f"{kind}_or_low", f"{kind}_or_high"),
            ),
            Column(title="p\n(block jackknife)", cells=cells(rows, probability, f"{kind}_p")),
            Column(title="On permuted expression", cells=cells(rows, number, f"reference_{kind}_or")),
            Column(title=f"Over permuted\n({called})", cells=cells(rows, with_block_interval, *over)),
            Column(title="p over permuted", cells=cells(rows, probability, f"{kind}_over_reference_p")),
            *exact,
        ],
        f"{kind.capitalize() if kind != 'mcnemar' else 'McNemar'} odds ratio. {texts.ODDS_RATIOS[kind]}",
    )


def comparison(evaluation: Evaluation, options: Options) -> str:
    """Show pairs of predictors: the difference of their mean correlations."""
    rows = of_stratum(evaluation.comparison, ALL)
    if rows.empty:
        return paragraph("A comparison needs at least two predictors.")
    called = interval_words(evaluation)
    margin = evaluation.settings.get("margin")
    equivalence = [
        Column(title=f"Within {number(margin)}", cells=cells(rows, str, "equivalent"), numeric=False),
        Column(title="p of equivalence", cells=cells(rows, probability, "equivalence_p")),
    ]
    difference = [f"mean_difference{end}" for end in ("", "_low", "_high")]
    over = [f"over_reference{end}" for end in ("", "_low", "_high")]
    return table(
        [
            Column(title="A", cells=cells(rows, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(rows, str, "predictor_b"), numeric=False),
            Column(title="Genes", cells=cells(rows, count, "n_genes")),
            Column(title="Mean rho of A", cells=cells(rows, correlation, "mean_a")),
            Column(title="Mean rho of B", cells=cells(rows, correlation, "mean_b")),
            Column(title=f"Difference\n({called})", cells=cells(rows, correlation_with_interval, *difference)),
            Column(title="p\n(block jackknife)", cells=cells(rows, probability, "p_value")),
            Column(title="On permuted expression", cells=cells(rows, correlation, "reference_difference")),
            Column(title=f"Over permuted\n({called})", cells=cells(rows, correlation_with_interval, *over)),
            Column(title="p over permuted", cells=cells(rows, probability, "over_reference_p")),
            Column(title="A higher", cells=cells(rows, count, "n_a_higher")),
            Column(title="B higher", cells=cells(rows, count, "n_b_higher")),
            *(equivalence if margin is not None else []),
        ],
        "Mean correlation of two predictors over the same genes; an undefined correlation counts as 0.",
    )


def strata(evaluation: Evaluation, options: Options) -> str:
    """Show genes by stratum, and every predictor in each stratum."""
    genes = evaluation.strata
    if genes.empty:
        return paragraph("The evaluation has no strata.")
    counts = genes["stratum"].astype(str).value_counts()
    how = sorted({str(value) for value in genes["assignment"]})
    numbers = listed([f"{name} {count(counts[name])}" for name in in_order(counts.index)])
    parts = [paragraph(f"Genes by stratum: {numbers}. How they were assigned: {listed(how)}.")]
    rows = evaluation.summary
    rows = rows[rows["stratum"].astype(str) != ALL]
    if len(rows):
        called = interval_words(evaluation)
        parts.append(
            table(
                [
                    Column(title="Stratum", cells=cells(rows, str, "stratum"), numeric=False),
                    Column(title="Predictor", cells=cells(rows, str, "predictor"), numeric=False),
                    Column(title="How to read it", cells=cells(rows, how_to_read, "assignment"), numeric=False),
                    Column(title="Genes defined", cells=cells(rows, _of, "defined", "n_genes")),
                    *_correlation_columns(rows, called)[:1],
                    *_direction_columns(rows, called),
                ],
                "Every predictor in each stratum. Strata that were defined on the same individuals flatter or harm the "
                "predictors that defined them, and bias all others in the same direction, by less. Strata from one "
                "half of the individuals with results from the other are free of this.",
            )
        )
    return "".join(parts)


def how_to_read(assignment: str) -> str:
    """Return the label of a row of a stratum in words."""
    return {
        "naive": "naive: defined with this predictor; not its performance",
        "same individuals": "same individuals: biased towards the definition of the stratum",
        "independent": "independent: stratum from other individuals",
    }.get(assignment, assignment)


def genes(evaluation: Evaluation, options: Options) -> str:
    """Show the genes with the smallest q-values."""
    rows = evaluation.per_gene
    if rows.empty:
        return paragraph("The evaluation has no genes.")
    names = list(dict.fromkeys(rows["predictor"].astype(str)))
    order = genes_by_q(rows)
    shown = order[: options.max_genes]
    sizes = rows.groupby("gene_id", observed=True)["n"].max()
    columns = [
        Column(title="Gene", cells=[gene_label(rows, gene) for gene in shown], numeric=False),
        Column(title="Individuals", cells=[count(sizes[gene]) for gene in shown]),
    ]
    for name in names:
        own = rows[rows["predictor"].astype(str) == name].set_index("gene_id").reindex(shown)
        columns += [
            Column(
                title=f"`{name}`\nrho", cells=cells(own, correlation_with_interval, "correlation", "ci_low", "ci_high")
            ),
            Column(title="q", cells=cells(own, probability, "q_value")),
        ]
    strata_of = dict(
        zip(evaluation.strata["gene_id"].astype(str), evaluation.strata["stratum"].astype(str), strict=True)
    )
    columns.append(Column(title="Stratum", cells=[strata_of.get(gene, UNDEFINED) for gene in shown], numeric=False))
    return table(
        columns,
        f"The {counted(len(shown), 'gene')} with the smallest q-value under any predictor, of {count(len(order))}. "
        f"{interval_words(evaluation).capitalize()}s of rho.",
    ) + paragraph(
        "The full table, with p-values, how they were found, Pearson correlations and reasons where something is "
        "undefined, is `evaluation.per_gene` in Python; `evaluation.write(folder)` writes all tables to files.",
        "note",
    )


def genes_by_q(rows: pd.DataFrame) -> list[str]:
    """Return all genes, those with the smallest q-value under any predictor first."""
    ranked = pd.DataFrame({"gene": rows["gene_id"].astype(str)})
    ranked["q"] = rows["q_value"].fillna(math.inf)
    ranked["rho"] = -rows["correlation"].abs().fillna(0.0)
    return list(ranked.sort_values(["q", "rho", "gene"], kind="stable")["gene"].drop_duplicates())


def settings(evaluation: Evaluation, options: Options) -> str:
    """Show settings, versions, seed and replicates, as recorded."""
    given = dict(evaluation.settings)
    predictors = {name: dict(flat(dict(one))) for name, one in dict(given.pop("predictors", {})).items()}
    own = list(flat(given))
    parts = [
        table(
            [
                Column(title="Setting", cells=[key for key, _ in own], numeric=False),
                Column(title="Value", cells=[value for _, value in own], numeric=False),
            ],
            "Settings of the evaluation.",
        )
    ]
    keys = list(dict.fromkeys(key for one in predictors.values() for key in one))
    if keys:
        parts.append(
            table(
                [
                    Column(title="Setting", cells=keys, numeric=False),
                    *(
                        Column(title=f"`{name}`", cells=[one.get(key, UNDEFINED) for key in keys], numeric=False)
                        for name, one in predictors.items()
                    ),
                ],
                "Settings of the predictors: as asked for, and as used (smallest, median, largest where fits differ).",
            )
        )
    return "".join(parts)


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, text)."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flat(item, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(map(str, value)) or "none")]
    if isinstance(value, float):
        return [(prefix, f"{value:.6g}")]
    return [(prefix, "none" if value is None else str(value))]


def methods(evaluation: Evaluation, options: Options) -> str:
    """Describe the methods and their caveats."""
    return "".join(f"<h3>{heading}</h3>{paragraph(words)}" for heading, words in texts.METHODS)


def glossary(evaluation: Evaluation, options: Options) -> str:
    """Explain the terms of this page."""
    return terms(texts.GLOSSARY)


def more(content: str | pd.DataFrame | Sequence[str | pd.DataFrame]) -> str:
    """Show paragraphs and tables of the caller."""
    parts = [content] if isinstance(content, str | pd.DataFrame) else list(content)
    return "".join(paragraph(part) if isinstance(part, str) else _frame(part) for part in parts)


def _frame(frame: pd.DataFrame) -> str:
    return table([_column(str(name), frame[name]) for name in frame.columns], "")


def _column(title: str, values: pd.Series) -> Column:
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return Column(
            title=title, cells=[UNDEFINED if is_undefined(value) else str(value) for value in values], numeric=False
        )
    write = count if pd.api.types.is_integer_dtype(values) else number
    return Column(title=title, cells=[write(value) for value in values])
