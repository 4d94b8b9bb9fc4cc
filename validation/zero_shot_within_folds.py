"""Zero-shot predictors scored within folds, against a truth that is known exactly.

Writes `zero_shot_within_folds.md` next to this file. The prediction is the dosage of the one causal variant
(heritability 0.5; frequency 0.3, 0.15, or uniform from 0.05 to 0.5), so that Spearman's correlation in the population
follows from the three genotypes. "all together" is the ordinary correlation, "within folds" the one of a table that
also holds cross-fitted predictors. Genes with support below 5, whose intervals are withheld, are not counted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr

from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.inference import SPARSE_SUPPORT, student_interval


def truth(frequency: float) -> float:
    share = np.array([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2])
    value = np.arange(3) / np.sqrt(2 * frequency * (1 - frequency))
    expression = ndtr((value[:, None] - value) / np.sqrt(2)) @ share - 0.5
    grade = np.cumsum(share) - share / 2 - 0.5
    return float(share @ (grade * expression) / np.sqrt(share @ grade**2 / 12))


def main(seed: int = 1) -> None:
    rows = []
    for n, genes in ((90, 2000), (300, 2000), (953, 1000)):
        random = np.random.default_rng([seed, n])
        folds = random.integers(5, size=n)
        for label, low, high in (("0.3", 0.3, 0.3), ("0.15", 0.15, 0.15), ("0.05 to 0.5", 0.05, 0.5)):
            frequency = random.uniform(low, high, size=(genes, 1))
            x = random.binomial(2, frequency, size=(genes, n)).astype(float)
            y = x / np.sqrt(2 * frequency * (1 - frequency)) + random.normal(size=x.shape)
            t = np.array([truth(p) for p in frequency[:, 0]])
            expression = RankedExpression(y, threads=1)
            for name, by in (("all together", None), ("within folds", folds)):
                found = expression.correlate(x, folds=by)
                given = found.support >= SPARSE_SUPPORT
                lower, upper = student_interval(found.spearman, found.df, found.spearman_errors)
                error = (found.spearman - t)[given]
                rows.append(
                    {
                        "n": n,
                        "frequency": label,
                        "scored": name,
                        "truth": t.mean(),
                        "bias": error.mean(),
                        "its error": error.std() / np.sqrt(len(error)),
                        "coverage": np.mean(((lower < t) & (t < upper))[given]),
                    }
                )
    shown = pd.DataFrame(rows).map(lambda value: f"{value:.4f}" if isinstance(value, float) else value)
    table = shown.to_markdown(index=False, disable_numparse=True)
    text = f"# Zero-shot within folds\n\n{__doc__}\nSeed {seed}.\n\n{table}\n"
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
