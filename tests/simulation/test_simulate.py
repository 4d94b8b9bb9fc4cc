"""The simulated cohort: files that others accept, truth that can be recomputed, the same bytes again."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

import pgxeval.simulation.simulate
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import InputFileNotFoundError, SettingError, TableError
from pgxeval.genome.intervals import Interval
from pgxeval.simulation.simulate import SimulatedCohort, read_truth, simulate_cohort, simulate_cohort_in_memory

SETTINGS = {"individuals": 120, "genes": 20, "window_bp": 100_000, "seed": 5}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    return simulate_cohort(tmp_path_factory.mktemp("simulated"), covariates=2, **SETTINGS)


@pytest.fixture(scope="module")
def cohort(simulated: SimulatedCohort) -> Cohort:
    return Cohort.from_files(**simulated.files)


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


class TestReadingBack:
    def test_the_same_cohort_through_the_doors(self, cohort: Cohort) -> None:
        memory, truth = simulate_cohort_in_memory(covariates=2, spacing_bp=20_000, **SETTINGS)
        assert cohort.individuals == memory.individuals
        assert cohort.individuals != cohort.genome.individuals
        np.testing.assert_array_equal(cohort.expression, memory.expression)
        assert cohort.covariates is not None
        assert memory.covariates is not None
        np.testing.assert_array_equal(cohort.covariates.to_numpy(), memory.covariates.to_numpy())
        for one, other in zip(cohort.genes, memory.genes, strict=True):
            assert one == other
            window = one.cis_window(50_000, "tss")
            a, b = cohort.genome.dosages(window), memory.genome.dosages(window)
            np.testing.assert_array_equal(a.values, b.values)
            pd.testing.assert_frame_equal(a.variants, b.variants, check_dtype=False)
        assert len(cohort.exclusions) == 0
        assert len(truth) == 20

    def test_a_window_holds_its_gene_alone(self, cohort: Cohort, simulated: SimulatedCohort) -> None:
        found = [cohort.genome.dosages(g.cis_window(50_000, "tss")).values.shape[1] for g in cohort.genes]
        assert found == simulated.truth["n_variants"].tolist()
        assert 90 < simulated.truth["n_common"].mean() < 200

    def test_wide_windows_in_memory_hold_one_gene(self) -> None:
        cohort, truth = simulate_cohort_in_memory(individuals=20, genes=20, window_bp=10_000)
        found = [cohort.genome.dosages(g.cis_window(1_000_000)).values.shape[1] for g in cohort.genes]
        assert found == truth["n_variants"].tolist()

    def test_reference_through_the_door(self, cohort: Cohort) -> None:
        gene = cohort.genes[0]
        assert cohort.genome.reference is not None
        window = Interval(gene.contig, gene.body.start, gene.body.start + 1_000)
        assert set(cohort.genome.reference.fetch(window).tobytes()) == set(b"ACGT")


class TestTruth:
    def test_survives_the_file(self, simulated: SimulatedCohort) -> None:
        pd.testing.assert_frame_equal(read_truth(simulated.folder / "truth.tsv"), simulated.truth)

    def test_covers_the_kinds(self, simulated: SimulatedCohort) -> None:
        truth = simulated.truth
        assert set(truth["kind"]) == {"null", "additive", "overdominant", "recessive", "epistatic"}
        assert set(truth.loc[truth["kind"] == "additive", "n_causal"]) == {1, 3, 10}
        assert truth["gene_id"].is_unique

    def test_heritability_from_the_files_alone(self, simulated: SimulatedCohort) -> None:
        """Genetic values recomputed through pysam and the published effects, expression through gzip."""
        expression = _read_bed(simulated.expression)
        covariates = pd.read_csv(simulated.folder / "covariates.tsv", sep="\t", index_col=0).T
        design = np.column_stack([np.ones(120), covariates.loc[expression.columns].to_numpy()])
        with pysam.VariantFile(str(simulated.genotypes)) as vcf:
            for row in simulated.truth.itertuples():
                measured = expression.loc[row.gene_id]
                values = pd.Series(0.0, index=measured.index)
                if row.kind != "null":
                    values = _genetic_values(vcf, row.causal_variants, row.effects)[measured.index]
                assert values.var(ddof=0) == pytest.approx(row.heritability, rel=1e-9)
                assert values.mean() == pytest.approx(0, abs=1e-9)
                # What remains after the covariates is noise of variance 1 - h2, less what they fit of it.
                rest = measured - values
                rest -= design @ np.linalg.lstsq(design, rest, rcond=None)[0]
                assert 0.88 < rest.var(ddof=0) / (1 - row.heritability) < 1.0001
                if row.kind in ("overdominant", "epistatic"):
                    for dosage in _dosages(vcf, row.causal_variants):
                        assert abs(np.corrcoef(values, dosage[values.index])[0, 1]) < 1e-9

    def test_without_covariates_noise_is_exact(self, tmp_path: Path) -> None:
        simulated = simulate_cohort(tmp_path, individuals=80, kinds={"additive": 2, "null": 1}, heritability=0.4)
        expression = _read_bed(simulated.expression)
        with pysam.VariantFile(str(simulated.genotypes)) as vcf:
            for row in simulated.truth.itertuples():
                rest = expression.loc[row.gene_id]
                if row.kind != "null":
                    rest = rest - _genetic_values(vcf, row.causal_variants, row.effects)[rest.index]
                assert rest.var(ddof=0) == pytest.approx(1 - row.heritability, abs=1e-5)

    def test_planted_effects_show_and_noise_does_not(self, simulated: SimulatedCohort) -> None:
        """A gene's genetic value predicts its own expression and no other gene's."""
        expression = _read_bed(simulated.expression)
        planted = simulated.truth[simulated.truth["kind"] != "null"]
        own, other = [], []
        with pysam.VariantFile(str(simulated.genotypes)) as vcf:
            for row in planted.itertuples():
                values = _genetic_values(vcf, row.causal_variants, row.effects)[expression.columns]
                r = expression.T.corrwith(values)
                own.append(r[row.gene_id])
                other.extend(r.drop(row.gene_id))
        assert np.mean(own) == pytest.approx(np.sqrt(0.2), abs=0.1)
        assert abs(np.mean(other)) < 0.02
        assert np.std(other) == pytest.approx(1 / np.sqrt(119), rel=0.2)

    def test_read_refuses(self, tmp_path: Path) -> None:
        with pytest.raises(InputFileNotFoundError, match="does not exist"):
            read_truth(tmp_path / "none.tsv")
        (tmp_path / "truth.tsv").write_text("gene_id\tkind\n")
        with pytest.raises(TableError, match="missing column"):
            read_truth(tmp_path / "truth.tsv")


def _read_bed(path: Path) -> pd.DataFrame:
    with gzip.open(path, "rt") as file:
        names = file.readline().rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in file]
    assert names[:4] == ["#chr", "start", "end", "gene_id"]
    assert [int(row[2]) - int(row[1]) for row in rows] == [1] * len(rows)
    return pd.DataFrame(
        [[float(value) for value in row[4:]] for row in rows], index=[row[3] for row in rows], columns=names[4:]
    )


def _dosages(vcf: pysam.VariantFile, variants: str) -> list[pd.Series]:
    dosages = []
    for variant in variants.split(","):
        contig, position, ref, alt = variant.split(":")
        (record,) = (
            record
            for record in vcf.fetch(contig, int(position) - 1, int(position))
            if (record.pos, record.ref, record.alts) == (int(position), ref, (alt,))
        )
        assert all(call.phased for call in record.samples.values())
        dosages.append(pd.Series({name: sum(call["GT"]) for name, call in record.samples.items()}, dtype=float))
    return dosages


def _genetic_values(vcf: pysam.VariantFile, variants: str, effects: str) -> pd.Series:
    dosage = {f"v{i}": values for i, values in enumerate(_dosages(vcf, variants), start=1)}
    total = pd.Series(0.0, index=dosage["v1"].index)
    for effect in effects.split(","):
        term, coefficient = effect.split("=")
        if term == "constant":
            column = pd.Series(1.0, index=total.index)
        elif "*" in term:
            one, other = term.split("*")
            column = dosage[one] * dosage[other]
        elif "(" in term:
            state = {"het(v1)": 1, "hom_alt(v1)": 2, "hom_ref(v1)": 0}[term]
            column = (dosage["v1"] == state).astype(float)
        else:
            column = dosage[term]
        total += float(coefficient) * column
    return total
