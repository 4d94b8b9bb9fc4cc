"""Cross-fitting: every prediction is made by a model that never saw the individual's expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import PgxevalError, TableError
from pgxeval.predictors.protocol import GroupedTrainablePredictor, Prediction, TrainablePredictor
from pgxeval.seeding import assign_folds, model_seed, permute_individuals

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

Method = Literal["crossfit", "prequential"]

_FIRST_FOLD = "prequential: the first fold is only learned from"


@attrs.frozen(kw_only=True, eq=False)
class CrossFit:
    """Out-of-fold predictions of one predictor at one gene in one replicate.

    Parameters
    ----------
    predictor
        Name of the predictor.
    replicate
        0 for the observed pairing, 1 and up for permuted ones.
    fold
        int16 (n_individuals,), fold of the genotypes behind each row, from 1.
    prediction
        float64 (n_individuals,), uncentred; NaN where the predictor cannot say.
    training_mean
        float64 (n_individuals,), mean training expression behind each row; NaN where nothing was trained.
    reason
        Row -> why, for each NaN.
    used
        Settings as used, one mapping a fitted fold.
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
        What to fit.
    folds
        Number of outer folds.
    seed
        Seed of the run.
    method
        ``"crossfit"``: trained on all other folds. ``"prequential"``: trained on earlier folds only, so that
        the folds' test statistics are independent given the past.
    groups
        Group (family, donor) of each individual: a group is in one fold, outer and inner, and is permuted as a
        whole. None treats individuals as unrelated.
    strata
        Stratum of each individual, within which permutations exchange individuals. None without.
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

    def run(self, gene: Gene, expression: npt.NDArray[np.float64], replicates: int) -> list[CrossFit]:
        """Cross-fit one gene: the observed pairing and each permuted replicate.

        Parameters
        ----------
        gene
            The gene.
        expression
            float64 (n_individuals,), measured expression; NaN where it was not measured.
        replicates
            Number of permuted replicates.
        """
        return [fit for replicate in range(replicates + 1) for fit in self._replicate(gene, expression, replicate)]

    def _replicate(self, gene: Gene, expression: npt.NDArray[np.float64], replicate: int) -> list[CrossFit]:
        n = len(self.individuals)
        partner = permute_individuals(self.individuals, replicate, self.seed, self.groups, self.strata)
        names = np.array(self.individuals, dtype=object)[partner]
        fold = assign_folds(self.individuals, self.folds, self.seed, groups=self.groups)[partner]
        measured = np.isfinite(expression)
        results = [
            CrossFit(
                predictor=predictor.name,
                replicate=replicate,
                fold=fold,
                prediction=np.full(n, np.nan),
                training_mean=np.full(n, np.nan),
                reason={},
                used=[],
            )
            for predictor in self.predictors
        ]
        first = int(fold.min())
        for k in np.unique(fold):
            test = np.flatnonzero(fold == k)
            if self.method == "prequential" and k == first:
                for result in results:
                    result.reason.update(dict.fromkeys(test.tolist(), _FIRST_FOLD))
                continue
            others = fold < k if self.method == "prequential" else fold != k
            # sorted by name, so that the order of the cohort's individuals changes no sum
            train = np.array(sorted(np.flatnonzero(others & measured), key=lambda row: names[row]), dtype=np.int64)
            target = expression[train]
            if self.covariates is not None:
                target = residualise(target, self.covariates[train], where=f"gene {gene.gene_id}, fold {k}")
            series = pd.Series(target, index=names[train], name=gene.gene_id)
            for predictor, result in zip(self.predictors, results, strict=True):
                seed = model_seed(self.seed, gene.gene_id, int(k), replicate)
                prediction = self._fit_and_predict(predictor, gene, series, names[test].tolist(), seed)
                result.prediction[test] = prediction.values
                result.training_mean[test] = float(np.mean(target)) if target.size else np.nan
                result.reason.update(
                    {int(row): why for i, row in enumerate(test) if (why := prediction.reason(i)) is not None}
                )
                result.used.append(prediction.used)
        return results

    def _fit_and_predict(
        self, predictor: TrainablePredictor, gene: Gene, expression: pd.Series, individuals: list[str], seed: int
    ) -> Prediction:
        try:
            if self.groups is not None and isinstance(predictor, GroupedTrainablePredictor):
                of = dict(zip(self.individuals, self.groups, strict=True))
                groups = [of[str(name)] for name in expression.index]
                fitted = predictor.fit_groups(gene, self.genome, expression, groups, seed=seed)
            else:
                fitted = predictor.fit(gene, self.genome, expression, seed=seed)
            prediction = fitted.predict(gene, self.genome, individuals)
        except PgxevalError:
            raise
        except Exception as error:
            # the text of a foreign error may hold anything, sequence included
            raise PgxevalError(
                f"predictor {predictor.name!r} failed at gene {gene.gene_id} with {type(error).__name__}; "
                "see the error above this one for its own words"
            ) from error
        check_length(prediction, predictor.name, gene.gene_id, len(individuals))
        return prediction


def check_length(prediction: Prediction, predictor: str, gene_id: str, n: int) -> None:
    """Refuse a prediction that does not hold one value for each individual."""
    if prediction.values.shape != (n,):
        raise TableError(
            f"predictor {predictor!r} answered {prediction.values.size} values for {n} individuals at gene {gene_id}; "
            "one value for each individual, in the order asked, is wanted"
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
        What to name in the error.

    Raises
    ------
    TableError
        If fewer than two degrees of freedom are left.
    """
    design = np.column_stack([np.ones(expression.size), covariates])
    spread = np.abs(design).max(axis=0, initial=0.0)
    design = design / np.where(spread > 0, spread, 1.0)
    coefficients, _, rank, _ = np.linalg.lstsq(design, expression, rcond=None)
    if expression.size - rank < 2:
        raise TableError(
            f"{where}: {expression.size} training individuals and {covariates.shape[1]} covariates leave no "
            "degrees of freedom; give fewer covariates or more individuals"
        )
    residuals: npt.NDArray[np.float64] = expression - design @ coefficients
    return residuals
