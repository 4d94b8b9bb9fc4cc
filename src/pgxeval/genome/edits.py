"""Edits: what each ALT allele changes, and the windows that are made of them."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.genome.coordinates import CoordinateMap
from pgxeval.genome.formats.calls import Records
from pgxeval.genome.layout import (
    EDIT_END,
    EDIT_START,
    EDIT_WIDTH,
    FIRST,
    LAST,
    LEFT,
    NEW_BEGIN,
    NEW_END,
    RIGHT,
    SKIP,
)


def describe(
    records: Records,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """Return what each allele is.

    Parameters
    ----------
    records
        Records of a window.

    Returns
    -------
    tuple of numpy.ndarray
        The text of the records in upper case (uint8); the kind of each allele (int8 ``(n_alleles,)``); its
        edit (int64 ``(n_alleles, 7)``): both as `pgxeval.genome.allele_kernel` defines them.
    """
    from pgxeval.genome.allele_kernel import describe_alleles

    lower = (records.text >= ord("a")) & (records.text <= ord("z"))
    text = np.where(lower, records.text - np.uint8(32), records.text)
    kinds = np.empty(len(records.allele_bounds), np.int8)
    table = np.empty((kinds.size, EDIT_WIDTH), np.int64)
    describe_alleles(text, records.allele_bounds, records.first_allele, records.starts, kinds, table)
    return text, kinds, table


@attrs.frozen(kw_only=True, eq=False)
class Edits:
    """What the distinct haplotypes of a window are made of; all positions 0-based.

    Parameters
    ----------
    reference
        uint8: upper-case bases from position `origin` on, N off the contig.
    origin
        Position of the first base of `reference`.
    contig_length
        Bases of the contig.
    text
        uint8: the bases of all ALT alleles, upper case.
    table
        int64 ``(n_alleles, 7)``, as `pgxeval.genome.allele_kernel.describe_alleles` fills it.
    applied
        int32: rows of `table`, haplotype by haplotype.
    placements
        int64 ``(n_distinct, 8)``, as `pgxeval.genome.window_kernel.place_windows` fills it.
    """

    reference: npt.NDArray[np.uint8]
    origin: int
    contig_length: int
    text: npt.NDArray[np.uint8]
    table: npt.NDArray[np.int64]
    applied: npt.NDArray[np.int32]
    placements: npt.NDArray[np.int64]

    def build(self, rows: slice | npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint8]:
        """Write the sequences of some rows of `placements`: uint8 ``(n_rows, length)``, read-only."""
        from pgxeval.genome.window_kernel import build_sequences

        placements = self.placements[rows]
        sequences = np.empty((len(placements), length), np.uint8)
        build_sequences(self.reference, self.origin, self.text, self.table, self.applied, placements, sequences)
        sequences.flags.writeable = False
        return sequences

    def taken(self, row: int) -> npt.NDArray[np.int64]:
        """Return the rows of `table` in the window of one row of `placements`."""
        place = self.placements[row]
        return self.applied[place[FIRST] : place[LAST]].astype(np.int64)

    def coordinates(self, row: int, length: int) -> CoordinateMap:
        """Return the map of one row of `placements`."""
        edits = self.table[self.taken(row)]
        new = edits[:, NEW_END] - edits[:, NEW_BEGIN]
        shifts = edits[:, EDIT_END] - edits[:, EDIT_START] != new
        edits, new = edits[shifts], new[shifts]
        place = self.placements[row]
        if place[SKIP]:  # the window begins inside of the new bases of its first edit
            new[0] -= place[SKIP]
        reference = np.concatenate([[place[LEFT]], edits[:, EDIT_END]])
        ends = np.concatenate([edits[:, EDIT_START], [place[RIGHT]]])
        lengths = ends - reference
        starts = np.concatenate([[0], np.cumsum(lengths[:-1] + new)])
        lengths = np.minimum(lengths, length - starts)
        # N off the contig is not a reference base.
        before = np.clip(-reference, 0, None)
        reference, starts, lengths = reference + before, starts + before, lengths - before
        lengths = np.minimum(lengths, self.contig_length - reference)
        nonempty = lengths > 0
        return CoordinateMap(
            haplotype_starts=starts[nonempty], reference_starts=reference[nonempty], lengths=lengths[nonempty]
        )
