"""Evaluator: judges a predictions table against measured expression."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import joblib
import numpy as np
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import PgxevalWarning, SettingError, TableError
from pgxeval.evaluation.batched import BatchedTable
from pgxeval.evaluation.blocks import assign_blocks, default_block_bp
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.matrices import LongTable
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judge, Judged, ZeroShotInference
from pgxeval.evaluation.strata import strata_of, strata_table
from pgxeval.evaluation.summary import Summariser
from pgxeval.evaluation.tables import EXCLUSIONS
from pgxeval.evaluation.tissues import JudgedGenes, stack_tissues
from pgxeval.tables.batches import BatchedPredictions, HoldsPredictions
from pgxeval.tables.predictions import Predictions
from pgxeval.tables.wide import ConvertsToPandas

__all__ = ["Evaluation", "Evaluator"]

PredictionsSource: TypeAlias = (
    Predictions | BatchedPredictions | HoldsPredictions | pd.DataFrame | ConvertsToPandas | str | os.PathLike[str]
)

FEW_BLOCKS = 5
"""Effective number of genomic blocks below which a warning is issued."""
_FEWEST_PERMUTATIONS, _MOST_PERMUTATIONS = 20, 200
_PERMUTED_CELLS = 100_000_000  # measured values permuted by default: a few seconds
_SHOWN = 5


@attrs.frozen(init=False, eq=False, repr=False)
class Evaluator:
    """Judges predictions against the measured expression of the same individuals.

    Parameters
    ----------
    cohort
        A `pgxeval.Cohort`, an `Expression`, an expression table (DataFrame with the columns
        ``#chr start end gene_id`` and one column per individual) or the path of one. No genotypes are needed, so
        predictions made anywhere can be judged.
    covariates
        Individuals x numeric covariates. Every predictor is then judged by partial correlation given the same
        covariates. None uses those of the cohort, if any.
    threads
        Threads for ranking; None uses one per core, at most 8.

    Raises
    ------
    TableError
        If the expression or the covariates are malformed.

    Examples
    --------
    >>> import numpy as np, pandas as pd, warnings
    >>> individuals = [f"S{i:02d}" for i in range(30)]
    >>> rng = np.random.default_rng(1)
    >>> expression = pd.DataFrame(rng.normal(size=(4, 30)), columns=individuals)
    >>> genes = pd.DataFrame({"#chr": "chr1", "start": range(4), "end": range(1, 5),
    ...                       "gene_id": ["G1", "G2", "G3", "G4"]})
    >>> predictions = pd.DataFrame({
    ...     "predictor": "mine", "gene_id": np.repeat(genes["gene_id"].to_numpy(), 30),
    ...     "individual": individuals * 4, "prediction": expression.to_numpy().ravel() + rng.normal(size=120)})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", PgxevalWarning)   # the four genes lie in one block
    ...     evaluation = Evaluator(pd.concat([genes, expression], axis=1)).evaluate(predictions)
    >>> evaluation.summary[["predictor", "stratum", "n_right", "n_directed"]].values.tolist()
    [['mine', 'all', 4, 4]]
    >>> bool((evaluation.per_gene["p_predicts"] < 0.05).all())
    True
    """

    target: MeasuredExpression
    threads: int | None

    def __init__(
        self,
        cohort: Cohort | Expression | pd.DataFrame | str | os.PathLike[str],
        covariates: pd.DataFrame | str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        self.__attrs_init__(target=MeasuredExpression.of(cohort, covariates), threads=threads)

    def __repr__(self) -> str:
        return f"Evaluator({len(self.target.gene_ids):,} genes, {len(self.target.individuals):,} individuals)"

    def evaluate(
        self,
        predictions: PredictionsSource,
        *,
        strata: pd.DataFrame | None = None,
        seed: int = 0,
        confidence: float = 0.95,
        level: float = 0.05,
        margin: float | None = None,
        block_bp: int | None = None,
        permutations: int | None = None,
        zero_shot_inference: ZeroShotInference = "automatic",
        elastic_net: str = "elastic_net",
        random_forest: str = "random_forest",
        unknown_genes: Literal["error", "drop"] = "error",
    ) -> Evaluation:
        """Judge a predictions table.

        Parameters
        ----------
        predictions
            `pgxeval.Predictions`; a store or what `predict_cohort` with a store returned, which are read gene batch by
            gene batch; a table of pandas, polars or Arrow, in the layout of the predictions table or as a matrix of
            genes and individuals (see `Predictions.from_matrix`); or the path of a Parquet, CSV or TSV file. Genes
            whose Ensembl version differs from that of the expression table are matched without it.
        strata
            Columns gene_id and stratum, from other individuals, such as the `strata` table of the other half of a
            cohort (`Cohort.halves`, with `predict_cohort` run in each half). Results in them are labelled
            independent. None defines strata by elastic net and random forest of this table, if it has both with
            permuted replicates; results in them are labelled naive (these two predictors) or same individuals (all
            others).
        seed
            Seed of the label permutations. If a cross-fitted predictor of the table records a seed, that one is
            used instead, so that references of pairs are joint.
        confidence
            Level of the intervals.
        level
            Level of significance for q-values, in the strata and in counts.
        margin
            Difference of mean correlations below which two predictors count as equivalent; None tests no equivalence.
        block_bp
            Length of the genomic blocks of the jackknife. None uses two and a half times the widest cis window or
            context recorded for the predictors, at least 1 Mb, and 5 Mb where a window is not recorded.
        permutations
            Joint label permutations, the reference of zero-shot predictors. None uses 200 for cohorts of up to half a
            million measured values and fewer for larger ones, at least 20, at least ``ceil(1000 / n_genes)`` and at
            least as many as the table has replicates.
        zero_shot_inference
            p-values of zero-shot predictors: ``"automatic"`` (robust standard error of each gene; permutations of
            the gene where few individuals differ), ``"textbook"`` (Student's t on n - 2 - c degrees of freedom) or
            ``"permutation"`` (of each gene).
        elastic_net, random_forest
            Names of the two predictors that define strata.
        unknown_genes
            Whether predictions for genes without measured expression are an error, or dropped and counted.

        Returns
        -------
        Evaluation
            The evaluation tables, and what was excluded.

        Raises
        ------
        TableError
            If the table breaks its contract, or shares no gene or no individual with the expression.
        SettingError
            If an argument is out of range.

        Warns
        -----
        PgxevalWarning
            If genes or individuals are dropped, or if intervals rest on fewer than 5 effective blocks.
        """
        _check_settings(
            confidence=confidence,
            level=level,
            margin=margin,
            permutations=permutations,
            zero_shot_inference=zero_shot_inference,
            unknown_genes=unknown_genes,
        )
        predictions = _predictions(predictions)
        result = self._judge(
            predictions,
            seed=seed,
            confidence=confidence,
            permutations=permutations,
            zero_shot_inference=zero_shot_inference,
            unknown_genes=unknown_genes,
        )
        return _conclude(
            result,
            strata=strata,
            confidence=confidence,
            level=level,
            margin=margin,
            block_bp=block_bp,
            elastic_net=elastic_net,
            random_forest=random_forest,
            target=self.target,
            predictions=predictions,
        )

    def _judge(
        self,
        predictions: Predictions | BatchedPredictions,
        *,
        seed: int,
        confidence: float,
        permutations: int | None,
        zero_shot_inference: ZeroShotInference,
        unknown_genes: str,
    ) -> JudgedGenes:
        """Compare each predictor with the measured expression of one tissue."""
        threads = self.threads or min(joblib.cpu_count(), 8)
        long = self._lay_out(predictions, threads)
        excluded = self._match(long, unknown_genes)
        genes, people = long.present("gene_id"), long.present("individual")
        seeds = [
            settings["seed"]
            for settings in predictions.settings.values()
            if settings.get("cross_fitting") and isinstance(settings.get("seed"), int)
        ]
        permutation_seed = seeds[0] if seeds else seed
        if permutations is None:
            permutations = _default_permutations(len(genes), len(people), predictions.replicates)
        judge = Judge(
            expression=RankedExpression(
                self.target.expression, self.target.covariates, threads, self.target.family_codes
            ),
            genes=genes,
            individuals=self.target.individuals,
            folds=long.common_folds(),
            groups=self.target.groups,
            strata=self.target.strata,
            confidence=confidence,
            zero_shot_inference=zero_shot_inference,
            permutations=permutations,
            seed=permutation_seed,
        )
        everyone = np.zeros(len(self.target.individuals), dtype=bool)
        everyone[people] = True
        judged = []
        for predictor in long.predictors:
            matrices = long.matrices(predictor)
            own, n_people = long.people(predictor)
            settings = predictions.settings.get(predictor, {})
            judged.append(judge.judge(matrices, settings, own, everyone, n_people))
            excluded += [
                _excluded("prediction", predictor, f"missing: {reason}", count)
                for reason, count in matrices.missing.items()
            ]
            del matrices
        gene_ids = tuple(self.target.gene_ids[row] for row in genes)
        excluded += [row for one in judged for row in _undefined(one, gene_ids)]
        return JudgedGenes(
            judged=tuple(judged),
            gene_ids=gene_ids,
            gene_names=tuple(self.target.gene_names[row] for row in genes),
            contigs=tuple(self.target.contigs[row] for row in genes),
            starts=self.target.starts[genes],
            excluded=tuple(_exclusions(self.target.exclusions, excluded)),
            settings={
                "n_genes": len(genes),
                "n_individuals": int(everyone.sum()),
                "covariates": list(self.target.covariate_names),
                "seed": seed,
                "permutations": permutations,
                "permutation_seed": permutation_seed,
                "zero_shot_inference": zero_shot_inference,
                "predictors": {
                    one.predictor: {
                        "kind": one.kind,
                        "reference": one.reference,
                        "null_draws": int((~np.isnan(one.null)).sum()),
                        **dict(predictions.settings.get(one.predictor, {})),
                    }
                    for one in judged
                },
            },
        )

    def _lay_out(self, predictions: Predictions | BatchedPredictions, threads: int) -> LongTable | BatchedTable:
        if isinstance(predictions, Predictions):
            return LongTable(predictions.table, self.target.gene_ids, self.target.individuals, threads)
        return BatchedTable(predictions, self.target.gene_ids, self.target.individuals, threads)

    def _match(self, long: LongTable | BatchedTable, unknown_genes: str) -> list[dict[str, Any]]:
        """Compare names of the table with those of the expression; return what is excluded."""
        if long.n_rows == 0:
            raise TableError("predictions table: it has no rows; expected one per predictor, gene and individual")
        excluded = []
        for key, kind, known in (
            ("gene_id", "gene", self.target.gene_ids),
            ("individual", "individual", self.target.individuals),
        ):
            names = long.unknown(key)
            if not len(long.present(key)):
                raise TableError(
                    f"predictions table: it shares no {kind} with the expression table; it names {_some(names)}, "
                    f"the expression table {_some(known)}"
                )
            if names and kind == "gene" and unknown_genes == "error":
                plain = {name.split(".")[0] for name in known}
                hint = (
                    "; some would match without their version suffix"
                    if any(name.split(".")[0] in plain for name in names)
                    else ""
                )
                raise TableError(
                    f"predictions table: {len(names)} gene(s) have no measured expression: {_some(names)}{hint}. "
                    'Remove their rows, or exclude them with unknown_genes="drop"'
                )
            before = self.target.exclusions
            reasons = dict(zip(before["name"], before["reason"], strict=True)) if kind == "individual" else {}
            if without := [name for name in names if name not in reasons]:
                excluded.append(
                    _excluded(kind, "", "predicted, but without measured expression", len(without), without)
                )
            for reason in dict.fromkeys(reasons[name] for name in names if name in reasons):
                some = [name for name in names if reasons.get(name) == reason]
                excluded.append(_excluded(kind, "", f"predicted, but excluded: {reason}", len(some), some))
            absent = sorted(set(range(len(known))) - set(long.present(key).tolist()))
            if absent:
                reason = "measured, but without any prediction"
                excluded.append(_excluded(kind, "", reason, len(absent), [known[k] for k in absent]))
        if excluded:
            counts = [f"{row['count']} {row['kind']}(s) {row['reason']} ({row['name']})" for row in excluded]
            warnings.warn(f"excluded: {'; '.join(counts)}", PgxevalWarning, stacklevel=3)
        return excluded


def evaluate_tissues(
    cohorts: Mapping[str, Cohort | Expression | pd.DataFrame | str | os.PathLike[str]],
    predictions: Mapping[str, PredictionsSource],
    *,
    seed: int = 0,
    confidence: float = 0.95,
    level: float = 0.05,
    margin: float | None = None,
    block_bp: int | None = None,
    permutations: int | None = None,
    zero_shot_inference: ZeroShotInference = "automatic",
    elastic_net: str = "elastic_net",
    random_forest: str = "random_forest",
    threads: int | None = None,
) -> Evaluation:
    """Evaluate predictions in several tissues, gene-tissue pair by gene-tissue pair.

    Parameters
    ----------
    cohorts
        Tissue -> what `Evaluator` takes. Individuals and genes may differ between tissues.
    predictions
        Tissue -> what `Evaluator.evaluate` takes, with the same keys.
    seed, confidence, level, margin, block_bp, permutations, zero_shot_inference, elastic_net, random_forest
        As in `Evaluator.evaluate`.
    threads
        As in `Evaluator`.

    Returns
    -------
    Evaluation
        The tables `per_gene` and `strata` have a column ``tissue``; shares, odds ratios and comparisons are over
        pairs, and all tissues of a gene are in one block of the jackknife.

    Raises
    ------
    TableError
        If tissues are missing, or the keys of the two mappings differ.
    """
    if not cohorts or set(cohorts) != set(predictions):
        raise TableError(
            f"cohorts and predictions must have the same tissues, at least one, got {_some(sorted(cohorts))} and "
            f"{_some(sorted(predictions))}"
        )
    _check_settings(
        confidence=confidence,
        level=level,
        margin=margin,
        permutations=permutations,
        zero_shot_inference=zero_shot_inference,
        unknown_genes="error",
    )
    results = {
        tissue: Evaluator(cohort, threads=threads)._judge(
            _predictions(predictions[tissue]),
            seed=seed,
            confidence=confidence,
            permutations=permutations,
            zero_shot_inference=zero_shot_inference,
            unknown_genes="error",
        )
        for tissue, cohort in cohorts.items()
    }
    return _conclude(
        stack_tissues(results),
        strata=None,
        confidence=confidence,
        level=level,
        margin=margin,
        block_bp=block_bp,
        elastic_net=elastic_net,
        random_forest=random_forest,
    )


def _conclude(
    result: JudgedGenes,
    *,
    strata: pd.DataFrame | None,
    confidence: float,
    level: float,
    margin: float | None,
    block_bp: int | None,
    elastic_net: str,
    random_forest: str,
    target: MeasuredExpression | None = None,
    predictions: Predictions | BatchedPredictions | None = None,
) -> Evaluation:
    """Make the tables over genes, or gene-tissue pairs, from judged predictors."""
    by_stratum = strata_table(
        result.judged, result.gene_ids, strata, elastic_net=elastic_net, random_forest=random_forest, level=level
    )
    if block_bp is None:
        block_bp = default_block_bp(result.settings["predictors"].get(one.predictor, {}) for one in result.judged)
    blocks = assign_blocks(result.contigs, result.starts, block_bp)
    summariser = Summariser(judged=result.judged, blocks=blocks, confidence=confidence, level=level, margin=margin)
    definers = frozenset({elastic_net, random_forest}) if strata is None else frozenset()
    summary, concordance, comparison = summariser.tables(strata_of(by_stratum, definers))
    _warn_of_few_blocks(summary)
    per_gene = pd.concat([one.per_gene(result.gene_ids) for one in result.judged], ignore_index=True)
    per_gene.insert(2, "gene_name", pd.Series(result.gene_names * len(result.judged), dtype="str"))
    if result.tissues is not None:
        per_gene.insert(1, "tissue", pd.Series(result.tissues * len(result.judged), dtype="str"))
        by_stratum.insert(0, "tissue", pd.Series(result.tissues, dtype="str"))
    return Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=concordance,
        comparison=comparison,
        strata=by_stratum,
        exclusions=pd.DataFrame(list(result.excluded), columns=list(EXCLUSIONS)),
        settings={
            **result.settings,
            "n_genes": len(result.gene_ids),
            "confidence": confidence,
            "level": level,
            "margin": margin,
            "block_bp": block_bp,
            "n_blocks": len(np.unique(blocks)),
            "elastic_net": elastic_net,
            "random_forest": random_forest,
            "strata": "given" if strata is not None else "elastic net and random forest of this table",
        },
        target=target,
        predictions=predictions,
    )


def _default_permutations(genes: int, individuals: int, replicates: int) -> int:
    affordable = min(_MOST_PERMUTATIONS, _PERMUTED_CELLS // (genes * individuals))
    return max(replicates, _FEWEST_PERMUTATIONS, math.ceil(1000 / genes), affordable)


def _check_settings(
    *,
    confidence: float,
    level: float,
    margin: float | None,
    permutations: int | None,
    zero_shot_inference: str,
    unknown_genes: str,
) -> None:
    for name, share in (("confidence", confidence), ("level", level)):
        if not 0 < share < 1:
            raise SettingError(f"{name} must be between 0 and 1, got {share}")
    if margin is not None and not margin > 0:
        raise SettingError(f"margin must be above 0, or None, got {margin}")
    if permutations is not None and permutations < 0:
        raise SettingError(f"permutations must be 0 or more, got {permutations}")
    if zero_shot_inference not in ("automatic", "textbook", "permutation"):
        raise SettingError(
            f'zero_shot_inference must be "automatic", "textbook" or "permutation", got {zero_shot_inference!r}'
        )
    if unknown_genes not in ("error", "drop"):
        raise SettingError(f'unknown_genes must be "error" or "drop", got {unknown_genes!r}')


def _predictions(source: PredictionsSource) -> Predictions | BatchedPredictions:
    if isinstance(source, pd.DataFrame):
        return Predictions.from_any(source)
    if isinstance(source, Predictions | BatchedPredictions):
        return source
    if isinstance(source, HoldsPredictions):
        return source.predictions()
    if isinstance(source, str | os.PathLike):
        return Predictions.read(source)
    if isinstance(source, ConvertsToPandas):
        return Predictions.from_any(source)
    raise TableError(
        "predictions must be Predictions, a store, a table (pandas, polars or Arrow) or the path of a table, got "
        f"{type(source).__name__}"
    )


def _warn_of_few_blocks(summary: pd.DataFrame) -> None:
    enough = summary["effective_blocks"] >= FEW_BLOCKS
    few = summary[~enough & (summary["n_directed"] > 0)].drop_duplicates("stratum")
    if len(few):
        strata = ", ".join(f"{row.stratum} ({row.n_blocks})" for row in few.itertuples())
        warnings.warn(
            f"fewer than {FEW_BLOCKS} effective genomic blocks in {strata} (number of blocks in brackets): "
            "block-jackknife intervals are very wide there, and missing below 2 effective blocks",
            PgxevalWarning,
            stacklevel=3,
        )


def _excluded(kind: str, predictor: str, reason: str, count: int, names: Sequence[str] = ()) -> dict[str, Any]:
    return {"kind": kind, "predictor": predictor, "reason": reason, "count": count, "name": _some(names)}


def _undefined(judged: Judged, gene_ids: tuple[str, ...]) -> list[dict[str, Any]]:
    genes: dict[str, list[str]] = {}
    for gene, reason in zip(gene_ids, judged.reason, strict=True):
        if reason:
            genes.setdefault(reason, []).append(gene)
    return [
        _excluded(
            "gene", judged.predictor, reason if reason == NOT_IN_TABLE else f"undefined: {reason}", len(names), names
        )
        for reason, names in sorted(genes.items())
    ]


def _exclusions(before: pd.DataFrame, excluded: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    rows = [
        _excluded(str(kind), "", str(reason), len(part), part["name"].astype(str).tolist())
        for (kind, reason), part in before.groupby(["kind", "reason"], sort=False, observed=True)
    ]
    return [*rows, *excluded]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
