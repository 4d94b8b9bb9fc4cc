"""Each table of an evaluation for reading: at most ten columns, intervals in one cell, codes with a legend below."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.concordance import ODDS_RATIO_KINDS, OddsRatioKind
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.settings import MEASURE_SYMBOLS, Measure, measure_of
from pgxeval.evaluation.strata import ALL
from pgxeval.evaluation.structure import WITHOUT_EXPRESSION
from pgxeval.names import known_names, near_genes, near_names
from pgxeval.view import Column, TableView, cells
from pgxeval.wording import (
    UNDEFINED,
    bracketed,
    bracketed_correlation,
    bracketed_percent,
    correlation,
    count,
    counted,
    is_undefined,
    number,
    percent,
    points,
    probability,
)

READ_AS = {
    "naive": ("N", "naive: the stratum was defined with this predictor; not its performance"),
    "same individuals": ("S", "same individuals: biased towards the definition of the stratum"),
    "independent": ("I", "independent: the stratum was defined on other individuals"),
}
"""How to read a row of a stratum -> its code and what it means."""

INFERENCE = {
    "one-sided: studentised correlations on permuted": ("P", "one-sided, against permuted expression"),
    "two-sided: correlation over its robust": ("S", "two-sided, Student's t with a robust standard error"),
    "two-sided: correlation over its standard error by family": ("F", "two-sided, Student's t, errors by family"),
    "two-sided: Student's t": ("T", "two-sided, Student's t"),
    "two-sided: permutation of this gene": ("G", "two-sided, permutations of the gene"),
    "none": (UNDEFINED, "no p-value"),
}
"""Beginning of how a p-value was computed -> its code and what it means."""

_MEANING = {
    "mcnemar": "genes that only A gets right / genes that only B gets right",
    "marginal": "odds of right under A / odds of right under B",
    "association": "above 1: A and B get the same genes right; it does not show which is better",
}
_SENTENCES = 3


class HoldsTables(Protocol):
    """What the views read of an evaluation."""

    @property
    def summary(self) -> pd.DataFrame:
        """One row per predictor and stratum."""

    @property
    def per_gene(self) -> pd.DataFrame:
        """One row per predictor and gene."""

    @property
    def concordance(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: directions."""

    @property
    def true_directions(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: directions without sampling noise, by a model."""

    @property
    def comparison(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: mean correlations."""

    @property
    def strata(self) -> pd.DataFrame:
        """One row per gene."""

    @property
    def structure(self) -> pd.DataFrame:
        """One row per predictor and adjustment for ancestry."""

    @property
    def exclusions(self) -> pd.DataFrame:
        """What was excluded, and why."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How the evaluation was made."""


def view_of(
    evaluation: HoldsTables,
    table: str,
    *,
    rows: int = 20,
    genes: Sequence[str] | None = None,
    kind: OddsRatioKind = "mcnemar",
) -> TableView:
    """Return a table of an evaluation for reading. The arguments are those of `Evaluation.show`."""
    if table not in _VIEWS:
        raise SettingError(f"table must be one of {', '.join(_VIEWS)}, got {table!r}{near_names(str(table), _VIEWS)}")
    if rows < 1:
        raise SettingError(f"rows must be 1 or more, got {rows}")
    if kind not in ODDS_RATIO_KINDS:
        raise SettingError(f"kind must be one of {', '.join(ODDS_RATIO_KINDS)}, got {kind!r}")
    if genes is not None and table not in ("per_gene", "strata"):
        raise SettingError(f"genes can be chosen in per_gene and strata, not in {table}")
    if table == "concordance":
        return concordance_view(evaluation, kind=kind, rows=rows)
    if table == "per_gene":
        return genes_view(evaluation, rows=rows, genes=genes)
    if table == "strata":
        return strata_view(evaluation, rows=rows, genes=genes)
    return _VIEWS[table](evaluation, rows)


def _symbol(evaluation: HoldsTables) -> str:
    return MEASURE_SYMBOLS[measure_of(evaluation.settings)]


def summary_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return the summary for reading: ranking and direction of each predictor, all genes first."""
    table = _with_genes(evaluation.summary, "n_genes").iloc[:rows]
    level = f"{evaluation.settings['level']:g}"
    return TableView(
        title="How well individuals are ranked, and how many genes point the right way",
        columns=(
            Column(title="predictor", cells=cells(table, str, "predictor"), numeric=False),
            *_stratum(table),
            Column(title="genes", cells=cells(table, _of, "defined", "n_genes")),
            Column(
                title=f"mean {_symbol(evaluation)}",
                cells=cells(table, bracketed_correlation, "mean_correlation", "mean_low", "mean_high"),
            ),
            Column(title="permuted", cells=cells(table, correlation, "reference_mean_correlation")),
            Column(
                title=f"q < {level}",
                cells=cells(table, _significant, "n_significant", "n_significant_wrong"),
            ),
            Column(title="right", cells=cells(table, bracketed_percent, "share_right", "share_low", "share_high")),
            Column(title="permuted", cells=cells(table, percent, "reference_share")),
            Column(
                title="difference",
                cells=cells(table, _points_interval, "difference", "difference_low", "difference_high"),
            ),
        ),
        legend=(
            f"genes: with a defined correlation, of all; {_interval(evaluation)}",
            "permuted: the same statistic on permuted expression, the reference of the mean and of right; difference: "
            "right less permuted, in percentage points",
            f"q < {level}: genes with a significant correlation, in brackets those of them in the wrong direction",
            *_read_as(table),
            *_no_reference(table),
            _rest("summary", evaluation.summary, table),
        ),
        table=evaluation.summary,
    )


def genes_view(evaluation: HoldsTables, *, rows: int | None = 20, genes: Sequence[str] | None = None) -> TableView:
    """Return genes for reading: those with the smallest q first, or those named."""
    table = evaluation.per_gene
    chosen = _of_genes(table, genes, table) if genes is not None else table
    order = pd.DataFrame({"q": chosen["q_value"].fillna(math.inf), "r": -chosen["correlation"].abs().fillna(0.0)})
    shown = chosen.loc[order.sort_values(["q", "r"], kind="stable").index].iloc[:rows]
    reasons = _Codes(shown["reason"].astype("object").where(shown["reason"].notna(), None))
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
                title=_symbol(evaluation), cells=cells(shown, bracketed_correlation, "correlation", "ci_low", "ci_high")
            ),
            Column(title=f"{other.capitalize()} {MEASURE_SYMBOLS[other]}", cells=cells(shown, correlation, other)),
            Column(title="p", cells=cells(shown, probability, "p_value")),
            Column(title="q", cells=cells(shown, probability, "q_value")),
            Column(title="test", cells=how, numeric=False),
            Column(title="why", cells=reasons.cells, numeric=False),
        ),
        legend=(
            f"n: individuals; {_interval(evaluation)}",
            f"test: {_listed_codes(meanings)}",
            *reasons.legend("why undefined"),
            _rest("per_gene", table, shown),
        ),
        table=table,
    )


def concordance_view(evaluation: HoldsTables, *, kind: OddsRatioKind = "mcnemar", rows: int | None = None) -> TableView:
    """Return an odds ratio of each pair for reading, turned so that it is above 1: A is right more often."""
    table = _with_genes(above_one(evaluation.concordance, kind), "n").iloc[:rows]
    value, over = f"{kind}_or", f"{kind}_over_reference"
    known = table[over].notna()
    p = table[f"{over}_p"].where(known, table[f"{kind}_p"])
    name = f"{'McNemar' if kind == 'mcnemar' else kind.capitalize()} odds ratio"
    return TableView(
        title=f"{name} of two predictors",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *_stratum(table),
            Column(title="genes", cells=cells(table, count, "n")),
            Column(title="only A : only B", cells=cells(table, _versus, "only_a", "only_b")),
            Column(
                title=name.replace(" ", "\n", 1), cells=cells(table, bracketed, value, f"{value}_low", f"{value}_high")
            ),
            Column(title="permuted", cells=cells(table, number, f"reference_{value}")),
            Column(title="over permuted", cells=cells(table, _ratio_interval, over, f"{over}_low", f"{over}_high")),
            Column(title="p", cells=[probability(one) for one in p]),
        ),
        legend=(
            *_odds_sentences(table, kind),
            f"{name}: {_MEANING[kind]}; {_interval(evaluation)}",
            "genes: with a direction under both; p: of the odds ratio over its permuted reference, or over 1 where "
            "there is none",
            *_read_as(table),
            *_no_reference(table),
            _rest("concordance", evaluation.concordance, table),
        ),
        table=evaluation.concordance,
    )


def true_directions_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return what a model concludes on the true directions, for reading."""
    table = _with_genes(evaluation.true_directions, "n").iloc[:rows]
    codes = _Codes(table["reason"])
    shares = [(f"true_share_{side}", f"true_share_{side}_low", f"true_share_{side}_high") for side in "ab"]
    return TableView(
        title="Directions of the true correlations, as a model estimates them",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *_stratum(table),
            Column(title="genes", cells=cells(table, count, "n")),
            Column(title="observed", cells=cells(table, number, "observed_or")),
            Column(title="right, A", cells=cells(table, bracketed_percent, *shares[0])),
            Column(title="right, B", cells=cells(table, bracketed_percent, *shares[1])),
            Column(
                title="marginal\nodds ratio", cells=cells(table, bracketed, "true_or", "true_or_low", "true_or_high")
            ),
            Column(title="why", cells=codes.cells, numeric=False),
        ),
        legend=(
            "A model's answer: a mixture of true correlations of any size, right with a probability that does not "
            "depend on the size; observed: odds of right in A / in B, attenuated by sampling noise",
            "right: share of genes with an effect at which the true direction is right; limits include genomic blocks",
            *codes.legend("why there is no value"),
            *_read_as(table),
            _rest("true_directions", evaluation.true_directions, table),
        ),
        table=evaluation.true_directions,
    )


def comparison_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return differences of mean correlations for reading, turned so that the difference is positive."""
    table = _with_genes(_higher_first(evaluation.comparison), "n_genes").iloc[:rows]
    known = table["over_reference"].notna()
    p = table["over_reference_p"].where(known, table["p_value"])
    margin = evaluation.settings.get("margin")
    last = Column(title="permuted", cells=cells(table, correlation, "reference_difference"))
    if margin is not None:
        last = Column(title=f"within {number(margin)}", cells=cells(table, str, "equivalent"), numeric=False)
    over = ("over_reference", "over_reference_low", "over_reference_high")
    difference = ("mean_difference", "mean_difference_low", "mean_difference_high")
    return TableView(
        title="Difference of the mean correlations of two predictors over the same genes",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *_stratum(table),
            Column(title="genes", cells=cells(table, count, "n_genes")),
            Column(
                title=f"mean {_symbol(evaluation)}, A : B", cells=cells(table, _two_correlations, "mean_a", "mean_b")
            ),
            Column(title="A − B", cells=cells(table, bracketed_correlation, *difference)),
            last,
            Column(title="over permuted", cells=cells(table, bracketed_correlation, *over)),
            Column(title="p", cells=[probability(one) for one in p]),
        ),
        legend=(
            f"An undefined correlation counts as 0 in this table; {_interval(evaluation)}",
            "over permuted: A − B less the same difference on permuted expression; p: of that, or of A − B where "
            "there is no reference",
            *_read_as(table),
            *_no_reference(table),
            _rest("comparison", evaluation.comparison, table),
        ),
        table=evaluation.comparison,
    )


def strata_view(evaluation: HoldsTables, *, rows: int | None = 20, genes: Sequence[str] | None = None) -> TableView:
    """Return the strata of genes for reading, the largest gain of the random forest first."""
    table = evaluation.strata
    chosen = _of_genes(table, genes, evaluation.per_gene) if genes is not None else table
    shown = chosen.sort_values("gain", ascending=False, kind="stable").iloc[:rows]
    names = _gene_names(evaluation.per_gene)
    reasons = _Codes(shown["reason"].astype("object").where(shown["reason"].notna(), None))
    tissue = [Column(title="tissue", cells=cells(shown, str, "tissue"), numeric=False)] if "tissue" in shown else []
    counts = table["stratum"].astype(str).value_counts(sort=False)
    return TableView(
        title=f"Genes by stratum: {', '.join(f'{count(n)} {name}' for name, n in counts.items())}",
        columns=(
            Column(title="gene", cells=[names.get(str(gene), str(gene)) for gene in shown["gene_id"]], numeric=False),
            *tissue,
            Column(title="stratum", cells=cells(shown, str, "stratum"), numeric=False),
            Column(title=f"{_symbol(evaluation)} elastic net", cells=cells(shown, correlation, "correlation_en")),
            Column(title=f"{_symbol(evaluation)} random forest", cells=cells(shown, correlation, "correlation_rf")),
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
            _rest("strata", table, shown),
        ),
        table=table,
    )


def structure_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return the summary with and without components of the genotypes or of the expression, for reading."""
    table = evaluation.structure.iloc[:rows]
    learned = bool((table["adjustment"] == WITHOUT_EXPRESSION).any())
    level = f"{evaluation.settings['level']:g}"
    return TableView(
        title=(
            "Hidden factors: results with and without components of the expression"
            if learned
            else "Population structure: results with and without components of the genotypes"
        )
        if len(table)
        else "No population structure was found, or it was not tested",
        columns=(
            Column(title="predictor", cells=cells(table, str, "predictor"), numeric=False),
            Column(title="adjustment", cells=cells(table, str, "adjustment"), numeric=False),
            Column(title="main", cells=cells(table, _yes_or_no, "main"), numeric=False),
            Column(title="genes", cells=cells(table, _of, "defined", "n_genes")),
            Column(
                title=f"mean {_symbol(evaluation)}",
                cells=cells(table, bracketed_correlation, "mean_correlation", "mean_low", "mean_high"),
            ),
            Column(title=f"q < {level}", cells=cells(table, _significant, "n_significant", "n_significant_wrong")),
            Column(title="right", cells=cells(table, bracketed_percent, "share_right", "share_low", "share_high")),
            Column(title="permuted", cells=cells(table, percent, "reference_share")),
        ),
        legend=(
            *(
                (
                    "main: the adjustment of all other tables; predictions are the same in both",
                    "results that appear only without components follow "
                    f"{'hidden factors' if learned else 'ancestry'}, not variants of the gene",
                )
                if len(table)
                else ()
            ),
            _rest("structure", evaluation.structure, table),
        ),
        table=evaluation.structure,
    )


def exclusions_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return what was excluded or is undefined: reason, count and a few names."""
    shown = evaluation.exclusions.iloc[:rows]
    return TableView(
        title="What was excluded or is undefined" if len(shown) else "Nothing was excluded, and nothing is undefined",
        columns=(
            Column(title="what", cells=cells(shown, str, "kind"), numeric=False),
            Column(title="predictor", cells=cells(shown, _or_all, "predictor"), numeric=False),
            Column(title="why", cells=cells(shown, str, "reason"), numeric=False),
            Column(title="detail", cells=cells(shown, _or_dash, "detail"), numeric=False),
            Column(title="count", cells=cells(shown, count, "count")),
            Column(title="which", cells=cells(shown, _or_dash, "name"), numeric=False),
        ),
        legend=(_rest("exclusions", evaluation.exclusions, shown),),
        table=evaluation.exclusions,
    )


_VIEWS: Mapping[str, Callable[[HoldsTables, int], TableView]] = {
    "summary": summary_view,
    "per_gene": lambda evaluation, rows: genes_view(evaluation, rows=rows),
    "concordance": lambda evaluation, rows: concordance_view(evaluation, rows=rows),
    "true_directions": true_directions_view,
    "comparison": comparison_view,
    "strata": lambda evaluation, rows: strata_view(evaluation, rows=rows),
    "structure": structure_view,
    "exclusions": exclusions_view,
}


class _Codes:
    """Long reasons as the letters a, b, c, with their meaning for the legend."""

    def __init__(self, reasons: pd.Series) -> None:
        distinct = [str(reason) for reason in reasons.dropna().unique()]
        self.codes = {reason: _letter(k) for k, reason in enumerate(distinct)}
        self.cells = [self.codes[str(reason)] if isinstance(reason, str) and reason else "" for reason in reasons]

    def legend(self, heading: str) -> tuple[str, ...]:
        return (f"{heading}: {_listed_codes({c: r for r, c in self.codes.items()})}",) if self.codes else ()


def _letter(k: int) -> str:
    return chr(ord("a") + k % 26) * (1 + k // 26)


def _listed_codes(meanings: Mapping[str, str]) -> str:
    return "; ".join(f"{code} = {words}" for code, words in meanings.items())


def _with_genes(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows over all genes, and those of strata that have genes."""
    return table[(table["stratum"].astype(str) == ALL) | (table[column] > 0)]


def _stratum(table: pd.DataFrame) -> list[Column]:
    """Return the stratum and how to read it, unless all rows are over all genes."""
    if (table["stratum"].astype(str) == ALL).all():
        return []
    codes = [READ_AS.get(str(value), ("", ""))[0] for value in table["assignment"]]
    names = [f"{name} {code}".strip() for name, code in zip(table["stratum"].astype(str), codes, strict=True)]
    return [Column(title="genes in", cells=names, numeric=False)]


def _read_as(table: pd.DataFrame) -> tuple[str, ...]:
    used = [READ_AS[name] for name in READ_AS if (table["assignment"] == name).any()]
    return (_listed_codes(dict(used)),) if used else ()


def _no_reference(table: pd.DataFrame) -> tuple[str, ...]:
    """Return why there is no permuted reference, for the legend."""
    reasons = table["reference"].astype(str)
    missing = reasons[reasons.str.startswith("none: ")].drop_duplicates()
    return tuple(f"no permuted reference: {reason.removeprefix('none: ')}" for reason in missing)


def _rest(name: str, table: pd.DataFrame, shown: pd.DataFrame) -> str:
    size = f"{counted(len(table), 'row')} and {counted(table.shape[1], 'column')}"
    part = f"{counted(len(shown), 'row')} of {count(len(table))} shown; " if len(shown) < len(table) else ""
    return f"{part}full table: evaluation.{name} ({size})"


def _interval(evaluation: HoldsTables) -> str:
    return f"in square brackets: {100 * evaluation.settings['confidence']:g} % interval"


def _odds_sentences(table: pd.DataFrame, kind: OddsRatioKind) -> tuple[str, ...]:
    if kind == "association":
        return ()
    rows = table[table["stratum"].astype(str) == ALL].head(_SENTENCES)
    return tuple(odds_sentence(row, kind) for row in rows.to_dict("records"))


def odds_sentence(row: Mapping[Any, Any], kind: OddsRatioKind = "mcnemar") -> str:
    """Return an odds ratio above 1 in words that name both predictors, without a verdict."""
    a, b, ratio = row["predictor_a"], row["predictor_b"], row[f"{kind}_or"]
    if is_undefined(ratio):
        return f"{a} and {b} never disagree, so no odds ratio can tell them apart"
    if kind == "marginal":
        return f"The odds of a right direction under {a} are {number(ratio)} times those under {b}"
    where = f"Of the genes at which exactly one of {a} and {b} is right"
    if math.isinf(ratio):
        return f"{where}, it is {a} at all {count(row['only_a'])}"
    if ratio == 1:
        return f"{where}, each is right at {count(row['only_a'])}"
    return f"{where}, it is {a} {number(ratio)} times as often as {b}"


def _of_genes(table: pd.DataFrame, genes: Sequence[str], per_gene: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of genes given by identifier or by symbol."""
    wanted = (genes,) if isinstance(genes, str) else tuple(genes)
    names = _gene_names(per_gene)
    known = set(names) | set(names.values())
    if unknown := [gene for gene in wanted if gene not in known]:
        raise UnknownNameError(
            f"gene(s) {known_names(unknown, 5)} are not in the evaluation{near_genes(str(unknown[0]), names, names)}"
        )
    ids = [gene for gene, name in names.items() if gene in wanted or name in wanted]
    return table[table["gene_id"].astype(str).isin(ids)]


def _gene_names(per_gene: pd.DataFrame) -> dict[str, str]:
    return dict(zip(per_gene["gene_id"].astype(str), per_gene["gene_name"].astype(str), strict=True))


def _higher_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison table with a and b exchanged where b has the higher mean."""
    turn = table["mean_difference"] < 0
    swapped = table.copy()
    for one, other in (("predictor_a", "predictor_b"), ("mean_a", "mean_b"), ("n_a_higher", "n_b_higher")):
        swapped[one], swapped[other] = table[one].where(~turn, table[other]), table[other].where(~turn, table[one])
    for name in ("mean_difference", "over_reference"):
        low, high = f"{name}_low", f"{name}_high"
        swapped[low], swapped[high] = table[low].where(~turn, -table[high]), table[high].where(~turn, -table[low])
        swapped[name] = table[name].where(~turn, -table[name])
    for name in ("median_difference", "reference_difference"):
        swapped[name] = table[name].where(~turn, -table[name])
    return swapped


def _inference(value: object) -> str:
    return next((code for start, (code, _) in INFERENCE.items() if str(value).startswith(start)), str(value))


def _of(part: Any, whole: Any) -> str:
    return count(part) if is_undefined(whole) or part == whole else f"{count(part)} of {count(whole)}"


def _significant(significant: Any, wrong: Any) -> str:
    return count(significant) if is_undefined(wrong) or not wrong else f"{count(significant)} ({count(wrong)})"


def _yes_or_no(value: Any) -> str:
    return "yes" if value else "no"


def _versus(a: Any, b: Any) -> str:
    return f"{count(a)} : {count(b)}"


def _two_correlations(a: Any, b: Any) -> str:
    return f"{correlation(a)} : {correlation(b)}"


def _points_interval(value: Any, low: Any, high: Any) -> str:
    return bracketed(value, low, high, points)


def _ratio_interval(value: Any, low: Any, high: Any) -> str:
    """Write a ratio with its block interval; 0 and infinity have none, because no single block changes them."""
    return number(value) if not is_undefined(value) and value in (0.0, math.inf) else bracketed(value, low, high)


def _or_all(predictor: Any) -> str:
    return str(predictor) or "all"


def _or_dash(value: Any) -> str:
    return UNDEFINED if is_undefined(value) or not str(value) else str(value)
