"""Genes whose expression is a nonlinear function of genotype: where a random forest beats an elastic net."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.comparison import joint_replicates
from pgxeval.evaluation.inference import FEWEST_DRAWS, pooled_p
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.resampling import benjamini_hochberg

Floats = npt.NDArray[np.float64]

ALL = "all"
LINEAR, NONLINEAR, UNPREDICTABLE, UNTESTED = "linear", "nonlinear", "unpredictable", "untested"
STRATA = (LINEAR, NONLINEAR, UNPREDICTABLE)
JOINED = " + "
"""Between the names of the strata of a gene that is in several."""


@attrs.frozen(kw_only=True, eq=False)
class Stratum:
    """Genes that are summarised together.

    Parameters
    ----------
    name
        ``"all"`` or the stratum's name.
    genes
        bool (n_genes,).
    definers
        Predictors that defined the stratum on the same individuals.
    given
        Whether the user gave the stratum, from other individuals.
    withheld
        Predictors without results in this stratum, because they would judge themselves.
    """

    name: str
    genes: npt.NDArray[np.bool_]
    definers: frozenset[str]
    given: bool
    withheld: frozenset[str] = frozenset()

    def assignment(self, *predictors: str) -> str:
        """Return how to read results of these predictors in this stratum.

        ``"naive"``: the stratum was defined with one of these predictors. ``"same individuals"``: it was defined with
        others on the same individuals, which biases these predictors as well, in the same direction and less.
        """
        if self.name == ALL:
            return "all genes"
        if self.given:
            return "independent"
        return "naive" if self.definers & set(predictors) else "same individuals"


@attrs.frozen(kw_only=True, eq=False)
class GainTest:
    """Gains of one predictor over another, tested against their gains on permuted expression.

    Parameters
    ----------
    gain
        float64 (n_genes,): correlation of the one less that of the other, an undefined one counting
        as 0; NaN where both are undefined.
    p, q
        One-sided p-value and its Benjamini-Hochberg q-value, NaN where untested.
    draws
        Null gains in the pool.
    """

    gain: Floats
    p: Floats
    q: Floats
    draws: int


def gain_of(better: npt.ArrayLike, base: npt.ArrayLike) -> Floats:
    """Return ``better - base``, an undefined correlation counting as 0; NaN where both are undefined.

    Examples
    --------
    >>> nan = float("nan")
    >>> gain_of([0.3, 0.2, nan], [0.1, nan, nan]).round(3).tolist()
    [0.2, 0.2, nan]
    """
    r_better, r_base = np.asarray(better, dtype=np.float64), np.asarray(base, dtype=np.float64)
    gain = np.nan_to_num(r_better, nan=0.0) - np.nan_to_num(r_base, nan=0.0)
    return np.where(np.isnan(r_better) & np.isnan(r_base), np.nan, gain)


def gain_test(
    better: npt.ArrayLike,
    base: npt.ArrayLike,
    df: npt.ArrayLike,
    *,
    null_better: npt.ArrayLike,
    null_base: npt.ArrayLike,
    null_df: npt.ArrayLike,
    fewest: int = FEWEST_DRAWS,
) -> GainTest:
    """Test whether one cross-fitted predictor beats another, gene by gene.

    Two correlations with the same expression, each cross-fitted, differ by chance more than a paired bootstrap
    of the individuals shows (it fires at 10 to 12 % of null genes), so the gain is compared with the gains of
    the same two procedures on permuted expression, pooled over genes of the same n and over replicates.

    Parameters
    ----------
    better, base, df
        Correlations and degrees of freedom, (n_genes,).
    null_better, null_base, null_df
        The same on permuted expression, (n_replicates, n_genes): both of one replicate from one permutation.
    fewest
        See `pgxeval.evaluation.inference.pooled_p`.
    """
    gain = gain_of(better, base)
    null = gain_of(null_better, null_base)
    p, _ = pooled_p(gain, df, null, null_df, fewest)
    return GainTest(gain=gain, p=p, q=benjamini_hochberg(p), draws=int((~np.isnan(null)).sum()))


def assign_strata(
    gain_q: npt.ArrayLike, base_q: npt.ArrayLike, better_q: npt.ArrayLike, level: float = 0.05
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Sort genes into linear, nonlinear and unpredictable ones.

    Nonlinear: the gain of the random forest is significant and so is the random forest on its own. Linear: the
    elastic net is significant, and the gene not nonlinear. Unpredictable: all others; among them may be genes at
    which the forest alone is significant, too weakly to show a gain, which their reason states. Significant
    means a q-value below `level` throughout, so that the error rate of each stratum does not depend
    on the number of genes that were tried.

    Parameters
    ----------
    gain_q, base_q, better_q
        q-values of the gain, of the elastic net and of the random forest; NaN is not significant, and so a gene
        whose correlation is negative is given NaN.
    level
        Level of significance.

    Returns
    -------
    tuple of numpy.ndarray
        Stratum and reason of each gene.

    Examples
    --------
    >>> assign_strata([0.01, 0.5, 0.5, 0.5], [0.5, 0.01, 0.5, 0.5], [0.01, 0.2, 0.5, 0.01])[0].tolist()
    ['nonlinear', 'linear', 'unpredictable', 'unpredictable']
    """

    def significant(q: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        return np.nan_to_num(np.asarray(q, dtype=np.float64), nan=1.0) < level

    gain, base, better = significant(gain_q), significant(base_q), significant(better_q)
    nonlinear = gain & better
    linear = base & ~nonlinear
    stratum = np.where(nonlinear, NONLINEAR, np.where(linear, LINEAR, UNPREDICTABLE)).astype(object)
    reason = np.select(
        [nonlinear, linear, better, gain],
        [
            "gain and random forest significant",
            "elastic net significant, gain not shown",
            "random forest significant, but neither gain nor elastic net",
            "gain significant, but not the random forest on its own",
        ],
        default="neither elastic net nor random forest significant",
    ).astype(object)
    return stratum, reason


def strata_table(
    judged: Sequence[Judged],
    gene_ids: tuple[str, ...],
    given: pd.DataFrame | None,
    *,
    elastic_net: str,
    random_forest: str,
    level: float,
) -> pd.DataFrame:
    """Return the strata table, one row per gene; its columns are described in `pgxeval.Evaluation`.

    Parameters
    ----------
    judged
        All predictors of the evaluation.
    gene_ids
        Identifiers of the genes.
    given
        Strata from other individuals (columns gene_id, stratum), or None.
    elastic_net, random_forest
        Names of the predictors that define strata where none are given.
    level
        Level of significance of q-values.
    """
    by_name = {one.predictor: one for one in judged}
    en, rf = by_name.get(elastic_net), by_name.get(random_forest)
    undefined = np.full(len(gene_ids), np.nan)
    table = pd.DataFrame(
        {
            "gene_id": list(gene_ids),
            "correlation_en": undefined if en is None else en.correlation,
            "correlation_rf": undefined if rf is None else rf.correlation,
            "gain": undefined if en is None or rf is None else gain_of(rf.correlation, en.correlation),
            "p": undefined,
            "q": undefined,
            "q_en": undefined if en is None else en.q_value,
            "q_rf": undefined if rf is None else rf.q_value,
        }
    )
    stratum, assignment = np.full(len(gene_ids), UNTESTED, dtype=object), UNTESTED
    if en is None or rf is None:
        reason = np.full(len(gene_ids), f"the table lacks {elastic_net} or {random_forest}", dtype=object)
    else:
        rows_en, rows_rf, source = joint_replicates(en, rf)
        reason = np.full(len(gene_ids), source, dtype=object)
        if len(rows_en):
            test = gain_test(
                rf.correlation,
                en.correlation,
                np.where(rf.df > 0, rf.df, en.df),
                null_better=rf.null[rows_rf],
                null_base=en.null[rows_en],
                null_df=np.maximum(rf.null_df[rows_rf], en.null_df[rows_en]),
            )
            table["p"], table["q"] = test.p, test.q
            stratum, reason = assign_strata(test.q, _q_if_right(en), _q_if_right(rf), level)
            assignment = f"gain against {source}, {test.draws} null draws; q < {level:g}"
    if given is not None:
        stratum, reason = _given(given, gene_ids)
        own = any(name in given and given[name].notna().any() for name in ("selected_by", "defined_by"))
        assignment = "given: selected on the same individuals" if own else "given: independent of these predictions"
    table["stratum"] = pd.Series(stratum, dtype="str")
    table["assignment"] = assignment
    table["reason"] = pd.Series(reason, dtype="str")
    return table


def _q_if_right(judged: Judged) -> Floats:
    """Return q-values where the predictor points the right way: a negative correlation is not evidence of skill."""
    return np.where(judged.directions > 0, judged.q_value, np.nan)


def _given(given: pd.DataFrame, gene_ids: tuple[str, ...]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    by_gene: dict[str, str] = {}
    for gene, name in zip(given["gene_id"], given["stratum"], strict=True):
        if not pd.isna(name):
            by_gene[gene] = f"{by_gene[gene]}{JOINED}{name}" if gene in by_gene else str(name)
    has_stratum = np.array([gene in by_gene for gene in gene_ids], dtype=bool)
    stratum = np.array([by_gene.get(gene, UNTESTED) for gene in gene_ids], dtype=object)
    return stratum, np.where(has_stratum, "given", "not in the given strata").astype(object)


def strata_of(
    table: pd.DataFrame,
    definers: frozenset[str],
    given: pd.DataFrame | None = None,
    trained: frozenset[str] = frozenset(),
) -> list[Stratum]:
    """Return the strata to summarise: all genes first, then those of the strata table.

    Parameters
    ----------
    table
        A strata table.
    definers
        Predictors that defined the strata where none are given.
    given
        Strata that the user gave (`pgxeval.evaluation.gene_sets`), or None. Where it has a column ``selected_by``, the
        genes were selected by this predictor on the same individuals; where it has a column ``defined_by``, by these
        predictors (a tuple of names), whose results are shown and labelled naive.
    trained
        Predictors that were trained on these individuals: they have no results among genes that one of them selected.
    """
    genes = table["gene_id"].to_numpy(dtype=object)
    everything = Stratum(name=ALL, genes=np.ones(len(genes), dtype=bool), definers=frozenset(), given=False)
    if given is None:
        names = table["stratum"].to_numpy(dtype=object)
        shown: Sequence[str] = STRATA if set(names) - {UNTESTED} else ()
        own = [Stratum(name=name, genes=names == name, definers=definers, given=False) for name in shown]
        return [everything, *own]
    strata = [everything]
    assigned = given[given["stratum"].notna() & (given["stratum"] != UNTESTED)]
    for name, rows in assigned.groupby("stratum", sort=True, observed=True):
        members = np.isin(genes, rows["gene_id"].to_numpy(dtype=object))
        selectors = frozenset(rows["selected_by"].dropna().astype(str)) if "selected_by" in rows else frozenset()
        withheld = selectors | trained if selectors else frozenset()
        if "defined_by" in rows:
            selectors |= frozenset(name for names in rows["defined_by"] if isinstance(names, tuple) for name in names)
        strata.append(
            Stratum(name=str(name), genes=members, definers=selectors, given=not selectors, withheld=withheld)
        )
    return strata
