"""Steps: how far the genes under way are, counted across the processes of this machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

import attrs


class CountsSteps(Protocol):
    """Is informed of each fold and replicate of cross-fitting."""

    def add(self, number: int = 1) -> None:
        """Count completed steps."""
        ...


@attrs.frozen(kw_only=True)
class Steps:
    """A count that workers on this machine increase, as the size of a file.

    Parameters
    ----------
    path
        The file. A worker that does not find it, for example on another machine, counts nothing.
    per_gene
        Number of steps of one gene.
    """

    path: Path
    per_gene: int

    @classmethod
    def begin(cls, per_gene: int) -> Steps:
        """Start to count from 0."""
        number, name = tempfile.mkstemp(prefix="pgxeval-steps-")
        os.close(number)
        return cls(path=Path(name), per_gene=per_gene)

    def add(self, number: int = 1) -> None:
        """Count steps: one byte each, appended, so that any number of processes may count at the same time."""
        with contextlib.suppress(OSError):
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(file, bytes(number))
            finally:
                os.close(file)

    @property
    def genes(self) -> float:
        """Number of genes completed, with the parts of those under way."""
        try:
            return self.path.stat().st_size / self.per_gene
        except OSError:
            return 0.0

    def end(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
