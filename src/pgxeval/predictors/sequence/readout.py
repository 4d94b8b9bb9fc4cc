"""Readouts: which bases of a haplotype are read, and how their bins become one number.

A readout names reference bases. The coordinate map of each haplotype gives their positions on it, so two individuals,
or two models with different bins, are read over the same exons. Bases inserted between two bases of a stretch belong to
the stretch; deleted bases are skipped. If nothing can be read, a readout returns the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, one_of, whole
from pgxeval.errors import SettingError
from pgxeval.genome.contigs import canonical_contig
from pgxeval.genome.coordinates import CoordinateMap
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.names import known_names
from pgxeval.predictors.sequence.target import Aggregate, Target

Log = Literal["bins", "total"]
Partial = Literal["refuse", "clip"]


@attrs.frozen(kw_only=True)
class Output:
    """Position of the output of a model on its sequence.

    Parameters
    ----------
    length
        Length of the sequence [bp].
    anchor_index
        Index of the anchor (the TSS) on every haplotype, 0-based.
    bin_width_bp, offset_bp
        As in `ModelInfo`.
    """

    length: int
    anchor_index: int
    bin_width_bp: int
    offset_bp: int

    @property
    def end(self) -> int:
        """One past the last base that a bin covers, 0-based."""
        return self.length - self.offset_bp


@runtime_checkable
class Readout(Protocol):
    """What `SequencePredictor` requires of a readout.

    A readout may also be a `pgxeval.predictors.protocol.RecordsSettings`; the fields of an attrs class are recorded
    without it.
    """

    def lift(self, gene: Gene, coordinates: CoordinateMap, output: Output) -> Target | str:
        """Return what is read on one haplotype (the caller sets its `row`), or why nothing can be read."""
        ...

    def finish(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Convert reduced values, averaged over shifts and strands, to the scale of the readout."""
        ...


def lift_stretches(
    stretches: Sequence[tuple[int, int]], coordinates: CoordinateMap, output: Output, partial: Partial
) -> npt.NDArray[np.int64] | str:
    """Lift reference stretches to a haplotype.

    Parameters
    ----------
    stretches
        Reference positions, 0-based and half-open, sorted and not overlapping.
    coordinates
        Coordinate map of the haplotype.
    output
        Part of the sequence that the model covers.
    partial
        What to do if a part of the stretches lies outside the output: ``"refuse"``, or ``"clip"`` it.

    Returns
    -------
    numpy.ndarray or str
        int64 ``(n, 2)``, indices on the haplotype, 0-based and half-open; or why there is nothing to read.
    """
    starts, ends = coordinates.reference_starts, coordinates.reference_starts + coordinates.lengths
    if not starts.size:
        return "the haplotype contains no base of the reference"
    first, last = int(starts[0]), int(ends[-1])
    lifted: list[tuple[int, int]] = []
    n_bases, outside = sum(end - start for start, end in stretches), 0
    for start, end in stretches:
        outside += end - start - max(0, min(end, last) - max(start, first))
        low = int(np.searchsorted(ends, start, side="right"))
        high = int(np.searchsorted(starts, end, side="left")) - 1
        if low > high:
            continue
        index = int(coordinates.haplotype_starts[low] + max(start - starts[low], 0))
        stop = int(coordinates.haplotype_starts[high] + min(end - starts[high], coordinates.lengths[high]))
        inside = (max(index, output.offset_bp), min(stop, output.end))
        outside += (stop - index) - max(0, inside[1] - inside[0])
        if inside[0] < inside[1]:
            lifted.append(inside)
    if outside and (partial == "refuse" or not lifted):
        return (
            f"{'all' if not lifted else outside} of {n_bases} bases lie outside the output of the model, "
            f"{output.end - output.offset_bp} bp in a context of {output.length} bp"
            + ('; use a longer context, or partial="clip"' if lifted else "; a longer context may reach them")
        )
    if not lifted:
        return f"all {n_bases} bases are deleted on a haplotype"
    return np.array(lifted, dtype=np.int64)


def _united(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def _finish(values: npt.NDArray[np.float64], log: Log | None, pseudocount: float) -> npt.NDArray[np.float64]:
    if log != "total":
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        logs: npt.NDArray[np.float64] = np.log(values + pseudocount)
    return np.where(np.isfinite(logs), logs, np.nan)


_LOG = one_of(None, "bins", "total")
_AGGREGATE = one_of("sum", "mean", "max")
_PARTIAL = one_of("refuse", "clip")


@attrs.frozen(kw_only=True)
class TssBins:
    """The bins around the transcription start site.

    Parameters
    ----------
    n
        Number of bins. An odd number is centred on the bin that contains the TSS; an even number has one more bin
        before it.
    aggregate
        ``"sum"``, ``"mean"`` or ``"max"`` of them.
    log
        None; ``"bins"``: ln(x + 1) of each bin; ``"total"``: ln(x + pseudocount) of their aggregate.
    pseudocount
        For ``log="total"``.

    Notes
    -----
    The default is the published readout of Enformer: the sum of the three bins 447 to 449 of 896 (Sasse et al.,
    Nat Genet 55:2060, 2023). Others are three bins with ``log="bins"`` (SAGE-net), and the mean or sum of ten bins, 443
    to 452 (Huang et al., Nat Genet 55:2056, 2023, and fine-tuned Enformers). The TSS has the same index on every
    haplotype, so these bins are not lifted; if it is deleted, the next base that is present takes its place.

    Examples
    --------
    >>> TssBins(n=10, aggregate="mean")
    TssBins(n=10, aggregate='mean', log=None, pseudocount=1.0)
    """

    n: int = attrs.field(default=3, validator=whole(1))
    aggregate: Aggregate = attrs.field(default="sum", validator=_AGGREGATE)
    log: Log | None = attrs.field(default=None, validator=_LOG)
    pseudocount: float = attrs.field(default=1.0, validator=between(0, above=True))

    def lift(self, gene: Gene, coordinates: CoordinateMap, output: Output) -> Target | str:
        """Return the bins around the anchor, or why they cannot be read."""
        centre = (output.anchor_index - output.offset_bp) // output.bin_width_bp
        start = output.offset_bp + (centre - self.n // 2) * output.bin_width_bp
        end = start + self.n * output.bin_width_bp
        if start < output.offset_bp or end > output.end:
            return (
                f"{self.n} bins of {output.bin_width_bp} bp around the TSS reach beyond the output of the model, "
                f"{(output.end - output.offset_bp) // output.bin_width_bp} bins"
            )
        return Target(row=0, segments=[(start, end)], aggregate=self.aggregate, log_bins=self.log == "bins")

    def finish(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Take the logarithm of totals if `log` is ``"total"``."""
        return _finish(values, self.log, self.pseudocount)


@attrs.frozen(kw_only=True)
class ExonMask:
    """The exons of the gene (their union).

    Parameters
    ----------
    aggregate
        ``"mean"`` over the bases of the exons, ``"sum"`` (each bin weighted by the share that exons cover) or
        ``"max"``.
    log
        None; ``"bins"``: ln(x + 1) of each bin; ``"total"``: ln(x + pseudocount) of their aggregate.
    pseudocount
        For ``log="total"``.
    partial
        What to do if exons lie partly outside the output of the model: ``"refuse"`` (NaN with the reason), or
        ``"clip"`` and read the rest.

    Notes
    -----
    The default is AlphaGenome's own gene score: ln(mean over exons + 0.001), strand-matched tracks (its
    documentation of variant scoring).
    """

    aggregate: Aggregate = attrs.field(default="mean", validator=_AGGREGATE)
    log: Log | None = attrs.field(default="total", validator=_LOG)
    pseudocount: float = attrs.field(default=0.001, validator=between(0, above=True))
    partial: Partial = attrs.field(default="refuse", validator=_PARTIAL)

    def lift(self, gene: Gene, coordinates: CoordinateMap, output: Output) -> Target | str:
        """Return the exons on a haplotype, or why they cannot be read."""
        if not gene.exons:
            return f'gene {gene.gene_id} has no exons: give gene models, Cohort.from_files(..., genes="annotation.gtf")'
        return _lift(_united(gene.exons), self, coordinates, output)

    def finish(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Take the logarithm of totals if `log` is ``"total"``."""
        return _finish(values, self.log, self.pseudocount)


@attrs.frozen(kw_only=True)
class GeneBody:
    """The span of the gene, including introns.

    Parameters
    ----------
    aggregate, log, pseudocount
        As for `ExonMask`.
    partial
        What to do if the gene lies partly outside the output of the model: ``"clip"`` and read the rest, or
        ``"refuse"``.

    Notes
    -----
    The default is the published readout of AlphaGenome on personal genomes: ln(sum over the gene body, clipped to the
    window, + 1) of each haplotype (mostafavilabuw/alphagenome-personal-eval); the same without the logarithm was used
    for Borzoi.
    """

    aggregate: Aggregate = attrs.field(default="sum", validator=_AGGREGATE)
    log: Log | None = attrs.field(default="total", validator=_LOG)
    pseudocount: float = attrs.field(default=1.0, validator=between(0, above=True))
    partial: Partial = attrs.field(default="clip", validator=_PARTIAL)

    def lift(self, gene: Gene, coordinates: CoordinateMap, output: Output) -> Target | str:
        """Return the span of the gene on a haplotype, or why it cannot be read."""
        return _lift([(gene.start, gene.end)], self, coordinates, output)

    def finish(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Take the logarithm of totals if `log` is ``"total"``."""
        return _finish(values, self.log, self.pseudocount)


def _intervals(
    value: Interval | Iterable[Interval] | Mapping[str, Interval | Iterable[Interval]],
) -> tuple[Interval, ...] | dict[str, tuple[Interval, ...]]:
    def several(item: Interval | Iterable[Interval]) -> tuple[Interval, ...]:
        items = (item,) if isinstance(item, Interval) else tuple(item)
        if not items or {type(member) for member in items} != {Interval}:
            raise SettingError(
                "IntervalReadout: intervals must be one Interval, several, or a mapping of gene_id to either; "
                f"got {known_names([type(member).__name__ for member in items], 5)}"
            )
        return items

    if isinstance(value, Mapping):
        return {str(gene_id): several(item) for gene_id, item in value.items()}
    return several(value)


@attrs.frozen(kw_only=True)
class IntervalReadout:
    """Any intervals of the reference, such as an accessibility peak.

    Parameters
    ----------
    intervals
        One `Interval` or several, the same for all genes, or a mapping of gene_id to either. 0-based and half-open.
    aggregate, log, pseudocount, partial
        As for `ExonMask`.

    Examples
    --------
    >>> peak = IntervalReadout(intervals=Interval("chr1", 1_000, 1_500), aggregate="sum")
    >>> peak.partial
    'refuse'
    """

    intervals: tuple[Interval, ...] | Mapping[str, tuple[Interval, ...]] = attrs.field(converter=_intervals, hash=False)
    aggregate: Aggregate = attrs.field(default="sum", validator=_AGGREGATE)
    log: Log | None = attrs.field(default=None, validator=_LOG)
    pseudocount: float = attrs.field(default=1.0, validator=between(0, above=True))
    partial: Partial = attrs.field(default="refuse", validator=_PARTIAL)

    def lift(self, gene: Gene, coordinates: CoordinateMap, output: Output) -> Target | str:
        """Return the intervals on a haplotype, or why they cannot be read."""
        if isinstance(self.intervals, Mapping):
            if gene.gene_id not in self.intervals:
                return f"the readout has no interval for gene {gene.gene_id}"
            intervals = self.intervals[gene.gene_id]
        else:
            intervals = self.intervals
        contig = canonical_contig(gene.contig)
        elsewhere = [interval for interval in intervals if canonical_contig(interval.contig) != contig]
        if elsewhere:
            return f"interval {elsewhere[0]} is not on {gene.contig}, where gene {gene.gene_id} lies"
        stretches = _united((interval.start, interval.end) for interval in intervals)
        if not stretches:
            return f"the intervals of gene {gene.gene_id} are empty"
        return _lift(stretches, self, coordinates, output)

    def finish(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Take the logarithm of totals if `log` is ``"total"``."""
        return _finish(values, self.log, self.pseudocount)


def _lift(
    stretches: list[tuple[int, int]],
    readout: ExonMask | GeneBody | IntervalReadout,
    coordinates: CoordinateMap,
    output: Output,
) -> Target | str:
    segments = lift_stretches(stretches, coordinates, output, readout.partial)
    if isinstance(segments, str):
        return segments
    return Target(row=0, segments=segments, aggregate=readout.aggregate, log_bins=readout.log == "bins")
