"""Columns of every table that the library returns: what each means, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pgxeval.evaluation import tables
from pgxeval.evaluation.direction_curve import COLUMNS as DIRECTION_CURVE


@attrs.frozen(kw_only=True)
class Dictionary:
    """The columns of one table, with the units of those that have one."""

    columns: Mapping[str, str]
    units: Mapping[str, str] = attrs.field(factory=dict)

    def unit(self, column: str) -> str:
        """Return the unit of a column; empty without one."""
        return self.units.get(column, "")


_UNIT = {
    "tissue": "tissue",
    "gene_id": "identifier of the gene",
    "gene_name": "symbol, or the identifier if there is none",
    "n": "individuals",
    "variants": "variants of the cis window that were used",
}
_PAIR = {"predictor_a": "first predictor", "predictor_b": "second predictor"}
_EXPRESSION = "that of the expression"
_PREDICTION = "that of the prediction"

TABLES: Mapping[str, Dictionary] = {
    "predictions": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "tissue": "tissue; only in a table of several tissues",
            "gene_id": "identifier of the gene",
            "individual": "name of the individual",
            "replicate": "0: observed; 1 and up: the procedure repeated on jointly permuted expression",
            "fold": "fold of the genotypes, from 1; NA for a predictor that was not trained on this cohort",
            "prediction": "the number that the predictor gave, not centred; NaN where undefined",
            "training_mean": "mean expression of the training individuals of the fold; NaN without training",
            "reason": "why the prediction is NaN",
        },
        units={"prediction": "that of the predictor", "training_mean": _EXPRESSION},
    ),
    "summary": Dictionary(columns=tables.SUMMARY),
    "per_gene": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "tissue": "tissue; only in an evaluation of several tissues",
            "gene_id": "identifier of the gene",
            "gene_name": "symbol, or the identifier if there is none",
            "n": "individuals with a prediction and a measurement",
            "correlation": "correlation in the measure of the evaluation; with covariates the partial correlation",
            "ci_low": "lower limit of correlation",
            "ci_high": "upper limit of correlation",
            "p_value": "p-value of correlation; see inference",
            "q_value": "false discovery rate, Benjamini and Hochberg within the predictor",
            "p_predicts": "one-sided p-value: the predictor ranks individuals better than chance",
            "inference": "how the p-value was found",
            "spearman": "Spearman's rho",
            "spearman_low": "lower limit of spearman",
            "spearman_high": "upper limit of spearman",
            "spearman_p": "p-value of spearman",
            "pearson": "Pearson's r",
            "pearson_low": "lower limit of pearson",
            "pearson_high": "upper limit of pearson",
            "pearson_p": "p-value of pearson",
            "direction": "1 right, -1 wrong, NA undefined",
            "reason": "why the correlation is undefined",
            "withheld": "what is not given, and why",
        },
        units={"n": "individuals"},
    ),
    "concordance": Dictionary(columns=tables.CONCORDANCE),
    "true_directions": Dictionary(columns=tables.TRUE_DIRECTIONS),
    "comparison": Dictionary(columns=tables.COMPARISON),
    "strata": Dictionary(
        columns={
            "gene_id": "identifier of the gene",
            "tissue": "tissue; only in an evaluation of several tissues",
            "correlation_en": "correlation of the elastic net",
            "correlation_rf": "correlation of the random forest",
            "gain": "correlation_rf less correlation_en, an undefined one counting as 0",
            "p": "one-sided p-value of the gain, against permuted expression",
            "q": "false discovery rate of the gain",
            "q_en": "q-value of the elastic net",
            "q_rf": "q-value of the random forest",
            "stratum": "linear, nonlinear, unpredictable, untested, or a name given by the user",
            "assignment": "how it was assigned",
            "reason": "why it was assigned so",
        }
    ),
    "structure": Dictionary(columns=tables.STRUCTURE),
    "exclusions": Dictionary(columns=tables.EXCLUSIONS),
    "effects": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "gene_id": "identifier of the gene",
            "variant": "contig:position:ref:alt",
            "contig": "contig, as in the genotypes",
            "position": "first base of REF",
            "ref": "reference allele",
            "alt": "alternate allele",
            "maf": "minor allele frequency among the individuals of the cohort",
            "effect": "change of the prediction per alternate allele",
            "at_0": "mean prediction with the dosage set to 0; NaN where the method does not give it",
            "at_1": "the same at 1",
            "at_2": "the same at 2",
            "folds": "folds in which the variant passed the filters; NA without training",
            "method": "how the effect was computed",
        },
        units={"position": "1-based", "effect": f"{_PREDICTION} per allele"}
        | dict.fromkeys(("at_0", "at_1", "at_2"), _PREDICTION),
    ),
    "compare_genes": Dictionary(
        columns={
            "gene_id": "identifier of the gene",
            "gene_name": "symbol, or the identifier",
            "correlation_a": "correlation of a",
            "correlation_b": "correlation of b",
            "correlation_between": "correlation of the two predictions",
            "difference": "correlation_a less correlation_b",
            "difference_low": "lower limit of difference",
            "difference_high": "upper limit of difference",
            "p_value": "p-value of difference = 0",
            "q_value": "false discovery rate over genes",
            "better": "name of the predictor that is better at the level of the evaluation, or empty",
            "reason": "why the difference is undefined",
        }
    ),
    "flips": Dictionary(
        columns={
            "right": "the predictor that has the right direction where the other has the wrong one",
            "genes": "genes at which that is so",
            "both_clear": "of these, genes at which both intervals exclude 0",
            "one_clear": "genes at which one does",
            "neither_clear": "genes at which none does",
            "names": "up to five genes of both_clear",
            "expected_by_chance": "number of both_clear expected by chance",
        },
        units=dict.fromkeys(("genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance"), "genes"),
    ),
    "across_genes": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "n_genes": "genes with a mean prediction and a mean expression",
            "spearman": "Spearman's rho across genes",
            "low": "lower limit of spearman",
            "high": "upper limit of spearman",
            "pearson": "Pearson's r across genes",
            "reason": "why they are undefined",
        },
        units={"n_genes": "genes"},
    ),
    "tissue_sharing": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "tissues": "number of tissues in which a gene has a direction",
            "right": "number of these in which it is right",
            "genes": "genes for which that is so",
        },
        units={"tissues": "tissues", "right": "tissues", "genes": "genes"},
    ),
    "direction_curve": Dictionary(columns=DIRECTION_CURVE),
    "power": Dictionary(
        columns={
            "individuals": "number of individuals",
            "genes": "number of genes",
            "observed_a": "expected share of right directions, or mean correlation, of a",
            "observed_b": "the same of b",
            "odds_ratio": "expected marginal odds ratio; NaN except for directions",
            "power": "share of simulated studies that tell a and b apart",
            "power_se": "Monte Carlo standard error of power",
        }
    ),
    "heritability": Dictionary(
        columns={
            "h2": "REML estimate, from 0 to 0.999",
            "h2_se": "standard error of h2, which assumes many small effects",
            "h2_unbounded": "Haseman and Elston's estimate, which may be negative",
            "h2_p": "one-sided p-value of h2 = 0",
            "n": "individuals",
            "reason": "why all are NaN, or empty",
        }
    ),
    "check": Dictionary(
        columns={
            "check": "what was checked",
            "status": "ok, note, warning or skipped",
            "finding": "what was found",
            "advice": "what to do",
        }
    ),
    "plan": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "genes": "genes to predict",
            "stored": "genes among them that are finished in the store",
            "fits": "models to train",
            "passes": "sequences to pass through a model, or to pay for",
            "cached": "sequences whose scores are in the cache",
            "seconds": "expected time on all workers together",
            "memory_bytes": "size of the predictions without a store",
            "disk_bytes": "size of the predictions in a store",
            "basis": "what the time is estimated from, or why there is none",
        },
        units={"seconds": "s", "memory_bytes": "bytes", "disk_bytes": "bytes"},
    ),
    "failures": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "gene_id": "gene at which it failed",
            "reason": "why",
        }
    ),
    "study pairs": Dictionary(
        columns={
            **_PAIR,
            "tissue": "tissue",
            "gene_id": "identifier of the gene",
            "gene_name": "symbol, or the identifier",
            "correlation_a": "correlation of the first predictor, called a",
            "correlation_b": "correlation of the second predictor, called b",
            "correlation_between": "correlation of the two predictions",
            "difference": "correlation_a less correlation_b",
            "difference_low": "lower limit of difference",
            "difference_high": "upper limit of difference",
            "p_value": "p-value of difference = 0",
            "q_value": "false discovery rate over the gene-tissue pairs of all tissues",
            "better": '"a" or "b", the better one at the level of the evaluation, or empty',
            "reason": "why the difference is undefined",
        }
    ),
    "study flips": Dictionary(
        columns={
            **_PAIR,
            "right": '"a" or "b": the one that has the right direction where the other has the wrong one',
            "genes": "gene-tissue pairs at which that is so",
            "both_clear": "of these, pairs at which both intervals exclude 0",
            "one_clear": "pairs at which one does",
            "neither_clear": "pairs at which none does",
            "expected_by_chance": "number expected if the true correlations of both were equal at every pair",
            "names": "up to five genes of both_clear",
        },
        units=dict.fromkeys(("genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance"), "pairs"),
    ),
    "study heritability": Dictionary(
        columns={
            **_UNIT,
            "h2": "REML estimate, from 0 to 0.999",
            "h2_se": "standard error of h2, which assumes many small effects",
            "h2_unbounded": "Haseman and Elston's estimate, which may be negative",
            "h2_p": "one-sided p-value of h2 = 0",
            "h2_q": "false discovery rate of h2_p over all gene-tissue pairs",
            "reason": "why all are NaN, or empty",
        },
        units={"n": "individuals", "variants": "variants"},
    ),
    "nonadditivity": Dictionary(
        columns={
            **_UNIT,
            "leads": "leading variants that were tested",
            "dominance_p": "p-value of the largest dominance deviation at the leading variants",
            "interaction_p": "p-value of the largest product of two leading variants; NaN with fewer than two",
            "pairwise_p": "p-value of the variance component of all pairs of variants",
            "p_value": "of the three combined",
            "q_value": "false discovery rate of p_value over all gene-tissue pairs",
            "reason": "why all are NaN, or empty",
        },
        units={"n": "individuals", "variants": "variants", "leads": "variants"},
    ),
    "mechanism": Dictionary(
        columns={
            "tissue": "tissue",
            "gene_id": "identifier of the gene",
            **_PAIR,
            "variants": "variants compared: those whose dosage varies",
            "clumps": "clumps of dependent variants among them",
            "rank_correlation": "Spearman's rho of the two effects per standard deviation of dosage",
            "rank_p": "two-sided p-value of rank_correlation, from random signs per clump",
            "prediction_correlation": "Pearson's r over individuals of the predictions that the two effects imply",
            "prediction_p": "two-sided p-value of prediction_correlation, from random signs per clump",
            "overlap": "share of the leading variants of the first that are linked to a leading variant of the second",
            "overlap_p": "one-sided p-value of overlap, from rotations along the genome",
            "reason": "why the statistics are NaN, or empty",
            "block": "genomic block of the gene",
        },
        units={"variants": "variants", "clumps": "clumps"},
    ),
    "ceiling": Dictionary(
        columns={
            "predictor": "name of the predictor",
            "pairs": '"heritable" (gene-tissue pairs with significant heritability) or "all"',
            "n_pairs": "how many",
            "mean_correlation": "mean correlation over these pairs, an undefined one counting as 0",
            "mean_ceiling": "mean of the largest correlation that the heritability allows",
            "share": "mean_correlation / mean_ceiling; not bounded by 1, because both are estimates",
            "low": "lower limit of share, block jackknife",
            "high": "upper limit of share",
            "reason": "why share is NaN, or empty",
        },
        units={"n_pairs": "pairs"},
    ),
    "genes": Dictionary(
        columns={
            "gene_id": "identifier of the gene",
            "name": "symbol, or the identifier",
            "contig": "contig, as in the genotypes",
            "start": "first base",
            "end": "after the last base",
            "strand": "+ or -",
            "tss": "transcription start site",
            "exons": "exons as start-end, separated by commas",
        },
        units={"start": "0-based", "end": "0-based, exclusive", "tss": "0-based", "exons": "0-based half-open"},
    ),
    "counts": Dictionary(
        columns={
            "step": "what is counted",
            "tissue": "tissue; empty for all together",
            "predictor": "predictor; empty where it concerns all",
            "count": "how many",
        }
    ),
    "study failures": Dictionary(
        columns={
            "step": "part of the study",
            "tissue": "tissue",
            "predictor": "predictor; empty where it concerns all",
            "gene_id": "gene",
            "reason": "why",
        }
    ),
    "truth": Dictionary(
        columns={
            "gene_id": "identifier of the gene",
            "kind": "how expression depends on genotype",
            "heritability": "share of the variance of expression that genotypes explain",
            "linear_heritability": "share that a linear function of the causal dosages explains",
            "n_causal": "causal variants",
            "causal_variants": "contig:position:ref:alt, position 1-based, separated by commas",
            "effects": "term=coefficient, separated by commas",
            "n_variants": "variants of the window",
            "n_common": "of these, with a minor allele frequency of 0.01 or more",
        }
    ),
}
