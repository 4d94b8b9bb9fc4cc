"""Records of a VCF Zarr store: positions, identifiers and alleles as one text with bounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.genome.formats.calls import Records
from pgxeval.genome.formats.decoding import decoding_error
from pgxeval.genome.layout import MANY_ALLELES, MAX_ALLELES, NO_ALLELE

Ints = npt.NDArray[np.int64]


def make_records(  # noqa: PLR0917 (the columns of a table)
    path: str, contig: str, starts: list[int], ids: list[str], alleles: list[list[str]], passed: npt.NDArray[np.bool_]
) -> Records:
    """Make records of 0-based starts, IDs and alleles (REF first; empty texts at the end are padding)."""
    parts: list[str] = []
    counts = []
    for at, name, row in zip(starts, ids, alleles, strict=True):
        n_alleles = len(row)
        while n_alleles > 1 and not row[n_alleles - 1]:
            n_alleles -= 1
        texts = row[:n_alleles]
        if "" in texts or n_alleles > MAX_ALLELES:
            raise decoding_error(
                f"{path}: record {contig}:{at + 1}", NO_ALLELE if "" in texts else MANY_ALLELES, field="GT",
                n_individuals=0, n_alternatives=n_alleles - 1, previous=0,
            )  # fmt: skip
        parts.append(name or ".")
        parts += texts
        counts.append(n_alleles)
    if not "".join(parts).isascii():
        parts = [part.encode().decode("latin-1") for part in parts]  # one letter per byte, as `Records.strings` reads
    text = "".join(parts).encode("latin-1")
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    first_allele = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    id_rows = first_allele[:-1] + np.arange(len(counts))
    is_allele = np.ones(len(parts), np.bool_)
    is_allele[id_rows] = False
    return Records(
        contig=contig,
        starts=np.array(starts, np.int64),
        text=np.frombuffer(text, np.uint8),
        id_bounds=bounds[id_rows],
        allele_bounds=bounds[is_allele],
        first_allele=first_allele,
        passed=passed,
    )


def some_records(records: Records, rows: Ints) -> Records:
    """Return some records, for messages and numbers of alleles."""
    bounds = [records.allele_bounds[records.first_allele[row] : records.first_allele[row + 1]] for row in rows.tolist()]
    return Records(
        contig=records.contig,
        starts=records.starts[rows],
        text=records.text,
        id_bounds=records.id_bounds[rows],
        allele_bounds=np.concatenate([np.empty((0, 2), np.int64), *bounds]),
        first_allele=np.concatenate([[0], np.cumsum(records.n_alleles[rows])]),
        passed=records.passed[rows],
    )
