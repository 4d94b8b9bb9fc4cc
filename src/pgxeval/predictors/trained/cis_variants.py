"""The cis variants that elastic net and random forest learn from: chosen and imputed in training people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, one_of, whole
from pgxeval.genome.intervals import DEFAULT_FLANK_BP, Gene, Interval

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome


@attrs.frozen(kw_only=True, eq=False)
class SelectedVariants:
    """Variants of one cis window that passed in the training individuals.

    Parameters
    ----------
    window
        The cis window.
    columns
        int64 (n_variants,), columns of the window's dosages.
    means
        float64 (n_variants,), mean dosage of the training individuals, which stands in for missing calls.
    in_window
        Number of alternate alleles in the window before the filters.
    """

    window: Interval
    columns: npt.NDArray[np.int64]
    means: npt.NDArray[np.float64]
    in_window: int

    def dosages(self, genome: PersonalGenome, individuals: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return float64 (n_individuals, n_variants), missing calls replaced by the training mean."""
        called = genome.dosages(self.window, individuals).values[:, self.columns]
        values = called.astype(np.float64)
        missing = called < 0
        if missing.any():
            values[missing] = np.broadcast_to(self.means, values.shape)[missing]
        return values

    @property
    def used(self) -> dict[str, Any]:
        """What was used, for the record."""
        return {"variants_in_window": self.in_window, "variants": int(self.columns.size)}


@attrs.frozen(kw_only=True)
class CisVariants:
    """Which variants a trained predictor may use: the window around the gene and the frequency filter.

    Give the same object to several predictors and they learn from identical variants.

    Parameters
    ----------
    flank_bp
        Bases on either side of the gene's body or TSS.
    around
        ``"body"`` (as PredictDB) or ``"tss"`` (as GTEx); a GTEx expression BED holds the TSS as body.
    minimum_maf
        Smallest minor-allele frequency among the training individuals with a call, in [0, 0.5].
    minimum_minor_alleles
        Smallest count of the minor allele among the same. Two alleles are counted for everyone; on haploid
        contigs this makes the filter stricter.

    Notes
    -----
    Defaults follow PrediXcan (Gamazon et al., Nat Genet 47:1091, 2015) and its PredictDB pipeline. Both
    filters are applied in the training individuals alone; a variant without spread there is never used.

    Examples
    --------
    >>> CisVariants(flank_bp=50_000).minimum_maf
    0.01
    """

    flank_bp: int = attrs.field(default=DEFAULT_FLANK_BP, validator=whole(0))
    around: Literal["body", "tss"] = attrs.field(default="body", validator=one_of("body", "tss"))
    minimum_maf: float = attrs.field(default=0.01, validator=between(0, 0.5))
    minimum_minor_alleles: int = attrs.field(default=10, validator=whole(0))

    def select(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> SelectedVariants:
        """Choose the variants of `gene` that pass in the training `individuals`."""
        window = gene.cis_window(self.flank_bp, self.around)
        dosages = genome.dosages(window, individuals).values
        called = dosages >= 0
        n_called = called.sum(axis=0)
        alternate = np.where(called, dosages, 0).sum(axis=0, dtype=np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = alternate / n_called
        minor = np.minimum(alternate, 2 * n_called - alternate)
        low = np.where(called, dosages, 2).min(axis=0, initial=2)
        high = np.where(called, dosages, 0).max(axis=0, initial=0)
        passed = (
            (n_called > 0)
            & (minor >= self.minimum_minor_alleles)
            & (minor >= self.minimum_maf * 2 * n_called)
            & (low < high)
        )
        columns = np.flatnonzero(passed)
        return SelectedVariants(window=window, columns=columns, means=means[columns], in_window=dosages.shape[1])

    def nothing_passed(self, selected: SelectedVariants) -> str:
        """Return the reason to give where no variant passed."""
        return (
            f"none of {selected.in_window} variants in the cis window {selected.window} passed MAF >= "
            f"{self.minimum_maf:g} and >= {self.minimum_minor_alleles} minor alleles in the training individuals"
        )
