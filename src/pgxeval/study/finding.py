"""One question of a study and its answer."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs

from pgxeval.wording import correlation, counted, number, percent

Answer = Literal["yes", "no", "undecided", "not asked"]


@attrs.frozen(kw_only=True)
class Finding:
    """One question of a study and its answer.

    Parameters
    ----------
    key
        ``"direction"``, ``"nonlinear"``, ``"mechanism"``, ``"baseline"`` or ``"ceiling"``.
    question
        The question, with the names of the predictors.
    answer
        ``"yes"``, ``"no"``, ``"undecided"`` (asked, and the data do not decide) or ``"not asked"``.
    quantity, value, low, high
        The number that answers it, what it is, and its interval; NaN where it is not defined.
    n_pairs
        Number of gene-tissue pairs that the number is computed from.
    statement
        The answer in one or two sentences.
    reason
        Why the question was not asked or is undecided; empty for yes and no.
    method
        How the number was made, in two sentences.
    caveats
        What a reader must know before relying on it.
    """

    key: str
    question: str
    answer: Answer
    quantity: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n_pairs: int = 0
    statement: str = ""
    reason: str = ""
    method: str = ""
    caveats: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return the fields as a row of the findings table."""
        fields = ("key", "question", "answer", "quantity", "value", "low", "high", "n_pairs", "statement", "reason")
        return {name: getattr(self, name) for name in fields}

    def number_words(self) -> str:
        """Return number and interval in words, or the reason why there is none."""
        if math.isnan(self.value):
            return self.reason
        write = percent if self.key == "ceiling" else number if self.key == "direction" else correlation
        bounds = "" if math.isnan(self.low) else f" ({write(self.low)} to {write(self.high)})"
        return f"{self.quantity} {write(self.value)}{bounds}, {counted(self.n_pairs, 'pair')}"
