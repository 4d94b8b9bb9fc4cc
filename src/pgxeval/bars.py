"""Progress bars: those of tqdm, as widgets in a notebook that has ipywidgets, and as text without a word about it."""

from __future__ import annotations

import warnings

from tqdm import TqdmWarning

with warnings.catch_warnings():
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
