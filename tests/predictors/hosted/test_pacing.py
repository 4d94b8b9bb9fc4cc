"""The pacer against simulated services of every kind of window, on a simulated clock."""

from __future__ import annotations

import heapq
import random
import threading
from collections import deque
from typing import Any

import pytest

from pgxeval.errors import SettingError
from pgxeval.predictors.hosted import pacing
from pgxeval.predictors.hosted.pacing import InterruptedCallError, Pacer


class Service:
    """Grants `quota` calls per minute by fixed windows, a sliding log, or a token bucket."""

    def __init__(self, kind: str, quota: int, offset_s: float = 0.0):
        self.kind, self.quota, self.offset_s = kind, quota, offset_s
        self.log: deque[float] = deque()
        self.tokens, self.at = float(quota), 0.0

    def grants(self, now: float) -> bool:
        if self.kind == "fixed":
            window = (now + self.offset_s) // 60
            self.log = deque(one for one in self.log if one == window)
            mark = window
        else:
            while self.log and now - self.log[0] >= 60:
                self.log.popleft()
            mark = now
        if self.kind == "bucket":
            self.tokens = min(self.quota, self.tokens + (now - self.at) * self.quota / 60)
            self.at = now
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True
        if len(self.log) >= self.quota:
            return False
        self.log.append(mark)
        return True


def run(service: Service, *, minutes: float, in_flight: int = 8, call_s: float = 1.0, seed: int = 0) -> tuple[int, int]:
    """Drive a pacer by as many callers; returns calls granted and refused."""
    rng = random.Random(seed)
    clock = [0.0]
    pacer = Pacer(clock=lambda: clock[0], patience_s=1e9)
    granted = refused = 0
    # events: (time, number, what); a caller arrives, is answered, and comes back
    events: list[tuple[float, int, Any]] = [(0.0, caller, None) for caller in range(in_flight)]
    number = in_flight
    while events:
        now, _, ticket = heapq.heappop(events)
        if now > minutes * 60:
            break
        clock[0] = now
        number += 1
        if ticket is not None:
            kind, issued = ticket
            if kind == "granted":
                granted += 1
                pacer.granted(issued)
            else:
                refused += 1
                assert pacer.refused(issued)
        with pacer._changed:
            wait_s = pacer._wait_s(now)
        if wait_s > 0:
            heapq.heappush(events, (now + wait_s + 1e-3, number, None))
            continue
        issued = pacer.wait()
        arrival = now + rng.uniform(0.02, 0.08)
        if service.grants(arrival):
            heapq.heappush(events, (arrival + call_s * rng.uniform(0.8, 1.2), number, ("granted", issued)))
        else:
            heapq.heappush(events, (arrival + 0.05, number, ("refused", issued)))
    return granted, refused


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("quota", [12, 60, 200])
@pytest.mark.parametrize("offset_s", [0.0, 47.0])
def test_nine_tenths_of_the_quota_and_few_refusals(kind: str, quota: int, offset_s: float) -> None:
    minutes = 20
    granted, refused = run(Service(kind, quota, offset_s), minutes=minutes)
    assert granted >= 0.9 * quota * minutes
    assert refused <= 0.05 * (granted + refused)


def test_nothing_is_held_back_where_nothing_is_refused() -> None:
    granted, refused = run(Service("sliding", 10**9), minutes=1, call_s=0.5)
    assert refused == 0
    assert granted > 0.9 * 8 * 60 / (0.5 + 0.05)


def test_a_lower_quota_is_learned_and_a_higher_one_found_again() -> None:
    clock = [0.0]
    pacer = Pacer(clock=lambda: clock[0])
    tickets = [pacer.wait() for _ in range(10)]
    clock[0] = 1.0
    assert pacer.refused(tickets[-1])
    assert pacer.calls_per_period == 9
    for minute in range(1, 60):
        clock[0] = 62.0 * minute
        pacer._wait_s(clock[0])
    assert pacer.calls_per_period > 12


def test_a_service_that_refuses_everything_teaches_no_quota_and_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "jittered", lambda wait_s: wait_s)
    clock = [0.0]
    pacer = Pacer(clock=lambda: clock[0], patience_s=300)
    going_on, waits = True, []
    while going_on:
        ticket = pacer.wait()
        clock[0] += 0.1
        going_on = pacer.refused(ticket)
        wait_s = pacer._wait_s(clock[0])
        waits.append(wait_s)
        clock[0] += wait_s
    assert pacer.calls_per_period is None
    assert max(waits) >= 60
    assert waits[0] < 5
    assert 300 <= clock[0] <= 300 + 2 * 60
    clock[0] += 3_600
    assert pacer.refused(pacer.wait()), "the next run is given up at its first refusal"
    clock[0] += 240
    pacer.wake()  # that run was stopped
    clock[0] += 3_600
    assert pacer.refused(pacer.wait()), "the run after one that was stopped is given up at its first refusal"


def test_calls_under_way_when_the_first_refusal_comes_are_not_counted_as_passed() -> None:
    clock = [0.0]
    pacer = Pacer(clock=lambda: clock[0])
    tickets = []
    for at in range(8):
        clock[0] = at / 100
        tickets.append(pacer.wait())
    clock[0] = 1.0
    for ticket in (tickets[7], tickets[5], tickets[6]):
        pacer.refused(ticket)
    assert pacer.calls_per_period == 5


def test_a_wait_ends_when_the_run_does() -> None:
    pacer = Pacer(calls_per_period=1)
    stop = threading.Event()
    pacer.wait(stop)
    outcome: list[str] = []

    def second() -> None:
        try:
            pacer.wait(stop)
        except InterruptedCallError:
            outcome.append("ended")

    thread = threading.Thread(target=second)
    thread.start()
    stop.set()
    pacer.wake()
    thread.join(timeout=5)
    assert outcome == ["ended"]


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="at least 1"):
        Pacer(calls_per_period=0)
    with pytest.raises(SettingError, match="above 0"):
        Pacer(period_s=0)
