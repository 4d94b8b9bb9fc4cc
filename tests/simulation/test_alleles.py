"""Reference sequence and alleles: composition, anchoring, no overlap."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.simulation.alleles import draw_alleles, draw_sequence

LENGTH = 200_000


@pytest.fixture(scope="module")
def drawn() -> tuple[str, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    rng = np.random.default_rng(5)
    sequence = draw_sequence(LENGTH, rng)
    positions = np.sort(rng.choice(LENGTH, 6_000, replace=False)).astype(np.int64)
    ref, alt = draw_alleles(sequence, positions, rng)
    return sequence.tobytes().decode(), positions, ref, alt


def test_composition(drawn: tuple[str, np.ndarray, tuple[str, ...], tuple[str, ...]]) -> None:
    sequence = drawn[0]
    assert set(sequence) == set("ACGT")
    assert abs(sum(base in "GC" for base in sequence) / LENGTH - 0.41) < 0.005
    assert abs(sequence.count("A") / LENGTH - 0.295) < 0.005


def test_ref_is_the_sequence_and_nothing_overlaps(
    drawn: tuple[str, np.ndarray, tuple[str, ...], tuple[str, ...]],
) -> None:
    sequence, positions, ref, alt = drawn
    following = [*positions[1:].tolist(), LENGTH]
    for start, r, a, after in zip(positions.tolist(), ref, alt, following, strict=True):
        assert sequence[start : start + len(r)] == r
        assert a != r
        assert start + len(r) <= after
        assert min(len(r), len(a)) == 1


def test_indels_are_left_aligned(drawn: tuple[str, np.ndarray, tuple[str, ...], tuple[str, ...]]) -> None:
    sequence, positions, ref, alt = drawn
    indels = 0
    for start, r, a in zip(positions.tolist(), ref, alt, strict=True):
        if len(r) == len(a):
            continue
        assert r[0] == a[0]
        indels += 1
        low, high = max(0, start - 5), start + len(r) + 40
        mutated = sequence[low:start] + a + sequence[start + len(r) : high]
        # The same change written one base to the left must give another sequence.
        if start > low:
            change = len(r) - 1
            shifted = (
                sequence[low:start] + sequence[start + change : high]
                if change
                else sequence[low:start] + a[-1] + a[1:-1] + sequence[start:high]
            )
            assert shifted != mutated
    assert 0.08 < indels / len(ref) < 0.12


def test_lengths_and_substitutions(drawn: tuple[str, np.ndarray, tuple[str, ...], tuple[str, ...]]) -> None:
    _, _, ref, alt = drawn
    changes = np.array([len(a) - len(r) for r, a in zip(ref, alt, strict=True)])
    indels = changes[changes != 0]
    assert 0.5 < (np.abs(indels) == 1).mean() < 0.75
    assert 5 < np.abs(indels).max() <= 30
    assert 0.45 < (indels < 0).mean() < 0.7
    transition = {("A", "G"), ("G", "A"), ("C", "T"), ("T", "C")}
    pairs = [(r, a) for r, a in zip(ref, alt, strict=True) if len(r) == len(a)]
    assert {a for _, a in pairs} == set("ACGT")
    assert abs(np.mean([pair in transition for pair in pairs]) - 2 / 3) < 0.03
    transversions = {pair for pair in pairs if pair not in transition}
    assert len(transversions) == 8


def test_crowded_positions_leave_no_room_for_deletions() -> None:
    rng = np.random.default_rng(2)
    sequence = draw_sequence(50, rng)
    ref, alt = draw_alleles(sequence, np.arange(50), rng, indel_share=1.0)
    assert {len(r) for r in ref} == {1}
    assert any(len(a) > 1 for a in alt)


def test_no_variants() -> None:
    rng = np.random.default_rng(2)
    assert draw_alleles(draw_sequence(5, rng), np.array([], dtype=np.int64), rng) == ((), ())
