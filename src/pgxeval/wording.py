"""Numbers as text: three significant digits, whole counts, small p as 1e-5, undefined as a dash."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

UNDEFINED = "–"
"""What stands where a number is undefined."""


def is_undefined(value: Any) -> bool:
    """Whether `value` is None, NaN or NA."""
    return value is None or bool(pd.isna(value))


def number(value: Any, digits: int = 3) -> str:
    """Write a real number with `digits` significant digits.

    Examples
    --------
    >>> [number(value) for value in (0.12345, 0.5, -12.0, 123456.7, 0.0, 0.00001234)]
    ['0.123', '0.500', '-12.0', '123,457', '0', '1.23e-5']
    >>> number(float("inf")), number(float("nan"))
    ('∞', '–')
    """
    if is_undefined(value):
        return UNDEFINED
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    nearest = float(f"{value:.{digits - 1}e}")
    if abs(nearest) >= 10**digits:
        return f"{value:,.0f}" if abs(value) < 1e9 else _scientific(value, digits)
    if abs(nearest) < 1e-3:
        return _scientific(value, digits)
    decimals = max(digits - 1 - math.floor(math.log10(abs(nearest))), 0)
    return f"{value:.{decimals}f}"


def count(value: Any) -> str:
    """Write a whole number, thousands separated.

    Examples
    --------
    >>> count(20000), count(float("nan"))
    ('20,000', '–')
    """
    return UNDEFINED if is_undefined(value) else f"{round(float(value)):,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """Write a count and its noun in the right number.

    Examples
    --------
    >>> counted(1, "gene"), counted(2, "gene"), counted(0, "share of a gene", "shares of genes")
    ('1 gene', '2 genes', '0 shares of genes')
    """
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def probability(value: Any) -> str:
    """Write a p or q value: two significant digits, never rounded to zero.

    Examples
    --------
    >>> probability(0.04567), probability(0.5), probability(0.00001), probability(1.0)
    ('0.046', '0.50', '1e-5', '1')
    """
    if is_undefined(value):
        return UNDEFINED
    value = float(value)
    if value in (0.0, 1.0):
        return f"{value:.0f}"
    return _scientific(value, 2) if value < 9.5e-4 else number(value, 2)


def correlation(value: Any) -> str:
    """Write a correlation, or a difference of two, with three decimals.

    Examples
    --------
    >>> correlation(0.12345), correlation(-0.0004), correlation(float("nan"))
    ('0.123', '0.000', '–')
    """
    if is_undefined(value):
        return UNDEFINED
    text = f"{float(value):.3f}"
    return text.removeprefix("-") if float(text) == 0 else text


def correlation_interval(low: Any, high: Any) -> str:
    """Write an interval of correlations.

    Examples
    --------
    >>> correlation_interval(-0.1, 0.25)
    '-0.100 to 0.250'
    """
    if is_undefined(low) and is_undefined(high):
        return UNDEFINED
    return f"{correlation(low)} to {correlation(high)}"


def percent(value: Any, digits: int = 1) -> str:
    """Write a share (0 to 1) in percent.

    Examples
    --------
    >>> percent(0.5417), percent(float("nan"))
    ('54.2 %', '–')
    """
    return UNDEFINED if is_undefined(value) else f"{100 * float(value):.{digits}f} %"


def points(value: Any) -> str:
    """Write a difference of two shares in percentage points, with its sign.

    Examples
    --------
    >>> points(0.123), points(-0.05), points(float("nan"))
    ('+12.3', '-5.0', '–')
    """
    return UNDEFINED if is_undefined(value) else f"{100 * float(value):+.1f}"


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """Write an interval; an end that is undefined is a dash.

    Examples
    --------
    >>> interval(-0.1, 0.25), interval(0.0, float("inf"))
    ('-0.100 to 0.250', '0 to ∞')
    """
    if is_undefined(low) and is_undefined(high):
        return UNDEFINED
    return f"{number(low, digits)} to {number(high, digits)}"


def percent_interval(low: Any, high: Any) -> str:
    """Write an interval of shares in percent.

    Examples
    --------
    >>> percent_interval(0.4, 0.612)
    '40.0 to 61.2 %'
    """
    if is_undefined(low) and is_undefined(high):
        return UNDEFINED
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def bracketed(value: Any, low: Any, high: Any, write: Callable[[Any], str] = number) -> str:
    """Write a number with its interval in one cell; a unit is written once.

    Examples
    --------
    >>> bracketed(0.123, 0.1, 0.146, correlation)
    '0.123 [0.100, 0.146]'
    >>> bracketed(0.54, 0.5, 0.583, percent), bracketed(2.0, float("nan"), float("nan"))
    ('54.0 % [50.0, 58.3]', '2.00')
    >>> bracketed(0.12, float("nan"), 0.3)
    '0.120 [–, 0.300]'
    """
    if is_undefined(value) or (is_undefined(low) and is_undefined(high)):
        return write(value)
    ends = (write(end).removesuffix(" %") for end in (low, high))
    return f"{write(value)} [{', '.join(ends)}]"


def bracketed_correlation(value: Any, low: Any, high: Any) -> str:
    """Write a correlation with its interval in one cell.

    Examples
    --------
    >>> bracketed_correlation(0.123, 0.1, 0.146)
    '0.123 [0.100, 0.146]'
    """
    return bracketed(value, low, high, correlation)


def bracketed_percent(value: Any, low: Any, high: Any) -> str:
    """Write a share with its interval, in percent, in one cell.

    Examples
    --------
    >>> bracketed_percent(0.54, 0.5, 0.583)
    '54.0 % [50.0, 58.3]'
    """
    return bracketed(value, low, high, percent)


def listed(items: list[str] | tuple[str, ...], word: str = "and") -> str:
    """Join words as prose does.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    items = list(items)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"
