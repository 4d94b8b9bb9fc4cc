"""The demo: recovery of planted truth counted by hand, and a whole small run from command line to page."""

from __future__ import annotations

from contextlib import redirect_stdout
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from pgxeval import demo
from pgxeval.errors import TableError
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.simulation.simulate import read_truth, simulate_cohort_in_memory
from pgxeval.tables.predictions import Predictions

NAN = float("nan")


def _truth() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "gene_id": ["a", "b", "c", "d"],
            "kind": ["null", "recessive", "recessive", "additive"],
            "heritability": [0.0, 0.25, 0.16, 0.09],
            "linear_heritability": [0.0, 0.09, 0.01, 0.09],
        }
    )


def _evaluation(**changes: Any) -> SimpleNamespace:
    per_gene = pd.DataFrame(
        {
            "predictor": pd.Categorical(["en"] * 4 + ["rf"] * 4),
            "gene_id": pd.Categorical(["a", "b", "c", "d"] * 2),
            "spearman": [NAN, 0.2, 0.1, 0.3, 0.05, 0.5, -0.4, NAN],
            "q_value": [NAN, 0.01, 0.2, 0.04, 0.9, 0.01, 0.01, NAN],
        }
    )
    strata = pd.DataFrame(
        {
            "gene_id": ["a", "b", "c", "d"],
            "stratum": ["unpredictable", "nonlinear", "unpredictable", "linear"],
        }
    )
    return SimpleNamespace(**{"per_gene": per_gene, "strata": strata, **changes})


class TestRecovery:
    def test_counts_by_hand(self) -> None:
        table = demo.recovery(_evaluation(), _truth()).set_index(["kind", "predictor"])
        assert table.index.tolist() == [
            ("null", "en"),
            ("null", "rf"),
            ("additive", "en"),
            ("additive", "rf"),
            ("recessive", "en"),
            ("recessive", "rf"),
        ]
        recessive = table.loc[("recessive", "rf")]
        # A significant correlation below zero is not a recovery.
        assert recessive[["genes", "undefined", "detected"]].tolist() == [2, 0, 1]
        assert recessive["mean_spearman"] == pytest.approx(0.05)
        assert recessive["ceiling"] == pytest.approx(0.45)
        assert recessive["linear_ceiling"] == pytest.approx(0.2)
        assert recessive[["linear", "nonlinear", "unpredictable"]].tolist() == [0, 0.5, 0.5]
        # An undefined correlation counts as 0 and is shown.
        assert table.loc[("null", "en"), ["undefined", "detected", "mean_spearman"]].tolist() == [1, 0, 0]
        assert table.loc[("additive", "en"), "linear"] == 1

    @pytest.mark.parametrize("genes", [[], ["a", "b", "c", "d"]])
    def test_without_strata(self, genes: list[str]) -> None:
        strata = pd.DataFrame({"gene_id": genes, "stratum": ["untested"] * len(genes)})
        table = demo.recovery(_evaluation(strata=strata), _truth())
        assert table["nonlinear"].isna().all()
        assert table["detected"].sum() == 3

    def test_genes_that_were_not_evaluated_do_not_count(self) -> None:
        evaluation = _evaluation()
        kept = evaluation.per_gene[evaluation.per_gene["gene_id"] != "b"]
        table = demo.recovery(_evaluation(per_gene=kept), _truth()).set_index(["kind", "predictor"])
        assert table.loc[("recessive", "en"), "genes"] == 1

    def test_another_cohort(self) -> None:
        with pytest.raises(TableError, match="another cohort"):
            demo.recovery(_evaluation(), _truth().assign(gene_id=list("wxyz")))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [
            value for name, value in attrs if name in ("src", "href") and value and not value.startswith(("#", "data:"))
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Finished(NamedTuple):
    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("demo") / "made"
    arguments = ["--individuals", "60", "--genes", "6", "--replicates", "1", "--workers", "1", "--quiet"]
    with redirect_stdout(StringIO()) as said:
        assert demo.main(["--folder", str(folder), *arguments]) == 0
    return Finished(folder, said.getvalue().rstrip("\n").splitlines())


class TestRun:
    def test_writes_what_it_says(self, finished: Finished) -> None:
        assert {path.name for path in finished.folder.iterdir()} == {
            "cohort",
            "predictions.parquet",
            "predictions.parquet.json",
            "recovery.tsv",
            "report.html",
        }
        predictions = Predictions.read(finished.folder / "predictions.parquet")
        assert predictions.predictors == ("elastic_net", "random_forest")
        assert len(predictions.table) == 2 * 6 * 60 * 2
        recovered = pd.read_csv(finished.folder / "recovery.tsv", sep="\t", keep_default_na=False)
        per_kind = recovered.groupby("predictor")["genes"].sum()
        assert per_kind.tolist() == [6, 6]

    def test_page_is_one_file_and_tells_the_truth(self, finished: Finished) -> None:
        page = _Links()
        page.feed((finished.folder / "report.html").read_text())
        assert page.outside == []
        words = " ".join(page.words)
        truth = read_truth(finished.folder / "cohort" / "truth.tsv")
        for said in (
            "100 kb",
            f"mean {truth['n_common'].mean():.0f}",
            "permuted expression 1 time.",
            "Planted truth",
            "overdominant",
        ):
            assert said in words, said

    def test_ends_with_the_path(self, finished: Finished) -> None:
        assert finished.said[0].startswith("Simulated 60 individuals and 6 genes")
        assert Path(finished.said[-1]) == (finished.folder / "report.html").resolve()

    def test_explains_an_error(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert demo.main(["--folder", str(tmp_path), "--genes", "0"]) == 1
        captured = capsys.readouterr()
        assert "genes must be 1 or more, got 0" in captured.err
        assert captured.out == ""


@pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks:pgxeval.errors.PgxevalWarning")
def test_planted_truth_is_recovered() -> None:
    """With strong effects the additive genes are found and the null genes are not."""
    cohort, truth = simulate_cohort_in_memory(
        individuals=120,
        kinds={"null": 3, "additive": 4, "overdominant": 2},
        heritability=0.5,
        window_bp=20_000,
        seed=3,
    )
    predictions = predict_cohort(
        cohort,
        [ElasticNetPredictor(), RandomForestPredictor(n_estimators=10)],
        replicates=8,
        workers=1,
        progress=False,
    )
    table = demo.recovery(Evaluator(cohort).evaluate(predictions), truth).set_index(["kind", "predictor"])
    assert table.loc[("additive", "elastic_net"), "mean_spearman"] > 0.8 * np.sqrt(0.5)
    assert table.loc[("additive", "elastic_net"), "detected"] == 4
    assert table.loc[("overdominant", "random_forest"), "detected"] == 2
    assert abs(table.loc[("overdominant", "elastic_net"), "mean_spearman"]) < 0.15
    assert table.loc["null", "detected"].max() <= 1
    assert abs(table.loc["null", "mean_spearman"]).max() < 0.1
    assert table.loc[("additive", "elastic_net"), "linear_ceiling"] == pytest.approx(np.sqrt(0.5))
    assert table.loc[("overdominant", "elastic_net"), "linear_ceiling"] == pytest.approx(0, abs=1e-5)
