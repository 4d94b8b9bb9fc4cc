"""Whether two predictors of a study rely on the same variants, at each gene-tissue pair with effects."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.evaluation import MechanismSettings, compare_effects
from pgxeval.genome import Interval
from pgxeval.prediction.digest import array_digest, digest
from pgxeval.prediction.identity import genome_identity
from pgxeval.prediction.predictor_state import identify
from pgxeval.provenance import __version__
from pgxeval.seeding import model_seed
from pgxeval.study.parts import compute_parts
from pgxeval.tables.predictions import FAILED

MECHANISM = (
    "tissue",
    "gene_id",
    "predictor_a",
    "predictor_b",
    "variants",
    "clumps",
    "rank_correlation",
    "rank_p",
    "prediction_correlation",
    "prediction_p",
    "overlap",
    "overlap_p",
    "reason",
    "block",
)
"""Columns of the mechanism table: one row per gene-tissue pair and pair of predictors."""
NO_SHARED = "no variant has an effect under both predictors' methods"
_TEXTS = ("tissue", "gene_id", "predictor_a", "predictor_b", "reason")


@attrs.frozen(kw_only=True, eq=False)
class _Gene:
    """Effects of all predictors at one gene-tissue pair, and whose dosages link the variants."""

    cohort: Cohort
    effects: pd.DataFrame


def _gene_id(unit: _Gene) -> str:
    return unit.cohort.gene_ids[0]


def mechanism_table(
    cohorts: Mapping[str, Cohort],
    effects: pd.DataFrame,
    folder: Path,
    *,
    blocks: Mapping[str, int],
    settings: MechanismSettings,
    seed: int,
    workers: int,
    progress: bool,
) -> pd.DataFrame:
    """Compare the effects of every two predictors at every gene-tissue pair.

    Parameters
    ----------
    cohorts
        Tissue -> cohort, whose dosages give the linkage of variants.
    effects
        Effects of all predictors, from `effects_table`.
    folder
        Where parts are kept, one file per gene-tissue pair.
    blocks
        Gene -> genomic block.
    settings
        How effects are compared.
    seed
        Seed of the study.
    workers, progress
        As for `compute_parts`.

    Returns
    -------
    pandas.DataFrame
        Columns `MECHANISM`; see `pgxeval.evaluation.Agreement`. Two predictors are compared over the variants that
        both methods gave an effect, zero included.
    """
    units: dict[str, _Gene] = {}
    names: dict[str, tuple[str, str]] = {}
    for (tissue, gene_id), part in effects.groupby(["tissue", "gene_id"], sort=False):
        cohort = cohorts[str(tissue)]
        key = digest([
            __version__,
            genome_identity(cohort.genome, sequences=False),
            [*cohort.individuals],
            part["predictor"].tolist(),
            part["variant"].tolist(),
            array_digest(part["effect"].to_numpy()),
            identify(settings, "mechanism"),
            seed,
        ])  # fmt: skip
        units[key] = _Gene(cohort=cohort.subset(genes=[str(gene_id)]), effects=part)
        names[key] = str(tissue), str(gene_id)
    compare = partial(_compare, settings=settings, seed=seed)
    parts = compute_parts(
        folder, units, compare, label="mechanism", workers=workers, progress=progress, name_of=_gene_id
    )
    tables = [part.assign(tissue=names[key][0], gene_id=names[key][1]) for key, part in parts.items()]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table = table.reindex(columns=list(MECHANISM))
    table["block"] = table["gene_id"].map(blocks)
    numbers = [name for name in MECHANISM if name not in (*_TEXTS, "variants", "clumps", "block")]
    texts = {name: table[name].fillna("").astype("str") for name in _TEXTS}
    counts = dict.fromkeys(("variants", "clumps", "block"), "int64")
    return table.assign(**texts).astype(dict.fromkeys(numbers, "float64") | counts)


def _compare(unit: _Gene, *, settings: MechanismSettings, seed: int) -> pd.DataFrame:
    names = list(dict.fromkeys(unit.effects["predictor"].astype(str)))
    sides = {name: unit.effects[unit.effects["predictor"] == name].set_index("variant") for name in names}
    rows = []
    for a, b in itertools.combinations(names, 2):
        head = {"predictor_a": a, "predictor_b": b, "variants": 0, "clumps": 0}
        try:
            shared = sides[a].index.intersection(sides[b].index, sort=False)
            both = [sides[name].loc[shared] for name in (a, b)]
            defined = np.isfinite(both[0]["effect"].to_numpy()) & np.isfinite(both[1]["effect"].to_numpy())
            both = [side[defined] for side in both]
            if not len(both[0]):
                rows.append({**head, "reason": NO_SHARED})
                continue
            dosages = dosages_of(unit.cohort, both[0])
            own = model_seed(seed, unit.cohort.gene_ids[0], a, b)
            of_a, of_b = (side["effect"].to_numpy() for side in both)
            rows.append({**head, **attrs.asdict(compare_effects(of_a, of_b, dosages, settings=settings, seed=own))})
        except Exception as error:  # a gene that fails concerns no other gene
            rows.append({**head, "reason": f"{FAILED}{type(error).__name__}: {error}"})
    return pd.DataFrame(rows) if rows else pd.DataFrame({"reason": pd.Series(dtype="str")})


def dosages_of(cohort: Cohort, variants: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return float64 (n_individuals, n_variants), missing calls replaced by the mean; variants in genome order."""
    contig = str(variants["contig"].iloc[0])
    first, last = int(variants["position"].min()) - 1, int(variants["position"].max())
    window = cohort.genome.dosages(Interval(contig, first, last), cohort.individuals)
    key = ["position", "ref", "alt"]
    keys = pd.MultiIndex.from_frame(window.variants[key])
    columns = keys.get_indexer(pd.MultiIndex.from_frame(variants[key]))
    values = np.asarray(window.values[:, columns], dtype=np.float64)
    values[~(values >= 0)] = np.nan
    means = np.nanmean(values, axis=0)
    return np.where(np.isnan(values), means, values)
