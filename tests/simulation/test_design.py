"""The plan: counts of kinds, contradictions refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.simulation.design import DEFAULT_KINDS, SimulationDesign

DEFAULTS: dict[str, Any] = {
    "individuals": 20,
    "genes": None,
    "kinds": None,
    "heritability": 0.2,
    "additive_causal": (1, 3, 10),
    "window_bp": 5_000,
    "spacing_bp": 100,
    "covariates": 0,
    "seed": 1,
}


def _plan(**settings: Any) -> SimulationDesign:
    return SimulationDesign.make(**{**DEFAULTS, **settings})


def test_default_is_sixty_genes_of_all_kinds() -> None:
    plan = _plan()
    assert Counter(plan.kinds) == DEFAULT_KINDS
    assert len(plan.kinds) == 60
    additive = [n for kind, n in zip(plan.kinds, plan.n_causal, strict=True) if kind == "additive"]
    assert Counter(additive) == {1: 6, 3: 6, 10: 6}
    # Kinds are mixed over the genome, not sorted.
    assert len(set(plan.kinds[:20])) > 2


@pytest.mark.parametrize("genes", [1, 7, 100])
def test_proportions(genes: int) -> None:
    counts = Counter(_plan(genes=genes).kinds)
    assert sum(counts.values()) == genes
    for kind, of_sixty in DEFAULT_KINDS.items():
        assert abs(counts[kind] - of_sixty / 60 * genes) <= 1


def test_kinds_and_heritability() -> None:
    plan = _plan(kinds={"null": 2, "epistatic": 3}, heritability={"epistatic": 0.5})
    assert Counter(plan.kinds) == {"null": 2, "epistatic": 3}
    assert (plan.heritability["epistatic"], plan.heritability["additive"]) == (0.5, 0.2)


def test_names_are_distinct_and_sort_in_order() -> None:
    names = _plan(individuals=12_000).individuals
    assert len(set(names)) == 12_000
    assert list(names) == sorted(names)


def test_covariates_add_to_the_expression() -> None:
    plan, plain = _plan(genes=4, covariates=2, individuals=60), _plan(genes=4, individuals=60)
    genes = list(plan.genes())
    added = plan.expression(genes) - plain.expression(genes)
    covariates = plan.covariates()
    assert covariates is not None
    residual = np.linalg.lstsq(covariates.to_numpy(), added.T, rcond=None)[1]
    assert residual.max() < 1e-9
    assert added.std() > 0.05


def test_reference_is_soft_masked_and_holds_the_windows() -> None:
    plan = _plan(genes=3, window_bp=20_000, spacing_bp=5_000)
    genes = list(plan.genes())
    sequence = plan.reference(genes)["chr1"].tobytes().decode()
    assert len(sequence) == plan.contigs["chr1"] == 3 * 25_000 + 5_000
    assert 0.2 < sum(base.islower() for base in sequence) / len(sequence) < 0.6
    assert set(sequence.upper()) == set("ACGT")
    for gene in genes:
        part = sequence[gene.interval.start : gene.interval.end].upper()
        assert part == gene.sequence.tobytes().decode()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"individuals": 1}, "individuals must be 2"),
        ({"genes": 0}, "genes must be 1"),
        ({"genes": 3, "kinds": {"null": 2}}, "give one of the two"),
        ({"kinds": {"dominant": 2}}, "kinds holds dominant; allowed are null"),
        ({"kinds": {"null": 0}}, "one gene at least"),
        ({"kinds": {}}, "one gene at least"),
        ({"heritability": 1.0}, "below 1, got 1.0"),
        ({"heritability": {"dominant": 0.1}}, "heritability holds dominant"),
        ({"additive_causal": (0,)}, "additive_causal"),
        ({"additive_causal": ()}, "additive_causal"),
        ({"covariates": -1}, "covariates must be"),
    ],
)
def test_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _plan(**settings)
