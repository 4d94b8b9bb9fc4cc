"""Dosages against a slow count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import (
    Interval,
    PersonalGenome,
)

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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 30), length=st.integers(0, 30), chosen=st.lists(st.sampled_from(NAMES), max_size=5))
def test_dosages_equal_a_slow_count(mixed: Path, start: int, length: int, chosen: list[str]) -> None:
    interval = Interval("chr1", start, start + length)
    dosages = PersonalGenome(mixed).dosages(interval, chosen)
    columns, names = slow_dosages(mixed, interval, chosen)
    assert dosages.values.dtype == np.int8
    assert dosages.values.shape == (len(chosen), len(columns))
    assert dosages.values.T.tolist() == columns
    assert list(dosages.variants.itertuples(index=False, name=None)) == names
    assert dosages.individuals == tuple(chosen)
    assert not dosages.values.flags.writeable


def test_counts(mixed: Path) -> None:
    counts = PersonalGenome(mixed).dosages(Interval("chr1", 0, 29)).counts
    assert counts == {
        "records": 9,
        "variants": 6,
        "no_alt": 1,
        "multi_allelic": 3,
        "star": 1,
        "symbolic": 2,
        "breakend": 3,
        "other": 1,
        "missing": 3,
        "half_missing": 1,
        "half_missing_carriers": 0,
        "haploid": 5,
        "unphased_heterozygous": 0,
    }


def test_a_window_takes_variants_by_their_first_base(mixed: Path) -> None:
    genome = PersonalGenome(mixed)
    assert genome.dosages(Interval("chr1", 29, 30)).variants["position"].tolist() == [30]
    assert genome.dosages(Interval("chr1", 30, 31)).values.shape == (4, 0)
    assert genome.dosages(Interval("chr1", 7, 8)).values.shape == (4, 0)  # the deletion begins at 6
    assert genome.dosages(Interval("chr1", -50, 5)).values.shape == (4, 2)
    assert genome.dosages(Interval("chr1", 4, 4)).values.shape == (4, 0)
    assert genome.dosages(Interval("chr1", 5_000, 9_000)).values.shape == (4, 0)


def test_table_of_an_empty_window_has_its_types(mixed: Path) -> None:
    genome = PersonalGenome(mixed)
    empty, full = (genome.dosages(Interval("chr1", *window)).variants for window in ((50, 60), (0, 30)))
    assert empty.dtypes.equals(full.dtypes)
    assert empty.columns.tolist() == ["contig", "position", "id", "ref", "alt"]
