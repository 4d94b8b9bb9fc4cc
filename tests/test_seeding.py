"""Seeded choices: names alone decide, and evenly."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from pgxeval.errors import SettingError
from pgxeval.seeding import assign_folds, hash64, model_seed, permute_individuals

NAMES = [f"GTEX-{i:04d}" for i in range(2_000)]


def test_hashes_are_the_same_in_every_version_and_process() -> None:
    """Pinned: another value here changes everybody's folds."""
    pinned = (hash64("fold", "outer", 0, "NA12878"), model_seed(0, "ENSG1", 1, 0))
    code = "from pgxeval.seeding import *; print(hash64('fold', 'outer', 0, 'NA12878'), model_seed(0, 'ENSG1', 1, 0))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(map(int, printed.stdout.split())) == pinned == PINNED


PINNED = (17723932242848196603, 661280317)


def test_numbers_and_texts_differ_but_numpy_types_do_not_matter() -> None:
    assert hash64(1) != hash64("1")
    assert hash64("a", "b") != hash64("ab")
    assert hash64(np.int16(3), np.str_("x")) == hash64(3, "x")
    assert assign_folds(np.array(NAMES), 5, np.int64(7)).tolist() == assign_folds(NAMES, 5, 7).tolist()


def test_model_seeds_fit_32_bits_and_differ() -> None:
    seeds = {model_seed(0, "G", fold, b) for fold in range(30) for b in range(100)}
    assert len(seeds) > 2_990
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_are_even_and_numbered_from_1(folds: int) -> None:
    assigned = assign_folds(NAMES, folds, seed=0)
    assert assigned.dtype == np.int16
    counts = np.bincount(assigned, minlength=folds + 1)
    assert counts[0] == 0
    assert len(counts) == folds + 1
    assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_a_fold_depends_only_on_seed_and_name() -> None:
    everyone = dict(zip(NAMES, assign_folds(NAMES, 5, 3).tolist(), strict=True))
    some = NAMES[::-7]
    assert assign_folds(some, 5, 3).tolist() == [everyone[name] for name in some]


@pytest.mark.parametrize(("seed", "purpose"), [(4, "outer"), (3, "inner")])
def test_seeds_and_purposes_are_independent(seed: int, purpose: str) -> None:
    table = np.zeros((5, 5))
    np.add.at(table, (assign_folds(NAMES, 5, 3) - 1, assign_folds(NAMES, 5, seed, purpose) - 1), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


@pytest.mark.parametrize("folds", [1, 0, -2, 40_000])
def test_impossible_folds_are_refused(folds: int) -> None:
    with pytest.raises(SettingError, match="folds must be from 2"):
        assign_folds(NAMES, folds, 0)


def test_replicate_0_is_the_identity() -> None:
    assert permute_individuals(NAMES[:9], 0, 5).tolist() == list(range(9))


def test_a_permutation_pairs_the_same_names_in_every_order() -> None:
    names = NAMES[:100]
    shuffled = list(np.random.default_rng(0).permutation(names))
    pairs = {names[i]: names[j] for i, j in enumerate(permute_individuals(names, 3, 1))}
    again = {str(shuffled[i]): str(shuffled[j]) for i, j in enumerate(permute_individuals(shuffled, 3, 1))}
    assert pairs == again
    assert sorted(pairs.values()) == sorted(names)


def test_permutations_are_uniform() -> None:
    """Of 4 names: all 24 permutations are equally frequent; fixed points average 1, as in random permutations."""
    names = ["d", "a", "c", "b"]
    drawn = [tuple(permute_individuals(names, b, 0).tolist()) for b in range(1, 2_401)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3
    many = [np.sum(permute_individuals(NAMES[:50], b, 0) == np.arange(50)) for b in range(1, 401)]
    assert abs(np.mean(many) - 1) < 5 / np.sqrt(400)


def test_replicates_and_seeds_give_different_permutations() -> None:
    drawn = {tuple(permute_individuals(NAMES[:20], b, s).tolist()) for b in range(1, 6) for s in range(5)}
    assert len(drawn) == 25


FAMILIES = {"quad": 4, "trio": 3, "pair": 2, "alone": 1}
RELATED = [
    (f"{kind}{family}-{member}", f"{kind}{family}" if size > 1 else f"{kind}{family}-{member}")
    for kind, size in FAMILIES.items()
    for family in range(12)
    for member in range(size)
]
RELATED_NAMES = [name for name, _ in RELATED]
RELATED_GROUPS = [group for _, group in RELATED]


@pytest.mark.parametrize("purpose", ["outer", "inner"])
def test_a_group_stays_in_one_fold_and_groups_spread_evenly(purpose: str) -> None:
    folds = assign_folds(RELATED_NAMES, 5, 3, purpose, groups=RELATED_GROUPS)
    of_group: dict[str, set[int]] = {}
    for group, fold in zip(RELATED_GROUPS, folds.tolist(), strict=True):
        of_group.setdefault(group, set()).add(fold)
    assert all(len(found) == 1 for found in of_group.values())
    pairs = [f"donor{i}" for i in range(1_000) for _ in range(2)]
    counts = np.bincount(assign_folds(NAMES, 5, 3, purpose, groups=pairs)[::2], minlength=6)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_individuals_without_relatives_choose_as_without_groups() -> None:
    alone = [name == group for name, group in RELATED]
    with_groups = assign_folds(RELATED_NAMES, 5, 3, groups=RELATED_GROUPS)
    assert with_groups[alone].tolist() == assign_folds(RELATED_NAMES, 5, 3)[alone].tolist()
    for replicate in range(4):
        plain = permute_individuals(NAMES[:40], replicate, 1)
        assert permute_individuals(NAMES[:40], replicate, 1, groups=NAMES[:40]).tolist() == plain.tolist()
        assert permute_individuals(NAMES[:40], replicate, 1, strata=["one"] * 40).tolist() == plain.tolist()


def test_permutations_exchange_whole_groups_of_equal_size() -> None:
    for replicate in range(1, 30):
        partner = permute_individuals(RELATED_NAMES, replicate, 0, groups=RELATED_GROUPS)
        assert sorted(partner.tolist()) == list(range(len(RELATED)))
        for group in set(RELATED_GROUPS):
            own = [i for i, other in enumerate(RELATED_GROUPS) if other == group]
            partners = {RELATED_GROUPS[partner[i]] for i in own}
            assert len(partners) == 1
            assert RELATED_GROUPS.count(partners.pop()) == len(own)


def test_a_permutation_of_groups_does_not_depend_on_the_order_of_individuals() -> None:
    strata = ["P" if int(name[-1]) < 2 else "C" for name in RELATED_NAMES]
    order = np.random.default_rng(1).permutation(len(RELATED))
    first = permute_individuals(RELATED_NAMES, 2, 7, groups=RELATED_GROUPS, strata=strata)
    again = permute_individuals(
        [RELATED_NAMES[i] for i in order],
        2,
        7,
        groups=[RELATED_GROUPS[i] for i in order],
        strata=[strata[i] for i in order],
    )
    assert {i: int(j) for i, j in enumerate(first)} == {
        int(order[i]): int(order[j]) for i, j in enumerate(again.tolist())
    }


def test_strata_are_never_mixed_and_each_is_shuffled() -> None:
    strata = ["YRI" if i % 3 == 0 else "FIN" for i in range(60)]
    moved = np.zeros(60)
    for replicate in range(1, 30):
        partner = permute_individuals(NAMES[:60], replicate, 0, strata=strata)
        assert [strata[i] for i in partner] == strata
        moved += partner != np.arange(60)
    assert moved.min() > 20


def test_members_of_a_family_keep_their_role() -> None:
    names = [f"{family}-{role}" for family in "abcdef" for role in ("x-father", "y-mother", "child1", "child2")]
    roles = ["parent" if "ther" in name else "child" for name in names]
    groups = [name[0] for name in names]
    for replicate in range(1, 20):
        partner = permute_individuals(names, replicate, 5, groups=groups, strata=roles)
        assert [roles[i] for i in partner] == roles
        assert all(len({groups[partner[i]] for i in range(24) if groups[i] == family}) == 1 for family in "abcdef")


def test_a_group_of_a_size_of_its_own_is_shuffled_within_itself() -> None:
    names = [f"s{i}" for i in range(5)] + ["t", "u"]
    groups = ["sibs"] * 5 + ["t", "u"]
    drawn = {tuple(permute_individuals(names, b, 0, groups=groups)[:5].tolist()) for b in range(1, 400)}
    assert len(drawn) > 100  # of 5! = 120
    assert {place for permutation in drawn for place in permutation} == set(range(5))


def test_group_permutations_are_uniform_over_groups() -> None:
    names = [f"{family}{i}" for family in "dacb" for i in range(2)]
    groups = [name[0] for name in names]
    drawn = [tuple(permute_individuals(names, b, 0, groups=groups)[::2].tolist()) for b in range(1, 2_401)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("what", ["groups", "strata"])
def test_labels_that_do_not_fit_the_individuals_are_refused(what: str) -> None:
    with pytest.raises(SettingError, match=rf"{what} must have one label per individual \(3\), got 2 labels"):
        permute_individuals(["a", "b", "c"], 1, 0, **{what: ["x", "y"]})
    with pytest.raises(SettingError, match="got one string"):
        permute_individuals(["a", "b", "c"], 1, 0, **{what: "abc"})
    with pytest.raises(SettingError, match="groups must have one label per individual"):
        assign_folds(["a", "b", "c"], 2, 0, groups=["x"])
