"""A slow outsider: haplotypes as lists of (base, reference position), read base by base.

It shares no code with the library but the model that is being read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Cell = tuple[str, int]


def haplotype(bases: str, records: Sequence[tuple[int, str, str]]) -> list[Cell]:
    """Spell a contig with records (0-based start, ref, alt) that do not touch."""
    cells: list[Cell] = []
    at = 0
    for start, ref, alt in sorted(records):
        cells += [(bases[p], p) for p in range(at, start)]
        if len(ref) == len(alt):
            cells += [(base, start + k) for k, base in enumerate(alt)]
        else:  # the first base is kept, the rest is inserted or deleted
            cells += [(alt[0], start)] + [(base, -1) for base in alt[1:]]
        at = start + len(ref)
    return cells + [(bases[p], p) for p in range(at, len(bases))]


def window(cells: list[Cell], tss: int, length: int, shift: int = 0) -> list[Cell]:
    anchor = next(i for i, (_, position) in enumerate(cells) if position >= tss)
    start = anchor - (length // 2 - shift)
    return [cells[i] if 0 <= i < len(cells) else ("N", -1) for i in range(start, start + length)]


def members(cells: list[Cell], stretches: Sequence[tuple[int, int]]) -> list[int]:
    """Indices of the bases that lie in a stretch: mapped into it, or inserted between two that are."""
    found = []
    for i, (_, position) in enumerate(cells):
        for start, end in stretches:
            if position >= 0:
                if start <= position < end:
                    found.append(i)
                continue
            left = next((cells[j][1] for j in range(i, -1, -1) if cells[j][1] >= 0), None)
            right = next((cells[j][1] for j in range(i, len(cells)) if cells[j][1] >= 0), None)
            if left is not None and right is not None and start <= left < end and start <= right < end:
                found.append(i)
    return found


def complement(cells: list[Cell]) -> list[Cell]:
    pairs = dict(zip("ACGTN", "TGCAN", strict=True))
    return [(pairs[base], position) for base, position in reversed(cells)]


def read(model: Any, cells: list[Cell], indices: Sequence[int], track: int, aggregate: str, *, log_bins: bool) -> float:
    """Reduce one track over bases: each stands for its share of its bin."""
    text = "".join(base for base, _ in cells)
    sequence = np.frombuffer(text.encode(), np.uint8)[None]
    values = np.asarray(model.predict_tracks(sequence, [track]))[0, :, 0].astype(float).tolist()
    if log_bins:
        values = [math.log(value + 1) for value in values]
    width, offset = int(model.info.tracks["bin_width_bp"].iloc[track]), model.info.output_offset_bp
    shares = [values[(i - offset) // width] for i in indices]
    if aggregate == "max":
        return max(shares)
    return sum(shares) / (width if aggregate == "sum" else len(shares))


def copies(small: Any, individual: str, contig: str = "chr1") -> list[list[tuple[int, str, str]]]:
    """The records that each copy of an individual carries."""
    column = small.individuals.index(individual)
    return [
        [(start, ref, alt) for name, start, ref, alt, genotypes in small.records
         if name == contig and genotypes[column].replace("/", "|").split("|")[copy] == "1"]
        for copy in (0, 1)
    ]  # fmt: skip
