r"""AlphaGenome beside an elastic net on your own cohort: first what it would cost, then the run and the report.

Count before anything is sent; this needs neither a key nor a connection::

    python examples/alphagenome_cohort.py --expression expression.bed.gz --genotypes genotypes.vcf.gz \
        --genes gencode.gtf.gz --reference GRCh38.fa --tissue Whole_Blood --plan-only

Then run it, if these individuals' data may go to the service; the key is read from ``ALPHAGENOME_API_KEY``::

    python examples/alphagenome_cohort.py ... --tissue Whole_Blood --allow-remote

When it is stopped, the same command goes on where it was. Try the whole way on a simulated cohort, with a server on
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

SHOWN = ["predictor", "n_genes", "defined", "n_right", "mean_spearman"]


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    files = made.add_argument_group("files")
    files.add_argument("--expression", type=Path, help="BED of GTEx and tensorQTL")
    files.add_argument("--genotypes", type=Path, help="VCF or BCF with its index; phased, but for --mode additive")
    files.add_argument("--genes", type=Path, help="GENCODE or Ensembl GTF")
    files.add_argument("--reference", type=Path, help="FASTA with its index, of the build of the genotypes")
    files.add_argument("--covariates", type=Path, help="GTEx layout")
    files.add_argument("--cache", type=Path, help=f"where paid answers are kept ({default_folder()})")
    files.add_argument("--out", type=Path, default=Path("pgxeval-alphagenome"), help="where to write (%(default)s)")
    model = made.add_argument_group("what is asked")
    model.add_argument("--tissue", help='GTEx tissue or ontology term, such as "Whole_Blood" or "EFO:0000572"')
    model.add_argument("--readout", default="exons", help="exons, gene_body or tss (%(default)s)")
    model.add_argument("--clip", action="store_true", help="of exons beyond the context, read what lies within")
    model.add_argument("--context-length", type=int, default=131_072, help="bases of sequence (%(default)s)")
    model.add_argument("--mode", choices=("haplotypes", "additive"), default="haplotypes", help="(%(default)s)")
    model.add_argument("--min-maf", type=float, default=0.0, help="leave out rarer alleles (%(default)s)")
    model.add_argument("--only-genes", nargs="+", metavar="GENE_ID", help="these genes alone")
    calls = made.add_argument_group("calls")
    calls.add_argument("--allow-remote", action="store_true", help="these individuals' sequences may go to the service")
    calls.add_argument("--plan-only", action="store_true", help="count the calls and stop")
    calls.add_argument("--calls-per-minute", type=int, help="quota, if you know it; else it is learned")
    calls.add_argument("--retry-failed", action="store_true", help="try again what failed for good in an earlier run")
    calls.add_argument("--local-server", action="store_true", help="demonstration: simulated cohort, local server")
    judged = made.add_argument_group("judgement")
    judged.add_argument("--replicates", type=int, help="runs of the elastic net on permuted expression")
    judged.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    judged.add_argument("--workers", type=int, help="processes of the elastic net (all cores)")
    return made


def cohort_of(asked: argparse.Namespace) -> pgxeval.Cohort:
    """Read the files; for the demonstration, simulate them first."""
    files: dict[str, Any] = {
        name: getattr(asked, name) for name in ("expression", "genotypes", "genes", "reference", "covariates")
    }
    if asked.local_server:
        kinds = {"null": 2, "additive": 4}
        files = dict(
            pgxeval.simulate_cohort(asked.out / "files", individuals=40, kinds=kinds, window_bp=20_000, seed=1).files
        )
    missing = [name for name in ("expression", "genotypes", "genes", "reference") if files.get(name) is None]
    if missing or not (asked.tissue or asked.local_server):
        wanted = ", ".join(f"--{name}" for name in [*missing, *([] if asked.tissue else ["tissue"])])
        raise pgxeval.SettingError(f"{wanted} must be given, or --local-server for a demonstration")
    cohort = pgxeval.Cohort.from_files(**files)
    return cohort.subset(genes=asked.only_genes) if asked.only_genes else cohort


def predictor_of(asked: argparse.Namespace, server: Any) -> pgxeval.AlphaGenomePredictor:
    """Make the predictor: of the service, or, to plan without one, of a stand-in on this machine."""
    clip = asked.readout == "exons" and (asked.clip or asked.local_server)
    settings: dict[str, Any] = {
        "tissue": asked.tissue or "Whole_Blood",
        "readout": pgxeval.ExonMask(partial="clip") if clip else asked.readout,
        "context_length": 16_384 if asked.local_server else asked.context_length,
        "mode": asked.mode,
        "variants": pgxeval.VariantFilter(min_maf=asked.min_maf) if asked.min_maf else None,
    }
    if asked.plan_only and not asked.allow_remote:
        return pgxeval.AlphaGenomePredictor(server.local(), **settings)
    if asked.local_server:
        settings |= {"address": server.address, "allow_remote": True, "cache": asked.cache or asked.out / "scores"}
    else:
        settings |= {"allow_remote": asked.allow_remote}
        if asked.cache is not None:
            settings["cache"] = asked.cache
    return pgxeval.AlphaGenomePredictor.hosted(
        calls_per_minute=asked.calls_per_minute, retry_failed=asked.retry_failed, **settings
    )


def judge(asked: argparse.Namespace, cohort: pgxeval.Cohort, alphagenome: pgxeval.AlphaGenomePredictor) -> Path:
    """Predict, evaluate, write the tables and the report; return its path."""
    flank_bp = alphagenome.context_length // 2
    variants = pgxeval.CisVariants(flank_bp=flank_bp, around="tss")  # what AlphaGenome sees
    predictions = pgxeval.predict_cohort(
        cohort,
        [alphagenome, pgxeval.ElasticNetPredictor(cis_variants=variants)],
        seed=asked.seed,
        replicates=4 if asked.replicates is None and asked.local_server else asked.replicates,
        workers=asked.workers,
    )
    predictions.write(asked.out / "predictions.parquet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(cohort).evaluate(predictions, seed=asked.seed, block_bp=2 * flank_bp)
    evaluation.per_gene.to_csv(asked.out / "per_gene.tsv", sep="\t", index=False)
    print("\n" + evaluation.summary[SHOWN].to_string(index=False, float_format="{:.3f}".format))
    for warning in caught:
        print(f"Note: {warning.message}.")
    reasons = predictions.table["reason"].astype(str)
    failed = reasons[reasons.str.startswith("AlphaGenome")].value_counts()
    for reason, number in failed.items():
        print(f"Without a prediction, {number} times: {reason}")
    return evaluation.to_html(asked.out / "report.html", title="AlphaGenome and elastic net")


def main() -> int:
    """Run; the last line printed is the path of the report, or the plan where that was all that was asked."""
    asked = parser().parse_args()
    began = time.monotonic()
    try:
        cohort = cohort_of(asked)
        asked.out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            server = None
            if asked.local_server or (asked.plan_only and not asked.allow_remote):
                from pgxeval.testing import AlphaGenomeServer

                server = stack.enter_context(AlphaGenomeServer())
            alphagenome = predictor_of(asked, server)
            bounds = [] if asked.min_maf else [0.001, 0.01, 0.05]
            plan = alphagenome.plan(cohort, calls_per_minute=asked.calls_per_minute, min_maf=bounds)
            plan.genes.to_csv(asked.out / "plan.tsv", sep="\t", index=False)
            print(plan)
            if asked.plan_only:
                return 0
            report = judge(asked, cohort, alphagenome)
    except ImportError as error:
        print(f'alphagenome_cohort: {error.name} is missing: pip install "pgxeval[alphagenome,demo]"', file=sys.stderr)
        return 1
    except pgxeval.PgxevalError as error:
        print(f"alphagenome_cohort: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("alphagenome_cohort: stopped; answers that came are kept, and the same command goes on", file=sys.stderr)
        return 130
    print(f"Took {time.monotonic() - began:.0f} s. The report:")
    print(report.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
