"""SequencePredictor against a slow outsider, its economy of passes, and what goes wrong."""

from __future__ import annotations

import math
import pickle
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


@pytest.mark.parametrize("name", ["ToyModel", "PositionModel", "ReducingModel", "ListeningModel"])
def test_toy_models_keep_the_contract(toys: ModuleType, name: str) -> None:
    same = {"strand": "it counts G on one strand for every track"} if name == "PositionModel" else {}
    for width in (1, 8):
        check_sequence_model(getattr(toys, name)(bin_width_bp=width), expected_failures=same, on_failure="raise")


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


# --- without phase


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


# --- what goes wrong


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
