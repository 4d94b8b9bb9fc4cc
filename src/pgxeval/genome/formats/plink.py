"""PLINK 2: genotypes in ``.pgen`` with their ``.pvar`` and ``.psam``, through ``pgenlib``.

A ``.pgen`` does not store ploidy: a haploid call is written as a homozygous diploid one. It is restored as
PLINK 2 itself does: one copy on Y and MT, and one copy for males on X, where a heterozygous male call (of a
pseudo-autosomal region that was not split off) stays diploid. Pseudo-autosomal regions that ``--split-par`` split off
are read as parts of X.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.calls import Calls, Field, Records, make_records
from pgxeval.genome.formats.plink_contigs import is_human, parts_of_x, sex_contig, sort_contigs
from pgxeval.genome.formats.plink_tables import (
    declared_counts,
    have_dosages,
    psam_path,
    pvar_path,
    read_psam,
    read_pvar,
)
from pgxeval.genome.formats.vcf import declared_contigs
from pgxeval.genome.identity import FileStamp, Identity, sampled_digest, text_digest
from pgxeval.genome.layout import (
    ABSENT,
    ALT_BEGIN,
    ALT_END,
    ID_BEGIN,
    ID_END,
    MAX_ALLELES,
    MISSING,
    N_ALLELES,
    PASSED,
    REF_BEGIN,
    REF_END,
    START,
    TABLE_WIDTH,
    TYPED_ONLY,
)
from pgxeval.genome.pickled_by_path import PickledByPath

if TYPE_CHECKING:
    from pgenlib import PgenReader

_BLOCK_VALUES = 1 << 22
_MISSING_CODE = -9


class PlinkSource(PickledByPath):
    """Genotypes of PLINK 2.

    Parameters
    ----------
    path
        The ``.pgen`` file; ``.pvar`` (or ``.pvar.zst``) and ``.psam`` lie next to it.

    Raises
    ------
    InputFileNotFoundError
        If one of the three is missing.
    InputFileError
        If one is malformed, they contradict each other, or ``pgenlib`` is not installed.
    """

    def __init__(self, path: str) -> None:
        stem = path.removesuffix(".pgen")
        parts = (path, str(pvar_path(stem)), str(psam_path(stem)))
        self._stamps = tuple(FileStamp.of(part) for part in parts)
        self._path = self._stamps[0].path
        self._open()

    def _open(self) -> None:
        try:
            import pgenlib  # noqa: F401 (whether it is there)
        except ImportError as error:
            raise InputFileError(
                f"{self.path}: reading PLINK 2 files needs pgenlib; run `pip install 'pgxeval[plink]'`"
            ) from error
        self._local = threading.local()
        pgen, pvar, psam = (Path(stamp.path) for stamp in self._stamps)
        self.individuals, self._male = read_psam(psam)
        self._variants, declarations = read_pvar(pvar)
        alternatives = self._variants["ALT"]
        self._n_alleles = np.where(alternatives == ".", 1, 2 + alternatives.str.count(",").to_numpy(dtype=np.int64))
        if self._n_alleles.max(initial=0) > MAX_ALLELES:
            raise InputFileError(f"{pvar}: a record has more than the {MAX_ALLELES - 1} ALT alleles that are read")
        names = tuple(dict.fromkeys(self._variants["#CHROM"]))
        human = all(is_human(line) for line in declarations if line.startswith("##chrSet="))
        lengths = declared_contigs([line.encode() for line in declarations])
        stated = {name: length for name, length in lengths.items() if length is not None and name in names}
        coded = ContigNames(names=names, lengths=stated, plink=human)
        self._contigs = sort_contigs(str(pvar), self._variants, parts_of_x(coded))
        self.contig_names = ContigNames(
            names=tuple(self._contigs),
            lengths={name: length for name, length in stated.items() if name in self._contigs},
            plink=human,
        )
        self._haploid = {name: sex_contig(coded, name) for name in self._contigs}
        # before pgenlib opens it: with allele counts that are too few for the file it reads past their end
        n_variants, n_individuals = declared_counts(self.path)
        if n_variants != len(self._variants):
            raise InputFileError(
                f"{self.path}: holds {n_variants} variants, and {pvar.name} {len(self._variants)}: they do not belong "
                "together"
            )
        if n_individuals != len(self.individuals):
            raise InputFileError(
                f"{self.path}: holds {n_individuals} individuals, and {psam.name} {len(self.individuals)}: they do "
                "not belong together"
            )
        self._imputed = have_dosages(pgen, n_variants)
        self.default_field: Field = "DS" if self._imputed.any() else "GT"
        try:
            self._reader()
        except (RuntimeError, MemoryError, OSError) as error:
            raise InputFileError(f"{self.path}: cannot be read: {error}") from error

    @property
    def path(self) -> str:
        """Absolute path of the ``.pgen`` file."""
        return self._path

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that have variants."""
        return self.contig_names.names

    @property
    def contigs_with_records(self) -> tuple[str, ...]:
        """Contigs that have variants."""
        return self.contigs

    def identity(self) -> Identity:
        """Return what tells this version of the three files from others; see `GenotypeSource`."""
        _, pvar, psam = self._stamps
        return {
            "format": "PGEN",
            "file": self._stamps[0].identity(),
            "variants": {**pvar.identity(), "content": sampled_digest(pvar.path), "table": self._variants_digest()},
            "samples": psam.identity(),
            "individuals": text_digest(self.individuals),
        }

    def _variants_digest(self) -> str:
        hashes = pd.util.hash_pandas_object(self._variants, index=False)
        return text_digest([hashes.to_numpy().tobytes().hex()])

    def __repr__(self) -> str:
        return f"PlinkSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`.

        With ``"DS"``, variants without dosages, such as those of several ALT alleles, are counted from their hard
        calls.

        Raises
        ------
        InputFileError
            If the file cannot be read, has changed since it was opened, or ``"GP"`` is asked for.
        """
        if field == "GP":
            raise InputFileError(f'{self.path}: a .pgen holds dosages, not genotype probabilities; use field="DS"')
        self._check()
        here = self._contigs[contig]
        low = int(np.searchsorted(here.highest_end, start, side="right"))
        high = max(low, int(np.searchsorted(here.starts, end, side="left")))
        within = low + np.flatnonzero(here.ends[low:high] > start)
        rows = here.rows[within]
        n = len(self.individuals)
        typed_only = ~self._imputed[rows] if field == "DS" else np.zeros(rows.size, np.bool_)
        try:
            if field == "GT":
                alleles, phased = self._genotypes(rows, contig, here.diploid[within])
                values = None
            else:
                alleles, phased = np.empty((0, n, 2), np.int8), np.empty((0, n), np.bool_)
                values = self._dosages(rows, contig, here.diploid[within], typed_only)
        except RuntimeError as error:
            raise InputFileError(f"{self.path}: {contig}:{start}-{end} (0-based) cannot be read: {error}") from error
        return Calls(
            records=_make_records(contig, self._variants.iloc[rows], self._n_alleles[rows], typed_only),
            alleles=alleles,
            phased=phased,
            field_values=values,
        )

    def _genotypes(
        self, rows: npt.NDArray[np.int64], contig: str, diploid: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        n = len(self.individuals)
        alleles = np.empty((rows.size, n, 2), np.int8)
        phased = np.empty((rows.size, n), np.bool_)
        step = max(1, _BLOCK_VALUES // (2 * n))
        reader = self._reader()
        for begin in range(0, rows.size, step):
            part = rows[begin : begin + step].astype(np.uint32)
            codes = np.empty((part.size, 2 * n), np.int32)
            is_phased = np.empty((part.size, n), np.bool_)
            reader.read_alleles_and_phasepresent_list(part, codes, is_phased)
            pairs = alleles[begin : begin + part.size]
            pairs[:] = np.where(codes == _MISSING_CODE, MISSING, codes).reshape(part.size, n, 2)
            same = pairs[:, :, 0] == pairs[:, :, 1]
            haploid = self._haploid[contig]
            if haploid == "all":
                pairs[:, :, 1][same] = ABSENT
            elif haploid == "males":
                pairs[:, :, 1][same & self._male & ~diploid[begin : begin + part.size, None]] = ABSENT
            phased[begin : begin + part.size] = is_phased | same
        return alleles, phased

    def _dosages(
        self,
        rows: npt.NDArray[np.int64],
        contig: str,
        diploid: npt.NDArray[np.bool_],
        typed_only: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.float32]:
        """Return float32 ``(n_alt_alleles, n_individuals)``, NaN missing: of 0 to 1 where a call is haploid."""
        n = len(self.individuals)
        n_alternatives = self._n_alleles[rows] - 1
        values = np.empty((int(n_alternatives.sum()), n), np.float32)
        first = np.cumsum(n_alternatives) - n_alternatives
        imputed = np.flatnonzero(~typed_only)
        if imputed.size:
            read = np.empty((imputed.size, n), np.float32)
            self._reader().read_dosages_list(rows[imputed].astype(np.uint32), read)
            read[read == _MISSING_CODE] = np.nan
            if self._haploid[contig] == "all":
                read /= 2
            elif self._haploid[contig] == "males":
                read[np.ix_(~diploid[imputed], self._male)] /= 2
            values[first[imputed]] = read
        typed = np.flatnonzero(typed_only)
        alleles, _ = self._genotypes(rows[typed], contig, diploid[typed])
        for pairs, at, n_alt in zip(alleles, first[typed].tolist(), n_alternatives[typed].tolist(), strict=True):
            for k in range(n_alt):
                values[at + k] = (pairs == k + 1).sum(axis=1)
                values[at + k][(pairs == MISSING).any(axis=1)] = np.nan
        return values

    def _reader(self) -> PgenReader:
        import pgenlib

        reader = getattr(self._local, "reader", None)
        if reader is None or self._local.pid != os.getpid():
            offsets = np.concatenate([[0], np.cumsum(np.maximum(self._n_alleles, 2))]).astype(np.uintp)
            reader = pgenlib.PgenReader(
                self.path.encode(), raw_sample_ct=len(self.individuals), allele_idx_offsets=offsets
            )
            self._local.reader, self._local.pid = reader, os.getpid()
        return reader


def _make_records(
    contig: str, variants: pd.DataFrame, n_alleles: npt.NDArray[np.int64], typed_only: npt.NDArray[np.bool_]
) -> Records:
    table = np.empty((len(variants), TABLE_WIDTH), np.int64)
    fields = [[text.encode() for text in variants[name]] for name in ("ID", "REF", "ALT")]
    lengths = np.array([[len(text) for text in field] for field in fields], np.int64).reshape(3, -1)
    ends = np.cumsum((lengths + 1).T.ravel()).reshape(-1, 3) - 1
    table[:, START] = variants["POS"].to_numpy(dtype=np.int64) - 1
    for column, (begin, end) in enumerate(((ID_BEGIN, ID_END), (REF_BEGIN, REF_END), (ALT_BEGIN, ALT_END))):
        table[:, begin], table[:, end] = ends[:, column] - lengths[column], ends[:, column]
    table[:, N_ALLELES] = n_alleles
    table[:, TYPED_ONLY] = typed_only
    table[:, PASSED] = variants["FILTER"].isin(["PASS", "."])
    text = b"\t".join(part for record in zip(*fields, strict=True) for part in record)
    return make_records(contig, table, text)
