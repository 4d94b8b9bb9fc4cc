"""Pairs turned so that an odds ratio is above 1 are what the evaluation of the exchanged pair gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.tables import CONCORDANCE


def _concordance(order: tuple[str, str]) -> pd.DataFrame:
    random = np.random.default_rng(3)
    genes, people = 60, [f"P{i}" for i in range(40)]
    measured = random.normal(size=(genes, 40))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(genes) * 5_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g}" for g in range(genes)]
    predicted = {"weak": 0.05 * measured + random.normal(size=measured.shape)}
    predicted["strong"] = 0.25 * measured + random.normal(size=measured.shape)
    rows = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": np.repeat(place["gene_id"].to_numpy(), 40),
                "individual": people * genes,
                "prediction": predicted[name].ravel(),
            }
        )
        for name in order
    ]
    expression = pd.concat([place, pd.DataFrame(measured, columns=people)], axis=1)
    return Evaluator(expression, threads=1).evaluate(pd.concat(rows)).concordance


def test_a_turned_row_is_the_row_of_the_exchanged_pair() -> None:
    below, above = _concordance(("weak", "strong")), _concordance(("strong", "weak"))
    assert below["mcnemar_or"][0] < 1 < above["mcnemar_or"][0]
    turned = above_one(below)
    assert turned["predictor_a"][0] == "strong"
    numeric = [name for name in CONCORDANCE if pd.api.types.is_numeric_dtype(above[name])]
    # the conditional association odds ratio is found by a root finder, and references pool replicates
    np.testing.assert_allclose(
        turned[numeric].to_numpy(float)[0], above[numeric].to_numpy(float)[0], rtol=1e-6, equal_nan=True
    )
    pd.testing.assert_frame_equal(above_one(above), above)


def test_zero_becomes_infinity_and_undefined_stays() -> None:
    row = {"predictor_a": "a", "predictor_b": "b", "only_a": 0, "only_b": 3}
    table = pd.DataFrame(
        [row | {"mcnemar_or": 0.0, "mcnemar_or_low": 0.0, "mcnemar_or_high": 0.8}, row | {"only_b": 0}]
    )
    turned = above_one(table)
    assert turned.loc[0, ["predictor_a", "mcnemar_or", "mcnemar_or_low", "mcnemar_or_high"]].tolist() == [
        "b", np.inf, 1.25, np.inf,
    ]  # fmt: skip
    assert turned.loc[1, "predictor_a"] == "a"
    assert np.isnan(turned.loc[1, "mcnemar_or"])


@pytest.mark.parametrize("kind", ["marginal", "association"])
def test_the_other_odds_ratios(kind: str) -> None:
    turned = above_one(_concordance(("weak", "strong")), kind)  # type: ignore[arg-type] # a parameter of the test
    assert turned["predictor_a"][0] == "strong"
    assert turned["marginal_or"][0] > 1
