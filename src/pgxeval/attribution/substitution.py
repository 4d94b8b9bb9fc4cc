"""SubstitutedGenotypes: imaginary individuals that differ by one allele, to measure its effect on any predictor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import one_of
from pgxeval.errors import InputFileError, UnknownNameError
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.source import GenotypeSource

REFERENCE = "reference"
ALLELE_KEY = ("position", "ref", "alt")


@attrs.frozen(kw_only=True, eq=False, slots=False)
class SubstitutedGenotypes:
    """A `GenotypeSource` of imaginary individuals, made from the records of another source.

    With ``background="reference"`` there is one individual that carries REF everywhere, called ``reference``, and one
    per allele, called ``allele 0`` and so on, that is homozygous for this allele and carries REF elsewhere. With
    ``background="carriers"`` there are two per allele and carrier: ``with k of i`` is carrier number i of allele k as
    it is, and ``without k of i`` the same with REF in place of every copy of the allele.

    Parameters
    ----------
    source
        Genotypes of the cohort.
    contig
        Contig of the alleles, as `source` names it.
    alleles
        Columns position (1-based), ref and alt, one row per allele.
    background
        ``"reference"`` or ``"carriers"``.
    carriers
        With ``background="carriers"``: for each allele, rows of `source` that carry it.
    """

    source: GenotypeSource
    contig: str
    alleles: pd.DataFrame
    background: str = attrs.field(default="reference", validator=one_of("reference", "carriers"))
    carriers: Sequence[Sequence[int]] = ()

    @property
    def path(self) -> str:
        """Where the genotypes of the cohort are."""
        return self.source.path

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs of the source."""
        return self.source.contigs

    @cached_property
    def individuals(self) -> tuple[str, ...]:
        """Names of the imaginary individuals."""
        if self.background == "reference":
            return (REFERENCE, *(f"allele {number}" for number in range(len(self.alleles))))
        return tuple(
            f"{kind} {number} of {row}"
            for number, rows in enumerate(self.carriers)
            for row in rows
            for kind in ("with", "without")
        )

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based, with the genotypes of the imaginary individuals.

        Raises
        ------
        InputFileError
            If imputed dosages are requested: an allele is substituted into genotypes.
        UnknownNameError
            If the contig is not that of the alleles.
        """
        if field != "GT":
            raise InputFileError(f'{self.path}: alleles are substituted into genotypes; use field="GT", not {field!r}')
        if contig != self.contig:
            raise UnknownNameError(f"alleles were substituted on contig {self.contig} only, not on {contig}")
        calls = self.source.read(contig, start, end)
        records = calls.records
        alt_rows = np.setdiff1d(np.arange(records.allele_bounds.shape[0]), records.first_allele[:-1])
        record = records.record_of[alt_rows]
        number = alt_rows - records.first_allele[record]
        variants = records.variants(alt_rows)
        key = pd.MultiIndex.from_frame(variants[list(ALLELE_KEY)])
        place = {name: at for at, name in reversed(list(enumerate(key)))}
        at = np.array(
            [place.get(name, -1) for name in self.alleles[list(ALLELE_KEY)].itertuples(index=False, name=None)]
        )
        alleles = self._substitute(calls, at, record, number)
        return attrs.evolve(calls, alleles=alleles, phased=np.ones(alleles.shape[:2], dtype=np.bool_))

    def _substitute(
        self,
        calls: Calls,
        at: npt.NDArray[np.int64],
        record: npt.NDArray[np.int64],
        number: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int8]:
        n_records = calls.records.n_records
        if self.background == "reference":
            alleles = np.zeros((n_records, len(self.individuals), 2), dtype=np.int8)
            here = np.flatnonzero(at >= 0)
            alleles[record[at[here]], here + 1] = number[at[here], None]
            return alleles
        columns = np.array([row for rows in self.carriers for row in rows], dtype=np.int64)
        of_allele = np.repeat(np.arange(len(self.alleles)), [len(rows) for rows in self.carriers])
        alleles = np.repeat(calls.alleles[:, columns], 2, axis=1)
        for pair, allele in enumerate(of_allele):
            if at[allele] >= 0:
                copies = alleles[record[at[allele]], 2 * pair + 1]
                copies[copies == number[at[allele]]] = 0
        return alleles
