"""Encodings against their definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pgxeval.genome.encoding import BASES, one_hot, reverse_complement

COMPLEMENT = str.maketrans("ACGTNacgtn", "TGCANtgcan")


@given(st.text("ACGTNacgtn", max_size=50))
def test_round_trips(text: str) -> None:
    bases = np.frombuffer(text.encode(), np.uint8)
    hot = one_hot(bases)
    assert hot.shape == (len(text), 4)
    assert hot.dtype == np.float32
    decoded = "".join(BASES[int(row.argmax())] if row.sum() == 1 else "N" for row in hot)
    assert decoded == text.upper()
    assert set(np.unique(hot.sum(axis=1))) <= {0.0, 1.0}
    other = reverse_complement(bases)
    assert other.tobytes().decode() == text.translate(COMPLEMENT)[::-1]
    assert np.array_equal(reverse_complement(other), bases)


def test_ambiguous_bases() -> None:
    assert one_hot(np.frombuffer(b"RYN-*", np.uint8)).sum() == 0
    assert reverse_complement(np.frombuffer(b"RKV", np.uint8)).tobytes() == b"BMY"


def test_batches_keep_their_shape() -> None:
    batch = np.frombuffer(b"ACGTTT", np.uint8).reshape(2, 3)
    assert one_hot(batch).shape == (2, 3, 4)
    assert reverse_complement(batch).tobytes() == b"CGTAAA"
