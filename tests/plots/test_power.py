"""Power curves: what is drawn is what the table holds."""

from __future__ import annotations

import numpy as np

from pgxeval import plots
from pgxeval.evaluation.power import PowerSettings, power


def test_one_curve_per_number_of_individuals() -> None:
    table = power([90, 300], [50, 100, 200], settings=PowerSettings(simulations=200))
    ax = plots.power_curves(table, goal=0.9)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["90", "300"]
    for container, (_, part) in zip(ax.containers, table.groupby("individuals"), strict=True):
        np.testing.assert_allclose(np.asarray(container.lines[0].get_xdata(), float), part["genes"])
        np.testing.assert_allclose(np.asarray(container.lines[0].get_ydata(), float), part["power"])
    assert ax.get_xscale() == "log"
