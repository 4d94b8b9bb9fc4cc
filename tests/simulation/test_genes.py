"""Simulated genes: geometry, independence of seeds, expression as planted."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.simulation.genes import contig_lengths, place_windows, simulate_gene

PLACE = Interval("chr3", 5_000, 105_000)


def test_geometry() -> None:
    strands, lengths = set(), []
    for number in range(40):
        gene = simulate_gene(number, "null", individuals=2, interval=PLACE, seed=1).gene
        assert gene.tss == 55_000
        assert gene.tss == (gene.start if gene.strand == "+" else gene.end - 1)
        assert PLACE.start <= gene.start < gene.end <= PLACE.end
        assert (gene.exons[0][0], gene.exons[-1][1]) == (gene.start, gene.end)
        assert 2 <= len(gene.exons) <= 9
        flat = [bound for exon in gene.exons for bound in exon]
        assert flat == sorted(set(flat))
        strands.add(gene.strand)
        lengths.append(gene.end - gene.start)
    assert strands == {"+", "-"}
    assert 10_000 < np.median(lengths) < 50_000


def test_smallest_window_holds_a_gene() -> None:
    for number in range(30):
        place = Interval("chr1", 0, 2_000)
        assert simulate_gene(number, "null", individuals=2, interval=place).gene.end <= 2_000


@pytest.mark.parametrize("kind", ["null", "additive", "overdominant", "recessive", "epistatic"])
def test_expression_is_genetic_value_plus_noise(kind: str) -> None:
    gene = simulate_gene(1, kind, individuals=300, interval=PLACE, heritability=0.3, seed=2)  # type: ignore[arg-type]  # parametrized
    noise = gene.expression - gene.planted.values
    h2 = 0 if kind == "null" else 0.3
    assert np.var(noise) == pytest.approx(1 - h2, abs=1e-5)
    np.testing.assert_array_equal(gene.expression, np.round(gene.expression, 6))


def test_noise_is_gaussian_and_not_shared() -> None:
    noise = np.array([simulate_gene(i, "null", individuals=300, interval=PLACE, seed=2).expression for i in range(30)])
    correlation = np.corrcoef(noise)[np.triu_indices(30, k=1)]
    assert abs(correlation.std() * np.sqrt(299) - 1) < 0.15
    assert abs((np.abs(noise) > 1.96).mean() - 0.05) < 0.01


def test_only_seed_and_number_decide() -> None:
    first = simulate_gene(4, "null", individuals=30, interval=PLACE, seed=7)
    elsewhere = simulate_gene(4, "additive", individuals=30, interval=Interval("chr9", 9, 100_009), seed=7)
    # Neither the place nor what is planted changes the window; only another number or seed does.
    np.testing.assert_array_equal(first.window.haplotypes, elsewhere.window.haplotypes)
    assert first.ref == elsewhere.ref
    for other in (
        simulate_gene(5, "null", individuals=30, interval=PLACE, seed=7),
        simulate_gene(4, "null", individuals=30, interval=PLACE, seed=8),
    ):
        assert not np.array_equal(first.expression, other.expression)
        assert not np.array_equal(first.sequence, other.sequence)


def test_names_variants_as_a_vcf_does() -> None:
    gene = simulate_gene(1, "additive", individuals=30, interval=PLACE, seed=7)
    contig, position, ref, alt = gene.variant(3).split(":")
    assert (contig, ref, alt) == ("chr3", gene.ref[3], gene.alt[3])
    start = int(position) - 1 - PLACE.start
    assert gene.sequence[start : start + len(ref)].tobytes().decode() == ref


def test_windows_do_not_touch() -> None:
    windows = place_windows(400, 3_000, 500)
    assert len({window.contig for window in windows}) == 22
    ends: dict[str, int] = {}
    for window in windows:
        assert window.length == 3_000
        assert window.start - ends.get(window.contig, 0) == 500
        ends[window.contig] = window.end
    assert contig_lengths(windows, 500) == {contig: end + 500 for contig, end in ends.items()}
    assert {window.contig for window in place_windows(60, 3_000, 500)} == {"chr1", "chr2", "chr3", "chr4"}


@pytest.mark.parametrize(("window_bp", "spacing_bp"), [(1_999, 10), (2_000, 0)])
def test_refuses(window_bp: int, spacing_bp: int) -> None:
    with pytest.raises(SettingError, match="must be"):
        place_windows(3, window_bp, spacing_bp)
