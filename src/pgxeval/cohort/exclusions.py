"""Exclusions of a cohort: which individuals and genes are excluded, and why."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariates import constant
from pgxeval.errors import TableError
from pgxeval.genome.annotation import match_genes
from pgxeval.genome.contigs import ContigNames, match_contig
from pgxeval.genome.intervals import Gene
from pgxeval.names import known_names

MIN_INDIVIDUALS = 10
"""Fewest individuals of a cohort, and fewest measured individuals of a gene."""

NO_CONTIG = "contig unknown to the genotypes"
NOT_IN_MODELS = "not in the gene models"
FEW_MEASURED = f"fewer than {MIN_INDIVIDUALS} measured individuals"
CONSTANT = "constant expression"

EXCLUSION_COLUMNS = ("kind", "name", "reason")
# Farther than this from its gene model, an expression row was placed on another genome build.
_BUILD_TOLERANCE_BP = 10_000
_BUILD_FRACTION = 0.1

Exclusions = list[tuple[str, str, str]]


def exclusions_table(rows: pd.DataFrame | Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Return exclusions as a table with the string columns kind, name and reason."""
    if isinstance(rows, pd.DataFrame):
        if missing := [name for name in EXCLUSION_COLUMNS if name not in rows.columns]:
            raise TableError(f"exclusions lacks the column(s) {', '.join(missing)}")
        return rows[list(EXCLUSION_COLUMNS)].astype("string").reset_index(drop=True)
    listed = list(rows)
    return pd.DataFrame(
        {name: pd.array([row[i] for row in listed], dtype="string") for i, name in enumerate(EXCLUSION_COLUMNS)}
    )


def count_exclusions(exclusions: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Return (kind, reason, count), in the order of first appearance."""
    counts = Counter(zip(exclusions["kind"], exclusions["reason"], strict=True))
    return [(kind, reason, count) for (kind, reason), count in counts.items()]


def share_individuals(sources: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], Exclusions]:
    """Find the individuals that every source has.

    Parameters
    ----------
    sources
        Name of the source ("expression table", say) -> its individuals. The first one gives the order.

    Returns
    -------
    tuple
        The shared individuals, and one (kind, name, reason) for each that some source lacks.

    Raises
    ------
    TableError
        If there is none; the message shows names of each source and a likely cause.
    """
    sets = {source: frozenset(names) for source, names in sources.items()}
    first, *others = sources
    shared = tuple(name for name in sources[first] if all(name in sets[source] for source in others))
    if not shared:
        examples = "; ".join(f"{source}: {known_names(names, 3)}" for source, names in sources.items())
        pairs = [
            f"the {one} and the {other}"
            for one, other in itertools.combinations(sources, 2)
            if not sets[one] & sets[other]
        ]
        apart = f" ({' and '.join(pairs)} have none in common)" if len(sources) > 2 and pairs else ""
        hint = _mismatch_hint(sources) or "; check that the files belong to the same cohort"
        raise TableError(
            f"no individual is in all files{apart}: {examples}. Individuals are matched by their exact names{hint}"
        )
    exclusions = []
    listed: set[str] = set()
    for names in sources.values():
        for name in names:
            lacking = [source for source in sources if name not in sets[source]]
            if lacking and name not in listed:
                listed.add(name)
                exclusions.append(("individual", name, f"not in the {' and the '.join(lacking)}"))
    return shared, exclusions


def too_few_message(shared: Sequence[str], sources: Mapping[str, Sequence[str]]) -> str:
    """Describe that too few individuals are shared, how many each source has, and a likely cause."""
    sizes = ", ".join(f"the {source} has {len(names)}" for source, names in sources.items())
    return f"{len(shared)} individual(s) are shared ({sizes}); at least {MIN_INDIVIDUALS} are needed" + _mismatch_hint(
        sources
    )


def _mismatch_hint(sources: Mapping[str, Sequence[str]]) -> str:
    """Return a pair of names that may mean the same individual, for a message; empty where none is found."""
    first, *others = sources
    for other in others:
        for longer, shorter in ((first, other), (other, first)):
            if pair := _likely_pair(sources[longer], sources[shorter]):
                cause = (
                    " R writes X before a name that begins with a digit; read and write with check.names=FALSE"
                    if re.fullmatch(r"X\d.*", pair[0]) and not re.fullmatch(r"X\d.*", pair[1])
                    else " (bcftools reheader -s renames in a VCF)"
                )
                return (
                    f"; {pair[0]} in the {longer} may be {pair[1]} in the {shorter}: if so, use one name in all files"
                    f"{cause if cause.startswith(' (') else '.' + cause}"
                )
    return ""


def _likely_pair(names: Iterable[str], others: Iterable[str]) -> tuple[str, str] | None:
    exact = frozenset(others)
    folded = {_folded(name): name for name in sorted(exact, reverse=True)}
    for name in names:
        if name in exact:
            continue
        if _folded(name) in folded:
            return name, folded[_folded(name)]
        if re.fullmatch(r"X\d.*", name) and _folded(name[1:]) in folded:
            return name, folded[_folded(name[1:])]
        for separator in re.finditer(r"[-_.:|]", name):
            # GTEX-1117F-0226-SM-5GZZ7 begins with its donor; PLINK writes family_individual.
            for part in (name[: separator.start()], name[separator.end() :]):
                if part in exact:
                    return name, part
    return None


def _folded(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name).lstrip("0").lower()


def with_models(
    genes: Sequence[Gene], models: Mapping[str, Gene]
) -> tuple[dict[str, Gene], Exclusions, list[str], bool]:
    """Replace genes of the expression table by their gene models (`match_genes`).

    Returns
    -------
    tuple
        Identifier -> gene model; exclusions; notes for the reader; whether enough genes lie elsewhere for the
        two to seem of different genome builds.

    Raises
    ------
    TableError
        If no gene has a model.
    """
    matches = match_genes([gene.gene_id for gene in genes], models)
    if not matches.genes:
        raise TableError(
            f"none of the {len(genes)} genes of the expression table is in the gene models: "
            f"{known_names([gene.gene_id for gene in genes], 3)}; "
            "give the GTF that the expression was quantified with"
        )
    notes = []
    if matches.version_stripped:
        notes.append(
            f"{len(matches.version_stripped)} gene(s) were found in the gene models only without their Ensembl "
            f"version: {known_names(matches.version_stripped, 3)}"
        )
    if matches.by_symbol:
        notes.append(
            f"{len(matches.by_symbol)} gene(s) were found in the gene models by their symbols: "
            f"{known_names(matches.by_symbol, 3)}"
        )
    exclusions = [
        ("gene", name, matches.excluded.get(name, NOT_IN_MODELS))
        for name in (gene.gene_id for gene in genes)
        if name not in matches.genes
    ]
    apart = sum(_apart(gene, matches.genes[gene.gene_id]) for gene in genes if gene.gene_id in matches.genes)
    if apart:
        notes.append(
            f"{apart} of {len(matches.genes)} genes lie more than {_BUILD_TOLERANCE_BP:,} bp from where the "
            "expression table has them; the gene models' positions are used"
        )
    return matches.genes, exclusions, notes, apart > _BUILD_FRACTION * len(matches.genes)


def _apart(row: Gene, model: Gene) -> bool:
    return match_contig(row.contig, [model.contig]) is None or not (
        model.start - _BUILD_TOLERANCE_BP < row.end and row.start < model.end + _BUILD_TOLERANCE_BP
    )


def contig_names(genes: Iterable[Gene], contigs: ContigNames) -> dict[str, str | None]:
    """Return, for each contig of the genes, its name among `contigs`; None where it has none."""
    return {contig: contigs.match(contig) for contig in dict.fromkeys(gene.contig for gene in genes)}


def unusable_genes(genes: Sequence[Gene], values: npt.NDArray[np.float64], contigs: ContigNames) -> dict[str, str]:
    """Return gene_id -> reason for each gene that cannot be used to judge a predictor.

    Parameters
    ----------
    genes
        One gene per row of `values`.
    values
        float64 (n_genes, n_individuals), NaN where nothing was measured.
    contigs
        Contigs of the genotypes.
    """
    names = contig_names(genes, contigs)
    few = (~np.isnan(values)).sum(axis=1) < MIN_INDIVIDUALS
    flat = constant(values, axis=1)
    reasons = {}
    for row, gene in enumerate(genes):
        if names[gene.contig] is None:
            reasons[gene.gene_id] = NO_CONTIG
        elif few[row]:
            reasons[gene.gene_id] = FEW_MEASURED
        elif flat[row]:
            reasons[gene.gene_id] = CONSTANT
    return reasons


def no_gene_message(genes: Sequence[Gene], reasons: Mapping[str, str], contigs: Sequence[str]) -> str:
    """Describe that no gene is left, why, and what contigs both sides have."""
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(reasons.values()).items())
    message = f"none of the {len(genes)} genes can be used: {counts}"
    if NO_CONTIG in reasons.values():
        own = list(dict.fromkeys(gene.contig for gene in genes))
        message += (
            f". The genes lie on {known_names(own, 5)}; the genotypes have {known_names(contigs, 5)}. "
            "chr1 and 1 are matched; any other difference must be corrected in the files"
        )
    return message
