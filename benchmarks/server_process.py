"""The local AlphaGenome server in a separate process, so that its Python does not compete with ours."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


class Remote:
    """Answers for a server elsewhere: its address, and its counters by name."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.address: str = pipe.recv()

    def __getattr__(self, name: str) -> Any:
        self._pipe.send(name)
        return self._pipe.recv()


@contextmanager
def server(**settings: Any) -> Iterator[Remote]:
    """Serve until the block ends; settings as for `pgxeval.testing.AlphaGenomeServer`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
    process.start()
    try:
        yield Remote(ours)
    finally:
        ours.send(None)
        process.join()


def _serve(pipe: Connection, settings: dict[str, Any]) -> None:
    from pgxeval.testing import AlphaGenomeServer

    with AlphaGenomeServer(**settings) as running:
        pipe.send(running.address)
        while (name := pipe.recv()) is not None:
            if name == "process_seconds":
                pipe.send(time.process_time())
            else:
                pipe.send(getattr(running, name))
