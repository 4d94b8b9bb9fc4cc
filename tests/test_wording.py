"""Numbers in words keep their value, and never show an undefined or tiny number as zero."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgxeval import wording


@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False))
def test_number_keeps_three_digits(value: float) -> None:
    read = float(wording.number(value).replace(",", ""))
    if value == 0:
        assert read == 0
    elif abs(value) >= 1e-300:
        assert math.isclose(read, value, rel_tol=5.01e-3)
        assert read != 0


@given(st.floats(min_value=0, max_value=1, exclude_min=True))
def test_probability_is_never_rounded_to_zero_and_keeps_its_side_of_a_level(p: float) -> None:
    read = float(wording.probability(p))
    assert read > 0
    assert math.isclose(read, p, rel_tol=0.051)


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, np.float64("nan"), pd.NaT])
def test_undefined_is_a_dash_everywhere(value: object) -> None:
    for write in (wording.number, wording.count, wording.probability, wording.percent, wording.correlation):
        assert write(value) == "–"
    for write in (wording.interval, wording.percent_interval, wording.correlation_interval):
        assert write(value, value) == "–"


def test_examples_of_a_report() -> None:
    assert [wording.number(x) for x in (0.5, 12.34, 999.6, 1234.5, 2e9)] == ["0.500", "12.3", "1,000", "1,234", "2e9"]
    assert wording.number(0.0009996) == "0.00100"
    assert [wording.probability(p) for p in (0.00001, 0.00096, 0.051, 0.999)] == ["1e-5", "9.6e-4", "0.051", "1.0"]
    assert wording.correlation(-0.0001) == "0.000"
    assert wording.interval(float("nan"), 2.0) == "– to 2.00"
    assert wording.number(-math.inf) == "-∞"
