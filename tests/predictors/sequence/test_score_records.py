"""Records of scores: key, names and checksums."""

from __future__ import annotations

import pickle
import secrets
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.score_records import name_of


def names(n: int) -> list[bytes]:
    return [secrets.token_bytes(16) for _ in range(n)]


def part_of(folder: Path) -> Path:
    (part,) = folder.glob("scores-*.part")
    return part


def test_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first, second = ScoreCache(folder), ScoreCache(folder)
    assert first.secret == second.secret
    assert len(first.secret) == 32
    assert first.secret != ScoreCache(tmp_path / "other").secret
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["key"]
    first.keep(names(1), [1.0])
    assert part_of(folder).stat().st_mode & 0o777 == 0o600
    assert first.secret.hex() not in repr(first)
    assert first.secret not in pickle.dumps(first)


def test_a_key_that_another_process_makes_meanwhile_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ScoreCache(tmp_path)
    first.keep(names(1), [1.0])
    looks = iter([False])  # at the first look there was none
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: next(looks, exists(path)))
    assert ScoreCache(tmp_path).secret == first.secret


def test_keys_that_are_not_right_are_named(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    cache.keep(names(1), [1.0])
    cache.flush()
    key = tmp_path / "key"
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(InputFileError, match=r"key is missing, and without it"):
        ScoreCache(tmp_path)
    key.write_bytes(content[:-1])
    key.chmod(0o600)
    with pytest.raises(InputFileError, match=r"expected 32 bytes in .*key, got 31"):
        ScoreCache(tmp_path)
    key.write_bytes(content)
    key.chmod(0o644)
    with pytest.warns(PgxevalWarning, match="can be read by others"):
        assert len(ScoreCache(tmp_path)) == 1


def test_names_depend_on_the_secret_and_on_where_parts_end() -> None:
    assert name_of(b"k" * 32, b"ab", b"c") != name_of(b"k" * 32, b"a", b"bc")
    assert name_of(b"k" * 32, b"ab") != name_of(b"q" * 32, b"ab")
    assert len(name_of(b"k" * 32, b"ab")) == 16


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pgxeval.predictors.sequence.score_records.os.link", refuse)
    first = ScoreCache(tmp_path / "cache")
    first.keep([b"n" * 16], [1.5])
    assert ScoreCache(tmp_path / "cache").get(b"n" * 16) == 1.5
    assert not list((tmp_path / "cache").glob(".key-*"))


def former_check(high: int, low: int, value: float) -> int:
    """The checksum of former records, by Python integers."""
    bits, mask = int.from_bytes(struct.pack("<d", value), "little"), 2**64 - 1
    mixed = ((high ^ 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9) & mask
    for part in (low, bits):
        mixed = (((mixed ^ (mixed >> 31)) ^ part) * 0xBF58476D1CE4E5B9) & mask
    return mixed ^ (mixed >> 31)


def test_former_parts_are_read(tmp_path: Path) -> None:
    ScoreCache(tmp_path)  # makes the key
    rng = np.random.default_rng(1)
    kept = {(int(high), int(low)): float(value) for high, low, value in zip(
        rng.integers(0, 2**63, 50), rng.integers(0, 2**63, 50), rng.normal(size=50), strict=True
    )}  # fmt: skip
    records = [struct.pack("<QQdQ", *name, value, former_check(*name, value)) for name, value in kept.items()]
    (tmp_path / "scores-former.part").write_bytes(b"".join(records))
    cache = ScoreCache(tmp_path)
    assert [cache.get(struct.pack("<QQ", *name)) for name in kept] == list(kept.values())
    records[7] = records[7][:-1] + bytes([records[7][-1] ^ 1])
    (tmp_path / "scores-former.part").write_bytes(b"".join(records))
    with pytest.warns(PgxevalWarning, match="1 damaged records"):
        assert len(ScoreCache(tmp_path)) == 49


def test_records_carry_a_crc_32(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    asked = names(5)
    cache.keep(asked, np.arange(5.0))
    content = part_of(tmp_path).read_bytes()
    records = [content[at : at + 32] for at in range(0, len(content), 32)]
    assert [record[:16] for record in records[1:]] == asked
    for record in records:
        assert int.from_bytes(record[24:], "little") == zlib.crc32(record[:24])


@pytest.mark.parametrize("bit", range(0, 256, 5))
def test_every_flipped_bit_is_noticed(tmp_path: Path, bit: int) -> None:
    cache = ScoreCache(tmp_path)
    cache.keep(names(1), [1.25])
    part = part_of(tmp_path)
    content = bytearray(part.read_bytes())
    content[32 + bit // 8] ^= 1 << bit % 8
    part.write_bytes(content)
    with pytest.warns(PgxevalWarning, match="1 damaged records"):
        assert len(ScoreCache(tmp_path)) == 0
