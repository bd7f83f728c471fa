"""Paths beside other solvers of the same objective, live: scikit-learn at C = 1/(Σw λ), glum at its alpha = λ."""

import numpy as np
import pytest
from reference_cases import case, formula_of

import glminfer as gi

PARTS = (0.1,)  # of the largest λ


def standardised(X):
    """Columns on one scale: scikit-learn and glum penalise them as they are, and saga needs it."""
    X = np.asarray(X, dtype=float)
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def birthwt():
    found = case("birthwt_logit")
    fit = gi.logit(formula_of(found), found["frame"])
    design = fit.design.block(found["frame"]).X[:, 1:]
    return found["frame"], formula_of(found).split("~")[0], standardised(design)


def session():
    trials = gi.datasets.simulate_session(seed=1, n_trials=120, n_neurons=150)
    neurons = trials[[name for name in trials if name[0] == "n" and name[1:].isdigit()]]
    return trials.assign(right=(trials["choice"] == "right").astype(int)), "right", standardised(neurons)


DATA = {"birthwt": birthwt, "more neurons than trials": session}


@pytest.fixture(scope="module", params=DATA)
def data(request):
    frame, outcome, X = DATA[request.param]()
    outcome = outcome.strip()
    weights = 1.0 + np.arange(len(frame)) % 3
    return frame, outcome, X, frame[outcome].to_numpy(float), weights


def ours(data, l1_ratio):
    frame, outcome, X, y, weights = data
    resid = weights * (y - weights @ y / weights.sum())
    top = np.abs(resid @ X).max() / weights.sum() / max(l1_ratio, 0.1)
    options = {"covariates": X, "l1_ratio": l1_ratio, "standardize": False, "weights": weights}
    return gi.logit_path(f"{outcome} ~ 1", frame, lambdas=np.multiply(PARTS, top), **options)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_scikit_learn_at_the_same_C(data, l1_ratio):
    linear = pytest.importorskip("sklearn.linear_model")
    path, (_, _, X, y, weights) = ours(data, l1_ratio), data
    for step, C in enumerate(path.Cs):
        options = {"solver": "saga", "max_iter": 100_000, "random_state": 0} if l1_ratio else {"solver": "newton-cg"}
        theirs = linear.LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-9, **options).fit(X, y, weights)
        assert path.solution.coef[step] == pytest.approx(theirs.coef_[0], abs=1e-6)
        assert path.solution.intercept[step] == pytest.approx(theirs.intercept_[0], abs=1e-6)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_glum_at_the_same_penalty(data, l1_ratio):
    glum = pytest.importorskip("glum")
    path, (_, _, X, y, weights) = ours(data, l1_ratio), data
    for step, lambda_ in enumerate(path.lambdas):
        options = {"scale_predictors": False, "gradient_tol": 1e-10, "max_iter": 1000}
        model = glum.GeneralizedLinearRegressor(family="binomial", alpha=lambda_, l1_ratio=l1_ratio, **options)
        theirs = model.fit(X, y, sample_weight=weights)
        assert path.solution.coef[step] == pytest.approx(theirs.coef_, abs=1e-6)
        assert path.solution.intercept[step] == pytest.approx(theirs.intercept_, abs=1e-6)
