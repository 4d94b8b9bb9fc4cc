"""Views with one row per gene: correlations and strata."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from pgxeval.errors import UnknownNameError
from pgxeval.evaluation.settings import MEASURE_SYMBOLS, Measure, measure_of
from pgxeval.evaluation.view_legends import Codes, HoldsTables, full_table, interval_of, listed_codes, symbol_of
from pgxeval.names import known_names, near_genes
from pgxeval.view import Column, TableView, cells
from pgxeval.wording import UNDEFINED, bracketed_correlation, correlation, count, probability

INFERENCE = {
    "one-sided: studentised correlations on permuted": ("P", "one-sided, against permuted expression"),
    "two-sided: correlation over its robust": ("S", "two-sided, Student's t with a robust standard error"),
    "two-sided: correlation over its standard error by family": ("F", "two-sided, Student's t, errors by family"),
    "two-sided: Student's t": ("T", "two-sided, Student's t"),
    "two-sided: permutation of this gene": ("G", "two-sided, permutations of the gene"),
    "none": (UNDEFINED, "no p-value"),
}
"""Beginning of how a p-value was computed -> its code and what it means."""


def genes_view(evaluation: HoldsTables, *, rows: int | None = 20, genes: Sequence[str] | None = None) -> TableView:
    """Return genes for reading: those with the smallest q first, or those named."""
    table = evaluation.per_gene
    rows_shown = _of_genes(table, genes, table) if genes is not None else table
    order = pd.DataFrame(
        {"q": rows_shown["q_value"].fillna(math.inf), "r": -rows_shown["correlation"].abs().fillna(0.0)}
    )
    shown = rows_shown.loc[order.sort_values(["q", "r"], kind="stable").index].iloc[:rows]
    reasons = Codes(shown["reason"].astype("object").where(shown["reason"].notna(), None))
    how = [_inference(value) for value in shown["inference"]]
    meanings = {code: words for code, words in INFERENCE.values() if code in how}
    tissue = [Column(title="tissue", cells=cells(shown, str, "tissue"), numeric=False)] if "tissue" in shown else []
    other: Measure = "pearson" if measure_of(evaluation.settings) == "spearman" else "spearman"
    return TableView(
        title="Genes and predictors, the smallest q first",
        columns=(
            Column(title="gene", cells=cells(shown, str, "gene_name"), numeric=False),
            *tissue,
            Column(title="predictor", cells=cells(shown, str, "predictor"), numeric=False),
            Column(title="n", cells=cells(shown, count, "n")),
            Column(
                title=symbol_of(evaluation),
                cells=cells(shown, bracketed_correlation, "correlation", "ci_low", "ci_high"),
            ),
            Column(title=f"{other.capitalize()} {MEASURE_SYMBOLS[other]}", cells=cells(shown, correlation, other)),
            Column(title="p", cells=cells(shown, probability, "p_value")),
            Column(title="q", cells=cells(shown, probability, "q_value")),
            Column(title="test", cells=how, numeric=False),
            Column(title="why", cells=reasons.cells, numeric=False),
        ),
        legend=(
            f"n: individuals; {interval_of(evaluation)}",
            f"test: {listed_codes(meanings)}",
            *reasons.legend("why undefined"),
            full_table("per_gene", table, shown),
        ),
        table=table,
    )


def strata_view(evaluation: HoldsTables, *, rows: int | None = 20, genes: Sequence[str] | None = None) -> TableView:
    """Return the strata of genes for reading, the largest gain of the random forest first."""
    table = evaluation.strata
    rows_shown = _of_genes(table, genes, evaluation.per_gene) if genes is not None else table
    shown = rows_shown.sort_values("gain", ascending=False, kind="stable").iloc[:rows]
    names = _gene_names(evaluation.per_gene)
    reasons = Codes(shown["reason"].astype("object").where(shown["reason"].notna(), None))
    tissue = [Column(title="tissue", cells=cells(shown, str, "tissue"), numeric=False)] if "tissue" in shown else []
    counts = table["stratum"].astype(str).value_counts(sort=False)
    return TableView(
        title=f"Genes by stratum: {', '.join(f'{count(n)} {name}' for name, n in counts.items())}",
        columns=(
            Column(title="gene", cells=[names.get(str(gene), str(gene)) for gene in shown["gene_id"]], numeric=False),
            *tissue,
            Column(title="stratum", cells=cells(shown, str, "stratum"), numeric=False),
            Column(title=f"{symbol_of(evaluation)} elastic net", cells=cells(shown, correlation, "correlation_en")),
            Column(title=f"{symbol_of(evaluation)} random forest", cells=cells(shown, correlation, "correlation_rf")),
            Column(title="gain", cells=cells(shown, correlation, "gain")),
            Column(title="q gain", cells=cells(shown, probability, "q")),
            Column(title="q elastic net", cells=cells(shown, probability, "q_en")),
            Column(title="q forest", cells=cells(shown, probability, "q_rf")),
            Column(title="why", cells=reasons.cells, numeric=False),
        ),
        legend=(
            "gain: correlation of the random forest less that of the elastic net, an undefined one counting as 0; "
            "q gain: one-sided, against the gain on permuted expression",
            *reasons.legend("why"),
            full_table("strata", table, shown),
        ),
        table=table,
    )


def _of_genes(table: pd.DataFrame, genes: Sequence[str], per_gene: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of genes given by identifier or by symbol."""
    requests = (genes,) if isinstance(genes, str) else tuple(genes)
    names = _gene_names(per_gene)
    identifiers = set(names) | set(names.values())
    if unknown := [gene for gene in requests if gene not in identifiers]:
        raise UnknownNameError(
            f"gene(s) {known_names(unknown, 5)} are not in the evaluation{near_genes(str(unknown[0]), names, names)}"
        )
    ids = [gene for gene, name in names.items() if gene in requests or name in requests]
    return table[table["gene_id"].astype(str).isin(ids)]


def _gene_names(per_gene: pd.DataFrame) -> dict[str, str]:
    return dict(zip(per_gene["gene_id"].astype(str), per_gene["gene_name"].astype(str), strict=True))


def _inference(value: object) -> str:
    return next((code for start, (code, _) in INFERENCE.items() if str(value).startswith(start)), str(value))
