"""open_genotypes: the source that reads a file, several files or a folder of genotypes, by its kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError
from pgxeval.genome.formats.bcf import BcfSource
from pgxeval.genome.formats.bgen import BgenSource
from pgxeval.genome.formats.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.formats.plink import PlinkSource
from pgxeval.genome.formats.several import SeveralFiles, expand_paths
from pgxeval.genome.formats.source import GenotypeSource
from pgxeval.genome.formats.vcf import VcfSource
from pgxeval.genome.formats.vcf_zarr import VcfZarrSource, is_vcf_zarr

GenotypePaths: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One file, several files of one cohort, a pattern with ``{chrom}``, or a folder."""


def open_genotypes(path: GenotypePaths) -> GenotypeSource:
    """Open genotypes by their kind.

    Parameters
    ----------
    path
        VCF compressed by ``bgzip`` with a tabix or CSI index next to it, or BCF with a CSI index, here or at
        an address that htslib opens (``https://``, ``s3://``); PLINK 2 ``.pgen`` with its ``.pvar`` and
        ``.psam`` (needs the extra ``plink``); BGEN, for dosages (needs the extra ``bgen``); or VCF Zarr (needs the
        extra ``zarr``): a folder, or a file or an fsspec address that ends in ``.vcz``, ``.zarr``, ``.vcz.zip`` or
        ``.zarr.zip``. Where there is one file per chromosome: a list of files, a pattern such as
        ``"chr{chrom}.vcf.gz"``, or the folder that holds them. ``~`` is the home folder.

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
    if isinstance(path, bytes) or not isinstance(path, str | os.PathLike | Sequence):
        raise SettingError(
            "genotypes must be a path, a list of paths, a pattern with {chrom}, a folder or a GenotypeSource, got "
            f"{type(path).__name__}"
        )
    if isinstance(path, str | os.PathLike):
        text = str(Path(path).expanduser() if not is_remote(os.fspath(path)) else path).removeprefix("file://")
        if is_remote(text) or not ("{chrom}" in text or (Path(text).is_dir() and not is_vcf_zarr(text))):
            return _open_file(text)
    paths = expand_paths(path)
    sources = [_open_file(one) for one in paths]
    return sources[0] if len(sources) == 1 else SeveralFiles(sources)


def _open_file(path: str) -> GenotypeSource:
    text = path
    stem, _, suffix = text.rpartition(".")
    if is_vcf_zarr(text) and (is_remote(text) or Path(text).exists()):
        return VcfZarrSource(text)
    if not is_remote(text):
        if suffix in ("pvar", "psam", "zst") and Path(f"{stem.removesuffix('.pvar')}.pgen").is_file():
            text = f"{stem.removesuffix('.pvar')}.pgen"
        elif not Path(text).exists() and Path(f"{text}.pgen").is_file():
            text = f"{text}.pgen"
        elif not Path(text).is_file():
            if Path(text).is_dir():
                raise InputFileNotFoundError(f"genotypes: {text} is a folder")
            raise InputFileNotFoundError.of("genotypes: file", text)
        _refuse_other_formats(text)
    if text.endswith(".pgen"):
        return PlinkSource(text)
    if text.endswith(".bgen") and not is_remote(text):
        return BgenSource(text)
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
    if head[16:20] == b"bgen" and suffix != "bgen":
        raise InputFileError(f"{path}: this is a BGEN file; give it a name that ends in .bgen")
    if suffix in ("ped", "map"):
        raise InputFileError(
            f"{path}: PLINK 1 text files are not read. Convert them with `plink2 --pedmap {stem} --make-pgen "
            f"--out {stem}`"
        )
    if suffix == "vcf" or head.startswith(b"##fileformat=VCF"):
        raise InputFileError(
            f"{path}: plain VCF cannot be read by interval; run `bgzip {path} && tabix -p vcf {path}.gz`"
        )
