"""VCF Zarr: genotypes in chunked arrays, as ``vcf2zarr`` of bio2zarr writes them.

The layout is that of the VCF Zarr specification (https://github.com/sgkit-dev/vcf-zarr-spec; Czech et al.,
GigaScience 2025), versions 0.1 to 0.5. Arrays read: ``sample_id``, ``contig_id``, ``contig_length``, ``filter_id``,
``region_index``, ``variant_contig``, ``variant_position``, ``variant_length``, ``variant_id``, ``variant_allele``,
``variant_filter``, ``call_genotype``, ``call_genotype_phased``, ``call_PS``, ``call_DS`` and ``call_GP``. The mask
arrays repeat what the values -1 (missing) and -2 (fill) state and are not read.

An array has values at every record. Where ``call_DS`` or ``call_GP`` hold neither a value nor a fill value, the record
lacked the field and counts as typed only; if they have room for one value only, a record in which the field is missing
for all individuals looks the same. A record without GT reads as missing.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.genome.formats.calls import Calls, Field, Records
from pgxeval.genome.formats.decoding import decoding_error, unique_individuals
from pgxeval.genome.formats.dosage_values import dosages_of_pairs, dosages_of_probabilities
from pgxeval.genome.formats.vcf import declared_contigs, known_contigs
from pgxeval.genome.identity import FileStamp, Identity, text_digest
from pgxeval.genome.layout import (
    ABSENT,
    BAD_GENOTYPE,
    MANY_ALLELES,
    MANY_COPIES,
    MAX_ALLELES,
    MISSING,
    NO_ALLELE,
    NO_PROBABILITIES,
    NO_SET,
    NOT_SORTED,
    UNKNOWN_ALLELE,
    WRONG_COUNT,
)

if TYPE_CHECKING:
    from pgxeval.genome.formats.zarr_index import RecordIndex
    from pgxeval.genome.formats.zarr_store import ZarrFolder

_ARRAYS = (
    "sample_id", "contig_id", "contig_length", "filter_id", "region_index", "variant_contig", "variant_position",
    "variant_length", "variant_id", "variant_allele", "variant_filter", "call_genotype", "call_genotype_phased",
    "call_PS", "call_DS", "call_GP",
)  # fmt: skip
_NEEDED = ("sample_id", "variant_contig", "variant_position", "variant_allele")
_METADATA = (".zgroup", "zarr.json")
_FIRST_RECORDS = 100
_FILL_BITS = 0x7F800002

Ints = npt.NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)


def is_vcf_zarr(path: str) -> bool:
    """Whether a path names a Zarr store: by its ending, or because it is a folder with the metadata of one."""
    bare = path.rstrip("/").lower()
    if bare.endswith((".vcz", ".zarr", ".vcz.zip", ".zarr.zip")):
        return True
    local = Path(path).expanduser()
    return "://" not in path and local.is_dir() and any((local / name).is_file() for name in _METADATA)


class VcfZarrSource:
    """Genotypes in a VCF Zarr store.

    Parameters
    ----------
    path
        Folder, ``.zip`` file, or an address that fsspec opens, such as ``s3://bucket/cohort.vcz``.

    Raises
    ------
    InputFileError
        If this is not a VCF Zarr store, arrays are missing or contradict each other, or zarr is not installed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._warned = False
        self._open()
        self._stamps: tuple[FileStamp, ...] = self._folder.stamps()

    def _open(self) -> None:
        self._folder = folder = _open_folder(self._path)
        missing = [name for name in _NEEDED if name not in folder]
        if not any(name in folder for name in ("call_genotype", "call_DS", "call_GP")):
            missing.append("call_genotype")
        if missing:
            raise InputFileError(
                f"{self.path}: no array {', '.join(missing)}; expected a VCF Zarr store, as `vcf2zarr convert "
                "genotypes.vcf.gz genotypes.vcz` of bio2zarr makes it"
            )
        self.individuals = unique_individuals(f"{self.path}, sample_id", _texts(folder.read("sample_id")))
        self._n_records = folder.shape("variant_position")[0]
        for name in _ARRAYS:
            _check_shape(folder, name, self._n_records, len(self.individuals))
        names = self._contig_ids()
        self._passes = self._pass_column()
        self._index = _index_records(folder, names)
        self.contigs_with_records = tuple(name for name in names if name in self._index)
        self.contig_names = known_contigs(self.contigs_with_records, names, self._contig_lengths(names))
        self.default_field: Field = self._choose_field()

    @property
    def path(self) -> str:
        """Absolute path of the folder or file, or the address."""
        return self._folder.path

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that have records, then those that the store declares and that mean none of these."""
        return self.contig_names.names

    def identity(self) -> Identity:
        """Return what tells this version of the store from others; see `GenotypeSource`."""
        self._check()
        return {
            "format": "VCF Zarr",
            "file": self._folder.identity(),
            "individuals": text_digest(self.individuals),
        }

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "stamps": self._stamps}

    def __setstate__(self, state: dict[str, object]) -> None:
        path, stamps = state["path"], state["stamps"]
        assert isinstance(path, str)
        assert isinstance(stamps, tuple)
        self._path, self._stamps, self._warned = path, stamps, True  # it warned where it was opened first
        self._check()
        self._open()

    def _check(self) -> None:
        for stamp in self._stamps:
            stamp.check()

    def __repr__(self) -> str:
        return f"VcfZarrSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`.

        Raises
        ------
        InputFileError
            If a chunk is missing or damaged, the store has changed since it was opened, or it has no such field.
        """
        self._check()
        wanted = {"GT": "call_genotype", "DS": "call_DS", "GP": "call_GP"}[field]
        if wanted not in self._folder:
            has = [
                name for name in ("GT", "DS", "GP") if f"call_{'genotype' if name == 'GT' else name}" in self._folder
            ]
            raise InputFileError(f"{self.path}: no array {wanted} for field={field!r}; it has {', '.join(has)}")
        rows, records = self._records(contig, start, end)
        n = len(self.individuals)
        if field == "GT":
            alleles, phased = self._genotypes(rows, records)
            return Calls(records=records, alleles=alleles, phased=phased, phase_sets=self._phase_sets(rows))
        values, typed_only = self._dosages(rows, records, field)
        return Calls(
            records=attrs.evolve(records, typed_only=typed_only),
            alleles=np.empty((0, n, 2), np.int8),
            phased=np.empty((0, n), np.bool_),
            field_values=values,
        )

    # --- what the store declares

    def _contig_ids(self) -> tuple[str, ...]:
        if "contig_id" in self._folder:
            return tuple(_texts(self._folder.read("contig_id")))
        stated = self._folder.attributes.get("contigs")
        if not isinstance(stated, list):
            raise InputFileError(f"{self.path}: no array contig_id and no attribute contigs: contigs have no names")
        return tuple(str(name) for name in stated)

    def _contig_lengths(self, names: tuple[str, ...]) -> dict[str, int | None]:
        if "contig_length" in self._folder:
            lengths = self._folder.read("contig_length").astype(np.float64).tolist()
            return {name: int(length) for name, length in zip(names, lengths, strict=True) if length > 0}
        header = self._folder.attributes.get("vcf_header")
        lines = header.encode().split(b"\n") if isinstance(header, str) else []
        return declared_contigs(lines)

    def _pass_column(self) -> int | None:
        if "variant_filter" not in self._folder:
            return None
        stated = self._folder.attributes.get("filters")
        names = (
            _texts(self._folder.read("filter_id"))
            if "filter_id" in self._folder
            else [str(name["id"] if isinstance(name, dict) else name) for name in stated]
            if isinstance(stated, list)
            else ["PASS"]
        )
        return names.index("PASS") if "PASS" in names else None

    def _choose_field(self) -> Field:
        """Return GT where all of the first records have it, else the first of DS and GP that some have."""
        imputed: tuple[Field, ...] = ("DS", "GP")
        others = [name for name in imputed if f"call_{name}" in self._folder]
        if not others or not self._n_records:
            return "GT" if "call_genotype" in self._folder or not others else others[0]
        end = min(_FIRST_RECORDS, self._n_records)
        lacking = np.ones(end, np.bool_)
        if "call_genotype" in self._folder:
            lacking = (self._folder.read("call_genotype", 0, end) == MISSING).reshape(end, -1).all(axis=1)
        for name in others:
            values = self._folder.read(f"call_{name}", 0, end).reshape(end, -1)
            if (lacking & ~np.isnan(np.asarray(values, np.float32)).all(axis=1)).any():
                return name
        return "GT" if "call_genotype" in self._folder else others[0]

    # --- which records

    def _records(self, contig: str, start: int, end: int) -> tuple[Ints, Records]:
        """Return the rows of the records that overlap an interval, and the records."""
        rows, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        texts: list[list[str]] = []
        for begin, stop in self._index[contig].near(start, end) if contig in self._index else ():
            positions = self._folder.read("variant_position", begin, stop).astype(np.int64) - 1
            if (np.diff(positions) < 0).any():
                at = int(np.flatnonzero(np.diff(positions) < 0)[0])
                raise decoding_error(
                    f"{self.path}: record {contig}:{positions[at + 1] + 1}", NOT_SORTED, field="GT",
                    n_individuals=0, n_alternatives=0, previous=int(positions[at]) + 1,
                )  # fmt: skip
            high = int(np.searchsorted(positions, end))
            alleles = self._folder.read("variant_allele", begin, begin + high).tolist()
            ends = positions[:high] + np.array([len(row[0]) for row in alleles], np.int64)
            within = np.flatnonzero(ends > start)
            rows.append(begin + within)
            starts.append(positions[within])
            texts += [alleles[i] for i in within.tolist()]
        found = np.concatenate(rows)
        ids = ["."] * found.size
        passed: npt.NDArray[np.bool_] = np.ones(found.size, np.bool_)
        if "variant_id" in self._folder:
            ids = _texts(self._rows("variant_id", found))
        if "variant_filter" in self._folder:
            filters = self._rows("variant_filter", found).astype(np.bool_)
            passed = np.logical_not(filters.any(axis=1))
            if self._passes is not None:
                passed |= filters[:, self._passes] & (filters.sum(axis=1) == 1)
        return found, make_records(self.path, contig, np.concatenate(starts).tolist(), ids, texts, passed)

    def _rows(self, name: str, rows: Ints) -> npt.NDArray[np.generic]:
        """Read the rows of an array that are given in rising order."""
        if not rows.size:
            return np.empty((0, *self._folder.shape(name)[1:]), self._folder.dtype(name))
        parts = []
        cuts = np.flatnonzero(np.diff(rows) > self._folder.chunk_length(name)) + 1
        for part in np.split(rows, cuts):
            begin, end = int(part[0]), int(part[-1]) + 1
            read = self._folder.read(name, begin, end)
            parts.append(read if part.size == end - begin else read[part - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    # --- what individuals carry

    def _genotypes(self, rows: Ints, records: Records) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        read = self._rows("call_genotype", rows)
        n, ploidy = len(self.individuals), read.shape[2]
        if ploidy > 2:
            self._refuse(MANY_COPIES, records, np.logical_not((_flat(read[:, :, 2:]) == ABSENT).all(axis=1)))
        alleles: npt.NDArray[np.int8]
        if ploidy == 2 and read.dtype == np.int8:
            alleles = np.ascontiguousarray(read)
        else:
            alleles = np.full((rows.size, n, 2), ABSENT, np.int8)
            alleles[:, :, : min(ploidy, 2)] = read[:, :, :2]  # more than 127 alleles are refused before
        self._warn_of_absent_chunks()
        phased = np.zeros((rows.size, n), np.bool_)
        if "call_genotype_phased" in self._folder:
            phased = np.ascontiguousarray(self._rows("call_genotype_phased", rows).astype(np.bool_, copy=False))
        flat = _flat(alleles)
        lowest = flat.min(axis=1, initial=0)
        self._refuse(UNKNOWN_ALLELE, records, np.greater_equal(flat.max(axis=1, initial=0), records.n_alleles))
        short = np.flatnonzero(lowest <= ABSENT)  # records with haploid calls
        haploid = alleles[short, :, 1] == ABSENT
        wrong = (lowest[short] < ABSENT) | (alleles[short, :, 0] == ABSENT).any(axis=1)
        self._refuse(BAD_GENOTYPE, records, wrong, short)
        phased[short] |= haploid
        return alleles, phased

    def _warn_of_absent_chunks(self) -> None:
        chunk = self._folder.absent_chunk("call_genotype")
        if chunk is not None and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.path}: chunk {chunk} of call_genotype, and perhaps others, is not there and reads as genotypes "
                "without ALT alleles. Programs that write Zarr leave out chunks without any other value; if the store "
                "was copied, check that the copy is complete",
                PgxevalWarning,
                stacklevel=6,
            )

    def _phase_sets(self, rows: Ints) -> npt.NDArray[np.int32] | None:
        if "call_PS" not in self._folder:
            return None
        read = self._rows("call_PS", rows)
        sets = _flat(read, 2)[:, :, 0].astype(np.int64)
        if not (sets >= 0).any():
            return None
        return np.where(sets < 0, NO_SET, sets).astype(np.int32)

    def _dosages(
        self, rows: Ints, records: Records, field: Field
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return float32 ``(n_alt_alleles, n_individuals)``, and which records have no value of the field."""
        n = len(self.individuals)
        n_alternatives = records.n_alleles - 1
        first = np.cumsum(n_alternatives) - n_alternatives
        read = _flat(np.asarray(self._rows(f"call_{field}", rows), np.float32), 2)
        values = np.full((int(n_alternatives.sum()), n), np.nan, np.float32)
        known = ~np.isnan(read)
        present = known | (read.view(np.uint32) == _FILL_BITS)  # `.` is written as one missing value and fill values
        typed_only: npt.NDArray[np.bool_] = np.logical_not(_flat(present).any(axis=1))
        for n_alt in np.unique(n_alternatives[~typed_only]).tolist():
            mine = np.flatnonzero((n_alternatives == n_alt) & ~typed_only)
            if field == "DS":
                surplus = _flat(known[mine][:, :, n_alt:]).any(axis=1)
                few = np.full(mine.size, n_alt > read.shape[2])
                self._refuse(WRONG_COUNT, records, surplus | few, mine, field)
                made = read[mine][:, :, :n_alt]
            else:
                made, wrong = dosages_of_probabilities(read[mine], n_alt)
                self._refuse(NO_PROBABILITIES, records, wrong, mine, field)
            for k in range(n_alt):
                values[first[mine] + k] = made[:, :, k]
        if "call_genotype" in self._folder:
            self._count_typed(rows, records, values)
        return values, typed_only

    def _count_typed(self, rows: Ints, records: Records, values: npt.NDArray[np.float32]) -> None:
        """Fill in dosages from GT where a call has no value of the field."""
        n_alternatives = records.n_alleles - 1
        first = np.cumsum(n_alternatives) - n_alternatives
        some = np.flatnonzero(n_alternatives)
        lacks = np.isnan(values[first[some]])
        typed = np.flatnonzero(lacks.any(axis=1))
        if not typed.size:
            return
        part = some[typed]
        alleles, _ = self._genotypes(rows[part], _some(records, part))
        for pairs, row, who in zip(alleles, part.tolist(), lacks[typed], strict=True):
            for k in range(int(n_alternatives[row])):
                values[first[row] + k, who] = dosages_of_pairs(pairs[who], k + 1)

    def _refuse(
        self,
        ended: int,
        records: Records,
        wrong: npt.NDArray[np.bool_],
        of: Ints | None = None,
        field: Field = "GT",
    ) -> None:
        """Raise the error of the first wrong record."""
        if not wrong.any():
            return
        at = int(np.flatnonzero(wrong)[0])
        record = at if of is None else int(of[at])
        raise decoding_error(
            f"{self.path}: record {records.contig}:{int(records.starts[record]) + 1}",
            ended,
            field=field,
            n_individuals=len(self.individuals),
            n_alternatives=int(records.n_alleles[record]) - 1,
            previous=0,
        )


def _open_folder(path: str) -> ZarrFolder:
    try:
        from pgxeval.genome.formats.zarr_store import ZarrFolder
    except ImportError as error:
        raise InputFileError(
            f"{path}: reading VCF Zarr needs zarr 3 ({error}); run `pip install 'pgxeval[zarr]'`"
        ) from error
    return ZarrFolder(path, _ARRAYS)


def _index_records(folder: ZarrFolder, contigs: tuple[str, ...]) -> dict[str, RecordIndex]:
    from pgxeval.genome.formats.zarr_index import index_records

    return index_records(folder, contigs)


def _check_shape(folder: ZarrFolder, name: str, n_records: int, n_individuals: int) -> None:
    if name not in folder or not name.startswith(("variant_", "call_")):
        return
    shape = folder.shape(name)
    expected = (n_records, n_individuals) if name.startswith("call_") else (n_records,)
    dimensions = {"variant_allele": 2, "variant_filter": 2, "call_genotype": 3, "call_GP": 3}.get(name)
    if shape[: len(expected)] != expected or (dimensions is not None and len(shape) != dimensions):
        raise InputFileError(
            f"{folder.path}: {name} has shape {shape}; expected {expected} and more, for {n_records:,} records "
            f"and {n_individuals:,} individuals: the arrays do not belong together"
        )


def _flat(array: npt.NDArray[Value], keep: int = 1) -> npt.NDArray[Value]:
    """Join all dimensions after the first `keep`."""
    return array.reshape(*array.shape[:keep], math.prod(array.shape[keep:]))


def _texts(array: npt.NDArray[np.generic]) -> list[str]:
    return [text.decode() if isinstance(text, bytes) else str(text) for text in array.tolist()]


def make_records(  # noqa: PLR0917 (the columns of a table)
    path: str, contig: str, starts: list[int], ids: list[str], alleles: list[list[str]], passed: npt.NDArray[np.bool_]
) -> Records:
    """Make records of 0-based starts, IDs and alleles (REF first; empty texts at the end are padding)."""
    parts: list[str] = []
    counts = []
    for at, name, row in zip(starts, ids, alleles, strict=True):
        n_alleles = len(row)
        while n_alleles > 1 and not row[n_alleles - 1]:
            n_alleles -= 1
        known = row[:n_alleles]
        if "" in known or n_alleles > MAX_ALLELES:
            raise decoding_error(
                f"{path}: record {contig}:{at + 1}", NO_ALLELE if "" in known else MANY_ALLELES, field="GT",
                n_individuals=0, n_alternatives=n_alleles - 1, previous=0,
            )  # fmt: skip
        parts.append(name or ".")
        parts += known
        counts.append(n_alleles)
    if not "".join(parts).isascii():
        parts = [part.encode().decode("latin-1") for part in parts]  # one letter per byte, as `Records.strings` reads
    text = "".join(parts).encode("latin-1")
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    first_allele = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    id_rows = first_allele[:-1] + np.arange(len(counts))
    is_allele = np.ones(len(parts), np.bool_)
    is_allele[id_rows] = False
    return Records(
        contig=contig,
        starts=np.array(starts, np.int64),
        text=np.frombuffer(text, np.uint8),
        id_bounds=bounds[id_rows],
        allele_bounds=bounds[is_allele],
        first_allele=first_allele,
        passed=passed,
    )


def _some(records: Records, rows: Ints) -> Records:
    """Return some records, for messages and numbers of alleles."""
    bounds = [records.allele_bounds[records.first_allele[row] : records.first_allele[row + 1]] for row in rows.tolist()]
    return Records(
        contig=records.contig,
        starts=records.starts[rows],
        text=records.text,
        id_bounds=records.id_bounds[rows],
        allele_bounds=np.concatenate([np.empty((0, 2), np.int64), *bounds]),
        first_allele=np.concatenate([[0], np.cumsum(records.n_alleles[rows])]),
        passed=records.passed[rows],
    )
