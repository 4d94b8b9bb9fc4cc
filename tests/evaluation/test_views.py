"""Tables for reading show the numbers of the full tables, oriented, with every code explained."""

from __future__ import annotations

import warnings

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import PgxevalWarning, SettingError, UnknownNameError
from pgxeval.evaluation.evaluator import Evaluation, Evaluator
from pgxeval.evaluation.gene_views import INFERENCE
from pgxeval.evaluation.pair_views import odds_sentence
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.tables import TABLES
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions

GENES, PEOPLE, REPLICATES = 60, 50, 5
NASTY = "<img src=x onerror=alert(1)>"


def _evaluate(margin: float | None = None) -> Evaluation:
    random = np.random.default_rng(5)
    people = [f"P{i:03d}" for i in range(PEOPLE)]
    genes = [NASTY, *(f"ENSG{g:05d}" for g in range(1, GENES))]
    signal = random.normal(size=(GENES, PEOPLE))
    measured = signal + random.normal(size=signal.shape)
    fold = np.tile(assign_folds(people, 5, 0), GENES)
    parts = []
    for replicate in range(REPLICATES + 1):
        partner = permute_individuals(people, replicate, 0)
        for name, noise in (("elastic_net", 2.0), ("random_forest", 0.8)):
            values = signal[:, partner] + noise * random.normal(size=signal.shape)
            values[3] = 0.0 if name == "elastic_net" else values[3]
            parts.append((name, replicate, fold, values))
    parts.append(("zero", 0, None, 0.2 * signal + random.normal(size=signal.shape)))
    rows = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": np.repeat(genes, PEOPLE),
                "individual": np.tile(people, GENES),
                "replicate": replicate,
                "prediction": values.ravel(),
                "fold": pd.array([pd.NA] * values.size if folds is None else folds, dtype="Int16"),
                "training_mean": np.nan if folds is None else 0.0,
            }
        )
        for name, replicate, folds, values in parts
    ]
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(GENES) * 5_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, genes
    expression = pd.concat([place, pd.DataFrame(measured, columns=people)], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        settings = {name: {"cross_fitting": "crossfit", "seed": 0} for name in ("elastic_net", "random_forest")}
        return Evaluator(expression, threads=1).evaluate(
            Predictions.from_table(pd.concat(rows, ignore_index=True), settings),
            settings=EvaluationSettings(margin=margin),
        )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return _evaluate()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_view_with_few_columns_and_keeps_the_full_table(evaluation: Evaluation, name: str) -> None:
    view = evaluation.show(name)
    assert 1 <= len(view.columns) <= 10
    assert view.table is getattr(evaluation, name)
    assert all(len(line) <= 16 for column in view.columns for line in column.title.split("\n"))
    assert f"evaluation.{name} (" in view.legend[-1]
    assert "nan" not in view.to_text().lower().replace("exactly one", "")
    assert "<img" not in view.to_html()
    assert max(map(len, view.to_text(100).split("\n"))) <= 100


def test_the_summary_shows_the_numbers_of_the_table(evaluation: Evaluation) -> None:
    text = evaluation.show().to_text(400)
    row = evaluation.summary.iloc[0]
    assert f"{row['mean_correlation']:.3f} [{row['mean_low']:.3f}, {row['mean_high']:.3f}]" in text
    low, high = 100 * row["share_low"], 100 * row["share_high"]
    assert f"{100 * row['share_right']:.1f} % [{low:.1f}, {high:.1f}]" in text
    assert f"{100 * row['reference_share']:.1f} %" in text
    assert f"{100 * row['difference']:+.1f} [" in text
    assert f"{GENES - 1} of {GENES}" in text
    assert "N = naive" in text
    assert "S = same individuals" in text


def test_odds_ratios_are_above_one_and_name_both_models(evaluation: Evaluation) -> None:
    for kind in ("mcnemar", "marginal"):
        view = evaluation.show("concordance", kind=kind)
        ratios = [
            cell.split(" ")[0]
            for column in view.columns
            if column.title.endswith("odds ratio")
            for cell in column.cells
        ]
        values = [float(ratio.replace("∞", "inf")) for ratio in ratios if ratio != "–"]
        assert values
        assert min(values) >= 1
    whole = evaluation.concordance[evaluation.concordance["stratum"] == "all"]
    sentences = evaluation.show("concordance").legend[:3]
    for a, b in zip(whole["predictor_a"], whole["predictor_b"], strict=True):
        assert sum(a in sentence and b in sentence for sentence in sentences) == 1
    assert "does not show which is better" in evaluation.show("concordance", kind="association").to_text(400)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (2.0, "it is a 2.00 times as often as b"),
        (np.inf, "it is a at all 4"),
        (1.0, "each is right at 4"),
        (np.nan, "a and b never disagree"),
    ],
)
def test_an_odds_ratio_in_words(ratio: float, words: str) -> None:
    row = {"predictor_a": "a", "predictor_b": "b", "mcnemar_or": ratio, "only_a": 4, "only_b": 4}
    assert words in odds_sentence(row)


def test_the_comparison_is_turned_to_a_positive_difference(evaluation: Evaluation) -> None:
    view = evaluation.show("comparison")
    cells = next(column.cells for column in view.columns if column.title == "A − B")
    assert all(cell == "–" or float(cell.split(" ")[0]) >= 0 for cell in cells)
    row = evaluation.comparison.iloc[0]  # elastic net first, the forest is higher
    assert row["mean_difference"] < 0
    low, high = -row["mean_difference_high"], -row["mean_difference_low"]
    assert cells[0] == f"{-row['mean_difference']:.3f} [{low:.3f}, {high:.3f}]"
    assert view.columns[0].cells[0] == "random_forest"
    equivalence = _evaluate(margin=0.5).show("comparison")
    assert "within 0.500" in [column.title for column in equivalence.columns]


def test_genes_are_sorted_by_q_and_can_be_chosen_by_symbol(evaluation: Evaluation) -> None:
    view = evaluation.show("per_gene", rows=4)
    assert len(view) == 4
    smallest = evaluation.per_gene.sort_values("q_value").iloc[0]
    assert (
        view.columns[0].cells[0]
        in evaluation.per_gene.loc[evaluation.per_gene["q_value"] == smallest["q_value"], "gene_name"].tolist()
    )
    named = attrs.evolve(
        evaluation, per_gene=evaluation.per_gene.assign(gene_name="x").assign(
            gene_name=lambda t: t["gene_id"].where(t["gene_id"] != "ENSG00003", "ABI3")
        ),
    )  # fmt: skip
    chosen = named.show("per_gene", genes=["ABI3", "ENSG00004"])
    assert set(chosen.columns[0].cells) == {"ABI3", "ENSG00004"}
    assert "a = constant prediction" in chosen.to_text()
    assert "ABI3" in named.show("strata", genes="ABI3").columns[0].cells
    with pytest.raises(UnknownNameError, match="NOPE are not in the evaluation"):
        named.show("per_gene", genes=["NOPE"])


def test_every_inference_has_a_code(evaluation: Evaluation) -> None:
    from pgxeval.evaluation import inference

    texts = [value for name, value in vars(inference).items() if name.isupper() and isinstance(value, str)]
    how = [text for text in texts if text.startswith(("one-sided", "two-sided", "none"))]
    assert len(how) >= 7
    for text in how:
        assert sum(text.startswith(start) for start in INFERENCE) >= 1, text
    codes = {code for code, _ in INFERENCE.values()}
    assert len(codes) == len(INFERENCE)
    column = next(c for c in evaluation.show("per_gene", rows=500).columns if c.title == "test")
    assert set(column.cells) <= codes


def test_the_evaluation_shows_its_summary(evaluation: Evaluation) -> None:
    assert repr(evaluation).startswith("Evaluation(60 genes, 50 individuals: elastic_net, random_forest, zero)\n\nHow ")
    assert evaluation.show().to_html() in evaluation._repr_html_()
    assert "evaluation.show(name)" in evaluation._repr_html_()


def test_wrong_arguments(evaluation: Evaluation) -> None:
    with pytest.raises(SettingError, match=r"table must be one of summary, per_gene, .* got 'sumary'"):
        evaluation.show("sumary")
    with pytest.raises(SettingError, match="rows must be 1 or more, got 0"):
        evaluation.show(rows=0)
    with pytest.raises(SettingError, match="genes can be chosen in per_gene and strata, not in summary"):
        evaluation.show(genes=["G"])
    with pytest.raises(SettingError, match="kind must be one of"):
        evaluation.show("concordance", kind="odds")  # type: ignore[arg-type] # wrong on purpose
