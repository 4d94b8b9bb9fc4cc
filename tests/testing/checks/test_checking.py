"""Named checks: what passes, fails, is excused, or passes although it was excused."""

from __future__ import annotations

from typing import Any

import pytest

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.testing.checks.checking import CheckFailedError, NotApplicableError, demand, run_checks


def _passes(subject: Any) -> None:
    demand(subject, "the subject is empty")


def _fails(subject: Any) -> None:
    demand(not subject, "the subject is full")


def _breaks(subject: Any) -> None:
    raise KeyError("word")


def _skips(subject: Any) -> None:
    raise NotApplicableError("nothing to test")


CHECKS = {"passes": _passes, "fails": _fails, "breaks": _breaks, "skips": _skips}


def test_every_outcome_has_its_name_and_detail() -> None:
    table = run_checks(CHECKS, "full", {"fails": "known fault", "passes": "thought to fail"}, "report")
    rows = table.set_index("check")
    assert rows["outcome"].to_dict() == {
        "passes": "unexpected pass",
        "fails": "expected failure",
        "breaks": "failed",
        "skips": "not applicable",
    }
    assert rows["detail"]["fails"] == "known fault (the subject is full)"
    assert rows["detail"]["breaks"] == "KeyError: 'word'"


def test_failures_and_surprises_raise_together() -> None:
    with pytest.raises(CheckFailedError, match=r"2 of 4 checks:\n  passes: unexpected pass.*\n  breaks: failed"):
        run_checks(CHECKS, "full", {"fails": "known fault", "passes": "thought to fail"}, "raise")


def test_excuses_need_a_check_and_a_reason() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown check 'pases'.*near: passes"):
        run_checks(CHECKS, "full", {"pases": "x"}, "report")
    with pytest.raises(SettingError, match="fails needs a reason"):
        run_checks(CHECKS, "full", {"fails": " "}, "report")
    with pytest.raises(SettingError, match="on_failure"):
        run_checks(CHECKS, "full", None, "stop")  # type: ignore[arg-type]  # what a typist may write
