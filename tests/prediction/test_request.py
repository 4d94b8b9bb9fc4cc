"""What a run states about itself before it begins."""

from __future__ import annotations

from typing import Any

import pytest
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.prediction.request import Request


def _request(**settings: Any) -> Request:
    asked = {"folds": 3, "seed": 0, "replicates": None, "method": "crossfit", "genes": None, **settings}
    return Request.of(cheap_cohort(n_genes=4), [Cheap()], **asked)


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({}, "3 folds, 20 permuted replicates; smallest counted p-value 0.012"),
        ({"replicates": 1}, "1 permuted replicate; smallest counted p-value 0.2"),
        ({"replicates": 0}, "p-values and references of trained predictors are undefined"),
        ({"method": "prequential"}, "3 folds, prequential"),
    ],
)
def test_one_line(settings: dict[str, Any], end: str) -> None:
    text = str(_request(**settings))
    assert text.startswith("4 genes x 12 individuals: cheap; ")
    assert text.endswith(end)
    assert "\n" not in text


def test_slices_of_an_array_job_make_the_replicates_of_the_whole() -> None:
    part = _request(genes=slice(0, 1))
    assert (len(part.genes), part.replicates) == (1, _request().replicates)
    assert "1 gene x" in str(part)
    assert "p-value 0.012" in str(part)
