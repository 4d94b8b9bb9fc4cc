"""Indexes of FASTA files: made where missing, refused where they do not fit."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import random
import tempfile
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import ModuleType

import pysam
import pytest

from pgxeval import (
    InputFileError,
    Interval,
    PgxevalError,
    PgxevalWarning,
    ReferenceGenome,
)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    choose = random.Random(1)
    contigs = {
        "chr1": "".join(choose.choices("ACGTacgtNnRyM", k=1234)),
        "chr2": "ACGT" * 15,
        "chrM": "A",
    }
    return oracles.write_fasta(tmp_path_factory.mktemp("fasta") / "g.fa", contigs, width=61)


@pytest.fixture(scope="module")
def compressed(fasta: Path) -> Path:
    path = fasta.with_suffix(".fa.gz")
    pysam.tabix_compress(str(fasta), str(path))
    pysam.faidx(str(path))
    return path


def test_index_is_made_where_missing(tmp_path: Path) -> None:
    path = tmp_path / "new.fa"
    path.write_text(">a\nACGT\nAC\n>b\nTT\n")
    assert dict(ReferenceGenome(path).contigs) == {"a": 6, "b": 2}
    assert Path(f"{path}.fai").is_file()


def test_compressed_without_index(tmp_path: Path, fasta: Path, compressed: Path) -> None:
    path = tmp_path / "g.fa.gz"
    pysam.tabix_compress(str(fasta), str(path))
    genome = ReferenceGenome(path)
    assert dict(genome.contigs) == {"chr1": 1234, "chr2": 60, "chrM": 1}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"]
    for suffix in (".fai", ".gzi"):
        assert Path(f"{path}{suffix}").read_bytes() == Path(f"{compressed}{suffix}").read_bytes()


def test_stale_index_warns(tmp_path: Path) -> None:
    path = tmp_path / "s.fa"
    path.write_text(">a\nACGT\nAC\n")
    pysam.faidx(str(path))
    os.utime(f"{path}.fai", (1, 1))
    with pytest.warns(PgxevalWarning, match=r"s\.fa\.fai is older than"):
        genome = ReferenceGenome(path)
    assert pickle.loads(pickle.dumps(genome)).fetch(Interval("a", 3, 6)).tobytes() == b"TAC"  # does not warn again


def test_index_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "other.fa"
    path.write_text(">a\n" + "ACGT\n" * 40)
    Path(f"{path}.fai").write_text("a\t160\t3\t8\t9\n")
    os.utime(f"{path}.fai", (2e9, 2e9))
    genome = ReferenceGenome(path)
    with pytest.raises(InputFileError, match="does not hold the 20 bases that its index states"):
        genome.fetch(Interval("a", 0, 20))


def _open_at_once(barrier: Barrier, path: str, queue: multiprocessing.Queue[str]) -> None:
    barrier.wait(60)
    try:
        queue.put(ReferenceGenome(path).fetch(Interval("chr2", 2, 6)).tobytes().decode())
    except BaseException as error:  # to be told to the parent
        queue.put(repr(error))


@pytest.mark.parametrize("packed", [False, True])
def test_several_processes_make_the_index_at_once(tmp_path: Path, fasta: Path, packed: bool) -> None:
    context = multiprocessing.get_context("fork")
    for trial in range(3):
        folder = tmp_path / str(trial)
        folder.mkdir()
        path = folder / "g.fa"
        path.write_bytes(fasta.read_bytes())
        if packed:
            pysam.tabix_compress(str(path), f"{path}.gz")
            path = Path(f"{path}.gz")
        barrier, queue = context.Barrier(6), context.Queue()
        workers = [context.Process(target=_open_at_once, args=(barrier, str(path), queue)) for _ in range(6)]
        for worker in workers:
            worker.start()
        assert [queue.get(timeout=60) for _ in workers] == ["GTAC"] * 6
        for worker in workers:
            worker.join(10)
        made = {file.name for file in folder.iterdir()} - {"g.fa"}
        assert made == ({"g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"} if packed else {"g.fa.fai"})


@pytest.mark.parametrize("packed", [False, True])
def test_read_only_folder(tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """Root may write anywhere, so the folder's refusal is played."""
    path = tmp_path / "g.fa"
    path.write_bytes(fasta.read_bytes())
    if packed:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = Path(f"{path}.gz")
    make = tempfile.mkdtemp

    def refuse(suffix: str | None = None, prefix: str | None = None, dir: str | None = None) -> str:
        if dir is not None and Path(dir) == tmp_path:
            raise PermissionError(13, "Permission denied", str(dir))
        return make(suffix, prefix, dir)

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    before = set(tmp_path.iterdir())
    genome = ReferenceGenome(path)
    assert genome.fetch(Interval("chr2", 2, 6)).tobytes() == b"GTAC"
    assert pickle.loads(pickle.dumps(genome)).fetch(Interval("chr2", 2, 6)).tobytes() == b"GTAC"
    assert set(tmp_path.iterdir()) == before


ABSURD = [
    "a\t8\t3\t4\t5\textra",
    "a\t" + "9" * 5000 + "\t3\t4\t5",
    "a\t9999999999999999999999\t3\t4\t5",
    "a\t-8\t3\t4\t5",
    "a\t8\t-3\t4\t5",
    "a\t8\t3\t0\t5",
    "a\t8\t3\t4\t3",
    "a\t8\t99999999\t4\t5",
    "a\t8\t3\t4",
    "a\t8\t3\tx\t5",
    "a\t8\t3\t4\t1000000000",
    "a\t8\t3\t4\t5\na\t8\t3\t4\t5",
    "",
    "\n\n",
    "\x00\x01\x02",
]


@pytest.mark.parametrize("index", ABSURD[1:])
def test_absurd_indexes_are_refused(tmp_path: Path, index: str) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\nACGT\n")
    Path(f"{path}.fai").write_text(index)
    with pytest.raises(InputFileError, match=r"g\.fa") as error:
        ReferenceGenome(path)
    assert len(str(error.value)) < 600


def test_indexes_that_are_not_ours(tmp_path: Path, fasta: Path, compressed: Path) -> None:
    """Binary, empty, a folder, an image, a tabix index: always an error of this library, or the right bases."""
    junk = [b"", b"\x89PNG\r\n\x1a\n" * 50, bytes(range(256)) * 20, b"\xff" * 7, b"a" * 100_000, b"[1, 2]\n"]
    choose = random.Random(5)
    for source, suffixes in ((fasta, [".fai"]), (compressed, [".fai", ".gzi"])):
        for suffix in suffixes:
            right = Path(f"{source}{suffix}").read_bytes()
            for k, data in enumerate([*junk, right[:-3], right * 2, *(choose.randbytes(len(right)) for _ in range(5))]):
                folder = tmp_path / f"{source.name}{suffix}{k}"
                folder.mkdir()
                path = folder / source.name
                path.write_bytes(source.read_bytes())
                for other in suffixes:
                    Path(f"{path}{other}").write_bytes(Path(f"{source}{other}").read_bytes())
                Path(f"{path}{suffix}").write_bytes(data)
                try:
                    assert ReferenceGenome(path).fetch(Interval("chr2", 2, 6)).tobytes() == b"GTAC"
                except PgxevalError as error:
                    assert str(path) in str(error)  # noqa: PT017 (either outcome is right)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "g.fa"
    path.write_bytes(fasta.read_bytes())
    Path(f"{path}.fai").mkdir()
    with contextlib.suppress(PgxevalError):
        assert ReferenceGenome(path).fetch(Interval("chr2", 2, 6)).tobytes() == b"GTAC"
