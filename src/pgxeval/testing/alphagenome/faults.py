"""Faults of the local AlphaGenome server, scripted or at random."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from pgxeval.errors import SettingError
from pgxeval.seeding import hash64

STATUSES = (
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
HARMLESS = ("slow", "reordered")
DAMAGES = ("truncate", "short", "missing", "empty", "nan", "shape", "tracks")
FAULTS = (*STATUSES, "hang", *DAMAGES, *HARMLESS)


class NamedStatus(Protocol):
    """A status of gRPC, such as ``grpc.StatusCode.UNAVAILABLE``."""

    @property
    def name(self) -> str:
        """Its name in capitals."""


Fault: TypeAlias = str | NamedStatus | None
Faults = Callable[[str, int], Fault]

_TRANSIENT = (
    "UNAVAILABLE",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "DATA_LOSS",
    "hang",
    *DAMAGES,
)
_PERMANENT = (*_TRANSIENT, "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")


def fault_name(fault: Fault) -> str | None:
    """Return the name of a fault: itself, or that of a ``grpc.StatusCode``; None for none.

    Raises
    ------
    SettingError
        If the fault does not exist.

    Examples
    --------
    >>> fault_name("UNAVAILABLE")
    'UNAVAILABLE'
    """
    if fault is None:
        return None
    name = fault if isinstance(fault, str) else getattr(fault, "name", None)
    if name not in FAULTS:
        raise SettingError(f"unknown fault {fault!r}; the faults are {', '.join(FAULTS)}, and None")
    return str(name)


class Script(deque[Fault]):
    """Faults for the next calls, one per call; None is a call that succeeds."""

    def append(self, fault: Fault, /) -> None:
        """Add a fault at the end."""
        super().append(fault_name(fault))

    def appendleft(self, fault: Fault, /) -> None:
        """Add a fault at the front."""
        super().appendleft(fault_name(fault))

    def extend(self, faults: Iterable[Fault], /) -> None:
        """Add faults at the end."""
        super().extend([fault_name(fault) for fault in faults])


def random_faults(
    share: float = 0.1, permanent: float = 0.3, kinds: Sequence[Fault] | None = None, seed: int = 0
) -> RandomFaults:
    """Return faults that depend only on the sequence, not on the order of the calls.

    Parameters
    ----------
    share
        Share of the sequences that fail, from 0 to 1.
    permanent
        Share of these that always fail; the others fail in their first attempt, or in their first two.
    kinds
        Faults to choose from. Default: those that a client must survive; a sequence that recovers meets only faults for
        which another attempt helps.
    seed
        Seed; another seed chooses other sequences.

    Returns
    -------
    RandomFaults
        A callable: (digest of the sequence, attempt from 0) -> fault or None. Its ``kind(digest)`` gives None,
        ``"transient"`` or ``"permanent"``.

    Examples
    --------
    >>> faults = random_faults(share=1, permanent=0, kinds=["INTERNAL"])
    >>> faults("digest", 0), faults("digest", 2), faults.kind("digest")
    ('INTERNAL', None, 'transient')
    """
    return RandomFaults(share, permanent, kinds, seed)


class RandomFaults:
    """Faults by sequence, as `random_faults` returns them."""

    def __init__(self, share: float, permanent: float, kinds: Sequence[Fault] | None, seed: int) -> None:
        for name, value in (("share", share), ("permanent", permanent)):
            if not 0 <= value <= 1:
                raise SettingError(f"{name} must be from 0 to 1, got {value!r}")
        if kinds is not None and not kinds:
            raise SettingError("kinds must name at least one fault")
        self._share, self._permanent, self._seed = share, permanent, seed
        named = None if kinds is None else [str(fault_name(kind)) for kind in kinds]
        self._kinds = {"transient": named or _TRANSIENT, "permanent": named or _PERMANENT}

    def _part(self, what: str, digest: str) -> float:
        return hash64("fault", what, self._seed, digest) / 2**64

    def kind(self, digest: str) -> str | None:
        """Return whether a sequence fails: None, ``"transient"`` or ``"permanent"``."""
        if self._part("share", digest) >= self._share:
            return None
        return "permanent" if self._part("permanent", digest) < self._permanent else "transient"

    def fault(self, digest: str) -> str | None:
        """Return the fault of a sequence, independent of the attempt."""
        kind = self.kind(digest)
        if kind is None:
            return None
        kinds = self._kinds[kind]
        return kinds[int(self._part("kind", digest) * len(kinds))]

    def __call__(self, digest: str, attempt: int) -> str | None:
        """Return the fault of an attempt."""
        times = 1 if self._part("times", digest) < 0.5 else 2
        if self.kind(digest) == "transient" and attempt >= times:
            return None
        return self.fault(digest)
