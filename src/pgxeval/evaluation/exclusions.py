"""Rows of the exclusions table: what was excluded or is undefined, with its reason, a count and a few names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judged
from pgxeval.evaluation.tables import EXCLUSIONS
from pgxeval.names import known_names

SHOWN_NAMES = 5
_SHOWN_DETAILS = 2
_MOST_REASONS = 5
# reasons that quote another one, which is part of the reason and not a detail of single genes
_QUOTING = ("undefined", "missing")


def exclusion(kind: str, predictor: str, reason: str, count: int, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return one entry of `exclusions_table`, with all names; ``name`` has at most five."""
    shown = known_names(names, SHOWN_NAMES) if names else ""
    return {
        "kind": kind,
        "predictor": predictor,
        "reason": reason,
        "count": count,
        "name": shown,
        "names": tuple(names),
    }


def undefined_genes(judged: Judged, gene_ids: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a row for each reason why correlations of a predictor are undefined."""
    genes: dict[str, list[str]] = {}
    for gene, reason in zip(gene_ids, judged.reason, strict=True):
        if reason:
            genes.setdefault(reason, []).append(gene)
    return [
        exclusion(
            "gene", judged.predictor, reason if reason == NOT_IN_TABLE else f"undefined: {reason}", len(names), names
        )
        for reason, names in sorted(genes.items())
    ]


def cohort_exclusions(table: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return a row for each kind and reason in the exclusions of a cohort."""
    return [
        exclusion(str(kind), "", str(reason), len(part), part["name"].astype(str).tolist())
        for (kind, reason), part in table.groupby(["kind", "reason"], sort=False, observed=True)
    ]


def exclusions_table(excluded: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the exclusions table.

    Parameters
    ----------
    excluded
        Entries with the keys kind, predictor, reason and count, and either ``names`` (all identifiers) or ``name``
        (text). What follows the colon in a reason is a detail, such as the error at one gene. ``tissue``, where given,
        becomes the beginning of the reason.

    Returns
    -------
    pandas.DataFrame
        Columns: `pgxeval.evaluation.tables.EXCLUSIONS`, one row per kind, predictor and reason without its details.

    Examples
    --------
    >>> failed = [{"kind": "gene", "predictor": "mine", "reason": f"undefined: fewer than 10 individuals: {error}",
    ...            "count": 1, "names": [gene]} for gene, error in
    ...           (("G1", "window of G1 is too long"), ("G2", "window of G2 is too long"), ("G3", "no strand"))]
    >>> exclusions_table(failed)[["reason", "detail", "count"]].values.tolist()
    [['undefined: fewer than 10 individuals', 'window of G1 is too long; window of G2 is too long and 1 more', 3]]
    """
    entries = [(row, *_split(str(row["reason"]))) for row in excluded]
    distinct: dict[tuple[str, ...], set[str]] = {}
    for row, reason, _ in entries:
        distinct.setdefault(_source(row, reason), set()).add(reason)
    merged: dict[tuple[str, str, str], tuple[list[str], list[int], list[str], list[str]]] = {}
    for row, full, specific in entries:
        reason, detail = full, specific
        head, _, rest = full.partition(": ")
        if head in _QUOTING and len(distinct[_source(row, full)]) > _MOST_REASONS:
            reason, detail = head, f"{rest}: {specific}" if specific else rest
        reason = f"{row['tissue']}: {reason}" if row.get("tissue") else reason
        key = (str(row["kind"]), str(row["predictor"]), reason)
        details, counts, names, texts = merged.setdefault(key, ([], [], [], []))
        if detail and detail not in details:
            details.append(detail)
        counts.append(int(row["count"]))
        if row.get("names"):
            names += [str(name) for name in row["names"]]
        elif row.get("name"):
            texts.append(str(row["name"]))
    rows = [
        (*key, _capped(details, "; ", _SHOWN_DETAILS), sum(counts), _names(names, texts))
        for key, (details, counts, names, texts) in merged.items()
    ]
    return pd.DataFrame(rows, columns=list(EXCLUSIONS))


def _source(row: Mapping[str, Any], reason: str) -> tuple[str, ...]:
    return str(row["kind"]), str(row["predictor"]), str(row.get("tissue")), reason.partition(": ")[0]


def _split(reason: str) -> tuple[str, str]:
    """Return a reason and its detail: ``"undefined: few: error at G1"`` is ``"undefined: few"``, ``"error at G1"``."""
    head, colon, rest = reason.partition(": ")
    if not colon or head not in _QUOTING:
        return reason, ""
    middle, colon, detail = rest.partition(": ")
    return f"{head}: {middle}", detail


def _names(names: list[str], texts: list[str]) -> str:
    return "; ".join([*([known_names(names, SHOWN_NAMES)] if names else []), *dict.fromkeys(texts)])


def _capped(items: list[str], separator: str, most: int) -> str:
    shown = separator.join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
