"""Windows of a gene: the same bases on every haplotype."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest

from pgxeval.genome.intervals import Interval
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, TssBins


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


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
