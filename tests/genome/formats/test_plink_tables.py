"""The .pvar and .psam of PLINK 2, with and without headers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import Interval, PersonalGenome


def plink2(*arguments: str | Path) -> None:
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    subprocess.run(["plink2", *map(str, arguments)], check=True, capture_output=True, text=True)


POSITIONS = {"1": [100], "X": [1_000_000, 2_781_000, 5_000_000, 155_800_000], "Y": [7_000_000], "MT": [50]}

PEOPLE = ["m1", "f1", "m2", "f2"]


@pytest.fixture(scope="module")
def sexed(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    """A VCF with males haploid on X outside of the pseudo-autosomal regions (GRCh38), and its sexes."""
    folder = tmp_path_factory.mktemp("sexed")
    lines = []
    for contig, starts in POSITIONS.items():
        for at in starts:
            males = ["1|0", "0|1"] if contig == "1" or not 2_781_479 <= at <= 155_701_382 else ["1", "0"]
            cells = [males[0], "0|1", males[1], "1|1"]
            if contig in ("Y", "MT"):
                cells = ["1", "0", "0", "1"]
            lines.append(oracles.record_line(contig, (at - 1, "A", ["C"]), cells))
    (folder / "sex.txt").write_text("#IID\tSEX\nm1\t1\nf1\t2\nm2\t1\nf2\t2\n")
    return oracles.write_vcf(
        folder / "v.vcf.gz", oracles.vcf_text(dict.fromkeys(POSITIONS, 248_956_422), PEOPLE, lines)
    )


def rewritten(path: Path, tmp_path: Path, psam: str | None = None, pvar: str | None = None) -> PersonalGenome:
    target = tmp_path / "w.pgen"
    shutil.copy(path, target)
    target.with_suffix(".psam").write_text(psam or path.with_suffix(".psam").read_text())
    target.with_suffix(".pvar").write_text(pvar or path.with_suffix(".pvar").read_text())
    return PersonalGenome(target)


def test_files_without_header_and_separated_by_blanks(tmp_path: Path, sexed: Path) -> None:
    """As UK Biobank ships them; plink2 itself reads them as a .fam and a .bim."""
    sex = sexed.with_name("sex.txt")
    plink2("--vcf", sexed, "--update-sex", sex, "--split-par", "hg38", "--make-pgen", "--out", tmp_path / "p")
    path = tmp_path / "p.pgen"
    right = PersonalGenome(path)
    table = [row.split("\t") for row in path.with_suffix(".pvar").read_text().splitlines() if not row.startswith("##")][
        1:
    ]
    sexes = {"m1": "1", "m2": "1", "f1": "2", "f2": "2"}
    psams = {
        "six columns, blanks": "".join(f"{name} {name} 0 0 {sexes[name]} -9\n" for name in PEOPLE),
        "six columns, tabs": "".join(f"0\t{name}\t0\t0\t{sexes[name]}\t-9\n" for name in PEOPLE),
        "five columns": "".join(f"{name} {name} 0 0 {sexes[name]}\n" for name in PEOPLE),
        "batch name as phenotype": "".join(f"{name}   {name} 0 0 {sexes[name]} Batch_b001\n" for name in PEOPLE),
        "header, blanks": "#FID IID SEX\n" + "".join(f"{name} {name} {sexes[name]}\n" for name in PEOPLE),
        "trailing blanks": "#IID SEX \n" + "".join(f"{name} {sexes[name]} \n" for name in PEOPLE),
    }
    pvars = {
        "header, blanks": "#CHROM POS ID REF ALT\n" + "".join(f"{r[0]} {r[1]} {r[2]} {r[3]} {r[4]}\n" for r in table),
        "no header, five": "".join(f"{r[0]}\t{r[2]}\t{r[1]}\t{r[4]}\t{r[3]}\n" for r in table),
        "no header, six, blanks": "".join(f"{r[0]} {r[2]} 0 {r[1]} {r[4]} {r[3]}\n" for r in table),
    }
    cases = [(psam, None) for psam in psams.values()] + [(None, pvar) for pvar in pvars.values()]
    for psam, pvar in cases:
        genome = rewritten(path, tmp_path, psam, pvar)
        assert genome.individuals == tuple(PEOPLE)
        for window in (Interval("X", 0, 156_000_000), Interval("1", 0, 999)):
            one, other = genome.dosages(window), right.dosages(window)
            assert np.array_equal(one.values, other.values)
            assert one.variants[["position", "ref", "alt"]].equals(other.variants[["position", "ref", "alt"]])
        if psam is not psams["five columns"]:  # plink2 itself wants a phenotype there
            plink2("--pfile", tmp_path / "w", "--export", "vcf", "id-paste=iid", "--out", tmp_path / "x")
            assert "\tm1\tf1\tm2\tf2" in (tmp_path / "x.vcf").read_text()
