"""ScoreCache: content that outlives kills, torn files, other processes, and reveals nothing without its key."""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from pgxeval.errors import InputFileError, PgxevalWarning, SettingError
from pgxeval.predictors.sequence.cache import ScoreCache


def names(n: int) -> list[bytes]:
    return [secrets.token_bytes(16) for _ in range(n)]


def part_of(folder: Path) -> Path:
    (part,) = folder.glob("scores-*.part")
    return part


def test_keeps_exactly_and_finds_again(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "deep" / "cache")
    asked, scores = names(1_000), np.random.default_rng(0).normal(size=1_000)
    scores[:3] = [-0.0, 5e-324, 1.7e308]
    cache.keep(asked[:600], scores[:600])
    cache.keep(asked[600:], scores[600:])
    for opened in (cache, ScoreCache(cache.folder), pickle.loads(pickle.dumps(cache))):
        assert [opened.get(name) for name in asked] == scores.tolist()
        assert opened.get(secrets.token_bytes(16)) is None
        assert len(opened) == 1_000
    cache.flush()
    cache.keep(names(1), [1.0])
    assert len(ScoreCache(cache.folder)) == 1_001


def test_names_that_share_half_are_told_apart(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    twins = [b"12345678" + bytes([number]) * 8 for number in range(20)]
    cache.keep(twins, np.arange(20.0))
    again = ScoreCache(tmp_path)
    assert [again.get(name) for name in twins] == list(range(20))
    assert again.get(b"12345678" + bytes([77]) * 8) is None


@pytest.mark.parametrize("lost", [1, 7, 31, 32, 33])
def test_torn_part_is_read_up_to_its_last_whole_record(tmp_path: Path, lost: int) -> None:
    cache = ScoreCache(tmp_path)
    asked = names(10)
    cache.keep(asked, np.arange(10.0))
    part = part_of(tmp_path)
    assert part.stat().st_size == 352  # one record identifies the key
    part.write_bytes(part.read_bytes()[:-lost])
    whole = (320 - lost) // 32
    again = ScoreCache(tmp_path)
    assert [again.get(name) for name in asked] == [*map(float, range(whole)), *[None] * (10 - whole)]
    again.keep(asked[whole:], np.arange(float(whole), 10.0))  # goes to another part, aligned
    assert [ScoreCache(tmp_path).get(name) for name in asked] == list(range(10))


def test_damaged_records_are_passed_over_and_counted(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    asked = names(10)
    cache.keep(asked, np.arange(10.0) + 1)
    part = part_of(tmp_path)
    content = bytearray(part.read_bytes())
    content[32 * 5 + 20] ^= 1  # a bit of a score
    content[32 * 7 : 32 * 8] = bytes(32)  # a hole, as a crashed machine leaves it
    part.write_bytes(content)
    with pytest.warns(PgxevalWarning, match="2 damaged records"):
        again = ScoreCache(tmp_path)
    assert [number for number, name in enumerate(asked) if again.get(name) is None] == [4, 6]


WRITER = """
    import os, signal, sys
    from pgxeval.predictors.sequence.cache import ScoreCache
    cache = ScoreCache(sys.argv[1])
    for number in range(1000):
        cache.keep([number.to_bytes(16, "little")], [float(number)])
        print(number, flush=True)
        if number == 300:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_whatever_was_kept_outlives_a_kill(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], capture_output=True, check=False, env=os.environ
    )
    assert done.returncode == -signal.SIGKILL
    again = ScoreCache(tmp_path)
    assert len(again) == 301
    assert [again.get(number.to_bytes(16, "little")) for number in range(301)] == list(range(301))


def test_forked_child_writes_a_part_of_its_own(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    mine, theirs = names(1), names(1)
    cache.keep(mine, [1.0])
    child = os.fork()
    if child == 0:
        cache.keep(theirs, [2.0])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    cache.keep(names(1), [3.0])
    assert len(list(tmp_path.glob("scores-*.part"))) == 2
    again = ScoreCache(tmp_path)
    assert (again.get(mine[0]), again.get(theirs[0]), len(again)) == (1.0, 2.0, 3)


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache")
    with pytest.raises(SettingError, match="one finite score per name"):
        cache.keep(names(1), [np.nan])
    with pytest.raises(SettingError, match="one finite score per name"):
        cache.keep(names(2), [1.0])
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="cannot be created"):
        ScoreCache(tmp_path / "file")


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ScoreCache(tmp_path)

    def full(handle: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(InputFileError, match=r"cannot be written .No space left"):
            cache.keep(names(1), [1.0])
    cache.keep(names(1), [2.0])
    assert len(ScoreCache(tmp_path)) == 1


# --- failures


def failures_of(folder: Path) -> Path:
    (part,) = folder.glob("failures-*.jsonl")
    return part


def test_failures_are_kept_with_their_reasons(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    some, others, never = names(3), names(2), names(1)
    cache.fail(some, 'refused ("INVALID_ARGUMENT")\nfor good, naïvely')
    cache.fail(others, "cut short")
    for opened in (cache, ScoreCache(tmp_path), pickle.loads(pickle.dumps(cache))):
        assert [opened.failure(name) for name in some] == ['refused ("INVALID_ARGUMENT")\nfor good, naïvely'] * 3
        assert [opened.failure(name) for name in others] == ["cut short"] * 2
        assert opened.failure(never[0]) is None
        assert [opened.get(name) for name in some] == [None] * 3
        assert len(opened) == 0  # a failure is not a score
    cache.flush()
    assert failures_of(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_score_replaces_a_failure_and_the_last_reason_counts(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    name, other = names(2)
    cache.fail([name, other], "first")
    cache.fail([other], "second")
    cache.keep([name], [1.5])
    for opened in (cache, ScoreCache(tmp_path)):
        assert opened.failure(name) is None
        assert opened.get(name) == 1.5
        assert opened.failure(other) == "second"


@pytest.mark.parametrize("lost", [1, 2, 10, 60, 90])
def test_a_torn_line_of_failures_is_passed_over(tmp_path: Path, lost: int) -> None:
    cache = ScoreCache(tmp_path)
    kept, torn = names(2)
    cache.fail([kept], "a reason")
    cache.fail([torn], "a reason")
    part = failures_of(tmp_path)
    content = part.read_bytes()
    assert len(content) > 2 * 60
    part.write_bytes(content[:-lost] if lost < len(content) // 2 else content[: len(content) // 2 + 5])
    again = ScoreCache(tmp_path)
    assert again.failure(kept) == "a reason"
    assert again.failure(torn) == ("a reason" if lost == 1 else None)
    again.fail([torn], "again")  # goes to another part
    assert ScoreCache(tmp_path).failure(torn) in (("a reason", "again") if lost == 1 else ("again",))


def test_lines_that_are_not_failures_are_skipped(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    (name,) = names(1)
    cache.fail([name], "a reason")
    with failures_of(tmp_path).open("a") as part:
        part.write('[]\n{"name": "zz", "reason": "x"}\n{"name": 3}\n{}\nnull\n\n\x00\x00\n"text"\n')
    assert ScoreCache(tmp_path).failure(name) == "a reason"


FAILER = """
    import os, signal, sys
    from pgxeval.predictors.sequence.cache import ScoreCache
    cache = ScoreCache(sys.argv[1])
    for number in range(1000):
        cache.fail([number.to_bytes(16, "little")], f"reason {number}")
        if number == 100:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_failures_outlive_a_kill(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FAILER), str(tmp_path)], capture_output=True, check=False, env=os.environ
    )
    assert done.returncode == -signal.SIGKILL
    again = ScoreCache(tmp_path)
    assert [again.failure(number.to_bytes(16, "little")) for number in range(102)] == [
        *(f"reason {number}" for number in range(101)),
        None,
    ]


def test_forked_child_writes_failures_of_its_own(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    mine, theirs = names(2)
    cache.fail([mine], "mine")
    child = os.fork()
    if child == 0:
        cache.fail([theirs], "theirs")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(tmp_path.glob("failures-*.jsonl"))) == 2
    again = ScoreCache(tmp_path)
    assert (again.failure(mine), again.failure(theirs)) == ("mine", "theirs")


def test_threads_write_whole_records(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    asked = [names(50) for _ in range(8)]

    def work(mine: list[bytes]) -> None:
        for at, name in enumerate(mine):
            if at % 2:
                cache.fail([name], "r" * 3_000)
            else:
                cache.keep([name], [float(at)])

    threads = [threading.Thread(target=work, args=(mine,)) for mine in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = ScoreCache(tmp_path)
    for mine in asked:
        for at, name in enumerate(mine):
            assert (again.get(name), again.failure(name)) == ((None, "r" * 3_000) if at % 2 else (float(at), None))


def test_full_disk_is_named_for_failures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ScoreCache(tmp_path)
    (name,) = names(1)

    def torn(handle: int, content: bytes, wrote: list[int] = []) -> int:  # noqa: B006  # counts its calls
        wrote.append(1)
        if len(wrote) > 1:
            raise OSError(28, "No space left on device")
        return write(handle, bytes(content)[:10])

    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", torn)
        with pytest.raises(InputFileError, match=r"cannot be written .No space left"):
            cache.fail([name], "a reason")
    assert cache.failure(name) is None
    cache.fail([name], "later")  # not after the torn line
    assert ScoreCache(tmp_path).failure(name) == "later"


def test_unreadable_failures_are_named(tmp_path: Path) -> None:
    ScoreCache(tmp_path)
    (tmp_path / "failures-x.jsonl").mkdir()
    with pytest.raises(InputFileError, match=r"failures-x.jsonl cannot be read"):
        ScoreCache(tmp_path)


# --- the folder changes during a run, or has another key


@pytest.mark.parametrize("change", ["deleted", "moved", "part deleted", "replaced"])
def test_a_folder_that_disappears_during_a_run_ends_it(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "cache"
    cache = ScoreCache(folder)
    kept = names(2)
    cache.keep(kept, [1.0, 2.0])
    if change == "deleted":
        shutil.rmtree(folder)
    elif change == "moved":
        folder.rename(tmp_path / "elsewhere")
    elif change == "part deleted":
        part_of(folder).unlink()
    else:
        folder.rename(tmp_path / "elsewhere")
        ScoreCache(folder)
    with pytest.raises(InputFileError, match="was deleted, moved or replaced during the run"):
        cache.keep(names(1), [3.0])
    if change == "moved":  # nothing was lost: what was written last is there as well
        (tmp_path / "elsewhere").rename(folder)
        again = ScoreCache(folder)
        assert [again.get(name) for name in kept] == [1.0, 2.0]
        assert len(again) == 3
        cache.keep(names(1), [4.0])  # and the run could go on
        assert len(ScoreCache(folder)) == 4


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_a_folder_that_disappears_before_the_first_score_ends_the_run(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "cache"
    cache = ScoreCache(folder)
    shutil.rmtree(folder)
    if change == "replaced":
        ScoreCache(folder)
    for write in (lambda: cache.keep(names(1), [3.0]), lambda: cache.fail(names(1), "a reason")):
        with pytest.raises(InputFileError, match="was deleted, moved or replaced during the run"):
            write()


def test_another_valid_key_is_noticed(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "cache")
    cache.keep(names(1_000), np.arange(1_000.0))
    key = tmp_path / "cache" / "key"
    original = key.read_bytes()
    key.write_bytes((ScoreCache(tmp_path / "other").folder / "key").read_bytes())
    with pytest.raises(InputFileError, match=r"1 of 1 files of scores .* a key other than the one in the file `key`"):
        ScoreCache(tmp_path / "cache")
    key.write_bytes(original)
    assert len(ScoreCache(tmp_path / "cache")) == 1_000


def test_parts_of_two_caches_in_one_folder_are_noticed(tmp_path: Path) -> None:
    one, other = ScoreCache(tmp_path / "one"), ScoreCache(tmp_path / "other")
    for cache in (one, other):
        cache.keep(names(3), [1.0, 2.0, 3.0])
    shutil.copy(part_of(other.folder), one.folder)
    with pytest.raises(InputFileError, match="1 of 2 files of scores"):
        ScoreCache(one.folder)


# --- records as they were before CRC-32


# --- other processes


def test_refresh_reads_what_others_have_written(tmp_path: Path) -> None:
    one, other = ScoreCache(tmp_path), ScoreCache(tmp_path)
    first, second, failed = names(2), names(3), names(1)
    one.keep(first, [1.0, 2.0])
    one.fail(failed, "a reason")
    assert [other.get(name) for name in first] == [None, None]
    other.refresh()
    assert [other.get(name) for name in first] == [1.0, 2.0]
    assert other.failure(failed[0]) == "a reason"
    other.keep(second, [3.0, 4.0, 5.0])
    one.keep(failed, [6.0])
    for cache in (one, other):
        cache.refresh()
        assert [cache.get(name) for name in (*first, *second, *failed)] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        assert len(cache) == 6
        assert cache.failure(failed[0]) is None


def test_refresh_waits_for_records_that_are_not_complete(tmp_path: Path) -> None:
    one, other = ScoreCache(tmp_path), ScoreCache(tmp_path)
    (name,) = names(1)
    one.keep([name], [1.0])
    part = part_of(tmp_path)
    content = part.read_bytes()
    part.write_bytes(content[:-10])
    other.refresh()
    assert other.get(name) is None
    part.write_bytes(content)
    other.refresh()
    assert other.get(name) == 1.0
