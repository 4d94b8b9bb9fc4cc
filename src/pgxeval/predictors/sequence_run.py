"""SequenceRun: one call of a SequencePredictor over genes, with batches filled across windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import GenotypeError, PgxevalError, SettingError, UnknownNameError
from pgxeval.genome.intervals import Interval
from pgxeval.genome.single_variants import SingleVariants, single_variants
from pgxeval.predictors.combine import combine_haplotypes, combine_single_variants
from pgxeval.predictors.passes import Passes
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.score_cache import new_secret
from pgxeval.predictors.window_scores import Planned, View, WindowScores

if TYPE_CHECKING:
    from pgxeval.genome.haplotypes import Haplotypes
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome
    from pgxeval.predictors.sequence import SequencePredictor

# A model that reduces by itself is handed several batches at once, so that it can fetch ahead.
_ROUND_BATCHES = 8


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
        self.waiting: dict[tuple[int, ...], deque[tuple[_Window, Planned]]] = {}
        self.first_error: PgxevalError | None = None
        self.said_something = False

    def predictions(self) -> Iterator[tuple[Gene, Prediction]]:
        """Go through the windows and yield genes in order."""
        self._check()
        given = 0
        try:
            for window in self._windows():
                for planned in window.scores.jobs:
                    self.waiting.setdefault(planned.tracks, deque()).append((window, planned))
                self._finish(window)
                self._work(everything=False)
                while given in self.done:
                    yield self.genes[given], self.done.pop(given)
                    given += 1
            self._work(everything=True)
            while given in self.done:
                yield self.genes[given], self.done.pop(given)
                given += 1
        finally:
            if self.asked.cache is not None:
                self.asked.cache.flush()
        if not self.said_something:
            self.passes.check()
            if self.first_error is not None:
                raise self.first_error

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

    def _windows(self) -> Iterator[_Window]:
        """Plan window by window; genes that cannot be predicted are done at once."""
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
        for (contig, position), rows in by_position.items():
            try:
                window = _Window.plan(self, contig, position, rows)
            except (GenotypeError, UnknownNameError, SettingError) as error:
                words = f"{error}"
                if isinstance(error, GenotypeError) and "unphased" in words:
                    words += f'. Predictor {self.asked.name} can also run without phase: mode="additive"'
                if self.first_error is None:
                    self.first_error = type(error)(words)
                    self.first_error.__cause__ = error
                for at in rows:
                    self._refuse(at, words)
            else:
                yield window

    def _refuse(self, at: int, reason: str) -> None:
        self.done[at] = Prediction(values=np.full(len(self.individuals), np.nan), reasons=reason)

    def _work(self, *, everything: bool) -> None:
        rounds = _ROUND_BATCHES if hasattr(self.asked.model, "predict_targets") else 1
        for tracks, waiting in self.waiting.items():
            while len(waiting) >= rounds * self.passes.batch_size or (everything and waiting):
                n = min(len(waiting), rounds * self.passes.batch_size)
                self._pass([waiting.popleft() for _ in range(n)], tracks)

    def _pass(self, jobs: list[tuple[_Window, Planned]], tracks: tuple[int, ...]) -> None:
        before = self.passes.count
        try:
            for at, number, values, reason in self.passes.run([planned.job for _, planned in jobs], tracks):
                window, planned = jobs[at]
                window.scores.take(planned, number, values, reason)
                self._finish(window)
        finally:
            self.asked.passes += self.passes.count - before

    def _finish(self, window: _Window) -> None:
        if window.scores.open:
            return
        for at, scores in zip(window.rows, window.scores.genes, strict=True):
            if window.single is None:
                values, reasons = combine_haplotypes(scores, window.indices, self.asked.readout, self.asked.combine)
            else:
                values, reasons = combine_single_variants(scores, window.indices, self.asked.readout, window.single)
            self.said_something |= bool(np.isfinite(values).any())
            used = {**self.asked.settings, **window.counts, "strand": scores.gene.strand}
            chosen = set(scores.tracks[0])
            used["tracks"] = [track for track in self.tracks.used if track["index"] in chosen]
            self.done[at] = Prediction(values=values, reasons=reasons, used=used)


@attrs.frozen(kw_only=True, eq=False)
class _Window:
    """A window with its scores, and whose genes they are."""

    rows: list[int]
    scores: WindowScores
    indices: tuple[npt.NDArray[np.int32], ...]
    counts: dict[str, int]
    single: SingleVariants | None

    @classmethod
    def plan(cls, run: SequenceRun, contig: str, position: int, rows: list[int]) -> _Window:
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
        scores = WindowScores(
            info=run.info, readout=asked.readout, secret=run.secret, cache=asked.cache, views=views, genes=genes
        )
        first = views[0].haplotypes
        counts = {
            "haplotypes": first.n_distinct,
            "sequences": scores.n_sequences,
            "tss_deleted": int(first.anchor_deleted.sum()),
            **{f"genotypes_{name}": number for name, number in first.counts.items()},
        }
        indices = tuple(view.haplotypes.index for view in views)
        return cls(rows=rows, scores=scores, indices=indices, counts=counts, single=single)
