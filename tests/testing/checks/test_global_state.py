"""Global state that a model changes is named."""

from __future__ import annotations

import random
import warnings

import numpy as np

from pgxeval.testing.checks.global_state import changes, look


def test_nothing_changed() -> None:
    assert changes(look(), look()) == []


def test_each_change_is_named() -> None:
    before = look()
    state = random.getstate(), np.random.get_state(), np.geterr()  # noqa: NPY002 (the state that is watched)
    try:
        random.random()
        np.random.random()  # noqa: NPY002
        np.seterr(divide="raise")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert changes(before, look()) == [
                "numpy's global random generator",
                "numpy's floating-point error handling",
                "python's global random generator",
                "the warning filters",
            ]
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
        np.seterr(**state[2])
