"""PersonalGenome: dosages against a slow count over htslib's records, caches, names and threads."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval import (
    InputFileError,
    InputFileNotFoundError,
    Interval,
    PersonalGenome,
    SettingError,
    UnknownNameError,
)
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.source import GenotypeSource

NAMES = ["NA1", "NA2", "NA3", "NA4"]


def slow_dosages(path: Path, interval: Interval, individuals: Sequence[str]) -> tuple[list[list[int]], list[tuple]]:
    """Count ALT alleles record by record: columns, and (contig, position, id, ref, alt) of each."""
    columns, names = [], []
    with pysam.VariantFile(str(path)) as judge:
        for record in judge.fetch(interval.contig):
            if not interval.start <= record.start < interval.end:
                continue
            for number, alt in enumerate(record.alts or (), start=1):
                if set(alt) - set("ACGTN"):
                    continue
                column = []
                for individual in individuals:
                    call = record.samples[individual]["GT"]
                    column.append(-1 if None in call else sum(allele == number for allele in call))
                columns.append(column)
                names.append((record.contig, record.pos, record.id or ".", record.ref, alt))
    return columns, names


MIXED = [
    (4, "A", ["C"], ["0|1", "1/1", ".", "./."]),
    (4, "A", ["G"], ["0|1", "0|0", "1|0", "1|1"]),
    (6, "AC", ["A", "ACC", "*"], ["1|2", "2|3", "3|0", "0|."]),
    (9, "A", ["<DEL>"], ["0|1", "1|0", "0|0", "0|0"]),
    (9, "A", ["C", "<NON_REF>"], ["0|1", "2|0", "0|0", "0|0"]),
    (12, "A", ["A]c:99]", "[c:9[A", ".C"], ["0|1", "2|0", "0|3", "0|0"]),
    (15, "A", [], ["0|0", "0", "0|0", "0|0"]),
    (17, "A", ["R"], ["0|1", "0|0", "0|0", "0|0"]),
    (20, "T", ["G"], ["0", "1", ".", "0|1"]),
    (29, "T", ["G"], ["1|1", "1|1", "1|1", "1|1"]),
]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    lines = [
        oracles.record_line("chr1", record[:3], record[3], name="rs" if i else ".") for i, record in enumerate(MIXED)
    ]
    lines.append(oracles.record_line("chrX", (3, "A", ["C"]), ["0", "1", "0|1", "1"]))
    text = oracles.vcf_text({"chr1": 100, "chrX": 100, "chr9": 100}, NAMES, lines)
    return oracles.write_vcf(tmp_path_factory.mktemp("mixed") / "mixed.vcf.gz", text)


def test_real_cohorts(shared_data: Path) -> None:
    path = shared_data / "geuvadis" / "genotypes.vcf.gz"
    genome = PersonalGenome(path)
    dosages = genome.dosages(Interval("chr1", 500_000, 900_000))
    columns, names = slow_dosages(path, Interval("1", 500_000, 900_000), genome.individuals)
    assert len(names) > 20
    assert dosages.values.T.tolist() == columns
    assert list(dosages.variants.itertuples(index=False, name=None)) == names
    assert dosages.counts["unphased_heterozygous"] == sum(column.count(1) for column in columns)


# --- names


def test_contigs(mixed: Path) -> None:
    genome = PersonalGenome(mixed)
    assert genome.contigs == ("chr1", "chrX", "chr9")
    assert genome.dosages(Interval("X", 0, 10)).values[:, 0].tolist() == [0, 1, 1, 1]
    with pytest.raises(UnknownNameError, match="chrX would be the same in a human file"):
        genome.dosages(Interval("23", 0, 10))
    assert genome.dosages(Interval("9", 0, 10)).values.shape == (4, 0)  # declared, without records
    with pytest.raises(UnknownNameError, match=r"contig chr2 is not in .*mixed.*chr1, chrX, chr9"):
        genome.dosages(Interval("chr2", 0, 10))


def test_individuals(mixed: Path) -> None:
    genome = PersonalGenome(mixed)
    assert genome.individuals == tuple(NAMES)
    with pytest.raises(UnknownNameError, match=r"1 of 2 individuals are not in .*mixed.*the first: NA5; near: NA4"):
        genome.dosages(Interval("chr1", 0, 10), ["NA1", "NA5"])
    with pytest.raises(SettingError, match="one string"):
        genome.dosages(Interval("chr1", 0, 10), "NA1")
    with pytest.raises(SettingError, match='field must be "GT", "DS" or "GP"'):
        genome.dosages(Interval("chr1", 0, 10), field="PL")  # type: ignore[arg-type]


def test_missing_files(tmp_path: Path, mixed: Path) -> None:
    with pytest.raises(InputFileNotFoundError):
        PersonalGenome(tmp_path / "no.vcf.gz")
    with pytest.raises(InputFileNotFoundError):
        PersonalGenome(mixed, tmp_path / "no.fa")


def test_nothing_of_the_genotypes_is_shown(mixed: Path) -> None:
    genome = PersonalGenome(mixed)
    dosages = genome.dosages(Interval("chr1", 0, 30))
    assert repr(genome).startswith("PersonalGenome('")
    assert repr(dosages) == "Dosages(4 individuals, 7 variants, int8)"


# --- one pass, cached


class CountingSource:
    """A source of one's own: nothing is inherited."""

    def __init__(self, path: Path) -> None:
        self._inner = open_genotypes(path)
        self.path, self.individuals, self.contigs = self._inner.path, self._inner.individuals, self._inner.contigs
        self.reads: list[tuple[str, int, int, str]] = []

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        self.reads.append((contig, start, end, field))
        return self._inner.read(contig, start, end, field)


def test_a_window_is_read_once_for_all(mixed: Path) -> None:
    source = CountingSource(mixed)
    assert isinstance(source, GenotypeSource)
    genome = PersonalGenome(source)
    whole = genome.dosages(Interval("chr1", 0, 30))
    for individual in NAMES:
        genome.dosages(Interval("1", 0, 30), [individual])
    assert source.reads == [("chr1", 0, 30, "GT")]
    assert genome.dosages(Interval("chr1", 0, 30)) is whole


def test_the_cache_forgets_the_oldest(mixed: Path) -> None:
    source = CountingSource(mixed)
    one = PersonalGenome(source).dosages(Interval("chr1", 0, 30)).nbytes
    genome = PersonalGenome(source, cache_bytes=int(2.5 * one))
    source.reads.clear()
    for end in (30, 31, 30, 32, 30, 31):
        genome.dosages(Interval("chr1", 0, end))
    assert [read[2] for read in source.reads] == [30, 31, 32, 31]


def test_threads_and_pickles(mixed: Path) -> None:
    genome = pickle.loads(pickle.dumps(PersonalGenome(mixed, cache_bytes=200)))
    windows = [Interval("chr1", start, start + 12) for start in range(30)]
    alone = [PersonalGenome(mixed).dosages(window).values.tobytes() for window in windows]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda window: genome.dosages(window).values.tobytes(), windows * 10))
    assert together == alone * 10


# --- imputed dosages


def test_imputed_dosages(tmp_path: Path, oracles: ModuleType) -> None:
    head = ["c", "5", ".", "A"]
    lines = [
        "\t".join([*head, "C,<DEL>,G", ".", ".", ".", "GT:DS", "0|1:1.25,0,0.5", "0|0:.", ".", "0|0:2,1,."]),
        "\t".join([*head, ".", ".", ".", ".", "GT:DS", "0|0:.", "0|0:.", ".", "0|0:."]),
        "\t".join([*head, "T", ".", ".", ".", "GT:DS", "0|0:0", "0|0:.5", ".:.", "0|0:1"]),
    ]
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 9}, NAMES, lines))
    dosages = PersonalGenome(path).dosages(Interval("c", 0, 9), ["NA4", "NA1"], field="DS")
    assert dosages.values.dtype == np.float32
    np.testing.assert_array_equal(dosages.values, np.array([[2, np.nan, 1], [1.25, 0.5, 0]], np.float32))
    assert dosages.variants["alt"].tolist() == ["C", "G", "T"]
    assert dosages.counts["symbolic"] == 1


def test_field_that_is_not_there(tmp_path: Path, oracles: ModuleType) -> None:
    line = "\t".join(["c", "5", ".", "A", "C", ".", ".", ".", "DP", "1", "2"])
    for name in ("v.vcf.gz", "v.bcf"):
        path = oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": 9}, ["a", "b"], [line]))
        with pytest.raises(InputFileError, match="record c:5: no DS among its FORMAT fields, and no GT either"):
            PersonalGenome(path).dosages(Interval("c", 0, 9), field="DS")


def test_a_cohort_of_identifiers_that_look_like_numbers(tmp_path: Path, oracles: ModuleType) -> None:
    lines = [oracles.record_line("1", (3, "A", ["C"]), ["0|1", "1|1"], name="NA")]
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"1": 9}, ["007", "NA"], lines))
    dosages = PersonalGenome(path).dosages(Interval("1", 0, 9), ["NA", "007"])
    assert dosages.values[:, 0].tolist() == [2, 1]
    assert pd.api.types.is_string_dtype(dosages.variants["id"])
    assert dosages.variants["id"].tolist() == ["NA"]
