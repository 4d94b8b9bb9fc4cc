"""Contigs of PLINK 2 files: the parts of X, and chromosome sets of other species."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import Interval, PersonalGenome, UnknownNameError

pgenlib = pytest.importorskip("pgenlib", reason="pgenlib is not installed (extra plink)")

NAMES = ["a", "b", "c", "d"]

Site = tuple[str, int, str, list[str], list[tuple[int, int]], list[bool]]


def write_pgen(stem: Path, sites: list[Site], sex: str = "2121") -> Path:
    """Write alleles (-9 missing) and the phase of each heterozygote."""
    n_alleles = [1 + len(site[3]) for site in sites]
    with pgenlib.PgenWriter(
        str(stem.with_suffix(".pgen")).encode(),
        len(NAMES),
        variant_ct=len(sites),
        nonref_flags=False,
        allele_ct_limit=max(n_alleles, default=2),
        hardcall_phase_present=True,
    ) as writer:
        for _, _, _, alts, calls, phased in sites:
            codes = np.array(calls, np.int32).ravel()
            writer.append_partially_phased(codes, np.array(phased, np.uint8), 1 + len(alts))
    lines = [f"{contig}\t{start + 1}\trs{start}\t{ref}\t{','.join(alts)}" for contig, start, ref, alts, _, _ in sites]
    stem.with_suffix(".pvar").write_text("\n".join(["##source=x", "#CHROM\tPOS\tID\tREF\tALT", *lines, ""]))
    rows = [f"0\t{name}\t{code}" for name, code in zip(NAMES, sex, strict=True)]
    stem.with_suffix(".psam").write_text("\n".join(["#FID\tIID\tSEX", *rows, ""]))
    return stem.with_suffix(".pgen")


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    choose = np.random.default_rng(7)
    made: list[Site] = []
    for contig in ("1", "2"):
        start = 0
        for _ in range(60):
            start += int(choose.integers(0, 15))
            ref = "ACGTACGTAC"[: int(choose.choice([1, 1, 1, 4, 9]))]
            alts = [["C"], ["CCT"], ["C", "CTT", "AG"]][int(choose.integers(0, 3))]
            calls = [tuple(pair) for pair in choose.integers(0, 1 + len(alts), (4, 2)).tolist()]
            calls = [(-9, -9) if choose.random() < 0.1 else pair for pair in calls]
            made.append((contig, start, ref, alts, calls, [True] * 4))
    return made


def plink2(*arguments: str | Path) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    subprocess.run(["plink2", *map(str, arguments)], check=True, capture_output=True, text=True)


POSITIONS = {"1": [100], "X": [1_000_000, 2_781_000, 5_000_000, 155_800_000], "Y": [7_000_000], "MT": [50]}

PEOPLE = ["m1", "f1", "m2", "f2"]


@pytest.fixture(scope="module")
def sexed(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    """A VCF with males haploid on X outside of the pseudo-autosomal regions (GRCh38), and its sexes."""
    folder = tmp_path_factory.mktemp("sexed")
    lines = []
    for contig, starts in POSITIONS.items():
        for at in starts:
            males = ["1|0", "0|1"] if contig == "1" or not 2_781_479 <= at <= 155_701_382 else ["1", "0"]
            cells = [males[0], "0|1", males[1], "1|1"]
            if contig in ("Y", "MT"):
                cells = ["1", "0", "0", "1"]
            lines.append(oracles.record_line(contig, (at - 1, "A", ["C"]), cells))
    (folder / "sex.txt").write_text("#IID\tSEX\nm1\t1\nf1\t2\nm2\t1\nf2\t2\n")
    return oracles.write_vcf(
        folder / "v.vcf.gz", oracles.vcf_text(dict.fromkeys(POSITIONS, 248_956_422), PEOPLE, lines)
    )


@pytest.mark.parametrize("codes", ["MT", "26", "chrM", "chr26"])
@pytest.mark.parametrize("split", [True, False])
def test_pseudo_autosomal_regions_are_parts_of_x(tmp_path: Path, sexed: Path, codes: str, split: bool) -> None:
    """As ``--split-par`` writes them: PAR1, PAR2 or 25; males are diploid there, and haploid between."""
    how = ["--split-par", "hg38"] if split else []
    sex = sexed.with_name("sex.txt")
    plink2("--vcf", sexed, "--update-sex", sex, *how, "--output-chr", codes, "--make-pgen", "--out", tmp_path / "p")
    genome, whole = PersonalGenome(tmp_path / "p.pgen"), PersonalGenome(sexed)
    names = (tmp_path / "p.pvar").read_text()
    assert ("PAR1" in names or "\n25\t" in names or "chr25" in names) == split
    for window in (Interval("X", 0, 156_000_000), Interval("chrX", 2_000_000, 6_000_000), Interval("X", 0, 2_000_000)):
        one, other = genome.dosages(window), whole.dosages(window)
        assert one.variants["position"].tolist() == other.variants["position"].tolist()
        if split:
            assert np.array_equal(one.values, other.values)
            assert one.counts["haploid"] == other.counts["haploid"]
    for contig in ("1", "Y", "MT"):
        window = Interval(contig, 0, 8_000_000)
        assert np.array_equal(genome.dosages(window).values, whole.dosages(window).values), contig


def test_only_pseudo_autosomal_variants(tmp_path: Path) -> None:
    sites: list[Site] = [("PAR1", 5, "A", ["C"], [(0, 1)] * 4, [True] * 4)]
    assert (
        PersonalGenome(write_pgen(tmp_path / "p.pgen", sites)).dosages(Interval("X", 0, 9)).values.tolist() == [[1]] * 4
    )


def test_chr_set_of_another_species(tmp_path: Path, oracles: ModuleType) -> None:
    """plink2 --cow writes ``##chrSet``: 23 is an autosome."""
    lines = [oracles.record_line(name, (5, "A", ["C"]), ["0|1", "1|1"]) for name in ("1", "23")]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"1": 99, "23": 99}, ["a", "b"], lines))
    plink2("--cow", "--vcf", vcf, "--make-pgen", "--out", tmp_path / "cow")
    genome = PersonalGenome(tmp_path / "cow.pgen")
    assert "##chrSet" in (tmp_path / "cow.pvar").read_text()
    with pytest.raises(UnknownNameError, match="contig X is not in"):
        genome.dosages(Interval("X", 0, 9))
    assert genome.dosages(Interval("23", 0, 9)).values.tolist() == [[1], [2]]
    human = PersonalGenome(write_pgen(tmp_path / "p.pgen", [("23", 5, "A", ["C"], [(0, 1)] * 4, [True] * 4)]))
    assert human.dosages(Interval("chrX", 0, 9)).values.tolist() == [[1]] * 4
