"""Where the results and failures of a run go, and what is known of each predictor so far."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from pgxeval.errors import GenotypeError, PgxevalError
from pgxeval.prediction.results import GeneResult
from pgxeval.prediction.tasks import Failure, OnError, Unit, UnitOutcome

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene

_log = logging.getLogger(__name__)


class Keeper(Protocol):
    """What holds the results of one predictor: a run of a store, or memory."""

    def __contains__(self, gene_id: str) -> bool: ...

    @property
    def failures(self) -> Mapping[str, str]:
        """Genes that failed in an earlier run, and why."""
        ...

    def keep(self, result: GeneResult) -> None:
        """Keep a result."""
        ...

    def fail(self, gene_id: str, reason: str) -> None:
        """Keep the reason why a gene has no result."""
        ...

    def close(self) -> None:
        """Complete what was written."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class InMemory:
    """Results of one predictor without a store."""

    predictor: str
    n_replicates: int
    n_individuals: int
    results: dict[str, GeneResult] = attrs.field(factory=dict)

    def __contains__(self, gene_id: str) -> bool:
        return gene_id in self.results

    @property
    def failures(self) -> Mapping[str, str]:
        """None: there was no earlier run."""
        return {}

    def keep(self, result: GeneResult) -> None:
        """Keep a result."""
        self.results[result.gene_id] = result

    def fail(self, gene_id: str, reason: str) -> None:
        """Keep NaN with the reason."""
        self.results[gene_id] = GeneResult.failed(
            self.predictor, gene_id, reason, n_replicates=self.n_replicates, n_individuals=self.n_individuals
        )

    def close(self) -> None:
        """Do nothing."""


@attrs.define(kw_only=True, eq=False)
class Ledger:
    """Where results and failures go, and what is known of each predictor so far."""

    runs: dict[str, Keeper]
    on_error: OnError
    order: dict[str, int]
    reused: set[str] = attrs.field(factory=set)
    answered: set[str] = attrs.field(factory=set)
    silent: dict[str, dict[str, str]] = attrs.field(factory=dict)
    failed: dict[str, list[Failure]] = attrs.field(factory=dict)

    def count_done(self, genes: Sequence[Gene]) -> int:
        """Return the number of results that were there before."""
        counts = {name: sum(gene.gene_id in run for gene in genes) for name, run in self.runs.items()}
        self.reused |= {name for name, count in counts.items() if count}
        for name, count in counts.items():
            if count:
                _log.info("predictor %s: %d of %d genes are taken from the store", name, count, len(genes))
        return sum(counts.values())

    def units(
        self,
        cohort: Cohort,
        genes: Sequence[Gene],
        predictors: Sequence[str],
        *,
        retry_failed: bool,
        trained: bool = True,
    ) -> Iterator[Unit]:
        """Go through the genes that some predictor still lacks, in the order of the genome."""
        for gene in sorted(genes, key=lambda gene: (gene.contig, gene.start, gene.gene_id)):
            lacking = tuple(
                name
                for name in predictors
                if gene.gene_id not in self.runs[name]
                and (retry_failed or gene.gene_id not in self.runs[name].failures)
            )
            if lacking:
                row = self.order[gene.gene_id]
                yield Unit(gene=gene, expression=cohort.expression[row] if trained else None, predictors=lacking)

    def take(self, outcome: UnitOutcome) -> None:
        """Keep results and failures of a unit.

        Raises
        ------
        PgxevalError
            At the first failure, if failures are to be raised.
        """
        for result in outcome.results:
            self.runs[result.predictor].keep(result)
            if np.isfinite(result.prediction[0]).any():
                self.answered.add(result.predictor)
            else:
                reasons = [*result.reasons[0].values()] or ["no reason given"]
                self.silent.setdefault(result.predictor, {})[result.gene_id] = reasons[-1]
        for failure in outcome.failures:
            # a reason may name an individual and a genotype, which a log must not
            _log.warning(
                "predictor %s failed at gene %s (%s); the reason is in the failures of the predictions",
                failure.predictor,
                failure.gene_id,
                failure.error,
            )
            self.runs[failure.predictor].fail(failure.gene_id, failure.reason)
            self.failed.setdefault(failure.predictor, []).append(failure)
            if self.on_error == "raise":
                raise failure.to_error()

    def close(self) -> None:
        """Complete the files of a store."""
        errors = []
        for run in self.runs.values():
            try:
                run.close()
            except PgxevalError as error:  # the others still get their files
                errors.append(error)
        if errors:
            raise errors[0]

    def check(self, trained: Collection[str], *, together: Collection[str] = ()) -> None:
        """Refuse a run in which a predictor failed at every gene, or could not predict anyone at any gene.

        `trained` and `together` name the predictors that were fitted, and those that predict many genes in one call.
        """
        for name in self.runs:
            if name in self.reused or name in self.answered:
                continue
            failures = sorted(self.failed.get(name, []), key=lambda failure: self.order[failure.gene_id])
            silent = self.silent.get(name, {})
            if failures and not silent:
                others = f" and at {len(failures) - 1} more, that is, at every gene" if len(failures) > 1 else ""
                error = failures[0].to_error()
                raise type(error)(
                    f"{error}{others}. To see it in full, run with genes=[{failures[0].gene_id!r}], "
                    'workers=1, on_error="raise"'
                )
            if silent and name in {*trained, *together}:
                first = min(silent, key=lambda gene_id: self.order[gene_id])
                settings = (
                    f"predictor {name!r} could not predict anyone at any of {len(silent) + len(failures)} genes; at "
                    f"gene {first}: {silent[first]}"
                )
                if name in together:
                    raise GenotypeError(settings)
                raise GenotypeError(
                    f"{settings}. Check that genotypes and expression are of the same genome "
                    "build, or widen the window and lower the filters (cis_variants=CisVariants(...))"
                )
