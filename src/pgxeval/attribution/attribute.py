"""attribute: the effect of every variant of a cohort on a predictor's number for one gene, one row per variant."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.attribution.marginal import LEVELS, marginal_predictions
from pgxeval.attribution.shap import shap_slopes
from pgxeval.attribution.substitution import REFERENCE, SubstitutedGenotypes
from pgxeval.checks import between, kind, one_of, whole
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import GenotypeError, SettingError
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction.crossfit import residualise
from pgxeval.prediction.request import make_predictors
from pgxeval.predictors.protocol import GroupedTrainablePredictor, Prediction, Predictor, TrainablePredictor
from pgxeval.predictors.trained.forest import Forest
from pgxeval.predictors.trained.linear import FittedLinear
from pgxeval.predictors.trained.random_forest import FittedRandomForest
from pgxeval.seeding import assign_folds, model_seed

Method = Literal["auto", "coefficients", "marginal", "shap", "reference", "carriers"]
Floats = npt.NDArray[np.float64]

EFFECT_COLUMNS = (
    "predictor",
    "gene_id",
    "variant",
    "contig",
    "position",
    "ref",
    "alt",
    "maf",
    "effect",
    "at_0",
    "at_1",
    "at_2",
    "folds",
    "method",
)
"""Columns of the effects table."""


@attrs.frozen(kw_only=True)
class AttributionSettings:
    """How effects are computed.

    Parameters
    ----------
    method
        ``"coefficients"``: the weights of an elastic net. ``"marginal"``: the mean prediction over the individuals of
        the cohort with the dosage of the variant set to 0, 1 and 2 (random forest and elastic net). ``"shap"``: the
        slope of a random forest's SHAP values on the dosage (needs the package `shap`). ``"reference"``: each allele
        substituted into the reference haplotype. ``"carriers"``: each allele removed from individuals who carry it.
        ``"auto"`` takes coefficients for an elastic net, marginal effects for a random forest, and the reference
        otherwise.
    flank_bp
        For ``"reference"`` and ``"carriers"``: variants within this distance of the TSS are substituted.
    min_maf
        For the same: smallest minor allele frequency among the individuals of the cohort, in [0, 0.5].
    carriers
        Number of carriers per allele with ``"carriers"``: the first ones of the cohort, at least 1.
    folds, seed
        Trainable predictors are fitted in these folds, as `predict_cohort` does, and effects are averaged over folds.
    """

    method: Method = attrs.field(
        default="auto", validator=one_of("auto", "coefficients", "marginal", "shap", "reference", "carriers")
    )
    flank_bp: int = attrs.field(default=20_000, validator=whole(1))
    min_maf: float = attrs.field(default=0.01, validator=between(0, 0.5))
    carriers: int = attrs.field(default=3, validator=whole(1))
    folds: int = attrs.field(default=5, validator=whole(2))
    seed: int = attrs.field(default=0, validator=kind(int))


def attribute(
    predictor: Predictor | TrainablePredictor | str,
    gene: Gene | str,
    cohort: Cohort,
    *,
    settings: AttributionSettings | None = None,
) -> pd.DataFrame:
    """Return the effect of each variant of a cohort on a predictor's number for one gene.

    Parameters
    ----------
    predictor
        Any predictor, or the name of one of `available_predictors`. A trainable one is fitted in each fold on the
        training individuals, with their residualised
        expression, folds and seeds as in `predict_cohort`; effects are averaged over the folds in which the variant
        was used, counting 0 where it was not.
    gene
        A gene of the cohort, or its identifier.
    cohort
        Cohort whose variants and individuals are used.
    settings
        `AttributionSettings`.

    Returns
    -------
    pandas.DataFrame
        Columns `EFFECT_COLUMNS`, one row per variant in genome order: predictor, gene_id; variant
        (``contig:position:ref:alt``), contig, position (1-based), ref, alt; maf among the individuals of the cohort;
        effect, the change of the prediction per alternate allele, in the unit of the prediction; at_0, at_1, at_2,
        the mean prediction at each dosage (NaN where the method does not give it); folds, in how many folds the
        variant passed the filters (NA for zero-shot predictors); and method.

    Raises
    ------
    UnknownNameError
        If the cohort has no such gene.
    SettingError
        If the method does not apply to the predictor.
    GenotypeError
        If no variant is left.
    """
    settings = AttributionSettings() if settings is None else settings
    (predictor,) = make_predictors([predictor])
    gene = cohort.gene(gene) if isinstance(gene, str) else cohort.gene(gene.gene_id)
    if isinstance(predictor, TrainablePredictor):
        return _of_trainable(predictor, gene, cohort, settings)
    if settings.method not in ("auto", "reference", "carriers"):
        raise SettingError(
            f'method "{settings.method}" needs a trainable predictor; predictor {predictor.name!r} is zero-shot: '
            'use "reference" or "carriers"'
        )
    return _by_substitution(predictor, gene, cohort, settings)


def _of_trainable(
    predictor: TrainablePredictor, gene: Gene, cohort: Cohort, settings: AttributionSettings
) -> pd.DataFrame:
    names = np.array(cohort.individuals, dtype=object)
    expression = cohort.expression_of(gene.gene_id).to_numpy()
    fold = assign_folds(cohort.individuals, settings.folds, settings.seed, groups=cohort.groups)
    total: pd.DataFrame | None = None
    for k in np.unique(fold):
        rows = np.flatnonzero((fold != k) & np.isfinite(expression))
        train = np.array(sorted(rows, key=lambda row: names[row]), dtype=np.int64)
        target = expression[train]
        if cohort.covariates is not None:
            target = residualise(target, cohort.covariates.to_numpy()[train], where=f"gene {gene.gene_id}, fold {k}")
        series = pd.Series(target, index=names[train], name=gene.gene_id)
        seed = model_seed(settings.seed, gene.gene_id, int(k), 0)
        if cohort.groups is not None and isinstance(predictor, GroupedTrainablePredictor):
            groups = [cohort.groups[row] for row in train]
            fits = predictor.fit_groups(gene, cohort.genome, series, groups, seed=seed)
        else:
            fits = predictor.fit(gene, cohort.genome, series, seed=seed)
        part = _of_fitted(fits, gene, cohort, settings)
        total = part if total is None else _add(total, part)
    assert total is not None
    if total.empty:
        raise GenotypeError(f"gene {gene.gene_id}: predictor {predictor.name!r} could use no variant in any fold")
    n_folds = len(np.unique(fold))
    for column in ("effect", "at_0", "at_1", "at_2"):
        total[column] = total[column] / (n_folds if column == "effect" else total["folds"])
    return _finish(total.sort_values(["position", "ref", "alt"], ignore_index=True), predictor.name, gene)


def _add(total: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    key = ["contig", "position", "ref", "alt"]
    parts = pd.concat([total, part], ignore_index=True)
    sums = parts.groupby(key, sort=False)[["effect", "at_0", "at_1", "at_2", "folds"]].sum(min_count=1)
    first = parts.drop_duplicates(key)[[*key, "maf", "method"]].set_index(key)
    return first.join(sums).reset_index()


def _of_fitted(fitted: Predictor, gene: Gene, cohort: Cohort, settings: AttributionSettings) -> pd.DataFrame:
    method = settings.method
    if isinstance(fitted, FittedLinear) and method in ("auto", "coefficients", "marginal"):
        return _of_linear(fitted, cohort)
    if isinstance(fitted, FittedRandomForest) and method in ("auto", "marginal", "shap"):
        return _of_forest(fitted, cohort, method)
    if method in ("reference", "carriers", "auto"):
        table = _by_substitution(fitted, gene, cohort, settings).drop(columns=["predictor", "gene_id", "variant"])
        return table.assign(folds=1)
    raise SettingError(f'method "{method}" does not apply to {type(fitted).__name__}; use "reference" or "carriers"')


def _of_linear(fitted: FittedLinear, cohort: Cohort) -> pd.DataFrame:
    columns = fitted.selected.columns
    weights = np.zeros(columns.size)
    weights[fitted.active] = fitted.weights
    table = _variants(cohort, fitted.selected.window, columns, "coefficients")
    table["effect"] = weights
    if columns.size:
        dosages = fitted.selected.dosages(cohort.genome, cohort.individuals)
        mean = fitted.training.mean + float(
            ((dosages[:, fitted.active] - fitted.center) * fitted.weights).sum(axis=1).mean()
        )
        for level in LEVELS.astype(int):
            table[f"at_{level}"] = mean + (level - dosages.mean(axis=0)) * weights
    return table


def _of_forest(fitted: FittedRandomForest, cohort: Cohort, method: str) -> pd.DataFrame:
    method_name = "shap" if method == "shap" else "marginal"
    columns = fitted.selected.columns
    table = _variants(cohort, fitted.selected.window, columns, method_name)
    forest = fitted.forest
    if forest is None:
        return table
    if not isinstance(forest, Forest):
        raise SettingError('effects of a random forest need its own engine; fit it without engine="sklearn"')
    dosages = fitted.selected.dosages(cohort.genome, cohort.individuals)
    if method_name == "shap":
        table["effect"] = shap_slopes(forest, dosages)
        return table
    at = marginal_predictions(forest, dosages)
    table["at_0"], table["at_1"], table["at_2"] = at.T
    # the mean effect of one more allele, levels weighted as individuals could gain one
    table["effect"] = (at[:, 2] - at[:, 0]) / 2
    return table


def _variants(cohort: Cohort, window: Interval, columns: npt.NDArray[np.int64], method: str) -> pd.DataFrame:
    dosages = cohort.genome.dosages(window, cohort.individuals)
    table = dosages.variants.iloc[columns][["contig", "position", "ref", "alt"]].reset_index(drop=True)
    table["maf"] = _maf(dosages.values[:, columns])
    empty = np.zeros(len(table))
    table["effect"] = empty
    for level in LEVELS.astype(int):
        table[f"at_{level}"] = np.nan
    return table.assign(folds=1, method=method)


def _maf(values: npt.NDArray[np.int8] | npt.NDArray[np.float32]) -> Floats:
    calls = np.where(np.isfinite(values) & (values >= 0), values, np.nan).astype(np.float64)
    with np.errstate(invalid="ignore"):
        frequency = np.nansum(calls, axis=0) / (2 * np.maximum(np.isfinite(calls).sum(axis=0), 1))
    return np.asarray(np.minimum(frequency, 1 - frequency))


def _by_substitution(predictor: Predictor, gene: Gene, cohort: Cohort, settings: AttributionSettings) -> pd.DataFrame:
    genome = cohort.genome
    if gene.tss is None:
        raise SettingError(
            f"gene {gene.gene_id} has no TSS; give gene models with strand to substitute variants around it"
        )
    window = Interval.around(gene.contig, gene.tss, 2 * settings.flank_bp)
    dosages = genome.dosages(Interval(window.contig, max(0, window.start), window.end), cohort.individuals)
    maf = _maf(dosages.values)
    common = np.flatnonzero(maf >= max(settings.min_maf, 1e-12))
    if not common.size:
        raise GenotypeError(
            f"gene {gene.gene_id}: none of {maf.size} variants within {settings.flank_bp:,} bp of the TSS has a minor "
            f"allele frequency of at least {settings.min_maf:g}; widen flank_bp or lower min_maf"
        )
    alleles = dosages.variants.iloc[common][["contig", "position", "ref", "alt"]].reset_index(drop=True)
    background = "carriers" if settings.method == "carriers" else "reference"
    carriers: list[npt.NDArray[np.intp]] = []
    if background == "carriers":
        carriers = [np.flatnonzero(dosages.values[:, column] > 0)[: settings.carriers] for column in common]
    rows = genome.rows(cohort.individuals)
    contig = genome.contig_name(gene.contig)
    carrier_genotypes = SubstitutedGenotypes(
        source=genome.source,
        contig=contig,
        alleles=alleles,
        background=background,
        carriers=[rows[some].tolist() for some in carriers],
    )
    imaginary = PersonalGenome(genotypes=carrier_genotypes, reference=genome.reference, **attrs.asdict(genome.policies))
    answer = Prediction.of(
        predictor.predict(gene, imaginary, carrier_genotypes.individuals), carrier_genotypes.individuals
    )
    values = np.asarray(answer.values, dtype=np.float64)
    table = alleles.assign(maf=maf[common], effect=np.nan, at_0=np.nan, at_1=np.nan, at_2=np.nan)
    if background == "reference":
        assert carrier_genotypes.individuals[0] == REFERENCE
        table["at_0"], table["at_2"] = values[0], values[1:]
        table["effect"] = (values[1:] - values[0]) / 2
    else:
        of_allele = np.repeat(np.arange(len(carriers)), [len(some) for some in carriers])
        copies = dosages.values[np.concatenate(carriers), common[of_allele]]
        per_copy = (values[0::2] - values[1::2]) / copies
        table["effect"] = pd.Series(per_copy).groupby(of_allele).mean().reindex(range(len(carriers))).to_numpy()
    return _finish(
        table.assign(folds=pd.array([pd.NA] * len(table), dtype="Int16"), method=background), predictor.name, gene
    )


def _finish(table: pd.DataFrame, name: str, gene: Gene) -> pd.DataFrame:
    key = zip(table["contig"], table["position"], table["ref"], table["alt"], strict=True)
    table = table.assign(
        predictor=name, gene_id=gene.gene_id, variant=[":".join(map(str, parts)) for parts in key]
    ).astype({"folds": "Int16"})
    return table[list(EFFECT_COLUMNS)]
