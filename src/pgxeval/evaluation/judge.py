"""Judge: correlates predictors with expression, some genes at a time, and keeps numbers per gene only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation import inference
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.gene_permutation import permute_genes
from pgxeval.evaluation.matrices import PredictorMatrices, fold_patterns
from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Kind
from pgxeval.evaluation.resampling import label_permutations
from pgxeval.evaluation.row_correlations import FEW, REASONS, RowCorrelations
from pgxeval.evaluation.settings import Measure, ZeroShotInference

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Indices = npt.NDArray[np.integer]

ZERO = "correlation is exactly 0"


@attrs.frozen(kw_only=True, eq=False)
class Reference:
    """How predictions of one predictor came about, and where their null distribution comes from.

    Parameters
    ----------
    predictor, kind
        Its name, and whether it is zero-shot, cross-fitted or prequential.
    replicates
        Numbers of the replicates in the table; 0 is the observed one.
    partners
        int64 (n_permutations, n_individuals): joint label permutations, or None where the table has replicates.
    numbers
        int64 (n_null,): number of each null replicate.
    key
        See `Judged.null_key`.
    text
        See `Judged.reference`.
    """

    predictor: str
    kind: Kind
    replicates: tuple[int, ...]
    partners: npt.NDArray[np.int64] | None
    numbers: npt.NDArray[np.int64]
    key: tuple[int, int] | None
    text: str

    @property
    def permuted(self) -> tuple[int, ...]:
        """Places of the replicates on permuted expression."""
        return tuple(place for place, number in enumerate(self.replicates) if number > 0)


@attrs.frozen(kw_only=True, eq=False)
class GeneCorrelations:
    """Correlations of one predictor at some genes: everything that is kept when its predictions are dropped.

    Parameters
    ----------
    observed
        Of the observed predictions; `RowCorrelations.null` is under label permutation.
    replicates
        Of the replicates on permuted expression.
    permuted, two_sided, greater
        bool and float64 (n_genes,): whether the gene was permuted on its own, and the p-values from it.
    reason
        str (n_genes,): why the correlation is undefined.
    """

    observed: RowCorrelations
    replicates: tuple[RowCorrelations, ...]
    permuted: npt.NDArray[np.bool_]
    two_sided: Floats
    greater: Floats
    reason: Texts

    @classmethod
    def undefined(cls, n_genes: int, n_null: int, n_replicates: int) -> GeneCorrelations:
        """Return genes that the predictor does not cover."""
        return cls(
            observed=RowCorrelations.undefined(n_genes, n_null),
            replicates=tuple(RowCorrelations.undefined(n_genes) for _ in range(n_replicates)),
            permuted=np.zeros(n_genes, dtype=bool),
            two_sided=np.full(n_genes, np.nan),
            greater=np.full(n_genes, np.nan),
            reason=np.full(n_genes, NOT_IN_TABLE, dtype=object),
        )

    def put(self, rows: Indices, part: GeneCorrelations) -> None:
        """Copy the genes of `part` to the places `rows`."""
        self.observed.put(rows, part.observed)
        for mine, theirs in zip(self.replicates, part.replicates, strict=True):
            mine.put(rows, theirs)
        for name in ("permuted", "two_sided", "greater", "reason"):
            getattr(self, name)[rows] = getattr(part, name)

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Genes that the predictor covers, bool (n_genes,)."""
        return np.asarray(self.reason != NOT_IN_TABLE)


@attrs.frozen(kw_only=True, eq=False)
class Judge:
    """Correlates predictors with the same individuals' expression.

    Parameters
    ----------
    individuals
        Identifiers, in the order of the columns.
    everyone
        bool (n_individuals,): individuals with any row in the table.
    measure
        The correlation that must be defined, and that permutations are made for.
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

    individuals: tuple[str, ...]
    everyone: npt.NDArray[np.bool_]
    measure: Measure
    zero_shot_inference: ZeroShotInference
    permutations: int
    seed: int
    folds: npt.NDArray[np.int16] | None = None
    groups: tuple[str, ...] | None = None
    strata: tuple[str, ...] | None = None
    _partners: dict[bytes, npt.NDArray[np.int64]] = attrs.field(factory=dict, init=False, repr=False)

    def reference(
        self,
        predictor: str,
        settings: Mapping[str, Any],
        replicates: tuple[int, ...],
        people: npt.NDArray[np.bool_],
        n_people: int,
        *,
        folded: bool,
    ) -> Reference:
        """Return how a predictor is judged.

        Parameters
        ----------
        predictor
            Its name.
        settings
            Its settings: ``cross_fitting``, ``seed`` and ``individuals`` are read, where present.
        replicates
            Numbers of its replicates.
        people
            bool (n_individuals,): individuals of its rows.
        n_people
            Individuals of its rows, those without expression included.
        folded
            Whether its predictions have folds.

        Raises
        ------
        TableError
            If the table lacks its observed predictions.
        SettingError
            If its settings name an unknown way of cross-fitting.
        """
        kind = _kind(predictor, settings, folded=folded)
        numbers = np.array([number for number in replicates if number > 0], dtype=np.int64)
        key: tuple[int, int] | None = None
        partners = None
        if kind == "zero-shot" and not len(numbers) and self.permutations:
            target_people = self.everyone if people.sum() >= 0.8 * self.everyone.sum() else people
            partners = self._permute_among(target_people)
            numbers = np.arange(1, self.permutations + 1)
            key = (self.seed, int(target_people.sum()))
            text = f"{self.permutations} label permutations of {int(target_people.sum())} individuals"
        elif len(numbers):
            key = (_whole(settings.get("seed"), self.seed), _whole(settings.get("individuals"), n_people))
            text = f"{len(numbers)} replicates on permuted expression"
        else:
            text = "none: the table holds no permuted replicates" + (
                "" if kind == "zero-shot" else "; run predict_cohort with replicates=..."
            )
        if 0 not in replicates:
            raise TableError(
                f"predictor {predictor}: the table holds replicates {replicates[0]} to {replicates[-1]}, but none of "
                "the observed predictions (replicate 0)"
            )
        return Reference(
            predictor=predictor,
            kind=kind,
            replicates=replicates,
            partners=partners,
            numbers=numbers,
            key=key,
            text=text,
        )

    def correlate(
        self, matrices: PredictorMatrices, reference: Reference, expression: RankedExpression
    ) -> GeneCorrelations:
        """Correlate the predictions of some genes.

        Parameters
        ----------
        matrices
            Predictions of one predictor.
        reference
            How this predictor is judged.
        expression
            Expression of the same genes, in the same order.
        """
        observed = self._correlate(matrices, 0, expression, reference.partners)
        two_sided, greater = np.full((2, len(observed.n)), np.nan)
        permuted = self._doubtful(observed, reference.kind) & (expression.groups is None)
        if permuted.any():
            genes = np.flatnonzero(permuted)
            two_sided[genes], greater[genes] = self._permute(matrices, genes, expression)
        return GeneCorrelations(
            observed=observed,
            replicates=tuple(self._correlate(matrices, k, expression, None) for k in reference.permuted),
            permuted=permuted,
            two_sided=two_sided,
            greater=greater,
            reason=_reasons(matrices, observed, self.measure),
        )

    def _doubtful(self, observed: RowCorrelations, kind: Kind) -> npt.NDArray[np.bool_]:
        """Return the genes whose p-value must come from permutations of the gene."""
        if kind == "crossfit" or (kind == "zero-shot" and self.zero_shot_inference == "textbook"):
            return np.zeros(len(observed.n), dtype=bool)
        if self.zero_shot_inference == "permutation" and kind == "zero-shot":
            return np.asarray(observed.reason == 0)
        without = inference.without_formula(observed, self.measure, crossfit=False)
        return np.asarray((observed.reason == 0) & without & ~inference.few_differ(observed))

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
        expression: RankedExpression,
        permutations: npt.NDArray[np.int64] | None,
    ) -> RowCorrelations:
        values, scale = matrices.values[replicate], matrices.scale[replicate]
        if matrices.folds is None:
            result = expression.correlate(
                values, folds=self.folds, scale=scale, permutations=permutations, measure=self.measure
            )
        else:
            result = RowCorrelations.undefined(len(values))
            for rows, folds in fold_patterns(matrices.folds[replicate]):
                places = np.arange(len(values))[rows]
                part = expression.correlate(
                    values[rows], places, folds=folds, scale=scale[rows], tie_noise=True, measure=self.measure
                )
                result.put(rows, part)
        return result

    def _permute(
        self, matrices: PredictorMatrices, genes: npt.NDArray[np.intp], expression: RankedExpression
    ) -> tuple[Floats, Floats]:
        """Permute genes one by one; return their two-sided and one-sided p-values."""
        folded = matrices.folds is not None
        groups: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.int16] | None]] = [(genes, self.folds)]
        if matrices.folds is not None:
            groups = [(genes[rows], folds) for rows, folds in fold_patterns(matrices.folds[0][genes])]
        p_values = np.full((2, len(matrices.genes)), np.nan)
        for rows, folds in groups:
            aligned = expression.align(
                matrices.values[0][rows],
                rows,
                folds=folds,
                scale=matrices.scale[0][rows],
                tie_noise=folded,
                measure=self.measure,
            )
            result = permute_genes(aligned, seed=self.seed, folds=folds)
            p_values[:, rows] = result.two_sided, result.greater
        return p_values[0, genes], p_values[1, genes]


def _kind(predictor: str, settings: Mapping[str, Any], *, folded: bool) -> Kind:
    recorded = settings.get("cross_fitting")
    if recorded not in (None, "crossfit", "prequential"):
        raise SettingError(
            f"predictor {predictor}: cross_fitting must be crossfit, prequential or none, got {recorded!r}"
        )
    if not folded:
        return "zero-shot"
    return "prequential" if recorded == "prequential" else "crossfit"


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _reasons(matrices: PredictorMatrices, observed: RowCorrelations, measure: Measure) -> Texts:
    reason = np.array(REASONS, dtype=object)[observed.reason]
    for row in np.flatnonzero(observed.reason == FEW):
        stated = matrices.reasons.get(int(matrices.genes[row]))
        if stated is not None:
            reason[row] = f"{REASONS[FEW]}: {stated}"
    reason[observed.correlation(measure) == 0] = ZERO
    return np.asarray(reason)
