"""Effect tracks: every variant of the window is drawn at its distance from the TSS, with its effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval import plots
from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.genome.intervals import Gene

GENE = Gene(
    gene_id="G1",
    contig="chr1",
    start=50_000,
    end=60_001,
    strand="-",
    tss=60_000,
    exons=((50_000, 51_000),),
    name="ABI3",
)


def _effects() -> pd.DataFrame:
    random = np.random.default_rng(0)
    position = np.arange(30_001, 90_001, 2_000)
    tables = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": "G1",
                "variant": [f"chr1:{at}:A:C" for at in position],
                "position": position,
                "effect": random.normal(size=position.size),
            }
        )
        for name in ("forest", "alpha")
    ]
    return pd.concat(tables, ignore_index=True)


def test_each_variant_is_at_its_distance_with_its_effect() -> None:
    effects = _effects()
    top, bottom, gene = plots.effect_tracks(effects, GENE)
    for name, ax in (("forest", top), ("alpha", bottom)):
        rows = effects[(effects["predictor"] == name) & ((effects["position"] - 60_001).abs() <= 20_000)]
        drawn = ax.collections[-1].get_offsets().data
        np.testing.assert_allclose(drawn[:, 0], -(rows["position"] - 60_001))
        np.testing.assert_allclose(drawn[:, 1], rows["effect"])
        assert ax.get_title(loc="left") == name
    assert gene.get_ylabel() == "ABI3"
    exon = gene.patches[0]
    assert exon.get_x() == 9_001  # on the minus strand downstream is to the left of the TSS
    assert exon.get_width() == 1_000


def test_the_whole_window_and_the_order_of_predictors() -> None:
    top, bottom, _ = plots.effect_tracks(_effects(), GENE, within_bp=None, predictors=["alpha", "forest"])
    assert (top.get_title(loc="left"), bottom.get_title(loc="left")) == ("alpha", "forest")
    assert len(top.collections[-1].get_offsets()) == 30


def test_linkage_colours_are_squared_correlations_with_the_leading_variant() -> None:
    effects = _effects()
    random = np.random.default_rng(1)
    names = effects["variant"].unique()
    dosages = pd.DataFrame(random.binomial(2, 0.4, size=(50, names.size)), columns=names)
    top, *_ = plots.effect_tracks(effects, GENE, within_bp=None, dosages=dosages)
    own = effects[effects["predictor"] == "forest"]
    lead = own["variant"].iloc[own["effect"].abs().argmax()]
    np.testing.assert_allclose(top.collections[-1].get_array(), dosages.corrwith(dosages[lead]) ** 2, atol=1e-9)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(TableError, match="no row of gene"):
        plots.effect_tracks(_effects().assign(gene_id="other"), GENE)
    with pytest.raises(UnknownNameError, match="nobody"):
        plots.effect_tracks(_effects(), GENE, predictors=["nobody"])
    with pytest.raises(SettingError, match="no TSS"):
        plots.effect_tracks(_effects(), Gene(gene_id="G1", contig="chr1", start=0, end=9))
