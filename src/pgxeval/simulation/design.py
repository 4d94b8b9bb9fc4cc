"""Design of a simulated cohort: its arguments, checked and written out gene by gene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.seeding import hash64
from pgxeval.simulation.alleles import draw_sequence
from pgxeval.simulation.genes import (
    DECIMALS,
    SimulatedGene,
    contig_lengths,
    place_windows,
    simulate_gene,
)
from pgxeval.simulation.planting import KINDS, Kind

DEFAULT_KINDS: Mapping[str, int] = {
    "null": 24,
    "additive": 18,
    "overdominant": 8,
    "recessive": 5,
    "epistatic": 5,
}
"""Genes of each kind among the 60 of the embedded default cohort."""

COVARIATE_EFFECT = 0.3
_MASKED_SHARE = 0.4


@attrs.frozen(kw_only=True, eq=False)
class SimulationDesign:
    """Settings of a simulated cohort, checked.

    Parameters
    ----------
    individuals
        Names.
    kinds, n_causal
        One per gene, in the order of the genes.
    heritability
        One per kind.
    windows
        One per gene, 0-based half-open.
    spacing_bp
        Bases around the windows.
    n_covariates
        Number of covariates.
    seed
        Seed of the run.
    """

    individuals: tuple[str, ...]
    kinds: tuple[Kind, ...]
    n_causal: tuple[int, ...]
    heritability: Mapping[str, float]
    windows: tuple[Interval, ...]
    spacing_bp: int
    n_covariates: int
    seed: int

    @classmethod
    def make(
        cls,
        *,
        individuals: int,
        genes: int | None,
        kinds: Mapping[str, int] | None,
        heritability: float | Mapping[str, float],
        additive_causal: Sequence[int],
        window_bp: int,
        spacing_bp: int,
        covariates: int,
        seed: int,
    ) -> SimulationDesign:
        """Check the arguments of `pgxeval.simulation.simulate.simulate_cohort` and spell them out."""
        if individuals < 2:
            raise SettingError(f"individuals must be 2 or more, got {individuals}")
        if covariates < 0:
            raise SettingError(f"covariates must be 0 or more, got {covariates}")
        counts = _counts(genes, kinds)
        of_kind = _heritability(heritability)
        if not additive_causal or min(additive_causal) < 1:
            raise SettingError(f"additive_causal must hold numbers of 1 or more, got {additive_causal}")
        kinds_in_order: list[tuple[Kind, int]] = [
            (kind, additive_causal[i % len(additive_causal)] if kind == "additive" else 1)
            for kind in KINDS
            for i in range(counts[kind])
        ]
        order = _rng(seed, "kinds").permutation(len(kinds_in_order))
        width = max(4, len(str(individuals)))
        return cls(
            individuals=tuple(f"SIM{i + 1:0{width}d}" for i in range(individuals)),
            kinds=tuple(kinds_in_order[i][0] for i in order),
            n_causal=tuple(kinds_in_order[i][1] for i in order),
            heritability=of_kind,
            windows=place_windows(len(kinds_in_order), window_bp, spacing_bp),
            spacing_bp=spacing_bp,
            n_covariates=covariates,
            seed=seed,
        )

    def genes(self) -> Iterator[SimulatedGene]:
        """Simulate gene after gene."""
        for number, (kind, n_causal, window) in enumerate(
            zip(self.kinds, self.n_causal, self.windows, strict=True), start=1
        ):
            yield simulate_gene(
                number,
                kind,
                individuals=len(self.individuals),
                interval=window,
                heritability=self.heritability[kind],
                n_causal=n_causal,
                seed=self.seed,
            )

    def covariates(self) -> pd.DataFrame | None:
        """Draw the covariates, individuals in rows; None where there are none."""
        if self.n_covariates == 0:
            return None
        values = _rng(self.seed, "covariates").standard_normal((len(self.individuals), self.n_covariates))
        names = [f"covariate{i + 1}" for i in range(self.n_covariates)]
        return pd.DataFrame(np.round(values, DECIMALS), index=list(self.individuals), columns=names)

    def expression(self, genes: Sequence[SimulatedGene]) -> npt.NDArray[np.float64]:
        """Return the expression with the effects of the covariates, float64 (n_genes, n_individuals)."""
        expression = np.array([gene.expression for gene in genes])
        covariates = self.covariates()
        if covariates is None:
            return expression
        effects = _rng(self.seed, "covariate effects").normal(0, COVARIATE_EFFECT, (len(genes), self.n_covariates))
        values: npt.NDArray[np.float64] = np.round(expression + effects @ covariates.to_numpy().T, DECIMALS)
        return values

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Order of the individuals in the expression, int64: not that of the genotypes."""
        return _rng(self.seed, "order").permutation(len(self.individuals))

    @property
    def contigs(self) -> dict[str, int]:
        """Contig names and lengths."""
        return contig_lengths(self.windows, self.spacing_bp)

    def reference(self, genes: Sequence[SimulatedGene]) -> dict[str, npt.NDArray[np.uint8]]:
        """Return the contigs as uint8 ASCII, soft-masked (lower case) in stretches as real ones are."""
        contigs = {}
        for name, length in self.contigs.items():
            rng = _rng(self.seed, f"contig {name}")
            sequence = draw_sequence(length, rng)
            for gene in genes:
                if gene.interval.contig == name:
                    sequence[gene.interval.start : gene.interval.end] = gene.sequence
            sequence[_masked(length, rng)] |= 0x20  # the bit that tells lower case in ASCII
            contigs[name] = sequence
        return contigs


def _masked(length: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    # Stretches of some 300 bp, the length of an Alu element, alternate with longer unmasked ones.
    bounds = np.cumsum(
        np.column_stack(
            [
                rng.exponential(300 * (1 - _MASKED_SHARE) / _MASKED_SHARE, length // 300 + 1) + 1,
                rng.exponential(300, length // 300 + 1) + 1,
            ]
        ).ravel()
    )
    mask: npt.NDArray[np.bool_] = np.searchsorted(bounds, np.arange(length), side="right") % 2 == 1
    return mask


def _counts(genes: int | None, kinds: Mapping[str, int] | None) -> dict[str, int]:
    if kinds is not None:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise SettingError(f"kinds holds {', '.join(unknown)}; allowed are {', '.join(KINDS)}")
        if min(kinds.values(), default=0) < 0 or sum(kinds.values()) < 1:
            raise SettingError(f"kinds must hold counts of 0 or more and one gene at least, got {dict(kinds)}")
        if genes is not None and genes != sum(kinds.values()):
            raise SettingError(f"genes is {genes}, but kinds adds up to {sum(kinds.values())}; give one of the two")
        return {kind: int(kinds.get(kind, 0)) for kind in KINDS}
    total = sum(DEFAULT_KINDS.values())
    if genes is None:
        genes = total
    if genes < 1:
        raise SettingError(f"genes must be 1 or more, got {genes}")
    # Rounding the running sum keeps the proportions and the total.
    edges = np.round(np.cumsum([0, *DEFAULT_KINDS.values()]) * genes / total).astype(int)
    return dict(zip(DEFAULT_KINDS, np.diff(edges).tolist(), strict=True))


def _heritability(heritability: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(heritability, Mapping):
        unknown = sorted(set(heritability) - set(KINDS))
        if unknown:
            raise SettingError(f"heritability holds {', '.join(unknown)}; allowed are {', '.join(KINDS)}")
        of_kind: dict[str, float] = {kind: float(heritability.get(kind, 0.2)) for kind in KINDS}
    else:
        of_kind = dict.fromkeys(KINDS, float(heritability))
    for kind, value in of_kind.items():
        if not 0 <= value < 1:
            raise SettingError(f"heritability of {kind} genes must be at least 0 and below 1, got {value}")
    return of_kind


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(hash64("simulate", seed, purpose))
