"""CoordinateMap on a map that can be read at a glance; `test_haplotypes.py` judges those that are made."""

from __future__ import annotations

import numpy as np

from pgxeval.genome.coordinates import CoordinateMap

MAP = CoordinateMap(  # three bases, two inserted, three bases, four deleted, one base
    haplotype_starts=np.array([0, 5, 8]), reference_starts=np.array([100, 103, 110]), lengths=np.array([3, 3, 1])
)


def test_both_ways() -> None:
    assert MAP.to_reference(np.arange(-1, 10)).tolist() == [-1, 100, 101, 102, -1, -1, 103, 104, 105, 110, -1]
    assert MAP.from_reference(np.arange(99, 112)).tolist() == [-1, 0, 1, 2, 5, 6, 7, -1, -1, -1, -1, 8, -1]


def test_shapes_are_kept() -> None:
    assert MAP.to_reference(5) == 103
    assert MAP.to_reference([[0, 5], [3, 8]]).tolist() == [[100, 103], [-1, 110]]
    assert MAP.from_reference([]).shape == (0,)


def test_nothing_maps_to_nothing() -> None:
    none = np.empty(0, np.int64)
    empty = CoordinateMap(haplotype_starts=none, reference_starts=none, lengths=none)
    assert empty.to_reference([0, 1]).tolist() == [-1, -1]
