"""The example cohort: simulated once, read from the cache afterwards, ready for sequence models."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgxeval.datasets import load_example


def test_the_example_is_a_cohort_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    monkeypatch.setenv("PGXEVAL_DATA", str(tmp_path))
    cohort = load_example(individuals=30, genes=4)
    assert len(cohort.individuals) == 30
    assert cohort.genome.reference is not None
    assert all(gene.tss is not None for gene in cohort.genes)
    (place,) = tmp_path.iterdir()
    changed = place.joinpath("genotypes.vcf.gz").stat().st_mtime_ns
    again = load_example(individuals=30, genes=4)
    assert again.gene_ids == cohort.gene_ids
    assert place.joinpath("genotypes.vcf.gz").stat().st_mtime_ns == changed
