"""Per-variant effects of any predictor on the variants of a cohort."""

from pgxeval.attribution.attribute import EFFECT_COLUMNS, AttributionSettings, attribute
from pgxeval.attribution.marginal import marginal_predictions
from pgxeval.attribution.substitution import SubstitutedGenotypes

__all__ = ["EFFECT_COLUMNS", "AttributionSettings", "SubstitutedGenotypes", "attribute", "marginal_predictions"]


def __dir__() -> list[str]:
    return sorted(__all__)
