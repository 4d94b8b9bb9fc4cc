"""Shared parts of the figures: an Axes to draw on, colours and markers, and columns of evaluation tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import UnknownNameError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart with every common form of colour blindness; each predictor has a marker too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#5F5F5F"
REFERENCE_MARK: dict[str, Any] = {
    "marker": "D",
    "color": "black",
    "markerfacecolor": "white",
    "markersize": 5.5,
    "linestyle": "none",
}
NAIVE_GROUND: dict[str, Any] = {"facecolor": "none", "edgecolor": "#C4C4C4", "hatch": "///", "linewidth": 0}


def predictor_names(table: pd.DataFrame, wanted: Sequence[str] | None) -> list[str]:
    """Return the predictors of a table in order of appearance, or those `wanted`.

    Raises
    ------
    UnknownNameError
        If one of `wanted` is not in the table.
    """
    available = list(dict.fromkeys(table["predictor"].astype(str)))
    for name in wanted or ():
        if name not in available:
            raise UnknownNameError(f"predictor {name} is not in the table; it has {', '.join(available) or 'none'}")
    return list(wanted) if wanted is not None else available


def compared_sides(compared: pd.DataFrame, predictor_a: str, predictor_b: str) -> pd.DataFrame:
    """Return the correlations of two predictors from a table of `compare_genes` or from the pairs of a study.

    Returns
    -------
    pandas.DataFrame
        Columns a and b (float64), better (``"a"``, ``"b"`` or ``""``) and label, in the orientation of the arguments.

    Raises
    ------
    UnknownNameError
        If the table holds pairs of predictors, and not this one.
    """
    table, is_reversed = compared, False
    if "predictor_a" in compared:
        names = (compared["predictor_a"].astype(str), compared["predictor_b"].astype(str))
        straight = (names[0] == predictor_a) & (names[1] == predictor_b)
        is_reversed = not straight.any()
        table = compared[(names[0] == predictor_b) & (names[1] == predictor_a)] if is_reversed else compared[straight]
        if table.empty:
            pairs = ", ".join(dict.fromkeys(f"{a} and {b}" for a, b in zip(*names, strict=True)))
            raise UnknownNameError(
                f"{predictor_a} and {predictor_b} were not compared; the table has {pairs or 'none'}"
            )
    label = table["gene_name"].astype(str)
    if "tissue" in table and len(set(table["tissue"].astype(str))) > 1:
        label = label + " (" + table["tissue"].astype(str) + ")"
    sides = pd.DataFrame({side: numbers(table, f"correlation_{side}") for side in "ab"})
    sides = sides.assign(better=table["better"].fillna("").astype(str).to_numpy(), label=label.to_numpy())
    if is_reversed:
        sides = sides.rename(columns={"a": "b", "b": "a"})
        sides["better"] = sides["better"].map({"a": "b", "b": "a", "": ""})
    return sides


def of_stratum(table: pd.DataFrame, stratum: str) -> pd.DataFrame:
    """Return the rows of one stratum."""
    return table[table["stratum"].astype(str) == stratum]


def pairs_of(table: pd.DataFrame) -> pd.Series[str]:
    """Return what each row is about: the gene, or gene and tissue in an evaluation of several tissues."""
    genes = table["gene_id"].astype(str)
    return genes if "tissue" not in table else genes + " (" + table["tissue"].astype(str) + ")"


def gene_label(per_gene: pd.DataFrame, gene_id: str) -> str:
    """Return the symbol of a gene with its identifier in brackets, or the identifier if it has no symbol."""
    names = per_gene.loc[per_gene["gene_id"].astype(str) == gene_id, "gene_name"]
    name = str(names.iloc[0]) if len(names) else gene_id
    return gene_id if name == gene_id else f"{name} ({gene_id})"


def in_order(groups: Iterable[str]) -> list[str]:
    """Return the distinct strata, the three usual ones first."""
    usual = ("linear", "nonlinear", "unpredictable")
    names = list(dict.fromkeys(groups))
    return sorted(names, key=lambda name: usual.index(name) if name in usual else len(usual))


def numbers(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return a column as float64 (n_rows,), NaN where it is missing."""
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def symmetric_limit(values: npt.NDArray[np.float64]) -> float:
    """Return the end of an axis around 0 that holds all correlations, and no more than 1 with a margin."""
    return min(1.02, 1.08 * max(float(np.nanmax(np.abs(values))), 0.05))


def scatter_classes(
    ax: Axes,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    classes: Sequence[tuple[npt.NDArray[np.bool_], str, str, str]],
) -> None:
    """Draw points class by class, later classes on top, with the number of each in the legend above.

    Parameters
    ----------
    ax
        Where.
    x, y
        float64 (n_points,).
    classes
        Which points, colour, marker and name.
    """
    size = 30 if len(x) <= 200 else 12 if len(x) <= 2000 else 4
    for order, (members, color, marker, name) in enumerate(classes):
        ax.scatter(
            x[members],
            y[members],
            s=size,
            color=color,
            marker=marker,
            alpha=0.75,
            linewidths=0,
            label=f"{name}: {int(members.sum()):,}",
            zorder=2 + order,
            rasterized=len(x) > 1000,
        )
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1))


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the Axes of a new figure of `size` inches that pyplot does not know."""
    if ax is not None:
        return ax
    from pgxeval.plots.axes import new_axes

    return new_axes(*size)


def say(ax: Axes, words: str) -> Axes:
    """Write in place of a figure why there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, words.strip(), transform=ax.transAxes, ha="center", va="center", color=GREY, wrap=True)
    return ax


def predictor_mark(index: int) -> dict[str, Any]:
    """Return marker and colour of the predictor at place `index`."""
    return {
        "marker": MARKERS[index % len(MARKERS)],
        "color": PALETTE[index % len(PALETTE)],
        "markersize": 8,
        "linestyle": "none",
    }


def name_predictors(ax: Axes, names: Sequence[str], *, naive: bool) -> None:
    """Add a legend of the predictors, and of the ground on which naive results stand."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], label=short(name), **predictor_mark(index)) for index, name in enumerate(names)
    ]
    if naive:
        handles.append(Patch(label="hollow, hatched: naive", **(NAIVE_GROUND | {"linewidth": 1})))
    ax.legend(handles=handles, frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def name_reference(ax: Axes, *, drawn: bool) -> None:
    """Add a legend of the permuted reference, if one was drawn."""
    if drawn:
        from matplotlib.lines import Line2D

        mark = Line2D([], [], label="the same on permuted expression", **REFERENCE_MARK)
        ax.legend(handles=[mark], frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0))


def despine(ax: Axes, *more: str) -> None:
    """Hide the frame above and at the right, and the sides named in `more`."""
    ax.spines[["top", "right", *more]].set_visible(False)


def plain(name: str) -> str:
    """Return `name` so that matplotlib does not read a dollar sign as mathematics."""
    return str(name).replace("$", r"\$")


def short(name: str, longest: int = 24) -> str:
    """Return `name` for a label, its end cut off if it is long."""
    return plain(name if len(name) <= longest else f"{name[: longest - 1]}…")
