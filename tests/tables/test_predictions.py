"""The predictions table at the door: what passes unchanged, what is refused, and round trips through files."""

from __future__ import annotations

import gzip
import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError, PgxevalWarning, SettingError, TableError
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
    with pytest.raises(TableError, match=rf"mine: missing column\(s\) {name}; it has .*Needed are"):
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


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt", ".CSV"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    settings = {
        "zero": {"asked": {"window_bp": np.int64(5)}, "array": np.array([1.5, 2])},
        "fitted": {"where": Path("x")},
    }
    written = Predictions.from_table(table(), settings)
    path = written.write(tmp_path / f"predictions.v1{ending}")
    read = Predictions.read(path)
    assert plain(read.table) == plain(table())
    assert {name: str(dtype) for name, dtype in read.table.dtypes.items()} == {
        name: str(dtype) for name, dtype in written.table.dtypes.items()
    }
    assert read.settings == {"zero": {"asked": {"window_bp": 5}, "array": [1.5, 2]}, "fitted": {"where": "x"}}
    assert read.predictors == ("zero", "fitted")
    assert read.replicates == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, path.name + ".json"])


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_round_trip_without_reasons_or_folds(tmp_path: Path, ending: str) -> None:
    given = table()
    given = given[given["predictor"] == "zero"].drop(columns=["fold", "training_mean", "reason"])
    written = Predictions.from_table(given)
    read = Predictions.read(written.write(tmp_path / f"p{ending}"))
    assert plain(read.table) == plain(written.table)
    assert str(read.table["reason"].dtype) == "category"


def test_files_written_by_others(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(
        "individual,prediction,gene_id,predictor,comment\n007,0.1,G,model,x\nNA,NA,G,model,\n1e5,-2,G,model,y\n,1,G,model,z\n"
    )
    with pytest.raises(TableError, match=r"theirs\.csv: individual is empty in 1 row\(s\), the first is row 3"):
        Predictions.read(path)
    path.write_text(path.read_text().rsplit("\n", 2)[0] + "\n")
    read = Predictions.read(path).table
    assert read["individual"].tolist() == ["007", "NA", "1e5"]
    np.testing.assert_array_equal(read["prediction"], [0.1, np.nan, -2])
    theirs = tmp_path / "theirs.parquet"
    pd.DataFrame(
        {"individual": ["007", "NA"], "prediction": [1, 2], "gene_id": "G", "predictor": "m", "fold": [1.0, 2.0]}
    ).assign(training_mean=0.0).to_parquet(theirs)
    read = Predictions.read(theirs).table
    assert read["fold"].tolist() == [1, 2]
    assert read["individual"].tolist() == ["007", "NA"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        Predictions.read(tmp_path / "no.csv")
    for name, content in (
        ("a.parquet", b"not parquet"),
        ("a.csv", b""),
        ("a.csv.gz", gzip.compress(table().to_csv(index=False).encode())[:-200]),
        ("b.csv.gz", b"not gzip"),
        ("c.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1,2\nm,g,j,1,2\n"),
        ("d.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1\nm,g,j,1,2\n"),
        ("e.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1\nm,g,ind"),
        ("f.csv", b"predictor,gene_id,individual,prediction,reason\nm,g,i,1,\nm,g,j,1"),
        ("g.csv", b"predictor,gene_id,individual,prediction\nm,g,\xff,1\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputFileError, match=rf"predictions file .*{name} cannot be read"):
            Predictions.read(tmp_path / name)
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(SettingError, match=r"expected \.parquet, \.csv"):
        Predictions.read(tmp_path / "a.xlsx")


@pytest.mark.parametrize("content", ["{", "[1]", '{"zero": 1}'])
def test_a_broken_sidecar_is_named(tmp_path: Path, content: str) -> None:
    path = Predictions.from_table(table()).write(tmp_path / "p.csv")
    (tmp_path / "p.csv.json").write_text(content)
    with pytest.raises(InputFileError, match=r"settings file .*p\.csv\.json"):
        Predictions.read(path)


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.csv"
    old = Predictions.from_table(table(), {"zero": {"version": 1}})
    old.write(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(SettingError, match=r"cannot be written as JSON.*type object"):
        Predictions.from_table(table(), {"zero": {"model": object()}}).write(path)

    def fails_half_way(self: pd.DataFrame, target: BinaryIO, **_: object) -> None:
        target.write(b"predictor,")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fails_half_way)
    with pytest.raises(InputFileError, match="No space left"):
        old.write(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with pytest.raises(InputFileError, match="cannot be written"):
        old.write(tmp_path / "no_folder" / "p.parquet")
    with pytest.raises(SettingError, match="its ending belongs to no known format"):
        old.write(tmp_path / "p.pickle")


def test_the_sidecar_is_json_for_people(tmp_path: Path) -> None:
    path = Predictions.from_table(table(), {"zero": {"seed": 0}}).write(tmp_path / "p.parquet")
    assert json.loads(Path(f"{path}.json").read_text()) == {"zero": {"seed": 0}}


def test_shown_in_a_notebook() -> None:
    shown = Predictions.from_table(table())._repr_html_()
    assert "60 rows, zero, fitted, 1 permuted replicate" in shown


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
    if int(pd.__version__.split(".")[0]) >= 3:
        for name in ("prediction", "training_mean"):
            assert np.shares_memory(checked[name].to_numpy(), given[name].to_numpy())


def test_names_are_escaped_in_a_notebook() -> None:
    hostile = table().assign(predictor="<script>alert(1)</script>", fold=None, training_mean=np.nan, replicate=0)
    hostile = hostile.drop_duplicates(["gene_id", "individual"])
    shown = Predictions.from_table(hostile)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_no_unchecked_table_can_be_held() -> None:
    with pytest.raises(TableError, match=r"mine: missing column\(s\) individual"):
        Predictions(table=table().drop(columns="individual"), source="mine")
    assert list(Predictions(table=table()[[*COLUMNS[:3], "prediction"]].iloc[:1]).table.columns) == list(COLUMNS)


def test_written_files_are_private_whole_and_follow_no_link(tmp_path: Path) -> None:
    predictions = Predictions.from_table(table(), {"zero": {"seed": 0}})
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "p.parquet"
    path.symlink_to(victim)
    predictions.write(path)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("p.*")} == {
        "p.parquet": 0o600,
        "p.parquet.json": 0o600,
    }
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p.parquet", "p.parquet.json", "victim"]


def test_many_writers_of_one_path_leave_one_whole_file(tmp_path: Path) -> None:
    versions = [Predictions.from_table(table().assign(prediction=float(number))) for number in range(4)]
    path = tmp_path / "p.parquet"
    broken = []

    def write(predictions: Predictions) -> None:
        for _ in range(10):
            predictions.write(path)
            if Predictions.read(path).table["prediction"].std() != 0:
                broken.append(path)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(write, predictions) for predictions in versions]:
            future.result()
    assert not broken
    assert len(list(tmp_path.iterdir())) == 2


def test_failures_are_read_from_the_reasons(tmp_path: Path) -> None:
    failed = pd.DataFrame(
        {
            "predictor": "mine",
            "gene_id": ["G1", "G1", "G2"],
            "individual": ["ann", "bob", "ann"],
            "prediction": [np.nan, np.nan, 1.0],
            "reason": ["failed: no memory", "failed: no memory", None],
        }
    )
    predictions = Predictions.read(Predictions.from_table(failed).write(tmp_path / "p.csv"))
    assert predictions.failures.to_numpy().tolist() == [["mine", "G1", "no memory"]]
