"""Relations as given or estimated, and what a cohort warns of."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort import Cohort, Expression
from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.simulation.families import draw_haplotypes, genome_of, names


def _expression(genes: list, n: int, rng: np.random.Generator) -> Expression:
    return Expression(values=rng.normal(size=(len(genes), n)), genes=genes, individuals=names(n))


def test_repeated_samples_are_warned_of_until_they_are_grouped() -> None:
    rng = np.random.default_rng(0)
    genome, genes = genome_of(draw_haplotypes(60, 1_200, rng, copies={i: i - 30 for i in range(30, 60)}))
    expression = _expression(genes, 60, rng)
    with pytest.warns(PgxevalWarning, match=r"30 pair\(s\) .*30 same genome.*I000 and I030 \(kinship 0.50\).*groups="):
        cohort = Cohort.from_parts(genome=genome, expression=expression)
    assert any("30 pair(s)" in note for note in cohort.notes)
    donors = {name: names(30)[i % 30] for i, name in enumerate(names(60))}
    for groups in (donors, "estimate"):
        grouped = Cohort.from_parts(genome=genome, expression=expression, groups=groups)
        assert grouped.groups == tuple(donors.values())
        assert len(grouped.relatives()) == 30
    part = grouped.subset(individuals=names(60)[5:45])
    assert part.groups == tuple(donors.values())[5:45]
    halves = grouped.halves(1)
    assert set(halves[0].groups or ()).isdisjoint(halves[1].groups or ())


def test_structure_is_warned_of_until_components_are_covariates() -> None:
    rng = np.random.default_rng(1)
    genome, genes = genome_of(draw_haplotypes(60, 1_800, rng, fst=0.1))
    expression = _expression(genes, 60, rng)
    with pytest.warns(PgxevalWarning, match=r"population structure.*genotype_pcs=1"):
        plain = Cohort.from_parts(genome=genome, expression=expression)
    assert plain.covariates is None
    cohort = Cohort.from_parts(genome=genome, expression=expression, genotype_pcs=2)
    assert cohort.covariates is not None
    assert cohort.covariates.columns.tolist() == ["PC1", "PC2"]
    assert abs(np.corrcoef(cohort.covariates["PC1"], np.arange(60) % 2)[0, 1]) > 0.95
    pd.testing.assert_frame_equal(plain.with_covariates(plain.genotype_pcs(2)).covariates, cohort.covariates)
    structure = cohort.structure()
    assert structure is not None
    assert structure.unadjusted.empty
    quiet = Cohort.from_parts(genome=genome, expression=expression, screen_genotypes=False)
    assert quiet.notes == ()


def test_components_of_genotypes_and_expression_by_argument_are_those_of_with_pcs() -> None:
    rng = np.random.default_rng(4)
    genome, genes = genome_of(draw_haplotypes(60, 1_800, rng, fst=0.1))
    genes = [attrs.evolve(gene, gene_id=f"{gene.gene_id}_{copy}") for copy in range(60) for gene in genes][:60]
    expression = _expression(genes, 60, rng)
    plain = Cohort.from_parts(genome=genome, expression=expression, genotype_pcs=2)
    cohort = Cohort.from_parts(genome=genome, expression=expression, genotype_pcs=2, expression_pcs=3)
    assert cohort.covariates is not None
    assert cohort.covariates.columns.tolist() == ["PC1", "PC2", "EPC1", "EPC2", "EPC3"]
    assert cohort.expression_factors == 3
    pd.testing.assert_frame_equal(cohort.covariates, plain.with_pcs(expression=3).covariates)
    with pytest.raises(SettingError, match="k must be from 1"):
        Cohort.from_parts(genome=genome, expression=expression, genotype_pcs=2, expression_pcs=58)


def test_relationships_travel_with_the_cohort(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    children = {30 + i: (2 * i, 2 * i + 1) for i in range(10)}
    genome, genes = genome_of(draw_haplotypes(40, 1_800, rng, children=children))
    expression = _expression(genes, 40, rng)
    name = names(40)
    path = tmp_path / "a.ped"
    path.write_text("".join(f"F{i} {name[30 + i]} {name[2 * i]} {name[2 * i + 1]}\n" for i in range(10)))
    from_file = Cohort.from_parts(genome=genome, expression=expression, relationship=path)
    estimated = Cohort.from_parts(genome=genome, expression=expression, relationship="estimate")
    for cohort in (from_file, estimated):
        assert cohort.relationship is not None
        assert cohort.groups is not None
        assert cohort.groups[30] == cohort.groups[0] == cohort.groups[1]
        assert len(set(cohort.groups)) == 20
        assert list(cohort.subset(individuals=name[10:]).relationship.index) == name[10:]
    difference = (from_file.relationship - estimated.relationship).abs().to_numpy()
    assert difference.max() < 0.15


def test_too_few_variants_refuse_an_estimate() -> None:
    rng = np.random.default_rng(3)
    genome, genes = genome_of(draw_haplotypes(30, 120, rng))
    expression = _expression(genes, 30, rng)
    for arguments in ({"groups": "estimate"}, {"relationship": "estimate"}):
        with pytest.raises(SettingError, match="needs common variants from many regions"):
            Cohort.from_parts(genome=genome, expression=expression, **arguments)
