"""PLINK 2: genotypes in ``.pgen`` with their ``.pvar`` and ``.psam``, through ``pgenlib``.

A ``.pgen`` does not store ploidy: a haploid call stands there as a homozygous diploid one. It is restored as
PLINK 2 itself does: one copy on Y and MT, and one copy for males on X, where a heterozygous male call (of a
pseudo-autosomal region that was not split off) stays diploid.
"""

from __future__ import annotations

import csv
import itertools
import os
import threading
from pathlib import Path
from typing import Any, TextIO, cast

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import GenotypeError, InputFileError, InputFileNotFoundError
from pgxeval.genome.contigs import canonical_contig
from pgxeval.genome.formats.calls import (
    ABSENT,
    ALT_BEGIN,
    ALT_END,
    ID_BEGIN,
    ID_END,
    MAX_ALLELES,
    MISSING,
    N_ALLELES,
    PASSED,
    PHASE_SETS,
    REF_BEGIN,
    REF_END,
    START,
    TABLE_WIDTH,
    Calls,
    Field,
    Records,
    make_records,
)

_BLOCK_VALUES = 1 << 22
_MISSING_CODE = -9
_PVAR_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "FILTER")


@attrs.frozen(kw_only=True, eq=False)
class _Contig:
    """The variants of one contig: first row of the ``.pvar``, 0-based starts, and the highest end so far."""

    first: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    highest_end: npt.NDArray[np.int64]


class PlinkSource:
    """Genotypes of PLINK 2.

    Parameters
    ----------
    path
        The ``.pgen`` file; ``.pvar`` (or ``.pvar.zst``) and ``.psam`` lie beside it.

    Raises
    ------
    InputFileNotFoundError
        If one of the three is missing.
    InputFileError
        If one is malformed, they contradict each other, or ``pgenlib`` is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        try:
            import pgenlib
        except ImportError as error:
            raise InputFileError(
                f"{self.path}: reading PLINK 2 files needs pgenlib; run `pip install 'pgxeval[plink]'`"
            ) from error
        self._local = threading.local()
        stem = self.path.removesuffix(".pgen")
        self.individuals, self._male = _read_psam(stem)
        self._variants = _read_pvar(stem)
        alternatives = self._variants["ALT"]
        self._n_alleles = np.where(alternatives == ".", 1, 2 + alternatives.str.count(",").to_numpy(dtype=np.int64))
        if self._n_alleles.max(initial=0) > MAX_ALLELES:
            raise InputFileError(f"{stem}.pvar: a record has more than the {MAX_ALLELES - 1} ALT alleles that are read")
        self._contigs = _sort_contigs(stem, self._variants)
        self.contigs = tuple(self._contigs)
        self._library = pgenlib
        # before pgenlib opens it: with allele counts that are too few for the file it reads past their end
        n_variants, n_individuals = _counts(self.path)
        if n_variants != len(self._variants):
            raise InputFileError(
                f"{self.path}: holds {n_variants} variants, and its .pvar {len(self._variants)}: they do not belong "
                "together"
            )
        if n_individuals != len(self.individuals):
            raise InputFileError(
                f"{self.path}: holds {n_individuals} individuals, and its .psam {len(self.individuals)}: they do not "
                "belong together"
            )
        try:
            self._reader()
        except (RuntimeError, MemoryError) as error:
            raise InputFileError(f"{self.path}: cannot be read: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._open()

    def __repr__(self) -> str:
        return f"PlinkSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        here = self._contigs[contig]
        low = int(np.searchsorted(here.highest_end, start, side="right"))
        high = max(low, int(np.searchsorted(here.starts, end, side="left")))
        rows = here.first + low + np.flatnonzero(here.ends[low:high] > start)
        n = len(self.individuals)
        alleles = np.empty((rows.size if field == "GT" else 0, n, 2), np.int8)
        phased = np.empty(alleles.shape[:2], np.bool_)
        values = None
        try:
            if field == "GT":
                self._fill_genotypes(rows, canonical_contig(contig), alleles, phased)
            else:
                values = self._dosages(contig, rows)
        except RuntimeError as error:
            raise InputFileError(f"{self.path}: {contig}:{start}-{end} cannot be read: {error}") from error
        return Calls(
            records=_make_records(contig, self._variants.iloc[rows], self._n_alleles[rows]),
            alleles=alleles,
            phased=phased,
            field_values=values,
        )

    def _fill_genotypes(
        self,
        rows: npt.NDArray[np.int64],
        contig: str,
        alleles: npt.NDArray[np.int8],
        phased: npt.NDArray[np.bool_],
    ) -> None:
        n = len(self.individuals)
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
            if contig in ("Y", "MT"):
                pairs[:, :, 1][same] = ABSENT
            elif contig == "X":
                pairs[:, :, 1][same & self._male] = ABSENT
            phased[begin : begin + part.size] = is_phased | same

    def _dosages(self, contig: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        if (self._n_alleles[rows] > 2).any():
            raise GenotypeError(
                f"{self.path}: records on {contig} have several ALT alleles, of which pgenlib gives no dosages; "
                "split them with `plink2 --make-pgen multiallelics=-`"
            )
        values = np.empty((rows.size, len(self.individuals)), np.float32)
        if rows.size:
            self._reader().read_dosages_list(rows.astype(np.uint32), values)
        values[values == _MISSING_CODE] = np.nan
        return np.compress(self._n_alleles[rows] == 2, values, axis=0)

    def _reader(self) -> Any:
        reader = getattr(self._local, "reader", None)
        if reader is None or self._local.pid != os.getpid():
            offsets = np.concatenate([[0], np.cumsum(np.maximum(self._n_alleles, 2))]).astype(np.uintp)
            reader = self._library.PgenReader(
                self.path.encode(), raw_sample_ct=len(self.individuals), allele_idx_offsets=offsets
            )
            self._local.reader, self._local.pid = reader, os.getpid()
        return reader


def _counts(path: str) -> tuple[int, int]:
    """Return the numbers of variants and individuals that the header of a ``.pgen`` declares."""
    with Path(path).open("rb") as file:
        header = file.read(11)
    if len(header) < 11 or header[:2] != b"\x6c\x1b" or header[2] < 2:
        raise InputFileError(f"{path}: is no PLINK 2 .pgen file, or is cut short; make it with `plink2 --make-pgen`")
    return int.from_bytes(header[3:7], "little"), int.from_bytes(header[7:11], "little")


def _read_psam(stem: str) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    path = Path(stem + ".psam")
    if not path.is_file():
        raise InputFileNotFoundError(f"{path} does not exist; it names the individuals of {stem}.pgen")
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("##")]
    if not rows or rows[0][0] not in ("#IID", "#FID") or "IID" not in (rows[0][0][1:], *rows[0]):
        raise InputFileError(f"{path}: no header line that begins with #IID or #FID")
    header = [rows[0][0][1:], *rows[0][1:]]
    if any(len(row) != len(header) for row in rows):
        raise InputFileError(f"{path}: its lines have not all the {len(header)} columns of the header")
    table = pd.DataFrame(rows[1:], columns=header)
    names = tuple(table["IID"])
    if len(set(names)) < len(names):
        twice = table["IID"][table["IID"].duplicated()].iloc[0]
        raise InputFileError(f"{path}: individual {twice} stands twice")
    sex = table["SEX"] if "SEX" in table else pd.Series(["0"] * len(table))
    return names, sex.isin(["1", "M", "m"]).to_numpy(dtype=bool)


def _read_pvar(stem: str) -> pd.DataFrame:
    """Read CHROM, POS (int64), ID, REF, ALT and FILTER (``.`` where there is none)."""
    path = next((Path(stem + end) for end in (".pvar", ".pvar.zst") if Path(stem + end).is_file()), None)
    if path is None:
        raise InputFileNotFoundError(f"{stem}.pvar does not exist; it names the variants of {stem}.pgen")
    with _open_text(path) as lines:
        header = next((line for line in lines if not line.startswith("##")), "").rstrip("\n").split("\t")
        if header[0] != "#CHROM" or any(name not in header for name in _PVAR_COLUMNS[1:5]):
            raise InputFileError(f"{path}: no header line #CHROM POS ID REF ALT")
        try:
            table = pd.read_csv(
                lines,
                sep="\t",
                names=header,
                usecols=[name for name in header if name in _PVAR_COLUMNS],
                dtype=str,
                keep_default_na=False,
                quoting=csv.QUOTE_NONE,
            )
            table["POS"] = table["POS"].astype(np.int64)
        except (ValueError, OSError) as error:
            raise InputFileError(f"{path}: cannot be read: {error}") from error
    if "FILTER" not in table:
        table["FILTER"] = "."
    return table


def _open_text(path: Path) -> TextIO:
    if path.suffix != ".zst":
        return path.open(encoding="utf-8")
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]  # optional, and without types
    except ImportError as error:
        raise InputFileError(
            f"{path}: reading it needs zstandard; run `pip install zstandard`, or `plink2 --make-just-pvar`"
        ) from error
    return cast("TextIO", zstandard.open(path, "rt", encoding="utf-8"))


def _sort_contigs(path: str, variants: pd.DataFrame) -> dict[str, _Contig]:
    """Find the variants of each contig, and check that they stand together and in order."""
    names, numbers = np.unique(variants["#CHROM"].to_numpy(dtype=object), return_inverse=True)
    starts = variants["POS"].to_numpy(dtype=np.int64) - 1
    ends = starts + np.array(variants["REF"].str.len(), dtype=np.int64)
    edges = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    found: dict[str, _Contig] = {}
    for first, last in itertools.pairwise(edges.tolist()):
        name = str(names[numbers[first]])
        here = starts[first:last]
        if name in found or (np.diff(here) < 0).any():
            raise InputFileError(
                f"{path}: not sorted: the variants of contig {name} do not stand together in order of position; "
                "run `plink2 --sort-vars --make-pgen`"
            )
        found[name] = _Contig(
            first=first, starts=here, ends=ends[first:last], highest_end=np.maximum.accumulate(ends[first:last])
        )
    return found


def _make_records(contig: str, variants: pd.DataFrame, n_alleles: npt.NDArray[np.int64]) -> Records:
    table = np.empty((len(variants), TABLE_WIDTH), np.int64)
    fields = [[text.encode() for text in variants[name]] for name in ("ID", "REF", "ALT")]
    lengths = np.array([[len(text) for text in field] for field in fields], np.int64).reshape(3, -1)
    ends = np.cumsum((lengths + 1).T.ravel()).reshape(-1, 3) - 1
    table[:, START] = variants["POS"].to_numpy(dtype=np.int64) - 1
    for column, (begin, end) in enumerate(((ID_BEGIN, ID_END), (REF_BEGIN, REF_END), (ALT_BEGIN, ALT_END))):
        table[:, begin], table[:, end] = ends[:, column] - lengths[column], ends[:, column]
    table[:, N_ALLELES] = n_alleles
    table[:, PHASE_SETS] = 0
    table[:, PASSED] = variants["FILTER"].isin(["PASS", "."])
    text = b"\t".join(part for record in zip(*fields, strict=True) for part in record)
    return make_records(contig, table, text)
