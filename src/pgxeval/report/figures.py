"""The figures of the report, each with a title, its caption and an alternative text made from the numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from pgxeval import plots
from pgxeval.evaluation.by_tissue import by_tissue
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.permuted import permuted_p_values
from pgxeval.evaluation.strata import ALL, NONLINEAR
from pgxeval.plots.drawing import numbers, of_stratum
from pgxeval.report.markup import figure
from pgxeval.wording import correlation, count, counted, listed, number, percent

MOST_PAIRS = 6
"""More pairs of predictors than this are not drawn against each other."""


def pairs(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return all pairs of predictors, the ones with the higher means first."""
    rows = of_stratum(evaluation.summary, ALL)
    rows = rows.sort_values("mean_correlation_undefined_as_0", ascending=False, kind="stable")
    return list(itertools.combinations(dict.fromkeys(rows["predictor"].astype(str)), 2))


def distribution(evaluation: Evaluation) -> str:
    """Draw the correlations of every predictor."""
    rows = of_stratum(evaluation.summary, ALL)
    medians = [
        f"{name} {correlation(median)}"
        for name, median in zip(rows["predictor"], numbers(rows, "median_correlation"), strict=True)
    ]
    name = evaluation.measure_name
    return figure(
        plots.correlation_distribution(evaluation),
        title=f"{name} across individuals, gene by gene",
        alt=f"Histograms over genes of {name}, one per predictor. Medians: {listed(medians)}.",
        caption="Right: median, share of genes in the right direction, and the same share on permuted expression.",
    )


def directions(evaluation: Evaluation) -> str:
    """Draw the share of right directions of every predictor."""
    rows = of_stratum(evaluation.summary, ALL)
    shares = [
        f"{name} {percent(share)}, permuted {percent(reference)}"
        for name, share, reference in zip(
            rows["predictor"], numbers(rows, "share_right"), numbers(rows, "reference_share"), strict=True
        )
    ]
    return figure(
        plots.sign_concordance(evaluation),
        title="Genes in the right direction",
        alt=f"Share of genes predicted in the right direction, with interval: {'; '.join(shares)}.",
        caption="Line: block-jackknife interval. Diamond: the share that the same procedure reaches on permuted "
        "expression. The dashed line at 50 % is the reference of zero-shot predictors only.",
    )


def odds_ratios(evaluation: Evaluation) -> str:
    """Draw the odds ratios of all pairs, where there are several."""
    rows = above_one(of_stratum(evaluation.concordance, ALL))
    if len(rows) < 2:
        return ""
    values = [
        f"{a} over {b} {number(ratio)}"
        for a, b, ratio in zip(rows["predictor_a"], rows["predictor_b"], numbers(rows, "mcnemar_or"), strict=True)
    ]
    return figure(
        plots.odds_ratios(evaluation),
        title="McNemar odds ratios",
        alt=f"McNemar odds ratios of pairs of predictors: {'; '.join(values)}.",
        caption="Where exactly one of two predictors is right, the odds that it is A, which is right more often. "
        "Arrow: infinite, or beyond the axis.",
    )


def differences(evaluation: Evaluation) -> list[str]:
    """Draw the difference of each pair of predictors over the genes."""
    return [
        figure(
            plots.paired_difference(evaluation, a, b),
            title=f"Difference between `{a}` and `{b}`, gene by gene",
            alt=f"Histogram over genes of the correlation of {a} less that of {b}, with its mean and interval.",
            caption="Square: mean with its block-jackknife interval. Diamond: the mean on permuted expression. An "
            "undefined correlation counts as 0.",
        )
        for a, b in pairs(evaluation)[:MOST_PAIRS]
    ]


def scatters(evaluation: Evaluation) -> list[str]:
    """Draw each pair of predictors against each other."""
    return [
        figure(
            plots.scatter_predictors(evaluation, a, b),
            title=f"`{a}` against `{b}`",
            alt=f"Scatter of the correlation of each gene under {a} (x) and {b} (y), with the genes in each quadrant "
            "counted.",
            caption="One point per gene. Dashed: equal.",
        )
        for a, b in pairs(evaluation)[:MOST_PAIRS]
    ]


def strata(evaluation: Evaluation) -> str:
    """Draw every predictor in each stratum."""
    rows = evaluation.summary
    rows = rows[(rows["stratum"].astype(str) != ALL) & (rows["n_genes"] > 0)]
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
        title="Mean correlation in each stratum",
        alt=f"Mean correlation in each stratum: {'; '.join(means)}.",
        caption="Hollow on hatched background: naive (the stratum was defined with this predictor); not to be read as "
        "its performance. In strata defined on the same individuals the other predictors are biased in the same "
        "direction, by less.",
    )


def gains(evaluation: Evaluation) -> str:
    """Draw the gain of the random forest over the elastic net, ranked."""
    table = evaluation.strata
    if table.empty or "gain" not in table or table["gain"].isna().all():
        return ""
    nonlinear = int((table["stratum"].astype(str) == NONLINEAR).sum())
    return figure(
        plots.ranked_gain(evaluation),
        title="Gain of the random forest over the elastic net",
        alt=f"Genes ranked by gain; the largest is {correlation(table['gain'].max())}; {count(nonlinear)} are "
        "nonlinear.",
        caption="The largest gains are partly chance: a gene is nonlinear only where its gain is significant compared "
        "with permuted expression.",
    )


def p_values(evaluation: Evaluation) -> str:
    """Draw p-values against those expected by chance, with those of a permuted replicate."""
    table = evaluation.per_gene
    if table["p_value"].isna().all():
        return ""
    null = permuted_p_values(evaluation)
    below = [
        f"{name} {counted(int((part['p_value'] < 0.01).sum()), 'gene')} of {count(len(part))}"
        for name, part in table.groupby("predictor", observed=True, sort=False)
    ]
    sentence = (
        "Hollow: one permuted replicate judged in the same way, which should follow the diagonal."
        if len(null)
        else "No permuted replicate could be judged in the same way, because there are fewer than two, or "
        "the evaluation was read from a folder."
    )
    return figure(
        plots.p_value_quantiles(evaluation, null if len(null) else None),
        title="Observed against expected p-values",
        alt=f"Quantile-quantile plot of p-values. Below 0.01: {'; '.join(below)}.",
        caption=f"{sentence} Grey: 95 % range of independent genes without signal.",
    )


def tissues(evaluation: Evaluation) -> str:
    """Draw every predictor in each tissue."""
    table = by_tissue(evaluation)
    best = table.sort_values("mean_correlation", ascending=False).iloc[0]
    return figure(
        plots.tissue_comparison(evaluation),
        title="Mean correlation in each tissue",
        alt=f"Mean correlation of each predictor in each tissue; the highest is that of {best['predictor']} in "
        f"{best['tissue']}, {correlation(best['mean_correlation'])}.",
        caption="One row per tissue, sorted; no intervals, because tissues share individuals and genes.",
    )


def predictor_of(per_gene: pd.DataFrame, gene: str) -> str:
    """Return the predictor with the smallest q at a gene."""
    rows = per_gene[per_gene["gene_id"].astype(str) == gene]
    return str(rows["predictor"].iloc[int(np.argmin(rows["q_value"].fillna(np.inf).to_numpy(dtype=np.float64)))])
