"""AlphaGenomeModel: what is asked of predict_sequence, what is taken from answers, and the contract of a model."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")


from pgxeval.errors import PgxevalError, RemoteServiceError, SettingError
from pgxeval.predictors.alphagenome import upstream as alphagenome_upstream
from pgxeval.predictors.alphagenome.client import HostedClient
from pgxeval.predictors.alphagenome.model import AlphaGenomeModel
from pgxeval.predictors.sequence.target import Target
from pgxeval.testing import AlphaGenomeServer, check_sequence_model

LENGTH = 16_384
dna_client = alphagenome_upstream.upstream("models.dna_client")


@pytest.fixture(scope="module")
def shared() -> Iterator[AlphaGenomeServer]:
    with AlphaGenomeServer(seed=2) as server:
        yield server


@pytest.fixture
def server(shared: AlphaGenomeServer) -> AlphaGenomeServer:
    shared.reset()
    return shared


def sequences(n: int = 2, letters: str = "ACGTN", seed: int = 0) -> np.ndarray:
    codes = np.frombuffer(letters.encode(), np.uint8)
    return np.random.default_rng(seed).choice(codes, (n, LENGTH))


def rows_of(server: AlphaGenomeServer, output: str = "RNA_SEQ", **wanted: str) -> list[int]:
    table = server.tracks(output)
    keep = np.ones(len(table), dtype=bool)
    for column, value in wanted.items():
        keep &= (table[column] == value).to_numpy()
    return [int(row) for row in np.flatnonzero(keep)]


class Listening:
    """Notes how it is asked, and hands it on; nothing but predict_sequence."""

    def __init__(self, inner: Any) -> None:
        self._asked: list[dict[str, Any]] = []
        self._answer = inner.predict_sequence

    def predict_sequence(self, sequence: str, **keywords: Any) -> Any:
        self._asked.append({"sequence": sequence, **keywords})
        return self._answer(sequence, **keywords)


def hasten(model: AlphaGenomeModel) -> AlphaGenomeModel:
    model._calls._wait_scale = 0.002
    return model


# --- what is asked


@pytest.mark.parametrize("output", ["RNA_SEQ", "CAGE", "ATAC", "DNASE", "CHIP_HISTONE"])
def test_predict_sequence_is_asked_in_the_one_way_that_is_safe(server: AlphaGenomeServer, output: str) -> None:
    listening = Listening(server.local())
    model = AlphaGenomeModel(listening, remote=False, output=output)
    (first,) = listening._asked  # without output_metadata a pass over N shows the tracks
    assert first == {
        "sequence": "N" * LENGTH,
        "requested_outputs": [dna_client.OutputType[output]],
        "ontology_terms": None,
    }
    table = server.tracks(output)
    for tracks in ([0], [1, 0], [len(table) - 1, 2]):
        listening._asked.clear()
        given = sequences()
        made = model.predict_tracks(given, tracks)
        terms = sorted(set(table["ontology_curie"].iloc[tracks]))
        assert [one["sequence"].encode() for one in listening._asked] == [row.tobytes() for row in given]
        for asked in listening._asked:
            assert set(asked) == {"sequence", "requested_outputs", "ontology_terms"}  # never an interval
            assert asked["requested_outputs"] == [dna_client.OutputType[output]]
            assert type(asked["requested_outputs"]) is list  # a generator would be empty at the second attempt
            assert type(asked["ontology_terms"]) is list
            assert asked["ontology_terms"] == terms
            assert re.fullmatch(f"[ACGTN]{{{LENGTH}}}", asked["sequence"])
        for row, sequence in enumerate(given):
            right = server.values(sequence.tobytes().decode(), output)[:, tracks]
            assert np.array_equal(made[row], right)
        assert made.dtype == np.float32


def test_tracks_without_a_term_are_asked_for_by_none_and_never_by_an_empty_list(server: AlphaGenomeServer) -> None:
    inner = server.local()

    class Nameless(Listening):
        def output_metadata(self) -> Any:
            metadata = inner.output_metadata()
            metadata.rna_seq.loc[metadata.rna_seq.index[3], "ontology_curie"] = None
            return metadata

    listening = Nameless(inner)
    model = AlphaGenomeModel(listening, remote=False)
    made = model.predict_tracks(sequences(1), [3, 5])
    assert [asked["ontology_terms"] for asked in listening._asked] == [None]
    assert np.array_equal(made[0], server.values(sequences(1)[0].tobytes().decode())[:, [3, 5]])


def test_the_service_is_asked_for_the_terms_of_the_tracks_alone(server: AlphaGenomeServer) -> None:
    model = AlphaGenomeModel(server.client())
    assert server.calls == {"GetMetadata": 1}
    rows = rows_of(server, gtex_tissue="Liver") + rows_of(server, gtex_tissue="Whole_Blood")
    made = model.predict_tracks(sequences(), rows)
    assert set(server.requests) == {(LENGTH, ("RNA_SEQ",), ("UBERON:0001114", "UBERON:0013756"))}
    assert np.array_equal(made[1], server.values(sequences()[1].tobytes().decode())[:, rows])


def test_only_predict_sequence_is_called(server: AlphaGenomeServer) -> None:
    AlphaGenomeModel(server.client()).predict_tracks(sequences(), [0])
    assert set(server.calls) == {"PredictSequence", "GetMetadata"}


def test_the_clients_own_retries_are_left_out(server: AlphaGenomeServer) -> None:
    """They are too few for a quota, and the pacer would not see what was refused."""
    model = hasten(AlphaGenomeModel(server.client()))
    model._calls.pacer._period_s = 0.05
    server.script.extend(["RESOURCE_EXHAUSTED"] * 7)
    model.predict_tracks(sequences(1), [0])
    assert server.calls["PredictSequence"] == 8
    assert model.counts == {"refused": 7, "repeated": 0, "failed": 0}


# --- what is taken from answers


def local_with(server: AlphaGenomeServer, damage: Any) -> AlphaGenomeModel:
    inner = server.local()

    class Damaged(Listening):
        output_metadata = staticmethod(inner.output_metadata)

        def predict_sequence(self, sequence: str, **keywords: Any) -> Any:
            answer = inner.predict_sequence(sequence, **keywords).rna_seq
            made = {"values": answer.values, "metadata": answer.metadata, "resolution": answer.resolution}
            return SimpleNamespace(rna_seq=damage(SimpleNamespace(**made)))

    return AlphaGenomeModel(Damaged(inner), remote=False)


def changed(**what: Any) -> Any:
    def damage(answer: Any) -> Any:
        for name, change in what.items():
            setattr(answer, name, change(getattr(answer, name)))
        return answer

    return damage


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[5] = np.nan
    return values


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda answer: None, "the output is absent"),
        (changed(values=lambda values: values[:, :0], metadata=lambda table: table[:0]), "1 are missing"),
        (changed(values=lambda values: values[:-1]), rf"expected shape \({LENGTH}, \d\), got \(16383, \d\)"),
        (changed(values=lambda values: values[:, 0]), r"got \(16384,\)"),
        (changed(values=with_nan), "it contains NaN or infinity"),
        (changed(resolution=lambda _: 128), "expected bins of 1 bp, got 128"),
        (changed(metadata=lambda table: table.assign(name="other")), "1 are missing"),
        (changed(metadata=lambda table: table.drop(columns="strand")), "its tracks have no names"),
    ],
)
def test_a_local_answer_that_cannot_be_used_is_a_reason(server: AlphaGenomeServer, damage: Any, words: str) -> None:
    model = local_with(server, damage)
    row = rows_of(server, gtex_tissue="Liver")
    said = "AlphaGenome returned an answer that cannot be used: .*" + words
    with pytest.raises(PgxevalError, match="^" + said):
        model.predict_tracks(sequences(1), row)
    targets = [Target(row=0, segments=[(5, 9)]), Target(row=1, segments=[(0, 1)])]
    answers = list(model.predict_targets([sequences(2)], targets, row))
    assert [position for position, _, _ in answers] == [0, 1]
    for _, values, reason in answers:
        assert np.isnan(values).all()
        assert re.fullmatch(f"AlphaGenome returned an answer that cannot be used: .*{words}.*", reason)


def test_other_orders_and_further_tracks_do_no_harm(server: AlphaGenomeServer) -> None:
    turned = changed(values=lambda values: values[:, ::-1], metadata=lambda table: table[::-1])
    row = rows_of(server, gtex_tissue="Liver")
    made = local_with(server, turned).predict_tracks(sequences(1), row)
    assert np.array_equal(made[0], server.values(sequences(1)[0].tobytes().decode())[:, row])


def test_targets_are_those_of_the_plain_way(server: AlphaGenomeServer) -> None:
    given, tracks = sequences(3, "ACGT"), [1, 3]
    targets = [
        Target(row=0, segments=[(0, 100), (200, 201)], aggregate="sum"),
        Target(row=0, segments=[(16_000, LENGTH)], aggregate="max"),
        Target(row=2, segments=[(7, 900)], aggregate="mean", log_bins=True),
    ]
    for output, width in (("RNA_SEQ", 1), ("CHIP_HISTONE", 128)):
        model = AlphaGenomeModel(server.client(), output=output)
        answers = {at: values for at, values, _ in model.predict_targets([given[:1], given[1:]], targets, tracks)}
        for at, target in enumerate(targets):
            values = server.values(given[target.row].tobytes().decode(), output)[:, tracks].astype(float)
            places = [place for start, end in target.segments.tolist() for place in range(start, end)]
            read = values[np.array(places) // width]
            read = np.log1p(read) if target.log_bins else read
            wanted = {"sum": read.sum(axis=0) / width, "mean": read.mean(axis=0), "max": read.max(axis=0)}
            np.testing.assert_allclose(answers[at], wanted[target.aggregate], rtol=1e-12)
            assert answers[at].dtype == np.float64


# --- the contract


@pytest.mark.parametrize("kind", ["local", "hosted client", "CAGE", "CHIP_HISTONE"])
def test_the_contract_of_sequence_models_is_kept(server: AlphaGenomeServer, kind: str) -> None:
    if kind == "local":
        model = AlphaGenomeModel(server.local(), remote=False)
    elif kind == "hosted client":
        model = AlphaGenomeModel(HostedClient(address=server.address))
    else:
        model = AlphaGenomeModel(server.local(), remote=False, output=kind)
    table = check_sequence_model(model, on_failure="raise")
    assert set(table.loc[table["outcome"] != "passed", "check"]) == {"golden"}


def test_a_client_in_hand_keeps_it_but_for_pickling(server: AlphaGenomeServer) -> None:
    excuse = {"pickling": "the client holds its API key and its connection"}
    check_sequence_model(AlphaGenomeModel(server.client()), expected_failures=excuse, on_failure="raise")


def test_what_it_says_of_itself(server: AlphaGenomeServer) -> None:
    hosted = AlphaGenomeModel(HostedClient(address=server.address), in_flight=5)
    assert (hosted.info.remote, hosted.info.in_flight > 5, hosted.info.batch_size) == (True, True, 1)
    assert hosted.info.version == "ALL_FOLDS"
    assert AlphaGenomeModel(HostedClient(address=server.address, model_version="FOLD_0")).info.version == "FOLD_0"
    local = AlphaGenomeModel(server.local(), remote=False)
    assert (local.info.remote, local.info.in_flight) == (False, 1)
    assert local.info.version == "not named"
    assert AlphaGenomeModel(server.local(), remote=False, version="v").info.version == "v"
    assert local.info.context_lengths == (16_384, 131_072, 524_288, 1_048_576)
    assert local.counts == {}
    assert local.calls_per_minute is None
    assert AlphaGenomeModel(server.client(), calls_per_minute=60).calls_per_minute == 60
    assert "AlphaGenomeModel(LocalAlphaGenome, output='RNA_SEQ')" in repr(local)


def test_the_pace_that_was_learned_travels_along(server: AlphaGenomeServer) -> None:
    model = AlphaGenomeModel(HostedClient(address=server.address), calls_per_minute=77, in_flight=3, deadline_s=9.0)
    again = pickle.loads(pickle.dumps(model))
    assert again.calls_per_minute == 77
    assert again.info.in_flight == model.info.in_flight
    assert again._deadline_s == 9.0
    assert np.array_equal(again.predict_tracks(sequences(), [2]), model.predict_tracks(sequences(), [2]))


def test_deadlines_are_longer_for_longer_sequences(server: AlphaGenomeServer) -> None:
    model = AlphaGenomeModel(HostedClient(address=server.address))
    model._timed.clear()
    for length in (16_384, 1_048_576):
        model._client(length)
    assert sorted(model._timed) == [64.0, 316.0]
    given = AlphaGenomeModel(HostedClient(address=server.address), deadline_s=0.3)
    hasten(given)
    server.script.extend(["hang"] * 3)
    with pytest.raises(PgxevalError, match="failed for the sequence 3 times, the last time with DEADLINE_EXCEEDED"):
        given.predict_tracks(sequences(1), [0])


# --- what is refused


def test_objects_without_predict_sequence_are_refused(server: AlphaGenomeServer) -> None:
    for wrong, got in ((object(), "object"), (None, "NoneType"), (dna_client.DnaClient, "the class DnaClient")):
        with pytest.raises(SettingError, match=rf"with predict_sequence\(.*got {got}"):
            AlphaGenomeModel(wrong)


def test_a_model_without_the_output_is_refused(server: AlphaGenomeServer) -> None:
    with pytest.raises(PgxevalError, match="the model has no PROCAP tracks"):
        AlphaGenomeModel(server.local(), remote=False, output="PROCAP")
    with pytest.raises(PgxevalError, match="has no PROCAP tracks"):
        AlphaGenomeModel(server.client(), output="PROCAP")
    listening = Listening(server.local())
    with pytest.raises(PgxevalError, match="the model has no PROCAP tracks"):
        AlphaGenomeModel(listening, remote=False, output="PROCAP")


def test_metadata_may_be_a_mapping_with_any_index(server: AlphaGenomeServer) -> None:
    table = server.tracks()
    given = {"rna_seq": table.set_index(pd.Index(range(500, 500 + len(table))))}
    local = SimpleNamespace(predict_sequence=server.local().predict_sequence, output_metadata=lambda: given)
    assert AlphaGenomeModel(local, remote=False).info.tracks["name"].tolist() == table["name"].tolist()


def test_a_service_that_refuses_the_key_says_so_at_once(server: AlphaGenomeServer) -> None:
    server.expire_key_after(0)
    with pytest.raises(RemoteServiceError, match=r"rejected the API key \(UNAUTHENTICATED\)"):
        AlphaGenomeModel(server.client())
    assert server.calls == {"GetMetadata": 1}


def test_a_missing_package_names_the_extra(server: AlphaGenomeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alphagenome_upstream.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'pip install "pgxeval\[alphagenome\]"'):
        AlphaGenomeModel(server.local(), remote=False)


@pytest.mark.parametrize("length", [16_383, 2_048, 100_000])
def test_other_lengths_are_not_sent(server: AlphaGenomeServer, length: int) -> None:
    model = AlphaGenomeModel(server.client())
    with pytest.raises(SettingError, match=r"16,?384"):
        model.predict_tracks(np.full((1, length), ord("A"), np.uint8), [0])
    assert server.calls["PredictSequence"] == 0
