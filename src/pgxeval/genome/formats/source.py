"""Genotypes of a cohort: what every source of them promises, and the calls that it gives.

A `GenotypeSource` reads one file format. All sources give the same `Calls` for the same cohort, so that
dosages and haplotypes are made in one place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.identity import Identity

GenotypePaths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One file, several files of one cohort, a pattern with ``{chrom}``, or a folder."""


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
class ListsRecords(Protocol):
    """A source that can tell contigs with records from those that are declared only."""

    @property
    def contigs_with_records(self) -> tuple[str, ...]:
        """Those of `GenotypeSource.contigs` that the file has records of."""
        ...


@runtime_checkable
class ChoosesField(Protocol):
    """A source that knows which FORMAT field holds its dosages."""

    @property
    def default_field(self) -> Field:
        """``"GT"``, or ``"DS"`` or ``"GP"`` where the genotypes are not there or derived from these."""
        ...


def open_genotypes(path: GenotypePaths) -> GenotypeSource:
    """Open genotypes by their kind.

    Parameters
    ----------
    path
        VCF compressed by ``bgzip`` with a tabix or CSI index next to it, or BCF with a CSI index, here or at
        an address that htslib opens (``https://``, ``s3://``); or PLINK 2 ``.pgen`` with its ``.pvar`` and
        ``.psam`` (needs the extra ``plink``). Where there is one file per chromosome: a list of files, a pattern such
        as ``"chr{chrom}.vcf.gz"``, or the folder that holds them. ``~`` is the home folder.

    Returns
    -------
    GenotypeSource
        A source that reads the file or files.

    Raises
    ------
    InputFileNotFoundError
        If a file does not exist.
    InputFileError
        If the kind of a file is not known, it is truncated, or its index is missing; or if several files contradict
        each other.
    SettingError
        If `path` is neither a path nor a list of paths.
    """
    from pgxeval.genome.formats.several import SeveralFiles, expand_paths

    if isinstance(path, bytes) or not isinstance(path, str | os.PathLike | Sequence):
        raise SettingError(
            "genotypes must be a path, a list of paths, a pattern with {chrom}, a folder or a GenotypeSource, got "
            f"{type(path).__name__}"
        )
    if isinstance(path, str | os.PathLike):
        text = str(Path(path).expanduser() if not is_remote(os.fspath(path)) else path).removeprefix("file://")
        if is_remote(text) or not ("{chrom}" in text or Path(text).is_dir()):
            return _open_file(text)
    paths = expand_paths(path)
    sources = [_open_file(one) for one in paths]
    return sources[0] if len(sources) == 1 else SeveralFiles(sources)


def _open_file(path: str) -> GenotypeSource:
    from pgxeval.genome.formats.bcf import BcfSource
    from pgxeval.genome.formats.plink import PlinkSource
    from pgxeval.genome.formats.vcf import VcfSource

    text = path
    stem, _, suffix = text.rpartition(".")
    if not is_remote(text):
        if suffix in ("pvar", "psam", "zst") and Path(f"{stem.removesuffix('.pvar')}.pgen").is_file():
            text = f"{stem.removesuffix('.pvar')}.pgen"
        elif not Path(text).exists() and Path(f"{text}.pgen").is_file():
            text = f"{text}.pgen"
        elif not Path(text).is_file():
            what = "is a folder" if Path(text).is_dir() else "does not exist"
            raise InputFileNotFoundError(f"genotypes: {text} {what}")
        _refuse_other_formats(text)
    if text.endswith(".pgen"):
        return PlinkSource(text)
    if not is_remote(text):
        check_complete(Path(text))
    first = next(read_blocks(text, 0), b"")
    return BcfSource(text) if first.startswith(b"BCF") else VcfSource(text)


def _refuse_other_formats(path: str) -> None:
    """Answer formats that are not read with the command that converts them."""
    stem, _, suffix = path.rpartition(".")
    try:
        with Path(path).open("rb") as handle:
            head = handle.read(32)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if suffix in ("bed", "bim", "fam") or head[:3] == b"\x6c\x1b\x01":
        raise InputFileError(
            f"{path}: PLINK 1 files are not read: they hold no phase, and their REF is the major allele. Convert them "
            f"with `plink2 --bfile {stem} --fa reference.fa --ref-from-fa force --make-pgen --out {stem}` and give "
            f"{stem}.pgen (dosages only, as long as it is not phased)"
        )
    if suffix == "bgen" or head[16:20] == b"bgen":
        raise InputFileError(
            f"{path}: BGEN is not read. Convert it with `plink2 --bgen {path} ref-first --sample {stem}.sample "
            f"--make-pgen --out {stem}` and give {stem}.pgen"
        )
    if suffix in ("ped", "map"):
        raise InputFileError(
            f"{path}: PLINK 1 text files are not read. Convert them with `plink2 --pedmap {stem} --make-pgen "
            f"--out {stem}`"
        )
    if suffix == "vcf" or head.startswith(b"##fileformat=VCF"):
        raise InputFileError(
            f"{path}: plain VCF cannot be read by interval; run `bgzip {path} && tabix -p vcf {path}.gz`"
        )
