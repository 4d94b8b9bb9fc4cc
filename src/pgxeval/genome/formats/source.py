"""Genotypes of a cohort: what every source of them promises, and the calls that it gives.

A `GenotypeSource` reads one file format. All sources give the same `Calls` for the same cohort, so that
dosages and haplotypes are made in one place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.genome.formats.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.formats.calls import Calls, Field


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
        VCF compressed by ``bgzip`` with a tabix or CSI index beside it, or BCF with a CSI index, here or at
        an address that htslib opens (``https://``, ``s3://``); or PLINK 2 ``.pgen`` with its ``.pvar`` and
        ``.psam`` (needs the extra ``plink``).

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
    from pgxeval.genome.formats.bcf import BcfSource
    from pgxeval.genome.formats.plink import PlinkSource
    from pgxeval.genome.formats.vcf import VcfSource

    text = os.fspath(path)
    text = text.removeprefix("file://")
    if not is_remote(text) and not Path(text).is_file():
        what = "is a folder" if Path(text).is_dir() else "does not exist"
        raise InputFileNotFoundError(f"genotypes: {text} {what}")
    if text.endswith(".vcf"):
        raise InputFileError(
            f"{text}: plain VCF cannot be read by interval; run `bgzip {text} && tabix -p vcf {text}.gz`"
        )
    if text.endswith(".pgen"):
        return PlinkSource(text)
    if not is_remote(text):
        check_complete(Path(text))
    first = next(read_blocks(text, 0), b"")
    return BcfSource(text) if first.startswith(b"BCF") else VcfSource(text)
