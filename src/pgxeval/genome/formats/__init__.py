"""Genotype formats: one `GenotypeSource` per file format."""

from pgxeval.genome.formats.bcf import BcfSource
from pgxeval.genome.formats.bgen import BgenSource
from pgxeval.genome.formats.calls import Calls, Records
from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.plink import PlinkSource
from pgxeval.genome.formats.source import GenotypeSource
from pgxeval.genome.formats.vcf import VcfSource
from pgxeval.genome.formats.vcf_zarr import VcfZarrSource

__all__ = [
    "BcfSource",
    "BgenSource",
    "Calls",
    "GenotypeSource",
    "InMemoryGenotypes",
    "PlinkSource",
    "Records",
    "VcfSource",
    "VcfZarrSource",
    "open_genotypes",
]


def __dir__() -> list[str]:
    return sorted(__all__)
