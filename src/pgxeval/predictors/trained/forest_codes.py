"""Dosages as small integers, in the layout that the forest's compiled steps read."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.predictors.trained.distinct_columns import DistinctColumns, find_distinct

MOST_LEVELS = 255
"""Distinct values of a column up to which it is represented exactly; beyond, neighbouring values share a bin."""

Dosages = npt.NDArray[np.int8] | npt.NDArray[np.float32]

_KEPT_LEVELS = 5  # up to here sums of a node are kept and subtracted; beyond, counting the drawn columns is cheaper


@attrs.frozen(kw_only=True, eq=False)
class ForestCodes:
    """Distinct dosage columns of the training individuals, coded by the rank of their values.

    Parameters
    ----------
    codes
        uint8 (n_individuals, n_kept), columns of at most five distinct values, by ascending number of values.
    many
        uint8 (n_many, n_individuals), all other columns.
    sums
        int64 (n_tables, 5), which sums are kept: first column, last column (exclusive), cut, first sum,
        cuts of these columns.
    n_sums
        Number of sums kept for a node.
    multiplicity
        int32 (n_distinct,), original columns that each distinct column stands for.
    owner
        int64 (n_columns - n_distinct,), the distinct column of each further copy.
    member_first, member, member_flipped
        The original columns of distinct column ``k`` are ``member[member_first[k]:member_first[k + 1]]``; flipped
        where an original column counts the other allele.
    level_first, lowest, highest
        The levels of distinct column ``k`` are ``level_first[k]`` to ``level_first[k + 1]``, with the smallest and the
        largest dosage of each (equal unless the column is binned).
    n_binned
        Number of original columns with more than `MOST_LEVELS` distinct values, which are binned.
    """

    codes: npt.NDArray[np.uint8] = attrs.field(repr=False)
    many: npt.NDArray[np.uint8] = attrs.field(repr=False)
    sums: npt.NDArray[np.int64] = attrs.field(repr=False)
    n_sums: int
    multiplicity: npt.NDArray[np.int32] = attrs.field(repr=False)
    owner: npt.NDArray[np.int64] = attrs.field(repr=False)
    member_first: npt.NDArray[np.int64] = attrs.field(repr=False)
    member: npt.NDArray[np.int64] = attrs.field(repr=False)
    member_flipped: npt.NDArray[np.bool_] = attrs.field(repr=False)
    level_first: npt.NDArray[np.int64] = attrs.field(repr=False)
    lowest: npt.NDArray[np.float64] = attrs.field(repr=False)
    highest: npt.NDArray[np.float64] = attrs.field(repr=False)
    n_binned: int

    @property
    def n_individuals(self) -> int:
        """Number of training individuals."""
        return len(self.codes)

    @property
    def n_columns(self) -> int:
        """Number of original columns."""
        return len(self.member)

    @classmethod
    def make(
        cls,
        dosages: Dosages,
        means: npt.NDArray[np.float64],
        distinct: DistinctColumns | None = None,
    ) -> ForestCodes:
        """Code a dosage matrix.

        Parameters
        ----------
        dosages
            (n_individuals, n_columns), int8 with -1 or float32 with NaN (or a negative number) for a missing call.
        means
            float64 (n_columns,), what replaces a missing call.
        distinct
            Groups of identical columns, found here if None.
        """
        if distinct is None:
            distinct = find_distinct(dosages)
        values = dosages[:, distinct.representative]
        means = means[distinct.representative]
        codes = _code_calls(values, means) if values.dtype == np.int8 else _code_fractions(values, means)
        return cls._arrange(*codes, distinct)

    @classmethod
    def _arrange(  # noqa: PLR0917 (one caller)
        cls,
        codes: npt.NDArray[np.uint8],
        n_levels: npt.NDArray[np.int64],
        lowest: npt.NDArray[np.float64],
        highest: npt.NDArray[np.float64],
        binned: npt.NDArray[np.bool_],
        distinct: DistinctColumns,
    ) -> ForestCodes:
        n_distinct = n_levels.size
        size = np.where(n_levels <= _KEPT_LEVELS, n_levels, MOST_LEVELS + 1)
        order = np.argsort(size, kind="stable")
        place = np.empty(n_distinct, dtype=np.int64)
        place[order] = np.arange(n_distinct)
        n_kept = int((n_levels <= _KEPT_LEVELS).sum())
        sums: list[tuple[int, int, int, int, int]] = []
        n_sums = 0
        for cuts in range(1, _KEPT_LEVELS):
            first, last = np.searchsorted(size[order], [cuts + 1, cuts + 2]).tolist()
            last = min(last, n_kept)
            for cut in range(cuts if last > first else 0):
                sums.append((first, last, cut, n_sums, cuts))
                n_sums += last - first
        group = place[distinct.group]
        member = np.argsort(group, kind="stable")
        multiplicity = np.bincount(group, minlength=n_distinct)
        further = np.ones(group.size, dtype=bool)
        further[distinct.representative] = False
        within = np.arange(lowest.shape[1]) < n_levels[order, None]
        return cls(
            codes=np.ascontiguousarray(codes[:, order[:n_kept]]),
            many=np.ascontiguousarray(codes[:, order[n_kept:]].T),
            sums=np.array(sums, dtype=np.int64).reshape(-1, 5),
            n_sums=n_sums,
            multiplicity=multiplicity.astype(np.int32),
            owner=group[further],
            member_first=np.concatenate([[0], np.cumsum(multiplicity)]),
            member=member,
            member_flipped=distinct.flipped[member],
            level_first=np.concatenate([[0], np.cumsum(n_levels[order])]),
            lowest=lowest[order][within],
            highest=highest[order][within],
            n_binned=int(binned[distinct.group].sum()),
        )


_Coded = tuple[
    npt.NDArray[np.uint8],
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
    npt.NDArray[np.bool_],
]


def _code_calls(calls: npt.NDArray[Any], means: npt.NDArray[np.float64]) -> _Coded:
    from pgxeval.predictors.trained.column_kernel import recode

    calls = np.ascontiguousarray(calls)
    n_columns = calls.shape[1]
    value = np.stack([means, *(np.full(n_columns, float(copies)) for copies in range(3))])
    present = np.stack([(calls < 0).any(axis=0), *((calls == copies).any(axis=0) for copies in range(3))])
    is_level = present.copy()  # a mean that equals an observed dosage adds no level
    is_level[0] &= ~(present[1:] & (value[1:] == means)).any(axis=0)
    rank = np.stack([(is_level & (value < value[row])).sum(axis=0) for row in range(4)]).astype(np.uint8)
    codes = np.empty(calls.shape, dtype=np.uint8)
    recode(np.where(calls < 0, np.int8(-1), calls), rank, codes)
    levels = np.sort(np.where(is_level, value, np.inf), axis=0).T
    return codes, is_level.sum(axis=0), levels, levels, np.zeros(n_columns, dtype=bool)


def _code_fractions(dosages: npt.NDArray[Any], means: npt.NDArray[np.float64]) -> _Coded:
    from pgxeval.predictors.trained.column_kernel import bin_columns

    values = np.where(dosages >= 0, dosages, means).T.astype(np.float64, order="C")
    n_columns, n = values.shape
    most = min(n, MOST_LEVELS)
    codes = np.empty((n_columns, n), dtype=np.uint8)
    lowest, highest = np.full((2, n_columns, most), np.inf)
    n_levels = np.empty(n_columns, dtype=np.int64)
    order_statistics = np.sort(values, axis=1)
    bin_columns(values, order_statistics, most, codes, lowest, highest, n_levels)
    has_bins = 1 + (np.diff(order_statistics, axis=1) != 0).sum(axis=1) > MOST_LEVELS
    return codes.T, n_levels, lowest, highest, has_bins
