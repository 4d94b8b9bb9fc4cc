"""Calls to a service that fails, refuses, hangs and babbles: how often each is tried, and what is said of it."""

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
from pgxeval.predictors import hosted_calls
from pgxeval.predictors.hosted_calls import BadAnswerError, CallFailedError, HostedCalls, status_of
from pgxeval.predictors.pacing import InterruptedCallError, Pacer

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

    def __call__(self, done: Callable[[], None]) -> int:
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
    assert calls.ask(service, same) == 42
    assert service.calls == failures + 1
    assert calls.counts == {"refused": 0, "repeated": failures, "failed": 0}
    assert waits == [1.0, 2.0][:failures]


@pytest.mark.parametrize("status", PASSING)
def test_and_then_fails_by_name(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    with pytest.raises(CallFailedError, match=f"Oracle failed at the sequence 3 times, the last with {status}$"):
        calls.ask(service, same)
    assert service.calls == 3
    assert calls.counts == {"refused": 0, "repeated": 2, "failed": 1}


def test_failures_of_different_kinds_are_counted_together() -> None:
    service = Service("INTERNAL", "DATA_LOSS", "UNKNOWN", None)
    with pytest.raises(CallFailedError, match="3 times, the last with UNKNOWN"):
        make().ask(service, same)
    assert service.calls == 3


@pytest.mark.parametrize("status", USELESS)
def test_what_cannot_succeed_is_tried_once(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    with pytest.raises(CallFailedError, match=rf"refused the sequence \({status}\)"):
        calls.ask(service, same)
    assert service.calls == 1


@pytest.mark.parametrize("status", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_refused_key_ends_the_run_at_the_first_call(status: str) -> None:
    calls, service = make(), Service(*[status] * 9)
    calls.ask(Service(), same)
    with pytest.raises(RemoteServiceError, match=r"refuses the API key .* kept in the cache; .* valid key"):
        calls.ask(service, same)
    assert service.calls == 1


def test_an_answer_that_cannot_be_used_is_asked_for_three_times_and_named() -> None:
    calls, service = make(), Service()
    with pytest.raises(CallFailedError, match="3 times, the last with an answer that cannot be used: the output is"):
        calls.ask(service, damaged)
    assert service.calls == 3


def test_an_answer_that_the_client_cannot_unpack_is_one_too() -> None:
    service = Service(ValueError(SECRET), ValueError(SECRET))
    assert make().ask(service, same) == 42
    with pytest.raises(CallFailedError, match="cannot be used: it is cut short or damaged"):
        make().ask(Service(*[ValueError(SECRET)] * 3), same)


def test_a_service_that_is_away_is_waited_for_and_then_ends_the_run(waits: list[float]) -> None:
    calls, service = make(), Service(*["UNAVAILABLE"] * 7)
    assert calls.ask(service, same) == 42
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    assert sum(waits) > 120
    service = Service(*["UNAVAILABLE"] * 9)
    with pytest.raises(RemoteServiceError, match=r"cannot be reached .* 8 attempts\. .* kept in the cache"):
        calls.ask(service, same)
    assert service.calls == 8


def test_a_sequence_that_is_never_answered_does_not_look_like_a_service_that_is_away() -> None:
    calls = make()

    class Between(Service):
        def __call__(self, done: Callable[[], None]) -> int:
            if self.calls == 4:
                calls.ask(Service(), same)  # another thread's call, which passes
            return super().__call__(done)

    with pytest.raises(CallFailedError, match="8 times, the last with UNAVAILABLE"):
        calls.ask(Between(*["UNAVAILABLE"] * 9), same)


def test_nor_where_no_other_call_is_left_but_the_service_answers_what_costs_nothing() -> None:
    probed: list[int] = []
    calls = make(probe=lambda: probed.append(1))
    with pytest.raises(CallFailedError, match="UNAVAILABLE"):
        calls.ask(Service(*["UNAVAILABLE"] * 9), same)
    assert probed == [1]

    def away() -> None:
        raise ServiceError("UNAVAILABLE")

    with pytest.raises(RemoteServiceError, match="cannot be reached"):
        make(probe=away).ask(Service(*["UNAVAILABLE"] * 9), same)


def test_a_refusal_for_the_quota_is_tried_until_it_passes() -> None:
    calls, service = make(), Service(*["RESOURCE_EXHAUSTED"] * 20)
    assert calls.ask(service, same) == 42
    assert calls.counts == {"refused": 20, "repeated": 0, "failed": 0}


def test_a_sequence_that_is_always_refused_while_others_pass_is_given_up() -> None:
    calls = make()
    refused = Service(*["RESOURCE_EXHAUSTED"] * 99)
    with pytest.raises(CallFailedError, match=r"refused the sequence 50 times \(RESOURCE_EXHAUSTED\)"):
        calls.ask(refused, same)
    assert refused.calls == 50


def test_a_service_that_refuses_everything_for_long_ends_the_run() -> None:
    calls = make(pacer=Pacer(period_s=0.05, patience_s=0.1))
    with pytest.raises(RemoteServiceError, match=r"refused every call for the quota, for long .* when there is quota"):
        calls.ask(Service(*["RESOURCE_EXHAUSTED"] * 999), same)


def test_failures_all_alike_before_the_first_answer_end_the_run() -> None:
    calls = make()
    for _ in range(7):
        with pytest.raises(CallFailedError):
            calls.ask(Service("INVALID_ARGUMENT"), same)
    with pytest.raises(RemoteServiceError, match=r"8 sequences in a row; .*INVALID_ARGUMENT.*retry_failed=True"):
        calls.ask(Service("INVALID_ARGUMENT"), same)


def test_and_later_where_they_are_not_of_the_sequences() -> None:
    calls = make()
    calls.ask(Service(), same)
    for _ in range(40):
        with pytest.raises(CallFailedError):
            calls.ask(Service("INVALID_ARGUMENT"), same)
    for _ in range(23):
        with pytest.raises(CallFailedError):
            calls.ask(Service(*["INTERNAL"] * 3), same)
    with pytest.raises(RemoteServiceError, match="24 sequences in a row"):
        calls.ask(Service(*["INTERNAL"] * 3), same)


def test_failures_that_differ_or_that_an_answer_interrupts_do_not() -> None:
    calls = make()
    for number in range(40):
        with pytest.raises(CallFailedError):
            calls.ask(Service(*[PASSING[number % 2]] * 3), same)
    for number in range(60):
        if number % 20 == 0:
            calls.ask(Service(), same)
        with pytest.raises(CallFailedError):
            calls.ask(Service(*["INTERNAL"] * 3), same)


def test_our_own_errors_pass_as_they_are() -> None:
    error = SettingError("there is no key")
    with pytest.raises(SettingError) as caught:
        make().ask(Service(error), same)
    assert caught.value is error


@pytest.mark.parametrize("status", [*PASSING, *USELESS, "UNAVAILABLE", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "OK?"])
def test_words_of_the_service_are_in_no_message_and_no_traceback(
    status: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    calls = make(pacer=Pacer(period_s=0.01, patience_s=0.05))
    with pytest.raises((CallFailedError, RemoteServiceError)) as caught:
        calls.ask(Service(*[status] * 999), same)
    seen: list[BaseException] = [caught.value]
    while seen[-1].__cause__ or seen[-1].__context__:
        seen.append(seen[-1].__cause__ or seen[-1].__context__)  # type: ignore[arg-type]  # one of them is there
    assert len(seen) == 1
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    out = capfd.readouterr()
    assert SECRET not in text + caplog.text + out.out + out.err + repr(vars(calls))


def test_what_is_no_status_is_an_answer_that_cannot_be_read() -> None:
    assert status_of(ValueError("x")) == status_of(ServiceError(None)) == "malformed"  # type: ignore[arg-type]  # a client of another make
    assert status_of(ServiceError("INTERNAL")) == "INTERNAL"


# --- many threads


class Busy:
    """Counts who is in it."""

    def __init__(self, seconds: float, unpack_s: float = 0.0, *, tells: bool = False) -> None:
        self.seconds, self.unpack_s, self.tells = seconds, unpack_s, tells
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, done: Callable[[], None]) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        if self.tells:
            teller = threading.Thread(target=done)  # as gRPC does, from a thread of its own
            teller.start()
            teller.join()
            done()
        time.sleep(self.unpack_s)
        return 1


@pytest.mark.parametrize("tells", [False, True])
def test_no_more_calls_are_under_way_than_asked_for(tells: bool) -> None:
    calls, busy = make(in_flight=3), Busy(0.005, unpack_s=0.005, tells=tells)
    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(lambda _: calls.ask(busy, same), range(60))) == 60
    assert busy.most == 3


def test_the_next_call_starts_while_an_answer_is_unpacked() -> None:
    calls = make(in_flight=1)
    unpacking, second_began = threading.Event(), threading.Event()

    def first(done: Callable[[], None]) -> int:
        done()
        unpacking.set()
        return 1 if second_began.wait(10) else 0

    def second(done: Callable[[], None]) -> int:
        second_began.set()
        return 2

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(calls.ask, first, same)
        assert unpacking.wait(10)
        two = threads.submit(calls.ask, second, same)
        assert (one.result(), two.result()) == (1, 2)


def test_a_place_is_given_back_after_failures_of_all_kinds() -> None:
    calls = make(in_flight=1)
    for fault in ("INTERNAL", "UNAUTHENTICATED", "INVALID_ARGUMENT", SettingError("x")):
        with pytest.raises((CallFailedError, RemoteServiceError, SettingError)):
            calls.ask(Service(*[fault] * 3), same)
    with pytest.raises(CallFailedError):
        calls.ask(Service(), damaged)
    assert calls.ask(Service(), same) == 42


def test_waits_end_when_the_run_does_and_a_later_run_goes_on() -> None:
    calls = HostedCalls("Oracle", in_flight=2, pacer=Pacer(calls_per_period=2, period_s=1000))
    service, failed = Service(*["UNAVAILABLE"] * 99), threading.Event()

    def failing(done: Callable[[], None]) -> int:
        failed.set()
        return service(done)

    with ThreadPoolExecutor(3) as threads:
        backing_off = threads.submit(calls.ask, failing, same)
        assert failed.wait(10)
        calls.ask(Service(), same)
        paced = threads.submit(calls.ask, Service(), same)
        time.sleep(0.05)
        assert not paced.done()
        begin = time.monotonic()
        calls.interrupt()
        for future in (backing_off, paced):
            with pytest.raises(InterruptedCallError):
                future.result(timeout=10)
        assert time.monotonic() - begin < 5
    calls.pacer = Pacer()
    assert calls.ask(Service(), same) == 42
