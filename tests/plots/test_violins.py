"""Violins of correlations."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest

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


class TestCorrelationViolins:
    def test_medians_and_counts(self) -> None:
        table = _per_gene()
        ax = plots.correlation_violins(_evaluation(table))
        labels = [tick.get_text() for tick in ax.get_xticklabels()]
        assert labels == ["many\n40", "few\n2\n(1 undefined)"]
        bars = [line for line in ax.collections if len(line.get_paths()) == 1 and line.get_linewidth()[0] == 1.8]
        assert bars[0].get_segments()[0][:, 1] == pytest.approx([np.median(table["correlation"][:40])] * 2)
        points = next(line for line in ax.lines if line.get_marker() == "o")  # too few for a violin
        assert points.get_ydata() == pytest.approx([0.1, 0.3])

    def test_the_measure_of_the_evaluation_is_drawn(self) -> None:
        ax = plots.correlation_violins(_evaluation(_per_gene(), measure="pearson"), predictors=["few"])
        assert next(line for line in ax.lines if line.get_marker() == "o").get_ydata() == pytest.approx([0.1, 0.3])
        assert "Pearson" in ax.get_ylabel()

    def test_nothing_defined(self) -> None:
        ax = plots.correlation_violins(_evaluation(_per_gene().assign(correlation=NAN)))
        assert "No correlation is defined" in ax.texts[0].get_text()
