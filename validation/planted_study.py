"""Headline numbers of a study whose truth is planted: coverage of their intervals, and findings recovered.

Writes `planted_study.md` next to this file. Each cohort has 150 individuals and 200 genes in blocks of two that share a
part of their noise. A gene is additive in two of six variants (with effects of 0.8 and 0.6) with a probability of 60 %,
depends on being heterozygous at the first one (no linear effect at a frequency of one half) with 20 %, and has no
effect with 20 %. Two zero-shot predictors, "alpha" and "beta", follow the genetic component with the right sign with
the stated probabilities. In the first scenario alpha reads the weaker of the two causal variants only; in the second it
reads both, and some of the others. Two cross-fitted predictors replace elastic net and random forest, so that
hundreds of cohorts are possible: least squares on the dosages, and least squares on the dosages and the indicators of
heterozygotes. Their permuted replicates are made as `predict_cohort` makes them.

What an interval is for: the genes of a cohort are a sample of all genes that there could be, of which 60 % are additive
and so on. The truth of shares, means and differences is therefore the expectation over genes and cohorts at this sample
size, estimated by the mean over all simulated cohorts. With a fixed number of genes of each kind in each cohort, which
an earlier version of this page had, estimates vary less than the intervals say: they covered 98.5 to 100 % for
the cross-fitted predictors, whose correlations differ most between kinds. The estimated odds ratio of the true
directions is compared with the planted 3.27 and 1. The interval of a difference to the permuted share also counts the
variance between replicates, which makes it slightly too wide.

    python validation/planted_study.py collect FOLDER --minutes 6
    python validation/planted_study.py summarise FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import tabulate

from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator, flips
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.study.questions.mechanism import answer_gap

GENES, INDIVIDUALS, FOLDS, REPLICATES = 200, 150, 5, 5
HERITABILITY, SHARED_NOISE = 0.15, 0.3
VARIANTS, EFFECTS = 6, np.array([0.8, 0.6, 0.0, 0.0, 0.0, 0.0])
ACCURACY = {"planted": 0.6, "not planted": 0.9}
MECHANISM_MARGIN = 0.2
MARGIN = 0.05
SCENARIOS = {"planted": (0.80, 0.55), "not planted": (0.65, 0.65)}
PEOPLE = [f"P{i:03d}" for i in range(INDIVIDUALS)]
GENE_IDS = [f"G{g:03d}" for g in range(GENES)]
KINDS = {"additive": 0.6, "overdominant": 0.2, "none": 0.2}


def standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)


def cross_fitted(
    features: np.ndarray, expression: np.ndarray, folds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return held-out least-squares predictions, the training mean of each individual's fold, and mean weights."""
    predicted, means = np.empty_like(expression), np.empty_like(expression)
    mean_weights = np.zeros((features.shape[0], features.shape[2]))
    for fold in np.unique(folds):
        test = folds == fold
        x, y = features[:, ~test], expression[:, ~test]
        centre, mean = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
        x, y = x - centre, y - mean
        gram = x.transpose(0, 2, 1) @ x + 1e-6 * np.eye(x.shape[2])
        weights = np.linalg.solve(gram, x.transpose(0, 2, 1) @ y[..., None])[..., 0]
        predicted[:, test] = mean + ((features[:, test] - centre) @ weights[..., None])[..., 0]
        means[:, test] = mean
        mean_weights += weights / len(np.unique(folds))
    return predicted, means, mean_weights


def cohort(seed: int, scenario: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]:
    """Return expression table, predictions table and the predictions that effects of dosages imply."""
    random = np.random.default_rng(seed)
    dosages = random.binomial(2, 0.5, size=(GENES, INDIVIDUALS, VARIANTS)).astype(float)
    kinds = random.choice(list(KINDS), p=list(KINDS.values()), size=GENES)
    linear = standardised(dosages @ EFFECTS)
    component = np.where((kinds == "additive")[:, None], linear, standardised((dosages[:, :, 0] == 1).astype(float)))
    component[kinds == "none"] = 0.0
    block = np.repeat(random.normal(size=(GENES // 2, INDIVIDUALS)), 2, axis=0)
    noise = np.sqrt(SHARED_NOISE) * block + np.sqrt(1 - SHARED_NOISE) * random.normal(size=(GENES, INDIVIDUALS))
    expression = np.sqrt(HERITABILITY) * component + np.sqrt(1 - HERITABILITY) * noise
    folds = assign_folds(PEOPLE, FOLDS, seed)
    accuracy, tables, implied = ACCURACY[scenario], [], {}
    rest = np.sqrt(1 - accuracy**2)
    for name, share in zip(("alpha", "beta"), SCENARIOS[scenario], strict=True):
        sign = np.where(random.random((GENES, 1)) < share, 1.0, -1.0)
        values = accuracy * sign * component + rest * random.normal(size=expression.shape)
        if name == "alpha":
            weights = random.normal(size=(GENES, VARIANTS)) * (EFFECTS == 0)
            others = standardised(np.einsum("giv,gv->gi", dosages, weights))
            read = standardised(dosages[:, :, 1]) if scenario == "planted" else accuracy * linear + rest * others
            additive = (kinds == "additive")[:, None]
            values = np.where(additive, sign * read, values)
            implied[name] = np.where(additive, values, np.nan)
        tables.append(rows(name, 0, values, None, None))
    features = {"elastic_net": dosages, "random_forest": np.concatenate([dosages, dosages == 1], axis=2)}
    for name, columns in features.items():
        for replicate in range(REPLICATES + 1):
            partner = permute_individuals(PEOPLE, replicate, seed)
            predicted, means, weights = cross_fitted(columns[:, partner], expression, folds)
            tables.append(rows(name, replicate, predicted, means, folds))
            if replicate == 0:
                implied[name] = np.einsum("giv,gv->gi", dosages, weights[:, :VARIANTS])
    place = {
        "#chr": [f"chr{1 + g // 2 % 22}" for g in range(GENES)],
        "start": [(g // 44) * 10_000_000 + g % 2 for g in range(GENES)],
        "end": [(g // 44) * 10_000_000 + g % 2 + 1 for g in range(GENES)],
        "gene_id": GENE_IDS,
    }
    bed = pd.concat([pd.DataFrame(place), pd.DataFrame(expression, columns=PEOPLE)], axis=1)
    return bed.assign(kind=kinds), pd.concat(tables, ignore_index=True), implied


def rows(
    name: str, replicate: int, values: np.ndarray, means: np.ndarray | None, folds: np.ndarray | None
) -> pd.DataFrame:
    genes = pd.Categorical.from_codes(np.repeat(np.arange(GENES), INDIVIDUALS), GENE_IDS)
    fold = pd.array([pd.NA] * values.size if folds is None else np.tile(folds, GENES), dtype="Int16")
    return pd.DataFrame(
        {
            "predictor": name,
            "gene_id": genes,
            "individual": pd.Categorical.from_codes(np.tile(np.arange(INDIVIDUALS), GENES), PEOPLE),
            "replicate": replicate,
            "fold": fold,
            "prediction": values.ravel(),
            "training_mean": np.nan if means is None else means.ravel(),
        }
    )


def study(seed: int, scenario: str) -> tuple[Evaluation, np.ndarray, dict[str, np.ndarray]]:
    expression, predictions, implied = cohort(seed, scenario)
    kinds = expression.pop("kind").to_numpy()
    settings = EvaluationSettings(block_bp=5_000_000, permutations=20, margin=MARGIN, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        return Evaluator(expression, threads=1).evaluate(predictions, settings=settings), kinds, implied


def mechanism(evaluation: Evaluation, implied: dict[str, np.ndarray]) -> str:
    """Answer whether alpha uses other variants than the forest, as a study does."""
    table = evaluation.per_gene.set_index(["predictor", "gene_id"])
    right = [
        (table.loc[name, "direction"].fillna(0) > 0) & (table.loc[name, "q_value"] < 0.05)
        for name in ("alpha", "random_forest")
    ]
    chosen = np.flatnonzero((right[0] & right[1]).loc[GENE_IDS].to_numpy() & np.isfinite(implied["alpha"][:, 0]))

    def agreement(name: str) -> np.ndarray:
        one, other = standardised(implied[name][chosen]), standardised(implied["random_forest"][chosen])
        return (one * other).mean(axis=1)

    answer, _ = answer_gap(agreement("elastic_net") - agreement("alpha"), chosen // 2, MECHANISM_MARGIN, 0.95)
    return answer


def headlines(evaluation: Evaluation) -> dict[str, tuple[float, float, float]]:
    """Return estimate and limits of each headline number."""
    summary = evaluation.summary.query("stratum == 'all'").set_index("predictor")
    found = {}
    for name, row in summary.iterrows():
        found[f"share of right directions, {name}"] = (row.share_right, row.share_low, row.share_high)
        found[f"mean correlation, {name}"] = (row.mean_correlation, row.mean_low, row.mean_high)
        if name in ("elastic_net", "random_forest"):
            found[f"share over the permuted one, {name}"] = (row.difference, row.difference_low, row.difference_high)

    def pair(table: pd.DataFrame, a: str, b: str) -> pd.Series:
        return table.query("predictor_a == @a and predictor_b == @b and stratum == 'all'").iloc[0]

    odds = pair(evaluation.concordance, "alpha", "beta")
    for kind in ("mcnemar", "marginal"):
        found[f"{kind} odds ratio, alpha : beta"] = tuple(odds[[f"{kind}_or{end}" for end in ("", "_low", "_high")]])
    true = pair(evaluation.true_directions, "alpha", "beta")
    found["odds ratio of the true directions, alpha : beta"] = tuple(true[["true_or", "true_or_low", "true_or_high"]])
    for which, name in (("a", "alpha"), ("b", "beta")):
        found[f"true share, {name}"] = tuple(true[[f"true_share_{which}{end}" for end in ("", "_low", "_high")]])
    below = pair(evaluation.comparison, "alpha", "elastic_net")
    found["mean difference, alpha - elastic_net"] = tuple(
        below[["mean_difference", "mean_difference_low", "mean_difference_high"]]
    )
    return found


def answers(evaluation: Evaluation, kinds: np.ndarray, implied: dict[str, np.ndarray]) -> dict[str, float]:
    """Return 1 and 0 for each answer of the study, and the share of each kind of gene that is called nonlinear."""
    odds = evaluation.concordance.query("predictor_a == 'alpha' and predictor_b == 'beta' and stratum == 'all'").iloc[0]
    comparison = evaluation.comparison.query("stratum == 'all'").set_index(["predictor_a", "predictor_b"])
    nonlinear = evaluation.strata.set_index("gene_id").loc[GENE_IDS, "stratum"].to_numpy() == "nonlinear"
    other_variants = mechanism(evaluation, implied)
    turned = flips(evaluation, "alpha", "beta").set_index("right")
    by_chance = turned["expected_by_chance"]
    return {
        "alpha has the better directions": float(odds.marginal_or_low > 1),
        "beta has the better directions": float(odds.marginal_or_high < 1),
        f"alpha and beta are equivalent (margin {MARGIN})": float(
            comparison.loc[("alpha", "beta")].equivalent == "yes"
        ),
        "alpha is below elastic net": float(comparison.loc[("alpha", "elastic_net")].over_reference_high < 0),
        "alpha uses other variants than the forest: yes": float(other_variants == "yes"),
        "alpha uses other variants than the forest: no": float(other_variants == "no"),
        "flips, alpha right, over those expected by chance": turned.loc["a", "genes"] / by_chance["a"],
        "flips, beta right, over those expected by chance": turned.loc["b", "genes"] / by_chance["b"],
        **{f"{kind} genes called nonlinear": float(nonlinear[kinds == kind].mean()) for kind in KINDS},
    }


def collect(folder: Path, cohorts: int, minutes: float) -> None:
    """Simulate cohorts that the folder lacks, until the time is up."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for seed in range(cohorts):
        for scenario in SCENARIOS:
            path = folder / f"{scenario.replace(' ', '_')}_{seed}.json"
            if path.exists():
                continue
            if time.monotonic() - start > 60 * minutes:
                return
            evaluation, kinds, implied = study(seed, scenario)
            odds = evaluation.concordance
            odds = odds.query("predictor_a == 'alpha' and predictor_b == 'beta' and stratum == 'all'").iloc[0]
            record = {
                "headlines": {name: [float(one) for one in row] for name, row in headlines(evaluation).items()},
                "answers": answers(evaluation, kinds, implied),
                "counts": {name: int(odds[name]) for name in ("n", "both_right", "only_a", "only_b")},
            }
            path.write_text(json.dumps(record))


def truth_of(records: list[dict], shares: tuple[float, float]) -> dict[str, float]:
    """Return the truth of each headline number at this sample size."""
    values = pd.DataFrame([{name: row[0] for name, row in one["headlines"].items()} for one in records])
    truth = values.mean().to_dict()
    odds = pd.DataFrame([one["counts"] for one in records]).sum()
    truth["mcnemar odds ratio, alpha : beta"] = odds["only_a"] / odds["only_b"]
    right = [(odds["both_right"] + odds[only]) / odds["n"] for only in ("only_a", "only_b")]
    truth["marginal odds ratio, alpha : beta"] = right[0] / (1 - right[0]) / (right[1] / (1 - right[1]))
    planted = [share / (1 - share) for share in shares]
    truth["odds ratio of the true directions, alpha : beta"] = planted[0] / planted[1]
    truth["true share, alpha"], truth["true share, beta"] = shares
    return {name: float(value) for name, value in truth.items()}


def summarise(folder: Path) -> None:
    """Write the page."""
    page = ["# A study with planted truth\n\n" + (__doc__ or "").partition("\n\n")[2].strip()]
    said: dict[str, dict[str, float]] = {}
    for scenario, shares in SCENARIOS.items():
        records = [json.loads(path.read_text()) for path in folder.glob(f"{scenario.replace(' ', '_')}_*.json")]
        lines = []
        for name, true in truth_of(records, shares).items():
            estimate, low, high = (np.array([one["headlines"][name][k] for one in records], float) for k in range(3))
            known = ~np.isnan(low) & ~np.isnan(high)
            covered = float(((low <= true) & (true <= high))[known].mean())
            lines.append({
                "number": name, "truth": true, "median estimate": float(np.nanmedian(estimate)),
                "interval given": float(known.mean()), "coverage": covered,
                "error of the coverage": float(np.sqrt(covered * (1 - covered) / known.sum())),
            })  # fmt: skip
        page.append(f"## {scenario.capitalize()}: right at {shares[0]:.0%} and {shares[1]:.0%}, {len(records)} cohorts")
        page.append(tabulate.tabulate(lines, headers="keys", tablefmt="github", floatfmt=".3f"))
        said[scenario] = pd.DataFrame([one["answers"] for one in records]).mean().to_dict()
    page += ["## Answers: share of cohorts, or of genes", pd.DataFrame(said).to_markdown(floatfmt=".3f")]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    print("\n\n".join(page[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "summarise"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=6.0)
    options = parser.parse_args()
    if options.step == "collect":
        collect(options.folder, options.cohorts, options.minutes)
    else:
        summarise(options.folder)


if __name__ == "__main__":
    main()
