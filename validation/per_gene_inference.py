"""p-values and intervals of single genes under heavy tails, variance that depends on genotype, and relatives.

Writes `per_gene_inference.md` next to this file. Each cell rests on thousands of data sets, through `Evaluator`.
"before" are Student's t and Fisher's interval (with Bonett and Wright's variance for Spearman's correlation), "after"
is what the library reports now. Type I error is at 5 % where the true rank correlation is 0, coverage at 95 % where it
is not, each with its Monte Carlo standard error in parentheses. Numbers that are withheld do not count; their share is
shown, and a cell is empty where fewer than 2 % are left. Intervals are withheld below 20 (Spearman) and 60 (Pearson)
individuals; with fewer than 60 individuals, p-values are withheld where fewer than 7 of them differ in prediction or
expression, and intervals where fewer than 12 do.

A p-value by permutation tests whether prediction and expression are independent. Where variance depends on a genotype
with few carriers they are not, so such a p-value rejects without a correlation: the rows of a genotype of 5 % at 60
individuals and more show how often. No test of the correlation exists for six carriers of unknown variance.

The last table is about relatives: a variant without effect is transmitted in families, and half of the variance of
expression is polygenic, so related individuals resemble each other on both sides.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import EvaluationSettings, Evaluator
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.inference import student_p, studentised, textbook_p

warnings.simplefilter("ignore", PgxevalWarning)
Sample = Callable[[tuple[int, int], np.random.Generator], tuple[np.ndarray, np.ndarray]]


def genotype(frequency: float, effect: float, *, spread: float = 0.0, expressed: float = 1.0) -> Sample:
    """Return expression whose mean and standard deviation depend on a genotype, zero in a part of the individuals."""

    def draw(shape: tuple[int, int], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = random.binomial(2, frequency, size=shape).astype(float)
        y = effect * x + random.normal(size=shape) * (1 + spread * x)
        if expressed < 1:
            y = np.where(random.random(shape) < expressed, np.exp(y), 0.0)
        return x, y

    return draw


def continuous(rho: float, *, degrees: int = 0, exponential: bool = False, expressed: float = 1.0) -> Sample:
    """Return a bivariate normal or t distribution, expression perhaps exponentiated or zero in a part."""

    def draw(shape: tuple[int, int], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = random.normal(size=shape)
        y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=shape)
        if degrees:
            scale = np.sqrt(degrees / random.chisquare(degrees, size=shape))
            x, y = x * scale, y * scale
        y = np.exp(y) if exponential else y
        return x, np.where(random.random(shape) < expressed, y, 0.0) if expressed < 1 else y

    return draw


NULL: dict[str, Sample] = {
    "normal": continuous(0.0),
    "bivariate t, 3 degrees of freedom": continuous(0.0, degrees=3),
    "log-normal expression": continuous(0.0, exponential=True),
    "zero in 70 %": genotype(0.3, 0.0, expressed=0.3),
    "zero in 90 %": genotype(0.3, 0.0, expressed=0.1),
    "genotype 5 %": genotype(0.05, 0.0),
    "genotype 1 %": genotype(0.01, 0.0),
    "genotype 30 %, variance depends on it": genotype(0.3, 0.0, spread=1.0),
    "genotype 10 %, variance depends on it": genotype(0.1, 0.0, spread=2.0),
    "genotype 5 %, variance depends on it": genotype(0.05, 0.0, spread=2.0),
}
SIGNAL: dict[str, Sample] = {
    "normal, 0.3": continuous(0.3),
    "normal, 0.7": continuous(0.7),
    "bivariate t, 0.3": continuous(0.3, degrees=3),
    "bivariate t, 0.7": continuous(0.7, degrees=3),
    "log-normal expression, 0.5": continuous(0.5, exponential=True),
    "genotype 30 %, h2 0.4": genotype(0.3, 1.26),
    "genotype 5 %, h2 0.1": genotype(0.05, 1.08),
    "genotype 10 %, variance depends on it": genotype(0.1, 1.0, spread=1.0),
    "zero in 70 %, h2 0.1": genotype(0.3, 0.5, expressed=0.3),
}


def evaluate(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    genes, n = x.shape
    people = [f"S{i:04d}" for i in range(n)]
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(genes) * 10**6, "end": np.arange(genes) * 10**6 + 1})
    place["gene_id"] = [f"G{g:05d}" for g in range(genes)]
    expression = pd.concat([place, pd.DataFrame(y, columns=people)], axis=1)
    table = pd.DataFrame(
        {
            "predictor": "m",
            "gene_id": np.repeat(place["gene_id"].to_numpy(), n),
            "individual": np.tile(people, genes),
            "prediction": x.ravel(),
        }
    )
    return Evaluator(expression, threads=1).evaluate(table, settings=EvaluationSettings(permutations=0)).per_gene


def share(hits: ArrayLike, least: float = 0.0, of: int = 1) -> str:
    """Return a share and its Monte Carlo standard error, or nothing where too few data sets have the number."""
    found = np.asarray(hits, dtype=float)
    if len(found) <= least * of:
        return ""
    # the share of an empty count has the error of half a count
    p = np.clip(found.mean(), 0.5 / len(found), 1 - 0.5 / len(found))
    return f"{found.mean():.3f} ({np.sqrt(p * (1 - p) / len(found)):.3f})"


def level(sample: Sample, n: int, sets: int, seed: list[int]) -> dict[str, object]:
    x, y = sample((sets, n), np.random.default_rng(seed))
    found = evaluate(x, y)
    row: dict[str, object] = {}
    for name, p in (("Spearman", found["p_value"]), ("Pearson", found["pearson_p"])):
        defined = found[name.lower()].notna()
        before = textbook_p(found.loc[defined, name.lower()], n - 2)
        row |= {
            f"{name}: before": share(before < 0.05),
            f"{name}: after": share(p.dropna() < 0.05, 0.02, len(p)),
            f"{name}: withheld": p[defined].isna().mean(),
        }
    at_most = found["p_value"].dropna()
    row["Spearman at 1 %"] = share(at_most < 0.01, 0.02, len(found))
    row["permuted genes"] = found["inference"].str.contains("permutation").mean()
    return row


def coverage(sample: Sample, n: int, sets: int, seed: list[int]) -> dict[str, object]:
    random = np.random.default_rng(seed)
    big = sample((1, 1_000_000), random)
    truth = {
        "spearman": stats.spearmanr(big[0][0], big[1][0]).statistic,
        "pearson": np.corrcoef(big[0][0], big[1][0])[0, 1],
    }
    found = evaluate(*sample((sets, n), random))
    row: dict[str, object] = {}
    for name, low, high, rank in (
        ("spearman", "spearman_low", "spearman_high", True),
        ("pearson", "pearson_low", "pearson_high", False),
    ):
        r, t = found[name].dropna(), truth[name]
        half = 1.96 * np.sqrt((1 + (r**2 / 2 if rank else 0)) / (n - 3))
        given = found[low].notna()
        inside = (found.loc[given, low] < t) & (t < found.loc[given, high])
        label = name.capitalize()
        row |= {
            f"{label}: before": share(np.abs(np.arctanh(r.clip(-1 + 1e-12, 1 - 1e-12)) - np.arctanh(t)) < half),
            f"{label}: after": share(inside, 0.02, len(found)),
            f"{label}: withheld": 1 - given[found[name].notna()].mean(),
        }
    return row


def family(kind: str) -> np.ndarray:
    """Return parents of each member, -1 for founders; a twin has the genotype of the member before."""
    return {
        "trios": np.array([[-1, -1], [-1, -1], [0, 1]]),
        "sibling pairs": np.array([[-1, -1], [-1, -1], [0, 1], [0, 1]]),
        "twins": np.array([[-1, -1], [-2, -2]]),
        "pedigrees of ten": np.array(
            [[-1, -1], [-1, -1], [0, 1], [0, 1], [0, 1], [-1, -1], [-1, -1], [2, 5], [2, 5], [3, 6]]
        ),
    }[kind]


def relatives(kind: str, n: int, sets: int, seed: list[int]) -> dict[str, object]:
    random = np.random.default_rng(seed)
    parents = family(kind)
    shown = [2, 3] if kind == "sibling pairs" else list(range(len(parents)))
    families = n // len(shown)
    copies = np.empty((sets, families, len(parents), 2))
    value = np.empty((sets, families, len(parents)))
    for member, (mother, father) in enumerate(parents):
        if mother == -1:
            copies[:, :, member] = random.random((sets, families, 2)) < 0.3
            value[:, :, member] = random.normal(size=(sets, families))
        elif mother == -2:
            copies[:, :, member], value[:, :, member] = copies[:, :, member - 1], value[:, :, member - 1]
        else:
            for side, parent in enumerate((mother, father)):
                pick = random.integers(2, size=(sets, families, 1))
                copies[:, :, member, side] = np.take_along_axis(copies[:, :, parent], pick, axis=2)[:, :, 0]
            mean = (value[:, :, mother] + value[:, :, father]) / 2
            value[:, :, member] = mean + np.sqrt(0.5) * random.normal(size=mean.shape)
    x = copies.sum(axis=3)[:, :, shown].reshape(sets, -1)
    y = value[:, :, shown].reshape(sets, -1)
    y = np.sqrt(0.5) * y + np.sqrt(0.5) * random.normal(size=y.shape)
    groups = np.repeat(np.arange(families), len(shown))
    row: dict[str, object] = {"families": families}
    plain = RankedExpression(y, threads=1).correlate(x)
    by_family = RankedExpression(y, threads=1, groups=groups).correlate(x)
    row["Student's t"] = share(textbook_p(plain.spearman, plain.df) < 0.05)
    for label, found in (("by individual", plain), ("by family", by_family)):
        p, _ = student_p(studentised(found.spearman, found.spearman_errors), found.spearman_errors.df)
        row[label] = share(p < 0.05)
    return row


def table(rows: list[dict[str, object]]) -> str:
    def text(value: object) -> object:
        return f"{value:.3f}" if isinstance(value, float) else value

    return pd.DataFrame(rows).map(text).to_markdown(index=False, disable_numparse=True)


def kept(path: Path, rows: Callable[[], list[dict[str, object]]]) -> list[dict[str, object]]:
    """Return rows from the file, which is made where it is missing."""
    if not path.exists():
        pd.DataFrame(rows()).to_csv(path, index=False)
        print(path.name, flush=True)
    return pd.read_csv(path, keep_default_na=False).to_dict("records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="complete parts are kept here, so that a run can be continued")
    parser.add_argument("--sets", type=int, default=2000, help="per cell, three times as many up to n = 90")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    levels, covers, families = [], [], []
    for n in (15, 20, 30, 60, 90, 300, 953):
        sets = options.sets * (3 if n <= 90 else 1)
        levels += kept(
            options.folder / f"levels_{n}.csv",
            lambda n=n, sets=sets: [
                {"n": n, "data": name} | level(sample, n, sets, [options.seed, n, 1]) for name, sample in NULL.items()
            ],
        )
        covers += kept(
            options.folder / f"covers_{n}.csv",
            lambda n=n, sets=sets: [
                {"n": n, "data": name} | coverage(sample, n, sets, [options.seed, n, 2])
                for name, sample in SIGNAL.items()
            ],
        )
    for n in (90, 300):
        families += kept(
            options.folder / f"relatives_{n}.csv",
            lambda n=n: [
                {"n": n, "relatives": kind} | relatives(kind, n, options.sets, [options.seed, n, 3])
                for kind in ("trios", "sibling pairs", "twins", "pedigrees of ten")
            ],
        )
    text = (
        f"# Inference of single genes\n\n{__doc__}\n"
        f"Seed {options.seed}, {options.sets} data sets per cell, three times as many up to n = 90.\n\n"
        f"## Type I error at 5 %\n\n{table(levels)}\n\n## Coverage at 95 %\n\n{table(covers)}\n\n"
        f"## Relatives: type I error at 5 %\n\n{table(families)}\n"
    )
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
