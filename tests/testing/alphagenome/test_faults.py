"""Random faults depend only on the sequence; a fault that is none is refused where it is written."""

from __future__ import annotations

import collections
import hashlib

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.testing.alphagenome.faults import DAMAGES, FAULTS, STATUSES, Script, random_faults


def test_an_unknown_fault_is_refused_where_it_is_written() -> None:
    script = Script()
    for add in (script.append, script.appendleft, lambda fault: script.extend([fault])):
        with pytest.raises(SettingError, match="unknown fault 'explode'"):
            add("explode")
    with pytest.raises(SettingError, match="unknown fault"):
        script.append("OK")
    assert set(DAMAGES) < set(FAULTS)


def test_status_codes_are_those_of_grpc() -> None:
    grpc = pytest.importorskip("grpc", reason="status codes come with the extra `alphagenome`")
    assert set(STATUSES) == {code.name for code in grpc.StatusCode} - {"OK"}
    assert random_faults(1.0, 1.0, kinds=[grpc.StatusCode.INTERNAL])("digest", 9) == "INTERNAL"


def test_random_faults_depend_on_the_sequence_only() -> None:
    digests = [hashlib.sha256(bytes([i, j])).hexdigest() for i in range(40) for j in range(100)]
    faults = random_faults(0.1, 0.3, seed=1)
    kinds = [faults.kind(digest) for digest in digests]
    faulty = [digest for digest, kind in zip(digests, kinds, strict=True) if kind]
    # four standard deviations of a binomial share
    assert abs(len(faulty) - 400) < 4 * np.sqrt(4_000 * 0.09)
    assert abs(kinds.count("permanent") - 120) < 4 * np.sqrt(400 * 0.21)
    lasting = collections.Counter()
    for digest, kind in zip(digests, kinds, strict=True):
        course = [faults(digest, attempt) for attempt in range(5)]
        assert course == [faults(digest, attempt) for attempt in range(5)]
        failed = sum(fault is not None for fault in course)
        lasting[kind, failed] += 1
        assert {*course} <= {None, course[0]}
        assert "UNAUTHENTICATED" not in course
        if kind == "transient":
            assert course[0] not in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")
    assert set(lasting) == {(None, 0), ("permanent", 5), ("transient", 1), ("transient", 2)}
    assert {faults(digest, 0) for digest in faulty} >= {*DAMAGES, "hang", "UNAVAILABLE", "INVALID_ARGUMENT"}
    other = random_faults(0.1, 0.3, seed=2)
    assert [bool(other(digest, 0)) for digest in digests] != [bool(kind) for kind in kinds]
    only = random_faults(1.0, 1.0, kinds=["INTERNAL"])
    assert {only(digest, 9) for digest in digests} == {"INTERNAL"}
    for wrong in ({"share": 1.2}, {"permanent": -1}, {"kinds": []}, {"kinds": ["explode"]}):
        with pytest.raises(SettingError):
            random_faults(**wrong)
