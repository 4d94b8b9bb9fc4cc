"""Standard errors of correlations that hold for any joint distribution with enough moments.

The influence of individual i on the correlation r of two rows x and y, residualised and of unit length, is
``w_i = x_i y_i - r (x_i**2 + y_i**2) / 2`` (Devlin, Gnanadesikan and Kettenring 1975, Biometrika 62:531), and
``sum(w_i**2)`` estimates the variance of r. For ranks the same formula is applied to the ranks. Three
corrections for small samples:

* ``n / (n - q)``, q being the rank of the intercept, the covariates and the folds;
* ``w_i**2`` is divided by ``(1 - 3/4 x_i**2) (1 - 3/4 y_i**2)``, because under independence the expectation of the
  sum falls short by three quarters of ``sum(x_i**4) + sum(y_i**4)`` (the analogue of HC2, MacKinnon and White 1985,
  J Econom 29:305);
* Student's t on ``2 V**2 / Var(V)`` degrees of freedom (Satterthwaite 1946, Biometrics Bull 2:110), where V is the sum,
  so that an interval that rests on a few individuals is wider.

With relatives the influences are added up within families first (Liang and Zeger 1986, Biometrika 73:13).
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PERFECT = 1 - 1e-12


@attrs.frozen(kw_only=True, eq=False)
class StandardErrors:
    """Standard errors of correlations on the scale of Fisher's z.

    Parameters
    ----------
    se
        float64 (n_rows,): standard error of ``atanh(r)``; 0 for a perfect correlation, NaN where undefined.
    df
        float64 (n_rows,): degrees of freedom of `se`, at most those of the correlation.
    """

    se: Floats
    df: Floats


def influence_standard_errors(
    x: Floats,
    y: Floats,
    n: Ints,
    parameters: Ints,
    *,
    factor: Floats | None = None,
    groups: npt.NDArray[np.integer] | None = None,
) -> tuple[Floats, StandardErrors]:
    """Return correlations of rows and their standard errors.

    Parameters
    ----------
    x, y
        float64 (n_rows, n_individuals): residuals of unit length, 0 where missing.
    n
        int64 (n_rows,): individuals in use.
    parameters
        int64 (n_rows,): rank of what both sides were residualised on, the intercept included.
    factor
        float64 (n_rows,): the correlation is ``factor * sum(x * y)``; None means 1.
    groups
        int (n_individuals,): codes of the families from 0; None for unrelated individuals.

    Returns
    -------
    tuple
        Correlations, float64 (n_rows,), clipped to [-1, 1], and their `StandardErrors`.
    """
    from pgxeval.evaluation.correlation_kernel import influences

    cosine, total, squares = np.empty((3, len(x)))
    influences(np.ascontiguousarray(x), np.ascontiguousarray(y), cosine, total, squares)
    scale = np.ones(len(x)) if factor is None else factor
    r = np.clip(scale * cosine, -1.0, 1.0)
    units = n.astype(np.float64)
    free = np.maximum(n - parameters, 1)
    small_sample = units / free
    if groups is not None:
        x2, y2 = x * x, y * y
        w = (x * y - (cosine / 2)[:, None] * (x2 + y2)) / np.sqrt((1 - 0.75 * x2) * (1 - 0.75 * y2))
        member = np.zeros((x.shape[1], int(groups.max()) + 1))
        member[np.arange(x.shape[1]), groups] = 1.0
        u = (w @ member) ** 2
        total, squares = u.sum(axis=1), np.einsum("ij,ij->i", u, u)
        units = ((x != 0) @ member > 0).sum(axis=1).astype(np.float64)
        small_sample = units / np.maximum(units - 1, 1) * (n - 1) / free
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = squares - total**2 / units
        df = np.where(spread > 0, 2 * total**2 / spread, np.inf)
        se = scale * np.sqrt(total * small_sample) / ((1 - r) * (1 + r))
    se[np.abs(r) >= PERFECT] = 0.0
    se[n <= parameters + 1] = np.nan
    return r, StandardErrors(se=se, df=np.minimum(df, np.maximum(np.minimum(free, units) - 1, 1)))
