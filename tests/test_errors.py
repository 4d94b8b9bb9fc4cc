"""Errors that help: near names of files, of genes and of tables, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pgxeval import run_study
from pgxeval.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError, UnknownNameError
from pgxeval.evaluation import Evaluation
from pgxeval.genome import Gene, PersonalGenome
from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.names import near_genes
from pgxeval.predictors.registry import make_predictor
from pgxeval.study import Study
from pgxeval.tables.predictions import Predictions


def _block(people: list[str]) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...], np.ndarray]:
    return np.array([4]), ("A",), ("C",), np.zeros((1, len(people), 2), np.int8)


def test_a_missing_file_names_near_names_in_its_folder(tmp_path: Path) -> None:
    for name in ("Expression.bed.gz", "covariates.txt", "genotypes.vcf.gz", "genotypes.vcf.gz.tbi"):
        (tmp_path / name).touch()

    def message(name: str) -> str:
        return str(InputFileNotFoundError.of("file", tmp_path / name))

    assert message("expression.bed.gz").endswith("; its folder holds Expression.bed.gz")
    assert "; its folder holds genotypes.vcf.gz" in message("genotype.vcf.gz")
    assert message("genotypes").endswith("; its folder holds genotypes.vcf.gz, genotypes.vcf.gz.tbi")
    assert message("xyz").endswith("xyz does not exist")
    assert message("no/where/x.bed").endswith(f"; its folder does not exist either, of which there is {tmp_path}")
    with pytest.raises(InputFileNotFoundError, match=r"genotype\.vcf\.gz does not exist; its folder holds genotypes"):
        PersonalGenome(tmp_path / "genotype.vcf.gz")
    with pytest.raises(InputFileNotFoundError, match=r"its folder holds covariates\.txt"):
        Predictions.read(tmp_path / "covariate.txt")


def test_a_gene_that_is_not_found() -> None:
    symbols = {"ENSG00000000001.5": "ABI3", "ENSG00000000002.1": "ERAP2"}
    assert near_genes("ENSG00000000001.4", symbols, symbols) == "; it has another version: ENSG00000000001.5"
    assert near_genes("ENSG00000000001", symbols, symbols) == "; it has another version: ENSG00000000001.5"
    assert near_genes("erap2", symbols, symbols) == "; erap2 is a symbol: give the identifier, ENSG00000000002.1"
    assert near_genes("ERAP1", symbols, symbols) == "; near: ERAP2"
    assert near_genes("XYZ", list(symbols)) == "; genes are named as ENSG00000000001.5, ENSG00000000002.1"
    people = [f"P{k}" for k in range(10)]
    genes = [
        Gene(gene_id=gene_id, name=name, contig="1", start=0, end=9, tss=0, strand="+")
        for gene_id, name in symbols.items()
    ]
    cohort = Cohort.from_parts(
        genome=PersonalGenome(InMemoryGenotypes.from_haplotypes(people, {"1": [_block(people)]})),
        expression=Expression(values=np.arange(20.0).reshape(2, 10), genes=genes, individuals=people),
        screen_genotypes=False,
    )
    with pytest.raises(UnknownNameError, match="gene ABI3 is not in the cohort; ABI3 is a symbol: give the identifier"):
        cohort.gene("ABI3")


def test_predictors_by_name_that_need_more() -> None:
    pytest.importorskip("enformer_pytorch")
    with pytest.raises(SettingError, match=r'no default for tracks, .* make_predictor\("enformer", tracks=\.\.\.\)'):
        make_predictor("enformer")


def test_a_study_wants_names_of_tissues(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r'got a list; for example run_study\(\{"blood": cohort'):
        run_study([], [], tmp_path / "study")  # type: ignore[arg-type]
    assert not (tmp_path / "study").exists()


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    with pytest.raises(InputFileNotFoundError, match=r"study folder .*; its folder holds studies; run_study"):
        Study.read(tmp_path / "studie")
    with pytest.raises(InputFileError, match="does not hold a study; call run_study"):
        Study.read(tmp_path / "studies")
    with pytest.raises(InputFileNotFoundError, match=r"folder of an evaluation .* Evaluation\.write makes it"):
        Evaluation.read(tmp_path / "none")
