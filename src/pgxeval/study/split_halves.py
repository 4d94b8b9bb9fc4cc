"""Strata from one half of the individuals, results from the other, over many divisions, in one call."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd

from pgxeval.checks import whole
from pgxeval.cohort import Cohort
from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator
from pgxeval.evaluation.gene_sets import top_nonlinear
from pgxeval.evaluation.strata import UNTESTED
from pgxeval.prediction import predict_cohort
from pgxeval.predictors import Predictor, TrainablePredictor, make_predictor
from pgxeval.tables.predictions import Predictions

_DEFAULTS = EvaluationSettings()
_SHARES = ("linear", "nonlinear", "unpredictable")


@attrs.frozen(kw_only=True)
class SplitSettings:
    """How individuals are divided, and how predictors are fitted in the halves.

    Parameters
    ----------
    splits
        Number of divisions into halves. Each half defines the strata for the other once, so every table is a mean of
        twice as many results.
    seed
        Seed of the divisions; folds and models within a half have their own, derived from it.
    folds
        Folds of the cross-fitting inside each half.
    replicates
        Permuted replicates inside each half; None uses the default of `pgxeval.predict_cohort`.
    top
        Also report the `top` genes with the largest gain of the random forest in the defining half; None does not.
    """

    splits: int = attrs.field(default=20, validator=whole(1))
    seed: int = attrs.field(default=0, validator=whole(0))
    folds: int = attrs.field(default=5, validator=whole(2))
    replicates: int | None = None
    top: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(1)))


@attrs.frozen(kw_only=True, eq=False)
class SplitStrata:
    """Results in strata that other individuals defined, averaged over divisions of the cohort.

    All limits are averages of the limits of single halves (block jackknife over genes). They are conservative: the
    standard deviation of a mean of correlated results is at most the mean of their standard deviations. p-values are
    twice the mean of those of single halves, which is a valid p-value whatever their dependence (Ruschendorf 1982,
    Ann Appl Probab 14:623).

    Parameters
    ----------
    summary
        One row per predictor and stratum: predictor, stratum, n_genes (mean), mean_correlation, mean_low, mean_high,
        share_right, share_low, share_high, splits (halves in which the stratum had results), sd (standard deviation
        between halves of the mean correlation).
    comparison
        One row per pair of predictors and stratum: predictor_a, predictor_b, stratum, n_genes, mean_difference,
        mean_difference_low, mean_difference_high, p_value, splits, sd.
    genes
        One row per gene: gene_id, and the share of halves in which it was linear, nonlinear and unpredictable.
    halves
        The rows of the summary before averaging, with the columns division and half: the half whose individuals were
        judged.
    strata
        division, half, gene_id, stratum: the strata in which the individuals of this half were judged, which the other
        half defined.
    settings
        How the individuals were divided.
    """

    summary: pd.DataFrame
    comparison: pd.DataFrame
    genes: pd.DataFrame
    halves: pd.DataFrame
    strata: pd.DataFrame
    settings: SplitSettings


def split_strata(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor | str],
    *,
    split: SplitSettings | None = None,
    settings: EvaluationSettings = _DEFAULTS,
    store: str | Path | None = None,
    workers: int | None = None,
) -> SplitStrata:
    """Define strata in one half of the individuals and judge every predictor in the other; repeat, and average.

    The cross-fitting runs inside each half, so the strata owe nothing to the individuals in whom predictors are
    judged. Zero-shot predictors are run once on all individuals.

    Parameters
    ----------
    cohort
        At least 20 individuals, enough that each half has 10.
    predictors
        As for `pgxeval.predict_cohort`; the elastic net and the random forest that define the strata must be among
        them.
    split
        `SplitSettings`.
    settings
        How predictions are judged; it also names the two predictors that define the strata.
    store
        Folder in which the predictions of each half are kept, so that an interrupted run continues; None keeps none.
    workers
        As for `pgxeval.predict_cohort`.

    Returns
    -------
    SplitStrata

    Raises
    ------
    SettingError
        If a predictor that defines the strata is missing, or a half has fewer than 10 individuals.
    """
    split = SplitSettings() if split is None else split
    own_predictors = [make_predictor(one) if isinstance(one, str) else one for one in predictors]
    trained = [one for one in own_predictors if isinstance(one, TrainablePredictor)]
    fixed = [one for one in own_predictors if not isinstance(one, TrainablePredictor)]
    names = {one.name for one in own_predictors}
    if missing := [name for name in (settings.elastic_net, settings.random_forest) if name not in names]:
        raise SettingError(
            f"the strata are defined by {settings.elastic_net} and {settings.random_forest}; {', '.join(missing)} is "
            "not among the predictors. Add it, or name others in settings"
        )
    folder = None if store is None else Path(store)
    once = _predicted(cohort, fixed, split, seed=split.seed, workers=workers, store=_at(folder, "zero-shot"))
    summaries: list[pd.DataFrame] = []
    comparisons: list[pd.DataFrame] = []
    strata: list[pd.DataFrame] = []
    for number in range(split.splits):
        halves = cohort.halves(split.seed + number)
        results = []
        for side, half in enumerate(halves):
            place = _at(folder, f"division {number}, half {side}")
            own = _predicted(half, trained, split, seed=split.seed + number, workers=workers, store=place)
            results.append((Evaluator(half), _joined(own, once, half)))
        with _without_warnings_of_blocks():
            alone = [evaluator.evaluate(predictions, settings=settings) for evaluator, predictions in results]
            for side, (evaluator, predictions) in enumerate(results):
                half_strata = _strata_of(alone[1 - side], split.top)
                judged = evaluator.evaluate(predictions, settings=settings, strata=half_strata)
                labels = {"division": number, "half": side}
                strata.append(alone[1 - side].strata[["gene_id", "stratum"]].assign(**labels))
                summaries.append(judged.summary.assign(**labels))
                comparisons.append(judged.comparison)
    return SplitStrata(
        summary=_averaged(
            summaries,
            ["predictor", "stratum"],
            ["n_genes", "mean_correlation", "mean_low", "mean_high", "share_right", "share_low", "share_high"],
            "mean_correlation",
        ),
        comparison=_averaged(
            comparisons,
            ["predictor_a", "predictor_b", "stratum"],
            ["n_genes", "mean_difference", "mean_difference_low", "mean_difference_high", "p_value"],
            "mean_difference",
        ),
        genes=_shares(strata),
        halves=pd.concat(summaries, ignore_index=True),
        strata=pd.concat(strata, ignore_index=True)[["division", "half", "gene_id", "stratum"]],
        settings=split,
    )


def _at(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / name


def _predicted(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor],
    split: SplitSettings,
    *,
    seed: int,
    workers: int | None,
    store: Path | None,
) -> Predictions | None:
    if not predictors:
        return None
    folds, replicates = split.folds, split.replicates
    if store is None:
        return predict_cohort(
            cohort, predictors, folds=folds, seed=seed, replicates=replicates, workers=workers, progress=False
        )
    stored = predict_cohort(
        cohort, predictors, folds=folds, seed=seed, replicates=replicates, workers=workers, progress=False, store=store
    )
    return stored.load()


def _joined(own: Predictions | None, once: Predictions | None, half: Cohort) -> Predictions:
    """Return the predictions of a half: of models trained inside it, and zero-shot ones of its individuals."""
    assert own is not None
    if once is None:
        return own
    rows = once.table[once.table["individual"].isin(half.individuals)]
    parts = [
        part.astype(dict.fromkeys(("predictor", "gene_id", "individual", "reason"), object))
        for part in (own.table, rows)
    ]
    return Predictions.from_table(pd.concat(parts, ignore_index=True), {**own.settings, **once.settings})


def _strata_of(evaluation: Evaluation, top: int | None) -> pd.DataFrame:
    table = evaluation.strata.loc[evaluation.strata["stratum"] != UNTESTED, ["gene_id", "stratum"]]
    if top is None:
        return table
    return pd.concat([table, top_nonlinear(evaluation, top)[["gene_id", "stratum"]]], ignore_index=True)


@contextlib.contextmanager
def _without_warnings_of_blocks() -> Iterator[None]:
    """Silence what would be repeated for each half: strata with few blocks are expected there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fewer than 5 effective", category=PgxevalWarning)
        yield


def _averaged(tables: Sequence[pd.DataFrame], keys: list[str], columns: list[str], main: str) -> pd.DataFrame:
    """Average rows of the same keys; a half in which the main value is undefined does not count."""
    rows = pd.concat(tables, ignore_index=True)[[*keys, *columns]]
    rows = rows[rows[main].notna()]
    grouped = rows.groupby(keys, sort=False, observed=True)
    table = grouped[columns].mean()
    if "p_value" in columns:
        table["p_value"] = np.minimum(2 * table["p_value"], 1)
    table["splits"] = grouped.size()
    table["sd"] = grouped[main].std(ddof=1)
    return table.reset_index()


def _shares(strata: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the share of halves in which each gene was in each stratum."""
    rows = pd.concat(strata, ignore_index=True)
    genes = rows["gene_id"].drop_duplicates()
    counts = pd.crosstab(rows["gene_id"], rows["stratum"]).reindex(index=genes, columns=list(_SHARES), fill_value=0)
    shares = counts / len(strata)
    return shares.rename_axis(index="gene_id", columns=None).reset_index()
