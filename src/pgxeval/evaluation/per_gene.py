"""One predictor judged gene by gene: its correlations, what they amount to, and its own null."""

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
    MIN_INDIVIDUALS,
    REASONS,
    RankedExpression,
    RowCorrelations,
)
from pgxeval.evaluation.matrices import NO_FOLD, PredictorMatrices
from pgxeval.evaluation.resampling import benjamini_hochberg, label_permutations

Floats = npt.NDArray[np.float64]
Kind = Literal["zero-shot", "crossfit", "prequential"]
ZeroShotInference = Literal["textbook", "permutation"]

NOT_IN_TABLE = "not in the predictions table"
ZERO = "correlation is exactly 0"
_FEWEST_IN_FOLD = 5


@attrs.frozen(kw_only=True, eq=False)
class Judged:
    """What is known of one predictor at every gene that any predictor of the table speaks of.

    Parameters
    ----------
    predictor, kind
        Its name, and how its predictions came about.
    spearman, pearson, ci_low, ci_high, p_value, q_value
        float64 (n_genes,), NaN where undefined.
    n, df
        int64 (n_genes,): individuals with both values, and degrees of freedom.
    inference, reason
        str (n_genes,): how the p-value was found, and why something is undefined ("" where all is defined).
    null, null_df
        float64 and int64 (n_null, n_genes): correlations under permuted expression.
    null_replicates
        int64 (n_null,): number of the joint permutation behind each row of `null`.
    null_key
        Permutations with equal keys and numbers are the same permutation; None where there is no null.
    reference
        Where the null comes from, or why there is none.
    """

    predictor: str
    kind: Kind
    spearman: Floats
    pearson: Floats
    ci_low: Floats
    ci_high: Floats
    p_value: Floats
    q_value: Floats
    n: npt.NDArray[np.int64]
    df: npt.NDArray[np.int64]
    inference: npt.NDArray[np.object_]
    reason: npt.NDArray[np.object_]
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
                "inference": self.inference,
                "pearson": self.pearson,
                "direction": pd.arrays.IntegerArray(direction.copy(), direction == 0),
                "reason": pd.array([reason or None for reason in self.reason], dtype="string"),
            }
        )


@attrs.frozen(kw_only=True, eq=False)
class Judge:
    """Judges predictors one after the other against the same expression.

    Parameters
    ----------
    expression
        Ranked expression of all genes of the target.
    genes
        int64 (n_genes,): rows of the target that some predictor speaks of: the genes of the results.
    individuals
        Identifiers, in the columns' order.
    confidence
        Level of the intervals.
    zero_shot_inference
        ``"textbook"`` or ``"permutation"``.
    permutations
        Joint label permutations for zero-shot predictors.
    seed
        Seed of the label permutations.
    groups, strata
        Group and stratum of each individual, or None: label permutations exchange whole groups, and individuals
        within strata, as `pgxeval.seeding.permute_individuals` does.
    """

    expression: RankedExpression
    genes: npt.NDArray[np.int64]
    individuals: tuple[str, ...]
    confidence: float
    zero_shot_inference: ZeroShotInference
    permutations: int
    seed: int
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
        observed, fold_p = self._correlate(matrices, 0, kind, permutations)
        null, null_df = observed.null, observed.null_df
        if with_null:
            found = [self._correlate(matrices, k, kind, None)[0] for k in with_null]
            null = np.array([one.spearman for one in found])
            null_df = np.array([one.df for one in found])
        return self._infer(
            matrices,
            observed,
            fold_p,
            kind=kind,
            null=null,
            null_df=null_df,
            numbers=numbers,
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
    ) -> tuple[RowCorrelations, Floats | None]:
        """Return correlations and, where they were combined from folds, their p-values."""
        if kind == "prequential":
            return self._prequential(matrices, replicate)
        found = self.expression.correlate(
            matrices.values[replicate],
            matrices.genes,
            scale=matrices.scale[replicate],
            permutations=permutations,
            tie_noise=kind != "zero-shot",
        )
        return _without_flat(found, matrices.flat[replicate]), None

    def _prequential(self, matrices: PredictorMatrices, replicate: int) -> tuple[RowCorrelations, Floats]:
        assert matrices.folds is not None
        folds, values = matrices.folds[replicate], matrices.values[replicate]
        parts = [
            self.expression.correlate(
                values,
                matrices.genes,
                scale=matrices.scale[replicate],
                mask=folds == fold,
                min_individuals=_FEWEST_IN_FOLD,
                tie_noise=True,
            )
            for fold in np.unique(folds[folds != NO_FOLD])
        ]
        df = np.array([part.df for part in parts])
        n = np.array([np.where(part.reason == FEW, 0, part.n) for part in parts]).sum(axis=0)
        spearman, p_value, together = inference.stouffer(np.array([part.spearman for part in parts]), df)
        pearson = inference.stouffer(np.array([part.pearson for part in parts]), df)[0]
        reason = np.max([np.where(part.reason == FEW, 0, part.reason) for part in parts], axis=0).astype(np.int8)
        reason[~np.isnan(spearman)] = 0
        reason[n < MIN_INDIVIDUALS] = FEW
        spearman[reason != 0] = pearson[reason != 0] = p_value[reason != 0] = np.nan
        combined = RowCorrelations(
            spearman=spearman,
            pearson=pearson,
            n=n,
            df=np.maximum(together, 0).astype(np.int64),
            reason=reason,
            null=np.empty((0, len(n))),
            null_df=np.empty((0, len(n)), dtype=np.int64),
        )
        return combined, p_value

    def _infer(
        self,
        matrices: PredictorMatrices,
        found: RowCorrelations,
        fold_p: Floats | None,
        *,
        kind: Kind,
        null: Floats,
        null_df: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.int64],
        null_key: tuple[int, int] | None,
        reference: str,
    ) -> Judged:
        r, df = found.spearman, found.df
        how = np.full(len(r), inference.UNDEFINED, dtype=object)
        defined = ~np.isnan(r)
        inflation = 1.0
        if kind == "zero-shot" and self.zero_shot_inference == "textbook":
            p_value = inference.textbook_p(r, df)
            how[defined] = inference.TEXTBOOK
        elif fold_p is not None:
            p_value = fold_p
            how[defined] = inference.PREQUENTIAL
        elif null_key is not None:
            p_value, scaled = inference.pooled_p(inference.fisher_z(r), df, inference.fisher_z(null), null_df)
            names = (
                (inference.LABELS_SAME, inference.LABELS_SCALED)
                if kind == "zero-shot"
                else (inference.PERMUTED_SAME, inference.PERMUTED_SCALED)
            )
            how[defined & ~scaled], how[defined & scaled] = names
            if kind == "crossfit":
                inflation = inference.null_inflation(null, null_df)
        else:
            p_value = np.full(len(r), np.nan)
            how[defined] = inference.NO_REPLICATES
            inflation = np.nan
        low, high = inference.fisher_interval(r, df, self.confidence, inflation=inflation)
        reason = np.array(REASONS, dtype=object)[found.reason]
        for row in np.flatnonzero(found.reason == FEW):
            said = matrices.reasons.get(int(matrices.genes[row]))
            if said is not None:
                reason[row] = f"{REASONS[FEW]}: {said}"
        reason[r == 0] = ZERO

        def spread(values: npt.NDArray[Any], empty: object) -> npt.NDArray[Any]:
            full = np.full((*values.shape[:-1], len(self.genes)), empty, dtype=values.dtype)
            full[..., np.searchsorted(self.genes, matrices.genes)] = values
            full.flags.writeable = False
            return full

        return Judged(
            predictor=matrices.predictor,
            kind=kind,
            spearman=spread(r, np.nan),
            pearson=spread(found.pearson, np.nan),
            ci_low=spread(low, np.nan),
            ci_high=spread(high, np.nan),
            p_value=spread(p_value, np.nan),
            q_value=spread(benjamini_hochberg(p_value), np.nan),
            n=spread(found.n, 0),
            df=spread(df, 0),
            inference=spread(how, inference.UNDEFINED),
            reason=spread(reason, NOT_IN_TABLE),
            null=spread(null, np.nan),
            null_df=spread(null_df, 0),
            null_replicates=numbers if null_key is not None else np.empty(0, dtype=np.int64),
            null_key=null_key,
            reference=reference,
        )


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


def _without_flat(found: RowCorrelations, flat: npt.NDArray[np.bool_]) -> RowCorrelations:
    undefined = flat & (found.reason != FEW)
    found.spearman[undefined] = found.pearson[undefined] = np.nan
    found.null[:, undefined] = np.nan
    found.reason[undefined] = CONSTANT_PREDICTION
    return found
