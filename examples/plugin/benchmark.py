"""A benchmark with the plugin by its name: a simulated cohort, an elastic net for comparison, one evaluation.

Expression in a simulated cohort depends on random variants, about which motifs carry no information: the plugin should
get half of the directions right, the elastic net more. The last line printed is the path of the table.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import pgxeval
from pgxeval.predictors.registry import make_predictor


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None, help="where to write (a temporary folder)")
    parser.add_argument("--individuals", type=int, default=60, help="%(default)s")
    parser.add_argument("--genes", type=int, default=12, help="%(default)s")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="promoter-motifs-"))

    simulated = pgxeval.simulate_cohort(
        folder / "cohort",
        individuals=arguments.individuals,
        kinds={"additive": arguments.genes},
        heritability=0.5,
        window_bp=20_000,
    )
    cohort = pgxeval.Cohort.from_files(**simulated.files)
    predictors = [make_predictor("promoter_motifs"), make_predictor("elastic_net")]
    predictions = pgxeval.predict_cohort(cohort, predictors, replicates=1, workers=1, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)  # so few genes are few blocks
        evaluation = pgxeval.Evaluator(cohort).evaluate(predictions)
    print(evaluation.per_gene.groupby("predictor", observed=True)[["spearman", "n"]].agg(["count", "mean"]).to_string())
    print(f"{predictors[0].passes} sequences passed for {2 * len(cohort.individuals) * len(cohort.genes)} haplotypes")
    path = folder / "per_gene.tsv"
    evaluation.per_gene.to_csv(path, sep="\t", index=False)
    print(path.resolve())


if __name__ == "__main__":
    main()
