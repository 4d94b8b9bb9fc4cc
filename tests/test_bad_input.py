"""Bad input through the front door: one clear PgxevalError that names what and where, and nothing half-written."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

import pgxeval
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort

Files = dict[str, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    folder = tmp_path_factory.mktemp("made")
    return simulate_cohort(folder, individuals=24, kinds={"null": 2, "additive": 1}, window_bp=10_000)


@pytest.fixture
def files(made: SimulatedCohort, tmp_path: Path) -> Files:
    """Return plain copies that a test may spoil."""
    (tmp_path / "expression.bed").write_bytes(gzip.decompress(made.expression.read_bytes()))
    for source in (made.genotypes, Path(f"{made.genotypes}.tbi"), made.genes):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    return {
        "expression": tmp_path / "expression.bed",
        "genotypes": tmp_path / made.genotypes.name,
        "genes": tmp_path / made.genes.name,
    }


def _lines(path: Path) -> list[list[str]]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [line.split("\t") for line in text.splitlines()]


def _write(path: Path, lines: list[list[str]]) -> None:
    path.write_text("".join("\t".join(line) + "\n" for line in lines))


def _write_vcf(files: Files, lines: list[list[str]], *, index: bool = True) -> None:
    plain = files["genotypes"].with_name("plain.vcf")
    _write(plain, lines)
    pysam.tabix_compress(str(plain), str(files["genotypes"]), force=True)
    plain.unlink()
    if index:
        pysam.tabix_index(str(files["genotypes"]), preset="vcf", force=True)


def _no_index(files: Files) -> None:
    Path(f"{files['genotypes']}.tbi").unlink()


def _truncated(files: Files) -> None:
    whole = files["genotypes"].read_bytes()
    files["genotypes"].write_bytes(whole[: len(whole) // 2])


def _duplicate_individual(files: Files) -> None:
    lines = _lines(files["expression"])
    lines[0][5] = lines[0][4]
    _write(files["expression"], lines)


def _duplicate_gene(files: Files) -> None:
    lines = _lines(files["expression"])
    lines[2][3] = lines[1][3]
    _write(files["expression"], lines)


def _not_a_number(files: Files) -> None:
    lines = _lines(files["expression"])
    lines[2][6] = "high"
    _write(files["expression"], lines)


def _nobody_shared(files: Files) -> None:
    lines = _lines(files["expression"])
    lines[0][4:] = [f"other-{name}" for name in lines[0][4:]]
    _write(files["expression"], lines)


def _few_individuals(files: Files) -> None:
    _write(files["expression"], [line[: 4 + 9] for line in _lines(files["expression"])])


def _unknown_contig(files: Files) -> None:
    lines = _lines(files["expression"])
    for line in lines[1:]:
        line[0] = "chrUn_7"
    _write(files["expression"], lines)
    del files["genes"]


def _constant_genes(files: Files) -> None:
    lines = _lines(files["expression"])
    for line in lines[1:]:
        line[4:] = ["0.25"] * len(line[4:])
    _write(files["expression"], lines)


def _monomorphic(files: Files) -> None:
    lines = _lines(files["genotypes"])
    for line in lines:
        if not line[0].startswith("#"):
            line[9:] = ["0|0"] * len(line[9:])
    _write_vcf(files, lines)


def _missing_file(files: Files) -> None:
    files["expression"].unlink()


def _judge(files: Files, out: Path) -> None:
    cohort = pgxeval.Cohort.from_files(**files)
    predictors = [pgxeval.ElasticNetPredictor(cis_variants=CisVariants(min_minor_alleles=3))]
    predictions = pgxeval.predict_cohort(cohort, predictors, folds=3, replicates=0, workers=1, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(predictions)
    evaluation.to_html(out)


def test_unspoiled_files_pass(files: Files, tmp_path: Path) -> None:
    _judge(files, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_index, ["genotypes.vcf.gz", "index is missing", "bcftools index"]),
        (_truncated, ["genotypes.vcf.gz", "truncated"]),
        (_duplicate_individual, ["expression.bed", "SIM", "more than one column"]),
        (_duplicate_gene, ["expression.bed", "SIMG", "line 3", "already on line 2"]),
        (_not_a_number, ["expression.bed", "line 3", "'high'"]),
        (_nobody_shared, ["other-SIM", "SIM0"]),
        (_few_individuals, ["9", "10"]),
        (_unknown_contig, ["chrUn_7"]),
        (_constant_genes, ["constant"]),
        (_monomorphic, ["SIMG", "MAF >= 0.01"]),
        (_missing_file, ["expression.bed", "does not exist"]),
    ],
    ids=lambda value: value.__name__.lstrip("_") if callable(value) else "",
)
def test_spoiled_files_are_named(files: Files, tmp_path: Path, spoil: Callable[[Files], None], said: list[str]) -> None:
    spoil(files)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(pgxeval.PgxevalError) as error:
        _judge(files, tmp_path / "report.html")
    for words in said:
        assert words in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


def test_an_unsorted_vcf_is_named(files: Files, tmp_path: Path) -> None:
    lines = _lines(files["genotypes"])
    last = len(lines) - 1
    lines[last - 1], lines[last] = lines[last], lines[last - 1]
    _write_vcf(files, lines, index=False)  # the old index stays, as it would in life
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)  # the index is older than the file, which is warned of
        with pytest.raises(pgxeval.PgxevalError, match=r"genotypes\.vcf\.gz"):
            _judge(files, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: table.drop(columns="prediction"), "missing column"),
        (lambda table: table.assign(gene_id="ENSG0"), "ENSG0"),
        (lambda table: table.assign(prediction=np.inf), "infinite"),
        (lambda table: table.assign(prediction="much"), "not a number"),
        (lambda table: pd.concat([table, table]), "duplicate"),
    ],
    ids=["column", "gene", "infinite", "text", "duplicate"],
)
def test_spoiled_predictions_are_named(
    files: Files, tmp_path: Path, spoil: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    cohort = pgxeval.Cohort.from_files(**files)
    keys = pd.MultiIndex.from_product([cohort.gene_ids, cohort.individuals], names=["gene_id", "individual"])
    table = keys.to_frame(index=False).assign(predictor="theirs", prediction=np.arange(len(keys), dtype=float))
    spoil(table).to_csv(tmp_path / "theirs.csv", index=False)
    with pytest.raises(pgxeval.PgxevalError, match=said):
        pgxeval.Evaluator(cohort).evaluate(tmp_path / "theirs.csv")


def test_nan_predictions_are_undefined_with_their_reason(files: Files) -> None:
    cohort = pgxeval.Cohort.from_files(**files)
    keys = pd.MultiIndex.from_product([cohort.gene_ids, cohort.individuals], names=["gene_id", "individual"])
    table = keys.to_frame(index=False).assign(predictor="theirs", prediction=np.arange(len(keys)) % 7.0, reason=None)
    table.loc[table["gene_id"] == cohort.gene_ids[0], ["prediction", "reason"]] = [np.nan, "no exon in the window"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(table)
    row = evaluation.per_gene.set_index("gene_id").loc[cohort.gene_ids[0]]
    assert np.isnan(row["spearman"])
    assert "no exon in the window" in row["reason"]
