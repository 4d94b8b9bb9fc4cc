"""Several tissues in one evaluation: the unit is the gene-tissue pair, and tissues of a gene share a genomic block."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import TableError
from pgxeval.evaluation.conclude import conclude
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import PredictionsSource, as_predictions, one_tissue
from pgxeval.evaluation.exclusions import SHOWN_NAMES
from pgxeval.evaluation.gene_sets import GeneSets
from pgxeval.evaluation.judged_genes import JudgedGenes, judge_genes
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judged
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.tissue_values import TissueValues
from pgxeval.names import known_names
from pgxeval.seeding import hash64
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

_TEXTS = {"inference": "none", "reason": NOT_IN_TABLE, "withheld": ""}
NO_TISSUE = "none: not predicted in any tissue with permuted replicates"
_DEFAULTS = EvaluationSettings()
_Part: TypeAlias = Callable[[], Predictions | BatchedPredictions]


def evaluate_tissues(
    cohorts: Mapping[str, Cohort | Expression | pd.DataFrame | str | os.PathLike[str]],
    predictions: Mapping[str, PredictionsSource] | PredictionsSource,
    *,
    settings: EvaluationSettings = _DEFAULTS,
    strata: GeneSets | None = None,
    threads: int | None = None,
) -> Evaluation:
    """Evaluate predictions in several tissues, gene-tissue pair by gene-tissue pair.

    Parameters
    ----------
    cohorts
        Tissue -> what `Evaluator` takes. Individuals and genes may differ between tissues.
    predictions
        Tissue -> what `Evaluator.evaluate` takes, with the same keys; or one table with a column tissue
        (`Predictions.with_tissue`, `Predictions.concat`).
    settings, strata
        As in `Evaluator.evaluate`. Strata are of genes, the same in all tissues.
    threads
        As in `Evaluator`.

    Returns
    -------
    Evaluation
        The tables `per_gene` and `strata` have a column ``tissue``; shares, odds ratios and comparisons are over
        pairs, and all tissues of a gene are in one block of the jackknife. Cohorts and predictions are not copied:
        what needs values of individuals later (`compare_genes`, `direction_curve`, `pgxeval.study.random_weights`)
        reads them again, tissue by tissue.

    Raises
    ------
    TableError
        If tissues are missing, or the keys of the two mappings differ.
    """
    part_of = _mapped(predictions) if isinstance(predictions, Mapping) else _joined(predictions)
    tissues = list(part_of)
    if not cohorts or set(cohorts) != set(tissues):
        raise TableError(
            "cohorts and predictions must have the same tissues, at least one, got "
            f"{known_names(sorted(cohorts), SHOWN_NAMES)} and {known_names(sorted(tissues), SHOWN_NAMES)}"
        )
    values = _values_of(cohorts, part_of)
    results = {
        tissue: judge_genes(one.measured(), one.predicted(), settings, threads=threads)
        for tissue, one in values.items()
    }
    return conclude(stack_tissues(results), settings, strata=strata, values=values)


def tissue_values(
    cohorts: Mapping[str, Cohort | Expression | pd.DataFrame | str | os.PathLike[str]],
    predictions: Mapping[str, PredictionsSource],
) -> dict[str, TissueValues]:
    """Return where the values of individuals of each tissue come from; arguments as for `evaluate_tissues`."""
    return _values_of(cohorts, _mapped(predictions))


def _values_of(
    cohorts: Mapping[str, Cohort | Expression | pd.DataFrame | str | os.PathLike[str]], part_of: Mapping[str, _Part]
) -> dict[str, TissueValues]:
    return {
        tissue: TissueValues(measured=functools.partial(MeasuredExpression.of, cohort), predicted=part_of[tissue])
        for tissue, cohort in cohorts.items()
    }


def _mapped(predictions: Mapping[str, PredictionsSource]) -> dict[str, _Part]:
    return {tissue: functools.partial(_read, source) for tissue, source in predictions.items()}


def _read(source: PredictionsSource) -> Predictions | BatchedPredictions:
    return one_tissue(as_predictions(source))


def _joined(source: PredictionsSource) -> dict[str, _Part]:
    predictions = as_predictions(source)
    if not isinstance(predictions, Predictions) or not predictions.tissues:
        raise TableError(
            "predictions of several tissues must be a mapping from tissue to predictions, or one table with a column "
            "tissue"
        )
    return {tissue: functools.partial(predictions.of_tissue, tissue) for tissue in predictions.tissues}


def stack_tissues(by_tissue: Mapping[str, JudgedGenes]) -> JudgedGenes:
    """Stack the genes of several tissues to gene-tissue pairs.

    A predictor that was not run in a tissue is undefined at its genes, with that reason. Null distributions are stacked
    over the replicates that all tissues of the predictor have. q-values are recomputed over all pairs.

    Raises
    ------
    TableError
        If a predictor is cross-fitted in one tissue and zero-shot in another.
    """
    names = list(dict.fromkeys(one.predictor for result in by_tissue.values() for one in result.judged))
    judged = tuple(_stack(name, by_tissue) for name in names)
    first = next(iter(by_tissue.values()))
    otherwise: tuple[Judged, ...] = ()
    adjustments = {result.adjustments for result in by_tissue.values()}
    if len(adjustments) == 1 and first.otherwise:
        adjusted = {tissue: attrs.evolve(result, judged=result.otherwise) for tissue, result in by_tissue.items()}
        otherwise = tuple(_stack(name, adjusted) for name in names)
    settings = [result.settings for result in by_tissue.values()]
    return JudgedGenes(
        judged=judged,
        gene_ids=tuple(gene for result in by_tissue.values() for gene in result.gene_ids),
        gene_names=tuple(name for result in by_tissue.values() for name in result.gene_names),
        contigs=tuple(contig for result in by_tissue.values() for contig in result.contigs),
        starts=np.concatenate([result.starts for result in by_tissue.values()]),
        tissues=tuple(tissue for tissue, result in by_tissue.items() for _ in result.gene_ids),
        excluded=tuple({**row, "tissue": tissue} for tissue, result in by_tissue.items() for row in result.excluded),
        individuals=tuple(dict.fromkeys(name for result in by_tissue.values() for name in result.individuals)),
        settings={
            **{key: _over_tissues(key, by_tissue) for key in first.settings},
            "covariates": list(dict.fromkeys(name for one in settings for name in one["covariates"])),
            "n_individuals_by_tissue": {name: len(one.individuals) for name, one in by_tissue.items()},
            "predictors": {name: _settings_of(name, by_tissue) for name in names},
            "tissues": {tissue: dict(result.settings) for tissue, result in by_tissue.items()},
        },
        otherwise=otherwise,
        adjustments=first.adjustments if otherwise else ("", ""),
    )


def _over_tissues(key: str, by_tissue: Mapping[str, JudgedGenes]) -> Any:
    """Return a setting that all tissues have in common, or else its value in each."""
    values = {tissue: result.settings[key] for tissue, result in by_tissue.items()}
    first = next(iter(values.values()))
    return first if all(value == first for value in values.values()) else values


def _settings_of(name: str, by_tissue: Mapping[str, JudgedGenes]) -> Mapping[str, Any]:
    """Return the settings of a predictor in the first tissue in which it was run."""
    return next(
        result.settings["predictors"][name] for result in by_tissue.values() if name in result.settings["predictors"]
    )


def _stack(name: str, by_tissue: Mapping[str, JudgedGenes]) -> Judged:
    parts = {tissue: _of(result.judged, name) for tissue, result in by_tissue.items()}
    present = [part for part in parts.values() if part is not None]
    kinds = {part.kind for part in present}
    if len(kinds) > 1:
        raise TableError(
            f"predictor {name} is {' and '.join(sorted(kinds))} in different tissues; give the two different names"
        )
    with_null = [part for part in present if part.null_key is not None]
    common = _common([part.null_replicates for part in with_null])
    sizes = [len(result.gene_ids) for result in by_tissue.values()]
    columns: dict[str, Any] = {}
    nulls: dict[str, list[npt.NDArray[Any]]] = {"null": [], "null_df": []}
    for field in attrs.fields(Judged):
        values = getattr(present[0], field.name)
        if isinstance(values, np.ndarray) and values.ndim == 1 and field.name != "null_replicates":
            pieces = [
                _missing(field.name, values.dtype, size) if part is None else getattr(part, field.name)
                for part, size in zip(parts.values(), sizes, strict=True)
            ]
            columns[field.name] = np.concatenate(pieces)
    for part, size in zip(parts.values(), sizes, strict=True):
        if part is None or part.null_key is None:
            nulls["null"].append(np.full((len(common), size), np.nan))
            nulls["null_df"].append(np.zeros((len(common), size), dtype=np.int64))
        else:
            rows = np.flatnonzero(np.isin(part.null_replicates, common))
            nulls["null"].append(part.null[rows])
            nulls["null_df"].append(part.null_df[rows])
    columns["q_value"] = benjamini_hochberg(columns[f"{present[0].measure}_p"])
    keys = [(tissue, part.null_key) for tissue, part in parts.items() if part is not None and part.null_key is not None]
    references = dict.fromkeys(part.reference for part in present)
    return attrs.evolve(
        present[0],
        **columns,
        null=np.concatenate(nulls["null"], axis=1),
        null_df=np.concatenate(nulls["null_df"], axis=1),
        null_replicates=common,
        null_key=(hash64(str(keys)) % 2**63, len(keys)) if keys and len(common) else None,
        reference="; ".join(references) if keys else next(iter(references), NO_TISSUE),
    )


def _of(judged: Sequence[Judged], name: str) -> Judged | None:
    return next((one for one in judged if one.predictor == name), None)


def _common(replicates: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    if not replicates:
        return np.empty(0, dtype=np.int64)
    common = replicates[0]
    for other in replicates[1:]:
        common = np.intersect1d(common, other)
    return common


def _missing(name: str, dtype: np.dtype[Any], size: int) -> npt.NDArray[Any]:
    if dtype == np.float64:
        return np.full(size, np.nan)
    if dtype.kind == "O":
        return np.full(size, _TEXTS.get(name, ""), dtype=object)
    return np.zeros(size, dtype=dtype)


def tissue_sharing(per_gene: pd.DataFrame) -> pd.DataFrame:
    """Count, for each predictor, in how many tissues its genes point in the right direction.

    Parameters
    ----------
    per_gene
        The per_gene table of an evaluation of several tissues.

    Returns
    -------
    pandas.DataFrame
        One row per predictor, number of tissues in which a gene has a direction, and number of these in which it is
        right: predictor, tissues, right, genes.

    Raises
    ------
    TableError
        If the table has no column ``tissue``.
    """
    if "tissue" not in per_gene:
        raise TableError("per_gene has no column tissue: this is an evaluation of one tissue")
    directed = per_gene[per_gene["direction"].notna()]
    by_gene = directed.groupby(["predictor", "gene_id"], observed=True)["direction"].agg(
        tissues="size", right=lambda direction: int((direction > 0).sum())
    )
    counts = by_gene.reset_index().groupby(["predictor", "tissues", "right"], observed=True).size()
    return counts.rename("genes").reset_index()
