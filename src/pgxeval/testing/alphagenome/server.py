"""AlphaGenomeServer: a real gRPC server on this machine that speaks the protocol of the hosted AlphaGenome."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.testing.alphagenome.answer import Answers
from pgxeval.testing.alphagenome.faults import HARMLESS, STATUSES, Faults, Script, fault_name
from pgxeval.testing.alphagenome.local import LocalAlphaGenome
from pgxeval.testing.alphagenome.quota import WORDS, Quota
from pgxeval.testing.alphagenome.tracks import AlphaGenomeTracks
from pgxeval.testing.alphagenome.wire import Handler, Upstream

LENGTHS = (16_384, 131_072, 524_288, 1_048_576)
ANY_KEY = "local-key"

_HOST = "127.0.0.1"
_UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_ALPHABET = frozenset("ACGTN")
_OTHER_CALLS = ("PredictInterval", "PredictVariant", "ScoreInterval", "ScoreVariant", "ScoreIsmVariant")

_KEY = "x-goog-api-key"


class AlphaGenomeServer:
    """A server on 127.0.0.1 in place of the hosted AlphaGenome, for tests of code that uses the real client.

    It answers PredictSequence and GetMetadata with the tracks of `AlphaGenomeTracks`, counts the calls, and produces
    the requested faults. It keeps digests of sequences, never sequences.

    Parameters
    ----------
    seed
        Seed of the tracks' weights and of random delays.
    delay_s
        Time per call, including the computation [s]: a number, or a callable of `numpy.random.Generator`.
    quota, quota_period_s, quota_kind
        Calls per period [s]; further calls are rejected as by the service. ``"fixed"`` windows, a ``"sliding"`` window
        or a token ``"bucket"``. None: no quota.
    faults
        Fault of a call if the `script` is empty: a callable of (SHA-256 of the sequence, attempt from 0), such as
        `random_faults` returns. A fault is None; a ``grpc.StatusCode`` or its name, with a message that reveals the
        first 40 letters of the sequence and the key, which a client must not repeat; ``"hang"``, until the client gives
        up; ``"truncate"``, the stream ends early; ``"short"``, a chunk lacks bytes; ``"missing"``, the outputs are
        absent; ``"empty"``, they have no track; ``"nan"``, one bin is NaN; ``"shape"``, the last bin is missing;
        ``"tracks"``, other tracks than requested; ``"slow"``, correct but slow; ``"reordered"``, correct but with the
        tracks and their metadata in another order.
    api_key
        The only key that is accepted. None: any key, or no key.
    workers
        Maximum number of calls that are served at the same time.
    lengths
        Accepted sequence lengths [bp]. The real client has its own list and sends no others.
    bf16
        Whether values are sent as bfloat16, as the service does.
    hang_s, slow_s
        Maximum duration of a hanging call, and duration of a slow stream [s].
    bytes_per_chunk
        Size of the chunks before compression.

    Raises
    ------
    SettingError
        If the extra ``alphagenome`` is not installed, or a setting is out of range.

    Examples
    --------
    ::

        from alphagenome.models.v1.dna_client import OutputType

        with AlphaGenomeServer(seed=1) as server:
            sequence = "ACGT" * 4096
            asked = dict(requested_outputs=[OutputType.RNA_SEQ], ontology_terms=["UBERON:0013756"])
            answer = server.client().predict_sequence(sequence, **asked).rna_seq
            column = server.tracks("RNA_SEQ")["gtex_tissue"].eq("Whole_Blood").to_numpy()
            assert (answer.values == server.values(sequence)[:, column]).all()
            assert server.calls["PredictSequence"] == server.answered == 1
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        delay_s: float | Callable[[np.random.Generator], float] = 0.0,
        quota: int | None = None,
        quota_period_s: float = 60.0,
        quota_kind: str = "fixed",
        faults: Faults | None = None,
        api_key: str | None = None,
        workers: int = 64,
        lengths: Sequence[int] = LENGTHS,
        bf16: bool = False,
        hang_s: float = 60.0,
        slow_s: float = 0.5,
        bytes_per_chunk: int = 1 << 16,
    ) -> None:
        self._upstream = Upstream.load()
        self._tracks = AlphaGenomeTracks(seed=seed)
        self._delay_s, self._faults, self._api_key, self._bf16 = delay_s, faults, api_key, bf16
        self._hang_s, self._slow_s = hang_s, slow_s
        self._lengths = tuple(lengths)
        self._new_quota = None if quota is None else lambda: Quota(quota, quota_period_s, quota_kind)
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._answers = Answers(tracks=self._tracks, bf16=bf16, bytes_per_chunk=bytes_per_chunk)
        self._channels: list[Any] = []
        self.script = Script()
        self.reset()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="alphagenome-server")
        self._server = self._upstream.grpc.server(self._pool, options=_UNLIMITED)
        served: dict[str, Handler] = {name: partial(self._refuse, name) for name in _OTHER_CALLS}
        served |= {"PredictSequence": self._predict_sequence, "GetMetadata": self._get_metadata}
        self._upstream.serve(self._server, served)
        self.address = f"{_HOST}:{self._server.add_insecure_port(f'{_HOST}:0')}"
        self._server.start()

    def __repr__(self) -> str:
        return f"AlphaGenomeServer({self.address})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop at once; calls under way are cancelled."""
        for channel in self._channels:
            channel.close()
        self._channels.clear()
        self._server.stop(grace=0).wait()
        self._pool.shutdown(wait=True)

    def client(self, api_key: str | None = None) -> Any:
        """Return a real ``DnaClient`` that talks to this server; `stop` closes its channel."""
        key = api_key or self._api_key or ANY_KEY
        return self._upstream.dna_client.DnaClient(channel=self.channel(), metadata=[(_KEY, key)])

    def channel(self) -> Any:
        """Return a new ``grpc.Channel`` to this server, for messages of any size; `stop` closes it."""
        # a proxy of the environment cannot reach this machine
        options = (*_UNLIMITED, ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
        channel = self._upstream.grpc.insecure_channel(self.address, options=options)
        self._channels.append(channel)
        return channel

    def local(self) -> LocalAlphaGenome:
        """Return an object that answers the same numbers without gRPC, as the open weights would."""
        return LocalAlphaGenome(tracks=self._tracks, bf16=self._bf16)

    def tracks(self, output: str = "RNA_SEQ") -> pd.DataFrame:
        """Return the metadata of an output type's tracks, in the order of its values; a copy."""
        return self._tracks.table(output)

    def values(self, sequence: str, output: str = "RNA_SEQ") -> npt.NDArray[np.float32]:
        """Return the correct values for a sequence, float32 ``(length // resolution, n_tracks)``, by the formula."""
        return self._tracks.values(sequence, output)

    def reset(self) -> None:
        """Clear the script and all counters but `in_flight`, refill the quota and renew the key."""
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._sequences: Counter[str] = Counter()
            self._paid: Counter[str] = Counter()
            self._seen_keys: list[str | None] = []
            self._requests: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = []
            self._answered = self._refused = 0
            self._most_in_flight = self._in_flight
            self._expires_at: int | None = None
            self._quota = None if self._new_quota is None else self._new_quota()
            self.script.clear()

    def expire_key_after(self, answered: int) -> None:
        """Let the key expire after this number of further answers; later calls fail as UNAUTHENTICATED."""
        with self._lock:
            self._expires_at = self._answered + answered

    @property
    def calls(self) -> Counter[str]:
        """Calls that reached the server, by name."""
        with self._lock:
            return Counter(self._calls)

    @property
    def answered(self) -> int:
        """Number of PredictSequence calls that were answered completely and correctly."""
        return self._answered

    @property
    def refused(self) -> int:
        """Number of calls rejected because of the quota."""
        return self._refused

    @property
    def in_flight(self) -> int:
        """Number of PredictSequence calls under way."""
        return self._in_flight

    @property
    def most_in_flight(self) -> int:
        """Maximum number of PredictSequence calls under way at any time."""
        return self._most_in_flight

    @property
    def sequences(self) -> Counter[str]:
        """SHA-256 of a sequence -> number of calls with it that were not rejected for key or quota."""
        with self._lock:
            return Counter(self._sequences)

    @property
    def paid(self) -> Counter[str]:
        """SHA-256 of a sequence -> number of calls with it that were answered completely and correctly."""
        with self._lock:
            return Counter(self._paid)

    @property
    def seen_keys(self) -> list[str | None]:
        """The key of each PredictSequence call; None without a key."""
        with self._lock:
            return list(self._seen_keys)

    @property
    def requests(self) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
        """Length [bp], output types and sorted ontology terms of the calls that were not rejected for key or quota."""
        with self._lock:
            return list(self._requests)

    def _predict_sequence(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        start, gone = time.monotonic(), threading.Event()
        if not context.add_callback(gone.set):
            return
        key = dict(context.invocation_metadata()).get(_KEY)
        with self._lock:
            self._calls["PredictSequence"] += 1
            self._seen_keys.append(key)
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            refusal = self._refusal(key)
        try:
            if refusal is not None:
                self._abort(context, *refusal)
            request = next(requests)
            digest = hashlib.sha256(request.sequence.encode()).hexdigest()
            fault, delay_s = self._enter(digest, request)
            self._check(request, context)
            messages = self._answers.messages(request, fault)
            gone.wait(max(0.0, start + delay_s - time.monotonic()))
            if fault in STATUSES:
                self._abort(context, str(fault), f"cannot predict {request.sequence[:40]}... for the key {key}")
            if fault == "hang":
                gone.wait(self._hang_s)
                self._abort(context, "DEADLINE_EXCEEDED", "hung for too long")
            for message in messages:
                if fault == "slow":
                    gone.wait(self._slow_s / len(messages))
                yield message
            if (fault is None or fault in HARMLESS) and context.is_active():
                with self._lock:
                    self._answered += 1
                    self._paid[digest] += 1
        finally:
            with self._lock:
                self._in_flight -= 1

    def _barred(self, key: str | None) -> tuple[str, str] | None:
        expired = self._expires_at is not None and self._answered >= self._expires_at
        if expired or self._api_key not in (None, key):
            return "UNAUTHENTICATED", f"API key not valid: {key}. Please pass a valid API key."
        return None

    def _refusal(self, key: str | None) -> tuple[str, str] | None:
        barred = self._barred(key)
        if barred is None and self._quota is not None and not self._quota.take():
            self._refused += 1
            return "RESOURCE_EXHAUSTED", WORDS
        return barred

    def _enter(self, digest: str, request: Any) -> tuple[str | None, float]:
        entry = (len(request.sequence), self._upstream.outputs_of(request), self._upstream.terms_of(request))
        with self._lock:
            attempt = self._sequences[digest]
            self._sequences[digest] += 1
            self._requests.append(entry)
            delay_s = self._delay_s(self._rng) if callable(self._delay_s) else self._delay_s
            if self.script:
                return fault_name(self.script.popleft()), delay_s
        return fault_name(self._faults(digest, attempt) if self._faults else None), delay_s

    def _check(self, request: Any, context: Any) -> None:
        length = len(request.sequence)
        if length not in self._lengths:
            self._abort(context, "INVALID_ARGUMENT", f"sequence length {length} is not one of {self._lengths}")
        if not _ALPHABET.issuperset(request.sequence):
            self._abort(context, "INVALID_ARGUMENT", "the sequence holds other letters than A, C, G, T and N")

    def _get_metadata(self, request: Any, context: Any) -> Iterator[Any]:
        key = dict(context.invocation_metadata()).get(_KEY)
        with self._lock:
            self._calls["GetMetadata"] += 1
            barred = self._barred(key)
        if barred is not None:
            self._abort(context, *barred)
        yield self._answers.metadata(request)

    def _refuse(self, name: str, request: Any, context: Any) -> Iterator[Any]:
        with self._lock:
            self._calls[name] += 1
        self._abort(context, "UNIMPLEMENTED", f"the local server does not answer {name}")
        yield

    def _abort(self, context: Any, status: str, words: str) -> None:
        context.abort(self._upstream.grpc.StatusCode[status], words)
