"""Cross-fitting: every prediction is made by a model that never saw the individual's expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariates import covariate_basis
from pgxeval.errors import PgxevalError, TableError
from pgxeval.prediction.pairing import Method, Pairing, make_pairing, training_rows
from pgxeval.prediction.steps import CountsSteps
from pgxeval.predictors.protocol import GroupedTrainablePredictor, Prediction, Predictor, TrainablePredictor
from pgxeval.predictors.trained.cis_variants import CisVariants, CisWindow
from pgxeval.predictors.trained.training import FitsTrainingSet, TrainingGenotypes, TrainingSet
from pgxeval.seeding import model_seed

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome


_SAFE = 1e100
_FIRST_FOLD = "prequential: the first fold is used for training only"


@attrs.frozen(kw_only=True, eq=False)
class CrossFit:
    """Out-of-fold predictions of one predictor for one gene in one replicate.

    Parameters
    ----------
    predictor
        Name of the predictor.
    replicate
        0 for the observed pairing of expression and genotypes, 1 and up for permuted ones.
    fold
        int16 (n_individuals,), fold of the genotypes of each row, from 1.
    prediction
        float64 (n_individuals,), uncentred; NaN where the predictor has no answer.
    training_mean
        float64 (n_individuals,), mean training expression of each row's fold; NaN where nothing was trained.
    reason
        Row -> reason, for each NaN.
    used
        Settings as used, one mapping per fitted fold.
    """

    predictor: str
    replicate: int
    fold: npt.NDArray[np.int16]
    prediction: npt.NDArray[np.float64]
    training_mean: npt.NDArray[np.float64]
    reason: dict[int, str]
    used: list[Mapping[str, Any]]


@attrs.frozen(kw_only=True, eq=False)
class CrossFitter:
    """Cross-fits trainable predictors gene by gene, on identical folds for all of them.

    Parameters
    ----------
    genome
        The cohort's genomes.
    individuals
        Individuals with both genotypes and expression.
    covariates
        float64 (n_individuals, n_covariates), or None. The training expression is residualised on them,
        with coefficients of the training individuals.
    predictors
        Predictors to fit. Those that are `FitsTrainingSet` share the selection of variants.
    folds
        Number of outer folds.
    seed
        Seed of the run.
    method
        ``"crossfit"``: trained on all other folds. ``"prequential"``: trained on earlier folds only, so that
        the test statistics of the folds are independent given the past.
    groups
        Group (family, donor) of each individual: a group is in one fold, outer and inner, and is permuted as a
        whole. None treats individuals as unrelated.
    strata
        Stratum of each individual, within which permutations exchange individuals. None without.
    fold_labels
        Label of each individual: each label is a fold, and `folds` their number. None assigns folds by hashing.
    factors
        float32 (n_replicates + 1, folds, n_individuals, k): further covariates, learned from the training expression
        of each replicate and fold (`fold_factors`); NaN for the other individuals. None without.
    """

    genome: PersonalGenome
    individuals: tuple[str, ...]
    covariates: npt.NDArray[np.float64] | None
    predictors: tuple[TrainablePredictor, ...]
    folds: int
    seed: int
    method: Method = "crossfit"
    groups: tuple[str, ...] | None = None
    strata: tuple[str, ...] | None = None
    fold_labels: tuple[str, ...] | None = None
    factors: npt.NDArray[np.float32] | None = attrs.field(default=None, repr=False)

    def run(
        self, gene: Gene, expression: npt.NDArray[np.float64], replicates: int, steps: CountsSteps | None = None
    ) -> list[CrossFit]:
        """Cross-fit one gene: the observed pairing and each permuted replicate.

        Parameters
        ----------
        gene
            The gene.
        expression
            float64 (n_individuals,), measured expression; NaN where it was not measured.
        replicates
            Number of permuted replicates.
        steps
            Counts one step per fold and replicate; None counts nothing.

        Returns
        -------
        list of CrossFit
            By replicate, then in the order of `predictors`.
        """
        n = len(self.individuals)
        expression, exponent = _in_safe_units(expression)
        pairings = [
            make_pairing(self.individuals, self.groups, self.strata, self.folds, self.seed, replicate, self.fold_labels)
            for replicate in range(replicates + 1)
        ]
        results = [
            [
                CrossFit(
                    predictor=predictor.name,
                    replicate=replicate,
                    fold=pairing.fold,
                    prediction=np.full(n, np.nan),
                    training_mean=np.full(n, np.nan),
                    reason={},
                    used=[],
                )
                for predictor in self.predictors
            ]
            for replicate, pairing in enumerate(pairings)
        ]
        shared = _Shared(gene=gene, genome=self.genome, individuals=self.individuals, groups=self.groups)
        first = int(pairings[0].fold.min())
        for k in np.unique(pairings[0].fold).tolist():
            if self.method == "prequential" and k == first:
                for pairing, fits in zip(pairings, results, strict=True):
                    for result in fits:
                        result.reason.update(dict.fromkeys(np.flatnonzero(pairing.fold == k).tolist(), _FIRST_FOLD))
                if steps is not None:
                    steps.add(len(pairings))
                continue
            shared.start_fold()  # all replicates of a fold share its training genotypes
            for replicate, (pairing, fits) in enumerate(zip(pairings, results, strict=True)):
                step = self._step(gene, expression, pairing, k, replicate)
                for predictor, result in zip(self.predictors, fits, strict=True):
                    step.add(self._fit_and_predict(predictor, step, shared), result)
                if steps is not None:
                    steps.add()
        fits_of_all = [fit for fits in results for fit in fits]
        if exponent:
            for fit in fits_of_all:
                fit.prediction[:] = np.ldexp(fit.prediction, exponent)
                fit.training_mean[:] = np.ldexp(fit.training_mean, exponent)
        return fits_of_all

    def _step(self, gene: Gene, expression: npt.NDArray[np.float64], pairing: Pairing, k: int, replicate: int) -> _Step:
        others = training_rows(pairing, k, self.method)
        # sorted by name, so that the order of the cohort's individuals changes no sum
        train = pairing.by_name[(others & np.isfinite(expression))[pairing.by_name]]
        target = expression[train]
        design = None if self.covariates is None else self.covariates[train]
        if self.factors is not None:
            learned = self.factors[replicate, k - 1, train].astype(np.float64)
            design = learned if design is None else np.hstack([design, learned])
        if design is not None:
            target = residualise(target, design, where=f"gene {gene.gene_id}, fold {k}")
        test = np.flatnonzero(pairing.fold == k)
        return _Step(
            train=pairing.partner[train],
            target=target,
            test=test,
            held_out=pairing.partner[test],
            seed=model_seed(self.seed, gene.gene_id, k, replicate),
        )

    def _fit_and_predict(self, predictor: TrainablePredictor, step: _Step, shared: _Shared) -> Prediction:
        gene, n = shared.gene, step.test.size
        try:
            if isinstance(predictor, FitsTrainingSet):
                genotypes = shared.genotypes(predictor.cis_variants, step.train)
                training = TrainingSet(genotypes=genotypes, expression=step.target)
                fitted = predictor.fit_training(training, seed=step.seed)
                prediction = fitted.predict_window(shared.window(predictor.cis_variants), step.held_out)
            else:
                prediction = self._fit_alone(predictor, step, gene)
        except PgxevalError:
            raise
        except Exception as error:
            # the text of a foreign error may hold anything, sequence included
            raise PgxevalError(
                f"predictor {predictor.name!r} failed at gene {gene.gene_id} with {type(error).__name__}; "
                "see the error above this one for its own words"
            ) from error
        check_length(prediction, predictor.name, gene.gene_id, n)
        return prediction

    def _fit_alone(self, predictor: TrainablePredictor, step: _Step, gene: Gene) -> Prediction:
        """Fit a predictor that is no `FitsTrainingSet` and predict."""
        train = [self.individuals[row] for row in step.train]
        expression = pd.Series(step.target, index=np.array(train, dtype=object), name=gene.gene_id)
        fitted: Predictor
        if self.groups is not None and isinstance(predictor, GroupedTrainablePredictor):
            groups = [self.groups[row] for row in step.train]
            fitted = predictor.fit_groups(gene, self.genome, expression, groups, seed=step.seed)
        else:
            fitted = predictor.fit(gene, self.genome, expression, seed=step.seed)
        names = [self.individuals[row] for row in step.held_out]
        return Prediction.of(fitted.predict(gene, self.genome, names), names)


@attrs.frozen(kw_only=True, eq=False)
class _Step:
    """One fit: rows of the genotypes to train on with their expression, and the rows to predict."""

    train: npt.NDArray[np.int64]
    target: npt.NDArray[np.float64]
    test: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    seed: int

    def add(self, prediction: Prediction, result: CrossFit) -> None:
        """Enter the predictions of one predictor."""
        result.prediction[self.test] = prediction.values
        result.training_mean[self.test] = float(np.mean(self.target)) if self.target.size else np.nan
        result.reason.update(
            {int(row): why for i, row in enumerate(self.test) if (why := prediction.reason(i)) is not None}
        )
        result.used.append(prediction.used)


class _Shared:
    """Windows of one gene and training genotypes of one fold, each made when first asked for."""

    def __init__(
        self, *, gene: Gene, genome: PersonalGenome, individuals: tuple[str, ...], groups: tuple[str, ...] | None
    ) -> None:
        self.gene = gene
        self._genome, self._individuals, self._groups = genome, individuals, groups
        self._windows: dict[CisVariants, CisWindow] = {}
        self._genotypes: dict[tuple[CisVariants, bytes], TrainingGenotypes] = {}

    def start_fold(self) -> None:
        """Forget the training genotypes of the previous fold."""
        self._genotypes.clear()

    def window(self, cis_variants: CisVariants) -> CisWindow:
        if cis_variants not in self._windows:
            self._windows[cis_variants] = cis_variants.read(self.gene, self._genome, self._individuals)
        return self._windows[cis_variants]

    def genotypes(self, cis_variants: CisVariants, rows: npt.NDArray[np.int64]) -> TrainingGenotypes:
        key = (cis_variants, rows.tobytes())
        if key not in self._genotypes:
            window = self.window(cis_variants)
            self._genotypes[key] = TrainingGenotypes.take(cis_variants, self.gene.gene_id, window, rows, self._groups)
        return self._genotypes[key]


def _in_safe_units(expression: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], int]:
    """Return expression divided by a power of two, and its exponent: 0 unless squares would overflow or vanish."""
    highest = float(np.max(np.abs(expression), initial=0.0, where=np.isfinite(expression)))
    if highest == 0 or 1 / _SAFE <= highest <= _SAFE:
        return expression, 0
    exponent = int(np.frexp(highest)[1])
    return np.ldexp(expression, -exponent), exponent


def check_length(prediction: Prediction, predictor: str, gene_id: str, n: int) -> None:
    """Refuse a prediction that does not hold one value per individual."""
    if prediction.values.shape != (n,):
        raise TableError(
            f"predictor {predictor!r} must return one value per individual, in the order in which they were passed: "
            f"expected {n}, got {prediction.values.size} at gene {gene_id}"
        )


def residualise(
    expression: npt.NDArray[np.float64], covariates: npt.NDArray[np.float64], where: str = "expression"
) -> npt.NDArray[np.float64]:
    """Return the residuals of least squares on an intercept and the covariates.

    Parameters
    ----------
    expression
        float64 (n,).
    covariates
        float64 (n, n_covariates); collinear columns are allowed.
    where
        Name of the fit in the error message.

    Raises
    ------
    TableError
        If fewer than two degrees of freedom are left.
    """
    basis = covariate_basis(covariates, expression.size)
    if expression.size - basis.shape[1] < 2:
        raise TableError(
            f"{where}: {expression.size} training individuals and {covariates.shape[1]} covariates leave no "
            "degrees of freedom; give fewer covariates or more individuals"
        )
    residuals: npt.NDArray[np.float64] = expression - basis @ (basis.T @ expression)
    return residuals
