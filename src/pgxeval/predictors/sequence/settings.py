"""SequenceSettings: how a sequence model is read on personal genomes; one frozen class for every adapter."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast

import attrs

from pgxeval.checks import Validator, kind, one_of, text, whole
from pgxeval.errors import SettingError
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.names import near_names
from pgxeval.predictors.protocol import RecordsSettings
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.readout import Readout
from pgxeval.predictors.sequence.tracks import IfAmbiguous, TrackChoice, TrackQuery, find_tracks

Combine = Literal["mean", "log_sum", "max"]
Mode = Literal["haplotypes", "additive"]
Around = Literal["tss", "body"]


class SequenceOptions(TypedDict, total=False):
    """Options that `SequencePredictor` and every adapter accept; see `SequencePredictor`."""

    if_ambiguous: IfAmbiguous
    name: str | None
    context_length: int | None
    combine: Combine
    reverse_complement: bool
    shifts: Sequence[int]
    batch_size: int | None
    score_cache: str | os.PathLike[str] | None
    mode: Mode
    around: Around
    variant_filter: VariantFilter | None
    remote: bool | None
    allow_remote: bool
    extra_readouts: Sequence[Readout]
    extra_tracks: Sequence[TrackQuery | TrackChoice]
    retry_failed: bool
    progress: bool


_Item = TypeVar("_Item")
_TEXT: Validator = text  # typed so that attrs uses the type of the field


def _path(value: str | os.PathLike[str] | None) -> Path | None:
    return None if value is None else Path(value)


def _check_shifts(settings: SequenceSettings, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not value or not all(type(shift) is int for shift in value):
        raise SettingError(f"shifts must be whole numbers of bases, at least one, got {value!r}")
    if len(set(value)) < len(value):
        raise SettingError(f"shifts must differ, got {list(value)}")


def _check_readout(settings: SequenceSettings, attribute: Any, value: Any) -> None:
    if not _is_readout(value):
        description = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise SettingError(f"readout must have lift and finish, such as TssBins() or ExonMask(), got {description}")


def _check_extra_readouts(settings: SequenceSettings, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(map(_is_readout, value)):
        raise SettingError("extra_readouts must be a list of readouts, such as [TssBins(), GeneBody()]")


def _is_readout(value: Any) -> bool:
    return isinstance(value, Readout) and not isinstance(value, type)


def _shifts(value: Sequence[int]) -> tuple[int, ...]:
    return _tuple(value)


def _readouts(value: Sequence[Readout]) -> tuple[Readout, ...]:
    return _tuple(value)


def _tuple(value: Sequence[_Item]) -> tuple[_Item, ...]:
    # anything else stays as it is for the validator, which states what was expected
    return tuple(value) if isinstance(value, list | tuple | range) else cast("tuple[_Item, ...]", value)


@attrs.frozen(kw_only=True, eq=False)
class SequenceSettings:
    """Settings of the sequence engine, resolved for one model.

    Run, plan and windows take these settings, never a predictor. Make them with `for_model`.

    Parameters
    ----------
    name
        Name in the predictions table.
    readout
        Which bases are read, and how they become one number.
    tracks
        Tracks that are read.
    context_length
        Bases of sequence that the model sees [bp].
    batch_size
        Maximum number of sequences per call.
    remote
        Whether the sequences may leave this machine.
    combine, reverse_complement, shifts, mode, around, variant_filter, allow_remote
        As for `SequencePredictor`.
    score_cache, extra_readouts, extra_tracks, retry_failed, progress
        As for `SequencePredictor`.

    Raises
    ------
    SettingError
        If a setting is not allowed, or two settings contradict each other.
    """

    name: str = attrs.field(validator=_TEXT)
    readout: Readout = attrs.field(validator=_check_readout)
    tracks: TrackChoice = attrs.field(validator=kind(TrackChoice))
    context_length: int = attrs.field(validator=whole(1))
    batch_size: int = attrs.field(validator=whole(1))
    remote: bool = attrs.field(validator=kind(bool))
    combine: Combine = attrs.field(default="mean", validator=one_of("mean", "log_sum", "max"))
    reverse_complement: bool = attrs.field(default=False, validator=kind(bool))
    shifts: tuple[int, ...] = attrs.field(default=(0,), converter=_shifts, validator=_check_shifts)
    score_cache: Path | None = attrs.field(default=None, converter=_path)
    mode: Mode = attrs.field(default="haplotypes", validator=one_of("haplotypes", "additive"))
    around: Around = attrs.field(default="tss", validator=one_of("tss", "body"))
    variant_filter: VariantFilter | None = attrs.field(
        default=None, validator=attrs.validators.optional(kind(VariantFilter))
    )
    allow_remote: bool = False
    extra_readouts: tuple[Readout, ...] = attrs.field(default=(), converter=_readouts, validator=_check_extra_readouts)
    extra_tracks: tuple[TrackChoice, ...] = ()
    retry_failed: bool = attrs.field(default=False, validator=kind(bool))
    progress: bool = attrs.field(default=False, validator=kind(bool))

    def __attrs_post_init__(self) -> None:
        if self.mode == "additive" and self.combine != "mean":
            raise SettingError(
                f'mode="additive" adds effects of alleles and requires combine="mean", got {self.combine!r}'
            )
        if any(abs(shift) >= self.context_length // 2 for shift in self.shifts):
            raise SettingError(
                f"shifts must be smaller than half the context, {self.context_length // 2} bp, got {list(self.shifts)}"
            )
        if (self.extra_readouts or self.extra_tracks) and self.score_cache is None:
            raise SettingError(
                "extra_readouts and extra_tracks keep further scores in a cache: give its folder as score_cache="
            )
        if self.reverse_complement:
            for choice in (self.tracks, *self.extra_tracks):
                choice.paired(choice.indices)

    @classmethod
    def for_model(
        cls,
        info: ModelInfo,
        *,
        readout: Readout,
        tracks: TrackQuery | TrackChoice,
        **options: Unpack[SequenceOptions],
    ) -> SequenceSettings:
        """Resolve options for a model: find tracks, fill in the defaults of the model, check consent.

        Raises
        ------
        SettingError
            If an option is not allowed or does not fit the model, or if sequences would leave this machine without
            ``allow_remote=True``.
        UnknownNameError
            If no track is found.
        """
        resolved: dict[str, Any] = dict(options)
        if_ambiguous: IfAmbiguous = resolved.pop("if_ambiguous", "refuse")
        defaults: dict[str, Any] = {
            "name": info.name,
            "context_length": info.context_lengths[-1],
            "batch_size": info.batch_size,
            "remote": info.remote,
        }
        for option, default in defaults.items():
            if resolved.get(option) is None:
                resolved[option] = default
        check_consent(info.name, remote=resolved["remote"], allow_remote=resolved.get("allow_remote", False))
        extra_tracks = resolved.pop("extra_tracks", ())
        if not isinstance(extra_tracks, list | tuple):
            raise SettingError("extra_tracks must be a list, whose items are given as for tracks=")
        settings = cls(
            readout=readout,
            tracks=_choose(info, tracks, if_ambiguous),
            extra_tracks=tuple(_choose(info, query, "mean") for query in extra_tracks),
            **resolved,
        )
        info.check_length(settings.context_length)
        info.bin_width_bp([track for choice in (settings.tracks, *settings.extra_tracks) for track in choice.indices])
        return settings

    def record(self, info: ModelInfo) -> dict[str, Any]:
        """Return everything that shapes the predictions, JSON-able."""
        return {
            "model": info.name,
            "model_version": info.version,
            "model_settings": dict(info.settings),
            "tracks_requested": self.tracks.requested,
            "tracks": self.tracks.used,
            "if_ambiguous": self.tracks.if_ambiguous,
            "readout": _record_readout(self.readout),
            "context_length_bp": self.context_length,
            "output_offset_bp": info.output_offset_bp,
            "bin_width_bp": info.bin_width_bp(self.tracks.indices),
            "combine": self.combine,
            "reverse_complement": self.reverse_complement,
            "shifts_bp": list(self.shifts),
            "mode": self.mode,
            "around": self.around,
            "variant_filter": None if self.variant_filter is None else str(self.variant_filter),
            "citation": info.citation,
            "licence": info.licence,
            "remote": self.remote,
        }


_MODEL_DEFAULTS: Mapping[str, Any] = {
    "if_ambiguous": "refuse",
    "name": None,
    "context_length": None,
    "batch_size": None,
    "remote": None,
}
# Every shared option with its default; None where the model has one.
SEQUENCE_OPTIONS: Mapping[str, Any] = {
    option: _MODEL_DEFAULTS[option]
    if option in _MODEL_DEFAULTS
    else getattr(attrs.fields(SequenceSettings), option).default
    for option in SequenceOptions.__annotations__
}

Constructor = TypeVar("Constructor", bound=Callable[..., Any])


def show_options(options: Mapping[str, Any]) -> Callable[[Constructor], Constructor]:
    """Show options with their defaults in the signature of a callable that takes them as ``**options``.

    Other options are refused with the nearest names.
    """

    def decorate(constructor: Constructor) -> Constructor:
        signature = inspect.signature(constructor)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        names = {parameter.name for parameter in own}
        shared = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default)
            for option, default in options.items()
            if option not in names
        ]
        known = [parameter.name for parameter in (*own, *shared) if parameter.name not in ("self", "cls")]

        @functools.wraps(constructor)
        def checked(*args: Any, **given: Any) -> Any:
            unknown = [option for option in given if option not in known]
            if unknown:
                raise SettingError(
                    f"{constructor.__qualname__.removesuffix('.__init__')} has no option {unknown[0]!r}"
                    f"{near_names(unknown[0], known)}; the options are {', '.join(known)}"
                )
            return constructor(*args, **given)

        checked.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]  # read by inspect
        return cast("Constructor", checked)

    return decorate


def options_of(constructor: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a callable with their defaults."""
    parameters = inspect.signature(constructor).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_consent(model: str, *, remote: bool, allow_remote: bool) -> None:
    """Raise an error if sequences would leave this machine without consent.

    Raises
    ------
    SettingError
        If `remote` is not False and `allow_remote` is anything but True.
    """
    if remote is not False and allow_remote is not True:
        raise SettingError(
            f"model {model} counts as remote, because neither its info nor remote= declares remote=False: sequences of "
            "these individuals may go to another machine. If the model runs on this machine, declare remote=False in "
            "its ModelInfo; if it does not and the data may leave, pass allow_remote=True"
        )


def _choose(info: ModelInfo, query: TrackQuery | TrackChoice, if_ambiguous: IfAmbiguous) -> TrackChoice:
    return query if isinstance(query, TrackChoice) else find_tracks(info.tracks, query, if_ambiguous=if_ambiguous)


def _record_readout(readout: Readout) -> dict[str, Any]:
    fields = dict(readout.settings) if isinstance(readout, RecordsSettings) else {}
    cls = type(readout)
    if attrs.has(cls):
        fields |= {field.name: getattr(readout, field.name) for field in attrs.fields(cls)}
    return {"class": cls.__name__, **{name: _jsonable(value) for name, value in fields.items()}}


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    return [_jsonable(item) for item in value] if isinstance(value, list | tuple) else str(value)
