"""Simulated cohorts with known truth, in the file formats of real cohorts."""

from pgxeval.simulation.design import DEFAULT_KINDS, SimulationDesign
from pgxeval.simulation.genes import SimulatedGene, simulate_gene
from pgxeval.simulation.linkage import SimulatedWindow, simulate_window
from pgxeval.simulation.planting import KINDS, Planted, plant
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort, simulate_cohort_in_memory
from pgxeval.simulation.truth import read_truth

__all__ = [
    "DEFAULT_KINDS",
    "KINDS",
    "Planted",
    "SimulatedCohort",
    "SimulatedGene",
    "SimulatedWindow",
    "SimulationDesign",
    "plant",
    "read_truth",
    "simulate_cohort",
    "simulate_cohort_in_memory",
    "simulate_gene",
    "simulate_window",
]


def __dir__() -> list[str]:
    return sorted(__all__)
