"""Targets against a sum over bases."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.target import Target


def random_segments(rng: np.random.Generator, low: int, high: int) -> list[tuple[int, int]]:
    cuts = np.sort(rng.choice(np.arange(low, high), 2 * int(rng.integers(1, 6)), replace=False))
    return [(int(a), int(b)) for a, b in cuts.reshape(-1, 2)]


@pytest.mark.parametrize("aggregate", ["sum", "mean", "max"])
@pytest.mark.parametrize("log_bins", [False, True])
@pytest.mark.parametrize("width", [1, 4, 32])
def test_reduces_as_a_walk_over_bases_does(width: int, log_bins: bool, aggregate: str) -> None:
    rng = np.random.default_rng(width)
    for _ in range(20):
        segments = random_segments(rng, 64, 448)
        target = Target(row=0, segments=segments, aggregate=aggregate, log_bins=log_bins)  # type: ignore[arg-type]
        tracks = rng.gamma(1.0, size=(384 // width, 2)).astype(np.float32)
        bins, share = target.bins(width, 64)
        assert (np.diff(bins) > 0).all()
        assert ((share > 0) & (share <= 1)).all()
        values = target.reduce(tracks[bins], width, 64)
        seen = np.log1p(tracks.astype(np.float64)) if log_bins else tracks.astype(np.float64)
        walked = np.array([seen[(base - 64) // width] for start, end in segments for base in range(start, end)])
        expected = {"sum": walked.sum(axis=0) / width, "mean": walked.mean(axis=0), "max": walked.max(axis=0)}
        np.testing.assert_allclose(values, expected[aggregate], rtol=1e-12)


def test_mirrored_reads_the_same_bases_from_behind() -> None:
    rng = np.random.default_rng(0)
    segments = random_segments(rng, 0, 512)
    target = Target(row=3, segments=segments)
    letters = np.arange(512)
    here = np.concatenate([letters[a:b] for a, b in target.segments])
    there = np.concatenate([letters[::-1][a:b] for a, b in target.mirrored(512).segments])
    assert here.tolist() == there[::-1].tolist()
    assert target.mirrored(512).mirrored(512).segments.tolist() == target.segments.tolist()
    assert target.mirrored(512).row == 3


def test_key_covers_everything_but_the_row() -> None:
    target = Target(row=0, segments=[(1, 5)])
    assert target.key == Target(row=9, segments=[(1, 5)]).key
    others = [
        Target(row=0, segments=[(1, 6)]),
        Target(row=0, segments=[(1, 5)], aggregate="mean"),
        Target(row=0, segments=[(1, 5)], log_bins=True),
    ]
    assert len({target.key, *(other.key for other in others)}) == 4


@pytest.mark.parametrize("segments", [[], [(3, 3)], [(5, 2)], [(-1, 4)], [(0, 5), (4, 9)], [(8, 9), (0, 2)]])
def test_segments_that_are_none_are_refused(segments: list[tuple[int, int]]) -> None:
    with pytest.raises(SettingError, match="sorted, not overlapping and not empty"):
        Target(row=0, segments=segments)


def test_segments_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Target(row=0, segments=[(1, 5)]).segments[0, 0] = 2
