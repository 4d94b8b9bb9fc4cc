"""Names in messages and repeated names."""

from __future__ import annotations

from pgxeval.names import first_duplicate


def test_first_duplicate() -> None:
    assert first_duplicate(["a", "b", "c", "b", "a"]) == "b"
    assert first_duplicate([]) is None
