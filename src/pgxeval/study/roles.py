"""Roles: which predictor of a study plays which part in its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.study.settings import StudySettings

Kind = Literal["zero-shot", "trained"]
FEWER_THAN_TWO = "there are fewer than two zero-shot predictors"
NO_MODEL = "there is no zero-shot predictor"
NO_TRAINED = "no predictor was trained on these individuals"


@attrs.frozen(kw_only=True)
class Roles:
    """Names of the predictors in the questions of a study; None where the study has no predictor for a part.

    Parameters
    ----------
    model
        The zero-shot predictor that all questions are about.
    other_model
        The zero-shot predictor that the directions of `model` are compared with.
    baseline
        The trained predictor that `model` is compared with over all pairs.
    elastic_net, random_forest
        The predictors that define linear and nonlinear pairs.
    trained
        All trained predictors.
    """

    model: str | None
    other_model: str | None
    baseline: str | None
    elastic_net: str | None
    random_forest: str | None
    trained: tuple[str, ...]

    @classmethod
    def of(cls, kinds: Mapping[str, Kind], settings: StudySettings) -> Roles:
        """Assign the parts.

        Parameters
        ----------
        kinds
            Predictor -> kind, in the order of the study.
        settings
            Settings of the study.

        Raises
        ------
        UnknownNameError
            If a predictor named in the settings is not in the study.
        SettingError
            If one named as a model is trained, a baseline is not, or both models are the same.
        """
        ready = [name for name, kind in kinds.items() if kind == "zero-shot"]
        trained = [name for name, kind in kinds.items() if kind == "trained"]
        for part, expected in (("model", "zero-shot"), ("other_model", "zero-shot"), ("baseline", "trained")):
            name = getattr(settings, part)
            if name is not None and name not in kinds:
                raise UnknownNameError(f"{part}: {name} is not a predictor of this study; it has {', '.join(kinds)}")
            if name is not None and kinds[name] != expected:
                raise SettingError(f"{part}: expected a {expected} predictor, got {name}, which is {kinds[name]}")
        if settings.model is not None and settings.model == settings.other_model:
            raise SettingError(f"model and other_model are both {settings.model}; name two different predictors")
        model = settings.model or _first(ready, settings.other_model)
        names = settings.evaluation.elastic_net, settings.evaluation.random_forest
        elastic_net, random_forest = (name if name in trained else None for name in names)
        return cls(
            model=model,
            other_model=settings.other_model or _first(ready, model),
            baseline=settings.baseline or elastic_net or _first(trained, None),
            elastic_net=elastic_net,
            random_forest=random_forest,
            trained=tuple(trained),
        )


def _first(names: Sequence[str], apart_from: str | None) -> str | None:
    return next((name for name in names if name != apart_from), None)
