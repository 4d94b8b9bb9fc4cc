"""Headers of BCF."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from pgxeval.genome.formats.opening import open_genotypes


def header_of(size: int) -> tuple[list[str], str]:
    """Lines of about `size` bytes together, and records."""
    n_lines = max(1, size // 100)
    return [f'##made_by=<ID=step{k},Text="{"x" * 70}">' for k in range(n_lines)], ""


def test_long_header_of_bcf(tmp_path: Path, oracles: ModuleType) -> None:
    lines = [oracles.record_line("c", (5, "A", ["C"]), ["0|1"])]
    text = oracles.vcf_text({"c": 99}, ["p0"], lines, header_of(500_000)[0])
    source = open_genotypes(oracles.write_vcf(tmp_path / "v.bcf", text))
    assert source.read("c", 0, 99).records.starts.tolist() == [5]
