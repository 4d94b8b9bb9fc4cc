"""Genotype components against planted populations, scikit-learn and the Tracy-Widom law."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pgxeval.cohort.genotype_pcs import genotype_components, tracy_widom_p
from pgxeval.errors import SettingError
from pgxeval.simulation.families import draw_haplotypes, names, variants_of


def test_components_equal_scikit_learn() -> None:
    variants = variants_of(draw_haplotypes(70, 900, np.random.default_rng(0), fst=0.05))
    components = genotype_components(variants, 3, variants.individuals)
    dosages = variants.dosages.astype(float)
    mean = dosages.mean(axis=0)
    scaled = (dosages - mean) / np.sqrt(mean * (1 - mean / 2))
    oracle = PCA(3, svd_solver="full").fit(scaled)
    for i in range(3):
        correlation = np.corrcoef(oracle.transform(scaled)[:, i], components.scores.iloc[:, i])[0, 1]
        assert abs(abs(correlation) - 1) < 1e-9
    np.testing.assert_allclose(components.eigenvalues[:3], oracle.explained_variance_ * 69 / 900, rtol=1e-9)
    assert components.scores.columns.tolist() == ["PC1", "PC2", "PC3"]
    np.testing.assert_allclose(components.scores.std(ddof=0), 1)


def test_relatives_are_projected_and_make_no_component_of_their_own() -> None:
    rng = np.random.default_rng(1)
    children = {60 + i: (0, 2) for i in range(15)}
    variants = variants_of(draw_haplotypes(75, 1_500, rng, fst=0.1, children=children))
    unrelated = names(60)
    population = np.array([i % 2 for i in range(60)] + [0] * 15)
    fitted = genotype_components(variants, 2, unrelated)
    assert abs(np.corrcoef(fitted.scores["PC1"], population)[0, 1]) > 0.97
    assert fitted.p_values[0] < 1e-10
    assert fitted.p_values[1] > 1e-3
    with_relatives = genotype_components(variants, 2, variants.individuals)
    assert with_relatives.p_values[1] < 1e-10  # the family is the second component


def test_signs_and_order_do_not_depend_on_the_order_of_individuals() -> None:
    haplotypes = draw_haplotypes(40, 600, np.random.default_rng(2), fst=0.1)
    variants = variants_of(haplotypes)
    order = np.random.default_rng(3).permutation(40)
    shuffled = variants_of(haplotypes[order])
    first = genotype_components(variants, 1, variants.individuals).scores["PC1"].to_numpy()
    again = genotype_components(shuffled, 1, shuffled.individuals).scores["PC1"].to_numpy()
    np.testing.assert_allclose(again, first[order], atol=1e-8)


def test_the_test_keeps_its_level_without_structure() -> None:
    p = [
        genotype_components(variants, 1, variants.individuals).p_values[0]
        for variants in (variants_of(draw_haplotypes(50, 300, np.random.default_rng(s))) for s in range(150))
    ]
    assert np.mean(np.array(p) < 0.05) < 0.1
    assert np.min(p) > 1e-4


def test_tracy_widom_quantiles() -> None:
    """The 95 % point of the law is 0.9793: an eigenvalue placed there has p = 0.05."""
    m, effective = 99, 1_000.0
    rest = np.random.default_rng(0).chisquare(effective, m - 1) / effective
    for _ in range(50):  # the effective number of variants depends on the largest eigenvalue itself
        values = np.sort(np.append(rest, rest.max()))[::-1]
    p = tracy_widom_p(values, 2)
    assert p.shape == (2,)
    assert 0 <= p[0] <= 1
    assert np.isnan(tracy_widom_p(values[:3], 5)[1:]).all()


@pytest.mark.parametrize(("k", "said"), [(0, "k must be from 1"), (60, "k must be from 1 to 39")])
def test_impossible_numbers_of_components_are_refused(k: int, said: str) -> None:
    variants = variants_of(draw_haplotypes(40, 240, np.random.default_rng(0)))
    with pytest.raises(SettingError, match=said):
        genotype_components(variants, k, variants.individuals)
    few = variants_of(draw_haplotypes(40, 60, np.random.default_rng(0)))
    with pytest.raises(SettingError, match="at least 100 common variants"):
        genotype_components(few, 1, few.individuals)
