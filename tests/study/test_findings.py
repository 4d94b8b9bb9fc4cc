"""The five answers follow from the tables: each is driven here to yes, no, undecided and not asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.study import Finding, Study

Change = Callable[..., Study]


def _of(study: Study, key: str) -> Finding:
    return next(one for one in study.answers if one.key == key)


def _edited(table: pd.DataFrame, a: str, b: str, stratum: str, **values: object) -> pd.DataFrame:
    """Return the table with one row of a pair, in whichever order it is there, replaced by these values."""
    rows = (table["stratum"] == stratum) & table["predictor_a"].isin([a, b]) & table["predictor_b"].isin([a, b])
    row = table[rows].iloc[:1] if rows.any() else table.iloc[:1].assign(predictor_a=a, predictor_b=b, stratum=stratum)
    return pd.concat([table[~rows], row.assign(**values)], ignore_index=True)


class TestDirection:
    @pytest.mark.parametrize(("low", "high", "answer"), [(1.2, 4.0, "yes"), (0.2, 0.9, "no"), (0.8, 2.0, "undecided")])
    @pytest.mark.parametrize("turned", [False, True])
    def test_the_interval_decides(
        self, study: Study, changed: Change, low: float, high: float, answer: str, turned: bool
    ) -> None:
        value = math.sqrt(low * high)
        first = ("beta", "alpha") if turned else ("alpha", "beta")
        numbers = (1 / value, 1 / high, 1 / low) if turned else (value, low, high)
        columns: dict[str, Any] = {"predictor_a": first[0], "predictor_b": first[1], "only_a": 3, "only_b": 5, "n": 14}
        for name in ("marginal_or", "marginal_over_reference"):
            columns |= {name: numbers[0], f"{name}_low": numbers[1], f"{name}_high": numbers[2]}
        table = _edited(study.evaluation.concordance, "alpha", "beta", "all", **columns)
        finding = _of(changed(evaluation={"concordance": table}), "direction")
        assert finding.answer == answer
        assert finding.value == pytest.approx(value)
        assert (finding.low, finding.high) == pytest.approx((low, high))
        only = (5, 3) if turned else (3, 5)
        assert f"only alpha is right at {only[0]} and only beta at {only[1]}" in finding.statement

    def test_relative_to_the_reference(self, study: Study, changed: Change) -> None:
        """An odds ratio above 1 that permuted expression reaches as well decides nothing."""
        columns = {"marginal_or": 2.0, "marginal_or_low": 1.5, "marginal_or_high": 2.6, "n": 14}
        columns |= {"marginal_over_reference": 1.0, "marginal_over_reference_low": 0.8}
        columns |= {"marginal_over_reference_high": 1.3}
        table = _edited(study.evaluation.concordance, "alpha", "beta", "all", **columns)
        assert _of(changed(evaluation={"concordance": table}), "direction").answer == "undecided"


class TestNonlinear:
    def _study(self, study: Study, changed: Change, **values: object) -> Study:
        strata = study.evaluation.strata.assign(stratum="nonlinear")
        table = _edited(study.evaluation.comparison, "alpha", "random_forest", "nonlinear", n_genes=9, **values)
        return changed(evaluation={"strata": strata, "comparison": table})

    @pytest.mark.parametrize(
        ("equivalent", "low", "high"), [("yes", -0.01, 0.01), ("no", 0.05, 0.2), ("undecided", -0.1, 0.1)]
    )
    def test_equivalence(self, study: Study, changed: Change, equivalent: str, low: float, high: float) -> None:
        edited = self._study(
            study,
            changed,
            predictor_a="alpha",
            predictor_b="random_forest",
            equivalent=equivalent,
            mean_difference=(low + high) / 2,
            mean_difference_low=low,
            mean_difference_high=high,
        )
        finding = _of(edited, "nonlinear")
        assert finding.answer == equivalent
        assert finding.n_pairs == 9
        assert bool(finding.reason) == (equivalent == "undecided")
        if equivalent == "no":
            assert finding.statement.startswith("alpha is better")

    def test_none_found(self, study: Study, changed: Change) -> None:
        edited = changed(evaluation={"strata": study.evaluation.strata.assign(stratum="linear")})
        finding = _of(edited, "nonlinear")
        assert (finding.answer, finding.reason) == ("not asked", "no gene-tissue pair was found to be nonlinear")


class TestNonlinearFromHalves:
    @pytest.mark.parametrize(
        ("low", "high", "answer"), [(-0.01, 0.015, "yes"), (0.05, 0.2, "no"), (-0.1, 0.1, "undecided")]
    )
    def test_mean_over_tissues_by_their_pairs(
        self, study: Study, changed: Change, low: float, high: float, answer: str
    ) -> None:
        rows = pd.DataFrame({
            "tissue": ["blood", "brain"],
            "predictor_a": ["alpha", "random_forest"],  # the second row is the other way round
            "predictor_b": ["random_forest", "alpha"],
            "stratum": "nonlinear",
            "n_genes": [30.0, 10.0],
            "mean_difference": [(low + high) / 2, -(low + high) / 2],
            "mean_difference_low": [low, -high],
            "mean_difference_high": [high, -low],
            "splits": 8,
        })  # fmt: skip
        strata = study.evaluation.strata.assign(stratum="nonlinear")
        finding = _of(changed(split_comparison=rows, evaluation={"strata": strata}), "nonlinear")
        assert finding.answer == answer
        assert (finding.value, finding.low, finding.high) == pytest.approx(((low + high) / 2, low, high))
        assert finding.n_pairs == 40
        assert "8 halves" in finding.statement


class TestMechanism:
    def _study(self, study: Study, changed: Change, agreement: float, control: float, genes: int = 12) -> Study:
        random = np.random.default_rng(0)
        rows, right = [], []
        for k in range(genes):
            for pair, mean in ((("random_forest", "alpha"), agreement), (("elastic_net", "random_forest"), control)):
                value = mean + 0.02 * random.normal()
                rows.append(("blood", f"G{k}", *pair, value, k))
            right += [("blood", f"G{k}", name, 1, 0.001) for name in ("alpha", "random_forest")]
        mechanism = pd.DataFrame(
            rows, columns=["tissue", "gene_id", "predictor_a", "predictor_b", "prediction_correlation", "block"]
        )
        per_gene = pd.DataFrame(right, columns=["tissue", "gene_id", "predictor", "direction", "q_value"])
        return changed(mechanism=mechanism, evaluation={"per_gene": per_gene})

    @pytest.mark.parametrize(
        ("agreement", "control", "answer"), [(0.1, 0.9, "yes"), (0.85, 0.9, "no"), (0.7, 0.9, "undecided")]
    )
    def test_lower_agreement_than_that_of_a_trained_predictor(
        self, study: Study, changed: Change, agreement: float, control: float, answer: str
    ) -> None:
        finding = _of(self._study(study, changed, agreement, control), "mechanism")
        assert finding.answer == answer
        assert finding.value == pytest.approx(control - agreement, abs=0.02)
        assert finding.n_pairs == 12

    def test_few_pairs(self, study: Study, changed: Change) -> None:
        finding = _of(self._study(study, changed, 0.1, 0.9, genes=4), "mechanism")
        assert finding.answer == "undecided"
        assert "4 pairs" in finding.reason

    def test_no_effects(self, study: Study, changed: Change) -> None:
        finding = _of(changed(mechanism=study.mechanism.iloc[:0]), "mechanism")
        assert (finding.answer, finding.reason) == ("not asked", "no gene-tissue pair has effects of variants")


class TestBaseline:
    @pytest.mark.parametrize(
        ("low", "high", "answer"), [(-0.2, -0.1, "yes"), (0.1, 0.2, "no"), (-0.1, 0.1, "undecided")]
    )
    def test_the_interval_decides(self, study: Study, changed: Change, low: float, high: float, answer: str) -> None:
        columns: dict[str, Any] = {"predictor_a": "elastic_net", "predictor_b": "alpha", "mean_a": 0.3, "mean_b": 0.1}
        for name in ("mean_difference", "over_reference"):
            columns |= {name: -(low + high) / 2, f"{name}_low": -high, f"{name}_high": -low}
        table = _edited(study.evaluation.comparison, "alpha", "elastic_net", "all", **columns)
        finding = _of(changed(evaluation={"comparison": table}), "baseline")
        assert finding.answer == answer
        assert finding.value == pytest.approx((low + high) / 2)
        assert "alpha is 0.100, that of elastic_net 0.300" in finding.statement


class TestCeiling:
    @pytest.mark.parametrize(("low", "high", "answer"), [(0.1, 0.5, "yes"), (1.1, 1.4, "no"), (0.8, 1.2, "undecided")])
    def test_the_interval_decides(self, study: Study, changed: Change, low: float, high: float, answer: str) -> None:
        table = study.ceiling.copy()
        table.loc[table["predictor"] == "alpha", ["share", "low", "high"]] = ((low + high) / 2, low, high)
        finding = _of(changed(ceiling=table), "ceiling")
        assert (finding.answer, finding.value) == (answer, pytest.approx((low + high) / 2))

    def test_not_estimated(self, study: Study, changed: Change) -> None:
        edited = changed(heritability=study.heritability.iloc[:0], ceiling=study.ceiling.iloc[:0])
        assert _of(edited, "ceiling").reason == "heritability was not estimated"

    def test_nothing_heritable(self, study: Study, changed: Change) -> None:
        finding = _of(changed(ceiling=study.ceiling.assign(share=np.nan)), "ceiling")
        assert finding.answer == "undecided"


def test_findings_table(study: Study) -> None:
    table = study.findings
    assert table["key"].tolist() == ["direction", "nonlinear", "mechanism", "baseline", "ceiling"]
    assert table["answer"].isin(["yes", "no", "undecided", "not asked"]).all()
    unanswered = table["answer"].isin(["undecided", "not asked"])
    assert (table["reason"].str.len() > 0).equals(unanswered)
