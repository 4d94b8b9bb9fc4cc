"""The official client of the hosted AlphaGenome, opened with a key that stays where it is, and with deadlines."""

from __future__ import annotations

import contextlib
import copy
import dis
import functools
import importlib
import importlib.util
import os
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pgxeval.errors import PgxevalError, RemoteServiceError, SettingError

KEY_VARIABLE = "ALPHAGENOME_API_KEY"
ADDRESS = "dns:///gdmscience.googleapis.com:443"
_LOOPBACK = ("127.0.0.1:", "localhost:", "[::1]:")
_UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_CONNECT_S = 30.0
# Steps, and objects at each, in which a client is looked for inside of what wraps it.
_HELD_DEPTH, _HELD_MOST = 8, 10_000
_READS_A_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})

Key = Callable[[], str]


def require_package() -> None:
    """Refuse to go on without the package alphagenome.

    Raises
    ------
    SettingError
        Naming the extra.
    """
    if importlib.util.find_spec("alphagenome") is None:
        raise SettingError('AlphaGenome needs the package alphagenome: pip install "pgxeval[alphagenome]"')


def key_from_environment() -> str:
    """Return the key in ``ALPHAGENOME_API_KEY``.

    Raises
    ------
    SettingError
        If there is none.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise SettingError(
            f"there is no API key in the environment variable {KEY_VARIABLE}; set it, or give key=, a function that "
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
    """Calls of one client, which can be ended."""

    def __init__(self) -> None:
        self._calls: set[Any] = set()
        self._lock = threading.Lock()

    def add(self, call: Any) -> Any:
        """Keep a call until it is over."""
        with self._lock:
            self._calls.add(call)
        if not call.add_callback(lambda: self._remove(call)):
            self._remove(call)
        return call

    def cancel(self) -> None:
        """End all."""
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


def is_client(model: object) -> bool:
    """Return whether an object is, holds or reaches a client of a service rather than a model on this machine."""
    found: list[object] = [model]
    seen: set[int] = set()
    for _ in range(_HELD_DEPTH):
        if any(_calls_a_service(kind) for one in found for kind in type(one).__mro__):
            return True
        seen.update(map(id, found))
        held = {id(inner): inner for one in found for inner in _held(one) if id(inner) not in seen}
        found = list(held.values())[:_HELD_MOST]
    return False


def _calls_a_service(kind: type) -> bool:
    return (
        (kind.__module__.startswith("alphagenome.") and kind.__name__ == "DnaClient")
        or (kind.__module__.split(".")[0] == "grpc" and kind.__name__ == "Channel")
        or kind is HostedClient
    )


def _held(one: object) -> list[object]:
    """Return what an object holds: attributes, members, those of its class, and what its functions reach."""
    if isinstance(one, type | types.ModuleType | types.BuiltinFunctionType | str | bytes | int | float):
        return []
    if isinstance(one, dict):
        return list(one.values())
    if isinstance(one, list | tuple | set | frozenset):
        return list(one)
    if isinstance(one, functools.partial):
        return [one.func, *one.args, *one.keywords.values()]
    if isinstance(one, types.MethodType):
        return [one.__self__, one.__func__]
    if isinstance(one, staticmethod | classmethod):
        return [one.__func__]
    if isinstance(one, property):
        return [one.fget]
    if isinstance(one, types.FunctionType):
        return _reached(one)
    kinds = [kind for kind in type(one).__mro__ if kind is not object]
    slots = [slot for kind in kinds for slot in getattr(kind, "__slots__", ()) if isinstance(slot, str)]
    own = [*getattr(one, "__dict__", {}).values(), *(getattr(one, slot, None) for slot in slots)]
    return [*own, *(member for kind in kinds for member in vars(kind).values())]


def _reached(function: types.FunctionType) -> list[object]:
    """Return what a function encloses, has as defaults, and names of its module."""
    found: list[object] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    found.extend(vars(function).values())
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a cell may be empty
            found.append(cell.cell_contents)
    for code in _codes(function.__code__):
        named = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
        named = {name: value for name, value in named.items() if not isinstance(value, types.ModuleType | type)}
        if named:  # an attribute may have the name of a global by chance
            read = {str(step.argval) for step in dis.get_instructions(code) if step.opname in _READS_A_GLOBAL}
            found.extend(value for name, value in named.items() if name in read)
    return found


def _codes(code: types.CodeType) -> list[types.CodeType]:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return [code, *(deeper for one in inner for deeper in _codes(one))]


def timed_copy(client: Any, deadline_s: float, under_way: CallsUnderWay) -> Any:
    """Return a copy of a client in hand whose calls have a deadline; the client stays as it was.

    Raises
    ------
    SettingError
        If the client keeps its channel elsewhere than the official one does.
    """
    channel = getattr(client, "_channel", None)
    if channel is None:
        raise SettingError(
            f"AlphaGenome: no deadline can be set on a {type(client).__name__}, and a call that hangs would hang for "
            "ever; give a DnaClient of the package alphagenome, or use AlphaGenomePredictor.hosted()"
        )
    timed = copy.copy(client)
    timed._channel = with_deadline(channel, deadline_s, under_way)
    return timed


class HostedClient:
    """The hosted service, opened at the first call; pickles without key and connection.

    Parameters
    ----------
    key
        Function that returns the API key; it is called each time a connection is opened, and what it returns is kept
        by the client alone.
    address
        Of the service; a loopback address is reached without encryption, and without a key if there is none.
    model_version
        Such as ``"FOLD_0"``; None for the service's default, the model of all folds.

    Raises
    ------
    SettingError
        If the key is given as text, the package is missing or there is no such version.
    """

    def __init__(self, *, key: Key | None = None, address: str | None = None, model_version: str | None = None) -> None:
        require_package()
        if key is not None and not callable(key):
            raise SettingError(
                "key must be a function that returns the API key, not the key itself, which would stay in notebooks "
                f"and histories; or set {KEY_VARIABLE}"
            )
        versions = [version.name for version in _dna_client().ModelVersion]
        if model_version is not None and model_version not in versions:
            raise SettingError(f"model_version must be one of {', '.join(versions)} or None, got {model_version!r}")
        self._key = key
        self.address = ADDRESS if address is None else address
        self.model_version = model_version
        self._lock = threading.Lock()
        self._client: Any = None

    def __repr__(self) -> str:
        return f"HostedClient({self.address!r})"

    def __getstate__(self) -> dict[str, Any]:
        key = None
        if self._key is not None:
            # by name and never by value: a function that holds the key must not carry it along
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
        self.__init__(key=key, address=state["address"], model_version=state["model_version"])  # type: ignore[misc]  # opens again where it lands

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
        """Let the connection and its key go; `open` then asks for a key anew."""
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
            channel = grpc.insecure_channel(self.address, options=_UNLIMITED)
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
                f"AlphaGenome: nothing answers at {self.address} within {_CONNECT_S:.0f} s; is this machine online?"
            )
        version = None if self.model_version is None else _dna_client().ModelVersion[self.model_version]
        metadata = [("x-goog-api-key", key)] if key else []
        return _dna_client().DnaClient(channel=channel, model_version=version, metadata=metadata)


class _HiddenKey(str):
    """A key that is sent and not shown: shown, formatted or pickled it says nothing, whoever holds it."""

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
        given = key()
    except PgxevalError:
        raise
    except Exception as error:  # its words may hold the key
        failure = type(error).__name__
    if failure:
        raise SettingError(f"key= failed with {failure}")
    text: object = given
    if not isinstance(text, str) or not text.strip():
        raise SettingError(f"key= must return a text that is not empty, it returned a {type(text).__name__}")
    return _HiddenKey(text.strip())


def _dna_client() -> Any:
    return importlib.import_module("alphagenome.models.dna_client")
