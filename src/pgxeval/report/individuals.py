"""Single genes with one point per individual: predicted and measured expression, and expression by genotype."""

from __future__ import annotations

from typing import Any

from pgxeval import plots
from pgxeval.cohort.cohort import Cohort
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.genome.intervals import DEFAULT_FLANK_BP
from pgxeval.plots.drawing import gene_label
from pgxeval.report.figures import predictor_of
from pgxeval.report.markup import details, figure, pair, paragraph

NOT_SHOWN = (
    "Single genes with one point per individual are not on this page. `pgxeval.plots.observed_predicted` and "
    "`pgxeval.plots.genotype_expression` draw them, and `show_individuals_of=True` includes them here."
)


def genes_in_detail(evaluation: Evaluation, genes: tuple[str, ...], cohort: Cohort | None) -> str:
    """Return observed against predicted expression of genes and, with a cohort, expression by genotype."""
    if not genes:
        return paragraph(NOT_SHOWN, "note")
    strata = dict(zip(evaluation.strata["gene_id"].astype(str), evaluation.strata["stratum"].astype(str), strict=True))
    blocks = []
    for gene in genes:
        label = gene_label(evaluation.per_gene, gene)
        predictor = predictor_of(evaluation.per_gene, gene)
        figures = [
            figure(
                plots.observed_predicted(evaluation, gene, predictor),
                title=f"{label}: observed against predicted",
                alt=f"Observed against predicted expression of {label}, one point per individual, for {predictor}.",
                caption=f"Predicted by `{predictor}`, the predictor with the smallest q there.",
            )
        ]
        if cohort is not None and gene in cohort.gene_ids:
            flank_bp, around = _window(evaluation, predictor)
            figures.append(
                figure(
                    plots.genotype_expression(cohort, gene, flank_bp=flank_bp, around=around),
                    title=f"{label}: expression by genotype",
                    alt=f"Expression of {label} by copies of the leading variant, one point per individual.",
                    caption="Leading variant: the one whose genotype classes differ most in the window of the "
                    "predictor, which inflates the difference. Bar: median; box: quartiles.",
                )
            )
        kind = f", {strata[gene]}" if gene in strata else ""
        blocks.append(details(f"{label}{kind}", pair(*figures)))
    return "".join(blocks)


def _window(evaluation: Evaluation, predictor: str) -> tuple[int, Any]:
    """Return the cis window that a predictor was trained on, or the default one."""
    request = evaluation.settings["predictors"].get(predictor, {}).get("asked", {})
    variants = request.get("cis_variants") if isinstance(request, dict) else None
    if not isinstance(variants, dict):
        return DEFAULT_FLANK_BP, "body"
    around = variants.get("around")
    return int(variants.get("flank_bp", DEFAULT_FLANK_BP)), around if around in ("body", "tss") else "body"
