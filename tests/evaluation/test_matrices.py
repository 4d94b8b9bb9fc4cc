"""Judge: pandas' own pivot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.evaluation import matrices
from pgxeval.evaluation.matrices import NO_FOLD, LongTable
from pgxeval.tables import check_predictions

GENES, PEOPLE = ("G0000", "G0001", "G0002"), tuple(f"S{k:02d}" for k in range(12))


def _table(long, seed: int = 0, replicates: int = 2, folded: bool = True) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = random.normal(size=(replicates, len(GENES), len(PEOPLE)))
    fold = np.arange(12) % 3 + 1 if folded else None
    return long("a", values, list(PEOPLE), fold, random.normal(size=values.shape))


@pytest.mark.parametrize("stretch", [5, 2**18])
def test_rows_in_any_order_land_where_a_pivot_puts_them(long, monkeypatch, stretch: int) -> None:
    monkeypatch.setattr(matrices, "_ROWS", stretch)
    a = _table(long)
    b = _table(long, 1, replicates=1, folded=False).assign(predictor="b")
    b = b[(b["gene_id"] != "G0001") & (b["individual"] != "S03")]
    mixed = pd.concat([a, b]).sample(frac=1, random_state=0)
    table = LongTable(check_predictions(mixed), GENES, PEOPLE, threads=2)
    assert set(table.predictors) == {"a", "b"}
    assert table.predictors[0] == mixed["predictor"].iloc[0]
    found = table.matrices("a")
    assert found.replicates == (0, 1)
    assert found.cross_fitted
    for k in (0, 1):
        part = a[a["replicate"] == k].assign(centred=lambda rows: rows["prediction"] - rows["training_mean"])
        pivot = part.pivot_table(index="gene_id", columns="individual", values="centred")
        np.testing.assert_allclose(found.values[k], pivot.loc[list(GENES), list(PEOPLE)])
        folds = part.pivot_table(index="gene_id", columns="individual", values="fold")
        np.testing.assert_array_equal(found.folds[k], folds.loc[list(GENES), list(PEOPLE)])
        largest = part.groupby("gene_id")["prediction"].apply(lambda values: values.abs().max())
        np.testing.assert_allclose(found.scale[k], largest.loc[list(GENES)])
    other = table.matrices("b")
    assert other.genes.tolist() == [0, 2]
    assert other.folds is None
    pivot = b.pivot_table(index="gene_id", columns="individual", values="prediction").reindex(columns=PEOPLE)
    np.testing.assert_allclose(other.values[0], pivot)
    people, n = table.people("b")
    assert (people.sum(), n) == (11, 11)


def test_names_that_the_target_lacks_are_left_out(long) -> None:
    table = LongTable(check_predictions(_table(long)), GENES[1:], PEOPLE[:5])
    assert table.unknown("gene_id") == ["G0000"]
    assert set(table.unknown("individual")) == set(PEOPLE[5:])
    assert table.present("gene_id").tolist() == [0, 1]
    assert table.matrices("a").values.shape == (2, 2, 5)
    assert not np.isnan(table.matrices("a").values).any()


def test_categories_that_no_row_uses_are_not_seen(long) -> None:
    part = check_predictions(_table(long)).query("gene_id == 'G0001'")
    table = LongTable(part, GENES, PEOPLE)
    assert table.present("gene_id").tolist() == [1]
    assert table.matrices("a").genes.tolist() == [1]


def test_a_fold_without_coefficients_is_exactly_zero(long) -> None:
    fold = np.arange(12) % 3 + 1
    mean = np.broadcast_to(np.array([0.1, 0.7, 1.3])[fold - 1], (1, 3, 12)).copy()
    values = mean + np.random.default_rng(0).normal(size=mean.shape)
    values[0, 0] = mean[0, 0] * (1 + 1e-15)
    values[0, 1] = 0.3 * fold + 1e-16
    values[0, 2, fold == 1] = mean[0, 2, fold == 1] * (1 - 2e-16)
    found = LongTable(check_predictions(long("a", values, list(PEOPLE), fold, mean)), GENES, PEOPLE).matrices("a")
    assert (found.values[0, 0] == 0).all()
    assert (found.values[0, 2, fold == 1] == 0).all()
    assert (found.values[0, 2, fold != 1] != 0).all()


def test_reasons_of_missing_predictions(long) -> None:
    table = _table(long, replicates=1)
    table["reason"] = None
    table.loc[:3, ["prediction", "reason"]] = [np.nan, "no variant"]
    table.loc[4:5, ["prediction", "reason"]] = [np.nan, "too long"]
    table.loc[20, "prediction"] = np.nan
    found = LongTable(check_predictions(table), GENES, PEOPLE).matrices("a")
    assert found.reasons == {0: "no variant", 1: "no reason given"}
    assert found.missing == {"no reason given": 1, "no variant": 4, "too long": 2}
    assert found.folds is not None
    assert NO_FOLD not in found.folds
