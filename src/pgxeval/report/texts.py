"""Explanations on the page: the methods with their caveats, and the glossary."""

from __future__ import annotations

METHODS: tuple[tuple[str, str], ...] = (
    (
        "Cross-fitted and zero-shot predictors",
        "A trainable predictor (elastic net, random forest) is cross-fitted: the individuals are split into folds by a "
        "hash of seed and identifier, and each individual is predicted by a model that was fitted without it. "
        "Everything that learns (covariate coefficients, allele-frequency filter, imputation, scaling, choice of "
        "penalty) is fitted in the training folds alone. Trainable predictors share folds and variants. A zero-shot "
        "predictor has seen no individual of this cohort and needs no folds.",
    ),
    (
        "Correlation",
        "For each gene and predictor the correlation across individuals between predicted and measured expression: "
        "Spearman's rho, ties sharing their mean rank, or Pearson's r where that was chosen. It is computed within the "
        "folds of the cross-fitted predictors, because fold means alone make a null gene look anti-predicted and "
        "small differences between folds order individuals who should be tied; zero-shot predictors are judged on the "
        "same folds. With covariates it is the partial correlation given the same covariates for every predictor. A "
        "constant "
        "prediction has no correlation: the gene is undefined for that predictor, never zero, and is counted. Only "
        "where two predictors are compared by their means does an undefined correlation count as 0, in the observed "
        "data and on permuted expression.",
    ),
    (
        "Why 50 % is the wrong reference",
        "On genes that no genotype can predict, a cross-fitted predictor points in the right direction in fewer than "
        "half: what its training folds have above the mean, its test fold has below. The share of right directions is "
        "therefore shown next to the share that the same predictor reaches when the whole procedure is run again on "
        "permuted expression (one joint permutation of the individuals for all genes in each replicate). Half is the "
        "reference of zero-shot predictors only. The interval of the difference includes the variance between "
        "replicates, which takes at least five replicates to be well known.",
    ),
    (
        "p and q values",
        "Textbook p-values of cross-fitted predictions reject about twice too often. Their p is one-sided: the share "
        "of studentised correlations on permuted expression, pooled over genes and replicates of the same predictor, "
        "that are at least as high, (1 + number) / (1 + draws). All other predictors have a two-sided p from the "
        "robust standard error of each gene, or from permutations of the gene where few individuals differ. The "
        "per-gene table records how each p was computed, and what is withheld and why. "
        "q is the Benjamini-Hochberg adjusted p over the genes of one predictor.",
    ),
    (
        "Intervals over genes",
        "Neighbouring genes share variants and are not independent, so intervals and p-values of shares, means and "
        "odds ratios come from a jackknife that leaves out one genomic block at a time, with Student's t on the "
        "effective number of blocks less one. A block is two and a half times as long as the widest window of the "
        "predictors (5 Mb for windows of 1 Mb on either side, or where a window is not recorded), at least 1 Mb. "
        "Intervals and p-values that assume independent genes are narrower than the truth and are labelled so.",
    ),
    (
        "Three odds ratios",
        "All three use only the genes that have a direction under both predictors. McNemar: genes that only A gets "
        "right over genes that only B gets right. Marginal: odds of right under A over odds of right under B. "
        "Association: whether A and B get the same genes right. The three answer different questions and differ in "
        "size. A zero cell gives 0 or infinity with a one-sided interval; 0/0 is undefined.",
    ),
    (
        "Attenuation",
        "A correlation measured in few individuals often has the wrong sign by chance. This pulls every share towards "
        "50 % and every odds ratio towards 1: a true odds ratio of 3.3 (80 % against 55 % right) shows as about 2 with "
        "90 individuals and true correlations of 0.1. Shares and odds ratios are therefore not comparable between "
        "cohorts of different size, between tissues, or between strata with different heritability. The share of right "
        "directions among genes with significant q is nearly free of this.",
    ),
    (
        "Strata, and which results are naive",
        "A gene is nonlinear if the random forest is significant on its own and its gain over the elastic net is "
        "significant compared with the gain on permuted expression (an undefined elastic net counts as zero); linear "
        "if the elastic net is significant and the gene is not nonlinear; otherwise unpredictable, even if the forest "
        "alone is significant. The results of elastic net and random forest in strata that they themselves define are "
        "naive: chance put some genes there, and the same chance flatters or harms them again. Other predictors are "
        "judged on the same expression values, so they are biased in the same direction by less: with signal, by up to "
        "0.02 in mean correlation. Strata from one half of the individuals with results from the other are unbiased. "
        "A gene that is not called nonlinear is not shown to be linear: with 300 individuals and 20 % heritability the "
        "test finds 97 % of overdominant, 33 % of epistatic and 1 % of recessive genes.",
    ),
)
"""Headings and paragraphs of the methods section."""

ODDS_RATIOS = {
    "mcnemar": "Genes that only A gets right over genes that only B gets right: above 1, A points right more often.",
    "marginal": "Odds of right under A over odds of right under B, over the same genes.",
    "association": "Above 1, A and B tend to be right at the same genes; this does not show which is better. Two "
    "predictors whose predictions correlate are right at the same genes even if both are noise, so a small p does not "
    "show that either has learned anything: compare with permuted expression.",
}
"""Meaning of each of the odds ratios."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Predictor", "Anything that gives each individual a number for a gene that increases with expression."),
    ("Zero-shot", "A predictor that learned nothing from the individuals on which it is judged."),
    ("Cross-fitted", "Fitted on some individuals and judged on others, in turn, so that each is predicted unseen."),
    ("Fold", "One of the parts into which the individuals are split for cross-fitting."),
    (
        "Replicate",
        "One run of the whole procedure on permuted expression: what it reaches there is what chance alone reaches.",
    ),
    ("Permuted reference", "The same statistic, for the same predictor, from the permuted replicates."),
    ("Spearman's rho", "Correlation of ranks, from -1 to 1: are the individuals in the right order?"),
    ("Right direction", "A correlation above zero: individuals predicted higher are higher."),
    ("Undefined", "A number that cannot be computed, with its reason: never replaced by zero, always counted."),
    ("p value", "How often chance alone reaches a result at least as extreme."),
    ("q value", "Among the genes with q at or below this, the expected share of false ones."),
    ("95 % interval", "A range that would contain the true value in 95 of 100 studies like this one."),
    ("Block jackknife", "Leaving out one stretch of the genome at a time to see how much a number varies."),
    ("Effective blocks", "Number of equally large blocks that would be as informative as these unequal ones."),
    (
        "Odds ratio",
        "Odds under one predictor over odds under another: 1 means no difference, above 1 favours the first (A).",
    ),
    ("Discordant gene", "A gene that exactly one of two predictors gets right."),
    ("Equivalent", "The difference is shown to lie within a margin that was stated beforehand."),
    ("Nonlinear gene", "A gene whose expression a random forest predicts better than any sum of allele counts can."),
    ("Naive", "A result in a stratum that was defined with the predictor that is judged."),
    ("Covariate", "A measured property (batch, ancestry component) whose effect is removed before judging."),
    ("cis window", "The stretch around a gene whose variants may act on it."),
)
"""Terms and their meaning on this page."""
