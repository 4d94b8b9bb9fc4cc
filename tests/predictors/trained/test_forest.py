"""Trees against scikit-learn, node by node; draws against their distribution.

Where two trees may differ: at a tie, where two splits into different groups of individuals lower the squared error
equally (to 1e-5 of the larger; expression is held in fixed point). Below a tie nothing is compared. Splits on
different columns that separate the same individuals are the same split.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import chisquare
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from pgxeval.predictors.trained.forest import Forest, ForestSettings, fixed_point, grow_forest
from pgxeval.predictors.trained.forest_codes import ForestCodes
from pgxeval.predictors.trained.forest_draws import draw_columns

KINDS = ("calls", "missing calls", "few fractions", "fractions")


def draw_dosages(rng: np.random.Generator, kind: str, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dosages with copies and mirror images of columns, and the same imputed with the mean."""
    dosages = rng.binomial(2, rng.uniform(0.05, 0.95, p), (n, p)).astype(np.float64)
    if kind == "few fractions":
        dosages *= rng.choice([1, 0.75, 0.5, 0.25], (n, p))
    elif kind == "fractions":
        dosages = rng.beta(0.5, 0.5, (n, p)) * 2
    copied = rng.integers(0, p, p)
    dosages = np.where(rng.random(p) < 0.3, 2 - dosages[:, copied], dosages[:, copied])
    if kind == "missing calls":
        dosages[rng.random((n, p)) < 0.1] = -1
    stored = dosages.astype(np.int8 if kind.endswith("calls") else np.float32)
    called = np.where(stored >= 0, stored, np.nan).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        means = np.nan_to_num(np.nanmean(called, axis=0), nan=1.0)
    return stored, np.where(np.isnan(called), means, called)


def gain(y: np.ndarray, goes_left: np.ndarray) -> float:
    """Return by how much a split lowers the sum of squares."""
    a, b = y[goes_left], y[~goes_left]
    return a.size * b.size / y.size * float(a.mean() - b.mean()) ** 2


def compare(ours: Forest, theirs: DecisionTreeRegressor, X: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """Walk both trees; return the number of equal splits and of ties."""
    mine, tree = ours.tree(0), theirs.tree_
    todo = [(0, 0, np.arange(y.size))]
    equal = ties = 0
    while todo:
        a, b, rows = todo.pop()
        assert mine["n_samples"][a] == tree.n_node_samples[b] == rows.size
        assert mine["mean"][a] == pytest.approx(tree.value[b, 0, 0], rel=1e-9, abs=1e-9)
        leaf_a, leaf_b = mine["feature"][a] < 0, tree.children_left[b] < 0
        assert leaf_a == leaf_b
        if leaf_a:
            continue
        left_a = X[rows, mine["feature"][a]] <= mine["threshold"][a]
        left_b = X[rows, tree.feature[b]] <= tree.threshold[b]
        if np.array_equal(left_a, left_b) or np.array_equal(left_a, ~left_b):
            equal += 1
            sides = (tree.children_left[b], tree.children_right[b])
            sides = sides if np.array_equal(left_a, left_b) else sides[::-1]
            todo.append((mine["left"][a], sides[0], rows[left_a]))
            todo.append((mine["right"][a], sides[1], rows[~left_a]))
        else:
            one, other = gain(y[rows], left_a), gain(y[rows], left_b)
            assert one == pytest.approx(other, rel=1e-5, abs=1e-9 * float(y.var())), "another split, and no tie"
            ties += 1
    return equal, ties


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_tree_splits_as_scikit_learn(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    equal = ties = 0
    for _ in range(500):
        n, p = int(rng.integers(6, 90)), int(rng.integers(1, 30))
        stored, X = draw_dosages(rng, kind, n, p)
        X = X.astype(np.float32).astype(np.float64)
        y = rng.choice([rng.standard_normal(n), rng.standard_t(2, n) * 1e3 + 1e4, rng.exponential(0.1, n)])
        y = y + X[:, 0] * y.std() * rng.choice([0, 1])
        leaf, split = int(rng.choice([1, 2, 5])), int(rng.choice([2, 15]))
        depth = [None, 3][rng.integers(2)]
        codes = ForestCodes.make(stored, np.where(stored >= 0, 0, X).max(axis=0).astype(np.float64))
        settings = ForestSettings(
            n_estimators=1, bootstrap=False, min_samples_leaf=leaf, min_samples_split=split, max_depth=depth
        )
        ours = grow_forest(codes, y, settings, seed=1)
        theirs = DecisionTreeRegressor(
            min_samples_leaf=leaf, min_samples_split=split, max_depth=depth, random_state=0
        ).fit(X, y)
        found = compare(ours, theirs, X, y)
        equal, ties = equal + found[0], ties + found[1]
    assert equal > 2000
    assert ties < 0.01 * equal


@pytest.mark.parametrize("wide", [False, True])
def test_thresholds_lie_halfway_between_the_dosages_of_the_node(wide: bool) -> None:
    # 1 does not occur in the root, so that 0 and 2 are neighbours; a later individual with 1 goes left
    stored = np.repeat(np.array([[0], [2]], dtype=np.int8), 10, axis=0)
    y = np.repeat([0.0, 1.0], 10) + np.arange(20) / 1e3
    if wide:
        y[0] = -1e9
    codes = ForestCodes.make(stored, np.ones(1))
    forest = grow_forest(codes, y, ForestSettings(n_estimators=1, bootstrap=False, min_samples_leaf=5), 0)
    assert fixed_point(y)[2] == wide
    assert forest.threshold[0] == 1.0
    assert forest.predict(np.array([[0.0], [1.0], [2.0]])) == pytest.approx(
        [y[:10].mean(), y[:10].mean(), y[10:].mean()]
    )


def test_a_dosage_that_is_absent_from_a_node_does_not_move_its_threshold() -> None:
    first = np.repeat([0, 0, 2], 10)
    second = np.repeat([0, 2, 1], 10)  # the heterozygotes leave with the first split
    stored = np.stack([first, second], axis=1).astype(np.int8)
    y = np.repeat([0.0, 1.0, 50.0], 10) + np.arange(30) / 1e3
    settings = ForestSettings(n_estimators=1, bootstrap=False, min_samples_leaf=5, max_depth=2)
    tree = grow_forest(ForestCodes.make(stored, np.ones(2)), y, settings, 0).tree(0)
    theirs = DecisionTreeRegressor(min_samples_leaf=5, max_depth=2, random_state=0).fit(stored, y).tree_
    split = {int(f): t for f, t in zip(tree["feature"], tree["threshold"], strict=True) if f >= 0}
    assert split == {int(f): t for f, t in zip(theirs.feature, theirs.threshold, strict=True) if f >= 0}
    assert split[1] == 1.0


def test_an_outlier_does_not_hide_the_rest() -> None:
    rng = np.random.default_rng(2)
    stored, X = draw_dosages(rng, "calls", 80, 10)
    y = rng.standard_normal(80)
    y[7] = 1e5
    ours = grow_forest(ForestCodes.make(stored, np.ones(10)), y, ForestSettings(n_estimators=1, bootstrap=False), 0)
    equal, _ = compare(ours, DecisionTreeRegressor(random_state=0).fit(X, y), X, y)
    assert equal > 20


def test_predictions_of_a_forest_that_draws_nothing_equal_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    stored, X = draw_dosages(rng, "calls", 200, 60)
    y = X[:, 0] + rng.standard_normal(200)
    settings = ForestSettings(
        n_estimators=3, bootstrap=False, min_samples_leaf=10, max_depth=5, min_impurity_decrease=0.02
    )
    ours = grow_forest(ForestCodes.make(stored, np.ones(60)), y, settings, seed=3)
    theirs = RandomForestRegressor(3, bootstrap=False, min_samples_leaf=10, max_depth=5, min_impurity_decrease=0.02)
    np.testing.assert_allclose(ours.predict(X), theirs.fit(X, y).predict(X), rtol=1e-9)
    assert 3 < ours.tree(0)["feature"].size < theirs.set_params(min_impurity_decrease=0).fit(X, y)[0].tree_.node_count


def test_the_seed_decides_and_nothing_else() -> None:
    rng = np.random.default_rng(6)
    stored, X = draw_dosages(rng, "missing calls", 60, 40)
    y = rng.standard_normal(60)
    codes = ForestCodes.make(stored, X.mean(axis=0))
    settings = ForestSettings(n_estimators=5, max_features=0.4)
    one, again, other = (grow_forest(codes, y, settings, seed) for seed in (1, 1, 2))
    assert one.threshold.tobytes() == again.threshold.tobytes()
    assert one.feature.tobytes() == again.feature.tobytes() != other.feature.tobytes()


@pytest.mark.parametrize(("tickets", "drawn"), [(13, 4), (13, 1), (13, 12), (300, 100)])
def test_every_set_of_original_columns_is_drawn_equally_often(tickets: int, drawn: int) -> None:
    owner = np.array([0, 0, 3], dtype=np.int64)
    n = tickets - owner.size
    state = np.array([5], dtype=np.uint64)
    bits = np.empty((tickets + 7) // 8, dtype=np.uint64)
    copies = np.empty(n, dtype=np.int32)
    draws = 4000
    counts = np.zeros((draws, n))
    for row in counts:
        draw_columns(copies, owner, bits, tickets, drawn, state)
        row[:] = copies
    assert (counts.sum(axis=1) == drawn).all()
    multiplicity = np.ones(n)
    multiplicity[0], multiplicity[3] = 3, 2
    share = drawn / tickets
    z = (counts.sum(axis=0) - draws * multiplicity * share) / np.sqrt(draws * multiplicity * share)
    assert np.abs(z).max() < 4.5
    # copies of column 0 that are drawn together: hypergeometric
    together = (counts[:, 0] == 3).mean()
    expected = np.prod([(drawn - k) / (tickets - k) for k in range(3)])
    assert together == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / draws) + 1e-12)


def test_identical_columns_share_the_splits_equally() -> None:
    """Of 3 copies (one mirrored) and 1 rival, with one column drawn at a node, each gets a quarter of the roots."""
    rng = np.random.default_rng(8)
    a = rng.binomial(2, 0.5, 100).astype(np.int8)
    b = rng.binomial(2, 0.5, 100).astype(np.int8)
    constant = np.zeros(100, dtype=np.int8)
    stored = np.stack([a, b, 2 - a, a, constant], axis=1)
    codes = ForestCodes.make(stored, np.ones(5))
    settings = ForestSettings(n_estimators=4000, max_features=1, max_depth=1)
    forest = grow_forest(codes, rng.standard_normal(100), settings, seed=0)
    roots = forest.feature[forest.first_node[:-1]]
    # a constant column that was drawn is passed over, as in scikit-learn
    assert chisquare(np.bincount(roots, minlength=5)[:4]).pvalue > 1e-3
    assert set(roots.tolist()) == {0, 1, 2, 3}


def test_trees_can_be_read() -> None:
    rng = np.random.default_rng(9)
    stored, X = draw_dosages(rng, "calls", 100, 50)
    forest = grow_forest(
        ForestCodes.make(stored, np.ones(50)), X[:, 3] + rng.standard_normal(100), ForestSettings(n_estimators=4), 0
    )
    assert forest.n_trees == 4
    narrow, columns = forest.narrowed()
    np.testing.assert_array_equal(narrow.predict(X[:, columns]), forest.predict(X))
    for number in range(4):
        tree = forest.tree(number)
        inner = np.flatnonzero(tree["feature"] >= 0)
        for name in ("n_samples", "weight"):
            children = tree[name][tree["left"][inner]] + tree[name][tree["right"][inner]]
            np.testing.assert_array_equal(tree[name][inner], children)
        assert tree["weight"][0] == 100
