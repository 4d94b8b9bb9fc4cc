"""Match the genes and individuals of a predictions table with those of the measured expression."""

from __future__ import annotations

import warnings
from typing import Any

from pgxeval.errors import PgxevalWarning, TableError
from pgxeval.evaluation.batched import BatchedTable
from pgxeval.evaluation.exclusions import SHOWN_NAMES, exclusion
from pgxeval.evaluation.matrices import LongTable
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.names import known_names


def match_names(
    long: LongTable | BatchedTable, target: MeasuredExpression, *, drop_unknown_genes: bool
) -> list[dict[str, Any]]:
    """Return rows of the exclusions table for genes and individuals that only one side has.

    Raises
    ------
    TableError
        If the table has no rows, shares no gene or no individual with the expression, or, unless they are to be
        dropped, predicts genes without measured expression.

    Warns
    -----
    PgxevalWarning
        If genes or individuals are excluded.
    """
    if long.n_rows == 0:
        raise TableError("predictions table: it has no rows; expected one per predictor, gene and individual")
    excluded = []
    for key, kind, known in (
        ("gene_id", "gene", target.gene_ids),
        ("individual", "individual", target.individuals),
    ):
        names = long.unknown(key)
        if not len(long.present(key)):
            swapped = kind == "gene" and not set(names).isdisjoint(target.individuals)
            hint = ". Genes and individuals are exchanged: give the transpose of the matrix" if swapped else ""
            raise TableError(
                f"predictions table: it shares no {kind} with the expression table; it names "
                f"{known_names(names, SHOWN_NAMES)}, the expression table {known_names(known, SHOWN_NAMES)}{hint}"
            )
        if names and kind == "gene" and not drop_unknown_genes:
            plain = {name.split(".")[0] for name in known}
            hint = (
                "; some would match without their version suffix"
                if any(name.split(".")[0] in plain for name in names)
                else ""
            )
            raise TableError(
                f"predictions table: {len(names)} gene(s) have no measured expression: "
                f"{known_names(names, SHOWN_NAMES)}{hint}. "
                'Remove their rows, or exclude them with unknown_genes="drop"'
            )
        before = target.exclusions
        reasons = dict(zip(before["name"], before["reason"], strict=True)) if kind == "individual" else {}
        if without := [name for name in names if name not in reasons]:
            excluded.append(exclusion(kind, "", "predicted, but without measured expression", len(without), without))
        for reason in dict.fromkeys(reasons[name] for name in names if name in reasons):
            some = [name for name in names if reasons.get(name) == reason]
            excluded.append(exclusion(kind, "", f"predicted, but excluded: {reason}", len(some), some))
        absent = sorted(set(range(len(known))) - set(long.present(key).tolist()))
        if absent:
            reason = "measured, but without any prediction"
            excluded.append(exclusion(kind, "", reason, len(absent), [known[k] for k in absent]))
    if excluded:
        counts = [f"{row['count']} {row['kind']}(s) {row['reason']} ({row['name']})" for row in excluded]
        warnings.warn(f"excluded: {'; '.join(counts)}", PgxevalWarning, stacklevel=4)
    return excluded
