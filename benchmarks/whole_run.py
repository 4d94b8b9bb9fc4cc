"""`predict_cohort` end to end: processor seconds per gene, against an earlier version of this library.

Writes the Markdown file of the same name next to this script. Elastic net and random forest, five folds, 953
individuals, windows of 1 Mb on either side of the gene with about 5,300 variants of MAF >= 0.01. Every version runs
in a separate process on one thread, on the same simulated genes, without the compilation of kernels. Times of this
version are medians of three runs.
The earlier version repeats all work for a replicate, so its observed run alone is measured and counted twice. Give its
checkout (commit 70ef1e2) with ``--old``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

WINDOW_BP = 2_000_000
MUTATION_RATE = 2.45e-8
HERE = Path(__file__).resolve().parents[1]


def cohort_of(individuals: int, genes: int, window_bp: int, seed: int) -> Any:
    """Simulate a cohort with the version that is being measured; all versions draw the same."""
    from pgxeval.simulation.linkage import simulate_window

    try:
        from pgxeval.simulation.simulate import simulate_cohort_in_memory
    except ImportError:
        from pgxeval.simulate import simulate_cohort_in_memory  # type: ignore[no-redef,import-not-found]

    simulate_window.__kwdefaults__["mutation_rate"] = MUTATION_RATE
    return simulate_cohort_in_memory(
        individuals=individuals, kinds={"additive": genes}, window_bp=window_bp, seed=seed, spacing_bp=2_200_000
    )[0]


def run(cohort: Any, replicates: int) -> float:
    """Return the processor seconds of one run."""
    import pgxeval

    start = time.process_time()
    pgxeval.predict_cohort(
        cohort,
        [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()],
        folds=5,
        replicates=replicates,
        workers=1,
        progress=False,
    )
    return time.process_time() - start


@contextmanager
def profiled(spent: dict[str, float]) -> Iterator[None]:
    """Add up the processor seconds of the main steps of the present version."""
    from pgxeval.predictors.trained import elastic_net, linear, penalty, random_forest, training
    from pgxeval.predictors.trained.cis_variants import CisVariants

    steps: list[tuple[object, str, str]] = [
        (random_forest, "grow_forest", "random forest: grow"),
        (random_forest.ForestCodes, "make", "random forest: codes (once per fold)"),
        (random_forest.FittedRandomForest, "predict_window", "random forest: predict"),
        (elastic_net.ElasticNetPredictor, "fit_training", "elastic net: follow the path"),
        (linear.FittedLinear, "predict_window", "elastic net: predict"),
        (elastic_net, "GramColumns", "elastic net: columns (once per fold)"),
        (penalty, "standardise", "elastic net: standardise"),
        (CisVariants, "read", "read the window (once per gene)"),
        (training.TrainingGenotypes, "take", "select variants (once per fold)"),
        (training, "find_distinct", "identical columns (once per fold)"),
    ]
    missing = [name for owner, name, _ in steps if not hasattr(owner, name)]
    assert not missing, f"not in this version: {missing}"
    own = [(owner, name, vars(owner).get(name)) for owner, name, _ in steps]
    running: list[list[float]] = []

    def timed(call: Callable[..., Any], label: str) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            inner = [0.0]
            running.append(inner)
            start = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                taken = time.process_time() - start
                running.pop()
                spent[label] = spent.get(label, 0.0) + taken - inner[0]
                if running:
                    running[-1][0] += taken

        return wrapper

    try:
        for owner, name, label in steps:
            original = inspect.getattr_static(owner, name)
            bound = isinstance(original, classmethod)
            replacement = timed(original.__func__ if bound else original, label)
            setattr(owner, name, classmethod(replacement) if bound else replacement)
        yield
    finally:
        for owner, name, original in own:
            if original is None:  # inherited
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def measure(individuals: int, genes: int, window_bp: int, seed: int, *, profile: bool, replicates: int) -> None:
    """Print the measurements of the version that is on the path as JSON."""
    cohort = cohort_of(individuals, genes, window_bp, seed)
    if profile:
        run(cohort_of(60, 2, 20_000, seed), 1)  # compile
    if profile:
        run(cohort, 0)  # compile what the small run did not need
    repeats = [(run(cohort, replicates), run(cohort, 0) if profile else 0.0) for _ in range(3 if profile else 1)]
    result: dict[str, Any] = {"seconds": float(np.median([whole for whole, _ in repeats])) / genes}
    if profile:
        result["without replicate"] = float(np.median([observed for _, observed in repeats])) / genes
        spent: dict[str, float] = {}
        with profiled(spent):
            result["profiled"] = run(cohort, replicates) / genes
        result["profile"] = {label: seconds / genes for label, seconds in spent.items()}
    print(json.dumps(result))


def child(source: Path, *arguments: object) -> dict[str, Any]:
    """Run `measure` with the version of the library at `source`."""
    environment = {**os.environ, "PYTHONPATH": str(source / "src"), "PYTHONWARNINGS": "ignore"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(gene: int, new: dict[str, Any], old_seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the row of one gene in the table, and its profile."""
    row = {
        "gene": gene,
        "earlier version [s]": old_seconds,
        "this version [s]": new["seconds"],
        "times faster": old_seconds / new["seconds"],
        "observed run alone [s]": new["without replicate"],
        "cost of a replicate": (new["seconds"] - new["without replicate"]) / new["without replicate"],
    }
    return row, {**new["profile"], "all other": new["profiled"] - sum(new["profile"].values())}


def write(rows: list[dict[str, float]], profiles: list[dict[str, float]]) -> None:
    """Write the report."""
    from measuring import machine, verdict

    table = pd.DataFrame(rows)
    profile = pd.DataFrame(profiles).mean().sort_values(ascending=False)
    shares = pd.DataFrame({"step": profile.index, "s per gene": profile, "share": profile / profile.sum()})
    faster, share = table["times faster"].median(), table["cost of a replicate"].median()
    report = (
        f"# The whole run\n\n{__doc__}\n{machine('numpy', 'numba', 'scikit-learn')}\n\n"
        "## One observed run and one replicate\n\n"
        f"{table.to_markdown(index=False, floatfmt=('.0f', '.1f', '.2f', '.1f', '.2f', '.2f'))}\n\n"
        f"Median: {faster:.1f} times faster (bar 10: {verdict(faster, 10)}); a further replicate costs {share:.2f} of "
        f"the observed run (bar at most 0.6: {'met' if share <= 0.6 else 'missed'}).\n\n"
        f"## Where the time goes\n\n{shares.to_markdown(index=False, floatfmt='.3f')}\n"
    )
    print(report)
    Path(__file__).with_suffix(".md").write_text(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--genes", type=int, default=2)
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        individuals, genes, window_bp, seed, replicates, profile = map(int, asked.measure)
        measure(individuals, genes, window_bp, seed, profile=bool(profile), replicates=replicates)
        return
    rows, profiles = [], []
    for seed in range(asked.genes):
        new = child(HERE, 953, 1, WINDOW_BP, seed, 1, 1)
        old = child(asked.old.resolve(), 953, 1, WINDOW_BP, seed, 0, 0) if asked.old else {"seconds": float("nan")}
        row, profile = compare(seed + 1, new, 2 * old["seconds"])
        rows.append(row)
        profiles.append(profile)
        print(rows[-1], flush=True)
    write(rows, profiles)


if __name__ == "__main__":
    main()
