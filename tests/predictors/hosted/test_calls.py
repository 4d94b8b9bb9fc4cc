"""Calls to a service that fails, refuses, hangs and babbles: how often each is tried, and what is reported."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from pgxeval.errors import RemoteServiceError, SettingError
from pgxeval.predictors.hosted import calls as hosted_calls
from pgxeval.predictors.hosted.calls import BadAnswerError, CallFailedError, HostedCalls, status_of
from pgxeval.predictors.hosted.pacing import InterruptedCallError, Pacer

SECRET = "sesame-ACGTTGCAACGTTGCAACGT"
PASSING = ("INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN", "ABORTED", "CANCELLED", "DATA_LOSS")
USELESS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "UNIMPLEMENTED", "ALREADY_EXISTS")


class ServiceError(Exception):
    """Words of the service, which give away what they should not."""

    def __init__(self, status: str) -> None:
        super().__init__(f"{status}: {SECRET}")
        self._status = status

    def code(self) -> Any:
        return SimpleNamespace(name=self._status)


class Service:
    """Answers its calls by a script of statuses, then with 42."""

    def __init__(self, *script: str | Exception | None) -> None:
        self.script: Iterator[str | Exception | None] = iter(script)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        fault = next(self.script, None)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            raise ServiceError(fault)
        return 42


def make(in_flight: int = 4, **settings: Any) -> HostedCalls:
    pacer = settings.pop("pacer", None) or Pacer(period_s=0.01)
    return HostedCalls("Oracle", in_flight=in_flight, pacer=pacer, wait_scale=0.0, **settings)


def same(answer: int) -> int:
    return answer


def ask(calls: HostedCalls, call: Callable[[], int], read: Callable[[int], int] = same) -> int:
    with calls.answer(call, read) as answer:
        return answer


def damaged(answer: int) -> int:
    raise BadAnswerError("the output is absent")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits between attempts, without jitter, as they are asked for; none is waited."""
    asked: list[float] = []

    def note(wait_s: float) -> float:
        asked.append(wait_s)
        return wait_s

    monkeypatch.setattr(hosted_calls, "jittered", note)
    return asked


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("failures", [1, 2])
def test_what_may_pass_is_tried_three_times(status: str, failures: int, waits: list[float]) -> None:
    calls, service = make(), Service(*[status] * failures)
    assert ask(calls, service) == 42
    assert service.calls == failures + 1
    assert calls.counts == {"refused": 0, "repeated": failures, "failed": 0}
    assert waits == [1.0, 2.0][:failures]


@pytest.mark.parametrize("status", PASSING)
def test_and_then_fails_by_name(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    with pytest.raises(CallFailedError, match=f"Oracle failed for the sequence 3 times, the last time with {status}$"):
        ask(calls, service)
    assert service.calls == 3
    assert calls.counts == {"refused": 0, "repeated": 2, "failed": 1}


def test_failures_of_different_kinds_are_counted_together() -> None:
    service = Service("INTERNAL", "DATA_LOSS", "UNKNOWN", None)
    with pytest.raises(CallFailedError, match="3 times, the last time with UNKNOWN"):
        ask(make(), service)
    assert service.calls == 3


@pytest.mark.parametrize("status", USELESS)
def test_what_cannot_succeed_is_tried_once(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    with pytest.raises(CallFailedError, match=rf"rejected the sequence \({status}\)"):
        ask(calls, service)
    assert service.calls == 1


@pytest.mark.parametrize("status", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_refused_key_ends_the_run_at_the_first_call(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    ask(calls, Service())
    with pytest.raises(RemoteServiceError, match=r"rejected the API key .* in the cache; .* valid key"):
        ask(calls, service)
    assert service.calls == 1


def test_an_answer_that_cannot_be_used_is_asked_for_three_times_and_named() -> None:
    calls, service = make(), Service()
    with pytest.raises(
        CallFailedError, match="3 times, the last time with an answer that cannot be used: the output is"
    ):
        ask(calls, service, damaged)
    assert service.calls == 3


def test_an_answer_that_the_client_cannot_unpack_is_one_too() -> None:
    service = Service(ValueError(SECRET), ValueError(SECRET))
    assert ask(make(), service) == 42
    with pytest.raises(CallFailedError, match="cannot be used: it is truncated or damaged"):
        ask(make(), Service(*[ValueError(SECRET)] * 3))


def test_a_service_that_is_away_is_waited_for_and_then_ends_the_run(waits: list[float]) -> None:
    calls, service = make(), Service(*["UNAVAILABLE"] * 7)
    assert ask(calls, service) == 42
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    assert sum(waits) > 120
    service = Service(*["UNAVAILABLE"] * 9)
    with pytest.raises(RemoteServiceError, match=r"cannot be reached .* 8 attempts\. .* in the cache"):
        ask(calls, service)
    assert service.calls == 8


def test_a_sequence_that_is_never_answered_does_not_look_like_a_service_that_is_away() -> None:
    calls = make()

    class Between(Service):
        def __call__(self) -> int:
            if self.calls == 4:
                ask(calls, Service())  # another thread's call, which passes
            return super().__call__()

    with pytest.raises(CallFailedError, match="8 times, the last time with UNAVAILABLE"):
        ask(calls, Between(*["UNAVAILABLE"] * 9))


def test_nor_where_no_other_call_is_left_but_the_service_answers_what_costs_nothing() -> None:
    probed: list[int] = []
    calls = make(probe=lambda: probed.append(1))
    with pytest.raises(CallFailedError, match="UNAVAILABLE"):
        ask(calls, Service(*["UNAVAILABLE"] * 9))
    assert probed == [1]

    def away() -> None:
        raise ServiceError("UNAVAILABLE")

    with pytest.raises(RemoteServiceError, match="cannot be reached"):
        ask(make(probe=away), Service(*["UNAVAILABLE"] * 9))


def test_a_refusal_for_the_quota_is_tried_until_it_passes() -> None:
    calls, service = make(), Service(*["RESOURCE_EXHAUSTED"] * 20)
    assert ask(calls, service) == 42
    assert calls.counts == {"refused": 20, "repeated": 0, "failed": 0}


def test_a_sequence_that_is_always_refused_while_others_pass_is_given_up() -> None:
    calls = make()
    refused = Service(*["RESOURCE_EXHAUSTED"] * 99)
    with pytest.raises(CallFailedError, match=r"rejected the sequence 50 times \(RESOURCE_EXHAUSTED\)"):
        ask(calls, refused)
    assert refused.calls == 50


def test_a_service_that_refuses_everything_for_long_ends_the_run() -> None:
    calls = make(pacer=Pacer(period_s=0.05, patience_s=0.1))
    with pytest.raises(
        RemoteServiceError, match=r"rejected every call .* because the quota is exhausted .* once quota is available"
    ):
        ask(calls, Service(*["RESOURCE_EXHAUSTED"] * 999))


def test_failures_all_alike_before_the_first_answer_end_the_run() -> None:
    calls = make()
    for _ in range(7):
        with pytest.raises(CallFailedError):
            ask(calls, Service("INVALID_ARGUMENT"))
    with pytest.raises(RemoteServiceError, match=r"8 sequences in a row.* .*INVALID_ARGUMENT.*retry_failed=True"):
        ask(calls, Service("INVALID_ARGUMENT"))


def test_and_later_where_they_are_not_of_the_sequences() -> None:
    calls = make()
    ask(calls, Service())
    for _ in range(40):
        with pytest.raises(CallFailedError):
            ask(calls, Service("INVALID_ARGUMENT"))
    for _ in range(23):
        with pytest.raises(CallFailedError):
            ask(calls, Service(*["INTERNAL"] * 3))
    with pytest.raises(RemoteServiceError, match="24 sequences in a row"):
        ask(calls, Service(*["INTERNAL"] * 3))


def test_failures_that_differ_or_that_an_answer_interrupts_do_not() -> None:
    calls = make()
    for number in range(40):
        with pytest.raises(CallFailedError):
            ask(calls, Service(*[PASSING[number % 2]] * 3))
    for number in range(60):
        if number % 20 == 0:
            ask(calls, Service())
        with pytest.raises(CallFailedError):
            ask(calls, Service(*["INTERNAL"] * 3))


def test_our_own_errors_pass_as_they_are() -> None:
    error = SettingError("there is no key")
    with pytest.raises(SettingError) as caught:
        ask(make(), Service(error))
    assert caught.value is error


@pytest.mark.parametrize("status", [*PASSING, *USELESS, "UNAVAILABLE", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "OK?"])
def test_words_of_the_service_are_in_no_message_and_no_traceback(
    status: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    calls = make(pacer=Pacer(period_s=0.01, patience_s=0.05))
    with pytest.raises((CallFailedError, RemoteServiceError)) as caught:
        ask(calls, Service(*[status] * 999))
    seen: list[BaseException] = [caught.value]
    while seen[-1].__cause__ or seen[-1].__context__:
        seen.append(seen[-1].__cause__ or seen[-1].__context__)  # type: ignore[arg-type]  # one of them is there
    assert len(seen) == 1
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    out = capfd.readouterr()
    assert SECRET not in text + caplog.text + out.out + out.err + repr(vars(calls))


def test_an_unknown_status_is_an_unreadable_answer() -> None:
    assert status_of(ValueError("x")) == status_of(ServiceError(None)) == "malformed"  # type: ignore[arg-type]  # a client of another make
    assert status_of(ServiceError("INTERNAL")) == "INTERNAL"


# --- many threads


class Busy:
    """Counts who is in it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        return 1


def test_no_more_calls_are_under_way_than_asked_for() -> None:
    calls, busy = make(in_flight=3), Busy(0.005)
    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(lambda _: ask(calls, busy), range(60))) == 60
    assert busy.most == 3


def test_an_answer_counts_as_under_way_until_it_is_kept() -> None:
    calls = make(in_flight=1)
    second_began = threading.Event()

    def second() -> int:
        second_began.set()
        return 2

    with ThreadPoolExecutor(1) as threads:
        with calls.answer(Service(), same) as answer:
            other = threads.submit(ask, calls, second)
            assert not second_began.wait(0.1)
            assert answer == 42
        assert other.result(timeout=10) == 2


def test_an_error_of_whoever_keeps_it_gives_the_place_back() -> None:
    calls = make(in_flight=1)
    with pytest.raises(OSError, match="full"), calls.answer(Service(), same):
        raise OSError("full")
    assert ask(calls, Service()) == 42


def test_a_place_is_given_back_after_failures_of_all_kinds() -> None:
    calls = make(in_flight=1)
    for fault in ("INTERNAL", "UNAUTHENTICATED", "INVALID_ARGUMENT", SettingError("x")):
        with pytest.raises((CallFailedError, RemoteServiceError, SettingError)):
            ask(calls, Service(*[fault] * 3))
    with pytest.raises(CallFailedError):
        ask(calls, Service(), damaged)
    assert ask(calls, Service()) == 42


def test_waits_end_when_the_run_does_and_a_later_run_goes_on() -> None:
    calls = HostedCalls("Oracle", in_flight=2, pacer=Pacer(calls_per_period=2, period_s=1000))
    service, failed = Service(*["UNAVAILABLE"] * 99), threading.Event()

    def failing() -> int:
        failed.set()
        return service()

    with ThreadPoolExecutor(3) as threads:
        backing_off = threads.submit(ask, calls, failing)
        assert failed.wait(10)
        ask(calls, Service())
        paced = threads.submit(ask, calls, Service())
        time.sleep(0.05)
        assert not paced.done()
        begin = time.monotonic()
        calls.interrupt()
        for future in (backing_off, paced):
            with pytest.raises(InterruptedCallError):
                future.result(timeout=10)
        assert time.monotonic() - begin < 5
    calls.pacer = Pacer()
    assert ask(calls, Service()) == 42
