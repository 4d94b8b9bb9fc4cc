"""Simulated genes: where they lie on the contigs, their strand and exons, and what their window holds."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Gene, Interval, Strand
from pgxeval.seeding import hash64
from pgxeval.simulation.alleles import draw_alleles, draw_sequence
from pgxeval.simulation.linkage import SimulatedWindow, simulate_window
from pgxeval.simulation.planting import Kind, Planted, plant

GENES_A_CONTIG = 15
MOST_CONTIGS = 22
SMALLEST_WINDOW_BP = 2_000
DECIMALS = 6


@attrs.frozen(kw_only=True, eq=False)
class SimulatedGene:
    """One gene with the variants around it, its planted effects and the expression that came out.

    Parameters
    ----------
    gene
        Gene model; the TSS lies in the middle of `interval`.
    interval
        The window on the contig, 0-based half-open.
    window
        Haplotypes and positions (0-based from ``interval.start``).
    sequence
        uint8 ASCII (window length,), upper case: the reference within the window.
    ref, alt
        Alleles of each variant.
    planted
        Kind, causal variants, effects and genetic values.
    expression
        float64 (n_individuals,): genetic value plus Gaussian noise, rounded to 6 decimals.
    """

    gene: Gene
    interval: Interval
    window: SimulatedWindow = attrs.field(repr=False)
    sequence: npt.NDArray[np.uint8] = attrs.field(repr=False)
    ref: tuple[str, ...] = attrs.field(repr=False)
    alt: tuple[str, ...] = attrs.field(repr=False)
    planted: Planted
    expression: npt.NDArray[np.float64] = attrs.field(repr=False)

    def variant(self, column: int) -> str:
        """Name the variant in a column of the dosages: contig:position:ref:alt, the position 1-based."""
        position = self.interval.start + int(self.window.positions[column]) + 1
        return f"{self.interval.contig}:{position}:{self.ref[column]}:{self.alt[column]}"


def simulate_gene(
    number: int,
    kind: Kind,
    *,
    individuals: int = 300,
    interval: Interval,
    heritability: float = 0.2,
    n_causal: int = 1,
    seed: int = 0,
) -> SimulatedGene:
    """Simulate one gene, which depends on (seed, number) and the arguments alone.

    The genetic values have sample variance `heritability` and the noise has sample variance one minus
    that (divisor n both); their chance correlation is left as it falls, as it would be in a real sample.

    Parameters
    ----------
    number
        From 1; names the gene.
    kind
        What to plant, see `pgxeval.simulation.planting.plant`.
    individuals
        Number of individuals.
    interval
        The window, 0-based half-open, at least 2,000 bp.
    heritability
        Sample variance of the genetic values.
    n_causal
        Causal variants of an additive gene.
    seed
        Seed of the run.

    Returns
    -------
    SimulatedGene

    Examples
    --------
    >>> gene = simulate_gene(1, "additive", individuals=50, interval=Interval("chr1", 0, 20_000), seed=1)
    >>> gene.gene.tss, gene.expression.shape
    (10000, (50,))
    >>> round(float(gene.planted.values.var()), 6)
    0.2
    """
    window = simulate_window(individuals, interval.length, seed=seed, names=(number,))
    sequence = draw_sequence(interval.length, _rng(seed, "sequence", number))
    ref, alt = draw_alleles(sequence, window.positions, _rng(seed, "alleles", number))
    signal = plant(
        window.dosages, kind, heritability=heritability, n_causal=n_causal, rng=_rng(seed, "effects", number)
    )
    noise = _rng(seed, "noise", number).standard_normal(individuals)
    noise = (noise - noise.mean()) / noise.std() * np.sqrt(1 - signal.heritability)
    expression = np.round(signal.values + noise, DECIMALS)
    expression.flags.writeable = False
    return SimulatedGene(
        gene=_lay_gene(number, interval, _rng(seed, "gene", number)),
        interval=interval,
        window=window,
        sequence=sequence,
        ref=ref,
        alt=alt,
        planted=signal,
        expression=expression,
    )


def place_windows(genes: int, window_bp: int, spacing_bp: int) -> tuple[Interval, ...]:
    """Place one window per gene on chr1, chr2 and so on, with `spacing_bp` before, between and after them."""
    if window_bp < SMALLEST_WINDOW_BP:
        raise SettingError(f"window_bp must be {SMALLEST_WINDOW_BP} or more, got {window_bp}")
    if spacing_bp < 1:
        raise SettingError(f"spacing_bp must be 1 or more, got {spacing_bp}")
    contigs = min(MOST_CONTIGS, -(-genes // GENES_A_CONTIG))
    a_contig = -(-genes // contigs)
    period = window_bp + spacing_bp
    starts = [spacing_bp + (i % a_contig) * period for i in range(genes)]
    return tuple(Interval(f"chr{i // a_contig + 1}", start, start + window_bp) for i, start in enumerate(starts))


def contig_lengths(windows: tuple[Interval, ...], spacing_bp: int) -> dict[str, int]:
    """Length of each contig, in their order: `spacing_bp` beyond the last window."""
    lengths: dict[str, int] = {}
    for window in windows:
        lengths[window.contig] = max(lengths.get(window.contig, 0), window.end + spacing_bp)
    return lengths


def _lay_gene(number: int, interval: Interval, rng: np.random.Generator) -> Gene:
    tss = interval.start + interval.length // 2
    longest = interval.length // 2 - 1
    # Human genes have a median length of some 25 kb and a long upper tail.
    length = int(np.clip(np.exp(rng.normal(np.log(25_000), 0.8)), min(900, longest), longest))
    n_exons = int(rng.integers(2, 10))
    # Even numbers keep neighbouring exons at least one base apart.
    starts = np.append(0, 2 * np.sort(rng.choice(np.arange(1, length // 2), n_exons - 1, replace=False)))
    exon_ends = starts + np.exp(rng.normal(np.log(150), 0.7, n_exons)).astype(np.int64) + 1
    ends = np.append(np.minimum(exon_ends[:-1], starts[1:] - 1), length)
    bounds = np.column_stack([starts, ends])
    strand: Strand = "+" if rng.random() < 0.5 else "-"
    exons = tss + bounds if strand == "+" else tss + 1 - bounds[::-1, ::-1]
    return Gene(
        gene_id=f"SIMG{number:06d}",
        contig=interval.contig,
        start=int(exons[0, 0]),
        end=int(exons[-1, 1]),
        strand=strand,
        tss=tss,
        exons=[(int(start), int(end)) for start, end in exons],
        name=f"SIM{number}",
    )


def _rng(seed: int, purpose: str, number: int) -> np.random.Generator:
    return np.random.default_rng(hash64("simulate", seed, purpose, number))
