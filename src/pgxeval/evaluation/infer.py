"""From correlations of all genes to p-values, q-values and intervals of one predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation import inference
from pgxeval.evaluation.judge import GeneCorrelations, Reference
from pgxeval.evaluation.per_gene import Judged, Kind
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.row_correlations import RowCorrelations
from pgxeval.evaluation.settings import MEASURES, Measure, ZeroShotInference

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


@attrs.frozen(kw_only=True, eq=False)
class _Inferred:
    """p-values and intervals of one kind of correlation."""

    p_value: Floats
    greater: Floats
    low: Floats
    high: Floats


@attrs.frozen(kw_only=True)
class Inferrer:
    """Infers from the correlations of one predictor after the other.

    Parameters
    ----------
    measure
        The correlation that q-values and the null distribution are of.
    confidence
        Level of the intervals.
    zero_shot_inference
        See `EvaluationSettings`.
    families
        Whether standard errors are by family.
    """

    measure: Measure
    confidence: float
    zero_shot_inference: ZeroShotInference
    families: bool

    def judged(self, found: GeneCorrelations, reference: Reference) -> Judged:
        """Return what is known of the predictor at each gene."""
        observed, replicates = found.observed, found.replicates
        null, null_df = observed.null, observed.null_df
        if replicates:
            null = np.array([one.correlation(self.measure) for one in replicates])
            null_df = np.array([one.df for one in replicates])
        inferred, how = self._infer(found, reference)
        known = reference.kind != "crossfit" or bool(replicates)
        withheld = self._withhold(observed, inferred, reference.kind, how == inference.FEW_DIFFER, known=known)
        rank, product, main = inferred["spearman"], inferred["pearson"], inferred[self.measure]
        defined = found.covered & (observed.reason == 0)
        how[~defined] = inference.UNDEFINED
        columns: dict[str, npt.NDArray[Any]] = {
            "spearman": observed.spearman,
            "spearman_low": rank.low,
            "spearman_high": rank.high,
            "spearman_p": rank.p_value,
            "q_value": benjamini_hochberg(main.p_value),
            "p_predicts": main.greater,
            "pearson": observed.pearson,
            "pearson_low": product.low,
            "pearson_high": product.high,
            "pearson_p": product.p_value,
            "n": observed.n,
            "df": observed.df,
            "inference": how,
            "reason": found.reason,
            "withheld": np.where(defined, withheld, ""),
            "null": null,
            "null_df": null_df,
            "null_replicates": reference.numbers if reference.key is not None else np.empty(0, dtype=np.int64),
        }
        for values in columns.values():
            values.flags.writeable = False
        return Judged(
            predictor=reference.predictor,
            kind=reference.kind,
            measure=self.measure,
            null_key=reference.key,
            reference=reference.text,
            **columns,
        )

    def _infer(self, found: GeneCorrelations, reference: Reference) -> tuple[dict[Measure, _Inferred], Texts]:
        """Return what is inferred from rank and from product-moment correlations, and how that of the measure was."""
        observed, replicates, kind = found.observed, found.replicates, reference.kind
        if kind == "crossfit":
            text = inference.PERMUTED if replicates else inference.NO_REPLICATES
            pooled = {one: self._against_replicates(observed, replicates, one) for one in MEASURES}
            return pooled, np.full(len(observed.n), text, dtype=object)
        inferred = {one: self._from_errors(observed, one) for one in MEASURES}
        how = np.full(
            len(observed.n), inference.STUDENTISED_FAMILIES if self.families else inference.STUDENTISED, dtype=object
        )
        if self.zero_shot_inference == "textbook" and kind == "zero-shot":
            for name, part in inferred.items():
                r = observed.correlation(name)
                part.p_value[:] = inference.textbook_p(r, observed.df)
                part.greater[:] = np.where(r > 0, part.p_value / 2, 1 - part.p_value / 2)
            how[:] = inference.TEXTBOOK
            return inferred, how
        main = inferred[self.measure]
        if self.families:
            every = self.zero_shot_inference == "permutation" and kind == "zero-shot"
            doubtful = (observed.reason == 0) & (
                every | inference.without_formula(observed, self.measure, crossfit=False)
            )
            main.p_value[doubtful] = main.greater[doubtful] = np.nan
            how[doubtful] = inference.FEW_FAMILIES
        else:
            permuted = found.permuted
            main.p_value[permuted], main.greater[permuted] = found.two_sided[permuted], found.greater[permuted]
            how[permuted] = inference.GENE_PERMUTATION
        if self.zero_shot_inference == "automatic" or kind == "prequential":
            how[inference.few_differ(observed)] = inference.FEW_DIFFER
        return inferred, how

    def _from_errors(self, observed: RowCorrelations, measure: Measure) -> _Inferred:
        r, errors = observed.correlation(measure), observed.errors(measure)
        p_value, greater = inference.student_p(inference.studentised(r, errors), errors.df)
        low, high = inference.student_interval(r, observed.df, errors, self.confidence)
        return _Inferred(p_value=p_value, greater=greater, low=low, high=high)

    def _against_replicates(
        self, observed: RowCorrelations, replicates: Sequence[RowCorrelations], measure: Measure
    ) -> _Inferred:
        """Compare with permuted expression, all genes together.

        A gene at which every fold distinguishes individuals has a larger null score than one at which some folds
        predict the same value for everyone. The number of such folds follows from expression, so it is part of what
        is tested: conditioning on it would cost power (``validation/null_genes.md``).
        """
        scores = [inference.normal_score(one.correlation(measure), one.errors(measure)) for one in replicates]
        null = np.concatenate(scores) if scores else np.empty(0)
        pool = inference.NullDistribution(scores=null[np.isfinite(null)])
        r, errors = observed.correlation(measure), observed.errors(measure)
        p_value = pool.greater(inference.normal_score(r, errors))
        low, high = pool.interval(r, errors, self.confidence)
        return _Inferred(p_value=p_value, greater=p_value, low=low, high=high)

    def _withhold(
        self,
        observed: RowCorrelations,
        inferred: Mapping[Measure, _Inferred],
        kind: Kind,
        no_inference: npt.NDArray[np.bool_],
        *,
        known: bool,
    ) -> Texts:
        """Set to NaN what cannot be trusted, and return the reasons."""
        if not known:
            return np.full(len(observed.n), inference.WITHHELD_REPLICATES, dtype=object)
        withheld = np.full(len(observed.n), "", dtype=object)
        for measure, part in inferred.items():
            no_formula = inference.without_formula(observed, measure, crossfit=kind == "crossfit")
            small = inference.too_few(observed, measure)
            few = inference.few_differ(observed, inference.FEWEST_DIFFERING_FOR_INTERVAL) & (kind != "crossfit")
            no_interval = no_formula | small | few | (observed.errors(measure).df < inference.FEWEST_DF)
            part.low[no_interval] = part.high[no_interval] = np.nan
            # permutations took the place of the formula, or the user chose a formula
            replaced = kind != "crossfit" and measure == self.measure
            no_p = no_formula & (not replaced and (measure == "pearson" or kind != "crossfit")) | no_inference
            part.p_value[no_p] = part.greater[no_p] = np.nan
            what = np.where(no_p, "interval and p-value", "interval").astype(object)
            fewer = f"fewer than {inference.FEWEST_INDIVIDUALS[measure]} individuals, less covariates and folds"
            why = np.where(small, fewer, inference.WITHHELD[measure]).astype(object)
            why[few & ~small] = inference.WITHHELD_FEW_DIFFER
            text = measure.capitalize() + " " + what + ": " + why
            joined = np.where(withheld == "", text, withheld + "; " + text)
            withheld = np.where(no_interval, joined, withheld)
        return withheld
