"""Haplotypes against the slow implementation: bases, map, placement, distinct rows, batches."""

from __future__ import annotations

import pickle
import random
import tracemalloc
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import Interval, PersonalGenome, SettingError, UnknownNameError


def in_memory(
    oracles: ModuleType, reference: str, records: list, haplotypes: list, **policies: object
) -> PersonalGenome:
    """A genome of as many individuals as the rows of `haplotypes` have pairs."""
    n = len(haplotypes[0]) // 2 if haplotypes else 2
    alleles = np.array(haplotypes, np.int8).reshape(len(records), n, 2)
    names = [f"p{i}" for i in range(n)]
    return PersonalGenome(
        oracles.MemorySource("c", names, records, alleles), oracles.MemoryReference("c", reference), **policies
    )


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_bases_and_map_equal_the_slow_implementation(oracles: ModuleType, data: st.DataObject, seed: int) -> None:
    reference, records, haplotypes = data.draw(oracles.stretches())
    genome = in_memory(oracles, reference, records, haplotypes)
    choose = random.Random(seed)
    slow = [
        oracles.slow_haplotype(reference, records, [row[column] for row in haplotypes] or [0] * len(records))
        for column in range(4)
    ]
    for _ in range(4):
        anchor = choose.randrange(len(reference))
        start, end = anchor - choose.randrange(30), anchor + 1 + choose.randrange(30)
        made = genome.haplotypes(Interval("c", start, end), anchor=anchor)
        for column in range(4):
            cells = oracles.slow_window(slow[column], len(reference), start, end, anchor)
            haplotype = made[f"p{column // 2}", column % 2]
            assert haplotype.sequence == oracles.bases(cells)
            _check_map(haplotype, cells, reference)
            _check_anchor(haplotype, slow[column], anchor, start)
            _check_variants(oracles, haplotype, reference, cells, (start, end, anchor))


def _check_map(haplotype, cells: list[tuple[str, int]], reference: str) -> None:  # type: ignore[no-untyped-def]
    there = haplotype.to_reference(np.arange(-2, len(cells) + 2))
    assert there.tolist() == [-1, -1, *(at for _, at in cells), -1, -1]
    back = haplotype.from_reference(np.arange(-5, len(reference) + 5))
    index = {at: i for i, (_, at) in enumerate(cells) if at >= 0}
    assert back.tolist() == [index.get(at, -1) for at in range(-5, len(reference) + 5)]
    mapped = there[there >= 0]
    assert (np.diff(mapped) > 0).all()
    assert np.array_equal(haplotype.to_reference(haplotype.from_reference(mapped)), mapped)


def _check_anchor(haplotype, slow: list[tuple[str, int]], anchor: int, start: int) -> None:  # type: ignore[no-untyped-def]
    deleted = all(at != anchor for _, at in slow)
    assert bool(haplotype.haplotypes.anchor_deleted[haplotype.row]) == deleted
    if not deleted:
        assert haplotype.from_reference(anchor) == anchor - start == haplotype.haplotypes.anchor_index


def _check_variants(oracles, haplotype, reference: str, cells, window) -> None:  # type: ignore[no-untyped-def]
    """The variants listed, and these alone, make the haplotype."""
    if haplotype.haplotypes.anchor_deleted[haplotype.row]:
        return  # the deletion may lie before the window
    listed = [(row.position - 1, row.ref, [row.alt]) for row in haplotype.variants.itertuples()]
    remade = oracles.slow_haplotype(reference, listed, [1] * len(listed))
    assert oracles.bases(oracles.slow_window(remade, len(reference), *window)) == oracles.bases(cells)
    for left_out in listed:
        _, old, new = oracles.trim(left_out[1], left_out[2][0])
        if len(old) == len(new) > 1:
            continue  # the part in the window may be what it was
        others = [record for record in listed if record is not left_out]
        remade = oracles.slow_haplotype(reference, others, [1] * len(others))
        assert oracles.slow_window(remade, len(reference), *window) != list(cells), left_out


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), anchor_share=st.floats(0, 1))
def test_rows_are_the_distinct_windows(oracles: ModuleType, data: st.DataObject, anchor_share: float) -> None:
    reference, records, haplotypes = data.draw(oracles.stretches())
    genome = in_memory(oracles, reference, records, haplotypes)
    interval = Interval("c", len(reference) // 4, len(reference) // 4 + 20)
    made = genome.haplotypes(interval, anchor=min(interval.start + int(19 * anchor_share), len(reference) - 1))
    assert made.index.shape == (2, 2)
    assert sorted(set(made.index.ravel().tolist())) == list(range(made.n_distinct))
    first_seen = list(dict.fromkeys(made.index.ravel().tolist()))
    assert first_seen == sorted(first_seen)
    rows = [(tuple(made.variants(row).itertuples(index=False, name=None))) for row in range(made.n_distinct)]
    positions = [
        (rows[row], made.coordinates(row).to_reference(np.arange(20)).tobytes()) for row in range(made.n_distinct)
    ]
    assert len(set(positions)) == made.n_distinct


REFERENCE = "ACGTTGCAAC" * 12
RECORDS = [(10, "A", ["C"]), (30, "ACGTT", ["A"]), (50, "A", ["ATTTTT"]), (70, "A", ["G"])]
ALLELES = [[0, 1, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]]


@pytest.fixture
def genome(oracles: ModuleType) -> PersonalGenome:
    return in_memory(oracles, REFERENCE, RECORDS, ALLELES)


def test_refill_after_a_deletion_holds_ones_own_variants(genome: PersonalGenome) -> None:
    """The window ends at 68; the deletion of 4 bases draws in position 70, where p0 has the reference."""
    interval = Interval("c", 8, 68)
    haplotypes = genome.haplotypes(interval)
    deleted, reference = haplotypes["p0", 0], haplotypes["p1", 1]
    assert deleted.sequence == REFERENCE[8:31] + REFERENCE[35:72]
    assert reference.sequence == REFERENCE[8:68]
    assert deleted.to_reference([22, 23, 59]).tolist() == [30, 35, 71]
    assert deleted.from_reference([31, 34, 35]).tolist() == [-1, -1, 23]


def test_trimmed_after_an_insertion_at_either_end(genome: PersonalGenome) -> None:
    interval = Interval("c", 40, 60)
    right = genome.haplotypes(interval, ["p1"], anchor=45)["p1", 0]
    assert right.sequence == REFERENCE[40:51] + "TTTTT" + REFERENCE[51:55]
    left = genome.haplotypes(interval, ["p1"], anchor=55)["p1", 0]
    assert left.sequence == REFERENCE[45:51] + "TTTTT" + REFERENCE[51:60]
    assert left.from_reference(55) == right.from_reference(45) + 10 == 15


def test_window_that_begins_and_ends_within_an_insertion(genome: PersonalGenome) -> None:
    """The inserted bases follow position 50."""
    begins = genome.haplotypes(Interval("c", 48, 60), ["p1"], anchor=51)["p1", 0]
    assert begins.sequence == "TTT" + REFERENCE[51:60]
    assert begins.to_reference(np.arange(4)).tolist() == [-1, -1, -1, 51]
    ends = genome.haplotypes(Interval("c", 45, 53), ["p1"], anchor=50)["p1", 0]
    assert ends.sequence == REFERENCE[45:51] + "TT"
    assert ends.variants["alt"].tolist() == ["ATTTTT"]


def test_off_the_contig_is_n(genome: PersonalGenome) -> None:
    start = genome.haplotypes(Interval("c", -7, 9), anchor=0)["p0", 0]
    assert start.sequence == "N" * 7 + REFERENCE[:9]
    assert start.to_reference([6, 7]).tolist() == [-1, 0]
    end = genome.haplotypes(Interval("c", 100, 130), anchor=100)["p0", 0]
    assert end.sequence == REFERENCE[100:] + "N" * 10
    assert end.from_reference([119, 120]).tolist() == [19, -1]
    drawn_in = genome.haplotypes(Interval("c", 20, 122), anchor=20)["p0", 0]  # a deletion near the contig's end
    assert drawn_in.sequence == REFERENCE[20:31] + REFERENCE[35:] + "N" * 6


def test_deleted_anchor(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 22, 42), anchor=32)
    assert haplotypes.anchor_deleted.tolist() == [True, False]
    assert haplotypes["p0", 0].from_reference(35) == 10
    assert haplotypes["p0", 0].sequence == REFERENCE[21:31] + REFERENCE[35:45]


def test_a_deletion_that_spans_the_start_is_honoured(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 33, 43))
    assert haplotypes["p0", 0].sequence == REFERENCE[35:45]
    assert haplotypes["p0", 1].sequence == REFERENCE[33:43]


def test_first_of_overlapping_records_wins_from_far_before_the_window(oracles: ModuleType) -> None:
    """A chain of deletions, each overlapping the next: whether the last is taken depends on the first."""
    bases = "ACGTTGCAAC" * 1000
    chain = [(start, bases[start : start + 60], [bases[start]]) for start in range(100, 8_000, 50)]
    alleles = [[1, 0] if i else [1, 1] for i in range(len(chain))]
    genome = in_memory(oracles, bases, chain, alleles)
    for column in (0, 1):
        slow = oracles.slow_haplotype(bases, chain, [row[column] for row in alleles])
        made = genome.haplotypes(Interval("c", 7_000, 7_500), anchor=7_400)["p0", column]
        assert made.sequence == oracles.bases(oracles.slow_window(slow, len(bases), 7_000, 7_500, 7_400))


def test_million_base_deletion(oracles: ModuleType) -> None:
    bases = "".join(random.Random(2).choices("ACGT", k=1_200_000))
    records = [
        (1_000, bases[1_000:1_001_000], ["A" if bases[1_000] == "A" else bases[1_000]]),
        (1_001_500, bases[1_001_500], ["ACGT"[("ACGT".index(bases[1_001_500]) + 1) % 4]]),
    ]
    genome = in_memory(oracles, bases, records, [[1, 0], [1, 1]])
    made = genome.haplotypes(Interval("c", 500, 2_500), anchor=600)
    slow = oracles.slow_haplotype(bases, records, [1, 1])
    assert made["p0", 0].sequence == oracles.bases(oracles.slow_window(slow, len(bases), 500, 2_500, 600))
    assert made["p0", 0].to_reference([500, 501, 1999]).tolist() == [1_000, 1_001_000, 1_002_498]
    assert made["p0", 1].sequence == bases[500:2_500]
    right = genome.haplotypes(Interval("c", 1_000_900, 1_001_600), anchor=1_001_400)  # drawn in from the left
    assert right["p0", 0].sequence == oracles.bases(
        oracles.slow_window(slow, len(bases), 1_000_900, 1_001_600, 1_001_400)
    )


# --- the object


def test_lazy_and_known_beforehand(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68))
    assert haplotypes.n_distinct == 4
    assert haplotypes.nbytes == 4 * 60
    assert haplotypes.sequences.shape == (4, 60)
    assert haplotypes.sequences.nbytes == haplotypes.nbytes
    assert haplotypes.sequences is haplotypes.sequences
    assert haplotypes.index.tolist() == [[0, 1], [2, 3], [1, 1]]
    assert haplotypes["p2", 1].sequence == haplotypes.sequences[1].tobytes().decode()
    assert haplotypes["p2", 1].variants["position"].tolist() == [11]
    assert len(haplotypes) == 3
    assert not haplotypes.sequences.flags.writeable
    assert not haplotypes.index.flags.writeable


def test_max_bytes(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68), max_bytes=239)
    assert haplotypes.nbytes == 240
    with pytest.raises(SettingError, match=r"take 240 bytes, more than max_bytes=239.*iter_haplotypes"):
        _ = haplotypes.sequences
    assert len(haplotypes["p0", 0].sequence) == 60


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_batches_are_the_whole(genome: PersonalGenome, batch_size: int) -> None:
    interval = Interval("c", 8, 68)
    whole = genome.haplotypes(interval)
    batches = list(genome.iter_haplotypes(interval, batch_size=batch_size))
    assert np.array_equal(np.concatenate([batch.sequences for batch in batches]), whole.sequences)
    assert [row for batch in batches for row in batch.rows] == list(range(4))
    assert all(len(batch) <= batch_size for batch in batches)
    assert np.array_equal(batches[0].haplotypes.index, whole.index)


def test_bad_batch_size(genome: PersonalGenome) -> None:
    with pytest.raises(SettingError, match="batch_size must be 1 or more, got 0"):
        next(genome.iter_haplotypes(Interval("c", 8, 68), batch_size=0))


def test_subset_of_individuals(genome: PersonalGenome) -> None:
    everyone, some = (genome.haplotypes(Interval("c", 8, 68), who) for who in (None, ["p2", "p0", "p2"]))
    assert some.individuals == ("p2", "p0", "p2")
    assert some.index.tolist() == [[0, 0], [1, 0], [0, 0]]
    for name in ("p0", "p2"):
        for copy in (0, 1):
            assert some[name, copy].sequence == everyone[name, copy].sequence


def test_memory_of_batches_is_bounded(oracles: ModuleType) -> None:
    """200 distinct haplotypes of 50 kb are 10 MB; 4 at a time must not take a quarter of it."""
    bases = "".join(random.Random(4).choices("ACGT", k=60_000))
    starts = sorted(random.Random(5).sample(range(60_000), 200))
    records = [(at, bases[at], ["ACGT"[("ACGT".index(bases[at]) + 1) % 4]]) for at in starts]
    alleles = np.eye(200, dtype=np.int8)
    genome = in_memory(oracles, bases, records, alleles.tolist())
    for _ in genome.iter_haplotypes(Interval("c", 0, 50_000), batch_size=4):
        pass  # compiles
    tracemalloc.start()
    total = sum(len(batch) for batch in genome.iter_haplotypes(Interval("c", 0, 50_000), batch_size=4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 150
    assert peak < 2_500_000


def test_pickles(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68))
    copy = pickle.loads(pickle.dumps(haplotypes))
    assert np.array_equal(copy.sequences, haplotypes.sequences)
    assert copy["p0", 0].variants.equals(haplotypes["p0", 0].variants)


def test_nothing_of_the_sequence_is_shown(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68))
    shown = repr(haplotypes) + repr(haplotypes["p0", 0]) + repr(next(haplotypes.batches()))
    assert "ACGT" not in shown
    assert len(shown) < 2_500


def test_wrong_keys(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68))
    with pytest.raises(UnknownNameError, match="individual p9 is not among these 3"):
        haplotypes["p9", 0]
    with pytest.raises(SettingError, match="copy must be 0 or 1, got 2"):
        haplotypes["p0", 2]
    with pytest.raises(SettingError, match=r"row must lie in 0\.\.3, got 4"):
        haplotypes.variants(4)


@pytest.mark.parametrize(
    ("start", "end", "anchor", "complaint"),
    [
        (10, 10, None, r"window c:10-10 is empty"),
        (10, 20, 20, r"anchor 20 lies outside of the window c:10-20"),
        (10, 20, 9, r"anchor 9 lies outside of the window"),
        (-10, 20, None, r"anchor -10 lies off c, which has 120 bases"),
        (100, 200, 120, r"anchor 120 lies off c"),
        (500, 600, None, r"anchor 500 lies off c"),
    ],
)
def test_bad_windows(genome: PersonalGenome, start: int, end: int, anchor: int | None, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        genome.haplotypes(Interval("c", start, end), anchor=anchor)


def test_window_over_an_empty_region(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 90, 110))
    assert haplotypes.n_distinct == 1
    assert haplotypes.index.tolist() == [[0, 0]] * 3
    assert haplotypes["p1", 0].sequence == REFERENCE[90:110]
    assert haplotypes.counts["records"] == 0
    assert haplotypes["p1", 0].variants.empty


def test_no_individuals(genome: PersonalGenome) -> None:
    haplotypes = genome.haplotypes(Interval("c", 8, 68), [])
    assert haplotypes.sequences.shape == (0, 60)
    assert haplotypes.index.shape == (0, 2)


def test_without_a_reference(oracles: ModuleType) -> None:
    genome = PersonalGenome(oracles.MemorySource("c", ["a"], [], []))
    with pytest.raises(SettingError, match="haplotypes need the reference genome"):
        genome.haplotypes(Interval("c", 0, 10))
