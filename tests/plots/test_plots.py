"""Figures: what is drawn is what the tables hold, counted here in the slow and obvious way."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY

NAN = float("nan")
INF = float("inf")


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


def _summary(predictors: int) -> pd.DataFrame:
    rows = [
        {
            "predictor": f"model_{k}",
            "stratum": stratum,
            "naive": stratum != "all" and k < 2,
            "assignment": "all genes" if stratum == "all" else "naive" if k < 2 else "same individuals",
            "n_genes": 40,
            "mean_correlation": 0.1 * (k + 1),
            "mean_low": 0.1 * k,
            "mean_high": 0.1 * (k + 2),
            "share_right": 0.5 + 0.05 * k,
            "share_low": 0.4 + 0.05 * k,
            "share_high": 0.6 + 0.05 * k,
            "reference_share": 0.45,
        }
        for stratum in ("all", "unpredictable", "linear", "nonlinear")
        for k in range(predictors)
    ]
    return pd.DataFrame(rows)


def _concordance(*odds: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "predictor_a": [f"a{k}" for k in range(len(odds))],
            "predictor_b": "b",
            "stratum": "all",
            "mcnemar_or": [one[0] for one in odds],
            "mcnemar_or_low": [one[1] for one in odds],
            "mcnemar_or_high": [one[2] for one in odds],
            "reference_mcnemar_or": 0.8,
        },
        columns=list(CONCORDANCE),
    )


def _individuals(n: int = 50) -> pd.DataFrame:
    random = np.random.default_rng(1)
    predicted = random.normal(size=n)
    return pd.DataFrame({"predicted": predicted, "observed": 0.5 * predicted + random.normal(size=n)})


FIGURES: dict[str, Callable[..., Axes]] = {
    "scatter": lambda ax=None: plots.scatter_predictors(_evaluation(_per_gene(60, 2)), "model_0", "model_1", ax=ax),
    "distribution": lambda ax=None: plots.correlation_distribution(_evaluation(_per_gene(60, 3), _summary(3)), ax=ax),
    "strata": lambda ax=None: plots.strata_comparison(_evaluation(summary=_summary(3)), ax=ax),
    "observed": lambda ax=None: plots.observed_predicted(_one_gene(_individuals()), "G1", "model", ax=ax),
    "signs": lambda ax=None: plots.sign_concordance(_evaluation(summary=_summary(3)), ax=ax),
    "odds": lambda ax=None: plots.odds_ratios(
        _evaluation(concordance=_concordance((2.0, 0.5, 8.0), (INF, 1.5, INF))), ax=ax
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_draws_on_the_axes_that_it_is_given(name: str) -> None:
    left, right = Figure(figsize=(9, 4)).subplots(1, 2)
    assert FIGURES[name](ax=right) is right
    assert not left.has_data()
    assert right.has_data()
    assert right.get_xlabel()


@pytest.mark.parametrize("name", FIGURES)
def test_axes_say_what_they_hold(name: str) -> None:
    ax = FIGURES[name]()
    assert ax.get_xlabel() or all(label.get_text() for label in ax.get_xticklabels())
    assert ax.get_ylabel() or all(label.get_text() for label in ax.get_yticklabels())
