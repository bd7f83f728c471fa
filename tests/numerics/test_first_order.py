"""Gradient descent, BFGS and L-BFGS arrive where Newton does, and say when they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import Numbers, few, numbers, ordinary

from glminfer.errors import Status
from glminfer.numerics import kernels
from glminfer.numerics.families import family
from glminfer.numerics.first_order import METHODS, first_order, standardising
from glminfer.numerics.newton import Control, Solution, maximise
from glminfer.numerics.objectives import Likelihood

CONCAVE = ("logit", "probit", "cloglog", "loglog")


def climbed(data: Numbers, method: str, control: Control | None = None) -> Solution:
    rows, p = data.rows(), data.X.shape[1]
    A = standardising(rows.sum(kernels.column_products), np.eye(p)[0], rows.nobs)
    objective = Likelihood(rows, family(data.link))
    return first_order(method, objective, np.zeros(p), control or Control(), (A, float(data.weights.sum())))


def newton(data: Numbers) -> Solution:
    return maximise(Likelihood(data.rows(), family(data.link)), np.zeros((1, data.X.shape[1])), Control())


@few
@given(ordinary(CONCAVE), st.sampled_from(sorted(METHODS)))
def test_same_estimate_as_newton(data: Numbers, method: str) -> None:
    best = newton(data)
    if best.status[0] is not Status.CONVERGED:
        return
    found = climbed(data, method)
    assert found.status == (Status.CONVERGED,)
    se = np.sqrt(np.diagonal(np.linalg.inv(best.terms.information[0])))
    np.testing.assert_allclose((found.coef[0] - best.coef[0]) / se, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.terms.loglik, best.terms.loglik, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_scale_of_the_columns_does_not_matter(method: str) -> None:
    """The methods work on standardised columns: the same steps, whatever the units."""
    data = numbers(21, 150, 3, "logit")
    units = np.array([1.0, 1e6, 1e-6])
    scaled = Numbers(data.X * units, data.y, data.weights, data.offset, data.link)
    a, b = climbed(data, method), climbed(scaled, method)
    assert a.status == b.status == (Status.CONVERGED,)
    np.testing.assert_allclose(b.coef * units, a.coef, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_trace_ends_at_the_estimate_and_never_falls(method: str) -> None:
    found = climbed(numbers(22, 200, 4, "logit"), method)
    loglik = np.array([step.loglik for step in found.trace])
    assert loglik[-1] == pytest.approx(found.terms.loglik[0], rel=1e-13)
    assert (np.diff(loglik) >= -1e-12 * np.abs(loglik[1:])).all()
    assert found.n_iter[0] == len(found.trace) - 1
    assert found.trace[-1].max_abs_score < 1e-3 * found.trace[0].max_abs_score
    assert [step.seconds for step in found.trace] == sorted(step.seconds for step in found.trace)


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_is_not_convergence(method: str) -> None:
    found = climbed(numbers(23, 200, 4, "logit"), method, Control(max_iter=2))
    assert found.status == (Status.LIMIT,)
    assert found.n_iter[0] <= 2


def test_fixed_step() -> None:
    """Steps of the length asked for; one that suits arrives, one that is far too long is not called converged."""
    data = numbers(24, 200, 3, "logit")
    steady = climbed(data, "gradient", Control(step_size=1.0))
    assert steady.status == (Status.CONVERGED,)
    assert {step.step_size for step in steady.trace[1:]} == {1.0}
    wild = climbed(data, "gradient", Control(step_size=500.0, max_iter=50))
    assert wild.status == (Status.LIMIT,)


def test_gradient_takes_more_steps_than_bfgs_takes_more_than_newton() -> None:
    data = numbers(25, 200, 4, "logit")
    counts = [newton(data).n_iter[0], climbed(data, "bfgs").n_iter[0], climbed(data, "gradient").n_iter[0]]
    assert counts == sorted(counts)


@pytest.mark.parametrize("constant", [True, False])
def test_standardised_columns(constant: bool) -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(80), 5 + 100 * rng.standard_normal(80), 1e-5 * rng.random(80)])
    A = standardising(X.T @ X, np.eye(3)[0] if constant else None, len(X))
    Z = X @ A
    if constant:
        np.testing.assert_allclose(Z[:, 1:].mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose((Z**2).mean(axis=0), 1.0, rtol=1e-9)
    else:
        np.testing.assert_allclose((Z**2).mean(axis=0), 1.0)


def test_the_slope_is_the_score() -> None:
    data = numbers(26, 100, 3, "cloglog")
    objective, at = Likelihood(data.rows(), family("cloglog")), np.array([0.1, -0.2, 0.3])
    loglik, score = objective.slope(at)
    terms = objective(at[None])
    assert loglik == pytest.approx(terms.loglik[0], rel=1e-14)
    np.testing.assert_allclose(score, terms.score[0], rtol=1e-12)
