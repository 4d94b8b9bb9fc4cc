"""Groups and strata of individuals: every way to give them, and what follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort import Cohort, Expression
from pgxeval.cohort.groups import assign_groups, describe_groups, fixed_groups, read_labels
from pgxeval.errors import InputFileError, PgxevalWarning, SettingError, TableError
from pgxeval.simulation.families import draw_haplotypes, genome_of, names

DONORS = {f"d{i}s{k}": f"d{i}" for i in range(12) for k in (1, 2)}


@pytest.mark.parametrize("form", ["mapping", "series", "column", "tsv", "csv", "quoted", "ped"])
def test_every_form_gives_the_same_groups(tmp_path: Path, form: str) -> None:
    path = tmp_path / "groups.txt"
    columns = pd.DataFrame({"donor": DONORS, "age": 1.0})
    rows = list(DONORS.items())
    texts = {
        "tsv": "sample\tdonor\n" + "".join(f"{a}\t{b}\n" for a, b in rows),
        "csv": "sample,donor\n" + "".join(f"{a},{b}\n" for a, b in rows),
        "quoted": '"sample"\t"donor"\n' + "".join(f'"{a}"\t"{b}"\n' for a, b in rows),
        "ped": "".join(f"{b} {a} 0 0 0 0\n" for a, b in rows),
    }
    path.write_text(texts.get(form, ""))
    given = {"mapping": DONORS, "series": pd.Series(DONORS), "column": "donor"}.get(form, path)
    grouping = read_labels(given, "groups", columns)  # type: ignore[arg-type]
    labels, strata, notes = assign_groups(list(DONORS), grouping, None)
    assert labels == tuple(DONORS.values())
    assert strata is None
    assert notes == ["12 groups of individuals stay together (12 of 2)"]


def test_individuals_without_a_label_are_alone_even_if_a_group_has_their_name() -> None:
    labels = {**DONORS, "x": np.nan, "d0": None}
    everyone = [*DONORS, "x", "y", "d0"]
    found, _, notes = assign_groups(everyone, read_labels(labels, "groups"), None)  # type: ignore[arg-type]
    assert found is not None
    assert found[-3:] == ("x", "y", "d0 alone")
    assert "3 of 27 individuals have no label in groups=" in notes[1]


def test_a_pedigree_gives_generations_as_strata(tmp_path: Path) -> None:
    path = tmp_path / "a.ped"
    path.write_text(
        "".join(f"F{i} F{i}dad 0 0\nF{i} F{i}mum 0 0\nF{i} F{i}kid F{i}dad F{i}mum\n" for i in range(10))
        + "S s1 0 0\nS s2 0 0\nS s3 0 0\n"
    )
    everyone = [f"F{i}{who}" for i in range(10) for who in ("dad", "mum", "kid")] + ["s1", "s2", "s3"]
    labels, strata, notes = assign_groups(everyone, read_labels(path, "groups"), None)
    assert labels is not None
    assert strata is not None
    assert strata[:3] == ("generation 0", "generation 0", "generation 1")
    assert fixed_groups(labels, strata) == ["S"]
    assert "1 group(s) have a composition that no other group has (S)" in notes[-1]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("nothing.ped", SettingError, "neither a file that exists nor the name of a covariate"),
        (7, SettingError, "got int"),
        ({"other": "x"}, TableError, r"labels none of the 24 individuals: it has other, the cohort d0s1"),
        (dict.fromkeys(DONORS, "CEU"), SettingError, r"24 individuals form 1 group.* use strata="),
    ],
)
def test_groups_that_cannot_be_are_refused(given: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        assign_groups(list(DONORS), read_labels(given, "groups"), None)  # type: ignore[arg-type]


def test_bad_group_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text("sample\tdonor\na\tx\na\ty\n")
    with pytest.raises(InputFileError, match="line 3: a has two labels"):
        read_labels(path, "groups")
    path.write_text("")
    with pytest.raises(InputFileError, match="is empty"):
        read_labels(path, "groups")


def test_sizes_are_described_shortly() -> None:
    labels = [f"g{size}" for size in range(1, 9) for _ in range(size)]
    assert describe_groups(labels) == (
        "8 groups of individuals stay together (1 of 1, 1 of 2, 1 of 3, 1 of 4, 1 of 5, 3 other sizes)"
    )


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
