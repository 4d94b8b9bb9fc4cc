"""SequenceRun: one call of a SequencePredictor over genes, with batches filled across windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import GenotypeError, PgxevalError, SettingError, UnknownNameError
from pgxeval.genome.intervals import Interval
from pgxeval.genome.single_variants import SingleVariants, single_variants
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.sequence.cache import new_secret
from pgxeval.predictors.sequence.combine import combine_haplotypes, combine_single_variants
from pgxeval.predictors.sequence.passes import Passes
from pgxeval.predictors.sequence.pool import Answer, Answers, Pool
from pgxeval.predictors.sequence.progress import PassProgress
from pgxeval.predictors.sequence.windows import Planned, View, WindowScores

if TYPE_CHECKING:
    from pgxeval.genome.haplotypes import Haplotypes
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome
    from pgxeval.predictors.sequence.predictor import SequencePredictor

# A model that reduces by itself is handed several batches at once, so that it can fetch ahead.
_ROUND_BATCHES = 8
# Jobs that may wait for each that is under way, so that a window is planned while others pass.
_AHEAD = 8


class SequenceRun:
    """One call of `SequencePredictor.predict_genes`.

    Parameters
    ----------
    predictor
        What was asked.
    genes, genome, individuals
        Of whom.
    """

    def __init__(
        self, predictor: SequencePredictor, genes: list[Gene], genome: PersonalGenome, individuals: list[str]
    ) -> None:
        self.asked, self.genes, self.genome, self.individuals = predictor, genes, genome, individuals
        self.info = predictor.info
        self.tracks = predictor.tracks
        self.secret = new_secret() if predictor.cache is None else predictor.cache.secret
        self.passes = Passes(predictor.model, predictor.batch_size)
        self.done: dict[int, Prediction] = {}
        self.pool: Pool[tuple[Window, Planned]] = Pool(self.passes, self.info.in_flight)
        self.waiting: dict[tuple[int, ...], deque[tuple[Window, Planned]]] = {}
        self.first_error: PgxevalError | None = None
        self.said_something = False

    def predictions(self, *, progress: bool) -> Iterator[tuple[Gene, Prediction]]:
        """Go through the windows and yield genes in order."""
        given = 0
        positions = self.start()
        self.progress = PassProgress(
            self.asked.name,
            len(positions),
            show=progress,
            unit=" calls" if self.info.remote else " sequences",
        )
        try:
            for _ in self._steps(positions):
                while given in self.done:
                    yield self.genes[given], self.done.pop(given)
                    given += 1
        finally:
            for (window, planned), answers in self.pool.close():
                self._take(window, planned, answers)
            self.asked.passes += self.passes.count
            self.progress.close()
            if self.asked.cache is not None:
                self.asked.cache.flush()
        if not self.said_something:
            self.passes.check()
            if self.first_error is not None:
                raise self.first_error

    def _steps(self, positions: dict[tuple[str, int], list[int]]) -> Iterator[None]:
        """Plan and run; each step may have finished genes."""
        for window in self.windows(positions):
            self.progress.plan(len(window.scores.jobs), window.scores.n_cached)
            for planned in window.scores.jobs:
                if self.info.in_flight > 1:
                    self.pool.submit((window, planned), planned.job, planned.tracks, _keeper(window, planned))
                else:
                    self.waiting.setdefault(planned.tracks, deque()).append((window, planned))
            self._finish(window)
            yield
            yield from self._work(everything=False)
        yield from self._work(everything=True)
        yield

    def _check(self) -> None:
        self.genome.rows(self.individuals)
        if self.genome.reference is None:
            raise SettingError(
                f"predictor {self.asked.name} needs sequences, and the genome has no reference: "
                'PersonalGenome(..., reference="genome.fa")'
            )
        if self.genes and all(self._lacks_strand(gene) for gene in self.genes):
            raise SettingError(
                f"predictor {self.asked.name}: none of {len(self.genes)} genes has a strand, the first: "
                f'{self.genes[0].gene_id}; give gene models, Cohort.from_files(..., genes="annotation.gtf")'
            )

    def _lacks_strand(self, gene: Gene) -> bool:
        both = bool((self.tracks.table["strand"].iloc[list(self.tracks.indices)] == ".").all())
        return gene.strand is None and not (both and self.asked.around == "body")

    def start(self) -> dict[tuple[str, int], list[int]]:
        """Find what windows are laid around, and whose; genes that cannot be predicted are done at once."""
        self._check()
        by_position: dict[tuple[str, int], list[int]] = {}
        for at, gene in enumerate(self.genes):
            if self._lacks_strand(gene):
                self._refuse(at, f'gene {gene.gene_id} has no strand: give gene models (genes="annotation.gtf")')
            elif not self.tracks.for_strand(gene.strand):
                self._refuse(at, f"no track of {self.tracks.requested!r} shows the strand of the gene ({gene.strand})")
            elif self.asked.around == "tss" and gene.tss is None:
                self._refuse(at, f'gene {gene.gene_id} has no known TSS: give gene models (genes="annotation.gtf")')
            else:
                middle = (gene.start + gene.end) // 2
                position = gene.tss if self.asked.around == "tss" and gene.tss is not None else middle
                by_position.setdefault((gene.contig, position), []).append(at)
        return by_position

    def windows(self, positions: dict[tuple[str, int], list[int]]) -> Iterator[Window]:
        """Plan window by window; genes whose window cannot be made are done at once."""
        for (contig, position), rows in positions.items():
            try:
                window = Window.plan(self, contig, position, rows)
            except (GenotypeError, UnknownNameError, SettingError) as error:
                words = self._with_advice(f"{error}") if isinstance(error, GenotypeError) else f"{error}"
                if self.first_error is None:
                    self.first_error = type(error)(words)
                    self.first_error.__cause__ = error
                for at in rows:
                    self._refuse(at, words)
            else:
                yield window

    def _with_advice(self, reason: str) -> str:
        """Add to a reason of genotypes without phase that the predictor can do without."""
        if "unphased" not in reason:
            return reason
        return f'{reason}. Predictor {self.asked.name} can also run without phase: mode="additive"'

    def reason(self, at: int) -> str:
        """Return why a gene cannot be predicted; empty where it can."""
        refused = self.done.get(at)
        return str(refused.reasons) if refused is not None and isinstance(refused.reasons, str) else ""

    def _refuse(self, at: int, reason: str) -> None:
        self.done[at] = Prediction(values=np.full(len(self.individuals), np.nan), reasons=reason)

    def _work(self, *, everything: bool) -> Iterator[None]:
        for (window, planned), answers in self.pool.take(0 if everything else _AHEAD * self.info.in_flight):
            self._take(window, planned, answers)
            yield
        rounds = _ROUND_BATCHES if hasattr(self.asked.model, "predict_targets") else 1
        for tracks, waiting in self.waiting.items():
            while len(waiting) >= rounds * self.passes.batch_size or (everything and waiting):
                n = min(len(waiting), rounds * self.passes.batch_size)
                self._pass([waiting.popleft() for _ in range(n)], tracks)
                yield

    def _pass(self, jobs: list[tuple[Window, Planned]], tracks: tuple[int, ...]) -> None:
        for at, number, values, reason, final in self.passes.run([planned.job for _, planned in jobs], tracks):
            window, planned = jobs[at]
            window.scores.keep(planned, number, values, reason, final=final)
            window.scores.take(planned, number, values, reason)
            self._finish(window)
        self._count(len(jobs))

    def _take(self, window: Window, planned: Planned, answers: Answers) -> None:
        for number, values, reason, _ in answers:
            window.scores.take(planned, number, values, reason)
        self._finish(window)
        self._count(1)

    def _count(self, n_jobs: int) -> None:
        counts = getattr(self.asked.model, "counts", {})
        self.progress.done(n_jobs, counts)

    def _finish(self, window: Window) -> None:
        if window.scores.open:
            return
        for at, scores in zip(window.rows, window.scores.genes, strict=True):
            if window.single is None:
                values, reasons = combine_haplotypes(scores, window.indices, self.asked.readout, self.asked.combine)
                refused: dict[str, str] = {}
                for view in window.scores.views:
                    refused |= view.haplotypes.refused
                reasons |= {
                    row: self._with_advice(refused[name])
                    for row, name in enumerate(self.individuals)
                    if name in refused
                }
            else:
                values, reasons = combine_single_variants(scores, window.indices, self.asked.readout, window.single)
            self.said_something |= bool(np.isfinite(values).any())
            used = {**self.asked.settings, **window.counts, "strand": scores.gene.strand}
            chosen = set(scores.tracks[0])
            used["tracks"] = [track for track in self.tracks.used if track["index"] in chosen]
            self.done[at] = Prediction(values=values, reasons=reasons, used=used)


def _keeper(window: Window, planned: Planned) -> Callable[[Answer], None]:
    def keep(answer: Answer) -> None:
        number, values, reason, final = answer
        window.scores.keep(planned, number, values, reason, final=final)

    return keep


@attrs.frozen(kw_only=True, eq=False)
class Window:
    """A window with its scores, and whose genes they are.

    Parameters
    ----------
    rows
        Of the genes.
    scores
        Filled as answers come.
    indices
        For each view, as `Haplotypes.index`.
    counts
        For the record.
    copies
        Copies of the window that the individuals have.
    single
        In additive mode, who carries which allele.
    """

    rows: list[int]
    scores: WindowScores
    indices: tuple[npt.NDArray[np.int32], ...]
    counts: dict[str, int]
    copies: int
    single: SingleVariants | None

    @classmethod
    def plan(cls, run: SequenceRun, contig: str, position: int, rows: list[int]) -> Window:
        """Make the sequences that genes around a position want."""
        asked = run.asked
        centred = Interval.around(contig, position, asked.context_length)
        intervals = [Interval(contig, centred.start + shift, centred.end + shift) for shift in asked.shifts]
        single: SingleVariants | None = None
        made: tuple[Haplotypes, ...]
        if asked.mode == "additive":
            single = single_variants(run.genome, intervals, run.individuals, position, variants=asked.variants)
            made = single.haplotypes
        else:
            made = tuple(
                run.genome.haplotypes(interval, run.individuals, position, variants=asked.variants)
                for interval in intervals
            )
        strands = (False, True) if asked.reverse_complement else (False,)
        views = [View(haplotypes=haplotypes, mirrored=mirrored) for haplotypes in made for mirrored in strands]
        genes = []
        for at in rows:
            tracks = run.tracks.for_strand(run.genes[at].strand)
            paired = run.tracks.paired(tracks) if asked.reverse_complement else tracks
            genes.append((run.genes[at], [paired if view.mirrored else tracks for view in views]))
        strands_read = {run.genes[at].strand for at in rows}
        beside = tuple(
            {track for strand in strands_read for chosen in asked.also_tracks for track in chosen.for_strand(strand)}
        )
        turned = asked.tracks.paired(beside) if asked.reverse_complement else beside
        scores = WindowScores(
            info=run.info,
            readout=asked.readout,
            secret=run.secret,
            cache=asked.cache,
            views=views,
            genes=genes,
            also=asked.also,
            also_tracks=[turned if view.mirrored else beside for view in views],
            retry_failed=asked.retry_failed,
        )
        first = views[0].haplotypes
        counts = {
            "haplotypes": first.n_distinct,
            "sequences": scores.n_sequences,
            "tss_deleted": int(first.anchor_deleted.sum()),
            **{f"genotypes_{name}": number for name, number in first.counts.items()},
        }
        indices = tuple(view.haplotypes.index for view in views)
        copies = int((indices[0] >= 0).sum()) if single is None else int(np.sum(single.ploidy))
        return cls(rows=rows, scores=scores, indices=indices, counts=counts, copies=copies, single=single)
