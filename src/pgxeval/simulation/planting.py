"""Genetic effects planted into a gene: how expression depends on the dosages of its causal variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError

Kind = Literal["null", "additive", "overdominant", "recessive", "epistatic"]
KINDS: tuple[Kind, ...] = get_args(Kind)

COMMON_MAF = 0.05
BALANCED_MAF = 0.3
COMMON_HOMOZYGOTE_MAF = 0.25
UNLINKED_R2 = 0.05

_Floats = npt.NDArray[np.float64]
_Terms = tuple[list[str], _Floats]


@attrs.frozen(kw_only=True, eq=False)
class Planted:
    """What was planted into one gene.

    Parameters
    ----------
    kind
        One of `KINDS`.
    heritability
        Sample variance (divisor n) of `values`; the noise to add has one minus this.
    linear_heritability
        Part of `heritability` that the best linear function of the causal dosages explains in the sample:
        all of it for additive genes, none for overdominant and epistatic ones, some for recessive ones.
    causal
        Columns of the causal variants in the dosages, ascending.
    effects
        Term to coefficient, in units of expression; their weighted sum is `values`. Terms are ``constant``,
        ``v1`` (ALT dosage of the first causal variant), ``het(v1)`` (1 in heterozygotes), ``hom_alt(v1)`` or
        ``hom_ref(v1)`` (1 in these homozygotes) and ``v1*v2`` (product of two dosages).
    values
        float64 (n_individuals,), the genetic part of expression, with mean 0.
    """

    kind: Kind
    heritability: float
    linear_heritability: float
    causal: tuple[int, ...]
    effects: Mapping[str, float]
    values: _Floats = attrs.field(repr=False)


def plant(
    dosages: npt.NDArray[np.int8],
    kind: Kind,
    *,
    heritability: float,
    n_causal: int,
    rng: np.random.Generator,
) -> Planted:
    """Choose causal variants of one gene and compute the genetic part of its expression.

    Parameters
    ----------
    dosages
        int8 (n_individuals, n_variants), ALT alleles, none missing.
    kind
        * ``null``: nothing is planted.
        * ``additive``: `n_causal` variants of MAF >= 0.05, each with a normal effect a standard deviation
          of its dosage.
        * ``overdominant``: heterozygotes of one variant differ from both homozygotes, after subtracting the
          regression on the dosage within the sample: the additive slope is exactly 0. At least 9 % of the
          individuals are homozygous for its minor allele, as a MAF of 0.3 gives.
        * ``recessive``: homozygotes of the minor allele of one variant differ from the rest; at least 6.25 %
          of the individuals are such homozygotes, as a MAF of 0.25 gives.
        * ``epistatic``: the product of two dosages (MAF >= 0.25, r2 below 0.05), after subtracting its
          regression on both within the sample: neither has a main effect.

        Where a window has no variant so common, its most common ones are taken; where it has no pair so
        little linked, the least linked pair.
    heritability
        Sample variance of the genetic part, 0 <= heritability < 1; ignored for ``null``.
    n_causal
        Number of causal variants of an ``additive`` gene; the other kinds fix it.
    rng
        Source of randomness.

    Returns
    -------
    Planted

    Raises
    ------
    SettingError
        If the window holds too few variants for the kind.
    """
    if kind == "null":
        return Planted(
            kind=kind,
            heritability=0.0,
            linear_heritability=0.0,
            causal=(),
            effects={},
            values=np.zeros(len(dosages)),
        )
    causal = _CHOOSE[kind](dosages, n_causal, rng)
    causal_dosages = dosages[:, list(causal)].astype(np.float64)
    names, columns = _TERMS[kind](causal_dosages)
    sign = rng.choice((-1.0, 1.0))
    if kind == "additive":
        coefficients = rng.standard_normal(len(causal)) / causal_dosages.std(axis=0)
    elif kind == "recessive":
        coefficients = np.array([sign])
    else:
        coefficients = sign * _without_main_effects(columns)
    values = columns @ coefficients
    scale = np.sqrt(heritability) / values.std()
    coefficients, values = coefficients * scale, (values - values.mean()) * scale
    constant = -float((columns.mean(axis=0) * coefficients).sum())
    return Planted(
        kind=kind,
        heritability=heritability,
        linear_heritability=_explained_variance(causal_dosages, values),
        causal=causal,
        effects={"constant": constant, **dict(zip(names, coefficients.tolist(), strict=True))},
        values=values,
    )


def _without_main_effects(columns: _Floats) -> _Floats:
    # The last column is the nonlinear term; its regression on the dosages before it is subtracted.
    dosages, nonlinear = columns[:, :-1], columns[:, -1]
    deviations = dosages - dosages.mean(axis=0)
    slopes = np.linalg.lstsq(deviations, nonlinear - nonlinear.mean(), rcond=None)[0]
    return np.append(-slopes, 1.0)


def _explained_variance(dosages: _Floats, values: _Floats) -> float:
    design = np.column_stack([np.ones(len(values)), dosages])
    fit = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(fit.var())


def _maf(dosages: npt.NDArray[np.int8]) -> _Floats:
    alt: _Floats = dosages.mean(axis=0) / 2
    return np.minimum(alt, 1 - alt)


def _rarer_homozygotes(dosages: npt.NDArray[np.int8]) -> _Floats:
    rarer: _Floats = np.minimum((dosages == 0).mean(axis=0), (dosages == 2).mean(axis=0))
    return rarer


def _candidates(measure: _Floats, threshold: float, at_least: int) -> npt.NDArray[np.intp]:
    """Columns whose measure reaches the threshold, or the `at_least` largest where these are too few."""
    if int((measure > 0).sum()) < at_least:
        raise SettingError(
            f"{at_least} causal variant(s) were asked for, but the window holds only "
            f"{int((measure > 0).sum())} suitable one(s); use a longer window_bp, more individuals or fewer "
            "causal variants"
        )
    fitting = np.flatnonzero(measure >= threshold)
    return fitting if len(fitting) >= at_least else np.sort(np.argsort(-measure, kind="stable")[:at_least])


def _choose_additive(dosages: npt.NDArray[np.int8], n_causal: int, rng: np.random.Generator) -> tuple[int, ...]:
    common = _candidates(_maf(dosages), COMMON_MAF, n_causal)
    return tuple(sorted(rng.choice(common, size=n_causal, replace=False).tolist()))


def _choose_balanced(dosages: npt.NDArray[np.int8], n_causal: int, rng: np.random.Generator) -> tuple[int, ...]:
    return (int(rng.choice(_candidates(_rarer_homozygotes(dosages), BALANCED_MAF**2, 1))),)


def _choose_homozygous(dosages: npt.NDArray[np.int8], n_causal: int, rng: np.random.Generator) -> tuple[int, ...]:
    return (int(rng.choice(_candidates(_rarer_homozygotes(dosages), COMMON_HOMOZYGOTE_MAF**2, 1))),)


def _choose_pair(dosages: npt.NDArray[np.int8], n_causal: int, rng: np.random.Generator) -> tuple[int, ...]:
    common = _candidates(_maf(dosages), COMMON_HOMOZYGOTE_MAF, 2)
    r2 = np.atleast_2d(np.corrcoef(dosages[:, common], rowvar=False)) ** 2
    first, second = np.triu_indices(len(common), k=1)
    between = r2[first, second]
    candidates = np.flatnonzero(between < UNLINKED_R2)
    pair = int(rng.choice(candidates)) if len(candidates) else int(between.argmin())
    return (int(common[first[pair]]), int(common[second[pair]]))


def _additive_terms(dosages: _Floats) -> _Terms:
    return [f"v{i + 1}" for i in range(dosages.shape[1])], dosages


def _heterozygote_terms(dosages: _Floats) -> _Terms:
    return ["v1", "het(v1)"], np.column_stack([dosages, dosages == 1]).astype(np.float64)


def _homozygote_terms(dosages: _Floats) -> _Terms:
    alt_is_minor = dosages.mean() <= 1
    name, state = ("hom_alt(v1)", 2) if alt_is_minor else ("hom_ref(v1)", 0)
    return [name], (dosages == state).astype(np.float64)


def _product_terms(dosages: _Floats) -> _Terms:
    return ["v1", "v2", "v1*v2"], np.column_stack([dosages, dosages.prod(axis=1)])


_CHOOSE: dict[str, Callable[[npt.NDArray[np.int8], int, np.random.Generator], tuple[int, ...]]] = {
    "additive": _choose_additive,
    "overdominant": _choose_balanced,
    "recessive": _choose_homozygous,
    "epistatic": _choose_pair,
}
_TERMS: dict[str, Callable[[_Floats], _Terms]] = {
    "additive": _additive_terms,
    "overdominant": _heterozygote_terms,
    "recessive": _homozygote_terms,
    "epistatic": _product_terms,
}
