"""Predictors in each tissue of an evaluation of several tissues."""

from __future__ import annotations

import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluation import Evaluation


def by_tissue(evaluation: Evaluation) -> pd.DataFrame:
    """Summarise each predictor in each tissue.

    Parameters
    ----------
    evaluation
        An evaluation of several tissues, as `pgxeval.evaluation.evaluate_tissues` returns it.

    Returns
    -------
    pandas.DataFrame
        One row per tissue and predictor, in the order of per_gene: tissue, predictor, n_genes, defined (genes with a
        correlation), n (largest number of individuals of a gene), mean_correlation and median_correlation over the
        defined genes, n_significant (q below the level, within the predictor over all tissues), n_directed, n_right,
        share_right. Without intervals: tissues share individuals and genes.

    Raises
    ------
    SettingError
        If the evaluation has a single tissue.
    """
    table = evaluation.per_gene
    if "tissue" not in table:
        raise SettingError("this evaluation has one tissue; evaluate several with evaluate_tissues")
    level = float(evaluation.settings["level"])
    direction = table["direction"].astype("Int8")
    parts = table.assign(
        significant=table["q_value"] < level, directed=direction.notna(), right=(direction > 0).fillna(False)
    ).groupby(["tissue", "predictor"], sort=False, observed=True)
    counted = parts.agg(
        n_genes=("gene_id", "size"),
        defined=("correlation", "count"),
        n=("n", "max"),
        mean_correlation=("correlation", "mean"),
        median_correlation=("correlation", "median"),
        n_significant=("significant", "sum"),
        n_directed=("directed", "sum"),
        n_right=("right", "sum"),
    ).reset_index()
    share = counted["n_right"] / counted["n_directed"].where(counted["n_directed"] > 0)
    return counted.assign(share_right=share.astype("float64"))
