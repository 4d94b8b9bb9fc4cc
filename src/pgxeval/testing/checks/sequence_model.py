"""check_sequence_model: does a model fulfil the contract of `SequenceModel`? One named check per promise."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.genome.encoding import reverse_complement
from pgxeval.predictors.sequence.model import SequenceModel
from pgxeval.predictors.sequence.passes import predict_targets
from pgxeval.predictors.sequence.target import Target
from pgxeval.testing.checks import global_state
from pgxeval.testing.checks.checking import Check, NotApplicableError, OnFailure, demand, run_checks
from pgxeval.testing.checks.golden import Golden
from pgxeval.testing.checks.model_under_test import _N_SEQUENCES, ModelUnderTest, _locked


def _info(subject: ModelUnderTest) -> None:
    first, second = subject.info, subject.info
    names = ("name", "version", "context_lengths", "output_offset_bp", "n_policy", "settings")
    differ = [name for name in names if getattr(first, name) != getattr(second, name)]
    if not first.tracks.equals(second.tracks):
        differ.append("tracks")
    demand(not differ, f"info must be the same each time; {', '.join(differ)} changed between two reads")


def _shape(subject: ModelUnderTest) -> None:
    tracks = subject.asked
    expected = (_N_SEQUENCES, subject.info.n_bins(subject.length, tracks), len(tracks))
    demand(
        subject.answer.shape == expected,
        f"the answer must have the shape {expected} (sequences, bins, tracks), got {subject.answer.shape}",
    )


def _dtype(subject: ModelUnderTest) -> None:
    scores = subject.model.predict_tracks(subject.sequences(), subject.asked)
    demand(isinstance(scores, np.ndarray), f"the answer must be a numpy.ndarray, got {type(scores).__name__}")
    demand(scores.dtype == np.float32, f"the answer must be float32, got {scores.dtype}")


def _finite(subject: ModelUnderTest) -> None:
    bad = int((~np.isfinite(subject.answer)).sum())
    demand(not bad, f"{bad} of {subject.answer.size} numbers are NaN or infinite for sequences of A, C, G and T")


def _order_of_sequences(subject: ModelUnderTest) -> None:
    turned = subject.predict(_locked(subject.sequences()[::-1].copy()))[::-1]
    demand(
        subject.same(subject.answer, turned),
        f"answers must follow the order of sequences: {subject.difference(subject.answer, turned)}",
    )


def _order_of_tracks(subject: ModelUnderTest) -> None:
    tracks = subject.asked
    turned = subject.predict(subject.sequences(), tracks[::-1])[:, :, ::-1]
    demand(
        subject.same(subject.answer, turned),
        f"answers must follow the order of tracks: {subject.difference(subject.answer, turned)}",
    )


def _empty_batch(subject: ModelUnderTest) -> None:
    tracks = subject.asked
    expected = (0, subject.info.n_bins(subject.length, tracks), len(tracks))
    scores = subject.predict(subject.sequences(n=0))
    demand(scores.shape == expected, f"no sequences must give the shape {expected}, got {scores.shape}")


def _one_by_one(subject: ModelUnderTest) -> None:
    sequences = subject.sequences()
    alone = np.concatenate([subject.predict(sequences[row : row + 1]) for row in range(len(sequences))])
    demand(
        subject.same(subject.answer, alone),
        f"a sequence must get the same answer alone as in a batch: {subject.difference(subject.answer, alone)}",
    )


def _repeatable(subject: ModelUnderTest) -> None:
    again = subject.predict(subject.sequences())
    demand(
        subject.same(subject.answer, again),
        f"the same input must give the same answer: {subject.difference(subject.answer, again)}",
    )


def _answers_stay(subject: ModelUnderTest) -> None:
    copy = np.asarray(subject.model.predict_tracks(subject.sequences(), subject.asked))
    before = copy.copy()
    subject.predict(subject.sequences(seed=1))
    demand(np.array_equal(copy, before, equal_nan=True), "an answer must not change when the model is called again")


def _input_unchanged(subject: ModelUnderTest) -> None:
    sequences, tracks = subject.sequences().copy(), list(subject.asked)
    letters, numbers = sequences.copy(), list(tracks)
    subject.predict(sequences, tracks)
    demand(np.array_equal(sequences, letters), "the sequences that were passed in were changed")
    demand(tracks == numbers, "the list of tracks that was passed in was changed")


def _global_state(subject: ModelUnderTest) -> None:
    subject.predict(subject.sequences(n=1))  # what is set once when a library is loaded is allowed
    before = global_state.look()
    subject.predict(subject.sequences())
    changed = global_state.changes(before, global_state.look())
    demand(not changed, f"{' and '.join(changed)} must be as before the call")


def _wrong_length(subject: ModelUnderTest) -> None:
    for length in (subject.length + 1, subject.length - 1):
        if length > 0 and length not in subject.info.context_lengths:
            sequences = _locked(np.full((1, length), ord("A"), dtype=np.uint8))
            subject.refused(sequences, f"sequences of {length} bp, which info does not list,")


def _foreign_letters(subject: ModelUnderTest) -> None:
    for letter in "Ra.":
        sequences = subject.sequences(n=1).copy()
        sequences[0, subject.length // 2] = ord(letter)
        subject.refused(_locked(sequences), f"sequences with the letter {letter!r}")


def _n_policy(subject: ModelUnderTest) -> None:
    sequences = subject.sequences().copy()
    sequences[:, subject.length // 2] = ord("N")
    if subject.info.n_policy == "refuse":
        subject.refused(_locked(sequences), 'sequences with N, by n_policy="refuse",')
        return
    scores = subject.predict(_locked(sequences))
    bad = int((~np.isfinite(scores)).sum())
    demand(not bad, f'n_policy="accept" promises finite numbers for sequences with N, {bad} are not')


def _strand(subject: ModelUnderTest) -> None:
    table = subject.info.tracks.iloc[subject.asked]
    alone = table.index[(table["strand"] != ".") & (table["pair"] < 0)].tolist()
    demand(not alone, f"stranded tracks must name their pair on the other strand; {alone} do not")
    column = {track: number for number, track in enumerate(subject.asked)}
    for track, pair in zip(table.index.tolist(), table["pair"].tolist(), strict=True):
        if pair != track and pair in column:
            one, other = subject.answer[:, :, column[track]], subject.answer[:, :, column[pair]]
            demand(not np.array_equal(one, other), f"tracks {track} and {pair}, of the two strands, have equal values")
    if subject.equivariant:
        pairs = [track if pair < 0 else pair for track, pair in zip(subject.asked, table["pair"].tolist(), strict=True)]
        mirrored = reverse_complement(subject.sequences())
        back = subject.predict(_locked(np.ascontiguousarray(mirrored)), pairs)[:, ::-1]
        demand(
            subject.same(subject.answer, back),
            f"the reverse complement must give the paired tracks, mirrored: {subject.difference(subject.answer, back)}",
        )


def _pickling(subject: ModelUnderTest) -> None:
    again = pickle.loads(pickle.dumps(subject.model))
    scores = np.asarray(again.predict_tracks(subject.sequences(), subject.asked))
    demand(
        subject.same(subject.answer, scores),
        f"a pickled model must give the same answer: {subject.difference(subject.answer, scores)}",
    )


def _central_snv(subject: ModelUnderTest) -> None:
    sequences = subject.sequences().copy()
    middle = subject.length // 2
    other = {ord("A"): ord("C"), ord("C"): ord("T"), ord("G"): ord("A"), ord("T"): ord("G")}
    sequences[:, middle] = [other[int(letter)] for letter in sequences[:, middle]]
    moved = np.abs(subject.predict(_locked(sequences)) - subject.answer).max(axis=(1, 2))
    demand((moved > 0).any(), f"changing a single base in the middle (index {middle}) changes nothing")


def _targets(subject: ModelUnderTest) -> None:
    ability = getattr(subject.model, "predict_targets", None)
    if ability is None:
        raise NotApplicableError("the model has no predict_targets")
    info, sequences = subject.info, subject.sequences()
    width, offset = info.bin_width_bp(subject.asked), info.output_offset_bp
    n_bins = info.n_bins(subject.length, subject.asked)
    middle, end = offset + n_bins // 2 * width, offset + n_bins * width
    targets = [
        Target(row=0, segments=[(middle, min(end, middle + 3 * width))]),
        Target(row=2, segments=[(offset, end)], aggregate="mean"),
        Target(row=2, segments=[(end - 1, end)], aggregate="max"),
    ]

    def ask(answers: Any) -> dict[int, npt.NDArray[np.float64]]:
        values_of: dict[int, npt.NDArray[np.float64]] = {}
        for position, values, reason in answers:
            demand(position not in values_of, f"predict_targets answered target {position} twice")
            demand(reason is None, f"predict_targets gave a reason for target {position}: {reason}")
            values_of[position] = np.asarray(values)
        return values_of

    in_pieces = ask(ability(iter([sequences[:1], sequences[1:]]), targets, subject.asked))
    expected = ask(predict_targets(subject.model, [sequences], targets, subject.asked))
    demand(
        set(in_pieces) == set(expected), f"predict_targets answered targets {sorted(in_pieces)} of {sorted(expected)}"
    )
    for position, values in expected.items():
        demand(
            subject.same(values, in_pieces[position]),
            f"predict_targets and predict_tracks differ: {subject.difference(values, in_pieces[position])}",
        )


def _golden(subject: ModelUnderTest) -> None:
    golden = subject.golden
    if golden is None:
        raise NotApplicableError("no golden values were given")
    scores = subject.predict(golden.sequences, list(golden.tracks))
    fits = scores.shape == golden.values.shape and np.allclose(
        scores, golden.values, rtol=golden.relative, atol=golden.absolute, equal_nan=True
    )
    demand(fits, f"not the golden values: {subject.difference(golden.values, scores)}")


SEQUENCE_MODEL_CHECKS: Mapping[str, Check] = {
    "info": _info,
    "shape": _shape,
    "dtype": _dtype,
    "finite": _finite,
    "order_of_sequences": _order_of_sequences,
    "order_of_tracks": _order_of_tracks,
    "empty_batch": _empty_batch,
    "one_by_one": _one_by_one,
    "repeatable": _repeatable,
    "answers_stay": _answers_stay,
    "input_unchanged": _input_unchanged,
    "global_state": _global_state,
    "wrong_length": _wrong_length,
    "foreign_letters": _foreign_letters,
    "n_policy": _n_policy,
    "strand": _strand,
    "pickling": _pickling,
    "central_snv": _central_snv,
    "targets": _targets,
    "golden": _golden,
}


def check_sequence_model(
    model: SequenceModel,
    *,
    expected_failures: Mapping[str, str] | None = None,
    context_length: int | None = None,
    tracks: Sequence[int] | None = None,
    tolerance: float = 1e-4,
    golden: Golden | None = None,
    equivariant: bool = False,
    on_failure: OnFailure = "report",
) -> pd.DataFrame:
    """Check that a model keeps the contract of `SequenceModel`.

    Parameters
    ----------
    model
        What is checked; it is asked some twenty times for up to three sequences.
    expected_failures
        Name of a check -> why it may fail. One that passes all the same is reported.
    context_length, tracks
        What to ask for; default: the shortest context, and up to four tracks with their pairs.
    tolerance
        Relative difference that answers to the same question may have.
    golden
        Answers that were right once.
    equivariant
        Whether the model promises the same, mirrored values for the reverse complement.
    on_failure
        ``"report"`` or ``"raise"``.

    Returns
    -------
    pandas.DataFrame
        One row per check: check, outcome (``"passed"``, ``"failed"``, ``"expected failure"``, ``"unexpected pass"``,
        ``"not applicable"``), detail.

    Raises
    ------
    CheckFailedError
        With ``on_failure="raise"``, if a check failed or passed unexpectedly.
    UnknownNameError, SettingError
        If an excuse names no check or has no reason.

    Examples
    --------
    >>> import pandas as pd
    >>> from pgxeval.predictors import ModelInfo
    >>> class Half:
    ...     info = ModelInfo(
    ...         name="half",
    ...         version="1",
    ...         context_lengths=64,
    ...         tracks=pd.DataFrame({"name": ["G"], "bin_width_bp": [32]}),
    ...     )
    ...
    ...     def predict_tracks(self, sequences, tracks):
    ...         return (sequences == ord("G")).reshape(len(sequences), 2, 32).mean(axis=2)[:, :, None]
    >>> table = check_sequence_model(Half())
    >>> table.loc[table["outcome"] == "failed", "check"].tolist()
    ['dtype', 'foreign_letters', 'pickling']
    """
    if isinstance(model, type):
        raise SettingError(f"{model.__name__} is a class; give an instance")
    subject = ModelUnderTest(
        model=model,
        context_length=context_length,
        tracks=tracks,
        tolerance=tolerance,
        golden=golden,
        equivariant=equivariant,
    )
    return run_checks(SEQUENCE_MODEL_CHECKS, subject, expected_failures, on_failure)
