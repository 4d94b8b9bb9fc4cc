"""Gene models: a GENCODE or Ensembl GTF to `Gene`, and gene identifiers matched between files.

GTF positions are 1-based and closed; a `Gene` holds them 0-based and half-open.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

import attrs

from pgxeval.errors import InputFileError, TableError
from pgxeval.genome.intervals import Gene, Strand
from pgxeval.lines import numbered_lines

_GENE_ID = re.compile(r'(?:^|[;\s])gene_id\s+"?([^";]+)"?')
_GENE_NAME = re.compile(r'(?:^|[;\s])gene_name\s+"?([^";]+)"?')
_STRANDS: dict[str, Strand | None] = {"+": "+", "-": "-", ".": None}
# ENSG00000223972.5, ENSG00000182378.15_PAR_Y, and the GRCh37-lifted ENSG00000223972.5_2.
_VERSIONED = re.compile(r"(ENS[A-Z]*\d+)\.\d+(?:_\d+)?(_PAR_Y)?")


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


@attrs.frozen
class _Span:
    contig: str
    strand: Strand | None
    start: int
    end: int
    name: str | None
    line: int


def read_gtf(path: str | os.PathLike[str], gene_ids: Collection[str] | None = None) -> dict[str, Gene]:
    r"""Read the genes of a GTF file (GENCODE or Ensembl; plain, gzipped or bgzipped).

    Only ``gene`` and ``exon`` lines are used. A gene that has exons but no ``gene`` line spans its exons.

    Parameters
    ----------
    path
        The GTF file.
    gene_ids
        Read only these genes, and those that differ from one of them by their Ensembl version alone
        (see `match_genes`). None reads all.

    Returns
    -------
    dict of str to Gene
        Identifier as in the file -> gene, in the order of the file: span and union of the exons of all
        transcripts 0-based half-open, strand, and the TSS (0-based): the first base of the span on
        ``+``, the last one on ``-``, None where the file gives no strand.

    Raises
    ------
    InputFileNotFoundError
        If there is no such file.
    InputFileError
        Naming file and line: a line without nine columns, positions that are not whole numbers or out of
        order, an unknown strand, no gene_id, a gene that stands on two lines or whose exons lie on
        another contig or strand; or a file without a single gene.

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
    spans: dict[str, _Span] = {}
    places: dict[str, _Span] = {}
    exons: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, gene_id, fields in _gene_lines(path, gene_ids):
        contig, _, feature, start_text, end_text, _, strand_text, _, attributes = fields
        start, end = _positions(path, number, start_text, end_text)
        if strand_text not in _STRANDS:
            raise _malformed(path, number, f"strand {strand_text!r}; allowed are +, - and .")
        strand = _STRANDS[strand_text]
        first = places.get(gene_id)
        if first is not None and (first.contig != contig or first.strand != strand):
            raise _malformed(
                path,
                number,
                f"gene {gene_id} lies on {contig} ({strand_text}) here and on {first.contig} ({first.strand or '.'}) "
                f"on line {first.line}; two genes may not share an identifier",
            )
        if first is None or feature == "gene":
            places[gene_id] = here = _Span(contig, strand, start, end, _name(attributes), number)
        if feature == "exon":
            exons[gene_id].append((start, end))
        elif gene_id in spans:
            raise _malformed(
                path,
                number,
                f"gene {gene_id} stands on line {spans[gene_id].line} already; identifiers are unique",
            )
        else:
            spans[gene_id] = here
    return {
        gene_id: _gene(gene_id, place, gene_id in spans, union(exons.get(gene_id, ())))
        for gene_id, place in places.items()
    }


def _gene_lines(path: str | os.PathLike[str], gene_ids: Collection[str] | None) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line number, gene_id, the nine fields) of the gene and exon lines of the genes wanted."""
    wanted = None if gene_ids is None else frozenset(gene_ids)
    stems = frozenset() if wanted is None else frozenset(map(without_version, wanted))
    unwanted: set[str] = set()
    seen_any = False
    for number, line in numbered_lines(path, "gene models"):
        if not line or line[0] == "#":
            continue
        if line.count("\t") != 8:
            raise _malformed(path, number, f"{line.count(chr(9)) + 1} tab-separated column(s); a GTF line has nine")
        if "\texon\t" not in line and "\tgene\t" not in line:
            continue
        # Most files begin the attributes with gene_id, and most genes of a file are not wanted.
        begin = line.find('\tgene_id "') + 10
        if begin > 9 and line[begin : line.find('"', begin)] in unwanted:
            continue
        fields = line.split("\t")
        if fields[2] not in ("gene", "exon"):
            continue
        match = _GENE_ID.search(fields[8])
        if match is None:
            hint = "; this looks like GFF3: convert it to GTF first" if "ID=" in fields[8] else ""
            raise _malformed(path, number, f"a {fields[2]} line without a gene_id{hint}")
        gene_id = match[1]
        seen_any = True
        if wanted is not None and gene_id not in wanted and without_version(gene_id) not in stems:
            unwanted.add(gene_id)
            continue
        yield number, gene_id, fields
    if not seen_any:
        raise InputFileError(f"gene models {path}: no gene and no exon line found; a GENCODE or Ensembl GTF is wanted")


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


def _gene(gene_id: str, place: _Span, has_line: bool, exons: tuple[tuple[int, int], ...]) -> Gene:
    start, end = (place.start, place.end) if has_line else (exons[0][0], exons[-1][1])
    tss = start if place.strand == "+" else end - 1 if place.strand == "-" else None
    return Gene(
        gene_id=gene_id,
        contig=place.contig,
        start=start,
        end=end,
        strand=place.strand,
        tss=tss,
        exons=exons,
        name=place.name or gene_id,
    )


def _name(attributes: str) -> str | None:
    match = _GENE_NAME.search(attributes)
    return match[1] if match else None


def _positions(path: str | os.PathLike[str], number: int, start_text: str, end_text: str) -> tuple[int, int]:
    if start_text.isdecimal() and end_text.isdecimal():
        start, end = int(start_text), int(end_text)
        if 1 <= start <= end:
            return start - 1, end
    raise _malformed(
        path,
        number,
        f"positions {start_text!r} to {end_text!r}; whole numbers with 1 <= start <= end are wanted (1-based)",
    )


def _malformed(path: str | os.PathLike[str], number: int, problem: str) -> InputFileError:
    return InputFileError(f"gene models {path}, line {number}: {problem}")


@attrs.frozen(kw_only=True)
class GeneMatches:
    """Gene models found for the gene identifiers of another file.

    Parameters
    ----------
    genes
        Identifier asked for -> its gene; the gene's `gene_id` is the identifier asked for.
    version_stripped
        Identifiers that were found only after Ensembl versions were stripped.
    missing
        Identifiers for which there is no gene model.
    """

    genes: dict[str, Gene]
    version_stripped: tuple[str, ...]
    missing: tuple[str, ...]


def match_genes(gene_ids: Collection[str], models: Mapping[str, Gene]) -> GeneMatches:
    """Find the gene model of each identifier: the exact one, or else one of another Ensembl version.

    Parameters
    ----------
    gene_ids
        Identifiers asked for, each once.
    models
        Gene models by identifier, as `read_gtf` returns them.

    Raises
    ------
    TableError
        If, versions stripped, an identifier meets two models, or two identifiers meet in one model.

    Examples
    --------
    >>> gene = Gene(gene_id="ENSG00000000003.15", contig="chrX", start=0, end=10)
    >>> match_genes(["ENSG00000000003.10", "G2"], {gene.gene_id: gene}).version_stripped
    ('ENSG00000000003.10',)
    """
    by_stem: dict[str, list[str]] = defaultdict(list)
    for model_id in models:
        by_stem[without_version(model_id)].append(model_id)
    found: dict[str, Gene] = {}
    stripped: list[str] = []
    missing: list[str] = []
    taken = {gene_id: gene_id for gene_id in gene_ids if gene_id in models}
    for gene_id in gene_ids:
        if gene_id in models:
            found[gene_id] = models[gene_id]
            continue
        candidates = by_stem.get(without_version(gene_id), [])
        if not candidates:
            missing.append(gene_id)
            continue
        if len(candidates) > 1:
            raise TableError(
                f"gene {gene_id} is not in the gene models, and without Ensembl versions it is "
                f"{len(candidates)} of them: {', '.join(candidates[:3])}; use the gene models that the "
                "expression was quantified with"
            )
        model_id = candidates[0]
        if model_id in taken:
            raise TableError(
                f"genes {taken[model_id]} and {gene_id} of the expression table are both {model_id} in the "
                "gene models once Ensembl versions are stripped; keep one of them"
            )
        taken[model_id] = gene_id
        found[gene_id] = attrs.evolve(models[model_id], gene_id=gene_id)
        stripped.append(gene_id)
    return GeneMatches(genes=found, version_stripped=tuple(stripped), missing=tuple(missing))
