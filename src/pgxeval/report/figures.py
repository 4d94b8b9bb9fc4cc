"""The figures of the report, each with its caption and with an alternative text made from the numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.strata import ALL
from pgxeval.plots.drawing import gene_label, numbers, of_stratum
from pgxeval.report.markup import figure, paragraph
from pgxeval.report.sections import Options
from pgxeval.wording import correlation, counted, listed, number, percent

MOST_PAIRS = 6
"""More pairs of predictors than this are not drawn against each other."""


def figures(evaluation: Evaluation, options: Options) -> str:
    """Return all figures that the tables allow."""
    draw = (_distribution, _directions, _odds_ratios, _scatters, _strata)
    return "".join(one(evaluation) for one in draw) + _individuals(evaluation, options)


def _distribution(evaluation: Evaluation) -> str:
    rows = of_stratum(evaluation.summary, ALL)
    medians = [
        f"{name} {correlation(median)}"
        for name, median in zip(rows["predictor"], numbers(rows, "median_correlation"), strict=True)
    ]
    return figure(
        plots.correlation_distribution(evaluation),
        alt=f"Histograms over genes of the Spearman correlation, one per predictor. Medians: {listed(medians)}.",
        caption="Distribution over genes of each predictor's Spearman correlation across individuals. At the right: "
        "median, share of genes in the right direction, and the same share on permuted expression.",
    )


def _directions(evaluation: Evaluation) -> str:
    rows = of_stratum(evaluation.summary, ALL)
    shares = [
        f"{name} {percent(share)}, permuted {percent(reference)}"
        for name, share, reference in zip(
            rows["predictor"], numbers(rows, "share_right"), numbers(rows, "reference_share"), strict=True
        )
    ]
    return figure(
        plots.sign_concordance(evaluation),
        alt=f"Share of genes predicted in the right direction, with interval: {'; '.join(shares)}.",
        caption="Share of genes in the right direction with its block-jackknife interval, and the share that the same "
        "procedure reaches on permuted expression (diamond). The dashed line at 50 % is the reference of zero-shot "
        "predictors only.",
    )


def _odds_ratios(evaluation: Evaluation) -> str:
    rows = of_stratum(evaluation.concordance, ALL)
    if rows.empty:
        return ""
    values = [
        f"{a} over {b} {number(ratio)}"
        for a, b, ratio in zip(rows["predictor_a"], rows["predictor_b"], numbers(rows, "mcnemar_or"), strict=True)
    ]
    return figure(
        plots.odds_ratios(evaluation),
        alt=f"McNemar odds ratios of pairs of predictors: {'; '.join(values)}.",
        caption="Where exactly one of two predictors is right, the odds that it is A. Above 1 favours A. Arrow: 0 or "
        "infinite, or beyond the axis.",
    )


def _scatters(evaluation: Evaluation) -> str:
    names = list(dict.fromkeys(of_stratum(evaluation.summary, ALL)["predictor"].astype(str)))
    pairs = list(itertools.combinations(names, 2))[:MOST_PAIRS]
    drawn = []
    for a, b in pairs:
        drawn.append(
            figure(
                plots.scatter_predictors(evaluation, a, b),
                alt=f"Scatter of the Spearman correlation of each gene under {a} (x) and {b} (y), with the genes "
                "in each quadrant counted.",
                caption=f"Each gene's Spearman correlation under `{a}` and `{b}`. Dashed: equal.",
            )
        )
    left = len(names) * (len(names) - 1) // 2 - len(pairs)
    note = paragraph(f"{counted(left, 'further pair')} not drawn.", "note") if left else ""
    return f'<div class="pair">{"".join(drawn)}</div>{note}' if drawn else ""


def _strata(evaluation: Evaluation) -> str:
    rows = evaluation.summary
    rows = rows[rows["stratum"].astype(str) != ALL]
    if rows.empty:
        return ""
    means = [
        f"{name} in {stratum} {correlation(mean)}"
        for name, stratum, mean in zip(
            rows["predictor"], rows["stratum"], numbers(rows, "mean_correlation"), strict=True
        )
    ]
    return figure(
        plots.strata_comparison(evaluation),
        alt=f"Mean Spearman correlation in each stratum: {'; '.join(means)}.",
        caption="Mean Spearman correlation in each stratum. Hollow on hatched background: naive (the stratum was "
        "defined with this predictor); not to be read as its performance. In strata defined on the same individuals "
        "the other predictors are biased in the same direction, by less.",
    )


def _individuals(evaluation: Evaluation, options: Options) -> str:
    if not options.show_individuals_of:
        return paragraph(
            "Observed against predicted expression of single genes shows individuals, one point each, and is not on "
            "this page. `pgxeval.plots.observed_predicted` draws it, and `show_individuals_of=True` includes it here.",
            "note",
        )
    drawn = []
    for gene in options.show_individuals_of:
        predictor = _predictor_of(evaluation.per_gene, gene)
        label = gene_label(evaluation.per_gene, gene)
        drawn.append(
            figure(
                plots.observed_predicted(evaluation, gene, predictor),
                alt=f"Observed against predicted expression of {label}, one point per individual, for {predictor}.",
                caption=f"Observed against predicted expression of `{label}`, one point per individual, for "
                f"the predictor with the smallest q-value there, `{predictor}`.",
            )
        )
    return f'<div class="pair">{"".join(drawn)}</div>'


def _predictor_of(per_gene: pd.DataFrame, gene: str) -> str:
    rows = per_gene[per_gene["gene_id"].astype(str) == gene]
    q = numbers(rows, "q_value")
    return str(rows["predictor"].iloc[int(np.argmin(np.where(np.isnan(q), np.inf, q)))])
