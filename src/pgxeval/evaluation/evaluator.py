"""Evaluator: judges a predictions table against measured expression."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

import attrs
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation.conclude import conclude
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.exclusions import SHOWN_NAMES
from pgxeval.evaluation.gene_sets import GeneSets
from pgxeval.evaluation.judged_genes import judge_genes
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.frames import ConvertsToPandas, TableLike
from pgxeval.names import known_names
from pgxeval.tables.batches import BatchedPredictions, HoldsPredictions
from pgxeval.tables.predictions import Predictions

PredictionsSource: TypeAlias = (
    Predictions | BatchedPredictions | HoldsPredictions | pd.DataFrame | ConvertsToPandas | str | os.PathLike[str]
)

_DEFAULTS = EvaluationSettings()


@attrs.frozen(init=False, eq=False, repr=False)
class Evaluator:
    """Judges predictions against the measured expression of the same individuals.

    Parameters
    ----------
    cohort
        A `pgxeval.Cohort`, an `Expression`, an expression table (DataFrame with the columns
        ``#chr start end gene_id`` and one column per individual) or the path of one. No genotypes are needed, so
        predictions made anywhere can be judged.
    covariates
        Individuals x numeric covariates. Every predictor is then judged by partial correlation given the same
        covariates. None uses those of the cohort, if any.
    threads
        Threads for ranking; None uses one per core, at most 8.

    Raises
    ------
    TableError
        If the expression or the covariates are malformed.

    Examples
    --------
    >>> import numpy as np, pandas as pd, warnings
    >>> from pgxeval.errors import PgxevalWarning
    >>> individuals = [f"S{i:02d}" for i in range(30)]
    >>> rng = np.random.default_rng(1)
    >>> expression = pd.DataFrame(rng.normal(size=(4, 30)), columns=individuals)
    >>> genes = pd.DataFrame({"#chr": "chr1", "start": range(4), "end": range(1, 5),
    ...                       "gene_id": ["G1", "G2", "G3", "G4"]})
    >>> predictions = pd.DataFrame({
    ...     "predictor": "mine", "gene_id": np.repeat(genes["gene_id"].to_numpy(), 30),
    ...     "individual": individuals * 4, "prediction": expression.to_numpy().ravel() + rng.normal(size=120)})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", PgxevalWarning)   # the four genes lie in one block
    ...     evaluation = Evaluator(pd.concat([genes, expression], axis=1)).evaluate(predictions)
    >>> evaluation.summary[["predictor", "stratum", "n_right", "n_directed"]].values.tolist()
    [['mine', 'all', 4, 4]]
    >>> bool((evaluation.per_gene["p_predicts"] < 0.05).all())
    True
    """

    target: MeasuredExpression
    threads: int | None

    def __init__(
        self,
        cohort: Cohort | Expression | pd.DataFrame | str | os.PathLike[str],
        covariates: TableLike | str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        self.__attrs_init__(target=MeasuredExpression.of(cohort, covariates), threads=threads)

    def __repr__(self) -> str:
        return f"Evaluator({len(self.target.gene_ids):,} genes, {len(self.target.individuals):,} individuals)"

    def evaluate(
        self,
        predictions: PredictionsSource,
        *,
        settings: EvaluationSettings = _DEFAULTS,
        strata: GeneSets | None = None,
        unknown_genes: Literal["error", "drop"] = "error",
    ) -> Evaluation:
        """Judge a predictions table.

        Parameters
        ----------
        predictions
            `pgxeval.Predictions`; a store or what `predict_cohort` with a store returned, which are read gene batch by
            gene batch; a table of pandas, polars or Arrow, in the layout of the predictions table or as a matrix of
            genes and individuals (see `Predictions.from_matrix`); or the path of a Parquet, CSV or TSV file. Genes
            whose Ensembl version differs from that of the expression table are matched without it.
        settings
            How predictions are judged: `pgxeval.EvaluationSettings`.
        strata
            Gene sets from other individuals: a list of genes, a mapping from names to genes, or a table with the
            columns gene_id and stratum (`pgxeval.evaluation.gene_sets`; a gene may be in several), such as the
            `strata` table of the other half of a cohort (`Cohort.halves`, with `predict_cohort` run in each half).
            Results in them are labelled independent. None defines strata by elastic net and random forest of this
            table, if it has both with permuted replicates; results in them are labelled naive (these two predictors)
            or same individuals (all others).
        unknown_genes
            Whether predictions for genes without measured expression are an error, or dropped and counted.

        Returns
        -------
        Evaluation
            The evaluation tables, and what was excluded.

        Raises
        ------
        TableError
            If the table breaks its contract, holds several tissues, or shares no gene or no individual with the
            expression.
        SettingError
            If `unknown_genes` is neither.

        Warns
        -----
        PgxevalWarning
            If genes or individuals are dropped, or if intervals rest on fewer than 5 effective blocks.
        """
        if unknown_genes not in ("error", "drop"):
            raise SettingError(f'unknown_genes must be "error" or "drop", got {unknown_genes!r}')
        predictions = one_tissue(as_predictions(predictions))
        result = judge_genes(
            self.target, predictions, settings, threads=self.threads, drop_unknown_genes=unknown_genes == "drop"
        )
        return conclude(result, settings, strata=strata, target=self.target, predictions=predictions)


def as_predictions(source: PredictionsSource) -> Predictions | BatchedPredictions:
    """Return predictions of any accepted form, checked."""
    if isinstance(source, pd.DataFrame):
        return Predictions.from_any(source)
    if isinstance(source, Predictions | BatchedPredictions):
        return source
    if isinstance(source, HoldsPredictions):
        return source.predictions()
    if isinstance(source, str | os.PathLike):
        return Predictions.read(source)
    if isinstance(source, ConvertsToPandas):
        return Predictions.from_any(source)
    raise TableError(
        "predictions must be Predictions, a store, a table (pandas, polars or Arrow) or the path of a table, got "
        f"{type(source).__name__}"
    )


def one_tissue(predictions: Predictions | BatchedPredictions) -> Predictions | BatchedPredictions:
    """Return predictions without the column tissue.

    Raises
    ------
    TableError
        If they are of several tissues.
    """
    if not isinstance(predictions, Predictions) or not predictions.tissues:
        return predictions
    if len(predictions.tissues) > 1:
        raise TableError(
            f"the {predictions.source} holds {len(predictions.tissues)} tissues "
            f"({known_names(predictions.tissues, SHOWN_NAMES)}), and an Evaluator has the expression of one. Call "
            "evaluate_tissues with the cohort of each tissue, or take one: predictions.of_tissue(name)"
        )
    return predictions.of_tissue(predictions.tissues[0])
