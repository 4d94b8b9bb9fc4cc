"""StoredRun: the predictions of one predictor over one cohort, in the files of a store."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from pgxeval.errors import InputFileError, PgxevalError, PgxevalWarning
from pgxeval.genome.identity import Json
from pgxeval.prediction.digest import differences
from pgxeval.prediction.parts import (
    PART,
    SINGLE,
    DamagedPartError,
    Part,
    PartContents,
    read_contents,
    read_part,
    write_part,
)
from pgxeval.prediction.results import GeneResult
from pgxeval.provenance import __version__
from pgxeval.tables.writing import make_folder, whole_file

OWN = "_pgxeval"
"""Folder of a store that other programs ignore: names that begin with an underscore do not belong to a dataset."""
_log = logging.getLogger(__name__)


@attrs.define(kw_only=True, eq=False, repr=False)
class StoredRun:
    """One predictor over one cohort, in a store.

    Parameters
    ----------
    folder
        Folder of the store.
    record
        Settings, genes and individuals.
    """

    folder: Path
    record: dict[str, Any]
    keys: dict[str, str] = attrs.field(init=False)
    _regions: dict[str, str] = attrs.field(init=False)
    _genes_of: dict[str, list[str]] = attrs.field(init=False)
    _places: dict[str, Path] = attrs.field(init=False, factory=dict)
    _waiting: dict[str, GeneResult] = attrs.field(init=False, factory=dict)
    _failures: dict[str, str] = attrs.field(init=False, factory=dict)
    _open: tuple[Path, Part] | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.keys = {gene_id: key for gene_id, key, _ in self.record["genes"]}
        self._regions = {gene_id: region for gene_id, _, region in self.record["genes"]}
        self._genes_of = {}
        for gene_id, region in self._regions.items():
            self._genes_of.setdefault(region, []).append(gene_id)

    def __repr__(self) -> str:
        return f"StoredRun({self.predictor!r}, {len(self.keys)} genes, run {self.run})"

    @property
    def run(self) -> str:
        """Identifier of the run."""
        return str(self.record["run"])

    @property
    def predictor(self) -> str:
        """Name of the predictor."""
        return str(self.record["predictor"])

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names, in the order of the predictions."""
        return tuple(self.record["individuals"])

    @property
    def n_replicates(self) -> int:
        """Number of replicates, the observed one included."""
        return int(self.record["replicates"])

    @property
    def record_path(self) -> Path:
        """File of the record."""
        return self.folder / OWN / "runs" / f"{self.run}.json"

    @property
    def _parts_folder(self) -> Path:
        return self.folder / f"run={self.run}"

    def _own_folder(self, kind: str) -> Path:
        return self.folder / OWN / kind / self.run

    def differences(self, other: StoredRun) -> list[str]:
        """Spell out how the settings of this run differ from those of another."""
        ours: Json = self.record["settings"]
        theirs: Json = other.record["settings"]
        return differences(ours, theirs)

    def write_record(self) -> None:
        """Write the record, and make the folders of the run."""
        with writing(self.folder):
            for folder in (
                self.folder,
                self.folder / OWN,
                self.record_path.parent,
                self._parts_folder,
                self._own_folder("singles").parent,
                self._own_folder("singles"),
                self._own_folder("failures").parent,
                self._own_folder("failures"),
            ):
                make_folder(folder, "store")
            with whole_file(self.record_path) as file:
                file.write(json.dumps(self.record, indent=1).encode())

    def load(self) -> None:
        """Find out what is done and what failed; damaged files are set aside, doubled genes removed.

        Warns
        -----
        PgxevalWarning
            For each file that was not what had been written.
        """
        self._places, self._waiting, self._failures, self._open = {}, {}, {}, None
        self._index_parts(self._parts_folder.glob(f"*{PART}"))
        for path, contents in self._contents(self._own_folder("singles").glob(f"*{SINGLE}")):
            for gene_id in self._known(contents):
                if gene_id in self._places:  # its part was written, but a kill kept this file from being removed
                    with contextlib.suppress(OSError):
                        path.unlink()
                else:
                    self._waiting[gene_id] = read_part(path).results[0]
                    self._places[gene_id] = path
        by_key = {key: gene_id for gene_id, key in self.keys.items()}
        for path in sorted(self._own_folder("failures").glob("*.json")):
            failed = by_key.get(path.stem)
            if failed is not None and failed not in self._places:
                self._failures[failed] = _failure_reason(path)

    def _contents(self, paths: Iterable[Path]) -> Iterator[tuple[Path, PartContents]]:
        for path in sorted(paths):
            try:
                yield path, read_contents(path)
            except FileNotFoundError:  # another process has just replaced it
                continue
            except DamagedPartError as error:
                set_aside(self.folder, path, str(error))
            except OSError as error:
                raise InputFileError(f"store: {path} cannot be read ({error.strerror})") from error

    def _known(self, contents: PartContents) -> list[str]:
        return [gene_id for gene_id, key in contents.keys.items() if self.keys.get(gene_id) == key]

    def _index_parts(self, paths: Iterable[Path]) -> None:
        """Find which genes are in which part; each gene is left in one part only.

        Two processes may have written the same gene at the same moment. Every process then removes it from the
        same part: the smaller one.
        """
        parts = sorted(self._contents(paths), key=lambda item: (-len(item[1].keys), item[0].name))
        for path, contents in parts:
            listed = self._known(contents)
            fresh = [gene_id for gene_id in listed if gene_id not in self._places]
            if len(fresh) == len(listed):
                self._places |= dict.fromkeys(fresh, path)
                continue
            with writing(self.folder), contextlib.suppress(FileNotFoundError):
                if fresh:
                    part = read_part(path)
                    results = tuple(result for result in part.results if result.gene_id in set(fresh))
                    rest = Part(keys={result.gene_id: part.keys[result.gene_id] for result in results}, results=results)
                    region = path.stem.rpartition("-")[0]
                    new = write_part(self._parts_folder, region, rest, self.individuals)
                    self._places |= dict.fromkeys(rest.keys, new)
                path.unlink(missing_ok=True)

    def __contains__(self, gene_id: str) -> bool:
        return gene_id in self._places

    @property
    def failures(self) -> Mapping[str, str]:
        """Gene -> why it failed."""
        return self._failures

    @property
    def recorded(self) -> dict[str, Any]:
        """Settings that the predictions are published with."""
        return dict(self.record["recorded"])

    def states(self) -> list[tuple[str, str, str | None]]:
        """Return gene, state ("done", "failed" or "open") and the reason of a failure, as the files are now."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)
            self.load()
        return [
            (gene_id, "done", None)
            if gene_id in self._places
            else (gene_id, "failed", self._failures[gene_id])
            if gene_id in self._failures
            else (gene_id, "open", None)
            for gene_id in self.keys
        ]

    def keep(self, result: GeneResult) -> None:
        """Keep the result of one gene; it is on disk on return.

        Raises
        ------
        InputFileError
            If it cannot be written, as when the disk is full.
        """
        gene_id = result.gene_id
        key = self.keys[gene_id]
        single = Part(keys={gene_id: key}, results=(result,))
        with writing(self.folder):
            path = write_part(self._own_folder("singles"), key, single, self.individuals, single=True)
        self._waiting[gene_id] = result
        self._places[gene_id] = path
        self._forget_failure(gene_id)
        self._complete_if_done(self._regions[gene_id])

    def fail(self, gene_id: str, reason: str) -> None:
        """Keep the reason why a gene failed.

        Raises
        ------
        InputFileError
            If it cannot be written.
        """
        self._failures[gene_id] = reason
        text = json.dumps({"gene_id": gene_id, "reason": reason, "version": __version__})
        with writing(self.folder), whole_file(self._failure_path(gene_id)) as file:
            file.write(text.encode())
        self._complete_if_done(self._regions[gene_id])

    def _complete_if_done(self, region: str) -> None:
        if all(gene_id in self._places or gene_id in self._failures for gene_id in self._genes_of[region]):
            self._complete(region)

    def _failure_path(self, gene_id: str) -> Path:
        return self._own_folder("failures") / f"{self.keys[gene_id]}.json"

    def _forget_failure(self, gene_id: str) -> None:
        if self._failures.pop(gene_id, None) is not None:
            with writing(self.folder):
                self._failure_path(gene_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Write parts of all regions, complete or not, so that every program sees what is done.

        Raises
        ------
        InputFileError
            If they cannot be written; the finished genes are then still in the store.
        """
        for region in dict.fromkeys(self._regions[gene_id] for gene_id in self._waiting):
            self._complete(region)

    def _complete(self, region: str) -> None:
        """Write the part of a region from the genes that wait for it, and remove their single files."""
        genes = [gene_id for gene_id in self._genes_of[region] if gene_id in self._waiting]
        if not genes:
            return
        part = Part(
            keys={gene_id: self.keys[gene_id] for gene_id in genes},
            results=tuple(self._waiting[gene_id] for gene_id in genes),
        )
        with writing(self.folder):
            path = write_part(self._parts_folder, region, part, self.individuals)
            for gene_id in genes:
                self._places[gene_id].unlink(missing_ok=True)
                del self._waiting[gene_id]
        _log.debug("store %s: wrote %s with %d genes", self.folder, path.name, len(genes))
        for gene_id in self._genes_of[region]:
            self._places.pop(gene_id, None)
        self._index_parts(self._parts_folder.glob(f"{region}-*{PART}"))

    def take_over(self, other: StoredRun) -> None:
        """Keep what another run of the same settings holds under the keys of this one."""
        lacking = {gene_id for gene_id in self.keys if gene_id not in self._places}
        if not lacking & set(other.keys):
            return
        other.load()
        for gene_id in self.keys:
            if gene_id in lacking and gene_id in other and other.keys[gene_id] == self.keys[gene_id]:
                self.keep(other.result(gene_id))

    def result(self, gene_id: str) -> GeneResult:
        """Return the result of a gene that is done.

        Raises
        ------
        InputFileError
            If its part was damaged or removed since.
        """
        if gene_id in self._waiting:
            return self._waiting[gene_id]
        path = self._places[gene_id]
        if self._open is None or self._open[0] != path:
            try:
                self._open = path, read_part(path)
            except (OSError, DamagedPartError) as error:
                raise InputFileError(
                    f"store: {path} was changed or removed since it was written; run predict_cohort with this store "
                    "again to compute what is lacking"
                ) from error
        return next(result for result in self._open[1].results if result.gene_id == gene_id)

    def results(self, gene_ids: Iterable[str], *, failed: bool = True) -> Iterator[GeneResult]:
        """Go through the results of genes, part by part, in memory that does not grow with their number.

        Parameters
        ----------
        gene_ids
            Genes; those that are neither done nor failed are passed over.
        failed
            Whether to return, for a gene that failed, NaN with the reason.
        """
        genes = list(gene_ids)
        for gene_id in sorted((g for g in genes if g in self._places), key=lambda g: (str(self._places[g]), g)):
            yield self.result(gene_id)
        for gene_id in genes:
            if failed and gene_id not in self._places and gene_id in self._failures:
                yield GeneResult.failed(
                    self.predictor,
                    gene_id,
                    self._failures[gene_id],
                    n_replicates=self.n_replicates,
                    n_individuals=len(self.individuals),
                )

    def used(self, gene_ids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        """Go through the settings as used for genes that are done, without reading their predictions."""
        places = {gene_id: self._places[gene_id] for gene_id in gene_ids if gene_id in self._places}
        used: dict[str, tuple[Mapping[str, Any], ...]] = {
            gene_id: result.used for gene_id, result in self._waiting.items()
        }
        for _, contents in self._contents({path for gene_id, path in places.items() if gene_id not in used}):
            used |= contents.used
        for gene_id in places:
            yield from used[gene_id]


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn errors of the operating system while writing into a clear one."""
    try:
        yield
    except PgxevalError:
        raise
    except OSError as error:
        raise InputFileError(
            f"store {folder} cannot be written ({error.strerror or error}). The genes that finished before are in it; "
            "make room or allow writing, and run again to continue"
        ) from error


def _failure_reason(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return "the record of the failure cannot be read"


def set_aside(store: Path, path: Path, why: str) -> None:
    """Move a damaged file of a store out of the way, with a warning; what it held is computed again."""
    folder = store / OWN / "damaged"
    with writing(store):
        make_folder(folder, "store")
        with contextlib.suppress(FileNotFoundError):  # another process was first
            path.replace(folder / f"{path.name}.damaged")
    warnings.warn(
        f"store {store}: {why}. It was moved to {folder}; what it held will be computed again",
        PgxevalWarning,
        stacklevel=3,
    )
