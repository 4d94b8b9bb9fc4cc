from __future__ import annotations

import json

import numpy as np
import pytest

from pgxeval.errors import UnknownNameError
from pgxeval.evaluation.evaluator import Evaluator

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 30 genomic blocks")


@pytest.fixture(scope="module")
def made(top_variant):
    return top_variant(20, 50, replicates=1, seed=4)


@pytest.fixture(scope="module")
def evaluation(made):
    with pytest.warns(UserWarning, match="fewer than 30"):
        return Evaluator(made.expression_table()).evaluate(made.predictions())


def test_observed_and_predicted_are_what_was_judged(made, evaluation) -> None:
    found = evaluation.observed_predicted("G0003", "top").set_index("individual").loc[made.people]
    np.testing.assert_array_equal(found["observed"], made.expression[3])
    np.testing.assert_array_equal(found["prediction"], made.prediction[0, 3])
    np.testing.assert_array_equal(found["predicted"], made.prediction[0, 3] - made.mean[0, 3])
    assert found["fold"].tolist() == made.fold.tolist()


def test_a_name_that_is_not_there_is_said_so(evaluation) -> None:
    with pytest.raises(UnknownNameError, match="predictor other is not in the table; it has top"):
        evaluation.observed_predicted("G0003", "other")
    with pytest.raises(UnknownNameError, match="gene G9 has no measured expression"):
        evaluation.observed_predicted("G9", "top")


def test_settings_are_json_and_the_page_is_short(evaluation) -> None:
    settings = json.loads(json.dumps(evaluation.settings))
    assert settings["n_genes"] == 20
    assert settings["predictors"]["top"]["kind"] == "crossfit"
    assert repr(evaluation) == "Evaluation(20 genes, 50 individuals: top)"
    assert "<table" in evaluation._repr_html_()
