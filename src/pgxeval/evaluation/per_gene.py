"""One predictor, gene by gene: its correlations, what can be inferred from them, and its own null distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation import inference
from pgxeval.evaluation.concordance import Directions, directions_of
from pgxeval.evaluation.correlation import (
    CONSTANT_PREDICTION,
    FEW,
    REASONS,
    RankedExpression,
    RowCorrelations,
)
from pgxeval.evaluation.gene_permutation import permute_genes
from pgxeval.evaluation.matrices import PredictorMatrices, fold_patterns
from pgxeval.evaluation.resampling import benjamini_hochberg, label_permutations
from pgxeval.evaluation.settings import MEASURES, Measure, ZeroShotInference
from pgxeval.evaluation.standard_errors import StandardErrors

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Kind = Literal["zero-shot", "crossfit", "prequential"]


NOT_IN_TABLE = "not in the predictions table"
ZERO = "correlation is exactly 0"


@attrs.frozen(kw_only=True, eq=False)
class Judged:
    """What is known of one predictor at every gene that any predictor of the table covers.

    Parameters
    ----------
    predictor, kind
        Its name, and how its predictions came about.
    measure
        The correlation that directions, q-values, `p_predicts`, `inference`, `reason` and `null` belong to.
    spearman, spearman_low, spearman_high, spearman_p
        float64 (n_genes,): rank correlation, confidence limits and p-value, NaN where undefined. p-values are
        one-sided against a correlation above the permuted reference for cross-fitted predictors, two-sided for all
        others.
    pearson, pearson_low, pearson_high, pearson_p
        float64 (n_genes,): the same of the product-moment correlation.
    q_value
        float64 (n_genes,): Benjamini-Hochberg over genes.
    p_predicts
        float64 (n_genes,): p-value against a positive correlation, one-sided for every predictor.
    n, df
        int64 (n_genes,): individuals with both values, and degrees of freedom.
    inference, reason, withheld
        str (n_genes,): how the p-value was computed, why a correlation is undefined ("" where it is
        defined), and which interval or p-value is withheld and why ("" where nothing is).
    null, null_df
        float64 and int64 (n_null, n_genes): correlations under permuted expression, and their degrees of freedom.
    null_replicates
        int64 (n_null,): number of the joint permutation of each row of `null`.
    null_key
        Permutations with equal keys and numbers are the same permutation; None without a null.
    reference
        Where the null comes from, or why there is none.
    """

    predictor: str
    kind: Kind
    measure: Measure
    spearman: Floats
    spearman_low: Floats
    spearman_high: Floats
    spearman_p: Floats
    q_value: Floats
    p_predicts: Floats
    pearson: Floats
    pearson_low: Floats
    pearson_high: Floats
    pearson_p: Floats
    n: npt.NDArray[np.int64]
    df: npt.NDArray[np.int64]
    inference: Texts
    reason: Texts
    withheld: Texts
    null: Floats
    null_df: npt.NDArray[np.int64]
    null_replicates: npt.NDArray[np.int64]
    null_key: tuple[int, int] | None
    reference: str

    @property
    def correlation(self) -> Floats:
        """Correlation of the measure, float64 (n_genes,)."""
        return self.spearman if self.measure == "spearman" else self.pearson

    @property
    def p_value(self) -> Floats:
        """p-value of the measure, float64 (n_genes,)."""
        return self.spearman_p if self.measure == "spearman" else self.pearson_p

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """Confidence limits of the measure, float64 (n_genes,) each."""
        if self.measure == "spearman":
            return self.spearman_low, self.spearman_high
        return self.pearson_low, self.pearson_high

    @property
    def directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_genes,)."""
        return directions_of(self.correlation)

    @property
    def null_directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_null, n_genes)."""
        return directions_of(self.null)

    def per_gene(self, gene_ids: tuple[str, ...]) -> pd.DataFrame:
        """Return the rows of the per_gene table."""
        direction = self.directions
        low, high = self.interval
        return pd.DataFrame(
            {
                "predictor": self.predictor,
                "gene_id": list(gene_ids),
                "n": self.n,
                "correlation": self.correlation,
                "ci_low": low,
                "ci_high": high,
                "p_value": self.p_value,
                "q_value": self.q_value,
                "p_predicts": self.p_predicts,
                "inference": self.inference,
                "spearman": self.spearman,
                "spearman_low": self.spearman_low,
                "spearman_high": self.spearman_high,
                "spearman_p": self.spearman_p,
                "pearson": self.pearson,
                "pearson_low": self.pearson_low,
                "pearson_high": self.pearson_high,
                "pearson_p": self.pearson_p,
                "direction": pd.arrays.IntegerArray(direction.copy(), direction == 0),
                "reason": _texts(self.reason),
                "withheld": _texts(self.withheld),
            }
        )


@attrs.frozen(kw_only=True, eq=False)
class _Inferred:
    """p-values and intervals of one kind of correlation."""

    p_value: Floats
    greater: Floats
    low: Floats
    high: Floats


@attrs.frozen(kw_only=True, eq=False)
class Judge:
    """Compares predictors, one after the other, with the same expression.

    Parameters
    ----------
    expression
        Ranked expression of all genes that were measured.
    genes
        int64 (n_genes,): rows of `expression` that some predictor covers: the genes of the results.
    individuals
        Identifiers, in the order of the columns.
    measure
        The correlation that permutations, p-values of the gene's own permutations and q-values belong to.
    confidence
        Level of the intervals.
    zero_shot_inference
        p-values of zero-shot predictors: ``"automatic"`` (robust standard errors, and permutations of the gene
        where they do not hold), ``"textbook"`` (Student's t) or ``"permutation"`` (of every gene).
    permutations
        Joint label permutations for zero-shot predictors.
    seed
        Seed of the permutations.
    folds
        int16 (n_individuals,): folds of the cross-fitted predictors, within which zero-shot predictors are correlated,
        too, so that all are on the same footing; None correlates them over all individuals.
    groups, strata
        Family and stratum of each individual, for the label permutations.
    """

    expression: RankedExpression
    genes: npt.NDArray[np.int64]
    individuals: tuple[str, ...]
    measure: Measure
    confidence: float
    zero_shot_inference: ZeroShotInference
    permutations: int
    seed: int
    folds: npt.NDArray[np.int16] | None = None
    groups: tuple[str, ...] | None = None
    strata: tuple[str, ...] | None = None
    _partners: dict[bytes, npt.NDArray[np.int64]] = attrs.field(factory=dict, init=False, repr=False)

    def judge(
        self,
        matrices: PredictorMatrices,
        settings: Mapping[str, Any],
        people: npt.NDArray[np.bool_],
        everyone: npt.NDArray[np.bool_],
        n_people: int,
    ) -> Judged:
        """Judge one predictor.

        Parameters
        ----------
        matrices
            Its predictions.
        settings
            Its settings: ``cross_fitting``, ``seed`` and ``individuals`` are read, where present.
        people, everyone
            bool (n_individuals,): individuals of this predictor's rows, and of the whole table's.
        n_people
            Individuals of this predictor's rows, those without expression included.
        """
        kind = _kind(matrices, settings)
        null_key: tuple[int, int] | None = None
        with_null = [k for k, replicate in enumerate(matrices.replicates) if replicate > 0]
        numbers = np.array([matrices.replicates[k] for k in with_null], dtype=np.int64)
        permutations = None
        if kind == "zero-shot" and not with_null and self.permutations:
            chosen = everyone if people.sum() >= 0.8 * everyone.sum() else people
            permutations = self._permute_among(chosen)
            numbers = np.arange(1, self.permutations + 1)
            null_key = (self.seed, int(chosen.sum()))
            reference = f"{self.permutations} label permutations of {int(chosen.sum())} individuals"
        elif with_null:
            null_key = (_whole(settings.get("seed"), self.seed), _whole(settings.get("individuals"), n_people))
            reference = f"{len(with_null)} replicates on permuted expression"
        else:
            reference = "none: the table holds no permuted replicates" + (
                "" if kind == "zero-shot" else "; run predict_cohort with replicates=..."
            )
        if 0 not in matrices.replicates:
            raise TableError(
                f"predictor {matrices.predictor}: the table holds replicates {matrices.replicates[0]} to "
                f"{matrices.replicates[-1]}, but none of the observed predictions (replicate 0)"
            )
        observed = self._correlate(matrices, 0, kind, permutations)
        replicates = [self._correlate(matrices, k, kind, None) for k in with_null]
        null, null_df = observed.null, observed.null_df
        if replicates:
            null = np.array([one.correlation(self.measure) for one in replicates])
            null_df = np.array([one.df for one in replicates])
        inferred, how = self._infer(matrices, observed, replicates, kind)
        withheld = self._withhold(observed, inferred, kind, known=kind != "crossfit" or bool(replicates))
        rank, product, main = inferred["spearman"], inferred["pearson"], inferred[self.measure]
        defined = observed.reason == 0
        how[~defined] = inference.UNDEFINED

        def spread(values: npt.NDArray[Any], empty: object) -> npt.NDArray[Any]:
            full = np.full((*values.shape[:-1], len(self.genes)), empty, dtype=values.dtype)
            full[..., np.searchsorted(self.genes, matrices.genes)] = values
            full.flags.writeable = False
            return full

        return Judged(
            predictor=matrices.predictor,
            kind=kind,
            measure=self.measure,
            spearman=spread(observed.spearman, np.nan),
            spearman_low=spread(rank.low, np.nan),
            spearman_high=spread(rank.high, np.nan),
            spearman_p=spread(rank.p_value, np.nan),
            q_value=spread(benjamini_hochberg(main.p_value), np.nan),
            p_predicts=spread(main.greater, np.nan),
            pearson=spread(observed.pearson, np.nan),
            pearson_low=spread(product.low, np.nan),
            pearson_high=spread(product.high, np.nan),
            pearson_p=spread(product.p_value, np.nan),
            n=spread(observed.n, 0),
            df=spread(observed.df, 0),
            inference=spread(how, inference.UNDEFINED),
            reason=spread(_reasons(matrices, observed, self.measure), NOT_IN_TABLE),
            withheld=spread(np.where(defined, withheld, ""), ""),
            null=spread(null, np.nan),
            null_df=spread(null_df, 0),
            null_replicates=numbers if null_key is not None else np.empty(0, dtype=np.int64),
            null_key=null_key,
            reference=reference,
        )

    def _permute_among(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Permute the chosen individuals among themselves, and leave the others in their places."""
        key = chosen.tobytes()
        if key not in self._partners:
            place = np.flatnonzero(chosen)
            partners = np.tile(np.arange(len(self.individuals)), (self.permutations, 1))
            names = [self.individuals[i] for i in place]
            groups = None if self.groups is None else [self.groups[i] for i in place]
            strata = None if self.strata is None else [self.strata[i] for i in place]
            partners[:, place] = place[label_permutations(names, self.permutations, self.seed, groups, strata)]
            self._partners[key] = partners
        return self._partners[key]

    def _correlate(
        self,
        matrices: PredictorMatrices,
        replicate: int,
        kind: Kind,
        permutations: npt.NDArray[np.int64] | None,
    ) -> RowCorrelations:
        values, scale = matrices.values[replicate], matrices.scale[replicate]
        if matrices.folds is None:
            result = self.expression.correlate(
                values,
                matrices.genes,
                folds=self.folds,
                scale=scale,
                permutations=permutations,
                measure=self.measure,
            )
        else:
            result = RowCorrelations.undefined(len(values))
            for rows, folds in fold_patterns(matrices.folds[replicate]):
                part = self.expression.correlate(
                    values[rows],
                    matrices.genes[rows],
                    folds=folds,
                    scale=scale[rows],
                    tie_noise=True,
                    measure=self.measure,
                )
                result.put(rows, part)
        result.undefine(matrices.flat[replicate] & (result.reason != FEW), CONSTANT_PREDICTION)
        return result

    def _infer(
        self, matrices: PredictorMatrices, observed: RowCorrelations, replicates: list[RowCorrelations], kind: Kind
    ) -> tuple[dict[Measure, _Inferred], Texts]:
        """Return what is inferred from rank and from product-moment correlations, and how that of the measure was."""
        if kind == "crossfit":
            text = inference.PERMUTED if replicates else inference.NO_REPLICATES
            found = {one: self._against_replicates(observed, replicates, one) for one in MEASURES}
            return found, np.full(len(observed.n), text, dtype=object)
        inferred = {one: self._from_errors(observed.correlation(one), observed.errors(one)) for one in MEASURES}
        families = self.expression.groups is not None
        how = np.full(
            len(observed.n), inference.STUDENTISED_FAMILIES if families else inference.STUDENTISED, dtype=object
        )
        if self.zero_shot_inference == "textbook" and kind == "zero-shot":
            for name, part in inferred.items():
                r = observed.correlation(name)
                part.p_value[:] = inference.textbook_p(r, observed.df)
                part.greater[:] = np.where(r > 0, part.p_value / 2, 1 - part.p_value / 2)
            how[:] = inference.TEXTBOOK
            return inferred, how
        every = self.zero_shot_inference == "permutation" and kind == "zero-shot"
        doubtful = (observed.reason == 0) & (every | _without_formula(observed, self.measure, kind))
        main = inferred[self.measure]
        if families:
            main.p_value[doubtful] = main.greater[doubtful] = np.nan
            how[doubtful] = inference.FEW_FAMILIES
        else:
            self._permute(matrices, np.flatnonzero(doubtful), main, how)
        return inferred, how

    def _from_errors(self, r: Floats, errors: StandardErrors) -> _Inferred:
        p_value, greater = inference.student_p(inference.studentised(r, errors), errors.df)
        low, high = inference.student_interval(r, errors, self.confidence)
        return _Inferred(p_value=p_value, greater=greater, low=low, high=high)

    def _against_replicates(
        self, observed: RowCorrelations, replicates: list[RowCorrelations], measure: Measure
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

    def _permute(self, matrices: PredictorMatrices, genes: npt.NDArray[np.intp], main: _Inferred, how: Texts) -> None:
        """Permute genes one by one, and put their p-values in the place of those from standard errors."""
        if not len(genes):
            return
        groups: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.int16] | None]] = [(genes, self.folds)]
        if matrices.folds is not None:
            chosen = fold_patterns(matrices.folds[0][genes])
            groups = [(genes[rows], folds) for rows, folds in chosen]
        for rows, folds in groups:
            for start in range(0, len(rows), 512):
                part = rows[start : start + 512]
                aligned = self.expression.align(
                    matrices.values[0][part],
                    matrices.genes[part],
                    folds=folds,
                    scale=matrices.scale[0][part],
                    tie_noise=matrices.folds is not None,
                    measure=self.measure,
                )
                result = permute_genes(aligned, seed=self.seed, folds=folds)
                main.p_value[part], main.greater[part] = result.two_sided, result.greater
        how[genes] = inference.GENE_PERMUTATION

    def _withhold(
        self, observed: RowCorrelations, inferred: Mapping[Measure, _Inferred], kind: Kind, *, known: bool
    ) -> Texts:
        """Set to NaN what cannot be trusted, and return the reasons."""
        if not known:
            return np.full(len(observed.n), inference.WITHHELD_REPLICATES, dtype=object)
        withheld = np.full(len(observed.n), "", dtype=object)
        for measure, part in inferred.items():
            no_formula = _without_formula(observed, measure, kind)
            small = _too_few(observed, measure)
            no_interval = no_formula | small | (observed.errors(measure).df < inference.FEWEST_DF)
            part.low[no_interval] = part.high[no_interval] = np.nan
            # permutations took the place of the formula, or the user chose a formula
            replaced = kind != "crossfit" and measure == self.measure
            no_p = no_formula & (not replaced and (measure == "pearson" or kind != "crossfit"))
            part.p_value[no_p] = part.greater[no_p] = np.nan
            what = np.where(no_p, "interval and p-value", "interval").astype(object)
            fewer = f"fewer than {inference.FEWEST_INDIVIDUALS[measure]} individuals, less covariates and folds"
            why = np.where(small, fewer, inference.WITHHELD[measure]).astype(object)
            text = measure.capitalize() + " " + what + ": " + why
            joined = np.where(withheld == "", text, withheld + "; " + text)
            withheld = np.where(no_interval, joined, withheld)
        return withheld


def _without_formula(observed: RowCorrelations, measure: Measure, kind: Kind) -> npt.NDArray[np.bool_]:
    """Return where the standard error of a correlation is not known well enough for a p-value."""
    few = observed.support < inference.SPARSE_SUPPORT
    if measure == "spearman":
        return few
    skewed = np.abs(observed.skewness) > inference.LARGEST_SKEWNESS
    unknown = few | skewed | (observed.pearson_errors.df < inference.FEWEST_DF)
    # permuted replicates have the tails of the observed run, however few individuals there are
    return unknown if kind == "crossfit" else unknown | _too_few(observed, measure)


def _too_few(observed: RowCorrelations, measure: Measure) -> npt.NDArray[np.bool_]:
    return np.asarray((observed.reason == 0) & (observed.df + 2 < inference.FEWEST_INDIVIDUALS[measure]))


def _kind(matrices: PredictorMatrices, settings: Mapping[str, Any]) -> Kind:
    said = settings.get("cross_fitting")
    if said not in (None, "crossfit", "prequential"):
        raise SettingError(
            f"predictor {matrices.predictor}: cross_fitting must be crossfit, prequential or none, got {said!r}"
        )
    if not matrices.cross_fitted:
        return "zero-shot"
    return "prequential" if said == "prequential" else "crossfit"


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _texts(values: Texts) -> pd.api.extensions.ExtensionArray:
    return pd.array([text or None for text in values], dtype="string")


def _reasons(matrices: PredictorMatrices, observed: RowCorrelations, measure: Measure) -> Texts:
    reason = np.array(REASONS, dtype=object)[observed.reason]
    for row in np.flatnonzero(observed.reason == FEW):
        stated = matrices.reasons.get(int(matrices.genes[row]))
        if stated is not None:
            reason[row] = f"{REASONS[FEW]}: {stated}"
    reason[observed.correlation(measure) == 0] = ZERO
    return np.asarray(reason)
