"""Compiled passes over a long table against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval.evaluation import table_kernel

NO_FOLD = -1


def _stretch(rows: int = 400) -> pd.DataFrame:
    """Return rows of 2 predictors, 7 genes, 11 individuals and 3 replicates in random order, without duplicates."""
    random = np.random.default_rng(0)
    sizes = (2, 7, 11, 3)
    chosen = random.choice(np.prod(sizes), rows, replace=False)
    keys = dict(zip(("predictor", "gene", "individual", "replicate"), np.unravel_index(chosen, sizes), strict=True))
    table = pd.DataFrame(keys).astype({"replicate": np.int16})
    table["prediction"] = np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows))
    table["mean"] = random.normal(size=rows)
    table["fold"] = (table["individual"] % 3).astype(np.int16)
    return table


def _arrays(table: pd.DataFrame) -> list[np.ndarray]:
    keys = [table[name].to_numpy(dtype=np.uint32) for name in ("predictor", "gene", "individual")]
    return [*keys, table["replicate"].to_numpy(copy=True), table["prediction"].to_numpy(copy=True)]


def test_what_rows_hold() -> None:
    table = _stretch(60)
    no_fold = (table["predictor"] == 0).to_numpy()
    shapes = ((2, 7), (2, 11), (2, 3), 2, 2, 2)
    genes, individuals, replicates, folded, silent, here = (np.zeros(shape, dtype=bool) for shape in shapes)
    table_kernel.look(*_arrays(table), no_fold, genes, individuals, replicates, folded, silent, here)
    for code, rows in table.groupby("predictor"):
        for marks, name in ((genes, "gene"), (individuals, "individual"), (replicates, "replicate")):
            assert np.flatnonzero(marks[code]).tolist() == sorted(rows[name].unique())
        observed = rows[rows["replicate"] == 0]
        assert (silent[code], folded[code], here[code]) == (observed["prediction"].isna().any(), code == 1, True)


def test_numbers_are_laid_out_at_the_places_of_their_keys() -> None:
    table = _stretch()
    of_gene, of_individual = np.array([2, -1, 0, 1, 3, -1, 4]), np.array([*range(8), -1, 8, 9])
    of_replicate = np.array([0, -1, 1])
    values, scale = np.full((2, 5, 10), np.nan), np.zeros((2, 5))
    folds = np.full(values.shape, NO_FOLD, dtype=np.int16)
    places = of_gene, of_individual, of_replicate
    keys = _arrays(table)
    mean, fold = table["mean"].to_numpy(copy=True), table["fold"].to_numpy(copy=True)
    table_kernel.lay_out(1, *keys, mean, fold[:0], *places, values, scale, folds)
    expected = np.full(values.shape, np.nan)
    centred, expected_folds = expected.copy(), folds.copy()
    for row in table.itertuples():
        at = of_replicate[row.replicate], of_gene[row.gene], of_individual[row.individual]
        if row.predictor == 1 and min(at) >= 0:
            expected[at], centred[at], expected_folds[at] = row.prediction, row.prediction - row.mean, row.fold
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(scale, np.nanmax(np.abs(expected), axis=2, initial=0.0))
    assert (folds == NO_FOLD).all()
    again = np.zeros((2, 5))
    table_kernel.lay_out(1, *keys, mean, fold, *places, values, again, folds)
    np.testing.assert_array_equal(again, scale)
    np.testing.assert_array_equal(values, centred)
    np.testing.assert_array_equal(folds, expected_folds)


def test_folds_are_read_until_two_rows_disagree() -> None:
    table = _stretch()
    place = np.array([*range(8), -1, 8, 9])
    predictor, _, individual, replicate, _ = _arrays(table)
    fold = table["fold"].to_numpy(copy=True)
    fold[table["replicate"] == 2] = 9
    folds = np.full(10, NO_FOLD, dtype=np.int16)
    assert table_kernel.read_folds(0, predictor, individual, replicate, fold, place, NO_FOLD, folds)
    assert folds.tolist() == [k % 3 for k in range(11) if k != 8]
    other = np.flatnonzero((predictor == 0) & (replicate == 0) & (individual == 4))[-1]
    fold[other] = 0
    folds[:] = NO_FOLD
    assert not table_kernel.read_folds(0, predictor, individual, replicate, fold, place, NO_FOLD, folds)
