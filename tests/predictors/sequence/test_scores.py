"""Scores are looked up by content and kept as they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, TssBins


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


EXONS = ((1_440, 1_490), (1_503, 1_540), (1_600, 1_637))


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
