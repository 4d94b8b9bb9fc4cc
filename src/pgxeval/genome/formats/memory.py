"""Genotypes held in memory: a `GenotypeSource` without a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.calls import Calls, Field, Records
from pgxeval.genome.identity import Identity, text_digest

Block = tuple[npt.NDArray[np.int64], tuple[str, ...], tuple[str, ...], npt.NDArray[np.int8]]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ContigGenotypes:
    """Biallelic phased variants of one contig, packed into bits.

    Parameters
    ----------
    starts
        int64 (n_variants,), sorted: 0-based position of the first REF base.
    ref, alt
        Alleles.
    packed
        uint8 (n_variants, n_bytes): haplotype 0 and 1 of the first individual, of the second, and so on,
        one bit each, highest bit first.
    """

    starts: npt.NDArray[np.int64]
    ref: tuple[str, ...]
    alt: tuple[str, ...]
    packed: npt.NDArray[np.uint8]
    longest_ref: int = attrs.field(
        init=False, default=attrs.Factory(lambda self: max(map(len, self.ref), default=1), takes_self=True)
    )


@attrs.frozen(kw_only=True, eq=False, repr=False)
class InMemoryGenotypes:
    """Phased diploid genotypes without a file; keeps the contract of `GenotypeSource`.

    Parameters
    ----------
    individuals
        Names.
    variants
        Contig name to its variants; `from_haplotypes` makes it from arrays.
    path
        What to call the source in messages.

    Examples
    --------
    >>> haplotypes = np.array([[[0, 1], [1, 1]]], dtype=np.int8).transpose(0, 2, 1)
    >>> source = InMemoryGenotypes.from_haplotypes(
    ...     ["anna"], {"chr1": [(np.array([9, 99]), ("A", "AT"), ("C", "A"), haplotypes)]})
    >>> source.read("chr1", 0, 50).alleles.tolist()
    [[[0, 1]]]
    """

    individuals: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    variants: Mapping[str, ContigGenotypes]
    path: str = "memory"

    @classmethod
    def from_haplotypes(
        cls,
        individuals: Sequence[str],
        blocks: Mapping[str, Sequence[Block]],
    ) -> InMemoryGenotypes:
        """Pack haplotypes.

        Parameters
        ----------
        individuals
            Names.
        blocks
            For each contig, in order of position: 0-based starts, REF and ALT alleles, and int8 haplotypes
            (n_individuals, 2, n_variants), 1 where a copy carries ALT.
        """
        variants = {}
        for contig, parts in blocks.items():
            rows = [haplotypes.reshape(2 * len(individuals), -1).T for *_, haplotypes in parts]
            variants[contig] = ContigGenotypes(
                starts=np.concatenate([starts for starts, *_ in parts]).astype(np.int64),
                ref=tuple(allele for _, ref, _, _ in parts for allele in ref),
                alt=tuple(allele for _, _, alt, _ in parts for allele in alt),
                packed=np.concatenate([np.packbits(row, axis=1) for row in rows]),
            )
        return cls(individuals=tuple(individuals), variants=variants)

    def __repr__(self) -> str:
        n = sum(len(variants.starts) for variants in self.variants.values())
        return f"InMemoryGenotypes({len(self.individuals)} individuals, {n} variants)"

    @property
    def contigs(self) -> tuple[str, ...]:
        """Contig names."""
        return tuple(self.variants)

    def identity(self) -> Identity:
        """Return what tells these genotypes from others: a digest of all of them."""
        digest = hashlib.blake2b(digest_size=16)
        for contig, variants in self.variants.items():
            digest.update(text_digest([contig, *variants.ref, *variants.alt]).encode())
            digest.update(variants.starts.tobytes())
            digest.update(variants.packed.tobytes())
        return {"format": "memory", "content": digest.hexdigest(), "individuals": text_digest(self.individuals)}

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the variants whose REF bases overlap ``[start, end)``, 0-based.

        Raises
        ------
        InputFileError
            If imputed dosages are asked for: there are none.
        """
        if field != "GT":
            raise InputFileError(f'{self.path}: holds genotypes only; use field="GT", not {field!r}')
        variants = self.variants[contig]
        last = int(np.searchsorted(variants.starts, end))
        first = int(np.searchsorted(variants.starts, start - variants.longest_ref))
        rows = [i for i in range(first, last) if variants.starts[i] + len(variants.ref[i]) > start]
        n = len(self.individuals)
        alleles = np.unpackbits(variants.packed[rows], axis=1, count=2 * n).astype(np.int8)
        texts = [".", *(text for i in rows for text in (variants.ref[i], variants.alt[i]))]
        ends = np.cumsum([len(text) for text in texts])
        records = Records(
            contig=contig,
            starts=variants.starts[rows],
            text=np.frombuffer("".join(texts).encode(), dtype=np.uint8),
            id_bounds=np.tile(np.array([[0, 1]], dtype=np.int64), (len(rows), 1)),
            allele_bounds=np.column_stack([ends[:-1], ends[1:]]).astype(np.int64),
            first_allele=np.arange(0, 2 * len(rows) + 1, 2, dtype=np.int64),
            passed=np.ones(len(rows), dtype=np.bool_),
        )
        return Calls(
            records=records,
            alleles=alleles.reshape(len(rows), n, 2),
            phased=np.ones((len(rows), n), dtype=np.bool_),
        )
