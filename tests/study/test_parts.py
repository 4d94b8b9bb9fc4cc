"""Parts are computed once, failed ones again, and damaged files are replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from pgxeval.errors import PgxevalError
from pgxeval.study.parts import compute_parts


def _square(unit: int) -> pd.DataFrame:
    return pd.DataFrame({"value": [unit**2], "reason": ["failed: odd" if unit % 2 else ""]})


def test_failed_parts_are_returned_and_computed_again(tmp_path: Path) -> None:
    units = {"two": 2, "three": 3}
    parts = compute_parts(tmp_path, units, _square, label="squares")
    assert [table["value"].iloc[0] for table in parts.values()] == [4, 9]
    assert [path.name for path in tmp_path.iterdir()] == ["two.parquet"]
    calls: list[int] = []

    def counted(unit: int) -> pd.DataFrame:
        calls.append(unit)
        return _square(unit)

    compute_parts(tmp_path, units, counted, label="squares")
    assert calls == [3]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "two.parquet").write_bytes(b"PAR1 cut short")
    parts = compute_parts(tmp_path, {"two": 2}, _square, label="squares")
    assert parts["two"]["value"].iloc[0] == 4
    assert pd.read_parquet(tmp_path / "two.parquet")["value"].iloc[0] == 4


def _die_of_three(unit: int) -> pd.DataFrame:
    if unit == 3:
        os._exit(7)
    return pd.DataFrame({"value": [unit], "reason": [""]})


def test_a_dead_worker_costs_its_own_part_only(tmp_path: Path) -> None:
    units = {str(unit): unit for unit in range(8)}
    with pytest.raises(PgxevalError, match=r"1 of 8 parts have no result.* gene G3: the worker process died"):
        compute_parts(tmp_path, units, _die_of_three, label="dying", workers=2, name_of=lambda unit: f"gene G{unit}")
    assert {path.stem for path in tmp_path.iterdir()} == {str(unit) for unit in range(8) if unit != 3}
