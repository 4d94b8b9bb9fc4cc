"""The simulated cohort: files that others accept, truth that can be recomputed, the same bytes again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.genome.intervals import Interval
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort, simulate_cohort_in_memory

SETTINGS = {"individuals": 120, "genes": 20, "window_bp": 100_000, "seed": 5}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    return simulate_cohort(tmp_path_factory.mktemp("simulated"), covariates=2, **SETTINGS)


@pytest.fixture(scope="module")
def cohort(simulated: SimulatedCohort) -> Cohort:
    return Cohort.from_files(**simulated.files)


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
