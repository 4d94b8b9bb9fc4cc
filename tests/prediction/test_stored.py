"""Stored predictions are read batch by batch."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import UnknownNameError
from pgxeval.prediction import StoredPredictions, predict_cohort
from pgxeval.tables.predictions import Predictions

GENES, FITS = 12, 6  # three folds, observed and one replicate


@pytest.fixture(scope="session")
def cohort(cheap: ModuleType) -> Cohort:
    return cheap.cheap_cohort(GENES)


def _run(cohort: Cohort, predictors: object, store: Path | None = None, **settings: object) -> StoredPredictions:
    listed = predictors if isinstance(predictors, list) else [predictors]
    arguments = {"folds": 3, "workers": 1, "progress": False, "replicates": 1, **settings}
    return predict_cohort(cohort, listed, store=store, **arguments)


def test_batches_hold_every_row_once(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    stored = _run(cohort, [cheap.Cheap(die_at=["G00005"]), cheap.CheapZeroShot()], tmp_path / "store")
    for predictor in stored.predictors:
        batches = [*stored.batches(predictor, genes_per_batch=5)]
        assert [batch["gene_id"].nunique() for batch in batches] == [5, 5, 2]
        joined = Predictions.concat([Predictions(table=batch) for batch in batches])
        mine = stored.table[stored.table["predictor"] == predictor]
        keys = ["gene_id", "individual", "replicate"]
        one, other = (
            table.astype(dict.fromkeys([*keys[:2], "predictor", "reason"], "string")).sort_values(
                keys, ignore_index=True
            )
            for table in (joined.table, mine)
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    with pytest.raises(UnknownNameError, match="predictor forest is not in the store"):
        next(stored.batches("forest"))
