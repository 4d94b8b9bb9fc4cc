"""What is left of individuals, genes and gene-tissue pairs after each step of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pgxeval.evaluation.per_gene import NOT_IN_TABLE
from pgxeval.study.results import StudyResults

COUNTS = ("step", "tissue", "predictor", "count")
"""Columns of the counts table."""


def count_steps(study: StudyResults, failures: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the counts table of a study.

    Parameters
    ----------
    study
        The study, its own counts not being used.
    failures
        Tissue -> failures of predictions.
    """
    rows: list[tuple[str, str, str, int]] = []
    for tissue, record in study.settings["tissues"].items():
        rows.append(("individuals", tissue, "", record["individuals"]))
        rows.append(("genes", tissue, "", record["genes"]))
        for predictor in record["runs"]:
            failed = failures[tissue]
            rows.append(("genes that failed", tissue, predictor, int((failed["predictor"] == predictor).sum())))
    per_gene = study.evaluation.per_gene
    in_table = per_gene[(per_gene["reason"] != NOT_IN_TABLE).fillna(True).astype(bool)]
    level = float(study.evaluation.settings["level"])
    for (tissue, predictor), part in in_table.groupby(["tissue", "predictor"], sort=False, observed=True):
        place = (str(tissue), str(predictor))
        q = part["q_value"].to_numpy(dtype=np.float64, na_value=np.nan)
        rows.append(("pairs evaluated", *place, len(part)))
        rows.append(("pairs with a direction", *place, int(part["direction"].notna().sum())))
        rows.append((f"pairs with q < {level:g}", *place, int((np.nan_to_num(q, nan=1.0) < level).sum())))
    strata: Any = study.evaluation.strata
    for name, part in strata.groupby("stratum", sort=False, observed=True) if len(strata) else ():
        rows.append((f"pairs in the stratum {name}", "", "", len(part)))
    if len(study.heritability):
        rows.append(("pairs with a heritability", "", "", int(study.heritability["h2"].notna().sum())))
        heritable = study.heritability["h2_q"].fillna(1.0) < level
        rows.append((f"pairs with heritability at q < {level:g}", "", "", int(heritable.sum())))
    if len(study.nonadditivity):
        rows.append(("pairs tested for non-additivity", "", "", int(study.nonadditivity["p_value"].notna().sum())))
    if len(study.effects):
        rows.append(
            ("pairs with effects of variants", "", "", len(study.effects[["tissue", "gene_id"]].drop_duplicates()))
        )
    return pd.DataFrame(rows, columns=list(COUNTS)).astype({"count": "int64"})
