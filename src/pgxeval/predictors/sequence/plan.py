"""Plan: what a run of a sequence model would cost, before it begins."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.bars import tqdm
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import GenotypeError, PgxevalError, SettingError
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.model import HasQuota, SequenceModel
from pgxeval.predictors.sequence.run import SequenceRun
from pgxeval.predictors.sequence.scores import GeneScores
from pgxeval.predictors.sequence.settings import SequenceSettings
from pgxeval.predictors.sequence.windows import GeneWindow, make_sequences

_COUNTS = ("haplotypes", "distinct", "sequences", "cached", "calls")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Plan:
    """What a run would cost: one call is one sequence through the model, paid to a service or computed locally.

    Parameters
    ----------
    genes : pandas.DataFrame
        One row per gene: gene_id; haplotypes, copies of the window that the individuals carry; distinct, number of
        different sequences among them; sequences, number needed (multiplied by shifts and strands; in additive mode
        the reference and each allele); cached, those whose scores are in the cache; calls, those that remain; reason,
        why the gene cannot be predicted. Genes that share a window share its calls, which are counted for the first.
    compared : pandas.DataFrame
        One row per mode and lower bound of the minor allele frequency: mode, min_maf (NaN: the filter of the
        predictor), sequences (cached or not), minutes, reason. Empty if no comparison was requested.
    individuals
        Number of individuals.
    calls_per_minute
        Quota; None if unknown, in which case times are NaN.
    """

    genes: pd.DataFrame
    compared: pd.DataFrame
    individuals: int
    calls_per_minute: float | None

    @property
    def haplotypes(self) -> int:
        """Number of copies of windows that the individuals carry."""
        return int(self.genes["haplotypes"].sum())

    @property
    def distinct(self) -> int:
        """Number of different haplotypes among them."""
        return int(self.genes["distinct"].sum())

    @property
    def cached(self) -> int:
        """Number of sequences whose scores are in the cache."""
        return int(self.genes["cached"].sum())

    @property
    def calls(self) -> int:
        """Number of calls to make."""
        return int(self.genes["calls"].sum())

    @property
    def minutes(self) -> float:
        """Time at the quota [min]; NaN if the quota is unknown."""
        return _minutes(self.calls, self.calls_per_minute)

    def __repr__(self) -> str:
        return f"<Plan: {str(self).splitlines()[0]}>"

    def __str__(self) -> str:
        if math.isnan(self.minutes):
            time = "the quota is unknown: give calls_per_minute= to see the time"
        else:
            time = f"{_clock(self.minutes)} at {self.calls_per_minute:,.0f} per minute"
        lines = [
            f"{len(self.genes):,} genes x {self.individuals:,} individuals: {self.haplotypes:,} haplotypes, "
            f"{self.distinct:,} distinct; {self.cached:,} sequences in the cache, {self.calls:,} calls to make; {time}",
        ]
        failing = self.genes[self.genes["reason"] != ""]
        if len(failing):
            lines.append(f"{len(failing)} genes cannot be predicted, the first because {failing['reason'].iloc[0]}")
        if len(self.compared):
            lines += ["", self.compared.to_string(index=False, na_rep="")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = html.escape(str(self).split("\n", 1)[0])
        tables = [table.to_html(index=False, na_rep="") for table in (self.compared, self.genes) if len(table)]
        return "".join([f"<p>{head}</p>", *tables])


def plan_run(
    *,
    model: SequenceModel,
    settings: SequenceSettings,
    cache: ScoreCache | None,
    cohort: Cohort,
    calls_per_minute: float | None = None,
    min_maf: Sequence[float] = (),
    progress: bool = True,
) -> Plan:
    """Count what a run on `cohort` would have to compute or pay for; nothing is sent and no model runs.

    See `SequencePredictor.plan`.
    """
    if calls_per_minute is None and isinstance(model, HasQuota):
        calls_per_minute = model.calls_per_minute
    if calls_per_minute is not None and not calls_per_minute > 0:
        raise SettingError(f"calls_per_minute must be above 0, got {calls_per_minute!r}")
    run = SequenceRun(
        model=model,
        settings=settings,
        cache=cache,
        genes=cohort.genes,
        genome=cohort.genome,
        individuals=cohort.individuals,
    )
    rows: dict[int, dict[str, Any]] = {}
    positions = run.start()
    with tqdm(total=len(positions), desc="planning", unit="window", disable=not progress, leave=False) as bar:
        for window in run.windows(positions):
            bar.update()
            rows |= _count(window, settings, cohort)
    nothing: dict[str, Any] = {**dict.fromkeys(_COUNTS, 0), "reason": ""}
    table = [
        {"gene_id": gene.gene_id, **rows.get(row, {**nothing, "reason": run.reason(row)})}
        for row, gene in enumerate(cohort.genes)
    ]
    compared = pd.DataFrame()
    if len(min_maf):
        # windows in which no gene can be read need no sequence in either mode
        readable = [
            place for place, genes in positions.items() if any(not rows.get(row, nothing)["reason"] for row in genes)
        ]
        compared = _compare(settings, cohort, readable, min_maf, calls_per_minute)
    return Plan(
        genes=pd.DataFrame(table, columns=["gene_id", *nothing]),
        compared=compared,
        individuals=len(cohort.individuals),
        calls_per_minute=calls_per_minute,
    )


def _count(window: GeneWindow, settings: SequenceSettings, cohort: Cohort) -> dict[int, dict[str, Any]]:
    """Return the counts of the genes of a window; its sequences are counted for the first gene."""
    first = window.scores.views[0].haplotypes
    distinct = first.n_distinct
    if window.single is not None:
        try:
            distinct = cohort.genome.haplotypes(
                first.interval, cohort.individuals, window.position, variant_filter=settings.variant_filter
            ).n_distinct
        except GenotypeError:
            distinct = 0
    copies = {"haplotypes": window.copies, "distinct": distinct}
    costs = {
        "sequences": window.scores.n_sequences,
        "cached": window.scores.n_cached,
        "calls": len(window.scores.jobs),
    }
    return {
        row: {
            **copies,
            **(costs if row == window.rows[0] else dict.fromkeys(costs, 0)),
            "reason": _unreadable(scores),
        }
        for row, scores in zip(window.rows, window.scores.genes, strict=True)
    }


def _unreadable(scores: GeneScores) -> str:
    """Return why no haplotype of a gene can be read; empty if one can."""
    views = list(zip(scores.values, scores.reasons, strict=True))
    if not all(len(values) and len(reasons) == len(values) for values, reasons in views):
        return ""
    return next(iter(scores.reasons[0].values()))


def _compare(
    settings: SequenceSettings,
    cohort: Cohort,
    positions: Sequence[tuple[str, int]],
    min_maf: Sequence[float],
    calls_per_minute: float | None,
) -> pd.DataFrame:
    rows = []
    for bound in (np.nan, *min_maf):
        variant_filter = settings.variant_filter
        if not math.isnan(bound):
            base = VariantFilter() if variant_filter is None else variant_filter
            variant_filter = attrs.evolve(base, min_maf=max(bound, base.min_maf))
        for mode in ("haplotypes", "additive"):
            other = attrs.evolve(settings, mode=mode, combine="mean", variant_filter=variant_filter)
            n, reason = _count_sequences(other, cohort, positions)
            rows.append(
                {
                    "mode": mode,
                    "min_maf": bound,
                    "sequences": n,
                    "minutes": _minutes(n, calls_per_minute),
                    "reason": reason,
                }
            )
    return pd.DataFrame(rows)


def _count_sequences(
    settings: SequenceSettings, cohort: Cohort, positions: Sequence[tuple[str, int]]
) -> tuple[int, str]:
    total, reason = 0, ""
    for contig, position in positions:
        try:
            haplotypes, _ = make_sequences(settings, cohort.genome, cohort.individuals, contig, position)
        except PgxevalError as error:
            reason = reason or str(error)
            continue
        total += sum(shifted.n_distinct for shifted in haplotypes)
    return total * (2 if settings.reverse_complement else 1), reason


def _minutes(calls: int, calls_per_minute: float | None) -> float:
    return math.nan if calls_per_minute is None else calls / calls_per_minute


def _clock(minutes: float) -> str:
    if minutes < 60:
        return f"{math.ceil(minutes)} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
