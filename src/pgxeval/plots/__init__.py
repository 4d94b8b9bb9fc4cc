"""Figures from evaluation tables: each function draws on one matplotlib Axes and returns it.

Every function takes an `Evaluation` and an Axes to draw on. Without an Axes it makes a new `matplotlib.figure.Figure`
(never through pyplot, so nothing is kept open and no global state changes). The figure of an Axes is ``ax.figure``;
``ax.figure.savefig("name.pdf")`` writes it, and an Axes as the last line of a notebook cell is displayed. Genes whose
correlation is undefined are never drawn as zero: they are counted in a note.
"""

from pgxeval.plots.better import scatter_better
from pgxeval.plots.calibration import direction_calibration
from pgxeval.plots.difference import paired_difference
from pgxeval.plots.direction import sign_concordance
from pgxeval.plots.distribution import correlation_distribution
from pgxeval.plots.effects import effect_tracks
from pgxeval.plots.gains import largest_gains
from pgxeval.plots.genotype import genotype_expression
from pgxeval.plots.individuals import observed_predicted
from pgxeval.plots.marginal import marginal_effects
from pgxeval.plots.nonlinear import nonlinear_selection
from pgxeval.plots.odds import odds_ratios
from pgxeval.plots.power import power_curves
from pgxeval.plots.quantiles import p_value_quantiles
from pgxeval.plots.ranked_gain import ranked_gain
from pgxeval.plots.scatter import MANY_POINTS, scatter_predictors
from pgxeval.plots.strata import strata_comparison
from pgxeval.plots.tissues import tissue_comparison
from pgxeval.plots.violins import correlation_violins

__all__ = [
    "MANY_POINTS",
    "correlation_distribution",
    "correlation_violins",
    "direction_calibration",
    "effect_tracks",
    "genotype_expression",
    "largest_gains",
    "marginal_effects",
    "nonlinear_selection",
    "observed_predicted",
    "odds_ratios",
    "p_value_quantiles",
    "paired_difference",
    "power_curves",
    "ranked_gain",
    "scatter_better",
    "scatter_predictors",
    "sign_concordance",
    "strata_comparison",
    "tissue_comparison",
]


def __dir__() -> list[str]:
    return sorted(__all__)
