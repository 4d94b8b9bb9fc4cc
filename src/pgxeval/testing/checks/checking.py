"""Running named checks: which passed, which failed, and which failures were expected and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import pandas as pd

from pgxeval.errors import PgxevalError, SettingError, UnknownNameError
from pgxeval.names import near_names

Check = Callable[[Any], None]
OnFailure = Literal["report", "raise"]

PASSED, FAILED, EXCUSED, SURPRISE, SKIPPED = (
    "passed",
    "failed",
    "expected failure",
    "unexpected pass",
    "not applicable",
)


class CheckFailedError(PgxevalError, AssertionError):
    """A predictor or model broke a promise of its contract; the message names it."""


class NotApplicableError(Exception):
    """A check has nothing to test, for instance because no golden values were given."""


@attrs.frozen(kw_only=True)
class CheckOutcome:
    """Result of one check.

    Parameters
    ----------
    check
        Name of the check.
    outcome
        ``"passed"``, ``"failed"``, ``"expected failure"``, ``"unexpected pass"`` or ``"not applicable"``.
    detail
        What was wrong, or why the failure was expected or the check skipped.
    """

    check: str
    outcome: str
    detail: str = ""

    @property
    def bad(self) -> bool:
        """Whether it needs attention: an unexpected failure, or an expected failure that no longer occurs."""
        return self.outcome in (FAILED, SURPRISE)


def demand(condition: object, message: str) -> None:
    """Fail the running check unless `condition` holds."""
    if not condition:
        raise CheckFailedError(message)


def check_excuses(checks: Mapping[str, Check], expected_failures: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the expected failures, each for an existing check and with a reason.

    Raises
    ------
    UnknownNameError
        If a check does not exist.
    SettingError
        If a reason is empty.
    """
    excuses = {} if expected_failures is None else dict(expected_failures)
    for name, reason in excuses.items():
        if name not in checks:
            raise UnknownNameError(
                f"expected_failures: unknown check {name!r}; the checks are {', '.join(checks)}"
                f"{near_names(name, checks)}"
            )
        if not str(reason or "").strip():
            raise SettingError(f"expected_failures: {name} needs a reason, a text that is not empty, got {reason!r}")
    return excuses


def run_check(name: str, check: Check, subject: Any, excuse: str | None) -> CheckOutcome:
    """Run one check; any exception is a failure, unless the failure was expected."""
    try:
        check(subject)
    except NotApplicableError as nothing:
        return CheckOutcome(check=name, outcome=SKIPPED, detail=str(nothing))
    except Exception as error:  # third-party code may raise anything
        words = str(error) if isinstance(error, CheckFailedError) else f"{type(error).__name__}: {error}"
        if excuse is not None:
            return CheckOutcome(check=name, outcome=EXCUSED, detail=f"{excuse} ({words})")
        return CheckOutcome(check=name, outcome=FAILED, detail=words)
    if excuse is not None:
        return CheckOutcome(
            check=name, outcome=SURPRISE, detail=f"it passes; the expected failure can be removed: {excuse}"
        )
    return CheckOutcome(check=name, outcome=PASSED)


def run_checks(
    checks: Mapping[str, Check],
    subject: Any,
    expected_failures: Mapping[str, str] | None,
    on_failure: OnFailure,
) -> pd.DataFrame:
    """Run all checks.

    Returns
    -------
    pandas.DataFrame
        One row per check: check, outcome, detail.

    Raises
    ------
    CheckFailedError
        With ``on_failure="raise"``, if any check failed or passed unexpectedly.
    """
    if on_failure not in ("report", "raise"):
        raise SettingError(f'on_failure must be "report" or "raise", got {on_failure!r}')
    excuses = check_excuses(checks, expected_failures)
    outcomes = [run_check(name, check, subject, excuses.get(name)) for name, check in checks.items()]
    bad = [outcome for outcome in outcomes if outcome.bad]
    if bad and on_failure == "raise":
        lines = "\n".join(f"  {outcome.check}: {outcome.outcome}: {outcome.detail}" for outcome in bad)
        raise CheckFailedError(f"{len(bad)} of {len(outcomes)} checks:\n{lines}")
    return pd.DataFrame([attrs.asdict(outcome) for outcome in outcomes])
