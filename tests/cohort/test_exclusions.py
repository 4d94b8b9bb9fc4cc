"""Why individuals and genes are excluded, against sets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.exclusions import share_individuals
from pgxeval.cohort.expression import Expression
from pgxeval.errors import (
    SettingError,
    TableError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene, Interval

PEOPLE = tuple(f"P{i:02d}" for i in range(30))


def no_dosages(interval: Interval, individuals: Sequence[str]) -> Dosages:
    return Dosages(
        values=np.zeros((len(individuals), 0), dtype=np.int8),
        variants=pd.DataFrame(
            {"contig": [], "position": [], "id": [], "ref": pd.array([], dtype="str"), "alt": pd.array([], dtype="str")}
        ),
        individuals=tuple(individuals),
        counts={},
    )


def genome(individuals: Sequence[str] = PEOPLE, contigs: Sequence[str] = ("chr1", "chr2")) -> Any:
    return SimpleNamespace(
        individuals=tuple(individuals),
        contigs=tuple(contigs),
        dosages=no_dosages,
        source=None,
        reference=None,
        notes=(),
    )


def gene(name: str, contig: str = "chr1", start: int = 1000, end: int = 2000) -> Gene:
    return Gene(gene_id=name, contig=contig, start=start, end=end)


def values(genes: int, individuals: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(genes, individuals))


def names(template: str) -> list[str]:
    return [template.format(i, i) for i in range(20)]


@pytest.mark.parametrize(
    ("ours", "theirs", "hint"),
    [
        (
            "GTEX-11{}F",
            "GTEX-11{}F-0226-SM-5GZZ7",
            "GTEX-110F-0226-SM-5GZZ7 in the genotypes may be GTEX-110F in the exp",
        ),
        ("NA128{}", "NA128{}_NA128{}", "NA1280_NA1280 in the genotypes may be NA1280 in the expression"),
        ("na128{}", "NA128{}", "na1280 in the expression table may be NA1280"),
        ("00{}x", "{}x", "000x in the expression table may be 0x"),
        ("X10{}", "10{}", r"X100 in the expression table may be 100 in the genotypes.*check\.names=FALSE"),
        ("10{}x", "X10{}x", r"X100x in the genotypes may be 100x in the expression table.*check\.names=FALSE"),
        ("HG.{}", "HG-{}", r"HG\.0 in the expression table may be HG-0"),
        ("A{}", "B{}", "check that the files belong to the same cohort$"),
    ],
)
def test_no_shared_individual(ours: str, theirs: str, hint: str) -> None:
    expression = Expression(values=values(1, 20), genes=[gene("G")], individuals=names(ours))
    with pytest.raises(TableError, match="no individual is in all files: expression table: ") as caught:
        Cohort.from_parts(genome=genome(names(theirs)), expression=expression)
    message = str(caught.value)
    assert re.search(hint, message)
    assert names(ours)[2] in message
    assert names(theirs)[2] in message


def test_too_few_shared_individuals_with_the_likely_cause() -> None:
    theirs = [*PEOPLE[:9], *(f"{name}_rep1" for name in PEOPLE[9:])]
    expression = Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE)
    with pytest.raises(SettingError, match=r"9 individual\(s\) are shared .* at least 10 .*P09_rep1 .*may be P09"):
        Cohort.from_parts(genome=genome(theirs), expression=expression)
    assert len(Cohort.from_parts(genome=genome(PEOPLE[:10]), expression=expression).individuals) == 10


def test_no_usable_gene() -> None:
    expression = Expression(values=values(1), genes=[gene("G", "chrUn")], individuals=PEOPLE)
    with pytest.raises(TableError, match=r"none of the 1 genes .*1 contig unknown.* lie on chrUn; .* have chr1, chr2"):
        Cohort.from_parts(genome=genome(), expression=expression)


def test_sharing_agrees_with_sets() -> None:
    random = np.random.default_rng(4)
    for _ in range(50):
        sources = {key: [str(x) for x in random.permutation(12)[: random.integers(6, 12)]] for key in "abc"}
        common = set.intersection(*map(set, sources.values()))
        if not common:
            continue
        shared, rest = share_individuals(sources)
        assert list(shared) == [name for name in sources["a"] if name in common]
        assert sorted(name for _, name, _ in rest) == sorted(set.union(*map(set, sources.values())) - common)
        for _, name, reason in rest:
            assert reason == "not in the " + " and the ".join(key for key in "abc" if name not in sources[key])
