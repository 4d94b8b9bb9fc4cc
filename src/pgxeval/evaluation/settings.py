"""EvaluationSettings: how predictions are judged; one frozen class for one tissue and for several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs import validators

from pgxeval.checks import between, one_of, text, whole

Measure = Literal["spearman", "pearson"]
ZeroShotInference = Literal["automatic", "textbook", "permutation"]

MEASURES: tuple[Measure, ...] = ("spearman", "pearson")
MEASURE_NAMES: Mapping[Measure, str] = {"spearman": "Spearman's rho", "pearson": "Pearson's r"}
"""What headings, axes and sentences call each measure."""
MEASURE_SYMBOLS: Mapping[Measure, str] = {"spearman": "ρ", "pearson": "r"}
"""The same where a cell has no room for a name."""


def measure_of(settings: Mapping[str, Any]) -> Measure:
    """Return the measure that the recorded settings of an evaluation name."""
    return "pearson" if settings.get("measure") == "pearson" else "spearman"


@attrs.frozen(kw_only=True)
class EvaluationSettings:
    """How predictions are judged.

    Parameters
    ----------
    measure
        Correlation of predicted and measured expression that directions, p-values, shares, odds ratios, comparisons,
        strata and null distributions are made of: ``"spearman"`` or ``"pearson"``. Both are in the per_gene table.
    seed
        Seed of the label permutations. If a cross-fitted predictor of the table records a seed, that one is used
        instead, so that references of pairs are joint.
    confidence
        Level of the intervals, between 0 and 1.
    level
        Level of significance for q-values, in the strata and in counts, between 0 and 1.
    margin
        Difference of mean correlations below which two predictors count as equivalent; None tests no equivalence.
    block_bp
        Length of the genomic blocks of the jackknife. None uses two and a half times the widest cis window or context
        recorded for the predictors, at least 1 Mb, and 5 Mb where a window is not recorded.
    permutations
        Joint label permutations, the reference of zero-shot predictors. None uses 200 for cohorts of up to half a
        million measured values and fewer for larger ones, at least 20, at least ``ceil(1000 / n_genes)`` and at least
        as many as the table has replicates.
    zero_shot_inference
        p-values of zero-shot predictors: ``"automatic"`` (robust standard error of each gene; permutations of the
        gene where few individuals differ), ``"textbook"`` (Student's t on n - 2 - c degrees of freedom) or
        ``"permutation"`` (of each gene).
    elastic_net, random_forest
        Names of the two predictors that define strata.

    Raises
    ------
    SettingError
        If a value is out of range; the message names the setting.

    Examples
    --------
    >>> EvaluationSettings(measure="pearson", margin=0.02).measure_name
    "Pearson's r"
    """

    measure: Measure = attrs.field(default="spearman", validator=one_of(*MEASURES))
    seed: int = attrs.field(default=0, validator=whole(0))
    confidence: float = attrs.field(default=0.95, validator=between(0, 1, above=True, below=True))
    level: float = attrs.field(default=0.05, validator=between(0, 1, above=True, below=True))
    margin: float | None = attrs.field(default=None, validator=validators.optional(between(0, above=True)))
    block_bp: int | None = attrs.field(default=None, validator=validators.optional(whole(1)))
    permutations: int | None = attrs.field(default=None, validator=validators.optional(whole(0)))
    zero_shot_inference: ZeroShotInference = attrs.field(
        default="automatic", validator=one_of("automatic", "textbook", "permutation")
    )
    elastic_net: str = attrs.field(default="elastic_net", validator=text)
    random_forest: str = attrs.field(default="random_forest", validator=text)

    @property
    def measure_name(self) -> str:
        """What headings and sentences call the measure."""
        return MEASURE_NAMES[self.measure]
