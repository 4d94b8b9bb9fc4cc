"""The sections of the report: each takes an evaluation and returns the HTML of one section."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pandas as pd

from pgxeval.plots.drawing import ALL, in_order, of_stratum
from pgxeval.report import texts
from pgxeval.report.findings import cautions, findings, interval_words, level_words
from pgxeval.report.markup import Column, bullets, paragraph, table, terms, warning
from pgxeval.report.wording import (
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
    """What a reader of this page gets to see.

    Parameters
    ----------
    individuals
        Genes whose individuals are drawn; empty draws nobody and shows no individual's name.
    genes
        Rows of the per-gene table.
    """

    individuals: tuple[str, ...] = ()
    genes: int = 50


def cells(frame: pd.DataFrame, write: Callable[..., str], *columns: str) -> list[str]:
    """Write one cell a row from the values of `columns`; a column that is not there is undefined."""
    values = [frame[name].tolist() if name in frame else [None] * len(frame) for name in columns]
    return [write(*row) for row in zip(*values, strict=True)]


def with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a number with its interval on a line below."""
    bounds = interval(low, high)
    return number(value) if bounds == UNDEFINED else f"{number(value)}\n{bounds}"


def with_bootstrap_interval(value: Any, low: Any, high: Any) -> str:
    """Write a ratio with its bootstrap interval; 0 and infinity have none, for they are the same in every draw."""
    return number(value) if not is_undefined(value) and value in (0.0, math.inf) else with_interval(value, low, high)


def correlation_with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a correlation with its interval on a line below."""
    bounds = correlation_interval(low, high)
    return correlation(value) if bounds == UNDEFINED else f"{correlation(value)}\n{bounds}"


def share_with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a share in percent with its interval on a line below."""
    bounds = percent_interval(low, high)
    return percent(value) if bounds == UNDEFINED else f"{percent(value)}\n{bounds}"


def answer(evaluation: Any, options: Options) -> str:
    """Give the answer in a few sentences, and what to know before trusting it."""
    return bullets(findings(evaluation)) + "".join(warning(words) for words in cautions(evaluation))


def cohort(evaluation: Any, options: Options) -> str:
    """Say who was judged, how they were predicted, and what was left out."""
    settings = dict(getattr(evaluation, "settings", {}))
    covariates = list(settings.get("covariates", []))
    given = f"covariates {listed([f'`{name}`' for name in covariates])}" if covariates else "no covariates"
    n_genes, n_people = settings.get("n_genes"), settings.get("n_individuals")
    people = f"{count(n_people)} individuals" if n_people is not None else "an unstated number of individuals"
    genes = counted(n_genes, "gene") if n_genes is not None else "the genes of the table"
    parts = [paragraph(f"Judged are {genes} in {people}, with {given}.")]
    for name, one in dict(settings.get("predictors", {})).items():
        parts.append(paragraph(_how_predicted(name, dict(one))))
    left_out = getattr(evaluation, "left_out", None)
    if not isinstance(left_out, pd.DataFrame) or left_out.empty:
        return "".join([*parts, paragraph("Nothing was left out and nothing is undefined.")])
    return "".join([*parts, _left_out(left_out, options)])


def _how_predicted(name: str, settings: dict[str, Any]) -> str:
    kind = settings.get("kind")
    if kind == "zero-shot":
        words = f"`{name}` is zero-shot: it learned nothing from these individuals"
    elif kind == "prequential":
        words = f"`{name}` was trained on these individuals, each fold on the earlier folds only (prequential)"
    elif kind == "crossfit":
        words = f"`{name}` was trained on these individuals and cross-fitted"
    else:
        words = f"`{name}`: how it was made is not recorded"
    if kind in ("prequential", "crossfit") and "folds" in settings:
        words += f" in {settings['folds']} folds"
    variants = settings.get("asked", {}).get("variants") if isinstance(settings.get("asked"), dict) else None
    if isinstance(variants, dict) and "flank_bp" in variants:
        around = {"body": "the gene's span", "tss": "its TSS"}.get(str(variants.get("around")), "the gene")
        words += f"; its cis window is {count(variants['flank_bp'])} bp on either side of {around}"
        used = settings.get("used", {}).get("variants") if isinstance(settings.get("used"), dict) else None
        if isinstance(used, dict) and {"min", "median", "max"} <= set(used):
            words += f", with {count(used['median'])} variants in the median fit "
            words += f"({count(used['min'])} to {count(used['max'])})"
        elif isinstance(used, int):
            words += f", with {count(used)} variants"
    reference = settings.get("reference")
    return f"{words}. Permuted reference: {reference}." if reference else f"{words}."


_NAMED_KINDS = ("gene", "covariate", "prediction")


def _left_out(left_out: pd.DataFrame, options: Options) -> str:
    def names(kind: Any, shown: Any) -> str:
        if is_undefined(shown) or not str(shown):
            return UNDEFINED
        return str(shown) if kind in _NAMED_KINDS or options.individuals else "names withheld"

    def whose(predictor: Any) -> str:
        return "all" if is_undefined(predictor) or not str(predictor) else str(predictor)

    columns = [
        Column(title="What", cells=cells(left_out, str, "kind"), numeric=False),
        Column(title="Predictor", cells=cells(left_out, whose, "predictor"), numeric=False),
        Column(title="Why", cells=cells(left_out, str, "reason"), numeric=False),
        Column(title="How many", cells=cells(left_out, count, "count")),
        Column(title="Which (first few)", cells=cells(left_out, names, "kind", "names"), numeric=False),
    ]
    hidden = "names withheld" in columns[-1].cells
    note = " Names of individuals are shown only on request." if hidden else ""
    return table(columns, f"What was left out or is undefined, and why.{note}")


def summary(evaluation: Any, options: Options) -> str:
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
        f"How well individuals are ranked within genes: Spearman's rho. {called.capitalize()}s by block bootstrap.",
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
        "How many genes point the right way, beside the share that the same procedure reaches on permuted "
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
            cells=cells(rows, correlation_with_interval, "mean_spearman", "mean_low", "mean_high"),
        ),
        Column(title="Median rho", cells=cells(rows, correlation, "median_spearman")),
        Column(title="Mean rho,\nundefined as 0", cells=cells(rows, correlation, "mean_spearman_undefined_as_0")),
        Column(title="Mean rho on permuted expression", cells=cells(rows, correlation, "reference_mean_spearman")),
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


def concordance(evaluation: Any, options: Options) -> str:
    """Show pairs of predictors: who is right where, and the three odds ratios."""
    rows = of_stratum(evaluation.concordance, ALL)
    if rows.empty:
        return paragraph("With one predictor there is no pair to compare.")
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
    titles = {"mcnemar": "McNemar", "marginal": "Marginal", "association": "Association"}
    blocks = []
    for kind, title in titles.items():
        exact = [
            Column(
                title="Exact, if genes were independent",
                cells=cells(rows, interval, f"{kind}_exact_low", f"{kind}_exact_high"),
            )
        ]
        blocks.append(
            table(
                [
                    *pair,
                    Column(
                        title=f"Odds ratio\n({called})",
                        cells=cells(rows, with_interval, f"{kind}_or", f"{kind}_or_low", f"{kind}_or_high"),
                    ),
                    *(exact if kind != "marginal" else []),
                    Column(title="p", cells=cells(rows, probability, f"{kind}_p")),
                    Column(title="On permuted expression", cells=cells(rows, number, f"reference_{kind}_or")),
                    Column(
                        title=f"Over permuted\n({called})",
                        cells=cells(
                            rows,
                            with_bootstrap_interval,
                            f"{kind}_over_reference",
                            f"{kind}_over_reference_low",
                            f"{kind}_over_reference_high",
                        ),
                    ),
                ],
                f"{title} odds ratio. {texts.ODDS_RATIOS[kind]}",
            )
        )
    sources = sorted({str(value) for value in rows["reference"]}) if "reference" in rows else []
    said = paragraph(f"Permuted reference of the pairs: {listed(sources)}.", "note") if sources else ""
    return paired + "".join(blocks) + said


def strata(evaluation: Any, options: Options) -> str:
    """Show genes by stratum, and every predictor in each stratum."""
    genes = getattr(evaluation, "strata", None)
    if not isinstance(genes, pd.DataFrame) or genes.empty or "stratum" not in genes:
        return paragraph("There is no table of strata.")
    counts = genes["stratum"].astype(str).value_counts()
    how = sorted({str(value) for value in genes["assignment"]}) if "assignment" in genes else []
    numbers = listed([f"{name} {count(counts[name])}" for name in in_order(counts.index)])
    parts = [paragraph(f"Genes by stratum: {numbers}. How they were assigned: {listed(how) or 'not recorded'}.")]
    rows = evaluation.summary
    rows = rows[rows["stratum"].astype(str) != ALL] if "stratum" in rows else rows[:0]
    if len(rows):
        called = interval_words(evaluation)
        parts.append(
            table(
                [
                    Column(title="Stratum", cells=cells(rows, str, "stratum"), numeric=False),
                    Column(title="Predictor", cells=cells(rows, str, "predictor"), numeric=False),
                    Column(title="How to take it", cells=cells(rows, str, "assignment"), numeric=False),
                    Column(title="Genes defined", cells=cells(rows, _of, "defined", "n_genes")),
                    *_correlation_columns(rows, called)[:1],
                    *_direction_columns(rows, called),
                ],
                "Every predictor in each stratum. Naive: the stratum was defined with this very predictor on these "
                "very individuals, so that chance flatters or harms it; do not read these rows as its performance.",
            )
        )
    return "".join(parts)


def genes(evaluation: Any, options: Options) -> str:
    """Show the genes with the smallest q-values."""
    rows = evaluation.per_gene
    if rows.empty:
        return paragraph("There is no gene to show.")
    names = list(dict.fromkeys(rows["predictor"].astype(str)))
    by = {name: rows[rows["predictor"].astype(str) == name].set_index("gene_id") for name in names}
    order = genes_by_q(rows)
    shown = order[: options.genes]
    stratum = getattr(evaluation, "strata", None)
    columns = [Column(title="Gene", cells=shown, numeric=False)]
    sizes = rows.groupby("gene_id", observed=True)["n"].max() if "n" in rows else {}
    columns.append(Column(title="Individuals", cells=[count(sizes.get(gene)) for gene in shown]))
    for name in names:
        mine = by[name].reindex(shown)
        columns += [
            Column(
                title=f"`{name}`\nrho", cells=cells(mine, correlation_with_interval, "spearman", "ci_low", "ci_high")
            ),
            Column(title="q", cells=cells(mine, probability, "q_value")),
        ]
    if isinstance(stratum, pd.DataFrame) and {"gene_id", "stratum"} <= set(stratum.columns):
        of_gene = dict(zip(stratum["gene_id"].astype(str), stratum["stratum"].astype(str), strict=True))
        columns.append(Column(title="Stratum", cells=[of_gene.get(gene, UNDEFINED) for gene in shown], numeric=False))
    return table(
        columns,
        f"The {counted(len(shown), 'gene')} with the smallest q-value under any predictor, of {count(len(order))}. "
        f"{interval_words(evaluation).capitalize()}s of rho.",
    ) + paragraph(
        "The full table, with p-values, how they were found, Pearson correlations and reasons where something is "
        "undefined, is `evaluation.per_gene` in Python; `evaluation.per_gene.to_csv('per_gene.csv', index=False)` "
        "writes it to a file.",
        "note",
    )


def genes_by_q(rows: pd.DataFrame) -> list[str]:
    """Return all genes, those with the smallest q-value under any predictor first."""
    ranked = pd.DataFrame({"gene": rows["gene_id"].astype(str)})
    ranked["q"] = rows["q_value"].fillna(math.inf) if "q_value" in rows else math.inf
    ranked["rho"] = -rows["spearman"].abs().fillna(0.0)
    return list(ranked.sort_values(["q", "rho", "gene"], kind="stable")["gene"].drop_duplicates())


def settings(evaluation: Any, options: Options) -> str:
    """Show settings, versions, seed and replicates, as recorded."""
    given = dict(getattr(evaluation, "settings", {}))
    if not given:
        return paragraph("No settings were recorded.")
    predictors = {name: dict(flat(dict(one))) for name, one in dict(given.pop("predictors", {})).items()}
    own = list(flat(given))
    parts = [
        table(
            [
                Column(title="Setting", cells=[key for key, _ in own], numeric=False),
                Column(title="Value", cells=[value for _, value in own], numeric=False),
            ],
            "Of the evaluation.",
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
                "Of the predictors: asked for, and used (smallest, median and largest over fits where it varied).",
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


def methods(evaluation: Any, options: Options) -> str:
    """Say how it was done, and the caveats."""
    return "".join(f"<h3>{heading}</h3>{paragraph(words)}" for heading, words in texts.METHODS)


def glossary(evaluation: Any, options: Options) -> str:
    """Explain the terms of this page."""
    return terms(texts.GLOSSARY)


def more(content: str | pd.DataFrame | Sequence[str | pd.DataFrame]) -> str:
    """Show what the caller brings: paragraphs and tables."""
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
