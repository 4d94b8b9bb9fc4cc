"""Contig names: the same chromosome under the names that different files give it.

UCSC and GENCODE say ``chr1``, ``chrM``; Ensembl and 1000 Genomes (GRCh37) say ``1``, ``MT``; PLINK counts
``23`` for X, ``24`` for Y and ``26`` for the mitochondrion.
"""

from __future__ import annotations

from collections.abc import Collection

from pgxeval.errors import UnknownNameError

_NUMBERED = {"23": "X", "24": "Y", "26": "MT", "M": "MT"}


def canonical_contig(name: str) -> str:
    """Return the name without ``chr``, with ``X``, ``Y`` and ``MT`` for PLINK's numbers and ``M``."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    upper = bare.upper()
    if upper in _NUMBERED:
        return _NUMBERED[upper]
    return upper if upper in ("X", "Y", "MT") else bare


def match_contig(name: str, available: Collection[str]) -> str | None:
    """Find the contig that a file may call by another name.

    Parameters
    ----------
    name
        Name asked for.
    available
        Names that the file has.

    Returns
    -------
    str or None
        `name` itself where the file has it, else the one contig that means the same, else None.

    Raises
    ------
    UnknownNameError
        If several contigs of the file mean the same and none is called `name`.

    Examples
    --------
    >>> match_contig("chr1", ["1", "2", "X"])
    '1'
    >>> match_contig("MT", ["chr1", "chrM"])
    'chrM'
    >>> match_contig("chr7", ["1", "2"]) is None
    True
    """
    if name in available:
        return name
    wanted = canonical_contig(name)
    found = [other for other in available if canonical_contig(other) == wanted]
    if len(found) > 1:
        raise UnknownNameError(f"contig {name} may mean any of {', '.join(sorted(found))}; ask for one of these names")
    return found[0] if found else None
