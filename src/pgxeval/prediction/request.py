"""What a run is to do: its predictors, genes and settings, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from pgxeval.errors import SettingError
from pgxeval.names import first_duplicate, known_names
from pgxeval.prediction.pairing import Method
from pgxeval.prediction.replicates import default_replicates, quick_replicates
from pgxeval.predictors.protocol import Predictor, TrainablePredictor
from pgxeval.predictors.registry import make_predictor

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene

AnyPredictor = Predictor | TrainablePredictor
Folds: TypeAlias = int | Literal["leave-one-group-out"]
LEAVE_ONE_GROUP_OUT = "leave-one-group-out"


@attrs.frozen(kw_only=True, eq=False)
class Request:
    """A run, checked.

    Parameters
    ----------
    predictors
        All predictors, in the order in which they were given.
    trainable
        Those that are cross-fitted.
    ready
        Those that need no training.
    genes
        Genes to predict, in the order of the cohort.
    n_individuals
        Number of individuals of the cohort.
    n_cohort_genes
        Number of genes of the cohort, which the slices of an array job share.
    folds, seed, method
        As for `predict_cohort`.
    replicates
        Number of permuted replicates.
    fold_labels
        Stratum of each individual where each stratum is a fold, or None.
    """

    predictors: tuple[AnyPredictor, ...]
    trainable: tuple[TrainablePredictor, ...]
    ready: tuple[Predictor, ...]
    genes: tuple[Gene, ...]
    n_individuals: int
    n_cohort_genes: int
    folds: int
    seed: int
    replicates: int
    method: Method
    fold_labels: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        cohort: Cohort,
        predictors: Sequence[AnyPredictor | str],
        *,
        folds: Folds,
        seed: int,
        replicates: int | Literal["quick"] | None,
        method: Method,
        genes: slice | Sequence[str] | None,
    ) -> Request:
        """Check the arguments of a run; see `predict_cohort`.

        Raises
        ------
        SettingError
            If one of them is out of range.
        UnknownNameError
            If a gene or a predictor does not exist.
        """
        instances = make_predictors(predictors)
        trainable = tuple(predictor for predictor in instances if isinstance(predictor, TrainablePredictor))
        fold_labels = _fold_labels(cohort, method) if folds == LEAVE_ONE_GROUP_OUT else None
        if isinstance(folds, str):
            if fold_labels is None:
                raise SettingError(f'folds must be a whole number or "{LEAVE_ONE_GROUP_OUT}", got {folds!r}')
            folds = len(set(fold_labels))
        if not _is_whole(folds) or not 2 <= folds <= len(cohort.individuals):
            raise SettingError(
                f"folds must be a whole number from 2 to {len(cohort.individuals)} (individuals), got {folds!r}"
            )
        if method not in ("crossfit", "prequential"):
            raise SettingError(f'method must be "crossfit" or "prequential", got {method!r}')
        return cls(
            predictors=instances,
            trainable=trainable,
            ready=tuple(predictor for predictor in instances if not isinstance(predictor, TrainablePredictor)),
            genes=tuple(choose_genes(cohort, genes)),
            n_individuals=len(cohort.individuals),
            n_cohort_genes=len(cohort.genes),
            folds=folds,
            seed=seed,
            replicates=_count_replicates(
                replicates, len(cohort.genes), needed=method == "crossfit" and bool(trainable)
            ),
            method=method,
            fold_labels=fold_labels,
        )

    @property
    def table_replicates(self) -> dict[str, int]:
        """Number of replicates of each predictor in the predictions table, the observed one included."""
        trained = {predictor.name for predictor in self.trainable}
        return {one.name: self.replicates + 1 if one.name in trained else 1 for one in self.predictors}

    @property
    def recorded_folds(self) -> int | str:
        """What the settings of the predictions record of the folds."""
        return self.folds if self.fold_labels is None else LEAVE_ONE_GROUP_OUT

    def __str__(self) -> str:
        """Return what the run will do, in one line."""
        names = known_names([predictor.name for predictor in self.predictors], 5)
        text = f"{_counted(len(self.genes), 'gene')} x {_counted(self.n_individuals, 'individual')}: {names}"
        if not self.trainable:
            return text
        text += f"; {self.folds} folds" + ("" if self.fold_labels is None else ", each one stratum")
        if self.method == "prequential":
            return f"{text}, prequential"
        if not self.replicates:
            return f"{text}, no permuted replicates: p-values and references of trained predictors are undefined"
        draws = self.n_cohort_genes * self.replicates
        return (
            f"{text}, {_counted(self.replicates, 'permuted replicate')}; smallest counted p-value {1 / (draws + 1):.2g}"
        )


def _fold_labels(cohort: Cohort, method: Method) -> tuple[str, ...]:
    """Return the stratum of each individual as its fold."""
    if cohort.strata is None or len(set(cohort.strata)) < 2:
        raise SettingError(
            f'folds="{LEAVE_ONE_GROUP_OUT}" leaves out one stratum of individuals at a time, and the cohort has '
            f"{0 if cohort.strata is None else 1}; give strata=, such as the population of each individual, when the "
            "cohort is made"
        )
    if method != "crossfit":
        raise SettingError(f'folds="{LEAVE_ONE_GROUP_OUT}" needs method="crossfit", got {method!r}')
    strata_of: dict[str, set[str]] = {}
    for group, stratum in zip(cohort.groups or cohort.individuals, cohort.strata, strict=True):
        strata_of.setdefault(group, set()).add(stratum)
    if spread := [group for group, strata in strata_of.items() if len(strata) > 1]:
        raise SettingError(
            f"{len(spread)} group(s) have members in several strata ({known_names(spread, 5)}): models would be judged "
            "on relatives of their training individuals. Give strata that keep groups together"
        )
    return cohort.strata


def make_predictors(predictors: Sequence[AnyPredictor | str]) -> tuple[AnyPredictor, ...]:
    """Return predictors, made by name where a name was given.

    Raises
    ------
    SettingError
        If something is not a predictor, or two share a name.
    UnknownNameError
        If no predictor has this name.
    """
    if isinstance(predictors, str):
        raise SettingError(f"predictors must be a list: [{predictors!r}]")
    if not isinstance(predictors, list | tuple) or not predictors:
        raise SettingError(f"predictors must be a list of at least one predictor, got {predictors!r}")
    instances: list[AnyPredictor] = []
    for predictor in predictors:
        if isinstance(predictor, type):
            raise SettingError(f"{predictor.__name__} is a class; give an instance: {predictor.__name__}()")
        if isinstance(predictor, str):
            instances.append(make_predictor(predictor))
        elif isinstance(predictor, TrainablePredictor | Predictor):
            instances.append(predictor)
        else:
            kind = type(predictor).__name__
            hint = f"; wrap it: SklearnPredictor({kind}())" if hasattr(predictor, "get_params") else ""
            raise SettingError(
                f"{kind} is not a predictor: it needs a name and either predict (Predictor) or fit "
                f"(TrainablePredictor){hint}"
            )
    for predictor in instances:
        name: object = predictor.name
        if not isinstance(name, str) or not name.strip():
            raise SettingError(f"the name of a predictor must be a text, got {name!r} of a {type(predictor).__name__}")
    if (doubled := first_duplicate([predictor.name for predictor in instances])) is not None:
        raise SettingError(f"predictors must have different names; {doubled} occurs more than once: give name=")
    return tuple(instances)


def choose_genes(cohort: Cohort, genes: slice | Sequence[str] | None) -> list[Gene]:
    """Return the genes to predict, in the order of the cohort.

    Raises
    ------
    SettingError
        If there is none, or one occurs twice.
    UnknownNameError
        If a gene is not in the cohort.
    """
    if genes is None:
        return list(cohort.genes)
    if isinstance(genes, slice):
        chosen = list(cohort.genes[genes])
        if not chosen:
            raise SettingError(
                f"genes: the slice {genes.start}:{genes.stop} holds none of the cohort's {len(cohort.genes)} genes"
            )
        return chosen
    given: object = genes
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingError(f"genes must be a slice or a list of gene identifiers, got {given!r}")
    named = [cohort.gene(gene_id).gene_id for gene_id in genes]
    if not named:
        raise SettingError("genes must name at least one gene")
    if (doubled := first_duplicate(named)) is not None:
        raise SettingError(f"genes: {doubled} occurs more than once")
    requested = set(named)
    return [gene for gene in cohort.genes if gene.gene_id in requested]


def _count_replicates(replicates: int | Literal["quick"] | None, n_genes: int, *, needed: bool) -> int:
    if replicates is None:
        return default_replicates(n_genes) if needed else 0
    if replicates == "quick":
        return quick_replicates(n_genes) if needed else 0
    if not _is_whole(replicates) or replicates < 0:
        raise SettingError(
            f'replicates must be a whole number, 0 or more, "quick", or None for the default, got {replicates!r}'
        )
    return replicates


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)
