"""The command ``pgxeval``: files in, a report and tables out; a thin layer over the public functions."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pgxeval import demo
from pgxeval.cohort import Cohort
from pgxeval.errors import InputFileError, PgxevalError, PgxevalWarning
from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator
from pgxeval.prediction import predict_cohort
from pgxeval.predictors import CisVariants, ElasticNetPredictor, RandomForestPredictor
from pgxeval.provenance import __version__

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv
        Arguments of the command line; None takes those of this process.

    Returns
    -------
    int
        Exit status: 0; 1 after an error that was explained; 2 for wrong arguments; 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["demo"]:
        return demo.main(words[1:])
    arguments = _parser().parse_args(words)
    folder: Path | None = getattr(arguments, "out", None)
    is_new = folder is not None and not folder.exists()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note
            for line in arguments.action(arguments):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    except PgxevalError as error:
        if folder is not None and is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        sys.stderr.write(f"pgxeval {arguments.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"pgxeval {arguments.command}: interrupted; the same command continues from the store\n")
        return INTERRUPTED
    return 0


def _note(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """Write a warning as a sentence, without the place in the code."""
    name = "Note" if issubclass(category, PgxevalWarning) else category.__name__
    sys.stderr.write(f"{name}: {message}\n")


def _replicates(text: str) -> int | Literal["quick"]:
    if text == "quick":
        return "quick"
    return int(text)


def _run(arguments: argparse.Namespace) -> Sequence[str]:
    folder = _folder(arguments.out)
    cohort = _cohort(arguments)
    variants = CisVariants(flank_bp=arguments.flank_bp)
    predictions = predict_cohort(
        cohort,
        [ElasticNetPredictor(cis_variants=variants), RandomForestPredictor(cis_variants=variants)],
        folds=arguments.folds,
        seed=arguments.seed,
        replicates=arguments.replicates,
        workers=arguments.workers,
        progress=not arguments.quiet,
        store=folder / "store",
    )
    table = predictions.write(folder / "predictions.parquet")
    evaluation = Evaluator(cohort).evaluate(table, settings=EvaluationSettings(seed=arguments.seed))
    return [repr(cohort), *_written(evaluation, folder)]


def _evaluate(arguments: argparse.Namespace) -> Sequence[str]:
    folder = _folder(arguments.out)
    evaluation = Evaluator(arguments.expression).evaluate(
        arguments.predictions, settings=EvaluationSettings(seed=arguments.seed)
    )
    return _written(evaluation, folder)


def _check(arguments: argparse.Namespace) -> Sequence[str]:
    cohort = _cohort(arguments)
    return [repr(cohort), cohort.check().to_string(index=False)]


def _written(evaluation: Evaluation, folder: Path) -> Sequence[str]:
    evaluation.write(folder / "evaluation")
    report = evaluation.to_html(folder / "report.html")
    return [repr(evaluation), f"Tables: {folder / 'evaluation'}", f"Report: {report}"]


def _cohort(arguments: argparse.Namespace) -> Cohort:
    return Cohort.from_files(
        expression=arguments.expression,
        genotypes=arguments.genotypes,
        genes=arguments.genes,
        covariates=arguments.covariates,
        reference=arguments.reference,
    )


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"--out {path} cannot be used as a folder ({error.strerror}); choose another one"
        raise InputFileError(message) from error
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pgxeval",
        description="Which model can read a personal genome?",
        epilog="pgxeval COMMAND --help explains the options of a command",
    )
    parser.add_argument("--version", action="version", version=f"pgxeval {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="files to elastic net and random forest, tables and a report")
    _add_cohort(run)
    run.add_argument("--out", type=Path, required=True, help="folder for predictions, tables and report")
    run.add_argument("--flank-bp", type=int, default=1_000_000, help="cis window on either side (%(default)s)")
    run.add_argument("--folds", type=int, default=5, help="%(default)s")
    run.add_argument(
        "--replicates",
        type=_replicates,
        default=None,
        metavar="NUMBER",
        help='runs on permuted expression, or "quick" for trying things (5 to 20)',
    )
    run.add_argument("--workers", type=int, default=None, help="processes (one per core)")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    run.add_argument("--seed", type=int, default=0, help="%(default)s")
    run.set_defaults(action=_run)

    evaluate = commands.add_parser("evaluate", help="evaluate a predictions table from any source")
    evaluate.add_argument("--predictions", type=Path, required=True, help="Parquet, CSV or TSV")
    evaluate.add_argument("--expression", type=Path, required=True, help="expression BED")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for tables and report")
    evaluate.add_argument("--seed", type=int, default=0, help="%(default)s")
    evaluate.set_defaults(action=_evaluate)

    check = commands.add_parser("check", help="check a cohort's files against each other; nothing is computed")
    _add_cohort(check)
    check.set_defaults(action=_check)

    commands.add_parser("demo", help="simulate a cohort and run everything on it", add_help=False)
    return parser


def _add_cohort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genotypes", required=True, help="indexed VCF or BCF, or PLINK 2")
    parser.add_argument("--expression", required=True, help="expression BED")
    parser.add_argument("--genes", help="GTF with gene models")
    parser.add_argument("--covariates", help="covariate table")
    parser.add_argument("--reference", help="FASTA")


if __name__ == "__main__":
    sys.exit(main())
