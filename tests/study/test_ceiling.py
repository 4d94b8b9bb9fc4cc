"""The share of the ceiling is a ratio of means over the right pairs, with a block-jackknife interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation import spearman_ceiling
from pgxeval.study import Study
from pgxeval.study.ceiling import ceiling_table


def test_ratio_of_means_and_jackknife_by_hand(study: Study) -> None:
    genes = study.heritability["gene_id"].unique()
    blocks = {gene: place // 2 for place, gene in enumerate(genes)}
    table = ceiling_table(study.evaluation, study.heritability, blocks).set_index(["predictor", "pairs"])
    per_gene = study.evaluation.per_gene
    own = per_gene[per_gene["predictor"] == "random_forest"].set_index(["tissue", "gene_id"])["correlation"].fillna(0.0)
    h2 = study.heritability.set_index(["tissue", "gene_id"])["h2"]
    r, top = own.loc[h2.index].to_numpy(), spearman_ceiling(h2)
    row = table.loc["random_forest", "all"]
    assert row["share"] == pytest.approx(r.mean() / top.mean())
    number = np.array([blocks[gene] for _, gene in h2.index])
    without = np.array([r[number != b].sum() / top[number != b].sum() for b in np.unique(number)])
    error = np.sqrt((len(without) - 1) / len(without) * ((without - row["share"]) ** 2).sum())
    sizes = np.array([top[number == b].sum() for b in np.unique(number)])
    df = sizes.sum() ** 2 / (sizes**2).sum() - 1
    assert row["high"] - row["share"] == pytest.approx(stats.t.isf(0.025, df) * error)


def test_heritable_pairs_only(study: Study) -> None:
    heritable = (study.heritability["h2_q"] < 0.05).sum()
    rows = study.ceiling[study.ceiling["pairs"] == "heritable"]
    assert (rows["n_pairs"] == heritable).all()


def test_no_heritable_pair_has_a_reason(study: Study) -> None:
    table = ceiling_table(
        study.evaluation, study.heritability.assign(h2_q=1.0), dict.fromkeys(study.heritability["gene_id"], 0)
    )
    rows = table[table["pairs"] == "heritable"]
    assert rows["share"].isna().all()
    assert (rows["reason"] == "no pair whose heritability is significant").all()
