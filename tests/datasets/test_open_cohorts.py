"""Geuvadis and MAGE from a local server with small files of the same shapes."""

from __future__ import annotations

import gzip
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort import Cohort
from pgxeval.datasets import Addresses, load_geuvadis, load_mage
from pgxeval.datasets.mage import COVARIATES_MEMBER, EXPRESSION_MEMBER, SWAPPED
from pgxeval.errors import InputFileError, PgxevalWarning, SettingError
from pgxeval.simulation import SimulatedCohort, simulate_cohort


@pytest.fixture
def simulated(tmp_path: Path, server: Any) -> SimulatedCohort:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    made = simulate_cohort(tmp_path / "cohort", individuals=40, genes=6, window_bp=20_000, seed=2)
    for name in ("genotypes.vcf.gz", "genotypes.vcf.gz.tbi"):
        shutil.copy(made.folder / name, server.folder / name.replace("genotypes", "panel.chr1"))
    shutil.copy(made.genes, server.folder / "gencode.gtf.gz")
    individuals = Cohort.from_files(**made.files).individuals
    table = pd.DataFrame(
        {
            "FamilyID": [f"F{at // 2}" for at in range(40)],
            "SampleID": individuals,
            "FatherID": "0",
            "MotherID": "0",
            "Sex": ["1", "2"] * 20,
            "Population": ["GBR"] * 20 + ["YRI"] * 20,
            "Superpopulation": ["EUR"] * 20 + ["AFR"] * 20,
        }
    )
    table.to_csv(server.folder / "families.txt", sep=" ", index=False)
    return made


@pytest.fixture
def addresses(server: Any) -> Addresses:
    return Addresses(
        panel=f"{server.address}/panel.chr{{chromosome}}.vcf.gz",
        families=f"{server.address}/families.txt",
        gencode=f"{server.address}/gencode.gtf.gz",
        expression=f"{server.address}/matrix.gz",
        verify=False,
    )


def _bed(simulated: SimulatedCohort) -> pd.DataFrame:
    return pd.read_csv(simulated.expression, sep="\t", dtype={"gene_id": str})


def test_geuvadis(simulated: SimulatedCohort, addresses: Addresses, server: Any, tmp_path: Path) -> None:
    bed = _bed(simulated)
    matrix = bed.iloc[:, 4:].copy()
    matrix.insert(0, "TargetID", bed["gene_id"])
    matrix.insert(1, "Gene_Symbol", bed["gene_id"])
    matrix.insert(2, "Chr", "1")
    matrix.insert(3, "Coord", 5)
    matrix.to_csv(server.folder / "matrix.gz", sep="\t", index=False, compression="gzip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # a screening of few variants may see relatives
        cohort = load_geuvadis([1], folder=tmp_path / "data", addresses=addresses, progress=False)
    assert len(cohort.individuals) == 40
    assert len(cohort.genes) == 6
    assert cohort.covariates is not None
    assert list(cohort.covariates.columns) == ["male"]
    assert cohort.groups is not None
    assert len(set(cohort.groups)) == 20
    np.testing.assert_allclose(cohort.expression, bed.iloc[:, 4:].to_numpy())
    with pytest.raises(InputFileError, match="HTTP status 404"):
        load_geuvadis([2], folder=tmp_path / "data", addresses=addresses, progress=False)


def test_mage(simulated: SimulatedCohort, addresses: Addresses, server: Any, tmp_path: Path) -> None:
    bed = _bed(simulated).rename(columns=lambda name: SWAPPED if name == _bed(simulated).columns[7] else name)
    covariates = pd.DataFrame(np.random.default_rng(0).normal(size=(3, 40)), columns=bed.columns[4:])
    covariates.insert(0, "id", ["sex", "PC1", "PEER1"])
    with zipfile.ZipFile(server.folder / "matrix.gz", "w") as archive:
        archive.writestr(
            f"MAGE.v1.0.data/a/{EXPRESSION_MEMBER}", gzip.compress(bed.to_csv(sep="\t", index=False).encode())
        )
        archive.writestr(
            f"MAGE.v1.0.data/b/{COVARIATES_MEMBER}", gzip.compress(covariates.to_csv(sep="\t", index=False).encode())
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # a screening of few variants may see relatives
        cohort = load_mage(["chr1"], folder=tmp_path / "data", addresses=addresses, progress=False)
    assert len(cohort.individuals) == 39
    assert SWAPPED not in cohort.individuals
    swap = cohort.exclusions[cohort.exclusions["name"] == SWAPPED]
    assert swap["reason"].str.contains("HG00237").all()
    assert len(swap) == 1


@pytest.mark.parametrize("chromosomes", [[], ["X"], [23], "chrM"])
def test_other_chromosomes_are_refused(chromosomes: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="autosomes"):
        load_geuvadis(chromosomes, folder=tmp_path)
