"""The real client talks to the local server; a plain re-implementation says what is right."""

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

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.predictors.tracks import find_tracks
from pgxeval.testing import AlphaGenomeServer, random_faults
from pgxeval.testing.alphagenome_faults import DAMAGES, FAULTS, STATUSES
from pgxeval.testing.alphagenome_quota import Quota
from pgxeval.testing.alphagenome_tracks import AlphaGenomeTracks

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


# the numbers


def by_hand(tracks: AlphaGenomeTracks, sequence: str, output: str, row: int) -> list[float]:
    weights = tracks.weights(output)[row]
    values = []
    for i in range(len(sequence)):
        around = [sequence[j] if 0 <= j < len(sequence) else "N" for j in range(i - 2, i + 3)]
        total = sum(int(weights[place]["NACGT".index(letter)]) for place, letter in enumerate(around))
        values.append(total * total / 256)
    return values


@pytest.mark.parametrize("output", ["RNA_SEQ", "CAGE"])
def test_values_are_what_the_definition_says(output: str) -> None:
    tracks = AlphaGenomeTracks(seed=5)
    sequence = random_sequence(1, 60)
    for row in (0, 7):
        assert tracks.values(sequence, output)[:, row].tolist() == by_hand(tracks, sequence, output, row)


def test_the_fast_way_equals_the_plain_one() -> None:
    tracks = AlphaGenomeTracks(seed=5)
    sequence = random_sequence(2, 1_000) + "acgtn"
    for output in ("RNA_SEQ", "CAGE", "ATAC", "DNASE", "CHIP_HISTONE"):
        plain = tracks.values(sequence, output)
        assert np.array_equal(tracks.answer(sequence, output), plain)
        assert np.array_equal(tracks.answer(sequence, output, np.array([1, 0])), plain[:, [1, 0]])
    assert tracks.values(sequence, "CHIP_HISTONE").shape == (7, 6)
    by_bin = np.reshape(by_hand(tracks, sequence[:896], "CHIP_HISTONE", 2), (7, 128)).mean(axis=1)
    # the bin at the cut sees two bases more than the copy that was cut there
    assert tracks.values(sequence, "CHIP_HISTONE")[:6, 2].tolist() == by_bin[:6].astype(np.float32).tolist()


def test_each_base_is_felt_and_indels_move_what_follows(server: AlphaGenomeServer) -> None:
    rng = np.random.default_rng(0)
    whole = server.values(SEQUENCE)
    assert whole.dtype == np.float32
    assert (whole >= 0).all()
    for at in rng.integers(2, LENGTH - 2, 20):
        other = "ACGT".replace(SEQUENCE[at], "")[int(rng.integers(3))]
        changed = server.values(SEQUENCE[:at] + other + SEQUENCE[at + 1 :])
        assert ((changed != whole).all(axis=1).nonzero()[0] == np.arange(at - 2, at + 3)).all()
        assert ((changed != whole).any(axis=1).nonzero()[0] == np.arange(at - 2, at + 3)).all()
        assert (changed.sum(axis=0, dtype=np.float64) != whole.sum(axis=0, dtype=np.float64)).all()
    deleted = server.values(SEQUENCE[:5_000] + SEQUENCE[5_007:])
    assert np.array_equal(deleted[5_002:], whole[5_009:])
    assert np.array_equal(server.values("N" * 100), np.zeros((100, whole.shape[1])))


def test_no_two_tracks_are_equal_and_the_seed_matters(server: AlphaGenomeServer) -> None:
    values = server.values(SEQUENCE)
    assert len(np.unique(values.sum(axis=0, dtype=np.float64))) == values.shape[1]
    assert not np.isin(values[9], AlphaGenomeTracks(seed=4).values(SEQUENCE, "RNA_SEQ")[9]).all()


# the metadata


def test_metadata_have_the_traps_of_the_real_ones(server: AlphaGenomeServer) -> None:
    table = server.tracks("RNA_SEQ")
    gtex = table[table["data_source"] == "gtex"]
    assert gtex["gtex_tissue"].nunique() == len(gtex) == 54
    assert set(gtex["strand"]) == {"."}
    assert not table["name"].is_unique
    assert not table.duplicated(["name", "strand"]).any()
    terms = table[table["ontology_curie"].isin(gtex["ontology_curie"])].groupby("ontology_curie")["data_source"]
    sizes = terms.size()
    assert (sizes == 1).sum() == 54 - 31
    assert sizes[BLOOD] == sizes["EFO:0000572"] == 1
    places = terms.agg(lambda sources: sources.tolist().index("gtex"))[sizes > 1]
    assert set(places) == {0, 1, 2}
    dlpfc = table[table["ontology_curie"] == DLPFC]
    assert sorted(zip(dlpfc["data_source"], dlpfc["strand"], strict=True)) == [
        ("encode", "+"),
        ("encode", "-"),
        ("gtex", "."),
    ]
    lcl = table[table["ontology_curie"] == LCL]
    assert sorted(lcl["Assay title"] + lcl["strand"]) == sorted(
        [*(f"polyA plus RNA-seq{strand}" for strand in "+-."), *(f"total RNA-seq{strand}" for strand in "+-")]
    )
    cage = server.tracks("CAGE")
    assert cage.loc[cage["ontology_curie"] == LCL, "strand"].tolist() == ["+", "-"]
    assert {"histone_mark"} <= set(server.tracks("CHIP_HISTONE"))
    with pytest.raises(UnknownNameError, match="PROCAP"):
        server.tracks("PROCAP")
    table.loc[0, "name"] = "changed"
    assert server.tracks("RNA_SEQ").loc[0, "name"] != "changed"


def test_gtex_tissues_are_those_of_the_library(server: AlphaGenomeServer) -> None:
    table = server.tracks("RNA_SEQ").rename(columns={"ontology_curie": "ontology", "Assay title": "assay"})
    gtex = table[table["data_source"] == "gtex"].fillna("").reset_index(drop=True)
    gtex["tissue"], gtex["pair"], gtex["bin_width_bp"] = gtex["biosample_name"], np.arange(54), 1
    for row, term in enumerate(gtex["ontology"]):
        assert find_tracks(gtex, term).indices == (row,)


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
    assert "end of stream" in wrong["truncate"]
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


def test_an_unknown_fault_is_refused_where_it_is_written(server: AlphaGenomeServer) -> None:
    for add in (server.script.append, server.script.appendleft, lambda fault: server.script.extend([fault])):
        with pytest.raises(SettingError, match="no fault 'explode'"):
            add("explode")
    with pytest.raises(SettingError, match="no fault"):
        server.script.append("OK")
    assert set(STATUSES) == {code.name for code in grpc.StatusCode} - {"OK"}
    assert set(DAMAGES) < set(FAULTS)


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


def test_random_faults_hang_on_the_sequence_alone() -> None:
    digests = [hashlib.sha256(bytes([i, j])).hexdigest() for i in range(40) for j in range(100)]
    faults = random_faults(0.1, 0.3, seed=1)
    kinds = [faults.kind(digest) for digest in digests]  # type: ignore[attr-defined]  # it is RandomFaults
    faulty = [digest for digest, kind in zip(digests, kinds, strict=True) if kind]
    # four standard deviations of a binomial share
    assert abs(len(faulty) - 400) < 4 * np.sqrt(4_000 * 0.09)
    assert abs(kinds.count("permanent") - 120) < 4 * np.sqrt(400 * 0.21)
    lasting = collections.Counter()
    for digest, kind in zip(digests, kinds, strict=True):
        course = [faults(digest, attempt) for attempt in range(5)]
        assert course == [faults(digest, attempt) for attempt in range(5)]
        failed = sum(fault is not None for fault in course)
        lasting[kind, failed] += 1
        assert {*course} <= {None, course[0]}
        assert "UNAUTHENTICATED" not in course
        if kind == "transient":
            assert course[0] not in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")
    assert set(lasting) == {(None, 0), ("permanent", 5), ("transient", 1), ("transient", 2)}
    assert {faults(digest, 0) for digest in faulty} >= {*DAMAGES, "hang", "UNAVAILABLE", "INVALID_ARGUMENT"}
    other = random_faults(0.1, 0.3, seed=2)
    assert [bool(other(digest, 0)) for digest in digests] != [bool(kind) for kind in kinds]
    only = random_faults(1.0, 1.0, kinds=[grpc.StatusCode.INTERNAL])
    assert {only(digest, 9) for digest in digests} == {"INTERNAL"}
    for wrong in ({"share": 1.2}, {"permanent": -1}, {"kinds": []}, {"kinds": ["explode"]}):
        with pytest.raises(SettingError):
            random_faults(**wrong)


# quota and key


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_quota_counts_as_its_definition_says(kind: str) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.exponential(0.7, 400))
    now = iter([0.0, *times])
    quota = Quota(10, 10.0, kind, clock=lambda: next(now))
    taken = np.array([at for at in times if quota.take()])
    if kind == "fixed":
        windows = np.floor(times / 10)
        right = [np.sum(windows == window).clip(max=10) for window in np.unique(windows)]
        assert np.bincount(np.floor(taken / 10).astype(int))[np.unique(windows).astype(int)].tolist() == right
    elif kind == "sliding":
        kept: list[float] = []
        for at in times:
            if sum(at - other < 10 for other in kept) < 10:
                kept.append(float(at))
        assert taken.tolist() == kept
        assert (taken[10:] - taken[:-10] >= 10).all()
    else:
        # never more than the burst and what flowed in since, between any two calls
        for i in range(len(taken)):
            held = 10 + (taken[i:] - taken[i])
            assert (np.arange(1, len(taken) - i + 1) <= held + 1e-9).all()
        assert len(taken) >= times[-1]
    assert len(taken) < 400


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
