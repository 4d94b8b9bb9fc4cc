"""What a trained predictor learns from: dosages and expression of the training individuals, in fixed order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import TableError
from pgxeval.predictors.trained.cis_variants import CisVariants, SelectedVariants

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

_NOBODY = np.zeros(0)


@attrs.frozen(kw_only=True, eq=False)
class Training:
    """Dosages and expression of one gene in the training individuals.

    Parameters
    ----------
    gene_id
        The gene.
    selected
        Variants that passed in the training individuals.
    individuals
        Training individuals, sorted by name, so that the order in which they came changes nothing.
    dosages
        float64 (n_individuals, n_variants), missing calls imputed with the training mean.
    expression
        float64 (n_individuals,).
    mean
        Mean training expression.
    reason
        Why nothing can be learned, or None.
    """

    gene_id: str
    selected: SelectedVariants
    individuals: tuple[str, ...] = attrs.field(repr=False)
    dosages: npt.NDArray[np.float64] = attrs.field(repr=False)
    expression: npt.NDArray[np.float64] = attrs.field(repr=False)
    mean: float
    reason: str | None = None

    @classmethod
    def prepare(cls, variants: CisVariants, gene: Gene, genome: PersonalGenome, expression: pd.Series) -> Training:
        """Select variants and impute, in the individuals that index `expression` and in no others.

        Raises
        ------
        TableError
            If `expression` holds NaN or infinite values, or an individual twice.
        """
        expression = expression.sort_index()
        individuals = tuple(str(name) for name in expression.index)
        values = expression.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise TableError(
                f"gene {gene.gene_id}: {int((~np.isfinite(values)).sum())} of {values.size} training values are NaN "
                "or infinite; drop these individuals before fitting"
            )
        if len(set(individuals)) < len(individuals):
            raise TableError(f"gene {gene.gene_id}: an individual stands twice in the training expression")
        selected = variants.select(gene, genome, individuals)
        reason = None
        if len(individuals) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            reason = f"constant expression in the {len(individuals)} training individuals"
        elif selected.columns.size == 0:
            reason = variants.nothing_passed(selected)
        return cls(
            gene_id=gene.gene_id,
            selected=selected,
            individuals=individuals,
            dosages=selected.dosages(genome, individuals),
            expression=values,
            mean=float(np.mean(values)) if values.size else np.nan,
            reason=reason,
        )

    def check_gene(self, gene: Gene) -> None:
        """Refuse a gene other than the one that was fitted."""
        if gene.gene_id != self.gene_id:
            raise TableError(
                f"this predictor was fitted to gene {self.gene_id} and cannot predict {gene.gene_id}; "
                "fit one predictor a gene"
            )


def forget(training: Training) -> Training:
    """Return a copy without anything that belongs to an individual, as a fitted predictor keeps it."""
    return attrs.evolve(training, individuals=(), dosages=_NOBODY, expression=_NOBODY)
