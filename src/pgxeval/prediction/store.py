"""PredictionStore: finished genes on disk as they complete, as a Parquet dataset that any program reads.

::

    store/
      run=<id>/<region>-<digest>.parquet      predictions of one predictor at the genes of one region
      _pgxeval/runs/<id>.json                 settings of a run, its genes and individuals
      _pgxeval/singles/<id>/<key>-<digest>.arrow   genes of regions that are not complete
      _pgxeval/failures/<id>/<key>.json       why a gene failed
      _pgxeval/damaged/                       files that were not what had been written

A run is one predictor over one cohort with one set of settings. Files are written under a temporary name and
renamed, and their names depend only on their content, so that any number of processes may write without locks.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pgxeval.errors import InputFileError, SettingError, UnknownNameError
from pgxeval.names import known_names
from pgxeval.prediction.identity import RunIdentity
from pgxeval.prediction.parts import FORMAT
from pgxeval.prediction.stored import StoredPredictions
from pgxeval.prediction.stored_run import OWN, StoredRun, set_aside
from pgxeval.provenance import __version__

_SHOWN = 5
_log = logging.getLogger(__name__)


class PredictionStore:
    """A folder that holds the predictions of any number of runs.

    Parameters
    ----------
    folder
        Made, readable by its owner alone, when the first gene is kept.

    Raises
    ------
    SettingError
        If `folder` is a file.

    Notes
    -----
    ``pandas.read_parquet(folder)``, ``polars.scan_parquet(f"{folder}/**/*.parquet")`` and DuckDB's
    ``read_parquet('folder/**/*.parquet')`` read the predictions table of all runs, with the run as a column. Runs
    with other settings, individuals, files or expression lie side by side and never mix.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise SettingError(f"store must be the path of a folder, got a {type(folder).__name__}")
        self.folder = Path(folder).expanduser().absolute()
        if self.folder.exists() and not self.folder.is_dir():
            raise SettingError(f"store: {self.folder} is a file; give a folder")

    def __repr__(self) -> str:
        return f"PredictionStore({str(self.folder)!r}, {len(self._run_files())} runs)"

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run: run, predictor, genes, done, failed, open (numbers of genes), started, version."""
        columns = ["run", "predictor", "genes", "done", "failed", "open", "started", "version"]
        rows = []
        for stored in self._all_runs():
            states = pd.Series([state for _, state, _ in stored.states()], dtype="str")
            counts = {state: int((states == state).sum()) for state in ("done", "failed", "open")}
            rows.append({
                "run": stored.run,
                "predictor": stored.predictor,
                "genes": len(stored.keys),
                **counts,
                "started": stored.record["started"],
                "version": stored.record["version"],
            })  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def status(self) -> pd.DataFrame:
        """Return the state of every gene of every run.

        Returns
        -------
        pandas.DataFrame
            One row per run and gene: run, predictor, gene_id, state (``"done"``, ``"failed"`` or ``"open"``) and
            reason (why it failed, else NA).
        """
        rows = [
            (stored.run, stored.predictor, gene_id, state, reason)
            for stored in self._all_runs()
            for gene_id, state, reason in stored.states()
        ]
        columns = ["run", "predictor", "gene_id", "state", "reason"]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns, "string"))

    def run(self, name: str) -> StoredRun:
        """Return a run by its identifier, or by the name of a predictor that has a single run in this store.

        Raises
        ------
        UnknownNameError
            If the run is unknown.
        SettingError
            If the predictor has several runs; the message lists how they differ.
        """
        matches = [stored for stored in self._all_runs() if name in (stored.run, stored.predictor)]
        if not matches:
            predictors = known_names([*dict.fromkeys(stored.predictor for stored in self._all_runs())])
            raise UnknownNameError(f"store {self.folder} has no run of predictor {name}; it has runs of {predictors}")
        if len(matches) > 1:
            listed = "; ".join(
                f"run {stored.run}: {', '.join(matches[0].differences(stored)[:_SHOWN])}" for stored in matches[1:]
            )
            raise SettingError(
                f"store {self.folder} has {len(matches)} runs of predictor {name}; choose one by its identifier. "
                f"Run {matches[0].run} differs from {listed}"
            )
        return matches[0]

    def predictions(self, runs: Sequence[str] | None = None) -> StoredPredictions:
        """Return what is stored, to be read gene batch by gene batch.

        Parameters
        ----------
        runs
            Identifiers of runs, or predictors that have a single run each; None for all predictors.

        Raises
        ------
        UnknownNameError
            If the run is unknown, or the store is empty.
        SettingError
            If a predictor has several runs, among which one must be chosen.
        """
        names = list(dict.fromkeys(stored.predictor for stored in self._all_runs())) if runs is None else list(runs)
        chosen = [self.run(name) for name in names]
        if not chosen:
            raise UnknownNameError(f"store {self.folder} is empty")
        for stored in chosen:
            stored.load()
        genes = dict.fromkeys(gene_id for stored in chosen for gene_id in stored.keys)
        complete = [gene_id for gene_id in genes if any(gene_id in one or gene_id in one.failures for one in chosen)]
        return StoredPredictions(chosen, complete)

    def open_run(self, identity: RunIdentity, recorded: Mapping[str, Any]) -> StoredRun:
        """Return the run of `identity`, made and recorded where it is new.

        `recorded` are the settings that its predictions are published with.

        What other runs of this store hold under the same keys, such as those of a cohort with fewer genes, is
        taken over. Runs of the same predictor with other settings are reported to the log.

        Raises
        ------
        InputFileError
            If the store cannot be written.
        """
        record: dict[str, Any] = json.loads(json.dumps(_record(identity, recorded)))
        stored = StoredRun(folder=self.folder, record=record)
        others = [other for other in self._all_runs() if other.run != stored.run]
        if not stored.record_path.is_file():
            stored.write_record()
            for other in others:
                if other.predictor != stored.predictor:
                    continue
                if other.record["base"] == identity.base:
                    common = [gene_id for gene_id in stored.keys if gene_id in other.keys]
                    changed = [gene_id for gene_id in common if stored.keys[gene_id] != other.keys[gene_id]]
                    if changed:
                        _log.warning(
                            "store %s: a run of predictor %r with other positions or expression is kept apart (run "
                            "%s): %d of the %d genes in common differ (%s)",
                            self.folder,
                            stored.predictor,
                            other.run,
                            len(changed),
                            len(common),
                            known_names(changed, 3),
                        )
                else:
                    _log.warning(
                        "store %s: a run of predictor %r with other settings is kept apart (run %s) and not used: %s",
                        self.folder,
                        stored.predictor,
                        other.run,
                        # that keys of genes differ as well follows
                        "; ".join([one for one in stored.differences(other) if "genes.digest" not in one][:_SHOWN]),
                    )
        stored.load()
        for other in others:
            if other.record["base"] == identity.base:
                stored.take_over(other)
        return stored

    def done(self, identity: RunIdentity) -> frozenset[str]:
        """Return the genes that `open_run` would find finished, in this run or in another under the same keys.

        Makes no folder and no record.
        """
        done: set[str] = set()
        for stored in self._all_runs():
            if stored.record["base"] == identity.base:
                stored.load()
                done |= {gene for gene, key in identity.keys.items() if gene in stored and stored.keys[gene] == key}
        return frozenset(done)

    def _run_files(self) -> list[Path]:
        try:
            return sorted((self.folder / OWN / "runs").glob("*.json"))
        except OSError as error:
            raise InputFileError(f"store: {self.folder} cannot be read ({error.strerror})") from error

    def _all_runs(self) -> Iterator[StoredRun]:
        for path in self._run_files():
            try:
                record = json.loads(path.read_text())
                complete = record["format"] == FORMAT and set(record) >= set(_RECORD)
            except (OSError, ValueError, KeyError, TypeError):
                complete = False
            if complete:
                yield StoredRun(folder=self.folder, record=record)
            else:
                set_aside(self.folder, path, f"{path.name} is damaged, or was written by another version of pgxeval")


_RECORD = (
    "format",
    "run",
    "base",
    "predictor",
    "settings",
    "recorded",
    "individuals",
    "genes",
    "replicates",
    "started",
    "version",
)


def _record(identity: RunIdentity, recorded: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": identity.run,
        "base": identity.base,
        "predictor": identity.predictor,
        "settings": identity.description,
        "recorded": dict(recorded),
        "individuals": list(identity.individuals),
        "genes": [[gene_id, key, identity.regions[gene_id]] for gene_id, key in identity.keys.items()],
        "replicates": identity.n_replicates,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }
