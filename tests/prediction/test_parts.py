"""Parts of a store: damaged, truncated and of other versions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.prediction import PredictionStore, StoredPredictions, parts, predict_cohort

GENES, FITS = 12, 6  # three folds, observed and one replicate


@pytest.fixture(scope="session")
def cohort(cheap: ModuleType) -> Cohort:
    return cheap.cheap_cohort(GENES)


def _run(cohort: Cohort, predictors: object, store: Path | None = None, **settings: object) -> StoredPredictions:
    listed = predictors if isinstance(predictors, list) else [predictors]
    arguments = {"folds": 3, "workers": 1, "progress": False, "replicates": 1, **settings}
    return predict_cohort(cohort, listed, store=store, **arguments)


def _calls(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


@pytest.fixture
def counted(tmp_path: Path, cheap: ModuleType):
    """Return a maker of predictors that count their fits in a folder."""

    def make(label: str, **settings: object):
        folder = tmp_path / f"calls-{label}"
        folder.mkdir()
        return cheap.Cheap(calls=folder, **settings), folder

    return make


@pytest.mark.parametrize("damage", ["flip", "truncate", "version"])
def test_a_damaged_part_is_set_aside_with_a_warning_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted, damage: str
) -> None:
    whole = _run(cohort, counted("first")[0], tmp_path / "store").table
    part = min((tmp_path / "store").glob("run=*/chr1-0001-*.parquet"))
    content = bytearray(part.read_bytes())
    if damage == "flip":
        content[len(content) // 3] ^= 4
    elif damage == "truncate":
        del content[-10:]
    else:
        part = part.rename(part.with_name("chr1-0001-0123456789abcdef.parquet"))
    part.write_bytes(content)
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"chr1-0001-.* is damaged.*computed again"):
        again = _run(cohort, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [*cohort.gene_ids[4:8]]
    assert again.table.equals(whole)
    assert len([*(tmp_path / "store" / "_pgxeval" / "damaged").iterdir()]) == 1
    assert pd.read_parquet(tmp_path / "store").shape[0] == len(whole)


def test_every_flipped_bit_is_noticed(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    stored = _run(cohort, cheap.Cheap(), tmp_path / "store")
    whole = stored.table
    parts = sorted((tmp_path / "store").glob("run=*/*.parquet"))
    rng = np.random.default_rng(0)
    for _ in range(300):
        part = parts[rng.integers(len(parts))]
        content = bytearray(part.read_bytes())
        sound = bytes(content)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        part.write_bytes(content)
        with pytest.raises(InputFileError, match="was changed or removed"):
            StoredPredictions([stored._runs["cheap"]], stored.gene_ids).load()
        stored._runs["cheap"]._open = None
        part.write_bytes(sound)
    assert stored.table.equals(whole)


def test_a_part_of_another_version_is_set_aside_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(cohort, counted("first")[0], tmp_path / "store").table
    path = min((tmp_path / "store").glob("run=*/chr1-0001-*.parquet"))
    part = parts.read_part(path)
    with monkeypatch.context() as other:
        other.setattr(parts, "FORMAT", parts.FORMAT + 1)
        path.unlink()
        parts.write_part(path.parent, "chr1-0001", part, list(cohort.individuals))
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"has format 2 of the store; this version reads format 1.*computed again"):
        again = _run(cohort, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [*cohort.gene_ids[4:8]]
    assert again.table.equals(whole)


def test_a_truncated_file_of_a_single_gene_is_set_aside_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted
) -> None:
    """As an interrupted run leaves them, and a crash of the machine may cut them."""
    stopped, _ = counted("stopped", die_at=["G00006"], how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        _run(cohort, stopped, tmp_path / "store")
    folder = tmp_path / "store"
    run = PredictionStore(folder).run("cheap")
    run.load()
    part = parts.read_part(min(folder.glob("run=*/chr1-0001-*.parquet")))
    first = next(iter(part.keys))
    single = parts.Part(keys={first: part.keys[first]}, results=part.results[:1])
    for path in folder.glob("run=*/chr1-0001-*.parquet"):
        path.unlink()
    kept = parts.write_part(
        folder / "_pgxeval" / "singles" / run.run, part.keys[first], single, list(cohort.individuals), single=True
    )
    kept.write_bytes(kept.read_bytes()[:-40])
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"\.arrow is damaged.*computed again"):
        again = _run(cohort, predictor, folder)
    assert [*_calls(calls)] == [*cohort.gene_ids[4:]]
    assert again.table.equals(_run(cohort, counted("plain")[0]).table)
