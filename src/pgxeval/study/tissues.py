"""The tissues of a study: their cohorts, predictors, kinds of predictors and folders."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pgxeval.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.prediction.digest import digest
from pgxeval.prediction.request import make_predictors
from pgxeval.predictors import SequencePredictor, TrainablePredictor
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.study.effects import AnyPredictor
from pgxeval.study.roles import Kind

ONE_TISSUE = "cohort"
"""Name of the tissue of a study of one Cohort."""


def tissue_cohorts(cohorts: Mapping[str, Cohort] | Cohort) -> dict[str, Cohort]:
    """Return tissue -> Cohort; one Cohort is the tissue `ONE_TISSUE`.

    Raises
    ------
    SettingError
        If these are not Cohorts by names of tissues.
    """
    if isinstance(cohorts, Cohort):
        return {ONE_TISSUE: cohorts}
    argument: object = cohorts
    if not isinstance(argument, Mapping) or not argument:
        kind = "an empty mapping" if isinstance(argument, Mapping) else f"a {type(argument).__name__}"
        raise SettingError(
            f"cohorts must be a Cohort, or map the name of each tissue to its Cohort, got {kind}; for example "
            'run_study({"blood": cohort, "brain": other_cohort}, predictors, "folder")'
        )
    for tissue, cohort in argument.items():
        if not isinstance(tissue, str) or not tissue.strip() or not isinstance(cohort, Cohort):
            raise SettingError(
                f"cohorts: expected names of tissues and Cohorts, got {tissue!r} -> {type(cohort).__name__}"
            )
    return dict(argument)


def folder_name(tissue: str) -> str:
    """Return a name for the folder of a tissue: its own, or with a digest if it has other characters.

    Examples
    --------
    >>> folder_name("Whole_Blood"), folder_name("Skin (leg)").startswith("Skin__leg_-")
    ('Whole_Blood', True)
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", tissue)[:60]
    return plain if plain == tissue else f"{plain}-{digest(tissue)[:8]}"


def predictors_by_tissue(
    predictors: Sequence[AnyPredictor | str] | Mapping[str, Sequence[AnyPredictor | str]],
    tissues: Mapping[str, Cohort],
) -> dict[str, list[AnyPredictor]]:
    """Return tissue -> predictors, made from their names where names are given.

    Raises
    ------
    SettingError
        If the tissues are not those of the cohorts, or one has no predictor.
    """
    if not isinstance(predictors, Mapping):
        own = make_predictors(predictors)
        return {tissue: list(own) for tissue in tissues}
    if set(predictors) != set(tissues):
        raise SettingError(
            f"predictors must have the same tissues as the cohorts, {', '.join(tissues)}; got {', '.join(predictors)}"
        )
    lists = {}
    for tissue in tissues:
        if not predictors[tissue]:
            raise SettingError(f"tissue {tissue} has no predictor; leave it out of the cohorts")
        lists[tissue] = list(make_predictors(predictors[tissue]))
    return lists


def share_scores(predictors: Sequence[AnyPredictor], folder: Path) -> list[AnyPredictor]:
    """Give sequence predictors without a score cache a common one: each haplotype is computed once for all tissues."""
    shared: list[AnyPredictor] = []
    for predictor in predictors:
        if isinstance(predictor, SequencePredictor) and predictor.score_cache is None:
            own = copy.copy(predictor)
            own.options = attrs.evolve(predictor.options, score_cache=folder)
            own.score_cache = ScoreCache(folder)
            shared.append(own)
        else:
            shared.append(predictor)
    return shared


def kinds_of(predictors: Mapping[str, Sequence[AnyPredictor]]) -> dict[str, Kind]:
    """Return predictor -> kind, in the order of their first tissues.

    Raises
    ------
    SettingError
        If a predictor is trained in one tissue and zero-shot in another.
    """
    kinds: dict[str, Kind] = {}
    for own in predictors.values():
        for predictor in own:
            kind: Kind = "trained" if isinstance(predictor, TrainablePredictor) else "zero-shot"
            if kinds.setdefault(predictor.name, kind) != kind:
                raise SettingError(
                    f"predictor {predictor.name} is trained in one tissue and zero-shot in another; "
                    "give the two different names"
                )
    return kinds
