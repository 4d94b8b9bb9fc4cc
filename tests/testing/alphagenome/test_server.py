"""The real client talks to the local server; a plain re-implementation gives the expected values."""

from __future__ import annotations

import collections
import hashlib
import inspect
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("alphagenome", reason="the local server needs the extra `alphagenome`")

import grpc
from alphagenome.models import dna_client

from pgxeval.errors import SettingError
from pgxeval.testing import AlphaGenomeServer
from pgxeval.testing.alphagenome.faults import DAMAGES, STATUSES

LENGTH = 16_384
BLOOD, DLPFC, LCL = "UBERON:0013756", "UBERON:0009834", "EFO:0002784"
OUTPUT = dna_client.OutputType
RETRIED = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


def random_sequence(seed: int, length: int = LENGTH) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGTN"), length))


SEQUENCE = random_sequence(0)
DIGEST = hashlib.sha256(SEQUENCE.encode()).hexdigest()


def ask(model: Any, sequence: str = SEQUENCE, terms: list[str] | None = None, *outputs: Any) -> Any:
    terms = [BLOOD] if terms is None else terms
    return model.predict_sequence(sequence, requested_outputs=outputs or [OUTPUT.RNA_SEQ], ontology_terms=terms)


def once(server: AlphaGenomeServer) -> Callable[..., Any]:
    """Return the real client's call without its own retries."""
    client = server.client()
    plain = type(client).predict_sequence.__wrapped__
    return lambda sequence=SEQUENCE: plain(client, sequence, requested_outputs=[OUTPUT.RNA_SEQ], ontology_terms=[BLOOD])


def settle(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture(scope="module")
def shared() -> Iterator[AlphaGenomeServer]:
    with AlphaGenomeServer(seed=3, slow_s=0.2) as server:
        yield server


@pytest.fixture
def server(shared: AlphaGenomeServer) -> AlphaGenomeServer:
    shared.reset()
    return shared


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


# the metadata


def test_the_client_reads_the_same_metadata_and_padding(server: AlphaGenomeServer) -> None:
    read = server.client().output_metadata()
    for output in ("RNA_SEQ", "CAGE", "ATAC", "DNASE", "CHIP_HISTONE"):
        frame = read.get(OUTPUT[output])
        assert (frame["name"] == "Padding").sum() == 2
        tracks = frame[frame["name"] != "Padding"].reset_index(drop=True)
        pd.testing.assert_frame_equal(tracks, server.tracks(output), check_like=True, check_dtype=False)
    assert read.procap is None
    assert server.calls == {"GetMetadata": 1}
    assert server.client().output_metadata(dna_client.Organism.MUS_MUSCULUS).rna_seq is None


# answers


@pytest.mark.parametrize("terms", [[BLOOD], [DLPFC, LCL], [], ["CL:0000236"]], ids=["one", "two", "all", "unknown"])
def test_the_client_gets_the_values_bit_by_bit(server: AlphaGenomeServer, terms: list[str]) -> None:
    client = server.client()
    answer = ask(client, SEQUENCE, terms, OUTPUT.CHIP_HISTONE, OUTPUT.RNA_SEQ, OUTPUT.PROCAP)
    for output in ("RNA_SEQ", "CHIP_HISTONE"):
        found, table = answer.get(OUTPUT[output]), server.tracks(output)
        kept = np.ones(len(table), dtype=bool) if not terms else table["ontology_curie"].isin(terms).to_numpy()
        assert found.values.dtype == np.float32
        assert np.array_equal(found.values, server.values(SEQUENCE, output)[:, kept])
        assert found.metadata["name"].tolist() == table["name"][kept].tolist()
        assert found.metadata["strand"].tolist() == table["strand"][kept].tolist()
        assert found.resolution == {"RNA_SEQ": 1, "CHIP_HISTONE": 128}[output]
    assert answer.procap is None
    assert answer.cage is None


def test_bfloat16_travels_within_one_step() -> None:
    with AlphaGenomeServer(seed=3, bf16=True) as server:
        found = ask(server.client(), SEQUENCE, [DLPFC]).rna_seq.values
        right = server.values(SEQUENCE)[:, server.tracks()["ontology_curie"].eq(DLPFC).to_numpy()]
        local = ask(server.local(), SEQUENCE, [DLPFC]).rna_seq.values
    assert found.dtype == np.float32
    assert (found != right).any()
    assert (np.abs(found - right) <= right * 2**-8).all()
    assert np.array_equal(found, local)


def test_a_local_object_answers_the_same_in_its_own_ways(server: AlphaGenomeServer) -> None:
    local, client = server.local(), server.client()
    for terms in ([BLOOD], [DLPFC, LCL]):
        here, there = (ask(model, SEQUENCE, terms, OUTPUT.RNA_SEQ, OUTPUT.CAGE) for model in (local, client))
        for output in (OUTPUT.RNA_SEQ, OUTPUT.CAGE):
            assert np.array_equal(here.get(output).values, there.get(output).values)
            assert here.get(output).metadata["name"].tolist() == there.get(output).metadata["name"].tolist()
    assert here.rna_seq.metadata.index.tolist() != list(range(len(here.rna_seq.metadata)))
    assert ask(local, SEQUENCE, []).rna_seq.values.shape == (LENGTH, 0)
    asked = {"requested_outputs": [OUTPUT.RNA_SEQ], "ontology_terms": None}
    assert local.predict_sequence(SEQUENCE[:100], **asked).rna_seq.values.shape == (100, len(server.tracks()))
    listed = local.output_metadata().rna_seq
    assert listed["name"].tolist() == server.tracks()["name"].tolist()
    assert listed.index.tolist() != list(range(len(listed)))
    assert local.sequences[DIGEST] == 3
    assert np.array_equal(ask(pickle.loads(pickle.dumps(local))).rna_seq.values, ask(client).rna_seq.values)
    assert not isinstance(local, dna_client.DnaClient)


@pytest.mark.parametrize(("sequence", "words"), [("A" * 1_000, "length 1000"), ("a" * LENGTH, "other letters")])
def test_the_service_refuses_what_the_client_does_not_send(
    server: AlphaGenomeServer, monkeypatch: pytest.MonkeyPatch, sequence: str, words: str
) -> None:
    module = sys.modules[dna_client.DnaClient.__module__]
    monkeypatch.setattr(module, "validate_sequence_length", lambda length: None)
    monkeypatch.setattr(module, "_VALID_SEQUENCE_CHARACTERS", frozenset("ACGTNa"))
    with pytest.raises(grpc.RpcError, match=words) as raised:
        ask(server.client(), sequence)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with AlphaGenomeServer(seed=3, lengths=(1_000,)) as short:
        assert ask(short.client(), "A" * 1_000).rna_seq.values.shape == (1_000, 1)


def test_other_calls_are_not_answered(server: AlphaGenomeServer) -> None:
    from alphagenome.data import genome

    asked = {"requested_outputs": [OUTPUT.RNA_SEQ], "ontology_terms": None}
    with pytest.raises(grpc.RpcError) as raised:
        server.client().predict_interval(genome.Interval("chr1", 0, LENGTH), **asked)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert server.calls == {"PredictInterval": 1}


# faults


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.usefixtures("no_sleep")
def test_a_status_reaches_the_client_and_gives_everything_away(server: AlphaGenomeServer, status: str) -> None:
    server.script.append(grpc.StatusCode[status])
    with pytest.raises(grpc.RpcError) as raised:
        once(server)()
    assert raised.value.code() is grpc.StatusCode[status]
    assert SEQUENCE[:40] in raised.value.details()
    assert server.seen_keys[0] in raised.value.details()
    server.script.append(status)
    if status in RETRIED:
        assert ask(server.client()).rna_seq.values.shape == (LENGTH, 1)
    else:
        with pytest.raises(grpc.RpcError):
            ask(server.client())
    assert server.calls["PredictSequence"] == server.sequences[DIGEST] == (3 if status in RETRIED else 2)
    assert server.answered == server.paid[DIGEST] == (1 if status in RETRIED else 0)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
def test_damaged_answers_look_as_they_do_upstream(bf16: bool) -> None:
    with AlphaGenomeServer(seed=3, bf16=bf16) as server:
        client = server.client()
        wrong = {}
        for fault in DAMAGES:
            server.script.append(fault)
            try:
                wrong[fault] = ask(client, SEQUENCE, [DLPFC]).rna_seq
            except ValueError as error:
                wrong[fault] = str(error)
        assert server.answered == 0
        assert server.paid == {}
        right = ask(client, SEQUENCE, [DLPFC]).rna_seq
        assert server.sequences[DIGEST] == 1 + len(DAMAGES)
    assert isinstance(wrong["truncate"], str)
    assert "end of stream" in wrong["truncate"]
    assert isinstance(wrong["short"], str)
    assert "bytes" in wrong["short"]
    assert wrong["missing"] is None
    assert wrong["empty"].values.shape == (LENGTH, 0)
    assert np.isnan(wrong["nan"].values).all(axis=1).nonzero()[0].tolist() == [LENGTH // 2]
    assert np.array_equal(wrong["shape"].values, right.values[:-1])
    assert wrong["tracks"].values.shape == right.values.shape
    assert not set(wrong["tracks"].metadata["ontology_curie"]) & {DLPFC}


def test_all_tracks_can_be_wrong_too(server: AlphaGenomeServer) -> None:
    server.script.append("tracks")
    assert ask(server.client(), SEQUENCE, []).rna_seq.values.shape == (LENGTH, len(server.tracks()) - 1)


def test_slow_and_reordered_answers_are_right(server: AlphaGenomeServer) -> None:
    client = server.client()
    right = ask(client, SEQUENCE, [DLPFC]).rna_seq
    server.script.extend(["slow", "reordered", None])
    start = time.monotonic()
    assert np.array_equal(ask(client, SEQUENCE, [DLPFC]).rna_seq.values, right.values)
    assert time.monotonic() - start >= 0.2
    turned = ask(client, SEQUENCE, [DLPFC]).rna_seq
    assert turned.metadata["strand"].tolist() == right.metadata["strand"].tolist()[::-1]
    assert np.array_equal(turned.values, right.values[:, ::-1])
    assert server.answered == 3
    assert len(server.script) == 1


class Deadline(grpc.StreamStreamClientInterceptor):
    def intercept_stream_stream(self, go_on: Any, details: Any, requests: Any) -> Any:
        names = ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")
        given = {name: getattr(details, name) for name in names} | {"timeout": 0.2}
        return go_on(collections.namedtuple("Details", names)(**given), requests)


def test_a_hanging_call_lasts_until_the_client_gives_up(server: AlphaGenomeServer) -> None:
    server.script.append("hang")
    client = dna_client.DnaClient(channel=grpc.intercept_channel(server.channel(), Deadline()))
    with pytest.raises(grpc.RpcError) as raised:
        ask(client)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert settle(lambda: server.in_flight == 0)
    assert server.seen_keys == [None]
    with AlphaGenomeServer(hang_s=0.05) as brief:
        brief.script.append("hang")
        with pytest.raises(grpc.RpcError, match="too long"):
            ask(brief.client())


def test_stopping_ends_what_hangs_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with ThreadPoolExecutor(2) as pool:
        with AlphaGenomeServer(delay_s=30) as server:
            server.script.append("hang")
            calls = [pool.submit(once(server)) for _ in range(2)]
            assert settle(lambda: server.in_flight == 2)
            start = time.monotonic()
        assert time.monotonic() - start < 2
        for call in calls:
            with pytest.raises((grpc.RpcError, ValueError)):
                call.result(timeout=5)
    assert settle(lambda: set(threading.enumerate()) <= before)
    assert server.answered == 0
    server.stop()


def test_faults_by_digest_come_after_the_script() -> None:
    seen = []

    def faults(digest: str, attempt: int) -> str | None:
        seen.append((digest, attempt))
        return "INTERNAL" if attempt == 1 else None

    with AlphaGenomeServer(faults=faults) as server:
        call = once(server)
        server.script.append(None)
        call()
        with pytest.raises(grpc.RpcError):
            call()
        call()
        assert server.paid == {DIGEST: 2}
    assert seen == [(DIGEST, 1), (DIGEST, 2)]


# quota and key


def test_quota_refusals_are_in_the_words_of_the_service() -> None:
    with AlphaGenomeServer(quota=3, quota_period_s=1.5) as server:
        call = once(server)
        for _ in range(3):
            call()
        for _ in range(2):
            with pytest.raises(grpc.RpcError, match="AlphaGenome predictions tokens per minute") as raised:
                call()
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (server.refused, server.answered, server.sequences[DIGEST]) == (2, 3, 3)
        assert len(server.requests) == 3
        assert server.calls["PredictSequence"] == 5
        time.sleep(1.5)
        call()
        server.script.append("INTERNAL")
        server.reset()
        assert (server.refused, server.calls, server.script) == (0, {}, collections.deque())
        for _ in range(3):
            call()
    for wrong in ({"quota": 0}, {"quota": 1, "quota_period_s": 0}, {"quota": 1, "quota_kind": "daily"}):
        with pytest.raises(SettingError, match="quota"):
            AlphaGenomeServer(**wrong)


def test_a_key_is_checked_and_can_expire() -> None:
    with AlphaGenomeServer(api_key="right") as server:
        with pytest.raises(grpc.RpcError) as raised:
            ask(server.client("wrong"))
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError):
            server.client("wrong").output_metadata()
        client = server.client()
        client.output_metadata()
        ask(client)
        server.expire_key_after(2)
        for _ in range(2):
            ask(client)
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as raised:
                ask(client)
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError):
            client.output_metadata()
        assert server.answered == server.sequences[DIGEST] == 3
        assert server.seen_keys == ["wrong", *["right"] * 5]
        server.reset()
        ask(client)


# counting


def test_counters_say_what_came_and_never_the_sequence(server: AlphaGenomeServer) -> None:
    client = server.client()
    ask(client, SEQUENCE, [LCL, BLOOD], OUTPUT.CAGE, OUTPUT.RNA_SEQ)
    ask(client, random_sequence(9))
    assert server.requests == [
        (LENGTH, ("CAGE", "RNA_SEQ"), (LCL, BLOOD)),
        (LENGTH, ("RNA_SEQ",), (BLOOD,)),
    ]
    assert set(server.sequences.values()) == {1}
    assert server.sequences == server.paid
    assert len(server.sequences) == 2
    assert SEQUENCE[:12] not in repr(vars(server))
    assert repr(server) == f"AlphaGenomeServer({server.address})"


def test_calls_are_served_together_and_counted_right() -> None:
    with AlphaGenomeServer(delay_s=lambda rng: rng.uniform(0.05, 0.1)) as server:
        client = server.client()
        sequences = [random_sequence(seed) for seed in range(24)]
        start = time.monotonic()
        asked = {"requested_outputs": [OUTPUT.RNA_SEQ], "ontology_terms": [BLOOD]}
        answers = client.predict_sequences(sequences, **asked, progress_bar=False, max_workers=8)
        took = time.monotonic() - start
        assert server.most_in_flight == 8
        assert took < 24 * 0.05
        assert server.in_flight == 0
        assert server.answered == server.calls["PredictSequence"] == 24
        assert sorted(server.paid.values()) == [1] * 24
        column = server.tracks()["gtex_tissue"].eq("Whole_Blood").to_numpy()
        for sequence, answer in zip(sequences[::6], answers[::6], strict=True):
            assert np.array_equal(answer.rna_seq.values, server.values(sequence)[:, column])


# without the extra, and the example


@pytest.mark.parametrize("missing", ["alphagenome", "grpc"])
def test_testing_imports_without_the_extra(missing: str) -> None:
    code = f"""
        import sys
        sys.modules[{missing!r}] = None
        import pgxeval.testing
        try:
            pgxeval.testing.AlphaGenomeServer()
        except pgxeval.SettingError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert missing in done.stdout
    assert 'pip install "pgxeval[alphagenome]"' in done.stdout


def test_the_example_of_the_docstring_runs() -> None:
    text = inspect.getdoc(AlphaGenomeServer)
    assert text is not None
    code = textwrap.dedent(text.partition("::\n\n")[2])
    assert "assert" in code
    exec(code, {"AlphaGenomeServer": AlphaGenomeServer})
