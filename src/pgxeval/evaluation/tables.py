"""Columns of the evaluation tables, each with its meaning, and tables as files.

A table that has none of its rows still has all of its columns. Correlations, shares and ratios have no unit.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.provenance import __version__
from pgxeval.tables.writing import FILE_MODE

SUMMARY: Mapping[str, str] = {
    "predictor": "name of the predictor",
    "stratum": '"all", or the name of the stratum',
    "assignment": 'how to read the row: "all genes"; "naive" (the stratum was defined with this predictor); '
    '"same individuals" (defined with other predictors on the same individuals, which biases this one as well); '
    '"independent" (given by the user)',
    "naive": "whether the stratum was defined with this predictor",
    "n_genes": "genes in the stratum",
    "defined": "genes whose correlation (of the measure of the evaluation) is defined",
    "undefined": "genes whose correlation is undefined",
    "mean_correlation": "mean correlation over the defined genes",
    "mean_low": "lower limit of mean_correlation, block jackknife",
    "mean_high": "upper limit of mean_correlation, block jackknife",
    "median_correlation": "median correlation over the defined genes",
    "reference_mean_correlation": "mean_correlation on permuted expression, over the defined null correlations",
    "mean_correlation_undefined_as_0": "mean correlation over all genes, an undefined one counting as 0",
    "reference_mean_correlation_undefined_as_0": "mean_correlation_undefined_as_0 on permuted expression",
    "n_significant": "genes with q below the level; NA without p-values",
    "n_significant_wrong": "of these, genes with a negative correlation",
    "share_right_significant": "share of right directions among the genes with q below the level",
    "share_right_significant_low": "lower limit of share_right_significant, exact binomial: assumes independent genes",
    "share_right_significant_high": "upper limit of share_right_significant",
    "n_directed": "genes with a direction",
    "n_right": "genes in the right direction",
    "share_right": "n_right / n_directed",
    "share_low": "lower limit of share_right, block jackknife on the logit scale; exact binomial for 0 and 1",
    "share_high": "upper limit of share_right",
    "binomial_low": "lower Clopper-Pearson limit of share_right: assumes independent genes",
    "binomial_high": "upper Clopper-Pearson limit of share_right: assumes independent genes",
    "reference_share": "share_right that the same procedure reaches on permuted expression",
    "reference_sd": "standard deviation of reference_share between replicates",
    "difference": "share_right - reference_share",
    "difference_low": "lower limit of difference: block jackknife, plus the variance between replicates",
    "difference_high": "upper limit of difference",
    "difference_p": "two-sided p-value of difference",
    "replicates": "replicates on permuted expression used for the reference",
    "reference": "origin of the reference, or why there is none",
    "n_blocks": "genomic blocks of the stratum",
    "effective_blocks": "effective number of blocks for share_right; below 2 no interval is given",
}
"""Columns of the summary table: one row per predictor and stratum."""

STRUCTURE: Mapping[str, str] = {
    "predictor": SUMMARY["predictor"],
    "adjustment": "whether correlations are given components of the genotypes, and how many",
    "main": "whether all other tables are made with this adjustment",
    **{
        name: meaning
        for name, meaning in SUMMARY.items()
        if name not in ("predictor", "stratum", "assignment", "naive")
    },
}
"""Columns of the structure table: one row per predictor and adjustment; no rows without population structure."""

_KIND = {
    "mcnemar": "genes that only a gets right / genes that only b gets right",
    "marginal": "odds of right in a / odds of right in b",
    "association": "odds ratio of the paired table: whether a and b are right at the same genes",
}


def _odds_ratio_columns(kind: str) -> dict[str, str]:
    exact = {
        f"{kind}_exact_low": f"lower exact limit of {kind}_or: assumes independent genes",
        f"{kind}_exact_high": f"upper exact limit of {kind}_or: assumes independent genes",
        f"{kind}_exact_p": f"exact p-value of {kind}_or = 1: assumes independent genes",
    }
    return {
        f"{kind}_or": _KIND[kind],
        f"{kind}_or_low": f"lower limit of {kind}_or, block jackknife on the log scale; exact for 0 and infinity",
        f"{kind}_or_high": f"upper limit of {kind}_or",
        f"{kind}_p": f"two-sided p-value of {kind}_or = 1, block jackknife",
        **(exact if kind != "marginal" else {}),
        f"reference_{kind}_or": f"{kind}_or on permuted expression, replicates pooled",
        f"{kind}_over_reference": f"{kind}_or / reference_{kind}_or",
        f"{kind}_over_reference_low": f"lower limit of {kind}_over_reference: block jackknife, plus the variance "
        "between replicates",
        f"{kind}_over_reference_high": f"upper limit of {kind}_over_reference",
        f"{kind}_over_reference_p": f"two-sided p-value of {kind}_over_reference = 1",
    }


CONCORDANCE: Mapping[str, str] = {
    "predictor_a": "first predictor",
    "predictor_b": "second predictor",
    "stratum": '"all", or the name of the stratum',
    "assignment": "how to read the row, as in the summary",
    "naive": "whether the stratum was defined with one of the two",
    "n": "genes with a direction for both",
    "both_right": "genes that both get right",
    "only_a": "genes that only a gets right",
    "only_b": "genes that only b gets right",
    "neither": "genes that neither gets right",
    "undefined": "genes without a direction for at least one of the two",
    **_odds_ratio_columns("mcnemar"),
    **_odds_ratio_columns("marginal"),
    **_odds_ratio_columns("association"),
    "replicates": "joint replicates used for the references",
    "reference": "origin of the references, or why there is none",
    "intervals": "how the intervals were made",
    "n_blocks": "genomic blocks of the stratum",
    "effective_blocks": "effective number of blocks for mcnemar_or; below 2 no interval is given",
}
"""Columns of the concordance table: one row per pair of predictors and stratum."""

COMPARISON: Mapping[str, str] = {
    "predictor_a": "first predictor",
    "predictor_b": "second predictor",
    "stratum": '"all", or the name of the stratum',
    "assignment": "how to read the row, as in the summary",
    "naive": "whether the stratum was defined with one of the two",
    "n_genes": "genes for which both predictors were asked; an undefined correlation counts as 0 in this table",
    "mean_a": "mean correlation of a",
    "mean_b": "mean correlation of b",
    "mean_difference": "mean_a - mean_b",
    "mean_difference_low": "lower limit of mean_difference, block jackknife",
    "mean_difference_high": "upper limit of mean_difference",
    "p_value": "two-sided p-value of mean_difference = 0, block jackknife",
    "median_difference": "median over genes of the difference",
    "n_a_higher": "genes at which a has the higher correlation",
    "n_b_higher": "genes at which b has the higher correlation",
    "wilcoxon_p": "two-sided p-value of Wilcoxon's signed-rank test on the mean difference of each block",
    "reference_difference": "mean_difference on permuted expression; NaN where it is unknown",
    "over_reference": "mean_difference - reference_difference",
    "over_reference_low": "lower limit of over_reference: block jackknife, plus the variance between replicates",
    "over_reference_high": "upper limit of over_reference",
    "over_reference_p": "two-sided p-value of over_reference = 0",
    "margin": "equivalence margin as given; NaN without",
    "equivalence_p": "larger p-value of two one-sided tests that mean_difference lies within the margin",
    "equivalent": '"yes", "no" or "undecided"; empty without a margin',
    "replicates": "joint replicates used for the reference",
    "reference": "origin of the reference, or why there is none",
    "n_blocks": "genomic blocks of the stratum",
    "effective_blocks": "effective number of blocks; below 2 no interval is given",
}
"""Columns of the comparison table: one row per pair of predictors and stratum."""

TRUE_DIRECTIONS: Mapping[str, str] = {
    "predictor_a": "first predictor",
    "predictor_b": "second predictor",
    "stratum": '"all", or the name of the stratum',
    "assignment": "how to read the row, as in the summary",
    "naive": "whether the stratum was defined with one of the two",
    "n": "genes with a correlation and a standard error for both",
    "observed_share_a": "share of right observed directions of a among these genes",
    "observed_share_b": "share of right observed directions of b among these genes",
    "observed_or": "odds of right observed directions in a / in b",
    "true_share_a": "share of right true directions of a among genes at which its true correlation is not 0",
    "true_share_a_low": "lower limit of true_share_a, profile likelihood and design effect of genomic blocks",
    "true_share_a_high": "upper limit of true_share_a",
    "true_share_b": "the same of b",
    "true_share_b_low": "lower limit of true_share_b",
    "true_share_b_high": "upper limit of true_share_b",
    "true_or": "odds of right true directions in a / in b; NaN where not identified",
    "true_or_low": "lower limit of true_or; 0 where the data do not bound it",
    "true_or_high": "upper limit of true_or; infinite where the data do not bound it",
    "without_effect_a": "estimated share of genes whose true correlation with a is 0 or too small to tell from 0",
    "without_effect_b": "the same of b",
    "method": "the model",
    "reason": "why a value is NaN",
}
"""Columns of the true_directions table: one row per pair of predictors and stratum."""

EXCLUSIONS: Mapping[str, str] = {
    "kind": "individual, gene, prediction or covariate",
    "predictor": 'the predictor concerned; "" for all',
    "reason": "why",
    "detail": "the first two details, such as errors at single genes, and how many more",
    "count": "how many",
    "name": "the first five identifiers, and how many more",
}
"""Columns of the exclusions table: one row per kind, predictor and reason."""

TABLES = (
    "summary",
    "per_gene",
    "concordance",
    "true_directions",
    "comparison",
    "strata",
    "structure",
    "exclusions",
)
"""Names of the tables of an evaluation, and of their files in a folder."""

_SETTINGS, _FORMAT = "settings.json", "pgxeval evaluation 1"


def write_folder(folder: Path, tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Path:
    """Write tables as Parquet and TSV and settings as JSON into a folder, all or nothing; return the folder.

    Raises
    ------
    InputFileError
        If the folder holds files other than those of an evaluation, or cannot be written.
    """
    names = {f"{name}.{kind}" for name in TABLES for kind in ("parquet", "tsv")} | {_SETTINGS}
    try:
        if folder.exists():
            foreign = sorted({path.name for path in folder.iterdir()} - names)
            if foreign:
                raise InputFileError(
                    f"{folder} already holds {', '.join(foreign[:5])}, which an evaluation does not write; "
                    "choose an empty or a new folder"
                )
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, table in tables.items():
                table.to_parquet(partial / f"{name}.parquet", index=False)
                table.to_csv(partial / f"{name}.tsv", sep="\t", index=False)
            record = {"format": _FORMAT, "pgxeval": __version__, "settings": settings}
            text = json.dumps(record, indent=1, ensure_ascii=False, default=_plain)
            (partial / _SETTINGS).write_text(text, encoding="utf-8")
            for file in partial.iterdir():
                file.chmod(FILE_MODE)
            if folder.exists():
                shutil.rmtree(folder)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise InputFileError(
            f"the evaluation cannot be written to {folder}: {error.strerror or error}; choose a writable folder"
        ) from error
    return folder


def read_folder(folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Return the tables and the settings that `write_folder` wrote.

    Raises
    ------
    InputFileError
        If a file is missing or damaged.
    """
    if not folder.exists():
        raise InputFileNotFoundError.of("folder of an evaluation", folder, "Evaluation.write makes it")
    try:
        record = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        version, settings = record["format"], dict(record["settings"])
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            f"{folder} is not a complete evaluation ({type(error).__name__}: {error}); "
            "expected a folder written by Evaluation.write"
        ) from error
    if version != _FORMAT:
        raise InputFileError(
            f"{folder}: expected the format {_FORMAT!r}, got {version!r}; "
            "read it with the version of pgxeval that wrote it"
        )
    return tables, settings


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, tuple):
        return list(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
