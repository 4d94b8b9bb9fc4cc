"""Whether two predictors rely on the same variants: agreement of their per-variant effects at one gene.

Linked variants share their effects in unpredictable ways: elastic net picks one of several proxies, a forest
spreads its effect over all of them. Effects are therefore compared up to linkage, and each statistic against a
null that keeps the linkage: random signs per clump of dependent variants for statistics with a direction, and
rotation along the genome for the overlap of the leading variants. Simulated (`validation/mechanism`), the
p-values hold for predictors that use different causal variants.
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

NO_EFFECT = "no effect at any variant"
FEW_VARIANTS = "fewer than 3 variants with a dosage that varies"


@attrs.frozen(kw_only=True)
class MechanismSettings:
    """How effects are compared.

    Parameters
    ----------
    top
        Number of leading variants of each predictor whose overlap is counted.
    linked_r2
        Squared correlation of dosages, in (0, 1], from which two variants count as one.
    dependent_r2
        Squared correlation from which two variants get the same sign in a draw of the null. It is lower than
        `linked_r2`, because effects that are spread over weakly linked variants agree by chance as well.
    draws
        Draws of each null, at least 19.
    """

    top: int = attrs.field(default=10, validator=whole(1))
    linked_r2: float = attrs.field(default=0.8, validator=between(0, 1, above=True))
    dependent_r2: float = attrs.field(default=0.1, validator=between(0, 1, above=True))
    draws: int = attrs.field(default=999, validator=whole(19))


@attrs.frozen(kw_only=True)
class Agreement:
    """Agreement of two predictors' effects at one gene.

    Parameters
    ----------
    variants
        Number of variants compared: those whose dosage varies.
    clumps
        Number of clumps of dependent variants among them, which get independent signs in the null.
    rank_correlation, rank_p
        Spearman correlation of the two effects per standard deviation of dosage, and its two-sided p-value from random
        signs per clump.
    prediction_correlation, prediction_p
        Pearson correlation over individuals of the predictions that the two vectors of effects imply, and its two-sided
        p-value from random signs per clump. With k clumps that have an effect in both it cannot be below 2**(1 - k).
    overlap, overlap_p
        Share of the leading variants of the first predictor that are linked to a leading variant of the second; the
        p-value is one-sided, from rotations of the second predictor's effects along the genome, by at least a tenth
        of the window.
    reason
        Why the statistics are NaN; empty where they are not.
    """

    variants: int
    clumps: int
    rank_correlation: float = float("nan")
    rank_p: float = float("nan")
    prediction_correlation: float = float("nan")
    prediction_p: float = float("nan")
    overlap: float = float("nan")
    overlap_p: float = float("nan")
    reason: str = ""


def linkage_r2(dosages: Floats) -> Floats:
    """Return squared correlations of dosage columns, float64 (n_variants, n_variants); 0 for a constant column."""
    centred = dosages - dosages.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    return np.asarray((unit.T @ unit) ** 2)


def clumps_of(importance: Floats, r2: Floats, linked_r2: float) -> npt.NDArray[np.int64]:
    """Assign variants to clumps: the most important unassigned variant takes all unassigned ones that are linked to it.

    Parameters
    ----------
    importance
        float64 (n_variants,), larger is more important; ties go to the earlier variant.
    r2
        float64 (n_variants, n_variants), from `linkage_r2`.
    linked_r2
        Threshold.

    Returns
    -------
    numpy.ndarray
        int64 (n_variants,): the index variant of each variant's clump.

    Examples
    --------
    >>> r2 = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]])
    >>> clumps_of(np.array([1.0, 3.0, 2.0]), r2, 0.8).tolist()
    [1, 1, 2]
    """
    clump = np.full(importance.size, -1, dtype=np.int64)
    for index in np.argsort(-importance, kind="stable"):
        if clump[index] < 0:
            members = (r2[index] >= linked_r2) & (clump < 0)
            clump[members] = index
            clump[index] = index
    return clump


def compare_effects(
    effects_a: npt.ArrayLike,
    effects_b: npt.ArrayLike,
    dosages: npt.ArrayLike,
    *,
    settings: MechanismSettings | None = None,
    seed: int = 0,
) -> Agreement:
    """Compare the effects of two predictors at one gene.

    Parameters
    ----------
    effects_a, effects_b
        float64 (n_variants,), effect per alternate allele; 0 where a predictor does not use a variant.
    dosages
        float64 (n_individuals, n_variants), without missing values, variants in genome order.
    settings
        `MechanismSettings`.
    seed
        Seed of the nulls.

    Raises
    ------
    TableError
        If shapes do not match or a value is not finite.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> dosages = random.binomial(2, 0.3, size=(200, 40)).astype(float)
    >>> effects = np.zeros(40)
    >>> effects[:8] = random.normal(size=8)
    >>> same = compare_effects(effects, effects, dosages)
    >>> same.overlap, round(same.prediction_correlation, 6), same.prediction_p < 0.05
    (1.0, 1.0, True)
    """
    settings = MechanismSettings() if settings is None else settings
    a, b, matrix = (np.asarray(values, dtype=np.float64) for values in (effects_a, effects_b, dosages))
    if a.ndim != 1 or a.shape != b.shape or matrix.ndim != 2 or matrix.shape[1] != a.size:
        raise TableError(
            "effects must be two vectors with one value per column of dosages, "
            f"got shapes {a.shape}, {b.shape} and {matrix.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(matrix).all()):
        raise TableError("effects and dosages must be finite; impute missing dosages and use 0 for unused variants")
    spread = matrix.std(axis=0)
    varies = spread > 0
    matrix = matrix[:, varies] - matrix[:, varies].mean(axis=0)
    a, b = a[varies] * spread[varies], b[varies] * spread[varies]
    if a.size < 3:
        return Agreement(variants=int(a.size), clumps=0, reason=FEW_VARIANTS)
    matrix /= spread[varies]
    r2 = linkage_r2(matrix)
    clump = clumps_of(np.abs(a) + np.abs(b), r2, settings.dependent_r2)
    n_clumps = len(np.unique(clump))
    if not a.any() or not b.any():
        return Agreement(variants=int(a.size), clumps=n_clumps, reason=NO_EFFECT)
    random = np.random.default_rng(seed)
    _, member = np.unique(clump, return_inverse=True)
    signs = random.choice((-1.0, 1.0), size=(settings.draws, n_clumps))[:, member]
    ranks_a = scipy.stats.rankdata(a) - (a.size + 1) / 2
    rank = _correlations(ranks_a, scipy.stats.rankdata(np.vstack([b, signs * b]), axis=1) - (a.size + 1) / 2)
    leading_a = _leading(a, r2, settings)
    overlap = _overlap(leading_a, _leading(b, r2, settings), r2, settings.linked_r2)
    shortest = a.size // 10
    rotated = [np.roll(b, shift) for shift in random.integers(shortest + 1, a.size - shortest, size=settings.draws)]
    null_overlap = np.array(
        [_overlap(leading_a, _leading(one, r2, settings), r2, settings.linked_r2) for one in rotated]
    )
    implied = _correlations(matrix @ a, np.vstack([b, signs * b]) @ matrix.T)
    return Agreement(
        variants=int(a.size),
        clumps=n_clumps,
        rank_correlation=float(rank[0]),
        rank_p=_two_sided(rank),
        prediction_correlation=float(implied[0]),
        prediction_p=_two_sided(implied),
        overlap=overlap,
        overlap_p=float(exceedance_p(overlap, null_overlap)),
    )


def _correlations(one: Floats, rows: Floats) -> Floats:
    one = one - one.mean()
    rows = rows - rows.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(rows @ one / (np.linalg.norm(one) * np.linalg.norm(rows, axis=1)))


def _two_sided(observed_and_null: Floats) -> float:
    """Return the share of statistics at least as far from 0 as the first, itself counted."""
    distance = np.abs(observed_and_null)
    return float(exceedance_p(distance[0], distance[1:]))


def _leading(effects: Floats, r2: Floats, settings: MechanismSettings) -> list[int]:
    """Return the index variants of the leading clumps, at most `settings.top`, none without an effect."""
    size = np.abs(effects)
    leads: list[int] = []
    for index in np.argsort(-size, kind="stable"):
        if size[index] == 0 or len(leads) == settings.top:
            break
        if not leads or r2[index, leads].max() < settings.linked_r2:
            leads.append(int(index))
    return leads


def _overlap(leading_a: list[int], leading_b: list[int], r2: Floats, linked_r2: float) -> float:
    if not leading_a or not leading_b:
        return 0.0
    return float((r2[np.ix_(leading_a, leading_b)].max(axis=1) >= linked_r2).mean())
