"""RecordIndex: which rows of a VCF Zarr store hold the records of an interval."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.zarr_store import ZarrFolder

_BLOCK_RECORDS = 1 << 20
_COLUMNS = 6
_CHUNK, _CONTIG, _FIRST_POSITION, _LAST_POSITION, _HIGHEST_END, _COUNT = range(_COLUMNS)

Ints = npt.NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class RecordIndex:
    """Stretches of records of one contig, each within one chunk of the store, in order of position.

    Parameters
    ----------
    first, stop
        int64 ``(n_stretches,)``: row of the first record, and one past the last.
    start
        int64 ``(n_stretches,)``: 0-based position of the first record.
    highest_end
        int64 ``(n_stretches,)``: highest 0-based end of a record of this stretch and those before.
    """

    first: Ints
    stop: Ints
    start: Ints
    highest_end: Ints

    def near(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return ranges of rows that hold all records that overlap ``[start, end)``, 0-based."""
        near = np.flatnonzero((self.start < end) & (self.highest_end > start))
        if not near.size:
            return []
        first, stop = self.first[near], self.stop[near]
        cuts = np.flatnonzero(first[1:] != stop[:-1]) + 1
        begins = first[np.concatenate([[0], cuts])]
        ends = stop[np.concatenate([cuts - 1, [near.size - 1]])]
        return list(zip(begins.tolist(), ends.tolist(), strict=True))


def index_records(folder: ZarrFolder, contigs: Sequence[str]) -> dict[str, RecordIndex]:
    """Return the index of each contig that has records: from ``region_index``, or made from positions.

    Raises
    ------
    InputFileError
        If the records are not sorted, or ``region_index`` belongs to another version of the store.
    """
    table = _stored(folder)
    table = _made(folder) if table is None else table
    first = np.cumsum(table[:, _COUNT]) - table[:, _COUNT]
    numbers = table[:, _CONTIG]
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(contigs):
        raise InputFileError(
            f"{folder.path}: variant_contig names a contig that is not among the {len(contigs)} of the store"
        )
    whole = int(table[:, _COUNT].sum()) == folder.shape("variant_position")[0] and (table[:, _COUNT] > 0).all()
    if not whole or (first // folder.chunk_length("variant_position") != table[:, _CHUNK]).any():
        raise InputFileError(
            f"{folder.path}: region_index belongs to another version of the store; convert the VCF again"
        )
    indexes = {}
    for number in np.unique(numbers).tolist():
        mine = numbers == number
        part = table[mine]
        positions = part[:, [_FIRST_POSITION, _LAST_POSITION]].ravel()
        if (np.diff(positions) < 0).any():
            raise InputFileError(
                f"{folder.path}: not sorted: the records of contig {contigs[number]} are not in order of position; run "
                "`bcftools sort` and convert the result"
            )
        indexes[contigs[number]] = RecordIndex(
            first=first[mine],
            stop=first[mine] + part[:, _COUNT],
            start=part[:, _FIRST_POSITION] - 1,
            highest_end=np.maximum.accumulate(part[:, _HIGHEST_END]),
        )
    return indexes


def _stored(folder: ZarrFolder) -> Ints | None:
    """Return ``region_index``: chunk, contig, first and last position, highest end (1-based, closed), records."""
    if "region_index" not in folder:
        return None
    table = folder.read("region_index")
    return table.astype(np.int64) if table.ndim == 2 and table.shape[1] == _COLUMNS else None


def _made(folder: ZarrFolder) -> Ints:
    """Return what ``region_index`` would hold."""
    n_records, chunk = folder.shape("variant_position")[0], folder.chunk_length("variant_position")
    rows = []
    step = max(1, _BLOCK_RECORDS // chunk) * chunk
    for begin in range(0, n_records, step):
        end = min(begin + step, n_records)
        contigs = folder.read("variant_contig", begin, end).astype(np.int64)
        positions = folder.read("variant_position", begin, end).astype(np.int64)
        if "variant_length" in folder:
            lengths = folder.read("variant_length", begin, end).astype(np.int64)
        else:
            lengths = np.array([len(row[0]) for row in folder.read("variant_allele", begin, end).tolist()], np.int64)
        row = np.arange(begin, end)
        begins = np.flatnonzero((row % chunk == 0) | (np.diff(contigs, prepend=-1) != 0))
        for at, stop in zip(begins.tolist(), [*begins[1:].tolist(), end - begin], strict=True):
            here = positions[at:stop]
            highest = int((here + lengths[at:stop]).max()) - 1
            rows.append((row[at] // chunk, contigs[at], here[0], here[-1], highest, stop - at))
    return np.array(rows, np.int64).reshape(-1, _COLUMNS)
