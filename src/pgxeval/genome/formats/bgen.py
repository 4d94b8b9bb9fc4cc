"""BGEN: imputed dosages, through the package ``bgen``.

BGEN holds probabilities and no genotypes, so dosages are all that it gives. Its first allele is taken as REF, as UK
Biobank and `plink2 --export bgen-1.2 ref-first` write it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.decoding import decoding_error, unique_individuals
from pgxeval.genome.formats.dosage_values import dosages_of_probabilities
from pgxeval.genome.formats.zarr_records import make_records
from pgxeval.genome.identity import FileStamp, Identity, text_digest
from pgxeval.genome.layout import NO_PROBABILITIES
from pgxeval.genome.pickled_by_path import PickledByPath

if TYPE_CHECKING:
    from bgen import BgenReader

_LONGEST_REF_BP = 10_000


class BgenSource(PickledByPath):
    """Imputed dosages in a BGEN file.

    Parameters
    ----------
    path
        The ``.bgen`` file, with its index ``.bgen.bgi`` next to it. Names of individuals are those of the ``.sample``
        file next to it or, without one, those in the file.

    Raises
    ------
    InputFileError
        If the file cannot be read, its index is missing, or the package ``bgen`` is not installed.
    """

    default_field: Field = "DS"

    def __init__(self, path: str) -> None:
        stamp = FileStamp.of(path)
        self._path, self._stamps = stamp.path, (stamp,)
        if not Path(f"{self.path}.bgi").is_file():
            raise InputFileError(f"{self.path}: its index is missing; run `bgenix -g {self.path} -index`")
        self._open()

    def _open(self) -> None:
        self._local = threading.local()
        reader = self._reader()
        try:
            names = [str(name) for name in reader.samples]
            self._positions = np.array(reader.positions(), np.int64)
            contigs = [str(name) for name in reader.chroms()]
        except (ValueError, OSError, RuntimeError) as error:
            raise InputFileError(f"{self.path}: cannot be read: {error}") from error
        self.individuals = unique_individuals(f"{self.path}, samples", names)
        self.contigs_with_records = tuple(dict.fromkeys(contigs))
        self.contig_names = ContigNames(names=self.contigs_with_records)

    @property
    def path(self) -> str:
        """Absolute path."""
        return self._path

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that have records."""
        return self.contig_names.names

    def identity(self) -> Identity:
        """Return what tells this version of the file from others; see `GenotypeSource`."""
        return {"format": "BGEN", "file": self._stamps[0].identity(), "individuals": text_digest(self.individuals)}

    def __repr__(self) -> str:
        return f"BgenSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "DS") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`.

        A record with a REF of more than 10,000 bases is found only if it begins less than that before the interval.

        Raises
        ------
        InputFileError
            If the file cannot be read, has changed since it was opened, or ``"GT"`` is requested.
        """
        if field == "GT":
            raise InputFileError(
                f'{self.path}: BGEN holds probabilities, not genotypes; use field="DS", or for haplotypes a phased '
                "VCF, BCF, VCF Zarr or .pgen"
            )
        self._check()
        n = len(self.individuals)
        starts, ids, alleles, values = [], [], [], []
        try:
            for variant in self._reader().fetch(contig, max(1, start + 1 - _LONGEST_REF_BP), end):
                at, texts = int(variant.pos) - 1, [str(text) for text in variant.alleles]
                if at + len(texts[0]) <= start or at >= end:
                    continue
                starts.append(at)
                ids.append(str(variant.rsid) or ".")
                alleles.append(texts)
                values.append(self._dosages(contig, at, variant.probabilities, len(texts), phased=variant.is_phased))
        except (ValueError, OSError, RuntimeError) as error:
            if isinstance(error, InputFileError):
                raise
            raise InputFileError(f"{self.path}: {contig}:{start}-{end} (0-based) cannot be read: {error}") from error
        order = np.argsort(starts, kind="stable").tolist()
        records = make_records(
            self.path,
            contig,
            [starts[row] for row in order],
            [ids[row] for row in order],
            [alleles[row] for row in order],
            np.ones(len(order), np.bool_),
        )
        return Calls(
            records=records,
            alleles=np.empty((0, n, 2), np.int8),
            phased=np.empty((0, n), np.bool_),
            field_values=np.concatenate([np.empty((0, n), np.float32), *(values[row] for row in order)]),
        )

    def _dosages(
        self, contig: str, at: int, probabilities: npt.NDArray[np.float32], n_alleles: int, *, phased: bool
    ) -> npt.NDArray[np.float32]:
        """Return float32 ``(n_alt_alleles, n_individuals)``."""
        if phased:  # one probability per copy and allele; NaN for the second copy of a haploid call
            copies = probabilities.reshape(len(self.individuals), -1, n_alleles)
            unknown = np.isnan(copies[:, 0]).any(axis=1)
            phased_dosages: npt.NDArray[np.float32] = np.nansum(copies, axis=1)[:, 1:].astype(np.float32)
            phased_dosages[unknown] = np.nan
            return phased_dosages.T
        dosages, wrong = dosages_of_probabilities(np.ascontiguousarray(probabilities)[None], n_alleles - 1)
        if wrong[0]:
            raise decoding_error(
                f"{self.path}: record {contig}:{at + 1}",
                NO_PROBABILITIES,
                field="GP",
                n_individuals=len(self.individuals),
                n_alternatives=n_alleles - 1,
                previous=0,
            )
        unphased: npt.NDArray[np.float32] = dosages[0].T
        return unphased

    def _reader(self) -> BgenReader:
        try:
            from bgen import BgenReader
        except ImportError as error:
            raise InputFileError(
                f"{self.path}: reading BGEN needs the package bgen; run `pip install 'pgxeval[bgen]'`"
            ) from error
        if getattr(self._local, "reader", None) is None or self._local.pid != os.getpid():
            samples = Path(self.path).with_suffix(".sample")
            try:
                self._local.reader = BgenReader(self.path, str(samples) if samples.is_file() else "")
            except (ValueError, OSError, RuntimeError) as error:
                raise InputFileError(f"{self.path}: not a BGEN file that can be read ({error})") from error
            self._local.pid = os.getpid()
        reader: BgenReader = self._local.reader
        return reader
