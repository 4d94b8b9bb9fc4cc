"""Plan: what a run of a sequence model would cost, before it is begun."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from pgxeval.errors import GenotypeError, PgxevalError, SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.genome.single_variants import single_variants
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.predictors.sequence.run import SequenceRun
from pgxeval.predictors.sequence.windows import GeneScores

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.predictors.sequence.predictor import Mode, SequencePredictor


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Plan:
    """What a run would cost: a call is one sequence through the model, whether paid to a service or computed here.

    Parameters
    ----------
    genes : pandas.DataFrame
        One row a gene: gene_id; haplotypes, copies of the window that the individuals have; distinct, different
        sequences among them; sequences, those that are wanted (times shifts and strands; in additive mode the
        reference and each allele); cached, scores of which are kept; calls, those still to make; reason, why the
        gene cannot be predicted. Genes that share a window share its calls, which stand at the first.
    compared : pandas.DataFrame
        One row for each mode and lower bound of the minor allele frequency: mode, min_maf (NaN: the predictor's own
        filter), sequences (cached or not), minutes, reason. Empty where no comparison was asked.
    individuals
        Number of individuals.
    calls_per_minute
        Quota; None where it is not known, and times are NaN.
    """

    genes: pd.DataFrame
    compared: pd.DataFrame
    individuals: int
    calls_per_minute: float | None

    @property
    def haplotypes(self) -> int:
        """Copies of windows that the individuals have."""
        return int(self.genes["haplotypes"].sum())

    @property
    def distinct(self) -> int:
        """Different haplotypes among them."""
        return int(self.genes["distinct"].sum())

    @property
    def cached(self) -> int:
        """Sequences whose scores are kept."""
        return int(self.genes["cached"].sum())

    @property
    def calls(self) -> int:
        """Calls to make."""
        return int(self.genes["calls"].sum())

    @property
    def minutes(self) -> float:
        """Time at the quota [min]; NaN where it is not known."""
        return _minutes(self.calls, self.calls_per_minute)

    def __repr__(self) -> str:
        return f"<Plan: {str(self).splitlines()[0]}>"

    def __str__(self) -> str:
        unknown = "the quota is not known: give calls_per_minute= to see the time"
        time = (
            unknown if math.isnan(self.minutes) else f"{_clock(self.minutes)} at {self.calls_per_minute:,.0f} a minute"
        )
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
        head = str(self).split("\n", 1)[0]
        tables = [table.to_html(index=False, na_rep="") for table in (self.compared, self.genes) if len(table)]
        return "".join([f"<p>{head}</p>", *tables])


def plan_run(
    predictor: SequencePredictor,
    cohort: Cohort,
    *,
    calls_per_minute: float | None = None,
    min_maf: Sequence[float] = (),
    progress: bool = True,
) -> Plan:
    """Count what `predictor` would have to compute or pay for on `cohort`; nothing is sent and no model runs.

    See `SequencePredictor.plan`.
    """
    if calls_per_minute is None:
        calls_per_minute = getattr(predictor.model, "calls_per_minute", None)
    if calls_per_minute is not None and not calls_per_minute > 0:
        raise SettingError(f"calls_per_minute must be above 0, got {calls_per_minute!r}")
    run = SequenceRun(predictor, list(cohort.genes), cohort.genome, list(cohort.individuals))
    rows: dict[int, dict[str, Any]] = {}
    positions = run.start()
    anchors = {at: position for (_, position), genes in positions.items() for at in genes}
    with tqdm(total=len(positions), desc="planning", unit="window", disable=not progress, leave=False) as bar:
        for window in run.windows(positions):
            bar.update()
            first, *others = window.rows
            made = window.scores.views[0].haplotypes
            copies = {"haplotypes": window.copies, "distinct": made.n_distinct if window.single is None else 0}
            jobs = len(window.scores.jobs)
            counts = {"sequences": window.scores.n_sequences, "cached": window.scores.n_cached, "calls": jobs}
            if window.single is not None:
                copies["distinct"] = _distinct(predictor, cohort, made.interval, anchors[first])
            rows[first] = {**copies, **counts}
            rows |= {at: {**copies, "sequences": 0, "cached": 0, "calls": 0} for at in others}
            for at, scores in zip(window.rows, window.scores.genes, strict=True):
                rows[at]["reason"] = _unreadable(scores)
    nothing: dict[str, Any] = {
        **dict.fromkeys(("haplotypes", "distinct", "sequences", "cached", "calls"), 0),
        "reason": "",
    }
    table = [
        {"gene_id": gene.gene_id, **rows.get(at, {**nothing, "reason": run.reason(at)})}
        for at, gene in enumerate(cohort.genes)
    ]
    compared = pd.DataFrame()
    if len(min_maf):
        # windows in which no gene can be read ask for no sequence, whatever the mode
        read = {place: at for place, at in positions.items() if any(not rows.get(one, nothing)["reason"] for one in at)}
        compared = _compare(predictor, cohort, read, min_maf, calls_per_minute)
    return Plan(
        genes=pd.DataFrame(table, columns=["gene_id", *nothing]),
        compared=compared,
        individuals=len(cohort.individuals),
        calls_per_minute=calls_per_minute,
    )


def _unreadable(scores: GeneScores) -> str:
    """Return why no haplotype of a gene can be read; empty where one can."""
    reasons = list(zip(scores.values, scores.reasons, strict=True))
    if not all(len(values) and len(why) == len(values) for values, why in reasons):
        return ""
    return next(iter(scores.reasons[0].values()))


def _distinct(predictor: SequencePredictor, cohort: Cohort, interval: Interval, anchor: int) -> int:
    try:
        return cohort.genome.haplotypes(interval, cohort.individuals, anchor, variants=predictor.variants).n_distinct
    except GenotypeError:
        return 0


def _compare(
    predictor: SequencePredictor,
    cohort: Cohort,
    positions: dict[tuple[str, int], list[int]],
    min_maf: Sequence[float],
    calls_per_minute: float | None,
) -> pd.DataFrame:
    strands = 2 if predictor.reverse_complement else 1
    rows = []
    for bound in (np.nan, *min_maf):
        filtered = predictor.variants
        if not math.isnan(bound):
            base = VariantFilter() if predictor.variants is None else predictor.variants
            filtered = attrs.evolve(base, min_maf=max(bound, base.min_maf))
        for mode in ("haplotypes", "additive"):
            n, reason = _sequences(predictor, cohort, positions, mode, filtered)
            rows.append(
                {
                    "mode": mode,
                    "min_maf": bound,
                    "sequences": n * strands,
                    "minutes": _minutes(n * strands, calls_per_minute),
                    "reason": reason,
                }
            )
    return pd.DataFrame(rows)


def _sequences(
    predictor: SequencePredictor,
    cohort: Cohort,
    positions: dict[tuple[str, int], list[int]],
    mode: Mode,
    filtered: VariantFilter | None,
) -> tuple[int, str]:
    total, reason = 0, ""
    for contig, position in positions:
        centred = Interval.around(contig, position, predictor.context_length)
        intervals = [Interval(contig, centred.start + shift, centred.end + shift) for shift in predictor.shifts]
        try:
            if mode == "haplotypes":
                made = tuple(
                    cohort.genome.haplotypes(interval, cohort.individuals, position, variants=filtered)
                    for interval in intervals
                )
            else:
                made = single_variants(
                    cohort.genome, intervals, cohort.individuals, position, variants=filtered
                ).haplotypes
        except PgxevalError as error:
            reason = reason or str(error)
            continue
        total += sum(one.n_distinct for one in made)
    return total, reason


def _minutes(calls: int, calls_per_minute: float | None) -> float:
    return math.nan if calls_per_minute is None else calls / calls_per_minute


def _clock(minutes: float) -> str:
    if minutes < 60:
        return f"{math.ceil(minutes)} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
