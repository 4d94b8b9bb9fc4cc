"""Evaluation of a predictions table against measured expression."""

from pgxeval.evaluation.across_genes import across_genes
from pgxeval.evaluation.by_tissue import by_tissue
from pgxeval.evaluation.concordance import OddsRatio, PairedTable, Share
from pgxeval.evaluation.direction_curve import direction_curve
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.flips import flips
from pgxeval.evaluation.gene_comparison import compare_genes, compare_pairs
from pgxeval.evaluation.gene_sets import GeneSets, gene_sets, genes_selected_by, top_nonlinear
from pgxeval.evaluation.heritability import heritability, share_of_ceiling, spearman_ceiling
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.mechanism import Agreement, MechanismSettings, compare_effects
from pgxeval.evaluation.nonadditivity import Nonadditivity, NonadditivitySettings, nonadditivity
from pgxeval.evaluation.permuted import permuted_p_values
from pgxeval.evaluation.populations import evaluate_populations
from pgxeval.evaluation.power import PowerSettings, power
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.strata import gain_of, gain_test
from pgxeval.evaluation.tissues import evaluate_tissues, tissue_sharing
from pgxeval.evaluation.true_directions import TrueOddsRatio, TrueShare, true_odds_ratio, true_share
from pgxeval.view import TableView

__all__ = [
    "Agreement",
    "Evaluation",
    "EvaluationSettings",
    "Evaluator",
    "GeneSets",
    "MeasuredExpression",
    "MechanismSettings",
    "Nonadditivity",
    "NonadditivitySettings",
    "OddsRatio",
    "PairedTable",
    "PowerSettings",
    "Share",
    "TableView",
    "TrueOddsRatio",
    "TrueShare",
    "across_genes",
    "by_tissue",
    "compare_effects",
    "compare_genes",
    "compare_pairs",
    "direction_curve",
    "evaluate_populations",
    "evaluate_tissues",
    "flips",
    "gain_of",
    "gain_test",
    "gene_sets",
    "genes_selected_by",
    "heritability",
    "nonadditivity",
    "permuted_p_values",
    "power",
    "share_of_ceiling",
    "spearman_ceiling",
    "tissue_sharing",
    "top_nonlinear",
    "true_odds_ratio",
    "true_share",
]


def __dir__() -> list[str]:
    return sorted(__all__)
