"""What a notebook shows of genomes is escaped."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from pgxeval import Gene, Interval, PersonalGenome
from pgxeval.genome import InMemoryGenotypes

HOSTILE = "<script>alert('x')</script>\"&"


def test_names_are_escaped_in_notebooks(tmp_path: Path, oracles: ModuleType) -> None:
    haplotypes = np.array([[[0, 1], [1, 1]]], dtype=np.int8)
    source = InMemoryGenotypes.from_haplotypes(
        [HOSTILE], {HOSTILE: [(np.array([9, 15]), ("A", "A"), ("C", "C"), haplotypes)]}
    )
    fasta = tmp_path / "r.fa"
    fasta.write_text(f">{HOSTILE.replace(' ', '')}\n{'A' * 60}\n")
    genome = PersonalGenome(source, fasta)
    window = Interval(HOSTILE, 0, 30)
    shown = {
        "PersonalGenome": genome,
        "Dosages": genome.dosages(window),
        "Haplotypes": genome.haplotypes(window),
        "Interval": window,
        "Gene": Gene(gene_id=HOSTILE, name=HOSTILE, contig=HOSTILE, start=0, end=9),
    }
    for name, thing in shown.items():
        text = thing._repr_html_()  # type: ignore[attr-defined]
        assert name in text
        assert text.startswith("<p><b>")
        assert text.endswith("</table>")
        assert "<script" not in text
        assert text.count("<td>") % 2 == 0
    assert "&lt;script&gt;" in genome._repr_html_()
    assert "1–30" not in window._repr_html_()
    assert ":1-30" in window._repr_html_()
