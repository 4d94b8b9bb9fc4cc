"""The data, what was excluded, and the appendix: settings, methods and glossary."""

from __future__ import annotations

from typing import Any

import attrs

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.views import exclusions_view
from pgxeval.report import texts
from pgxeval.report.markup import bullets, copyable, details, paragraph, table, terms, view
from pgxeval.report.methods import methods_text
from pgxeval.report.sections import Options
from pgxeval.view import Column
from pgxeval.wording import UNDEFINED, count, counted, listed

_MOST_FAILURES = 20
_NAMED_KINDS = ("gene", "covariate", "prediction")


def cohort(evaluation: Evaluation, options: Options) -> str:
    """Show which individuals were judged, how they were predicted, and what was excluded."""
    settings = evaluation.settings
    covariates = list(settings["covariates"])
    adjustment = f"covariates {listed([f'`{name}`' for name in covariates])}" if covariates else "no covariates"
    sizes = f"{counted(settings['n_genes'], 'gene')} in {counted(settings['n_individuals'], 'individual')}"
    parts = [paragraph(f"The evaluation covers {sizes}, with {adjustment}.")]
    parts.append(bullets([_how_predicted(name, dict(one)) for name, one in settings["predictors"].items()]))
    parts += [_notes(evaluation, options), _failures(evaluation)]
    if evaluation.exclusions.empty:
        return "".join([*parts, paragraph("Nothing was excluded and nothing is undefined.")])
    return "".join([*parts, _exclusions(evaluation, options)])


def _notes(evaluation: Evaluation, options: Options) -> str:
    """Show how the inputs were read; a note that names an individual only where individuals may be shown."""
    if evaluation.target is None or not evaluation.target.notes:
        return ""
    names = evaluation.target.individuals
    items = [
        note
        for note in evaluation.target.notes
        if options.show_individuals_of or not any(name in note for name in names)
    ]
    hidden = len(evaluation.target.notes) - len(items)
    if hidden:
        items.append(f"{counted(hidden, 'note')} naming individuals: see `cohort.notes`")
    return paragraph("Notes on how the inputs were read:") + bullets(items)


def _failures(evaluation: Evaluation) -> str:
    """List the genes at which a predictor failed, with the reason."""
    failures = None if evaluation.predictions is None else evaluation.predictions.failures
    if failures is None or failures.empty:
        return ""
    first = failures.head(_MOST_FAILURES)
    columns = [
        Column(title=title, cells=[str(cell) for cell in first[name]], numeric=False)
        for title, name in (("Predictor", "predictor"), ("Gene", "gene_id"), ("Reason", "reason"))
    ]
    caption = f"{counted(len(failures), 'failure')} of predictors at single genes; these genes are undefined."
    if len(failures) > len(first):
        caption += f" The first {len(first)} are shown; `predictions.failures` has all."
    return table(columns, caption)


def _how_predicted(name: str, settings: dict[str, Any]) -> str:
    kind = settings.get("kind")
    if kind == "zero-shot" and "cross_fitting" not in settings:
        words = f"`{name}` is treated as zero-shot because no folds were given"
    elif kind == "zero-shot":
        words = f"`{name}` is zero-shot: it learned nothing from these individuals"
    elif kind == "prequential":
        words = f"`{name}` was trained on these individuals, each fold on the earlier folds only (prequential)"
    elif kind == "crossfit":
        words = f"`{name}` was trained on these individuals and cross-fitted"
    else:
        words = f"`{name}`: how it was made is not recorded"
    if kind in ("prequential", "crossfit") and "folds" in settings:
        words += f" in {settings['folds']} folds"
    words += _cis_window(settings.get("asked"), settings.get("used"))
    reference = settings.get("reference")
    return f"{words}. Permuted reference: {reference}." if reference else f"{words}."


def _cis_window(asked: Any, used: Any) -> str:
    variants = next((asked[key] for key in ("cis_variants", "variants") if key in asked), None) if asked else None
    if not isinstance(variants, dict) or "flank_bp" not in variants:
        return ""
    around = {"body": "the gene's span", "tss": "its TSS"}.get(str(variants.get("around")), "the gene")
    words = f"; its cis window is {count(variants['flank_bp'])} bp on either side of {around}"
    number_used = used.get("variants") if isinstance(used, dict) else None
    if isinstance(number_used, dict) and {"min", "median", "max"} <= set(number_used):
        words += f", with {count(number_used['median'])} variants in the median fit "
        words += f"({count(number_used['min'])} to {count(number_used['max'])})"
    elif isinstance(number_used, int):
        words += f", with {count(number_used)} variants"
    return words


def _exclusions(evaluation: Evaluation, options: Options) -> str:
    """Show what was excluded; names of individuals only where individuals may be shown."""
    rows = evaluation.exclusions
    withheld = ~rows["kind"].isin(_NAMED_KINDS) & (rows["name"].fillna("") != "")
    if options.show_individuals_of or not withheld.any():
        return view(exclusions_view(evaluation))
    public_evaluation = attrs.evolve(
        evaluation, exclusions=rows.assign(name=rows["name"].mask(withheld, "names withheld"))
    )
    note = "Names of individuals are shown only on request."
    return view(exclusions_view(public_evaluation), caption=f"What was excluded or is undefined. {note}")


def settings(evaluation: Evaluation, options: Options) -> str:
    """Show settings, versions, seed and replicates, as recorded."""
    recorded_settings = dict(evaluation.settings)
    predictors = {name: dict(flat(dict(one))) for name, one in dict(recorded_settings.pop("predictors", {})).items()}
    own = list(flat(recorded_settings))
    parts = [
        table(
            [
                Column(title="Setting", cells=[key for key, _ in own], numeric=False),
                Column(title="Value", cells=[value for _, value in own], numeric=False),
            ],
            "Settings of the evaluation.",
        )
    ]
    keys = list(dict.fromkeys(key for one in predictors.values() for key in one))
    if keys:
        parts.append(
            table(
                [
                    Column(title="Setting", cells=keys, numeric=False),
                    *(
                        Column(title=f"`{name}`", cells=[one.get(key, UNDEFINED) for key in keys], numeric=False)
                        for name, one in predictors.items()
                    ),
                ],
                "Settings of the predictors: as asked for, and as used (smallest, median, largest where fits differ).",
            )
        )
    return "".join(details(heading, part) for heading, part in zip(_SETTINGS, parts, strict=False))


_SETTINGS = ("Settings of the evaluation", "Settings of the predictors")


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as (dotted name, text)."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flat(item, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(map(str, value)) or "none")]
    if isinstance(value, float):
        return [(prefix, f"{value:.6g}")]
    return [(prefix, "none" if value is None else str(value))]


def methods(evaluation: Evaluation, options: Options) -> str:
    """Describe the methods: a text to copy, then what to know about each of them."""
    own = copyable(methods_text(evaluation, options.cohort))
    return own + "".join(details(heading, paragraph(words)) for heading, words in texts.METHODS)


def glossary(evaluation: Evaluation, options: Options) -> str:
    """Explain the terms of this page."""
    return terms(texts.GLOSSARY)
