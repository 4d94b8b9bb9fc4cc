"""VariantFilter: which ALT alleles may enter a haplotype."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import between, whole
from pgxeval.errors import SettingError
from pgxeval.genome.contigs import canonical_contig
from pgxeval.genome.formats.calls import Calls, Records
from pgxeval.genome.identity import text_digest

VariantName = tuple[str, int, str, str]
_SHORT_LIST = 20
_COLUMNS = ["contig", "position", "ref", "alt"]


def _variant_names(value: pd.DataFrame | Iterable[str | VariantName] | None) -> frozenset[VariantName] | None:
    if value is None:
        return None
    if isinstance(value, str):
        raise SettingError(f"variants must be a collection of names, got one string: {value!r}")
    if isinstance(value, pd.DataFrame):
        missing = [column for column in _COLUMNS if column not in value.columns]
        if missing:
            raise SettingError(
                f"the table of variants lacks {', '.join(missing)}; expected the columns {', '.join(_COLUMNS)}"
            )
        value = list(value[_COLUMNS].itertuples(index=False, name=None))
    return frozenset(_variant_name(item) for item in value)


def _variant_name(item: str | VariantName) -> VariantName:
    try:
        contig, position, ref, alt = item.split(":") if isinstance(item, str) else item
        return canonical_contig(str(contig)), int(position), str(ref).upper(), str(alt).upper()
    except (TypeError, ValueError):
        raise SettingError(
            f'{str(item)[:80]!r} is not the name of a variant; expected "chr1:12345:A:G" or ("chr1", 12345, "A", "G"), '
            "position 1-based"
        ) from None


def _listed(names: frozenset[VariantName] | None) -> str:
    """Return a list of variants as it is recorded: a short one in full, a long one by its length and a digest."""
    if names is None:
        return "None"
    texts = [":".join(map(str, name)) for name in sorted(names)]
    return repr(texts) if len(texts) <= _SHORT_LIST else f"<{len(texts)} variants, digest {text_digest(texts)}>"


@attrs.frozen(kw_only=True)
class VariantFilter:
    """Which ALT alleles may enter a haplotype; all others read as the reference does.

    Frequencies are those of the whole cohort in the file of genotypes, whichever individuals haplotypes are made for,
    so that an individual has the same haplotypes in every subset. Fewer variants mean fewer distinct
    haplotypes, and so fewer passes of a deep model.

    Parameters
    ----------
    min_maf, max_maf
        Bounds of the minor allele frequency, inclusive, in [0, 0.5]: the lesser of the ALT allele's share of
        the called copies and one minus it.
    min_minor_alleles, max_minor_alleles
        Bounds of the number of minor alleles, inclusive; None for no upper bound.
    snvs_only
        Only alleles that replace one base by another.
    passed_only
        Only records whose FILTER is ``PASS`` or not given.
    variants
        Only these: names such as ``"chr1:12345:A:G"`` (1-based, as in the VCF), tuples of the same, or a
        table with columns contig, position, ref, alt, such as `Dosages.variants`. None for all. The representation of
        the filter, which is recorded with results, lists up to 20 of them, and more by their number and a digest.

    Raises
    ------
    SettingError
        If a bound is out of range or a variant's name cannot be read.

    Examples
    --------
    >>> VariantFilter(min_maf=0.05, snvs_only=True).is_all
    False
    >>> sorted(VariantFilter(variants=["chr1:100:A:G"]).variants)
    [('1', 100, 'A', 'G')]
    """

    min_maf: float = attrs.field(default=0.0, validator=between(0, 0.5))
    max_maf: float = attrs.field(default=0.5, validator=between(0, 0.5))
    min_minor_alleles: int = attrs.field(default=0, validator=whole(0))
    max_minor_alleles: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(0)))
    snvs_only: bool = False
    passed_only: bool = False
    variants: frozenset[VariantName] | None = attrs.field(default=None, converter=_variant_names, repr=_listed)

    def __attrs_post_init__(self) -> None:
        if self.min_maf > self.max_maf:
            raise SettingError(f"min_maf {self.min_maf} is above max_maf {self.max_maf}")
        if self.max_minor_alleles is not None and self.max_minor_alleles < self.min_minor_alleles:
            raise SettingError(
                f"min_minor_alleles {self.min_minor_alleles} is above max_minor_alleles {self.max_minor_alleles}"
            )

    @property
    def is_all(self) -> bool:
        """Whether every variant passes."""
        return self == VariantFilter()

    def passing(self, calls: Calls) -> npt.NDArray[np.bool_]:
        """Return which alleles pass: bool ``(n_alleles,)``, in the order of `Records.allele_bounds`."""
        records = calls.records
        record = records.record_of
        passing = np.ones(record.size, np.bool_)
        if self.passed_only:
            passing &= records.passed[record]
        if self.snvs_only:
            lengths = records.allele_bounds[:, 1] - records.allele_bounds[:, 0]
            passing &= (lengths == 1) & (records.ref_lengths[record] == 1)
        if self.variants is not None:
            passing &= self._listed(records, record)
        if self.min_maf > 0 or self.max_maf < 0.5 or self.min_minor_alleles > 0 or self.max_minor_alleles is not None:
            passing &= self._frequent(calls, record)
        return passing

    def _listed(self, records: Records, record: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        contig = canonical_contig(records.contig)
        variants = {name[1:] for name in self.variants or () if name[0] == contig}
        strings = [allele.upper() for allele in records.strings(records.allele_bounds)]
        position = (records.starts[record] + 1).tolist()
        ref = records.first_allele[record].tolist()
        return np.array(
            [(position[row], strings[ref[row]], allele) in variants for row, allele in enumerate(strings)],
            np.bool_,
        )

    def _frequent(self, calls: Calls, record: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        from pgxeval.genome.allele_kernel import count_alleles

        counts = np.zeros(record.size, np.int64)
        called = np.zeros(calls.records.n_records, np.int64)
        count_alleles(calls.alleles, calls.records.first_allele, counts, called)
        minor = np.minimum(counts, called[record] - counts)
        share = minor / np.maximum(called[record], 1)
        highest = np.inf if self.max_minor_alleles is None else self.max_minor_alleles
        inside: npt.NDArray[np.bool_] = (
            (share >= self.min_maf) & (share <= self.max_maf) & (minor >= self.min_minor_alleles) & (minor <= highest)
        )
        return inside
