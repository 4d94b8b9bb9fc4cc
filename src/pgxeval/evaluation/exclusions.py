"""Rows of the exclusions table: what was excluded or is undefined, with its reason, a count and a few names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judged
from pgxeval.names import known_names

SHOWN_NAMES = 5


def exclusion(kind: str, predictor: str, reason: str, count: int, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return one row; at most five names are shown."""
    shown = known_names(names, SHOWN_NAMES) if names else ""
    return {"kind": kind, "predictor": predictor, "reason": reason, "count": count, "name": shown}


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
