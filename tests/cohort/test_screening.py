"""Screening of genotypes: structure is reported until a covariate accounts for it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval.cohort.covariates import covariate_basis
from pgxeval.cohort.genotype_pcs import genotype_components, structure_test
from pgxeval.simulation.families import draw_haplotypes, variants_of


def test_structure_is_reported_until_a_covariate_accounts_for_it() -> None:
    rng = np.random.default_rng(4)
    variants = variants_of(draw_haplotypes(80, 1_200, rng, fst=0.08))
    population = np.arange(80) % 2
    expression = rng.normal(size=(200, 80)) + np.where(np.arange(200) < 100, 1.2, 0)[:, None] * population
    components = genotype_components(variants, 4, variants.individuals)
    plain = structure_test(components, 60, expression, covariate_basis(None, 80))
    assert plain.unadjusted["component"].tolist() == ["PC1"]
    assert 0.4 < plain.unadjusted["genes_associated"].iloc[0] < 0.6
    text = plain.describe()
    assert "1 principal component(s)" in text
    assert "genotype_pcs=1" in plain.advice()
    table = pd.DataFrame({"ancestry": population.astype(float)})
    adjusted = structure_test(components, 60, expression, covariate_basis(table, 80))
    assert adjusted.significant["component"].tolist() == ["PC1"]
    assert adjusted.unadjusted.empty
    assert adjusted.table["explained_by_covariates"].iloc[0] > 0.95
