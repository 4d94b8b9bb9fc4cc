"""EnformerPredictor: Enformer as published studies read personal genomes with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from pgxeval.errors import UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.enformer.model import EnformerModel
from pgxeval.predictors.enformer.weights import OFFICIAL
from pgxeval.predictors.sequence.combine import Combine
from pgxeval.predictors.sequence.predictor import Around, Mode, SequencePredictor
from pgxeval.predictors.sequence.readout import Readout, TssBins
from pgxeval.predictors.sequence.tracks import Several, Wanted
from pgxeval.predictors.torch_state import Precision

if TYPE_CHECKING:
    from enformer_pytorch import Enformer

    from pgxeval.genome.variant_filter import VariantFilter

__all__ = ["ENFORMER_READOUTS", "EnformerModel", "EnformerPredictor"]

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
        As for `EnformerModel`: name on the hub, folder, or a model in hand.
    tracks
        Which tracks, by number, name or meaning; see `find_tracks`. Published studies read CAGE of the tissue:
        ``"CAGE:GM12878"`` for lymphoblastoid cells, ``"Whole_Blood"`` with ``several="mean"``. There is no
        default, for it would be the wrong tissue of most cohorts.
    readout
        A name of `ENFORMER_READOUTS`, or any readout.
    name
        Name in the predictions table.
    several, combine, reverse_complement, shifts, cache, mode, around, variants
        As for `SequencePredictor`.
    head, track_table, use_tf_gamma, device, precision, batch_size, revision, cache_folder
        As for `EnformerModel`.

    Raises
    ------
    SettingError, UnknownNameError, InputFileError
        As `EnformerModel` and `SequencePredictor` do.

    Notes
    -----
    Named readouts, with the TSS at index 98,304 of 196,608 and so in bin 448 of 896 (numbered from 0):

    * ``"tss_3"`` (default): sum of the bins 447 to 449 (Sasse et al., Nat Genet 55:2060, 2023).
    * ``"tss_3_log"``: sum of ln(x + 1) of the same bins (SAGE-net, bioRxiv 10.1101/2025.02.21.639494).
    * ``"centre_10"``: mean of the bins 443 to 452 (Huang et al., Nat Genet 55:2056, 2023).
    * ``"centre_10_sum"``: their sum (fine-tuned Enformer, ni-lab/finetuning-enformer).

    All take the mean of the haplotypes. An unusual context or crop needs
    ``SequencePredictor(EnformerModel(...), ...)``.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Enformer = OFFICIAL,
        *,
        tracks: Wanted,
        readout: str | Readout = "tss_3",
        name: str = "enformer",
        several: Several = "refuse",
        combine: Combine = "mean",
        reverse_complement: bool = False,
        shifts: Sequence[int] = (0,),
        cache: str | os.PathLike[str] | None = None,
        mode: Mode = "haplotypes",
        around: Around = "tss",
        variants: VariantFilter | None = None,
        head: str = "human",
        track_table: pd.DataFrame | str | os.PathLike[str] | None = None,
        use_tf_gamma: bool | None = None,
        device: str | None = None,
        precision: Precision = "float32",
        batch_size: int | None = None,
        revision: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(readout, str):
            if readout not in ENFORMER_READOUTS:
                raise UnknownNameError(
                    f"EnformerPredictor: there is no readout {readout!r}; named are {', '.join(ENFORMER_READOUTS)}"
                    f"{near_names(readout, ENFORMER_READOUTS)}"
                )
            readout = ENFORMER_READOUTS[readout]
        model = EnformerModel(
            weights,
            head=head,
            track_table=track_table,
            use_tf_gamma=use_tf_gamma,
            device=device,
            precision=precision,
            batch_size=batch_size,
            revision=revision,
            cache_folder=cache_folder,
        )
        super().__init__(
            model,
            readout,
            tracks=tracks,
            several=several,
            name=name,
            combine=combine,
            reverse_complement=reverse_complement,
            shifts=shifts,
            cache=cache,
            mode=mode,
            around=around,
            variants=variants,
        )
