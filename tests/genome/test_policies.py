"""Policies per individual; phase sets of statistically phased files; swapped REF and ALT."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import GenotypeError, Interval, PersonalGenome

REFERENCE = "ACGTTGCAAC" * 30
WINDOW = Interval("c", 50, 250)
PS = '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="phase set">'
PS_TEXT = '##FORMAT=<ID=PS,Number=1,Type=String,Description="phase set">'


def other(base: str, k: int = 1) -> str:
    return "ACGT"[("ACGT".index(base) + k) % 4]


def genome_of(
    oracles: ModuleType, folder: Path, cells: list[list[str]], keys: str = "GT", head: str = PS, name: str = "v.vcf.gz",
    **policies: str,
) -> PersonalGenome:  # fmt: skip
    """Records every 7 bases from 60 on, an SNV each; one column of cells per individual."""
    lines = []
    for k, row in enumerate(cells):
        at = 60 + 7 * k
        fixed = ["c", str(at + 1), ".", REFERENCE[at], other(REFERENCE[at]), ".", ".", ".", keys]
        lines.append("\t".join([*fixed, *row]))
    text = oracles.vcf_text({"c": len(REFERENCE)}, [f"p{i}" for i in range(len(cells[0]))], lines, [head])
    fasta = oracles.write_fasta(folder / "r.fa", {"c": REFERENCE})
    return PersonalGenome(oracles.write_vcf(folder / name, text), fasta, **policies)  # type: ignore[arg-type]


def test_one_unphased_heterozygote_empties_only_its_individual(tmp_path: Path, oracles: ModuleType) -> None:
    choose = np.random.default_rng(1)
    cells = [[f"{a}|{b}" for a, b in choose.integers(0, 2, (40, 2)).tolist()] for _ in range(20)]
    right = genome_of(oracles, tmp_path, cells).haplotypes(WINDOW)
    assert right.refused == {}
    cells[5][7] = "0/1"
    genome = genome_of(oracles, tmp_path, cells)
    found = genome.haplotypes(WINDOW)
    assert found.refused == {"p7": "unphased heterozygous genotype at c:96"}
    assert found.index[7].tolist() == [-1, -1]
    for i in range(40):
        for copy in (0, 1):
            if i != 7:
                assert found[f"p{i}", copy].sequence == right[f"p{i}", copy].sequence
    assert found.n_distinct <= right.n_distinct
    alone = genome.haplotypes(WINDOW, ["p3"])
    assert alone["p3", 0].sequence == right["p3", 0].sequence
    assert genome.haplotypes(Interval("c", 100, 250)).refused == {}  # after the record no individual is refused
    with pytest.raises(GenotypeError, match=r"1 unphased heterozygous genotypes .* the first at c:96 of p7"):
        genome.haplotypes(WINDOW, ["p7"])


def test_whom_a_policy_refuses_does_not_depend_on_others(tmp_path: Path, oracles: ModuleType) -> None:
    """A deletion that draws in bases for one individual does not refuse another for a record after the window."""
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"c": REFERENCE})
    lines = [
        oracles.record_line("c", (100, REFERENCE[100:131], [REFERENCE[100]]), ["1|1", "0|0"]),
        oracles.record_line("c", (155, REFERENCE[155], [other(REFERENCE[155])]), ["0|0", "0/1"]),
    ]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 300}, ["p0", "p1"], lines))
    found = PersonalGenome(vcf, fasta).haplotypes(Interval("c", 50, 150))
    assert found.refused == {}
    assert found.index.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
@pytest.mark.parametrize(
    ("cells", "n_refused"),
    [
        ([["0|1:."], ["1|0:."], ["0|1:."]], 0),  # statistically phased: PS is declared and empty
        ([["0|1:7"], ["1|0:7"], ["0|1:7"]], 0),  # one set for the contig
        ([["0|1"], ["1|0"], ["0|1"]], 0),  # the field is left out
        ([["0|1:7"], ["1|1:9"], ["0|1:7"]], 0),  # the odd set is that of a homozygote
        ([["0|1:7"], ["1|0:8"], ["0|1:8"]], 1),
        ([["0|1:7"], ["1|0:."], ["0|1:7"]], 1),  # without PS: another set
        ([["0|1:7"], ["0|0:."], ["0|0:."]], 0),
        ([["0|1:-5"], ["0|0:."], ["0|1:-5"]], 0),
        ([["0|1:2147483647"], ["0|0:."], ["0|1:2147483646"]], 1),
    ],
)
def test_phase_sets(tmp_path: Path, oracles: ModuleType, name: str, cells: list[list[str]], n_refused: int) -> None:
    keys = "GT:PS" if any(":" in cell for row in cells for cell in row) else "GT"
    genome = genome_of(oracles, tmp_path, [[*row, "0|0"] for row in cells], keys, name=name)
    found = genome.haplotypes(WINDOW)
    assert found.counts["phase_sets"] == len(found.refused) == n_refused
    written = genome_of(oracles, tmp_path, cells, keys, name=name, phase_sets="as_written").haplotypes(WINDOW)
    assert written.refused == {}


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_phase_sets_that_are_texts(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    cells = [["0|1:1_100", "0|1:1_100", "0|1:."], ["0|1:1_100", "0|1:1_2", "0|1:."]]
    found = genome_of(oracles, tmp_path, cells, "GT:PS", PS_TEXT, name).haplotypes(WINDOW)
    assert list(found.refused) == ["p1"]


def test_sets_that_begin_after_many_records(
    tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several rooms of the decoder; the first of them have no record with PS."""
    monkeypatch.setattr("pgxeval.genome.formats.decoding._ROOM_BYTES", 1)
    lines = []
    for k in range(200):
        keys, cell = ("GT:PS", f"0|1:{k // 150}") if k >= 100 else ("GT", "0|0")
        lines.append(
            "\t".join(["c", str(k + 1), ".", REFERENCE[k], other(REFERENCE[k]), ".", ".", ".", keys, cell, cell])
        )
    text = oracles.vcf_text({"c": 300}, ["p0", "p1"], lines, [PS])
    for name in ("v.vcf.gz", "v.bcf"):
        calls = PersonalGenome(oracles.write_vcf(tmp_path / name, text)).source.read("c", 0, 300)
        assert calls.phase_sets is not None
        groups = [np.unique(calls.phase_sets[part]).tolist() for part in (slice(100), slice(100, 150), slice(150, 200))]
        assert groups[0] == [-1]
        assert [len(group) for group in groups] == [1, 1, 1]
        assert groups[1] != groups[2]


# --- REF and ALT swapped


def swapped(tmp_path: Path, oracles: ModuleType, n_swapped: int, n: int = 12) -> tuple[Path, Path]:
    lines = []
    for k in range(n):
        at = 10 + 20 * k
        ref, alt = REFERENCE[at], other(REFERENCE[at])
        pair = (alt, [ref]) if k < n_swapped else (ref, [alt])
        lines.append(oracles.record_line("c", (at, *pair), ["0|1", "1|1", "0|0"]))
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 300}, ["p0", "p1", "p2"], lines))
    return vcf, oracles.write_fasta(tmp_path / "r.fa", {"c": REFERENCE})


@pytest.mark.parametrize("n_swapped", [12, 6])
def test_swapped_alleles_are_named_and_the_command_mends_them(
    tmp_path: Path, oracles: ModuleType, n_swapped: int
) -> None:
    vcf, fasta = swapped(tmp_path, oracles, n_swapped)
    with pytest.raises(GenotypeError) as error:
        PersonalGenome(vcf, fasta).haplotypes(Interval("c", 0, 300))
    message = str(error.value)
    assert f"REF and ALT are swapped ({n_swapped} of them have an ALT that is what the FASTA has)" in message
    assert "PLINK 1" in message
    command = message[message.index("`plink2") + 1 : message.rindex("`")].split()
    assert command[1:] == f"--vcf {vcf} --fa {fasta} --ref-from-fa force --export vcf bgz --out fixed".split()
    try:
        subprocess.run([*command, "--allow-extra-chr"], check=True, capture_output=True, cwd=tmp_path)
    except FileNotFoundError:
        pytest.skip("plink2 is not installed")
    subprocess.run(["bcftools", "index", "-t", "fixed.vcf.gz"], check=True, cwd=tmp_path)
    fixed = PersonalGenome(tmp_path / "fixed.vcf.gz", fasta)
    assert fixed.haplotypes(Interval("c", 0, 300)).counts["ref_mismatch"] == 0
    assert fixed.dosages("c:1-300").values[1].tolist() == [0] * n_swapped + [2] * (12 - n_swapped)


def test_another_build_is_not_called_swapped(tmp_path: Path, oracles: ModuleType) -> None:
    choose = np.random.default_rng(2)
    lines = []
    for k in range(40):
        ref = str(choose.choice([base for base in "ACGT" if base != REFERENCE[7 * k]]))
        alt = str(choose.choice([base for base in "ACGT" if base != ref]))
        lines.append(oracles.record_line("c", (7 * k, ref, [alt]), ["0|1"]))
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 300}, ["p"], lines))
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"c": REFERENCE})
    with pytest.raises(GenotypeError, match="are of different genome builds"):
        PersonalGenome(vcf, fasta).haplotypes(Interval("c", 0, 300))


def test_a_cohort_without_phase_is_refused_as_a_whole(tmp_path: Path, oracles: ModuleType) -> None:
    """Else the individuals without a heterozygote would be left: a selection by genotype."""
    cells = [["0/1", "0/0", "1/1", "0/1", "0/1"], ["0/0", "0/0", "0/1", "0/1", "0/0"]]
    with pytest.raises(
        GenotypeError, match=r"5 unphased heterozygous genotypes over c:50-250, the first at c:61 of p0"
    ):
        genome_of(oracles, tmp_path, cells).haplotypes(WINDOW)
    cells[1][1] = "0|1"
    assert set(genome_of(oracles, tmp_path, cells).haplotypes(WINDOW).refused) == {"p0", "p2", "p3", "p4"}
    cells[1][1], cells[0][0], cells[0][3] = "0/0", "0|0", "0/0"
    few = genome_of(oracles, tmp_path, [row[:] for row in cells], unphased="refuse")
    assert few.haplotypes(WINDOW, ["p0", "p1", "p2", "p3", "p0", "p1", "p1"]).counts["refused"] == 2
