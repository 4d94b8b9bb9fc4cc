"""Predictors by name: built-in predictors and those of other packages.

A name is a convenience for configuration files and command lines; an object that fulfils the contract can always
be passed directly. Another package registers its predictor with an entry point of the group
``pgxeval.predictors``: the name of the predictor, and a class or function that takes settings
as keywords and returns a predictor::

    [project.entry-points."pgxeval.predictors"]
    kmer = "kmer_model:make_predictor"
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import operator
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import attrs

from pgxeval.errors import PgxevalError, PgxevalWarning, SettingError, UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.protocol import Predictor, TrainablePredictor

ENTRY_POINT_GROUP = "pgxeval.predictors"

Factory = Callable[..., Predictor | TrainablePredictor]


@attrs.frozen(kw_only=True)
class _BuiltIn:
    module: str
    attribute: str
    needs: str | None = None  # a package that is installed by an extra with the name of the predictor

    def load(self) -> Factory:
        factory: Factory = operator.attrgetter(self.attribute)(importlib.import_module(self.module))
        return factory

    @property
    def installed(self) -> bool:
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


_BUILT_IN = {
    "elastic_net": _BuiltIn(module="pgxeval.predictors.trained.elastic_net", attribute="ElasticNetPredictor"),
    "random_forest": _BuiltIn(module="pgxeval.predictors.trained.random_forest", attribute="RandomForestPredictor"),
    "enformer": _BuiltIn(
        module="pgxeval.predictors.enformer.predictor", attribute="EnformerPredictor", needs="enformer_pytorch"
    ),
    "alphagenome": _BuiltIn(
        module="pgxeval.predictors.alphagenome.predictor", attribute="AlphaGenomePredictor.hosted", needs="alphagenome"
    ),
}


def available_predictors() -> dict[str, str]:
    """Return the predictors that `make_predictor` can make, and where each comes from.

    Every plugin is loaded to test that it works; a plugin that cannot be loaded is skipped with a warning.

    Returns
    -------
    dict
        Name -> origin (``"pgxeval"``, or package, version and object), built-in predictors first, then by name.

    Warns
    -----
    PgxevalWarning
        For a plugin that cannot be loaded, and for a name that is used twice.

    Examples
    --------
    >>> list(available_predictors())[:2]
    ['elastic_net', 'random_forest']
    """
    sources = {name: "pgxeval" for name, built_in in _BUILT_IN.items() if built_in.installed}
    for name, entry_point in _plugins().items():
        if _load(entry_point) is not None:
            sources[name] = _origin(entry_point)
    return sources


def make_predictor(name: str, /, **settings: Any) -> Predictor | TrainablePredictor:
    """Make a predictor by name.

    Parameters
    ----------
    name
        One of `available_predictors`.
    **settings
        Passed to the class or function that the name refers to; ``name=`` is the name in the predictions table.

    Returns
    -------
    Predictor or TrainablePredictor
        A predictor for `predict_cohort`.

    Raises
    ------
    UnknownNameError
        If the predictor does not exist; the message lists the known names and the nearest ones.
    SettingError
        If the predictor needs an extra that is not installed, does not have such a setting, or the result is not a
        predictor.
    PgxevalError
        If the plugin cannot be loaded.

    Examples
    --------
    >>> make_predictor("elastic_net", l1_ratio=0.9).l1_ratio
    0.9
    """
    factory = _factory(name)
    try:
        inspect.signature(factory).bind(**settings)
    except TypeError as error:
        if required := _required(factory, settings):
            given = "".join(f", {one}=..." for one in required)
            raise SettingError(
                f"predictor {name} has no default for {' and '.join(required)}, so its name alone is not enough; make "
                f'it with make_predictor("{name}"{given}) and give that. Its settings are '
                f"{', '.join(_parameters(factory))}"
            ) from error
        raise SettingError(
            f"predictor {name}: {error}; its settings are {', '.join(_parameters(factory)) or 'none'}"
        ) from error
    except ValueError:
        pass  # a callable without a signature checks its arguments itself
    predictor: Any = factory(**settings)
    if not isinstance(predictor, Predictor | TrainablePredictor) or not isinstance(predictor.name, str):
        hint = "; wrap a sequence model: SequencePredictor(model, ...)" * hasattr(predictor, "predict_tracks")
        raise SettingError(
            f"predictor {name}: {_describe(factory)} returned a {type(predictor).__name__}, which is not a predictor: "
            f"it needs a name and either predict or fit{hint}"
        )
    checked: Predictor | TrainablePredictor = predictor
    return checked


def _factory(name: str) -> Factory:
    if name in _BUILT_IN:
        built_in = _BUILT_IN[name]
        if not built_in.installed:
            raise SettingError(
                f"predictor {name} needs the package {built_in.needs}, which is not installed: "
                f'pip install "pgxeval[{name}]"'
            )
        return built_in.load()
    plugins = _plugins()
    if name not in plugins:
        names = [*_BUILT_IN, *plugins]
        raise UnknownNameError(
            f"unknown predictor {name!r}; the predictors are {', '.join(names)}{near_names(str(name), names)}"
        )
    try:
        loaded = plugins[name].load()
    except (Exception, SystemExit) as error:  # a plugin may fail with anything, or end the process
        raise PgxevalError(
            f"predictor {name} of {_origin(plugins[name])} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(loaded):
        raise PgxevalError(f"predictor {name} of {_origin(plugins[name])} is not a class or function: {loaded!r}")
    factory: Factory = loaded
    return factory


def _plugins() -> dict[str, EntryPoint]:
    """Return the entry points by name; of two with the same name, the first by package is used."""
    # one installation may be listed twice, by an editable install and its build folder
    distinct = {(point.name, point.value, _package(point)): point for point in entry_points(group=ENTRY_POINT_GROUP)}
    plugins: dict[str, EntryPoint] = {}
    for point in sorted(distinct.values(), key=lambda point: (point.name, _package(point), point.value)):
        taken_by = "pgxeval itself" if point.name in _BUILT_IN else None
        if point.name in plugins:
            taken_by = _origin(plugins[point.name])
        if taken_by is not None:
            warnings.warn(
                f"predictor {point.name} of {_origin(point)} is ignored: the name is used by {taken_by}",
                PgxevalWarning,
                stacklevel=3,
            )
            continue
        plugins[point.name] = point
    return plugins


def _load(entry_point: EntryPoint) -> Factory | None:
    try:
        loaded = entry_point.load()
        if callable(loaded):
            factory: Factory = loaded
            return factory
        problem = f"{entry_point.value} is not a class or function"
    except (Exception, SystemExit) as error:  # a plugin may fail with anything, or end the process
        problem = f"{type(error).__name__}: {error}"
    warnings.warn(
        f"predictor {entry_point.name} of {_origin(entry_point)} is ignored: {problem}",
        PgxevalWarning,
        stacklevel=3,
    )
    return None


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else ""


def _origin(entry_point: EntryPoint) -> str:
    package = f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist is not None else "a package"
    return f"{package} ({entry_point.value})"


def _describe(factory: Factory) -> str:
    return getattr(factory, "__qualname__", type(factory).__name__)


def _parameters(factory: Factory) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _required(factory: Factory, settings: Mapping[str, Any]) -> list[str]:
    """Return the settings without a default that were not given; empty if one was given that does not exist."""
    parameters = inspect.signature(factory).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if not open_ended and any(name not in parameters for name in settings):
        return []
    return [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in settings
    ]
