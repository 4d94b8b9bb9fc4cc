"""SequencePredictor: from any sequence model to one number for each individual and gene."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.combine import Combine
from pgxeval.predictors.sequence.model import ModelInfo, SequenceModel
from pgxeval.predictors.sequence.readout import Readout
from pgxeval.predictors.sequence.run import SequenceRun
from pgxeval.predictors.sequence.tracks import Several, TrackChoice, Wanted, find_tracks

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome
    from pgxeval.genome.variant_filter import VariantFilter
    from pgxeval.predictors.sequence.plan import Plan

Mode = Literal["haplotypes", "additive"]
Around = Literal["tss", "body"]


class SequencePredictor:
    """A `Predictor` made of a sequence model, a readout and tracks.

    For each gene the two haplotypes of every individual over the model's context, laid around the TSS, pass
    through the model, each distinct sequence once, in batches that are filled across individuals and genes. Of the
    tracks of a sequence one number a track is kept, read over the same bases of the reference on
    every haplotype.

    Parameters
    ----------
    model
        Any object that keeps `SequenceModel`; optionally `PredictsTargets`.
    readout
        Which bases are read and how they become one number: `TssBins`, `ExonMask`, `GeneBody`, `IntervalReadout`, or
        any object that keeps `Readout`.
    tracks
        Which tracks, by number, name or meaning; see `find_tracks`, whose answer may be given, too. For each gene only
        those of its strand, or of
        both, are read. Several are averaged after the readout.
    several
        What to do where a text means several tracks: ``"refuse"``, or their ``"mean"``.
    name
        Name in the predictions table; default: that of the model.
    context_length
        Bases of sequence that the model sees; default: the longest that it takes.
    combine
        Of an individual's two haplotypes: ``"mean"``, ``"log_sum"`` (sum of ln(x + 1)) or ``"max"``.
    reverse_complement
        Whether each sequence is also read on the other strand (with the paired tracks) and averaged.
    shifts
        Bases by which the window is moved; scores are averaged over all.
    batch_size
        Sequences a call at most; default: what the model suggests. Halved when memory is short.
    cache
        Folder in which scores are kept as they come; a second run computes only what is new. See `ScoreCache`.
    mode
        ``"haplotypes"``; or ``"additive"``: the reference's score plus the sum of the effects of single
        variants, half for each copy: the way for cohorts that are not phased.
    around
        What the window is laid around: ``"tss"``, or the middle of the gene's ``"body"``, for targets that are no
        genes, such as peaks.
    variants
        Which alleles may enter; None for all.
    allow_remote
        Must be True for a model that sends sequences to another machine.
    also
        Further readouts whose scores are kept in the cache from the same passes, so that another predictor with one
        of them needs none.
    also_tracks
        Further tracks likewise, each as `tracks`: other tissues, say. Needs a cache, as `also` does.
    retry_failed
        Whether sequences at which a remote model failed for good in an earlier run are tried again.
    progress
        Whether a bar shows passes, scores from the cache, and time left.

    Attributes
    ----------
    passes : int
        Sequences that went through the model so far, repeats after running out of memory included.
    settings : dict
        All that shapes the predictions, JSON-able.

    Raises
    ------
    SettingError
        If an argument is not allowed or does not go with the model.
    UnknownNameError
        If no such track is found.

    Notes
    -----
    A gene without strand, a target that the model does not cover and a haplotype at which the model failed give NaN
    with the reason; the other genes and people go on. Averages over shifts and strands are taken of reduced
    signal, before the readout's logarithm of totals; those over tracks after it.
    """

    def __init__(
        self,
        model: SequenceModel,
        readout: Readout,
        *,
        tracks: Wanted | TrackChoice,
        several: Several = "refuse",
        name: str | None = None,
        context_length: int | None = None,
        combine: Combine = "mean",
        reverse_complement: bool = False,
        shifts: Sequence[int] = (0,),
        batch_size: int | None = None,
        cache: str | os.PathLike[str] | None = None,
        mode: Mode = "haplotypes",
        around: Around = "tss",
        variants: VariantFilter | None = None,
        allow_remote: bool = False,
        also: Sequence[Readout] = (),
        also_tracks: Sequence[Wanted | TrackChoice] = (),
        retry_failed: bool = False,
        progress: bool = False,
    ) -> None:
        info = _check_model(model)
        if not _is_readout(readout):
            raise SettingError(
                f"readout must have lift and finish, such as TssBins() or ExonMask(), got {_called(readout)}"
            )
        _check(combine, "combine", ("mean", "log_sum", "max"))
        _check(mode, "mode", ("haplotypes", "additive"))
        _check(around, "around", ("tss", "body"))
        if mode == "additive" and combine != "mean":
            raise SettingError(
                f'mode="additive" adds effects of alleles, which goes with combine="mean", got {combine!r}'
            )
        if info.remote and allow_remote is not True:
            raise SettingError(
                f"model {info.name} sends sequences of these individuals to another machine; if the data may leave "
                "this one, say allow_remote=True"
            )
        for setting, value in (("batch_size", batch_size), ("context_length", context_length)):
            if value is not None and not _is_whole(value):
                raise SettingError(f"{setting} must be a whole number, at least 1, got {value!r}")
        moved = tuple(shifts) if isinstance(shifts, list | tuple | range) else ()
        if not moved or not all(isinstance(one, int) and not isinstance(one, bool) for one in moved):
            raise SettingError(f"shifts must be whole numbers of bases, at least one, got {shifts!r}")
        if len(set(moved)) < len(moved):
            raise SettingError(f"shifts must differ, got {list(moved)}")

        self.model, self.readout, self.info = model, readout, info
        self.name = info.name if name is None else name
        if not _is_text(self.name):
            raise SettingError(f"name must be a text that is not empty, got {name!r}")
        self.context_length = info.context_lengths[-1] if context_length is None else context_length
        info.check_length(self.context_length)
        if any(abs(one) >= self.context_length // 2 for one in moved):
            raise SettingError(
                f"shifts must stay below half the context, {self.context_length // 2} bp, got {list(moved)}"
            )
        self.combine, self.mode, self.around = combine, mode, around
        self.reverse_complement, self.shifts = bool(reverse_complement), moved
        self.batch_size = info.batch_size if batch_size is None else batch_size
        self.variants = variants
        self.tracks = _choose(info, tracks, several)
        info.bin_width_bp(self.tracks.indices)
        if self.reverse_complement:
            self.tracks.paired(self.tracks.indices)
        self._warn_of_scales()
        lists = isinstance(also, list | tuple) and isinstance(also_tracks, list | tuple)
        if not lists or not all(map(_is_readout, also)):
            raise SettingError("also must be a list of readouts, and also_tracks a list of tracks as in tracks=")
        if (len(also) or len(also_tracks)) and cache is None:
            raise SettingError("also and also_tracks keep further scores in a cache: give its folder, cache=")
        self.also = tuple(also)
        self.also_tracks = tuple(_choose(info, wanted, "mean") for wanted in also_tracks)
        if self.reverse_complement:
            for chosen in self.also_tracks:
                chosen.paired(chosen.indices)
        info.bin_width_bp([*self.tracks.indices, *(track for chosen in self.also_tracks for track in chosen.indices)])
        self.retry_failed, self.progress = bool(retry_failed), bool(progress)
        self.cache = None if cache is None else ScoreCache(cache)
        self.passes = 0

    def _warn_of_scales(self) -> None:
        scales = self.info.tracks["scale"].iloc[list(self.tracks.indices)]
        odd = sorted(set(scales) - {"linear"})
        if odd:
            warnings.warn(
                f"predictor {self.name}: tracks are on the scale {', '.join(odd)}, whose bins do not add up to signal; "
                "a model should answer on a linear scale",
                PgxevalWarning,
                stacklevel=3,
            )

    def __repr__(self) -> str:
        if not hasattr(self, "tracks"):  # it is being made, and a traceback with locals asks
            return f"<{type(self).__name__}>"
        return f"{type(self).__name__}({self.name!r}, readout={self.readout!r}, tracks={self.tracks.requested!r})"

    @property
    def settings(self) -> dict[str, Any]:
        """All that shapes the predictions, JSON-able."""
        info = self.info
        return {
            "model": info.name,
            "model_version": info.version,
            "model_settings": dict(info.settings),
            "tracks_requested": self.tracks.requested,
            "tracks": self.tracks.used,
            "several": self.tracks.several,
            "readout": _recorded(self.readout),
            "context_length_bp": self.context_length,
            "output_offset_bp": info.output_offset_bp,
            "bin_width_bp": info.bin_width_bp(self.tracks.indices),
            "combine": self.combine,
            "reverse_complement": self.reverse_complement,
            "shifts_bp": list(self.shifts),
            "mode": self.mode,
            "around": self.around,
            "variants": None if self.variants is None else str(self.variants),
            "citation": info.citation,
            "licence": info.licence,
            "remote": info.remote,
        }

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict one gene; see `predict_genes`."""
        ((_, prediction),) = self.predict_genes([gene], genome, individuals)
        return prediction

    def predict_genes(
        self,
        genes: Sequence[Gene],
        genome: PersonalGenome,
        individuals: Sequence[str],
        *,
        progress: bool | None = None,
    ) -> Iterator[tuple[Gene, Prediction]]:
        """Predict several genes, in their order.

        Memory is that of one batch and of the windows whose sequences wait for it.

        Parameters
        ----------
        genes
            What to predict.
        genome
            With its reference genome.
        individuals
            Names, in the order wanted.
        progress
            Whether a bar shows passes; default: as the predictor was made.

        Yields
        ------
        tuple
            The gene, and one number for each individual.

        Raises
        ------
        SettingError
            If the genome has no reference, or none of the genes has a strand.
        UnknownNameError
            If an individual is not known.
        GenotypeError
            If no gene could be predicted at all, because genotypes are not phased, do not fit the reference genome, or
            for want of a contig; where some can, the others are NaN with the reason.
        PgxevalError
            If the model breaks its promise or fails at every sequence.
        """
        shown = self.progress if progress is None else progress
        return SequenceRun(self, list(genes), genome, list(individuals)).predictions(progress=shown)

    def plan(
        self,
        cohort: Cohort,
        *,
        calls_per_minute: float | None = None,
        min_maf: Sequence[float] = (),
        progress: bool = True,
    ) -> Plan:
        """Say what a run over a cohort would cost; nothing is sent and no model runs.

        Parameters
        ----------
        cohort
            Whose genes and individuals.
        calls_per_minute
            Quota of the service; default: what the model knows of it.
        min_maf
            Lower bounds of the minor allele frequency, in [0, 0.5], for which both modes are compared.
        progress
            Whether to show a progress bar over windows.

        Returns
        -------
        Plan
            Prints as a summary; `Plan.genes` and `Plan.compared` are tables.
        """
        from pgxeval.predictors.sequence.plan import plan_run

        return plan_run(self, cohort, calls_per_minute=calls_per_minute, min_maf=min_maf, progress=progress)


def _choose(info: ModelInfo, wanted: Wanted | TrackChoice, several: Several) -> TrackChoice:
    return wanted if isinstance(wanted, TrackChoice) else find_tracks(info.tracks, wanted, several=several)


def _check_model(model: object) -> ModelInfo:
    if isinstance(model, type):
        raise SettingError(f"model is the class {model.__name__}; give an instance: {model.__name__}(...)")
    info = getattr(model, "info", None)
    if not isinstance(info, ModelInfo) or not callable(getattr(model, "predict_tracks", None)):
        raise SettingError(
            f"{type(model).__name__} is no sequence model: it needs info, a ModelInfo (got {type(info).__name__}), and "
            "predict_tracks(sequences, tracks)"
        )
    return info


def _is_readout(value: object) -> bool:
    return isinstance(value, Readout) and not isinstance(value, type)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check(value: object, what: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise SettingError(f"{what} must be {' or '.join(map(repr, allowed))}, got {value!r}")


def _called(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _recorded(readout: object) -> dict[str, Any]:
    settings = getattr(readout, "settings", None)
    fields = dict(settings) if isinstance(settings, Mapping) else {}
    kind = type(readout)
    if attrs.has(kind):
        fields |= {field.name: getattr(readout, field.name) for field in attrs.fields(kind)}
    return {"class": type(readout).__name__, **{name: _shown(value) for name, value in fields.items()}}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else str(value)
