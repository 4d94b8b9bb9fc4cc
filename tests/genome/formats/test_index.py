"""Tabix and CSI: the chunks of any interval hold all its records; damage is refused."""

from __future__ import annotations

import random
import struct
import tracemalloc
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest

from pgxeval import InputFileError, Interval, PersonalGenome, PgxevalError, PgxevalWarning
from pgxeval.genome.formats.bgzf import read_blocks
from pgxeval.genome.formats.index import read_index
from pgxeval.genome.formats.index_checks import open_index

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


# --- absurd numbers, and files that are something else


def tabix(
    *, n_contigs: int = 1, names: bytes = b"c\0", n_bins: int = 1, n_chunks: int = 1, n_windows: int = 0
) -> bytes:
    """A tabix index whose counts may lie."""
    head = struct.pack("<4s8i", b"TBI\x01", n_contigs, 2, 1, 2, 0, ord("#"), 0, len(names)) + names
    return head + struct.pack("<iIi2Q", n_bins, 4681, n_chunks, 0, 1 << 40) + struct.pack("<i", n_windows)


HUGE = [2**31 - 1, -1, -(2**31), 10**6]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("name", ["n_contigs", "n_bins", "n_chunks", "n_windows"])
def test_absurd_counts(tmp_path: Path, name: str, number: int) -> None:
    file = tmp_path / "a.vcf.gz.tbi"
    with pysam.BGZFile(str(file), "wb") as out:
        out.write(tabix(**{name: number}))  # type: ignore[arg-type]
    tracemalloc.start()
    with pytest.raises(InputFileError, match=r"a\.vcf\.gz\.tbi: damaged index"):
        read_index(str(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_an_index_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros compress a thousandfold."""
    monkeypatch.setattr("pgxeval.genome.formats.index._MAX_BYTES", 1 << 22)
    file = tmp_path / "z.vcf.gz.tbi"
    with pysam.BGZFile(str(file), "wb") as out:
        for _ in range(10):
            out.write(b"\0" * (1 << 20))
    with pytest.raises(InputFileError, match="which no index of variants has"):
        read_index(str(file))


def test_bins_that_occur_twice(tmp_path: Path) -> None:
    file = tmp_path / "b.vcf.gz.tbi"
    with pysam.BGZFile(str(file), "wb") as out:
        head = struct.pack("<4s8i", b"TBI\x01", 1, 2, 1, 2, 0, ord("#"), 0, 2) + b"c\0"
        out.write(head + struct.pack("<i", 2) + 2 * struct.pack("<Ii2Q", 4681, 1, 0, 1 << 20) + struct.pack("<i", 0))
    with pytest.raises(InputFileError, match="a bin occurs twice"):
        read_index(str(file))


JUNK = [
    b"",
    b"hello\n",
    bytes(range(256)) * 300,
    b"\x1f\x8b" + b"\0" * 50,
    b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
    b"#CHROM\tPOS\n" * 99,
    b"\xff" * 5,
]


def test_sidecars_that_are_not_ours(tmp_path: Path, oracles: ModuleType) -> None:
    """Of each format every sidecar, replaced by junk: an error of this library, or the right answer."""
    lines = [oracles.record_line("c", (at, "A", ["C"]), ["0|1", "1|1"]) for at in range(5, 50)]
    text = oracles.vcf_text({"c": 99}, ["a", "b"], lines)
    made = {".tbi": oracles.write_vcf(tmp_path / "t.vcf.gz", text)}
    made[".csi"] = oracles.write_vcf(tmp_path / "c.vcf.gz", text, csi=True)
    bcf = oracles.write_vcf(tmp_path / "b.bcf", text)
    cases = [(path, Path(f"{path}{suffix}")) for suffix, path in made.items()] + [(bcf, Path(f"{bcf}.csi"))]
    pgenlib = pytest.importorskip("pgenlib")
    pgen = tmp_path / "p.pgen"
    with pgenlib.PgenWriter(str(pgen).encode(), 2, variant_ct=1, nonref_flags=False) as writer:
        writer.append_alleles(np.array([0, 1, 1, 1], np.int32))
    pgen.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\nc\t6\t.\tA\tC\n")
    pgen.with_suffix(".psam").write_text("#IID\na\nb\n")
    cases += [(pgen, pgen.with_suffix(suffix)) for suffix in (".pgen", ".pvar", ".psam")]
    zst = tmp_path / "z.pgen"
    zst.write_bytes(pgen.read_bytes())
    zst.with_suffix(".psam").write_text("#IID\na\nb\n")
    zst.with_suffix(".pvar.zst").write_bytes(b"")
    cases.append((zst, zst.with_suffix(".pvar.zst")))
    others = [Path(f"{made['.tbi']}.tbi").read_bytes(), pgen.read_bytes(), b"#CHROM POS ID REF ALT\nc " + b"9" * 5000]
    refused = 0
    for path, sidecar in cases:
        right = sidecar.read_bytes()
        for junk in [*JUNK, *others, right[:-1], right[: len(right) // 2]]:
            sidecar.write_bytes(junk)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PgxevalWarning)
                try:
                    PersonalGenome(path).dosages(Interval("c", 0, 99))
                except PgxevalError as error:
                    refused += 1
                    assert str(tmp_path) in str(error)  # noqa: PT017 (either outcome is right)
                    assert len(str(error)) < 1_000  # noqa: PT017
        sidecar.write_bytes(right)
    assert refused > 70


def test_absurd_positions(tmp_path: Path, oracles: ModuleType) -> None:
    """5,000 digits, negative, beyond 31 bits: named in a short message."""
    for digits in ("9" * 5000, "-5", "2147483649", "1e5", "", "５"):
        path = tmp_path / "p.vcf.gz"
        text = oracles.vcf_text({"c": 99}, ["a"], ["\t".join(["c", "5", ".", "A", "C", ".", ".", ".", "GT", "0|1"])])
        oracles.write_vcf(path, text)
        index = Path(f"{path}.tbi").read_bytes()
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text.replace("c\t5\t", f"c\t{digits}\t").encode())
        Path(f"{path}.tbi").write_bytes(index)
        with pytest.raises(PgxevalError) as error:
            PersonalGenome(path).dosages(Interval("c", 0, 99))
        assert len(str(error.value)) < 600
