"""A regression forest on dosages: how it is grown, how it predicts, and its trees as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, kind
from pgxeval.errors import SettingError
from pgxeval.predictors.trained.forest_codes import ForestCodes
from pgxeval.seeding import hash64

_INT32_TOTAL = 2.0**27
_INT64_TOTAL = 2.0**40
_COARSE = 1e-4
_LARGEST_WEIGHT = 2**15


def _count_or_share(
    low: int, *, share: tuple[float, float] | None = None, also: tuple[object, ...] = ()
) -> Callable[[Any, Any, Any], None]:
    """Demand a whole number from `low`, a share above and up to the two of `share`, or one of `also`."""
    choices = [f"a whole number, at least {low}"]
    if share is not None:
        choices.append(f"a share above {share[0]:g}" + (f" and up to {share[1]:g}" if share[1] < math.inf else ""))
    choices.extend(repr(value) for value in also)

    def check(instance: object, attribute: Any, value: Any) -> None:
        if isinstance(value, bool):
            valid = False
        elif isinstance(value, Integral):
            valid = int(value) >= low
        elif isinstance(value, Real):
            valid = share is not None and share[0] < float(value) <= share[1]
        else:
            valid = any(value is one or (isinstance(one, str) and value == one) for one in also)
        if not valid:
            raise SettingError(f"{attribute.name} must be {' or '.join(choices)}, got {value!r}")

    return check


@attrs.frozen(kw_only=True)
class ForestSettings:
    """Settings of a forest, named and meant as in `sklearn.ensemble.RandomForestRegressor`.

    Parameters
    ----------
    n_estimators, max_features, min_samples_leaf, min_samples_split, max_depth, min_impurity_decrease
        As in scikit-learn; leaf and split sizes count distinct individuals.
    bootstrap, max_samples
        As in scikit-learn. The criterion is the squared error.
    """

    n_estimators: int = attrs.field(default=100, validator=_count_or_share(1))
    max_features: int | float | str | None = attrs.field(
        default=1.0, validator=_count_or_share(1, share=(0, 1), also=(None, "sqrt", "log2"))
    )
    min_samples_leaf: int | float = attrs.field(default=1, validator=_count_or_share(1, share=(0, 1)))
    min_samples_split: int | float = attrs.field(default=2, validator=_count_or_share(2, share=(0, 1)))
    max_depth: int | None = attrs.field(default=None, validator=_count_or_share(1, also=(None,)))
    min_impurity_decrease: float = attrs.field(default=0.0, validator=between(0))
    bootstrap: bool = attrs.field(default=True, validator=kind(bool))
    max_samples: int | float | None = attrs.field(
        default=None, validator=_count_or_share(1, share=(0, math.inf), also=(None,))
    )

    def __attrs_post_init__(self) -> None:
        if self.max_samples is not None and not self.bootstrap:
            raise SettingError("ForestSettings: max_samples needs bootstrap=True, because it sets the number of draws")

    def resolve(self, n_individuals: int, n_columns: int) -> dict[str, Any]:
        """Return the settings as numbers for a training set of this size, by scikit-learn's rules."""
        leaf: Any = self.min_samples_leaf
        split: Any = self.min_samples_split
        features: Any = self.max_features
        samples: Any = self.max_samples
        leaf = int(leaf) if isinstance(leaf, Integral) else math.ceil(leaf * n_individuals)
        split = int(split) if isinstance(split, Integral) else max(2, math.ceil(split * n_individuals))
        if features is None:
            features = n_columns
        elif features == "sqrt":
            features = max(1, int(math.sqrt(n_columns)))
        elif features == "log2":
            features = max(1, int(math.log2(n_columns)))
        elif not isinstance(features, Integral):
            features = max(1, int(float(features) * n_columns))
        if samples is None:
            samples = n_individuals
        elif not isinstance(samples, Integral):
            samples = max(1, round(samples * n_individuals))
        return {
            "max_features": min(int(features), n_columns),
            "min_leaf": leaf,
            "min_split": max(split, 2 * leaf),
            "max_depth": self.max_depth if self.max_depth is not None else 2**31 - 1,
            "min_decrease": float(self.min_impurity_decrease),
            "draws": samples,
        }


@attrs.frozen(kw_only=True, eq=False)
class Forest:
    """Trees of a forest as arrays over all nodes of all trees.

    Parameters
    ----------
    first_node
        int64 (n_trees + 1,), where the nodes of each tree begin; the first node is the root.
    feature
        int32 (n_nodes,), column that a node splits on, -1 for a leaf.
    threshold
        float64 (n_nodes,), dosages up to here go to `left`; NaN for a leaf.
    left, right
        int32 (n_nodes,), children, counted from the first node of the tree; -1 for a leaf.
    mean
        float64 (n_nodes,), mean training expression of the samples of a node.
    n_samples
        int32 (n_nodes,), distinct training individuals in a node.
    weight
        int32 (n_nodes,), the same counted as often as the bootstrap drew them.
    n_binned
        Number of columns with more than 255 distinct values, which were split between bins only.
    """

    first_node: npt.NDArray[np.int64] = attrs.field(repr=False)
    feature: npt.NDArray[np.int32] = attrs.field(repr=False)
    threshold: npt.NDArray[np.float64] = attrs.field(repr=False)
    left: npt.NDArray[np.int32] = attrs.field(repr=False)
    right: npt.NDArray[np.int32] = attrs.field(repr=False)
    mean: npt.NDArray[np.float64] = attrs.field(repr=False)
    n_samples: npt.NDArray[np.int32] = attrs.field(repr=False)
    weight: npt.NDArray[np.int32] = attrs.field(repr=False)
    n_binned: int = 0

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return self.first_node.size - 1

    @property
    def columns(self) -> npt.NDArray[np.int64]:
        """int64, the columns that any tree splits on, ascending."""
        return np.unique(self.feature[self.feature >= 0]).astype(np.int64)

    def tree(self, number: int) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of one tree by name, as scikit-learn's ``tree_`` holds them."""
        nodes = slice(int(self.first_node[number]), int(self.first_node[number + 1]))
        names = ("feature", "threshold", "left", "right", "mean", "n_samples", "weight")
        return {name: getattr(self, name)[nodes] for name in names}

    def narrowed(self) -> tuple[Forest, npt.NDArray[np.int64]]:
        """Return the forest over the columns that it splits on, and these columns."""
        columns = self.columns
        feature = np.where(self.feature >= 0, np.searchsorted(columns, self.feature), -1).astype(np.int32)
        return attrs.evolve(self, feature=feature), columns

    def predict(self, dosages: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the mean over trees, float64 (n_individuals,), for float64 (n_individuals, n_columns) without NaN."""
        from pgxeval.predictors.trained.forest_kernel import predict_trees

        prediction = np.empty(dosages.shape[0])
        predict_trees(
            np.ascontiguousarray(dosages, dtype=np.float64),
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.mean,
            self.first_node,
            prediction,
        )
        return prediction


def grow_forest(codes: ForestCodes, expression: npt.NDArray[np.float64], settings: ForestSettings, seed: int) -> Forest:
    """Grow a forest.

    Parameters
    ----------
    codes
        The training dosages.
    expression
        float64 (n_individuals,), finite.
    settings
        See `ForestSettings`.
    seed
        The only source of randomness. Equal seeds give equal trees on every machine.
    """
    from pgxeval.predictors.trained.forest_draws import draw_bootstrap
    from pgxeval.predictors.trained.forest_kernel import grow_tree

    n = codes.n_individuals
    numbers = settings.resolve(n, codes.n_columns)
    integers, unit, wide = fixed_point(expression)
    wide = wide or n >= _LARGEST_WEIGHT or numbers["draws"] >= _LARGEST_WEIGHT
    rooms: dict[bool, npt.NDArray[Any]] = {}
    n_rooms = math.ceil(math.log2(max(2, n))) + 4
    trees: list[dict[str, npt.NDArray[Any]]] = []
    weight = np.ones(n, dtype=np.int64)
    for number in range(settings.n_estimators):
        state = np.array([hash64("tree", int(seed), number)], dtype=np.uint64)
        if settings.bootstrap:
            draw_bootstrap(weight, numbers["draws"], state)
        rows = np.flatnonzero(weight)
        value = weight * integers
        tree_wide = wide or int(np.abs(value).sum()) >= 2**31
        dtype = np.int64 if tree_wide else np.int32
        shift = 32 if tree_wide else 16
        if tree_wide not in rooms:
            rooms[tree_wide] = np.empty((2, n_rooms, codes.n_sums), dtype=dtype)
        counts, totals = rooms[tree_wide]
        most = 2 * (rows.size // numbers["min_leaf"]) + 1
        tree = {
            "feature": np.empty(most, np.int32),
            "threshold": np.empty(most, np.float64),
            "left": np.empty(most, np.int32),
            "right": np.empty(most, np.int32),
            "mean": np.empty(most, np.float64),
            "n_samples": np.empty(most, np.int32),
            "weight": np.empty(most, np.int32),
        }
        n_nodes = grow_tree(
            codes.codes,
            codes.many,
            codes.sums,
            codes.multiplicity,
            codes.owner,
            codes.member_first,
            codes.member,
            codes.member_flipped,
            codes.level_first,
            codes.lowest,
            codes.highest,
            expression,
            value.astype(dtype),
            ((weight << shift) + 1).astype(dtype),
            weight,
            rows,
            state,
            counts,
            totals,
            numbers["max_features"],
            numbers["min_leaf"],
            numbers["min_split"],
            numbers["max_depth"],
            (numbers["min_decrease"] - 2.0**-52) * int(weight.sum()) / unit**2,
            *tree.values(),
        )
        trees.append({name: values[:n_nodes].copy() for name, values in tree.items()})
    sizes = [tree["feature"].size for tree in trees]
    arrays: Mapping[str, npt.NDArray[Any]] = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    return Forest(first_node=np.concatenate([[0], np.cumsum(sizes)]), n_binned=codes.n_binned, **arrays)


def fixed_point(expression: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], float, bool]:
    """Return the centred expression as integers, their unit, and whether sums of them need 64 bits.

    32 bits hold sums of individuals with a resolution of about n / 1.6e8 standard deviations of a normal distribution.
    Where outliers would make that coarser than 1e-4 of the bulk's spread, 64 bits and a finer unit are used.
    """
    deviations = expression - expression.mean()
    total = float(np.abs(deviations).sum())
    if total == 0 or not math.isfinite(total):
        return np.zeros(expression.size, dtype=np.int64), 1.0, False
    low, high = np.percentile(deviations, [25, 75])
    wide = total / _INT32_TOTAL > _COARSE * (high - low) / 1.349
    unit = total / (_INT64_TOTAL if wide else _INT32_TOTAL)
    return np.rint(deviations / unit).astype(np.int64), unit, bool(wide)
