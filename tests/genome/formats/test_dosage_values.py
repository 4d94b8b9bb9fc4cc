"""Dosages from probabilities against a slow sum."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import InputFileError, Interval, PersonalGenome

NAMES = ["a", "b", "c"]

WINDOW = Interval("c", 0, 999)

GP = '##FORMAT=<ID=GP,Number=G,Type=Float,Description="probabilities">'

nan = np.nan


def genome_of(oracles: ModuleType, path: Path, lines: list[str], **policies: str) -> PersonalGenome:
    text = oracles.vcf_text({"c": 999}, NAMES, lines, [GP])
    return PersonalGenome(oracles.write_vcf(path, text), **policies)  # type: ignore[arg-type]


def line(position: int, ref: str, alt: str, keys: str, *cells: str) -> str:
    return "\t".join(["c", str(position), ".", ref, alt, ".", ".", ".", keys, *cells])


both = pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])


@both
def test_probabilities(tmp_path: Path, oracles: ModuleType, name: str) -> None:
    """By hand: the expected copies, over their sum; haploid, of several ALT alleles, missing."""
    lines = [
        line(5, "A", "C", "GP", "0.1,0.3,0.6", "0.2,0.8", "0,0,0"),
        line(6, "A", "C,G", "GP", "0.1,0.2,0.1,0.3,0.2,0.1", "0.5,0.25,0.25", "."),
        line(7, "A", "C", "GP", "0.333,0.333,0.333", "1,0,0", "0,.,1"),
        line(8, "A", ".", "GP", "1", "1", "."),
    ]
    values = genome_of(oracles, tmp_path / name, lines).dosages(WINDOW).values.T
    expected = [
        [0.3 + 1.2, 0.8, nan],
        [0.2 + 2 * 0.1 + 0.2, 0.25, nan],
        [0.3 + 0.2 + 2 * 0.1, 0.25, nan],
        [1, 0, nan],
    ]
    np.testing.assert_allclose(values, expected, atol=1e-6)


@both
@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (("0,23,99", "1,0,0", "1,0,0"), "GP values that are not probabilities"),
        (("-1,1,1", "1,0,0", "1,0,0"), "GP values that are not probabilities"),
        (
            ("0.5,0.1,0.1,0.3", "1,0,0", "1,0,0"),
            r"the number of GP values does not fit 1 ALT alleles",
        ),
    ],
)
def test_what_is_not_a_probability(
    tmp_path: Path, oracles: ModuleType, name: str, cells: tuple[str, ...], complaint: str
) -> None:
    """Older files hold phred-scaled numbers under the same name."""
    genome = genome_of(oracles, tmp_path / name, [line(5, "A", "C", "GP", *cells)])
    with pytest.raises(InputFileError, match=f"record c:5: {complaint}"):
        genome.dosages(WINDOW)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), n_alleles=st.integers(2, 4))
def test_probabilities_equal_a_slow_sum(
    tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType, data: st.DataObject, n_alleles: int
) -> None:
    pairs = [(low, high) for high in range(n_alleles) for low in range(high + 1)]
    rows = [
        np.array(data.draw(st.lists(st.integers(0, 99), min_size=len(pairs), max_size=len(pairs)))) + 1e-9
        for _ in NAMES
    ]
    shares = [row / row.sum() for row in rows]
    cells = [",".join(f"{share:.6f}" for share in row) for row in shares]
    alts = ",".join("CGT"[: n_alleles - 1])
    folder = tmp_path_factory.mktemp("gp")
    for name in ("v.vcf.gz", "v.bcf"):
        values = genome_of(oracles, folder / name, [line(5, "A", alts, "GP", *cells)]).dosages(WINDOW).values
        for i, row in enumerate(shares):
            for allele in range(1, n_alleles):
                slow = sum(p * pair.count(allele) for p, pair in zip(row, pairs, strict=True))
                assert values[i, allele - 1] == pytest.approx(slow, abs=1e-5)
