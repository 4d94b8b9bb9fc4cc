"""Evaluator: judges a predictions table against measured expression."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import PgxevalWarning, SettingError, TableError
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.matrices import LongTable
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judge, Judged, ZeroShotInference
from pgxeval.evaluation.resampling import FEWEST_BLOCKS, assign_blocks
from pgxeval.evaluation.strata import STRATA, UNTESTED, assign_strata, gain_of, gain_test
from pgxeval.evaluation.summary import ALL, Stratum, Summariser, joint_replicates
from pgxeval.tables.predictions import Predictions

__all__ = ["Evaluation", "Evaluator"]

_SHOWN = 5
_FEWEST_PERMUTATIONS = 20


@attrs.frozen(init=False, eq=False, repr=False)
class Evaluator:
    """Judges predictions against the measured expression of the same individuals.

    Parameters
    ----------
    cohort
        A `pgxeval.Cohort`, an expression table (DataFrame with the columns ``#chr start end gene_id`` and one
        column an individual) or the path of one. No genotypes are needed: predictions made anywhere by anyone
        can be judged.
    covariates
        Individuals x numeric covariates. Every predictor is then judged by partial correlation given the same
        covariates. None takes those of the cohort, if any.
    threads
        Threads for ranking; None takes one a core.

    Raises
    ------
    TableError
        If the expression or the covariates are malformed.

    Examples
    --------
    >>> import numpy as np, pandas as pd, warnings
    >>> people = [f"S{i:02d}" for i in range(30)]
    >>> random = np.random.default_rng(1)
    >>> expression = pd.DataFrame(random.normal(size=(4, 30)), columns=people)
    >>> place = pd.DataFrame({"#chr": "chr1", "start": range(4), "end": range(1, 5),
    ...                       "gene_id": ["G1", "G2", "G3", "G4"]})
    >>> predictions = pd.DataFrame({
    ...     "predictor": "mine", "gene_id": np.repeat(place["gene_id"].to_numpy(), 30),
    ...     "individual": people * 4, "prediction": expression.to_numpy().ravel() + random.normal(size=120)})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", PgxevalWarning)   # four genes fill one block only
    ...     evaluation = Evaluator(pd.concat([place, expression], axis=1)).evaluate(predictions)
    >>> evaluation.summary[["predictor", "stratum", "n_right", "n_directed"]].values.tolist()
    [['mine', 'all', 4, 4]]
    >>> bool((evaluation.per_gene["p_value"] < 0.05).all())
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
        predictions: Predictions | pd.DataFrame | str | os.PathLike[str],
        *,
        strata: pd.DataFrame | None = None,
        seed: int = 0,
        confidence: float = 0.95,
        level: float = 0.05,
        block_bp: int = 1_000_000,
        bootstraps: int = 2000,
        permutations: int | None = None,
        zero_shot_inference: ZeroShotInference = "textbook",
        elastic_net: str = "elastic_net",
        random_forest: str = "random_forest",
        unknown_genes: Literal["error", "drop"] = "error",
    ) -> Evaluation:
        """Judge a predictions table.

        Parameters
        ----------
        predictions
            `pgxeval.Predictions`, a table of its layout, or the path of a Parquet, CSV or TSV file.
        strata
            Columns gene_id and stratum, from other individuals: the `strata` table of the other half of a cohort
            (`Cohort.halves`, with `predict_cohort` run in each half), say. Results in them are labelled
            independent. None defines strata by elastic net and random forest of this table, if it has both with
            permuted replicates; results in them are labelled naive.
        seed
            Seed of the bootstrap, and of the label permutations unless a cross-fitted predictor of the table
            brings its own, which is then taken so that references of pairs are joint.
        confidence
            Level of the intervals.
        level
            Level of significance for q-values, in the strata and in counts.
        block_bp
            Length of the genomic blocks of the bootstrap.
        bootstraps
            Bootstrap draws.
        permutations
            Joint label permutations, the reference of zero-shot predictors; None takes as many as the
            table's replicates, at least 20 and at least ``ceil(1000 / n_genes)``.
        zero_shot_inference
            p-values of zero-shot predictors: ``"textbook"`` (Student's t) or ``"permutation"`` (label
            permutations jointly over genes, pooled over genes of the same n).
        elastic_net, random_forest
            Names of the two predictors that define strata.
        unknown_genes
            What to do with predictions for genes without measured expression: refuse, or drop and count them.

        Returns
        -------
        Evaluation
            The four tables and what was left out.

        Raises
        ------
        TableError
            If the table breaks its contract, or shares no gene or no individual with the expression.
        SettingError
            If an argument is out of range.

        Warns
        -----
        PgxevalWarning
            If genes or individuals are dropped, or fewer than 30 blocks make an interval untrustworthy.
        """
        _check_settings(
            confidence=confidence,
            level=level,
            bootstraps=bootstraps,
            permutations=permutations,
            zero_shot_inference=zero_shot_inference,
            unknown_genes=unknown_genes,
        )
        predictions = _predictions(predictions)
        threads = self.threads or min(os.cpu_count() or 1, 8)
        long = LongTable(predictions.table, self.target.gene_ids, self.target.individuals, threads)
        dropped = self._match(long, unknown_genes)
        genes, people = long.present("gene_id"), long.present("individual")
        folded = [
            settings["seed"]
            for settings in predictions.settings.values()
            if settings.get("cross_fitting") and isinstance(settings.get("seed"), int)
        ]
        permutation_seed = folded[0] if folded else seed
        if permutations is None:
            permutations = max(predictions.replicates, _FEWEST_PERMUTATIONS, math.ceil(1000 / len(genes)))
        judge = Judge(
            expression=RankedExpression(self.target.expression, self.target.covariates, threads),
            genes=genes,
            individuals=self.target.individuals,
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
            dropped += [
                _dropped("prediction", predictor, f"missing: {reason}", count)
                for reason, count in matrices.missing.items()
            ]
            del matrices
        gene_ids = tuple(self.target.gene_ids[row] for row in genes)
        dropped += [row for one in judged for row in _undefined(one, gene_ids)]
        strata_table = _strata(
            judged, gene_ids, strata, elastic_net=elastic_net, random_forest=random_forest, level=level
        )
        blocks = assign_blocks([self.target.contigs[row] for row in genes], self.target.starts[genes], block_bp)
        summariser = Summariser(
            judged=judged, blocks=blocks, confidence=confidence, bootstraps=bootstraps, seed=seed, level=level
        )
        definers = frozenset({elastic_net, random_forest}) if strata is None else frozenset()
        summary, concordance = summariser.tables(_groups(strata_table, definers))
        _warn_of_few_blocks(summary)
        per_gene = pd.concat([one.per_gene(gene_ids) for one in judged], ignore_index=True)
        return Evaluation(
            summary=summary,
            per_gene=per_gene,
            concordance=concordance,
            strata=strata_table,
            left_out=_left_out(self.target.exclusions, dropped),
            settings={
                "n_genes": len(genes),
                "n_individuals": int(everyone.sum()),
                "covariates": list(self.target.covariate_names),
                "seed": seed,
                "confidence": confidence,
                "level": level,
                "block_bp": block_bp,
                "n_blocks": len(np.unique(blocks)),
                "bootstraps": bootstraps,
                "permutations": permutations,
                "permutation_seed": permutation_seed,
                "zero_shot_inference": zero_shot_inference,
                "elastic_net": elastic_net,
                "random_forest": random_forest,
                "strata": "given" if strata is not None else "elastic net and random forest of this table",
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
            target=self.target,
            predictions=predictions,
        )

    def _match(self, long: LongTable, unknown_genes: str) -> list[dict[str, Any]]:
        """Compare names of the table with those of the expression; return what has to be left out."""
        if len(long.table) == 0:
            raise TableError("predictions table: it holds no rows")
        dropped = []
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
                    'Remove their rows, or leave them out with unknown_genes="drop"'
                )
            excluded = self.target.exclusions
            reasons = dict(zip(excluded["name"], excluded["reason"], strict=True)) if kind == "individual" else {}
            if without := [name for name in names if name not in reasons]:
                dropped.append(_dropped(kind, "", "predicted, but without measured expression", len(without), without))
            for reason in dict.fromkeys(reasons[name] for name in names if name in reasons):
                some = [name for name in names if reasons.get(name) == reason]
                dropped.append(_dropped(kind, "", f"predicted, but excluded: {reason}", len(some), some))
            absent = sorted(set(range(len(known))) - set(long.present(key).tolist()))
            if absent:
                reason = "measured, but without any prediction"
                dropped.append(_dropped(kind, "", reason, len(absent), [known[k] for k in absent]))
        if said := [f"{row['count']} {row['kind']}(s) {row['reason']} ({row['names']})" for row in dropped]:
            warnings.warn(f"left out: {'; '.join(said)}", PgxevalWarning, stacklevel=3)
        return dropped


def _check_settings(
    *,
    confidence: float,
    level: float,
    bootstraps: int,
    permutations: int | None,
    zero_shot_inference: str,
    unknown_genes: str,
) -> None:
    for name, share in (("confidence", confidence), ("level", level)):
        if not 0 < share < 1:
            raise SettingError(f"{name} must lie between 0 and 1, got {share}")
    if bootstraps < 1 or (permutations is not None and permutations < 0):
        raise SettingError(
            f"bootstraps must be 1 or more and permutations 0 or more, got {bootstraps} and {permutations}"
        )
    if zero_shot_inference not in ("textbook", "permutation"):
        raise SettingError(f'zero_shot_inference must be "textbook" or "permutation", got {zero_shot_inference!r}')
    if unknown_genes not in ("error", "drop"):
        raise SettingError(f'unknown_genes must be "error" or "drop", got {unknown_genes!r}')


def _predictions(given: Predictions | pd.DataFrame | str | os.PathLike[str]) -> Predictions:
    if isinstance(given, Predictions):
        return given
    if isinstance(given, pd.DataFrame):
        return Predictions.from_table(given)
    if isinstance(given, str | os.PathLike):
        return Predictions.read(given)
    raise TableError(f"predictions must be Predictions, a DataFrame or the path of a table, got {type(given).__name__}")


def _strata(
    judged: Sequence[Judged],
    gene_ids: tuple[str, ...],
    given: pd.DataFrame | None,
    *,
    elastic_net: str,
    random_forest: str,
    level: float,
) -> pd.DataFrame:
    by_name = {one.predictor: one for one in judged}
    en, rf = by_name.get(elastic_net), by_name.get(random_forest)
    nothing = np.full(len(gene_ids), np.nan)
    table = pd.DataFrame(
        {
            "gene_id": list(gene_ids),
            "spearman_en": nothing if en is None else en.spearman,
            "spearman_rf": nothing if rf is None else rf.spearman,
            "gain": nothing if en is None or rf is None else gain_of(rf.spearman, en.spearman),
            "p": nothing,
            "q": nothing,
            "q_en": nothing if en is None else en.q_value,
            "q_rf": nothing if rf is None else rf.q_value,
        }
    )
    rows_en, rows_rf, source = (
        joint_replicates(en, rf)
        if en is not None and rf is not None
        else (np.empty(0, dtype=np.intp),) * 2 + (f"the table lacks {elastic_net} or {random_forest}",)
    )
    stratum = np.full(len(gene_ids), UNTESTED, dtype=object)
    reason = np.full(len(gene_ids), source, dtype=object)
    assignment = UNTESTED
    if en is not None and rf is not None and len(rows_en):
        test = gain_test(
            rf.spearman,
            en.spearman,
            np.where(rf.df > 0, rf.df, en.df),
            null_better=rf.null[rows_rf],
            null_base=en.null[rows_en],
            null_df=np.maximum(rf.null_df[rows_rf], en.null_df[rows_en]),
        )
        table["p"], table["q"] = test.p, test.q
        stratum, reason = assign_strata(test.q, _q_if_right(en), _q_if_right(rf), level)
        assignment = f"gain against {source}, {test.draws} null draws; q < {level:g}"
    if given is not None:
        stratum, reason = _given_strata(given, gene_ids)
        assignment = "given: independent of these predictions"
    table["stratum"], table["assignment"], table["reason"] = (
        pd.Series(stratum, dtype="str"),
        assignment,
        pd.Series(reason, dtype="str"),
    )
    return table


def _q_if_right(judged: Judged) -> npt.NDArray[np.float64]:
    """Return q-values where the predictor points the right way; one that points wrong explains nothing."""
    return np.where(judged.directions > 0, judged.q_value, np.nan)


def _given_strata(
    given: pd.DataFrame, gene_ids: tuple[str, ...]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    if missing := {"gene_id", "stratum"} - set(given.columns):
        raise TableError(f"strata: missing column(s) {', '.join(sorted(missing))}; needed are gene_id and stratum")
    names = given["gene_id"].astype(str)
    if names.duplicated().any():
        raise TableError(f"strata: gene {names[names.duplicated()].iloc[0]} stands more than once")
    if (given["stratum"] == ALL).any():
        raise TableError(f'strata: a stratum may not be called "{ALL}", which stands for all genes')
    by_gene = dict(zip(names, given["stratum"], strict=True))
    found = [by_gene.get(gene) for gene in gene_ids]
    known = np.array([name is not None and not pd.isna(name) for name in found])
    stratum = np.array([str(name) if ok else UNTESTED for name, ok in zip(found, known, strict=True)], dtype=object)
    return stratum, np.where(known, "given", "not in the given strata").astype(object)


def _groups(strata: pd.DataFrame, definers: frozenset[str]) -> list[Stratum]:
    names = strata["stratum"].to_numpy(dtype=object)
    groups = [Stratum(name=ALL, genes=np.ones(len(names), dtype=bool), definers=frozenset(), given=False)]
    tested = sorted(set(names) - {UNTESTED})
    if not definers:
        wanted: Sequence[str] = tested
    else:
        wanted = STRATA if tested else ()
    return groups + [Stratum(name=name, genes=names == name, definers=definers, given=not definers) for name in wanted]


def _warn_of_few_blocks(summary: pd.DataFrame) -> None:
    few = summary[(summary["n_blocks"] < FEWEST_BLOCKS) & (summary["n_genes"] > 0)].drop_duplicates("stratum")
    if len(few):
        said = ", ".join(f"{row.stratum} ({row.n_blocks})" for row in few.itertuples())
        warnings.warn(
            f"fewer than {FEWEST_BLOCKS} genomic blocks in {said}: block-bootstrap intervals are too narrow there, "
            "and missing where there is one block only",
            PgxevalWarning,
            stacklevel=3,
        )


def _dropped(kind: str, predictor: str, reason: str, count: int, names: Sequence[str] = ()) -> dict[str, Any]:
    return {"kind": kind, "predictor": predictor, "reason": reason, "count": count, "names": _some(names)}


def _undefined(judged: Judged, gene_ids: tuple[str, ...]) -> list[dict[str, Any]]:
    lost: dict[str, list[str]] = {}
    for gene, reason in zip(gene_ids, judged.reason, strict=True):
        if reason:
            lost.setdefault(reason, []).append(gene)
    return [
        _dropped(
            "gene", judged.predictor, reason if reason == NOT_IN_TABLE else f"undefined: {reason}", len(names), names
        )
        for reason, names in sorted(lost.items())
    ]


def _left_out(before: pd.DataFrame, dropped: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    rows = [
        _dropped(str(kind), "", str(reason), len(part), part["name"].astype(str).tolist())
        for (kind, reason), part in before.groupby(["kind", "reason"], sort=False, observed=True)
    ]
    return pd.DataFrame([*rows, *dropped], columns=["kind", "predictor", "reason", "count", "names"])


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
