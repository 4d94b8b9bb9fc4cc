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
from pgxeval.evaluation.settings import ZeroShotInference
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
    spearman, ci_low, ci_high
        float64 (n_genes,): rank correlation and its confidence limits, NaN where undefined.
    pearson, pearson_low, pearson_high, pearson_p
        float64 (n_genes,): product-moment correlation, confidence limits and p-value.
    p_value, q_value
        float64 (n_genes,): of the rank correlation. One-sided against a correlation above the permuted reference for
        cross-fitted predictors, two-sided for all others.
    p_predicts
        float64 (n_genes,): p-value against a positive rank correlation, one-sided for every predictor.
    n, df
        int64 (n_genes,): individuals with both values, and degrees of freedom.
    inference, reason, withheld
        str (n_genes,): how `p_value` was computed, why a correlation is undefined ("" where it is
        defined), and which interval or p-value is withheld and why ("" where nothing is).
    null, null_df
        float64 and int64 (n_null, n_genes): rank correlations under permuted expression.
    null_replicates
        int64 (n_null,): number of the joint permutation of each row of `null`.
    null_key
        Permutations with equal keys and numbers are the same permutation; None without a null.
    reference
        Where the null comes from, or why there is none.
    """

    predictor: str
    kind: Kind
    spearman: Floats
    ci_low: Floats
    ci_high: Floats
    p_value: Floats
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
    def directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_genes,)."""
        return directions_of(self.spearman)

    @property
    def null_directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_null, n_genes)."""
        return directions_of(self.null)

    def per_gene(self, gene_ids: tuple[str, ...]) -> pd.DataFrame:
        """Return the rows of the per_gene table."""
        direction = self.directions
        return pd.DataFrame(
            {
                "predictor": self.predictor,
                "gene_id": list(gene_ids),
                "n": self.n,
                "spearman": self.spearman,
                "ci_low": self.ci_low,
                "ci_high": self.ci_high,
                "p_value": self.p_value,
                "q_value": self.q_value,
                "p_predicts": self.p_predicts,
                "inference": self.inference,
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
    confidence
        Level of the intervals.
    zero_shot_inference
        p-values of zero-shot predictors: ``"automatic"`` (robust standard errors, and permutations of the gene
        where few individuals differ), ``"textbook"`` (Student's t) or ``"permutation"`` (of every gene).
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
            null = np.array([one.spearman for one in replicates])
            null_df = np.array([one.df for one in replicates])
        rank, product, how = self._infer(matrices, observed, replicates, kind)
        withheld = self._withhold(observed, rank, product, known=kind != "crossfit" or bool(replicates))
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
            spearman=spread(observed.spearman, np.nan),
            ci_low=spread(rank.low, np.nan),
            ci_high=spread(rank.high, np.nan),
            p_value=spread(rank.p_value, np.nan),
            q_value=spread(benjamini_hochberg(rank.p_value), np.nan),
            p_predicts=spread(rank.greater, np.nan),
            pearson=spread(observed.pearson, np.nan),
            pearson_low=spread(product.low, np.nan),
            pearson_high=spread(product.high, np.nan),
            pearson_p=spread(product.p_value, np.nan),
            n=spread(observed.n, 0),
            df=spread(observed.df, 0),
            inference=spread(how, inference.UNDEFINED),
            reason=spread(_reasons(matrices, observed), NOT_IN_TABLE),
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
                values, matrices.genes, folds=self.folds, scale=scale, permutations=permutations
            )
        else:
            result = RowCorrelations.undefined(len(values))
            for rows, folds in fold_patterns(matrices.folds[replicate]):
                part = self.expression.correlate(
                    values[rows], matrices.genes[rows], folds=folds, scale=scale[rows], tie_noise=True
                )
                result.put(rows, part)
        result.undefine(matrices.flat[replicate] & (result.reason != FEW), CONSTANT_PREDICTION)
        return result

    def _infer(
        self, matrices: PredictorMatrices, observed: RowCorrelations, replicates: list[RowCorrelations], kind: Kind
    ) -> tuple[_Inferred, _Inferred, Texts]:
        """Return what is inferred from rank and from product-moment correlations, and how."""
        if kind == "crossfit":
            rank, classes = self._against_replicates(observed, replicates, "spearman")
            product, _ = self._against_replicates(observed, replicates, "pearson")
            text = inference.PERMUTED_CLASSES if classes else inference.PERMUTED
            text = text if replicates else inference.NO_REPLICATES
            return rank, product, np.full(len(observed.n), text, dtype=object)
        rank = self._from_errors(observed.spearman, observed.spearman_errors)
        product = self._from_errors(observed.pearson, observed.pearson_errors)
        families = self.expression.groups is not None
        how = np.full(
            len(observed.n), inference.STUDENTISED_FAMILIES if families else inference.STUDENTISED, dtype=object
        )
        if self.zero_shot_inference == "textbook" and kind == "zero-shot":
            for part, r in ((rank, observed.spearman), (product, observed.pearson)):
                part.p_value[:] = inference.textbook_p(r, observed.df)
                part.greater[:] = np.where(r > 0, part.p_value / 2, 1 - part.p_value / 2)
            how[:] = inference.TEXTBOOK
            return rank, product, how
        every = self.zero_shot_inference == "permutation" and kind == "zero-shot"
        sparse = (observed.reason == 0) & (every | (observed.support < inference.SPARSE_SUPPORT))
        if families:
            rank.p_value[sparse] = rank.greater[sparse] = np.nan
            how[sparse] = inference.FEW_FAMILIES
        else:
            self._permute(matrices, np.flatnonzero(sparse), rank, how)
        return rank, product, how

    def _from_errors(self, r: Floats, errors: StandardErrors) -> _Inferred:
        p_value, greater = inference.student_p(inference.studentised(r, errors), errors.df)
        low, high = inference.student_interval(r, errors, self.confidence)
        return _Inferred(p_value=p_value, greater=greater, low=low, high=high)

    def _against_replicates(
        self, observed: RowCorrelations, replicates: list[RowCorrelations], name: Literal["spearman", "pearson"]
    ) -> tuple[_Inferred, bool]:
        """Compare with permuted expression; also return whether genes were pooled by class.

        A gene at which some folds predict the same value for everyone has another null distribution than one at which
        all folds distinguish individuals.
        """
        scores = [inference.normal_score(*_named(one, name)) for one in replicates]
        null = np.concatenate(scores) if scores else np.empty(0)
        whole = np.concatenate([one.informative == 1 for one in replicates]) if scores else np.empty(0, dtype=bool)
        defined = np.isfinite(null)
        classes = min((whole & defined).sum(), (~whole & defined).sum()) >= inference.FEWEST_IN_CLASS
        r, errors = _named(observed, name)
        score = inference.normal_score(r, errors)
        p_value, low, high = np.full((3, len(r)), np.nan)
        for kind in (True, False):
            genes = (observed.informative == 1) == kind
            pool = inference.NullDistribution(scores=null[defined & (whole == kind)] if classes else null[defined])
            part = StandardErrors(se=errors.se[genes], df=errors.df[genes])
            p_value[genes] = pool.greater(score[genes])
            low[genes], high[genes] = pool.interval(r[genes], part, self.confidence)
        return _Inferred(p_value=p_value, greater=p_value, low=low, high=high), bool(classes)

    def _permute(self, matrices: PredictorMatrices, genes: npt.NDArray[np.intp], rank: _Inferred, how: Texts) -> None:
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
                )
                result = permute_genes(aligned, seed=self.seed, folds=folds)
                rank.p_value[part], rank.greater[part] = result.two_sided, result.greater
        how[genes] = inference.GENE_PERMUTATION

    def _withhold(self, observed: RowCorrelations, rank: _Inferred, product: _Inferred, *, known: bool) -> Texts:
        """Set to NaN what cannot be trusted, and return the reasons."""
        if not known:
            return np.full(len(observed.n), inference.WITHHELD_REPLICATES, dtype=object)
        few = observed.support < inference.SPARSE_SUPPORT
        rank_few = few | (observed.spearman_errors.df < inference.FEWEST_DF)
        unknown = (
            few
            | (observed.pearson_errors.df < inference.FEWEST_DF)
            | (np.abs(observed.skewness) > inference.LARGEST_SKEWNESS)
        )
        rank.low[rank_few] = rank.high[rank_few] = np.nan
        product.low[unknown] = product.high[unknown] = product.p_value[unknown] = np.nan
        both = f"{inference.WITHHELD_SUPPORT}; {inference.WITHHELD_PEARSON}"
        return np.select(
            [rank_few & unknown, rank_few, unknown],
            [both, inference.WITHHELD_SUPPORT, inference.WITHHELD_PEARSON],
            default="",
        ).astype(object)


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


def _named(one: RowCorrelations, name: Literal["spearman", "pearson"]) -> tuple[Floats, StandardErrors]:
    return (one.spearman, one.spearman_errors) if name == "spearman" else (one.pearson, one.pearson_errors)


def _texts(values: Texts) -> pd.api.extensions.ExtensionArray:
    return pd.array([text or None for text in values], dtype="string")


def _reasons(matrices: PredictorMatrices, observed: RowCorrelations) -> Texts:
    reason = np.array(REASONS, dtype=object)[observed.reason]
    for row in np.flatnonzero(observed.reason == FEW):
        stated = matrices.reasons.get(int(matrices.genes[row]))
        if stated is not None:
            reason[row] = f"{REASONS[FEW]}: {stated}"
    reason[observed.spearman == 0] = ZERO
    return np.asarray(reason)
