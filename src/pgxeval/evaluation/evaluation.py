"""What an evaluation hands back: four tables, what was left out, and how it was done."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import UnknownNameError
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.tables.predictions import Predictions


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Evaluation:
    """Judged predictions. Undefined is NaN (or NA) with a reason; what was dropped is counted in `left_out`.

    Parameters
    ----------
    summary
        One row a predictor and stratum (``"all"`` first):

        - predictor, stratum; assignment (``"all genes"``; ``"naive"``: the stratum was defined with this very
          predictor; ``"same individuals"``: with others on the same individuals; ``"independent"``: given by
          the user); naive (bool)
        - n_genes, defined, undefined: genes, by whether the Spearman correlation is defined
        - mean_spearman, mean_low, mean_high (block bootstrap), median_spearman: over defined genes;
          mean_spearman_undefined_as_0: over all; reference_mean_spearman: of the defined null correlations
        - n_significant (q below the level), n_significant_wrong (of these, with a negative correlation); NA
          where no p-value is to be had
        - n_directed (genes with a direction), n_right, share_right; share_low, share_high (block bootstrap;
          binomial where the share is 0 or 1, which a bootstrap cannot move); binomial_low, binomial_high
          (Clopper-Pearson: assumes independent genes)
        - reference_share (the share that the same predictor reaches on permuted expression), reference_sd
          (standard deviation of that share between replicates), difference (share_right - reference_share),
          difference_low, difference_high (block bootstrap, joint), replicates, reference (where it is from)
        - n_blocks: genomic blocks of the bootstrap; with fewer than 30 its intervals are too narrow, with one
          they are NaN
    per_gene
        One row a predictor and gene: predictor, gene_id, n (individuals with both values), spearman, ci_low,
        ci_high, p_value, q_value (Benjamini-Hochberg within the predictor), inference (how the p-value was
        found), pearson, direction (Int8: 1, -1, NA), reason (why undefined). With covariates both
        correlations are partial ones. For cross-fitted predictors they are those of centred predictions.
    concordance
        One row a pair of predictors and stratum:

        - predictor_a, predictor_b, stratum, assignment, naive
        - n (genes with a direction for both), both_right, only_a, only_b, neither, undefined
        - for each of mcnemar, marginal and association: ``*_or``, ``*_or_low``, ``*_or_high`` (block
          bootstrap; see intervals), ``*_p`` (exact and assuming independent genes for mcnemar and
          association, block bootstrap for marginal), ``reference_*_or`` (the same on permuted expression),
          ``*_over_reference``, ``*_over_reference_low``, ``*_over_reference_high`` (ratio of the two, block
          bootstrap, joint); mcnemar_exact_low/high and association_exact_low/high (assume independent genes)
        - replicates, reference (where it is from, or why there is none), intervals, n_blocks
    strata
        One row a gene: gene_id, spearman_en, spearman_rf, gain (undefined counted as 0), p, q (of the gain,
        one-sided, against permuted expression), q_en, q_rf, stratum (linear, nonlinear, unpredictable,
        untested, or a name given by the user), assignment (how it was assigned), reason.
    left_out
        What was dropped or is undefined: kind (individual, gene, prediction, covariate), predictor ("" for
        all), reason, count, names (the first five).
    settings
        JSON-able: arguments, sizes, and the settings of each predictor.
    """

    summary: pd.DataFrame
    per_gene: pd.DataFrame
    concordance: pd.DataFrame
    strata: pd.DataFrame
    left_out: pd.DataFrame
    settings: Mapping[str, Any]
    target: MeasuredExpression
    predictions: Predictions

    def observed_predicted(self, gene_id: str, predictor: str) -> pd.DataFrame:
        """Return measured and predicted expression of one gene, as they were judged.

        Parameters
        ----------
        gene_id, predictor
            Names in `per_gene`.

        Returns
        -------
        pandas.DataFrame
            One row an individual with a row in the predictions table: individual, observed (as measured, in the
            unit of the expression table), predicted (a cross-fitted one less the mean training expression of its
            fold), fold (Int16, NA for a zero-shot predictor), prediction (as in the predictions table).

        Raises
        ------
        UnknownNameError
            If the gene or the predictor is not in the tables.
        """
        table = self.predictions.table
        row = self.target.row(gene_id)
        names = table["predictor"].cat.categories
        if predictor not in names:
            raise UnknownNameError(f"predictor {predictor} is not in the table; it has {', '.join(names)}")
        if gene_id not in table["gene_id"].cat.categories:
            raise UnknownNameError(f"gene {gene_id} is not in the predictions table")
        chosen = np.flatnonzero(
            table["gene_id"].cat.codes.to_numpy() == table["gene_id"].cat.categories.get_loc(gene_id)
        )
        part = table.iloc[chosen]
        part = part[(part["predictor"] == predictor) & (part["replicate"] == 0)]
        part = part[part["individual"].isin(self.target.individuals)]
        column = pd.Index(self.target.individuals).get_indexer(pd.Index(part["individual"].astype(str)))
        folded = part["fold"].notna().to_numpy()
        centre = np.where(folded, part["training_mean"].to_numpy(), 0.0)
        return pd.DataFrame(
            {
                "individual": part["individual"].astype(str).to_numpy(),
                "observed": self.target.expression[row, column],
                "predicted": part["prediction"].to_numpy() - centre,
                "fold": part["fold"].array,
                "prediction": part["prediction"].to_numpy(),
            }
        )

    def to_html(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write one self-contained HTML page with figures and tables; return its path.

        `options` are those of `pgxeval.report.write_report`: title, sections, extra, individuals, genes.
        """
        from pgxeval.report import write_report

        return write_report(self, path, **options)

    def __repr__(self) -> str:
        predictors = ", ".join(self.summary["predictor"].drop_duplicates())
        return (
            f"Evaluation({self.settings['n_genes']:,} genes, {self.settings['n_individuals']:,} individuals: "
            f"{predictors})"
        )

    def _repr_html_(self) -> str:
        shown = self.summary[
            ["predictor", "stratum", "n_genes", "defined", "mean_spearman", "n_significant", "share_right",
             "share_low", "share_high", "reference_share", "difference_low", "difference_high", "assignment"]
        ]  # fmt: skip
        return f"<p><b>{html.escape(repr(self))}</b></p>{shown.to_html(index=False, float_format='{:.3f}'.format)}"
