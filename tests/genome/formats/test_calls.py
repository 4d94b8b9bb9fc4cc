"""Records: what is derived from their columns, against plain lists."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.genome.formats.calls import Records

ROWS = [(4, "rs1", ["A", "C"]), (9, ".", ["ACG", "A", "ACGT"]), (9, "x;y", ["T"])]


@pytest.fixture
def records() -> Records:
    text, ids, alleles, first = b"", [], [], [0]
    for _, name, letters in ROWS:
        for part, bounds in ((name, ids), *((letter, alleles) for letter in letters)):
            bounds.append((len(text), len(text) + len(part)))
            text += part.encode()
        first.append(len(alleles))
    return Records(
        contig="chr1",
        starts=np.array([start for start, *_ in ROWS], np.int64),
        text=np.frombuffer(text, np.uint8),
        id_bounds=np.array(ids, np.int64),
        allele_bounds=np.array(alleles, np.int64),
        first_allele=np.array(first, np.int64),
        passed=np.ones(len(ROWS), np.bool_),
    )


def test_counts_ends_and_texts(records: Records) -> None:
    assert records.n_records == len(ROWS)
    assert records.n_alleles.tolist() == [len(alleles) for *_, alleles in ROWS]
    assert records.record_of.tolist() == [row for row, (*_, alleles) in enumerate(ROWS) for _ in alleles]
    assert records.ends.tolist() == [start + len(alleles[0]) for start, _, alleles in ROWS]
    assert records.strings(records.id_bounds) == [name for _, name, _ in ROWS]
    assert records.strings(records.allele_bounds) == [letter for *_, alleles in ROWS for letter in alleles]


def test_variants_are_one_row_per_alternative_allele(records: Records) -> None:
    rows = np.array([1, 3, 4], np.int64)  # rows of allele_bounds that hold an ALT allele
    table = records.variants(rows)
    assert table["ref"].tolist() == ["A", "ACG", "ACG"]
    assert table["alt"].tolist() == ["C", "A", "ACGT"]
    assert len(table) == 3
