"""Screens the genotypes of a cohort for relatives, repeated samples and population structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.common_variants import BLOCK_BP, CommonVariants, sample_common_variants
from pgxeval.cohort.genotype_pcs import (
    MIN_VARIANTS,
    GenotypeComponents,
    StructureTest,
    genotype_components,
    significant_count,
    structure_test,
)
from pgxeval.cohort.relatedness import (
    SECOND_DEGREE_KINSHIP,
    can_estimate,
    clusters,
    find_relatives,
    relationship_matrix,
    unrelated_individuals,
)
from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Gene

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

COMPONENTS = 10
MIN_STRUCTURE_BLOCKS = 30
"""Number of components that are tested, and fewest regions of 2 Mb for the test."""
MOST_COMPONENTS = 5
"""Largest number of significant components that are added for the comparison with and without them."""


@attrs.frozen(kw_only=True, eq=False)
class Screening:
    """What common variants show about the individuals of a cohort.

    Parameters
    ----------
    variants
        The variants.
    relatives
        Pairs up to the second degree, see `pgxeval.cohort.relatedness.find_relatives`.
    unrelated
        A large set of individuals without such pairs, and with one individual per group.
    """

    variants: CommonVariants = attrs.field(repr=False)
    relatives: pd.DataFrame = attrs.field(repr=False)
    unrelated: tuple[str, ...] = attrs.field(repr=False)

    @classmethod
    def of(
        cls,
        genome: PersonalGenome,
        genes: Sequence[Gene],
        individuals: Sequence[str],
        groups: Sequence[str] | None = None,
    ) -> Screening:
        """Sample common variants around the genes and find relatives; see `sample_common_variants`."""
        variants = sample_common_variants(genome, genes, individuals)
        relatives = find_relatives(variants, SECOND_DEGREE_KINSHIP)
        pairs = list(zip(relatives["individual_a"], relatives["individual_b"], strict=True))
        if groups is not None:
            first_of: dict[str, str] = {}
            pairs += [
                (first_of.setdefault(group, name), name)
                for name, group in zip(individuals, groups, strict=True)
                if first_of.setdefault(group, name) != name
            ]
        return cls(variants=variants, relatives=relatives, unrelated=unrelated_individuals(individuals, pairs))

    def components(self, k: int) -> GenotypeComponents:
        """Return genotype principal components, fitted over `unrelated`."""
        return genotype_components(self.variants, k, self.unrelated)

    def significant_components(self, fewest: int = 0) -> pd.DataFrame | None:
        """Return the leading components that exceed sampling noise, at most five; None without any.

        Parameters
        ----------
        fewest
            Smallest number of components, if there are any.
        """
        k = self._testable_components()
        significant = significant_count(self.components(k).p_values) if k else 0
        if not significant:
            return None
        count = max(min(significant, MOST_COMPONENTS), fewest)
        return self.components(count).scores

    def groups(self) -> dict[str, str]:
        """Return families: the connected components of the pairs of relatives.

        Raises
        ------
        SettingError
            If there are too few variants to estimate kinship.
        """
        self._refuse_few('groups="estimate"')
        pairs = zip(self.relatives["individual_a"], self.relatives["individual_b"], strict=True)
        return clusters(self.variants.individuals, list(pairs))

    def relationship(self) -> pd.DataFrame:
        """Return the estimated relationship matrix; see `pgxeval.cohort.relatedness.relationship_matrix`.

        Raises
        ------
        SettingError
            If there are too few variants to estimate kinship.
        """
        self._refuse_few('relationship="estimate"')
        k = int(min(COMPONENTS, len(self.unrelated) // 10))
        components = self.components(max(k, 1))
        significant = significant_count(components.p_values)
        return relationship_matrix(self.variants, components.scores.iloc[:, :significant], self.unrelated)

    def _refuse_few(self, what: str) -> None:
        if not can_estimate(self.variants):
            raise SettingError(
                f"{what} needs common variants from many regions; around the genes of this cohort there are "
                f"{self.extent()}. Estimate kinship from the whole genome (plink2 --make-king-table) and pass groups= "
                "or relationship= as a table"
            )

    def extent(self) -> str:
        """Describe how many variants there are, and in how many regions."""
        return (
            f"{self.variants.dosages.shape[1]} nearly independent common variants in {self.variants.n_blocks} "
            f"region(s) of {BLOCK_BP // 1_000_000} Mb"
        )

    def structure(self, expression: npt.NDArray[np.float64], basis: npt.NDArray[np.float64]) -> StructureTest | None:
        """Test for population structure; None where there are too few variants, regions or individuals.

        Parameters
        ----------
        expression
            float64 (n_genes, n_individuals).
        basis
            float64 (n_individuals, 1 + c): orthonormal basis of the intercept and the covariates.
        """
        k = self._testable_components()
        return structure_test(self.components(k), self.variants.n_blocks, expression, basis) if k else None

    def _testable_components(self) -> int:
        """Return the number of components to test; 0 with too few variants, regions or individuals."""
        k = int(min(COMPONENTS, len(self.unrelated) // 5))
        enough = self.variants.dosages.shape[1] >= max(MIN_VARIANTS, k + 1)
        return k if enough and self.variants.n_blocks >= MIN_STRUCTURE_BLOCKS else 0
