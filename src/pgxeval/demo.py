"""The main job on the embedded cohort: ``python -m pgxeval.demo`` simulates, predicts, judges and reports."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import PgxevalError, PgxevalWarning, TableError
from pgxeval.evaluation import EvaluationSettings, Evaluator
from pgxeval.evaluation.strata import STRATA
from pgxeval.prediction.replicates import default_replicates
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.simulation.planting import KINDS
from pgxeval.simulation.simulate import SimulatedCohort, simulate_cohort
from pgxeval.wording import correlation, counted, percent

if TYPE_CHECKING:
    from pgxeval.evaluation.evaluation import Evaluation

SIGNIFICANT = 0.05

_WINDOW_BP = 100_000
# Windows are simulated independently and lie this far apart: every gene is one block.
_SPACING_BP = _BLOCK_BP = 20_000
_DESCRIPTION = (
    "Simulate a cohort with planted truth, cross-fit elastic net and random forest on it, judge both and "
    "write one HTML page."
)


def recovery(evaluation: Evaluation, truth: pd.DataFrame) -> pd.DataFrame:
    """Tabulate how well planted truth was recovered.

    Parameters
    ----------
    evaluation
        Holds `per_gene` and `strata`, as `Evaluator.evaluate` returns it.
    truth
        See `pgxeval.simulation.truth.truth_table`; genes that were not evaluated are left out of the counts.

    Returns
    -------
    pandas.DataFrame
        One row per kind and predictor: kind; predictor; genes; undefined, genes without a correlation; detected,
        genes with q < 0.05 and a positive correlation; mean_spearman, undefined counting as 0; ceiling, the
        mean square root of the heritability, which is the correlation of the true genetic values;
        linear_ceiling, the same of the part that a linear function of the causal dosages explains; and the
        shares of the genes that were called linear, nonlinear and unpredictable (the same for all
        predictors; NaN without strata).

    Raises
    ------
    TableError
        If no evaluated gene is in `truth`.
    """
    genes = evaluation.per_gene.astype({"gene_id": str, "predictor": str}).merge(
        truth[["gene_id", "kind", "heritability", "linear_heritability"]], on="gene_id"
    )
    if genes.empty:
        raise TableError("none of the evaluated genes is in the truth table; is it of another cohort?")
    strata = evaluation.strata
    stratum_of = (
        strata.set_index(strata["gene_id"].astype(str))["stratum"].astype(str) if len(strata) else pd.Series(dtype=str)
    )
    genes["stratum"] = genes["gene_id"].map(stratum_of)
    rows = []
    for kind in (kind for kind in KINDS if (genes["kind"] == kind).any()):
        for predictor in genes["predictor"].drop_duplicates():
            part = genes[(genes["kind"] == kind) & (genes["predictor"] == predictor)]
            significant = (part["q_value"] < SIGNIFICANT) & (part["spearman"] > 0)
            row: dict[str, Any] = {
                "kind": kind,
                "predictor": predictor,
                "genes": len(part),
                "undefined": int(part["spearman"].isna().sum()),
                "detected": int(significant.sum()),
                "mean_spearman": float(part["spearman"].fillna(0).mean()),
                "ceiling": float(np.sqrt(part["heritability"]).mean()),
                "linear_ceiling": float(np.sqrt(part["linear_heritability"]).mean()),
            }
            in_strata = part.loc[part["stratum"].isin(STRATA), "stratum"]
            row |= {name: float((in_strata == name).mean()) if len(in_strata) else float("nan") for name in STRATA}
            rows.append(row)
    return pd.DataFrame(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the last line printed is the path of the report.

    Parameters
    ----------
    argv
        Arguments of the command line; None takes those of this process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error that was explained.
    """
    arguments = _parse(argv)
    try:
        report = _run(arguments)
    except PgxevalError as error:
        sys.stderr.write(f"pgxeval.demo: {error}\n")
        return 1
    _say(str(report))
    return 0


def _run(arguments: argparse.Namespace) -> Path:
    start = time.monotonic()
    folder: Path = arguments.folder
    simulation = simulate_cohort(
        folder / "cohort",
        individuals=arguments.individuals,
        genes=arguments.genes,
        window_bp=_WINDOW_BP,
        spacing_bp=_SPACING_BP,
        seed=arguments.seed,
    )
    truth = simulation.truth
    _say(
        f"Simulated {arguments.individuals} individuals and {len(truth)} genes in {simulation.folder}: "
        f"{truth['n_variants'].sum():,} variants, {truth['n_common'].mean():.0f} per gene with a minor allele "
        "frequency of 0.01 or more."
    )
    cohort = Cohort.from_files(**simulation.files)
    replicates = default_replicates(len(truth)) if arguments.replicates is None else arguments.replicates
    variants = CisVariants(flank_bp=_WINDOW_BP // 2, around="tss")
    predictions = predict_cohort(
        cohort,
        [ElasticNetPredictor(cis_variants=variants), RandomForestPredictor(cis_variants=variants)],
        seed=arguments.seed,
        replicates=replicates,
        workers=arguments.workers,
        progress=not arguments.quiet,
    )
    predictions.write(folder / "predictions.parquet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PgxevalWarning)
        evaluation = Evaluator(cohort).evaluate(
            predictions, settings=EvaluationSettings(seed=arguments.seed, block_bp=_BLOCK_BP)
        )
    for warning in caught:
        _say(f"Note: {warning.message}.")
    recovery_table = recovery(evaluation, truth)
    recovery_table.to_csv(folder / "recovery.tsv", sep="\t", index=False, lineterminator="\n")
    report = folder / "report.html"
    evaluation.to_html(
        report,
        title="pgxeval on a simulated cohort",
        extra={
            "About this cohort": _about(simulation, replicates),
            "Planted truth, and how well it was recovered": [_for_readers(recovery_table), _READING],
        },
        show_individuals_of=True,  # simulated individuals
        cohort=cohort,
    )
    _say(_summary(recovery_table))
    _say(f"Took {time.monotonic() - start:.0f} s. The report:")
    return report.resolve()


def _about(simulated: SimulatedCohort, replicates: int) -> str:
    truth = simulated.truth
    kinds = ", ".join(f"{count} {kind}" for kind, count in truth["kind"].value_counts(sort=False).items())
    return (
        "This cohort is simulated and its truth is known. Haplotypes come from a coalescent with "
        "recombination and a European history, one independent window per gene; about a tenth of the variants "
        f"are insertions or deletions. The cis window of a gene is {_WINDOW_BP // 1_000} kb around its "
        f"transcription start site and holds {truth['n_common'].min()} to {truth['n_common'].max()} variants "
        f"with a minor allele frequency of 0.01 or more (mean {truth['n_common'].mean():.0f}); windows of "
        f"real studies are 20 times as wide. Genes: {kinds}. The whole procedure was run again on permuted "
        f"expression {counted(replicates, 'time')}. Genes are independent here, so each is one block of the jackknife."
    )


_READING = (
    "Detected: q below 0.05 and a positive correlation. Mean Spearman counts a gene without a correlation as "
    "0. The ceiling is the square root of the planted heritability: what the true genetic values would reach. "
    "The linear ceiling is what the best sum of causal allele counts would reach; where it is 0 (overdominant, "
    "epistatic), no linear model can see anything. Linear, nonlinear and unpredictable: share of the genes of "
    "this kind that were called so. Null genes should be called unpredictable; that few recessive and "
    "epistatic genes are called nonlinear is expected at this sample size and no fault."
)


def _for_readers(recovered: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "Planted": recovered["kind"],
            "Predictor": recovered["predictor"],
            "Detected": [
                f"{detected} of {genes}"
                for detected, genes in zip(recovered["detected"], recovered["genes"], strict=True)
            ],
            "Undefined": recovered["undefined"],
            "Mean rho": recovered["mean_spearman"].map(correlation),
            "Ceiling": recovered["ceiling"].map(correlation),
            "Linear ceiling": recovered["linear_ceiling"].map(correlation),
        }
    )
    for name in STRATA:
        table[name.capitalize()] = recovered[name].map(lambda share: percent(share, 0))
    return table


def _summary(recovered: pd.DataFrame) -> str:
    text = _for_readers(recovered).to_string(index=False)
    return f"Planted truth and how well it was recovered (undefined correlations count as 0):\n{text}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pgxeval.demo", description=_DESCRIPTION)
    parser.add_argument("--folder", type=Path, default=Path("pgxeval-demo"), help="where to write (%(default)s)")
    parser.add_argument("--individuals", type=int, default=300, help="%(default)s")
    parser.add_argument("--genes", type=int, default=40, help="%(default)s")
    parser.add_argument(
        "--replicates", type=int, default=None, help="runs on permuted expression (the library's default for the genes)"
    )
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")
    parser.add_argument("--workers", type=int, default=None, help="processes (all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
