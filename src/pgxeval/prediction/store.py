"""PredictionStore: finished genes on disk as they come, so that a killed run loses seconds, not days."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pgxeval.errors import InputFileError, SettingError
from pgxeval.prediction.crossfit import CrossFit, CrossFitter
from pgxeval.provenance import __version__, describe

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

FLUSH_SECONDS = 5.0


def run_key(fitter: CrossFitter, replicates: int) -> str:
    """Return a digest of all that shapes the cross-fitted predictions of every gene of a run."""
    digest = hashlib.blake2b(digest_size=20)
    asked = {
        "version": __version__,
        "predictors": [describe(predictor) for predictor in fitter.predictors],
        "folds": fitter.folds,
        "seed": fitter.seed,
        "method": fitter.method,
        "replicates": replicates,
        "individuals": list(fitter.individuals),
        "genotypes": _identity(fitter.genome),
        "groups": fitter.groups,
        "strata": fitter.strata,
    }
    digest.update(json.dumps(asked, sort_keys=True).encode())
    if fitter.covariates is not None:
        digest.update(np.ascontiguousarray(fitter.covariates).tobytes())
    return digest.hexdigest()


def gene_key(run: str, gene: Gene, expression: npt.NDArray[np.float64]) -> str:
    """Return a digest of the run (`run_key`), the gene and its expression."""
    digest = hashlib.blake2b(digest_size=20)
    digest.update(json.dumps([run, describe(gene)], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(expression).tobytes())
    return digest.hexdigest()


def _identity(genome: PersonalGenome) -> list[Any]:
    """Return what tells one file of genotypes from another, or a changed one from what it was."""
    source = getattr(genome, "source", genome)
    path = Path(str(getattr(source, "path", "")))
    if path.is_file():
        state = path.stat()
        return [path.name, state.st_size, state.st_mtime_ns]
    return [str(path), hashlib.blake2b(pickle.dumps(source), digest_size=20).hexdigest()]


class PredictionStore:
    """A folder of Parquet parts, each written whole or not at all.

    Parameters
    ----------
    folder
        Made where it is missing. Parts of other runs, and of the same run with other settings, lie side by
        side: what is taken is found by a digest of settings, individuals and expression.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"store: {self.folder} cannot be made a folder ({error.strerror})") from error
        self._waiting: dict[str, list[CrossFit]] = {}
        self._last_flush = time.monotonic()
        self._parts: dict[str, Path] = {}
        self._open: tuple[Path, dict[str, list[CrossFit]]] | None = None
        for part in sorted(self.folder.glob("part-*.parquet")):
            try:
                keys = pq.read_table(part, columns=["key"]).column("key").unique().to_pylist()
            except (OSError, pa.ArrowInvalid) as error:
                raise InputFileError(f"store: {part} is damaged ({error}); delete this part and run again") from error
            self._parts.update(dict.fromkeys(keys, part))

    def __contains__(self, key: str) -> bool:
        return key in self._parts or key in self._waiting

    def __len__(self) -> int:
        return len(self._parts) + len(self._waiting)

    def get(self, key: str) -> list[CrossFit]:
        """Return what was kept under `key`."""
        if key in self._waiting:
            return self._waiting[key]
        part = self._parts[key]
        if self._open is None or self._open[0] != part:
            self._open = (part, _read(part))
        return self._open[1][key]

    def keep(self, key: str, fits: list[CrossFit]) -> None:
        """Keep one gene; parts are written every few seconds."""
        self._waiting[key] = fits
        if time.monotonic() - self._last_flush > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, atomically."""
        self._last_flush = time.monotonic()
        if not self._waiting:
            return
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        partial = part.with_name(f".{part.name}.partial")
        rows = [
            {
                "key": key,
                "predictor": fit.predictor,
                "replicate": fit.replicate,
                "fold": fit.fold.tolist(),
                "prediction": fit.prediction,
                "training_mean": fit.training_mean,
                "reason": json.dumps(sorted(fit.reason.items())),
                "used": json.dumps([dict(used) for used in fit.used]),
            }
            for key, fits in self._waiting.items()
            for fit in fits
        ]
        pq.write_table(pa.Table.from_pylist(rows), partial)
        partial.replace(part)
        self._parts.update(dict.fromkeys(self._waiting, part))
        self._waiting = {}


def _read(part: Path) -> dict[str, list[CrossFit]]:
    kept: dict[str, list[CrossFit]] = {}
    for row in pq.read_table(part).to_pylist():
        kept.setdefault(row["key"], []).append(
            CrossFit(
                predictor=row["predictor"],
                replicate=row["replicate"],
                fold=np.array(row["fold"], dtype=np.int16),
                prediction=np.array(row["prediction"], dtype=np.float64),
                training_mean=np.array(row["training_mean"], dtype=np.float64),
                reason=dict(json.loads(row["reason"])),
                used=json.loads(row["used"]),
            )
        )
    return kept
