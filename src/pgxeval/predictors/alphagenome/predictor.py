"""AlphaGenomePredictor: AlphaGenome on personal haplotypes, hosted or on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import attrs
import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.alphagenome.client import ADDRESS, HostedClient, Key, PredictsSequence
from pgxeval.predictors.alphagenome.model import UNNAMED_VERSION, AlphaGenomeModel
from pgxeval.predictors.alphagenome.torch_model import AlphaGenomeTorchModel, PredictsNamedOutputs
from pgxeval.predictors.alphagenome.tracks import BIN_WIDTHS_BP, choose_tissue
from pgxeval.predictors.sequence.cache import default_folder
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, Readout, TssBins
from pgxeval.predictors.sequence.settings import SEQUENCE_OPTIONS, SequenceOptions, options_of, show_options
from pgxeval.predictors.sequence.tracks import TrackChoice, TrackQuery

ALPHAGENOME_READOUTS: Mapping[str, Readout] = {
    "exons": ExonMask(),
    "gene_body": GeneBody(),
    "tss": TssBins(n=384, aggregate="mean", log="total", pseudocount=0.001),
}

CONTEXT_LENGTH = 131_072
_AUTO = "auto"


class AlphaGenomeOptions(SequenceOptions, total=False):
    """Options of `AlphaGenomePredictor` and its constructors."""

    tissue: str | None
    tracks: TrackQuery | TrackChoice | None
    readout: str | Readout
    source: str | None
    assay_title: str | None
    extra_tissues: Sequence[str]
    version: str | None
    context_lengths: Sequence[int] | None
    in_flight: int | None
    calls_per_minute: int | None
    deadline_s: float | None


class AlphaGenomePredictor(SequencePredictor):
    """AlphaGenome with published defaults: the exons of RNA-seq tracks, the mean of the two haplotypes.

    The model counts as remote, unless it is made by `local` or `from_torch`, or declared with ``remote=False``.

    Parameters
    ----------
    model
        A ``DnaClient`` of the package alphagenome, a `HostedClient`, or a model with the same ``predict_sequence``;
        or an `AlphaGenomeModel` or `AlphaGenomeTorchModel`. `hosted` opens a client itself.
    tissue
        A GTEx tissue (``"Whole_Blood"``), an ontology term (``"EFO:0000572"``) or another text; see `choose_tissue`.
    readout
        ``"exons"`` (default), ``"gene_body"``, ``"tss"``, or any readout, such as an `IntervalReadout` over a peak.
    tracks
        In place of `tissue`: rows or names of the track table, as for `find_tracks`.
    output
        Output type: ``"RNA_SEQ"`` (default), ``"CAGE"``, ``"ATAC"``, ``"DNASE"``, ...
    source, assay_title
        Choose among several tracks of a tissue by data source (default: GTEx if the tissue has it) and by assay.
    extra_tissues
        Further tissues, chosen in the same way, whose scores are kept in the cache from the same calls.
    version, context_lengths, in_flight, calls_per_minute, deadline_s
        As for `AlphaGenomeModel`.
    **options
        As for `SequencePredictor`. `context_length` is 16,384, 131,072 (default, as published for personal genomes),
        524,288 or 1,048,576; readouts in `extra_readouts` may be given by name; `score_cache` is by default
        ``$PGXEVAL_CACHE``, else ``~/.cache/pgxeval/scores``, for a remote model, because its answers are paid for, and
        None for a model on this machine.

    Raises
    ------
    SettingError, UnknownNameError, TableError, RemoteServiceError
        As for `AlphaGenomeModel`, `choose_tissue` and `SequencePredictor`; `SettingError` also for a cache of a local
        model that has no `version`.

    Notes
    -----
    Named readouts, each lifted through the coordinate map of the haplotype:

    * ``"exons"``: ln(mean over exons + 0.001), AlphaGenome's own gene score (its documentation of variant scoring).
    * ``"gene_body"``: ln(sum over the span of the gene, clipped to the window, + 1), as published for personal genomes
      (mostafavilabuw/alphagenome-personal-eval).
    * ``"tss"``: ln(mean over 384 bp around the TSS + 0.001), as wide as three bins of Enformer.

    Use one predictor for one run at a time: ending a run, for instance by Ctrl-C, also ends runs that the same
    predictor has in other threads.

    The makers of AlphaGenome state that it "has not yet been benchmarked for predicting individual (personal) human
    genomes" (frequently asked questions). Its terms allow neither commercial use nor training models on its outputs.

    Examples
    --------
    >>> AlphaGenomePredictor.hosted(tissue="Whole_Blood")  # doctest: +SKIP
    Traceback (most recent call last):
    pgxeval.errors.SettingError: AlphaGenome at dns:///gdmscience.googleapis.com:443 would receive, ...
    """

    @show_options({**SEQUENCE_OPTIONS, "name": "alphagenome", "context_length": CONTEXT_LENGTH, "score_cache": _AUTO})
    def __init__(
        self,
        model: PredictsSequence | HostedClient | AlphaGenomeModel | AlphaGenomeTorchModel,
        *,
        tissue: str | None = None,
        tracks: TrackQuery | TrackChoice | None = None,
        readout: str | Readout = "exons",
        output: str | None = None,
        source: str | None = None,
        assay_title: str | None = None,
        extra_tissues: Sequence[str] = (),
        version: str | None = None,
        context_lengths: Sequence[int] | None = None,
        in_flight: int | None = None,
        calls_per_minute: int | None = None,
        deadline_s: float | None = None,
        **options: Unpack[SequenceOptions],
    ) -> None:
        if (tissue is None) == (tracks is None):
            raise SettingError(
                "AlphaGenomePredictor: give either tissue= (a GTEx tissue or an ontology term) or tracks="
            )
        for name, extra in (("extra_readouts", options.get("extra_readouts", ())), ("extra_tissues", extra_tissues)):
            if not isinstance(extra, list | tuple):
                raise SettingError(f"AlphaGenomePredictor: {name} must be a list, got {extra!r}")
        options.setdefault("name", "alphagenome")
        options.setdefault("context_length", CONTEXT_LENGTH)
        remote = options.get("remote")
        if remote is None:
            remote = model.info.remote if isinstance(model, AlphaGenomeModel | AlphaGenomeTorchModel) else True
        if remote is not False and options.get("allow_remote") is not True:
            raise SettingError(_consent(getattr(model, "address", "its address"), options["context_length"]))
        options["remote"] = remote
        model_settings: dict[str, Any] = {
            "output": output,
            "version": version,
            "context_lengths": context_lengths,
            "in_flight": in_flight,
            "calls_per_minute": calls_per_minute,
            "deadline_s": deadline_s,
        }
        model_settings = {name: value for name, value in model_settings.items() if value is not None}
        if isinstance(model, AlphaGenomeModel | AlphaGenomeTorchModel):
            if model_settings and model_settings != {"output": model.output}:
                raise SettingError(
                    f"AlphaGenomePredictor: {', '.join(model_settings)} must be given to the {type(model).__name__} "
                    "when it is made"
                )
        else:
            model = AlphaGenomeModel(model, remote=remote, **model_settings)
        if options.get("score_cache", _AUTO) == _AUTO:
            options["score_cache"] = default_folder() if remote else None
        if options["score_cache"] is not None and model.info.version == UNNAMED_VERSION:
            raise SettingError(
                "AlphaGenomePredictor: scores of a local model are kept under its version; name the weights, as in "
                'version="all_folds, 2026-01", so that scores of other weights are not mistaken for theirs'
            )
        table, if_ambiguous = model.info.tracks, options.get("if_ambiguous", "refuse")
        chosen: TrackQuery | TrackChoice | None = tracks
        if tissue is not None:
            chosen = choose_tissue(table, tissue, source=source, assay_title=assay_title, if_ambiguous=if_ambiguous)
        assert chosen is not None
        options["extra_readouts"] = [_readout(extra, model.output) for extra in options.get("extra_readouts", ())]
        if extra_tissues:
            options["extra_tracks"] = [
                *options.get("extra_tracks", ()),
                *(choose_tissue(table, extra, source=source, if_ambiguous="mean") for extra in extra_tissues),
            ]
        super().__init__(model, _readout(readout, model.output), tracks=chosen, **options)

    @classmethod
    @show_options({**options_of(__init__), "progress": True})
    def hosted(
        cls,
        *,
        key: Key | None = None,
        address: str | None = None,
        model_version: str | None = None,
        output: str | None = None,
        **options: Unpack[AlphaGenomeOptions],
    ) -> AlphaGenomePredictor:
        """Use the hosted service, which receives sequences of individuals and requires ``allow_remote=True``.

        Parameters
        ----------
        key
            Function that returns the API key. Default: the environment variable ``ALPHAGENOME_API_KEY``.
        address
            Address of the service. Default: Google's. For a local server give its address, ``"127.0.0.1:50051"``.
        model_version
            ``"FOLD_0"`` to ``"FOLD_3"``; None for the model of all folds.
        output
            As for `AlphaGenomePredictor`.
        **options
            As for `AlphaGenomePredictor`; here `progress` is True by default.

        Raises
        ------
        SettingError
            Without ``allow_remote=True``, before anything is opened; without a key.
        RemoteServiceError
            If nothing answers, or the key is rejected.
        """
        options.setdefault("progress", True)
        if options.get("allow_remote") is not True:
            raise SettingError(_consent(address or ADDRESS, options.get("context_length", CONTEXT_LENGTH)))
        client = HostedClient(key=key, address=address, model_version=model_version)
        return cls(client, output=output, **options)

    @classmethod
    @show_options(options_of(__init__))
    def local(
        cls, model: PredictsSequence, *, output: str | None = None, **options: Unpack[AlphaGenomeOptions]
    ) -> AlphaGenomePredictor:
        """Use a model on this machine; this declares that no sequence leaves it.

        Parameters
        ----------
        model
            Any object with ``predict_sequence``, such as a model of alphagenome_research.
        output
            As for `AlphaGenomePredictor`.
        **options
            As for `AlphaGenomePredictor`; give `version` if you use a `score_cache`.
        """
        options["remote"] = False
        return cls(model, output=output, **options)

    @classmethod
    @show_options({**options_of(__init__), "batch_size": 1})
    def from_torch(
        cls,
        model: PredictsNamedOutputs,
        *,
        output: str = "RNA_SEQ",
        metadata: pd.DataFrame | None = None,
        **options: Unpack[AlphaGenomeOptions],
    ) -> AlphaGenomePredictor:
        """Use the PyTorch port of genomicsxai on this machine; no sequence leaves it.

        Parameters
        ----------
        model
            ``alphagenome_pytorch.AlphaGenome``, version 0.3 or later (Python 3.12 or later), or any module with its
            ``predict``.
        output, metadata
            As for `AlphaGenomeTorchModel`.
        **options
            As for `AlphaGenomePredictor`; `version` and `batch_size` as for `AlphaGenomeTorchModel`.
        """
        wrapped = AlphaGenomeTorchModel(
            model,
            output=output,
            version=options.pop("version", None),
            metadata=metadata,
            batch_size=options.pop("batch_size", None) or 1,
        )
        return cls(wrapped, **options)


def _consent(address: str, length: int | None) -> str:
    bases = f"{length:,}" if isinstance(length, int) else length
    return (
        f"AlphaGenome at {address} would receive, for each gene and each distinct haplotype of these individuals, "
        f"{bases} bases of their sequence, without names. If their data may leave this machine, pass "
        "allow_remote=True. If the model runs on this machine, use AlphaGenomePredictor.local(model) or "
        "AlphaGenomePredictor.from_torch(model)"
    )


def _readout(readout: str | Readout, output: str) -> Readout:
    if not isinstance(readout, str):
        return readout
    if readout not in ALPHAGENOME_READOUTS:
        raise UnknownNameError(
            f"AlphaGenomePredictor: unknown readout {readout!r}; the named readouts are "
            f"{', '.join(ALPHAGENOME_READOUTS)}{near_names(readout, ALPHAGENOME_READOUTS)}"
        )
    named = ALPHAGENOME_READOUTS[readout]
    if isinstance(named, TssBins):  # the same number of bases for every bin width
        return attrs.evolve(named, n=named.n // BIN_WIDTHS_BP[output])
    return named
