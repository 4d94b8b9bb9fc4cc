"""Many genes in one call, for predictors that share work between genes."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.prediction.ledger import Ledger
from pgxeval.prediction.tasks import PredictTask, UnitOutcome, concerns_all_genes
from pgxeval.predictors.protocol import PredictsGenes

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene

_log = logging.getLogger(__name__)


def predict_together(
    predictor: PredictsGenes, task: PredictTask, genes: Sequence[Gene], ledger: Ledger, *, progress: bool
) -> Generator[UnitOutcome, None, None]:
    """Predict many genes in one call; after an error, the gene that was due alone, and then the others."""
    rest = list(genes)
    while rest:
        count = 0
        try:
            for outcome in task.answers(predictor, rest, progress=progress):
                yield outcome
                count += 1
        except (Exception, SystemExit) as error:  # a predictor may fail with anything
            if isinstance(error, SettingError) or concerns_all_genes(error):
                raise
            if count == len(rest):  # it reports at the end that it could not predict any of these genes
                if task.predictor.name in ledger.answered | ledger.reused:
                    return
                raise
            if task.on_error == "raise":
                if isinstance(error, PgxevalError):
                    raise
                task.failed(error, rest[count])
            _log.info("predictor %s: %s; the gene is tried alone", task.predictor.name, type(error).__name__)
        else:
            return
        yield task.alone(predictor, rest[count], progress=progress)
        rest = rest[count + 1 :]
