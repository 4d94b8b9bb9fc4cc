"""Bad input of sequence models through the front door: each named, and nothing of what is right is lost."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

import pgxeval
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.readout import TssBins
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort

Files = dict[str, Path]

CONTEXT_BP = 8_192


class Letters:
    """Counts weighted letters in bins of 128 bp; `spoil` may change or refuse an answer."""

    info = pgxeval.ModelInfo(
        name="letters",
        version="1",
        context_lengths=CONTEXT_BP,
        remote=False,
        tracks=pd.DataFrame({"name": ["letters"], "bin_width_bp": [128]}),
        batch_size=16,
    )

    def __init__(self, spoil: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None) -> None:
        self.spoil = spoil

    def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
        check_input(self.info, sequences, tracks)
        weights = np.zeros(256, np.float32)
        weights[list(b"ACGT")] = (1.0, 2.5, 4.25, 8.125)
        values = weights[sequences].reshape(len(sequences), -1, 128).sum(axis=2)[:, :, None]
        return values if self.spoil is None else self.spoil(sequences, values)


def _predictor(model: Letters | None = None, **settings: Any) -> pgxeval.SequencePredictor:
    return pgxeval.SequencePredictor(model or Letters(), TssBins(n=60), tracks="letters", **settings)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    folder = tmp_path_factory.mktemp("made")
    return simulate_cohort(folder, individuals=24, kinds={"additive": 3}, heritability=0.5, window_bp=10_000, seed=5)


@pytest.fixture
def files(made: SimulatedCohort, tmp_path: Path) -> Files:
    """Return copies of genotypes and reference that a test may spoil."""
    for source in (made.genotypes, Path(f"{made.genotypes}.tbi"), made.reference, Path(f"{made.reference}.fai")):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    return {
        **made.files,
        "genotypes": tmp_path / made.genotypes.name,
        "reference": tmp_path / made.reference.name,
    }


def _lose_phase(files: Files, *, up_to: int | None = None) -> None:
    """Write ``0/1`` for ``0|1``, in all records or those up to a 1-based position."""
    lines = gzip.decompress(files["genotypes"].read_bytes()).decode().splitlines()
    plain = files["genotypes"].with_name("plain.vcf")
    with plain.open("w") as out:
        for line in lines:
            fits = not line.startswith("#") and (up_to is None or int(line.split("\t")[1]) <= up_to)
            out.write((line.replace("|", "/") if fits else line) + "\n")
    pysam.tabix_compress(str(plain), str(files["genotypes"]), force=True)
    pysam.tabix_index(str(files["genotypes"]), preset="vcf", force=True)


def _run(cohort: pgxeval.Cohort, *predictors: Any, **settings: Any) -> pd.DataFrame:
    predictions = pgxeval.predict_cohort(
        cohort, list(predictors), folds=3, replicates=0, workers=1, progress=False, **settings
    )
    return predictions.table.astype({"predictor": str, "gene_id": str, "individual": str})


def test_unphased_cohort_is_refused_by_the_name_of_the_way_that_remains(
    files: Files, made: SimulatedCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phased = _run(pgxeval.Cohort.from_files(**made.files), _predictor(mode="additive"))
    _lose_phase(files)
    cohort = pgxeval.Cohort.from_files(**files)
    variants = pgxeval.CisVariants(flank_bp=5_000, around="tss", min_minor_alleles=3)
    elastic_net = pgxeval.ElasticNetPredictor(cis_variants=variants)
    with pytest.raises(pgxeval.GenotypeError, match=r'genotypes\.vcf\.gz.*unphased.*letters.*mode="additive"') as told:
        _run(cohort, elastic_net, _predictor(), store=tmp_path / "store")
    assert "SIM" in str(told.value)  # with the first individual

    # what does not need phase was finished before, and is not computed again
    monkeypatch.setattr(pgxeval.ElasticNetPredictor, "fit", lambda *_, **__: pytest.fail("was finished before"))
    table = _run(cohort, elastic_net, _predictor(mode="additive"), store=tmp_path / "store")
    assert table["prediction"].notna().all()
    additive = table[table["predictor"] == "letters"].reset_index(drop=True)
    assert additive["prediction"].nunique() > 3
    # and the way asks for no phase
    np.testing.assert_array_equal(additive["prediction"], phased["prediction"])


def test_gene_without_phase_is_nan_with_the_reason_and_the_others_are_judged(
    files: Files, made: SimulatedCohort
) -> None:
    whole = _run(pgxeval.Cohort.from_files(**made.files), _predictor())
    first, second = sorted(pgxeval.Cohort.from_files(**made.files).genes, key=lambda gene: gene.tss)[:2]
    _lose_phase(files, up_to=(first.tss + second.tss) // 2)
    cohort = pgxeval.Cohort.from_files(**files)
    table = _run(cohort, _predictor())
    lost = (table["gene_id"] == first.gene_id).to_numpy()
    assert table["prediction"].isna().to_numpy().tolist() == lost.tolist()
    assert all("unphased" in why and 'mode="additive"' in why for why in table.loc[lost, "reason"])
    np.testing.assert_array_equal(table.loc[~lost, "prediction"], whole.loc[~lost, "prediction"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(table)
    judged = evaluation.per_gene.astype({"gene_id": str}).set_index("gene_id")
    assert np.isnan(judged.loc[first.gene_id, "spearman"])
    assert "unphased" in judged.loc[first.gene_id, "reason"]
    assert judged.drop(index=first.gene_id)["spearman"].notna().all()
    assert evaluation.exclusions["detail"].str.contains("unphased").any()


def test_one_unphased_heterozygote_takes_one_prediction(files: Files, made: SimulatedCohort) -> None:
    whole = _run(pgxeval.Cohort.from_files(**made.files), _predictor())
    gene = pgxeval.Cohort.from_files(**made.files).genes[0]
    lines = gzip.decompress(files["genotypes"].read_bytes()).decode().splitlines()
    header = next(line.split("\t") for line in lines if line.startswith("#CHROM"))
    at, column = next(
        (at, line.split("\t").index("0|1"))
        for at, line in enumerate(lines)
        if not line.startswith("#") and abs(int(line.split("\t")[1]) - gene.tss) < 3_000 and "0|1" in line
    )
    cells = lines[at].split("\t")
    cells[column] = "0/1"
    lines[at] = "\t".join(cells)
    plain = files["genotypes"].with_name("plain.vcf")
    plain.write_text("\n".join([*lines, ""]))
    pysam.tabix_compress(str(plain), str(files["genotypes"]), force=True)
    pysam.tabix_index(str(files["genotypes"]), preset="vcf", force=True)
    table = _run(pgxeval.Cohort.from_files(**files), _predictor())
    lost = ((table["gene_id"] == gene.gene_id) & (table["individual"] == header[column])).to_numpy()
    assert lost.sum() == 1
    assert table["prediction"].isna().to_numpy().tolist() == lost.tolist()
    assert f":{cells[1]}" in table.loc[lost, "reason"].iloc[0]
    assert 'mode="additive"' in table.loc[lost, "reason"].iloc[0]
    np.testing.assert_array_equal(table.loc[~lost, "prediction"], whole.loc[~lost, "prediction"])


def test_genes_without_strand(files: Files) -> None:
    del files["genes"]  # an expression BED says where the TSS is, and not on which strand
    with pytest.raises(pgxeval.SettingError, match=r"letters.*none of 3 genes has a strand.*annotation\.gtf"):
        _run(pgxeval.Cohort.from_files(**files), _predictor())


def test_no_reference(files: Files) -> None:
    del files["reference"]
    with pytest.raises(pgxeval.SettingError, match=r"letters needs sequences.*has no reference.*reference="):
        _run(pgxeval.Cohort.from_files(**files), _predictor())


def _rewrite(files: Files, change: Callable[[str], str]) -> None:
    """Change each line of the reference; its index is made again."""
    lines = files["reference"].read_text().splitlines(keepends=True)
    files["reference"].write_text("".join(map(change, lines)))
    Path(f"{files['reference']}.fai").unlink()


def test_reference_of_another_assembly(files: Files) -> None:
    other = str.maketrans("ACGT", "TGCA")
    _rewrite(files, lambda line: line if line.startswith(">") else line.translate(other))
    with pytest.warns(pgxeval.PgxevalWarning, match="another genome build"):
        cohort = pgxeval.Cohort.from_files(**files)
    with pytest.raises(pgxeval.GenotypeError, match=r"REF.*reference\.fa.*different genome builds"):
        _run(cohort, _predictor())


def test_reference_of_other_contigs(files: Files) -> None:
    _rewrite(files, lambda line: line.replace(">chr", ">scaffold_"))
    with pytest.raises(pgxeval.PgxevalError, match=r"chr1.*scaffold_1"):
        _run(pgxeval.Cohort.from_files(**files), _predictor())


def test_wrong_context_length() -> None:
    with pytest.raises(pgxeval.SettingError, match="letters does not accept sequences of 4096 bp; it accepts 8192 bp"):
        _predictor(context_length=4_096)


def test_nan_from_the_model_is_the_reason_of_its_carriers_alone(made: SimulatedCohort) -> None:
    cohort = pgxeval.Cohort.from_files(**made.files)
    right = _run(cohort, _predictor())
    gene = cohort.genes[0]
    window = pgxeval.Interval.around(gene.contig, gene.tss, CONTEXT_BP)
    haplotypes = cohort.genome.haplotypes(window, cohort.individuals, anchor=gene.tss)
    rare = int(np.argmin(np.bincount(haplotypes.index.ravel())))
    bad = haplotypes.sequences[rare].tobytes()

    def spoil(sequences: np.ndarray, values: np.ndarray) -> np.ndarray:
        values[[row.tobytes() == bad for row in sequences]] = np.nan
        return values

    table = _run(cohort, _predictor(Letters(spoil)))
    carriers = {cohort.individuals[row] for row in np.flatnonzero((haplotypes.index == rare).any(axis=1))}
    lost = ((table["gene_id"] == gene.gene_id) & table["individual"].isin(carriers)).to_numpy()
    assert 0 < lost.sum() < len(cohort.individuals)
    assert table["prediction"].isna().to_numpy().tolist() == lost.tolist()
    assert (table.loc[lost, "reason"] == "model letters returned NaN or infinity in 60 of 60 bins that are read").all()
    np.testing.assert_array_equal(table.loc[~lost, "prediction"], right.loc[~lost, "prediction"])


def test_out_of_memory_takes_smaller_batches_and_then_one_clear_error(made: SimulatedCohort) -> None:
    cohort = pgxeval.Cohort.from_files(**made.files)
    tried: list[int] = []

    def room_for(n: int) -> Letters:
        def spoil(sequences: np.ndarray, values: np.ndarray) -> np.ndarray:
            tried.append(len(sequences))
            if len(sequences) > n:
                raise MemoryError
            return values

        return Letters(spoil)

    np.testing.assert_array_equal(
        _run(cohort, _predictor(room_for(3)))["prediction"], _run(cohort, _predictor())["prediction"]
    )
    assert tried[:4] == [16, 8, 4, 2]
    with pytest.raises(pgxeval.PgxevalError, match="letters: not enough memory for a single sequence of 8192 bp"):
        _run(cohort, _predictor(room_for(0)))


def test_model_that_always_fails_is_named_with_its_own_error(made: SimulatedCohort) -> None:
    def spoil(sequences: np.ndarray, values: np.ndarray) -> np.ndarray:
        raise KeyError("weights")

    cohort = pgxeval.Cohort.from_files(**made.files)
    with pytest.raises(pgxeval.PgxevalError, match=r"letters failed for each of the first .* KeyError"):
        _run(cohort, _predictor(Letters(spoil)))
    with pytest.raises(pgxeval.PgxevalError) as failure:
        list(_predictor(Letters(spoil)).predict_genes(cohort.genes, cohort.genome, cohort.individuals))
    assert isinstance(failure.value.__cause__, KeyError)
