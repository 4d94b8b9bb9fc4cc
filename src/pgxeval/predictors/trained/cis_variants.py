"""The cis variants that trained predictors learn from: selected and imputed in the training individuals only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, one_of, whole
from pgxeval.errors import SettingError
from pgxeval.genome.intervals import DEFAULT_FLANK_BP, Gene, Interval

if TYPE_CHECKING:
    from pgxeval.genome.dosages import Dosages
    from pgxeval.genome.personal import PersonalGenome

Calls = npt.NDArray[np.int8] | npt.NDArray[np.float32]
"""Dosages with missing calls: int8 with -1, or float32 with NaN (any negative number is missing as well)."""


@attrs.frozen(kw_only=True, eq=False)
class CisWindow:
    """Dosages of all variants in the cis window of one gene, read once for all fits of that gene.

    Parameters
    ----------
    interval
        The cis window.
    individuals
        Names of the rows.
    calls
        int8 or float32 (n_individuals, n_variants), all variants of the window before any filter.
    """

    interval: Interval
    individuals: tuple[str, ...] = attrs.field(repr=False)
    calls: Calls = attrs.field(repr=False)


@attrs.frozen(kw_only=True, eq=False)
class SelectedVariants:
    """Variants of one cis window that passed the filters in the training individuals.

    Parameters
    ----------
    window
        The cis window.
    columns
        int64 (n_variants,), columns of the window's dosages.
    means
        float64 (n_variants,), mean dosage of the training individuals, which replaces missing calls.
    in_window
        Number of alternate alleles in the window before the filters.
    field
        FORMAT field of the dosages, or None for the default of the genome.
    """

    window: Interval
    columns: npt.NDArray[np.int64]
    means: npt.NDArray[np.float64]
    in_window: int
    field: Literal["GT", "DS", "GP"] | None = None

    def subset(self, which: npt.NDArray[np.int64]) -> SelectedVariants:
        """Return some of the variants, by their position among the selected ones."""
        return attrs.evolve(self, columns=self.columns[which], means=self.means[which])

    def impute(self, calls: Calls) -> npt.NDArray[np.float64]:
        """Return float64 dosages for `calls` (n_individuals, n_variants) of these variants."""
        values = calls.astype(np.float64)
        missing = ~(calls >= 0)
        if missing.any():
            values[missing] = np.broadcast_to(self.means, values.shape)[missing]
        return values

    def dosages(self, genome: PersonalGenome, individuals: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return float64 (n_individuals, n_variants), missing calls replaced by the training mean."""
        return self.impute(_read(genome, self.window, individuals, self.field).values[:, self.columns])

    def dosages_in(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the dosages of some rows of a window that has been read already, as `dosages` does."""
        # by column in memory, as `dosages` returns them: the order of summation must be the same
        return self.impute(window.calls[rows][:, self.columns])

    @property
    def used(self) -> dict[str, Any]:
        """Number of variants in the window and number selected, as recorded in the settings of a prediction."""
        return {"variants_in_window": self.in_window, "variants": int(self.columns.size)}


@attrs.frozen(kw_only=True)
class CisVariants:
    """Which variants a trained predictor may use: the window around the gene and the frequency filters.

    Predictors with equal `CisVariants` learn from identical variants; in a run they share the selection.

    Parameters
    ----------
    flank_bp
        Bases on either side of the gene's body or TSS.
    around
        ``"body"`` (as PredictDB) or ``"tss"`` (as GTEx). In an expression BED in the GTEx layout the body is
        the TSS.
    min_maf
        Smallest minor-allele frequency among the training individuals with a call, in [0, 0.5].
    min_minor_alleles
        Smallest count of the minor allele in the same individuals. Two alleles are counted for every individual,
        which makes the filter stricter on haploid contigs.
    field
        FORMAT field of the dosages: ``"GT"``, ``"DS"`` or ``"GP"``. None uses the default of the genome. Frequency
        and count of the minor allele are computed from these dosages.

    Notes
    -----
    The defaults are those of PrediXcan (Gamazon et al., Nat Genet 47:1091, 2015) and its PredictDB pipeline. The
    filters are applied in the training individuals only. A variant that does not vary among them is never used.

    Examples
    --------
    >>> CisVariants(flank_bp=50_000).min_maf
    0.01
    """

    flank_bp: int = attrs.field(default=DEFAULT_FLANK_BP, validator=whole(0))
    around: Literal["body", "tss"] = attrs.field(default="body", validator=one_of("body", "tss"))
    min_maf: float = attrs.field(default=0.01, validator=between(0, 0.5))
    min_minor_alleles: int = attrs.field(default=10, validator=whole(0))
    field: Literal["GT", "DS", "GP"] | None = attrs.field(default=None, validator=one_of("GT", "DS", "GP", None))

    def read(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> CisWindow:
        """Read the cis window of `gene` for `individuals`."""
        interval = gene.cis_window(self.flank_bp, self.around)
        dosages = _read(genome, interval, individuals, self.field)
        return CisWindow(interval=interval, individuals=tuple(individuals), calls=dosages.values)

    def select(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> SelectedVariants:
        """Select the variants of `gene` that pass in the training `individuals`."""
        window = self.read(gene, genome, individuals)
        return self.select_in(window, np.arange(len(window.individuals)))

    def select_in(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> SelectedVariants:
        """Select the variants that pass in the training individuals at `rows` of a window."""
        n_called, alternate, low, high = _tally(window.calls, rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = alternate / n_called
        minor = np.minimum(alternate, 2 * n_called - alternate)
        passes = (
            (n_called > 0) & (minor >= self.min_minor_alleles) & (minor >= self.min_maf * 2 * n_called) & (low < high)
        )
        columns = np.flatnonzero(passes)
        return SelectedVariants(
            window=window.interval,
            columns=columns,
            means=means[columns],
            in_window=window.calls.shape[1],
            field=self.field,
        )

    def nothing_passed(self, selected: SelectedVariants) -> str:
        """Return the reason for an undefined prediction if no variant passed."""
        return (
            f"none of {selected.in_window} variants in the cis window {selected.window} passed MAF >= "
            f"{self.min_maf:g} and >= {self.min_minor_alleles} minor alleles in the training individuals"
        )


class _TakesFlank(Protocol):
    @property
    def cis_variants(self) -> CisVariants: ...

    @property
    def flank_bp(self) -> int | None: ...


def take_flank(predictor: _TakesFlank) -> None:
    """Put ``flank_bp=`` of a predictor under construction into its `cis_variants`, and leave None in its place.

    Raises
    ------
    SettingError
        If it is not a whole number of bases, or `cis_variants` was given as well.
    """
    if predictor.flank_bp is None:
        return
    if predictor.cis_variants != CisVariants():
        raise SettingError(
            f"{type(predictor).__name__}: flank_bp={predictor.flank_bp!r} and cis_variants={predictor.cis_variants!r} "
            "were both given; put the flank into cis_variants=CisVariants(flank_bp=..., ...)"
        )
    object.__setattr__(predictor, "cis_variants", CisVariants(flank_bp=predictor.flank_bp))
    object.__setattr__(predictor, "flank_bp", None)  # so that a copy with other settings takes the window along


def _read(
    genome: PersonalGenome,
    interval: Interval,
    individuals: Sequence[str],
    field: Literal["GT", "DS", "GP"] | None,
) -> Dosages:
    if field is None:
        return genome.dosages(interval, individuals)
    return genome.dosages(interval, individuals, field=field)


def _tally(
    calls: Calls, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return, per variant, the number of calls and the sum, smallest and largest of their dosages."""
    if calls.dtype == np.int8:
        from pgxeval.predictors.trained.column_kernel import tally_calls

        n_called, alternate, low, high = tally_calls(np.ascontiguousarray(calls), rows)
        return n_called.astype(np.int64), alternate.astype(np.int64), low, high
    values = calls[rows].astype(np.float64)
    has_call = values >= 0
    return (
        has_call.sum(axis=0),
        np.where(has_call, values, 0.0).sum(axis=0),
        np.where(has_call, values, np.inf).min(axis=0, initial=np.inf),
        np.where(has_call, values, -np.inf).max(axis=0, initial=-np.inf),
    )
