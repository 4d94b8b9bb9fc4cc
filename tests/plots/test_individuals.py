"""Observed against predicted expression of one gene."""

from __future__ import annotations

import io

import attrs
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY

NAN = float("nan")


def _per_gene(genes: int, predictors: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    tables = []
    for k in range(predictors):
        r = random.normal(0.1, 0.2, genes).clip(-1, 1)
        r[random.random(genes) < 0.1] = NAN
        tables.append(
            pd.DataFrame({"predictor": f"model_{k}", "gene_id": [f"G{g}" for g in range(genes)], "correlation": r})
        )
    table = pd.concat(tables, ignore_index=True)
    direction = np.sign(table["correlation"])
    table["direction"] = pd.array(np.where(direction.isna(), 0, direction), dtype="Int8")
    table.loc[direction.isna() | (direction == 0), "direction"] = pd.NA
    table["gene_name"] = table["gene_id"]
    return table


def _evaluation(
    per_gene: pd.DataFrame | None = None,
    summary: pd.DataFrame | None = None,
    concordance: pd.DataFrame | None = None,
    strata: pd.DataFrame | None = None,
) -> Evaluation:
    """Return an evaluation of these tables; a summary that is not given has a row without shares per predictor."""
    if per_gene is None:
        per_gene = _per_gene(5, 1)
    if "direction" not in per_gene:
        per_gene = per_gene.assign(direction=np.sign(per_gene["correlation"]).replace(0, np.nan).astype("Int8"))
    if summary is None:
        names = per_gene["predictor"].drop_duplicates()
        summary = pd.DataFrame({"predictor": names, "stratum": "all"}, columns=list(SUMMARY))
    return Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=concordance if concordance is not None else pd.DataFrame(columns=list(CONCORDANCE)),
        comparison=pd.DataFrame(),
        strata=strata if strata is not None else pd.DataFrame({"gene_id": [], "stratum": []}, dtype="str"),
        exclusions=pd.DataFrame(),
        settings={},
    )


class OneGene(Evaluation):
    """An evaluation whose individuals are made up."""

    def observed_predicted(self, gene_id: str, predictor: str) -> pd.DataFrame:
        assert predictor == "model"
        return self.strata


def _one_gene(individuals: pd.DataFrame, gene_id: str = "G1", name: str | None = None) -> Evaluation:
    table = pd.DataFrame({"predictor": ["model"], "gene_id": gene_id, "gene_name": name or gene_id, "correlation": 0.1})
    made = _evaluation(table, strata=individuals)
    return OneGene(**{field.name: getattr(made, field.name) for field in attrs.fields(Evaluation)})


def _individuals(n: int = 50) -> pd.DataFrame:
    random = np.random.default_rng(1)
    predicted = random.normal(size=n)
    return pd.DataFrame({"predicted": predicted, "observed": 0.5 * predicted + random.normal(size=n)})


def _render(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


class TestObservedPredicted:
    def test_points_and_rho(self) -> None:
        table = _individuals()
        table.loc[4, "observed"] = NAN
        ax = plots.observed_predicted(_one_gene(table, "G$1$"), "G$1$", "model")
        known = table.dropna()
        assert ax.lines[0].get_xdata().tolist() == known["predicted"].tolist()
        assert ax.lines[0].get_ydata().tolist() == known["observed"].tolist()
        rho = stats.spearmanr(known["predicted"], known["observed"]).statistic
        assert f"Spearman's rho = {rho:.3f}, 49 individuals" in ax.get_title()
        _render(ax)

    def test_the_title_has_the_symbol_of_the_gene(self) -> None:
        title = plots.observed_predicted(_one_gene(_individuals(20), "ENSG1", "ABI3"), "ENSG1", "model").get_title()
        assert title.startswith("ABI3 (ENSG1)")
        assert "20 individuals" in title

    def test_constant_prediction_has_no_rho(self) -> None:
        constant = _one_gene(_individuals().assign(predicted=1.0))
        assert "undefined" in plots.observed_predicted(constant, "G1", "model").get_title()
