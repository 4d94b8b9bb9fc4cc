"""How many replicates a run makes when no number is given."""

from __future__ import annotations

import pytest

from pgxeval.prediction.replicates import default_replicates, quick_replicates


def test_default_replicates_make_a_thousand_null_genes_within_bounds() -> None:
    for genes in (50, 60, 199):
        assert default_replicates(genes) * genes >= 1000
        assert (default_replicates(genes) - 1) * genes < 1000
    assert default_replicates(1) == default_replicates(49) == 20
    assert default_replicates(201) == default_replicates(20_000) == 5


def test_few_genes_do_not_run_longer_than_many() -> None:
    fits = [genes * (default_replicates(genes) + 1) for genes in range(1, 2_000)]
    # rounding up to whole replicates costs at most one replicate of all genes
    assert all(now <= 1.2 * min(fits[row:]) for row, now in enumerate(fits))
    assert fits[:49] == sorted(fits[:49])


@pytest.mark.parametrize("genes", [1, 3, 9, 30, 100, 5_000])
def test_quick_replicates_are_fewer(genes: int) -> None:
    assert 2 <= quick_replicates(genes) <= 5
    assert quick_replicates(genes) < default_replicates(genes)
