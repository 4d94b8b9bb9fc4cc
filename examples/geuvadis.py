"""The main job on real input: 90 European individuals of Geuvadis, 428 genes on chromosomes 1 and 2.

Run it with the folder that holds ``genotypes.vcf.gz`` and ``expression.bed.gz``::

    python examples/geuvadis.py ../shared/data/geuvadis

The genotypes are unphased and some are missing: dosages need no phase, and missing ones are imputed from
the training individuals. No gene models are given, so the cis windows are centred
on the positions in the expression table. Finished genes are kept in ``store``: a second run continues there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pgxeval

DATA = Path(os.environ.get("PGXEVAL_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def main() -> int:
    """Run the job; the last line printed is the path of the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA / "geuvadis", help="folder (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("pgxeval-geuvadis"), help="where to write (%(default)s)")
    parser.add_argument("--genes", type=int, default=None, help="use the first genes only")
    parser.add_argument("--replicates", type=int, default=None, help="runs on permuted expression")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")
    parser.add_argument("--workers", type=int, default=None, help="processes (all cores)")
    arguments = parser.parse_args()

    started = time.monotonic()
    try:
        cohort = pgxeval.Cohort.from_files(
            expression=arguments.data / "expression.bed.gz", genotypes=arguments.data / "genotypes.vcf.gz"
        )
        if arguments.genes is not None:
            cohort = cohort.subset(genes=cohort.gene_ids[: arguments.genes])
        arguments.folder.mkdir(parents=True, exist_ok=True)
        predictions = pgxeval.predict_cohort(
            cohort,
            [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()],
            seed=arguments.seed,
            replicates=arguments.replicates,
            workers=arguments.workers,
            store=arguments.folder / "store",
        )
        predictions.write(arguments.folder / "predictions.parquet")
        evaluation = pgxeval.Evaluator(cohort).evaluate(
            predictions, settings=pgxeval.EvaluationSettings(seed=arguments.seed)
        )
        evaluation.per_gene.to_csv(arguments.folder / "per_gene.tsv", sep="\t", index=False)
        report = evaluation.to_html(
            arguments.folder / "report.html",
            title="Geuvadis: elastic net and random forest on 90 European individuals",
        )
    except pgxeval.PgxevalError as error:
        print(f"geuvadis: {error}", file=sys.stderr)
        return 1
    columns = ["predictor", "stratum", "n_genes", "defined", "mean_correlation", "share_right", "reference_share"]
    print(evaluation.summary[columns].to_string(index=False, float_format="{:.3f}".format))
    print(f"Took {time.monotonic() - started:.0f} s. The report:")
    print(report.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
