"""The selection of nonlinear pairs."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.evaluation import Evaluation

NAN = float("nan")


def _evaluation(per_gene: pd.DataFrame, strata: pd.DataFrame | None = None, measure: str = "spearman") -> Evaluation:
    empty = {field.name: pd.DataFrame() for field in attrs.fields(Evaluation)}
    tables = {**empty, "per_gene": per_gene, "strata": pd.DataFrame() if strata is None else strata}
    return Evaluation(**{**tables, "settings": {"measure": measure}, "target": None, "predictions": None})


def _per_gene() -> pd.DataFrame:
    random = np.random.default_rng(1)
    r = np.concatenate([random.normal(0.2, 0.1, 40), [0.1, 0.3, NAN]])
    predictor = ["many"] * 40 + ["few"] * 3
    return pd.DataFrame({"predictor": predictor, "gene_id": "G", "correlation": r})


def _texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


class TestNonlinearSelection:
    def test_selected_and_largest_are_counted(self) -> None:
        random = np.random.default_rng(0)
        en, rf = random.normal(0.2, 0.1, 50), random.normal(0.2, 0.1, 50)
        strata = pd.DataFrame({"correlation_en": en, "correlation_rf": rf, "gain": rf - en, "stratum": "linear"})
        strata.loc[strata["gain"].nlargest(3).index, "stratum"] = "nonlinear"
        ax = plots.nonlinear_selection(_evaluation(_per_gene(), strata), top=10)
        assert [int(words.rsplit(": ", 1)[1]) for words in _texts(ax)] == [40, 7, 3]
        drawn = ax.collections[2].get_offsets().data
        np.testing.assert_allclose(
            drawn, strata.loc[strata["stratum"] == "nonlinear", ["correlation_en", "correlation_rf"]]
        )

    def test_no_strata(self) -> None:
        ax = plots.nonlinear_selection(_evaluation(_per_gene(), pd.DataFrame(columns=["stratum", "gain"])))
        assert "not defined" in ax.texts[0].get_text()
