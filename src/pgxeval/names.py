"""Helpers for messages about identifiers: near matches, capped lists and duplicates."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

# ENSG00000223972.5, ENSG00000182378.15_PAR_Y, and the GRCh37-lifted ENSG00000223972.5_2.
_VERSIONED = re.compile(r"(ENS[A-Z]*\d+)\.\d+(?:_\d+)?(_PAR_Y)?")

_LONGEST = 60


def near_names(name: str, available: Iterable[str], limit: int = 3) -> str:
    """Return a clause that offers names close to one that was not found; empty where none is close."""
    near = difflib.get_close_matches(name, list(available), n=limit, cutoff=0.6)
    return f"; near: {known_names(near, limit)}" if near else ""


def known_names(available: Collection[str], limit: int = 8) -> str:
    """Return the first names of a collection and how many more there are, for a message."""
    names = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in list(available)[:limit]]
    more = len(available) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "") if names else "none"


def near_genes(gene_id: str, gene_ids: Collection[str], symbols: Mapping[str, str] | None = None) -> str:
    """Return a clause that helps to find a gene: another Ensembl version, the gene of a symbol, or near names.

    Parameters
    ----------
    gene_id
        What was given.
    gene_ids
        Identifiers that are known.
    symbols
        Identifier -> symbol, where symbols are known.
    """
    if version := [other for other in gene_ids if without_version(other) == without_version(gene_id)]:
        return f"; it has another version: {known_names(version, 3)}"
    symbols = symbols or {}
    if same_symbol := [
        other for other, symbol in symbols.items() if symbol.lower() == gene_id.lower() and other != symbol
    ]:
        return f"; {gene_id} is a symbol: give the identifier, {known_names(same_symbol, 3)}"
    near = near_names(gene_id, [*gene_ids, *symbols.values()])
    return near or f"; genes are named as {known_names(gene_ids, 3)}"


def first_duplicate(names: Iterable[str]) -> str | None:
    """Return the first name that occurs a second time, None where all differ."""
    earlier: set[str] = set()
    for name in names:
        if name in earlier:
            return name
        earlier.add(name)
    return None


def without_version(gene_id: str) -> str:
    """Return an Ensembl gene identifier without its version; any other identifier as it is.

    Examples
    --------
    >>> without_version("ENSG00000223972.5")
    'ENSG00000223972'
    >>> without_version("ENSG00000182378.15_PAR_Y")
    'ENSG00000182378_PAR_Y'
    >>> without_version("AC012345.1")
    'AC012345.1'
    """
    match = _VERSIONED.fullmatch(gene_id)
    return match[1] + (match[2] or "") if match else gene_id


def match_versions(gene_ids: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Find genes that another file names with another Ensembl version.

    Parameters
    ----------
    gene_ids
        Identifiers to find.
    names
        Identifiers of the other file.

    Returns
    -------
    dict
        Identifier -> the one in `names`, for those that are not in `names` themselves, if without version exactly one
        identifier of either side is meant.

    Examples
    --------
    >>> match_versions(["ENSG00000000003.10", "G2"], ["ENSG00000000003.15", "G2"])
    {'ENSG00000000003.10': 'ENSG00000000003.15'}
    """
    exact = frozenset(names)
    open_ids = [gene_id for gene_id in gene_ids if gene_id not in exact]
    if not open_ids:
        return {}
    stems = Counter(map(without_version, gene_ids))
    by_stem: dict[str, list[str]] = {}
    for gene_id in names:
        by_stem.setdefault(without_version(gene_id), []).append(gene_id)
    return {
        gene_id: candidates[0]
        for gene_id in open_ids
        if stems[without_version(gene_id)] == 1 and len(candidates := by_stem.get(without_version(gene_id), [])) == 1
    }
