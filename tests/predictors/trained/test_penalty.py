"""The penalty search against scikit-learn's solver, glmnet and the path followed to its end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from pgxeval.predictors.trained.penalty import choose_penalty

TIGHT = {"tol": 1e-10, "max_iter": 100_000}


def _problem(n: int, p: int, seed: int, causal: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    # neighbouring columns correlate, as linked variants do
    latent = rng.standard_normal((n, p)).cumsum(axis=1) / np.sqrt(np.arange(1, p + 1))
    X = np.digitize(latent, [-0.6, 0.9]).astype(float)
    X += rng.random((n, p)) < 0.02
    y = X[:, :causal].sum(axis=1) * 0.6 + rng.standard_normal(n)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.asfortranarray(X), (y - y.mean()) / y.std(), rng.integers(1, 11, n).astype(np.int16)


@pytest.mark.parametrize(("n", "p", "seed"), [(60, 20, 0), (60, 200, 1), (90, 400, 2), (50, 150, 3)])
def test_final_coefficients_solve_the_problem_that_scikit_learn_states(n: int, p: int, seed: int) -> None:
    X, y, folds = _problem(n, p, seed)
    chosen = choose_penalty(X, y, folds, solver=TIGHT)
    direct = ElasticNet(alpha=chosen.alpha, l1_ratio=0.5, **TIGHT).fit(X, y)
    assert chosen.converged
    np.testing.assert_allclose(chosen.coefficients, direct.coef_, atol=2e-5)


@pytest.mark.parametrize("l1_ratio", [0.2, 0.5, 1.0])
def test_inner_errors_equal_a_slow_loop_over_folds(l1_ratio: float) -> None:
    X, y, folds = _problem(60, 80, 4)
    chosen = choose_penalty(X, y, folds, l1_ratio=l1_ratio, n_alphas=30, patience=30, solver=TIGHT)
    alphas = np.abs(X.T @ y).max() / (y.size * l1_ratio) * np.geomspace(1, 0.01, 30)
    for position in (0, 5, 12, 20):
        squared = 0.0
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            center, scale = X[train].mean(axis=0), X[train].std(axis=0)
            middle, spread = y[train].mean(), y[train].std()
            model = ElasticNet(alpha=alphas[position] / spread, l1_ratio=l1_ratio, **TIGHT)
            model.fit((X[train] - center) / scale, (y[train] - middle) / spread)
            squared += ((y[test] - middle - spread * model.predict((X[test] - center) / scale)) ** 2).sum()
        assert chosen.inner_errors[position] == pytest.approx(squared / y.size, rel=1e-6)


def test_stopping_early_chooses_what_the_whole_path_chooses() -> None:
    same, followed = 0, []
    for seed in range(20):
        X, y, folds = _problem(70, 150, 100 + seed, causal=seed % 4)
        early = choose_penalty(X, y, folds)
        whole = choose_penalty(X, y, folds, patience=100)
        assert whole.inner_errors.size == 100
        np.testing.assert_allclose(early.inner_errors, whole.inner_errors[: early.inner_errors.size], rtol=1e-6)
        same += early.alpha == whole.alpha
        followed.append(early.inner_errors.size)
    assert same >= 19
    assert np.mean(followed) < 60


def test_nothing_to_learn_leaves_no_coefficient() -> None:
    X, _, folds = _problem(40, 10, 0)
    chosen = choose_penalty(X, np.zeros(40), folds)
    assert not chosen.coefficients.any()


def test_one_filled_inner_fold_is_enough_to_fit() -> None:
    X, y, _ = _problem(40, 10, 0)
    chosen = choose_penalty(X, y, np.ones(40, dtype=np.int16))
    assert chosen.inner_errors.size == 0
    assert not chosen.coefficients.any()


def test_agrees_with_glmnet(tmp_path: Path) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")
    probe = subprocess.run(["Rscript", "-e", "library(glmnet)"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("the R package glmnet is not installed")
    X, y, folds = _problem(90, 60, 7)
    raw = X * np.linspace(0.5, 3, 60) + 4.0
    outcome = 2.5 * y + 1.0
    np.savetxt(tmp_path / "X", raw)
    np.savetxt(tmp_path / "y", np.column_stack([outcome, folds]))
    script = f"""
    suppressMessages(library(glmnet))
    X <- as.matrix(read.table("{tmp_path}/X")); d <- as.matrix(read.table("{tmp_path}/y")); y <- d[,1]; f <- d[,2]
    g <- glmnet(X, y, alpha=.5, nlambda=40, lambda.min.ratio=.01, thresh=1e-14, maxit=1e7)
    e <- rowSums(sapply(unique(f), function(k) {{
        h <- glmnet(X[f!=k,], y[f!=k], alpha=.5, lambda=g$lambda, thresh=1e-14, maxit=1e7)
        colSums((y[f==k] - predict(h, X[f==k,,drop=FALSE]))^2) }})) / length(y)
    best <- which.min(e)
    cat(g$lambda[best], e, as.matrix(coef(g))[-1, best], fill=FALSE)
    """
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    answer = np.array(done.stdout.split(), dtype=float)
    alpha, errors, coefficients = answer[0], answer[1 : 1 + answer.size - 61], answer[-60:]
    chosen = choose_penalty(X, y, folds, n_alphas=40, patience=40, solver=TIGHT)
    scale = outcome.std()
    np.testing.assert_allclose(chosen.inner_errors[: errors.size] * scale**2, errors, rtol=1e-4)
    assert chosen.alpha * scale == pytest.approx(alpha, rel=1e-6)
    np.testing.assert_allclose(chosen.coefficients * scale / raw.std(axis=0), coefficients, atol=1e-4)
