"""WindowScores: the sequences of one window, which of them must pass, and their scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.genome.intervals import Gene
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.passes import Job, PassOutcome, clean
from pgxeval.predictors.sequence.readout import Output, Readout
from pgxeval.predictors.sequence.score_records import name_of
from pgxeval.predictors.sequence.settings import SequenceSettings
from pgxeval.predictors.sequence.target import Target

_BATCH_BYTES = 2**24
_TRY_AGAIN = "; retry_failed=True tries again"
_HAS_N = "the window contains N, which the model refuses"


@attrs.frozen(kw_only=True, eq=False)
class View:
    """One way of looking at a window: shifted by some bases, and on which strand.

    Parameters
    ----------
    haplotypes
        Haplotypes of the shifted window.
    mirrored
        Whether their reverse complements pass.
    """

    haplotypes: Haplotypes = attrs.field(repr=False)
    mirrored: bool


@attrs.frozen(kw_only=True, eq=False)
class GeneScores:
    """Scores of the haplotypes of a window for one gene.

    Parameters
    ----------
    gene
        The gene.
    tracks
        For each view, the tracks that are read.
    values
        For each view float64 ``(n_rows, n_tracks)``: reduced, before the readout's `finish`; NaN where unknown.
    reasons
        For each view, row -> why the values are NaN.
    """

    gene: Gene
    tracks: tuple[tuple[int, ...], ...]
    values: tuple[npt.NDArray[np.float64], ...]
    reasons: tuple[dict[int, str], ...]

    @classmethod
    def empty(cls, gene: Gene, tracks: Sequence[tuple[int, ...]], views: Sequence[View]) -> GeneScores:
        """Return scores that are all unknown."""
        shapes = [(view.haplotypes.n_distinct, len(chosen)) for view, chosen in zip(views, tracks, strict=True)]
        return cls(
            gene=gene,
            tracks=tuple(tracks),
            values=tuple(np.full(shape, np.nan) for shape in shapes),
            reasons=tuple({} for _ in views),
        )


@attrs.frozen(kw_only=True, eq=False)
class _Slot:
    scores: GeneScores
    view: int
    row: int


@attrs.frozen(kw_only=True, eq=False)
class _Request:
    """What is read from one distinct sequence: where it is made, and its targets with the places they fill."""

    view: int
    row: int
    targets: dict[bytes, tuple[Target, list[_Slot]]] = attrs.field(factory=dict)

    def add(self, target: Target, slot: _Slot | None = None) -> None:
        _, slots = self.targets.setdefault(target.key, (target, []))
        if slot is not None:
            slots.append(slot)


@attrs.frozen(kw_only=True, eq=False)
class PlannedJob:
    """A job together with the places that its outcomes fill.

    Parameters
    ----------
    job
        The sequence and its targets.
    tracks
        Tracks that are read.
    digest
        Digest of the sequence.
    slots
        For each target, the places.
    """

    job: Job
    tracks: tuple[int, ...]
    digest: bytes
    slots: tuple[tuple[_Slot, ...], ...]


def model_key(info: ModelInfo, length: int) -> bytes:
    """Return bytes that identify the numbers a model gives at one context length."""
    settings = json.dumps(dict(info.settings), sort_keys=True, default=str)
    bins = [info.output_offset_bp, sorted(set(info.tracks["bin_width_bp"].tolist()))]
    parts = json.dumps([info.name, info.version, settings, length, bins])
    return hashlib.blake2b(parts.encode(), digest_size=16).digest()


class WindowScores:
    """The scores of one window, filled as outcomes come in.

    Each distinct sequence of a view passes once, no matter how many haplotypes, genes and targets need it; a score
    that is in the cache is taken from there.

    Parameters
    ----------
    info
        Description of the model.
    settings
        Settings of the predictor.
    secret
        Key of the digests; that of the cache if there is one.
    cache
        Where scores are kept, or None.
    views
        At least one; haplotypes of views that differ only in strand are the same object.
    genes
        Genes that share the window, each with its tracks for each view.
    extra_tracks
        For each view, further tracks whose scores are kept in the cache.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        settings: SequenceSettings,
        secret: bytes,
        cache: ScoreCache | None,
        views: Sequence[View],
        genes: Sequence[tuple[Gene, Sequence[tuple[int, ...]]]],
        extra_tracks: Sequence[tuple[int, ...]],
    ) -> None:
        self._info, self._settings, self._secret, self._cache = info, settings, secret, cache
        self._extra_tracks = extra_tracks
        self.views = tuple(views)
        self.genes = tuple(GeneScores.empty(gene, tracks, views) for gene, tracks in genes)
        self._model = model_key(info, views[0].haplotypes.length)
        self.n_sequences = 0
        self.n_cached = 0
        self.jobs = self._plan()
        self.open = sum(len(planned.slots) for planned in self.jobs)

    def keep(self, planned: PlannedJob, outcome: PassOutcome) -> None:
        """Keep the outcome for one target of a job in the cache; thread-safe.

        A failure is kept if it is final and trying again would cost something.
        """
        if self._cache is None or (outcome.reason is not None and not (outcome.final and self._settings.remote)):
            return
        key = planned.job.targets[outcome.target].key
        names = [self._name(planned.digest, planned.job.mirrored, key, track) for track in planned.tracks]
        if outcome.reason is None:
            self._cache.keep(names, outcome.values)
        else:
            self._cache.fail(names, outcome.reason)

    def take(self, planned: PlannedJob, outcome: PassOutcome) -> None:
        """Take the outcome for one target of a job."""
        self._fill(planned.slots[outcome.target], planned.tracks, outcome.values, outcome.reason)
        self.open -= 1

    def _plan(self) -> tuple[PlannedJob, ...]:
        requests: dict[tuple[bytes, bool, tuple[int, ...]], _Request] = {}
        digests: dict[int, tuple[list[bytes], npt.NDArray[np.bool_]]] = {}
        for number, view in enumerate(self.views):
            identity = id(view.haplotypes)
            if identity not in digests:
                digests[identity] = self._digests(view.haplotypes)
            names, has_n = digests[identity]
            # genes of one window may need tracks of different strands; one pass serves them all
            tracks_of_genes = [track for scores in self.genes for track in scores.tracks[number]]
            tracks = tuple(sorted({*self._extra_tracks[number], *tracks_of_genes}))
            lifted = self._lift(view, self._settings.readout)
            extra = [targets for readout in self._settings.extra_readouts for targets in self._lift(view, readout)]
            for row, digest in enumerate(names):
                if has_n[row] and self._info.n_policy == "refuse":
                    for scores in self.genes:
                        scores.reasons[number][row] = _HAS_N
                    continue
                key = (digest, view.mirrored, tracks)
                for scores, targets in zip(self.genes, lifted, strict=True):
                    target = targets[row]
                    if isinstance(target, str):
                        scores.reasons[number][row] = target
                        continue
                    request = requests.setdefault(key, _Request(view=number, row=row))
                    request.add(target, _Slot(scores=scores, view=number, row=row))
                if key in requests:
                    for targets in extra:
                        target = targets[row]
                        if not isinstance(target, str):
                            requests[key].add(target)
        self.n_sequences = len(requests)
        jobs = [
            planned
            for (digest, mirrored, tracks), request in requests.items()
            if (planned := self._planned(digest, mirrored, tracks, request)) is not None
        ]
        self.n_cached = len(requests) - len(jobs)
        return tuple(jobs)

    def _planned(self, digest: bytes, mirrored: bool, tracks: tuple[int, ...], request: _Request) -> PlannedJob | None:
        """Return a job for the targets that are not in the cache; None if all are."""
        missing = [
            (target, tuple(slots))
            for target, slots in request.targets.values()
            if not self._from_cache(digest, mirrored, target, tracks, slots)
        ]
        if not missing:
            return None
        job = Job(
            haplotypes=self.views[request.view].haplotypes,
            row=request.row,
            mirrored=mirrored,
            targets=tuple(target for target, _ in missing),
        )
        return PlannedJob(job=job, tracks=tracks, digest=digest, slots=tuple(slots for _, slots in missing))

    def _digests(self, haplotypes: Haplotypes) -> tuple[list[bytes], npt.NDArray[np.bool_]]:
        names: list[bytes] = []
        has_n: list[bool] = []
        for batch in haplotypes.batches(max(1, _BATCH_BYTES // haplotypes.length)):
            for sequence in map(clean, batch.sequences):
                names.append(name_of(self._secret, sequence))
                has_n.append(b"N" in sequence)
        return names, np.array(has_n, dtype=bool)

    def _lift(self, view: View, readout: Readout) -> list[list[Target | str]]:
        haplotypes = view.haplotypes
        output = Output(
            length=haplotypes.length,
            anchor_index=haplotypes.anchor_index,
            bin_width_bp=self._info.bin_width_bp(self.genes[0].tracks[0]),
            offset_bp=self._info.output_offset_bp,
        )
        lifted: list[list[Target | str]] = [[] for _ in self.genes]
        for row in range(haplotypes.n_distinct):
            coordinates = haplotypes.coordinates(row)
            for scores, targets in zip(self.genes, lifted, strict=True):
                target = readout.lift(scores.gene, coordinates, output)
                if view.mirrored and not isinstance(target, str):
                    target = target.mirrored(haplotypes.length)
                targets.append(target)
        return lifted

    def _name(self, digest: bytes, mirrored: bool, key: bytes, track: int) -> bytes:
        return name_of(self._secret, self._model, digest, b"-" if mirrored else b"+", key, str(track).encode())

    def _from_cache(
        self, digest: bytes, mirrored: bool, target: Target, tracks: tuple[int, ...], slots: Sequence[_Slot]
    ) -> bool:
        if self._cache is None:
            return False
        names = {track: self._name(digest, mirrored, target.key, track) for track in tracks}
        scores = {track: self._cache.get(name) for track, name in names.items()}
        missing = {track for track, score in scores.items() if score is None}
        needed = {track for slot in slots for track in slot.scores.tracks[slot.view]}
        failed: dict[int, str] = {}
        for track in sorted(missing if not self._settings.retry_failed else ()):
            reason = self._cache.failure(names[track])
            if reason is not None:
                failed[track] = reason
        unknown = missing - set(failed)
        # a failure of extra tracks, which no gene reads now, does not affect the tracks that are read
        if unknown & needed or (unknown and not needed & set(failed)):
            return False
        values = np.array([np.nan if score is None else score for score in scores.values()])
        for slot in slots:
            reason = next((failed[track] for track in slot.scores.tracks[slot.view] if track in failed), None)
            self._fill([slot], tracks, values, None if reason is None else f"{reason} (in an earlier run{_TRY_AGAIN})")
        return True

    @staticmethod
    def _fill(
        slots: Sequence[_Slot], tracks: tuple[int, ...], values: npt.NDArray[np.float64], reason: str | None
    ) -> None:
        for slot in slots:
            if reason is not None:
                slot.scores.reasons[slot.view][slot.row] = reason
            else:
                columns = [tracks.index(track) for track in slot.scores.tracks[slot.view]]
                slot.scores.values[slot.view][slot.row] = values[columns]
