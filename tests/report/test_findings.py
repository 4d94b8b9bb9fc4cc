"""The sentences at the top: each word that claims something is forced by the numbers beneath it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pandas as pd
import pytest

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import COMPARISON, CONCORDANCE, SUMMARY
from pgxeval.prediction.replicates import default_replicates
from pgxeval.report.findings import cautions, findings

NAN, INF = float("nan"), float("inf")


def _tables(
    predictors: int = 2, pair: dict[str, Any] | None = None, means: dict[str, Any] | None = None, **columns: Any
) -> Evaluation:
    names = ["alpha", "beta", "gamma", "delta", "epsilon"][:predictors]
    mean = [0.3 - 0.05 * k for k in range(predictors)]
    summary = pd.DataFrame(
        {
            "predictor": names,
            "stratum": "all",
            "n_genes": 50,
            "defined": [50 - k for k in range(predictors)],
            "undefined": list(range(predictors)),
            "mean_correlation": mean,
            "mean_correlation_undefined_as_0": mean,
            "mean_low": 0.1,
            "mean_high": 0.4,
            "n_significant": 20,
            "n_significant_wrong": 0,
            "share_right_significant": 1.0,
            "share_right": 0.7,
            "share_low": 0.6,
            "share_high": 0.8,
            "reference_share": 0.45,
            "difference": 0.25,
            "difference_low": 0.1,
            "difference_high": 0.4,
            "replicates": 20,
            "n_blocks": 50,
            "effective_blocks": 40.0,
        },
        columns=list(SUMMARY),
    ).assign(**columns)
    of_pair = {"predictor_a": "alpha", "predictor_b": "beta", "stratum": "all"}
    row = of_pair | {"n": 49, "only_a": 12, "only_b": 4}
    row |= {"mcnemar_or": 3.0, "mcnemar_or_low": 1.2, "mcnemar_or_high": 8.0, "reference_mcnemar_or": 1.1}
    row |= {"mcnemar_over_reference_low": 1.1, "mcnemar_over_reference_high": 7.0}
    difference = of_pair | {"n_genes": 50, "mean_difference": 0.05, "mean_difference_low": 0.02}
    difference |= {"mean_difference_high": 0.08, "p_value": 0.002, "reference_difference": 0.01}
    difference |= {"over_reference": 0.04, "over_reference_low": 0.01, "over_reference_high": 0.07}
    strata = pd.DataFrame({"gene_id": [f"G{g}" for g in range(50)], "stratum": "unpredictable", "q": 1.0, "q_rf": 1.0})
    return Evaluation(
        summary=summary,
        per_gene=pd.DataFrame(),
        strata=strata,
        concordance=pd.DataFrame([row | (pair or {})], columns=list(CONCORDANCE))[: predictors - 1],
        comparison=pd.DataFrame([difference | (means or {})], columns=list(COMPARISON))[: predictors - 1],
        exclusions=pd.DataFrame(),
        settings={
            "confidence": 0.95,
            "level": 0.05,
            "predictors": {name: {"kind": "crossfit"} for name in names},
        },
    )


def _said(tables: Evaluation) -> str:
    return "\n".join(findings(tables))


class TestRanking:
    def test_names_the_best_its_interval_and_the_next(self) -> None:
        said = findings(_tables())[0]
        assert said.startswith(
            "`alpha` has the highest mean Spearman correlation of 2 predictors: 0.300 (95 % interval "
        )
        assert "0.100 to 0.400) over 50 genes, 20 with q < 0.05" in said
        assert "next is `beta` with 0.250 over 49 genes (1 undefined)" in said

    def test_a_difference_that_was_not_tested_is_not_claimed(self) -> None:
        said = findings(_tables(means=dict.fromkeys(("mean_difference_low", "mean_difference_high"), NAN)))[0]
        assert said.endswith("Whether the two differ was not tested.")

    @pytest.mark.parametrize(
        ("changes", "better"),
        [
            ({}, True),
            ({"mean_difference_low": -0.01}, False),
            ({"over_reference_low": -0.01}, False),
            # the table may hold the pair in the other order
            (
                {"predictor_a": "beta", "predictor_b": "alpha", "mean_difference": -0.05, "mean_difference_low": -0.08,
                 "mean_difference_high": -0.02, "over_reference": -0.04, "over_reference_low": -0.07,
                 "over_reference_high": -0.01},
                True,
            ),
        ],
    )  # fmt: skip
    def test_claims_a_difference_only_where_both_intervals_exclude_zero(
        self, changes: dict[str, Any], better: bool
    ) -> None:
        said = findings(_tables(means=changes))[0]
        assert ("`alpha` ranks individuals better on average than `beta`" in said) == better
        assert ("is not shown to rank individuals better than" in said) != better
        assert "mean difference 0.050" in said
        assert "on permuted expression 0.010" in said
        assert "p = 0.0020 by block jackknife" in said

    def test_an_unknown_reference_is_not_taken_for_zero(self) -> None:
        names = ("reference_difference", "over_reference", "over_reference_low", "over_reference_high")
        said = findings(_tables(means=dict.fromkeys(names, NAN)))[0]
        assert "no joint permuted replicates to compare the difference with" in said
        assert "better" not in said

    def test_a_real_evaluation(self, evaluation: Evaluation) -> None:
        assert "`random_forest` ranks individuals better on average than" in findings(evaluation)[0]

    def test_wrong_directions_among_significant_genes_are_reported(self) -> None:
        assert "20 with q < 0.05, 3 of them in the wrong direction" in _said(_tables(n_significant_wrong=3))

    def test_missing_p_values_are_reported(self) -> None:
        assert "p-values not available" in _said(_tables(n_significant=pd.NA))

    def test_one_predictor_is_not_compared(self) -> None:
        said = _said(_tables(predictors=1))
        assert "ranks the individuals with a mean Spearman correlation of 0.300" in said
        assert "next is" not in said
        assert "odds ratio" not in said

    def test_nothing_defined(self) -> None:
        assert findings(_tables(mean_correlation=NAN)) == [
            "No predictor has a gene with a defined correlation, so nothing can be said about any of them."
        ]

    def test_confidence_and_level_are_those_of_the_evaluation(self) -> None:
        tables = _tables()
        tables = attrs.evolve(tables, settings={**tables.settings, "confidence": 0.9, "level": 0.1})
        assert "90 % interval" in _said(tables)
        assert "q < 0.1" in _said(tables)


class TestDirections:
    @pytest.mark.parametrize(
        ("low", "high", "word"),
        [(0.01, 0.4, "more often"), (-0.4, -0.01, "less often"), (-0.01, 0.4, "not distinguishable")],
    )
    def test_word_follows_from_the_interval_of_the_difference(self, low: float, high: float, word: str) -> None:
        said = findings(_tables(predictors=1, difference_low=low, difference_high=high))[1]
        assert f"`alpha` 70.0 % (95 % interval 60.0 to 80.0 %) against 45.0 %, {word}" in said
        others = {"more often", "less often", "not distinguishable"} - {word}
        assert not any(other in said for other in others)

    def test_never_compared_with_one_half(self) -> None:
        assert "50" not in findings(_tables(reference_share=NAN, difference_low=NAN, difference_high=NAN))[1]
        assert "no permuted replicates to compare it with" in _said(_tables(reference_share=NAN))

    def test_more_than_three_predictors_are_counted(self) -> None:
        assert "2 further predictors below" in findings(_tables(predictors=5))[1]


class TestOddsRatio:
    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            (1.1, 7.0, "`alpha` points right more often"),
            (0.1, 0.9, "`beta` points right more often"),
            (0.9, 7.0, "do not decide which of the two points right more often"),
        ],
    )
    def test_verdict_is_compared_with_the_permuted_reference(self, low: float, high: float, verdict: str) -> None:
        pair = {"mcnemar_over_reference_low": low, "mcnemar_over_reference_high": high}
        said = findings(_tables(pair=pair))[2]
        assert (
            "only `alpha` is right at 12 and only `beta` at 4 (McNemar odds ratio of `alpha` to `beta` 3.00, " in said
        )
        assert "3.00, 95 % interval" in said
        assert "1.20 to 8.00" in said
        assert "1.10 on permuted expression" in said
        assert verdict in said

    def test_without_reference_it_is_compared_with_one(self) -> None:
        nothing = dict.fromkeys(
            ("reference_mcnemar_or", "mcnemar_over_reference_low", "mcnemar_over_reference_high"), NAN
        )
        assert "`alpha` points right more often, compared with 1" in _said(_tables(pair=nothing))
        unsure = _said(_tables(pair=nothing | {"mcnemar_or_low": 0.9}))
        assert "compared with 1, the data do not decide" in unsure

    def test_an_empty_cell_of_few_genes_decides_nothing(self) -> None:
        # 0 against 1 gene: no block changes the 0, and the exact interval ends far above 1
        pair = {"only_a": 0, "only_b": 1, "mcnemar_or": 0.0, "mcnemar_or_low": 0.0, "mcnemar_or_high": 39.0}
        pair |= {"mcnemar_over_reference_low": 0.0, "mcnemar_over_reference_high": 0.0}
        assert "do not decide" in _said(_tables(pair=pair))

    def test_an_empty_cell_of_many_genes_decides(self) -> None:
        pair = {"only_a": 20, "only_b": 0, "mcnemar_or": INF, "mcnemar_or_low": 5.0, "mcnemar_or_high": INF}
        pair |= {"mcnemar_over_reference_low": INF, "mcnemar_over_reference_high": INF}
        assert "`alpha` points right more often" in _said(_tables(pair=pair))

    def test_odds_ratios_below_one_are_turned_around(self) -> None:
        pair = {"only_a": 4, "only_b": 12, "mcnemar_or": 1 / 3, "mcnemar_or_low": 1 / 8, "mcnemar_or_high": 1 / 1.2}
        pair |= {"reference_mcnemar_or": 1 / 1.1, "mcnemar_over_reference_low": 1 / 7}
        pair |= {"mcnemar_over_reference_high": 1 / 1.1}
        said = findings(_tables(pair=pair))[2]
        assert "only `beta` is right at 12 and only `alpha` at 4 (McNemar odds ratio of `beta` to `alpha` 3.00" in said
        assert "1.20 to 8.00; 1.10 on permuted expression): `beta` points right more often" in said

    def test_attenuation_follows_the_first_odds_ratio(self) -> None:
        said = findings(_tables(share_right_significant=[0.95, 0.8]))[3]
        assert said.startswith("Sampling noise pulls shares towards 50 % and odds ratios towards 1")
        assert said.endswith("`alpha` 95.0 % of 20 genes and `beta` 80.0 % of 20 genes right.")
        nothing = findings(_tables(n_significant=0, share_right_significant=NAN))[3]
        assert nothing.endswith("strata of different size.")

    def test_no_disagreement(self) -> None:
        pair = {"only_a": 0, "only_b": 0, "mcnemar_or": NAN, "mcnemar_or_low": NAN, "mcnemar_or_high": NAN}
        assert "they never disagree" in _said(_tables(pair=pair))


class TestNonlinear:
    def test_counts_and_what_they_do_not_show(self) -> None:
        tables = _tables()
        tables.strata.loc[:4, "stratum"] = ["nonlinear", "nonlinear", "linear", "linear", "linear"]
        tables.strata.loc[:1, "q"] = [0.02, 0.00001]
        said = findings(tables)[-1]
        assert said.startswith("2 of 50 genes are nonlinear (4.0 %), the smallest q of a gain 1e-5; 3 are predicted by")
        assert "45 remain as unpredictable. A gene" in said
        assert "A gene that is not called nonlinear is not shown to be linear" in said

    def test_a_significant_forest_without_a_shown_gain_is_not_called_nothing(self) -> None:
        tables = _tables()
        tables.strata["q_rf"] = [0.01] * 3 + [0.05] * 46 + [NAN]
        tables.strata.loc[0, "stratum"] = "linear"
        assert "49 remain as unpredictable, 2 of them with a significant random forest" in findings(tables)[-1]

    def test_none(self) -> None:
        assert findings(_tables())[-1].startswith("None of 50 genes is shown to be nonlinear")

    def test_untested_says_why(self) -> None:
        tables = _tables()
        tables.strata["stratum"], tables.strata["reason"] = "untested", "the table lacks random_forest"
        said = findings(tables)[-1]
        assert said == "Genes were not sorted into linear and nonlinear ones: the table lacks random_forest."

    def test_strata_of_the_users_own(self) -> None:
        tables = _tables()
        tables.strata["stratum"] = ["brain"] * 20 + ["blood"] * 30
        assert findings(tables)[-1] == "Genes in the strata that were given: blood 30 and brain 20."


class TestCautions:
    def test_fewer_replicates_than_the_default(self) -> None:
        assert default_replicates(50) == 20
        assert cautions(_tables()) == []
        said = cautions(_tables(replicates=19))
        assert len(said) == 1
        assert "default of 20 for 50 genes: `alpha` (19 replicates) and `beta` (19 replicates)" in said[0]

    def test_says_what_few_replicates_cost(self) -> None:
        # 3 replicates of 50 genes are 150 draws
        assert "p-values below about 0.066 rest on an extrapolated tail" in cautions(_tables(replicates=3))[0]
        assert "p-values need at least one replicate" in cautions(_tables(replicates=0))[0]

    def test_zero_shot_needs_no_replicates(self) -> None:
        tables = _tables(replicates=0)
        dict(tables.settings["predictors"])["beta"]["kind"] = "zero-shot"
        assert "`alpha`" in cautions(tables)[0]
        assert "`beta`" not in cautions(tables)[0]

    def test_few_blocks(self) -> None:
        assert "only 8 genomic blocks" in cautions(_tables(n_blocks=8, effective_blocks=4.9))[0]
        assert "only 1 genomic block" in cautions(_tables(n_blocks=1, effective_blocks=NAN))[0]
        assert cautions(_tables(n_blocks=8, effective_blocks=5.0)) == []

    def test_a_real_evaluation(self, make_evaluation: Callable[..., Evaluation]) -> None:
        said = cautions(make_evaluation(12, 40, 1))
        assert len(said) == 1
        assert "default of 20" in said[0]
