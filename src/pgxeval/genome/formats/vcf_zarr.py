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

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.calls import Calls, Field, Records
from pgxeval.genome.formats.decoding import decoding_error, unique_individuals
from pgxeval.genome.formats.vcf import declared_contigs, known_contigs
from pgxeval.genome.formats.zarr_calls import ZarrCalls
from pgxeval.genome.formats.zarr_records import Ints, make_records
from pgxeval.genome.identity import Identity, text_digest
from pgxeval.genome.layout import (
    MISSING,
    NOT_SORTED,
)
from pgxeval.genome.pickled_by_path import PickledByPath

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


def is_vcf_zarr(path: str) -> bool:
    """Whether a path names a Zarr store: by its ending, or because it is a folder with the metadata of one."""
    bare = path.rstrip("/").lower()
    if bare.endswith((".vcz", ".zarr", ".vcz.zip", ".zarr.zip")):
        return True
    local = Path(path).expanduser()
    return "://" not in path and local.is_dir() and any((local / name).is_file() for name in _METADATA)


class VcfZarrSource(PickledByPath):
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
        self._open()
        self._path, self._stamps = self._folder.path, self._folder.stamps()

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
        self._calls = ZarrCalls(folder, len(self.individuals), warned=self._reopened)
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
        array = {"GT": "call_genotype", "DS": "call_DS", "GP": "call_GP"}[field]
        if array not in self._folder:
            has = [
                name for name in ("GT", "DS", "GP") if f"call_{'genotype' if name == 'GT' else name}" in self._folder
            ]
            raise InputFileError(f"{self.path}: no array {array} for field={field!r}; it has {', '.join(has)}")
        rows, records = self._records(contig, start, end)
        n = len(self.individuals)
        if field == "GT":
            alleles, phased = self._calls.genotypes(rows, records)
            return Calls(records=records, alleles=alleles, phased=phased, phase_sets=self._calls.phase_sets(rows))
        values, typed_only = self._calls.dosages(rows, records, field)
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
        record_rows = np.concatenate(rows)
        ids = ["."] * record_rows.size
        passed: npt.NDArray[np.bool_] = np.ones(record_rows.size, np.bool_)
        if "variant_id" in self._folder:
            ids = _texts(self._calls.rows("variant_id", record_rows))
        if "variant_filter" in self._folder:
            filters = self._calls.rows("variant_filter", record_rows).astype(np.bool_)
            passed = np.logical_not(filters.any(axis=1))
            if self._passes is not None:
                passed |= filters[:, self._passes] & (filters.sum(axis=1) == 1)
        return record_rows, make_records(self.path, contig, np.concatenate(starts).tolist(), ids, texts, passed)


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


def _texts(array: npt.NDArray[np.generic]) -> list[str]:
    return [text.decode() if isinstance(text, bytes) else str(text) for text in array.tolist()]
