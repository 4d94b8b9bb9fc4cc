"""Tables that are computed part by part and kept as Parquet, so that a killed run continues where it ended."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from pgxeval.bars import tqdm
from pgxeval.errors import InputFileError, PgxevalError
from pgxeval.prediction.flight import Flight
from pgxeval.prediction.progress import is_interactive
from pgxeval.prediction.workers import worker_processes
from pgxeval.tables.predictions import FAILED
from pgxeval.tables.writing import make_folder, whole_file

Unit = TypeVar("Unit")
_IN_FLIGHT = 4  # units per worker that are sent ahead
_log = logging.getLogger(__name__)


def compute_parts(
    folder: Path,
    units: Mapping[str, Unit],
    compute: Callable[[Unit], pd.DataFrame],
    *,
    label: str,
    workers: int = 1,
    progress: bool = True,
    name_of: Callable[[Unit], str] = str,
) -> dict[str, pd.DataFrame]:
    """Compute one table per unit, except those that are in the folder already.

    Parameters
    ----------
    folder
        Where the parts are kept, one file per unit; it is made when the first part is.
    units
        Key -> what to compute. The key is a digest of everything that the part depends on.
    compute
        Returns the table of a unit. A table with a reason that begins with `FAILED` is not kept, so that the next run
        tries again. It must be picklable if `workers` is above 1.
    label
        Name shown by the progress bar.
    workers
        Number of processes; 1 computes in this one.
    progress
        Whether to show a progress bar, if the session is interactive.
    name_of
        Genes of a unit, for messages.

    Returns
    -------
    dict
        Key -> table, in the order of `units`.

    Raises
    ------
    InputFileError
        If the folder cannot be written.
    PgxevalError
        If a worker process dies of a unit twice; all other parts are computed and kept.
    """
    done = {key: table for key in units if (table := _read(folder / f"{key}.parquet")) is not None}
    missing = {key: unit for key, unit in units.items() if key not in done}
    if missing:
        make_folder(folder, label)
    show = progress and is_interactive()
    with tqdm(total=len(units), initial=len(done), desc=label, disable=not show, mininterval=0.5) as bar:
        for key, table in _computed(missing, compute, min(workers, len(missing)), name_of):
            done[key] = table
            if not table["reason"].fillna("").astype(str).str.startswith(FAILED).any():
                _write(folder / f"{key}.parquet", table)
            bar.update()
    return {key: done[key] for key in units}


def _computed(
    units: Mapping[str, Unit], compute: Callable[[Unit], pd.DataFrame], workers: int, name_of: Callable[[Unit], str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    if workers <= 1:
        for key, unit in units.items():
            yield key, compute(unit)
        return
    lost: list[str] = []

    def note(unit: tuple[str, Unit], reason: str) -> None:
        lost.append(f"{name_of(unit[1])}: {reason}")

    flight: Flight[tuple[str, Unit], pd.DataFrame | None] = Flight(
        work=partial(_compute, compute),
        executor=partial(worker_processes, workers),
        most=_IN_FLIGHT * workers,
        name_of=lambda unit: name_of(unit[1]),
        lost=note,
        rerun=True,
        raise_lost=False,
    )
    for (key, _), table in flight.run(units.items()):
        if table is not None:
            yield key, table
    if lost:
        raise PgxevalError(
            f"{len(lost)} of {len(units)} parts have no result, because their worker processes were lost; the others "
            f"are kept. {'; '.join(lost[:5])}"
        )


def _compute(compute: Callable[[Unit], pd.DataFrame], unit: tuple[str, Unit]) -> pd.DataFrame:
    return compute(unit[1])


def _read(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        _log.warning("%s is damaged and is computed again (%s)", path, error)
        return None


def _write(path: Path, table: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    try:
        with whole_file(path, sync=False) as file:
            file.write(buffer.getvalue())
    except OSError as error:
        raise InputFileError(f"{path} cannot be written ({error.strerror or error})") from error


def kept_tables(
    folder: Path, key: str, names: Sequence[str], compute: Callable[[], Sequence[pd.DataFrame]]
) -> list[pd.DataFrame]:
    """Return tables that are computed together, from the folder if they are there.

    They are read back after they were computed, so that the first run and all later ones return the same.

    Parameters
    ----------
    folder
        Where they are kept.
    key
        Digest of everything that they depend on.
    names
        Their names.
    compute
        Returns them, in the order of `names`.
    """
    paths = [folder / f"{name}-{key}.parquet" for name in names]
    tables = [_read(path) for path in paths]
    if any(table is None for table in tables):
        make_folder(folder, ", ".join(names))
        for path, table in zip(paths, compute(), strict=True):
            _write(path, table)
        tables = [_read(path) for path in paths]
    complete = [table for table in tables if table is not None]
    if len(complete) < len(names):
        raise InputFileError(f"{folder}: tables that were just written cannot be read again; check the disk")
    return complete
