"""VCF text: records of an interval, decoded from the decompressed bytes.

Lines of diploid genotypes of one digit and no other field have a fixed stride of four bytes and are
decoded as one array; all others are parsed field by field.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.genome.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.genotypes import ABSENT, MAX_ALLELES, MISSING, Calls, Field
from pgxeval.genome.variant_index import VariantIndex, find_index, read_index

_FIXED = 9
_SPLIT = re.compile(rb"[/|]")


class VcfSource:
    """Genotypes in a VCF file that ``bgzip`` compressed and ``tabix`` indexed.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.

    Raises
    ------
    InputFileError
        If the file is truncated, has no header of individuals, or its index is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        if not is_remote(self.path):
            check_complete(Path(self.path))
        self.individuals, self._declared = _read_header(self.path)
        self._index = _open_index(self.path)
        self.contigs = tuple(dict.fromkeys(self._index.contigs + self._declared))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)  # said where it was opened first
            self._open()

    def __repr__(self) -> str:
        return f"VcfSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        builder = _Builder(self.path, contig, len(self.individuals), field)
        if contig in self._index.contigs:
            row = self._index.contigs.index(contig)
            for line in self._lines(row, contig, start, end):
                builder.add(line)
        return builder.finish()

    def _lines(self, row: int, contig: str, start: int, end: int) -> Iterator[list[bytes]]:
        name = contig.encode()
        previous = -1
        for begin, stop in self._index.chunks(row, start, end):
            for line in _split_lines(read_blocks(self.path, begin, stop)):
                if not line or line.startswith(b"#"):
                    continue
                columns = line.split(b"\t", _FIXED)
                if columns[0] != name:
                    continue
                if len(columns) <= _FIXED:
                    raise InputFileError(f"{self.path}: a record on {contig} has {len(columns)} columns")
                position = _position(self.path, contig, columns[1])
                if position < previous:
                    raise InputFileError(
                        f"{self.path}: not sorted: {contig}:{position} follows {contig}:{previous}; run "
                        "`bcftools sort` and index the result"
                    )
                previous = position
                if position - 1 >= end:
                    return
                if position - 1 + len(columns[3]) > start:
                    yield columns


def _position(path: str, contig: str, text: bytes) -> int:
    try:
        position = int(text)
    except ValueError:
        position = -1
    if position < 0:
        raise InputFileError(f"{path}: a record on {contig} has no position: {text[:20]!r}")
    return position


def _split_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest


def _open_index(path: str) -> VariantIndex:
    where = path if is_remote(path) else find_index(path)
    if where is None:
        raise InputFileError(f"{path}: its index is missing; run `tabix -p vcf {path}`")
    if is_remote(path):
        for suffix in (".tbi", ".csi"):
            try:
                return read_index(path + suffix)
            except InputFileError:
                continue
        raise InputFileError(f"{path}: neither {path}.tbi nor {path}.csi can be read")
    if Path(where).stat().st_mtime < Path(path).stat().st_mtime:
        warnings.warn(
            f"{where} is older than {path}; if the file has changed since, index it again with "
            f"`tabix -f -p vcf {path}`",
            PgxevalWarning,
            stacklevel=2,
        )
    return read_index(where)


def _read_header(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    contigs: list[str] = []
    for line in _split_lines(read_blocks(path, 0)):
        if line.startswith(b"##"):
            found = re.match(rb"##contig=<.*?\bID=([^,>]+)", line)
            if found:
                contigs.append(found[1].decode())
            continue
        columns = line.decode("utf-8", "replace").rstrip("\r").split("\t")
        if columns[0] != "#CHROM" or len(columns) <= _FIXED:
            break
        names = tuple(columns[_FIXED:])
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise InputFileError(f"{path}: individual {name} stands twice in the header")
            seen.add(name)
        return names, tuple(contigs)
    raise InputFileError(
        f"{path}: no header line `#CHROM ... FORMAT <individuals>` before the first record: this is no VCF "
        "file with genotypes"
    )


class _Builder:
    """Collects the records of a window."""

    def __init__(self, path: str, contig: str, n_individuals: int, field: Field) -> None:
        self.path, self.contig, self.n, self.field = path, contig, n_individuals, field
        self.starts: list[int] = []
        self.text = bytearray()
        self.id_bounds: list[tuple[int, int]] = []
        self.allele_bounds: list[tuple[int, int]] = []
        self.first_allele = [0]
        self.passed: list[bool] = []
        self.alleles: list[npt.NDArray[np.int8]] = []
        self.phased: list[npt.NDArray[np.bool_]] = []
        self.values: list[npt.NDArray[np.float32]] = []

    def _store(self, text: bytes) -> tuple[int, int]:
        begin = len(self.text)
        self.text += text
        return begin, len(self.text)

    def add(self, columns: list[bytes]) -> None:
        where = f"{self.path}: {self.contig}:{columns[1].decode()}"
        alternatives = [] if columns[4] == b"." else columns[4].split(b",")
        if len(alternatives) >= MAX_ALLELES:
            raise InputFileError(
                f"{where}: {len(alternatives)} ALT alleles; at most {MAX_ALLELES - 1} are read"
            )
        self.starts.append(int(columns[1]) - 1)
        self.id_bounds.append(self._store(columns[2]))
        self.allele_bounds.extend(self._store(allele) for allele in (columns[3], *alternatives))
        self.first_allele.append(len(self.allele_bounds))
        self.passed.append(columns[6] in (b"PASS", b"."))
        keys = columns[8].split(b":")
        if self.field.encode() not in keys:
            raise InputFileError(f"{where}: no {self.field} in FORMAT, which is {columns[8].decode()}")
        if self.field == "GT":
            self._add_genotypes(where, columns, keys, 1 + len(alternatives))
        else:
            self._add_values(where, columns, keys.index(self.field.encode()), len(alternatives))

    def _add_genotypes(self, where: str, columns: list[bytes], keys: list[bytes], n_alleles: int) -> None:
        raw = np.frombuffer(columns[9].rstrip(b"\r") + b"\t", np.uint8)
        if len(keys) == 1 and raw.size == 4 * self.n:
            cells = raw.reshape(self.n, 4)
            first, second, bar = cells[:, 0] - 48, cells[:, 2] - 48, cells[:, 1]
            regular = ((first < 10) | (first == 254)) & ((second < 10) | (second == 254))
            regular &= ((bar == 124) | (bar == 47)) & (cells[:, 3] == 9)
            if regular.all():
                pair = np.stack([first, second], axis=1).astype(np.int8)
                pair[pair == -2] = MISSING
                self._check(where, pair, n_alleles)
                self.alleles.append(pair)
                self.phased.append(bar == 124)
                return
        samples = columns[9].rstrip(b"\r").split(b"\t")
        if len(samples) != self.n:
            raise InputFileError(f"{where}: {len(samples)} genotypes for {self.n} individuals")
        place = keys.index(b"GT")
        pair = np.empty((self.n, 2), np.int8)
        phased = np.zeros(self.n, np.bool_)
        for i, sample in enumerate(samples):
            subfields = sample.split(b":")
            call = subfields[place] if place < len(subfields) else b"."
            copies = _SPLIT.split(call)
            if len(copies) > 2:
                raise InputFileError(f"{where}: {len(copies)} copies in one genotype; one or two are read")
            try:
                numbers = [MISSING if copy == b"." else int(copy) for copy in copies]
            except ValueError:
                raise InputFileError(f"{where}: a genotype that is none") from None
            pair[i] = (*numbers, ABSENT)[:2]
            phased[i] = b"/" not in call
        self._check(where, pair, n_alleles)
        self.alleles.append(pair)
        self.phased.append(phased)

    def _check(self, where: str, pair: npt.NDArray[np.int8], n_alleles: int) -> None:
        if pair.size and int(pair.max()) >= n_alleles:
            raise InputFileError(f"{where}: a genotype names allele {int(pair.max())} of {n_alleles}")

    def _add_values(self, where: str, columns: list[bytes], place: int, n_alternatives: int) -> None:
        samples = columns[9].rstrip(b"\r").split(b"\t")
        if len(samples) != self.n:
            raise InputFileError(f"{where}: {len(samples)} genotypes for {self.n} individuals")
        values = np.full((n_alternatives, self.n), np.nan, np.float32)
        for i, sample in enumerate(samples):
            subfields = sample.split(b":")
            numbers = subfields[place].split(b",") if place < len(subfields) else [b"."]
            if numbers == [b"."]:
                continue
            if len(numbers) != n_alternatives:
                raise InputFileError(
                    f"{where}: {len(numbers)} {self.field} values for {n_alternatives} alleles"
                )
            try:
                values[:, i] = [np.nan if number == b"." else float(number) for number in numbers]
            except ValueError:
                raise InputFileError(f"{where}: a {self.field} value that is no number") from None
        self.values.append(values)

    def finish(self) -> Calls:
        shape = (len(self.starts) if self.field == "GT" else 0, self.n)
        return Calls(
            contig=self.contig,
            starts=np.array(self.starts, np.int64),
            text=np.frombuffer(bytes(self.text), np.uint8),
            id_bounds=np.array(self.id_bounds, np.int64).reshape(-1, 2),
            allele_bounds=np.array(self.allele_bounds, np.int64).reshape(-1, 2),
            first_allele=np.array(self.first_allele, np.int64),
            passed=np.array(self.passed, np.bool_),
            alleles=np.stack(self.alleles) if self.alleles else np.empty((*shape, 2), np.int8),
            phased=np.stack(self.phased) if self.phased else np.empty(shape, np.bool_),
            field_values=None
            if self.field == "GT"
            else (np.concatenate(self.values) if self.values else np.empty((0, self.n), np.float32)),
        )
