"""The individuals that genotypes and expression share, their genes and their covariates."""

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import check_covariates, covariate_basis, encode_covariates
from pgxeval.cohort.exclusions import MIN_INDIVIDUALS
from pgxeval.cohort.expression import Expression
from pgxeval.cohort.expression_files import read_expression
from pgxeval.cohort.genotype_pcs import StructureTest
from pgxeval.cohort.pedigree import Pedigree, read_pedigree

__all__ = [
    "MIN_INDIVIDUALS",
    "Cohort",
    "Expression",
    "Pedigree",
    "StructureTest",
    "check_covariates",
    "covariate_basis",
    "encode_covariates",
    "read_covariates",
    "read_expression",
    "read_pedigree",
]


def __dir__() -> list[str]:
    return sorted(__all__)
