"""WindowScores: the sequences of one window, which of them must pass, and what came of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.genome.intervals import Gene
from pgxeval.predictors.sequence.cache import ScoreCache, name_of
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.passes import Job, clean
from pgxeval.predictors.sequence.readout import Output, Readout
from pgxeval.predictors.sequence.target import Target

_BATCH_BYTES = 2**24
_TRY_AGAIN = "; retry_failed=True tries again"
_HAS_N = "the window holds N, which the model refuses"


@attrs.frozen(kw_only=True, eq=False)
class View:
    """One way to look at a window: moved by some bases, and on which strand.

    Parameters
    ----------
    haplotypes
        Of the moved window.
    mirrored
        Whether reverse complements pass.
    """

    haplotypes: Haplotypes = attrs.field(repr=False)
    mirrored: bool


@attrs.frozen(kw_only=True, eq=False)
class GeneScores:
    """What the haplotypes of a window say of one gene.

    Parameters
    ----------
    gene
        The gene.
    tracks
        For each view, the tracks that are read.
    values
        For each view float64 ``(n_rows, n_tracks)``: reduced, before the readout's `finish`; NaN where not known.
    reasons
        For each view, row -> why the values are NaN.
    """

    gene: Gene
    tracks: tuple[tuple[int, ...], ...]
    values: tuple[npt.NDArray[np.float64], ...]
    reasons: tuple[dict[int, str], ...]


@attrs.frozen(kw_only=True, eq=False)
class _Slot:
    scores: GeneScores
    view: int
    row: int


@attrs.frozen(kw_only=True, eq=False)
class Planned:
    """A job with the places where its answers belong.

    Parameters
    ----------
    job
        What passes.
    tracks
        With which tracks.
    digest
        Of the sequence.
    slots
        For each target, the places.
    """

    job: Job
    tracks: tuple[int, ...]
    digest: bytes
    slots: tuple[tuple[_Slot, ...], ...]


def model_key(info: ModelInfo, length: int) -> bytes:
    """Return bytes that stand for the numbers a model gives at one context length."""
    settings = json.dumps(dict(info.settings), sort_keys=True, default=str)
    bins = [info.output_offset_bp, sorted(set(info.tracks["bin_width_bp"].tolist()))]
    parts = json.dumps([info.name, info.version, settings, length, bins])
    return hashlib.blake2b(parts.encode(), digest_size=16).digest()


class WindowScores:
    """The scores of one window, filled as answers come.

    Each distinct sequence of a view passes once, whatever the number of haplotypes, genes and targets that
    want something of it; a score that the cache has is taken from there.

    Parameters
    ----------
    info
        Of the model.
    readout
        What is read.
    secret
        Names digests; that of the cache where there is one.
    cache
        Where scores are kept, or None.
    views
        At least one; haplotypes of views that differ in strand only are the same object.
    genes
        Genes that share the window, each with its tracks for each view.
    also, also_tracks
        Readouts and, for each view, tracks whose scores are kept in the cache, too.
    retry_failed
        Whether failures that the cache remembers are tried again.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        readout: Readout,
        secret: bytes,
        cache: ScoreCache | None,
        views: Sequence[View],
        genes: Sequence[tuple[Gene, Sequence[tuple[int, ...]]]],
        also: Sequence[Readout] = (),
        also_tracks: Sequence[tuple[int, ...]] | None = None,
        retry_failed: bool = False,
    ) -> None:
        self._info, self._readout, self._secret, self._cache = info, readout, secret, cache
        self._also, self._also_tracks = tuple(also), also_tracks or [()] * len(views)
        self._retry_failed = retry_failed
        self.views = tuple(views)
        self.genes = tuple(
            GeneScores(
                gene=gene,
                tracks=tuple(tracks),
                values=tuple(
                    np.full((view.haplotypes.n_distinct, len(chosen)), np.nan)
                    for view, chosen in zip(views, tracks, strict=True)
                ),
                reasons=tuple({} for _ in views),
            )
            for gene, tracks in genes
        )
        self._model = model_key(info, views[0].haplotypes.length)
        self.n_sequences = 0
        self.n_cached = 0
        self.jobs = self._plan()
        self.open = sum(len(planned.slots) for planned in self.jobs)

    def keep(
        self, planned: Planned, number: int, values: npt.NDArray[np.float64], reason: str | None, *, final: bool
    ) -> None:
        """Keep the answer to one target of a job in the cache; safe for threads.

        A failure is kept where it is final and asking again has a price.
        """
        if self._cache is not None and (reason is None or (final and self._info.remote)):
            key = planned.job.targets[number].key
            names = [self._name(planned.digest, planned.job.mirrored, key, track) for track in planned.tracks]
            if reason is None:
                self._cache.keep(names, values)
            else:
                self._cache.fail(names, reason)

    def take(self, planned: Planned, number: int, values: npt.NDArray[np.float64], reason: str | None) -> None:
        """Take the answer to one target of a job."""
        self._fill(planned.slots[number], planned.tracks, values, reason)
        self.open -= 1

    def _plan(self) -> tuple[Planned, ...]:
        wanted: dict[tuple[bytes, bool, tuple[int, ...]], tuple[int, int, dict[bytes, tuple[Target, list[_Slot]]]]] = {}
        digests: dict[int, tuple[list[bytes], npt.NDArray[np.bool_]]] = {}
        for number, view in enumerate(self.views):
            known = id(view.haplotypes)
            if known not in digests:
                digests[known] = self._digests(view.haplotypes)
            names, has_n = digests[known]
            # genes of one window may want tracks of different strands; one pass serves them all
            every = [*self._also_tracks[number], *(track for scores in self.genes for track in scores.tracks[number])]
            tracks = tuple(sorted(set(every)))
            lifted = self._lift(view, self._readout)
            beside = [targets for readout in self._also for targets in self._lift(view, readout)]
            for row, digest in enumerate(names):
                if has_n[row] and self._info.n_policy == "refuse":
                    for scores in self.genes:
                        scores.reasons[number][row] = _HAS_N
                    continue
                for scores, targets in zip(self.genes, lifted, strict=True):
                    target = targets[row]
                    if isinstance(target, str):
                        scores.reasons[number][row] = target
                        continue
                    _, _, asked = wanted.setdefault((digest, view.mirrored, tracks), (number, row, {}))
                    asked.setdefault(target.key, (target, []))[1].append(_Slot(scores=scores, view=number, row=row))
                found = wanted.get((digest, view.mirrored, tracks))
                for targets in beside if found else ():
                    target = targets[row]
                    if found is not None and not isinstance(target, str):
                        found[2].setdefault(target.key, (target, []))
        self.n_sequences = len(wanted)
        jobs = []
        for (digest, mirrored, tracks), (number, row, asked) in wanted.items():
            open_targets = [
                (target, tuple(slots))
                for target, slots in asked.values()
                if not self._from_cache(digest, mirrored, target, tracks, slots)
            ]
            if open_targets:
                job = Job(
                    haplotypes=self.views[number].haplotypes,
                    row=row,
                    mirrored=mirrored,
                    targets=tuple(target for target, _ in open_targets),
                )
                slots = tuple(slots for _, slots in open_targets)
                jobs.append(Planned(job=job, tracks=tracks, digest=digest, slots=slots))
        self.n_cached = len(wanted) - len(jobs)
        return tuple(jobs)

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
        kept = {track: self._cache.get(name) for track, name in names.items()}
        missing = {track for track, score in kept.items() if score is None}
        wanted = {track for slot in slots for track in slot.scores.tracks[slot.view]}
        failed: dict[int, str] = {}
        for track in sorted(missing if not self._retry_failed else ()):
            reason = self._cache.failure(names[track])
            if reason is not None:
                failed[track] = reason
        unknown = missing - set(failed)
        # what failed beside, with tracks that nobody reads now, takes nothing from those that are read
        if unknown & wanted or (unknown and not wanted & set(failed)):
            return False
        values = np.array([np.nan if score is None else score for score in kept.values()])
        for slot in slots:
            why = next((failed[one] for one in slot.scores.tracks[slot.view] if one in failed), None)
            self._fill([slot], tracks, values, None if why is None else f"{why} (in an earlier run{_TRY_AGAIN})")
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
