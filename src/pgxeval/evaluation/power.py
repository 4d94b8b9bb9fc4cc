"""How many individuals and genes a comparison needs: power by simulation of observed correlations.

An observed correlation is the true one plus sampling noise: Fisher's z with standard error ``1 / sqrt(n - 3 - c)``.
At 90 individuals and a true correlation of 0.1 a fifth of the right directions look wrong, so shares and odds ratios
are attenuated; the table reports what will be observed, and how often the difference will be significant. Genes share
variants with their neighbours, which multiplies the variance of a mean over genes by a design effect (2.3 to 2.9 on
Geuvadis).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from pgxeval.checks import between, one_of, whole
from pgxeval.errors import SettingError

Floats = npt.NDArray[np.float64]
Question = Literal["directions", "correlations", "nonlinear"]


@attrs.frozen(kw_only=True)
class PowerSettings:
    """What is assumed of genes and predictors.

    Parameters
    ----------
    question
        ``"directions"``: is predictor A more often right in direction than B (block-robust test of the paired
        difference)? ``"correlations"``: is its mean correlation higher? ``"nonlinear"``: is the mean gain of random
        forest over elastic net in a stratum above 0?
    share_a, share_b
        With ``"directions"``: true share of genes with a positive correlation, in [0, 1].
    effect
        True absolute correlation of a gene with signal, in (0, 1).
    difference
        With ``"correlations"`` and ``"nonlinear"``: true mean difference of the correlations, in (-1, 1).
    signal
        Share of genes with signal, in (0, 1]; at all others both true correlations are 0.
    agreement
        Correlation of the sampling errors of the two predictors, in [0, 1): high where their predictions are similar.
    covariates
        Number of covariates.
    design_effect
        Variance of a mean over genes divided by that of independent genes, at least 1.
    level
        Level of the two-sided test.
    simulations
        Simulated studies per cell, at least 100.
    """

    question: Question = attrs.field(default="directions", validator=one_of("directions", "correlations", "nonlinear"))
    share_a: float = attrs.field(default=0.8, validator=between(0, 1))
    share_b: float = attrs.field(default=0.55, validator=between(0, 1))
    effect: float = attrs.field(default=0.1, validator=between(0, 1, above=True, below=True))
    difference: float = attrs.field(default=0.02, validator=between(-1, 1))
    signal: float = attrs.field(default=1.0, validator=between(0, 1, above=True))
    agreement: float = attrs.field(default=0.3, validator=between(0, 1, below=True))
    covariates: int = attrs.field(default=0, validator=whole(0))
    design_effect: float = attrs.field(default=2.5, validator=between(1, 100))
    level: float = attrs.field(default=0.05, validator=between(0, 1, above=True, below=True))
    simulations: int = attrs.field(default=1000, validator=whole(100))


def power(
    individuals: Sequence[int] = (90, 300, 953),
    genes: Sequence[int] = (50, 100, 200, 500, 1000),
    *,
    settings: PowerSettings | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Estimate by simulation how often a difference between two predictors will be significant.

    Parameters
    ----------
    individuals
        Numbers of individuals, each at least 10 more than the covariates.
    genes
        Numbers of genes (gene-tissue pairs), each at least 10.
    settings
        `PowerSettings`.
    seed
        Seed of the simulation.

    Returns
    -------
    pandas.DataFrame
        One row per number of individuals and genes: individuals, genes, observed_a, observed_b (expected share of right
        directions, or mean correlation), odds_ratio (expected marginal odds ratio; NaN except for directions), power,
        and its Monte Carlo standard error, power_se.

    Raises
    ------
    SettingError
        If a number of individuals or genes is too small.

    Examples
    --------
    >>> table = power([90, 953], [150], seed=1)
    >>> bool(table["power"].iloc[0] < table["power"].iloc[1])
    True
    """
    settings = PowerSettings() if settings is None else settings
    if not len(individuals) or min(individuals) < settings.covariates + 10:
        raise SettingError(
            f"individuals must be at least {settings.covariates + 10} (10 more than the covariates), "
            f"got {list(individuals)}"
        )
    if not len(genes) or min(genes) < 10:
        raise SettingError(f"genes must be at least 10, got {list(genes)}")
    rows = []
    for n in individuals:
        for m in genes:
            random = np.random.default_rng([seed, n, m])
            a, b = _observed(int(n), int(m), settings, random)
            if settings.question == "directions":
                a, b = (a > 0).astype(np.float64), (b > 0).astype(np.float64)
            gain = a - b
            spread = gain.std(axis=1, ddof=1) * np.sqrt(settings.design_effect / m)
            # neighbouring genes share their errors, which independent draws do not show
            extra = np.sqrt(np.maximum(settings.design_effect - 1, 0) / m) * gain.std(axis=1, ddof=1)
            mean = gain.mean(axis=1) + extra * random.normal(size=settings.simulations)
            with np.errstate(divide="ignore", invalid="ignore"):
                z = np.where(spread > 0, mean / spread, 0.0)
            significant = np.abs(z) > scipy.stats.norm.isf(settings.level / 2)
            share = float(significant.mean())
            mean_a, mean_b = float(a.mean()), float(b.mean())
            odds = mean_a / (1 - mean_a) / (mean_b / (1 - mean_b)) if settings.question == "directions" else np.nan
            error = float(np.sqrt(share * (1 - share) / settings.simulations))
            rows.append((int(n), int(m), mean_a, mean_b, odds, share, error))
    columns = ["individuals", "genes", "observed_a", "observed_b", "odds_ratio", "power", "power_se"]
    return pd.DataFrame(rows, columns=columns)


def _observed(n: int, m: int, settings: PowerSettings, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return observed correlations of the two predictors, float64 (simulations, genes)."""
    shape = (settings.simulations, m)
    signal = random.random(shape) < settings.signal
    if settings.question == "directions":
        true_a, true_b = (
            np.where(random.random(shape) < share, settings.effect, -settings.effect)
            for share in (settings.share_a, settings.share_b)
        )
    else:
        true_b = np.full(shape, settings.effect)
        true_a = np.clip(true_b + settings.difference / settings.signal, -0.999, 0.999)
    shared = random.normal(size=shape) * np.sqrt(settings.agreement)
    own = np.sqrt(1 - settings.agreement)
    scale = 1 / np.sqrt(n - 3 - settings.covariates)
    observed = [
        np.tanh(np.arctanh(np.where(signal, true, 0.0)) + scale * (shared + own * random.normal(size=shape)))
        for true in (true_a, true_b)
    ]
    return observed[0], observed[1]
