"""Intervals and genes: 0-based, half-open positions on a contig, with strand.

A BED file uses the same convention; VCF and GTF are 1-based and closed, and are converted where they
are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import attrs

from pgxeval.errors import SettingError
from pgxeval.genome.notebook import html_table
from pgxeval.signatures import show_defaults

Strand = Literal["+", "-"]

DEFAULT_FLANK_BP = 1_000_000

_REGION = re.compile(r"(?P<contig>\S+):(?P<first>[0-9][0-9,]*)-(?P<last>[0-9][0-9,]*)")
_LONGEST_REGION = 1_000


@attrs.frozen(order=True)
class Interval:
    """A stretch of a contig.

    Parameters
    ----------
    contig
        Contig name, as in the reference or the VCF (``chr1`` and ``1`` are matched by the readers).
    start
        First position, 0-based. May be negative only in windows around a TSS near the contig's start.
    end
        One past the last position, 0-based; not below `start`.

    Examples
    --------
    >>> Interval("chr1", 100, 200).length
    100
    >>> Interval.around("chr1", 1_000, 400)
    Interval(contig='chr1', start=800, end=1200)
    >>> Interval.parse("chr1:1,001-2,000")
    Interval(contig='chr1', start=1000, end=2000)
    """

    contig: str = attrs.field(validator=attrs.validators.instance_of(str))
    start: int = attrs.field(converter=int)
    end: int = attrs.field(converter=int)

    def __attrs_post_init__(self) -> None:
        if self.end < self.start:
            raise SettingError(
                f"interval on {self.contig}: end {self.end} lies before start {self.start}; "
                "positions are 0-based and half-open, so start <= end"
            )

    @classmethod
    def around(cls, contig: str, position: int, length: int) -> Interval:
        """Return the interval of `length` bp in which `position` (0-based) has index ``length // 2``."""
        start = position - length // 2
        return cls(contig, start, start + length)

    @classmethod
    def parse(cls, region: str) -> Interval:
        """Return the interval of a region as genome browsers and samtools write it: 1-based and closed.

        Parameters
        ----------
        region
            ``"chr1:1,001-2,000"``: 1,000 bases, of which the first is base 1,001. Commas may be omitted.

        Raises
        ------
        SettingError
            If the text is not such a region.
        """
        match = _REGION.fullmatch(region.strip()) if len(region) < _LONGEST_REGION else None
        if match is None:
            raise SettingError(
                f"{region[:60]!r} is not a region; expected contig:first-last, 1-based and closed, such as "
                '"chr1:1,001-2,000"'
            )
        first, last = (int(number.replace(",", "")) for number in match.group("first", "last"))
        if not 1 <= first <= last:
            raise SettingError(f"region {region}: positions are 1-based and closed, so 1 <= first <= last is expected")
        return cls(match["contig"], first - 1, last)

    @property
    def region(self) -> str:
        """The interval as genome browsers and samtools write it, 1-based and closed: ``chr1:1,001-2,000``."""
        return f"{self.contig}:{self.start + 1:,}-{self.end:,}"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str | int]] = [
            ("region (1-based, closed)", self.region),
            ("start (0-based)", self.start),
            ("length [bp]", self.length),
        ]
        return html_table(f"Interval {self}", rows)

    @property
    def length(self) -> int:
        """Number of bases, ``end - start``."""
        return self.end - self.start

    def contains(self, position: int) -> bool:
        """Whether a 0-based position lies inside."""
        return self.start <= position < self.end

    def overlaps(self, other: Interval) -> bool:
        """Whether the two share at least one base."""
        return self.contig == other.contig and self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{self.contig}:{self.start}-{self.end}"


def as_interval(where: Interval | str) -> Interval:
    """Return an interval as it is, and that of a region such as ``"chr1:1,001-2,000"``; see `Interval.parse`.

    Raises
    ------
    SettingError
        If `where` is neither.
    """
    if isinstance(where, Interval):
        return where
    if isinstance(where, str):
        return Interval.parse(where)
    raise SettingError(
        f'expected an Interval or a region such as "chr1:1,001-2,000" (1-based, closed), got {type(where).__name__}'
    )


def _exons(value: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((int(start), int(end)) for start, end in value))


@show_defaults
@attrs.frozen(kw_only=True)
class Gene:
    """A gene: where it lies, which way it is read and where its transcription starts.

    Parameters
    ----------
    gene_id
        Identifier as in the expression table.
    contig
        Contig name.
    start, end
        Span of the gene, 0-based half-open. An expression BED in the GTEx manner holds TSS-1..TSS here.
    strand
        ``"+"``, ``"-"`` or None where no source states it. Sequence predictors refuse a gene without strand.
    tss
        Transcription start site, 0-based, or None where no source states it.
    exons
        Union of the exons, 0-based half-open, sorted; empty where no source states it.
    name
        Gene symbol; the identifier where it has none.
    """

    gene_id: str
    contig: str
    start: int
    end: int
    strand: Strand | None = attrs.field(default=None, validator=attrs.validators.in_(("+", "-", None)))
    tss: int | None = None
    exons: tuple[tuple[int, int], ...] = attrs.field(default=(), converter=_exons)
    name: str = attrs.field(default=attrs.Factory(lambda self: self.gene_id, takes_self=True))

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise SettingError(
                f"gene {self.gene_id}: span {self.contig}:{self.start}-{self.end} is empty or negative; "
                "expected 0-based half-open positions with 0 <= start < end"
            )

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str | int]] = [
            ("gene_id", self.gene_id),
            ("span (1-based, closed)", self.body.region),
            ("strand", self.strand or "unknown"),
            ("TSS (0-based)", "unknown" if self.tss is None else self.tss),
            ("exons", len(self.exons)),
        ]
        return html_table(f"Gene {self.name}", rows)

    @property
    def body(self) -> Interval:
        """The gene's span."""
        return Interval(self.contig, self.start, self.end)

    def cis_window(self, flank_bp: int = DEFAULT_FLANK_BP, around: Literal["body", "tss"] = "body") -> Interval:
        """Return the window whose variants may act on the gene.

        Parameters
        ----------
        flank_bp
            Bases on either side.
        around
            ``"body"`` lays the flanks around the gene's span, as PredictDB does; ``"tss"`` around the
            transcription start site, as GTEx does.

        Returns
        -------
        Interval
            Clipped at the contig's start.

        Raises
        ------
        SettingError
            If `around` is ``"tss"`` and the TSS is not known.
        """
        if flank_bp < 0:
            raise SettingError(f"flank_bp must be 0 or more, got {flank_bp}")
        if around == "body":
            start, end = self.start, self.end
        elif around == "tss":
            if self.tss is None:
                raise SettingError(
                    f"gene {self.gene_id} has no known TSS, so no cis window can be laid around it; "
                    'give gene models (genes="annotation.gtf") or use around="body"'
                )
            start, end = self.tss, self.tss + 1
        else:
            raise SettingError(f'around must be "body" or "tss", got {around!r}')
        return Interval(self.contig, max(0, start - flank_bp), end + flank_bp)
