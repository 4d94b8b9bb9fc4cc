"""Which gene-tissue pairs get effects of variants: those at which a comparison of mechanisms can say something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgxeval.evaluation import Evaluation
from pgxeval.evaluation.strata import NONLINEAR

Pair = tuple[str, str]


def select_pairs(evaluation: Evaluation, genes: Sequence[str] | None, largest: int) -> list[Pair]:
    """Select gene-tissue pairs for the effects of variants.

    Parameters
    ----------
    evaluation
        Evaluation of all tissues.
    genes
        Identifiers of genes, all of whose tissues are taken; None selects by the evaluation.
    largest
        Largest number of pairs if `genes` is None.

    Returns
    -------
    list of tuple
        (tissue, gene identifier). First the nonlinear pairs by falling gain of random forest over elastic net, then
        the pairs at which at least one predictor is significant and right, by falling number of such predictors and
        rising q-value.
    """
    per_gene = evaluation.per_gene
    if genes is not None:
        present = per_gene[["tissue", "gene_id"]].astype(str).drop_duplicates()
        return [(tissue, gene) for tissue, gene in present.itertuples(index=False) if gene in frozenset(genes)]
    strata = evaluation.strata
    pairs: list[Pair] = []
    if len(strata):
        nonlinear = strata[strata["stratum"].astype(str) == NONLINEAR]
        nonlinear = nonlinear.sort_values("gain", ascending=False, kind="stable")
        pairs += list(nonlinear[["tissue", "gene_id"]].astype(str).itertuples(index=False, name=None))
    level = float(evaluation.settings["level"])
    q = per_gene["q_value"].to_numpy(dtype=np.float64, na_value=np.nan)
    right = (per_gene["direction"].fillna(0).to_numpy(dtype=np.int64) > 0) & (np.nan_to_num(q, nan=1.0) < level)
    significant = pd.DataFrame({
        "tissue": per_gene["tissue"].astype(str)[right],
        "gene_id": per_gene["gene_id"].astype(str)[right],
        "q": q[right],
    })  # fmt: skip
    ranked = significant.groupby(["tissue", "gene_id"], sort=False)["q"].agg(["size", "min"]).reset_index()
    ranked = ranked.sort_values(["size", "min"], ascending=[False, True], kind="stable")
    pairs += list(ranked[["tissue", "gene_id"]].itertuples(index=False, name=None))
    return list(dict.fromkeys(pairs))[:largest]
