"""p-values of one permuted replicate, judged as if it were the observed data: they show whether p-values hold."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.judged_genes import judge_genes
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.seeding import permute_individuals
from pgxeval.tables.predictions import Predictions

_COLUMNS = ("predictor", "gene_id", "p_value")


def permuted_p_values(evaluation: Evaluation, *, max_genes: int = 2000) -> pd.DataFrame:
    """Judge one permuted replicate of each predictor as if it were the observed predictions.

    Parameters
    ----------
    evaluation
        An evaluation that still holds its predictions.
    max_genes
        Largest number of genes; of more genes, this many are taken at equal distances.

    Returns
    -------
    pandas.DataFrame
        Columns predictor, gene_id and p_value, uniform between 0 and 1 where p-values hold. For a cross-fitted
        predictor the last replicate is compared with the other ones, so it needs at least two replicates; the
        individuals of a zero-shot predictor are permuted. Without rows for predictors that lack replicates, and for an
        evaluation of several tissues, of batches, or read from a folder.

    Raises
    ------
    SettingError
        If `max_genes` is below 1.
    """
    if max_genes < 1:
        raise SettingError(f"max_genes must be 1 or more, got {max_genes}")
    if evaluation.target is None or not isinstance(evaluation.predictions, Predictions):
        return pd.DataFrame(columns=list(_COLUMNS))
    table = _some_genes(evaluation.predictions.table, max_genes)
    parts = [_permuted(part, evaluation) for _, part in table.groupby("predictor", observed=True, sort=False)]
    known = [part for part in parts if part is not None]
    if not known:
        return pd.DataFrame(columns=list(_COLUMNS))
    settings = EvaluationSettings(
        measure=evaluation.measure,
        zero_shot_inference=evaluation.settings.get("zero_shot_inference", "automatic"),
        permutations=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # of genes without predictions: most are left out here
        result = judge_genes(
            evaluation.target,
            Predictions(table=pd.concat(known, ignore_index=True), settings=evaluation.predictions.settings),
            settings,
        )
    tables = [one.per_gene(result.gene_ids)[list(_COLUMNS)] for one in result.judged]
    return pd.concat(tables, ignore_index=True).dropna().reset_index(drop=True)


def _some_genes(table: pd.DataFrame, most: int) -> pd.DataFrame:
    genes = table["gene_id"].cat.categories
    if len(genes) <= most:
        return table
    chosen = genes[np.unique(np.linspace(0, len(genes) - 1, most).round().astype(int))]
    return table[table["gene_id"].isin(chosen)]


def _permuted(table: pd.DataFrame, evaluation: Evaluation) -> pd.DataFrame | None:
    """Return the rows of one predictor with a permuted replicate in the place of the observed one."""
    last = int(table["replicate"].max())
    if last > 1:
        rows = table[table["replicate"] > 0]
        return rows.assign(replicate=rows["replicate"].where(rows["replicate"] != last, 0))
    if table["fold"].notna().any() or last > 0 or evaluation.target is None:
        return None
    target = evaluation.target
    names = np.array(target.individuals, dtype=object)
    seed = int(evaluation.settings.get("permutation_seed", 0))
    partners = permute_individuals(target.individuals, 1, seed, target.groups, target.strata)
    partner_of = dict(zip(names[partners], names, strict=True))
    individual = table["individual"].astype(str)
    return table.assign(individual=individual.map(partner_of).fillna(individual))
