"""Windows: the sequences around one position, in haplotype or additive mode, and the genes that share them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.single_variants import SingleVariants, single_variants
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.scores import View, WindowScores
from pgxeval.predictors.sequence.settings import SequenceSettings


def shifted_intervals(settings: SequenceSettings, contig: str, position: int) -> list[Interval]:
    """Return the interval of the context around a position (0-based), once per shift."""
    centred = Interval.around(contig, position, settings.context_length)
    return [Interval(contig, centred.start + shift, centred.end + shift) for shift in settings.shifts]


def make_sequences(
    settings: SequenceSettings, genome: PersonalGenome, individuals: Sequence[str], contig: str, position: int
) -> tuple[tuple[Haplotypes, ...], SingleVariants | None]:
    """Make the sequences around a position (0-based): haplotypes per shift, and in additive mode the alleles."""
    intervals = shifted_intervals(settings, contig, position)
    if settings.mode == "additive":
        single = single_variants(genome, intervals, individuals, position, variant_filter=settings.variant_filter)
        return single.haplotypes, single
    haplotypes = tuple(
        genome.haplotypes(interval, individuals, position, variant_filter=settings.variant_filter)
        for interval in intervals
    )
    return haplotypes, None


@attrs.frozen(kw_only=True, eq=False)
class GeneWindow:
    """The sequences around one position with their scores, and the genes that read them.

    Parameters
    ----------
    contig, position
        What the window is centred on, 0-based.
    rows
        Rows of the genes in the list that was requested.
    scores
        Filled as outcomes come in.
    indices
        For each view, as `Haplotypes.index`.
    counts
        JSON-able counts that are recorded with the predictions.
    copies
        Number of copies of the window that the individuals carry.
    single
        In additive mode, who carries which allele.
    refused
        Individual -> reason, for those whose genotypes a policy of the genome refuses in any view.
    """

    contig: str
    position: int
    rows: list[int]
    scores: WindowScores
    indices: tuple[npt.NDArray[np.int32], ...]
    counts: dict[str, int]
    copies: int
    single: SingleVariants | None
    refused: dict[str, str]

    @classmethod
    def plan(
        cls,
        *,
        settings: SequenceSettings,
        info: ModelInfo,
        secret: bytes,
        cache: ScoreCache | None,
        genome: PersonalGenome,
        individuals: Sequence[str],
        genes: Sequence[Gene],
        rows: list[int],
        contig: str,
        position: int,
    ) -> GeneWindow:
        """Make the sequences around a position that the genes in `rows` need, and look them up in the cache."""
        haplotypes, single = make_sequences(settings, genome, individuals, contig, position)
        strands = (False, True) if settings.reverse_complement else (False,)
        views = [View(haplotypes=shifted, mirrored=mirrored) for shifted in haplotypes for mirrored in strands]

        def per_view(tracks: tuple[int, ...]) -> list[tuple[int, ...]]:
            paired = settings.tracks.paired(tracks) if settings.reverse_complement else tracks
            return [paired if view.mirrored else tracks for view in views]

        strands_read = {genes[row].strand for row in rows}
        extra = {
            track for strand in strands_read for choice in settings.extra_tracks for track in choice.for_strand(strand)
        }
        scores = WindowScores(
            info=info,
            settings=settings,
            secret=secret,
            cache=cache,
            views=views,
            genes=[(genes[row], per_view(settings.tracks.for_strand(genes[row].strand))) for row in rows],
            extra_tracks=per_view(tuple(extra)),
        )
        first = views[0].haplotypes
        counts = {
            "haplotypes": first.n_distinct,
            "sequences": scores.n_sequences,
            "tss_deleted": int(first.anchor_deleted.sum()),
            **{f"genotypes_{name}": number for name, number in first.counts.items()},
        }
        indices = tuple(view.haplotypes.index for view in views)
        refused = dict(single.refused) if single is not None else {}
        for view in views if single is None else ():
            refused |= view.haplotypes.refused
        if single is None:
            copies = int((indices[0] >= 0).sum())
        else:
            counts["genotypes_refused"] = len(single.refused)
            copies = int(single.ploidy.sum()) - sum(
                int(ploidy) for name, ploidy in zip(individuals, single.ploidy, strict=True) if name in single.refused
            )
        return cls(
            contig=contig,
            position=position,
            rows=rows,
            scores=scores,
            indices=indices,
            counts=counts,
            copies=copies,
            single=single,
            refused=refused,
        )
