"""Helpers for messages about identifiers: near matches, capped lists and duplicates."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


def near_names(name: str, available: Iterable[str], limit: int = 3) -> str:
    """Return a clause that offers names close to one that was not found; empty where none is close."""
    near = difflib.get_close_matches(name, list(available), n=limit, cutoff=0.6)
    return f"; near: {', '.join(near)}" if near else ""


def known_names(available: Collection[str], limit: int = 8) -> str:
    """Return the first names of a collection and how many more there are, for a message."""
    shown = list(available)[:limit]
    more = len(available) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "none"


def first_duplicate(names: Iterable[str]) -> str | None:
    """Return the first name that occurs a second time, None where all differ."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
