"""What a plan promises is what the run then does; nothing is sent meanwhile."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.predictors.sequence.plan import Plan
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, TssBins

LENGTH = 512


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=21, n_individuals=12, every_bp=60)


@pytest.fixture(scope="module")
def cohort(small: Any, toys: ModuleType) -> Cohort:
    genes = (
        toys.gene_at(800, gene_id="a"),
        toys.gene_at(800, gene_id="a-", strand="-"),  # shares the window of a
        toys.gene_at(1_500, gene_id="b"),
        toys.gene_at(2_200, gene_id="c", strand="-"),
        toys.gene_at(2_200, gene_id="far", exons=((100, 200), (2_190, 2_200))),  # exons beyond the window
        toys.gene_at(1_000, gene_id="strandless", strand=None),
    )
    return of(small, genes)


def of(small: Any, genes: Any, genome: Any = None) -> Cohort:
    people = small.individuals
    expression = np.random.default_rng(0).normal(size=(len(genes), len(people)))
    return Cohort(genome=genome or small.genome, genes=tuple(genes), expression=expression, individuals=people)


def predictor(toys: ModuleType, **settings: Any) -> tuple[SequencePredictor, Any]:
    model = toys.ToyModel()
    readout = settings.pop("readout", ExonMask())
    return SequencePredictor(model, readout, tracks=[0, 1, 2], batch_size=4, **settings), model


def slow_distinct(slow: ModuleType, small: Any, tss: int) -> int:
    seen = {
        "".join(base for base, _ in slow.window(slow.haplotype(small.reference["chr1"], records), tss, LENGTH))
        for individual in small.individuals
        for records in slow.copies(small, individual)
    }
    return len(seen)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"reverse_complement": True, "shifts": (-2, 0, 5)},
    {"mode": "additive"},
    {"mode": "additive", "reverse_complement": True},
    {"variant_filter": VariantFilter(min_maf=0.2)},
    {"readout": TssBins()},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_calls_are_those_that_the_run_makes(toys: ModuleType, cohort: Cohort, settings: dict[str, Any]) -> None:
    asked, model = predictor(toys, **settings)
    plan = asked.plan(cohort, progress=False)
    assert model.seen == []
    assert asked.passes == 0
    answers = {gene.gene_id: one for gene, one in asked.predict_genes(cohort.genes, cohort.genome, cohort.individuals)}
    assert plan.calls == len(model.seen) == asked.passes > 0
    assert plan.cached == 0
    assert plan.individuals == 12
    table = plan.genes.set_index("gene_id")
    assert table.index.tolist() == [gene.gene_id for gene in cohort.genes]
    for gene_id, row in table.iterrows():
        answer = answers[gene_id]
        if row["reason"]:
            assert np.isnan(answer.values).all()
            assert answer.reason(0) == row["reason"]
        else:
            assert np.isfinite(answer.values).all()
    assert table.loc["strandless", "reason"].startswith("gene strandless has no strand")
    assert (table.loc["far", "reason"] != "") == ("readout" not in settings)
    assert table.loc[["a-", "far"], "calls"].tolist() == [0, 0]  # they stand at the first gene of the window


def test_counts_are_those_of_a_slow_outsider(toys: ModuleType, slow: ModuleType, small: Any, cohort: Cohort) -> None:
    plan = predictor(toys)[0].plan(cohort, progress=False)
    table = plan.genes.set_index("gene_id")
    for gene in cohort.genes[:4]:
        assert table.loc[gene.gene_id, "haplotypes"] == 24
        assert table.loc[gene.gene_id, "distinct"] == slow_distinct(slow, small, gene.tss)
    assert table.loc["a", "sequences"] == table.loc["a", "distinct"]
    assert plan.haplotypes == table["haplotypes"].sum()
    assert plan.distinct == table["distinct"].sum()
    turned = predictor(toys, reverse_complement=True, shifts=(0, 1))[0].plan(cohort, progress=False)
    assert turned.genes["haplotypes"].tolist() == plan.genes["haplotypes"].tolist()
    assert turned.calls > 3 * plan.calls  # a few shifted windows may be seen from both places


def test_additive_mode_counts_the_reference_and_each_allele(toys: ModuleType, small: Any, cohort: Cohort) -> None:
    plan = predictor(toys, mode="additive")[0].plan(cohort, progress=False)
    row = plan.genes.set_index("gene_id").loc["b"]
    inside = [
        start for _, start, ref, _, genotypes in small.records
        if start < 1_500 + 256 and start + len(ref) > 1_500 - 256 and any("1" in one for one in genotypes)
    ]  # fmt: skip
    # an allele that starts at the very edge may change nothing of the window
    assert len(inside) - 1 <= row["sequences"] - 1 <= len(inside)
    assert row["haplotypes"] == 24
    plain = predictor(toys)[0].plan(cohort, progress=False).genes.set_index("gene_id")
    assert row["distinct"] == plain.loc["b", "distinct"]


def test_the_cache_is_counted(toys: ModuleType, cohort: Cohort, tmp_path: Path) -> None:
    def asked(**settings: Any) -> SequencePredictor:
        return predictor(toys, score_cache=tmp_path / "cache", **settings)[0]

    first = asked().plan(cohort, progress=False)
    few = cohort.subset(individuals=cohort.individuals[:10])
    run = asked()
    list(run.predict_genes(few.genes, few.genome, few.individuals))
    between = asked().plan(cohort, progress=False)
    assert between.cached == run.passes
    assert between.calls == first.calls - run.passes
    rest = asked()
    list(rest.predict_genes(cohort.genes, cohort.genome, cohort.individuals))
    assert rest.passes == between.calls
    after = asked().plan(cohort, progress=False)
    assert (after.calls, after.cached) == (0, first.calls)
    assert asked(readout=TssBins()).plan(cohort, progress=False).cached == 0
    again = asked(extra_readouts=[TssBins(n=5)]).plan(cohort, progress=False)  # a further readout must be asked for
    assert again.calls == first.calls


def test_modes_and_bounds_are_compared(toys: ModuleType, cohort: Cohort) -> None:
    bounds = (0.0, 0.1, 0.3, 0.5)
    plan = predictor(toys)[0].plan(cohort, min_maf=bounds, calls_per_minute=30, progress=False)
    table = plan.compared
    assert list(zip(table["mode"], table["min_maf"].fillna(-1), strict=True)) == [
        (mode, bound) for bound in (-1, *bounds) for mode in ("haplotypes", "additive")
    ]
    assert (table["reason"] == "").all()
    for mode in ("haplotypes", "additive"):
        counts = table.loc[table["mode"] == mode, "sequences"].tolist()
        assert counts[0] == counts[1]  # a bound of 0 is none
        assert counts[1:] == sorted(counts[1:], reverse=True)
        assert counts[1] > counts[3]
        for bound, count in zip((None, *bounds), counts, strict=True):
            variants = None if bound is None else VariantFilter(min_maf=bound)
            asked, model = predictor(toys, mode=mode, variant_filter=variants)
            list(asked.predict_genes(cohort.genes, cohort.genome, cohort.individuals))
            assert len(model.seen) == count
    np.testing.assert_allclose(table["minutes"], table["sequences"] / 30)


@pytest.mark.parametrize("mode", ["haplotypes", "additive"])
def test_strands_and_shifts_count_in_the_comparison(toys: ModuleType, cohort: Cohort, mode: str) -> None:
    views = {"reverse_complement": True, "shifts": (-60, 0, 45)}
    asked, model = predictor(toys, mode=mode, readout=TssBins(), **views)
    table = asked.plan(cohort, min_maf=[0.0], progress=False).compared
    list(asked.predict_genes(cohort.genes, cohort.genome, cohort.individuals))
    assert table.loc[table["mode"] == mode, "sequences"].tolist() == [len(model.seen)] * 2


def test_a_bound_never_loosens_the_filter_of_the_predictor(toys: ModuleType, cohort: Cohort) -> None:
    strict = predictor(toys, variant_filter=VariantFilter(min_maf=0.3, snvs_only=True))[0]
    table = strict.plan(cohort, min_maf=[0.1, 0.3], progress=False).compared
    counts = table.loc[table["mode"] == "haplotypes", "sequences"]
    assert len(set(counts)) == 1
    assert strict.plan(cohort, progress=False).calls == counts.iloc[0]


def test_unphased_cohorts_are_told_why_and_what_else(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    unphased = [
        (contig, start, ref, alt, [genotype.replace("|", "/") for genotype in genotypes])
        for contig, start, ref, alt, genotypes in small.records
    ]
    loose = toys.write_genome(tmp_path, small.reference, small.individuals, unphased)
    cohort = of(small, [toys.gene_at(1_500)], loose.genome)
    plan = predictor(toys)[0].plan(cohort, min_maf=[0.2], progress=False)
    assert plan.calls == 0
    assert re.search(r'unphased.*mode="additive"', plan.genes["reason"].iloc[0])
    assert "1 genes cannot be predicted, the first because" in str(plan)
    additive, model = predictor(toys, mode="additive")
    plan = additive.plan(cohort, min_maf=[0.2], progress=False)
    assert plan.genes["reason"].tolist() == [""]
    assert plan.genes["distinct"].tolist() == [0]  # unknown without phase
    table = plan.compared.set_index(["mode", "min_maf"])
    assert "unphased" in table.loc[("haplotypes", 0.2), "reason"]
    assert table.loc[("additive", 0.2), "reason"] == ""
    additive.predict(toys.gene_at(1_500), loose.genome, small.individuals)
    assert len(model.seen) == plan.calls


def test_it_prints_what_matters(toys: ModuleType, cohort: Cohort) -> None:
    asked = predictor(toys)[0]
    unknown = asked.plan(cohort, progress=False)
    assert math.isnan(unknown.minutes)
    assert "the quota is unknown: give calls_per_minute=" in str(unknown)
    plan = asked.plan(cohort, calls_per_minute=10, min_maf=[0.2], progress=False)
    assert plan.minutes == plan.calls / 10
    said = str(plan)
    assert said.startswith(
        f"6 genes x 12 individuals: {plan.haplotypes} haplotypes, {plan.distinct} distinct; 0 sequences in the cache, "
        f"{plan.calls} calls to make; {math.ceil(plan.calls / 10)} min at 10 per minute"
    )
    assert "2 genes cannot be predicted, the first because" in said
    assert "additive" in said
    assert repr(plan) == f"<Plan: {said.splitlines()[0]}>"  # a prompt shows what a page would
    html = plan._repr_html_()
    assert html.count("<table") == 2
    assert "far" in html
    assert "12 individuals" in html


@pytest.mark.parametrize(
    ("calls", "words"), [(59, "59 min"), (600, "10.0 h"), (60 * 72, "3.0 days"), (0, "0 min"), (2_879, "48.0 h")]
)
def test_times_have_suitable_units(calls: int, words: str) -> None:
    row = {"gene_id": "g", "haplotypes": 1, "distinct": 1, "sequences": 1, "cached": 0, "calls": calls, "reason": ""}
    plan = Plan(genes=pd.DataFrame([row]), compared=pd.DataFrame(), individuals=1, calls_per_minute=1)
    assert f"; {words} at 1 per minute" in str(plan)


@pytest.mark.parametrize("wrong", [0, -1, math.nan])
def test_a_quota_is_above_0(toys: ModuleType, cohort: Cohort, wrong: float) -> None:
    with pytest.raises(SettingError, match="calls_per_minute must be above 0"):
        predictor(toys)[0].plan(cohort, calls_per_minute=wrong, progress=False)


def test_nothing_is_sent_to_a_service(world: ModuleType, toys: ModuleType, tmp_path: Path) -> None:
    from pgxeval.testing import AlphaGenomeServer

    small = world.make_world(toys, tmp_path)
    cohort = world.make_cohort(small, [world.gene("plus"), world.gene("minus", "-")])
    with AlphaGenomeServer() as server:
        asked = world.hosted(server, calls_per_minute=240)
        plan = asked.plan(cohort, min_maf=[0.01], progress=False)
        assert server.calls == {"GetMetadata": 1}
        assert plan.calls_per_minute == 240  # what the model was told
        assert plan.calls == len(world.all_sequences(small))
        list(asked.predict_genes(cohort.genes, cohort.genome, cohort.individuals))
        assert server.calls["PredictSequence"] == plan.calls
        assert world.hosted(server).plan(cohort, progress=False).calls == 0


def test_names_are_escaped_in_a_notebook(toys: ModuleType, small: Any) -> None:
    hostile = "<script>alert(1)</script>"
    genes = [toys.gene_at(800, gene_id=hostile), toys.gene_at(1_500, gene_id=f"{hostile}2", strand=None)]
    plan = predictor(toys)[0].plan(of(small, genes), min_maf=[0.1], progress=False)
    page = attrs.evolve(plan, compared=plan.compared.assign(reason=hostile))._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert "<p>2 genes x 12 individuals" in page
