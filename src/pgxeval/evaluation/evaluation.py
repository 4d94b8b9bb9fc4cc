"""Evaluation: the tables of judged predictions, what was excluded, and how they were made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.concordance import OddsRatioKind
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.settings import MEASURE_NAMES, Measure, measure_of
from pgxeval.evaluation.tables import STRUCTURE, TABLES, TRUE_DIRECTIONS, read_folder, write_folder
from pgxeval.evaluation.tissue_values import TissueValues
from pgxeval.evaluation.views import view_of
from pgxeval.signatures import show_defaults
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions
from pgxeval.view import TableView

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.report import Content


def _structure(table: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame(columns=list(STRUCTURE)) if table is None else table


def _true_directions(table: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame(columns=list(TRUE_DIRECTIONS)) if table is None else table


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Evaluation:
    """Judged predictions. Undefined is NaN (or NA) with a reason; what was dropped is counted in `exclusions`.

    Parameters
    ----------
    summary
        One row per predictor and stratum (``"all"`` first). Columns: `pgxeval.evaluation.tables.SUMMARY`.

        - predictor, stratum, assignment (how to read the row), naive
        - n_genes, defined, undefined: genes, by whether the correlation (of the measure) is defined
        - mean_correlation, mean_low, mean_high (block jackknife), median_correlation, reference_mean_correlation (on
          permuted expression): over defined genes; mean_correlation_undefined_as_0,
          reference_mean_correlation_undefined_as_0: over all genes
        - n_significant (q below the level), n_significant_wrong (of these, with a negative correlation);
          share_right_significant with exact limits: the share of right directions among them, which sampling noise
          does not attenuate
        - n_directed (genes with a direction), n_right, share_right; share_low, share_high (block jackknife);
          binomial_low, binomial_high (Clopper-Pearson: assumes independent genes)
        - reference_share (the share that the same predictor reaches on permuted expression), reference_sd (standard
          deviation between replicates), difference (share_right - reference_share), difference_low, difference_high,
          difference_p (block jackknife and variance between replicates), replicates, reference (origin)
        - n_blocks, effective_blocks: genomic blocks of the jackknife; below 2 effective blocks no interval is given
    per_gene
        One row per predictor and gene.

        - predictor, gene_id, gene_name (symbol, or the identifier), n (individuals with both values)
        - of the measure of the evaluation: correlation, ci_low, ci_high, p_value, q_value (Benjamini-Hochberg within
          the predictor), p_predicts (one-sided), inference (how the p-value was found)
        - of both measures: spearman, spearman_low, spearman_high, spearman_p, pearson, pearson_low, pearson_high,
          pearson_p
        - direction (Int8: 1, -1, NA), reason (why undefined), withheld (what is not given, and why)

        With covariates the correlations are partial ones. For cross-fitted predictors they are computed
        within folds.
    concordance
        One row per pair of predictors and stratum. Columns: `pgxeval.evaluation.tables.CONCORDANCE`.

        - predictor_a, predictor_b, stratum, assignment, naive
        - n (genes with a direction for both), both_right, only_a, only_b, neither, undefined
        - for each of mcnemar, marginal and association: ``*_or``, ``*_or_low``, ``*_or_high``, ``*_p`` (block
          jackknife), ``reference_*_or`` (the same on permuted expression), ``*_over_reference`` with ``_low``,
          ``_high`` and ``_p`` (block jackknife and variance between replicates); for mcnemar and association
          also ``*_exact_low``, ``*_exact_high`` and ``*_exact_p``, which assume independent genes
        - replicates, reference (origin, or why there is none), intervals, n_blocks, effective_blocks
    true_directions
        One row per pair of predictors and stratum: shares and odds ratio of the *true* directions, without the sampling
        noise of the observed ones, as a model estimates them, next to the observed ones. Columns:
        `pgxeval.evaluation.tables.TRUE_DIRECTIONS`.
    comparison
        One row per pair of predictors and stratum: the difference of their mean correlations. Columns:
        `pgxeval.evaluation.tables.COMPARISON`. A reference that is unknown is NaN.
    strata
        One row per gene: gene_id, correlation_en, correlation_rf, gain (undefined counted as 0), p, q (of the gain,
        one-sided, against permuted expression), q_en, q_rf, stratum (linear, nonlinear, unpredictable,
        untested, or a name given by the user), assignment (how it was assigned), reason.
    structure
        Where the cohort has population structure, or covariates that are components of its expression
        (`Cohort.with_pcs`): the rows of the summary over all genes with and without components of
        the genotypes among the covariates. Columns: `pgxeval.evaluation.tables.STRUCTURE`.

        - predictor, adjustment ("with 2 genotype components", "without genotype components"), main (whether all other
          tables are made with this adjustment), and the numbers of the summary
    exclusions
        What was excluded or is undefined: kind (individual, gene, prediction, covariate), predictor ("" for
        all), reason, detail (such as errors at single genes, the first two), count, name (the first five).
    settings
        JSON-serialisable: arguments, sizes, and the settings of each predictor.
    target, predictions
        What was judged against what; None in an evaluation of several tissues, and in one that was read from a folder.
    values
        Tissue -> where target and predictions of the tissue come from, in an evaluation of several tissues; empty in
        one that was read from a folder.
    """

    summary: pd.DataFrame
    per_gene: pd.DataFrame
    concordance: pd.DataFrame
    comparison: pd.DataFrame
    strata: pd.DataFrame
    structure: pd.DataFrame = attrs.field(default=None, converter=_structure)
    exclusions: pd.DataFrame
    settings: Mapping[str, Any]
    true_directions: pd.DataFrame = attrs.field(default=None, converter=_true_directions)
    target: MeasuredExpression | None = None
    predictions: Predictions | BatchedPredictions | None = None
    values: Mapping[str, TissueValues] = attrs.field(factory=dict)

    @property
    def measure(self) -> Measure:
        """The correlation that directions, tables and figures are made of."""
        return measure_of(self.settings)

    @property
    def measure_name(self) -> str:
        """What headings and sentences call the measure: "Spearman's rho" or "Pearson's r"."""
        return MEASURE_NAMES[self.measure]

    def observed_predicted(self, gene_id: str, predictor: str, tissue: str | None = None) -> pd.DataFrame:
        """Return measured and predicted expression of one gene, as they were judged.

        Parameters
        ----------
        gene_id, predictor
            Names in `per_gene`.
        tissue
            Name of the tissue, in an evaluation of several; None in an evaluation of one.

        Returns
        -------
        pandas.DataFrame
            One row per individual with a row in the predictions table: individual, observed (as measured, in the
            unit of the expression table), predicted (for a cross-fitted predictor, less the mean training expression
            of its fold), fold (Int16, NA for a zero-shot predictor), prediction (as in the predictions table).

        Raises
        ------
        UnknownNameError
            If the gene, the predictor or the tissue is not in the tables.
        SettingError
            If the evaluation was read from a folder, where values of individuals are not kept, or if it has several
            tissues and none was named.
        """
        target, predictions = self._values_in(tissue, gene_id)
        table = predictions.rows_of(gene_id)
        row = target.row(gene_id)
        if predictor not in predictions.predictors:
            names = ", ".join(predictions.predictors)
            raise UnknownNameError(f"predictor {predictor} is not in the table; it has {names}")
        part = table[(table["predictor"] == predictor) & (table["replicate"] == 0)]
        part = part[part["individual"].isin(target.individuals)]
        column = pd.Index(target.individuals).get_indexer(pd.Index(part["individual"].astype(str)))
        folded = part["fold"].notna().to_numpy()
        centre = np.where(folded, part["training_mean"].to_numpy(), 0.0)
        return pd.DataFrame(
            {
                "individual": part["individual"].astype(str).to_numpy(),
                "observed": target.expression[row, column],
                "predicted": part["prediction"].to_numpy() - centre,
                "fold": part["fold"].array,
                "prediction": part["prediction"].to_numpy(),
            }
        )

    def _values_in(
        self, tissue: str | None, gene_id: str
    ) -> tuple[MeasuredExpression, Predictions | BatchedPredictions]:
        """Return what one gene was judged with, in the tissue if there are several."""
        if self.predictions is not None and self.target is not None and tissue is None:
            return self.target, self.predictions
        if not self.values and self.predictions is None:
            raise SettingError(
                f"gene {gene_id}: this evaluation was read from a folder, which holds no values of individuals; "
                "evaluate the predictions again to see them"
            )
        tissues = ", ".join(self.values) or "one tissue without a name"
        if tissue is None:
            raise SettingError(f"gene {gene_id}: name the tissue; this evaluation has {tissues}")
        if tissue not in self.values:
            raise UnknownNameError(f"tissue {tissue} is not in this evaluation; it has {tissues}")
        values = self.values[tissue]
        return values.measured(), values.predicted()

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write every table as Parquet and as TSV, and the settings as JSON.

        Values of individuals are not written. Identifiers of excluded individuals are, in the exclusions table.

        Parameters
        ----------
        folder
            A folder that does not exist yet, is empty, or holds an evaluation, which is replaced.

        Returns
        -------
        pathlib.Path
            `folder`.

        Raises
        ------
        InputFileError
            If the folder holds other files or cannot be written.
        """
        return write_folder(Path(folder).expanduser(), {name: getattr(self, name) for name in TABLES}, self.settings)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Evaluation:
        """Read an evaluation that `write` wrote: tables and settings, without values of individuals.

        Raises
        ------
        InputFileError
            If the folder is not a complete evaluation.
        """
        tables, settings = read_folder(Path(folder).expanduser())
        (summary, per_gene, concordance, true_directions, comparison, strata, structure, exclusions) = (
            tables[name] for name in TABLES
        )
        return cls(
            summary=summary,
            per_gene=per_gene,
            concordance=concordance,
            true_directions=true_directions,
            comparison=comparison,
            strata=strata,
            structure=structure,
            exclusions=exclusions,
            settings=settings,
        )

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        title: str | None = None,
        sections: Sequence[str] | None = None,
        extra: Mapping[str, Content] | None = None,
        show_individuals_of: bool | Sequence[str] = False,
        max_genes: int = 200,
        cohort: Cohort | None = None,
        otherwise: Mapping[str, Evaluation] | None = None,
    ) -> Path:
        """Write one self-contained HTML page with figures and tables; return its path.

        The arguments are those of `pgxeval.report.write_report`.
        """
        from pgxeval.report import write_report

        return write_report(
            self,
            path,
            title=title,
            sections=sections,
            extra=extra,
            show_individuals_of=show_individuals_of,
            max_genes=max_genes,
            cohort=cohort,
            otherwise=otherwise,
        )

    def show(
        self,
        table: str = "summary",
        *,
        rows: int = 20,
        genes: Sequence[str] | None = None,
        kind: OddsRatioKind = "mcnemar",
    ) -> TableView:
        """Return a table for reading: at most ten columns, intervals in one cell, codes with a legend below.

        Parameters
        ----------
        table
            Name of a table: summary, per_gene, concordance, true_directions, comparison, strata, structure or
            exclusions.
        rows
            Largest number of rows shown.
        genes
            Identifiers or symbols of the genes to show, in per_gene and strata; None shows those with the smallest q
            or with the largest gain.
        kind
            Which odds ratio the concordance shows. Pairs of predictors are swapped so that it is above 1.

        Returns
        -------
        TableView
            Displays itself in notebooks and in a terminal. Its ``table`` is the full table.

        Raises
        ------
        SettingError
            If there is no such table, or an argument does not fit it.
        UnknownNameError
            If a gene is not in the evaluation.
        """
        return view_of(self, table, rows=rows, genes=genes, kind=kind)

    def __repr__(self) -> str:
        return f"{self._headline()}\n\n{self.show()}"

    def _repr_html_(self) -> str:
        others = ", ".join(f"<code>{name}</code>" for name in TABLES[1:])
        return (
            f"<p>{escape(self._headline())}</p>{self.show().to_html()}"
            f"<p>Further tables: <code>evaluation.show(name)</code> with {others}.</p>"
        )

    def _headline(self) -> str:
        predictors = ", ".join(self.summary["predictor"].astype(str).drop_duplicates())
        tissues = self.settings.get("tissues", {})
        units = f"gene-tissue pairs in {len(tissues)} tissues" if tissues else "genes"
        return (
            f"Evaluation({self.settings['n_genes']:,} {units}, {self.settings['n_individuals']:,} individuals: "
            f"{predictors})"
        )
