"""The planted truth, computed again from the files alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.errors import InputFileNotFoundError, TableError
from pgxeval.simulation.simulate import SimulatedCohort, read_truth, simulate_cohort

SETTINGS = {"individuals": 120, "genes": 20, "window_bp": 100_000, "seed": 5}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    return simulate_cohort(tmp_path_factory.mktemp("simulated"), covariates=2, **SETTINGS)


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
