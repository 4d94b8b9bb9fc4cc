"""Pickling by path: files that moved with their folder are found, and files that changed are refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest

from pgxeval import InputFileError, InputFileNotFoundError, Interval, PersonalGenome, ReferenceGenome

WINDOW = Interval("c", 0, 99)


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


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf", "p.pgen"])
def test_relative_paths_survive_a_change_of_folder(
    tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Another folder has files of the same names."""
    genomes = {}
    for k, folder in enumerate(("here", "there")):
        (tmp_path / folder).mkdir()
        if name == "p.pgen":
            write_plink(tmp_path / folder, np.array([0, k, k, 1]))
        else:
            write(oracles, tmp_path / folder / name, [f"0|{k}", f"{k}|1"])
        oracles.write_fasta(tmp_path / folder / "r.fa", {"c": "ACGT" * 24 if k else "AAAA" * 24})
    monkeypatch.chdir(tmp_path / "here")
    genomes = [PersonalGenome(name, "r.fa", cache_bytes=0)]
    expected = genomes[0].dosages(WINDOW).values.tolist()
    genomes.append(pickle.loads(pickle.dumps(genomes[0])))
    data = pickle.dumps(genomes[0])
    monkeypatch.chdir(tmp_path / "there")
    genomes.append(pickle.loads(data))
    for genome in genomes:
        assert genome.dosages(Interval("c", 0, 98)).values.tolist() == expected == [[0], [1]]
        assert genome.reference is not None
        assert genome.reference.fetch(WINDOW).tobytes()[:4] == b"AAAA"
        assert str(tmp_path / "here") in genome.source.path


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_a_file_that_changes_while_open_is_an_error(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    path = write(oracles, tmp_path / name, ["0|1", "1|1"])
    genome = PersonalGenome(path, cache_bytes=0)
    data = pickle.dumps(genome)
    assert genome.dosages(WINDOW).values.tolist() == [[1], [2]]
    os.utime(path, (1e9, 1e9))
    for read in (lambda: genome.dosages(Interval("c", 0, 98)), lambda: pickle.loads(data)):
        with pytest.raises(
            InputFileError, match=rf"{name} has changed since it was opened \(the same size, modified [\d.]+ s earlier"
        ):
            read()
    write(oracles, path, ["0|1", "1|1", "0|0"])
    with pytest.raises(InputFileError, match=r"has changed since it was opened \([\d,]+ bytes then and [\d,]+ now"):
        genome.dosages(Interval("c", 0, 97))
    path.unlink()
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        genome.dosages(Interval("c", 0, 96))


def test_any_of_three_plink_files_that_changes_is_an_error(tmp_path: Path) -> None:
    for suffix in (".pgen", ".pvar", ".psam"):
        path = write_plink(tmp_path / suffix[1:], np.array([0, 1, 1, 1]))
        genome = PersonalGenome(path, cache_bytes=0)
        os.utime(path.with_suffix(suffix), (1e9, 1e9))
        with pytest.raises(InputFileError, match=rf"p\{suffix} has changed since it was opened"):
            genome.dosages(WINDOW)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_reference_that_changes_is_an_error(tmp_path: Path, oracles: ModuleType, compressed: bool) -> None:
    path = oracles.write_fasta(tmp_path / "r.fa", {"c": "ACGT" * 24})
    if compressed:
        pysam.tabix_compress(str(path), f"{path}.gz")
        path = Path(f"{path}.gz")
    reference = ReferenceGenome(path)
    data = pickle.dumps(reference)
    assert reference.fetch(Interval("c", 0, 4)).tobytes() == b"ACGT"
    os.utime(path, (1e9, 1e9))
    for read in (lambda: reference.fetch(Interval("c", 0, 4)), lambda: pickle.loads(data)):
        with pytest.raises(InputFileError, match="has changed since it was opened"):
            read()
