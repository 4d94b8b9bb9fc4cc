"""PersonalGenome: what each individual of a cohort carries, as dosages or as haplotypes."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.genome.assembly import Flanks, Policies, Window, assemble
from pgxeval.genome.contigs import match_contig
from pgxeval.genome.dosages import Dosages, make_dosages
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.source import GenotypeSource, open_genotypes
from pgxeval.genome.haplotypes import HaplotypeBatch, Haplotypes
from pgxeval.genome.intervals import Interval
from pgxeval.genome.reference import ReferenceGenome
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.names import known_names, near_names

_Cached = TypeVar("_Cached", Dosages, Calls)

_DEFAULT_CACHE_BYTES = 256 * 2**20
_DEFAULT_MAX_BYTES = 2**31
_FLANK_BP = 2_048  # net deletions of most windows are shorter; more is read where they are not


class PersonalGenome:
    """The genomes of a cohort: a file of genotypes and, for sequences, the reference genome.

    Parameters
    ----------
    genotypes
        Path of a VCF with its index, or any `GenotypeSource`.
    reference
        Path of an indexed FASTA, or a `ReferenceGenome`. Dosages do without.
    unphased, phase_sets, missing, ref_mismatch, mixed_ploidy
        What `haplotypes` does with genotypes that do not say which haplotype they mean; see `Policies`.
    cache_bytes
        Memory for windows that have been read and may be asked for again [bytes].

    Raises
    ------
    InputFileNotFoundError
        If a file does not exist.
    InputFileError
        If a file is truncated, damaged, or has no index.

    Notes
    -----
    One instance may be used from several threads. It pickles by path and opens the files again where it
    lands. A window is read once for the whole cohort, whatever the number of individuals asked for.
    """

    def __init__(
        self,
        genotypes: str | os.PathLike[str] | GenotypeSource,
        reference: str | os.PathLike[str] | ReferenceGenome | None = None,
        *,
        unphased: Literal["refuse", "as_written"] = "refuse",
        phase_sets: Literal["refuse", "as_written"] = "refuse",
        missing: Literal["reference", "refuse"] = "reference",
        ref_mismatch: Literal["refuse", "skip"] = "refuse",
        mixed_ploidy: Literal["refuse", "reference"] = "refuse",
        cache_bytes: int = _DEFAULT_CACHE_BYTES,
    ) -> None:
        self.source: GenotypeSource = (
            open_genotypes(genotypes) if isinstance(genotypes, str | os.PathLike) else genotypes
        )
        self.reference = ReferenceGenome(Path(reference)) if isinstance(reference, str | os.PathLike) else reference
        self.policies = Policies(
            unphased=unphased,
            phase_sets=phase_sets,
            missing=missing,
            ref_mismatch=ref_mismatch,
            mixed_ploidy=mixed_ploidy,
        )
        self.cache_bytes = cache_bytes
        self._rows = {name: row for row, name in enumerate(self.source.individuals)}
        self._start_cache()

    def _start_cache(self) -> None:
        self._cache: OrderedDict[tuple[str, str, int, int], Dosages | Calls] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_cache"], state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_cache()

    def __repr__(self) -> str:
        return (
            f"PersonalGenome({self.source.path!r}, {len(self.individuals)} individuals, "
            f"reference={None if self.reference is None else str(self.reference.path)!r})"
        )

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of all individuals, in file order."""
        return self.source.individuals

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that the genotypes know, by the names of their file."""
        return self.source.contigs

    def rows(self, individuals: Sequence[str] | None) -> npt.NDArray[np.int64]:
        """Return the rows of individuals in the file, int64; all where None is given.

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
        found = match_contig(name, self.contigs)
        if found is None:
            raise UnknownNameError(
                f"contig {name} is not in {self.source.path} (it has {known_names(self.contigs)})"
                f"{near_names(name, self.contigs)}"
            )
        return found

    def dosages(self, interval: Interval, individuals: Sequence[str] | None = None, field: Field = "GT") -> Dosages:
        """Return how many copies of each ALT allele each individual carries.

        Parameters
        ----------
        interval
            0-based half-open. A variant belongs to it if its first REF base (POS - 1) lies inside.
        individuals
            Names, in the order wanted; None for all.
        field
            ``"GT"``: counts from genotypes, int8. ``"DS"``: imputed dosages, float32.

        Returns
        -------
        Dosages
            One row an individual, one column an ALT allele.

        Raises
        ------
        UnknownNameError
            If an individual or the contig is not known.
        InputFileError
            If a record cannot be read.
        """
        if field not in ("GT", "DS"):
            raise SettingError(f'field must be "GT" or "DS", got {field!r}')
        rows = self.rows(individuals)
        contig = self.contig_name(interval.contig)
        whole = self._cached(
            (field, contig, interval.start, interval.end),
            lambda: make_dosages(
                self.source.read(contig, max(0, interval.start), max(0, interval.end), field),
                interval,
                self.individuals,
            ),
        )
        return whole if individuals is None else whole.take(rows)

    def haplotypes(
        self,
        interval: Interval,
        individuals: Sequence[str] | None = None,
        anchor: int | None = None,
        *,
        variants: VariantFilter | None = None,
        max_bytes: int = _DEFAULT_MAX_BYTES,
    ) -> Haplotypes:
        """Return the two haplotypes of each individual over a window.

        Parameters
        ----------
        interval
            0-based half-open. Each haplotype has as many bases; beyond the contig they are N.
        individuals
            Names, in the order wanted; None for all.
        anchor
            Reference position (0-based, in `interval`) that has index ``anchor - interval.start`` on every
            haplotype, such as the TSS. None for the first of `interval`.
        variants
            Which ALT alleles may enter; None for all.
        max_bytes
            `Haplotypes.sequences` refuses to take more [bytes].

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
            If a policy refuses: unphased heterozygotes, REF that disagrees with the FASTA, mixed ploidy.
        InputFileError
            If a record cannot be read.
        """
        rows = self.rows(individuals)
        window, reference = self._window(interval, individuals, rows, anchor, variants, max_bytes)
        contig = self.contig_name(interval.contig)
        read = Flanks(low=interval.start - _FLANK_BP, high=interval.end + _FLANK_BP)
        while True:
            calls = self._cached(
                ("calls", contig, read.low, read.high),
                partial(self.source.read, contig, max(0, read.low), max(0, read.high)),
            )
            made = assemble(window, calls, read, reference)
            if isinstance(made, Haplotypes):
                return made
            read = made

    def iter_haplotypes(
        self,
        interval: Interval,
        individuals: Sequence[str] | None = None,
        anchor: int | None = None,
        *,
        variants: VariantFilter | None = None,
        batch_size: int = 8,
    ) -> Iterator[HaplotypeBatch]:
        """Go through the distinct haplotypes of a window, a few at a time.

        Memory is that of two batches and of the window's genotypes, whatever the size of the cohort.

        Parameters
        ----------
        interval, individuals, anchor, variants
            As for `haplotypes`.
        batch_size
            Sequences a batch.

        Yields
        ------
        HaplotypeBatch
            Its `haplotypes.index` says who carries which row.
        """
        made = self.haplotypes(interval, individuals, anchor, variants=variants)
        yield from made.batches(batch_size)

    def _window(  # noqa: PLR0917 (the arguments of haplotypes)
        self,
        interval: Interval,
        individuals: Sequence[str] | None,
        rows: npt.NDArray[np.int64],
        anchor: int | None,
        variants: VariantFilter | None,
        max_bytes: int,
    ) -> tuple[Window, ReferenceGenome]:
        if self.reference is None:
            raise SettingError('haplotypes need the reference genome: PersonalGenome(..., reference="genome.fa")')
        contig = self.reference.contig_name(interval.contig)
        if interval.length == 0:
            raise SettingError(f"window {interval} is empty; start < end is wanted")
        anchor = interval.start if anchor is None else int(anchor)
        if not interval.contains(anchor):
            raise SettingError(f"anchor {anchor} lies outside of the window {interval} (0-based half-open)")
        if not 0 <= anchor < self.reference.contigs[contig]:
            raise SettingError(
                f"anchor {anchor} lies off {contig}, which has {self.reference.contigs[contig]} bases; "
                "0-based positions are wanted"
            )
        window = Window(
            interval=Interval(contig, interval.start, interval.end),
            anchor=anchor,
            individuals=self.individuals if individuals is None else tuple(individuals),
            rows=None if individuals is None else rows,
            variant_filter=VariantFilter() if variants is None else variants,
            policies=self.policies,
            max_bytes=max_bytes,
            path=self.source.path,
        )
        return window, self.reference

    def _cached(self, key: tuple[str, str, int, int], make: Callable[[], _Cached]) -> _Cached:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return cast("_Cached", self._cache[key])
        made = make()
        with self._lock:
            self._cache[key] = made
            held = sum(window.nbytes for window in self._cache.values())
            while held > self.cache_bytes and len(self._cache) > 1:
                held -= self._cache.popitem(last=False)[1].nbytes
        return made
