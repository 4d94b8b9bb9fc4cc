"""PersonalGenome: what each individual of a cohort carries, as dosages or as haplotypes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.genome.calls import Field
from pgxeval.genome.contigs import known_names, match_contig, near_names
from pgxeval.genome.dosages import Dosages, make_dosages
from pgxeval.genome.genotypes import GenotypeSource, open_genotypes
from pgxeval.genome.intervals import Interval
from pgxeval.genome.reference import ReferenceGenome

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_CACHE_BYTES = 256 * 2**20


class PersonalGenome:
    """The genomes of a cohort: a file of genotypes and, for sequences, the reference genome.

    Parameters
    ----------
    genotypes
        Path of a VCF with its index, or any `GenotypeSource`.
    reference
        Path of an indexed FASTA, or a `ReferenceGenome`. Dosages do without.
    cache_bytes
        Memory for windows that have been read and may be asked for again [bytes].

    Raises
    ------
    InputFileNotFoundError
        If a file does not exist.
    InputFileError
        If a file is truncated, damaged, or has no index.

    Notes
    -----
    One instance may be used from several threads. It pickles by path and opens the files again where it
    lands. A window is read once for the whole cohort, whatever the number of individuals asked for.
    """

    def __init__(
        self,
        genotypes: str | os.PathLike[str] | GenotypeSource,
        reference: str | os.PathLike[str] | ReferenceGenome | None = None,
        *,
        cache_bytes: int = _DEFAULT_CACHE_BYTES,
    ) -> None:
        self.source: GenotypeSource = (
            open_genotypes(genotypes) if isinstance(genotypes, str | os.PathLike) else genotypes
        )
        self.reference = ReferenceGenome(Path(reference)) if isinstance(reference, str | os.PathLike) else reference
        self.cache_bytes = cache_bytes
        self._rows = {name: row for row, name in enumerate(self.source.individuals)}
        self._start_cache()

    def _start_cache(self) -> None:
        self._cache: OrderedDict[tuple[str, str, int, int], Dosages] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_cache"], state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_cache()

    def __repr__(self) -> str:
        return (
            f"PersonalGenome({self.source.path!r}, {len(self.individuals)} individuals, "
            f"reference={None if self.reference is None else str(self.reference.path)!r})"
        )

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of all individuals, in file order."""
        return self.source.individuals

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that the genotypes know, by the names of their file."""
        return self.source.contigs

    def rows(self, individuals: Sequence[str] | None) -> npt.NDArray[np.int64]:
        """Return the rows of individuals in the file, int64; all where None is given.

        Raises
        ------
        UnknownNameError
            If one is not in the file; the message offers near names.
        """
        if individuals is None:
            return np.arange(len(self._rows), dtype=np.int64)
        if isinstance(individuals, str):
            raise SettingError(f"individuals must be a sequence of names, got one string: {individuals!r}")
        unknown = [name for name in individuals if name not in self._rows]
        if unknown:
            raise UnknownNameError(
                f"{len(unknown)} of {len(individuals)} individuals are not in {self.source.path}, the first: "
                f"{unknown[0]}{near_names(str(unknown[0]), self._rows)}"
            )
        return np.array([self._rows[name] for name in individuals], dtype=np.int64)

    def contig_name(self, name: str) -> str:
        """Return the genotype file's name of a contig.

        Raises
        ------
        UnknownNameError
            If the file neither has records of it nor declares it in its header.
        """
        found = match_contig(name, self.contigs)
        if found is None:
            raise UnknownNameError(
                f"contig {name} is not in {self.source.path} (it has {known_names(self.contigs)})"
                f"{near_names(name, self.contigs)}"
            )
        return found

    def dosages(self, interval: Interval, individuals: Sequence[str] | None = None, field: Field = "GT") -> Dosages:
        """Return how many copies of each ALT allele each individual carries.

        Parameters
        ----------
        interval
            0-based half-open. A variant belongs to it if its first REF base (POS - 1) lies inside.
        individuals
            Names, in the order wanted; None for all.
        field
            ``"GT"``: counts from genotypes, int8. ``"DS"``: imputed dosages, float32.

        Returns
        -------
        Dosages
            One row an individual, one column an ALT allele.

        Raises
        ------
        UnknownNameError
            If an individual or the contig is not known.
        InputFileError
            If a record cannot be read.
        """
        if field not in ("GT", "DS"):
            raise SettingError(f'field must be "GT" or "DS", got {field!r}')
        rows = self.rows(individuals)
        contig = self.contig_name(interval.contig)
        whole = self._cached(
            (field, contig, interval.start, interval.end),
            lambda: make_dosages(
                self.source.read(contig, max(0, interval.start), max(0, interval.end), field),
                interval,
                self.individuals,
            ),
        )
        return whole if individuals is None else whole.take(rows)

    def _cached(self, key: tuple[str, str, int, int], make: Callable[[], Dosages]) -> Dosages:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        made = make()
        with self._lock:
            self._cache[key] = made
            held = sum(window.values.nbytes for window in self._cache.values())
            while held > self.cache_bytes and len(self._cache) > 1:
                held -= self._cache.popitem(last=False)[1].values.nbytes
        return made
