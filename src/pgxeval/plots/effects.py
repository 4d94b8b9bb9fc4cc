"""Effects of variants along the genome: two predictors above each other, linkage and the gene's exons below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError, TableError
from pgxeval.plots.drawing import GREY, PALETTE, despine, plain, predictor_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.genome.intervals import Gene


def effect_tracks(
    effects: pd.DataFrame,
    gene: Gene,
    *,
    predictors: Sequence[str] | None = None,
    within_bp: int | None = 20_000,
    dosages: pd.DataFrame | None = None,
) -> list[Axes]:
    """Draw the effect of each variant against its distance from the TSS, one panel per predictor.

    Parameters
    ----------
    effects
        Rows of one gene from `pgxeval.attribute`, of one predictor or several (`pandas.concat`).
    gene
        The gene, with TSS and strand; its exons are drawn below.
    predictors
        Which predictors, in which order; None draws all.
    within_bp
        Distance from the TSS up to which variants are drawn; None draws the whole window.
    dosages
        float64, one row per individual and one column per variant (named as in ``effects["variant"]``): variants are
        then coloured by their squared correlation with the variant of the largest effect of the first predictor.

    Returns
    -------
    list of matplotlib.axes.Axes
        One Axes per predictor and one for the gene, top to bottom, in one new figure. Distances are in base pairs,
        positive downstream of the TSS; effects are per alternate allele, in the unit of each prediction.

    Raises
    ------
    TableError
        If the table has no row of the gene.
    SettingError
        If the gene has no TSS.
    """
    from matplotlib.figure import Figure

    if gene.tss is None:
        raise SettingError(f"gene {gene.gene_id} has no TSS; give gene models with strand to draw effects around it")
    table = effects[effects["gene_id"].astype(str) == gene.gene_id]
    names = predictor_names(table, predictors)
    if not names:
        raise TableError(f"the effects table has no row of gene {gene.gene_id}; call pgxeval.attribute for it first")
    sign = -1 if gene.strand == "-" else 1
    distance = sign * (table["position"].to_numpy() - 1 - gene.tss)
    near = np.ones(len(table), dtype=bool) if within_bp is None else np.abs(distance) <= within_bp
    table, distance = table[near], distance[near]
    figure = Figure(figsize=(8.4, 1.9 * len(names) + 1.0), layout="constrained")
    panels = figure.subplots(len(names) + 1, 1, sharex=True, height_ratios=[*[3] * len(names), 1])
    linkage = _linkage(table, names[0], dosages)
    for name, ax in zip(names, panels[:-1], strict=True):
        rows = (table["predictor"].astype(str) == name).to_numpy()
        values = table.loc[rows, "effect"].to_numpy()
        ax.vlines(distance[rows], 0, values, color=GREY, linewidth=0.6)
        points = ax.scatter(
            distance[rows],
            values,
            c=PALETTE[0] if linkage is None else [linkage.get(one, np.nan) for one in table.loc[rows, "variant"]],
            s=16,
            zorder=3,
            **({} if linkage is None else {"vmin": 0, "vmax": 1, "cmap": "viridis", "plotnonfinite": True}),
        )
        ax.axhline(0, color="black", linewidth=0.6)
        ax.set_title(plain(name), loc="left", fontsize="medium")
        ax.set_ylabel("effect per allele")
        despine(ax)
        if linkage is not None and name == names[0]:
            figure.colorbar(points, ax=list(panels[:-1]), label="r² with the leading variant", fraction=0.03)
    _draw_gene(panels[-1], gene, sign)
    if within_bp is not None:
        panels[-1].set_xlim(-within_bp, within_bp)
    panels[-1].set_xlabel("distance from the TSS [bp], downstream positive")
    return list(panels)


def _linkage(table: pd.DataFrame, first: str, dosages: pd.DataFrame | None) -> dict[str, float] | None:
    if dosages is None:
        return None
    own = table[table["predictor"].astype(str) == first]
    present = own[own["variant"].isin(dosages.columns)]
    if not len(present):
        return None
    lead = dosages[present["variant"].iloc[int(present["effect"].abs().to_numpy().argmax())]].to_numpy(dtype=np.float64)
    values: npt.NDArray[np.float64] = dosages.to_numpy(dtype=np.float64)
    values, lead = values - values.mean(axis=0), lead - lead.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = (lead @ values) ** 2 / ((lead**2).sum() * (values**2).sum(axis=0))
    return dict(zip(dosages.columns.astype(str), r2.tolist(), strict=True))


def _draw_gene(ax: Axes, gene: Gene, sign: int) -> None:
    assert gene.tss is not None
    start, end = sorted(sign * (np.array([gene.start, gene.end - 1]) - gene.tss))
    ax.hlines(0, start, end, color="black", linewidth=0.8)
    for exon in gene.exons or ():
        low, high = sorted(sign * (np.array([exon[0], exon[1] - 1]) - gene.tss))
        ax.barh(0, high - low + 1, left=low, height=0.6, color="black")
    ax.plot([0], [0.55], marker=">" if sign > 0 else "<", color=PALETTE[1], markersize=5, clip_on=False)
    ax.set_ylim(-1, 1)
    ax.set_yticks([])
    ax.set_ylabel(plain(gene.name or gene.gene_id), rotation=0, ha="right", va="center")
    despine(ax, "left")
