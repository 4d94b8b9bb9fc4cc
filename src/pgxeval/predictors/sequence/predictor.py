"""SequencePredictor: from any sequence model to one number per individual and gene."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from typing import Any, Unpack

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import PgxevalWarning, SettingError
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.predictors.protocol import Prediction, Travels
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.model import ModelInfo, SequenceModel
from pgxeval.predictors.sequence.plan import Plan, plan_run
from pgxeval.predictors.sequence.readout import Readout
from pgxeval.predictors.sequence.run import SequenceRun
from pgxeval.predictors.sequence.settings import SEQUENCE_OPTIONS, SequenceOptions, SequenceSettings, show_options
from pgxeval.predictors.sequence.tracks import TrackChoice, TrackQuery


class SequencePredictor:
    """A `Predictor` made of a sequence model, a readout and tracks.

    For each gene the two haplotypes of every individual over the context of the model, centred on the TSS, pass
    through the model: each distinct sequence once, in batches that are filled across individuals and genes. The
    tracks of a sequence are reduced to one number per track, read over the same reference bases on every haplotype.

    Parameters
    ----------
    model
        Any `SequenceModel`; optionally with the abilities `PredictsTargets`, `CountsCalls`, `HasQuota` and
        `Interruptible`.
    readout
        Which bases are read and how they become one number: `TssBins`, `ExonMask`, `GeneBody`, `IntervalReadout`, or
        any other `Readout`.
    tracks
        Which tracks, by number, name or meaning; see `find_tracks`, whose result is accepted as well. For each gene
        only tracks of its strand, or of both strands, are read. Several tracks are averaged after the readout.
    if_ambiguous
        What to do if a text matches several tracks: ``"refuse"``, or take their ``"mean"``.
    name
        Name in the predictions table. Default: the name of the model.
    context_length
        Bases of sequence that the model sees [bp]. Default: the longest context of the model.
    combine
        How the two haplotypes of an individual are combined: ``"mean"``, ``"log_sum"`` (sum of ln(x + 1)) or
        ``"max"``.
    reverse_complement
        Whether each sequence is also read on the other strand, with the paired tracks, and averaged.
    shifts
        Bases by which the window is shifted; scores are averaged over all shifts.
    batch_size
        Maximum number of sequences per call. Default: what the model suggests. Halved when memory is short.
    score_cache
        Folder in which scores are kept as soon as they are known; a second run computes only what is new, and runs at
        the same time share the work. See `ScoreCache`.
    mode
        ``"haplotypes"``; or ``"additive"``: the score of the reference plus the sum of the effects of single variants,
        each weighted by the share of copies that carry it. The additive mode works for unphased cohorts.
    around
        What the window is centred on: the ``"tss"``, or the middle of the ``"body"`` of the gene, for targets other
        than genes, such as peaks.
    variant_filter
        Which alleles enter the sequences; None for all.
    remote
        Whether the model sends sequences to another machine. Default: what ``model.info`` declares; a model that
        declares nothing counts as remote.
    allow_remote
        Must be True for a remote model: the sequences of these individuals may leave this machine.
    extra_readouts
        Further readouts whose scores are kept in the cache from the same passes, so that another predictor that uses
        one of them needs no pass.
    extra_tracks
        Further tracks, for instance other tissues, whose scores are kept in the same way; each as for `tracks`. Both
        require `score_cache`.
    retry_failed
        Whether to try again sequences for which a remote model failed permanently in an earlier run.
    progress
        Whether to show a progress bar with passes, cached scores and time left.

    Attributes
    ----------
    options : SequenceSettings
        All settings, resolved for the model.
    passes : int
        Number of sequences that went through the model so far in this process, including repeats after running out of
        memory.

    Raises
    ------
    SettingError
        If an argument is not allowed or does not fit the model, or a remote model is used without `allow_remote`.
    UnknownNameError
        If a track is not found.

    Notes
    -----
    A gene without strand, a target that the model does not cover and a haplotype for which the model failed give NaN
    with a reason; other genes and individuals are not affected. Averages over shifts and strands are taken of the
    reduced signal, before the readout's logarithm of totals; averages over tracks are taken after it.
    """

    @show_options(SEQUENCE_OPTIONS)
    def __init__(
        self,
        model: SequenceModel,
        readout: Readout,
        *,
        tracks: TrackQuery | TrackChoice,
        **options: Unpack[SequenceOptions],
    ) -> None:
        info = _check_model(model)
        self.model = model
        self.options = SequenceSettings.for_model(info, readout=readout, tracks=tracks, **options)
        self._warn_of_scales()
        self.score_cache = None if self.options.score_cache is None else ScoreCache(self.options.score_cache)
        self.passes = 0

    def _warn_of_scales(self) -> None:
        scales = self.info.tracks["scale"].iloc[list(self.tracks.indices)]
        nonlinear = sorted(set(scales) - {"linear"})
        if nonlinear:
            warnings.warn(
                f"predictor {self.name}: tracks are on the scale {', '.join(nonlinear)}, where adding up bins does not "
                "give the total signal; a model should return tracks on a linear scale",
                PgxevalWarning,
                stacklevel=4,
            )

    def __repr__(self) -> str:
        if not hasattr(self, "options"):  # during construction, for a traceback that shows local variables
            return f"<{type(self).__name__}>"
        return f"{type(self).__name__}({self.name!r}, readout={self.readout!r}, tracks={self.tracks.requested!r})"

    @property
    def info(self) -> ModelInfo:
        """Description of the model."""
        return self.model.info

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        return self.options.name

    @property
    def readout(self) -> Readout:
        """Which bases are read, and how they become one number."""
        return self.options.readout

    @property
    def tracks(self) -> TrackChoice:
        """Tracks that were requested and tracks that are used."""
        return self.options.tracks

    @property
    def context_length(self) -> int:
        """Bases of sequence that the model sees [bp]."""
        return self.options.context_length

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes the predictions, JSON-able."""
        return self.options.record(self.info)

    @property
    def travels(self) -> bool:
        """Whether it can be sent to worker processes: its model can, and sends no sequence to another machine."""
        return not self.options.remote and isinstance(self.model, Travels) and self.model.travels

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict one gene; see `predict_genes`."""
        ((_, prediction),) = self.predict_genes([gene], genome, individuals)
        return prediction

    def predict_genes(
        self, genes: Sequence[Gene], genome: PersonalGenome, individuals: Sequence[str], *, progress: bool | None = None
    ) -> Generator[tuple[Gene, Prediction], None, None]:
        """Predict several genes, in their order.

        Memory is that of one batch and of the windows whose sequences wait for it.

        Parameters
        ----------
        genes
            Genes to predict.
        genome
            Genotypes with a reference genome.
        individuals
            Names, in the requested order.
        progress
            Whether to show a progress bar over passes. Default: as the predictor was made.

        Yields
        ------
        tuple
            The gene, and one number per individual.

        Raises
        ------
        SettingError
            If the genome has no reference, or none of several genes has a strand.
        UnknownNameError
            If an individual does not exist.
        GenotypeError
            If no gene at all can be predicted, because genotypes are unphased, do not match the reference genome, or
            a contig is missing. If some can be predicted, the others are NaN with the reason.
        PgxevalError
            If the model breaks its promise or fails for every sequence.
        """
        run = SequenceRun(
            model=self.model,
            settings=self.options,
            cache=self.score_cache,
            genes=genes,
            genome=genome,
            individuals=individuals,
        )
        try:
            yield from run.predictions(progress=self.options.progress if progress is None else progress)
        finally:
            self.passes += run.passes.count

    def plan(
        self,
        cohort: Cohort,
        *,
        calls_per_minute: float | None = None,
        min_maf: Sequence[float] = (),
        progress: bool = True,
    ) -> Plan:
        """Return what a run over a cohort would cost; nothing is sent and no model runs.

        Parameters
        ----------
        cohort
            Genes and individuals.
        calls_per_minute
            Quota of the service. Default: what the model knows of it.
        min_maf
            Lower bounds of the minor allele frequency, in [0, 0.5], for which both modes are compared.
        progress
            Whether to show a progress bar over windows.

        Returns
        -------
        Plan
            Prints as a summary; `Plan.genes` and `Plan.compared` are tables.
        """
        return plan_run(
            model=self.model,
            settings=self.options,
            cache=self.score_cache,
            cohort=cohort,
            calls_per_minute=calls_per_minute,
            min_maf=min_maf,
            progress=progress,
        )


def _check_model(model: SequenceModel) -> ModelInfo:
    if isinstance(model, type):
        raise SettingError(f"model is the class {model.__name__}; give an instance: {model.__name__}(...)")
    info = getattr(model, "info", None)
    if not isinstance(info, ModelInfo) or not callable(getattr(model, "predict_tracks", None)):
        raise SettingError(
            f"{type(model).__name__} is not a sequence model: it needs info, a ModelInfo (got {type(info).__name__}), "
            "and predict_tracks(sequences, tracks)"
        )
    return info
