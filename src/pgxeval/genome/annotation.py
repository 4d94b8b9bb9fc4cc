"""Gene models: a GTF or GFF3 file to `Gene`, and gene identifiers matched between files.

Positions in these files are 1-based and closed; a `Gene` has them 0-based and half-open.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

import attrs

from pgxeval.errors import TableError
from pgxeval.genome.gtf import Feature, read_features
from pgxeval.genome.intervals import Gene
from pgxeval.names import known_names, without_version
from pgxeval.signatures import show_defaults

# The longest human intron has 1.2 Mb: exons farther apart than this belong to copies of a gene.
_LONGEST_INTRON_BP = 2_000_000
# Transcripts of one gene that do not overlap lie closer together than this.
_FARTHEST_TRANSCRIPT_BP = 500_000
_PRIMARY = re.compile(r"(chr)?(\d{1,2}[A-Za-z]?|[XYZWM]|MT|[IVX]+)", re.IGNORECASE)


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class GeneModels(Mapping[str, Gene]):
    """Gene models by identifier.

    Parameters
    ----------
    genes
        Identifier as in the file -> gene, in the order of the file.
    excluded
        Identifier -> reason, for genes whose place is ambiguous.
    """

    genes: Mapping[str, Gene]
    excluded: Mapping[str, str] = attrs.field(factory=dict)

    def __getitem__(self, gene_id: str) -> Gene:
        return self.genes[gene_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.genes)

    def __len__(self) -> int:
        return len(self.genes)

    def __repr__(self) -> str:
        return f"GeneModels({len(self.genes)} genes, {len(self.excluded)} excluded)"


def read_gtf(path: str | os.PathLike[str], gene_ids: Collection[str] | None = None) -> GeneModels:
    r"""Read the genes of a GTF or GFF3 file (GENCODE, Ensembl, RefSeq; plain, gzipped or bgzipped).

    Only gene and exon lines are used. A gene that has exons but no gene line spans its exons. Of a gene that is on
    several contigs the one on a primary contig (``chr1``, ``X``, ``2L`` ...) is taken. A gene is excluded if that does
    not decide, if it is on both strands, or if its lines describe several copies on one contig.

    Parameters
    ----------
    path
        The file.
    gene_ids
        Read only genes with one of these identifiers, disregarding Ensembl versions, or symbols (see
        `match_genes`). None reads all.

    Returns
    -------
    GeneModels
        A mapping from identifier to gene: span and union of the exons of all transcripts 0-based half-open, strand,
        and the TSS (0-based): the first base of the span on ``+``, the last one on ``-``, None where the file has no
        strand.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        Naming file and line: a line without nine columns, positions that are not whole numbers or out of order, an
        unknown strand, no gene identifier; or a file without a gene.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> gtf = pathlib.Path(folder.name, "genes.gtf")
    >>> _ = gtf.write_text(
    ...     'chr1\tX\tgene\t101\t900\t.\t-\t.\tgene_id "G1"; gene_name "ONE";\n'
    ...     'chr1\tX\texon\t101\t300\t.\t-\t.\tgene_id "G1"; transcript_id "T1";\n'
    ...     'chr1\tX\texon\t251\t400\t.\t-\t.\tgene_id "G1"; transcript_id "T2";\n')
    >>> gene = read_gtf(gtf)["G1"]
    >>> gene.start, gene.end, gene.tss, gene.exons
    (100, 900, 899, ((100, 400),))
    >>> folder.cleanup()
    """
    features: dict[str, list[Feature]] = defaultdict(list)
    for feature in read_features(path, gene_ids):
        features[feature.gene_id].append(feature)
    genes: dict[str, Gene] = {}
    excluded: dict[str, str] = {}
    for gene_id, lines in features.items():
        chosen, reason = _choose(lines)
        if reason:
            excluded[gene_id] = reason
        else:
            genes[gene_id] = _gene(chosen)
    return GeneModels(genes=genes, excluded=excluded)


def _choose(lines: list[Feature]) -> tuple[list[Feature], str]:
    """Return the lines of a gene at its one place, or why there is not one place."""
    contigs = list(dict.fromkeys(line.contig for line in lines))
    if len(contigs) > 1:
        primary = [contig for contig in contigs if _PRIMARY.fullmatch(contig)]
        if len(primary) != 1:
            return [], f"on several contigs in the gene models: {known_names(contigs, 3)}"
        lines = [line for line in lines if line.contig == primary[0]]
    if len({line.strand for line in lines}) > 1:
        return [], "on both strands in the gene models"
    spans = {(line.start, line.end) for line in lines if line.kind == "gene"}
    if len(spans) > 1 or (not spans and _several_loci(lines)):
        return [], "several copies in the gene models"
    return lines, ""


def _several_loci(exons: list[Feature]) -> bool:
    """Return whether exons without a gene line lie too far apart to be of one gene."""
    joined = union((exon.start, exon.end) for exon in exons)
    if any(right[0] - left[1] > _LONGEST_INTRON_BP for left, right in pairwise(joined)):
        return True
    ends: dict[str, tuple[int, int]] = {}
    for exon in exons:
        start, end = ends.get(exon.transcript, (exon.start, exon.end))
        ends[exon.transcript] = (min(start, exon.start), max(end, exon.end))
    spans = union(ends.values())
    return any(right[0] - left[1] > _FARTHEST_TRANSCRIPT_BP for left, right in pairwise(spans))


def union(intervals: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the union of 0-based half-open (start, end) pairs: sorted, disjoint, touching ones joined.

    Examples
    --------
    >>> union([(30, 40), (0, 10), (5, 20), (20, 25)])
    ((0, 25), (30, 40))
    """
    joined: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _gene(lines: list[Feature]) -> Gene:
    first = next((line for line in lines if line.kind == "gene"), lines[0])
    exons = union((line.start, line.end) for line in lines if line.kind == "exon")
    start, end = (first.start, first.end) if first.kind == "gene" else (exons[0][0], exons[-1][1])
    return Gene(
        gene_id=first.gene_id,
        contig=first.contig,
        start=start,
        end=end,
        strand=first.strand,
        tss=start if first.strand == "+" else end - 1 if first.strand == "-" else None,
        exons=exons,
        name=first.name or first.gene_id,
    )


@show_defaults
@attrs.frozen(kw_only=True)
class GeneMatches:
    """Gene models found for the gene identifiers of another file.

    Parameters
    ----------
    genes
        Requested identifier -> its gene; the `gene_id` of the gene is the requested identifier.
    version_stripped
        Identifiers that were found only after Ensembl versions were stripped.
    by_symbol
        Identifiers that were found as gene symbols.
    missing
        Identifiers without a gene model.
    excluded
        Identifier -> reason, for those whose model is ambiguous.
    """

    genes: dict[str, Gene]
    version_stripped: tuple[str, ...]
    missing: tuple[str, ...]
    by_symbol: tuple[str, ...] = ()
    excluded: Mapping[str, str] = attrs.field(factory=dict)


def match_genes(gene_ids: Collection[str], models: Mapping[str, Gene]) -> GeneMatches:
    """Find the gene model of each identifier: the exact one, one of another Ensembl version, or one of that symbol.

    Parameters
    ----------
    gene_ids
        Requested identifiers, each once.
    models
        Gene models by identifier, as `read_gtf` returns them.

    Raises
    ------
    TableError
        If, versions stripped, an identifier matches two models, or two identifiers match one model.

    Examples
    --------
    >>> gene = Gene(gene_id="ENSG00000000003.15", contig="chrX", start=0, end=10, name="TSPAN6")
    >>> matches = match_genes(["ENSG00000000003.10", "G2"], {gene.gene_id: gene})
    >>> matches.version_stripped, matches.missing
    (('ENSG00000000003.10',), ('G2',))
    >>> match_genes(["TSPAN6"], {gene.gene_id: gene}).by_symbol
    ('TSPAN6',)
    """
    ambiguous = models.excluded if isinstance(models, GeneModels) else {}
    reason_of = {without_version(gene_id): reason for gene_id, reason in ambiguous.items()}
    by_stem: dict[str, list[str]] = defaultdict(list)
    by_name: dict[str, list[str]] = defaultdict(list)
    for model_id, gene in models.items():
        by_stem[without_version(model_id)].append(model_id)
        by_name[gene.name].append(model_id)
    matches: dict[str, Gene] = {}
    stripped: list[str] = []
    symbols: list[str] = []
    missing: list[str] = []
    excluded: dict[str, str] = {}
    taken = {gene_id: gene_id for gene_id in gene_ids if gene_id in models}
    for gene_id in gene_ids:
        if gene_id in models:
            matches[gene_id] = models[gene_id]
            continue
        stem = without_version(gene_id)
        candidates = by_stem.get(stem, [])
        if len(candidates) > 1:
            raise TableError(
                f"gene {gene_id} is not in the gene models, and without Ensembl versions it is "
                f"{len(candidates)} of them: {known_names(candidates, 3)}; use the gene models that the "
                "expression was quantified with"
            )
        if candidates:
            model_id = candidates[0]
            if model_id in taken:
                raise TableError(
                    f"genes {taken[model_id]} and {gene_id} of the expression table are both {model_id} in the "
                    "gene models once Ensembl versions are stripped; keep one of them"
                )
            stripped.append(gene_id)
        elif stem in reason_of:
            excluded[gene_id] = reason_of[stem]
            continue
        elif len(by_name.get(gene_id, [])) == 1 and by_name[gene_id][0] not in taken:
            model_id = by_name[gene_id][0]
            symbols.append(gene_id)
        else:
            same = by_name.get(gene_id, [])
            if len(same) > 1:
                excluded[gene_id] = "symbol of several genes in the gene models"
            elif same:
                excluded[gene_id] = "symbol of a gene that is in the expression table already"
            else:
                missing.append(gene_id)
            continue
        taken[model_id] = gene_id
        matches[gene_id] = attrs.evolve(models[model_id], gene_id=gene_id)
    return GeneMatches(
        genes=matches,
        version_stripped=tuple(stripped),
        missing=tuple(missing),
        by_symbol=tuple(symbols),
        excluded=excluded,
    )
