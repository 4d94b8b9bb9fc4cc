"""Records that cannot be decoded are named with their place."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pysam
import pytest

from pgxeval import InputFileError
from pgxeval.genome.formats.opening import open_genotypes

NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|1", "fewer genotypes than the 3 individuals"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1\t0|1\t0|0\t0|0", "more genotypes than the 3 individuals"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tDP\t1\t1\t1", "record c:5: no GT among its FORMAT fields"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|2\t0|1\t0|0", "names an allele beyond its 1 ALT alleles"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|11\t0|1\t0|0", "names an allele beyond its 1 ALT alleles"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1|1\t0|1\t0|0", "more than two copies"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|x\t0|1\t0|0", "a genotype that cannot be read"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0|\t0|1\t0|0", "a genotype that cannot be read"),
        ("c\t5\t.\tA\tC\t.\t.\t.\tGT\t0-1\t0|1\t0|0", "a genotype that cannot be read"),
        ("c\t5\t.\t\tC\t.\t.\t.\tGT\t0|1\t0|1\t0|0", "REF or ALT is empty"),
        ("c\t5\t.\tA\t" + ",".join(["C"] * 127) + "\t.\t.\t.\tGT\t0|1\t0|1\t0|0", "127 ALT alleles; at most 126"),
        ("c\t5\t.\tA\tC\t.\t.", "fewer columns"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, oracles: ModuleType, line: str, complaint: str) -> None:
    path = tmp_path / "bad.vcf.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(oracles.vcf_text({"c": 99}, NAMES, [line]).encode())
    pysam.tabix_index(str(path), preset="vcf", force=True)
    with pytest.raises(InputFileError, match=complaint) as error:
        open_genotypes(path).read("c", 0, 99)
    assert "bad.vcf.gz: record c:5" in str(error.value)
    assert "0|" not in str(error.value).replace("like 0|1, 0/1", "")
