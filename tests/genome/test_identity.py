"""Which file is open: absolute paths, files that change, and what tells versions of files apart."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import PersonalGenome, SettingError
from pgxeval.genome import InMemoryGenotypes
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.identity import FileStamp, sampled_digest


def write(oracles: ModuleType, path: Path, genotypes: list[str]) -> Path:
    lines = [oracles.record_line("c", (5, "A", ["C"]), genotypes)]
    return oracles.write_vcf(path, oracles.vcf_text({"c": 99}, [f"p{i}" for i in range(len(genotypes))], lines))


def write_plink(folder: Path, genotypes: np.ndarray, position: int = 6, names: tuple[str, ...] = ("a", "b")) -> Path:
    pgenlib = pytest.importorskip("pgenlib", reason="pgenlib is not installed (extra plink)")
    folder.mkdir(exist_ok=True)
    with pgenlib.PgenWriter(str(folder / "p.pgen").encode(), 2, variant_ct=1, nonref_flags=False) as writer:
        writer.append_alleles(genotypes.astype(np.int32))
    (folder / "p.pvar").write_text(f"#CHROM\tPOS\tID\tREF\tALT\nc\t{position}\t.\tA\tC\n")
    (folder / "p.psam").write_text("#IID\tSEX\n" + "".join(f"{name}\t1\n" for name in names))
    return folder / "p.pgen"


# --- identity


def test_identity_does_not_depend_on_the_place_but_on_everything_else(tmp_path: Path, oracles: ModuleType) -> None:
    path = write(oracles, tmp_path / "v.vcf.gz", ["0|1", "1|1"])
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"c": "ACGT" * 24})
    first = PersonalGenome(path, fasta).identity()
    assert (
        first
        == PersonalGenome(path, fasta).identity()
        == pickle.loads(pickle.dumps(PersonalGenome(path, fasta))).identity()
    )
    (tmp_path / "copy").mkdir()
    for file in (path, Path(f"{path}.tbi"), fasta, Path(f"{fasta}.fai")):
        shutil.copy2(file, tmp_path / "copy" / file.name)
    assert PersonalGenome(tmp_path / "copy" / path.name, tmp_path / "copy" / fasta.name).identity() == first
    others = [
        PersonalGenome(path).identity(),
        PersonalGenome(path, fasta, field="DS").identity(),
        PersonalGenome(path, fasta, half_missing="reference").identity(),
        PersonalGenome(path, fasta, unphased="as_written").identity(),
    ]
    os.utime(path, (1e9, 1e9))
    assert PersonalGenome(path, fasta).identity() == first  # all of a small file is digested
    stamp = path.stat().st_mtime_ns
    write(oracles, path, ["1|0", "1|1"])  # the same size, and now the same time
    os.utime(path, ns=(stamp, stamp))
    others.append(PersonalGenome(path, fasta).identity())
    assert first not in others


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write_plink(path.parent, np.array([0, 1, 0, 1])),
        lambda path: write_plink(path.parent, np.array([0, 1, 1, 1]), position=7),
        lambda path: write_plink(path.parent, np.array([0, 1, 1, 1]), names=("b", "a")),
    ],
    ids=["pgen", "pvar", "psam"],
)
def test_identity_of_plink_covers_three_files(tmp_path: Path, change: Callable[[Path], Path]) -> None:
    """Also where size and time stay as they were."""
    path = write_plink(tmp_path / "p", np.array([0, 1, 1, 1]))
    first = PersonalGenome(path).identity()
    times = {file: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    change(path)
    for file, time in times.items():
        os.utime(file, ns=(time, time))
    assert PersonalGenome(path).identity() != first


def test_identity_of_memory() -> None:
    haplotypes = np.array([[[0, 1], [1, 1]]], dtype=np.int8)
    block = (np.array([9, 99]), ("A", "AT"), ("C", "A"), haplotypes)
    one, same, other = (
        InMemoryGenotypes.from_haplotypes(["p"], {"chr1": [blocks]}).identity()
        for blocks in (block, block, (*block[:3], 1 - haplotypes))
    )
    assert one == same != other


def test_a_source_without_identity_is_named(tmp_path: Path, oracles: ModuleType) -> None:
    class Own:
        path, individuals, contigs = "own", ("p",), ("c",)

        def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
            raise NotImplementedError

    with pytest.raises(SettingError, match=r"Own has no method identity\(\)"):
        PersonalGenome(Own()).identity()


def test_digest_of_a_large_file_sees_header_end_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "large"
    data = np.random.default_rng(1).integers(0, 256, 20_000_000, np.uint8)
    path.write_bytes(data.tobytes())
    first = sampled_digest(path)
    seen = 0
    for at in (0, 100_000, 262_144, 19_999_999, 10_000_000, *range(1_000_000, 2_000_000, 100_000)):
        data[at] ^= 1
        path.write_bytes(data.tobytes())
        seen += sampled_digest(path) != first
        data[at] ^= 1
    assert seen >= 4  # both ends always, and some of the places between
    path.write_bytes(data.tobytes())
    assert sampled_digest(path) == first
    before = FileStamp.of(path).identity()
    assert before["size"] == 20_000_000
    os.utime(path, (1e9, 1e9))
    assert FileStamp.of(path).identity() != before
