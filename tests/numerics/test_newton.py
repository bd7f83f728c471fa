"""Newton's method: it climbs, it says when it has not arrived, and models in a batch do not feel each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import LINKS, Numbers, few, numbers, ordinary, some

from glminfer.data.rows import MemoryRows
from glminfer.errors import Status
from glminfer.numerics.blocks import Block, Terms
from glminfer.numerics.families import family
from glminfer.numerics.newton import Control, Solution, maximise, newton_step
from glminfer.numerics.objectives import Likelihood

EPS = np.finfo(float).eps


def likelihood(data: Numbers) -> Likelihood:
    return Likelihood(data.rows(), family(data.link))


def solved(data: Numbers, control: Control | None = None, start: np.ndarray | None = None) -> Solution:
    at = np.zeros(data.X.shape[1]) if start is None else start
    return maximise(likelihood(data), at[None], control or Control())


def steps_of(data: Numbers, start: np.ndarray) -> list[float]:
    """Log-likelihoods at the accepted points, evaluated again by limiting the iterations one by one."""
    return [step.loglik for step in solved(data, start=start).trace]


@some
@given(ordinary(least=10), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 4.0]))
def test_loglik_never_falls_at_an_accepted_step(data: Numbers, seed: int, spread: float) -> None:
    start = np.random.default_rng(seed).normal(0, spread, data.X.shape[1])
    trace = np.array(steps_of(data, start))
    assert (np.diff(trace) >= -8 * EPS * np.abs(trace[:-1])).all()


@some
@given(ordinary())
def test_the_maximum_is_a_stationary_point(data: Numbers) -> None:
    found = solved(data)
    if found.status[0] is not Status.CONVERGED:  # cauchit from a poor start, a separated draw
        return
    decrement = newton_step(likelihood(data)(found.coef))[1]
    assert decrement[0] <= 1e-6
    around = found.coef + 1e-3 * np.vstack([np.eye(data.X.shape[1]), -np.eye(data.X.shape[1])])
    for point in around:
        assert likelihood(data)(point[None]).loglik[0] < found.terms.loglik[0]


@pytest.mark.parametrize("link", LINKS)
def test_terms_belong_to_the_reported_estimate(link: str) -> None:
    data = numbers(5, 120, 4, link)
    found = solved(data)
    again = likelihood(data)(found.coef)
    for name in ("loglik", "score", "information", "curvature"):
        np.testing.assert_array_equal(getattr(found.terms, name), getattr(again, name))


@pytest.mark.parametrize("link", LINKS)
def test_one_iteration_is_not_convergence(link: str) -> None:
    found = solved(numbers(1, 200, 4, link), Control(max_iter=1))
    assert found.status == (Status.LIMIT,)
    assert found.n_iter.tolist() == [1]


def test_no_iteration_is_allowed_at_the_maximum() -> None:
    data = numbers(2, 100, 3, "logit")
    there = solved(data).coef[0]
    assert solved(data, Control(max_iter=1), start=there).status == (Status.CONVERGED,)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_limit_counts_accepted_steps(limit: int) -> None:
    data = numbers(3, 200, 4, "logit")
    stopped, full = solved(data, Control(max_iter=limit)), solved(data)
    assert [s.loglik for s in stopped.trace] == [s.loglik for s in full.trace[: limit + 1]]


# records ------------------------------------------------------------------------------------------------------------


def fields_of(terms: Terms) -> list[np.ndarray]:
    return [terms.loglik, terms.score, terms.information, terms.curvature]


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_records_do_not_change_when_the_objective_is_evaluated_again(link: str) -> None:
    data = numbers(4, 100, 3, link)
    objective = likelihood(data)
    first = objective(np.zeros((1, 3)))
    found = solved(data)
    before = [a.copy() for a in (*fields_of(first), *fields_of(found.terms), found.coef)]
    objective(np.ones((1, 3)))
    solved(data, start=np.full(3, 0.1))
    for kept, now in zip(before, (*fields_of(first), *fields_of(found.terms), found.coef), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_the_start_is_not_overwritten() -> None:
    start = np.zeros((1, 3))
    maximise(likelihood(numbers(6, 100, 3, "logit")), start, Control())
    np.testing.assert_array_equal(start, 0.0)


# batches ------------------------------------------------------------------------------------------------------------


def batch(link: str, m: int, n: int = 150, p: int = 4, seed: int = 0) -> tuple[MemoryRows, np.ndarray]:
    """One design, m outcomes with their own weights and offsets."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.standard_normal((n, p - 1))])
    eta = X @ rng.normal(0, 0.4, (m, p)).T
    Y = (rng.random((n, m)) < family(link).mean(eta)).astype(float)
    weights, offset = rng.integers(0, 4, (n, m)).astype(float), 0.2 * rng.standard_normal((n, m))
    return MemoryRows(Block(X, Y, weights, offset)), Y


def one_of_batch(rows: MemoryRows, k: int) -> MemoryRows:
    b = rows.whole
    return MemoryRows(Block(b.X, b.y[:, [k]], b.weights[:, [k]], b.offset[:, [k]]))


def fitted_batch(rows: MemoryRows, link: str) -> Solution:
    m, p = rows.whole.y.shape[1], rows.whole.X.shape[1]
    return maximise(Likelihood(rows, family(link)), np.zeros((m, p)), Control())


@few
@given(st.sampled_from(LINKS), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_a_batch_equals_a_loop(link: str, m: int, seed: int) -> None:
    rows, _ = batch(link, m, seed=seed)
    together = fitted_batch(rows, link)
    for k in range(m):
        alone = fitted_batch(one_of_batch(rows, k), link)
        assert alone.status[0] == together.status[k]
        if alone.status[0] is not Status.CONVERGED:
            continue
        np.testing.assert_allclose(together.coef[k], alone.coef[0], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(together.terms.loglik[k], alone.terms.loglik[0], rtol=1e-12)
        np.testing.assert_allclose(together.terms.information[k], alone.terms.information[0], rtol=1e-9, atol=1e-9)


BAD = {"all zero": 0.0, "all one": 1.0, "missing": np.nan}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("link", LINKS)
def test_a_bad_neighbour_changes_nothing(link: str, bad: str) -> None:
    """The order of BLAS's additions follows the number of models still running, so equal means equal to rounding."""
    rows, Y = batch(link, 4, seed=7)
    clean = fitted_batch(rows, link)
    spoiled = Y.copy()
    spoiled[:, 1] = BAD[bad]
    b = rows.whole
    with_bad = fitted_batch(MemoryRows(Block(b.X, spoiled, b.weights, b.offset)), link)
    if link != "cauchit":  # its flat tail looks like a maximum; separation is looked for after the fit
        assert with_bad.status[1] is Status.LIMIT
    for k in (0, 2, 3):
        assert with_bad.status[k] is clean.status[k] is Status.CONVERGED
        assert with_bad.n_iter[k] == clean.n_iter[k]
        np.testing.assert_allclose(with_bad.coef[k], clean.coef[k], rtol=1e-13, atol=1e-15)
        information = clean.terms.information[k]
        np.testing.assert_allclose(with_bad.terms.information[k], information, atol=1e-14 * np.abs(information).max())


def test_a_frozen_neighbour_is_untouched_to_the_last_bit() -> None:
    """A model that has arrived is not moved by those still running."""
    rows, Y = batch("logit", 2, seed=8)
    b = rows.whole
    alone = fitted_batch(one_of_batch(rows, 0), "logit").coef[0]
    slow = Y[:, 0].copy()
    slow[:-1] = 0.0
    pair = MemoryRows(Block(b.X, np.column_stack([Y[:, 0], slow]), np.ones_like(Y), b.offset[:, [0, 0]]))
    start = np.vstack([alone, np.zeros_like(alone)])
    unit = MemoryRows(Block(b.X, Y[:, [0]], np.ones((len(Y), 1)), b.offset[:, [0]]))
    start[0] = fitted_batch(unit, "logit").coef[0]
    found = maximise(Likelihood(pair, family("logit")), start, Control())
    assert found.n_iter[1] > found.n_iter[0] == 0
    np.testing.assert_array_equal(found.coef[0], start[0])


# where undamped Newton diverges ---------------------------------------------------------------------------------------


def diverging() -> Numbers:
    times = [50, 1, 50, 1, 5, 10]
    y = np.repeat([0.0, 1, 0, 0, 0, 1], times)
    x = np.repeat([0, 0, 0.001, 100, -1, -1], times)
    return Numbers(np.column_stack([np.ones(len(x)), x]), y, np.ones(len(x)), np.zeros(len(x)), "logit")


def test_damped_where_undamped_newton_diverges() -> None:
    found = solved(diverging())
    assert found.status == (Status.CONVERGED,)
    np.testing.assert_allclose(found.coef[0], [-4.60305022, -5.29634545], atol=5e-9)
    np.testing.assert_allclose(found.terms.loglik, -15.1552478, atol=5e-8)


def test_undamped_newton_does_diverge_there() -> None:
    objective, coef = likelihood(diverging()), np.zeros((1, 2))
    for _ in range(6):
        step, _ = newton_step(objective(coef))
        if np.isnan(step).any():
            break
        coef = coef + step
    assert np.abs(coef).max() > 1e3


def test_a_separated_model_is_not_converged() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    data = Numbers(np.column_stack([np.ones(4), x]), (x > 0) * 1.0, np.ones(4), np.zeros(4), "logit")
    assert solved(data).status == (Status.LIMIT,)


def test_a_model_without_curvature_stops() -> None:
    """Two identical columns: no step exists, and that is not convergence."""
    data = numbers(0, 50, 2, "logit")
    doubled = Numbers(data.X[:, [0, 1, 1]], data.y, data.weights, data.offset, "logit")
    found = solved(doubled)
    assert found.status == (Status.LIMIT,)
    assert np.isnan(found.decrement[0])


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("far", [-1e3, -710.0, -400.0, 400.0, 710.0, 1e3, 1e6])
def test_a_wild_trial_gives_no_warning(link: str, far: float) -> None:
    """Terms that are not representable are infinite; the step is halved and nobody is told."""
    data = numbers(10, 40, 2, link)
    objective = likelihood(data)
    assert objective(np.array([[far, 0.0]])).loglik[0] < objective(np.zeros((1, 2))).loglik[0]
    assert not np.isnan(objective.slope(np.array([far, 0.0]))[0])


def test_held_coefficients_stay() -> None:
    """A coefficient held at a value is the fit with that part in the offset."""
    data = numbers(9, 150, 3, "probit")
    held = maximise(likelihood(data), np.array([[0.0, 0.0, 0.7]]), Control(), spaces=[np.eye(3)[:, :2]])
    moved = Numbers(data.X[:, :2], data.y, data.weights, data.offset + 0.7 * data.X[:, 2], data.link)
    assert held.coef[0, 2] == 0.7
    np.testing.assert_allclose(held.coef[0, :2], solved(moved).coef[0], rtol=1e-9)
    np.testing.assert_allclose(held.terms.loglik, solved(moved).terms.loglik, rtol=1e-13)


def test_rounding_of_the_objective_does_not_halve_steps_near_the_maximum() -> None:
    """Each evaluation is lower than the one before, as a penalty from a nearly singular matrix may be by rounding."""
    data = numbers(5, 120, 4, "logit")
    exact, near = likelihood(data), solved(data).coef + 5e-5
    calls = []

    class Falling:
        concave = True

        def __call__(self, coef: np.ndarray, models: np.ndarray | None = None) -> Terms:
            terms = exact(coef, models)
            calls.append(newton_step(terms)[1][0])
            return replace(terms, loglik=terms.loglik - 1e-6 * len(calls))

    found = maximise(Falling(), near, Control(), no_progress=0.98)
    assert 1e-5 < calls[0] < 1e-3
    assert found.status == (Status.CONVERGED,)
    assert found.decrement[0] <= Control().tol
    assert len(calls) <= 4


def test_a_wild_start_of_held_models_gives_no_warning() -> None:
    """Products that overflow within the spaces leave their model without a step, and its neighbours as they are."""
    spaces = [np.eye(3)[:, :2] * size for size in (1e-3, 1e3, 1.0)]
    curvature = np.stack([np.eye(3), np.eye(3) * 1e306, np.eye(3)])
    terms = Terms(np.zeros(3), np.ones((3, 3)), curvature, curvature)
    step, decrement = newton_step(terms, spaces)
    np.testing.assert_allclose(step[[0, 2]], [[1.0, 1.0, 0.0]] * 2, rtol=1e-12)
    np.testing.assert_allclose(decrement[[0, 2]], np.sqrt(2.0), rtol=1e-12)
