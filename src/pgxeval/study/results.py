"""StudyResults: the tables of a study and the settings that they were made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.evaluation import Evaluation
from pgxeval.signatures import show_defaults

TABLES = (
    "pairs",
    "flips",
    "heritability",
    "nonadditivity",
    "effects",
    "mechanism",
    "ceiling",
    "split_summary",
    "split_comparison",
    "across_genes",
    "tissue_sharing",
    "genes",
    "counts",
    "failures",
)
"""Names of the tables of a study and of their files, in addition to those of its evaluation."""


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class StudyEvaluation(Evaluation):
    """The evaluation of all gene-tissue pairs, with every two predictors compared pair by pair.

    Parameters
    ----------
    pairs
        One row per pair of predictors and gene-tissue pair: predictor_a, predictor_b, tissue, and the columns of
        `pgxeval.evaluation.compare_genes`.
    flips
        Two rows per pair of predictors: at how many gene-tissue pairs one points the right way and the other the
        wrong way, with the evidence; see `pgxeval.evaluation.flips`.
    """

    pairs: pd.DataFrame
    flips: pd.DataFrame

    @classmethod
    def of(cls, evaluation: Evaluation, pairs: pd.DataFrame, flips: pd.DataFrame) -> StudyEvaluation:
        """Add the two tables to an evaluation."""
        fields = {field.name: getattr(evaluation, field.name) for field in attrs.fields(Evaluation)}
        return cls(**fields, pairs=pairs, flips=flips)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StudyResults:
    """All results of a study. Undefined is NaN with a reason; what was excluded or failed is counted.

    Parameters
    ----------
    evaluation
        `StudyEvaluation`: the tables of an `Evaluation` over gene-tissue pairs, and ``pairs`` and ``flips``.
    heritability
        One row per gene-tissue pair: tissue, gene_id, gene_name, n (individuals), variants, h2, h2_se, h2_unbounded,
        h2_p, h2_q, reason. Empty if the analysis was not run, as the following tables are.
    nonadditivity
        One row per gene-tissue pair: leads, dominance_p, interaction_p, pairwise_p, p_value, q_value, reason.
    effects
        One row per attributed gene-tissue pair, predictor and variant; see `pgxeval.attribute`.
    mechanism
        One row per attributed gene-tissue pair and pair of predictors; see `pgxeval.evaluation.Agreement`.
    ceiling
        One row per predictor and set of pairs: mean correlation over mean ceiling, with interval.
    split_summary, split_comparison
        Results in strata that the other half of the individuals defined, by tissue; see `SplitStrata`. Empty unless
        the study was run with `StudySettings(split=...)`.
    across_genes
        One row per tissue and predictor; see `pgxeval.evaluation.across_genes`.
    tissue_sharing
        In how many tissues genes point in the right direction; see `pgxeval.evaluation.tissue_sharing`.
    genes
        One row per attributed gene: gene_id, name, contig, start, end (0-based half-open), strand, tss (0-based),
        exons.
    counts
        What is left after each step: step, tissue, predictor, count.
    failures
        What failed: step, tissue, predictor, gene_id, reason.
    settings
        JSON-able: settings of the study, tissues, predictors, roles, versions, digests of files, notes.
    cohorts
        Tissue -> cohort; None in a study that was read from a folder.
    """

    evaluation: StudyEvaluation
    heritability: pd.DataFrame
    nonadditivity: pd.DataFrame
    effects: pd.DataFrame
    mechanism: pd.DataFrame
    ceiling: pd.DataFrame
    split_summary: pd.DataFrame
    split_comparison: pd.DataFrame
    across_genes: pd.DataFrame
    tissue_sharing: pd.DataFrame
    genes: pd.DataFrame
    counts: pd.DataFrame
    failures: pd.DataFrame
    settings: Mapping[str, Any]
    cohorts: Mapping[str, Cohort] | None = None

    @property
    def exclusions(self) -> pd.DataFrame:
        """What was excluded or is undefined: the exclusions table of the evaluation."""
        return self.evaluation.exclusions

    def table(self, name: str) -> pd.DataFrame:
        """Return one of `TABLES`."""
        table: pd.DataFrame = getattr(self.evaluation if name in ("pairs", "flips") else self, name)
        return table
