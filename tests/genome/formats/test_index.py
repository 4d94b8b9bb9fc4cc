"""Tabix and CSI: the chunks of any interval hold all its records; damage is refused."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from types import ModuleType

import pysam
import pytest

from pgxeval import InputFileError
from pgxeval.genome.formats.bgzf import read_blocks
from pgxeval.genome.formats.index import open_index, read_index

LENGTH = 3_000_000


@pytest.fixture(scope="module", params=["tbi", "csi"])
def indexed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType
) -> tuple[Path, list[tuple[int, int]]]:
    """A VCF of records of 1 to 200,000 bases, and where each lies."""
    choose = random.Random(6)
    records = []
    for start in sorted(choose.sample(range(LENGTH - 200_000), 2_000)):
        length = choose.choice([1] * 400 + [50, 3_000, 20_000, 200_000])
        records.append((start, start + length))
    lines = [
        oracles.record_line(name, (start, "A" * (end - start), ["C" * 2]), ["0|1"])
        for name in ("x", "y")
        for start, end in records
    ]
    text = oracles.vcf_text({"x": LENGTH, "y": LENGTH}, ["p"], lines)
    path = oracles.write_vcf(tmp_path_factory.mktemp("index") / "v.vcf.gz", text, csi=request.param == "csi")
    return path, records


def test_chunks_hold_every_record(indexed: tuple[Path, list[tuple[int, int]]]) -> None:
    path, records = indexed
    index = open_index(str(path))
    assert index.contigs == ("x", "y")
    choose = random.Random(7)
    read, total = 0, path.stat().st_size
    for _ in range(60):
        start = choose.randrange(LENGTH)
        end = start + choose.choice([1, 100, 20_000, 500_000])
        row = choose.randrange(2)
        found = set()
        for begin, stop in index.chunks(row, start, end):
            read += (stop >> 16) - (begin >> 16)
            for line in b"".join(read_blocks(str(path), begin, stop)).split(b"\n"):
                columns = line.split(b"\t", 4)
                if columns[0] == index.contigs[row].encode():
                    found.add((int(columns[1]) - 1, int(columns[1]) - 1 + len(columns[3])))
        assert {record for record in records if record[0] < end and record[1] > start} <= found
    assert read < 60 * total / 2  # and not simply everything


def test_no_chunks(indexed: tuple[Path, list[tuple[int, int]]]) -> None:
    index = open_index(str(indexed[0]))
    assert index.chunks(0, 10, 10) == []
    assert index.chunks(5, 0, 10) == []
    assert index.chunks(0, 2**40, 2**41) == []


def test_damaged_indexes(tmp_path: Path, indexed: tuple[Path, list[tuple[int, int]]]) -> None:
    path = Path(open_index(str(indexed[0])).path)
    data = b"".join(read_blocks(str(path), 0))
    choose = random.Random(8)
    refused = 0
    for trial in range(200):
        damaged = bytearray(data)
        if trial % 2:
            del damaged[choose.randrange(4, len(data)) :]
        else:
            struct.pack_into(
                "<i", damaged, choose.randrange(0, min(len(data) - 4, 60)), choose.choice([-1, 2**31 - 1, 77])
            )
        file = tmp_path / "d.idx"
        with pysam.BGZFile(str(file), "wb") as out:
            out.write(bytes(damaged))
        try:
            read_index(str(file))
        except InputFileError as error:
            assert "d.idx" in str(error)  # noqa: PT017 (some fields do not matter)
            refused += 1
    assert refused > 100


def test_something_else(tmp_path: Path) -> None:
    file = tmp_path / "v.vcf.gz.tbi"
    with pysam.BGZFile(str(file), "wb") as out:
        out.write(b"hello")
    with pytest.raises(InputFileError, match="neither a tabix nor a CSI index"):
        read_index(str(file))
