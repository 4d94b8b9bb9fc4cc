"""Every source of genotypes against htslib's own parsing (pysam), and against each other; and bad files."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import InputFileError, InputFileNotFoundError
from pgxeval.genome.formats import decoding
from pgxeval.genome.formats.calls import Calls
from pgxeval.genome.formats.opening import open_genotypes

NAMES = ["a", "b", "c"]


def judged(path: Path, contig: str, start: int, end: int) -> list[tuple[object, ...]]:
    """What htslib says: start, id, alleles, passed, calls (missing -1, absent -2) and phase of heterozygotes."""
    rows = []
    with pysam.VariantFile(str(path)) as judge:
        for record in judge.fetch(contig):
            if not (record.start < end and record.start + len(record.ref) > start):
                continue
            pairs, phased = [], []
            for sample in record.samples.values():
                pair = [-1 if allele is None else allele for allele in sample["GT"]]
                pairs.append((*pair, -2)[:2])
                phased.append(sample.phased or len(pair) == 1)
            passed = list(record.filter.keys()) in ([], ["PASS"])
            rows.append((record.start, record.id or ".", record.alleles, passed, pairs, phased))
    return rows


def told(given: Calls) -> list[tuple[object, ...]]:
    records = given.records
    strings = records.strings(records.allele_bounds)
    ids = records.strings(records.id_bounds)
    return [
        (
            int(records.starts[i]),
            ids[i],
            tuple(strings[records.first_allele[i] : records.first_allele[i + 1]]),
            bool(records.passed[i]),
            [tuple(pair) for pair in given.alleles[i].tolist()],
            given.phased[i].tolist(),
        )
        for i in range(records.n_records)
    ]


@st.composite
def cells(draw: st.DrawFn, n_alleles: int) -> str:
    allele = st.one_of(st.just("."), st.integers(0, n_alleles - 1).map(str))
    first = draw(allele)
    if draw(st.integers(0, 5)) == 0:
        return first
    return first + draw(st.sampled_from("|/")) + draw(allele)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    made = []
    starts = sorted(draw(st.lists(st.integers(1, 400), max_size=12)))
    for position in starts:
        ref = draw(st.text("ACGT", min_size=1, max_size=12))
        alts = draw(
            st.lists(
                st.one_of(st.text("ACGT", min_size=1, max_size=4), st.sampled_from(["*", "<DEL>", "N[c:9["])),
                max_size=draw(st.sampled_from([1, 1, 3, 14])),
                unique=True,
            )
        )
        alts = [alt for alt in alts if alt != ref]
        shape = draw(st.sampled_from(["GT", "GT:DP", "GT:AD:DP:GQ:PL", "GT:DP:AD"]))
        row = []
        for _ in NAMES:
            cell = draw(cells(1 + len(alts)))
            parts = {"GT": cell, "DP": "7", "AD": ",".join(["3"] * (1 + len(alts))), "GQ": "9", "PL": "."}
            fields = [parts[key] for key in shape.split(":")]
            row.append(":".join(fields[: draw(st.integers(1, len(fields)))]))
        passed = draw(st.sampled_from(["PASS", ".", "LowQ"]))
        name = draw(st.sampled_from([".", "rs1", "rs1;rs2"]))
        made.append("\t".join(["c", str(position), name, ref, ",".join(alts) or ".", "30", passed, ".", shape, *row]))
    return made


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=lines(), start=st.integers(0, 420), length=st.integers(1, 300))
def test_equals_htslib(
    tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType, made: list[str], start: int, length: int
) -> None:
    folder = tmp_path_factory.mktemp("g")
    text = oracles.vcf_text({"c": 1000}, NAMES, made)
    tabix = oracles.write_vcf(folder / "t.vcf.gz", text)
    csi = oracles.write_vcf(folder / "c.vcf.gz", text, csi=True)
    bcf = oracles.write_vcf(folder / "b.bcf", text)
    for low, high in ((start, start + length), (0, 1000)):
        wanted = judged(tabix, "c", low, high)
        for path in (tabix, csi, bcf):
            source = open_genotypes(path)
            assert source.individuals == ("a", "b", "c")
            assert told(source.read("c", low, high)) == wanted, path.name


def test_lines_of_ten_or_more_alleles_and_one_digit_lines_mix(tmp_path: Path, oracles: ModuleType) -> None:
    alts = ["A" * i for i in range(2, 14)]
    made = [
        oracles.record_line("c", (9, "A", alts), ["10|3", "0|12", "./."]),
        oracles.record_line("c", (20, "A", ["C"]), ["0|1", "1|1", "0|0"]),
        oracles.record_line("c", (30, "A", ["C"]), ["0", "1", "."]),
        oracles.record_line("c", (40, "A", ["C"]), ["0|1", "1", "0|0"]),
    ]
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 99}, NAMES, made))
    assert told(open_genotypes(path).read("c", 0, 99)) == judged(path, "c", 0, 99)


def test_genotype_need_not_be_the_first_field(tmp_path: Path, oracles: ModuleType) -> None:
    """The specification wants it first, and pysam relies on it; older callers did not."""
    line = "\t".join(["c", "5", ".", "A", "C", ".", ".", ".", "DP:GT:GQ", "7:0|1:3", "7:1", "7"])
    for name in ("v.vcf.gz", "v.bcf"):
        path = oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": 99}, NAMES, [line]))
        assert told(open_genotypes(path).read("c", 0, 99))[0][4:] == ([(0, 1), (1, -2), (-1, -2)], [True, True, True])


def test_windows_line_ends_and_missing_last_newline(tmp_path: Path, oracles: ModuleType) -> None:
    made = [oracles.record_line("c", (i, "A", ["C"]), ["0|1", "1|0", "0|0"]) for i in range(5, 9)]
    text = oracles.vcf_text({"c": 99}, NAMES, made)
    unix = oracles.write_vcf(tmp_path / "u.vcf.gz", text)
    windows = tmp_path / "w.vcf.gz"
    with pysam.BGZFile(str(windows), "wb") as out:
        out.write(text.replace("\n", "\r\n").rstrip().encode())
    pysam.tabix_index(str(windows), preset="vcf", force=True)
    source = open_genotypes(windows)
    assert source.individuals == ("a", "b", "c")
    assert told(source.read("c", 0, 99)) == told(open_genotypes(unix).read("c", 0, 99))


def test_many_records_cross_blocks_and_buffers(
    tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one block of the file, one buffer of lines and one room of records."""
    monkeypatch.setattr(decoding, "_ROOM_BYTES", 1)
    choose = np.random.default_rng(3)
    names = [f"s{i}" for i in range(200)]
    made = []
    for i in range(800):
        cells_ = [f"{a}|{b}" for a, b in choose.integers(0, 2, (200, 2)).tolist()]
        if i % 97 == 0:
            cells_ = [cell + ":3" for cell in cells_]
        made.append(
            "\t".join(["c", str(10 * i + 1), ".", "A", "C", ".", ".", ".", "GT:DP" if i % 97 == 0 else "GT", *cells_])
        )
    text = oracles.vcf_text({"c": 40_000}, names, made)
    for name in ("v.vcf.gz", "v.bcf"):
        path = oracles.write_vcf(tmp_path / name, text)
        source = open_genotypes(path)
        whole = source.read("c", 0, 40_000)
        assert told(whole) == judged(path, "c", 0, 40_000)
        part = source.read("c", 1_234, 2_345)
        assert told(part) == [row for row in told(whole) if 1_234 <= row[0] < 2_345]  # type: ignore[operator]


def test_real_cohort_equals_htslib(kgp: Path) -> None:
    path = kgp / "variants.vcf.gz"
    source = open_genotypes(path)
    assert told(source.read("1", 1_000_000, 1_100_000)) == judged(path, "1", 1_000_000, 1_100_000)


def test_record_that_spans_the_start_is_read(tmp_path: Path, oracles: ModuleType) -> None:
    """A million-base deletion far before the window, with records between."""
    made = [oracles.record_line("c", (10, "A" * 1_000_000, ["A"]), ["0|1", "1|0", "0|0"])]
    made += [oracles.record_line("c", (i, "A", ["C"]), ["0|1", "1|0", "0|0"]) for i in range(20, 1_200_000, 5_000)]
    text = oracles.vcf_text({"c": 2_000_000}, NAMES, made)
    for name in ("v.vcf.gz", "v.bcf"):
        source = open_genotypes(oracles.write_vcf(tmp_path / name, text))
        assert source.read("c", 990_000, 990_001).records.starts.tolist() == [10]
        assert source.read("c", 1_000_010, 1_000_011).records.starts.tolist() == []
        assert source.read("c", 995_020, 1_000_021).records.starts.tolist() == [10, 995_020, 1_000_020]


# --- dosages of a field


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_field_of_numbers(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    head = ["c", "5", ".", "A"]
    made = [
        "\t".join([*head, "C", ".", ".", ".", "GT:DS", "0|1:1.25", "0|0:.", "."]),
        "\t".join([*head, "C,G", ".", ".", ".", "DS", "0.5,1e-3", ".", "2,.25"]),
        "\t".join([*head, ".", ".", ".", ".", "DS", ".", ".", "."]),
        "\t".join([*head, "T", ".", ".", ".", "DS", "0", "1", "2"]),
    ]
    values = open_genotypes(oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": 9}, NAMES, made))).read(
        "c", 0, 9, "DS"
    )
    nan = np.nan
    wanted = [[1.25, 0, nan], [0.5, nan, 2], [0.001, nan, 0.25], [0, 1, 2]]
    np.testing.assert_array_equal(values.field_values, np.array(wanted, np.float32))
    assert values.alleles.size == 0


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=st.lists(st.floats(0, 2, width=32), min_size=3, max_size=3), digits=st.integers(1, 9))
def test_numbers_are_read_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType, numbers: list[float], digits: int
) -> None:
    texts = [f"{number:.{digits}g}" for number in numbers]
    line = "\t".join(["c", "5", ".", "A", "C", ".", ".", ".", "DS", *texts])
    path = oracles.write_vcf(tmp_path_factory.mktemp("n") / "v.vcf.gz", oracles.vcf_text({"c": 9}, NAMES, [line]))
    values = open_genotypes(path).read("c", 0, 9, "DS").field_values
    assert values is not None
    np.testing.assert_allclose(values[0], np.array([float(text) for text in texts]), rtol=2e-7, atol=1e-37)


# --- handles


# --- bad files


@pytest.fixture
def good(tmp_path: Path, oracles: ModuleType) -> Path:
    made = [oracles.record_line("c", (i, "A", ["C"]), ["0|1", "1|0", "0|0"]) for i in range(5, 9)]
    return oracles.write_vcf(tmp_path / "good.vcf.gz", oracles.vcf_text({"c": 99}, NAMES, made))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match=r"no\.vcf\.gz does not exist"):
        open_genotypes(tmp_path / "no.vcf.gz")
    with pytest.raises(InputFileNotFoundError, match=r"no file that ends in \.vcf\.gz, .* is in"):
        open_genotypes(tmp_path)


def test_truncated(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-28])
    os.utime(f"{good}.tbi", (2e9, 2e9))
    with pytest.raises(InputFileError, match=r"truncated: the block that ends every BGZF file is missing"):
        open_genotypes(good)


def test_damaged_block(good: Path) -> None:
    raw = bytearray(good.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    good.write_bytes(raw)
    os.utime(f"{good}.tbi", (2e9, 2e9))
    with pytest.raises(InputFileError, match=r"good\.vcf\.gz: (damaged BGZF block|no BGZF block) at byte"):
        open_genotypes(good)


def test_plain_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain.vcf"
    plain.write_text("##fileformat=VCFv4.2\n")
    with pytest.raises(InputFileError, match="bgzip"):
        open_genotypes(plain)
    renamed = tmp_path / "plain.vcf.gz"
    renamed.write_text("##fileformat=VCFv4.2\n" * 10)
    with pytest.raises(InputFileError, match="bgzip"):
        open_genotypes(renamed)
    renamed.write_text("nothing of the kind\n" * 10)
    with pytest.raises(InputFileError, match="is not compressed by bgzip"):
        open_genotypes(renamed)


def test_no_individuals(tmp_path: Path, oracles: ModuleType) -> None:
    path = tmp_path / "v.vcf.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc\t5\t.\tA\tC\t.\t.\t.\n")
    pysam.tabix_index(str(path), preset="vcf", force=True)
    with pytest.raises(InputFileError, match=r"no header line `#CHROM"):
        open_genotypes(path)


def test_individual_twice(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tx\ty\tx\n")
    pysam.tabix_index(str(path), preset="vcf", force=True)
    with pytest.raises(InputFileError, match=r"header: 1 names of individuals are empty or occur twice.*'x'"):
        open_genotypes(path)


def test_unsorted(tmp_path: Path, good: Path, oracles: ModuleType) -> None:
    """htslib refuses to index such a file, so it gets the index of a sorted one."""
    made = [oracles.record_line("c", (i, "A", ["C"]), ["0|1", "1|0", "0|0"]) for i in (7, 6, 5, 8)]
    path = tmp_path / "unsorted.vcf.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(oracles.vcf_text({"c": 99}, NAMES, made).encode())
    Path(f"{path}.tbi").write_bytes(Path(f"{good}.tbi").read_bytes())
    with pytest.raises(InputFileError, match=r"record c:7: not sorted: it follows position 8; run `bcftools sort`"):
        open_genotypes(path).read("c", 0, 99)
