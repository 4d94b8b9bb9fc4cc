"""The client of the hosted service: opened late, with a key that is not seen, and with deadlines."""

from __future__ import annotations

import copy
import functools
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")

import grpc

from pgxeval.errors import PgxevalError, RemoteServiceError, SettingError
from pgxeval.predictors.alphagenome import client as alphagenome_client
from pgxeval.predictors.alphagenome import upstream as alphagenome_upstream
from pgxeval.predictors.alphagenome.client import (
    KEY_VARIABLE,
    CallsUnderWay,
    HostedClient,
    key_from_environment,
    timed_copy,
)
from pgxeval.testing import AlphaGenomeServer

dna_client = alphagenome_upstream.upstream("models.dna_client")
SEQUENCE = "".join(np.random.default_rng(0).choice(list("ACGT"), 16_384))
ASKED = {"requested_outputs": [dna_client.OutputType.RNA_SEQ], "ontology_terms": ["UBERON:0013756"]}


@pytest.fixture(scope="module")
def shared() -> Iterator[AlphaGenomeServer]:
    with AlphaGenomeServer(hang_s=5.0) as server:
        yield server


@pytest.fixture
def server(shared: AlphaGenomeServer) -> AlphaGenomeServer:
    shared.reset()
    return shared


# --- the key


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in (None, "", "  "):
        if missing is not None:
            monkeypatch.setenv(KEY_VARIABLE, missing)
        with pytest.raises(SettingError, match=r"ALPHAGENOME_API_KEY; set it, or pass key="):
            key_from_environment()
    monkeypatch.setenv(KEY_VARIABLE, " abc\n")
    assert key_from_environment() == "abc"


def test_the_key_is_asked_for_late_and_once(server: AlphaGenomeServer) -> None:
    asked: list[int] = []

    def key() -> str:
        asked.append(1)
        return " secret-key\n"

    client = HostedClient(key=key, address=server.address)
    assert not asked
    assert client.open() is client.open()
    client.open().predict_sequence(SEQUENCE, **ASKED)
    assert len(asked) == 1
    assert server.seen_keys == ["secret-key"]


def test_the_environment_is_read_when_no_function_is_given(
    server: AlphaGenomeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "from-the-environment")
    HostedClient(address=server.address).open().predict_sequence(SEQUENCE, **ASKED)
    monkeypatch.delenv(KEY_VARIABLE)
    HostedClient(address=server.address).open().predict_sequence(SEQUENCE, **ASKED)  # this machine may need none
    assert server.seen_keys == ["from-the-environment", None]


@pytest.mark.parametrize("address", [None, "dns:///example.invalid:443", "10.0.0.1:443", "127.0.0.2.example:443"])
def test_elsewhere_no_key_is_an_error_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(grpc, "secure_channel", lambda *given, **_: opened.append(given))
    monkeypatch.setattr(grpc, "insecure_channel", lambda *given, **_: opened.append(given))
    with pytest.raises(SettingError, match="there is no API key in the environment variable"):
        HostedClient(address=address).open()
    assert not opened


def test_elsewhere_everything_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def secure(address: str, credentials: Any, options: Any) -> Any:
        assert isinstance(credentials, grpc.ChannelCredentials)
        assert dict(options)["grpc.max_receive_message_length"] == -1
        opened.append(address)
        return grpc.insecure_channel("127.0.0.1:9")

    monkeypatch.setattr(grpc, "secure_channel", secure)
    monkeypatch.setattr(alphagenome_client, "_CONNECT_S", 0.05)
    for address in (None, "somewhere.example:443"):
        with pytest.raises(RemoteServiceError, match="no answer from"):
            HostedClient(key=lambda: "k", address=address).open()
    assert opened == ["dns:///gdmscience.googleapis.com:443", "somewhere.example:443"]


@pytest.mark.parametrize("given", [None, "", "  ", 7, b"key"])
def test_what_a_key_function_returns_must_be_a_text(server: AlphaGenomeServer, given: Any) -> None:
    kind = type(given).__name__
    with pytest.raises(SettingError, match=f"must return a text that is not empty, it returned a {kind}$"):
        HostedClient(key=lambda: given, address=server.address).open()


def test_words_of_a_failing_key_function_are_not_repeated(server: AlphaGenomeServer) -> None:
    def key() -> str:
        raise LookupError("the key secret-key is locked")

    with pytest.raises(SettingError, match=r"^key= failed with LookupError$") as failure:
        HostedClient(key=key, address=server.address).open()
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None

    def own() -> str:
        raise PgxevalError("our own words")

    with pytest.raises(PgxevalError, match="our own words"):
        HostedClient(key=own, address=server.address).open()


def test_a_key_as_text_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingError, match="key must be a function") as refusal:
        HostedClient(key="secret-key")  # type: ignore[arg-type]  # that is the point
    assert "secret-key" not in str(refusal.value)


def test_the_key_is_sent_and_not_shown(server: AlphaGenomeServer) -> None:
    client = HostedClient(key=lambda: "secret-key", address=server.address)
    opened = client.open()
    opened.predict_sequence(SEQUENCE, **ASKED)
    assert server.seen_keys == ["secret-key"]
    ((_, key),) = opened._metadata
    for shown in (
        repr(vars(opened)),
        repr(key),
        str(key),
        f"{key} {key!r} {key!s} {key:>20}",
        repr(client),
    ):
        assert "secret" not in shown
    for pickler in (pickle.dumps, copy.deepcopy):
        with pytest.raises(SettingError, match="key is not pickled"):
            pickler(key)


# --- pickling


def key_of_a_module() -> str:
    return "found-by-name"


class Keys:
    @staticmethod
    def staging() -> str:
        return "found-in-a-class"


@pytest.mark.parametrize(("key", "seen"), [(key_of_a_module, "found-by-name"), (Keys.staging, "found-in-a-class")])
def test_a_function_of_a_module_is_found_by_its_name(server: AlphaGenomeServer, key: Any, seen: str) -> None:
    sys.modules.setdefault(__name__, sys.modules[key.__module__])
    client = HostedClient(key=key, address=server.address, model_version="FOLD_1")
    client.open()
    content = pickle.dumps(client)
    assert seen.encode() not in content
    again = pickle.loads(content)
    assert (again.address, again.model_version) == (server.address, "FOLD_1")
    again.open().predict_sequence(SEQUENCE, **ASKED)
    assert server.seen_keys == [seen]


def test_functions_that_could_carry_the_key_are_not_pickled() -> None:
    secret = "secret-key"
    bound = Keys()
    for key in (lambda: secret, functools.partial(str, secret), bound.__str__, functools.partial(lambda: "k")):
        with pytest.raises(SettingError, match="must be a function of a module") as refusal:
            pickle.dumps(HostedClient(key=key))
        assert secret not in str(refusal.value)


# --- connections and deadlines


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_a_proxy_is_not_asked_for_the_way_to_this_machine(
    server: AlphaGenomeServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setattr(alphagenome_client, "_CONNECT_S", 3.0)
    for exception in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(exception, raising=False)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port()}")
    answer = HostedClient(address=server.address).open().predict_sequence(SEQUENCE, **ASKED)
    assert np.isfinite(answer.rna_seq.values).all()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_address_without_a_server_fails_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alphagenome_client, "_CONNECT_S", 0.3)
    address = f"127.0.0.1:{closed_port()}"
    begin = time.monotonic()
    with pytest.raises(RemoteServiceError, match=f"no answer from {address}") as failure:
        HostedClient(address=address).open()
    assert time.monotonic() - begin < 5
    assert failure.value.__context__ is None


def test_a_hanging_call_ends_at_its_deadline(server: AlphaGenomeServer) -> None:
    timed = timed_copy(server.client(), 0.3, CallsUnderWay())
    plain = type(timed).predict_sequence.__wrapped__
    server.script.append("hang")
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as failure:
        plain(timed, SEQUENCE, **ASKED)
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.2 < time.monotonic() - begin < 3
    assert np.isfinite(plain(timed, SEQUENCE, **ASKED).rna_seq.values).all()
    assert timed.output_metadata().rna_seq is not None


def test_calls_under_way_can_be_ended(server: AlphaGenomeServer) -> None:
    under_way = CallsUnderWay()
    timed = timed_copy(server.client(), 30.0, under_way)
    plain = type(timed).predict_sequence.__wrapped__
    plain(timed, SEQUENCE, **ASKED)
    assert not under_way._calls  # what is over is not kept
    server.script.append("hang")
    codes: list[Any] = []

    def hang() -> None:
        try:
            plain(timed, SEQUENCE, **ASKED)
        except grpc.RpcError as error:
            codes.append(error.code())

    thread = threading.Thread(target=hang)
    thread.start()
    end = time.monotonic() + 5
    while server.script and time.monotonic() < end:  # until the call has come
        time.sleep(0.01)
    under_way.cancel()
    thread.join(timeout=3)
    assert codes == [grpc.StatusCode.CANCELLED]
    assert not under_way._calls


def test_a_client_without_a_channel_is_refused() -> None:
    with pytest.raises(SettingError, match="a object counts as remote, but no deadline can be set"):
        timed_copy(object(), 1.0, CallsUnderWay())


def test_versions_and_packages_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"model_version must be one of ALL_FOLDS, FOLD_0, .* got 'fold_0'"):
        HostedClient(model_version="fold_0")
    monkeypatch.setattr(alphagenome_upstream.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'pip install "pgxeval\[alphagenome\]"'):
        alphagenome_upstream.require_package()


def test_the_version_asked_for_is_sent(server: AlphaGenomeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    plain = server._check
    monkeypatch.setattr(
        server, "_check", lambda request, context: (sent.append(request.model_version), plain(request, context))
    )
    for version in (None, "FOLD_3"):
        HostedClient(address=server.address, model_version=version).open().predict_sequence(SEQUENCE, **ASKED)
    assert sent[0] in ("", "ALL_FOLDS")
    assert sent[1:] == ["FOLD_3"]
