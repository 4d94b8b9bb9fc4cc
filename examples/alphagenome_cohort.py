r"""AlphaGenome and an elastic net on your own cohort: first what it would cost, then the run and the report.

Count the calls before anything is sent; this needs neither a key nor a connection::

    python examples/alphagenome_cohort.py --expression expression.bed.gz --genotypes genotypes.vcf.gz \
        --genes gencode.gtf.gz --reference GRCh38.fa --tissue Whole_Blood --plan-only

Then run it, if these individuals' data may go to the service; the key is read from ``ALPHAGENOME_API_KEY``::

    python examples/alphagenome_cohort.py ... --tissue Whole_Blood --allow-remote

If it is stopped, run the same command again: it continues. To try everything on a simulated cohort, with a server on
this machine in place of the service::

    python examples/alphagenome_cohort.py --local-server
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pgxeval
from pgxeval.predictors.sequence.cache import default_folder

SHOWN = ["predictor", "n_genes", "defined", "n_right", "mean_correlation"]


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    files = options.add_argument_group("files")
    files.add_argument("--expression", type=Path, help="BED of GTEx and tensorQTL")
    files.add_argument("--genotypes", type=Path, help="VCF or BCF with its index; phased, but for --mode additive")
    files.add_argument("--genes", type=Path, help="GENCODE or Ensembl GTF")
    files.add_argument("--reference", type=Path, help="FASTA with its index, of the build of the genotypes")
    files.add_argument("--covariates", type=Path, help="GTEx layout")
    files.add_argument("--cache", type=Path, help=f"folder of the score cache ({default_folder()})")
    files.add_argument("--out", type=Path, default=Path("pgxeval-alphagenome"), help="where to write (%(default)s)")
    model = options.add_argument_group("model")
    model.add_argument("--tissue", help='GTEx tissue or ontology term, such as "Whole_Blood" or "EFO:0000572"')
    model.add_argument("--readout", default="exons", help="exons, gene_body or tss (%(default)s)")
    model.add_argument(
        "--clip", action="store_true", help="read only the part of the exons that lies within the context"
    )
    model.add_argument("--context-length", type=int, default=131_072, help="bases of sequence (%(default)s)")
    model.add_argument("--mode", choices=("haplotypes", "additive"), default="haplotypes", help="(%(default)s)")
    model.add_argument("--min-maf", type=float, default=0.0, help="drop rarer alleles (%(default)s)")
    model.add_argument("--only-genes", nargs="+", metavar="GENE_ID", help="only these genes")
    calls = options.add_argument_group("calls")
    calls.add_argument("--allow-remote", action="store_true", help="these individuals' sequences may go to the service")
    calls.add_argument("--plan-only", action="store_true", help="count the calls and stop")
    calls.add_argument("--calls-per-minute", type=int, help="quota, if known; else it is learned")
    calls.add_argument(
        "--retry-failed", action="store_true", help="try again sequences that failed permanently in an earlier run"
    )
    calls.add_argument("--local-server", action="store_true", help="demonstration: simulated cohort, local server")
    evaluation = options.add_argument_group("evaluation")
    evaluation.add_argument("--replicates", type=int, help="runs of the elastic net on permuted expression")
    evaluation.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    evaluation.add_argument("--workers", type=int, help="processes of the elastic net (all cores)")
    return options


def cohort_of(arguments: argparse.Namespace) -> pgxeval.Cohort:
    """Read the files; for the demonstration simulate them first."""
    files: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("expression", "genotypes", "genes", "reference", "covariates")
    }
    if arguments.local_server:
        kinds = {"null": 2, "additive": 4}
        files = dict(
            pgxeval.simulate_cohort(
                arguments.out / "files", individuals=40, kinds=kinds, window_bp=20_000, seed=1
            ).files
        )
    missing = [name for name in ("expression", "genotypes", "genes", "reference") if files.get(name) is None]
    if missing or not (arguments.tissue or arguments.local_server):
        required = ", ".join(f"--{name}" for name in [*missing, *([] if arguments.tissue else ["tissue"])])
        raise pgxeval.SettingError(f"{required} must be given, or --local-server for a demonstration")
    cohort = pgxeval.Cohort.from_files(**files)
    return cohort.subset(genes=arguments.only_genes) if arguments.only_genes else cohort


def predictor_of(arguments: argparse.Namespace, server: Any) -> pgxeval.AlphaGenomePredictor:
    """Make the predictor: for the service, or for a stand-in on this machine to plan without it."""
    clip = arguments.readout == "exons" and (arguments.clip or arguments.local_server)
    settings: dict[str, Any] = {
        "tissue": arguments.tissue or "Whole_Blood",
        "readout": pgxeval.ExonMask(partial="clip") if clip else arguments.readout,
        "context_length": 16_384 if arguments.local_server else arguments.context_length,
        "mode": arguments.mode,
        "variant_filter": pgxeval.VariantFilter(min_maf=arguments.min_maf) if arguments.min_maf else None,
    }
    if arguments.plan_only and not arguments.allow_remote:
        return pgxeval.AlphaGenomePredictor.local(server.local(), **settings)
    if arguments.local_server:
        settings |= {
            "address": server.address,
            "allow_remote": True,
            "score_cache": arguments.cache or arguments.out / "scores",
        }
    else:
        settings |= {"allow_remote": arguments.allow_remote}
        if arguments.cache is not None:
            settings["score_cache"] = arguments.cache
    return pgxeval.AlphaGenomePredictor.hosted(
        calls_per_minute=arguments.calls_per_minute, retry_failed=arguments.retry_failed, **settings
    )


def evaluate(arguments: argparse.Namespace, cohort: pgxeval.Cohort, alphagenome: pgxeval.AlphaGenomePredictor) -> Path:
    """Predict, evaluate, write the tables and the report; return the path of the report."""
    flank_bp = alphagenome.context_length // 2
    variants = pgxeval.CisVariants(flank_bp=flank_bp, around="tss")  # the window of AlphaGenome
    predictions = pgxeval.predict_cohort(
        cohort,
        [alphagenome, pgxeval.ElasticNetPredictor(cis_variants=variants)],
        seed=arguments.seed,
        replicates=4 if arguments.replicates is None and arguments.local_server else arguments.replicates,
        workers=arguments.workers,
    )
    predictions.write(arguments.out / "predictions.parquet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(
            predictions, settings=pgxeval.EvaluationSettings(seed=arguments.seed, block_bp=2 * flank_bp)
        )
    evaluation.per_gene.to_csv(arguments.out / "per_gene.tsv", sep="\t", index=False)
    print("\n" + evaluation.summary[SHOWN].to_string(index=False, float_format="{:.3f}".format))
    for warning in caught:
        print(f"Note: {warning.message}.")
    reasons = predictions.table["reason"].astype(str)
    failed = reasons[reasons.str.startswith("AlphaGenome")].value_counts()
    for reason, number in failed.items():
        print(f"No prediction for {number} pairs of gene and individual: {reason}")
    return evaluation.to_html(arguments.out / "report.html", title="AlphaGenome and elastic net")


def main() -> int:
    """Run; the last line printed is the path of the report, or the plan with --plan-only."""
    arguments = parser().parse_args()
    start = time.monotonic()
    try:
        cohort = cohort_of(arguments)
        arguments.out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            server = None
            if arguments.local_server or (arguments.plan_only and not arguments.allow_remote):
                from pgxeval.testing import AlphaGenomeServer

                server = stack.enter_context(AlphaGenomeServer())
            alphagenome = predictor_of(arguments, server)
            bounds = [] if arguments.min_maf else [0.001, 0.01, 0.05]
            plan = alphagenome.plan(cohort, calls_per_minute=arguments.calls_per_minute, min_maf=bounds)
            plan.genes.to_csv(arguments.out / "plan.tsv", sep="\t", index=False)
            print(plan)
            if arguments.plan_only:
                return 0
            report = evaluate(arguments, cohort, alphagenome)
    except ImportError as error:
        print(f'alphagenome_cohort: {error.name} is missing: pip install "pgxeval[alphagenome,demo]"', file=sys.stderr)
        return 1
    except pgxeval.PgxevalError as error:
        print(f"alphagenome_cohort: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "alphagenome_cohort: stopped; all completed scores are in the cache, and the same command continues",
            file=sys.stderr,
        )
        return 130
    print(f"Took {time.monotonic() - start:.0f} s. The report:")
    print(report.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
