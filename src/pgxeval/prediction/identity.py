"""RunIdentity: what makes the predictions of one predictor over one cohort the same, and what tells two runs apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np

from pgxeval.genome.identity import Json
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction.digest import array_digest, bytes_digest, digest
from pgxeval.prediction.predictor_state import identify
from pgxeval.predictors.trained.training import FitsTrainingSet
from pgxeval.provenance import versions

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.prediction.request import Request
    from pgxeval.predictors.protocol import Predictor, TrainablePredictor

REGION_BP = 10_000_000
"""Genes whose starts lie in the same stretch of this length share a part of the store."""


@attrs.frozen(kw_only=True, eq=False)
class RunIdentity:
    """Identity of the predictions of one predictor over one cohort.

    Parameters
    ----------
    predictor
        Name in the predictions table.
    settings
        Everything that shapes the predictions of every gene: the predictor, and of the run what matters to it.
    keys
        Gene -> digest of `settings`, the gene's position and, for a trained predictor, its expression. Predictions
        of equal keys are equal.
    regions
        Gene -> stretch of the genome that it shares a part of the store with.
    individuals
        Names, in the order of the predictions.
    n_replicates
        Number of replicates, the observed one included.
    """

    predictor: str
    settings: Mapping[str, Json] = attrs.field(repr=False)
    keys: Mapping[str, str] = attrs.field(repr=False)
    regions: Mapping[str, str] = attrs.field(repr=False)
    individuals: tuple[str, ...] = attrs.field(repr=False)
    n_replicates: int

    @property
    def base(self) -> str:
        """Digest of `settings`."""
        return digest(dict(self.settings))

    @property
    def run(self) -> str:
        """Name of the run: a digest of everything, over all genes of the cohort."""
        return digest([self.predictor, dict(self.keys)])

    @property
    def description(self) -> dict[str, Json]:
        """Settings and genes, to spell out how two runs differ."""
        return {**self.settings, "genes": {"number": len(self.keys), "digest": digest(dict(self.keys))}}


def identify_run(
    cohort: Cohort,
    predictor: Predictor | TrainablePredictor,
    *,
    cross_fitting: Mapping[str, Json] | None,
    n_replicates: int,
) -> RunIdentity:
    """Identify the predictions of a predictor over a cohort.

    Parameters
    ----------
    cohort
        Whose genes and individuals.
    predictor
        What predicts.
    cross_fitting
        Method, folds, seed and groups of a trainable predictor; None for one that needs no training, to which
        neither these nor expression and covariates matter.
    n_replicates
        Number of replicates, the observed one included.

    Raises
    ------
    SettingError
        If the predictor or the genome has a part that cannot be described; see `identify`.
    """
    individuals = list(cohort.individuals)
    settings: dict[str, Json] = {
        "predictor": identify(predictor, f"predictor {predictor.name!r}"),
        "genotypes": genome_identity(cohort.genome, sequences=not isinstance(predictor, FitsTrainingSet)),
        "individuals": {"number": len(individuals), "digest": digest([*individuals])},
        "versions": _versions(),
    }
    if cross_fitting is not None:
        settings |= {**cross_fitting, "replicates": n_replicates - 1, "covariates": _covariates(cohort)}
    base = digest(settings)
    keys = {}
    for row, gene in enumerate(cohort.genes):
        place = digest(identify(gene, f"gene {gene.gene_id}")).encode()
        expression = b"" if cross_fitting is None else np.ascontiguousarray(cohort.expression[row]).tobytes()
        keys[gene.gene_id] = bytes_digest(base.encode(), place, expression)
    return RunIdentity(
        predictor=predictor.name,
        settings=settings,
        keys=keys,
        regions={gene.gene_id: _region(gene.contig, gene.start) for gene in cohort.genes},
        individuals=tuple(individuals),
        n_replicates=n_replicates,
    )


def identify_runs(cohort: Cohort, request: Request) -> list[RunIdentity]:
    """Return what a store knows the run of each predictor by.

    Raises
    ------
    SettingError
        If a predictor has parts that cannot be described, and no `settings`.
    """
    trained = {predictor.name for predictor in request.trainable}
    cross_fitting: dict[str, Json] = {
        "method": request.method,
        "folds": request.recorded_folds,
        "seed": request.seed,
        "groups": None if cohort.groups is None else digest([*cohort.groups]),
        "strata": None if cohort.strata is None else digest([*cohort.strata]),
    }
    if cohort.expression_factors:
        cross_fitting["expression_factors"] = cohort.expression_factors
    return [
        identify_run(
            cohort,
            predictor,
            cross_fitting=cross_fitting if predictor.name in trained else None,
            n_replicates=request.table_replicates[predictor.name],
        )
        for predictor in request.predictors
    ]


def _covariates(cohort: Cohort) -> Json:
    if cohort.covariates is None:
        return None
    return {
        "names": [str(name) for name in cohort.covariates.columns],
        "digest": array_digest(cohort.covariates.to_numpy(dtype=np.float64)),
    }


def genome_identity(genome: PersonalGenome, *, sequences: bool = True) -> Json:
    """Identify genotypes, reference and policies: files by content where that is affordable.

    Parameters
    ----------
    genome
        The genomes of a cohort.
    sequences
        Whether sequences matter. The reference does not matter to a predictor that reads dosages only.

    Raises
    ------
    SettingError
        If a source of genotypes of one's own cannot be described.
    """
    if not isinstance(genome, PersonalGenome):
        return identify(genome, "the genome")
    identity = genome.identity()
    return identity if sequences else {name: value for name, value in identity.items() if name != "reference"}


def _versions() -> dict[str, Json]:
    # optional packages are excluded: the class of a predictor records the packages that it uses
    installed = versions()
    installed["python"] = ".".join(installed["python"].split(".")[:2])
    return {package: installed[package] for package in ("pgxeval", "python", "numpy", "scikit-learn")}


def _region(contig: str, start: int) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', contig)}-{max(0, start) // REGION_BP:04d}"
