"""SequencePredictor against a slow outsider, its economy of passes, and what goes wrong."""

from __future__ import annotations

import math
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest

from pgxeval import Cohort, predict_cohort
from pgxeval.errors import GenotypeError, PgxevalError, PgxevalWarning, SettingError, UnknownNameError
from pgxeval.genome.intervals import Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.predictors.protocol import Predictor
from pgxeval.predictors.sequence.model import PredictsTargets, SequenceModel
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, IntervalReadout, TssBins
from pgxeval.testing import check_sequence_model


def slow_prediction(
    slow: ModuleType,
    model: Any,
    small: Any,
    gene: Any,
    *,
    tracks: dict[str, list[int]],
    stretches: list[tuple[int, int]] | None,
    aggregate: str,
    log: str | None = None,
    pseudocount: float = 1.0,
    n_bins: int = 0,
    shifts: tuple[int, ...] = (0,),
    reverse: bool = False,
    combine: str = "mean",
    length: int = 512,
) -> list[float]:
    """The documented order: views, logarithm, tracks, copies."""
    width, offset = int(model.info.tracks["bin_width_bp"].iloc[0]), model.info.output_offset_bp
    answers = []
    for individual in small.individuals:
        of_copies = []
        for records in slow.copies(small, individual):
            cells = slow.haplotype(small.reference["chr1"], records)
            of_tracks = []
            for track in tracks[gene.strand]:
                views = []
                for shift in shifts:
                    seen = slow.window(cells, gene.tss, length, shift)
                    if stretches is None:
                        anchor = length // 2 - shift
                        first = offset + ((anchor - offset) // width - n_bins // 2) * width
                        indices = list(range(first, first + n_bins * width))
                    else:
                        indices = slow.members(seen, stretches)
                    kwargs = {"log_bins": log == "bins"}
                    views.append(slow.read(model, seen, indices, track, aggregate, **kwargs))
                    if reverse:
                        other = int(model.info.tracks["pair"].iloc[track])
                        turned = [length - 1 - i for i in indices]
                        views.append(slow.read(model, slow.complement(seen), turned, other, aggregate, **kwargs))
                value = sum(views) / len(views)
                of_tracks.append(math.log(value + pseudocount) if log == "total" else value)
            of_copies.append(sum(of_tracks) / len(of_tracks))
        answers.append(
            {
                "mean": sum(of_copies) / 2,
                "max": max(of_copies),
                "log_sum": sum(math.log(value + 1) for value in of_copies),
            }[combine]
        )
    return answers


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


EXONS = ((1_440, 1_490), (1_503, 1_540), (1_600, 1_637))
PLUS_TRACKS = {"+": [0, 2], "-": [1, 2]}

BINS = {"stretches": None, "n_bins": 3, "aggregate": "sum"}

CASES = [
    (TssBins(), BINS, {}),
    (TssBins(n=10, aggregate="mean", log="bins"), {**BINS, "n_bins": 10, "aggregate": "mean", "log": "bins"}, {}),
    (TssBins(n=4, aggregate="max", log="total"), {**BINS, "n_bins": 4, "aggregate": "max", "log": "total"}, {}),
    (ExonMask(), {"stretches": list(EXONS), "aggregate": "mean", "log": "total", "pseudocount": 0.001}, {}),
    (ExonMask(aggregate="sum", log="bins"), {"stretches": list(EXONS), "aggregate": "sum", "log": "bins"}, {}),
    (GeneBody(), {"stretches": [(1_440, 1_637)], "aggregate": "sum", "log": "total"}, {}),
    (GeneBody(aggregate="max", log=None), {"stretches": [(1_440, 1_637)], "aggregate": "max"}, {}),
    (
        IntervalReadout(intervals=[Interval("1", 1_411, 1_412), Interval("chr1", 1_555, 1_586)]),
        {"stretches": [(1_411, 1_412), (1_555, 1_586)], "aggregate": "sum"},
        {},
    ),
    (ExonMask(), {"stretches": list(EXONS), "aggregate": "mean", "log": "total", "pseudocount": 0.001},
     {"reverse_complement": True, "shifts": (-3, 0, 2)}),
    (TssBins(n=3), BINS, {"reverse_complement": True, "combine": "max"}),
    (GeneBody(log=None), {"stretches": [(1_440, 1_637)], "aggregate": "sum"}, {"combine": "log_sum", "shifts": (5,)}),
]  # fmt: skip


# one readout of each kind says it for models that reduce by themselves
RUNS = [(case, width, False) for case in range(len(CASES)) for width in (1, 8, 32)]
RUNS += [(case, 8, True) for case in (0, 3, 8)]


@pytest.mark.parametrize(("case", "width", "reducing"), RUNS)
def test_numbers_equal_those_of_a_slow_outsider(
    toys: ModuleType, slow: ModuleType, small: Any, case: int, width: int, reducing: bool
) -> None:
    readout, expected, settings = CASES[case]
    make = toys.ReducingModel if reducing else toys.ToyModel
    model = make(bin_width_bp=width)
    strand = "-" if case % 2 else "+"
    gene = toys.gene_at(1_500, strand=strand, exons=EXONS)
    predictor = SequencePredictor(model, readout, tracks=[0, 1, 2], batch_size=3, **settings)
    prediction = predictor.predict(gene, small.genome, small.individuals)
    shape = {"shifts": settings.get("shifts", (0,)), "reverse": settings.get("reverse_complement", False)}
    wanted = slow_prediction(
        slow, model, small, gene, tracks=PLUS_TRACKS, combine=settings.get("combine", "mean"), **shape, **expected
    )
    assert len(set(wanted)) > 3
    np.testing.assert_allclose(prediction.values, wanted, rtol=2e-6)
    assert prediction.values.dtype == np.float64
    assert [track["index"] for track in prediction.used["tracks"]] == PLUS_TRACKS[strand]


def test_two_bin_widths_read_the_same_bases_behind_an_indel(tmp_path: Path, toys: ModuleType) -> None:
    """A 40-bp deletion and a 23-bp insertion before the TSS move nothing that is read."""
    rng = np.random.default_rng(5)
    bases = "".join(rng.choice(list("ACGT"), 4_000))
    records = [
        ("chr1", 1_900, bases[1_900:1_941], bases[1_900], ["0|0", "0|1", "1|1", "0|0"]),
        ("chr1", 1_960, bases[1_960], bases[1_960] + "G" * 23, ["0|0", "0|0", "0|0", "1|1"]),
        ("chr1", 2_110, bases[2_110], bases[2_110] + "GG", ["0|0", "0|1", "0|0", "0|0"]),
    ]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["none", "one", "deleted", "inserted"], records)
    gene = toys.gene_at(2_000, exons=((2_050, 2_083), (2_101, 2_133)))
    expected = [
        sum(bases[start:end].count("G") for start, end in gene.exons),
        sum(bases[start:end].count("G") for start, end in gene.exons) + 1,  # GG in an exon of one of two copies
    ]
    answers, texts = {}, {}
    for width in (1, 32, 128):
        model = toys.PositionModel(bin_width_bp=width, length=1_024, offset_bp=128)
        predictor = SequencePredictor(model, ExonMask(aggregate="sum", log=None), tracks="rna b")
        answers[width] = predictor.predict(gene, small.genome, small.individuals).values
        listening = toys.ListeningModel(bin_width_bp=width, length=1_024, offset_bp=128)
        SequencePredictor(listening, ExonMask(), tracks="rna b").predict(gene, small.genome, small.individuals)
        texts[width] = listening.read
    # bins of one base tell exactly what lies in the exons: planted truth
    np.testing.assert_array_equal(answers[1], [expected[0], expected[1], expected[0], expected[0]])
    # every model reads the same bases, independent of its bins of the same exons
    spliced = "".join(bases[start:end] for start, end in gene.exons)
    with_insertion = bases[2_050:2_083] + bases[2_101:2_111] + "GG" + bases[2_111:2_133]
    for width in (1, 32, 128):
        assert sorted(texts[width]) == sorted([spliced, spliced, with_insertion, spliced]), width
    # the grid of the wider bins, too, is that of the people without the indels
    for width in (32, 128):
        assert answers[width][2] == answers[width][0]


@pytest.mark.parametrize("name", ["ToyModel", "PositionModel", "ReducingModel", "ListeningModel"])
def test_toy_models_keep_the_contract(toys: ModuleType, name: str) -> None:
    same = {"strand": "it counts G on one strand for every track"} if name == "PositionModel" else {}
    for width in (1, 8):
        check_sequence_model(getattr(toys, name)(bin_width_bp=width), expected_failures=same, on_failure="raise")


def test_each_distinct_sequence_passes_once(toys: ModuleType, small: Any) -> None:
    model = toys.ToyModel(name="counted")
    genes = [
        toys.gene_at(1_500, gene_id="a", exons=EXONS),
        toys.gene_at(1_500, gene_id="b", strand="-", exons=((1_300, 1_330),)),  # same window, other strand
        toys.gene_at(2_000, gene_id="c"),
    ]
    predictor = SequencePredictor(model, ExonMask(), tracks=[0, 1, 2], batch_size=5)
    answers = {
        gene.gene_id: prediction for gene, prediction in predictor.predict_genes(genes, small.genome, small.individuals)
    }
    distinct = {
        sequence.tobytes()
        for tss in (1_500, 2_000)
        for sequence in small.genome.haplotypes(Interval.around("chr1", tss, 512), anchor=tss).sequences
    }
    assert len(model.seen) == len(set(model.seen)) == len(distinct) == predictor.passes
    assert set(model.seen) == distinct
    assert model.locked
    # batches are filled across genes; genes that want the same tracks share them
    calls = toys.ToyModel()
    shared = SequencePredictor(calls, ExonMask(), tracks=[0, 1, 2], batch_size=5)
    list(shared.predict_genes([genes[0], genes[2]], small.genome, small.individuals))
    assert set(calls.calls[:-1]) == {5}
    assert sum(calls.calls) == len(distinct)
    for gene in genes:
        alone = SequencePredictor(toys.ToyModel(), ExonMask(), tracks=[0, 1, 2], batch_size=1)
        np.testing.assert_array_equal(
            answers[gene.gene_id].values, alone.predict(gene, small.genome, small.individuals).values
        )


def test_people_without_variants_cost_one_pass_together(tmp_path: Path, toys: ModuleType) -> None:
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), 2_000))
    other = "A" if bases[1_010] != "A" else "C"
    people = [f"p{number}" for number in range(50)]
    records = [("chr1", 1_010, bases[1_010], other, ["0|1"] + ["0|0"] * 49)]
    small = toys.write_genome(tmp_path, {"chr1": bases}, people, records)
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    values = predictor.predict(toys.gene_at(1_000), small.genome, people).values
    assert predictor.passes == 2
    assert values[0] != values[1]
    assert (values[1:] == values[1]).all()
    only = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    assert only.predict(toys.gene_at(1_000), small.genome, people[1:]).values.tolist() == values[1:].tolist()
    assert only.passes == 1


def test_same_bases_written_two_ways_share_a_pass_but_not_a_map(tmp_path: Path, toys: ModuleType) -> None:
    """A repeat shortened at its start or at its end spells the same bases; another exon base is gone."""
    rng = np.random.default_rng(8)
    bases = "".join(rng.choice(list("ACGT"), 1_000)) + "GTGTGTGTGT" + "".join(rng.choice(list("AC"), 1_000))
    at = 1_000
    records = [
        ("chr1", at - 1, bases[at - 1 : at + 2], bases[at - 1], ["1|1", "0|0"]),
        ("chr1", at + 7, bases[at + 7 : at + 10], bases[at + 7], ["0|0", "1|1"]),
    ]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["start", "end"], records)
    gene = toys.gene_at(1_100, exons=((at, at + 3), (1_050, 1_060)))
    haplotypes = small.genome.haplotypes(Interval.around("chr1", 1_100, 512), anchor=1_100)
    assert haplotypes.n_distinct == 2
    assert (haplotypes.sequences[0] == haplotypes.sequences[1]).all()
    predictor = SequencePredictor(toys.ToyModel(bin_width_bp=1), ExonMask(), tracks="rna b")
    values = predictor.predict(gene, small.genome, ["start", "end"]).values
    assert predictor.passes == 1
    assert values[0] != values[1]


def test_batches_are_independent_of_everything(toys: ModuleType, small: Any) -> None:
    genes = [toys.gene_at(tss, gene_id=str(tss)) for tss in (700, 1_500, 2_100)]
    first = None
    for size, order in ((1, 1), (7, -1), (1_000, 1)):
        predictor = SequencePredictor(toys.ToyModel(), GeneBody(), tracks="rna b", batch_size=size)
        answers = list(predictor.predict_genes(genes[::order], small.genome, small.individuals[::order]))
        assert [gene for gene, _ in answers] == genes[::order]
        values = np.array([prediction.values for _, prediction in answers])[::order, ::order]
        first = values if first is None else first
        np.testing.assert_array_equal(values, first)


def test_reference_genome_with_other_letters_never_reaches_the_model(tmp_path: Path, toys: ModuleType) -> None:
    bases = list("".join(np.random.default_rng(2).choice(list("ACGT"), 2_000)))
    bases[990], bases[1_005] = "R", "n"
    small = toys.write_genome(tmp_path, {"chr1": "".join(bases)}, ["one"], [])
    model = toys.ToyModel()
    SequencePredictor(model, TssBins(), tracks="rna b").predict(toys.gene_at(1_000), small.genome, ["one"])
    assert set(b"".join(model.seen)) == set(b"ACGTN")
    assert b"".join(model.seen).count(b"N") == 2


def test_model_that_refuses_n_is_spared_and_the_reason_told(tmp_path: Path, toys: ModuleType) -> None:
    bases = "".join(np.random.default_rng(2).choice(list("ACGT"), 2_000))
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["one"], [])
    model = toys.ToyModel(n_policy="refuse")
    predictor = SequencePredictor(model, TssBins(), tracks="rna b")
    genes = [toys.gene_at(100, gene_id="edge"), toys.gene_at(1_000, gene_id="inside")]
    (_, edge), (_, inside) = predictor.predict_genes(genes, small.genome, ["one"])
    assert math.isnan(edge.values[0])
    assert "contains N" in str(edge.reason(0))
    assert math.isfinite(inside.values[0])
    assert model.calls == [1]


def test_target_outside_of_the_output_is_nan_with_the_reason(toys: ModuleType, small: Any) -> None:
    far = toys.gene_at(1_500, exons=((1_440, 1_450), (1_900, 1_950)))
    model = toys.ToyModel()
    refused = SequencePredictor(model, ExonMask(), tracks="rna b").predict(far, small.genome, small.individuals)
    assert np.isnan(refused.values).all()
    assert "50 of 60 bases lie outside the output of the model" in str(refused.reason(0))
    assert model.calls == []
    clipped = SequencePredictor(model, ExonMask(partial="clip"), tracks="rna b")
    assert np.isfinite(clipped.predict(far, small.genome, small.individuals).values).all()
    wide = SequencePredictor(model, TssBins(n=99), tracks="rna b").predict(far, small.genome, small.individuals)
    assert "reach beyond" in str(wide.reason(0))
    without = attrs.evolve(far, exons=())
    empty = SequencePredictor(model, ExonMask(), tracks="rna b").predict(without, small.genome, small.individuals)
    assert "has no exons" in str(empty.reason(3))


def test_exon_deleted_on_one_copy_is_nan_for_its_carriers_alone(tmp_path: Path, toys: ModuleType) -> None:
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 2_000))
    records = [("chr1", 1_040, bases[1_040:1_071], bases[1_040], ["0|0", "0|1"])]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["has", "lacks"], records)
    gene = toys.gene_at(1_000, exons=((1_050, 1_060),))
    prediction = SequencePredictor(toys.ToyModel(), ExonMask(), tracks="rna b").predict(
        gene, small.genome, ["has", "lacks"]
    )
    assert np.isnan(prediction.values).tolist() == [False, True]
    assert prediction.reason(1) == "all 10 bases are deleted on a haplotype"
    additive = SequencePredictor(toys.ToyModel(), ExonMask(), tracks="rna b", mode="additive")
    without_phase = additive.predict(gene, small.genome, ["has", "lacks"])
    assert without_phase.values[0] == prediction.values[0]
    assert without_phase.reason(1) == prediction.reason(1)


def test_lone_copies_count_as_two(tmp_path: Path, toys: ModuleType) -> None:
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 2_000))
    other = "A" if bases[1_005] != "A" else "C"
    records = [("chr1", 1_005, bases[1_005], other, ["0", "0|0", "1", "1|1"])]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["m0", "f0", "m1", "f1"], records)
    for combine in ("mean", "max", "log_sum"):
        predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", combine=combine)
        values = predictor.predict(toys.gene_at(1_000), small.genome, small.individuals).values
        assert values[0] == values[1] != values[2] == values[3]
    additive = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", mode="additive")
    values = additive.predict(toys.gene_at(1_000), small.genome, small.individuals).values
    np.testing.assert_allclose(values[[0, 2]], values[[1, 3]], rtol=1e-12)


# --- without phase


def test_additive_mode_equals_a_slow_sum_of_single_variants(
    toys: ModuleType, slow: ModuleType, small: Any, tmp_path: Path
) -> None:
    unphased = [
        (contig, start, ref, alt, [genotype.replace("|", "/") for genotype in genotypes])
        for contig, start, ref, alt, genotypes in small.records
    ]
    loose = toys.write_genome(tmp_path, small.reference, small.individuals, unphased)
    gene, model = toys.gene_at(1_500, exons=EXONS), toys.ToyModel()
    predictor = SequencePredictor(model, ExonMask(), tracks=[0, 2], mode="additive")
    values = predictor.predict(gene, loose.genome, small.individuals).values

    def score(records: list[tuple[int, str, str]]) -> float:
        seen = slow.window(slow.haplotype(small.reference["chr1"], records), gene.tss, 512)
        indices = slow.members(seen, EXONS)
        logs = [math.log(slow.read(model, seen, indices, track, "mean", log_bins=False) + 0.001) for track in (0, 2)]
        return sum(logs) / 2

    bare = score([])
    wanted = np.full(len(small.individuals), bare)
    for _, start, ref, alt, genotypes in small.records:
        dosages = np.array([genotype.count("1") for genotype in genotypes])
        if 1_200 <= start < 1_800 and dosages.any():
            wanted += dosages / 2 * (score([(start, ref, alt)]) - bare)
    np.testing.assert_allclose(values, wanted, rtol=2e-6)
    assert np.ptp(wanted) > 1e-3


@pytest.mark.parametrize("mode", ["haplotypes", "additive"])
def test_individual_with_a_refused_genotype_is_the_only_one_without_a_value(
    mode: Any, toys: ModuleType, tmp_path: Path
) -> None:
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 3_000))
    other = "A" if bases[1_005] != "A" else "C"
    records = [("chr1", 1_005, bases[1_005], other, ["0|1", "0|0", ".|1"])]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["one", "two", "three"], records)
    strict = PersonalGenome(small.genome.source, small.genome.reference, missing="refuse")
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", mode=mode)
    lenient = predictor.predict(toys.gene_at(1_000), small.genome, small.individuals)
    prediction = predictor.predict(toys.gene_at(1_000), strict, small.individuals)
    assert prediction.values[:2].tolist() == lenient.values[:2].tolist()
    assert np.isnan(prediction.values[2])
    assert prediction.reason(2) == "missing genotype at chr1:1006"
    assert prediction.used["genotypes_refused"] == 1
    with pytest.raises(GenotypeError, match="missing genotype"):
        predictor.predict(toys.gene_at(1_000), strict, ["three"])


def test_unphased_cohort_is_refused_and_the_way_named(toys: ModuleType, tmp_path: Path) -> None:
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 3_000))
    other = "A" if bases[1_005] != "A" else "C"
    records = [("chr1", 1_005, bases[1_005], other, ["0/1", "0/0"])]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["one", "two"], records)
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    # only the individual with the unphased heterozygote is affected, and only for this gene
    genes = [toys.gene_at(1_000, gene_id="bad"), toys.gene_at(2_000, gene_id="good")]
    (_, bad), (_, good) = predictor.predict_genes(genes, small.genome, small.individuals)
    assert np.isnan(bad.values).tolist() == [True, False]
    assert 'mode="additive"' in str(bad.reason(0))
    assert np.isfinite(good.values).all()
    # nothing can be predicted at all
    with pytest.raises(GenotypeError, match=r'unphased.*mode="additive"'):
        predictor.predict(genes[0], small.genome, ["one"])
    with pytest.raises(SettingError, match='requires combine="mean"'):
        SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", mode="additive", combine="max")


# --- the cache


def test_second_run_computes_only_what_is_new(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    genes = [toys.gene_at(1_500, gene_id="a", exons=EXONS), toys.gene_at(2_000, gene_id="b")]

    def run(people: tuple[str, ...], cache: Path | None = tmp_path / "cache", **changed: Any) -> tuple[list[Any], int]:
        shapes = ("version", "settings", "bin_width_bp")
        model = toys.ToyModel(**{key: changed.pop(key) for key in shapes if key in changed})
        settings = {"tracks": [0, 1, 2], "score_cache": cache, **changed}
        predictor = SequencePredictor(model, settings.pop("readout", ExonMask()), **settings)
        answers = list(predictor.predict_genes(genes, small.genome, people))
        assert predictor.passes == len(model.seen)
        return [prediction.values.tolist() for _, prediction in answers], predictor.passes

    plain, n_all = run(small.individuals, score_cache=None)
    _, n_few = run(small.individuals[:2])
    kept, n_more = run(small.individuals)
    assert kept == plain
    assert 0 < n_few < n_all
    assert n_more == n_all - n_few
    assert run(small.individuals) == (plain, 0)
    assert run(small.individuals, combine="max")[1] == 0  # combining comes after
    assert run(small.individuals, readout=ExonMask(log=None))[1] == 0
    for changed in (
        {"version": "2"},
        {"settings": {"precision": "bf16"}},
        {"bin_width_bp": 16},
        {"tracks": [3, 4]},
        {"readout": ExonMask(aggregate="sum")},
        {"readout": ExonMask(log="bins")},
        {"readout": GeneBody()},
        {"shifts": (1,)},
    ):
        assert run(small.individuals, **changed)[1] > n_few, changed
    assert run(small.individuals, reverse_complement=True)[1] == n_all  # forward strands are there already
    # four bins around the TSS are the same bins from behind: the strands must still be told apart
    both = {"readout": TssBins(n=4), "tracks": "rna b", "reverse_complement": True}
    once = run(small.individuals, score_cache=None, **both)
    assert run(small.individuals, **both) == once
    assert run(small.individuals, **both) == (once[0], 0)


def test_cache_names_say_nothing_without_the_key(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    contents = []
    for folder in ("a", "b"):
        predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", score_cache=tmp_path / folder)
        predictor.predict(toys.gene_at(1_500), small.genome, small.individuals)
        names = {path.stat().st_mode & 0o777 for path in (tmp_path / folder).iterdir()}
        assert names == {0o600}
        (part,) = (tmp_path / folder).glob("scores-*.part")
        contents.append({part.read_bytes()[at : at + 16] for at in range(0, part.stat().st_size, 32)})
    assert contents[0]
    assert not contents[0] & contents[1]


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {room!r})
    from pathlib import Path
    import toy_models as toys
    from pgxeval.genome.personal import PersonalGenome
    from pgxeval.predictors.sequence.readout import TssBins
    from pgxeval.predictors.sequence.predictor import SequencePredictor

    class Killed(toys.ToyModel):
        def predict_tracks(self, sequences, tracks):
            if len(self.seen) >= 6:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().predict_tracks(sequences, tracks)

    genome = PersonalGenome({vcf!r}, {fasta!r})
    predictor = SequencePredictor(Killed(), TssBins(), tracks="rna b", score_cache={folder!r}, batch_size=2)
    predictor.predict(toys.gene_at(1_500), genome, genome.individuals)
"""


def test_what_was_computed_outlives_a_kill(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code = KILLED.format(
        room=str(Path(__file__).parents[1]), vcf=str(small.vcf), fasta=str(small.fasta), folder=str(cache)
    )
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=os.environ, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-400:]
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", score_cache=cache, batch_size=2)
    values = predictor.predict(toys.gene_at(1_500), small.genome, small.individuals).values
    plain = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    np.testing.assert_array_equal(values, plain.predict(toys.gene_at(1_500), small.genome, small.individuals).values)
    assert predictor.passes == plain.passes - 6


# --- what goes wrong


def test_failure_of_one_sequence_costs_its_carriers_alone(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    gene = toys.gene_at(1_500)
    haplotypes = small.genome.haplotypes(Interval.around("chr1", 1_500, 512), anchor=1_500)
    poison = haplotypes.sequences[2].tobytes()
    carriers = (haplotypes.index == 2).any(axis=1)
    plain = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b").predict(gene, small.genome, small.individuals)

    class Poisoned(toys.ToyModel):  # type: ignore[name-defined,misc]
        how = "raise"

        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            values = super().predict_tracks(sequences, tracks)
            for row, sequence in enumerate(sequences):
                if sequence.tobytes() == poison:
                    if self.how == "raise":
                        raise ZeroDivisionError(poison.decode())
                    values[row] = np.nan
            return values

    for how, words in (("raise", "failed with ZeroDivisionError"), ("nan", "returned NaN or infinity in 3 of 3 bins")):
        model = Poisoned()
        model.how = how
        predictor = SequencePredictor(model, TssBins(), tracks="rna b", batch_size=4, score_cache=tmp_path / how)
        prediction = predictor.predict(gene, small.genome, small.individuals)
        assert np.isnan(prediction.values).tolist() == carriers.tolist()
        np.testing.assert_array_equal(prediction.values[~carriers], plain.values[~carriers])
        reason = str(prediction.reason(int(np.flatnonzero(carriers)[0])))
        assert words in reason
        assert poison.decode()[:20] not in reason
        # a failure is tried again, the rest is not
        healed = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", score_cache=tmp_path / how)
        np.testing.assert_array_equal(healed.predict(gene, small.genome, small.individuals).values, plain.values)
        assert healed.passes == 1


def test_gene_without_strand(toys: ModuleType, small: Any) -> None:
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks=[0, 1])
    lacking, fine = toys.gene_at(1_500, strand=None, gene_id="lacking"), toys.gene_at(1_500)
    (_, refused), (_, said) = predictor.predict_genes([lacking, fine], small.genome, small.individuals)
    assert "gene lacking has no strand" in str(refused.reason(0))
    assert np.isfinite(said.values).all()
    assert "gene lacking has no strand" in str(predictor.predict(lacking, small.genome, small.individuals).reason(0))
    other = attrs.evolve(lacking, gene_id="other")
    with pytest.raises(SettingError, match=r"none of 2 genes has a strand, the first is lacking.*annotation\.gtf"):
        list(predictor.predict_genes([lacking, other], small.genome, small.individuals))
    minus_only = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna a minus")
    assert "shows the strand" in str(minus_only.predict(fine, small.genome, small.individuals).reason(0))
    # a peak has no strand, and tracks of both strands do not ask for one
    peak = attrs.evolve(lacking, tss=None, exons=())
    around = SequencePredictor(toys.ToyModel(), GeneBody(), tracks="rna b", around="body")
    assert np.isfinite(around.predict(peak, small.genome, small.individuals).values).all()


def test_fasta_of_another_assembly(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    other = toys.random_genome(tmp_path, seed=99)
    genome = PersonalGenome(small.vcf, other.fasta)
    with pytest.raises(GenotypeError, match="different genome builds"):
        SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b").predict(
            toys.gene_at(1_500), genome, small.individuals
        )


def test_gene_off_the_contigs_is_named_and_others_go_on(toys: ModuleType, small: Any) -> None:
    genes = [
        attrs.evolve(toys.gene_at(1_500, gene_id="lost"), contig="chr9"),
        toys.gene_at(1_500),
        toys.gene_at(90_000, gene_id="off"),
    ]
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    answers = [prediction for _, prediction in predictor.predict_genes(genes, small.genome, small.individuals)]
    assert "chr9" in str(answers[0].reason(0))
    assert np.isfinite(answers[1].values).all()
    assert "lies off chr1" in str(answers[2].reason(0))
    with pytest.raises(UnknownNameError, match="individuals are not in"):
        predictor.predict(genes[1], small.genome, ["nobody"])
    with pytest.raises(SettingError, match="has no reference"):
        predictor.predict(genes[1], PersonalGenome(small.vcf), small.individuals)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"context_length": 500}, "does not accept sequences of 500 bp; it accepts 512 bp"),
        ({"tracks": "liver"}, "the GTEx tissue 'liver' has no track"),
        ({"tracks": 77}, "track 77 is not in the table"),
        ({"combine": "median"}, "combine must be 'mean' or"),
        ({"mode": "linear"}, "mode must be"),
        ({"around": "exon"}, "around must be"),
        ({"shifts": ()}, "shifts must be whole numbers"),
        ({"shifts": (0, 0)}, "shifts must differ"),
        ({"shifts": (400,)}, "smaller than half the context"),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1"),
        ({"context_length": True}, "context_length must be a whole number"),
        ({"name": " "}, "name must be a text"),
        ({"readout": TssBins}, "got the class TssBins"),
        ({"readout": "tss"}, "got str"),
        ({"model": None}, "NoneType is not a sequence model"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(toys: ModuleType, changed: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"model": toys.ToyModel(), "readout": TssBins(), "tracks": "rna b", **changed}
    with pytest.raises((SettingError, UnknownNameError), match=words):
        SequencePredictor(**arguments)


def test_models_that_need_more_care_are_refused(toys: ModuleType) -> None:
    with pytest.raises(SettingError, match="give an instance: ToyModel"):
        SequencePredictor(toys.ToyModel, TssBins(), tracks=0)
    with pytest.raises(SettingError, match="allow_remote=True"):
        SequencePredictor(toys.ToyModel(remote=True), TssBins(), tracks=0)
    assert SequencePredictor(toys.ToyModel(remote=True), TssBins(), tracks=0, allow_remote=True).name == "toy"
    unpaired = toys.stranded_tracks(8).assign(pair=-1)
    with pytest.raises(SettingError, match="has no pair"):
        SequencePredictor(toys.ToyModel(tracks=unpaired), TssBins(), tracks=0, reverse_complement=True)


def test_a_scale_that_does_not_add_up_is_reported(toys: ModuleType) -> None:
    squashed = toys.stranded_tracks(8).assign(scale=["linear", "linear", "squashed", "linear", "linear"])
    with pytest.warns(PgxevalWarning, match="scale squashed, where adding up bins does not give the total"):
        SequencePredictor(toys.ToyModel(tracks=squashed), TssBins(), tracks="rna b")
    SequencePredictor(toys.ToyModel(tracks=squashed), TssBins(), tracks=0)


def test_model_that_never_answers_is_an_error(toys: ModuleType, small: Any) -> None:
    class Broken(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            raise TypeError("ACGT")

    with pytest.raises(
        PgxevalError, match="failed for each of the first 2 sequences, the last time with TypeError"
    ) as told:
        SequencePredictor(Broken(), TssBins(), tracks=0).predict(
            toys.gene_at(1_500), small.genome, small.individuals[:1]
        )
    assert isinstance(told.value.__cause__, TypeError)


def test_no_individuals_and_no_genes(toys: ModuleType, small: Any) -> None:
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b")
    assert predictor.predict(toys.gene_at(1_500), small.genome, []).values.shape == (0,)
    assert list(predictor.predict_genes([], small.genome, small.individuals)) == []


def test_keeps_the_protocols_and_pickles(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", score_cache=tmp_path)
    assert isinstance(predictor, Predictor)
    assert isinstance(predictor.model, SequenceModel)
    assert not isinstance(predictor.model, PredictsTargets)
    assert isinstance(toys.ReducingModel(), PredictsTargets)
    values = predictor.predict(toys.gene_at(1_500), small.genome, small.individuals).values
    again = pickle.loads(pickle.dumps(predictor))
    assert again.predict(toys.gene_at(1_500), small.genome, small.individuals).values.tolist() == values.tolist()
    assert again.passes == predictor.passes  # all from the cache


def test_reaches_the_predictions_table_with_its_settings(toys: ModuleType, tmp_path: Path) -> None:
    small = toys.random_genome(tmp_path, seed=4, n_individuals=12)
    genes = tuple(toys.gene_at(tss, gene_id=f"g{tss}", strand=strand) for tss, strand in ((700, "+"), (1_500, "-")))
    expression = np.random.default_rng(0).normal(size=(2, len(small.individuals)))
    cohort = Cohort(genome=small.genome, genes=genes, expression=expression, individuals=small.individuals)
    predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks=[0, 1])
    predictions = predict_cohort(cohort, [predictor], progress=False)
    table = predictions.table
    assert len(table) == 2 * len(small.individuals)
    assert table["fold"].isna().all()
    alone = predictor.predict(genes[1], small.genome, small.individuals).values
    np.testing.assert_array_equal(table.loc[table["gene_id"] == "g1500", "prediction"], alone)
    said = predictions.settings["toy"]
    assert said["asked"]["readout"] == {"class": "TssBins", "n": 3, "aggregate": "sum", "log": None, "pseudocount": 1.0}
    assert said["asked"]["tracks_requested"] == [0, 1]
    assert said["used"]["combine"] == "mean"
    assert "rna a minus" in str(said["used"]["tracks"])


def test_memory_is_that_of_one_batch(toys: ModuleType, small: Any) -> None:
    """No more track arrays are alive at a time than one batch needs."""
    import weakref

    alive: list[Any] = []
    most = 0

    class Watched(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            nonlocal most
            values = super().predict_tracks(sequences, tracks)
            most = max(most, sum(reference() is not None for reference in alive) + 1)
            alive.append(weakref.ref(values))
            return values

    predictor = SequencePredictor(Watched(), GeneBody(), tracks="rna b", batch_size=2)
    list(
        predictor.predict_genes(
            [toys.gene_at(tss, gene_id=str(tss)) for tss in range(600, 2_400, 200)], small.genome, small.individuals
        )
    )
    assert len(alive) > 20
    assert most <= 2


def test_table_of_readout_and_tracks_is_json(toys: ModuleType) -> None:
    import json

    readout = IntervalReadout(intervals={"g": Interval("chr1", 1, 5)})
    predictor = SequencePredictor(toys.ToyModel(), readout, tracks=np.array([0, 2]), reverse_complement=True)
    written = json.loads(json.dumps(predictor.settings))
    assert written["readout"]["intervals"] == {"g": ["chr1:1-5"]}
    assert written["tracks"][1] == {"index": 2, "name": "rna b", "strand": "."}


def test_broken_promises_are_errors(toys: ModuleType, small: Any) -> None:
    class Wrong(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            return super().predict_tracks(sequences, tracks)[:, 1:]

    with pytest.raises(PgxevalError, match=r"returned float32 \(8, 55, 1\).*promises float32 \(8, 56, 1\)"):
        SequencePredictor(Wrong(), TssBins(), tracks=0).predict(toys.gene_at(1_500), small.genome, small.individuals)
