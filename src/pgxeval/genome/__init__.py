"""From files to sequences and dosages: genotypes, reference genome and gene models."""

from pgxeval.genome.annotation import GeneMatches, GeneModels, match_genes, read_gtf
from pgxeval.genome.contigs import canonical_contig, match_contig
from pgxeval.genome.coordinates import CoordinateMap
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.encoding import one_hot, reverse_complement
from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.source import GenotypeSource
from pgxeval.genome.haplotypes import Haplotype, HaplotypeBatch, Haplotypes
from pgxeval.genome.intervals import DEFAULT_FLANK_BP, Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.reference import ReferenceGenome
from pgxeval.genome.single_variants import SingleVariants
from pgxeval.genome.variant_filter import VariantFilter

__all__ = [
    "DEFAULT_FLANK_BP",
    "CoordinateMap",
    "Dosages",
    "Gene",
    "GeneMatches",
    "GeneModels",
    "GenotypeSource",
    "Haplotype",
    "HaplotypeBatch",
    "Haplotypes",
    "InMemoryGenotypes",
    "Interval",
    "PersonalGenome",
    "ReferenceGenome",
    "SingleVariants",
    "VariantFilter",
    "canonical_contig",
    "match_contig",
    "match_genes",
    "one_hot",
    "open_genotypes",
    "read_gtf",
    "reverse_complement",
]


def __dir__() -> list[str]:
    return sorted(__all__)
