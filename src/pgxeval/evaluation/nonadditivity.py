"""Direct tests of a nonlinear relation between genotype and expression at one gene, without any predictor.

Three alternatives are tested against the additive model: dominance at the leading variants, products of leading
variants, and a variance component of all pairwise products. Strata of random forest against elastic net find genes
that a forest can predict; these tests find departures from additivity even where no predictor profits. An untyped
causal variant can look like an interaction of its proxies (Wood et al., Nature 514:E3, 2014), so products of variants
in weak linkage are not tested.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import scipy

from pgxeval.checks import between, whole
from pgxeval.errors import TableError
from pgxeval.evaluation.inference import exceedance_p

Floats = npt.NDArray[np.float64]

FEW_INDIVIDUALS = "fewer than 20 individuals"
NO_VARIANT = "no variant with a dosage that varies"


@attrs.frozen(kw_only=True)
class NonadditivitySettings:
    """How departures from additivity are tested.

    Parameters
    ----------
    leads
        Largest number of leading variants: forward selection on the additive association.
    lead_p
        A further leading variant must be associated with at most this p-value given the earlier ones; the first one is
        always taken.
    lead_r2
        Largest squared correlation between leading variants, so that products are not proxies of an untyped variant.
    permutations
        Permutations of the residuals of the additive model, at least 19.
    """

    leads: int = attrs.field(default=3, validator=whole(1))
    lead_p: float = attrs.field(default=1e-4, validator=between(0, 1))
    lead_r2: float = attrs.field(default=0.01, validator=between(0, 1))
    permutations: int = attrs.field(default=999, validator=whole(19))


@attrs.frozen(kw_only=True)
class Nonadditivity:
    """Tests of departures from the additive model at one gene.

    Parameters
    ----------
    leads
        Columns of the leading variants.
    dominance_p
        p-value of the largest dominance deviation at the leading variants, over all of them.
    interaction_p
        p-value of the largest product of two leading variants; NaN with fewer than two.
    pairwise_p
        p-value of the variance component of all pairwise products, given the additive one.
    p_value
        The three combined by the Cauchy combination test (Liu and Xie, J Am Stat Assoc 115:393, 2020).
    reason
        Why everything is NaN; empty where it is not.
    """

    leads: tuple[int, ...] = ()
    dominance_p: float = float("nan")
    interaction_p: float = float("nan")
    pairwise_p: float = float("nan")
    p_value: float = float("nan")
    reason: str = ""


def nonadditivity(
    expression: npt.ArrayLike,
    dosages: npt.ArrayLike,
    basis: npt.ArrayLike | None = None,
    *,
    settings: NonadditivitySettings | None = None,
    seed: int = 0,
) -> Nonadditivity:
    """Test dominance, products of leading variants, and the pairwise variance component at one gene.

    Parameters
    ----------
    expression
        float64 (n_individuals,), finite.
    dosages
        float64 (n_individuals, n_variants), without missing values.
    basis
        float64 (n_individuals, 1 + c): orthonormal basis of intercept and covariates
        (`pgxeval.cohort.covariate_basis`); None for the intercept alone.
    settings
        `NonadditivitySettings`.
    seed
        Seed of the permutations.

    Notes
    -----
    Residuals of the additive model are permuted (Freedman and Lane, J Bus Econ Stat 1:292, 1983), and the largest
    statistic of each kind is compared with the largest one of each permutation, which corrects for the number of
    terms.

    Raises
    ------
    TableError
        If shapes do not match or a value is not finite.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> dosages = random.binomial(2, 0.4, size=(300, 12)).astype(float)
    >>> overdominant = (dosages[:, 0] == 1) + 0.5 * random.normal(size=300)
    >>> nonadditivity(overdominant, dosages).dominance_p < 0.05
    True
    """
    settings = NonadditivitySettings() if settings is None else settings
    y, matrix = np.asarray(expression, dtype=np.float64), np.asarray(dosages, dtype=np.float64)
    if y.ndim != 1 or matrix.ndim != 2 or matrix.shape[0] != y.size:
        raise TableError(
            f"expression and dosages must have the same individuals, got shapes {y.shape} and {matrix.shape}"
        )
    if not (np.isfinite(y).all() and np.isfinite(matrix).all()):
        raise TableError("expression and dosages must be finite; drop individuals or impute missing dosages")
    if y.size < 20:
        return Nonadditivity(reason=FEW_INDIVIDUALS)
    q = np.full((y.size, 1), y.size**-0.5) if basis is None else np.asarray(basis, dtype=np.float64)
    matrix = matrix[:, matrix.std(axis=0) > 0]
    if not matrix.shape[1]:
        return Nonadditivity(reason=NO_VARIANT)
    random = np.random.default_rng(seed)
    residual = y - q @ (q.T @ y)
    leads = _leads(residual, matrix, q, settings)
    additive = _orthonormal(np.column_stack([q, matrix[:, leads]]))
    error = y - additive @ (additive.T @ y)
    order = np.array([random.permutation(y.size) for _ in range(settings.permutations)])
    errors = np.vstack([error, error[order]])
    heterozygous = (np.abs(matrix[:, leads] - 1) < 0.5).astype(np.float64)
    pairs = [(i, j) for at, i in enumerate(leads) for j in leads[at + 1 :]]
    products = np.column_stack([matrix[:, i] * matrix[:, j] for i, j in pairs]) if pairs else np.zeros((y.size, 0))
    dominance = _largest_p(errors, heterozygous, additive)
    interaction = _largest_p(errors, products, additive)
    pairwise = _pairwise_p(y, matrix, q, settings.permutations, random)
    return Nonadditivity(
        leads=tuple(leads),
        dominance_p=dominance,
        interaction_p=interaction,
        pairwise_p=pairwise,
        p_value=cauchy_combination([dominance, interaction, pairwise]),
    )


def cauchy_combination(p_values: npt.ArrayLike) -> float:
    """Combine p-values that may depend on each other; undefined ones are ignored, NaN if none is defined.

    Examples
    --------
    >>> round(cauchy_combination([0.01, 0.01]), 6), cauchy_combination([float("nan")])
    (0.01, nan)
    """
    p = np.asarray(p_values, dtype=np.float64)
    p = p[~np.isnan(p)]
    if not p.size:
        return float("nan")
    return float(scipy.stats.cauchy.sf(np.mean(1 / np.tan(np.pi * np.clip(p, 1e-15, 1 - 1e-15)))))


def _leads(residual: Floats, matrix: Floats, q: Floats, settings: NonadditivitySettings) -> list[int]:
    columns = matrix - q @ (q.T @ matrix)
    leads: list[int] = []
    allowed = np.ones(matrix.shape[1], dtype=bool)
    while len(leads) < settings.leads:
        norms = np.linalg.norm(columns, axis=0)
        usable = allowed & (norms > 1e-9 * np.sqrt(residual.size))
        if not usable.any():
            break
        r = np.zeros(norms.size)
        r[usable] = residual @ columns[:, usable] / (norms[usable] * np.linalg.norm(residual))
        best = int(np.argmax(np.abs(r)))
        df = residual.size - q.shape[1] - len(leads) - 1
        t = abs(r[best]) * np.sqrt(df / max(1 - r[best] ** 2, 1e-12))
        if leads and 2 * scipy.stats.t.sf(t, df) > settings.lead_p:
            break
        leads.append(best)
        with np.errstate(invalid="ignore", divide="ignore"):
            centred = matrix - matrix.mean(axis=0)
            linkage = (centred.T @ centred[:, best]) ** 2 / ((centred**2).sum(axis=0) * (centred[:, best] ** 2).sum())
        allowed &= linkage <= settings.lead_r2
        unit = columns[:, best] / norms[best]
        residual = residual - unit * (unit @ residual)
        columns = columns - np.outer(unit, unit @ columns)
    return leads


def _orthonormal(design: Floats) -> Floats:
    left, singular, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, singular > 1e-10 * singular[0]])


def _largest_p(errors: Floats, terms: Floats, additive: Floats) -> float:
    """Return the permutation p-value of the largest |t| of terms; the first row of errors is the observed one."""
    terms = terms - additive @ (additive.T @ terms)
    norms = np.linalg.norm(terms, axis=0)
    terms = terms[:, norms > 1e-6 * np.sqrt(terms.shape[0])]
    if not terms.shape[1]:
        return float("nan")
    terms = terms / np.linalg.norm(terms, axis=0)
    errors = errors - (errors @ additive) @ additive.T
    r2 = (errors @ terms) ** 2 / (errors**2).sum(axis=1)[:, None]
    largest = r2.max(axis=1)
    return float(exceedance_p(largest[0], largest[1:]))


def _pairwise_p(y: Floats, matrix: Floats, q: Floats, permutations: int, random: np.random.Generator) -> float:
    """Test the variance component of pairwise products, given the additive component, on whitened residuals."""
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    additive = standard @ standard.T / standard.shape[1]
    left = np.linalg.svd(q, full_matrices=True)[0][:, q.shape[1] :]  # what intercept and covariates leave
    values, vectors = np.linalg.eigh(left.T @ additive @ left)
    values = np.maximum(values, 0)
    rotated = vectors.T @ (left.T @ y)
    share = _additive_share(rotated, values)
    whitening = 1 / np.sqrt(share * values + (1 - share))
    white = rotated * whitening
    pairwise = left.T @ (additive**2) @ left
    kernel = whitening[:, None] * (vectors.T @ pairwise @ vectors) * whitening
    # of the pairwise kernel only what the additive one does not explain is tested
    null = np.diag(values * whitening**2)
    for one in (null, np.diag(whitening**2)):
        kernel = kernel - one * float((kernel * one).sum() / (one * one).sum())
    order = np.array([random.permutation(white.size) for _ in range(permutations)])
    rows = np.vstack([white, white[order]])
    statistic = np.einsum("ij,ij->i", rows @ kernel, rows)
    return float(exceedance_p(statistic[0], statistic[1:]))


def _additive_share(rotated: Floats, values: Floats) -> float:
    """Return the additive variance share in [0, 0.99] that maximises the restricted likelihood, on a grid."""
    shares = np.linspace(0, 0.99, 100)
    spread = shares[:, None] * values + (1 - shares[:, None])
    scale = (rotated**2 / spread).mean(axis=1)
    likelihood = -0.5 * (np.log(spread).sum(axis=1) + rotated.size * np.log(scale))
    return float(shares[int(np.argmax(likelihood))])
