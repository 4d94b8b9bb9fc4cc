"""Extra readouts and tracks from the same passes, and failures that are remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, TssBins

EXONS = ((1_440, 1_490), (1_503, 1_540), (1_600, 1_637))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


def run(toys: ModuleType, small: Any, folder: Path | None, model: Any = None, **settings: Any) -> tuple[list[Any], int]:
    """Predict a gene of each strand in one window; their values and what it cost."""
    genes = [toys.gene_at(1_500, gene_id=strand, strand=strand, exons=EXONS) for strand in "+-"]
    settings = {"readout": ExonMask(), "tracks": [0, 1, 2], "allow_remote": True, **settings}
    asked = SequencePredictor(model or toys.ToyModel(), settings.pop("readout"), score_cache=folder, **settings)
    answers = [answer for _, answer in asked.predict_genes(genes, small.genome, small.individuals)]
    return answers, asked.passes


def values(answers: list[Any]) -> list[list[float]]:
    return [answer.values.tolist() for answer in answers]


READOUTS = [TssBins(), TssBins(n=5, aggregate="mean"), GeneBody(), ExonMask(log="bins", aggregate="max")]


@pytest.mark.parametrize("views", [{}, {"reverse_complement": True, "shifts": (0, 3)}])
def test_further_readouts_and_tracks_cost_no_further_pass(
    toys: ModuleType, small: Any, tmp_path: Path, views: dict[str, Any]
) -> None:
    plain, n_all = run(toys, small, None, **views)
    first, passes = run(toys, small, tmp_path, extra_readouts=READOUTS, extra_tracks=[[3, 4]], **views)
    assert (values(first), passes) == (values(plain), n_all)
    for readout in (ExonMask(), *READOUTS):
        for tracks in ([0, 1, 2], [3, 4], [3, 4, 2]):
            kept, passes = run(toys, small, tmp_path, readout=readout, tracks=tracks, **views)
            assert passes == 0
            assert values(kept) == values(run(toys, small, None, readout=readout, tracks=tracks, **views)[0])
    assert run(toys, small, tmp_path, readout=TssBins(n=7), **views)[1] == n_all


def test_what_was_kept_without_them_is_asked_again_for_them(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    plain, n_all = run(toys, small, tmp_path)
    wider, passes = run(toys, small, tmp_path, extra_readouts=[GeneBody()])
    assert (values(wider), passes) == (values(plain), n_all)
    assert run(toys, small, tmp_path, extra_readouts=[GeneBody()])[1] == 0
    assert run(toys, small, tmp_path, extra_tracks=["cage plus"], tracks=[0, 1])[1] == n_all


def test_an_extra_readout_that_fails_does_not_affect_the_main_one(toys: ModuleType, small: Any, tmp_path: Path) -> None:
    plain, n_all = run(toys, small, None)
    answers, passes = run(toys, small, tmp_path, extra_readouts=[TssBins(n=1_000)])
    assert (values(answers), passes) == (values(plain), n_all)
    beyond, passes = run(toys, small, tmp_path, readout=TssBins(n=1_000), extra_readouts=[ExonMask()])
    assert passes == 0
    assert np.isnan(beyond[0].values).all()


def test_settings_are_checked(toys: ModuleType, tmp_path: Path) -> None:
    def make(**settings: Any) -> SequencePredictor:
        return SequencePredictor(toys.ToyModel(), ExonMask(), tracks=[0], **settings)

    for setting in ({"extra_readouts": [TssBins()]}, {"extra_tracks": [1]}):
        with pytest.raises(SettingError, match="give its folder as score_cache="):
            make(**setting)
    for setting in (
        {"extra_readouts": ["tss"]},
        {"extra_readouts": [TssBins]},
        {"extra_tracks": "rna b"},
        {"extra_readouts": TssBins()},
    ):
        with pytest.raises(SettingError, match="must be a list"):
            make(score_cache=tmp_path, **setting)


def test_extra_tracks_need_a_pair_too(toys: ModuleType, tmp_path: Path) -> None:
    tracks = toys.stranded_tracks(8)
    tracks.loc[3:4, "pair"] = -1
    settings = {"tracks": [0, 1], "extra_tracks": [[3, 4]], "score_cache": tmp_path, "reverse_complement": True}
    with pytest.raises(SettingError, match="track cage plus has no pair on the other strand"):
        SequencePredictor(toys.ToyModel(tracks=tracks), ExonMask(), **settings)
    SequencePredictor(toys.ToyModel(tracks=tracks), ExonMask(), **{**settings, "reverse_complement": False})


# --- failures that a remote model has had


class Failing:
    """A remote toy that refuses some sequences for good; `sick` chooses them by one of their bases."""

    def __init__(self, toys: ModuleType, *, remote: bool = True, sick: str = "A", name: str = "toy") -> None:
        self.inner = toys.ToyModel(remote=remote, name=name)
        self.info, self.sick = self.inner.info, sick

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        return self.inner.predict_tracks(sequences, tracks)

    def predict_targets(
        self, batches: Iterable[np.ndarray], targets: Sequence[Any], tracks: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray, str | None]]:
        kept = list(batches)
        whole = np.concatenate(kept)
        for at, target in enumerate(targets):
            values = self.predict_tracks(whole[target.row : target.row + 1], tracks)[0]
            bins, _ = target.bins(8, 32)
            if chr(whole[target.row, 256]) in self.sick:
                yield at, np.full(len(tracks), np.nan), "it was refused"
            else:
                yield at, target.reduce(values[bins], 8, 32), None


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    """A variant at the very anchor, whose base decides."""
    bases = "".join(np.random.default_rng(1).choice(list("CGT"), 3_000))
    records = [
        ("chr1", 1_500, bases[1_500], "A", ["0|0", "0|1", "1|1", "0|0"]),
        ("chr1", 1_450, bases[1_450], "A", ["0|1", "0|1", "0|0", "0|0"]),
    ]
    return toys.write_genome(tmp_path_factory.mktemp("varied"), {"chr1": bases}, ["w", "x", "y", "z"], records)


REASON = "it was refused"
EARLIER = "it was refused (in an earlier run; retry_failed=True tries again)"


def test_failures_are_remembered_and_tried_again_on_request(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    right, _ = run(toys, varied, None)
    model = Failing(toys)
    first, _ = run(toys, varied, tmp_path, model)
    for answer, whole in zip(first, right, strict=True):
        assert np.isnan(answer.values).tolist() == [False, True, True, False]
        assert [answer.reason(row) for row in range(4)] == [None, REASON, REASON, None]
        assert answer.values[[0, 3]].tolist() == whole.values[[0, 3]].tolist()
    again, passes = run(toys, varied, tmp_path, Failing(toys, sick=""))
    assert passes == 0
    assert [again[0].reason(row) for row in range(4)] == [None, EARLIER, EARLIER, None]
    mended, passes = run(toys, varied, tmp_path, Failing(toys, sick=""), retry_failed=True)
    assert passes == 2  # those alone: with the variant before the anchor, and without
    assert values(mended) == values(right)
    after, passes = run(toys, varied, tmp_path, Failing(toys))
    assert (values(after), passes) == (values(right), 0)


def test_a_second_failure_is_remembered_too(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    run(toys, varied, tmp_path, Failing(toys))
    twice, passes = run(toys, varied, tmp_path, Failing(toys), retry_failed=True)
    assert passes == 2
    assert twice[0].reason(1) == REASON
    assert run(toys, varied, tmp_path, Failing(toys))[1] == 0


def test_local_failures_are_not_remembered(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    """Asking again costs no money, and the cause may be gone."""
    right, _ = run(toys, varied, None)
    run(toys, varied, tmp_path, Failing(toys, remote=False))
    again, passes = run(toys, varied, tmp_path, Failing(toys, remote=False, sick=""))
    assert passes == 2
    assert values(again) == values(right)


def test_a_failure_belongs_to_what_was_asked(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    _, n_all = run(toys, varied, None)
    run(toys, varied, tmp_path, Failing(toys))
    for settings in ({"readout": TssBins()}, {"tracks": [3, 4]}):
        assert run(toys, varied, tmp_path, Failing(toys, sick=""), **settings)[1] == n_all
    assert run(toys, varied, tmp_path, Failing(toys, sick="", name="other"))[1] == n_all


def test_extra_tracks_that_fail_do_not_affect_those_that_are_read(
    toys: ModuleType, varied: Any, tmp_path: Path
) -> None:
    right, n_all = run(toys, varied, tmp_path, Failing(toys, sick=""))
    run(toys, varied, tmp_path, Failing(toys), tracks=[3, 4])
    # known tracks stay known, and extra tracks, which have failed, are not tried again
    kept, passes = run(toys, varied, tmp_path, Failing(toys), extra_tracks=[[3, 4]])
    assert (values(kept), passes) == (values(right), 0)
    # tracks that were never asked for are asked for, even if extra tracks failed
    fresh = tmp_path / "fresh"
    run(toys, varied, fresh, Failing(toys), tracks=[3, 4])
    asked, passes = run(toys, varied, fresh, Failing(toys, sick=""), extra_tracks=[[3, 4]])
    assert (values(asked), passes) == (values(right), n_all)


def test_a_failure_is_not_tried_again_for_what_is_asked_beside(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    _, n_all = run(toys, varied, None)
    first, _ = run(toys, varied, tmp_path, Failing(toys))
    again, passes = run(toys, varied, tmp_path, Failing(toys, sick=""), extra_tracks=[[3, 4]])
    assert passes == n_all - 2
    assert np.array_equal(again[0].values, first[0].values, equal_nan=True)


def test_failures_of_one_strand_leave_the_other(toys: ModuleType, varied: Any, tmp_path: Path) -> None:
    gene = toys.gene_at(1_500, strand="+", exons=EXONS)
    right, _ = run(toys, varied, None, tracks=[0, 1])

    def alone(sick: str) -> Any:
        model = Failing(toys, sick=sick)
        asked = SequencePredictor(model, ExonMask(), tracks=[0, 1], score_cache=tmp_path, allow_remote=True)
        return asked.predict(gene, varied.genome, varied.individuals)

    assert np.isnan(alone("A").values).sum() == 2
    both, passes = run(toys, varied, tmp_path, Failing(toys, sick=""), tracks=[0, 1])
    # the sequences that failed are asked again, for the other strand wants them; so the first has its score, too
    assert values(both) == values(right)
    assert passes > 0
