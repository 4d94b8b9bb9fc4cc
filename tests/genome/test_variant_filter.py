"""VariantFilter: each bound against a count by hand, its record, and what it does to haplotypes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import Interval, PersonalGenome, SettingError
from pgxeval.genome.variant_filter import VariantFilter

REFERENCE = "ACGTTGCAAC" * 10
RECORDS = [(10, "A", ["C", "AT"]), (20, "A", ["G"]), (30, "ACG", ["A"]), (40, "A", ["T"]), (50, "A", ["C"])]
ALLELES = [  # five individuals: AC of each ALT among 10 copies
    [1, 1, 1, 0, 0, 2, 0, 0, 0, 0],  # 3 and 1
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # 1
    [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],  # 5
    [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],  # 8: the minor allele is REF
    [1, 1, -1, -1, 0, -2, 0, 0, 0, 0],  # 2 of 7 called
]
PASSED = [True, True, False, True, True]
ALTS = [(10, "C"), (10, "AT"), (20, "G"), (30, "A"), (40, "T"), (50, "C")]
MAF = [0.3, 0.1, 0.1, 0.5, 0.2, 2 / 7]
COUNT = [3, 1, 1, 5, 2, 2]


@pytest.fixture
def genome(oracles: ModuleType) -> PersonalGenome:
    source = oracles.MemorySource(
        "c", ["p0", "p1", "p2", "p3", "p4"], RECORDS, np.array(ALLELES).reshape(5, 5, 2), passed=PASSED
    )
    return PersonalGenome(source, oracles.MemoryReference("c", REFERENCE), mixed_ploidy="reference")


def passing(genome: PersonalGenome, variants: VariantFilter) -> list[tuple[int, str]]:
    calls = genome.source.read("c", 0, 100)
    rows = np.flatnonzero(variants.passing(calls))
    rows = rows[~np.isin(rows, calls.records.first_allele)]
    table = calls.records.variants(rows)
    return list(zip((table["position"] - 1).tolist(), table["alt"].tolist(), strict=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bounds=st.tuples(st.sampled_from([*sorted(set(MAF)), 0.0, 0.15]), st.sampled_from(sorted(set(MAF)))))
def test_frequency(genome: PersonalGenome, bounds: tuple[float, float]) -> None:
    low, high = min(bounds), max(bounds)
    wanted = [alt for alt, maf in zip(ALTS, MAF, strict=True) if low <= maf <= high]
    assert passing(genome, VariantFilter(min_maf=low, max_maf=high)) == wanted


@pytest.mark.parametrize(("low", "high"), [(0, None), (1, 1), (2, None), (2, 3), (4, 9), (0, 0)])
def test_count(genome: PersonalGenome, low: int, high: int | None) -> None:
    wanted = [alt for alt, count in zip(ALTS, COUNT, strict=True) if low <= count <= (99 if high is None else high)]
    assert passing(genome, VariantFilter(min_minor_alleles=low, max_minor_alleles=high)) == wanted


def test_kind_and_filter_column(genome: PersonalGenome) -> None:
    assert passing(genome, VariantFilter(snvs_only=True)) == [(10, "C"), (20, "G"), (40, "T"), (50, "C")]
    assert passing(genome, VariantFilter(passed_only=True)) == [*ALTS[:3], *ALTS[4:]]
    assert passing(genome, VariantFilter(passed_only=True, snvs_only=True, min_minor_alleles=2)) == [ALTS[0], *ALTS[4:]]


def test_list_of_variants(genome: PersonalGenome) -> None:
    wanted = [(10, "AT"), (30, "A")]
    names = ["chrc:11:A:AT", "chrc:31:ACG:A", "chrd:21:A:G", "c:21:A:T"]
    assert passing(genome, VariantFilter(variants=names)) == wanted
    table = pd.DataFrame({"contig": "c", "position": [11, 31], "ref": ["A", "acg"], "alt": ["AT", "A"]})
    assert passing(genome, VariantFilter(variants=table)) == wanted
    assert passing(genome, VariantFilter(variants=[])) == []
    own = genome.dosages(Interval("c", 0, 35)).variants
    assert passing(genome, VariantFilter(variants=own)) == ALTS[:4]


def test_haplotypes_record_their_filter(genome: PersonalGenome) -> None:
    window = Interval("c", 5, 65)
    whole, few = genome.haplotypes(window), genome.haplotypes(window, variant_filter=VariantFilter(min_maf=0.25))
    assert whole.variant_filter == VariantFilter()
    assert few.variant_filter.min_maf == 0.25
    assert few.counts["filtered"] == 3
    assert few.counts["alleles"] == 3
    assert few.n_distinct < whole.n_distinct
    assert few["p0", 0].variants["position"].tolist() == [11, 31, 51]
    assert whole["p0", 0].variants["position"].tolist() == [11, 21, 31, 41, 51]


def test_frequencies_are_those_of_the_whole_cohort(genome: PersonalGenome) -> None:
    window = Interval("c", 5, 65)
    variants = VariantFilter(min_minor_alleles=3)
    everyone, one = (genome.haplotypes(window, who, variant_filter=variants) for who in (None, ["p0"]))
    assert one["p0", 1].sequence == everyone["p0", 1].sequence
    assert one["p0", 1].variants["position"].tolist() == [11, 31]


def test_listed_variants_are_recorded() -> None:
    assert "variants=['1:5:A:G', '1:9:C:T']" in str(VariantFilter(variants=["chr1:9:C:T", ("1", 5, "a", "g")]))
    many = [[f"1:{position}:A:{alt}" for position in range(1, 30)] for alt in "GC"]
    one, other = (str(VariantFilter(variants=names)) for names in many)
    assert "<29 variants, digest " in one
    assert one != other
    assert one == str(VariantFilter(variants=reversed(many[0])))


def test_is_all() -> None:
    assert VariantFilter().is_all
    assert not VariantFilter(variants=[]).is_all
    assert hash(VariantFilter()) == hash(VariantFilter())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"min_maf": 0.6}, "min_maf must be a number from 0 to 0.5, got 0.6"),
        ({"max_maf": -0.1}, "max_maf must be"),
        ({"min_maf": 0.3, "max_maf": 0.2}, "min_maf 0.3 is above max_maf 0.2"),
        ({"min_minor_alleles": -1}, "min_minor_alleles must be a whole number"),
        ({"min_minor_alleles": 3, "max_minor_alleles": 2}, "min_minor_alleles 3 is above max_minor_alleles 2"),
        ({"variants": "chr1:5:A:G"}, "got one string"),
        ({"variants": ["rs123"]}, "'rs123' is not the name of a variant"),
        ({"variants": ["chr1:x:A:G"]}, "is not the name of a variant"),
        ({"variants": pd.DataFrame({"contig": ["1"]})}, "lacks position, ref, alt"),
    ],
)
def test_refusals(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        VariantFilter(**arguments)  # type: ignore[arg-type]
