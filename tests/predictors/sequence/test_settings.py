"""SequenceSettings: one set of options for every sequence adapter, checked once; consent that must be declared."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import attrs
import pytest

from pgxeval.errors import SettingError
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.predictors.alphagenome.predictor import AlphaGenomeOptions, AlphaGenomePredictor
from pgxeval.predictors.enformer.predictor import EnformerPredictor
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, TssBins
from pgxeval.predictors.sequence.settings import SEQUENCE_OPTIONS, SequenceOptions, SequenceSettings

# defaults that differ on purpose
OWN_DEFAULTS = {
    SequencePredictor: {},
    EnformerPredictor: {"name": "enformer"},
    AlphaGenomePredictor: {"name": "alphagenome", "context_length": 131_072, "score_cache": "auto"},
}


def keyword_only(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("adapter", list(OWN_DEFAULTS), ids=lambda adapter: adapter.__name__)
def test_every_adapter_accepts_the_shared_options(adapter: Any) -> None:
    options = keyword_only(adapter)
    expected = {**SEQUENCE_OPTIONS, **OWN_DEFAULTS[adapter]}
    assert {name: options[name] for name in expected} == expected
    assert "tracks" in options
    assert not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(adapter).parameters.values())


def test_declared_options_are_the_settings() -> None:
    resolved = {field.name for field in attrs.fields(SequenceSettings)}
    assert set(SequenceOptions.__annotations__) == set(SEQUENCE_OPTIONS)
    assert set(SEQUENCE_OPTIONS) - {"if_ambiguous"} == resolved - {"readout", "tracks"}
    own = set(keyword_only(AlphaGenomePredictor)) - set(SEQUENCE_OPTIONS) - {"output"}
    assert set(get_type_hints(AlphaGenomeOptions)) - set(SEQUENCE_OPTIONS) == own


@pytest.mark.parametrize("constructor", [AlphaGenomePredictor.hosted, AlphaGenomePredictor.local])
def test_constructors_show_every_option(constructor: Any) -> None:
    options, own = keyword_only(constructor), keyword_only(AlphaGenomePredictor)
    assert {name for name in own if name not in options} == set()
    assert {name for name in own if options[name] != own[name]} <= {"progress"}


@pytest.mark.parametrize(
    ("option", "near"),
    [
        ("cache", "score_cache"),
        ("variant_filters", "variant_filter"),
        ("extra_readout", "extra_readouts"),
        ("if_ambigous", "if_ambiguous"),
    ],
)
def test_unknown_options_are_refused_with_the_nearest(toys: ModuleType, option: str, near: str) -> None:
    with pytest.raises(SettingError, match=rf"SequencePredictor has no option '{option}'; near: .*{near}"):
        SequencePredictor(toys.ToyModel(), TssBins(), tracks=0, **{option: None})  # type: ignore[misc]


def test_settings_are_resolved_for_the_model(toys: ModuleType, tmp_path: Path) -> None:
    model = toys.ToyModel(length=(256, 512), batch_size=5)
    settings = SequencePredictor(model, TssBins(), tracks="rna b").options
    assert (settings.name, settings.context_length, settings.batch_size, settings.remote) == ("toy", 512, 5, False)
    other = SequencePredictor(
        model,
        TssBins(),
        tracks=[0, 1],
        context_length=256,
        batch_size=2,
        shifts=range(-1, 2),
        score_cache=str(tmp_path),
        extra_readouts=[GeneBody()],
        extra_tracks=["rna b"],
        variant_filter=VariantFilter(min_maf=0.1),
    ).options
    assert (other.context_length, other.batch_size, other.shifts) == (256, 2, (-1, 0, 1))
    assert other.extra_readouts == (GeneBody(),)
    assert [choice.indices for choice in other.extra_tracks] == [(2,)]
    assert other.score_cache == tmp_path
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        other.combine = "max"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reverse_complement": 1}, "reverse_complement must be a bool"),
        ({"progress": "yes"}, "progress must be a bool"),
        ({"variant_filter": 0.1}, "variant_filter"),
        ({"shifts": [1.5]}, "shifts must be whole numbers"),
        ({"extra_readouts": [ExonMask]}, "extra_readouts must be a list of readouts"),
        ({"extra_tracks": "rna b"}, "extra_tracks must be a list"),
        ({"if_ambiguous": "first"}, 'if_ambiguous must be "refuse" or "mean"'),
    ],
)
def test_settings_of_another_type_are_refused(
    toys: ModuleType, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((SettingError, TypeError), match=message):
        SequencePredictor(toys.ToyModel(), TssBins(), tracks=0, score_cache=tmp_path, **options)


# --- consent


def undeclared(toys: ModuleType) -> Any:
    """Return a model whose author declared nothing: it runs on this machine, but that is not declared."""
    model = toys.ToyModel()
    fields = {field.name: getattr(model.info, field.name) for field in attrs.fields(type(model.info))}
    del fields["remote"]
    model.info = type(model.info)(**fields)
    return model


def test_a_model_that_declares_nothing_counts_as_remote(toys: ModuleType) -> None:
    model = undeclared(toys)
    assert model.info.remote
    for refused in (False, None, 1, "yes"):
        with pytest.raises(SettingError, match=r"counts as remote.*remote=False.*allow_remote=True"):
            SequencePredictor(model, TssBins(), tracks=0, allow_remote=refused)
    assert SequencePredictor(model, TssBins(), tracks=0, allow_remote=True).settings["remote"] is True
    assert SequencePredictor(model, TssBins(), tracks=0, remote=False).settings["remote"] is False


def test_a_caller_can_declare_a_local_model_remote(toys: ModuleType) -> None:
    with pytest.raises(SettingError, match="allow_remote=True"):
        SequencePredictor(toys.ToyModel(), TssBins(), tracks=0, remote=True)
    assert not toys.ToyModel().info.remote
