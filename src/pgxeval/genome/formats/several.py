"""SeveralFiles: the genotypes of one cohort in one file per chromosome."""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, InputFileNotFoundError, PgxevalWarning, SettingError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.bgzf import is_remote
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.source import (
    ChoosesField,
    GenotypeSource,
    HasIdentity,
    ListsFields,
    ListsRecords,
    NamesContigs,
)
from pgxeval.genome.formats.vcf_zarr import is_vcf_zarr
from pgxeval.genome.identity import Identity, Json
from pgxeval.names import known_names

_SUFFIXES = (".vcf.gz", ".vcf.bgz", ".bcf", ".pgen", ".bgen")


class SeveralFiles:
    """Genotypes of one cohort, each contig in one of several files.

    Parameters
    ----------
    sources
        One source per file. The individuals and their order are those of the first file; individuals that some file
        lacks are excluded, with a warning.

    Raises
    ------
    InputFileError
        If two files have records of one contig, or no individual is in all files.
    """

    def __init__(self, sources: Sequence[GenotypeSource]) -> None:
        self.sources = tuple(sources)
        first = self.sources[0]
        shared = set(first.individuals).intersection(*(source.individuals for source in self.sources[1:]))
        self.individuals = tuple(name for name in first.individuals if name in shared)
        union = set().union(*(source.individuals for source in self.sources))
        if not self.individuals:
            raise InputFileError(
                f"{self.path}: no individual is in all {len(self.sources)} files; {first.path} has "
                f"{known_names(first.individuals, 3)}"
            )
        if excluded := sorted(union - shared):
            warnings.warn(
                f"{self.path}: {len(excluded)} of {len(union)} individuals are not in all {len(self.sources)} files "
                f"and are excluded: {known_names(excluded, 5)}",
                PgxevalWarning,
                stacklevel=4,
            )
        self._rows = tuple(_rows(source.individuals, self.individuals) for source in self.sources)
        self._source_of = _source_of(self.sources)
        lengths: dict[str, int] = {}
        for source in self.sources:
            if isinstance(source, NamesContigs):
                lengths.update(source.contig_names.lengths)
        self.contig_names = ContigNames(
            names=tuple(self._source_of),
            lengths={name: lengths[name] for name in self._source_of if name in lengths},
            plink=all(isinstance(source, NamesContigs) and source.contig_names.plink for source in self.sources),
        )
        file_of = {
            source.default_field if isinstance(source, ChoosesField) else "GT": source for source in self.sources
        }
        chosen: tuple[Field, ...] = ("DS", "GP", "GT")
        self.default_field: Field = next(field for field in chosen if field in file_of)
        if len(file_of) > 1:
            examples = ", ".join(f"{field} of {Path(source.path).name}" for field, source in sorted(file_of.items()))
            warnings.warn(
                f"{self.path}: the files do not hold the same FORMAT fields; dosages are read from {examples}",
                PgxevalWarning,
                stacklevel=4,
            )
        # a field that one file lacks would be replaced by its genotypes there
        fields = [source.fields if isinstance(source, ListsFields) else frozenset[str]() for source in self.sources]
        self.fields: frozenset[str] = frozenset.intersection(*fields)

    @property
    def path(self) -> str:
        """The folder and how many files, for messages."""
        folder = os.path.commonpath([str(Path(source.path).parent) for source in self.sources])
        return f"{folder} ({len(self.sources)} files)"

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs of all files, in the order of the files."""
        return self.contig_names.names

    def identity(self) -> Identity:
        """Return what tells these versions of the files from others; see `GenotypeSource`."""
        files: list[Json] = []
        for source in self.sources:
            if not isinstance(source, HasIdentity):
                raise SettingError(f"{source.path}: {type(source).__name__} has no identity()")
            files.append(dict(source.identity()))
        return {"format": "several", "files": files}

    def __repr__(self) -> str:
        return f"SeveralFiles({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        at = self._source_of[contig]
        calls = self.sources[at].read(contig, start, end, field)
        rows = self._rows[at]
        if rows is None:
            return calls
        genotypes = calls.field_values is None
        return attrs.evolve(
            calls,
            alleles=calls.alleles[:, rows] if genotypes else calls.alleles[:, : rows.size],
            phased=calls.phased[:, rows] if genotypes else calls.phased[:, : rows.size],
            field_values=None if calls.field_values is None else calls.field_values[:, rows],
            phase_sets=None if calls.phase_sets is None else calls.phase_sets[:, rows],
        )


def _rows(have: tuple[str, ...], want: tuple[str, ...]) -> npt.NDArray[np.int64] | None:
    """Return the rows of individuals in a file; None where they are all in this order."""
    if have == want:
        return None
    row_of = {name: row for row, name in enumerate(have)}
    return np.array([row_of[name] for name in want], dtype=np.int64)


def _source_of(sources: Sequence[GenotypeSource]) -> dict[str, int]:
    """Return which source has each contig: the one with its records, else the first that declares it."""
    source_of: dict[str, int] = {}
    for at, source in enumerate(sources):
        for name in source.contigs_with_records if isinstance(source, ListsRecords) else source.contigs:
            if name in source_of:
                raise InputFileError(
                    f"contig {name} has records in {sources[source_of[name]].path} and in {source.path}: each contig "
                    "must be in one file; join them with `bcftools concat -a` or give one of the two"
                )
            source_of[name] = at
    contigs = ContigNames(names=tuple(source_of))
    for at, source in enumerate(sources):
        for name in source.contigs:
            if not contigs.candidates(name):
                source_of.setdefault(name, at)
    return source_of


def expand_paths(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the files that a list, a pattern with ``{chrom}`` or a folder names, in natural order.

    Raises
    ------
    SettingError
        If the list is empty or holds something other than paths.
    InputFileNotFoundError
        If no file is there.
    """
    if not isinstance(paths, str | os.PathLike):
        if not paths or not all(isinstance(one, str | os.PathLike) for one in paths):
            kinds = sorted({type(one).__name__ for one in paths})
            raise SettingError(f"genotypes: expected a list of paths, got {', '.join(kinds) or 'an empty list'}")
        listed = [_expanded(one) for one in paths]
        return [path for one in listed for path in (expand_paths(one) if "{chrom}" in one else [one])]
    text = _expanded(paths)
    if "{chrom}" in text:
        if is_remote(text):
            raise SettingError(
                f"genotypes: {text}: {{chrom}} is expanded for local files only; give a list of addresses"
            )
        parts = text.split("{chrom}")
        pattern = re.compile(
            re.escape(parts[0]) + "(?P<chrom>[A-Za-z0-9_]+)" + "(?P=chrom)".join(re.escape(part) for part in parts[1:])
        )
        there = glob.glob("*".join(map(glob.escape, parts)))  # noqa: PTH207 (a pattern of a whole path)
        matches = [path for path in there if pattern.fullmatch(path)]
        what = f"no file matches {text}"
    else:
        matches = [
            str(path)
            for path in Path(text).iterdir()
            if is_vcf_zarr(str(path)) or (path.is_file() and path.name.endswith(_SUFFIXES))
        ]
        what = f"no file that ends in {', '.join((*_SUFFIXES, '.vcz'))} is in {text}"
    if not matches:
        raise InputFileNotFoundError(f"genotypes: {what}")
    return sorted(matches, key=_natural)


def _expanded(path: str | os.PathLike[str]) -> str:
    """Return a path with ``~`` replaced by the home folder."""
    text = os.fspath(path)
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _natural(path: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``chr2`` before ``chr10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]
