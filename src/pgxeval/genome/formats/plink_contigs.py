"""Contigs of PLINK 2 files: where each one's variants are, and the parts of X that PLINK keeps apart."""

from __future__ import annotations

import itertools

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError
from pgxeval.genome.contigs import ContigNames, canonical_contig

_PARTS_OF_X = frozenset(("X", "PAR1", "PAR2", "XY"))

_DIPLOID_PARTS = frozenset(("PAR1", "PAR2", "XY", "25"))

_HUMAN_AUTOSOMES = "22"


@attrs.frozen(kw_only=True, eq=False)
class PlinkContig:
    """The variants of one contig, in order of position.

    Parameters
    ----------
    rows
        Rows of the ``.pvar``.
    starts, ends
        0-based half-open span of REF.
    highest_end
        Highest end so far.
    diploid
        The variant lies in a pseudo-autosomal region that was split off.
    """

    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    highest_end: npt.NDArray[np.int64]
    diploid: npt.NDArray[np.bool_]


def is_human(line: str) -> bool:
    """Whether a ``##chrSet`` line is that of 22 pairs of autosomes; PLINK writes one for other species."""
    return f"autosomePairCt={_HUMAN_AUTOSOMES}" in line or "autosomePairCt" not in line


def sex_contig(coded: ContigNames, name: str) -> str:
    """Return who has one copy of a contig: ``"all"``, ``"males"``, or an empty text for none."""
    letters = canonical_contig(name)
    if coded.is_human:
        letters = {"23": "X", "24": "Y", "26": "MT"}.get(letters, letters)
    return {"Y": "all", "MT": "all", "X": "males"}.get(letters, "")


def parts_of_x(coded: ContigNames) -> frozenset[str]:
    """Return the file's contigs that are parts of X."""
    numbers = {"23", "25"} if coded.is_human else set()
    return frozenset(name for name in coded.names if canonical_contig(name).upper() in _PARTS_OF_X | numbers)


def sort_contigs(path: str, variants: pd.DataFrame, parts_of_x: frozenset[str]) -> dict[str, PlinkContig]:
    """Find the variants of each contig, check that they are together and in order, and join the parts of X."""
    codes, names = pd.factorize(variants["#CHROM"])
    starts = variants["POS"].to_numpy(dtype=np.int64) - 1
    ends = starts + np.array(variants["REF"].str.len(), dtype=np.int64)
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1)).tolist()
    of_contig: dict[str, npt.NDArray[np.int64]] = {}
    for first, last in itertools.pairwise(edges):
        name = str(names[codes[first]])
        stretch = np.arange(first, last, dtype=np.int64)
        again = name in of_contig and name not in parts_of_x  # 25 is on both sides of 23
        if again or (np.diff(starts[first:last]) < 0).any():
            raise InputFileError(
                f"{path}: not sorted: the variants of contig {name} are not together in order of position; "
                "run `plink2 --sort-vars --make-pgen`"
            )
        of_contig[name] = np.concatenate([of_contig[name], stretch]) if name in of_contig else stretch
    contigs: dict[str, PlinkContig] = {}
    for name, rows in _joined_x(of_contig, parts_of_x, starts).items():
        split_off = [str(names[code]) for code in codes[rows]] if name in parts_of_x else []
        contigs[name] = PlinkContig(
            rows=rows,
            starts=starts[rows],
            ends=ends[rows],
            highest_end=np.maximum.accumulate(ends[rows]),
            diploid=np.array([canonical_contig(part).upper() in _DIPLOID_PARTS for part in split_off], np.bool_)
            if split_off
            else np.zeros(rows.size, np.bool_),
        )
    return contigs


def _joined_x(
    of_contig: dict[str, npt.NDArray[np.int64]], parts_of_x: frozenset[str], starts: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.int64]]:
    """Join the parts of X under the name of X itself; where only others are there, under ``X``."""
    parts = [name for name in of_contig if name in parts_of_x]
    if not parts:
        return of_contig
    whole = next((name for name in parts if canonical_contig(name) in ("X", "23")), None)
    joined = whole or ("chrX" if parts[0][:3] == "chr" else "X")
    rows = np.concatenate([of_contig[name] for name in parts])
    rows = rows[np.argsort(starts[rows], kind="stable")]
    rows_of: dict[str, npt.NDArray[np.int64]] = {}
    for name, own_rows in of_contig.items():
        rows_of[joined if name in parts else name] = rows if name in parts else own_rows
    return rows_of
