"""Readouts: stretches of the reference found again on haplotypes, base by base."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.sequence.readout import (
    ExonMask,
    GeneBody,
    IntervalReadout,
    Output,
    Readout,
    TssBins,
    lift_stretches,
)


@pytest.mark.parametrize("seed", range(4))
def test_lifts_as_a_walk_over_cells_does(toys: ModuleType, slow: ModuleType, tmp_path: Path, seed: int) -> None:
    small = toys.random_genome(tmp_path, seed=seed, every_bp=9, n_individuals=4)
    rng = np.random.default_rng(seed)
    tss, length, offset = 1_500, 384, 64
    haplotypes = small.genome.haplotypes(Interval.around("chr1", tss, length), anchor=tss)
    output = Output(length=length, anchor_index=length // 2, bin_width_bp=8, offset_bp=offset)
    told = {"segments": 0, "outside": 0, "deleted": 0}
    for individual in small.individuals:
        for copy, records in enumerate(slow.copies(small, individual)):
            cells = slow.window(slow.haplotype(small.reference["chr1"], records), tss, length)
            haplotype = haplotypes[individual, copy]
            assert haplotype.sequence == "".join(base for base, _ in cells)
            for _ in range(60):
                cuts = np.sort(rng.choice(np.arange(1_350, 1_650), 4, replace=False)).tolist()
                if rng.random() < 0.4:
                    cuts = [cuts[0], cuts[0] + int(rng.integers(1, 5))]
                stretches = list(zip(cuts[::2], cuts[1::2], strict=True))
                inside = slow.members(cells, stretches)
                answer = lift_stretches(stretches, haplotype.coordinates, output, "refuse")
                if isinstance(answer, str):
                    told["outside" if "outside" in answer else "deleted"] += 1
                    assert not inside or min(inside) < offset or max(inside) >= length - offset or _cut_off(cells, cuts)
                else:
                    told["segments"] += 1
                    assert [i for start, end in answer.tolist() for i in range(start, end)] == inside
                clipped = lift_stretches(stretches, haplotype.coordinates, output, "clip")
                kept = [i for i in inside if offset <= i < length - offset]
                if isinstance(clipped, str):
                    assert not kept
                else:
                    assert [i for start, end in clipped.tolist() for i in range(start, end)] == kept
    assert min(told.values()) > 0, told


def _cut_off(cells: list[tuple[str, int]], cuts: list[int]) -> bool:
    mapped = [position for _, position in cells if position >= 0]
    return cuts[0] < mapped[0] or cuts[-1] > mapped[-1] + 1


def test_enformer_geometry() -> None:
    """At 196,608 bp the published centre bins are 447 to 449 of 896, and 443 to 452 where ten are read."""
    output = Output(length=196_608, anchor_index=98_304, bin_width_bp=128, offset_bp=40_960)
    for n, bins in ((1, [448]), (3, [447, 448, 449]), (10, list(range(443, 453)))):
        target = TssBins(n=n).lift(None, None, output)  # type: ignore[arg-type]  # neither is looked at
        assert not isinstance(target, str)
        found, share = target.bins(128, 40_960)
        assert found.tolist() == bins
        assert (share == 1).all()
    whole = TssBins(n=896).lift(None, None, output)  # type: ignore[arg-type]
    assert not isinstance(whole, str)
    assert isinstance(TssBins(n=897).lift(None, None, output), str)  # type: ignore[arg-type]


def test_finish() -> None:
    values = np.array([[0.0, 3.0], [-2.0, 1.0]])
    np.testing.assert_array_equal(TssBins().finish(values), values)
    np.testing.assert_array_equal(TssBins(log="bins").finish(values), values)
    np.testing.assert_allclose(GeneBody().finish(values), [[0.0, np.log(4)], [np.nan, np.log(2)]])
    np.testing.assert_allclose(ExonMask().finish(values[:1]), np.log(values[:1] + 0.001))


def test_overlapping_stretches_are_united(toys: ModuleType, tmp_path: Path) -> None:
    small = toys.write_genome(tmp_path, {"chr1": "ACGT" * 500}, ["one"], [])
    coordinates = small.genome.haplotypes(Interval("chr1", 900, 1_100)).coordinates(0)
    output = Output(length=200, anchor_index=100, bin_width_bp=1, offset_bp=0)
    readout = IntervalReadout(
        intervals={"gene": [Interval("chr1", 950, 960), Interval("1", 955, 970), Interval("chr1", 990, 990)]}
    )
    target = readout.lift(toys.gene_at(1_000), coordinates, output)
    assert not isinstance(target, str)
    assert target.segments.tolist() == [[50, 70]]
    assert "no interval for gene other" in readout.lift(toys.gene_at(1_000, gene_id="other"), coordinates, output)
    elsewhere = IntervalReadout(intervals=Interval("chr2", 950, 960))
    assert "is not on chr1" in elsewhere.lift(toys.gene_at(1_000), coordinates, output)
    empty = IntervalReadout(intervals=Interval("chr1", 950, 950))
    assert "are empty" in empty.lift(toys.gene_at(1_000), coordinates, output)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TssBins(n=0), "n must be a whole number"),
        (lambda: TssBins(log=True), "log must be None or 'bins' or 'total'"),
        (lambda: ExonMask(aggregate="median"), "'sum' or 'mean' or 'max'"),
        (lambda: GeneBody(partial="half"), "'refuse' or 'clip'"),
        (lambda: GeneBody(pseudocount=0), "above 0"),
        (lambda: IntervalReadout(intervals=[]), "one Interval, several"),
        (lambda: IntervalReadout(intervals=["chr1:1-2"]), "either; got str"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


def test_all_keep_the_protocol() -> None:
    for readout in (TssBins(), ExonMask(), GeneBody(), IntervalReadout(intervals=Interval("chr1", 0, 1))):
        assert isinstance(readout, Readout)
