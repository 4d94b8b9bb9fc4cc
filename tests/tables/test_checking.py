"""What the checks of a predictions table refuse and normalise."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import PgxevalWarning, TableError
from pgxeval.tables import COLUMNS, Predictions, check_predictions

NAMES = ["NA", "007", "1", "nan", "None", "a,b", 'say "x"', "tab\there", "1e5", "Ångström"]


def table(**columns: object) -> pd.DataFrame:
    """A zero-shot and a cross-fitted predictor, two genes, two replicates, reasons, awkward names."""
    random = np.random.default_rng(0)
    rows = [
        (predictor, gene, name, replicate, fold)
        for predictor, replicates in (("zero", 1), ("fitted", 2))
        for gene in ("ENSG1.1", "TRUE")
        for replicate in range(replicates)
        for fold, name in enumerate(NAMES)
    ]
    frame = pd.DataFrame(rows, columns=["predictor", "gene_id", "individual", "replicate", "fold"])
    cross = (frame["predictor"] == "fitted").to_numpy()
    frame["fold"] = pd.array(np.where(cross, frame["fold"] % 5 + 1, -1), dtype="Int16")
    frame.loc[~cross, "fold"] = pd.NA
    frame["prediction"] = random.normal(size=len(frame)) * 10.0 ** random.integers(-20, 20, size=len(frame))
    frame["training_mean"] = np.where(cross, random.normal(size=len(frame)), np.nan)
    frame["reason"] = pd.Series([None] * len(frame), dtype=object)
    frame.loc[[3, 25], "prediction"] = np.nan
    frame.loc[[3, 25], "reason"] = ["NA", "no variant, none at all"]
    return frame.assign(**columns)


def plain(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """All values as plain Python ones, None for missing."""
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in frame[list(COLUMNS)].itertuples(index=False)
    ]


def test_columns_and_types() -> None:
    checked = check_predictions(table().assign(extra=1))
    assert tuple(checked.columns) == COLUMNS
    types = {name: str(checked[name].dtype) for name in COLUMNS}
    assert types == {
        "predictor": "category",
        "gene_id": "category",
        "individual": "category",
        "replicate": "int16",
        "fold": "Int16",
        "prediction": "float64",
        "training_mean": "float64",
        "reason": "category",
    }
    assert plain(checked) == plain(table())


def test_the_input_is_left_as_it_was_and_its_index_ignored() -> None:
    given = table().set_index(pd.Index(range(1000, 1000 + len(table()))))
    copy = given.copy()
    checked = check_predictions(given)
    pd.testing.assert_frame_equal(given, copy)
    assert checked.index.tolist() == list(range(len(given)))


def test_checking_twice_changes_nothing() -> None:
    once = check_predictions(table())
    pd.testing.assert_frame_equal(check_predictions(once), once)


def test_required_columns_alone_make_a_zero_shot_table() -> None:
    given = pd.DataFrame({"predictor": "p", "gene_id": "g", "individual": ["a", "b"], "prediction": [1, 2]})
    checked = check_predictions(given)
    assert checked["replicate"].tolist() == [0, 0]
    assert checked["fold"].isna().all()
    assert checked["training_mean"].isna().all()
    assert checked["reason"].isna().all()


@pytest.mark.parametrize("name", ["predictor", "gene_id", "individual", "prediction"])
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(TableError, match=rf"mine: missing column\(s\) {name}; it has .*Expected columns"):
        check_predictions(table().drop(columns=name), source="mine")


@pytest.mark.parametrize("column", ["predictor", "gene_id", "individual"])
@pytest.mark.parametrize("empty", [None, "", np.nan])
@pytest.mark.parametrize("dtype", [object, "category"])
def test_empty_keys_are_refused(column: str, empty: object, dtype: object) -> None:
    given = table()
    keys = given[column].astype(object)
    keys.iloc[[4, 7]] = empty
    with pytest.raises(TableError, match=rf"{column} is empty in 2 row\(s\), the first is row 4"):
        check_predictions(given.assign(**{column: keys.astype(dtype)}))


def test_keys_that_are_numbers() -> None:
    given = pd.DataFrame({"predictor": "p", "gene_id": "g", "individual": [7, 12], "prediction": 0.0})
    assert check_predictions(given)["individual"].tolist() == ["7", "12"]
    as_category = given.assign(individual=given["individual"].astype("category"))
    assert check_predictions(as_category)["individual"].tolist() == ["7", "12"]
    with pytest.raises(TableError, match="individual holds decimal numbers"):
        check_predictions(given.assign(individual=[7.0, 12.0]))
    with pytest.raises(TableError, match="individual mixes numbers and texts"):
        check_predictions(given.assign(individual=pd.Series([7, "7"], dtype=object)))


@pytest.mark.parametrize("column", ["prediction", "training_mean"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, "inf", "1e999"])
def test_infinite_numbers_are_refused(column: str, value: object) -> None:
    given = table()
    given[column] = given[column].astype(object)
    given.loc[30, column] = value
    with pytest.raises(TableError, match=rf"{column} is (infinite|not a number) in 1 row\(s\), the first is row 30"):
        check_predictions(given)


@pytest.mark.parametrize("column", ["prediction", "training_mean"])
def test_texts_are_not_numbers(column: str) -> None:
    given = table()
    given[column] = given[column].astype(object)
    given.loc[31, column] = "high"
    with pytest.raises(TableError, match=rf"{column} is not a number in 1 row\(s\), the first is row 31.*'high'"):
        check_predictions(given)


@pytest.mark.parametrize("dtype", ["float32", "Float64", "object", "double[pyarrow]"])
def test_every_type_of_number_is_taken(dtype: str) -> None:
    given = table(prediction=np.arange(len(table())) / 4)
    given.loc[2, "prediction"] = np.nan
    expected = given["prediction"].to_numpy()
    checked = check_predictions(given.assign(prediction=given["prediction"].astype(dtype)))
    np.testing.assert_array_equal(checked["prediction"], expected)


@pytest.mark.parametrize("column", ["replicate", "fold"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.5, r"not a whole number in 1 row\(s\), the first is row 21.*1\.5"),
        (-1, r"must lie in 0\.\.32767, got -1\.\."),
        (40_000, r"must lie in 0\.\.32767, got 0?1?\.\.40000"),
        ("x", "not a number"),
    ],
)
def test_replicates_and_folds_are_whole_numbers(column: str, value: object, says: str) -> None:
    given = table()
    given[column] = given[column].astype(object)
    given.loc[21, column] = value
    with pytest.raises(TableError, match=f"{column} .*{says}" if "lie" not in says else f"{column} {says}"):
        check_predictions(given)


def test_an_empty_replicate_is_refused() -> None:
    given = table()
    given["replicate"] = given["replicate"].astype("Int64")
    given.loc[5, "replicate"] = pd.NA
    with pytest.raises(TableError, match="replicate is empty in 1 row"):
        check_predictions(given)


@pytest.mark.parametrize("dtype", ["Int8", "Int64", "float64", "object"])
def test_folds_of_every_type(dtype: str) -> None:
    given = table()
    folds = given["fold"].astype("float64").astype(dtype) if dtype == "float64" else given["fold"].astype(dtype)
    assert plain(check_predictions(given.assign(fold=folds))) == plain(given)


def test_a_fold_needs_a_training_mean_and_the_reverse() -> None:
    given = table()
    given.loc[45, "training_mean"] = np.nan
    with pytest.raises(
        TableError, match=r"fold but no training_mean in 1 row.*first is row 45.*predictor fitted, gene TRUE"
    ):
        check_predictions(given)
    # Where nothing is predicted there is nothing to centre.
    given.loc[45, "prediction"] = np.nan
    check_predictions(given)
    given = table()
    given.loc[2, "training_mean"] = 0.5
    with pytest.raises(TableError, match=r"training_mean but no fold in 1 row.*first is row 2.*predictor zero"):
        check_predictions(given)


def test_a_predictor_is_cross_fitted_or_not() -> None:
    given = table()
    given.loc[50, ["fold", "training_mean"]] = [pd.NA, np.nan]
    with pytest.raises(TableError, match="predictor fitted has predictions with a fold and without"):
        check_predictions(given)


@pytest.mark.parametrize("shuffled", [False, True])
def test_duplicates_are_named(shuffled: bool) -> None:
    given = pd.concat([table(), table().iloc[[33, 34]]], ignore_index=True)
    if shuffled:
        given = given.sample(frac=1, random_state=1)
    with pytest.raises(TableError, match=r"duplicate keys in 2 row\(s\).*gene ENSG1\.1, individual .*, replicate 1"):
        check_predictions(given)


def test_duplicates_among_sparse_keys() -> None:
    """Few of the possible keys occur: the way through sorting."""
    n = 6_000
    given = pd.DataFrame(
        {
            "predictor": [f"p{i}" for i in range(n)],
            "gene_id": [f"g{i}" for i in range(n)],
            "individual": "i",
            "prediction": 0.0,
        }
    )
    assert len(check_predictions(given)) == n
    with pytest.raises(TableError, match=r"duplicate keys in 1 row.*predictor p17, gene g17"):
        check_predictions(pd.concat([given, given.iloc[[17]]]))


def test_unused_categories_do_no_harm() -> None:
    many = pd.CategoricalDtype([f"x{i}" for i in range(40_000)] + ["g"])
    given = pd.DataFrame({"predictor": "g", "gene_id": "g", "individual": "g", "prediction": [1.0]}).astype(
        {"predictor": many, "gene_id": many, "individual": many}
    )
    # 40,001 ** 3 * 32,768 possible keys do not fit an int64.
    assert len(check_predictions(given.assign(replicate=32_767))) == 1
    twice = pd.concat([given, given])
    with pytest.raises(TableError, match="duplicate keys in 1 row"):
        check_predictions(twice.assign(replicate=32_767))


def test_an_empty_table_is_a_table() -> None:
    checked = check_predictions(table().iloc[:0])
    assert len(checked) == 0
    predictions = Predictions.from_table(checked)
    assert predictions.predictors == ()
    assert predictions.replicates == 0


@pytest.mark.parametrize("name", ["Fold", "folds", "train_mean", "replicates", "Reason"])
def test_columns_that_are_almost_called_right_are_mentioned(name: str) -> None:
    given = table()[["predictor", "gene_id", "individual", "replicate", "prediction"]]
    given = given[given["predictor"] == "zero"].drop(columns="replicate").assign(**{name: 1})
    with pytest.warns(PgxevalWarning, match=f"column '{name}' is ignored"):
        check_predictions(given)


def test_reasons() -> None:
    given = table(reason=[""] * len(table()))
    assert check_predictions(given)["reason"].isna().all()
    given.loc[0, "reason"] = "because"
    assert check_predictions(given)["reason"].dropna().tolist() == ["because"]
    mixed = pd.Series([None, 1, "1", *[None] * (len(given) - 3)], dtype=object)
    assert check_predictions(given.assign(reason=mixed))["reason"].dropna().tolist() == ["1", "1"]


def test_a_large_checked_table_is_cheap_and_not_copied() -> None:
    genes, people = 2_000, 953
    n = genes * people
    given = pd.DataFrame(
        {
            "predictor": pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), ["p"]),
            "gene_id": pd.Categorical.from_codes(
                np.repeat(np.arange(genes, dtype=np.int16), people), [f"g{i}" for i in range(genes)]
            ),
            "individual": pd.Categorical.from_codes(
                np.tile(np.arange(people, dtype=np.int16), genes), [f"i{i}" for i in range(people)]
            ),
            "replicate": np.zeros(n, dtype=np.int16),
            "fold": pd.arrays.IntegerArray(np.ones(n, dtype=np.int16), np.zeros(n, dtype=bool)),
            "prediction": np.random.default_rng(0).normal(size=n),
            "training_mean": np.zeros(n),
        }
    )
    start = time.process_time()
    checked = check_predictions(given)
    # 1.9 M rows take 0.05 s here; 76 M rows must stay within seconds.
    assert time.process_time() - start < 1.5
    for name in ("replicate", "prediction", "training_mean"):
        assert np.shares_memory(checked[name].to_numpy(), given[name].to_numpy())
    for name in ("predictor", "gene_id", "individual"):
        assert np.shares_memory(checked[name].array.codes, given[name].array.codes)
