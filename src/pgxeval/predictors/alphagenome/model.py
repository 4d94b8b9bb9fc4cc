"""AlphaGenomeModel: any object with the predict_sequence of AlphaGenome, hosted or local, as a `SequenceModel`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.predictors.alphagenome.client import (
    CallsUnderWay,
    HostedClient,
    ListsTracks,
    PredictsSequence,
    timed_copy,
)
from pgxeval.predictors.alphagenome.tracks import BIN_WIDTHS_BP, alphagenome_track_table, answer_columns, check_output
from pgxeval.predictors.alphagenome.upstream import require_package, upstream
from pgxeval.predictors.hosted.calls import BadAnswerError, CallFailedError, HostedCalls
from pgxeval.predictors.hosted.pacing import Pacer
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.target import Target

CONTEXT_LENGTHS_BP = (16_384, 131_072, 524_288, 1_048_576)
CITATION = "Avsec et al., bioRxiv 10.1101/2025.06.25.661532"
LICENCE = (
    "AlphaGenome terms: non-commercial; outputs must not be used to train models; https://alphagenome.google/terms"
)

# Threads that make sequences and read answers while others wait for the service.
_EXTRA_THREADS = 2
_NO_LOGARITHM = "AlphaGenome returned values of -1 or less, for which ln(x + 1) is undefined"
UNNAMED_VERSION = "not named"


class AlphaGenomeModel:
    """AlphaGenome as a `SequenceModel`.

    Parameters
    ----------
    client
        The hosted service (`HostedClient`, or a ``DnaClient`` of the package alphagenome), or a model on this machine:
        anything with the same ``predict_sequence(sequence, *, requested_outputs, ontology_terms)``. Its tracks are
        taken from ``output_metadata()`` if it has that method, else from a pass over N.
    output
        Output type whose tracks are read: ``"RNA_SEQ"``, ``"CAGE"``, ``"ATAC"``, ... See `BIN_WIDTHS_BP`.
    remote
        Whether sequences may leave this machine. Must be declared False for a model on this machine; then calls are
        neither paced nor repeated.
    version
        Identifies the weights of a local model in results and in the cache.
    context_lengths
        Sequence lengths that the model accepts [bp].
    in_flight
        Calls to the service under way at a time; a local model gets one sequence at a time.
    calls_per_minute
        Quota of the service, if known; else it is learned from rejected calls.
    deadline_s
        Time after which a call is given up [s]; None for one minute plus 16 s per 64 kb.

    Attributes
    ----------
    counts : dict
        Calls rejected because of the quota, calls repeated for other reasons, and calls that failed permanently.

    Raises
    ------
    SettingError
        If an argument is not allowed, or the package alphagenome is missing.
    UnknownNameError
        If the output type does not exist.
    RemoteServiceError
        If the service cannot be used.

    Notes
    -----
    Each answer is checked before it is used: the output is present, with the right length and resolution; its tracks
    have the requested names and strands, in any order; no value is NaN. Values are linear ("normalized read signal").
    Hosted and open weights compute in bfloat16, so the relative precision of a single bin is 0.4 %; sums and means over
    many bins are taken in float64.
    """

    def __init__(
        self,
        client: PredictsSequence | HostedClient,
        *,
        output: str = "RNA_SEQ",
        remote: bool = True,
        version: str | None = None,
        context_lengths: Sequence[int] = CONTEXT_LENGTHS_BP,
        in_flight: int = 8,
        calls_per_minute: int | None = None,
        deadline_s: float | None = None,
    ) -> None:
        require_package()
        _check_client(client, remote=remote)
        if type(in_flight) is not int or in_flight < 1:
            raise SettingError(f"AlphaGenome: in_flight must be a whole number above 0, got {in_flight!r}")
        if deadline_s is not None and not deadline_s > 0:
            raise SettingError(f"AlphaGenome: deadline_s must be above 0, got {deadline_s!r}")
        self.output = check_output(output)
        self.remote = remote
        self._source: Any = client
        self._deadline_s = deadline_s
        self._under_way = CallsUnderWay()
        self._timed: dict[float, Any] = {}
        self._calls: HostedCalls | None = None
        if self.remote:
            self._calls = self._hosted_calls(in_flight, calls_per_minute)
        table = alphagenome_track_table(self._metadata(min(context_lengths)), output)
        self._keys = tuple(zip(table["name"], table["strand"], strict=True))
        self._terms = tuple(table["ontology"])
        where = str(getattr(client, "address", "client in hand")) if self.remote else "this machine"
        settings: dict[str, Any] = {"output": output, "tracks": digest_of_tracks(self._keys), "runs_on": where}
        self.info = ModelInfo(
            name="alphagenome",
            version=_version(client, remote=remote) if version is None else version,
            context_lengths=context_lengths,
            tracks=table,
            settings=settings,
            batch_size=1 if self.remote else 4,
            remote=self.remote,
            in_flight=in_flight + _EXTRA_THREADS if self.remote else 1,
            citation=CITATION,
            licence=LICENCE,
        )

    def __repr__(self) -> str:
        source = type(getattr(self, "_source", None)).__name__  # None during construction
        return f"AlphaGenomeModel({source}, output={getattr(self, 'output', None)!r})"

    def __getstate__(self) -> dict[str, Any]:
        if self.remote and not isinstance(self._source, HostedClient):
            raise SettingError(
                "AlphaGenome: a client holds its API key and its connection and cannot be pickled; "
                "AlphaGenomePredictor.hosted() opens its own in each process"
            )
        return {**self.__dict__, "_timed": {}, "_under_way": None, "_calls": None, "_pace": self.calls_per_minute}

    def __setstate__(self, state: dict[str, Any]) -> None:
        pace = state.pop("_pace")
        self.__dict__.update(state)
        self._under_way = CallsUnderWay()
        if self.remote:
            self._calls = self._hosted_calls(self.info.in_flight - _EXTRA_THREADS, pace)

    @property
    def counts(self) -> Mapping[str, int]:
        """Calls rejected because of the quota, repeated for other reasons, and failed permanently."""
        return {} if self._calls is None else self._calls.counts

    @property
    def calls_per_minute(self) -> int | None:
        """Quota of the service as it was set or learned; None while unknown."""
        return None if self._calls is None else self._calls.pacer.calls_per_period

    def interrupt(self, now: bool) -> None:
        """End waits, and with ``now=True`` calls under way; see `Interruptible`."""
        if self._calls is not None:
            self._calls.interrupt()
        if now:
            self._under_way.cancel()

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks for sequences, one by one; see `SequenceModel.predict_tracks`.

        Raises
        ------
        SettingError
            If the input is not allowed.
        PgxevalError
            If a sequence has no usable answer.
        """
        check_input(self.info, sequences, tracks)
        values = np.empty((len(sequences), self.info.n_bins(sequences.shape[1], tracks), len(tracks)), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            with self._predicted(sequence.tobytes().decode("ascii"), tracks, lambda columns: columns) as columns:
                values[row] = columns
        return values

    def predict_targets(
        self, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
    ) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
        """Predict targets, with one answer in memory at a time; see `PredictsTargets.predict_targets`.

        A call counts as under way until something after its own targets is requested: if every outcome is stored before
        the next one is requested, at most `in_flight` answers are lost with the process.
        """
        width = self.info.bin_width_bp(tracks)
        first, start = 0, 0
        for batch in batches:
            for row, sequence in enumerate(batch):
                end = start
                while end < len(targets) and targets[end].row == first + row:
                    end += 1
                own = targets[start:end]

                def read(columns: npt.NDArray[np.floating], own: Sequence[Target] = own) -> list[Any]:
                    return [target.reduce(columns[target.bins(width, 0)[0]], width, 0) for target in own]

                with contextlib.ExitStack() as under_way:
                    reason: str | None = None
                    values: list[npt.NDArray[np.float64]] = []
                    try:
                        text = sequence.tobytes().decode("ascii")
                        values = under_way.enter_context(self._predicted(text, tracks, read))
                    except CallFailedError as failure:
                        reason = str(failure)
                    for position in range(start, end):
                        if reason is not None:
                            yield position, np.full(len(tracks), np.nan), reason
                        elif np.isfinite(values[position - start]).all():
                            yield position, values[position - start], None
                        else:
                            yield position, values[position - start], _NO_LOGARITHM
                start = end
            first += len(batch)

    @contextlib.contextmanager
    def _predicted(
        self, sequence: str, tracks: Sequence[int], reduce: Callable[[npt.NDArray[np.floating]], Any]
    ) -> Iterator[Any]:
        keys = [self._keys[track] for track in tracks]
        terms = sorted({self._terms[track] for track in tracks})
        width = BIN_WIDTHS_BP[self.output]
        # lists, because a generator would be empty when the client repeats the call
        arguments: dict[str, Any] = {
            "requested_outputs": [_output_type(self.output)],
            "ontology_terms": terms if all(terms) else None,
        }

        def read(answer: Any) -> Any:
            output = getattr(answer, self.output.lower(), None)
            return reduce(answer_columns(output, keys, width_bp=width, length=len(sequence)))

        if self._calls is None:
            failure, result = "", None
            try:
                result = read(self._source.predict_sequence(sequence, **arguments))
            except BadAnswerError as error:
                failure = str(error)
            if failure:
                raise CallFailedError(f"AlphaGenome returned an answer that cannot be used: {failure}")
            yield result
            return
        client = self._client(len(sequence))
        # without the client's own retries, which are too few for a quota and hide rejections from the pacer
        once = getattr(type(client).predict_sequence, "__wrapped__", type(client).predict_sequence)
        with self._calls.answer(lambda: once(client, sequence, **arguments), read) as result:
            yield result

    def _client(self, length: int) -> Any:
        deadline_s = 60.0 + length / 4096 if self._deadline_s is None else self._deadline_s
        timed = self._timed.get(deadline_s)
        if timed is None:
            client = self._source.open() if isinstance(self._source, HostedClient) else self._source
            timed = self._timed[deadline_s] = timed_copy(client, deadline_s, self._under_way)
        return timed

    def _forget_key(self) -> None:
        if isinstance(self._source, HostedClient):
            self._source.forget()
            self._timed.clear()

    def _hosted_calls(self, in_flight: int, calls_per_minute: int | None) -> HostedCalls:
        pacer = Pacer(calls_per_period=calls_per_minute)
        return HostedCalls(
            "AlphaGenome", in_flight=in_flight, pacer=pacer, probe=self._list_tracks, key_refused=self._forget_key
        )

    def _list_tracks(self) -> Any:
        return self._client(0).output_metadata()

    def _metadata(self, shortest: int) -> pd.DataFrame:
        metadata: Any
        key = self.output.lower()
        if self._calls is not None:
            # separate, because this call does not show how calls with sequences fare
            opening = self._hosted_calls(1, None)
            with opening.answer(self._list_tracks, lambda answer: answer) as answer:
                metadata = answer
        elif isinstance(self._source, ListsTracks):
            metadata = self._source.output_metadata()
        else:
            every = self._source.predict_sequence(
                "N" * shortest, requested_outputs=[_output_type(self.output)], ontology_terms=None
            )
            metadata = {key: getattr(getattr(every, key, None), "metadata", None)}
        table = metadata[key] if isinstance(metadata, dict) else getattr(metadata, key, None)
        if table is None:
            raise PgxevalError(f"AlphaGenome: the model has no {self.output} tracks")
        frame: pd.DataFrame = table
        return frame


def _check_client(client: Any, *, remote: Any) -> None:
    if isinstance(client, type) or not isinstance(client, HostedClient | PredictsSequence):
        description = f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__
        raise SettingError(
            "AlphaGenome: expected a client or model with predict_sequence(sequence, *, requested_outputs, "
            f"ontology_terms), got {description}"
        )
    if not isinstance(remote, bool) or (isinstance(client, HostedClient) and not remote):
        raise SettingError(f"AlphaGenome: remote must be True or False, and True for a HostedClient, got {remote!r}")


def _version(client: PredictsSequence | HostedClient, *, remote: bool) -> str:
    if isinstance(client, HostedClient):
        return client.model_version or "ALL_FOLDS"
    if not remote:
        return UNNAMED_VERSION
    version = getattr(client, "_model_version", None)  # of the official client, which has no public one
    return version if isinstance(version, str) else "ALL_FOLDS"


def digest_of_tracks(keys: Sequence[tuple[str, str]]) -> str:
    """Return a text that identifies the tracks of a model, in their order."""
    return hashlib.blake2b(json.dumps(list(keys)).encode(), digest_size=8).hexdigest()


def _output_type(output: str) -> Any:
    return getattr(upstream("models.dna_client").OutputType, output)
