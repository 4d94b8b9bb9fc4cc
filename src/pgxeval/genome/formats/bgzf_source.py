"""BgzfSource: what VCF and BCF files share: blocks of BGZF with an index next to them."""

from __future__ import annotations

from typing import ClassVar

from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.bgzf import BgzfFile
from pgxeval.genome.formats.calls import Field
from pgxeval.genome.formats.index import VariantIndex
from pgxeval.genome.identity import Identity, text_digest
from pgxeval.genome.pickled_by_path import PickledByPath


class BgzfSource(PickledByPath):
    """Genotypes in a file of BGZF blocks with an index.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.
    """

    format_name: ClassVar[str]
    individuals: tuple[str, ...]
    default_field: Field
    fields: frozenset[str]
    contigs_with_records: tuple[str, ...]
    contig_names: ContigNames
    _index: VariantIndex

    def __init__(self, path: str) -> None:
        file = BgzfFile.open(path)
        self._path, self._stamps = file.path, () if file.stamp is None else (file.stamp,)
        self._open()

    def _open(self) -> None:
        self._file = BgzfFile(path=self._path, stamp=self._stamps[0] if self._stamps else None)
        self._read_header()

    def _read_header(self) -> None:
        """Read header and index, and set the attributes above."""
        raise NotImplementedError

    @property
    def path(self) -> str:
        """Absolute path, or the address."""
        return self._path

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contigs that have records, then those that the header declares and that mean none of these."""
        return self.contig_names.names

    def identity(self) -> Identity:
        """Return what tells this version of the file from others; see `GenotypeSource`."""
        return {
            "format": self.format_name,
            "file": self._file.identity(),
            "index": self._index.digest,
            "individuals": text_digest(self.individuals),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, {len(self.individuals)} individuals)"
