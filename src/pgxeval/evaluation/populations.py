"""Results by population: every predictor judged within each stratum of the individuals."""

from __future__ import annotations

import warnings

import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.evaluation.evaluator import Evaluator, PredictionsSource, as_predictions
from pgxeval.evaluation.row_correlations import MIN_INDIVIDUALS
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.tables.predictions import Predictions

_DEFAULTS = EvaluationSettings()
TOO_FEW = f"fewer than {MIN_INDIVIDUALS} individuals"


def evaluate_populations(
    cohort: Cohort, predictions: PredictionsSource, *, settings: EvaluationSettings = _DEFAULTS
) -> pd.DataFrame:
    """Judge predictions within each stratum of the cohort, such as a population.

    Correlations over a mixture of populations contain differences between them. Within one population they do not.

    Parameters
    ----------
    cohort
        A cohort with `strata`.
    predictions
        Predictions of its individuals, in memory; see `Evaluator.evaluate`. With
        ``predict_cohort(folds="leave-one-group-out")`` each population is judged by models trained in the others.
    settings
        How predictions are judged. No strata of genes are reported.

    Returns
    -------
    pandas.DataFrame
        The summary over all genes (`Evaluation.summary`, one row per predictor) of each population, with the columns
        population, n_individuals and excluded (why a population has no results; its other columns are NaN).

    Raises
    ------
    SettingError
        If the cohort has no strata, or the predictions are in a store.
    """
    if cohort.strata is None:
        raise SettingError("the cohort has no strata: give strata=, the population of each individual, when it is made")
    source = as_predictions(predictions)
    if not isinstance(source, Predictions):
        raise SettingError("results by population need predictions in memory; pass the loaded table (`.load()`)")
    tables = []
    for population in sorted(set(cohort.strata)):
        names = [name for name, label in zip(cohort.individuals, cohort.strata, strict=True) if label == population]
        if len(names) < MIN_INDIVIDUALS:
            tables.append(pd.DataFrame({"population": [population], "n_individuals": len(names), "excluded": TOO_FEW}))
            continue
        rows = source.table[source.table["individual"].isin(names)]
        part = Predictions.from_table(rows.reset_index(drop=True), source.settings)
        with warnings.catch_warnings():
            # genes that do not vary in one population, or few blocks, are no news in each of them
            warnings.simplefilter("ignore", PgxevalWarning)
            summary = (
                Evaluator(cohort.subset(individuals=names))
                .evaluate(part, settings=settings, unknown_genes="drop")
                .summary
            )
        summary = summary[summary["stratum"] == "all"].drop(columns=["stratum", "assignment", "naive"])
        summary.insert(0, "population", population)
        summary.insert(1, "n_individuals", len(names))
        tables.append(summary.assign(excluded=""))
    return pd.concat(tables, ignore_index=True)
