"""BGEN gives the dosages of the probabilities that were written, and those of the VCF that plink2 made it from."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import sqlite3
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, Interval, PersonalGenome
from pgxeval.genome.formats.opening import open_genotypes

bgen = pytest.importorskip("bgen", reason="bgen is not installed (extra bgen)")

nan = np.nan
NAMES = ["a", "b", "c"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Unphased, of several ALT alleles, phased, haploid, missing and a deletion; two contigs."""
    path = tmp_path / "w.bgen"
    writer = bgen.BgenWriter(str(path), 3, samples=NAMES, compression="zstd", layout=2)

    def add(name: str, contig: str, position: int, alleles: list[str], rows: list[list[float]], **more: object) -> None:
        settings = {"ploidy": 2, "phased": False, "bit_depth": 16, **more}
        writer.add_variant(name, name, contig, position, alleles, np.array(rows), **settings)

    add("v1", "c", 5, ["A", "C"], [[0.1, 0.3, 0.6], [1, 0, 0], [nan] * 3])
    add("v2", "c", 6, ["A", "C", "G"], [[0.1, 0.2, 0.1, 0.3, 0.2, 0.1], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]])
    add("v3", "c", 7, ["A", "C"], [[0.25, 0.75, 1, 0], [0, 1, 0, 1], [0.5, 0.5, 0, 1]], phased=True)
    add("v4", "c", 20, ["ACGTACGT", "A"], [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    haploid = np.array([2, 1, 1], np.uint8)
    add("v5", "d", 7, ["A", "C"], [[0.1, 0.3, 0.6], [0.25, 0.75, nan], [0, 1, nan]], ploidy=haploid)
    writer.close()
    return path


def write_index(path: Path) -> None:
    """Write what bgenix writes: https://enkre.net/cgi-bin/code/bgen/wiki?name=The_bgenix_index_file_format."""
    index = Path(f"{path}.bgi")
    index.unlink(missing_ok=True)
    columns = (
        "chromosome TEXT, position INT, rsid TEXT, number_of_alleles INT, allele1 TEXT, allele2 TEXT, "
        "file_start_position INT, size_in_bytes INT"
    )
    with contextlib.closing(sqlite3.connect(index)) as database:
        database.execute(f"CREATE TABLE Variant ({columns})")
        for variant in bgen.BgenReader(str(path)):
            begin, end = variant.fileoffset, variant.next_variant_offset
            row = (
                variant.chrom,
                variant.pos,
                variant.rsid,
                len(variant.alleles),
                *variant.alleles[:2],
                begin,
                end - begin,
            )
            database.execute("INSERT INTO Variant VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()


def test_dosages_by_hand(written: Path) -> None:
    genome = PersonalGenome(written)
    assert (genome.individuals, genome.contigs, genome.field) == (tuple(NAMES), ("c", "d"), "DS")
    dosages = genome.dosages(Interval("c", 0, 99))
    expected = [[1.5, 0, nan], [0.6, 0, 0], [0.7, 0, 2], [0.75, 2, 1.5], [1, 0, 2]]
    np.testing.assert_allclose(dosages.values.T, expected, atol=1e-4)
    assert dosages.variants[["position", "id", "ref", "alt"]].to_numpy().tolist() == [
        [5, "v1", "A", "C"],
        [6, "v2", "A", "C"],
        [6, "v2", "A", "G"],
        [7, "v3", "A", "C"],
        [20, "v4", "ACGTACGT", "A"],
    ]
    np.testing.assert_allclose(genome.dosages("d:1-99").values.T, [[1.5, 0.75, 1]], atol=1e-4)
    source = open_genotypes(written)
    assert source.read("c", 25, 26, "DS").records.starts.tolist() == [19]  # its REF reaches into the interval
    assert source.read("c", 27, 99, "DS").records.starts.tolist() == []


def test_dosages_equal_those_of_the_vcf(tmp_path: Path, oracles: ModuleType) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    choose = np.random.default_rng(2)
    lines = []
    for position in range(5, 400, 3):
        rows = [f"{a}|{b}" for a, b in choose.integers(0, 2, (3, 2)).tolist()]
        lines.append(
            oracles.record_line("1", (position, "A", ["C"]), [*rows[:2], "./." if position % 7 == 0 else rows[2]])
        )
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"1": 999}, NAMES, lines))
    for kind in ("bgen-1.2", "bgen-1.3"):
        command = ["plink2", "--vcf", str(vcf), "--export", kind, "ref-first", "bits=8", "--out", str(tmp_path / "p")]
        subprocess.run(command, check=True, capture_output=True)
        write_index(tmp_path / "p.bgen")
        one, other = PersonalGenome(vcf), PersonalGenome(tmp_path / "p.bgen")
        assert other.individuals == one.individuals
        for window in (Interval("1", 0, 999), Interval("chr1", 100, 151)):
            mine, theirs = one.dosages(window), other.dosages(window)
            expected = np.where(mine.values < 0, nan, mine.values.astype(np.float32))
            np.testing.assert_allclose(theirs.values, expected, atol=1e-6)
            assert mine.variants[["position", "ref", "alt"]].equals(theirs.variants[["position", "ref", "alt"]])


def test_pickles_and_tells_versions_apart(written: Path) -> None:
    source = open_genotypes(written)
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(
        copy.read("c", 0, 99, "DS").field_values, source.read("c", 0, 99, "DS").field_values, equal_nan=True
    )
    before = source.identity()
    written.write_bytes(written.read_bytes() + b"\0")
    with pytest.raises(InputFileError, match="has changed since it was opened"):
        source.read("c", 0, 99, "DS")
    assert before["format"] == "BGEN"


def test_wrong_files(written: Path, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"BGEN holds probabilities, not genotypes; use field=\"DS\""):
        open_genotypes(written).read("c", 0, 9, "GT")
    shutil.copy(written, tmp_path / "x.dat")
    with pytest.raises(InputFileError, match=r"give it a name that ends in \.bgen"):
        open_genotypes(tmp_path / "x.dat")
    (tmp_path / "no.bgen").write_bytes(b"nothing of the kind" * 9)
    with pytest.raises(InputFileError, match=r"no\.bgen: its index is missing; run `bgenix -g .*no\.bgen -index`"):
        open_genotypes(tmp_path / "no.bgen")
    for name in ("no", "cut"):
        shutil.copy(f"{written}.bgi", tmp_path / f"{name}.bgen.bgi")
    with pytest.raises(InputFileError, match=r"no\.bgen: not a BGEN file that can be read"):
        open_genotypes(tmp_path / "no.bgen")
    (tmp_path / "cut.bgen").write_bytes(written.read_bytes()[:-20])
    with pytest.raises(InputFileError, match=r"cut\.bgen: .*cannot be read"):
        open_genotypes(tmp_path / "cut.bgen").read("d", 0, 99, "DS")
