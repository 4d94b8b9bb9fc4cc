"""Which variants pass, and what replaces a missing call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene
from pgxeval.prediction.predictor_state import identify
from pgxeval.predictors.trained import (
    BlupPredictor,
    CisVariants,
    ElasticNetPredictor,
    RandomForestPredictor,
    SklearnPredictor,
    TopVariantPredictor,
)
from pgxeval.provenance import describe

NAMES = tuple(f"i{number:02d}" for number in range(40))
GENE = Gene(gene_id="G", contig="chr1", start=5_000, end=6_000)


class Table:
    """Replaces a PersonalGenome: dosages straight from an array."""

    def __init__(self, dosages: np.ndarray) -> None:
        self.table = dosages if dosages.dtype == np.float32 else dosages.astype(np.int8)

    def dosages(self, interval: object, individuals: tuple[str, ...]) -> Dosages:
        rows = [NAMES.index(name) for name in individuals]
        variants = pd.DataFrame({"position": np.arange(self.table.shape[1])})
        return Dosages(individuals=tuple(individuals), values=self.table[rows], variants=variants, counts={})


@pytest.mark.parametrize("imputed", [False, True])
def test_the_filters_agree_with_a_slow_count(imputed: bool) -> None:
    rng = np.random.default_rng(0)
    dosages = rng.binomial(2, rng.uniform(0, 0.6, 60), (40, 60))
    if imputed:
        dosages = (dosages * rng.uniform(0.7, 1, (40, 60))).astype(np.float32)
    dosages[rng.random((40, 60)) < 0.1] = np.nan if imputed else -1
    dosages[:, 0], dosages[:, 1], dosages[:, 2] = 0, 2, -1
    train = NAMES[:30]
    rule = CisVariants(min_maf=0.2, min_minor_alleles=11)
    selected = rule.select(GENE, Table(dosages), train)
    expected = []
    for column in range(60):
        called = [value for value in dosages[:30, column] if value >= 0]
        if not called or len(set(called)) == 1:
            continue
        alternate = sum(called)
        minor = min(alternate, 2 * len(called) - alternate)
        if minor >= 11 and minor / (2 * len(called)) >= 0.2:
            expected.append(column)
    assert 5 < len(expected) < 55
    assert selected.columns.tolist() == expected
    assert selected.in_window == 60
    called = np.where(dosages[:30] >= 0, dosages[:30].astype(np.float64), np.nan)[:, expected]
    np.testing.assert_allclose(selected.means, np.nanmean(called, axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        selected.dosages(Table(dosages), train), np.where(np.isnan(called), selected.means, called), rtol=1e-12
    )


def test_missing_calls_become_the_training_mean_also_in_others() -> None:
    dosages = np.tile([[0], [1], [2], [1]], (10, 1))
    dosages[0] = dosages[39] = -1
    genome = Table(dosages)
    selected = CisVariants(min_minor_alleles=1).select(GENE, genome, NAMES[:20])
    mean = dosages[1:20].mean()
    assert selected.means.tolist() == pytest.approx([mean])
    assert selected.dosages(genome, [NAMES[0], NAMES[39], NAMES[2]]).ravel().tolist() == pytest.approx([mean, mean, 2])


def test_the_field_of_the_dosages_reaches_the_genome() -> None:
    fields = []

    class Genome(Table):
        def dosages(self, interval: object, individuals: tuple[str, ...], field: str = "default") -> Dosages:
            fields.append(field)
            return super().dosages(interval, individuals)

    genome = Genome(np.random.default_rng(0).uniform(0, 2, (40, 5)).astype(np.float32))
    for rule in (CisVariants(), CisVariants(field="DS")):
        rule.select(GENE, genome, NAMES).dosages(genome, NAMES[:3])
    assert fields == ["default", "default", "DS", "DS"]


def test_genotypes_of_others_change_nothing() -> None:
    rng = np.random.default_rng(1)
    dosages = rng.binomial(2, 0.3, (40, 20))
    other = dosages.copy()
    other[30:] = rng.binomial(2, 0.9, (10, 20))
    one = CisVariants().select(GENE, Table(dosages), NAMES[:30])
    two = CisVariants().select(GENE, Table(other), NAMES[:30])
    assert one.columns.tolist() == two.columns.tolist()
    assert one.means.tobytes() == two.means.tobytes()


@pytest.mark.parametrize("bad", [{"flank_bp": -1}, {"around": "gene"}, {"min_maf": 0.7}, {"min_minor_alleles": 2.5}])
def test_settings_out_of_range_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=rf"CisVariants: {next(iter(bad))} must be .*, got"):
        CisVariants(**bad)


def test_around_the_tss_needs_a_tss(planted: tuple[Cohort, pd.DataFrame]) -> None:
    cohort, _ = planted
    with pytest.raises(SettingError, match=r"G has no known TSS"):
        CisVariants(around="tss").select(GENE, cohort.genome, cohort.individuals)


@pytest.mark.parametrize(
    "make",
    [
        BlupPredictor,
        ElasticNetPredictor,
        RandomForestPredictor,
        TopVariantPredictor,
        functools.partial(SklearnPredictor, Ridge()),
    ],
)
def test_a_flank_is_short_for_cis_variants(make: Callable[..., Any]) -> None:
    short = make(flank_bp=50_000)
    assert short.cis_variants == CisVariants(flank_bp=50_000)
    assert attrs.evolve(short, name="other").cis_variants == CisVariants(flank_bp=50_000)
    assert attrs.evolve(short, cis_variants=CisVariants(flank_bp=7)).cis_variants.flank_bp == 7
    long = attrs.evolve(short, cis_variants=CisVariants(flank_bp=50_000))
    assert describe(short) == describe(long)
    assert "flank_bp=50000" in repr(short)
    assert "flank_bp=None" not in repr(short)
    assert identify(short, "a predictor") == identify(long, "a predictor")
    with pytest.raises(SettingError, match=r"flank_bp=5 and cis_variants=.*were both given; put the flank into"):
        make(flank_bp=5, cis_variants=CisVariants(min_maf=0.1))
    with pytest.raises(SettingError, match="flank_bp must be a whole number, at least 0, got '1Mb'"):
        make(flank_bp="1Mb")
