"""The methods of a study as text for a paper: what was done, references, counts, versions and digests of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pgxeval.study.results import StudyResults
from pgxeval.wording import counted, listed

REFERENCES: Mapping[str, str] = {
    "shen": "Shen. bioRxiv 10.1101/2025.08.05.668750 (2025).",
    "sasse": "Sasse et al. Benchmarking of deep neural networks for predicting personal gene expression from DNA "
    "sequence highlights shortcomings. Nat Genet 55, 2060-2064 (2023).",
    "huang": "Huang et al. Personal transcriptome variation is poorly explained by current genomic deep learning "
    "models. Nat Genet 55, 2056-2059 (2023).",
    "gamazon": "Gamazon et al. A gene-based association method for mapping traits using reference transcriptome data. "
    "Nat Genet 47, 1091-1098 (2015).",
    "zou": "Zou. Toward using confidence intervals to compare correlations. Psychol Methods 12, 399-413 (2007).",
    "benjamini": "Benjamini and Hochberg. Controlling the false discovery rate. J R Stat Soc B 57, 289-300 (1995).",
    "mackinnon": "MacKinnon, Nielsen and Webb. Fast and reliable jackknife and bootstrap methods for cluster-robust "
    "inference. J Appl Econometrics 38, 671-694 (2023).",
    "schuirmann": "Schuirmann. A comparison of the two one-sided tests procedure and the power approach. J "
    "Pharmacokinet Biopharm 15, 657-680 (1987).",
    "crainiceanu": "Crainiceanu and Ruppert. Likelihood ratio tests in linear mixed models with one variance "
    "component. J R Stat Soc B 66, 165-185 (2004).",
    "freedman": "Freedman and Lane. A nonstochastic interpretation of reported significance levels. J Bus Econ Stat 1, "
    "292-298 (1983).",
    "liu": "Liu and Xie. Cauchy combination test. J Am Stat Assoc 115, 393-402 (2020).",
    "friedman": "Friedman. Greedy function approximation: a gradient boosting machine. Ann Stat 29, 1189-1232 (2001).",
}
"""Sources that the methods cite, by key."""


def methods_text(study: StudyResults) -> str:
    """Return the methods of a study in Markdown, with numbered references.

    Parameters
    ----------
    study
        The study.
    """
    cited: list[str] = []

    def cite(*keys: str) -> str:
        for key in keys:
            if key not in cited:
                cited.append(key)
        return f"[{', '.join(str(cited.index(key) + 1) for key in keys)}]"

    paragraphs = [
        _data(study),
        _predictors(study, cite("gamazon")),
        _evaluation(study, cite("mackinnon"), cite("benjamini")),
        _comparison(study, cite("zou"), cite("schuirmann")),
        _strata(study, cite("shen")),
    ]
    if len(study.heritability):
        paragraphs.append(_heritability(study, cite("crainiceanu")))
    if len(study.nonadditivity):
        paragraphs.append(_nonadditivity(study, cite("freedman"), cite("liu")))
    if len(study.effects):
        paragraphs.append(_mechanism(study, cite("friedman")))
    paragraphs.append(
        "**Across genes.** The mean prediction of each gene was correlated with its mean expression over genes, per "
        f"tissue; being right across genes does not imply being right across individuals {cite('sasse', 'huang')}."
    )
    numbered = "\n".join(f"{place}. {REFERENCES[key]}" for place, key in enumerate(cited, start=1))
    parts = (
        "# Methods",
        *paragraphs,
        "## Counts at each step",
        _markdown(study.counts),
        "## Failures",
        _markdown(study.failures.head(50)) if len(study.failures) else "None.",
        "## Software",
        ", ".join(f"{name} {version}" for name, version in study.settings["versions"].items()),
        "## Input files",
        "Digests of genotypes and reference as used, by tissue:",
        _code({tissue: record["genome"] for tissue, record in study.settings["tissues"].items()}),
        "## Settings",
        _code(study.settings["settings"]),
        "## Settings of the predictors",
        _code({name: one.get("asked", {}) for name, one in study.evaluation.settings["predictors"].items()}),
        "## References",
        numbered,
    )
    return "\n\n".join(parts) + "\n"


def _data(study: StudyResults) -> str:
    sizes = [
        f"{tissue}: {counted(record['individuals'], 'individual')}, {counted(record['genes'], 'gene')}, "
        + (f"covariates {listed(record['covariates'])}" if record["covariates"] else "no covariates")
        + (f", {counted(record['groups'], 'group')} of relatives or donors" if record["groups"] else "")
        for tissue, record in study.settings["tissues"].items()
    ]
    return (
        "**Data.** The unit of the study is the gene-tissue pair, of which there are "
        f"{study.evaluation.settings['n_genes']:,}. {'; '.join(sizes)}. What was excluded, and why, is in the "
        "exclusions table."
    )


def _predictors(study: StudyResults, source: str) -> str:
    kinds, settings = study.settings["kinds"], study.settings["settings"]
    trained = [name for name, kind in kinds.items() if kind == "trained"]
    ready = [name for name, kind in kinds.items() if kind == "zero-shot"]
    replicates = sorted({record["replicates"] for record in study.settings["tissues"].values()})
    words = "**Predictors.** "
    if ready:
        words += f"{listed(ready)} predicted without having seen any expression of these individuals. "
    if trained:
        words += (
            f"{listed(trained)} were trained on these individuals by cross-fitting {source}: individuals were "
            f"divided into {settings['folds']} folds by a hash of the seed ({settings['seed']}) and their name, and "
            "each was predicted by a model fitted in the other folds, to which frequency filters, imputation, scaling, "
            "penalties and coefficients of covariates were fitted as well. The whole procedure was repeated on "
            f"expression permuted jointly over genes ({listed([str(number) for number in replicates])} replicates per "
            "tissue)."
        )
    return words


def _evaluation(study: StudyResults, jackknife: str, fdr: str) -> str:
    settings = study.evaluation.settings
    return (
        f"**Evaluation.** The measure is {study.evaluation.measure_name} across individuals between predicted and "
        "measured expression, for cross-fitted predictors within folds, given the covariates where there are any. A "
        "pair points in the right direction if it is positive; a constant prediction is undefined and counted. "
        "p-values of cross-fitted predictors come from permuted expression, those of zero-shot predictors from robust "
        "standard errors of each "
        f"pair. q-values are those of Benjamini and Hochberg {fdr} over the pairs of one predictor, at the level "
        f"{settings['level']:g}. Intervals of shares, means and odds ratios are at {100 * settings['confidence']:g} % "
        f"and come from a jackknife over blocks of {settings['block_bp'] / 1e6:g} Mb in which all tissues of a gene "
        f"are together {jackknife}."
    )


def _comparison(study: StudyResults, interval: str, equivalence: str) -> str:
    margin = study.evaluation.settings["margin"]
    settings = study.settings["settings"]
    at_pair = (
        f"an interval made of the intervals of both and the correlation of the two predictions {interval}; a predictor "
        "is significantly better where the q-value of the difference over pairs is below the level"
        if settings["comparison"] == "intervals"
        else f"a percentile interval from {settings['bootstrap_samples']:,} bootstrap samples of individuals, with "
        "predictions taken as fixed; a predictor is called better where it excludes 0, without correction for the "
        "number of pairs"
    )
    words = (
        f"**Comparison of predictors.** At each pair the difference of two correlations has {at_pair}. Over pairs the "
        "mean difference is compared with the same difference on permuted expression. A flip is a pair at which one "
        "predictor is right and the other wrong; the number expected by chance assumes equal true correlations."
    )
    if margin is not None:
        words += (
            f" Two predictors are equivalent if two one-sided tests place the mean difference within {margin:g} "
            f"{equivalence}."
        )
    return words


def _strata(study: StudyResults, source: str) -> str:
    roles = study.settings["roles"]
    if roles["elastic_net"] is None or roles["random_forest"] is None:
        return "**Strata.** Nonlinear pairs were not defined, because elastic net and random forest are not both there."
    return (
        f"**Strata.** A pair is nonlinear if the gain of {roles['random_forest']} over {roles['elastic_net']} is "
        "significant against the gain on permuted expression and the forest is significant itself. Earlier work "
        f"{source} took the pairs with the largest gains, which is shown for comparison and contains chance."
    )


def _heritability(study: StudyResults, source: str) -> str:
    cis = study.settings["settings"]["cis_variants"]
    return (
        "**Heritability.** Cis heritability of each pair was estimated by restricted maximum likelihood from the "
        f"relationship of the individuals at the variants within {cis['flank_bp']:,} bp of the {cis['around']} with a "
        f"minor allele frequency of at least {cis['min_maf']:g}, with an exact likelihood-ratio test {source}. The "
        "share of the ceiling is the mean correlation over the mean square root of heritability"
        + (", through 6/pi asin(r/2) for ranks," if study.evaluation.measure == "spearman" else "")
        + " over pairs with significant heritability."
    )


def _nonadditivity(study: StudyResults, permutation: str, combination: str) -> str:
    settings = study.settings["settings"]["nonadditivity"]
    return (
        f"**Non-additivity.** Dominance at up to {settings['leads']} leading variants, their products, and a variance "
        f"component of all pairwise products were tested by {settings['permutations']} permutations of the residuals "
        f"of the additive model {permutation} and combined {combination}."
    )


def _mechanism(study: StudyResults, source: str) -> str:
    settings = study.settings["settings"]["mechanism"]
    pairs = len(study.effects[["tissue", "gene_id"]].drop_duplicates())
    return (
        f"**Effects of variants.** At {counted(pairs, 'gene-tissue pair')} each variant got an effect per predictor: "
        "coefficients of linear predictors averaged over folds, marginal effects of the forest (the mean prediction "
        f"with the dosage set to 0, 1 and 2 {source}), and substitution of each allele into the reference haplotype "
        "for zero-shot predictors. Two predictors were compared by the rank correlation of their effects, the "
        "correlation of the predictions that the effects imply, and the overlap of leading variants, where variants "
        f"with r2 of at least {settings['linked_r2']:g} count as one; nulls are random "
        f"signs of clumps of dependent variants and rotations along the genome ({settings['draws']} draws)."
    )


def _markdown(table: pd.DataFrame) -> str:
    heads = " | ".join(str(name) for name in table.columns)
    rows = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in table.to_numpy()]
    return "\n".join([f"| {heads} |", "|" + "---|" * len(table.columns), *(f"| {row} |" for row in rows)])


def _code(value: Any) -> str:
    return "```json\n" + json.dumps(value, indent=1, ensure_ascii=False) + "\n```"
