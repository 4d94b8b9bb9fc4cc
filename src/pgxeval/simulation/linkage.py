"""Linked haplotypes of one window, from a coalescent with recombination and a European history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.seeding import model_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

MUTATION_RATE = 1.5e-8
RECOMBINATION_RATE = 1e-8


@attrs.frozen(kw_only=True, eq=False)
class SimulatedWindow:
    """Phased haplotypes of one stretch of a contig.

    Parameters
    ----------
    length_bp
        Length of the stretch.
    positions
        int64 (n_variants,), strictly increasing, 0-based from the start of the window.
    haplotypes
        int8 (n_individuals, 2, n_variants), read-only: 1 where a copy carries the ALT allele.
    """

    length_bp: int
    positions: npt.NDArray[np.int64] = attrs.field(repr=False)
    haplotypes: npt.NDArray[np.int8] = attrs.field(repr=False)

    @property
    def dosages(self) -> npt.NDArray[np.int8]:
        """int8 (n_individuals, n_variants): number of ALT alleles, 0 to 2."""
        dosages: npt.NDArray[np.int8] = self.haplotypes.sum(axis=1, dtype=np.int8)
        return dosages

    @property
    def minor_allele_frequency(self) -> npt.NDArray[np.float64]:
        """float64 (n_variants,), at most 0.5."""
        alt: npt.NDArray[np.float64] = self.haplotypes.mean(axis=(0, 1))
        return np.minimum(alt, 1 - alt)


def simulate_window(
    individuals: int,
    window_bp: int = 100_000,
    *,
    seed: int = 0,
    names: Sequence[str | int] = (),
    mutation_rate: float = MUTATION_RATE,
    recombination_rate: float = RECOMBINATION_RATE,
) -> SimulatedWindow:
    """Simulate the haplotypes of one window, independent of every other window.

    The history is that of the European population in the two-population model of Tennessen et al. 2012
    (Science 337:64, doi:10.1126/science.1219240; parameters of Fu et al. 2013, doi:10.1038/nature11690):
    an African ancestry, a bottleneck on leaving Africa, migration, and two phases of growth. One further
    genome serves as the reference, so that ALT is the minor allele for most variants, not for all.

    Parameters
    ----------
    individuals
        Number of diploid individuals, at least 2.
    window_bp
        Length of the window.
    seed, names
        Seed of the run and what tells this window from others, such as the number of its gene.
    mutation_rate
        Per base and generation. The default, 1.5e-8, lies between what trios show (1.2e-8 to 1.3e-8) and
        what the history was fitted with (2.36e-8). A window of 100 kb and 300 individuals then holds
        about 150 variants with a minor allele frequency of 0.01 or more, and 250 rarer ones.
    recombination_rate
        Per base and generation, uniform: 1 cM/Mb.

    Returns
    -------
    SimulatedWindow
        Every variant is polymorphic among the individuals.

    Raises
    ------
    SettingError
        If an argument is out of range.
    PgxevalError
        If msprime is not installed.

    Examples
    --------
    >>> window = simulate_window(20, 10_000, seed=1)
    >>> window.haplotypes.shape[:2]
    (20, 2)
    >>> int(window.dosages.max()) <= 2
    True
    """
    if individuals < 2:
        raise SettingError(f"individuals must be 2 or more, got {individuals}")
    if window_bp < 1:
        raise SettingError(f"window_bp must be 1 or more, got {window_bp}")
    msprime = _import_msprime()
    ancestry = msprime.sim_ancestry(
        {"EUR": individuals + 1},
        demography=_european_history(msprime),
        sequence_length=window_bp,
        recombination_rate=recombination_rate,
        random_seed=_msprime_seed(seed, "ancestry", *names),
    )
    mutations = msprime.sim_mutations(
        ancestry,
        rate=mutation_rate,
        model=msprime.BinaryMutationModel(),
        random_seed=_msprime_seed(seed, "mutations", *names),
    )
    genotypes = mutations.genotype_matrix()
    reference = genotypes[:, -1:]
    alt = (genotypes[:, : 2 * individuals] != reference).astype(np.int8)
    polymorphic = (alt.min(axis=1) == 0) & (alt.max(axis=1) == 1)
    haplotypes = np.ascontiguousarray(alt[polymorphic].T).reshape(individuals, 2, -1)
    positions = mutations.sites_position[polymorphic].astype(np.int64)
    for array in (haplotypes, positions):
        array.flags.writeable = False
    return SimulatedWindow(length_bp=window_bp, positions=positions, haplotypes=haplotypes)


def _import_msprime() -> Any:
    try:
        import msprime
    except ImportError as error:
        raise PgxevalError(
            'simulating linked haplotypes needs msprime, which is not installed: pip install "pgxeval[demo]"'
        ) from error
    return msprime


def _msprime_seed(seed: int, *names: str | int) -> int:
    return model_seed(seed, "msprime", *names) % (2**32 - 1) + 1  # msprime wants 1..2**32-1


def _european_history(msprime: Any) -> Any:
    generation_years = 25
    africa_grows = 148_000 / generation_years
    out_of_africa = 51_000 / generation_years
    europe_grows = 23_000 / generation_years
    fast_growth = 5_115 / generation_years
    europe_rate, europe_fast_rate, africa_fast_rate = 0.00307, 0.0195, 0.0166
    ancestral, africa, bottleneck, europe_founders = 7_310, 14_474, 1_861, 1_032
    europe = europe_founders * np.exp(europe_rate * (europe_grows - fast_growth))
    history = msprime.Demography()
    history.add_population(
        name="EUR", initial_size=europe * np.exp(europe_fast_rate * fast_growth), growth_rate=europe_fast_rate
    )
    history.add_population(
        name="AFR", initial_size=africa * np.exp(africa_fast_rate * fast_growth), growth_rate=africa_fast_rate
    )
    both = ["EUR", "AFR"]
    history.set_symmetric_migration_rate(both, 2.5e-5)
    history.add_population_parameters_change(
        time=fast_growth, population="EUR", initial_size=europe, growth_rate=europe_rate
    )
    history.add_population_parameters_change(time=fast_growth, population="AFR", initial_size=africa, growth_rate=0)
    history.add_population_parameters_change(
        time=europe_grows, population="EUR", initial_size=bottleneck, growth_rate=0
    )
    history.add_symmetric_migration_rate_change(time=europe_grows, populations=both, rate=15e-5)
    history.add_mass_migration(time=out_of_africa, source="EUR", dest="AFR", proportion=1)
    history.add_symmetric_migration_rate_change(time=out_of_africa, populations=both, rate=0)
    history.add_population_parameters_change(time=africa_grows, population="AFR", initial_size=ancestral)
    history.sort_events()
    return history
