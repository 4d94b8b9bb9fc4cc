"""Headers of VCF and BCF: any length, cut into blocks anywhere; contigs with and without records; the index's truth."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from types import ModuleType

import pysam
import pytest

from pgxeval import InputFileError, Interval, PersonalGenome, PgxevalWarning
from pgxeval.genome.formats.bgzf import END_OF_FILE
from pgxeval.genome.formats.opening import open_genotypes


def bgzf_block(data: bytes) -> bytes:
    """One BGZF block, made by hand from the specification."""
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(body) + 25)
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def write_blocks(path: Path, text: bytes, cuts: list[int]) -> Path:
    """Write text as blocks that end at given places, and no block above 60 kB; index it by htslib."""
    edges = sorted({0, len(text), *cuts, *range(0, len(text), 60_000)})
    blocks = [bgzf_block(text[a:b]) for a, b in itertools.pairwise(edges)]
    path.write_bytes(b"".join(blocks) + END_OF_FILE)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def header_of(size: int) -> tuple[list[str], str]:
    """Lines of about `size` bytes together, and records."""
    n_lines = max(1, size // 100)
    return [f'##made_by=<ID=step{k},Text="{"x" * 70}">' for k in range(n_lines)], ""


@pytest.mark.parametrize("size", [10_000, 66_000, 300_000, 10_000_000])
def test_long_headers_cut_anywhere(tmp_path: Path, oracles: ModuleType, size: int) -> None:
    lines = [oracles.record_line("c", (at, "A", ["C"]), ["0|1", "1|0"]) for at in range(5, 50)]
    text = oracles.vcf_text({"c": 99}, ["p0", "p1"], lines, header_of(size)[0]).encode()
    ends = [i + 1 for i, letter in enumerate(text[:400_000]) if letter == 10]
    last = text.index(b"#CHROM")
    choose = random.Random(size)
    places = {
        "at line ends": choose.sample(ends, min(5, len(ends))),
        "at the end of the ## lines": [last],
        "within #CHROM": [last + 3],
        "after #CHROM": [text.index(b"\n", last) + 1],
        "within a line": [choose.choice(ends) - 40],
        "after a hash": [choose.choice(ends[:-2]) + 1],
        "before a line end": [choose.choice(ends) - 1],
        "within the first record": [text.index(b"\n", last) + 4],
    }
    if size > 1_000_000:
        places = {name: places[name] for name in ("at line ends", "at the end of the ## lines", "within #CHROM")}
    for name, cuts in places.items():
        source = open_genotypes(write_blocks(tmp_path / "v.vcf.gz", text, cuts))
        assert source.individuals == ("p0", "p1"), name
        assert source.read("c", 0, 99).records.starts.tolist() == list(range(5, 50)), name


def test_every_cut_of_a_small_header(tmp_path: Path, oracles: ModuleType) -> None:
    text = oracles.vcf_text({"c": 99}, ["p0"], [oracles.record_line("c", (5, "A", ["C"]), ["0|1"])]).encode()
    for cut in [*range(1, len(text), 5), *range(text.index(b"#CHROM") - 3, text.index(b"#CHROM") + 3)]:
        path = write_blocks(tmp_path / "v.vcf.gz", text, [cut])
        assert open_genotypes(path).read("c", 0, 99).records.starts.tolist() == [5], cut


def test_bgzip_that_ends_blocks_at_line_ends(tmp_path: Path, oracles: ModuleType) -> None:
    text = oracles.vcf_text(
        {"c": 99}, ["p0"], [oracles.record_line("c", (5, "A", ["C"]), ["0|1"])], header_of(200_000)[0]
    )
    lines = [line + b"\n" for line in text.encode().split(b"\n")[:-1]]
    cuts, size, at = [], 0, 0
    for line in lines:
        if size + len(line) > 0xFF00:
            cuts.append(at)
            size = 0
        size, at = size + len(line), at + len(line)
    assert len(cuts) > 2
    assert open_genotypes(write_blocks(tmp_path / "v.vcf.gz", text.encode(), cuts)).individuals == ("p0",)


def test_appended_files(tmp_path: Path, oracles: ModuleType, bcftools: ModuleType) -> None:
    """``bcftools concat --naive`` leaves empty blocks between the files."""
    del bcftools
    parts = []
    for k in range(2):
        lines = [oracles.record_line("c", (at, "A", ["C"]), ["0|1"]) for at in range(50 * k + 5, 50 * k + 9)]
        parts.append(oracles.write_vcf(tmp_path / f"{k}.vcf.gz", oracles.vcf_text({"c": 99}, ["p0"], lines)))
    whole = tmp_path / "whole.vcf.gz"
    subprocess.run(["bcftools", "concat", "--naive", "-o", whole, *parts], check=True, capture_output=True)
    pysam.tabix_index(str(whole), preset="vcf", force=True)
    assert open_genotypes(whole).read("c", 0, 99).records.starts.tolist() == [5, 6, 7, 8, 55, 56, 57, 58]


def test_not_a_vcf(tmp_path: Path) -> None:
    for text in (b"chr1\t5\t9\tname\n" * 9, b"\x00\xff\xfe" * 300_000, b"##fileformat=VCFv4.2\n"):
        path = tmp_path / "v.vcf.gz"
        path.write_bytes(b"".join(bgzf_block(text[i : i + 60_000]) for i in range(0, len(text), 60_000)) + END_OF_FILE)
        with pytest.raises(InputFileError, match="this is not a VCF file"):
            open_genotypes(path)


# --- contigs


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
@pytest.mark.parametrize("declared", [["chr1"], ["chr1", "1"], ["1", "chr1", "chr2"]])
def test_a_name_with_records_wins(tmp_path: Path, oracles: ModuleType, name: str, declared: list[str]) -> None:
    """The header declares ``chr1``, or both names, and the records have ``1``."""
    lines = [oracles.record_line("1", (5, "A", ["C"]), ["0|1"])]
    if name == "v.bcf" and "1" not in declared:
        pytest.skip("BCF declares every contig that it has records of")
    path = oracles.write_vcf(tmp_path / name, oracles.vcf_text(dict.fromkeys(declared, 248956422), ["p0"], lines))
    genome = PersonalGenome(path)
    assert genome.contigs == (("1", "chr2") if "chr2" in declared else ("1",))
    for asked in ("chr1", "1"):
        assert genome.dosages(Interval(asked, 0, 99)).values.tolist() == [[1]]
    assert genome.contig_lengths["1"] == 248956422


def test_declared_contigs_without_records_are_empty(tmp_path: Path, oracles: ModuleType) -> None:
    lines = [oracles.record_line("chr1", (5, "A", ["C"]), ["0|1"])]
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"chr1": 99, "chr2": 99}, ["p0"], lines))
    assert PersonalGenome(path).dosages(Interval("2", 0, 99)).values.shape == (1, 0)


# --- an index that belongs to another version of the file


def versions(tmp_path: Path, oracles: ModuleType, suffix: str) -> dict[str, Path]:
    """Files of the same individuals: the first, with more records at the end or the beginning, and a longer header."""
    records = {"first": range(1_000, 30_000, 10), "longer": range(1_000, 60_000, 10), "earlier": range(10, 30_000, 10)}
    made = {}
    for name, starts in (*records.items(), ("header", records["first"])):
        lines = [oracles.record_line("c", (at, "A", ["C"]), ["0|1", "1|1"]) for at in starts]
        header = ["##note=" + "x" * 70_000] if name == "header" else []
        text = oracles.vcf_text({"c": 99_999}, ["p0", "p1"], lines, header)
        made[name] = oracles.write_vcf(tmp_path / f"{name}{suffix}", text)
    return made


@pytest.mark.parametrize("suffix", [".vcf.gz", ".bcf"])
@pytest.mark.parametrize("when", [-100_000, 100_000])
def test_index_of_another_version(tmp_path: Path, oracles: ModuleType, suffix: str, when: float) -> None:
    """Whether the index is older or newer than the file, it is named as the cause; so are records that it lacks."""
    made = versions(tmp_path, oracles, suffix)
    index_of = {name: next(Path(f"{path}{end}") for end in (".tbi", ".csi") if Path(f"{path}{end}").exists())
                for name, path in made.items()}  # fmt: skip
    for name, path in made.items():
        if name == "first":
            continue
        shutil.copy(index_of["first"], index_of[name])
        os.utime(index_of[name], (path.stat().st_mtime + when,) * 2)
        message = "its first record is not where" if name == "header" else "records follow the last one"
        age = f"written 28 hours {'before' if when < 0 else 'after'} the file"
        warned = pytest.warns(PgxevalWarning, match="is older than") if when < 0 else contextlib.nullcontext()
        with (
            warned,
            pytest.raises(InputFileError, match=f"{message}.*{age}.* another version of the file; index it again"),
        ):
            open_genotypes(path)


def test_index_of_a_longer_version(tmp_path: Path, oracles: ModuleType) -> None:
    made = versions(tmp_path, oracles, ".vcf.gz")
    shutil.copy(f"{made['longer']}.tbi", f"{made['first']}.tbi")
    with pytest.raises(InputFileError, match=r"belongs to another version of (it|the file)"):
        open_genotypes(made["first"]).read("c", 0, 99_999)


def test_index_of_no_records(tmp_path: Path, oracles: ModuleType) -> None:
    empty = oracles.write_vcf(tmp_path / "empty.vcf.gz", oracles.vcf_text({"c": 99}, ["p0"], []))
    assert open_genotypes(empty).read("c", 0, 99).records.n_records == 0
    lines = [oracles.record_line("c", (5, "A", ["C"]), ["0|1"])]
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 99}, ["p0"], lines))
    shutil.copy(f"{empty}.tbi", f"{path}.tbi")
    with pytest.raises(InputFileError, match="records follow the last one that its index knows"):
        open_genotypes(path)


def test_index_of_another_format_version(tmp_path: Path, oracles: ModuleType) -> None:
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 99}, ["p0"], []))
    with pysam.BGZFile(f"{path}.tbi", "rb") as old:
        data = old.read()
    with pysam.BGZFile(f"{path}.tbi", "wb") as new:
        new.write(b"TBI\x02" + data[4:])
    with pytest.raises(InputFileError, match=r"format TBI version 02; version 1 is read"):
        open_genotypes(path)


# --- one bad record or block


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("c\t2001\t.\tA\tC\t.\t.\t.\tGT\t0|1|1\t0|0", r"record c:2001: a genotype of more than two copies"),
        ("c\t2001\t.\tA\tC\t.\t.\t.\tDP\t3\t4", r"record c:2001: no GT among its FORMAT fields"),
    ],
)
@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_one_bad_record_is_named_and_the_rest_is_read(
    tmp_path: Path, oracles: ModuleType, name: str, bad: str, complaint: str
) -> None:
    lines = [oracles.record_line("c", (at, "A", ["C"]), ["0|1", "1|1"]) for at in (10, 1_000, 3_000)]
    path = oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": 9_999}, ["p0", "p1"], [*lines[:2], bad, lines[2]]))
    genome = PersonalGenome(path)
    assert genome.dosages("c:1-2,000").values.tolist() == [[1, 1], [2, 2]]
    assert genome.dosages("c:2,002-9,999").values.tolist() == [[1], [2]]
    with pytest.raises(InputFileError, match=complaint):
        genome.dosages("c:1-9,999")


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_a_bad_block_names_the_interval(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    choose = random.Random(3)
    lines = [
        oracles.record_line("c", (at, "A", ["C"]), [choose.choice(["0|0", "0|1", "1|1"]) for _ in range(200)])
        for at in range(0, 400_000, 100)
    ]
    path = oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": 999_999}, [f"p{i}" for i in range(200)], lines))
    genome = PersonalGenome(path)
    right = genome.dosages(Interval("c", 0, 20_000)).values
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    index = next(Path(f"{path}{end}") for end in (".tbi", ".csi") if Path(f"{path}{end}").is_file())
    index.touch()
    genome = PersonalGenome(path)
    assert (genome.dosages(Interval("c", 0, 20_000)).values == right).all()
    with pytest.raises(
        InputFileError, match=r"(damaged|no) BGZF block at byte \d+.*while c:0-400000 \(0-based\) was read"
    ):
        genome.dosages(Interval("c", 0, 400_000))
