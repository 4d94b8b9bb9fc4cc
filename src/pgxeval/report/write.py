"""write_report: an evaluation as one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.strata import NONLINEAR
from pgxeval.names import known_names, near_genes
from pgxeval.plots.drawing import pairs_of
from pgxeval.provenance import __version__
from pgxeval.report import appendix
from pgxeval.report import sections as section
from pgxeval.report.page import Section, page, write_page
from pgxeval.view import TableView
from pgxeval.wording import counted, listed

Content = str | pd.DataFrame | TableView | Sequence[str | pd.DataFrame | TableView]

_SECTIONS: Mapping[str, tuple[str, Callable[[Evaluation, section.Options], str]]] = {
    "answer": ("The answer", section.answer),
    "summary": ("Predictors", section.summary),
    "pairs": ("Two predictors at a time", section.pairs),
    "strata": ("Linear and nonlinear genes", section.strata),
    "tissues": ("Tissues", section.tissues),
    "structure": ("Population structure", section.structure),
    "otherwise": ("Evaluated otherwise", section.otherwise),
    "genes": ("Genes", section.genes),
    "cohort": ("Data, and what was excluded", appendix.cohort),
    "methods": ("Methods", appendix.methods),
    "settings": ("Settings and versions", appendix.settings),
    "glossary": ("Glossary", appendix.glossary),
}
SECTIONS = tuple(_SECTIONS)
"""Names of the sections, in their order on the page; the appendix begins with the data."""
_APPENDIX = ("cohort", "methods", "settings", "glossary")

_SHOWN_GENES = 4


def write_report(
    evaluation: Evaluation,
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
    """Write an evaluation as one HTML page that needs no network and no other file.

    Parameters
    ----------
    evaluation
        The evaluation to report.
    path
        The file to write. It appears complete or not at all, and replaces an existing file.
    title
        Heading of the page.
    sections
        Which of `SECTIONS` to show, in which order; None shows all that the evaluation has something for.
    extra
        Additional sections, heading -> paragraphs and tables; they precede the appendix.
    show_individuals_of
        Genes of which individuals are shown: observed against predicted expression, and expression by genotype, for the
        genes named here (True: the nonlinear genes with the smallest q-values, then the others, four in all), and the
        identifiers of excluded individuals. By default the page holds no value and no identifier of an individual.
    max_genes
        Largest number of rows of the table of genes.
    cohort
        The cohort with its genotypes: expression by genotype is drawn for `show_individuals_of`, and the digests of its
        files are listed in the methods.
    otherwise
        Further evaluations of the same predictors, label -> evaluation, shown side by side with this one: for example
        with genotype components as covariates where the cohort has population structure.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    SettingError
        If a section is not known or `max_genes` is negative.
    UnknownNameError
        If a gene of `show_individuals_of` is not in the evaluation.
    InputFileError
        If the page cannot be written there.

    Notes
    -----
    The same evaluation gives the same bytes. The page holds results over individuals; whether it may be shared depends
    on the agreement under which the data were obtained.
    """
    section_names = SECTIONS if sections is None else tuple(sections)
    if unknown := [name for name in section_names if name not in _SECTIONS]:
        raise SettingError(f"unknown section(s) {', '.join(map(str, unknown))}; allowed are {', '.join(SECTIONS)}")
    if max_genes < 0:
        raise SettingError(f"max_genes must be 0 or more, got {max_genes}")
    tissues, evaluation = evaluation, _by_pair(evaluation)
    options = section.Options(
        show_individuals_of=_genes_to_show(evaluation, show_individuals_of),
        max_genes=max_genes,
        cohort=cohort,
        otherwise=otherwise or {},
    )
    bodies = [
        Section(anchor=name, heading=heading, body=body, appendix=name in _APPENDIX)
        for name, (heading, draw) in ((name, _SECTIONS[name]) for name in section_names)
        if (body := draw(tissues if name == "tissues" else evaluation, options))
    ]
    place = next((k for k, one in enumerate(bodies) if one.appendix), len(bodies))
    bodies[place:place] = [
        Section(anchor=f"extra-{k}", heading=heading, body=section.more(content))
        for k, (heading, content) in enumerate((extra or {}).items())
    ]
    names = [f"`{name}`" for name in dict.fromkeys(evaluation.summary["predictor"].astype(str))]
    html = page(
        title=title or "Which predictor reads these personal genomes?",
        subtitle=f"{counted(len(names), 'predictor')} of gene expression, judged on individuals: {listed(names)}",
        sections=bodies,
        footer=f"Written by pgxeval {__version__}. {_PRIVACY[bool(options.show_individuals_of)]}",
    )
    return write_page(path, html)


def _by_pair(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation of several tissues with gene-tissue pairs in place of genes, any other as it is."""
    if "tissue" not in evaluation.per_gene:
        return evaluation
    per_gene, strata = evaluation.per_gene, evaluation.strata
    names = per_gene["gene_name"].astype(str) + " (" + per_gene["tissue"].astype(str) + ")"
    return attrs.evolve(
        evaluation,
        per_gene=per_gene.assign(gene_id=pairs_of(per_gene), gene_name=names).drop(columns="tissue"),
        strata=strata.assign(gene_id=pairs_of(strata)).drop(columns="tissue"),
    )


_PRIVACY = {
    False: "This page shows results over individuals, and of no single individual.",
    True: "This page shows values of single individuals: treat it as you treat the data that it comes from.",
}


def _genes_to_show(evaluation: Evaluation, genes: bool | Sequence[str]) -> tuple[str, ...]:
    by_q = section.genes_by_q(evaluation.per_gene)
    if isinstance(genes, bool):
        nonlinear = set(evaluation.strata.loc[evaluation.strata["stratum"].astype(str) == NONLINEAR, "gene_id"])
        first_genes = [gene for gene in by_q if gene in nonlinear][:_SHOWN_GENES]
        first_genes += [gene for gene in by_q if gene not in first_genes][: _SHOWN_GENES - len(first_genes)]
        return tuple(first_genes) if genes else ()
    names = (genes,) if isinstance(genes, str) else tuple(genes)
    if unknown := [gene for gene in names if gene not in by_q]:
        raise UnknownNameError(
            f"show_individuals_of: gene(s) {known_names(unknown, 5)} are not in the evaluation"
            f"{near_genes(str(unknown[0]), by_q)}"
        )
    return names
