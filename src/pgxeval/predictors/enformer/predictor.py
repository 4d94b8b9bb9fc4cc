"""EnformerPredictor: Enformer on personal genomes, with the readouts of published studies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

import pandas as pd

from pgxeval.errors import UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.enformer.model import EnformerModel
from pgxeval.predictors.enformer.weights import OFFICIAL
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import Readout, TssBins
from pgxeval.predictors.sequence.settings import SEQUENCE_OPTIONS, SequenceOptions, show_options
from pgxeval.predictors.sequence.tracks import TrackChoice, TrackQuery
from pgxeval.predictors.torch_state import Precision

if TYPE_CHECKING:
    from enformer_pytorch import Enformer

ENFORMER_READOUTS: Mapping[str, TssBins] = {
    "tss_3": TssBins(n=3, aggregate="sum"),
    "tss_3_log": TssBins(n=3, aggregate="sum", log="bins"),
    "centre_10": TssBins(n=10, aggregate="mean"),
    "centre_10_sum": TssBins(n=10, aggregate="sum"),
}


class EnformerPredictor(SequencePredictor):
    """Enformer with published defaults: CAGE around the TSS, the mean of the two haplotypes.

    Parameters
    ----------
    weights
        As for `EnformerModel`: name on the hub, local folder, or a loaded model.
    tracks
        Which tracks, by number, name or meaning; see `find_tracks`. Published studies read CAGE of the tissue:
        ``"CAGE:GM12878"`` for lymphoblastoid cells, ``"Whole_Blood"`` with ``if_ambiguous="mean"``. There is no
        default, because it would be the wrong tissue for most cohorts.
    readout
        A name in `ENFORMER_READOUTS`, or any readout.
    head, track_table, use_tf_gamma, device, precision, revision, hub_cache
        As for `EnformerModel`.
    **options
        As for `SequencePredictor`. Here `name` is ``"enformer"`` by default, and `context_length` and `batch_size` are
        those of the `EnformerModel`.

    Raises
    ------
    SettingError, UnknownNameError, InputFileError
        As for `EnformerModel` and `SequencePredictor`.

    Notes
    -----
    Named readouts, with the TSS at index 98,304 of 196,608 and therefore in bin 448 of 896 (numbered from 0):

    * ``"tss_3"`` (default): sum of the bins 447 to 449 (Sasse et al., Nat Genet 55:2060, 2023).
    * ``"tss_3_log"``: sum of ln(x + 1) of the same bins (SAGE-net, bioRxiv 10.1101/2025.02.21.639494).
    * ``"centre_10"``: mean of the bins 443 to 452 (Huang et al., Nat Genet 55:2056, 2023).
    * ``"centre_10_sum"``: their sum (fine-tuned Enformer, ni-lab/finetuning-enformer).

    All of these studies take the mean of the two haplotypes.
    """

    @show_options({**SEQUENCE_OPTIONS, "name": "enformer"})
    def __init__(
        self,
        weights: str | os.PathLike[str] | Enformer = OFFICIAL,
        *,
        tracks: TrackQuery | TrackChoice,
        readout: str | Readout = "tss_3",
        head: str = "human",
        track_table: pd.DataFrame | str | os.PathLike[str] | None = None,
        use_tf_gamma: bool | None = None,
        device: str | None = None,
        precision: Precision = "float32",
        revision: str | None = None,
        hub_cache: str | os.PathLike[str] | None = None,
        **options: Unpack[SequenceOptions],
    ) -> None:
        options.setdefault("name", "enformer")
        chosen = _readout(readout)
        model = EnformerModel(
            weights,
            head=head,
            track_table=track_table,
            use_tf_gamma=use_tf_gamma,
            context_length=options.get("context_length"),
            device=device,
            precision=precision,
            batch_size=options.get("batch_size"),
            revision=revision,
            hub_cache=hub_cache,
        )
        super().__init__(model, chosen, tracks=tracks, **options)


def _readout(readout: str | Readout) -> Readout:
    if not isinstance(readout, str):
        return readout
    if readout not in ENFORMER_READOUTS:
        raise UnknownNameError(
            f"EnformerPredictor: unknown readout {readout!r}; the named readouts are "
            f"{', '.join(ENFORMER_READOUTS)}{near_names(readout, ENFORMER_READOUTS)}"
        )
    return ENFORMER_READOUTS[readout]
