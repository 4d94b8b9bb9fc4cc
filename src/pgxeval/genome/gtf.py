"""Lines of gene model files: GTF of GENCODE, Ensembl, RefSeq and UCSC, and GFF3."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

import attrs

from pgxeval.errors import InputFileError
from pgxeval.genome.intervals import Strand
from pgxeval.lines import numbered_lines
from pgxeval.names import without_version

_GENE_ID = re.compile(r'(?:^|[;\s])gene_id\s+"?([^";]+)"?')
_GENE_NAME = re.compile(r'(?:^|[;\s])gene_name\s+"?([^";]+)"?')
_TRANSCRIPT_ID = re.compile(r'(?:^|[;\s])transcript_id\s+"?([^";]+)"?')
_STRANDS: dict[str, Strand | None] = {"+": "+", "-": "-", ".": None}
_GFF3_GENE = re.compile(r"gene|\w+_gene|pseudogene")


@attrs.frozen
class Feature:
    """One gene or exon line.

    Parameters
    ----------
    kind
        ``"gene"`` or ``"exon"``.
    gene_id, name, transcript
        Identifier and symbol of the gene, and identifier of the transcript; the symbol and the transcript are
        empty where the line has none.
    contig, start, end, strand
        Place, 0-based half-open; strand None where the file has ``.``.
    line
        Number of the line, from 1.
    """

    kind: str
    gene_id: str
    name: str
    transcript: str
    contig: str
    start: int
    end: int
    strand: Strand | None
    line: int


class _Wanted:
    """The genes to read: by identifier, by identifier without version, or by symbol."""

    def __init__(self, gene_ids: Collection[str] | None) -> None:
        self._names = None if gene_ids is None else frozenset(gene_ids)
        self._stems = frozenset() if gene_ids is None else frozenset(map(without_version, gene_ids))
        self.refused: set[str] = set()
        self._accepted: set[str] = set()

    def accepts(self, gene_id: str, name: str) -> bool:
        if self._names is None or gene_id in self._accepted:
            return True
        if gene_id in self._names or without_version(gene_id) in self._stems or name in self._names:
            self._accepted.add(gene_id)
            return True
        self.refused.add(gene_id)
        return False


def read_features(path: str | os.PathLike[str], gene_ids: Collection[str] | None = None) -> Iterator[Feature]:
    """Yield the gene and exon lines of a GTF or GFF3 file, plain, gzipped or bgzipped.

    GFF3 is recognised by its header or its attributes; exons are assigned to genes by a ``gene_id`` attribute or by
    their parents, which must come before them.

    Parameters
    ----------
    path
        The file.
    gene_ids
        Yield only genes with one of these identifiers, disregarding Ensembl versions, or symbols. None yields all.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        Naming file and line: a line without nine columns, positions that are not whole numbers or out of order, an
        unknown strand, a line without a gene identifier; or a file without a gene or exon line.
    """
    genes = _Wanted(gene_ids)
    gff3 = False
    parents: dict[str, str] = {}
    names: dict[str, str] = {}
    seen_any = False
    for number, line in numbered_lines(path, "gene models"):
        if not line or line[0] == "#":
            gff3 = gff3 or line.startswith("##gff-version 3")
            if number == 1 and line.startswith("##fileformat=VCF"):
                raise malformed(path, number, "this is a VCF file; expected gene models, GTF or GFF3")
            if line.startswith("##FASTA"):  # sequences follow the features
                break
            continue
        if line.count("\t") != 8:
            raise malformed(path, number, f"{line.count(chr(9)) + 1} tab-separated column(s); expected nine")
        if not gff3:
            if "\texon\t" not in line and "\tgene\t" not in line:
                continue
            # Most files begin the attributes with gene_id, and most genes of a file are not requested.
            begin = line.find('\tgene_id "') + 10
            if begin > 9 and line[begin : line.find('"', begin)] in genes.refused:
                continue
        fields = line.split("\t")
        if not gff3 and _GENE_ID.search(fields[8]) is None and re.search(r"(^|;)\s*(ID|Parent)=", fields[8]):
            gff3 = True
        feature = _gff3_feature(fields, parents, names) if gff3 else (fields[2], *_gtf_names(path, number, fields))
        if feature is None or feature[0] not in ("gene", "exon"):
            continue
        seen_any = True
        kind, gene_id, name, transcript = feature
        if genes.accepts(gene_id, name):
            start, end = _positions(path, number, fields[3], fields[4])
            if fields[6] not in _STRANDS:
                raise malformed(path, number, f"strand {fields[6]!r}; allowed are +, - and .")
            yield Feature(kind, gene_id, name, transcript, fields[0], start, end, _STRANDS[fields[6]], number)
    if not seen_any:
        raise InputFileError(
            f"gene models {path}: no gene and no exon line found; expected a GTF or GFF3 of GENCODE, Ensembl or RefSeq"
        )


def _gtf_names(path: str | os.PathLike[str], number: int, fields: list[str]) -> tuple[str, str, str]:
    """Return gene_id, symbol and transcript of a GTF line."""
    if fields[2] not in ("gene", "exon"):
        return "", "", ""
    gene_id = _GENE_ID.search(fields[8])
    if gene_id is None:
        raise malformed(path, number, f"a {fields[2]} line without a gene_id")
    name, transcript = _GENE_NAME.search(fields[8]), _TRANSCRIPT_ID.search(fields[8])
    return gene_id[1], name[1] if name else "", transcript[1] if transcript else ""


def _gff3_feature(
    fields: list[str], parents: dict[str, str], names: dict[str, str]
) -> tuple[str, str, str, str] | None:
    """Return kind, gene identifier, symbol and transcript of a GFF3 line; None if it belongs to no gene.

    `parents` maps the ID of each gene and transcript to its gene, `names` each gene to its symbol; both grow.
    """
    attributes = dict(part.strip().split("=", 1) for part in fields[8].split(";") if "=" in part)
    own, parent = attributes.get("ID", ""), attributes.get("Parent", "").split(",")[0]
    if _GFF3_GENE.fullmatch(fields[2]):
        gene_id = attributes.get("gene_id") or re.sub(r"^gene[:-]", "", own)
        if not gene_id:
            return None
        version = attributes.get("version", "")
        if version.isdecimal() and "." not in gene_id and gene_id.startswith("ENS"):
            gene_id = f"{gene_id}.{version}"
        parents[own] = gene_id
        names[gene_id] = attributes.get("gene_name") or attributes.get("Name") or attributes.get("gene") or ""
        return "gene", gene_id, names[gene_id], ""
    gene_id = parents.get(parent) or attributes.get("gene_id", "")
    if fields[2] == "exon":
        return ("exon", gene_id, names.get(gene_id, attributes.get("gene_name", "")), parent) if gene_id else None
    if own and gene_id:
        parents[own] = gene_id
    return None


def _positions(path: str | os.PathLike[str], number: int, start_text: str, end_text: str) -> tuple[int, int]:
    if start_text.isdecimal() and end_text.isdecimal() and max(len(start_text), len(end_text)) < 19:
        start, end = int(start_text), int(end_text)
        if 1 <= start <= end:
            return start - 1, end
    raise malformed(
        path,
        number,
        f"positions {start_text[:40]!r} to {end_text[:40]!r}; expected whole numbers with 1 <= start <= end (1-based)",
    )


def malformed(path: str | os.PathLike[str], number: int, problem: str) -> InputFileError:
    """Return an error that names file and line."""
    return InputFileError(f"gene models {path}, line {number}: {problem}")
