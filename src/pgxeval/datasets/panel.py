"""The 1000 Genomes 30x phased panel, its families and populations, and GENCODE gene models: addresses and reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import pandas as pd

from pgxeval.datasets.download import RemoteFile, fetch
from pgxeval.errors import InputFileError, SettingError

_KGP = "https://ftp.1000genomes.ebi.ac.uk/vol1/ftp/data_collections/1000G_2504_high_coverage"
_OPEN = "Open data of the International Genome Sample Resource (Byrska-Bishop et al., Cell 185:3426, 2022)."
_GENCODE = "GENCODE, open data (Frankish et al., Nucleic Acids Res 51:D942, 2023)."

# from the manifest of 2022-08-04 that is published with the panel
_MD5 = {
    "1": "589762a43c412a34ff2dd76b009f06c6", "2": "0f00e90423da451798a87c037a440669",
    "3": "e13293cc80e060d731a0f3ce453168a1", "4": "637cb88918fb8816cefb893f2422fe6e",
    "5": "662dd03be57e9239eb693917edcce3fe", "6": "cc120eac122f422e7022817ba944acea",
    "7": "58a1da5c2cc6b3662f952887a54d187e", "8": "9c7359e9bd06a923fa7a2daa55dd2a82",
    "9": "c6832a28e977dafb9613b3d4f9a941df", "10": "1f0666ceb4818bc60936013a9e64473c",
    "11": "76e53c142f60f7305cc0c0380f02326a", "12": "7609c8f8b1116d51357bbcb3f3c8b194",
    "13": "d6b1dbeaa98f375824172ad28b9d0c34", "14": "daac8b8431cd8eb360e86f709361dfa7",
    "15": "b24a888029664f0f7a3b2bf8dffe00d1", "16": "4566018235a48c73b449c7d888427fd8",
    "17": "bdebafdef3fbbcf3a60ef114aa9ff362", "18": "64440c87109e9d12222300912e71cff2",
    "19": "cf5c060fbcc0fcd2fa089f27fd6ac78e", "20": "34a9a5dbfb285e7eb9d1f2881953014b",
    "21": "1eb1f48bf5608d3abacf5047c8889456", "22": "a2653cc7a1c8d03a96ca4f14d0fabdd2",
}  # fmt: skip
CHROMOSOMES = tuple(_MD5)


@attrs.frozen(kw_only=True)
class Addresses:
    """Where the files of an open cohort are; every field can be replaced by a mirror.

    Parameters
    ----------
    panel
        Address of the phased VCF of a chromosome, with ``{chromosome}`` in place of its number.
    families
        Address of the table of families and populations of the 3,202 individuals.
    gencode
        Address of the gene models.
    expression
        Address of the expression matrix, or of the archive that contains it.
    verify
        Whether the checksums of the panel are verified; a mirror with other files needs False.
    """

    panel: str = (
        f"{_KGP}/working/20220422_3202_phased_SNV_INDEL_SV/"
        "1kGP_high_coverage_Illumina.chr{chromosome}.filtered.SNV_INDEL_SV_phased_panel.vcf.gz"
    )
    families: str = f"{_KGP}/20130606_g1k_3202_samples_ped_population.txt"
    gencode: str = "https://ftp.ebi.ac.uk/pub/databases/gencode/Gencode_human/release_38/gencode.v38.annotation.gtf.gz"
    expression: str = ""
    verify: bool = True

    def chromosome(self, name: str) -> tuple[RemoteFile, RemoteFile]:
        """Return the VCF of a chromosome and its index."""
        url = self.panel.format(chromosome=name)
        checksum = f"md5:{_MD5[name]}" if self.verify else None
        size = "about 0.4 to 2.5 GB"
        return RemoteFile(url=url, checksum=checksum, size=size, licence=_OPEN), RemoteFile(url=f"{url}.tbi")


def check_chromosomes(chromosomes: Sequence[str | int]) -> list[str]:
    """Return the names of autosomes without ``chr``.

    Raises
    ------
    SettingError
        If there is none, or one is not an autosome.
    """
    if isinstance(chromosomes, str | int):
        chromosomes = [chromosomes]
    names = [str(name).removeprefix("chr") for name in chromosomes]
    unknown = [name for name in names if name not in CHROMOSOMES]
    if unknown or not names:
        raise SettingError(f"chromosomes must be autosomes, 1 to 22, got {list(chromosomes)!r}")
    return names


def fetch_genotypes(addresses: Addresses, chromosomes: Sequence[str], folder: Path, *, progress: bool) -> list[Path]:
    """Download the phased VCF of each chromosome, with its index."""
    paths = []
    for name in chromosomes:
        vcf, index = addresses.chromosome(name)
        paths.append(fetch(vcf, folder, progress=progress))
        fetch(index, folder, progress=False)
    return paths


def fetch_gene_models(addresses: Addresses, folder: Path, *, progress: bool) -> Path:
    """Download the gene models."""
    return fetch(RemoteFile(url=addresses.gencode, size="about 45 MB", licence=_GENCODE), folder, progress=progress)


def read_families(addresses: Addresses, folder: Path, *, progress: bool) -> pd.DataFrame:
    """Download and read families, sex and populations.

    Returns
    -------
    pandas.DataFrame
        Index individual; family, sex ("1" male, "2" female), population and superpopulation, as text.

    Raises
    ------
    InputFileError
        If the table lacks a column.
    """
    path = fetch(RemoteFile(url=addresses.families, size="about 0.2 MB", licence=_OPEN), folder, progress=progress)
    table = pd.read_csv(path, sep=r"\s+", dtype=str, keep_default_na=False)
    columns = {"SampleID": "individual", "FamilyID": "family", "Sex": "sex", "Population": "population"}
    columns["Superpopulation"] = "superpopulation"
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputFileError(f"{path}: missing column(s) {', '.join(missing)}; it has {', '.join(table.columns[:9])}")
    return table.rename(columns=columns).set_index("individual")[list(columns.values())[1:]]
