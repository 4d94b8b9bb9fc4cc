"""Layout of expression tables: which columns hold a gene's place, its identifier, and the individuals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from pgxeval.errors import InputFileError, TableError
from pgxeval.names import first_duplicate, known_names

_CONTIG = frozenset({"chr", "chrom", "chromosome", "chromosomename", "seqname", "seqnames", "seqid", "contig"})

_START = frozenset({"start", "chromstart", "startposition", "genestart", "txstart"})

_END = frozenset({"end", "stop", "chromend", "endposition", "geneend", "txend"})

_GENE_ID = [
    "geneid",
    "phenotypeid",
    "pid",
    "targetid",
    "featureid",
    "traitid",
    "ensemblgeneid",
    "ensemblid",
    "ensgid",
    "probeid",
    "gene",
    "phenotype",
    "trait",
    "target",
    "feature",
    "id",
    "name",
]

_GENE_NAME = frozenset({"genename", "symbol", "genesymbol", "hgncsymbol", "hgnc", "externalgenename"})

_STRAND = frozenset({"strand"})

_ANNOTATION = frozenset(
    [
        "gid",
        "pid",
        "info",
        "length",
        "genelength",
        "width",
        "type",
        "genetype",
        "biotype",
        "genebiotype",
        "description",
        "desc",
        "score",
        "source",
        "entrezid",
        "entrez",
        "category",
        "class",
        "feature",
        "phenotypeid",
        "groupid",
    ]
)

_BESIDE_GENE_ID = _GENE_NAME | _STRAND | _ANNOTATION

_NUMBER_LIKE = re.compile(r"[\d.,eE+\-_\s%]*\d[\d.,eE+\-_\s%]*|[+-]?inf(inity)?", re.IGNORECASE)

_PLACE_COLUMNS = 8

EXPECTED_LAYOUT = (
    "expected the columns #chr, start, end, gene_id and one column per individual (tab-separated text or Parquet)"
)


@attrs.frozen(kw_only=True)
class Layout:
    """Places of the columns of an expression table, from 0."""

    contig: int
    start: int
    end: int
    gene_id: int
    gene_name: int | None
    strand: int | None
    samples: tuple[tuple[int, str], ...]
    unused: tuple[str, ...]
    width: int
    gene_column: str
    gene_named: bool


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def find_layout(names: Sequence[str], where: str, error: type[InputFileError | TableError]) -> Layout:
    """Find the columns of an expression table by their names; raise `error` where one is missing."""
    names = list(names)
    while names and not names[-1].strip():
        names.pop()
    plain = [_plain(name) for name in names[:_PLACE_COLUMNS]]

    def first(spellings: Iterable[str], taken: Iterable[int] = ()) -> int | None:
        return next((i for i, name in enumerate(plain) if name in spellings and i not in taken), None)

    contig, start, end = first(_CONTIG), first(_START), first(_END)
    if contig is None or len(names) < 4:
        shown = names[0][:40] if names else ""
        if plain and plain[0] in _GENE_ID:
            raise error(
                f"{where}: no column with the chromosome ({known_names(names, 4)}); {EXPECTED_LAYOUT}. If genes are in "
                "columns, give the transpose; if positions are missing, add them from the GTF"
            )
        raise error(f"{where}: no header found ({len(names)} column(s), the first is {shown!r}); {EXPECTED_LAYOUT}")
    if start is None or end is None:
        raise error(
            f"{where}: no column for the start or the end of a gene ({known_names(names[:4], 4)}); {EXPECTED_LAYOUT}"
        )
    if start > end:
        raise error(f"{where}: column {names[end]!r} comes before {names[start]!r}; {EXPECTED_LAYOUT}")
    places = {contig, start, end}
    gene_id: int | None
    named = next((plain.index(name) for name in _GENE_ID if name in plain and plain.index(name) not in places), None)
    if places == {0, 1, 2} and (named is None or plain[3] in _GENE_ID or plain[3] not in _BESIDE_GENE_ID):
        gene_id = 3
    else:
        gene_id = named
        if gene_id is None:
            raise error(f"{where}: no column with gene identifiers ({known_names(names[:6], 6)}); {EXPECTED_LAYOUT}")
    places.add(gene_id)
    gene_name, strand = first(_GENE_NAME, places), first(_STRAND, places)
    annotation = {i for i, name in enumerate(plain) if i not in places and name in _ANNOTATION}
    places |= annotation | {place for place in (gene_name, strand) if place is not None}
    samples = tuple((i, name) for i, name in enumerate(names) if i not in places)
    if not samples:
        raise error(f"{where}: the header names no individual; {EXPECTED_LAYOUT}")
    for i, name in samples:
        if not name:
            raise error(f"{where}: column {i + 1} of the header has no name")
    if (twice := first_duplicate(name for _, name in samples)) is not None:
        raise error(f"{where}: individual {twice} has more than one column; keep one of them")
    return Layout(
        contig=contig,
        start=start,
        end=end,
        gene_id=gene_id,
        gene_name=gene_name,
        strand=strand,
        samples=samples,
        unused=tuple(names[i] for i in sorted(annotation)),
        width=len(names),
        gene_column=names[gene_id],
        gene_named=plain[gene_id] in _GENE_ID,
    )
