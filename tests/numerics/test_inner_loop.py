"""Compiled steps of a path: the plain loops equal the steps of NumPy, and paths are the same with numba and without."""

import subprocess
import sys

import numpy as np
import pytest

from glminfer.numerics import active_set, compiled, inner_loop, path_walk, plain_loops
from glminfer.numerics.active_set import Subproblem
from glminfer.numerics.elastic_net import Mixture, default_lambdas, elastic_net_path
from glminfer.numerics.standardised import standardised
from glminfer.numerics.working_set import Outcome, empty_set

needs_numba = pytest.mark.skipif(compiled.settle() is None, reason="numba is not installed")


def rows(n=60, p=12, rho=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X = np.sqrt(rho) * rng.standard_normal((n, 1)) + np.sqrt(1 - rho) * rng.standard_normal((n, p))
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] + X[:, 1]))).astype(float)
    return X, y


def working(X, y, l1, l2):
    """All columns at work, their curvature at zero, penalties, and the point of no coefficient."""
    weights = np.full(len(y), 1 / len(y))
    outcome = Outcome(y, weights, np.linspace(-0.2, 0.2, len(y)))
    source = standardised(X, weights, True)
    work = empty_set(source, outcome, weights / 4)
    work.admit(np.arange(source.q))
    return work, work.evaluate(np.zeros(source.q)), (np.append(l1, 0.0), np.append(l2, 0.0))


def fitted(X, y, l1_ratio=1.0, **options):
    mixture = Mixture(l1_ratio, np.ones(X.shape[1]), **options)
    weights, offset = np.ones(len(y)), np.zeros(len(y))
    return elastic_net_path(X, y, weights, offset, mixture, default_lambdas(X, y, weights, offset, mixture, 40))


@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.0), (0.02, 0.1), (0.0, 0.3), (0.2, 0.0)])
def test_a_plain_step_is_that_of_the_active_set(l1, l2):
    p = 12
    work, point, (l1, l2) = working(*rows(), np.full(p, l1), np.full(p, l2))
    columns = np.zeros((8, work.k))
    columns[:4] = l1, l2, point.u, point.score
    loop = inner_loop.InnerLoop(plain_loops.settle, np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
    steps, now, found = loop.run(work, point, (l1, l2), (1.0, 0.0), 1)
    expected = work.evaluate(active_set.solve(Subproblem(work, point.u, -point.score, l1, l2)))
    assert steps == 1
    assert found.u == pytest.approx(expected.u, rel=1e-9, abs=1e-12)
    assert found.score == pytest.approx(expected.score, rel=1e-9, abs=1e-12)
    assert found.eta == pytest.approx(expected.eta, rel=1e-9, abs=1e-12)
    assert found.residual == pytest.approx(expected.residual, rel=1e-9, abs=1e-12)
    assert now == pytest.approx(path_walk._violation(expected, l1, l2), rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_plain_step_is_that_of_the_active_set_where_signs_change(seed):
    """From a point far from the minimum, where coefficients leave and others enter, with and without the ridge."""
    rng = np.random.default_rng(seed)
    p = 12
    l1, l2 = rng.choice([0.0, 0.02, 0.1], p), rng.choice([0.0, 0.1], p)
    work, _, penalties = working(*rows(seed=seed), l1, l2)
    point = work.evaluate(np.where(rng.random(work.k) < 0.6, rng.normal(0, 1.5, work.k), 0.0))
    work.refresh(point)
    loop = inner_loop.InnerLoop(plain_loops.settle, np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
    steps, _, found = loop.run(work, point, penalties, (1e9, 0.0), 1)
    expected = active_set.solve(Subproblem(work, point.u, -point.score, *penalties))
    assert steps == 1
    assert ((found.u != 0) != (point.u != 0)).any() or (found.u * point.u < 0).any()
    assert found.u == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert ((found.u != 0) == (expected != 0)).all()


@needs_numba
def test_compiled_loops_do_what_the_plain_ones_do():
    p = 12
    found = []
    for settle in (plain_loops.settle, compiled.settle()):
        work, point, penalties = working(*rows(), np.full(p, 0.1), np.zeros(p))
        loop = inner_loop.InnerLoop(settle, np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
        found.append(loop.run(work, point, penalties, (1.0, 1e-12), 50))
    (steps, worst, point), (again, also, other) = found
    assert 3 < steps == again
    assert worst == pytest.approx(also, abs=1e-13)
    assert point.u == pytest.approx(other.u, abs=1e-13)


def test_a_refused_trial_leaves_the_point_before_it():
    p = 12
    work, point, penalties = working(*rows(), np.full(p, 0.01), np.zeros(p))
    work.H *= 1e-4  # steps thousands of times too long
    loop = inner_loop.InnerLoop(plain_loops.settle, np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
    assert loop.run(work, point, penalties, (0.1, 1e-10), 50) == (0, 0.1, point)


@needs_numba
def test_a_curvature_without_a_factor_takes_no_step():
    p = 12
    work, point, penalties = working(*rows(), np.full(p, 0.01), np.zeros(p))
    work.H *= -1.0
    loop = inner_loop.InnerLoop(compiled.settle(), np.empty((0, 0)), np.empty(0, dtype=np.intp), 0, 0, np.empty(0))
    steps, worst, found = loop.run(work, point, penalties, (0.1, 1e-10), 50)
    assert (steps, worst) == (0, 0.1)
    assert found is point


DESIGNS = {
    "wide": rows(80, 300, 0.0, 1),
    "tall": rows(400, 60, 0.9, 2),
    "twins": (np.repeat(rows(90, 130, 0.2, 3)[0], 2, axis=1), rows(90, 130, 0.2, 3)[1]),
    "more rows than are compiled": rows(5_200, 6, 0.2, 4),
}


def objective(found, X, l1_ratio):
    """What a path minimises at each λ."""
    size = np.abs(found.coef) * X.std(axis=0)
    penalty = (l1_ratio * size + (1 - l1_ratio) / 2 * size**2).sum(axis=1)
    return found.lambdas * penalty - found.loglik / len(X)


@needs_numba
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_a_path_is_the_same_without_numba(design, l1_ratio, monkeypatch):
    X, y = DESIGNS[design]
    found = fitted(X, y, l1_ratio)
    monkeypatch.setattr(inner_loop.compiled, "settle", lambda: None)
    expected = fitted(X, y, l1_ratio)
    assert found.kkt.max() <= 1e-10
    assert expected.kkt.max() <= 1e-10
    assert objective(found, X, l1_ratio) == pytest.approx(objective(expected, X, l1_ratio), abs=1e-13)
    if design != "twins":  # whose coefficients are not unique with the lasso
        assert found.coef == pytest.approx(expected.coef, abs=1e-6 * np.abs(expected.coef).max())


@needs_numba
def test_only_problems_of_a_size_are_compiled():
    def loop(n, p):
        return inner_loop.inner_loop(standardised(np.ones((n, p)), np.full(n, 1 / n), True))

    assert loop(300, 100) is not None
    assert loop(100, 100) is None
    assert loop(6_000, 100) is None


def test_without_numba_there_is_nothing_to_compile():
    hidden = "import sys; sys.modules['numba'] = None; from glminfer.numerics import compiled; "
    code = hidden + "compiled.find_spec = lambda name: None; print(compiled.settle())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "None"


def test_the_package_does_not_import_numba():
    code = "import sys, glminfer, glminfer.numerics.compiled; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
