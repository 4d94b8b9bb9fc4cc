"""StudySettings: everything that shapes the results of a study, in one frozen class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs
from attrs import validators

from pgxeval.attribution import AttributionSettings
from pgxeval.checks import Validator, between, kind, one_of, text, whole
from pgxeval.errors import SettingError
from pgxeval.evaluation import EvaluationSettings, MechanismSettings, NonadditivitySettings
from pgxeval.evaluation.gene_comparison import Method
from pgxeval.predictors import CisVariants
from pgxeval.signatures import show_defaults
from pgxeval.study.split_halves import SplitSettings

Analysis = Literal["heritability", "nonadditivity", "attribution"]
ANALYSES: tuple[Analysis, ...] = ("heritability", "nonadditivity", "attribution")
"""Analyses that can be switched off; predictions, evaluation and comparisons are always made."""

MARGIN = 0.02
"""Difference of mean correlations below which two predictors count as equivalent in a study."""


def _names(value: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(value, str):
        raise SettingError(f"expected a list of names, got the text {value!r}")
    return None if value is None else tuple(value)


def _known(instance: object, attribute: attrs.Attribute[tuple[Analysis, ...]], value: tuple[Analysis, ...]) -> None:
    if unknown := [name for name in value if name not in ANALYSES]:
        raise SettingError(
            f"{type(instance).__name__}: {attribute.name} may name {', '.join(ANALYSES)}, got {', '.join(unknown)}"
        )


_optional_text: Validator = validators.optional(text)


def _evaluation() -> EvaluationSettings:
    return EvaluationSettings(margin=MARGIN)


def _with_margin(settings: EvaluationSettings) -> EvaluationSettings:
    # anything that is not EvaluationSettings is refused by the validator
    if getattr(settings, "margin", MARGIN) is None:
        return attrs.evolve(settings, margin=MARGIN)
    return settings


@show_defaults
@attrs.frozen(kw_only=True)
class StudySettings:
    """What shapes the results of a study.

    Parameters
    ----------
    folds, seed, replicates
        As for `pgxeval.predict_cohort`. The seed is used everywhere in the study.
    evaluation
        How predictions are judged: measure, level, confidence, equivalence margin. A margin of None means 0.02: two
        predictors whose mean correlations differ by less count as equivalent. Its seed is that of the study.
    comparison
        How two predictors are compared at each pair: ``"intervals"``, which holds for cross-fitted predictors as well,
        or ``"bootstrap"``, the percentile bootstrap of individuals that Shen used; see
        `pgxeval.evaluation.compare_genes`.
    bootstrap_samples
        Samples of the bootstrap, at least 100.
    model, other_model
        The two zero-shot predictors of the questions: `model` is the one that all five questions are about, and
        `other_model` is the one whose directions it is compared with. None takes the first two zero-shot predictors.
    baseline
        The trained predictor that `model` is compared with over all pairs. None takes the elastic net, and any other
        trained predictor where there is none.
    analyses
        Which of `ANALYSES` to run.
    cis_variants
        Window and frequency filters of the variants for heritability and for tests of non-additivity.
    nonadditivity
        How departures from additivity are tested.
    attribution
        How effects of variants are computed; its folds and seed are those of the study.
    mechanism
        How effects of two predictors are compared.
    mechanism_margin
        In [0, 1]: `model` counts as working by a different mechanism where its predictions, rebuilt from the effects
        of variants, correlate with those of the random forest by at least this much less than those of another
        trained predictor do. In simulations (``validation/mechanism.md``) models that read the same causal variants,
        or proxies of them, stay below the default of 0.2, and models that read the weaker of two causal variants lie
        above it; a model with half of its variance from variants without effect lies at 0.26.
    split
        How individuals are divided to define strata in one half and judge predictors in the other (`SplitSettings`);
        None does not, because all trained predictors are then fitted again in both halves of every division. With it
        the question of nonlinear pairs is answered without the winner's curse.
    attributed_genes
        Identifiers of the genes whose variants get effects. None takes, in this order, the nonlinear pairs with the
        largest gain and the pairs at which most predictors are significant and right.
    max_attributed
        Largest number of gene-tissue pairs with effects if `attributed_genes` is None; 0 or more.
    top_nonlinear
        Number of pairs with the largest gain of random forest over elastic net that the report shows, without a test.

    Raises
    ------
    SettingError
        If a value is out of range.

    Examples
    --------
    >>> StudySettings(folds=3, analyses=("heritability",)).evaluation.margin
    0.02
    """

    folds: int = attrs.field(default=5, validator=whole(2))
    seed: int = attrs.field(default=0, validator=whole(0))
    replicates: int | None = attrs.field(default=None, validator=validators.optional(whole(0)))
    evaluation: EvaluationSettings = attrs.field(
        factory=_evaluation, converter=_with_margin, validator=kind(EvaluationSettings)
    )
    comparison: Method = attrs.field(default="intervals", validator=one_of("intervals", "bootstrap"))
    bootstrap_samples: int = attrs.field(default=1000, validator=whole(100))
    model: str | None = attrs.field(default=None, validator=_optional_text)
    other_model: str | None = attrs.field(default=None, validator=_optional_text)
    baseline: str | None = attrs.field(default=None, validator=_optional_text)
    analyses: tuple[Analysis, ...] = attrs.field(default=ANALYSES, converter=tuple, validator=_known)
    cis_variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants))
    nonadditivity: NonadditivitySettings = attrs.field(
        factory=NonadditivitySettings, validator=kind(NonadditivitySettings)
    )
    attribution: AttributionSettings = attrs.field(factory=AttributionSettings, validator=kind(AttributionSettings))
    mechanism: MechanismSettings = attrs.field(factory=MechanismSettings, validator=kind(MechanismSettings))
    mechanism_margin: float = attrs.field(default=0.2, validator=between(0, 1))
    split: SplitSettings | None = attrs.field(default=None, validator=validators.optional(kind(SplitSettings)))
    attributed_genes: tuple[str, ...] | None = attrs.field(default=None, converter=_names)
    max_attributed: int = attrs.field(default=50, validator=whole(0))
    top_nonlinear: int = attrs.field(default=300, validator=whole(1))
