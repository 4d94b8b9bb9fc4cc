"""write_report: an evaluation as one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pgxeval.errors import InputFileError, SettingError, UnknownNameError
from pgxeval.provenance import __version__
from pgxeval.report import sections as section
from pgxeval.report.figures import figures
from pgxeval.report.markup import page
from pgxeval.report.wording import counted, listed

Content = str | pd.DataFrame | Sequence[str | pd.DataFrame]

_SECTIONS: Mapping[str, tuple[str, Callable[[Any, section.Options], str]]] = {
    "answer": ("The answer", section.answer),
    "cohort": ("Cohort, and what was left out", section.cohort),
    "summary": ("Summary", section.summary),
    "figures": ("Figures", figures),
    "concordance": ("Direction, two predictors at a time", section.concordance),
    "strata": ("Linear and nonlinear genes", section.strata),
    "genes": ("Genes", section.genes),
    "settings": ("Settings, versions, seed, replicates", section.settings),
    "methods": ("Methods and caveats", section.methods),
    "glossary": ("Glossary", section.glossary),
}
SECTIONS = tuple(_SECTIONS)
"""Names of the sections, in the order in which they stand on the page."""

_SHOWN_GENES = 4


def write_report(
    evaluation: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    sections: Sequence[str] | None = None,
    extra: Mapping[str, Content] | None = None,
    individuals: bool | Sequence[str] = False,
    genes: int = 50,
) -> Path:
    """Write an evaluation as one HTML page that needs no network, no script and no other file.

    Parameters
    ----------
    evaluation
        An `Evaluation`. Columns that its tables lack are shown as undefined.
    path
        The file to write; it appears whole or not at all, and replaces one that is there.
    title
        Heading of the page.
    sections
        Which of `SECTIONS`, in which order; all of them by default.
    extra
        Sections of the caller's own, heading -> paragraphs and tables; they stand behind the summary.
    individuals
        Whether to show what belongs to single individuals: names of those left out, and observed against
        predicted expression for the four genes with the smallest q-values, or for the genes named here.
        By default none of it is on the page.
    genes
        Rows of the table of genes.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    SettingError
        If a section is not known or `genes` is negative.
    UnknownNameError
        If a gene of `individuals` is not in the evaluation.
    InputFileError
        If the page cannot be written there.

    Notes
    -----
    The same evaluation gives the same bytes. The page holds results of individuals' genomes in sum; whether
    it may leave the machine is for the owner of the data to say.
    """
    asked = SECTIONS if sections is None else tuple(sections)
    if unknown := [name for name in asked if name not in _SECTIONS]:
        raise SettingError(f"unknown section(s) {', '.join(map(str, unknown))}; allowed are {', '.join(SECTIONS)}")
    if genes < 0:
        raise SettingError(f"genes must be 0 or more, got {genes}")
    options = section.Options(individuals=_genes_to_show(evaluation, individuals), genes=genes)
    bodies = [(name, _SECTIONS[name][0], _SECTIONS[name][1](evaluation, options)) for name in asked]
    own = [(f"extra-{k}", heading, section.more(content)) for k, (heading, content) in enumerate((extra or {}).items())]
    place = asked.index("summary") + 1 if "summary" in asked else len(bodies)
    bodies[place:place] = own
    names = [f"`{name}`" for name in dict.fromkeys(evaluation.summary["predictor"].astype(str))]
    html = page(
        title=title or "Which predictor reads these personal genomes?",
        subtitle=f"{counted(len(names), 'predictor')} of gene expression, judged on individuals: {listed(names)}",
        sections=bodies,
        footer=f"Written by pgxeval {__version__}. {_PRIVACY[bool(options.individuals)]}",
    )
    return _write(Path(path), html)


_PRIVACY = {
    False: "This page shows results over individuals, and of no single individual.",
    True: "This page shows values of single individuals: treat it as you treat the data that it comes from.",
}


def _genes_to_show(evaluation: Any, individuals: bool | Sequence[str]) -> tuple[str, ...]:
    known = section.genes_by_q(evaluation.per_gene)
    if isinstance(individuals, bool):
        return tuple(known[:_SHOWN_GENES]) if individuals else ()
    asked = (individuals,) if isinstance(individuals, str) else tuple(individuals)
    if unknown := [gene for gene in asked if gene not in known]:
        raise UnknownNameError(f"individuals: gene(s) {', '.join(unknown[:5])} are not in the evaluation")
    return asked


def _write(path: Path, html: str) -> Path:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(html, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InputFileError(
            f"the report cannot be written to {path}: {error.strerror or error}; name a file in a folder that exists"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path
