"""Confounding: the same predictions judged with and without components of the genotypes or of the expression.

Where individuals differ in ancestry, expression and a prediction that follows ancestry are correlated at genes at which
no variant has an effect. A reader should see how much of a result depends on the adjustment, so both analyses are
reported. The same holds for hidden factors of expression, where the cohort adjusts for them. Only the evaluation
changes: predictions are those of the table, trained with the covariates of the cohort.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.tables import STRUCTURE

WITHOUT = "without genotype components"
WITHOUT_EXPRESSION = "without expression components"


@attrs.frozen(kw_only=True, eq=False)
class Adjustment:
    """Measured expression with another adjustment for ancestry than the main analysis has.

    Parameters
    ----------
    target
        Expression, with the other covariates.
    main, other
        What the main analysis and this one are called.
    """

    target: MeasuredExpression
    main: str
    other: str


def other_adjustment(target: MeasuredExpression) -> Adjustment | None:
    """Return the analysis without components if the covariates have them, or else the one with them.

    Returns
    -------
    Adjustment or None
        Of genotype components where population structure was found; otherwise without the expression components that
        the covariates have; None without either.
    """
    if target.components is None:
        return _without_expression(target)
    n, names = len(target.individuals), target.covariate_names
    design = np.empty((n, 0)) if target.covariates is None else target.covariates
    adjusted = np.array([_is_one_of(column, target.components) for column in design.T], dtype=bool)
    if adjusted.any():
        rest = design[:, ~adjusted]
        return Adjustment(
            target=attrs.evolve(
                target,
                covariates=rest if rest.shape[1] else None,
                covariate_names=tuple(name for name, one in zip(names, adjusted, strict=True) if not one),
            ),
            main=_with(int(adjusted.sum())),
            other=WITHOUT,
        )
    count = target.components.shape[1]
    return Adjustment(
        target=attrs.evolve(
            target,
            covariates=np.hstack([design, target.components]),
            covariate_names=(*names, *(f"PC{k + 1}" for k in range(count))),
        ),
        main=WITHOUT,
        other=_with(count),
    )


def _without_expression(target: MeasuredExpression) -> Adjustment | None:
    learned = np.isin(target.covariate_names, target.expression_components)
    if target.covariates is None or not learned.any():
        return None
    rest = target.covariates[:, ~learned]
    return Adjustment(
        target=attrs.evolve(
            target,
            covariates=rest if rest.shape[1] else None,
            covariate_names=tuple(name for name in target.covariate_names if name not in target.expression_components),
            expression_components=(),
        ),
        main=_with(int(learned.sum()), "expression"),
        other=WITHOUT_EXPRESSION,
    )


def structure_table(main: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Put two summaries over all genes next to each other.

    Parameters
    ----------
    main, other
        Rows of the summary table, one per predictor.
    names
        What the two analyses are called.
    """
    parts = [
        table.assign(adjustment=name, main=name == names[0]) for table, name in zip((main, other), names, strict=True)
    ]
    both = pd.concat(parts, ignore_index=True)
    order = {name: k for k, name in enumerate(dict.fromkeys(both["predictor"]))}
    both = both.sort_values("predictor", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return both[list(STRUCTURE)]


def _is_one_of(column: npt.NDArray[np.float64], components: npt.NDArray[np.float64]) -> bool:
    return bool(np.isclose(components, column[:, None], rtol=1e-9, atol=1e-12).all(axis=0).any())


def _with(count: int, of: str = "genotype") -> str:
    return f"with {count} {of} component{'s' if count > 1 else ''}"
