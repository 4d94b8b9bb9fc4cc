"""Dosages by DS and GP, in VCF, BCF and PGEN: chosen where GT is missing, and GT where a record lacks them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, Interval, PersonalGenome, SettingError
from pgxeval.genome.formats.calls import Field

NAMES = ["a", "b", "c"]
WINDOW = Interval("c", 0, 999)
GP = '##FORMAT=<ID=GP,Number=G,Type=Float,Description="probabilities">'
nan = np.nan


def genome_of(oracles: ModuleType, path: Path, lines: list[str], **policies: str) -> PersonalGenome:
    text = oracles.vcf_text({"c": 999}, NAMES, lines, [GP])
    return PersonalGenome(oracles.write_vcf(path, text), **policies)  # type: ignore[arg-type]


def line(position: int, ref: str, alt: str, keys: str, *cells: str) -> str:
    return "\t".join(["c", str(position), ".", ref, alt, ".", ".", ".", keys, *cells])


both = pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])


@both
@pytest.mark.parametrize(
    ("keys", "cells", "field", "values"),
    [
        ("GT:DS", ("0|1:1.25", "0|0:0.5", "1|1:1.75"), "GT", [1, 0, 2]),
        ("DS", ("1.25", "0.5", "."), "DS", [1.25, 0.5, nan]),
        ("GP", ("0.25,0.5,0.25", "1,0,0", "."), "GP", [1, 0, nan]),
        ("DS:GP", ("1.25:0,1,0", "0.5:0,1,0", ".:."), "DS", [1.25, 0.5, nan]),
        ("GT", ("0|1", "1|1", "."), "GT", [1, 2, -1]),
    ],
)
def test_the_field_is_chosen_and_stated(
    tmp_path: Path, oracles: ModuleType, name: str, keys: str, cells: tuple[str, ...], field: Field, values: list[float]
) -> None:
    genome = genome_of(oracles, tmp_path / name, [line(5, "A", "C", keys, *cells)])
    assert genome.field == field
    assert (genome.notes == ()) == (field == "GT")
    assert all(f"dosages are read from {field} of " in note for note in genome.notes)
    dosages = genome.dosages(WINDOW)
    assert dosages.field == field
    np.testing.assert_array_equal(dosages.values[:, 0], values)
    np.testing.assert_array_equal(dosages.is_called[:, 0], [value >= 0 for value in values])


@both
def test_typed_only_records_use_their_genotypes(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    """As Minimac and Beagle write records that were not in the reference panel, here the first of the file.

    So do calls without a dosage, as `bcftools merge` writes those of a typed cohort beside an imputed one.
    """
    lines = [
        line(5, "A", "C,G", "GT", "0|1", "2|1", "./."),
        line(6, "A", "C", "DS", "0.1", "1.9", "0"),
        line(7, "A", "C", "GT:DP", "1:3", "0|0:4", ".|1:2"),
        line(8, "A", "C", "DS:GT", "0.3:0|0", ".:1|1", "1:0|1"),
        line(9, "A", "C,G", "GT:DS", "0|0:.,.", "./.:.", "2|1:."),
    ]
    genome = genome_of(oracles, tmp_path / name, lines)
    assert genome.field == "DS"
    dosages = genome.dosages(WINDOW)
    expected = [[1, 1, nan], [0, 1, nan], [0.1, 1.9, 0], [1, 0, nan], [0.3, 2, 1], [0, nan, 1], [0, nan, 1]]
    np.testing.assert_array_equal(dosages.values.T, np.array(expected, np.float32))
    assert {k: dosages.counts[k] for k in ("typed_only", "half_missing", "missing")} == {
        "typed_only": 2,
        "half_missing": 1,
        "missing": 4,
    }
    filled = genome_of(oracles, tmp_path / name, lines, half_missing="reference").dosages(WINDOW)
    assert filled.values[2, 3] == 1


# --- PLINK 2


def plink2(*arguments: str | Path) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    subprocess.run(["plink2", *map(str, arguments)], check=True, capture_output=True)


def imputed_lines(n: int = 60) -> list[str]:
    choose = np.random.default_rng(5)
    made = []
    for k in range(n):
        values = np.clip(choose.normal(choose.integers(0, 3, 3), 0.3), 0, 2)
        cells = [f"{min(round(value), 1)}|{int(value > 1.5)}:{value:.3f}" for value in values]
        made.append(line(10 * k + 5, "A", "C", "GT:DS", *cells))
    return made


def test_dosages_of_pgen_are_used(tmp_path: Path, oracles: ModuleType) -> None:
    """Hard calls that are far from whole numbers are missing; the dosages are there. Typed-only: hard calls."""
    pytest.importorskip("pgenlib")
    lines = [
        *imputed_lines(),
        line(900, "A", "C,G", "GT", "0|1", "1|2", "0|0"),
        line(910, "A", "C", "GT", "0|1", "1|1", "./."),
    ]
    text = oracles.vcf_text({"c": 999}, NAMES, lines)
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", text)
    one_alt = oracles.write_vcf(tmp_path / "w.vcf.gz", oracles.vcf_text({"c": 999}, NAMES, [*lines[:-2], lines[-1]]))
    plink2("--vcf", one_alt, "dosage=DS", "--make-pgen", "--allow-extra-chr", "--out", tmp_path / "p")
    genome = PersonalGenome(tmp_path / "p.pgen")
    assert genome.field == "DS"
    assert "it holds imputed dosages" in genome.notes[0]
    ours = genome.dosages(WINDOW)
    assert 1 <= ours.counts["typed_only"] < 10  # of the others, those whose dosages are whole numbers
    assert (PersonalGenome(tmp_path / "p.pgen", field="GT").dosages(WINDOW).values == -1).mean() > 0.2
    theirs = PersonalGenome(vcf, field="DS").dosages(WINDOW)
    keep = theirs.variants["alt"].isin(["C"]) & (theirs.variants["position"] != 900)
    np.testing.assert_allclose(ours.values, theirs.values[:, keep], atol=1e-4)


def test_dosages_of_pgen_equal_plink2(tmp_path: Path, oracles: ModuleType) -> None:
    pytest.importorskip("pgenlib")
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 999}, NAMES, imputed_lines()))
    plink2("--vcf", vcf, "dosage=DS", "--make-pgen", "--allow-extra-chr", "--out", tmp_path / "p")
    plink2("--pfile", tmp_path / "p", "--export", "A", "--allow-extra-chr", "--out", tmp_path / "raw")
    rows = [row.split("\t")[6:] for row in (tmp_path / "raw.raw").read_text().splitlines()[1:]]
    counted_ref = np.array(rows, float)  # plink2 counts the REF allele here
    ours = PersonalGenome(tmp_path / "p.pgen").dosages(WINDOW).values
    np.testing.assert_allclose(ours, 2 - counted_ref, atol=1e-4)


def test_hard_calls_of_pgen_stay_the_default_without_dosages(tmp_path: Path, oracles: ModuleType) -> None:
    pytest.importorskip("pgenlib")
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 999}, NAMES, imputed_lines()))
    plink2("--vcf", vcf, "--make-pgen", "--allow-extra-chr", "--out", tmp_path / "p")
    genome = PersonalGenome(tmp_path / "p.pgen")
    assert genome.field == "GT"
    assert genome.dosages(WINDOW).values.dtype == np.int8
    with pytest.raises(InputFileError, match='holds dosages, not genotype probabilities; use field="DS"'):
        genome.dosages(WINDOW, field="GP")


def test_haploid_dosages_are_on_the_scale_of_haploid_genotypes(tmp_path: Path, oracles: ModuleType) -> None:
    """chrX of a male: 0 to 1, in PGEN (which stores 0 to 2) as plink2 writes it to VCF."""
    pytest.importorskip("pgenlib")
    lines = ["\t".join(["X", "5000000", ".", "A", "C", ".", ".", ".", "GT:DS", "0:0.25", "0|1:1.25", "1:0.9"])]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"X": 156040895}, NAMES, lines))
    (tmp_path / "sex.txt").write_text("#IID\tSEX\na\t1\nb\t2\nc\t1\n")
    plink2(
        "--vcf",
        vcf,
        "dosage=DS",
        "--update-sex",
        tmp_path / "sex.txt",
        "--split-par",
        "hg38",
        "--make-pgen",
        "--out",
        tmp_path / "p",
    )
    plink2("--pfile", tmp_path / "p", "--export", "vcf", "vcf-dosage=DS-force", "--out", tmp_path / "out")
    cells = (tmp_path / "out.vcf").read_text().splitlines()[-1].split("\t")[9:]
    theirs = [float(cell.split(":")[-1]) for cell in cells]
    ours = PersonalGenome(tmp_path / "p.pgen", field="DS").dosages(Interval("X", 4_999_000, 5_000_900)).values[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.bcftools
@pytest.mark.parametrize("field", ["DS", "GP"])
def test_a_field_that_the_file_does_not_have_is_refused_as_bcftools_does(tmp_path: Path, field: Field) -> None:
    header = '##fileformat=VCFv4.2\n##contig=<ID=c>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    text = header + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\nc\t9\t.\tA\tC\t.\t.\t.\tGT\t0|1\n"
    paths = [tmp_path / "a.vcf.gz", tmp_path / "a.bcf"]
    (tmp_path / "a.vcf").write_text(text)
    subprocess.run(["bcftools", "view", "-Oz", "-o", paths[0], tmp_path / "a.vcf"], check=True)
    subprocess.run(["bcftools", "index", "-t", paths[0]], check=True)
    subprocess.run(["bcftools", "view", "-Ob", "-o", paths[1], paths[0]], check=True)
    subprocess.run(["bcftools", "index", paths[1]], check=True)
    theirs = subprocess.run(["bcftools", "query", "-f", f"[%{field}]", paths[0]], capture_output=True, check=False)
    assert theirs.returncode != 0
    for path in paths:
        with pytest.raises(SettingError, match=f"field='{field}': .* has no such FORMAT field; it has GT"):
            PersonalGenome(path, field=field)
        with pytest.raises(SettingError, match="has no such FORMAT field"):
            PersonalGenome(path).dosages(Interval("c", 0, 20), field=field)
        assert PersonalGenome(path, field="GT").dosages(Interval("c", 0, 20)).values.tolist() == [[1]]
