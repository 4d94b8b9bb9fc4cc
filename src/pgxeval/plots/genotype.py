"""Expression of the individuals by their copies of one variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from pgxeval.errors import UnknownNameError
from pgxeval.genome.intervals import DEFAULT_FLANK_BP
from pgxeval.plots.drawing import GREY, PALETTE, axes_or_new, despine, plain, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pgxeval.cohort.cohort import Cohort

_FEWEST_IN_CLASS = 5
_LONGEST_ALLELE = 8


def genotype_expression(
    cohort: Cohort,
    gene_id: str,
    *,
    variant: tuple[int, str, str] | None = None,
    flank_bp: int = DEFAULT_FLANK_BP,
    around: Literal["body", "tss"] = "body",
    ax: Axes | None = None,
) -> Axes:
    """Draw the expression of the individuals by their copies of one variant of a gene's window.

    Parameters
    ----------
    cohort
        A cohort with genotypes.
    gene_id
        Identifier of a gene of the cohort.
    variant
        Position (1-based), REF and ALT. None takes the leading variant: the one whose genotype classes differ most in
        expression, by a one-way analysis of variance of the ranks, which sees dominance and overdominance as well.
        Only classes with 5 or more individuals count.
    flank_bp, around
        The window in which the variant is looked for, as in `pgxeval.CisVariants`.
    ax
        Axes to draw on; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Copies of the ALT allele against expression, one point per individual, with the median (bar) and the quartiles
        (box) of each class. The choice of the leading variant inflates the differences between its classes.

    Raises
    ------
    UnknownNameError
        If the gene is not in the cohort, or the variant is not in its window.
    """
    gene = cohort.gene(gene_id)
    dosages = cohort.genome.dosages(gene.cis_window(flank_bp, around), list(cohort.individuals))
    expression = cohort.expression_of(gene_id).to_numpy(dtype=np.float64)
    table = dosages.variants
    copies = np.where(dosages.is_called, np.rint(np.nan_to_num(dosages.values.astype(np.float64))), -1).astype(np.int8)
    ax = axes_or_new(ax, (5.2, 4.6))
    if variant is None:
        column = _leading(copies, expression)
        if column is None:
            return say(ax, f"No variant in the window of {gene.name}\nhas two classes of 5 individuals.")
    else:
        position, ref, alt = variant
        matches = (table["position"] == position) & (table["ref"] == ref) & (table["alt"] == alt)
        if not matches.any():
            raise UnknownNameError(
                f"gene {gene_id}: variant {position} {ref}>{alt} is not in its window of {flank_bp} bp"
            )
        column = int(np.flatnonzero(matches)[0])
    row = table.iloc[column]
    _draw(ax, copies[:, column], expression)
    name = f"{row['contig']}:{row['position']:,} {_allele(row['ref'])}>{_allele(row['alt'])}"
    ax.set_title(f"{plain(gene.name)}, {plain(name)}", fontsize="small")
    ax.set_xlabel(f"copies of {plain(_allele(row['alt']))}")
    ax.set_ylabel("expression [unit of the expression table]")
    despine(ax)
    return ax


def _leading(copies: npt.NDArray[np.int8], expression: npt.NDArray[np.float64]) -> int | None:
    """Return the column whose genotype classes differ most, None without two classes of enough individuals."""
    finite = np.isfinite(expression)
    ranks = stats.rankdata(expression[finite])
    classes = np.stack([copies[finite] == k for k in range(3)]).astype(np.float64)
    size = classes.sum(axis=1)
    classes *= (size >= _FEWEST_IN_CLASS)[:, None, :]
    size = classes.sum(axis=1)
    sums, squares = np.einsum("i,kij->kj", ranks, classes), np.einsum("i,kij->j", ranks**2, classes)
    n, k = size.sum(axis=0), (size > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.nansum(sums**2 / size, axis=0)
        between = total - sums.sum(axis=0) ** 2 / n
        within = np.maximum(squares - total, 0)
        ratio = (between / (k - 1)) / (within / (n - k))
    usable = (k >= 2) & (n > k) & np.isfinite(ratio)
    if not usable.any():
        return None
    # p-values of different degrees of freedom; of the smallest ones, the larger ratio
    p = np.where(usable, special.fdtrc(np.maximum(k - 1, 1), np.maximum(n - k, 1), np.nan_to_num(ratio)), np.inf)
    return int(np.lexsort((-np.nan_to_num(ratio), p))[0])


def _draw(ax: Axes, copies: npt.NDArray[np.int8], expression: npt.NDArray[np.float64]) -> None:
    labels, random = [], np.random.default_rng(0)  # horizontal scatter only
    for k in range(3):
        values = expression[(copies == k) & np.isfinite(expression)]
        labels.append(f"{k}\n({len(values):,})")
        if not len(values):
            continue
        x = k + random.uniform(-0.17, 0.17, len(values))
        ax.plot(
            x, values, "o", color=PALETTE[0], alpha=0.45, markersize=3.5, markeredgewidth=0, rasterized=len(x) > 500
        )
        low, middle, high = np.percentile(values, [25, 50, 75])
        ax.fill_between([k - 0.26, k + 0.26], low, high, facecolor="none", edgecolor=GREY, linewidth=1)
        ax.plot([k - 0.26, k + 0.26], [middle, middle], color="black", linewidth=2)
    ax.set_xticks(range(3), labels)
    ax.set_xlim(-0.5, 2.5)


def _allele(bases: str) -> str:
    return bases if len(bases) <= _LONGEST_ALLELE else f"{bases[: _LONGEST_ALLELE - 1]}…"
