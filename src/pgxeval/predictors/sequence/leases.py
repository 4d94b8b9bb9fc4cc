"""Leases: which run works on which window, so that runs on one score cache do not compute or pay for the same twice.

A lease is a file in the folder of the cache, named by a keyed digest and created only if it does not exist. It names
the process of its owner, who touches it regularly. A lease whose process is gone, or that has not been touched for a
while, belongs to a run that was killed and is taken over. Clocks of different machines are never compared: a waiting
run measures with its own clock how long the time stamp has not changed. If two runs take over one lease at the same
moment, both do the work, and nothing else happens.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from pathlib import Path

EXPIRY_S = 60.0  # without a touch, after which a lease may be taken over
_TOUCHES = 4  # per expiry


class Leases:
    """The leases that one run holds; used by one thread.

    Parameters
    ----------
    folder
        Folder of the score cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: set[Path] = set()
        self._seen: dict[Path, tuple[int, float]] = {}
        self._closed = threading.Event()
        self._toucher: threading.Thread | None = None

    def acquire(self, name: bytes) -> bool:
        """Take the lease of a name; False if another run holds it."""
        path = self._folder / f"lease-{name.hex()}"
        if not self._create(path):
            if not self._expired(path):
                return False
            with contextlib.suppress(OSError):  # another run was faster
                taken = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
                path.rename(taken)
                taken.unlink()
            if not self._create(path):
                return False
        self._held.add(path)
        if self._toucher is None:
            self._toucher = threading.Thread(target=self._touch, name="pgxeval-leases", daemon=True)
            self._toucher.start()
        return True

    def release(self, name: bytes) -> None:
        """Give the lease of a name back."""
        path = self._folder / f"lease-{name.hex()}"
        if path in self._held:
            self._held.discard(path)
            with contextlib.suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Give all leases back."""
        self._closed.set()
        for path in list(self._held):
            with contextlib.suppress(OSError):
                path.unlink()
        self._held.clear()

    @staticmethod
    def _create(path: Path) -> bool:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        except OSError:  # the cache itself reports a folder that cannot be written
            return True
        with contextlib.suppress(OSError), os.fdopen(handle, "w") as lease:
            lease.write(f"{_machine()} {os.getpid()}")
        return True

    def _expired(self, path: Path) -> bool:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:  # it was given back in the meantime
            return False
        if _is_gone(path):
            return True
        now = time.monotonic()
        last, since = self._seen.get(path, (-1, now))
        if stamp != last:
            self._seen[path] = (stamp, now)
            return False
        return now - since > EXPIRY_S

    def _touch(self) -> None:
        while not self._closed.wait(EXPIRY_S / _TOUCHES):
            for path in list(self._held):
                with contextlib.suppress(OSError):
                    os.utime(path)


def _machine() -> str:
    """Return a text that identifies this machine and, in a container, its own numbering of processes."""
    try:
        processes = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        processes = 0
    return f"{socket.gethostname()}/{processes}"


def _is_gone(path: Path) -> bool:
    """Return whether the owner of a lease was a process of this machine that has ended."""
    try:
        machine, _, process = path.read_text().rpartition(" ")
        if machine != _machine():
            return False
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):  # given back in the meantime, of another user, or not yet written
        return False
    return False
