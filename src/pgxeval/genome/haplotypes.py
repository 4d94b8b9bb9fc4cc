"""Haplotypes: the sequences of a cohort over a window, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import GenotypeError, SettingError, UnknownNameError
from pgxeval.genome.coordinates import CoordinateMap
from pgxeval.genome.edits import Edits
from pgxeval.genome.formats.calls import Records
from pgxeval.genome.intervals import Interval
from pgxeval.genome.layout import MAPPED
from pgxeval.genome.notebook import html_table
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.names import near_names
from pgxeval.signatures import show_defaults

ABSENT_COPY = -1


@attrs.frozen(kw_only=True, eq=False)
class HaplotypeBatch:
    """Some of the distinct sequences of a `Haplotypes`.

    Parameters
    ----------
    first
        Row of the first of them in `Haplotypes.index`.
    sequences
        uint8 ASCII ``(n, length)``, read-only.
    haplotypes
        The whole that this is a part of.
    """

    first: int
    sequences: npt.NDArray[np.uint8] = attrs.field(repr=False)
    haplotypes: Haplotypes = attrs.field(repr=False)

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def rows(self) -> range:
        """Rows of these sequences in `Haplotypes.index`."""
        return range(self.first, self.first + len(self.sequences))


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class Haplotypes:
    """The haplotypes of some individuals over a window, each distinct one once.

    Every sequence has ``interval.length`` bases, and the anchor has index `anchor_index` in each: after a
    net deletion it is filled up with what follows (the individual's own variants included), after a net
    insertion cut at the ends. Off the contig it is N.

    Two rows differ by at least one variant in the window; they may still spell the same bases where the
    file writes one change in two ways.

    Parameters
    ----------
    individuals
        Names, in the order asked.
    interval
        The window, 0-based half-open, by the contig's name in the reference.
    anchor
        Reference position (0-based) that keeps its index.
    index
        int32 ``(n_individuals, 2)``, read-only: row of each copy in `sequences`; -1 for the second copy of a
        haploid individual, and for both copies of one that a policy refuses.
    variant_filter
        The filter that made them.
    counts
        What was seen and what was excluded in the windows. Of the file: ``records``; ALT ``alleles`` in use;
        alleles that are ``filtered``, or no bases (``star``, ``symbolic``, ``breakend``, ``other``); records
        with ``ref_mismatch`` (skipped) or ``ref_ambiguous`` (the FASTA has an IUPAC code that may be REF). Of the
        individuals asked for: calls of alleles that are ``not_applied``, being none of these in use, or
        ``overlapping`` one that was; genotypes ``missing``, ``half_missing`` or ``unphased`` and heterozygous;
        individuals ``haploid``, of ``mixed_ploidy``, heterozygous in several ``phase_sets``, or ``refused``.
    refused
        Individuals without haplotypes here, and why: by the policies of `PersonalGenome`.
    max_bytes
        Above this, `sequences` refuses [bytes].
    """

    individuals: tuple[str, ...] = attrs.field(repr=lambda names: f"<{len(names)}>")
    interval: Interval
    anchor: int
    index: npt.NDArray[np.int32] = attrs.field(repr=lambda index: f"<{index.shape[0]} x 2>")
    variant_filter: VariantFilter
    counts: Mapping[str, int]
    refused: Mapping[str, str] = attrs.field(factory=dict, repr=lambda refused: f"<{len(refused)}>")
    max_bytes: int = attrs.field(repr=False)
    edits: Edits = attrs.field(repr=False)
    records: Records = attrs.field(repr=False)

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str | int]] = [
            ("window (1-based, closed)", self.interval.region),
            ("anchor (0-based)", self.anchor),
            ("individuals", len(self.individuals)),
            ("distinct haplotypes", self.n_distinct),
            ("memory of all sequences [bytes]", self.nbytes),
            *self.counts.items(),
        ]
        return html_table("Haplotypes", rows)

    @property
    def n_distinct(self) -> int:
        """Number of distinct haplotypes."""
        return len(self.edits.placements)

    @property
    def length(self) -> int:
        """Number of bases of each sequence."""
        return self.interval.length

    @property
    def anchor_index(self) -> int:
        """Index of the anchor in every sequence, 0-based."""
        return self.anchor - self.interval.start

    @property
    def anchor_deleted(self) -> npt.NDArray[np.bool_]:
        """Bool ``(n_distinct,)``: the anchor is deleted, and the next base that is not takes its place."""
        deleted: npt.NDArray[np.bool_] = self.edits.placements[:, MAPPED] != self.anchor
        return deleted

    @property
    def nbytes(self) -> int:
        """Memory of `sequences` [bytes], known before they are made."""
        return self.n_distinct * self.length

    @cached_property
    def sequences(self) -> npt.NDArray[np.uint8]:
        """The distinct sequences: uint8 ASCII ``(n_distinct, length)``, read-only, made on first use.

        Raises
        ------
        SettingError
            If they take more than `max_bytes`.
        """
        if self.nbytes > self.max_bytes:
            raise SettingError(
                f"{self.n_distinct} haplotypes over {self.interval} take {self.nbytes:,} bytes, more than "
                f"max_bytes={self.max_bytes:,}; go through them with PersonalGenome.iter_haplotypes (or "
                "Haplotypes.batches), ask for fewer individuals, or raise max_bytes"
            )
        return self.edits.build(slice(None), self.length)

    def batches(self, batch_size: int = 8) -> Iterator[HaplotypeBatch]:
        """Go through the distinct sequences, `batch_size` at a time, keeping none.

        Raises
        ------
        SettingError
            If `batch_size` is below 1.
        """
        if batch_size < 1:
            raise SettingError(f"batch_size must be 1 or more, got {batch_size}")
        for first in range(0, self.n_distinct, batch_size):
            rows = slice(first, first + batch_size)
            yield HaplotypeBatch(first=first, sequences=self.edits.build(rows, self.length), haplotypes=self)

    def coordinates(self, row: int) -> CoordinateMap:
        """Return the map between a distinct sequence and the reference."""
        self._check_row(row)
        return self.edits.coordinates(row, self.length)

    def variants(self, row: int) -> pd.DataFrame:
        """Return the variants in a distinct sequence: contig, position (1-based), id, ref, alt."""
        self._check_row(row)
        return self.records.variants(self.edits.taken(row))

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self.n_distinct:
            raise SettingError(f"row must lie in 0..{self.n_distinct - 1}, got {row}")

    def __len__(self) -> int:
        return len(self.individuals)

    def __getitem__(self, key: tuple[str, int]) -> Haplotype:
        """Return one haplotype by (individual, copy), copy 0 or 1."""
        name, copy = key
        if copy not in (0, 1):
            raise SettingError(f"copy must be 0 or 1, got {copy!r}")
        if name not in self.individuals:
            raise UnknownNameError(
                f"individual {name} is not among these {len(self.individuals)}{near_names(str(name), self.individuals)}"
            )
        row = int(self.index[self.individuals.index(name), copy])
        if name in self.refused:
            raise GenotypeError(f"individual {name} has no haplotypes over {self.interval}: {self.refused[name]}")
        if row == ABSENT_COPY:
            raise UnknownNameError(f"individual {name} is haploid over {self.interval}: copy {copy} does not exist")
        return Haplotype(individual=name, copy=copy, row=row, haplotypes=self)


@attrs.frozen(kw_only=True, eq=False)
class Haplotype:
    """One copy of the window that one individual carries.

    Parameters
    ----------
    individual
        Name.
    copy
        0 or 1: first or second allele of a phased genotype.
    row
        Row in `Haplotypes.sequences`.
    haplotypes
        The whole that this is a part of.
    """

    individual: str
    copy: int
    row: int
    haplotypes: Haplotypes = attrs.field(repr=False)

    @cached_property
    def bases(self) -> npt.NDArray[np.uint8]:
        """The bases, uint8 ASCII ``(length,)``, read-only."""
        bases: npt.NDArray[np.uint8] = self.haplotypes.edits.build(
            slice(self.row, self.row + 1), self.haplotypes.length
        )[0]
        return bases

    @property
    def sequence(self) -> str:
        """The bases as text."""
        return self.bases.tobytes().decode("ascii")

    @cached_property
    def coordinates(self) -> CoordinateMap:
        """The map between this haplotype and the reference."""
        return self.haplotypes.coordinates(self.row)

    def to_reference(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the reference positions of bases; see `CoordinateMap.to_reference`."""
        return self.coordinates.to_reference(indices)

    def from_reference(self, positions: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the indices of reference bases; see `CoordinateMap.from_reference`."""
        return self.coordinates.from_reference(positions)

    @property
    def variants(self) -> pd.DataFrame:
        """The variants in the window: contig, position (1-based), id, ref, alt."""
        return self.haplotypes.variants(self.row)

    def __len__(self) -> int:
        return self.haplotypes.length
