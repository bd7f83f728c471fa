"""Cross-validation beside glmnet (frozen) and scikit-learn (live), and what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference_cases import case
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glminfer.data.design import learn
from glminfer.fit import held_out
from glminfer.fit.folds import Dealer, Folds
from glminfer.fit.held_out import choices, cross_validated, judged, mean_and_error
from glminfer.fit.recipe import Recipe
from glminfer.numerics import threads
from glminfer.numerics.elastic_net import Mixture, elastic_net_path
from glminfer.numerics.losses import MEASURES
from glminfer.numerics.newton import Control

NAMES = {"deviance": "deviance", "class": "accuracy", "auc": "auc"}
VALIDATED = [
    pytest.param(name, k, id=f"{name}-{k}") for name in ("birthwt_logit", "spector", "titanic") for k in range(6)
]


def folds_of(ids):
    return Folds(np.asarray(ids, dtype=np.intp), tuple(range(int(np.max(ids)) + 1)), "given")


def recipe_of(found, l1_ratio, lambdas):
    sample = learn(found["formula"], found["frame"])
    X = np.ascontiguousarray(np.delete(sample.X, sample.design.columns.index("Intercept"), axis=1))
    mixture = Mixture(l1_ratio, np.ones(X.shape[1]))
    return Recipe(X, sample.y, sample.weights, sample.offset, mixture, Control(), np.asarray(lambdas))


def random_recipe(seed=0, n=120, p=30, l1_ratio=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.exp(rng.normal(0, 1, p)) + rng.normal(0, 3, p)
    Z = (X[:, :3] - X[:, :3].mean(axis=0)) / X[:, :3].std(axis=0)
    eta = 0.8 * Z @ [1.0, -1.0, 0.5]
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    return Recipe(
        X, y, rng.integers(1, 4, n).astype(float), rng.normal(0, 0.3, n), Mixture(l1_ratio, np.ones(p)), Control()
    )


@pytest.mark.parametrize(("name", "k"), VALIDATED)
def test_means_errors_and_choices_are_those_of_cv_glmnet(name, k):
    found = case(name)
    cv = found["results"]["glmnet"]["cv"]
    entry = cv["results"][k]
    recipe = recipe_of(found, entry["alpha"], entry["lambda"])
    measure = MEASURES[NAMES[entry["type_measure"]]]
    got = cross_validated(recipe, folds_of(np.array(cv["foldid"]) - 1), recipe.sequence(), measure)
    mean = 1 - got.mean if measure.name == "accuracy" else got.mean
    np.testing.assert_allclose(mean, entry["cvm_exact"], rtol=1e-8)
    np.testing.assert_allclose(got.std_error, entry["cvsd_exact"], rtol=1e-7)
    assert recipe.lambdas[got.best] == entry["lambda_min"]
    assert recipe.lambdas[got.one_se] == entry["lambda_1se"]


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4, 0.0])
def test_a_fold_of_weight_zero_is_a_fit_to_the_other_rows(l1_ratio):
    recipe = random_recipe(l1_ratio=l1_ratio)
    codes = np.arange(120) % 4
    lambdas = recipe.sequence()[:40]
    measure = MEASURES["deviance"]
    for code in range(4):
        rest, held = codes != code, codes == code
        parts = (part[rest] for part in (recipe.X, recipe.y, recipe.weights, recipe.offset))
        alone = elastic_net_path(*parts, recipe.mixture, lambdas, recipe.control)
        eta = recipe.X[held] @ alone.coef.T + alone.intercept + recipe.offset[held][:, None]
        expected = measure.of(eta, recipe.y[held], recipe.weights[held])
        got = judged(recipe, folds_of(codes), code, lambdas, measure)
        np.testing.assert_allclose(got.scores, expected, rtol=1e-8)


def test_the_constant_is_the_mean_of_the_other_rows():
    recipe = random_recipe()
    recipe = replace(recipe, offset=np.zeros(120))
    mean = recipe.weights @ recipe.y / recipe.weights.sum()
    assert recipe.constant() == pytest.approx(np.log(mean / (1 - mean)), rel=1e-12)


def test_scores_of_folds_are_those_of_scikit_learn():
    recipe = random_recipe(seed=5)
    recipe = replace(recipe, weights=np.ones(120), offset=np.zeros(120))
    codes = np.arange(120) % 5
    lambdas = np.array([0.05, 0.02, 0.01])  # where all are zero, saga stops short
    got = {
        name: [judged(recipe, folds_of(codes), code, lambdas, MEASURES[name]).scores for code in range(5)]
        for name in ("accuracy", "auc", "brier")
    }
    scorers = {"accuracy": "accuracy", "auc": "roc_auc", "brier": "neg_brier_score"}
    for j, lambda_ in enumerate(lambdas):
        model = LogisticRegression(C=1 / (96 * lambda_), l1_ratio=1.0, solver="saga", tol=1e-8, max_iter=20_000)
        pipeline = make_pipeline(StandardScaler(), model)
        for name, scorer in scorers.items():
            theirs = cross_val_score(pipeline, recipe.X, recipe.y, cv=PredefinedSplit(codes), scoring=scorer)
            np.testing.assert_allclose(np.array(got[name])[:, j], np.abs(theirs), atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_number_of_threads_changes_nothing(measure, monkeypatch):
    recipe = random_recipe()
    folds = Dealer(6, True).deal(recipe.y, recipe.counts, np.random.default_rng(0))
    lambdas = recipe.sequence()[:30]
    several = cross_validated(recipe, folds, lambdas, MEASURES[measure])
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    alone = cross_validated(recipe, folds, lambdas, MEASURES[measure])
    assert np.array_equal(several.mean, alone.mean)
    assert np.array_equal(several.std_error, alone.std_error)


def test_means_and_errors_by_hand():
    scores, weights = np.array([[1.0, np.nan], [2.0, 4.0], [4.0, 2.0]]), np.array([1.0, 2.0, 1.0])
    mean, error = mean_and_error(scores, weights)
    np.testing.assert_allclose(mean, [9 / 4, 10 / 3])
    np.testing.assert_allclose(error[0], np.sqrt(((1.25**2 + 2 * 0.25**2 + 1.75**2) / 4) / 2))
    np.testing.assert_allclose(error[1], np.sqrt(((2 * (2 / 3) ** 2 + (4 / 3) ** 2) / 3) / 1))


@pytest.mark.parametrize(("measure", "sign"), [("deviance", 1.0), ("accuracy", -1.0)])
def test_the_largest_penalty_wins_among_equals_and_within_one_error(measure, sign):
    loss = np.array([0.9, 0.55, 0.52, 0.5 + 1e-15, 0.5, 0.8])
    best, one_se = choices(sign * loss, np.full(6, 0.06), MEASURES[measure])
    assert (best, one_se) == (3, 1)


def test_the_recipe_keeps_its_rows(monkeypatch):
    """No fold copies the matrix: the paths are given the very same array."""
    recipe, seen = random_recipe(), []
    original = held_out.Recipe.path
    monkeypatch.setattr(held_out.Recipe, "path", lambda self, lambdas: seen.append(self.X) or original(self, lambdas))
    folds = Dealer(3, True).deal(recipe.y, recipe.counts, np.random.default_rng(0))
    cross_validated(recipe, folds, recipe.sequence()[:5], MEASURES["deviance"])
    assert len(seen) == 3
    assert all(X is recipe.X for X in seen)
