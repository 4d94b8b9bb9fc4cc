"""The PyTorch port, by a stand-in that computes the local server's numbers in torch: the same answers in batches."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")
from pgxeval.errors import PgxevalError, SettingError, TableError
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.predictors.alphagenome.torch_model import AlphaGenomeTorchModel
from pgxeval.testing import AlphaGenomeServer, check_sequence_model
from pgxeval.testing.alphagenome.tracks import RESOLUTION_BP, AlphaGenomeTracks

torch = pytest.importorskip("torch", reason="the PyTorch port needs torch")

LENGTH = 16_384
SEED = 4
TRACKS = AlphaGenomeTracks(seed=SEED)


@cache
def weights_of(output: str) -> np.ndarray:
    return TRACKS.weights(output)


FIELDS = {
    "ontology_curie": "ontology_curie",
    "biosample_name": "biosample_name",
    "gtex_tissue": "gtex_tissue",
    "data_source": "data_source",
    "assay_title": "Assay title",
}


class Track:
    """One track of a named output: a name, and the rest by `get`."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.track_name = row["name"]
        self._row = {"strand": row["strand"]} | {mine: row.get(theirs) for mine, theirs in FIELDS.items()}
        self._row = {key: value for key, value in self._row.items() if isinstance(value, str)}

    def get(self, name: str, default: Any = None) -> Any:
        return self._row.get(name, default)


class StandIn(torch.nn.Module):
    """Called as alphagenome_pytorch 0.3 is, and answers as `AlphaGenomeTracks` says; shuffled and padded at will."""

    def __init__(self, *, order: int | None = None, padding: int = 0, most: int = 99) -> None:
        super().__init__()
        self.dropout = torch.nn.Dropout(0.5)
        self.norm = torch.nn.BatchNorm1d(4)
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.dtype_policy = SimpleNamespace(compute_dtype=torch.bfloat16)
        self.order, self.padding, self.most = order, padding, most
        self.batches: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.modes: list[bool] = []

    def rows(self, output: str) -> np.ndarray:
        n = len(TRACKS.table(output))
        return np.arange(n) if self.order is None else np.random.default_rng(self.order).permutation(n)

    def predict(self, letters: Any, organism_index: int, *, named_outputs: bool, resolutions: Any, heads: Any) -> Any:
        if len(letters) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        assert letters.shape[1:] == (LENGTH, 4)
        assert organism_index == 0
        assert named_outputs is True
        assert not torch.is_grad_enabled()
        self.batches.append(len(letters))
        self.asked.append({"resolutions": resolutions, "heads": heads})
        self.modes.append(any(part.training for part in self.modules()))
        (head,), (width,) = heads, resolutions
        output = head.upper()
        weights = torch.from_numpy(weights_of(output)[self.rows(output)]).float()  # tracks, places, NACGT
        near = torch.nn.functional.pad(letters.float(), (0, 0, 2, 2))
        sums = sum(near[:, at : at + LENGTH] @ weights[:, at, 1:].T for at in range(5))
        values = (sums * sums / 256).reshape(len(letters), LENGTH // width, width, -1)
        values = values.double().mean(dim=2).float() * self.scale
        values = self.dropout(values)
        table = TRACKS.table(output).iloc[self.rows(output)].to_dict("records")
        listed = [Track(row) for row in table]
        for at in range(self.padding):
            values = torch.cat(
                [values[:, :, : 2 * at], torch.full_like(values[:, :, :1], 7.0), values[:, :, 2 * at :]], 2
            )
            listed.insert(2 * at, Track({"name": "padding", "strand": "."}))
        return SimpleNamespace(**{head: {width: SimpleNamespace(tensor=values, tracks=listed)}})


@pytest.fixture(scope="module")
def server() -> Iterator[AlphaGenomeServer]:
    with AlphaGenomeServer(seed=SEED) as server:
        yield server


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType, world: ModuleType) -> Any:
    return world.make_world(toys, tmp_path_factory.mktemp("alphagenome"))


def sequences(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).choice(np.frombuffer(b"ACGTN", np.uint8), (n, LENGTH))


@pytest.mark.parametrize("output", ["RNA_SEQ", "CAGE", "CHIP_HISTONE"])
@pytest.mark.parametrize(("order", "padding"), [(None, 0), (1, 0), (2, 3)])
def test_values_are_those_of_the_server_by_name(
    server: AlphaGenomeServer, output: str, order: int | None, padding: int
) -> None:
    stand_in = StandIn(order=order, padding=padding)
    model = AlphaGenomeTorchModel(stand_in, output=output)
    table, theirs = model.info.tracks, server.tracks(output)
    assert len(table) == len(theirs)
    assert not table["name"].str.contains("padding").any()
    asked = [0, len(table) - 1, 3]
    made = model.predict_tracks(sequences(), asked)
    assert made.dtype == np.float32
    for column, track in enumerate(asked):
        name, strand = table["name"][track], table["strand"][track]
        (row,) = np.flatnonzero((theirs["name"] == name) & (theirs["strand"] == strand))
        for at, sequence in enumerate(sequences()):
            right = server.values(sequence.tobytes().decode(), output)[:, row]
            assert np.array_equal(made[at, :, column], right)
    assert stand_in.asked[-1] == {"resolutions": (RESOLUTION_BP[output],), "heads": (output.lower(),)}
    assert stand_in.batches == [1, 3]  # one pass over N, which shows the tracks


@pytest.mark.parametrize("readout", ["exons", "tss"])
def test_a_predictor_of_it_gives_the_numbers_of_the_service(
    server: AlphaGenomeServer, small: Any, world: ModuleType, readout: str
) -> None:
    settings = {"tissue": "Liver", "context_length": LENGTH, "readout": readout}
    stand_in = StandIn(order=5, padding=2)
    here = AlphaGenomePredictor.from_torch(stand_in, batch_size=4, **settings)
    prediction = here.predict(world.gene(strand="-"), small.genome, small.individuals)
    there = world.hosted(server, **settings).predict(world.gene(strand="-"), small.genome, small.individuals)
    assert prediction.values.tolist() == there.values.tolist()
    assert [one["name"] for one in prediction.used["tracks"]] == [one["name"] for one in there.used["tracks"]]
    n_distinct = len(world.all_sequences(small))
    assert stand_in.batches == [1] + [4] * (n_distinct // 4) + [n_distinct % 4] * (n_distinct % 4 > 0)
    assert here.settings["model_settings"]["precision"] == "bfloat16"
    assert here.settings["model_settings"]["runs_on"] == "this machine, torch"
    assert not here.info.remote
    assert here.score_cache is None


def test_batches_are_halved_when_memory_is_short(server: AlphaGenomeServer, small: Any, world: ModuleType) -> None:
    settings = {"output": "CAGE", "tissue": "GM12878", "context_length": LENGTH, "batch_size": 8}
    short, ample = StandIn(most=2), StandIn()
    values = [
        AlphaGenomePredictor.from_torch(one, **settings)
        .predict(world.gene(), small.genome, small.individuals)
        .values.tolist()
        for one in (short, ample)
    ]
    assert values[0] == values[1]
    assert max(short.batches) == 2
    assert max(ample.batches) == 8


def test_the_model_is_given_back_as_it_was() -> None:
    stand_in = StandIn()
    stand_in.train()
    stand_in.norm.eval()
    before = {name: value.clone() for name, value in stand_in.state_dict().items()}
    precision = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    model = AlphaGenomeTorchModel(stand_in)
    model.predict_tracks(sequences(1), [0])
    assert stand_in.modes == [False, False]  # no dropout while it ran
    assert [part.training for part in (stand_in, stand_in.dropout, stand_in.norm)] == [True, True, False]
    assert stand_in.scale.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in stand_in.state_dict().items())
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == precision
    stand_in.most = 0
    with pytest.raises(torch.OutOfMemoryError):
        model.predict_tracks(sequences(1), [0])
    assert [part.training for part in (stand_in, stand_in.dropout, stand_in.norm)] == [True, True, False]


def test_the_contract_of_sequence_models_is_kept() -> None:
    table = check_sequence_model(AlphaGenomeTorchModel(StandIn(order=1, padding=2), output="CAGE"), on_failure="raise")
    assert set(table.loc[table["outcome"] != "passed", "check"]) <= {"golden", "targets"}


def test_it_works_after_pickling() -> None:
    model = AlphaGenomeTorchModel(StandIn(), version="v1")
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_tracks(sequences(1), [4]), model.predict_tracks(sequences(1), [4]))
    assert again.info.version == "v1"
    assert repr(model) == "AlphaGenomeTorchModel(StandIn, output='RNA_SEQ')"


def test_metadata_may_be_given_where_the_model_names_no_tracks(server: AlphaGenomeServer) -> None:
    class Nameless(StandIn):
        def predict(self, *given: Any, **keywords: Any) -> Any:
            answer = super().predict(*given, **keywords)
            del answer.rna_seq[1].tracks
            return answer

    model = AlphaGenomeTorchModel(Nameless(), metadata=server.tracks())
    assert np.array_equal(
        model.predict_tracks(sequences(1), [9])[0, :, 0], server.values(sequences(1)[0].tobytes().decode())[:, 9]
    )
    with pytest.raises(PgxevalError, match=r"has no rna_seq\[1\] with tensor and tracks.*AttributeError"):
        AlphaGenomeTorchModel(Nameless())
    short = AlphaGenomeTorchModel(Nameless(), metadata=server.tracks()[:-1])
    with pytest.raises(PgxevalError, match=r"returned \(1, 16384, 140\) for 1 sequences and 139 tracks"):
        short.predict_tracks(sequences(1), [0])


class Broken(StandIn):
    """Answers something else."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def predict(self, *given: Any, **keywords: Any) -> Any:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"rna_seq": {1: torch.zeros(1, LENGTH, 2)}},
        SimpleNamespace(cage={}),
        SimpleNamespace(rna_seq={128: SimpleNamespace(tensor=torch.zeros(1, 128, 1), tracks=[])}),
        SimpleNamespace(rna_seq={1: torch.zeros(1, LENGTH, 2)}),
        SimpleNamespace(rna_seq={1: SimpleNamespace(tensor=torch.zeros(1, LENGTH, 1), tracks=["plain text"])}),
    ],
)
def test_answers_of_another_form_are_named(answer: Any) -> None:
    with pytest.raises(PgxevalError, match=r"has no rna_seq\[1\] with tensor and tracks, which alphagenome_pytorch"):
        AlphaGenomeTorchModel(Broken(answer))


def one_track(*names: str) -> list[Track]:
    return [Track({"name": name, "strand": "."}) for name in names]


def test_shapes_and_numbers_are_checked() -> None:
    two = SimpleNamespace(tensor=torch.zeros(1, LENGTH, 2), tracks=one_track("a"))
    with pytest.raises(PgxevalError, match=r"returned \(1, 16384, 2\) for 1 sequences and 1 tracks"):
        AlphaGenomeTorchModel(Broken(SimpleNamespace(rna_seq={1: two})))
    none = SimpleNamespace(tensor=torch.zeros(1, LENGTH, 1), tracks=one_track("padding"))
    with pytest.raises(TableError, match="name no track"):
        AlphaGenomeTorchModel(Broken(SimpleNamespace(rna_seq={1: none})))
    good = SimpleNamespace(tensor=torch.ones(1, LENGTH, 1), tracks=one_track("a"))
    broken = Broken(SimpleNamespace(rna_seq={1: good}))
    model = AlphaGenomeTorchModel(broken)
    assert model.predict_tracks(sequences(1), [0]).tolist() == np.ones((1, LENGTH, 1)).tolist()
    good.tensor = torch.ones(1, LENGTH - 1, 1)
    with pytest.raises(PgxevalError, match=r"cannot be used: expected shape \(16384, 1\), got \(16383, 1\)"):
        model.predict_tracks(sequences(1), [0])
    good.tensor, good.tracks = torch.ones(1, LENGTH, 1), one_track("b")
    with pytest.raises(PgxevalError, match=r"cannot be used: .* 1 are missing"):
        model.predict_tracks(sequences(1), [0])


def test_nan_of_one_sequence_is_its_own(small: Any, world: ModuleType) -> None:
    class Sick(StandIn):
        def predict(self, letters: Any, *given: Any, **keywords: Any) -> Any:
            answer = super().predict(letters, *given, **keywords)
            tensor = answer.atac[1].tensor
            base = letters[:, LENGTH // 2 - 50].argmax(dim=1)
            usual = base == "ACGT".index(small.reference["chr1"][world.TSS - 50])
            tensor[~usual] = float("nan")
            return answer

    settings = {"output": "ATAC", "tissue": "GM12878", "context_length": LENGTH, "batch_size": 64}
    sick, well = (
        AlphaGenomePredictor.from_torch(one, **settings).predict(world.gene(), small.genome, small.individuals)
        for one in (Sick(), StandIn())
    )
    lost = np.isnan(sick.values)
    assert 0 < lost.sum() < len(lost)
    assert sick.values[~lost].tolist() == well.values[~lost].tolist()
    assert all("NaN or infinity" in str(sick.reason(row)) for row in np.flatnonzero(lost))


@pytest.mark.parametrize("wrong", [StandIn, object(), None, torch.nn.Linear(2, 2)])
def test_other_objects_are_refused(wrong: Any) -> None:
    with pytest.raises(SettingError, match=r"predict\(one_hot, organism_index, named_outputs=True"):
        AlphaGenomePredictor.from_torch(wrong, tissue="Liver")


def test_scores_of_weights_without_a_name_are_not_kept(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tissue": "Liver", "context_length": LENGTH, "score_cache": tmp_path / "cache"}
    with pytest.raises(SettingError, match="kept under its version"):
        AlphaGenomePredictor.from_torch(StandIn(), **settings)
    assert AlphaGenomePredictor.from_torch(StandIn(), version="fold 0", **settings).info.version == "fold 0"


def test_other_lengths_and_letters_are_refused() -> None:
    model = AlphaGenomeTorchModel(StandIn())
    with pytest.raises(SettingError):
        model.predict_tracks(np.full((1, 1_000), ord("A"), np.uint8), [0])
    with pytest.raises(SettingError, match="not among ACGTN"):
        model.predict_tracks(np.full((1, LENGTH), ord("a"), np.uint8), [0])
    assert model.predict_tracks(sequences(0), [0, 1]).shape == (0, LENGTH, 2)
