"""Gene sets as strata: lists of genes from elsewhere, and genes that one of the predictors selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from pgxeval.errors import TableError, UnknownNameError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.names import known_names, match_versions

GeneSets: TypeAlias = pd.DataFrame | Mapping[str, Sequence[str]] | Sequence[str]
"""Gene sets in any accepted form: see `gene_sets`."""

LISTED = "listed"
"""Name of the stratum of a plain list of genes."""


def gene_sets(source: GeneSets) -> pd.DataFrame:
    """Return gene sets as the table that `pgxeval.Evaluator.evaluate` takes as `strata`.

    Parameters
    ----------
    source
        A list of gene identifiers (the stratum is called "listed"); a mapping from the name of each set to its genes;
        or a DataFrame with the columns gene_id and stratum. A gene may be in several sets.

    Returns
    -------
    pandas.DataFrame
        Columns gene_id and stratum, one row per gene and set, and every further column of `source`.

    Raises
    ------
    TableError
        If columns are missing, a set is named ``"all"`` or has no gene, or a gene occurs twice in a set.

    Examples
    --------
    >>> gene_sets({"expressed": ["G1", "G2"], "eGenes elsewhere": ["G2"]})
      gene_id           stratum
    0      G1         expressed
    1      G2         expressed
    2      G2  eGenes elsewhere
    """
    if isinstance(source, pd.DataFrame):
        table = source
    elif isinstance(source, Mapping):
        if empty := [str(name) for name, genes in source.items() if not len(genes)]:
            raise TableError(f"gene sets: {known_names(empty, 5)} has no gene; leave a set without genes out")
        rows = [(str(gene), str(name)) for name, genes in source.items() for gene in genes]
        table = pd.DataFrame(rows, columns=["gene_id", "stratum"])
    elif isinstance(source, str):
        raise TableError(f"gene sets: expected a list of genes, a mapping or a table, got the text {source!r}")
    else:
        table = pd.DataFrame({"gene_id": [str(gene) for gene in source], "stratum": LISTED})
    if missing := {"gene_id", "stratum"} - set(table.columns):
        raise TableError(
            f"strata table: missing column(s) {', '.join(sorted(missing))}; expected the columns gene_id and stratum"
        )
    table = table.assign(gene_id=table["gene_id"].astype(str))
    twice = table.duplicated(["gene_id", "stratum"])
    if twice.any():
        gene = table["gene_id"][twice].iloc[0]
        raise TableError(f"strata table: gene {gene} occurs more than once; expected one row per gene and stratum")
    if (table["stratum"] == "all").any():
        raise TableError('strata table: "all" denotes all genes; rename the stratum of that name')
    return table


def match_sets(table: pd.DataFrame, gene_ids: Sequence[str]) -> pd.DataFrame:
    """Return gene sets with the identifiers of the evaluated genes, matched without Ensembl version where needed.

    Genes of the sets that were not evaluated stay as they are: they are in no result.

    Raises
    ------
    TableError
        If the sets and the evaluation have no gene in common.
    """
    names = list(dict.fromkeys(table["gene_id"]))
    distinct = list(dict.fromkeys(gene_ids))
    renamed = match_versions(names, distinct)
    if len(table) and not renamed and not set(names) & set(distinct):
        raise TableError(
            f"strata table: none of its {len(names)} genes was evaluated; it has {known_names(names, 5)}, the "
            f"evaluation {known_names(distinct, 5)}"
        )
    return table.assign(gene_id=[renamed.get(gene, gene) for gene in table["gene_id"]])


def genes_selected_by(evaluation: Evaluation, predictor: str, *, level: float | None = None) -> pd.DataFrame:
    """Return the genes at which one predictor is right and significant, as strata for the other predictors.

    The selection is made on the same individuals, so it favours the predictor that selects and every other one that
    was trained on them: in an evaluation with these strata, neither has results there. Results of zero-shot
    predictors are labelled "same individuals".

    Parameters
    ----------
    evaluation
        An evaluation that includes the predictor, such as an elastic net.
    predictor
        Its name.
    level
        False discovery rate: q-values below it are significant. None uses the level of the evaluation.

    Returns
    -------
    pandas.DataFrame
        Columns gene_id, stratum (one name) and selected_by (`predictor`).

    Raises
    ------
    UnknownNameError
        If the predictor is not in the evaluation.
    """
    rows = evaluation.per_gene[evaluation.per_gene["predictor"].astype(str) == predictor]
    if rows.empty:
        names = ", ".join(evaluation.per_gene["predictor"].astype(str).drop_duplicates())
        raise UnknownNameError(f"predictor {predictor} is not in the evaluation; it has {names}")
    level = float(evaluation.settings["level"]) if level is None else level
    significant = rows[(rows["q_value"] < level) & (rows["direction"] > 0).fillna(False).astype(bool)]
    genes = significant["gene_id"].astype(str).drop_duplicates().to_numpy()
    return pd.DataFrame({"gene_id": genes, "stratum": f"{predictor} q < {level:g}", "selected_by": predictor})


def top_nonlinear(evaluation: Evaluation, n: int = 300) -> pd.DataFrame:
    """Return the genes with the largest gain of random forest over elastic net, as Shen selected them: naive strata.

    The genes at which the forest was luckiest are among them, so results of the two predictors in this stratum
    are labelled naive, and those of others "same individuals". `pgxeval.study.split_strata` selects in one half
    of the individuals and judges in the other.

    Parameters
    ----------
    evaluation
        An evaluation with elastic net and random forest.
    n
        Number of genes (or gene-tissue pairs); fewer if fewer have a gain.

    Returns
    -------
    pandas.DataFrame
        Columns gene_id, stratum (one name), defined_by (the two predictors) and gain, by falling gain.

    Raises
    ------
    TableError
        If no gene has a gain, because a predictor is missing.
    """
    strata = evaluation.strata
    ranked = strata[strata["gain"].notna()].sort_values(["gain", "gene_id"], ascending=[False, True], kind="stable")
    if ranked.empty:
        raise TableError("no gene has a gain: the evaluation lacks the elastic net, the random forest or both")
    top = ranked.drop_duplicates("gene_id").head(n)
    names = (str(evaluation.settings["elastic_net"]), str(evaluation.settings["random_forest"]))
    return pd.DataFrame(
        {
            "gene_id": top["gene_id"].astype(str).to_numpy(),
            "stratum": f"top {n} nonlinear",
            "defined_by": [names] * len(top),
            "gain": top["gain"].to_numpy(),
        }
    )
