"""p-values of one permuted replicate, judged as if it were the observed data: they show whether p-values hold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.judged_genes import judge_genes
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.seeding import permute_individuals
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

_COLUMNS = ("predictor", "gene_id", "p_value")


def permuted_p_values(evaluation: Evaluation, *, max_genes: int = 2000) -> pd.DataFrame:
    """Judge one permuted replicate of each predictor as if it were the observed predictions.

    Parameters
    ----------
    evaluation
        An evaluation, of one tissue or of several, that still holds its predictions.
    max_genes
        Largest number of genes; of more genes, this many are taken at equal distances. With several tissues, the number
        of gene-tissue pairs, shared equally by the tissues.

    Returns
    -------
    pandas.DataFrame
        Columns predictor, gene_id, p_value, and tissue with several; p_value is uniform between 0 and 1 where p-values
        hold. For a cross-fitted predictor the last replicate is compared with the other ones, so it needs at least two
        replicates; the individuals of a zero-shot predictor are permuted. Without rows for predictors that lack
        replicates, and for an evaluation that was read from a folder.

    Raises
    ------
    SettingError
        If `max_genes` is below 1.
    """
    if max_genes < 1:
        raise SettingError(f"max_genes must be 1 or more, got {max_genes}")
    if evaluation.target is None and not evaluation.values:
        return pd.DataFrame(columns=list(_COLUMNS))
    if evaluation.target is not None:
        return _of_one_tissue(evaluation, max_genes)
    share = max(1, max_genes // len(evaluation.values))
    tables = [
        _of_one_tissue(
            attrs.evolve(evaluation, target=values.measured(), predictions=values.predicted()), share
        ).assign(tissue=tissue)
        for tissue, values in evaluation.values.items()
    ]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _of_one_tissue(evaluation: Evaluation, max_genes: int) -> pd.DataFrame:
    nothing = pd.DataFrame(columns=list(_COLUMNS))
    if evaluation.target is None or evaluation.predictions is None:
        return nothing
    table = _some_genes(evaluation.predictions, evaluation.target.gene_ids, max_genes)
    parts = [_permuted(part, evaluation) for _, part in table.groupby("predictor", observed=True, sort=False)]
    tables_of_predictors = [part for part in parts if part is not None]
    if not tables_of_predictors:
        return nothing
    settings = EvaluationSettings(
        measure=evaluation.measure,
        zero_shot_inference=evaluation.settings.get("zero_shot_inference", "automatic"),
        permutations=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # of genes without predictions: most are left out here
        result = judge_genes(
            evaluation.target,
            Predictions(
                table=pd.concat(tables_of_predictors, ignore_index=True), settings=evaluation.predictions.settings
            ),
            settings,
        )
    tables = [one.per_gene(result.gene_ids)[list(_COLUMNS)] for one in result.judged]
    return pd.concat(tables, ignore_index=True).dropna().reset_index(drop=True)


def _some_genes(predictions: Predictions | BatchedPredictions, gene_ids: Sequence[str], most: int) -> pd.DataFrame:
    """Return the rows of at most so many genes, at equal distances."""
    sample = [gene_ids[k] for k in np.unique(np.linspace(0, len(gene_ids) - 1, most).round().astype(int))]
    if isinstance(predictions, Predictions):
        table = predictions.table
        return table if len(sample) == len(gene_ids) else table[table["gene_id"].isin(sample)]
    names, tables = set(sample), []
    for predictor in predictions.predictors:
        for batch in predictions.batches(predictor):
            rows = batch[batch["gene_id"].astype(str).isin(names)]
            # categories of the parts differ
            texts = [name for name in rows if isinstance(rows[name].dtype, pd.CategoricalDtype)]
            tables.append(rows.astype(dict.fromkeys(texts, "string")))
    return pd.concat(tables, ignore_index=True).astype(
        dict.fromkeys(("predictor", "gene_id", "individual"), "category")
    )


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
