"""Numbers of two predictors from a table of pairs, turned so that they are of the one against the other."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from pgxeval.study.finding import Answer
from pgxeval.wording import is_undefined

NO_INTERVAL = "there are too few genomic blocks for an interval"


def why(answer: Answer, limit: float, words: str) -> str:
    """Return why an answer is undecided: there is no interval, or what it contains; empty where it is decided."""
    if answer != "undecided":
        return ""
    return NO_INTERVAL if math.isnan(limit) else words


def pair_row(table: pd.DataFrame, a: str, b: str, stratum: str) -> dict[str, Any] | None:
    """Return the row of two predictors in a stratum, in whichever order they are there; None without one."""
    rows = table[table["stratum"].astype(str) == stratum]
    for row in rows.to_dict("records"):
        if {row["predictor_a"], row["predictor_b"]} == {a, b}:
            return {str(name): value for name, value in row.items()}
    return None


def ratio_of(row: dict[str, Any], name: str, turned: bool) -> tuple[float, float, float]:
    """Return an odds ratio and its limits, inverted if the pair is turned."""
    value, low, high = (_number(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return (_inverse(value), _inverse(high), _inverse(low)) if turned else (value, low, high)


def difference_of(row: dict[str, Any], name: str, turned: bool) -> tuple[float, float, float]:
    """Return a difference and its limits, with the opposite sign if the pair is turned."""
    value, low, high = (_number(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return (-value, -high, -low) if turned else (value, low, high)


def _number(value: Any) -> float:
    return math.nan if is_undefined(value) else float(value)


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value
