"""SequenceRun: one call of `SequencePredictor.predict_genes`, with batches filled across windows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from pgxeval.errors import GenotypeError, PgxevalError, SettingError, UnknownNameError
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.combine import combine_haplotypes, combine_single_variants
from pgxeval.predictors.sequence.leases import Leases
from pgxeval.predictors.sequence.model import CountsCalls, PredictsTargets, SequenceModel
from pgxeval.predictors.sequence.passes import Passes, PassOutcome
from pgxeval.predictors.sequence.pool import Pool
from pgxeval.predictors.sequence.progress import PassProgress
from pgxeval.predictors.sequence.score_records import name_of, new_secret
from pgxeval.predictors.sequence.scores import PlannedJob, model_key
from pgxeval.predictors.sequence.settings import SequenceSettings
from pgxeval.predictors.sequence.windows import GeneWindow

# A model that reduces its tracks itself gets several batches at once, so that it can fetch ahead.
_ROUND_BATCHES = 8
# Jobs that may wait per job under way, so that a window is planned while others pass.
_AHEAD = 8
# Wait before windows on which other runs work are looked at again.
_AGAIN_S = 0.1


@attrs.frozen(kw_only=True, eq=False)
class _Task:
    window: GeneWindow
    planned: PlannedJob

    def keep(self, outcome: PassOutcome) -> None:
        self.window.scores.keep(self.planned, outcome)


class SequenceRun:
    """One call of `SequencePredictor.predict_genes`.

    Parameters
    ----------
    model, settings, cache
        The model, how it is read, and where scores are kept (or None).
    genes, genome, individuals
        What to predict.
    """

    def __init__(
        self,
        *,
        model: SequenceModel,
        settings: SequenceSettings,
        cache: ScoreCache | None,
        genes: Sequence[Gene],
        genome: PersonalGenome,
        individuals: Sequence[str],
    ) -> None:
        self.model, self.settings, self.cache = model, settings, cache
        self.genes, self.genome, self.individuals = list(genes), genome, list(individuals)
        self.info = model.info
        self.secret = new_secret() if cache is None else cache.secret
        self.passes = Passes(model, settings.batch_size)
        self._record = settings.record(self.info)
        self._done: dict[int, Prediction] = {}
        self._pool: Pool[_Task] = Pool(self.passes, self.info.in_flight)
        self._waiting: dict[tuple[int, ...], deque[_Task]] = {}
        self._leases = None if cache is None else Leases(cache.folder)
        self._first_error: PgxevalError | None = None
        self._has_values = False

    def predictions(self, *, progress: bool) -> Iterator[tuple[Gene, Prediction]]:
        """Go through the windows and yield the genes in order."""
        n_yielded = 0
        positions = self.start()
        self._progress = PassProgress(
            self.settings.name,
            len(positions),
            show=progress,
            unit=" calls" if self.settings.remote else " sequences",
        )
        try:
            for _ in self._steps(positions):
                while n_yielded in self._done:
                    yield self.genes[n_yielded], self._done.pop(n_yielded)
                    n_yielded += 1
        finally:
            for task, outcomes in self._pool.close():
                self._take(task, outcomes)
            self._progress.close()
            if self.cache is not None:
                self.cache.flush()
            if self._leases is not None:
                self._leases.close()
        if not self._has_values:
            self.passes.check()
            if self._first_error is not None:
                raise self._first_error

    def start(self) -> dict[tuple[str, int], list[int]]:
        """Return (contig, 0-based position) -> rows of the genes around it; genes without a window are done at once."""
        self._check()
        by_position: dict[tuple[str, int], list[int]] = {}
        tracks = self.settings.tracks
        for row, gene in enumerate(self.genes):
            if self._lacks_strand(gene):
                self._refuse(row, f'gene {gene.gene_id} has no strand: give gene models (genes="annotation.gtf")')
            elif not tracks.for_strand(gene.strand):
                self._refuse(row, f"no track of {tracks.requested!r} shows the strand of the gene ({gene.strand})")
            elif self.settings.around == "tss" and gene.tss is None:
                self._refuse(row, f'gene {gene.gene_id} has no known TSS: give gene models (genes="annotation.gtf")')
            else:
                middle = (gene.start + gene.end) // 2
                position = gene.tss if self.settings.around == "tss" and gene.tss is not None else middle
                by_position.setdefault((gene.contig, position), []).append(row)
        return by_position

    def windows(self, positions: dict[tuple[str, int], list[int]]) -> Iterator[GeneWindow]:
        """Plan window by window; genes whose window cannot be made are done at once."""
        for (contig, position), rows in positions.items():
            try:
                window = GeneWindow.plan(
                    settings=self.settings,
                    info=self.info,
                    secret=self.secret,
                    cache=self.cache,
                    genome=self.genome,
                    individuals=self.individuals,
                    genes=self.genes,
                    rows=rows,
                    contig=contig,
                    position=position,
                )
            except (GenotypeError, UnknownNameError, SettingError) as error:
                message = self._with_advice(f"{error}") if isinstance(error, GenotypeError) else f"{error}"
                if self._first_error is None:
                    self._first_error = type(error)(message)
                    self._first_error.__cause__ = error
                for row in rows:
                    self._refuse(row, message)
            else:
                yield window

    def reason(self, row: int) -> str:
        """Return why a gene cannot be predicted; empty if it can."""
        refused = self._done.get(row)
        return str(refused.reasons) if refused is not None and isinstance(refused.reasons, str) else ""

    def _check(self) -> None:
        self.genome.rows(self.individuals)
        if self.genome.reference is None:
            raise SettingError(
                f"predictor {self.settings.name} needs sequences, and the genome has no reference: "
                'PersonalGenome(..., reference="genome.fa")'
            )
        # a single gene may be one of many that workers predict one by one; it gets NaN with the reason
        if len(self.genes) > 1 and all(self._lacks_strand(gene) for gene in self.genes):
            raise SettingError(
                f"predictor {self.settings.name}: none of {len(self.genes)} genes has a strand, the first is "
                f'{self.genes[0].gene_id}; give gene models, Cohort.from_files(..., genes="annotation.gtf")'
            )

    def _lacks_strand(self, gene: Gene) -> bool:
        tracks = self.settings.tracks
        both = bool((tracks.table["strand"].iloc[list(tracks.indices)] == ".").all())
        return gene.strand is None and not (both and self.settings.around == "body")

    def _with_advice(self, reason: str) -> str:
        """Add the alternative to a reason that genotypes are unphased."""
        if "unphased" not in reason:
            return reason
        return f'{reason}. Predictor {self.settings.name} can also run without phase: mode="additive"'

    def _refuse(self, row: int, reason: str) -> None:
        self._done[row] = Prediction(values=np.full(len(self.individuals), np.nan), reasons=reason)

    def _steps(self, positions: dict[tuple[str, int], list[int]]) -> Iterator[None]:
        """Plan and run; after each step genes may be done."""
        for window in self._leased_windows(positions):
            if window is None:
                yield from self._work(everything=True)
                continue
            self._progress.plan(len(window.scores.jobs), window.scores.n_cached)
            for planned in window.scores.jobs:
                task = _Task(window=window, planned=planned)
                if self.info.in_flight > 1:
                    self._pool.submit(task, planned.job, planned.tracks, task.keep)
                else:
                    self._waiting.setdefault(planned.tracks, deque()).append(task)
            self._finish(window)
            yield
            yield from self._work(everything=False)
        yield from self._work(everything=True)
        yield

    def _leased_windows(self, positions: dict[tuple[str, int], list[int]]) -> Iterator[GeneWindow | None]:
        """Plan windows; those on which another run works come last, when its scores are in the cache.

        None asks to finish what is under way: runs that wait for each other must not hold back their work.
        """
        waiting = dict(positions)
        while waiting:
            n_waiting = len(waiting)
            for place, rows in list(waiting.items()):
                if self._leases is not None and not self._leases.acquire(self._lease_name(place)):
                    continue
                del waiting[place]
                if self.cache is not None:
                    self.cache.refresh()
                window = next(self.windows({place: rows}), None)
                if window is None:
                    self._release(place)
                else:
                    yield window
            if len(waiting) == n_waiting:
                yield None
                time.sleep(_AGAIN_S)

    def _lease_name(self, place: tuple[str, int]) -> bytes:
        contig, position = place
        model = model_key(self.info, self.settings.context_length)
        return name_of(self.secret, b"lease", model, contig.encode(), str(position).encode())

    def _release(self, place: tuple[str, int]) -> None:
        if self._leases is not None:
            self._leases.release(self._lease_name(place))

    def _work(self, *, everything: bool) -> Iterator[None]:
        for task, outcomes in self._pool.take(0 if everything else _AHEAD * self.info.in_flight):
            self._take(task, outcomes)
            yield
        rounds = _ROUND_BATCHES if isinstance(self.model, PredictsTargets) else 1
        for tracks, waiting in self._waiting.items():
            while len(waiting) >= rounds * self.passes.batch_size or (everything and waiting):
                n = min(len(waiting), rounds * self.passes.batch_size)
                self._pass([waiting.popleft() for _ in range(n)], tracks)
                yield

    def _pass(self, tasks: list[_Task], tracks: tuple[int, ...]) -> None:
        for outcome in self.passes.run([task.planned.job for task in tasks], tracks):
            task = tasks[outcome.job]
            task.keep(outcome)
            task.window.scores.take(task.planned, outcome)
            self._finish(task.window)
        self._count(len(tasks))

    def _take(self, task: _Task, outcomes: list[PassOutcome]) -> None:
        for outcome in outcomes:
            task.window.scores.take(task.planned, outcome)
        self._finish(task.window)
        self._count(1)

    def _count(self, n_jobs: int) -> None:
        self._progress.done(n_jobs, self.model.counts if isinstance(self.model, CountsCalls) else {})

    def _finish(self, window: GeneWindow) -> None:
        if window.scores.open:
            return
        self._release((window.contig, window.position))
        settings = self.settings
        for row, scores in zip(window.rows, window.scores.genes, strict=True):
            if window.single is None:
                values, reasons = combine_haplotypes(scores, window.indices, settings.readout, settings.combine)
            else:
                values, reasons = combine_single_variants(scores, window.indices, settings.readout, window.single)
            if window.refused:
                rows_refused = {
                    individual: self._with_advice(window.refused[name])
                    for individual, name in enumerate(self.individuals)
                    if name in window.refused
                }
                values[list(rows_refused)] = np.nan
                reasons |= rows_refused
                if self._first_error is None:  # raised only if no individual gets a value for any gene
                    self._first_error = GenotypeError(next(iter(rows_refused.values())))
            self._has_values |= bool(np.isfinite(values).any())
            used = {**self._record, **window.counts, "strand": scores.gene.strand}
            read = set(scores.tracks[0])
            used["tracks"] = [track for track in settings.tracks.used if track["index"] in read]
            self._done[row] = Prediction(values=values, reasons=reasons, used=used)
