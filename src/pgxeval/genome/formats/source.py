"""Genotypes of a cohort: what every source of them promises, and the calls that it gives.

A `GenotypeSource` reads one file format. All sources give the same `Calls` for the same cohort, so that
dosages and haplotypes are made in one place.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.identity import Identity


@runtime_checkable
class GenotypeSource(Protocol):
    """A file of genotypes.

    A source is safe to share between threads, pickles by path, and holds no open handle across a fork.
    """

    @property
    def path(self) -> str:
        """Where the genotypes are."""
        ...

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of the individuals in file order, each once."""
        ...

    @property
    def contigs(self) -> tuple[str, ...]:
        """Names of the contigs that the file has records of, or declares."""
        ...

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)`` (0-based) of a contig by their REF bases.

        `contig` is one of `contigs`. Records come in file order, which is order of position. ``field``
        is ``"GT"``, or ``"DS"`` or ``"GP"`` for imputed dosages.
        """
        ...


@runtime_checkable
class HasIdentity(Protocol):
    """A source that can tell versions of its files apart, so that results may be stored and used again."""

    def identity(self) -> Identity:
        """Return plain values that are equal for equal versions of the files and differ for others.

        They cover size and digests of header, index and content (of large files samples, and the time), but no path.
        """
        ...


@runtime_checkable
class NamesContigs(Protocol):
    """A source that knows the lengths of its contigs and how they are numbered."""

    @property
    def contig_names(self) -> ContigNames:
        """The names of `GenotypeSource.contigs`, with what the file shows about them."""
        ...


@runtime_checkable
class HasContigs(Protocol):
    """Whatever has contigs: a source, or genotypes of one's own."""

    @property
    def contigs(self) -> tuple[str, ...]:
        """Names of the contigs."""
        ...


def contig_names_of(named: HasContigs) -> ContigNames:
    """Return the contig names of a source or a genome, with what its file shows about them."""
    return named.contig_names if isinstance(named, NamesContigs) else ContigNames(names=tuple(named.contigs))


@runtime_checkable
class ListsRecords(Protocol):
    """A source that can tell contigs with records from those that are declared only."""

    @property
    def contigs_with_records(self) -> tuple[str, ...]:
        """Those of `GenotypeSource.contigs` that the file has records of."""
        ...


@runtime_checkable
class ListsFields(Protocol):
    """A source whose header declares its FORMAT fields."""

    @property
    def fields(self) -> frozenset[str]:
        """FORMAT fields that its header declares or its first records have; empty where they are not known."""
        ...


@runtime_checkable
class ChoosesField(Protocol):
    """A source that knows which FORMAT field holds its dosages."""

    @property
    def default_field(self) -> Field:
        """``"GT"``, or ``"DS"`` or ``"GP"`` where the genotypes are not there or derived from these."""
        ...
