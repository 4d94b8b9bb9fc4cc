"""Genotypes of a cohort: what every source of them promises, and the calls that it gives.

A `GenotypeSource` reads one file format. All sources give the same `Calls` for the same cohort, so that
dosages and haplotypes are made in one place.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.genome.bgzf import is_remote

MISSING = -1
ABSENT = -2
MAX_ALLELES = 127

Field = Literal["GT", "DS"]


@attrs.frozen(kw_only=True, eq=False)
class Calls:
    """The records of a window and what each individual carries there.

    Parameters
    ----------
    contig
        Contig name as in the file.
    starts
        int64 ``(n_records,)``: 0-based position of the first REF base (POS - 1).
    text
        uint8 ``(n_bytes,)``: ASCII of all names and alleles of the records.
    id_bounds
        int64 ``(n_records, 2)``: where the ID of a record stands in `text`.
    allele_bounds
        int64 ``(n_alleles, 2)``: where each allele stands in `text`, REF first, record by record.
    first_allele
        int64 ``(n_records + 1,)``: row of `allele_bounds` at which each record's REF stands.
    passed
        bool ``(n_records,)``: FILTER is ``PASS`` or not given.
    alleles
        int8 ``(n_records, n_individuals, 2)``: number of the allele of each copy, 0 for REF, -1 missing,
        -2 for the copy that a haploid call has not. Empty where dosages were asked of a field.
    phased
        bool ``(n_records, n_individuals)``: the two copies are phased (a haploid call is).
    field_values
        float32 ``(n_alt_alleles, n_individuals)`` of the FORMAT field that was asked, NaN missing; None
        for genotypes.
    """

    contig: str
    starts: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]
    id_bounds: npt.NDArray[np.int64]
    allele_bounds: npt.NDArray[np.int64]
    first_allele: npt.NDArray[np.int64]
    passed: npt.NDArray[np.bool_]
    alleles: npt.NDArray[np.int8]
    phased: npt.NDArray[np.bool_]
    field_values: npt.NDArray[np.float32] | None = None

    @property
    def n_records(self) -> int:
        """Number of records."""
        return int(self.starts.size)

    @property
    def n_alleles(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_records,)``: number of alleles of each record, REF counted."""
        return np.diff(self.first_allele)

    @property
    def ref_lengths(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_records,)``: number of reference bases that each record spans."""
        bounds = self.allele_bounds[self.first_allele[:-1]]
        return bounds[:, 1] - bounds[:, 0]

    @cached_property
    def ids(self) -> list[str]:
        """ID column of each record."""
        return self._strings(self.id_bounds)

    @cached_property
    def allele_strings(self) -> list[str]:
        """Each row of `allele_bounds` as text."""
        return self._strings(self.allele_bounds)

    def _strings(self, bounds: npt.NDArray[np.int64]) -> list[str]:
        text = self.text.tobytes().decode("latin-1")
        return [text[begin:end] for begin, end in bounds.tolist()]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays [bytes]."""
        fields = (self.starts, self.text, self.id_bounds, self.allele_bounds, self.first_allele)
        extra = 0 if self.field_values is None else self.field_values.nbytes
        return sum(a.nbytes for a in fields) + self.alleles.nbytes + self.phased.nbytes + extra


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
        is ``"GT"``, or ``"DS"`` for imputed dosages.
        """
        ...


def open_genotypes(path: str | os.PathLike[str]) -> GenotypeSource:
    """Open a file of genotypes by its kind.

    Parameters
    ----------
    path
        VCF compressed by ``bgzip`` with a tabix or CSI index beside it; VCF may lie at an address that
        htslib opens (``https://``, ``s3://``).

    Returns
    -------
    GenotypeSource
        A source that reads the file.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If its kind is not known, it is truncated, or its index is missing.
    """
    from pgxeval.genome.vcf import VcfSource

    text = os.fspath(path)
    text = text.removeprefix("file://")
    if not is_remote(text) and not Path(text).is_file():
        what = "is a folder" if Path(text).is_dir() else "does not exist"
        raise InputFileNotFoundError(f"genotypes: {text} {what}")
    if text.endswith(".vcf"):
        raise InputFileError(
            f"{text}: plain VCF cannot be read by interval; run `bgzip {text} && tabix -p vcf {text}.gz`"
        )
    return VcfSource(text)
