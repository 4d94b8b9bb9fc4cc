"""What the views of an evaluation share: the tables they read, columns of strata, and lines of the legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from pgxeval.evaluation.settings import MEASURE_SYMBOLS, measure_of
from pgxeval.evaluation.strata import ALL
from pgxeval.view import Column
from pgxeval.wording import count, counted

READ_AS = {
    "naive": ("N", "naive: the stratum was defined with this predictor; not its performance"),
    "same individuals": ("S", "same individuals: biased towards the definition of the stratum"),
    "independent": ("I", "independent: the stratum was defined on other individuals"),
}
"""How to read a row of a stratum -> its code and what it means."""


class HoldsTables(Protocol):
    """What the views read of an evaluation."""

    @property
    def summary(self) -> pd.DataFrame:
        """One row per predictor and stratum."""

    @property
    def per_gene(self) -> pd.DataFrame:
        """One row per predictor and gene."""

    @property
    def concordance(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: directions."""

    @property
    def true_directions(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: directions without sampling noise, by a model."""

    @property
    def comparison(self) -> pd.DataFrame:
        """One row per pair of predictors and stratum: mean correlations."""

    @property
    def strata(self) -> pd.DataFrame:
        """One row per gene."""

    @property
    def structure(self) -> pd.DataFrame:
        """One row per predictor and adjustment for ancestry."""

    @property
    def exclusions(self) -> pd.DataFrame:
        """What was excluded, and why."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How the evaluation was made."""


class Codes:
    """Long reasons as the letters a, b, c, with their meaning for the legend."""

    def __init__(self, reasons: pd.Series) -> None:
        distinct = [str(reason) for reason in reasons.dropna().unique()]
        self.codes = {reason: _letter(k) for k, reason in enumerate(distinct)}
        self.cells = [self.codes[str(reason)] if isinstance(reason, str) and reason else "" for reason in reasons]

    def legend(self, heading: str) -> tuple[str, ...]:
        """Return the line of the legend that explains the letters, if there are any."""
        return (f"{heading}: {listed_codes({c: r for r, c in self.codes.items()})}",) if self.codes else ()


def _letter(k: int) -> str:
    return chr(ord("a") + k % 26) * (1 + k // 26)


def listed_codes(meanings: Mapping[str, str]) -> str:
    """Return codes and their meanings in one line."""
    return "; ".join(f"{code} = {words}" for code, words in meanings.items())


def symbol_of(evaluation: HoldsTables) -> str:
    """Return the symbol of the correlation of an evaluation."""
    return MEASURE_SYMBOLS[measure_of(evaluation.settings)]


def with_genes(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows over all genes, and those of strata that have genes."""
    return table[(table["stratum"].astype(str) == ALL) | (table[column] > 0)]


def stratum_column(table: pd.DataFrame) -> list[Column]:
    """Return the stratum and how to read it, unless all rows are over all genes."""
    if (table["stratum"].astype(str) == ALL).all():
        return []
    codes = [READ_AS.get(str(value), ("", ""))[0] for value in table["assignment"]]
    names = [f"{name} {code}".strip() for name, code in zip(table["stratum"].astype(str), codes, strict=True)]
    return [Column(title="genes in", cells=names, numeric=False)]


def read_as(table: pd.DataFrame) -> tuple[str, ...]:
    """Return what the codes of `stratum_column` mean, for the legend."""
    phrases = [READ_AS[name] for name in READ_AS if (table["assignment"] == name).any()]
    return (listed_codes(dict(phrases)),) if phrases else ()


def no_reference(table: pd.DataFrame) -> tuple[str, ...]:
    """Return why there is no permuted reference, for the legend."""
    reasons = table["reference"].astype(str)
    missing = reasons[reasons.str.startswith("none: ")].drop_duplicates()
    return tuple(f"no permuted reference: {reason.removeprefix('none: ')}" for reason in missing)


def full_table(name: str, table: pd.DataFrame, shown: pd.DataFrame) -> str:
    """Return how many rows are shown and where the full table is, for the legend."""
    size = f"{counted(len(table), 'row')} and {counted(table.shape[1], 'column')}"
    part = f"{counted(len(shown), 'row')} of {count(len(table))} shown; " if len(shown) < len(table) else ""
    return f"{part}full table: evaluation.{name} ({size})"


def interval_of(evaluation: HoldsTables) -> str:
    """Return which interval stands in square brackets, for the legend."""
    return f"in square brackets: {100 * evaluation.settings['confidence']:g} % interval"
