"""The whole way: Enformer, elastic net and random forest over simulated and real haplotypes, into one evaluation."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.tables.predictions import Predictions

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "sequence_models.py"
GENES, PEOPLE = 3, 60
PREDICTORS = ("enformer_random", "elastic_net", "random_forest")
COHORTS = ("simulated", "real")


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    torch = pytest.importorskip("torch", reason="Enformer needs the extra `enformer`")
    pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")
    spec = importlib.util.spec_from_file_location("example_sequence_models", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield module
    torch.set_num_threads(threads)


def _run(example: ModuleType, *arguments: str) -> tuple[int, str, str]:
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = [str(EXAMPLE), *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = example.main()
    finally:
        sys.argv = given
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def made(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the example once, small."""
    folder = tmp_path_factory.mktemp("sequence_models")
    small = ("--genes", str(GENES), "--individuals", str(PEOPLE), "--replicates", "1", "--workers", "1")
    status, out, err = _run(example, "--out", str(folder), *small)
    assert status == 0, err
    return folder, out


@pytest.fixture(params=COHORTS)
def cohort(request: pytest.FixtureRequest, made: tuple[Path, str]) -> Path:
    """Return the results of one cohort; skip the real one where its haplotypes are missing."""
    if request.param == "real":
        request.getfixturevalue("shared_data")
    return made[0] / request.param


def _recovery(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(
        folder / "recovery.tsv", sep="\t", keep_default_na=False, na_values=[""]
    )  # a kind is called null
    return table.set_index(["kind", "predictor"])


def test_three_predictors_meet_in_one_evaluation(cohort: Path, made: tuple[Path, str]) -> None:
    table = Predictions.read(cohort / "predictions.parquet").table
    people = PEOPLE if cohort.name == "simulated" else 91
    # Enformer learns nothing, so that only the other two have a run on permuted expression
    assert len(table) == (1 + 2 + 2) * 3 * GENES * people
    assert table["prediction"].notna().all()
    per_gene = pd.read_csv(cohort / "per_gene.tsv", sep="\t")
    assert per_gene.groupby("predictor")["gene_id"].nunique().to_dict() == dict.fromkeys(PREDICTORS, 3 * GENES)
    concordance = pd.read_csv(cohort / "concordance.tsv", sep="\t", keep_default_na=False)
    assert len(concordance) == 3 * 4
    assert set(concordance["stratum"]) == {"all", "null", "additive", "network"}
    page = (cohort / "report.html").read_text()
    for predictor in PREDICTORS:
        assert predictor in page
    assert str((cohort / "report.html").resolve()) in made[1]


def test_concordance_and_odds_ratios_are_those_of_the_signs(cohort: Path) -> None:
    """The oracle counts the directions in the table of genes; the correlations have their own tests."""
    per_gene = pd.read_csv(cohort / "per_gene.tsv", sep="\t")
    keys = zip(per_gene["predictor"], per_gene["gene_id"], strict=True)
    right = dict(zip(keys, per_gene["direction"].map({1: 1.0, -1: 0.0}), strict=True))
    genes = per_gene["gene_id"].unique()
    concordance = pd.read_csv(cohort / "concordance.tsv", sep="\t")
    for row in concordance[concordance["stratum"] == "all"].itertuples():
        pairs = np.array([(right[row.predictor_a, gene], right[row.predictor_b, gene]) for gene in genes])
        a, b = pairs[~np.isnan(pairs).any(axis=1)].T
        assert (row.both_right, row.only_a, row.only_b, row.neither) == (
            (a * b).sum(), (a * (1 - b)).sum(), ((1 - a) * b).sum(), ((1 - a) * (1 - b)).sum()
        )  # fmt: skip
        odds = row.only_a / row.only_b if row.only_b else np.inf if row.only_a else np.nan
        np.testing.assert_allclose(row.mcnemar_or, odds)


def test_planted_additive_genes_are_found_by_those_who_learn(cohort: Path) -> None:
    recovered = _recovery(cohort)
    for predictor in ("elastic_net", "random_forest"):
        row = recovered.loc["additive", predictor]
        assert row["right"] == GENES
        assert row["mean_r"] > 0.3
        assert row["mean_r_planted"] > 0.6


def test_a_network_finds_what_was_planted_by_it_and_nothing_else(made: tuple[Path, str]) -> None:
    tables = [_recovery(made[0] / name) for name in COHORTS if (made[0] / name / "recovery.tsv").is_file()]
    for recovered in tables:
        own = recovered.loc["network", "enformer_random"]
        assert own["right"] == GENES
        assert own["mean_r"] > 0.5  # half of the variance is planted
        assert own["mean_r_planted"] > 0.9999
    rest = pd.concat([recovered.loc[(["null", "additive"], "enformer_random"), :] for recovered in tables])
    # random weights know no biology: half of the genes, give or take three binomial standard deviations
    n = rest["genes"].sum()
    assert abs(rest["right"].sum() - n / 2) < 3 * np.sqrt(n / 4)
    assert abs(rest["mean_r"].mean()) < 0.3


# --- Judge of the network's predictions: records spliced into the reference by hand, and a plain call of
# enformer-pytorch, whose genotypes are read by pysam.


def _spell(reference: str, first: int, tss: int, records: list[tuple[int, str, str]]) -> str:
    """Spell a haplotype over the network's context; `reference` begins at `first`; of overlapping records one wins."""
    cells, touched = list(reference), [False] * len(reference)
    for start, ref, alt in records:
        at, shared = start - first, 0
        while shared < min(len(ref), len(alt)) and ref[shared] == alt[shared]:
            shared += 1
        edited = range(at + shared, at + len(ref))
        if shared < len(ref) and any(touched[i] for i in edited):
            continue
        if shared == len(ref):  # an insertion stands between two bases
            if touched[at + shared - 1] and touched[at + shared] and not cells[at + shared]:
                continue
            cells[at + shared - 1] += alt[shared:]
            continue
        for i in edited:
            cells[i], touched[i] = "", True
        cells[edited[0]] = alt[shared:]
    anchor = len("".join(cells[: tss - first]))
    return "".join(cells)[anchor - 2_048 : anchor + 2_048]


@pytest.fixture(scope="module")
def judged(example: ModuleType, made: tuple[Path, str]) -> Iterator[list[tuple[str, pd.Series, pd.Series]]]:
    """Return, for each cohort, gene and person, the example's prediction and that of the judge."""
    import torch
    from enformer_pytorch import str_to_one_hot

    network = example.small_enformer(0)
    data = Path(os.environ.get("PGXEVAL_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "kgp_chr1"
    files = {name: made[0] / name / "files" for name in COHORTS} | {"real": data}
    answers = []
    for name in COHORTS:
        if not (made[0] / name / "predictions.parquet").is_file():
            continue
        vcf = "variants.vcf.gz" if name == "real" else "genotypes.vcf.gz"
        with pysam.VariantFile(files[name] / vcf) as variants, pysam.FastaFile(files[name] / "reference.fa") as fasta:
            table = Predictions.read(made[0] / name / "predictions.parquet").table
            table = table[table["predictor"] == "enformer_random"].astype({"gene_id": str, "individual": str})
            places = pd.read_csv(made[0] / name / "truth.tsv", sep="\t", keep_default_na=False, dtype={"contig": str})
            for gene, contig, tss in places[["gene_id", "contig", "tss"]].itertuples(index=False):
                first, last = tss - 4_000, tss + 4_000
                bases = fasta.fetch(contig, first, last).upper()
                carried: dict[tuple[str, int], list[tuple[int, str, str]]] = {
                    (person, copy): [] for person in variants.header.samples for copy in (0, 1)
                }
                for record in variants.fetch(contig, first + 200, last - 200):
                    if record.start < first or record.stop > last:
                        continue
                    for person, call in record.samples.items():
                        for copy, allele in enumerate(call["GT"]):
                            if allele:
                                carried[person, copy].append((record.start, record.ref, record.alleles[allele]))
                texts = {key: _spell(bases, first, tss, records) for key, records in carried.items()}
                distinct = sorted(set(texts.values()))
                with torch.inference_mode():
                    bins = network(str_to_one_hot(distinct), head="human")[:, 47:50, 0].double().sum(dim=1)
                score = dict(zip(distinct, bins.tolist(), strict=True))
                mine = table[table["gene_id"] == gene].set_index("individual")["prediction"]
                theirs = pd.Series(
                    {person: (score[texts[person, 0]] + score[texts[person, 1]]) / 2 for person in mine.index}
                )
                answers.append((f"{name} {gene}", mine, theirs))
    return answers


def test_predictions_are_those_of_spliced_records_and_a_plain_call(
    judged: list[tuple[str, pd.Series, pd.Series]],
) -> None:
    n_apart = 0
    for name, mine, theirs in judged:
        assert mine.index.equals(theirs.index)
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, err_msg=name)
        n_apart += int((np.abs(theirs - theirs.mean()) > 1e-4).sum())
    # people differ by much more than the tolerance
    assert n_apart > 5 * len(judged)


def test_judge_would_see_two_people_swapped(judged: list[tuple[str, pd.Series, pd.Series]]) -> None:
    swapped = [theirs.iloc[[1, 0, *range(2, len(theirs))]].to_numpy() for _, _, theirs in judged]
    off = [not np.allclose(mine, other, rtol=1e-6) for (_, mine, _), other in zip(judged, swapped, strict=True)]
    assert sum(off) > len(off) / 2


def test_second_run_asks_the_network_nothing(example: ModuleType, made: tuple[Path, str], tmp_path: Path) -> None:
    small = ("--genes", str(GENES), "--individuals", str(PEOPLE), "--replicates", "0", "--workers", "1")
    status, out, err = _run(example, "--out", str(made[0]), "--data", str(tmp_path / "nowhere"), *small)
    assert status == 0
    assert "\n0 passes of the network" in out
    assert "nowhere" in err
