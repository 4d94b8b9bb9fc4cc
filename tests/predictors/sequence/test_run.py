"""The run over windows: batches, memory and failures of single sequences."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.genome.intervals import Interval
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, TssBins


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


EXONS = ((1_440, 1_490), (1_503, 1_540), (1_600, 1_637))


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
