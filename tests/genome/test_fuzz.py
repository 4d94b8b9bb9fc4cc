"""Mutated real VCFs: the right answer, or a PgxevalError; never a crash, a hang or a silent difference.

The judge is a strict parser of VCF text, slow and short, and the slow implementation of haplotypes. `htslib` is
no judge here: it repairs, with a warning, much of what a mutation breaks.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest

from pgxeval import Interval, PersonalGenome, PgxevalError

N_CASES = 250  # thousands in validation/haplotypes.py


class RefusedError(Exception):
    """What the strict parser says to a file that is none."""


def strict_calls(text: bytes, contig: bytes, start: int, end: int) -> list[tuple[int, bytes, list[bytes], list]]:
    """Parse the records of a window: (start, REF, ALTs, calls); a call is (alleles, phased)."""
    rows, previous = [], 0
    body = text[text.index(b"#CHROM") :]
    header, *lines = body.split(b"\n")
    n = len(header.split(b"\t")) - 9
    for line in lines:
        if not line or line.startswith(b"#"):
            continue
        columns = line.split(b"\t", 9)
        if len(columns) < 10 or not columns[1].isdigit() or int(columns[1]) > 2**31:
            raise RefusedError
        if columns[0] != contig:
            continue
        position = int(columns[1])
        if position < previous:
            raise RefusedError
        previous = position
        if position - 1 >= end:
            break
        if position - 1 + len(columns[3]) <= start:
            continue
        if not columns[3] or not columns[4] or b"GT" not in columns[8].split(b":"):
            raise RefusedError
        alts = [] if columns[4] == b"." else columns[4].split(b",")
        cells = columns[9].removesuffix(b"\r").split(b"\t")
        if len(cells) != n or len(alts) > 126:
            raise RefusedError
        place = columns[8].split(b":").index(b"GT")
        rows.append((position - 1, columns[3], alts, [strict_call(cell, place, 1 + len(alts)) for cell in cells]))
    return rows


def strict_call(cell: bytes, place: int, n_alleles: int) -> tuple[tuple[int, ...], bool]:
    parts = cell.split(b":")
    call = parts[place] if place < len(parts) else b"."
    call = call or b"."
    if call[:1] in (b"|", b"/"):
        call = call[1:]
    copies = call.replace(b"/", b"|").split(b"|")
    if len(copies) > 2 or not all(copy == b"." or copy.isdigit() for copy in copies):
        raise RefusedError
    alleles = tuple(-1 if copy == b"." else int(copy) for copy in copies)
    if max(alleles) >= n_alleles:
        raise RefusedError
    return alleles, b"/" not in call


def mutate(choose: random.Random, text: bytes) -> bytes:
    """One to three changes below the header: of bytes, of cells, of lines."""
    begin = text.index(b"\n", text.index(b"#CHROM")) + 1
    head, body = text[:begin], bytearray(text[begin:])
    for _ in range(choose.randrange(1, 4)):
        at = choose.randrange(len(body))
        kind = choose.randrange(9)
        if kind == 0:
            body[at] = choose.choice(b"\t\n:,./|019ACGTN*<\x00\xff ")
        elif kind == 1:
            del body[at : at + choose.randrange(1, 6)]
        elif kind == 2:
            body[at:at] = choose.choice([b"\t", b"\n", b"0|1", b"1", b".", b"/1", b"\r", b":9"])
        elif kind == 3:
            del body[at:]
        elif kind == 4:
            lines = bytes(body).split(b"\n")
            i, j = choose.randrange(len(lines)), choose.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            body = bytearray(b"\n".join(lines))
        elif kind == 5:
            lines = bytes(body).split(b"\n")
            lines.insert(choose.randrange(len(lines)), choose.choice(lines))
            body = bytearray(b"\n".join(lines))
        else:  # a cell of a record becomes another that may be valid
            lines = bytes(body).split(b"\n")
            i = choose.randrange(len(lines))
            cells = lines[i].split(b"\t")
            j = choose.randrange(len(cells))
            cells[j] = choose.choice(
                [
                    b"0|1",
                    b"1|1",
                    b"0/1",
                    b"1",
                    b".",
                    b"./.",
                    b"1|.",
                    b"<DEL>",
                    b"*",
                    b"A,C",
                    b"GT:DP",
                    b"ACGT",
                    b"5",
                    b"",
                ]
            )
            lines[i] = b"\t".join(cells)
            body = bytearray(b"\n".join(lines))
    return head + bytes(body)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType, kgp: Path) -> tuple[bytes, Path, str]:
    return real_case(tmp_path_factory.mktemp("real"), oracles, kgp)


def real_case(folder: Path, oracles: ModuleType, kgp: Path) -> tuple[bytes, Path, str]:
    """Thirty records of six people of 1000 Genomes, and 4 kb of the reference around them."""
    lines = []
    with pysam.TabixFile(str(kgp / "variants.vcf.gz")) as source:
        for line in source.fetch("1", 900_000, 905_000):
            columns = line.split("\t")
            columns[1] = str(int(columns[1]) - 899_000)
            lines.append("\t".join([*columns[:7], ".", *columns[8:9], *columns[9:15]]))
    with pysam.FastaFile(str(kgp / "reference.fa")) as fasta:
        bases = fasta.fetch("1", 899_000, 903_000).upper()
    text = oracles.vcf_text({"1": len(bases)}, [f"p{i}" for i in range(6)], lines[:30])
    return text.encode(), oracles.write_fasta(folder / "r.fa", {"1": bases}), bases


def check_case(oracles: ModuleType, folder: Path, text: bytes, fasta: Path, bases: str, choose: random.Random) -> str:
    """Return what became of one file: ``refused`` or ``right``; anything else is an assertion that failed."""
    path = folder / "f.vcf.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(text)
    start = choose.randrange(900, 3_500)
    window = Interval("1", start, start + choose.randrange(1, 1_000))
    whole_file_index(Path(f"{path}.tbi"), path.stat().st_size)
    try:
        wanted = strict_calls(text, b"1", window.start, window.end)
    except RefusedError:
        wanted = None
    try:
        genome = PersonalGenome(path, fasta, unphased="as_written", ref_mismatch="skip", mixed_ploidy="reference")
        calls = genome.source.read("1", window.start, window.end)
    except PgxevalError:
        assert wanted is None, "a right file was refused"
        return "refused"
    assert wanted is not None, "a wrong file was read"
    assert calls.records.starts.tolist() == [row[0] for row in wanted]
    strings = calls.records.strings(calls.records.allele_bounds)
    assert strings == [part.decode("latin-1") for _, ref, alts, _ in wanted for part in (ref, *alts)]
    pairs = [[(*call[0], -2)[:2] for call in row[3]] for row in wanted]
    assert calls.alleles.tolist() == [[list(pair) for pair in row] for row in pairs]
    assert calls.phased.tolist() == [[call[1] for call in row[3]] for row in wanted]
    check_haplotypes(oracles, genome, text, bases, window)
    return "right"


def check_haplotypes(oracles: ModuleType, genome: PersonalGenome, text: bytes, bases: str, window: Interval) -> None:
    """Where the whole file is right, so are the haplotypes of the window."""
    try:
        rows = strict_calls(text, b"1", 0, len(bases))
    except RefusedError:
        return
    usable: list[tuple[int, str, Sequence[str]]] = []
    genotypes = []
    for at, ref, alts, calls in rows:
        if bases[at : at + len(ref)].upper() != ref.decode("latin-1").upper() or at < 0:
            continue
        usable.append((at, ref.decode(), [alt.decode("latin-1") for alt in alts]))
        genotypes.append([call[0] for call in calls])
    try:
        made = genome.haplotypes(window)
    except PgxevalError:
        pytest.fail("haplotypes of a right file were refused")
    for i, name in enumerate(genome.individuals):
        for copy in (0, 1):
            if made.index[i, copy] < 0:
                continue
            alleles = [(*calls[i], -2)[copy] for calls in genotypes]
            slow = oracles.slow_haplotype(bases, usable, alleles)
            cells = oracles.slow_window(slow, len(bases), window.start, window.end, window.start)
            assert made[name, copy].sequence == oracles.bases(cells)


def whole_file_index(path: Path, end: int) -> None:
    """Write a tabix index that gives the whole file of `end` bytes for every interval of contig 1."""
    end <<= 16
    header = struct.pack("<4s8i", b"TBI\x01", 1, 2, 1, 2, 0, ord("#"), 0, 2) + b"1\0"
    bins = struct.pack("<i", 1) + struct.pack("<IiQQ", 0, 1, 0, end)
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(header + bins + struct.pack("<i", 0))


def test_mutated_text(tmp_path: Path, oracles: ModuleType, real: tuple[bytes, Path, str]) -> None:
    text, fasta, bases = real
    choose = random.Random(10)
    outcomes = [check_case(oracles, tmp_path, mutate(choose, text), fasta, bases, choose) for _ in range(N_CASES)]
    assert outcomes.count("right") > N_CASES // 5
    assert outcomes.count("refused") > N_CASES // 5


@pytest.mark.parametrize("name", ["f.vcf.gz", "f.bcf"])
def test_mutated_bytes(tmp_path: Path, oracles: ModuleType, real: tuple[bytes, Path, str], name: str) -> None:
    """Of the compressed file or its index: the same answer as before, or refused."""
    text, fasta, _ = real
    path = oracles.write_vcf(tmp_path / name, text.decode())
    window = Interval("1", 1_500, 3_000)
    right = PersonalGenome(path, fasta).haplotypes(window).sequences.tobytes()
    index = next(Path(f"{path}{end}") for end in (".tbi", ".csi") if Path(f"{path}{end}").is_file())
    whole = {file: file.read_bytes() for file in (path, index)}
    choose = random.Random(11)
    refused = 0
    for _ in range(N_CASES):
        file = choose.choice([path, index])
        raw = bytearray(whole[file])
        at = choose.randrange(len(raw))
        if choose.random() < 0.2:
            del raw[at:]
        else:
            raw[at] ^= 1 << choose.randrange(8)
        file.write_bytes(raw)
        index.touch()
        try:
            assert PersonalGenome(path, fasta).haplotypes(window).sequences.tobytes() == right
        except PgxevalError:
            refused += 1
        file.write_bytes(whole[file])
    assert refused > N_CASES // 2


def test_mutated_records_of_bcf(tmp_path: Path, oracles: ModuleType, real: tuple[bytes, Path, str]) -> None:
    """Binary records whose checksums are made right again: no read beyond them, and no endless loop."""
    text, fasta, bases = real
    path = oracles.write_vcf(tmp_path / "f.bcf", text.decode())
    with pysam.BGZFile(str(path), "rb") as source:
        data = source.read()
    begin = 9 + int.from_bytes(data[5:9], "little")
    choose = random.Random(12)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(N_CASES):
        raw = bytearray(data)
        for _ in range(choose.randrange(1, 4)):
            raw[choose.randrange(begin, len(raw))] = choose.randrange(256)
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(bytes(raw[:begin]))
            first = out.tell()
            out.write(bytes(raw[begin:]))
        with pysam.BGZFile(f"{path}.csi", "wb") as out:
            out.write(
                struct.pack("<4s5iIQiQQ", b"CSI\x01", 14, 5, 0, 1, 1, 0, first, 1, first, path.stat().st_size << 16)
            )
        try:
            calls = PersonalGenome(path, fasta).source.read("1", 0, len(bases))
        except PgxevalError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        highest = np.where(calls.alleles < 0, 0, calls.alleles).max(axis=(1, 2), initial=0)
        assert (highest < calls.records.n_alleles).all()
        assert (np.diff(calls.records.starts) >= 0).all()
    assert min(outcomes.values()) > N_CASES // 10
