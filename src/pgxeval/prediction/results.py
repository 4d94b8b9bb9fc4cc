"""GeneResult: everything that one predictor answered for one gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.prediction.crossfit import CrossFit
from pgxeval.predictors.protocol import Prediction
from pgxeval.tables.predictions import FAILED


@attrs.frozen(kw_only=True, eq=False)
class GeneResult:
    """Predictions of one predictor at one gene, in all replicates.

    Parameters
    ----------
    predictor, gene_id
        Names in the predictions table.
    prediction
        float64 (n_replicates, n_individuals), replicate 0 (observed) first; NaN where undefined.
    fold
        int16 like `prediction`, from 1; None for a predictor that was not trained on this cohort.
    training_mean
        float64 like `prediction`; None where `fold` is.
    reasons
        For each replicate: row of the individual -> why its prediction is NaN.
    used
        Settings as used for the observed replicate, one mapping per fitted fold.
    failure
        Why the gene has no prediction at all because something failed; None where nothing did.
    """

    predictor: str
    gene_id: str
    prediction: npt.NDArray[np.float64]
    fold: npt.NDArray[np.int16] | None
    training_mean: npt.NDArray[np.float64] | None
    reasons: tuple[Mapping[int, str], ...]
    used: tuple[Mapping[str, Any], ...]
    failure: str | None = None

    @classmethod
    def from_cross_fits(cls, gene_id: str, fits: Sequence[CrossFit]) -> GeneResult:
        """Join the replicates of one predictor, given in their order."""
        return cls(
            predictor=fits[0].predictor,
            gene_id=gene_id,
            prediction=np.array([fit.prediction for fit in fits]),
            fold=np.array([fit.fold for fit in fits], dtype=np.int16),
            training_mean=np.array([fit.training_mean for fit in fits]),
            reasons=tuple(fit.reason for fit in fits),
            used=tuple(fits[0].used),
        )

    @classmethod
    def from_prediction(cls, predictor: str, gene_id: str, prediction: Prediction) -> GeneResult:
        """Take the answer of a predictor that needs no training."""
        silent = np.flatnonzero(np.isnan(prediction.values)).tolist()
        return cls(
            predictor=predictor,
            gene_id=gene_id,
            prediction=np.array(prediction.values)[None],
            fold=None,
            training_mean=None,
            reasons=({row: prediction.reason(row) or "" for row in silent},),
            used=(prediction.used,),
        )

    @classmethod
    def failed(cls, predictor: str, gene_id: str, failure: str, *, n_replicates: int, n_individuals: int) -> GeneResult:
        """Return the result of a gene that failed: NaN everywhere, with the reason.

        Parameters
        ----------
        predictor, gene_id
            Names in the predictions table.
        failure
            What failed; the reason in the table begins with ``"failed: "``.
        n_replicates, n_individuals
            Shape of the result.
        """
        reasons = dict.fromkeys(range(n_individuals), f"{FAILED}{failure}")
        return cls(
            predictor=predictor,
            gene_id=gene_id,
            prediction=np.full((n_replicates, n_individuals), np.nan),
            fold=None,
            training_mean=None,
            reasons=(reasons,) * n_replicates,
            used=(),
            failure=failure,
        )
