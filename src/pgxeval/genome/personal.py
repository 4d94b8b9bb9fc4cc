"""PersonalGenome: what each individual of a cohort carries, as dosages or as haplotypes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.genome.assembly import assemble
from pgxeval.genome.dosages import Dosages, make_dosages
from pgxeval.genome.formats.calls import Field
from pgxeval.genome.formats.opening import GenotypePaths, open_genotypes
from pgxeval.genome.formats.source import ChoosesField, GenotypeSource, HasIdentity, ListsFields, contig_names_of
from pgxeval.genome.haplotypes import HaplotypeBatch, Haplotypes
from pgxeval.genome.identity import Identity
from pgxeval.genome.intervals import Interval, as_interval
from pgxeval.genome.notebook import html_table
from pgxeval.genome.policies import Policies
from pgxeval.genome.reference import ReferenceBases, ReferenceGenome
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.genome.window_cache import WindowCache
from pgxeval.genome.window_request import Flanks, WindowRequest, read_enough
from pgxeval.names import known_names, near_names

_FIELDS = get_args(Field)
_DEFAULT_CACHE_BYTES = 256 * 2**20
_DEFAULT_MAX_BYTES = 2**31


class PersonalGenome:
    """The genomes of a cohort: files of genotypes and, for sequences, the reference genome.

    Parameters
    ----------
    genotypes
        Path of an indexed VCF or BCF, a PLINK 2 ``.pgen``, VCF Zarr, or (dosages only) BGEN; where there is one file
        per chromosome, a list of paths, a pattern such as ``"chr{chrom}.vcf.gz"`` or their folder; or any
        `GenotypeSource`.
    reference
        Path of an indexed FASTA, or a `ReferenceGenome`. Not needed for dosages.
    field
        FORMAT field of dosages: ``"GT"``, ``"DS"`` or ``"GP"``. None chooses: ``"GT"``, except for VCF and BCF files
        without GT, and for ``.pgen`` files with dosages (`notes` states the choice). Haplotypes always come from GT.
    unphased, phase_sets, missing, ref_mismatch, mixed_ploidy
        What `haplotypes` does with genotypes that do not state which haplotype they mean; see `Policies`.
    half_missing
        What `dosages` does with a genotype of one known copy of two (``1|.``); see `Policies`.
    cache_bytes
        Memory for windows that have been read and may be used again [bytes].

    Raises
    ------
    InputFileNotFoundError
        If a file does not exist.
    InputFileError
        If a file is truncated or damaged, or has no index.
    SettingError
        If an argument is not one of those above, or the file does not have the FORMAT field that was asked for.

    Notes
    -----
    One instance may be used from several threads. It pickles by absolute path and opens the files again in the other
    process. A window is read once for all individuals of the cohort. A file that changes
    while it is open is an error.
    """

    def __init__(
        self,
        genotypes: GenotypePaths | GenotypeSource,
        reference: str | os.PathLike[str] | ReferenceBases | None = None,
        *,
        field: Field | None = None,
        unphased: Literal["refuse", "as_written"] = "refuse",
        phase_sets: Literal["refuse", "as_written"] = "refuse",
        missing: Literal["reference", "refuse"] = "reference",
        half_missing: Literal["missing", "reference"] = "missing",
        ref_mismatch: Literal["refuse", "skip"] = "refuse",
        mixed_ploidy: Literal["refuse", "reference"] = "refuse",
        cache_bytes: int = _DEFAULT_CACHE_BYTES,
    ) -> None:
        if field is not None:
            _check_field(field)
        self.policies = Policies(
            unphased=unphased,
            phase_sets=phase_sets,
            missing=missing,
            half_missing=half_missing,
            ref_mismatch=ref_mismatch,
            mixed_ploidy=mixed_ploidy,
        )
        if not (reference is None or isinstance(reference, str | os.PathLike | ReferenceBases)):
            raise SettingError(
                f"reference must be the path of a FASTA file or a ReferenceGenome, got {type(reference).__name__}"
            )
        self.source = genotypes if isinstance(genotypes, GenotypeSource) else open_genotypes(genotypes)
        self.reference: ReferenceBases | None = (
            ReferenceGenome(Path(reference)) if isinstance(reference, str | os.PathLike) else reference
        )
        chosen: Field = self.source.default_field if isinstance(self.source, ChoosesField) else "GT"
        self.field: Field = chosen if field is None else field
        self.notes: tuple[str, ...] = ()
        if field is not None:
            _check_has_field(self.source, field)
        if field == "DS" and chosen == "GT" and self.source.path.endswith(".pgen"):
            self.notes = (f"{self.source.path} holds no imputed dosages: its hard calls are counted (field='DS')",)
        if field is None and chosen != "GT":
            why = "it holds imputed dosages" if self.source.path.endswith(".pgen") else "its records have no GT"
            self.notes = (f"dosages are read from {chosen} of {self.source.path}: {why} (field={chosen!r})",)
        self._rows = {name: row for row, name in enumerate(self.source.individuals)}
        self.contig_names = contig_names_of(self.source)
        self._known_contigs: dict[str, str] = {}
        self._windows = WindowCache(cache_bytes)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_known_contigs": {}}  # what was asked before is not part of what it is

    def __repr__(self) -> str:
        return (
            f"PersonalGenome({self.source.path!r}, {len(self.individuals)} individuals, "
            f"reference={None if self.reference is None else str(self.reference.path)!r})"
        )

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str | int]] = [
            ("genotypes", self.source.path),
            ("individuals", len(self.individuals)),
            ("contigs", known_names(self.contigs)),
            ("field of dosages", self.field),
            ("reference", "none" if self.reference is None else str(self.reference.path)),
            *((name, str(value)) for name, value in attrs.asdict(self.policies).items()),
            *(("note", note) for note in self.notes),
        ]
        return html_table("PersonalGenome", rows)

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of all individuals, in file order."""
        return self.source.individuals

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that the genotypes know, by the names of their file."""
        return self.source.contigs

    @property
    def contig_lengths(self) -> Mapping[str, int]:
        """Contig lengths [bp] that the header of the genotypes declares, by the names of `contigs`."""
        return self.contig_names.lengths

    def identity(self) -> Identity:
        """Return everything that shapes dosages and haplotypes, as plain values: equal for equal files and policies.

        Files are identified by size and digests of header, index and content (of large files samples, and the time of
        the last change), never by name.

        Raises
        ------
        SettingError
            If the genotypes or the reference are objects of one's own without a method ``identity``.
        """
        return {
            "genotypes": _identity(self.source),
            "reference": None if self.reference is None else _identity(self.reference),
            "field": self.field,
            "policies": dict(attrs.asdict(self.policies)),
        }

    def rows(self, individuals: Sequence[str] | None) -> npt.NDArray[np.int64]:
        """Return the rows of individuals in the file, int64; of all individuals for None.

        Raises
        ------
        UnknownNameError
            If one is not in the file; the message offers near names.
        """
        if individuals is None:
            return np.arange(len(self._rows), dtype=np.int64)
        if isinstance(individuals, str):
            raise SettingError(f"individuals must be a sequence of names, got one string: {individuals!r}")
        unknown = [name for name in individuals if name not in self._rows]
        if unknown:
            raise UnknownNameError(
                f"{len(unknown)} of {len(individuals)} individuals are not in {self.source.path}, the first: "
                f"{unknown[0]}{near_names(str(unknown[0]), self._rows)}"
            )
        return np.array([self._rows[name] for name in individuals], dtype=np.int64)

    def contig_name(self, name: str) -> str:
        """Return the genotype file's name of a contig.

        Raises
        ------
        UnknownNameError
            If the file neither has records of it nor declares it in its header.
        """
        if name not in self._known_contigs:
            match = self.contig_names.match(name)
            if match is None:
                raise self.contig_names.unknown(name, self.source.path)
            self._known_contigs[name] = match
        return self._known_contigs[name]

    def has_contig(self, name: str) -> bool:
        """Whether the file has records of a contig or declares it, under whatever name."""
        return self.contig_names.match(name) is not None

    def dosages(
        self, interval: Interval | str, individuals: Sequence[str] | None = None, field: Field | None = None
    ) -> Dosages:
        """Return how many copies of each ALT allele each individual carries.

        Parameters
        ----------
        interval
            0-based half-open, or a region such as ``"chr1:1,001-2,000"`` (1-based, closed). A variant belongs to it if
            its first REF base (POS - 1) lies inside.
        individuals
            Names, in the order of the result; None for all.
        field
            ``"GT"``: counts from genotypes, int8. ``"DS"``, ``"GP"``: imputed dosages, float32; where a record or
            a call lacks the field (typed only), its GT is counted. None for `PersonalGenome.field`.

        Returns
        -------
        Dosages
            One row per individual, one column per ALT allele.

        Raises
        ------
        UnknownNameError
            If an individual or the contig is not known.
        InputFileError
            If a record cannot be read.
        """
        interval = as_interval(interval)
        chosen: Field = self.field if field is None else field
        if field is not None:
            _check_field(field)
            _check_has_field(self.source, field)
        rows = self.rows(individuals)
        contig = self.contig_name(interval.contig)
        whole = self._windows.get(
            (chosen, contig, interval.start, interval.end),
            lambda: make_dosages(
                self.source.read(contig, max(0, interval.start), max(0, interval.end), chosen),
                interval,
                self.individuals,
                field=chosen,
                half_missing=self.policies.half_missing,
            ),
        )
        return whole if individuals is None else whole.take(rows)

    def count_calls(self, intervals: Iterable[Interval | str]) -> dict[str, int]:
        """Return the sum of `Dosages.counts` over windows, such as the cis windows of some genes.

        Windows on contigs that the file does not have count nothing; overlapping windows count twice.
        """
        total: Counter[str] = Counter()
        for interval in map(as_interval, intervals):
            if self.has_contig(interval.contig):
                total.update(self.dosages(interval).counts)
        return dict(total)

    def haplotypes(
        self,
        interval: Interval | str,
        individuals: Sequence[str] | None = None,
        anchor: int | None = None,
        *,
        variant_filter: VariantFilter | None = None,
        max_bytes: int = _DEFAULT_MAX_BYTES,
    ) -> Haplotypes:
        """Return the two haplotypes of each individual over a window.

        Parameters
        ----------
        interval
            0-based half-open, or a region such as ``"chr1:1,001-2,000"`` (1-based, closed). Each haplotype has as many
            bases; beyond the contig they are N.
        individuals
            Names, in the order of the result; None for all.
        anchor
            Reference position (0-based, in `interval`) that has index ``anchor - interval.start`` on every
            haplotype, such as the TSS. None for the first of `interval`.
        variant_filter
            Which ALT alleles may enter; None for all.
        max_bytes
            `Haplotypes.sequences` refuses to use more memory than this [bytes].

        Returns
        -------
        Haplotypes
            No sequence is made yet.

        Raises
        ------
        SettingError
            If the window is empty, the anchor is not in it or not on the contig, or no reference was given.
        UnknownNameError
            If an individual or the contig is not known.
        GenotypeError
            If REF disagrees with the FASTA, or a policy refuses all individuals: for unphased heterozygotes, several
            phase sets or mixed ploidy. If it refuses some, only these have no haplotypes: `Haplotypes.refused`.
        InputFileError
            If a record cannot be read.
        """
        interval = as_interval(interval)
        rows = self.rows(individuals)
        window, reference = self._window(interval, individuals, rows, anchor, variant_filter, max_bytes)
        contig = self.contig_name(interval.contig)

        def make(read: Flanks) -> Haplotypes | Flanks:
            calls = self._windows.get(
                ("calls", contig, read.low, read.high),
                partial(self.source.read, contig, max(0, read.low), max(0, read.high)),
            )
            return assemble(window, calls, read, reference)

        return read_enough(interval, make)

    def iter_haplotypes(
        self,
        interval: Interval | str,
        individuals: Sequence[str] | None = None,
        anchor: int | None = None,
        *,
        variant_filter: VariantFilter | None = None,
        batch_size: int = 8,
    ) -> Iterator[HaplotypeBatch]:
        """Go through the distinct haplotypes of a window, a few at a time.

        Memory is that of two batches and of the window's genotypes.

        Parameters
        ----------
        interval, individuals, anchor, variant_filter
            As for `haplotypes`.
        batch_size
            Sequences per batch.

        Yields
        ------
        HaplotypeBatch
            Its `haplotypes.index` holds the row of each copy of each individual.
        """
        haplotypes = self.haplotypes(interval, individuals, anchor, variant_filter=variant_filter)
        yield from haplotypes.batches(batch_size)

    def _window(  # noqa: PLR0917 (the arguments of haplotypes)
        self,
        interval: Interval,
        individuals: Sequence[str] | None,
        rows: npt.NDArray[np.int64],
        anchor: int | None,
        variant_filter: VariantFilter | None,
        max_bytes: int,
    ) -> tuple[WindowRequest, ReferenceBases]:
        if self.reference is None:
            raise SettingError('haplotypes need the reference genome: PersonalGenome(..., reference="genome.fa")')
        contig = self.reference.contig_name(interval.contig)
        if interval.length == 0:
            raise SettingError(f"window {interval} is empty; expected start < end")
        anchor = interval.start if anchor is None else int(anchor)
        if not interval.contains(anchor):
            raise SettingError(f"anchor {anchor} lies outside of the window {interval} (0-based half-open)")
        if not 0 <= anchor < self.reference.contigs[contig]:
            raise SettingError(
                f"anchor {anchor} lies off {contig}, which has {self.reference.contigs[contig]} bases; "
                "expected a 0-based position on the contig (without anchor=, the start of the window is the anchor)"
            )
        window = WindowRequest(
            interval=Interval(contig, interval.start, interval.end),
            anchor=anchor,
            individuals=self.individuals if individuals is None else tuple(individuals),
            rows=None if individuals is None else rows,
            variant_filter=VariantFilter() if variant_filter is None else variant_filter,
            policies=self.policies,
            max_bytes=max_bytes,
            path=self.source.path,
        )
        return window, self.reference


def _identity(files: GenotypeSource | ReferenceBases) -> Identity:
    if not isinstance(files, HasIdentity):
        raise SettingError(
            f"{type(files).__name__} has no method identity(): return from it what tells versions of its data apart, "
            "such as a digest of the file, or run without a store"
        )
    return files.identity()


def _check_has_field(source: GenotypeSource, field: Field) -> None:
    """Refuse a FORMAT field that the file does not have: its genotypes would be counted without a word."""
    if isinstance(source, ListsFields) and source.fields and field not in source.fields:
        raise SettingError(
            f"field={field!r}: {source.path} has no such FORMAT field; it has {known_names(sorted(source.fields))}. "
            "Omit field= to read what it has"
        )


def _check_field(field: Field) -> None:
    if field not in _FIELDS:
        raise SettingError(f'field must be "GT", "DS" or "GP", got {field!r}')
