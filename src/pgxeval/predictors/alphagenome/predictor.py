"""AlphaGenomePredictor: AlphaGenome on personal haplotypes, hosted or on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.alphagenome.client import ADDRESS, HostedClient, Key, is_client
from pgxeval.predictors.alphagenome.model import AlphaGenomeModel
from pgxeval.predictors.alphagenome.torch_model import AlphaGenomeTorchModel
from pgxeval.predictors.alphagenome.tracks import BIN_WIDTHS_BP, choose_tissue
from pgxeval.predictors.sequence.cache import default_folder
from pgxeval.predictors.sequence.combine import Combine
from pgxeval.predictors.sequence.predictor import Around, Mode, SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, Readout, TssBins
from pgxeval.predictors.sequence.tracks import Several, TrackChoice, Wanted

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.variant_filter import VariantFilter

ALPHAGENOME_READOUTS: Mapping[str, Readout] = {
    "exons": ExonMask(),
    "gene_body": GeneBody(),
    "tss": TssBins(n=384, aggregate="mean", log="total", pseudocount=0.001),
}

_AUTO: Literal["auto"] = "auto"
_CONSENT = (
    "AlphaGenome at {address} would get, for each gene and each distinct haplotype of these individuals, {length} "
    "bases of their sequence, and no names. If their data may leave this machine, say allow_remote=True. If not, run "
    "open weights here: AlphaGenomePredictor(model), or AlphaGenomePredictor.from_torch(model)"
)


class AlphaGenomePredictor(SequencePredictor):
    """AlphaGenome with published defaults: the exons of RNA-seq tracks, the mean of the two haplotypes.

    Parameters
    ----------
    model
        A ``DnaClient`` of the package alphagenome, or a model on this machine with the same ``predict_sequence``.
        `hosted` opens a client by itself, `from_torch` takes a PyTorch port.
    tissue
        A GTEx tissue (``"Whole_Blood"``), an ontology term (``"EFO:0000572"``) or another text; see `choose_tissue`.
    readout
        ``"exons"`` (default), ``"gene_body"``, ``"tss"``, or any readout, such as an `IntervalReadout` over a peak.
    tracks
        Instead of `tissue`: rows or names of the track table, as for `find_tracks`.
    output
        Output type: ``"RNA_SEQ"``, ``"CAGE"``, ``"ATAC"``, ``"DNASE"``, ...
    source, assay_title
        Which of several tracks of a tissue, by data source (default: GTEx where it has one) and by assay.
    several
        What to do where several tracks of a strand are left: ``"refuse"``, or their ``"mean"``.
    context_length
        Bases of sequence: 16,384, 131,072 (default, as published for personal genomes), 524,288 or 1,048,576.
    name
        Name in the predictions table.
    allow_remote
        Must be True where sequences go to a service.
    cache
        Folder in which scores are kept as they come. Default: for a service ``$PGXEVAL_CACHE``, else
        ``~/.cache/pgxeval/scores``, for its answers are paid for; none for a model on this machine.
    also
        Further readouts, by name or as objects, whose scores are kept from the same calls.
    also_tissues
        Further tissues likewise, chosen as `tissue` is.
    progress
        Whether a bar shows calls, scores from the cache, refusals and time left.
    version, context_lengths, in_flight, calls_per_minute, deadline_s
        As for `AlphaGenomeModel`.
    combine, reverse_complement, shifts, mode, around, variants, retry_failed
        As for `SequencePredictor`.

    Raises
    ------
    SettingError, UnknownNameError, TableError, RemoteServiceError
        As `AlphaGenomeModel`, `choose_tissue` and `SequencePredictor` do; `SettingError` also where sequences would
        leave the machine without `allow_remote`, and for a cache of a local model that has no `version`.

    Notes
    -----
    Named readouts, each lifted through the haplotype's map:

    * ``"exons"``: ln(mean over exons + 0.001), AlphaGenome's own gene score (its documentation of variant scoring).
    * ``"gene_body"``: ln(sum over the gene's span, clipped to the window, + 1), as published for personal genomes
      (mostafavilabuw/alphagenome-personal-eval).
    * ``"tss"``: ln(mean over 384 bp around the TSS + 0.001), as wide as three bins of Enformer.

    One run at a time: ending a run, as by Ctrl-C, ends others that the same predictor has in other threads; and two
    runs at once, in whatever process, do not see each other's answers and may both pay for the same.

    AlphaGenome's makers say that it "has not yet been benchmarked for predicting individual (personal) human
    genomes" (its frequently asked questions). Its terms allow no commercial use and no training of models on outputs.

    Examples
    --------
    >>> AlphaGenomePredictor.hosted(tissue="Whole_Blood")  # doctest: +SKIP
    Traceback (most recent call last):
    pgxeval.errors.SettingError: AlphaGenome at dns:///gdmscience.googleapis.com:443 would get, ...
    """

    def __init__(
        self,
        model: Any,
        *,
        tissue: str | None = None,
        readout: str | Readout = "exons",
        tracks: Wanted | None = None,
        output: str | None = None,
        source: str | None = None,
        assay_title: str | None = None,
        several: Several = "refuse",
        context_length: int = 131_072,
        name: str = "alphagenome",
        allow_remote: bool = False,
        cache: str | os.PathLike[str] | None = _AUTO,
        combine: Combine = "mean",
        reverse_complement: bool = False,
        shifts: Sequence[int] = (0,),
        mode: Mode = "haplotypes",
        around: Around = "tss",
        variants: VariantFilter | None = None,
        also: Sequence[str | Readout] = (),
        also_tissues: Sequence[str] = (),
        retry_failed: bool = False,
        progress: bool = False,
        **model_settings: Any,
    ) -> None:
        if (tissue is None) == (tracks is None):
            raise SettingError(
                "AlphaGenomePredictor: one of tissue= (a GTEx tissue or an ontology term) and tracks= must be given"
            )
        if not all(isinstance(given, list | tuple) for given in (also, also_tissues)):
            raise SettingError("AlphaGenomePredictor: also= and also_tissues= are lists of readouts and of tissues")
        ready = isinstance(model, AlphaGenomeModel | AlphaGenomeTorchModel)
        remote = model.info.remote if ready else is_client(model)
        if remote and allow_remote is not True:
            address = getattr(model, "address", "the address of this client")
            raise SettingError(_consent(address, context_length))
        if ready:
            if model_settings or output not in (None, model.output):
                raise SettingError("AlphaGenomePredictor: this model is made already; give its settings to the model")
        else:
            unknown = sorted(set(model_settings) - _MODEL_SETTINGS)
            if unknown:
                raise SettingError(
                    f"AlphaGenomePredictor has no setting {unknown[0]}{near_names(unknown[0], _SETTINGS)}"
                )
            model = AlphaGenomeModel(model, output=output or "RNA_SEQ", **model_settings)
        table = model.info.tracks
        choice: Wanted | TrackChoice
        if tissue is not None:
            choice = choose_tissue(table, tissue, source=source, assay_title=assay_title, several=several)
        else:
            assert tracks is not None
            choice = tracks
        folder = (default_folder() if remote else None) if cache == _AUTO else cache
        if folder is not None and model.info.version == "not named":
            raise SettingError(
                "AlphaGenomePredictor: scores of a local model are kept under its version: say which weights these "
                'are, version="all_folds, 2026-01", or scores of other weights could be taken for theirs'
            )
        super().__init__(
            model,
            _readout(readout, model.output),
            tracks=choice,
            several=several,
            name=name,
            context_length=context_length,
            combine=combine,
            reverse_complement=reverse_complement,
            shifts=shifts,
            cache=folder,
            mode=mode,
            around=around,
            variants=variants,
            allow_remote=allow_remote,
            also=[_readout(one, model.output) for one in also],
            also_tracks=[choose_tissue(table, one, source=source, several="mean") for one in also_tissues],
            retry_failed=retry_failed,
            progress=progress,
        )

    @classmethod
    def hosted(
        cls,
        *,
        key: Key | None = None,
        address: str | None = None,
        model_version: str | None = None,
        allow_remote: bool = False,
        progress: bool = True,
        **settings: Any,
    ) -> AlphaGenomePredictor:
        """Run the hosted service, which gets the sequences of individuals.

        Parameters
        ----------
        key
            Function that returns the API key; default: the environment variable ``ALPHAGENOME_API_KEY``.
        address
            Of the service; default: Google's. A local server is reached likewise, ``"127.0.0.1:50051"``.
        model_version
            ``"FOLD_0"`` to ``"FOLD_3"``; None for the model of all folds.
        allow_remote
            Must be True: these individuals' sequences may go there.
        progress
            Whether a bar shows calls, scores from the cache, refusals and time left.
        **settings
            As for `AlphaGenomePredictor`.

        Raises
        ------
        SettingError
            Without `allow_remote`, before anything is opened; without a key.
        RemoteServiceError
            If nothing answers, or the key is refused.
        """
        if allow_remote is not True:
            length = settings.get("context_length", 131_072)
            raise SettingError(_consent(address or ADDRESS, length))
        if "model" in settings:
            raise SettingError(
                "AlphaGenomePredictor.hosted() opens its own client; a client or model in hand goes to "
                "AlphaGenomePredictor(model)"
            )
        client = HostedClient(key=key, address=address, model_version=model_version)
        return cls(client, allow_remote=True, progress=progress, **settings)

    @classmethod
    def from_torch(
        cls,
        model: Any,
        *,
        output: str = "RNA_SEQ",
        version: str | None = None,
        metadata: pd.DataFrame | None = None,
        batch_size: int = 1,
        **settings: Any,
    ) -> AlphaGenomePredictor:
        """Run the PyTorch port of genomicsxai on this machine.

        Parameters
        ----------
        model
            ``alphagenome_pytorch.AlphaGenome``, version 0.3 or later (Python 3.12 or later), or any module with its
            ``predict``.
        output, version, metadata, batch_size
            As for `AlphaGenomeTorchModel`.
        **settings
            As for `AlphaGenomePredictor`.
        """
        wrapped = AlphaGenomeTorchModel(model, output=output, version=version, metadata=metadata, batch_size=batch_size)
        return cls(wrapped, **settings)


_MODEL_SETTINGS = frozenset({"version", "context_lengths", "in_flight", "calls_per_minute", "deadline_s"})
_SETTINGS = sorted(_MODEL_SETTINGS | set(AlphaGenomePredictor.__init__.__annotations__) - {"return", "model_settings"})


def _consent(address: str, length: object) -> str:
    return _CONSENT.format(address=address, length=f"{length:,}" if isinstance(length, int) else length)


def _readout(readout: str | Readout, output: str) -> Readout:
    if not isinstance(readout, str):
        return readout
    if readout not in ALPHAGENOME_READOUTS:
        raise UnknownNameError(
            f"AlphaGenomePredictor: there is no readout {readout!r}; named are {', '.join(ALPHAGENOME_READOUTS)}"
            f"{near_names(readout, ALPHAGENOME_READOUTS)}"
        )
    named = ALPHAGENOME_READOUTS[readout]
    if isinstance(named, TssBins):  # as many bases, whatever the bins
        return attrs.evolve(named, n=named.n // BIN_WIDTHS_BP[output])
    return named
