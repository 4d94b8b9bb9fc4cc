"""Heritability and non-additivity of expression in the cis window, gene-tissue pair by gene-tissue pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort import Cohort, covariate_basis
from pgxeval.evaluation import NonadditivitySettings, heritability, nonadditivity
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.genome import Gene, PersonalGenome
from pgxeval.names import known_names
from pgxeval.prediction.digest import array_digest, digest
from pgxeval.prediction.identity import genome_identity
from pgxeval.prediction.predictor_state import identify
from pgxeval.predictors import CisVariants
from pgxeval.provenance import __version__
from pgxeval.seeding import model_seed
from pgxeval.study.parts import compute_parts
from pgxeval.tables.predictions import FAILED

Floats = npt.NDArray[np.float64]
Cell: TypeAlias = str | int | float
Test: TypeAlias = Callable[[Floats, Floats, Floats, int], dict[str, Cell]]

GENES_PER_PART = 25
_HEAD = ("tissue", "gene_id", "gene_name", "n", "variants")
HERITABILITY = (*_HEAD, "h2", "h2_se", "h2_unbounded", "h2_p", "h2_q", "reason")
"""Columns of the heritability table: one row per gene-tissue pair."""
NONADDITIVITY = (*_HEAD, "leads", "dominance_p", "interaction_p", "pairwise_p", "p_value", "q_value", "reason")
"""Columns of the nonadditivity table: one row per gene-tissue pair."""
_TEXTS = ("tissue", "gene_id", "gene_name", "reason")


@attrs.frozen(kw_only=True, eq=False)
class _Genes:
    """Some genes of one tissue, with their expression: float64 (n_genes, n_individuals), NaN where not measured."""

    genes: tuple[Gene, ...]
    expression: Floats


def _gene_ids(unit: _Genes) -> str:
    return known_names([gene.gene_id for gene in unit.genes], 3)


@attrs.frozen(kw_only=True, eq=False)
class _Cis:
    """A test of each gene on the dosages of its cis window, over the individuals in whom it was measured."""

    genome: PersonalGenome
    individuals: tuple[str, ...]
    covariates: Floats | None
    cis_variants: CisVariants
    seed: int
    test: Test

    def __call__(self, unit: _Genes) -> pd.DataFrame:
        return pd.DataFrame([self._row(gene, row) for gene, row in zip(unit.genes, unit.expression, strict=True)])

    def _row(self, gene: Gene, expression: Floats) -> dict[str, Cell]:
        measured = np.flatnonzero(np.isfinite(expression))
        head: dict[str, Cell] = {"gene_id": gene.gene_id, "gene_name": gene.name, "n": measured.size, "variants": 0}
        try:
            window = self.cis_variants.read(gene, self.genome, [self.individuals[i] for i in measured])
            selected = self.cis_variants.select_in(window, np.arange(measured.size))
            head["variants"] = int(selected.columns.size)
            dosages = selected.impute(window.calls[:, selected.columns])
            basis = covariate_basis(None if self.covariates is None else self.covariates[measured], measured.size)
            seed = model_seed(self.seed, gene.gene_id)
            return {**head, **self.test(expression[measured], dosages, basis, seed)}
        except Exception as error:  # a gene that fails concerns no other gene
            return {**head, "reason": f"{FAILED}{type(error).__name__}: {error}"}


def heritability_table(
    cohorts: Mapping[str, Cohort], folder: Path, *, cis_variants: CisVariants, seed: int, workers: int, progress: bool
) -> pd.DataFrame:
    """Estimate the cis heritability of every gene-tissue pair.

    Parameters
    ----------
    cohorts
        Tissue -> cohort.
    folder
        Where parts are kept.
    cis_variants
        Window and filters.
    seed
        Seed of the study.
    workers, progress
        As for `compute_parts`.

    Returns
    -------
    pandas.DataFrame
        Columns `HERITABILITY`; see `pgxeval.evaluation.heritability`. h2_q is Benjamini and Hochberg's over pairs.
    """
    run = _Run(label="heritability", test=_heritability, settings=None, cis_variants=cis_variants, seed=seed)
    table = run.table(cohorts, folder, workers, progress)
    table["h2_q"] = benjamini_hochberg(table["h2_p"].to_numpy()) if len(table) else table.get("h2_p")
    return _typed(table, HERITABILITY)


def nonadditivity_table(
    cohorts: Mapping[str, Cohort],
    folder: Path,
    *,
    settings: NonadditivitySettings,
    cis_variants: CisVariants,
    seed: int,
    workers: int,
    progress: bool,
) -> pd.DataFrame:
    """Test every gene-tissue pair for departures from additivity.

    Parameters
    ----------
    cohorts, folder, cis_variants, seed, workers, progress
        As for `heritability_table`.
    settings
        How departures are tested.

    Returns
    -------
    pandas.DataFrame
        Columns `NONADDITIVITY`; see `pgxeval.evaluation.nonadditivity`. leads is the number of leading variants,
        q_value is Benjamini and Hochberg's over pairs.
    """
    test = partial(_nonadditivity, settings=settings)
    run = _Run(label="nonadditivity", test=test, settings=settings, cis_variants=cis_variants, seed=seed)
    table = run.table(cohorts, folder, workers, progress)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy()) if len(table) else table.get("p_value")
    return _typed(table, NONADDITIVITY)


def _heritability(expression: Floats, dosages: Floats, basis: Floats, seed: int) -> dict[str, Cell]:
    row = heritability(expression, dosages, basis, seed=seed).iloc[0]
    return {name: row[name] for name in ("h2", "h2_se", "h2_unbounded", "h2_p", "reason")}


def _nonadditivity(
    expression: Floats, dosages: Floats, basis: Floats, seed: int, *, settings: NonadditivitySettings
) -> dict[str, Cell]:
    result = nonadditivity(expression, dosages, basis, settings=settings, seed=seed)
    names = ("dominance_p", "interaction_p", "pairwise_p", "p_value", "reason")
    return {"leads": len(result.leads), **{name: getattr(result, name) for name in names}}


@attrs.frozen(kw_only=True, eq=False)
class _Run:
    """A test of all gene-tissue pairs: what it is called, and everything that its results depend on."""

    label: str
    test: Test
    settings: NonadditivitySettings | None
    cis_variants: CisVariants
    seed: int

    def table(self, cohorts: Mapping[str, Cohort], folder: Path, workers: int, progress: bool) -> pd.DataFrame:
        tables = []
        for tissue, cohort in cohorts.items():
            covariates = None if cohort.covariates is None else cohort.covariates.to_numpy(dtype=np.float64)
            cis = _Cis(
                genome=cohort.genome,
                individuals=cohort.individuals,
                covariates=covariates,
                cis_variants=self.cis_variants,
                seed=self.seed,
                test=self.test,
            )
            label = f"{self.label} {tissue}"
            units = self._units(cohort, covariates)
            parts = compute_parts(
                folder, units, cis, label=label, workers=workers, progress=progress, name_of=_gene_ids
            )
            tables += [part.assign(tissue=tissue) for part in parts.values()]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _units(self, cohort: Cohort, covariates: Floats | None) -> dict[str, _Genes]:
        base = digest([
            self.label,
            __version__,
            genome_identity(cohort.genome, sequences=False),
            [*cohort.individuals],
            None if covariates is None else array_digest(covariates),
            identify(self.cis_variants, "cis_variants"),
            identify(self.settings, "settings"),
            self.seed,
        ])  # fmt: skip
        units = {}
        for first in range(0, len(cohort.genes), GENES_PER_PART):
            rows = slice(first, first + GENES_PER_PART)
            unit = _Genes(genes=tuple(cohort.genes[rows]), expression=cohort.expression[rows])
            places = [identify(gene, f"gene {gene.gene_id}") for gene in unit.genes]
            units[digest([base, places, array_digest(np.ascontiguousarray(unit.expression))])] = unit
        return units


def _typed(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    table = table.reindex(columns=list(columns))
    numbers = [name for name in columns if name not in (*_TEXTS, "n", "variants")]
    texts = {name: table[name].fillna("").astype("str") for name in _TEXTS}
    return table.assign(**texts).astype(dict.fromkeys(numbers, "float64") | {"n": "int64", "variants": "int64"})
