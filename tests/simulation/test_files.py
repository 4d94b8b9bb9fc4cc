"""Files of a simulated cohort: the same bytes, and what bcftools accepts."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pysam
import pytest

import pgxeval.simulation.simulate
from pgxeval.errors import SettingError
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort

SETTINGS = {"individuals": 120, "genes": 20, "window_bp": 100_000, "seed": 5}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    return simulate_cohort(tmp_path_factory.mktemp("simulated"), covariates=2, **SETTINGS)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _bcftools(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    return subprocess.run(["bcftools", *arguments], check=True, capture_output=True, text=True)


class TestFiles:
    def test_same_seed_same_bytes(self, simulated: SimulatedCohort, tmp_path: Path) -> None:
        again = simulate_cohort(tmp_path / "another" / "place", covariates=2, **SETTINGS)
        digests = _digests(simulated.folder)
        assert digests == _digests(again.folder)
        assert set(digests) == {
            "covariates.tsv",
            "expression.bed.gz",
            "expression.bed.gz.tbi",
            "genes.gtf.gz",
            "genes.gtf.gz.tbi",
            "genotypes.vcf.gz",
            "genotypes.vcf.gz.tbi",
            "reference.fa",
            "reference.fa.fai",
            "truth.tsv",
        }

    def test_another_seed_other_bytes(self, simulated: SimulatedCohort, tmp_path: Path) -> None:
        other = simulate_cohort(tmp_path, **{**SETTINGS, "seed": 6})
        ours, theirs = _digests(simulated.folder), _digests(other.folder)
        for name in ("expression.bed.gz", "genotypes.vcf.gz", "reference.fa", "truth.tsv", "genes.gtf.gz"):
            assert ours[name] != theirs[name]

    def test_no_dates_or_paths(self, simulated: SimulatedCohort) -> None:
        for name in ("genotypes.vcf.gz", "genes.gtf.gz"):
            with gzip.open(simulated.folder / name, "rt") as file:
                head = "".join(line for line in file if line.startswith("##"))
            assert "20" not in head.replace("VCFv4.2", "").split("##contig")[0]
            assert str(simulated.folder) not in head

    def test_nothing_half_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(pgxeval.simulation.simulate, "write_expression", fail)
        with pytest.raises(OSError, match="disk full"):
            simulate_cohort(tmp_path, individuals=20, genes=2, window_bp=5_000)
        assert list(tmp_path.iterdir()) == []

    def test_refuses_before_it_writes(self, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match="give one of the two"):
            simulate_cohort(tmp_path / "new", genes=2, kinds={"null": 3})
        assert not (tmp_path / "new").exists()

    @pytest.mark.bcftools
    def test_bcftools_accepts_the_vcf(self, simulated: SimulatedCohort) -> None:
        vcf, reference = str(simulated.genotypes), str(simulated.reference)
        done = _bcftools("norm", "-c", "e", "-f", reference, vcf, "-Ob", "-o", "/dev/null")
        # Nothing split, joined or shifted: the file is in normal form already.
        n = pd.to_numeric(simulated.truth["n_variants"]).sum()
        counts = next(line for line in done.stderr.splitlines() if line.startswith("Lines")).split()[-1]
        assert counts.split("/")[0] == str(n)
        assert set(counts.split("/")[1:]) == {"0"}
        stats = _bcftools("stats", vcf).stdout
        numbers = {
            line.split("\t")[2].rstrip(":"): int(line.split("\t")[3])
            for line in stats.splitlines()
            if line.startswith("SN")
        }
        assert numbers["number of samples"] == 120
        assert 0.07 < numbers["number of indels"] / n < 0.12
        assert numbers["number of SNPs"] + numbers["number of indels"] == n
        # Filling in AC and AN again changes nothing.
        tags = "%CHROM %POS %AC %AN\n"
        assert (
            _bcftools("query", "-f", tags, vcf).stdout
            == subprocess.run(
                f"bcftools view -c 1 {vcf} | bcftools query -f '{tags}'",
                shell=True,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )

    def test_ref_alleles_are_in_the_fasta(self, simulated: SimulatedCohort) -> None:
        with pysam.FastaFile(str(simulated.reference)) as fasta, pysam.VariantFile(str(simulated.genotypes)) as vcf:
            end = dict.fromkeys(vcf.header.contigs, 0)
            for record in vcf:
                assert record.ref == fasta.fetch(record.contig, record.start, record.stop).upper()
                assert record.start >= end[record.contig]
                end[record.contig] = record.stop
            for contig, length in zip(fasta.references, fasta.lengths, strict=True):
                assert vcf.header.contigs[contig].length == length
                sequence = fasta.fetch(contig)
                assert "N" not in sequence.upper()
                assert 0.1 < sum(map(str.islower, sequence)) / length < 0.7
