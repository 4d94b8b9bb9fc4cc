"""Downloads resume, are verified, and appear whole or not at all; every fault ends in the file or a clear error."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgxeval.datasets import RemoteFile, default_cache, fetch, fetch_member
from pgxeval.datasets import download as room
from pgxeval.errors import InputFileError, SettingError

CONTENT = np.random.default_rng(0).bytes(700_000)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.time, "sleep", lambda seconds: None)


def _remote(server: Any, *, checksum: str | None = "right") -> RemoteFile:
    (server.folder / "panel.vcf.gz").write_bytes(CONTENT)
    if checksum == "right":
        checksum = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    return RemoteFile(url=f"{server.address}/panel.vcf.gz", checksum=checksum, size="0.7 MB", licence="Open data.")


def test_a_file_is_downloaded_once(server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote = _remote(server)
    path = fetch(remote, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    shown = capsys.readouterr()
    assert "0.7 MB" in shown.out + shown.err
    assert "Open data." in shown.out + shown.err
    assert fetch(remote, tmp_path / "cache") == path
    assert server.requests["panel.vcf.gz"] == 1
    assert [file.name for file in path.parent.iterdir()] == ["panel.vcf.gz"]


FAULTS = [["cut"], ["cut", "cut"], ["busy", "cut"], ["broken"], ["cut", "busy", "broken", "cut"]]


@pytest.mark.parametrize("faults", FAULTS)
def test_faults_are_survived_and_little_is_sent_twice(server: Any, tmp_path: Path, faults: list[str]) -> None:
    remote = _remote(server)
    server.faults["panel.vcf.gz"] = list(faults)
    assert fetch(remote, tmp_path, progress=False).read_bytes() == CONTENT
    # what a closed connection leaves of a chunk is sent again
    assert server.bytes_sent["panel.vcf.gz"] <= len(CONTENT) + faults.count("cut") * room._CHUNK_BYTES


def test_an_interrupted_download_continues_in_the_next_call(server: Any, tmp_path: Path) -> None:
    remote = _remote(server)
    server.faults["panel.vcf.gz"] = ["cut"] + ["broken"] * 9
    with pytest.raises(InputFileError, match=r"failed 5 times.*the same call continues it"):
        fetch(remote, tmp_path, progress=False)
    server.faults.clear()
    assert fetch(remote, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.bytes_sent["panel.vcf.gz"] <= len(CONTENT) + room._CHUNK_BYTES


def test_a_server_without_ranges_sends_everything_again(server: Any, tmp_path: Path) -> None:
    remote = _remote(server)
    server.faults["panel.vcf.gz"] = ["cut", "no_ranges"]
    assert fetch(remote, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.bytes_sent["panel.vcf.gz"] == len(CONTENT) * 3 // 2


def test_a_wrong_checksum_leaves_nothing(server: Any, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"md5 checksum is .*, expected 00"):
        fetch(_remote(server, checksum="md5:00"), tmp_path / "cache", progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_missing_file_and_a_dead_server_are_explained(server: Any, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="HTTP status 404; the file may have moved"):
        fetch(RemoteFile(url=f"{server.address}/other.gz"), tmp_path, progress=False)
    with pytest.raises(InputFileError, match="failed 5 times, last with: ConnectionError"):
        fetch(RemoteFile(url="http://127.0.0.1:9/panel.vcf.gz"), tmp_path, progress=False)


def test_a_full_disk_is_an_error_that_keeps_what_was_received(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = _remote(server)

    class FullFile:
        def write(self, chunk: bytes) -> int:
            raise OSError(28, "No space left on device")

    write = room._write
    monkeypatch.setattr(room, "_write", lambda out, chunk, partial: write(FullFile(), chunk, partial))
    with pytest.raises(InputFileError, match=r"No space left on device.*the same call continues"):
        fetch(remote, tmp_path / "cache", progress=False)
    assert not (tmp_path / "cache" / "panel.vcf.gz").exists()


def test_a_folder_that_cannot_be_made_is_refused(server: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="cache folder"):
        fetch(_remote(server), tmp_path / "file" / "cache", progress=False)


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGXEVAL_DATA", "~/data")
    assert default_cache() == Path.home() / "data"


def _archive(server: Any) -> RemoteFile:
    with zipfile.ZipFile(server.folder / "big.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/other.bin", np.random.default_rng(1).bytes(3_000_000))
        archive.writestr("data/tables/wanted.bed", "#chr\tstart\n" * 20_000)
        archive.writestr("data/tables/wanted2.bed", "x")
    return RemoteFile(url=f"{server.address}/big.zip", licence="CC-BY-4.0")


def test_a_member_is_downloaded_without_the_archive(server: Any, tmp_path: Path) -> None:
    archive = _archive(server)
    path = fetch_member(archive, "wanted.bed", tmp_path / "cache", progress=False)
    assert path.read_text() == "#chr\tstart\n" * 20_000
    assert server.bytes_sent["big.zip"] < 300_000
    before = server.requests["big.zip"]
    assert fetch_member(archive, "wanted.bed", tmp_path / "cache", progress=False) == path
    assert server.requests["big.zip"] == before


def test_a_member_survives_faults(server: Any, tmp_path: Path) -> None:
    archive = _archive(server)
    server.faults["big.zip"] = ["", "busy", "cut", "", "broken"]
    path = fetch_member(archive, "data/tables/wanted.bed", tmp_path / "cache", progress=False)
    assert path.read_text() == "#chr\tstart\n" * 20_000


def test_members_that_cannot_be_had_are_explained(server: Any, tmp_path: Path) -> None:
    archive = _archive(server)
    with pytest.raises(InputFileError, match=r"has 0 members that end in 'nothing.bed'"):
        fetch_member(archive, "nothing.bed", tmp_path, progress=False)
    server.faults["big.zip"] = ["no_ranges"]
    with pytest.raises(InputFileError, match="does not support byte ranges"):
        fetch_member(archive, "wanted.bed", tmp_path, progress=False)
    damaged = bytearray((server.folder / "big.zip").read_bytes())
    with zipfile.ZipFile(server.folder / "big.zip") as opened:
        damaged[opened.getinfo("data/tables/wanted.bed").header_offset + 80] ^= 0xFF
    (server.folder / "big.zip").write_bytes(bytes(damaged))
    with pytest.raises(InputFileError, match=r"damaged|could not be downloaded"):
        fetch_member(archive, "wanted.bed", tmp_path / "other", progress=False)
    assert not (tmp_path / "other" / "wanted.bed").exists()
