"""write_study_report: a study as one HTML page that leads through the five questions."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.provenance import __version__
from pgxeval.report import markup
from pgxeval.report.markup import bullets, paragraph, warning
from pgxeval.report.page import Section, page, write_page
from pgxeval.study import report_figures as figures
from pgxeval.study.finding import Finding
from pgxeval.study.findings import find_answers
from pgxeval.study.methods import methods_text
from pgxeval.study.report_tables import counts, exclusions, failures, table_of
from pgxeval.study.results import StudyResults
from pgxeval.wording import counted, listed

_HEADINGS = {
    "direction": "1 Direction",
    "nonlinear": "2 Nonlinear pairs",
    "mechanism": "3 Mechanism",
    "baseline": "4 Against a model trained on the individuals",
    "ceiling": "5 Distance from the ceiling",
}
_APPENDIX = ("genes", "counts", "methods")
_FIGURES: Mapping[str, Callable[[StudyResults], str]] = {
    "direction": figures.direction,
    "nonlinear": figures.nonlinear,
    "mechanism": figures.mechanism,
    "baseline": figures.baseline,
    "ceiling": figures.ceiling,
}


def write_study_report(
    study: StudyResults, path: str | os.PathLike[str], *, title: str | None = None, max_genes: int = 50
) -> Path:
    """Write a study as one HTML page that needs no network, no script and no other file.

    Parameters
    ----------
    study
        The study to report.
    path
        The file to write. It appears complete or not at all, and replaces an existing file.
    title
        Heading of the page.
    max_genes
        Largest number of rows of a table of pairs, 0 or more.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    SettingError
        If `max_genes` is negative.
    InputFileError
        If the page cannot be written there.

    Notes
    -----
    The page holds no value and no identifier of an individual. Whether it may be shared depends on the agreement under
    which the data were obtained.
    """
    if max_genes < 0:
        raise SettingError(f"max_genes must be 0 or more, got {max_genes}")
    answers = find_answers(study)
    sections = [
        ("answer", "The five questions", _overview(study, answers)),
        *((one.key, _HEADINGS[one.key], _section(study, one)) for one in answers),
        ("pairs", "Pairs of predictors", _pairs(study)),
        ("tissues", "Tissues, and correlation across genes", _tissues(study)),
        ("nonadditivity", "Departures from additivity", _nonadditivity(study, max_genes)),
        ("genes", "Gene-tissue pairs", _genes(study, max_genes)),
        ("counts", "Counts, exclusions and failures", counts(study) + exclusions(study) + failures(study)),
        ("methods", "Methods", _methods(study)),
    ]
    names = [f"`{name}`" for name in study.settings["kinds"]]
    tissues = list(study.settings["tissues"])
    html = page(
        title=title or "Which model reads these personal genomes?",
        subtitle=f"{counted(len(names), 'predictor')} ({listed(names)}) in {counted(len(tissues), 'tissue')} "
        f"({listed(tissues)}), {counted(study.evaluation.settings['n_genes'], 'gene-tissue pair')}",
        sections=[
            Section(anchor=anchor, heading=heading, body=body, appendix=anchor in _APPENDIX)
            for anchor, heading, body in sections
        ],
        footer=f"Written by pgxeval {__version__}. This page shows results over individuals, and of no single "
        "individual.",
    )
    return write_page(path, html)


def _overview(study: StudyResults, answers: tuple[Finding, ...]) -> str:
    cards = "".join(
        markup.finding(one.question, one.answer.capitalize(), one.number_words(), one.statement) for one in answers
    )
    notes = study.evaluation.settings.get("notes", ())
    return f'<div class="answers">{cards}</div>' + "".join(warning(f"{note}.") for note in notes)


def _section(study: StudyResults, finding: Finding) -> str:
    answer = f"{finding.question} {finding.answer.capitalize()}"
    words = [f"{answer}: {finding.number_words()}."]
    if finding.answer == "not asked":
        words = [f"{answer}, because {finding.reason}."]
    if finding.answer == "undecided" and not math.isnan(finding.value):
        words.append(f"It is undecided, because {finding.reason}.")
    if finding.statement:
        words.append(finding.statement)
    drawn = "" if finding.answer == "not asked" else _FIGURES[finding.key](study)
    return (
        "".join(paragraph(one) for one in words)
        + drawn
        + paragraph(finding.method, "note")
        + bullets([f"Caveat: {caveat}" for caveat in finding.caveats])
    )


def _pairs(study: StudyResults) -> str:
    flips = study.evaluation.flips
    if not len(flips):
        return paragraph("There is one predictor, so nothing is compared.")
    right = flips["predictor_a"].where(flips["right"] == "a", flips["predictor_b"])
    wrong = flips["predictor_b"].where(flips["right"] == "a", flips["predictor_a"])
    shown = pd.DataFrame({
        "Right": right,
        "Wrong": wrong,
        "Pairs": flips["genes"],
        "By chance": flips["expected_by_chance"].round(1),
        "Both clear": flips["both_clear"],
        "One clear": flips["one_clear"],
        "Examples (both clear)": flips["names"],
    })  # fmt: skip
    return paragraph(
        "A flip is a gene-tissue pair at which one predictor points the right way and the other the wrong way. It is "
        "clear where the interval of the correlation excludes 0. By chance: how many flips are expected if the true "
        "correlations of both were equal at every pair."
    ) + table_of(shown, "Flips of direction.")


def _tissues(study: StudyResults) -> str:
    across = study.across_genes
    parts = []
    if len(study.settings["tissues"]) > 1:
        words = "In how many tissues a gene points in the right direction, by predictor."
        parts.append(table_of(_sharing(study), words))
    shown = pd.DataFrame({
        "Tissue": across["tissue"],
        "Predictor": across["predictor"],
        "Genes": across["n_genes"],
        "Spearman": across["spearman"].round(3),
        "Pearson": across["pearson"].round(3),
        "Reason": across["reason"],
    })  # fmt: skip
    words = (
        "Correlation over genes of mean prediction and mean expression. A predictor can be good at this and poor "
        "across individuals."
    )
    return "".join(parts) + figures.across_genes(study) + table_of(shown, words)


def _sharing(study: StudyResults) -> pd.DataFrame:
    table = study.tissue_sharing
    places = ["predictor", "tissues"]
    wide = table.pivot_table(index=places, columns="right", values="genes", fill_value=0, aggfunc="sum")
    wide.columns = [f"right in {right}" for right in wide.columns]
    return wide.reset_index().rename(columns={"predictor": "Predictor", "tissues": "Tissues with a direction"})


def _nonadditivity(study: StudyResults, max_genes: int) -> str:
    table = study.nonadditivity
    if not len(table):
        return paragraph("Departures from additivity were not tested.")
    level = float(study.evaluation.settings["level"])
    tested = int(table["p_value"].notna().sum())
    n_significant = int((table["q_value"].fillna(1.0) < level).sum())
    top = table[table["p_value"].notna()].sort_values("p_value", kind="stable").head(max_genes)
    shown = pd.DataFrame({
        "Gene": top["gene_name"],
        "Tissue": top["tissue"],
        "Dominance p": top["dominance_p"].map("{:.2g}".format),
        "Product p": top["interaction_p"].map("{:.2g}".format),
        "All products p": top["pairwise_p"].map("{:.2g}".format),
        "p": top["p_value"].map("{:.2g}".format),
        "q": top["q_value"].map("{:.2g}".format),
    })  # fmt: skip
    return paragraph(
        f"{n_significant:,} of {counted(tested, 'gene-tissue pair')} depart from the additive model at q < {level:g}. "
        "The test uses no predictor."
    ) + table_of(shown, "The smallest p-values.")


def _genes(study: StudyResults, max_genes: int) -> str:
    per_gene = study.evaluation.per_gene
    wide = per_gene.pivot_table(
        index=["tissue", "gene_id", "gene_name"], columns="predictor", values="correlation", observed=True, sort=False
    )
    wide = wide.reset_index()
    names = [name for name in study.settings["kinds"] if name in wide]
    first = study.settings["roles"]["model"] or names[0]
    if first in wide:
        wide = wide.sort_values(first, ascending=False, kind="stable")
    shown = pd.DataFrame({"Gene": wide["gene_name"], "Tissue": wide["tissue"]})
    for name in names:
        shown[name] = wide[name].round(3)
    caption = f"{study.evaluation.measure_name}, the highest of {first} first; {len(shown):,} pairs in all."
    return table_of(shown.head(max_genes), caption)


def _methods(study: StudyResults) -> str:
    whole = methods_text(study)
    text = whole.split("## Counts at each step")[0].removeprefix("# Methods")
    references = whole.split("## References")[1]
    return (
        "".join(paragraph(part.replace("**", "")) for part in text.strip().split("\n\n"))
        + bullets([line.split(". ", 1)[1] for line in references.strip().splitlines()])
        + paragraph("The file `methods.md` in the folder of the study holds this text with all settings and digests.")
    )
