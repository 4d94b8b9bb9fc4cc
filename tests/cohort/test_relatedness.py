"""Kinship against plink2, planted families and closed forms."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.common_variants import CommonVariants
from pgxeval.cohort.relatedness import (
    check_relationship,
    clusters,
    degree,
    describe_relatives,
    find_relatives,
    king_kinship,
    nearest_semidefinite,
    pc_relate_kinship,
    related_groups,
    relationship_matrix,
    unrelated_individuals,
)
from pgxeval.errors import TableError
from pgxeval.simulation.families import draw_haplotypes, names, variants_of

FAMILY = {"children": {80: (0, 2), 81: (0, 2), 82: (80, 4)}, "copies": {83: 9}}


@pytest.fixture(scope="module")
def family() -> CommonVariants:
    """Two populations at Fst 0.1; siblings 80 and 81 of 0 and 2, a grandchild 82, and 83 a copy of 9."""
    return variants_of(draw_haplotypes(84, 2_400, np.random.default_rng(3), fst=0.1, **FAMILY))


def test_planted_relatives_are_found_and_no_others(family: CommonVariants) -> None:
    found = find_relatives(family)
    pairs = {(row.individual_a, row.individual_b): row.relationship for row in found.itertuples()}
    name = names(84)
    first = {(0, 80), (0, 81), (2, 80), (2, 81), (80, 81), (80, 82), (4, 82)}
    assert pairs == {
        (name[9], name[83]): "same genome",
        **{(name[i], name[j]): "first degree" for i, j in first},
    }
    by_kinship = found["kinship"].to_numpy()
    assert by_kinship[0] == 0.5
    np.testing.assert_allclose(by_kinship[1:], 0.25, atol=0.08)
    assert (np.diff(by_kinship) <= 0).all()
    wider = find_relatives(family, 0.05)
    second = {(name[0], name[82]), (name[2], name[82]), (name[81], name[82])}
    others = set(zip(wider["individual_a"], wider["individual_b"], strict=True)) - set(pairs)
    assert others & second  # 60 regions are transmitted, so that not every grandparent reaches the bound


def test_kinship_equals_plink2(family: CommonVariants, tmp_path: Path) -> None:
    plink2 = shutil.which("plink2")
    if plink2 is None:
        pytest.skip("plink2 is not installed")
    rng = np.random.default_rng(0)
    dosages = family.dosages.copy()
    dosages[rng.random(dosages.shape) < 0.03] = np.nan
    text = {0: "0/0", 1: "0/1", 2: "1/1"}
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="G">']
    fields = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join([*fields, *family.individuals]))
    for column in range(dosages.shape[1]):
        calls = [text.get(value, "./.") for value in dosages[:, column].tolist()]
        lines.append("\t".join(["1", str(1 + 10 * column), f"v{column}", "A", "C", ".", ".", ".", "GT", *calls]))
    (tmp_path / "a.vcf").write_text("\n".join(lines) + "\n")
    command = [plink2, "--vcf", "a.vcf", "--make-king", "square", "--out", "a", "--threads", "1"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    expected = np.loadtxt(tmp_path / "a.king")
    above = np.triu_indices(len(expected), 1)
    np.testing.assert_allclose(king_kinship(dosages)[above], expected[above], atol=2e-6)


def test_few_variants_or_regions_report_no_pair(family: CommonVariants) -> None:
    few = CommonVariants(
        dosages=family.dosages[:, :150],
        contigs=family.contigs[:150],
        positions=family.positions[:150],
        individuals=family.individuals,
    )
    assert find_relatives(few).empty
    one_region = CommonVariants(
        dosages=family.dosages,
        contigs=["chr1"] * 2_400,
        positions=np.arange(2_400) * 100 + 1,
        individuals=family.individuals,
    )
    assert find_relatives(one_region).empty


def test_kinship_given_ancestry_is_unbiased_across_populations() -> None:
    """Children of parents from two populations: KING-robust is biased, PC-Relate is not."""
    rng = np.random.default_rng(5)
    children = {60 + i: (2 * i, 2 * i + 1) for i in range(20)}
    haplotypes = draw_haplotypes(80, 3_000, rng, fst=0.15, children=children)
    ancestry = np.array([i % 2 for i in range(60)] + [0.5] * 20)
    kinship = pc_relate_kinship(haplotypes.sum(axis=1).astype(np.float32), ancestry[:, None], np.arange(60))
    king = king_kinship(haplotypes.sum(axis=1).astype(np.float32))
    parents = np.array([(child, parent) for child, pair in children.items() for parent in pair])
    assert abs(kinship[parents[:, 0], parents[:, 1]].mean() - 0.25) < 0.02
    assert king[parents[:, 0], parents[:, 1]].mean() < 0.22
    unrelated = kinship[:60, :60][np.triu_indices(60, 1)]
    assert abs(unrelated.mean()) < 0.01


def test_relationship_matrix_is_sparse_and_semidefinite(family: CommonVariants) -> None:
    components = pd.DataFrame({"PC1": np.arange(84) % 2 - 0.5}, index=names(84))
    matrix = relationship_matrix(family, components, names(80))
    name = names(84)
    np.testing.assert_allclose(np.diag(matrix), 1)
    assert abs(matrix.loc[name[80], name[81]] - 0.5) < 0.12
    assert matrix.loc[name[9], name[83]] > 0.9
    assert (matrix.loc[name[10:80:2], name[11:80:2]].to_numpy() == 0).all()
    assert np.linalg.eigvalsh(matrix.to_numpy())[0] > -1e-8
    grouped = related_groups(matrix)
    assert {grouped[name[i]] for i in (0, 2, 4, 80, 81, 82)} == {name[0]}
    assert grouped[name[20]] == name[20]


def test_relationship_is_checked() -> None:
    identity = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))
    check_relationship(identity, ["a", "b", "c"])
    for bad, said in (
        (identity.loc[["b", "a", "c"]], "in their order"),
        (identity.replace(0, np.nan), "finite"),
        (identity + np.triu(np.ones((3, 3)), 1), "not symmetric"),
        (identity * 50, "twice the kinship"),
    ):
        with pytest.raises(TableError, match=said):
            check_relationship(bad, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("kinship", "name"), [(0.5, "same genome"), (0.26, "first degree"), (0.12, "second degree"), (0.06, "distant")]
)
def test_degrees(kinship: float, name: str) -> None:
    assert degree(kinship) == name


def test_clusters_and_unrelated_individuals_agree_with_networkx_by_hand() -> None:
    pairs = [("b", "a"), ("c", "b"), ("d", "c"), ("x", "y")]
    everyone = list("abcdxyz")
    assert clusters(everyone, pairs) == {"a": "a", "b": "a", "c": "a", "d": "a", "x": "x", "y": "x", "z": "z"}
    kept = unrelated_individuals(everyone, pairs)
    assert len(kept) == 4
    assert not any(a in kept and b in kept for a, b in pairs)
    star = [("hub", f"s{i}") for i in range(5)]
    assert unrelated_individuals(["hub", *(f"s{i}" for i in range(5))], star) == tuple(f"s{i}" for i in range(5))


def test_only_pairs_outside_of_groups_are_described(family: CommonVariants) -> None:
    found = find_relatives(family)
    text = describe_relatives(found)
    assert text.startswith(
        "8 pair(s) of individuals are closely related (1 same genome, 7 first degree): I009 and I083"
    )
    assert text.endswith(" and 3 more")
    grouped = dict.fromkeys(family.individuals, "one")
    assert describe_relatives(found, grouped) == ""


def test_repair_keeps_the_diagonal() -> None:
    matrix = np.array([[1, 0.9, 0], [0.9, 1, 0.9], [0, 0.9, 1]])
    repaired = nearest_semidefinite(matrix)
    np.testing.assert_allclose(np.diag(repaired), 1)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    np.testing.assert_array_equal(nearest_semidefinite(np.eye(3)), np.eye(3))
