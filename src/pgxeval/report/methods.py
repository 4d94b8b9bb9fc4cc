"""The methods of an evaluation as text that can be copied into a paper, with references, versions and digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.wording import count, counted, listed

_REFERENCES = {
    "elastic": "Gamazon et al. A gene-based association method for mapping traits using reference transcriptome data. "
    "Nat Genet 47:1091, 2015.",
    "zou": "Zou and Hastie. Regularization and variable selection via the elastic net. J R Stat Soc B 67:301, 2005.",
    "forest": "Breiman. Random forests. Mach Learn 45:5, 2001.",
    "bh": "Benjamini and Hochberg. Controlling the false discovery rate. J R Stat Soc B 57:289, 1995.",
    "jackknife": "Busing, Meijer and van der Leeden. Delete-m jackknife for unequal m. Stat Comput 9:3, 1999.",
    "mcnemar": "McNemar. Note on the sampling error of the difference between correlated proportions. Psychometrika "
    "12:153, 1947.",
    "romano": "DiCiccio and Romano. Robust permutation tests for correlation and regression coefficients. J Am Stat "
    "Assoc 112:1211, 2017.",
    "frisch": "Frisch and Waugh. Partial time regressions as compared with individual trends. Econometrica 1:387, "
    "1933.",
}
_CLASSES = {
    "ElasticNetPredictor": ("an elastic net", ("elastic", "zou")),
    "RandomForestPredictor": ("a random forest", ("forest",)),
}


_DIGESTS = ("size", "content", "index")


def methods_text(evaluation: Evaluation, cohort: Cohort | None = None) -> str:
    """Return how an evaluation was made, in sentences.

    Parameters
    ----------
    evaluation
        The evaluation.
    cohort
        The cohort, of whose files the digests are listed; None lists none.

    Returns
    -------
    str
        Paragraphs: data and predictors, statistics, software, digests of files, references. Only what the settings
        record is stated.
    """
    settings = evaluation.settings
    citations: list[str] = []
    paragraphs = [
        " ".join([_data(settings), *(_predictor(name, one, citations) for name, one in _predictors(settings).items())]),
        _statistics(evaluation, citations),
        _software(settings),
    ]
    digests = _digests(cohort)
    if digests:
        paragraphs.append("Digests of files: " + "; ".join(digests) + ".")
    paragraphs.append("References\n" + "\n".join(f"- {one}" for one in dict.fromkeys(citations)))
    return "\n\n".join(one for one in paragraphs if one)


def _predictors(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(name): dict(one) for name, one in settings.get("predictors", {}).items()}


def _data(settings: Mapping[str, Any]) -> str:
    covariates = [str(name) for name in settings.get("covariates", [])]
    adjustment = f", given the covariates {listed(covariates)}" if covariates else ", without covariates"
    tissues = settings.get("tissues")
    units = "gene-tissue pair" if tissues else "gene"
    place = f" in {counted(len(tissues), 'tissue')}" if tissues else ""
    return (
        f"Predicted and measured expression were compared across {counted(settings['n_individuals'], 'individual')} at "
        f"{counted(settings['n_genes'], units)}{place}{adjustment}."
    )


def _predictor(name: str, one: Mapping[str, Any], used: list[str]) -> str:
    request = one.get("asked")
    request = request if isinstance(request, Mapping) else {}
    kind, references = _CLASSES.get(str(request.get("class")), ("", ()))
    used += [_REFERENCES[reference] for reference in references]
    if one.get("citation") or request.get("citation"):
        used.append(str(one.get("citation") or request.get("citation")))
    words = f"{name}" + (f" ({kind})" if kind else "")
    if one.get("kind") not in ("crossfit", "prequential"):
        return f"{words} was applied without training on these individuals."
    folds = f" in {one['folds']} folds" if "folds" in one else ""
    how = "each fold predicted from the earlier ones" if one["kind"] == "prequential" else "cross-fitted"
    words += f" was trained on these individuals, {how}{folds}"
    variants = request.get("cis_variants")
    if isinstance(variants, Mapping) and "flank_bp" in variants:
        around = {"body": "gene", "tss": "TSS"}.get(str(variants.get("around")), "gene")
        words += f", on variants within {count(variants['flank_bp'])} bp of the {around}"
        if "min_maf" in variants:
            words += f" with a minor allele frequency of {float(variants['min_maf']):g} or more in the training folds"
    return f"{words}; permuted reference: {one.get('reference', 'not recorded')}."


def _statistics(evaluation: Evaluation, used: list[str]) -> str:
    settings = evaluation.settings
    used += [_REFERENCES[name] for name in ("romano", "bh", "jackknife", "mcnemar")]
    partial = "partial " if settings.get("covariates") else ""
    if partial:
        used.append(_REFERENCES["frisch"])
    block = settings.get("block_bp")
    blocks = f" of {count(block)} bp" if block else ""
    effective = evaluation.summary["effective_blocks"].min()
    size = "" if math.isnan(float(effective)) else f", effective number {effective:.0f} or more"
    level, confidence = settings["level"], 100 * settings["confidence"]
    return (
        f"For each gene and predictor, {partial}{evaluation.measure_name} between predicted and measured expression "
        "was computed, after predictions of cross-fitted predictors had been centred within folds. p-values of "
        "cross-fitted predictors are one-sided and count the studentised correlations that the whole procedure reached "
        "on permuted expression; p-values of other predictors are two-sided, from robust standard errors or from "
        "permutations of the gene where few individuals differ. q-values are Benjamini-Hochberg adjusted over genes "
        f"within a predictor; genes with q < {level:g} are called significant. Shares of genes with a positive "
        "correlation, mean correlations and odds ratios between predictors are compared with the same statistics on "
        "permuted expression; "
        f"their {confidence:g} % intervals come from a delete-one-block jackknife over genomic blocks{blocks} "
        f"({counted(int(settings.get('n_blocks', 0)), 'block')}{size})."
    )


def _software(settings: Mapping[str, Any]) -> str:
    versions: dict[str, set[str]] = {}
    for one in _predictors(settings).values():
        for name, version in dict(one.get("versions", {})).items():
            versions.setdefault(str(name), set()).add(str(version))
    if not versions:
        return ""
    return (
        "Software: " + ", ".join(f"{name} {listed(sorted(numbers), 'or')}" for name, numbers in versions.items()) + "."
    )


def _digests(cohort: Cohort | None) -> list[str]:
    if cohort is None:
        return []
    try:
        identity = cohort.genome.identity()
    except SettingError:
        return []
    return [f"{name} {digest}" for name, digest in _flat(identity) if name.rsplit(" ", 1)[-1] in _DIGESTS]


def _flat(value: object, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [item for key, one in value.items() for item in _flat(one, f"{prefix} {key}".strip())]
    if isinstance(value, list | tuple):
        return [item for k, one in enumerate(value) for item in _flat(one, f"{prefix} {k + 1}".strip())]
    return [(prefix, str(value))]
