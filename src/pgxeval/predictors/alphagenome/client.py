"""The official client of the hosted AlphaGenome, opened with a key that is never shown, and with deadlines."""

from __future__ import annotations

import copy
import importlib
import os
import threading
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pgxeval.errors import PgxevalError, RemoteServiceError, SettingError
from pgxeval.forks import renew_after_fork
from pgxeval.predictors.alphagenome.upstream import require_package, upstream

KEY_VARIABLE = "ALPHAGENOME_API_KEY"
ADDRESS = "dns:///gdmscience.googleapis.com:443"
_LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:")
_UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_NO_PROXY = (("grpc.enable_http_proxy", 0),)  # a proxy must not be asked for the way to this very machine
_CONNECT_S = 30.0
Key = Callable[[], str]


@runtime_checkable
class PredictsSequence(Protocol):
    """Anything that answers like AlphaGenome: the official client, or open weights with the same method."""

    def predict_sequence(
        self, sequence: str, *, requested_outputs: Iterable[Any], ontology_terms: Iterable[Any] | None
    ) -> Any:
        """Return the ``Output`` of the package alphagenome for one sequence."""
        ...


@runtime_checkable
class ListsTracks(Protocol):
    """Optional ability of a `PredictsSequence`: it lists its tracks."""

    def output_metadata(self) -> Any:
        """Return the ``OutputMetadata`` of the package alphagenome."""
        ...


def key_from_environment() -> str:
    """Return the key in ``ALPHAGENOME_API_KEY``.

    Raises
    ------
    SettingError
        If it is not set.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise SettingError(
            f"there is no API key in the environment variable {KEY_VARIABLE}; set it, or pass key=, a function that "
            "returns the key"
        )
    return key


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str]] | None
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class CallsUnderWay:
    """The calls of one client that are under way; they can be cancelled."""

    def __init__(self) -> None:
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Forget all calls: a forked child has none of them."""
        self._calls: set[Any] = set()
        self._lock = threading.Lock()

    def add(self, call: Any) -> Any:
        """Keep a call until it has ended."""
        with self._lock:
            self._calls.add(call)
        if not call.add_callback(lambda: self._remove(call)):
            self._remove(call)
        return call

    def cancel(self) -> None:
        """Cancel all calls."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()

    def _remove(self, call: Any) -> None:
        with self._lock:
            self._calls.discard(call)


def with_deadline(channel: Any, deadline_s: float, under_way: CallsUnderWay) -> Any:
    """Return a channel on which every call ends after `deadline_s` seconds with DEADLINE_EXCEEDED."""
    grpc = importlib.import_module("grpc")

    class Deadline(grpc.StreamStreamClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc, name-defined]  # grpc is imported here and untyped
        def _timed(self, proceed: Any, details: Any, request: Any) -> Any:
            timed = _Details(
                method=details.method,
                timeout=deadline_s,
                metadata=details.metadata,
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
                compression=details.compression,
            )
            return under_way.add(proceed(timed, request))

        intercept_stream_stream = _timed
        intercept_unary_stream = _timed

    return grpc.intercept_channel(channel, Deadline())


def timed_copy(client: Any, deadline_s: float, under_way: CallsUnderWay) -> Any:
    """Return a copy of a client whose calls have a deadline; the client itself is unchanged.

    Raises
    ------
    SettingError
        If the client does not have the channel of the official one.
    """
    channel = getattr(client, "_channel", None)
    if channel is None:
        raise SettingError(
            f"AlphaGenome: a {type(client).__name__} counts as remote, but no deadline can be set on its calls, so one "
            "could hang for ever. If it runs on this machine, use AlphaGenomePredictor.local(model); else pass a "
            "DnaClient of the package alphagenome, or use AlphaGenomePredictor.hosted()"
        )
    timed = copy.copy(client)
    timed._channel = with_deadline(channel, deadline_s, under_way)
    return timed


class HostedClient:
    """The hosted service, opened at the first call; pickled without key and connection.

    Parameters
    ----------
    key
        Function that returns the API key. It is called each time a connection is opened, and only the client holds
        what it returns.
    address
        Address of the service. A loopback address is reached without encryption and without a proxy, and without a
        key if there is none.
    model_version
        Such as ``"FOLD_0"``; None for the default of the service, the model of all folds.

    Raises
    ------
    SettingError
        If the key is given as text, the package is missing or the version does not exist.
    """

    def __init__(self, *, key: Key | None = None, address: str | None = None, model_version: str | None = None) -> None:
        require_package()
        if key is not None and not callable(key):
            raise SettingError(
                "key must be a function that returns the API key, not the key itself, which would remain in notebooks "
                f"and histories; or set {KEY_VARIABLE}"
            )
        versions = [version.name for version in upstream("models.dna_client").ModelVersion]
        if model_version is not None and model_version not in versions:
            raise SettingError(f"model_version must be one of {', '.join(versions)} or None, got {model_version!r}")
        self._key = key
        self.address = ADDRESS if address is None else address
        self.model_version = model_version
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Forget the connection, which a forked child cannot use."""
        self._lock = threading.Lock()
        self._client: Any = None

    def __repr__(self) -> str:
        return f"HostedClient({self.address!r})"

    def __getstate__(self) -> dict[str, Any]:
        key = None
        if self._key is not None:
            # by name and never by value: a function that contains the key must not be pickled with it
            if not isinstance(self._key, types.FunctionType) or "<" in self._key.__qualname__:
                raise SettingError(
                    "AlphaGenome: to be pickled, key= must be a function of a module, which is found by its name; or "
                    f"set {KEY_VARIABLE}"
                )
            key = (self._key.__module__, self._key.__qualname__)
        return {"key": key, "address": self.address, "model_version": self.model_version}

    def __setstate__(self, state: dict[str, Any]) -> None:
        key: Any = None
        if state["key"] is not None:
            module, name = state["key"]
            key = importlib.import_module(module)
            for part in name.split("."):
                key = getattr(key, part)
        self.__init__(key=key, address=state["address"], model_version=state["model_version"])  # type: ignore[misc]  # reopens in the new process

    def open(self) -> Any:
        """Return the official client, connected.

        Raises
        ------
        SettingError
            If there is no key.
        RemoteServiceError
            If nothing answers at the address.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def forget(self) -> None:
        """Drop the connection and its key; `open` then requests a key again."""
        with self._lock:
            self._client = None

    def _connect(self) -> Any:
        grpc = importlib.import_module("grpc")
        here = self.address.removeprefix("dns:///").startswith(_LOOPBACK)
        if self._key is None and here and not os.environ.get(KEY_VARIABLE):
            key = _HiddenKey()
        else:
            key = _call(self._key or key_from_environment)
        if here:
            channel = grpc.insecure_channel(self.address, options=[*_UNLIMITED, *_NO_PROXY])
        else:
            channel = grpc.secure_channel(self.address, grpc.ssl_channel_credentials(), options=_UNLIMITED)
        reached = True
        try:
            grpc.channel_ready_future(channel).result(_CONNECT_S)
        except grpc.FutureTimeoutError:
            reached = False
        if not reached:
            channel.close()
            raise RemoteServiceError(
                f"AlphaGenome: no answer from {self.address} within {_CONNECT_S:.0f} s; is this machine online?"
            )
        version = None if self.model_version is None else upstream("models.dna_client").ModelVersion[self.model_version]
        metadata = [("x-goog-api-key", key)] if key else []
        return upstream("models.dna_client").DnaClient(channel=channel, model_version=version, metadata=metadata)


class _HiddenKey(str):
    """A key that can be sent but not shown: printed, formatted or pickled it reveals nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<API key>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise SettingError("AlphaGenome: the API key is not pickled")


def _call(key: Key) -> _HiddenKey:
    failure = ""
    try:
        value = key()
    except PgxevalError:
        raise
    except Exception as error:  # its message may contain the key
        failure = type(error).__name__
    if failure:
        raise SettingError(f"key= failed with {failure}")
    text: object = value
    if not isinstance(text, str) or not text.strip():
        raise SettingError(f"key= must return a text that is not empty, it returned a {type(text).__name__}")
    return _HiddenKey(text.strip())
