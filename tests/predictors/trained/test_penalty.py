"""The penalty search against scikit-learn's solver, glmnet and the path followed to its end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from pgxeval.predictors.trained import penalty_elimination
from pgxeval.predictors.trained.distinct_columns import DistinctColumns, find_distinct
from pgxeval.predictors.trained.penalty import Penalty, choose_penalty
from pgxeval.predictors.trained.penalty_gram import GramColumns
from pgxeval.predictors.trained.penalty_path import PenaltySolver

TIGHT = {"tol": 1e-10, "max_iter": 100_000}


def _columns(X: np.ndarray) -> GramColumns:
    """Return columns of any numbers, none of which are taken to be identical."""
    each = np.arange(X.shape[1])
    return GramColumns(
        X,
        DistinctColumns(
            representative=each,
            group=each,
            flipped=np.zeros(each.size, dtype=bool),
            multiplicity=np.ones_like(each),
        ),
    )


def _dosages(n: int, p: int, seed: int, copies: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return int8 dosages with `copies` repeated columns, half of them counting the other allele, in random order."""
    X, y, folds = _problem(n, p, seed)
    dosages = np.array([np.unique(column, return_inverse=True)[1] for column in X.T], dtype=np.int8).T.clip(0, 2)
    rng = np.random.default_rng(seed)
    repeated = dosages[:, rng.integers(0, min(p, 10), copies)]
    repeated[:, ::2] = 2 - repeated[:, ::2]
    dosages = np.concatenate([dosages, repeated], axis=1)[:, rng.permutation(p + copies)]
    return np.ascontiguousarray(dosages), y, folds


def _collapsed(dosages: np.ndarray) -> GramColumns:
    return GramColumns(dosages.astype(np.float64), find_distinct(dosages))


def _scaled(X: np.ndarray) -> np.ndarray:
    return np.asfortranarray((X - X.mean(axis=0)) / X.std(axis=0))


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
    chosen = choose_penalty(_columns(X), y, folds)
    direct = ElasticNet(alpha=chosen.alpha, l1_ratio=0.5, **TIGHT).fit(X, y)
    assert chosen.converged
    np.testing.assert_allclose(chosen.coefficients, direct.coef_, atol=2e-6)


@pytest.mark.parametrize("l1_ratio", [0.2, 0.5, 1.0])
def test_inner_errors_equal_a_slow_loop_over_folds(l1_ratio: float) -> None:
    X, y, folds = _problem(60, 80, 4)
    chosen = choose_penalty(_columns(X), y, folds, l1_ratio=l1_ratio, n_alphas=30, patience=30)
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
    for seed in range(10):
        X, y, folds = _problem(70, 150, 100 + seed, causal=seed % 4)
        early = choose_penalty(_columns(X), y, folds)
        whole = choose_penalty(_columns(X), y, folds, patience=100)
        assert whole.inner_errors.size == 100
        np.testing.assert_allclose(early.inner_errors, whole.inner_errors[: early.inner_errors.size], rtol=1e-6)
        same += early.alpha == whole.alpha
        followed.append(early.inner_errors.size)
    assert same >= 9
    assert np.mean(followed) < 60


def test_nothing_to_learn_leaves_no_coefficient() -> None:
    X, _, folds = _problem(40, 10, 0)
    chosen = choose_penalty(_columns(X), np.zeros(40), folds)
    assert not chosen.coefficients.any()


def test_one_filled_inner_fold_is_enough_to_fit() -> None:
    X, y, _ = _problem(40, 10, 0)
    chosen = choose_penalty(_columns(X), y, np.ones(40, dtype=np.int16))
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
    chosen = choose_penalty(_columns(X), y, folds, n_alphas=40, patience=40)
    scale = outcome.std()
    np.testing.assert_allclose(chosen.inner_errors[: errors.size] * scale**2, errors, rtol=1e-4)
    assert chosen.alpha * scale == pytest.approx(alpha, rel=1e-6)
    np.testing.assert_allclose(chosen.coefficients * scale / raw.std(axis=0), coefficients, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.3, 0.5, 0.9])
def test_identical_columns_change_no_fit(l1_ratio: float) -> None:
    dosages, y, folds = _dosages(80, 60, 5, copies=40)
    solver = PenaltySolver(tol=1e-10)
    chosen = choose_penalty(_collapsed(dosages), y, folds, l1_ratio=l1_ratio, solver=solver, n_alphas=40)
    direct = ElasticNet(alpha=chosen.alpha, l1_ratio=l1_ratio, **TIGHT).fit(_scaled(dosages), y)
    assert find_distinct(dosages).representative.size < 70
    assert np.count_nonzero(direct.coef_) > 3
    np.testing.assert_allclose(chosen.coefficients, direct.coef_, atol=2e-6)
    all_columns = _columns(dosages.astype(float))
    apart = choose_penalty(all_columns, y, folds, l1_ratio=l1_ratio, solver=solver, n_alphas=40)
    np.testing.assert_allclose(chosen.inner_errors, apart.inner_errors, rtol=1e-9)
    np.testing.assert_allclose(chosen.coefficients, apart.coefficients, atol=1e-8)


def test_the_end_of_a_long_path_is_solved_exactly() -> None:
    # more coefficients than the compiled solver keeps open, in linked columns
    dosages, y, folds = _dosages(300, 700, 6)
    columns = _collapsed(dosages)
    whole = choose_penalty(columns, y, np.ones(y.size, dtype=np.int16), n_alphas=2, eps=0.01)
    followed = choose_penalty(columns, y, folds % 3, n_alphas=13, patience=13)
    assert followed.converged
    alpha = whole.alpha * 0.01
    squared = 0.0
    for fold in range(3):
        train = folds % 3 != fold
        center, scale = dosages[train].mean(axis=0), dosages[train].std(axis=0)
        middle, spread = y[train].mean(), y[train].std()
        model = ElasticNet(alpha=alpha / spread, tol=1e-9, max_iter=200_000)
        model.fit((dosages[train] - center) / scale, (y[train] - middle) / spread)
        fit = middle + spread * model.predict((dosages[~train] - center) / scale)
        squared += ((y[~train] - fit) ** 2).sum()
    assert np.count_nonzero(model.coef_) > penalty_elimination.LARGE
    assert followed.inner_errors[-1] == pytest.approx(squared / y.size, rel=1e-6)


def test_imputed_dosages_are_solved_in_float64() -> None:
    dosages, y, folds = _dosages(70, 90, 8)
    imputed = dosages.astype(np.float64)
    imputed[::7, ::5] = imputed.mean(axis=0)[::5]
    columns = GramColumns(imputed, find_distinct(imputed.astype(np.float32)))
    assert not columns.is_exact
    assert _collapsed(dosages).is_exact
    chosen = choose_penalty(columns, y, folds)
    direct = ElasticNet(alpha=chosen.alpha, l1_ratio=0.5, **TIGHT).fit(_scaled(imputed), y)
    np.testing.assert_allclose(chosen.coefficients, direct.coef_, atol=2e-6)


def test_fits_on_the_same_genotypes_share_inner_products() -> None:
    dosages, y, folds = _dosages(90, 200, 9)
    rng = np.random.default_rng(0)
    permuted = rng.permutation(y)
    shared = _collapsed(dosages)

    def same(one: Penalty, two: Penalty) -> bool:
        return one.coefficients.tobytes() == two.coefficients.tobytes() and bool(
            (one.inner_errors == two.inner_errors).all()
        )

    first = choose_penalty(shared, y, folds)
    second = choose_penalty(shared, permuted, folds[::-1])
    assert same(first, choose_penalty(_collapsed(dosages), y, folds))
    assert same(second, choose_penalty(_collapsed(dosages), permuted, folds[::-1]))


def test_the_lasso_on_collinear_columns_is_solved() -> None:
    dosages, y, folds = _dosages(60, 30, 10)
    sums = (dosages[:, :10] + dosages[:, 10:20]) / 2.0
    X = np.concatenate([dosages, sums], axis=1)
    chosen = choose_penalty(_columns(X), y, folds, l1_ratio=1.0, patience=100, eps=0.001)
    assert chosen.converged
    Z = _scaled(X)
    gradient = Z.T @ (y - Z @ chosen.coefficients) / y.size
    assert np.abs(gradient).max() <= chosen.alpha * (1 + 1e-5)


def test_gradient_conditions_hold_for_every_column() -> None:
    # the solver sees chosen columns only; the conditions are checked here on all of them
    for seed in range(4):
        dosages, y, folds = _dosages(100, 300, 20 + seed)
        chosen = choose_penalty(_collapsed(dosages), y, folds, patience=100)
        Z = _scaled(dosages)
        gradient = Z.T @ (y - Z @ chosen.coefficients) / y.size - 0.5 * chosen.alpha * chosen.coefficients
        t = 0.5 * chosen.alpha
        used = chosen.coefficients != 0
        assert np.abs(gradient).max() <= t * (1 + 1e-5)
        np.testing.assert_allclose(gradient[used], t * np.sign(chosen.coefficients[used]), rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_nearly_as_many_coefficients_as_individuals_meet_their_conditions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = _scaled(rng.binomial(2, rng.uniform(0.1, 0.5, 232), (238, 232)).astype(float))
    y = X @ rng.normal(size=232)
    y = (y - y.mean()) / y.std()
    penalty = choose_penalty(_columns(X), y, np.arange(238).astype(np.int16) % 5, l1_ratio=1.0, n_alphas=3)
    gradient = X.T @ (y - X @ penalty.coefficients) / 238
    active = penalty.coefficients != 0
    assert active.sum() > 150
    assert penalty.converged
    np.testing.assert_allclose(gradient[active], penalty.alpha * np.sign(penalty.coefficients[active]), atol=1e-7)
