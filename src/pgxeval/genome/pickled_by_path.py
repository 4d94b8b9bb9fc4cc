"""Pickling by path: what is read from files travels without its content and opens them again where it lands."""

from __future__ import annotations

import warnings
from typing import Any

from pgxeval.errors import PgxevalWarning
from pgxeval.genome.identity import FileStamp


class PickledByPath:
    """Something open over files: pickles by their path and stamps, and refuses files that have changed since.

    A class that inherits from it sets `_path` and `_stamps` when it is made, and opens the files in `_open`.
    """

    _path: str
    _stamps: tuple[FileStamp, ...]
    _reopened: bool = False

    def _open(self) -> None:
        """Open the files at `_path`, and set all that is read from them."""
        raise NotImplementedError

    def _check(self) -> None:
        """Refuse files that have changed since they were opened; see `FileStamp.check`."""
        for stamp in self._stamps:
            stamp.check()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "stamps": self._stamps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._path, self._stamps, self._reopened = state["path"], state["stamps"], True
        self._check()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)  # given where it was opened first
            self._open()
