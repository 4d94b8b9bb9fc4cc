"""Relatedness of individuals, estimated from common variants of the cohort's own genotypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from pgxeval.cohort.common_variants import CommonVariants
from pgxeval.errors import TableError

TWIN_KINSHIP = 2**-1.5
FIRST_DEGREE_KINSHIP = 2**-2.5
SECOND_DEGREE_KINSHIP = 2**-3.5
MIN_VARIANTS = 200
MIN_BLOCKS = 10
"""Fewest variants and regions of 2 Mb from which kinship is estimated."""

RELATED = 0.1
"""Individuals whose relationship (twice the kinship) exceeds this belong to one group."""

_LARGEST_RELATIONSHIP = 4.0
_ROWS_PER_STEP = 512
_SMALLEST_KINSHIP = 0.05
_Z = 3.0

Array = npt.NDArray[np.float32]


@attrs.frozen(kw_only=True, eq=False)
class _Indicators:
    """float32 indicators of the genotypes 0, 1 and 2 and of a known genotype, (n_individuals, n_variants)."""

    reference: Array
    heterozygous: Array
    alternative: Array
    known: Array

    @classmethod
    def of(cls, dosages: Array) -> _Indicators:
        called = np.round(dosages)
        return cls(
            reference=(called == 0).astype(np.float32),
            heterozygous=(called == 1).astype(np.float32),
            alternative=(called == 2).astype(np.float32),
            known=np.isfinite(called).astype(np.float32),
        )

    def king(self, rows: npt.NDArray[np.int64]) -> Array:
        """Return KING-robust kinship of the individuals `rows` with all, float32 (n_rows, n_individuals)."""
        het = self.heterozygous[rows]
        homozygous = self.reference + self.alternative
        opposite = self.reference[rows] @ self.alternative.T + self.alternative[rows] @ self.reference.T
        one_step = het @ homozygous.T + homozygous[rows] @ self.heterozygous.T
        fewer = np.minimum(het @ self.known.T, self.known[rows] @ self.heterozygous.T)
        with np.errstate(invalid="ignore", divide="ignore"):
            kinship: Array = (0.5 - (4 * opposite + one_step) / (4 * fewer)).astype(np.float32)
        return kinship


def king_kinship(dosages: Array) -> npt.NDArray[np.float64]:
    """Return KING-robust kinship of all pairs.

    The estimator compares two individuals only with each other, so that differences of allele frequency
    between populations do not make members of one population look related (Manichaikul et al. 2010,
    Bioinformatics 26:2867, formula 11). Members of different populations get negative values.

    Parameters
    ----------
    dosages
        float32 (n_individuals, n_variants), 0 to 2, rounded to genotypes; NaN where missing.

    Returns
    -------
    numpy.ndarray
        float64 (n_individuals, n_individuals), symmetric: 0.5 on the diagonal and for identical genomes, about
        0.25 for parents, children and siblings, 0.125 for second-degree relatives, 0 for unrelated
        individuals. NaN where one of two individuals has no heterozygous genotype.
    """
    indicators = _Indicators.of(dosages)
    steps = [indicators.king(rows) for rows in _steps(len(dosages))]
    return np.concatenate(steps).astype(np.float64) if steps else np.empty((0, 0))


def _steps(n: int) -> list[npt.NDArray[np.int64]]:
    return [np.arange(begin, min(begin + _ROWS_PER_STEP, n)) for begin in range(0, n, _ROWS_PER_STEP)]


def can_estimate(variants: CommonVariants) -> bool:
    """Return whether there are enough variants in enough regions to estimate kinship."""
    return variants.dosages.shape[1] >= MIN_VARIANTS and variants.n_blocks >= MIN_BLOCKS


def find_relatives(variants: CommonVariants, min_kinship: float = FIRST_DEGREE_KINSHIP) -> pd.DataFrame:
    """Find pairs of individuals that are more closely related than chance can explain.

    Kinship is estimated by KING-robust. A pair is reported if its kinship is at least `min_kinship` and also
    exceeds half of that value by three standard errors of a jackknife over regions of 2 Mb (more by Student's t
    where regions are few): from few regions, unrelated individuals who share a segment would otherwise be reported.

    Parameters
    ----------
    variants
        Common variants.
    min_kinship
        Smallest kinship to report; the default is the usual bound between first and second degree, 0.177.

    Returns
    -------
    pandas.DataFrame
        One row per pair, the closest first: individual_a, individual_b (str), kinship, kinship_se (float64)
        and relationship ("same genome": duplicate or identical twin, "first degree", "second degree",
        "distant"). Empty where there are fewer than 200 variants or 10 regions.
    """
    columns = ["individual_a", "individual_b", "kinship", "kinship_se", "relationship"]
    pairs: list[tuple[int, int]] = []
    if can_estimate(variants):
        indicators = _Indicators.of(variants.dosages)
        for rows in _steps(len(variants.individuals)):
            first, second = np.nonzero(indicators.king(rows) >= min_kinship)
            pairs += [(int(rows[i]), int(j)) for i, j in zip(first, second, strict=True) if rows[i] < j]
    names = variants.individuals
    quantile = float(scipy.stats.t.isf(scipy.stats.norm.sf(_Z), max(variants.n_blocks - 1, 1)))
    table = []
    for (i, j), (kinship, error) in zip(pairs, _jackknife(variants, pairs), strict=True):
        if kinship - quantile * error > min_kinship / 2:
            table.append((names[i], names[j], kinship, error, degree(kinship)))
    pairs_table = pd.DataFrame(table, columns=columns)
    return pairs_table.sort_values(
        ["kinship", "individual_a", "individual_b"], ascending=[False, True, True]
    ).reset_index(drop=True)


def _jackknife(variants: CommonVariants, pairs: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return kinship and its delete-one-block standard error of each pair."""
    blocks = variants.blocks
    n_blocks = variants.n_blocks
    results = []
    called = np.round(variants.dosages)
    for i, j in pairs:
        a, b = called[i], called[j]
        finite = np.isfinite(a) & np.isfinite(b)

        sums = [
            np.bincount(blocks[finite], weights=values[finite], minlength=n_blocks)
            for values in ((a - b) ** 2, a == 1, b == 1)
        ]
        parts = np.array(sums, dtype=np.float64)
        total = parts.sum(axis=1)
        kinship = 0.5 - total[0] / (4 * min(total[1:]))
        without = total[:, None] - parts
        with np.errstate(invalid="ignore", divide="ignore"):
            others = 0.5 - without[0] / (4 * np.minimum(without[1], without[2]))
        others = others[np.isfinite(others)]
        m = len(others)
        error = np.sqrt((m - 1) / m * ((others - others.mean()) ** 2).sum()) if m > 1 else np.inf
        results.append((float(kinship), float(error)))
    return results


def degree(kinship: float) -> str:
    """Return the usual name of a kinship coefficient (bounds of KING: 0.354, 0.177, 0.0884)."""
    if kinship >= TWIN_KINSHIP:
        return "same genome"
    if kinship >= FIRST_DEGREE_KINSHIP:
        return "first degree"
    return "second degree" if kinship >= SECOND_DEGREE_KINSHIP else "distant"


def clusters(individuals: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the group of each individual: connected components of `pairs`.

    A group has the name of its first member in alphabetical order, so that an individual without relatives
    is a group of one under the individual's name.

    Examples
    --------
    >>> clusters(["a", "b", "c", "d"], [("c", "b"), ("c", "d")])
    {'a': 'a', 'b': 'b', 'c': 'b', 'd': 'b'}
    """
    leader = {name: name for name in individuals}

    def top(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for a, b in pairs:
        low, high = sorted((top(a), top(b)))
        leader[high] = low
    return {name: top(name) for name in individuals}


def unrelated_individuals(individuals: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return a large set of individuals without any pair of relatives, in the order of `individuals`.

    The individual with the most remaining relatives is removed until no pair is left; among equals, the last
    one in alphabetical order.
    """
    relatives: dict[str, set[str]] = {}
    for a, b in pairs:
        relatives.setdefault(a, set()).add(b)
        relatives.setdefault(b, set()).add(a)
    removed: set[str] = set()
    while relatives:
        worst = max(relatives, key=lambda name: (len(relatives[name]), name))
        removed.add(worst)
        for other in relatives.pop(worst):
            relatives[other].discard(worst)
            if not relatives[other]:
                del relatives[other]
    return tuple(name for name in individuals if name not in removed)


def pc_relate_kinship(
    dosages: Array, components: npt.NDArray[np.float64], rows_of_fit: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return kinship given ancestry, from individual allele frequencies predicted by genotype components.

    Unlike KING-robust, the estimator is not biased by admixture and covers pairs from different populations
    (PC-Relate; Conomos et al. 2016, Am J Hum Genet 98:127).

    Parameters
    ----------
    dosages
        float32 (n_individuals, n_variants), NaN where missing.
    components
        float64 (n_individuals, k): genotype principal components; k may be 0.
    rows_of_fit
        Rows of unrelated individuals, over whom the regressions are fitted.

    Returns
    -------
    numpy.ndarray
        float64 (n_individuals, n_individuals), symmetric. The diagonal estimates (1 + F) / 2, where F is the
        inbreeding coefficient.
    """
    design = np.hstack([np.ones((len(dosages), 1)), components])
    present = np.isfinite(dosages)
    mean = np.nanmean(dosages[rows_of_fit], axis=0)
    filled = np.where(present, dosages, mean).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(design[rows_of_fit], filled[rows_of_fit], rcond=None)
    frequency = design @ coefficients / 2
    usable = present & (frequency > 0.01) & (frequency < 0.99)
    residual = np.where(usable, filled - 2 * frequency, 0.0)
    spread = np.where(usable, np.sqrt(np.clip(frequency * (1 - frequency), 0, None)), 0.0)
    kinship: npt.NDArray[np.float64] = residual @ residual.T / (4 * spread @ spread.T)
    return kinship


def relationship_matrix(variants: CommonVariants, components: pd.DataFrame, unrelated: Sequence[str]) -> pd.DataFrame:
    """Estimate the relationship matrix (twice the kinship) given ancestry.

    Entries of pairs whose kinship is below 0.05, or below four times its sampling error, are set to 0, and the
    diagonal to 1, so that the matrix is sparse and describes recent relatives only. Where the result is
    not positive semidefinite, negative eigenvalues are set to 0.

    Parameters
    ----------
    variants
        Common variants.
    components
        Genotype principal components, one row per individual.
    unrelated
        Individuals over whom allele frequencies are fitted.

    Returns
    -------
    pandas.DataFrame
        float64, one row and one column per individual.
    """
    names = list(variants.individuals)
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place[name] for name in unrelated], dtype=np.int64)
    kinship = pc_relate_kinship(variants.dosages, components.loc[names].to_numpy(), rows)
    floor = max(_SMALLEST_KINSHIP, 4 * _sampling_error(kinship))
    matrix = np.where(kinship >= floor, 2 * kinship, 0.0)
    np.fill_diagonal(matrix, 1.0)
    return pd.DataFrame(nearest_semidefinite(np.clip(matrix, 0, 1)), index=names, columns=names)


def check_relationship(matrix: pd.DataFrame, individuals: Sequence[str]) -> None:
    """Check a relationship matrix.

    Raises
    ------
    TableError
        If rows and columns are not `individuals` in their order, a value is missing or not from -1 to 4, or the
        matrix is not symmetric.
    """
    if tuple(matrix.index) != tuple(individuals) or tuple(matrix.columns) != tuple(individuals):
        raise TableError(
            f"relationship: rows ({len(matrix.index)}) and columns ({len(matrix.columns)}) must be the "
            f"{len(individuals)} individuals of the cohort in their order"
        )
    values = matrix.to_numpy()
    if not np.isfinite(values).all() or np.abs(values).max() > _LARGEST_RELATIONSHIP:
        raise TableError("relationship: expected twice the kinship coefficients, finite and from 0 to about 1")
    if not np.allclose(values, values.T, atol=1e-6):
        raise TableError("relationship: the matrix is not symmetric")


def related_groups(matrix: pd.DataFrame, threshold: float = RELATED) -> dict[str, str]:
    """Return groups of individuals connected by relationships above `threshold`."""
    names = [str(name) for name in matrix.index]
    first, second = np.nonzero(np.triu(matrix.to_numpy() > threshold, 1))
    return clusters(names, [(names[i], names[j]) for i, j in zip(first, second, strict=True)])


def _sampling_error(kinship: npt.NDArray[np.float64]) -> float:
    """Return the spread of the kinship of unrelated pairs: most pairs are, so half of an interquartile range."""
    above = kinship[np.triu_indices(len(kinship), 1)]
    low, high = np.quantile(above, [0.25, 0.75]) if above.size else (0.0, 0.0)
    return float((high - low) / 1.349)


def nearest_semidefinite(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a symmetric matrix without negative eigenvalues and with the same diagonal."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= -1e-10:
        return matrix
    repaired = (vectors * np.clip(values, 0, None)) @ vectors.T
    scale = np.sqrt(np.diag(matrix) / np.diag(repaired))
    scaled: npt.NDArray[np.float64] = repaired * scale * scale[:, None]
    return scaled


def describe_relatives(relatives: pd.DataFrame, groups: Mapping[str, str] | None = None) -> str:
    """Describe the pairs of relatives that are not in one group; empty where there is none."""
    if groups is not None:
        together = relatives["individual_a"].map(groups) == relatives["individual_b"].map(groups)
        relatives = relatives[~together]
    if relatives.empty:
        return ""
    counts = relatives["relationship"].value_counts(sort=False)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    pairs = [
        f"{row.individual_a} and {row.individual_b} (kinship {row.kinship:.2f})"
        for row in relatives.head(5).itertuples()
    ]
    more = f" and {len(relatives) - 5} more" if len(relatives) > 5 else ""
    return f"{len(relatives)} pair(s) of individuals are closely related ({kinds}): {'; '.join(pairs)}{more}"
