"""The predictions of a study, tissue by tissue, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.errors import InputFileError, PgxevalError, RemoteServiceError, SettingError
from pgxeval.prediction import StoredPredictions, predict_cohort
from pgxeval.study.effects import AnyPredictor
from pgxeval.study.settings import StudySettings
from pgxeval.study.tissues import folder_name

FAILURES = ("step", "tissue", "predictor", "gene_id", "reason")
"""Columns of the table of failures."""


def predict_tissues(
    cohorts: Mapping[str, Cohort],
    predictors: Mapping[str, Sequence[AnyPredictor]],
    store: Path,
    settings: StudySettings,
    *,
    workers: int,
    progress: bool,
) -> tuple[dict[str, StoredPredictions], list[pd.DataFrame]]:
    """Predict in every tissue; a predictor that fails at all of its genes is excluded there.

    Parameters
    ----------
    cohorts, predictors
        Tissue -> Cohort, and tissue -> its predictors.
    store
        Folder of the prediction stores, one per tissue.
    settings
        Folds, seed and replicates.
    workers, progress
        As for `pgxeval.predict_cohort`.

    Returns
    -------
    tuple
        Tissue -> stored predictions, and tables of failures with the columns of `FAILURES` among theirs.

    Raises
    ------
    SettingError, InputFileError, RemoteServiceError
        As `pgxeval.predict_cohort` does.
    PgxevalError
        If no predictor works in a tissue.
    """
    stored: dict[str, StoredPredictions] = {}
    failures: list[pd.DataFrame] = []
    for tissue, cohort in cohorts.items():

        def run(own: Sequence[AnyPredictor], cohort: Cohort = cohort, tissue: str = tissue) -> StoredPredictions:
            return predict_cohort(
                cohort,
                own,
                folds=settings.folds,
                seed=settings.seed,
                replicates=settings.replicates,
                workers=workers,
                progress=progress,
                store=store / folder_name(tissue),
            )

        own = list(predictors[tissue])
        try:
            stored[tissue] = run(own)
        except (SettingError, InputFileError, RemoteServiceError):
            raise
        except PgxevalError:
            working = []
            for predictor in own:
                try:
                    run([predictor])
                except (SettingError, InputFileError, RemoteServiceError):
                    raise
                except PgxevalError as error:
                    row = ("predictions", tissue, predictor.name, "", f"failed at all genes: {error}")
                    failures.append(pd.DataFrame([row], columns=list(FAILURES)))
                else:
                    working.append(predictor)
            if not working:
                raise
            stored[tissue] = run(working)
        failures.append(stored[tissue].failures.assign(step="predictions", tissue=tissue))
    return stored, failures


def failures_table(failures: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the failures of all steps as one table of text with the columns `FAILURES`."""
    rows = [row for table in failures for row in table.reindex(columns=list(FAILURES)).itertuples(index=False)]
    return pd.DataFrame(rows, columns=list(FAILURES)).fillna("").astype("str")
