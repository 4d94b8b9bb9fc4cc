"""Principal components of genotypes, and the test for population structure."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from pgxeval.cohort.common_variants import CommonVariants
from pgxeval.errors import SettingError

MIN_VARIANTS = 100
"""Fewest variants from which components are computed."""
SIGNIFICANT_P = 1e-3
EXPLAINED = 0.8
"""A component counts as structure below this p-value, and as adjusted for above this share of explained variance."""

# Tracy-Widom law of order 1 as a shifted gamma law (Chiani 2014, J Multivariate Anal 129:69).
_GAMMA_SHAPE, _GAMMA_SCALE, _GAMMA_SHIFT = 46.446, 0.186054, 9.84801


@attrs.frozen(kw_only=True, eq=False)
class GenotypeComponents:
    """Principal components of genotypes.

    Parameters
    ----------
    scores
        float64 DataFrame, one row per individual, columns PC1, PC2 ...; variance 1 over the individuals of
        the fit. Individuals outside the fit are projected.
    eigenvalues
        float64, descending: all eigenvalues of the relationship matrix of the individuals of the fit.
    fitted
        Individuals of the fit: a set without relatives.
    n_variants
        Number of variants used.
    """

    scores: pd.DataFrame = attrs.field(repr=False)
    eigenvalues: npt.NDArray[np.float64] = attrs.field(repr=False)
    fitted: tuple[str, ...] = attrs.field(repr=False)
    n_variants: int

    @property
    def p_values(self) -> npt.NDArray[np.float64]:
        """Tracy-Widom p-values of the components in `scores`, in their order."""
        return tracy_widom_p(self.eigenvalues, self.scores.shape[1])


def genotype_components(variants: CommonVariants, k: int, unrelated: Sequence[str]) -> GenotypeComponents:
    """Compute principal components of genotypes over unrelated individuals and project the others.

    Each variant is centred at its mean and divided by ``sqrt(2 p (1 - p))``, the standard deviation expected
    of unrelated individuals, where p is its frequency in the individuals of the fit; missing genotypes are
    replaced by the mean (Patterson et al. 2006, PLoS Genet 2:e190).

    Parameters
    ----------
    variants
        Common variants that are nearly in linkage equilibrium.
    k
        Number of components, at least 1.
    unrelated
        Individuals of the fit. Relatives in the fit would give components that describe families.

    Raises
    ------
    SettingError
        If `k` is not from 1 to the number of components that the data allow, or there are fewer than 100
        variants.
    """
    names = list(variants.individuals)
    n_variants = variants.dosages.shape[1]
    largest = min(len(unrelated) - 1, n_variants)
    if n_variants < MIN_VARIANTS:
        raise SettingError(
            f"genotype principal components need at least {MIN_VARIANTS} common variants that are nearly independent, "
            f"got {n_variants} around the genes of the cohort; compute the components from the whole genome with "
            "plink2 --pca and pass them as covariates"
        )
    if not 1 <= k <= largest:
        raise SettingError(f"k must be from 1 to {largest}, got {k}")
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place[name] for name in unrelated], dtype=np.int64)
    values = variants.dosages.astype(np.float64)
    present = np.isfinite(values)
    mean = np.nanmean(values[rows], axis=0)
    spread = np.sqrt(mean * (1 - mean / 2))
    usable = spread > 0
    scaled = np.where(present, values - mean, 0.0)[:, usable] / spread[usable]
    fitted = scaled[rows] - scaled[rows].mean(axis=0)
    eigenvalues, vectors = np.linalg.eigh(fitted @ fitted.T / fitted.shape[1])
    order = np.argsort(eigenvalues)[::-1]
    eigenvalues, vectors = eigenvalues[order], vectors[:, order[:k]]
    loadings = fitted.T @ vectors
    loadings /= np.linalg.norm(loadings, axis=0)
    loadings *= np.where(loadings[np.abs(loadings).argmax(axis=0), np.arange(k)] < 0, -1.0, 1.0)
    scores = (scaled - scaled[rows].mean(axis=0)) @ loadings
    scores /= scores[rows].std(axis=0)
    return GenotypeComponents(
        scores=pd.DataFrame(
            scores,
            index=pd.Index(names, name="individual"),
            columns=pd.Index([f"PC{i + 1}" for i in range(k)], name="covariate"),
        ),
        eigenvalues=np.clip(eigenvalues[: len(rows) - 1], 0, None),
        fitted=tuple(unrelated),
        n_variants=int(usable.sum()),
    )


def tracy_widom_p(eigenvalues: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """Return the p-value of each of the first `k` eigenvalues, given that the larger ones are real.

    The number of independent variants is estimated from the eigenvalues themselves, so that remaining linkage
    disequilibrium does not look like structure (Patterson et al. 2006, PLoS Genet 2:e190).

    Parameters
    ----------
    eigenvalues
        float64, descending: the nonzero eigenvalues of the relationship matrix of n individuals, n - 1 of them.
    k
        Number of eigenvalues to test.

    Returns
    -------
    numpy.ndarray
        float64 (k,). NaN where too few eigenvalues are left.
    """
    p = np.full(k, np.nan)
    for i in range(min(k, len(eigenvalues) - 2)):
        rest = eigenvalues[i:]
        m = len(rest)
        total, squares = rest.sum(), (rest**2).sum()
        effective = (m + 2) * total**2 / (m * squares - total**2)
        if not np.isfinite(effective) or effective <= 1:
            continue
        roots = np.sqrt(effective - 1) + np.sqrt(m)
        centre = roots**2 / effective
        scale = roots / effective * (1 / np.sqrt(effective - 1) + 1 / np.sqrt(m)) ** (1 / 3)
        statistic = (m * rest[0] / total - centre) / scale
        p[i] = scipy.stats.gamma.sf(statistic + _GAMMA_SHIFT, _GAMMA_SHAPE, scale=_GAMMA_SCALE)
    return p


def significant_count(p_values: npt.NDArray[np.float64]) -> int:
    """Return the number of leading components with p < 0.001."""
    noise = np.flatnonzero(~(p_values < SIGNIFICANT_P))
    return int(noise[0]) if len(noise) else len(p_values)


@attrs.frozen(kw_only=True, eq=False)
class StructureTest:
    """Population structure of a cohort, and whether expression and covariates follow it.

    Parameters
    ----------
    table
        One row per component: component; eigenvalue; p_value (Tracy-Widom: is the component more than
        sampling noise); explained_by_covariates, the share of its variance that the cohort's covariates
        explain; genes_associated, the share of genes whose expression, given the covariates, is correlated
        with it at p < 0.05.
    n_variants, n_regions
        Number of variants used and number of regions of 2 Mb that they come from.
    """

    table: pd.DataFrame
    n_variants: int
    n_regions: int

    @property
    def significant(self) -> pd.DataFrame:
        """Leading components with p < 0.001."""
        return self.table.iloc[: significant_count(self.table["p_value"].to_numpy())]

    @property
    def unadjusted(self) -> pd.DataFrame:
        """Significant components of which the covariates explain less than 80 %."""
        significant = self.significant
        return significant[~(significant["explained_by_covariates"] >= EXPLAINED)]

    def describe(self) -> str:
        """Describe the structure that no covariate accounts for."""
        first = self.unadjusted.iloc[0]
        return (
            f"the genotypes show population structure: {len(self.unadjusted)} principal component(s) exceed sampling "
            f"noise, of which the covariates explain less than {EXPLAINED:.0%} ({first['component']}: "
            f"{first['explained_by_covariates']:.0%}). {first['component']} is correlated with "
            f"{first['genes_associated']:.0%} of the genes at p < 0.05, expected 5% by chance"
        )

    def advice(self) -> str:
        """Return what to do about it."""
        return (
            "Predictors that follow ancestry look right at genes without any effect: pass "
            f"genotype_pcs={min(len(self.unadjusted), 5)} to Cohort.from_files, or ancestry components of the whole "
            "genome as covariates"
        )


def structure_test(
    components: GenotypeComponents,
    n_regions: int,
    expression: npt.NDArray[np.float64],
    basis: npt.NDArray[np.float64],
) -> StructureTest:
    """Test for population structure, and whether covariates account for it.

    Parameters
    ----------
    components
        Components of the cohort, one row per individual.
    n_regions
        Number of regions that the variants come from.
    expression
        float64 (n_genes, n_individuals), in the order of the components' rows.
    basis
        float64 (n_individuals, 1 + c): orthonormal basis of the intercept and the covariates.
    """
    scores = components.scores.to_numpy()
    centred = scores - scores.mean(axis=0)
    residual = scores - basis @ (basis.T @ scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = 1 - (residual**2).sum(axis=0) / (centred**2).sum(axis=0)
    k = scores.shape[1]
    table = pd.DataFrame(
        {
            "component": list(components.scores.columns),
            "eigenvalue": components.eigenvalues[:k],
            "p_value": components.p_values,
            "explained_by_covariates": explained,
            "genes_associated": [_share_associated(residual[:, i], expression, basis) for i in range(k)],
        }
    )
    return StructureTest(table=table, n_variants=components.n_variants, n_regions=n_regions)


def _share_associated(
    component: npt.NDArray[np.float64], expression: npt.NDArray[np.float64], basis: npt.NDArray[np.float64]
) -> float:
    """Return the share of genes, fully measured, that are correlated with a component given the basis."""
    complete = ~np.isnan(expression).any(axis=1)
    freedom = len(component) - basis.shape[1] - 1
    norm = np.linalg.norm(component)
    if not complete.any() or freedom < 1 or norm < 1e-9:
        return float("nan")
    values = scipy.stats.rankdata(expression[complete], axis=1)
    values = values - (values @ basis) @ basis.T
    with np.errstate(invalid="ignore", divide="ignore"):
        r = values @ component / (norm * np.linalg.norm(values, axis=1))
        t = np.abs(r) * np.sqrt(freedom / (1 - r**2))
    return float(np.mean(2 * scipy.stats.t.sf(t, freedom) < 0.05))
