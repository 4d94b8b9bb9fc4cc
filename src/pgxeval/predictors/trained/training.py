"""What a trained predictor learns from, made once for all predictors and replicates that can share it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import constant
from pgxeval.errors import TableError
from pgxeval.names import known_names
from pgxeval.predictors.protocol import Prediction, Predictor
from pgxeval.predictors.trained.cis_variants import Calls, CisVariants, CisWindow, SelectedVariants
from pgxeval.predictors.trained.distinct_columns import DistinctColumns, find_distinct

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False)
class TrainingGenotypes:
    """Genotypes of one gene in one set of training individuals.

    In a run they are made once per gene and outer fold, for all predictors with equal `CisVariants` and for all
    replicates with the same training genotypes. Whatever is derived from them alone is shared through `memo`.

    Parameters
    ----------
    gene_id
        The gene.
    cis_variants
        The rule by which variants were selected.
    selected
        Variants that passed in the training individuals.
    individuals
        Training individuals, sorted by name.
    calls
        int8 or float32 (n_individuals, n_variants), dosages of the selected variants with missing calls; column by
        column in memory.
    groups
        Label of the group (family, donor) of each training individual, or None. Whoever splits the training
        individuals again, such as the inner folds of elastic net, keeps a group together.
    """

    gene_id: str
    cis_variants: CisVariants
    selected: SelectedVariants
    individuals: tuple[str, ...] = attrs.field(repr=False)
    calls: Calls = attrs.field(repr=False)
    groups: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    _shared: dict[Hashable, object] = attrs.field(factory=dict, init=False, repr=False)

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned when it was first called for `key`; the result must not be changed."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("T", self._shared[key])

    @property
    def dosages(self) -> npt.NDArray[np.float64]:
        """float64 (n_individuals, n_variants), read-only, missing calls replaced by the training mean."""
        return self.memo("dosages", lambda: _frozen(self.selected.impute(self.calls)))

    @property
    def distinct(self) -> DistinctColumns:
        """Groups of variants with identical dosages in the training individuals, up to the counted allele."""
        return self.memo("distinct", lambda: find_distinct(self.calls))

    @classmethod
    def take(
        cls,
        cis_variants: CisVariants,
        gene_id: str,
        window: CisWindow,
        rows: npt.NDArray[np.int64],
        groups: Sequence[str] | None = None,
    ) -> TrainingGenotypes:
        """Select variants in the individuals at `rows` of a window and take their dosages.

        Parameters
        ----------
        cis_variants
            The rule.
        gene_id
            The gene.
        window
            Its cis window.
        rows
            int64 (n_training,), in the order of the names of the individuals.
        groups
            Label of the group of each row of the window, or None.
        """
        selection = cis_variants.select_in(window, rows)
        calls = window.calls[rows][:, selection.columns]
        calls.flags.writeable = False
        return cls(
            gene_id=gene_id,
            cis_variants=cis_variants,
            selected=selection,
            individuals=tuple(window.individuals[row] for row in rows),
            calls=calls,
            groups=None if groups is None else tuple(groups[row] for row in rows),
        )


def _frozen(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values.flags.writeable = False
    return values


@attrs.frozen(kw_only=True, eq=False)
class TrainingSet:
    """Genotypes and expression of one gene in the training individuals.

    Parameters
    ----------
    genotypes
        The genotypes; their individuals are sorted by name, so that the order of the input has no influence.
    expression
        float64 (n_individuals,), finite, in the order of ``genotypes.individuals``.
    """

    genotypes: TrainingGenotypes
    expression: npt.NDArray[np.float64] = attrs.field(repr=False)

    @property
    def gene_id(self) -> str:
        """The gene."""
        return self.genotypes.gene_id

    @property
    def selected(self) -> SelectedVariants:
        """Variants that passed in the training individuals."""
        return self.genotypes.selected

    @property
    def individuals(self) -> tuple[str, ...]:
        """Training individuals, sorted by name."""
        return self.genotypes.individuals

    @property
    def groups(self) -> tuple[str, ...] | None:
        """Label of the group of each training individual, or None."""
        return self.genotypes.groups

    @property
    def dosages(self) -> npt.NDArray[np.float64]:
        """float64 (n_individuals, n_variants), read-only, missing calls replaced by the training mean."""
        return self.genotypes.dosages

    @property
    def mean(self) -> float:
        """Mean training expression; NaN without individuals."""
        return float(np.mean(self.expression)) if self.expression.size else np.nan

    @property
    def reason(self) -> str | None:
        """Why nothing can be learned, or None."""
        y = self.expression
        if y.size < 2 or constant(y[None], axis=1)[0]:
            return f"constant expression in the {y.size} training individuals"
        if self.selected.columns.size == 0:
            return self.genotypes.cis_variants.nothing_passed(self.selected)
        return None

    @classmethod
    def prepare(
        cls,
        cis_variants: CisVariants,
        gene: Gene,
        genome: PersonalGenome,
        expression: pd.Series,
        groups: Sequence[str] | None = None,
    ) -> TrainingSet:
        """Make the training set of the individuals that index `expression`, without regard to any other.

        `groups` has one label per individual in the order of `expression`, or is None.

        Raises
        ------
        TableError
            If `expression` holds NaN or infinite values, or an individual twice.
        """
        order = np.argsort(expression.index.to_numpy(), kind="stable")
        expression = expression.iloc[order]
        individuals = tuple(str(name) for name in expression.index)
        values = expression.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise TableError(
                f"gene {gene.gene_id}: {int((~np.isfinite(values)).sum())} of {values.size} training values are NaN "
                "or infinite; drop these individuals before fitting"
            )
        if len(set(individuals)) < len(individuals):
            twice = sorted({name for name, other in itertools.pairwise(individuals) if name == other})
            raise TableError(
                f"gene {gene.gene_id}: the training expression must have one value per individual; more than one for "
                f"{known_names(twice, 5)}"
            )
        window = cis_variants.read(gene, genome, individuals)
        if groups is not None:
            groups = [str(groups[row]) for row in order]
        genotypes = TrainingGenotypes.take(cis_variants, gene.gene_id, window, np.arange(len(individuals)), groups)
        return cls(genotypes=genotypes, expression=values)


@attrs.frozen(kw_only=True, eq=False)
class TrainedOn:
    """What a fitted predictor keeps of its training set; nothing that belongs to an individual.

    Parameters
    ----------
    gene_id
        The gene.
    selected
        Variants that passed in the training individuals.
    mean
        Mean training expression.
    reason
        Why nothing could be learned, or None.
    """

    gene_id: str
    selected: SelectedVariants
    mean: float
    reason: str | None = None

    def check_gene(self, gene: Gene) -> None:
        """Refuse a gene other than the one that was fitted."""
        if gene.gene_id != self.gene_id:
            raise TableError(
                f"this predictor was fitted to gene {self.gene_id} and cannot predict {gene.gene_id}; "
                "fit one predictor per gene"
            )


def forget(training: TrainingSet | TrainedOn) -> TrainedOn:
    """Return what a fitted predictor keeps of its training set."""
    if isinstance(training, TrainedOn):
        return training
    return TrainedOn(gene_id=training.gene_id, selected=training.selected, mean=training.mean, reason=training.reason)


@runtime_checkable
class FittedOnWindow(Predictor, Protocol):
    """A fitted predictor that can predict from a window that has been read already."""

    def predict_window(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> Prediction:
        """Predict the individuals at `rows` of `window`.

        `window` is the window that `CisVariants.read` returns for the gene and the `CisVariants` of the fit. The
        values equal those of `predict` for the same individuals.
        """
        ...


@runtime_checkable
class FitsTrainingSet(Protocol):
    """Optional ability of a trainable predictor: to be fitted on a training set that is shared with others.

    During cross-fitting the cis window of a gene is then read once, and selection, imputation and whatever is kept in
    `TrainingGenotypes.memo` are made once per fold for all predictors with equal `cis_variants` and all replicates with
    the same training genotypes. ``fit(gene, genome, expression, seed=seed)`` must be equivalent to
    ``fit_training(TrainingSet.prepare(cis_variants, gene, genome, expression), seed=seed)``. Predictors without
    this ability are fitted by `fit` alone.
    """

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        ...

    @property
    def cis_variants(self) -> CisVariants:
        """The rule by which the variants of the training set are selected."""
        ...

    def fit_training(self, training: TrainingSet, *, seed: int = 0) -> FittedOnWindow:
        """Fit one gene; `training` must not be changed."""
        ...
