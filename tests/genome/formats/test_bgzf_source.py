"""VCF and BCF travel by path and serve threads."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgxeval.genome.formats.calls import Calls
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.source import GenotypeSource


def told(given: Calls) -> list[tuple[object, ...]]:
    records = given.records
    strings = records.strings(records.allele_bounds)
    ids = records.strings(records.id_bounds)
    return [
        (
            int(records.starts[i]),
            ids[i],
            tuple(strings[records.first_allele[i] : records.first_allele[i + 1]]),
            bool(records.passed[i]),
            [tuple(pair) for pair in given.alleles[i].tolist()],
            given.phased[i].tolist(),
        )
        for i in range(records.n_records)
    ]


def test_pickles_and_serves_threads(kgp: Path) -> None:
    source: GenotypeSource = open_genotypes(kgp / "variants.vcf.gz")
    windows = [(i, i + 20_000) for i in range(100_000, 900_000, 50_000)]
    alone = [told(source.read("1", *window)) for window in windows]
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 1000
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda window: told(copy.read("1", *window)), windows * 3))
    assert together == alone * 3
