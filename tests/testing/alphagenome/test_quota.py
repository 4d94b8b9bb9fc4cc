"""Quotas of all kinds against what their definitions say of each call."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.testing.alphagenome.quota import Quota


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_quota_counts_as_its_definition_says(kind: str) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.exponential(0.7, 400))
    now = iter([0.0, *times])
    quota = Quota(10, 10.0, kind, clock=lambda: next(now))
    taken = np.array([at for at in times if quota.take()])
    if kind == "fixed":
        windows = np.floor(times / 10)
        right = [np.sum(windows == window).clip(max=10) for window in np.unique(windows)]
        assert np.bincount(np.floor(taken / 10).astype(int))[np.unique(windows).astype(int)].tolist() == right
    elif kind == "sliding":
        kept: list[float] = []
        for at in times:
            if sum(at - other < 10 for other in kept) < 10:
                kept.append(float(at))
        assert taken.tolist() == kept
        assert (taken[10:] - taken[:-10] >= 10).all()
    else:
        # never more than the burst and what flowed in since, between any two calls
        for i in range(len(taken)):
            held = 10 + (taken[i:] - taken[i])
            assert (np.arange(1, len(taken) - i + 1) <= held + 1e-9).all()
        assert len(taken) >= times[-1]
    assert len(taken) < 400
