"""The other classical solvers: gradient descent (10), BFGS (11) and L-BFGS (13).

All three work on the mean log-likelihood of centred and scaled columns, where one step length suits every coefficient,
and all end at the maximum that Newton finds. The quasi-Newton methods are those of ``scipy.optimize``, whose BFGS line
search satisfies the strong Wolfe conditions (12).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from glminfer.errors import Status
from glminfer.numerics.blocks import Array
from glminfer.numerics.newton import Control, Solution, Step, newton_step
from glminfer.numerics.objectives import Likelihood

_CLOSE = 1e-7  # standard errors: closer than this to the maximum is converged for a first-order method
_EPS = np.finfo(float).eps
_LOOK_EVERY = 25  # gradient steps between two looks at the Newton decrement


@dataclass(slots=True)
class _Scaled:
    """The mean negative log-likelihood as a function of theta, coef = A theta, with a trace of accepted points."""

    objective: Likelihood
    A: Array
    total: float
    unit: float
    clock: float
    trace: list[Step] = field(default_factory=list)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        loglik, score = self.objective.slope(self.A @ theta)
        return -loglik / self.total, -(score @ self.A) / self.total

    def record(self, theta: Array, size: float) -> None:
        loglik, score = self.objective.slope(self.A @ theta)
        self.record_known(loglik, float(np.abs(score).max(initial=0.0)), size)

    def record_known(self, loglik: float, largest: float, size: float) -> None:
        self.trace.append(Step(loglik, largest, size, time.perf_counter() - self.clock))

    def decrement(self, theta: Array) -> float:
        return float(newton_step(self.objective((self.A @ theta)[None]))[1][0] / np.sqrt(self.unit))


def standardising(products: Array, constant: Array | None, n: int) -> Array:
    """A such that the columns of X A have mean 0 and mean square 1 over n rows (only the latter without a constant)."""
    p = len(products)
    mean = np.zeros(p) if constant is None else np.where(constant == 0, constant @ products / n, 0.0)
    variance = np.diagonal(products) / n - mean**2
    A = np.eye(p) if constant is None else np.eye(p) - np.outer(constant, mean)
    return np.asarray(A / np.sqrt(np.where(variance > 0, variance, 1.0)))


def first_order(
    method: str,
    objective: Likelihood,
    start: Array,
    control: Control,
    scaling: tuple[Array, float],
    unit: float = 1.0,
) -> Solution:
    """Maximise one model from ``start`` (p,) by "gradient", "bfgs" or "lbfgs"; ``scaling`` is (A, Σw).

    Decrements are judged with weights divided by ``unit`` (156).
    """
    A, total = scaling
    problem = _Scaled(objective, A, total, unit, time.perf_counter())
    theta: Array = np.linalg.solve(A, start).astype(float)
    problem.record(theta, 0.0)
    theta = METHODS[method](problem, theta, control)
    coef = (A @ theta)[None]
    terms = objective(coef)
    decrement = newton_step(terms)[1]
    close = decrement[0] / np.sqrt(unit) <= _enough(float(terms.loglik[0]) / unit, control)
    status = Status.CONVERGED if close else Status.LIMIT
    n_iter = np.array([len(problem.trace) - 1])
    return Solution(coef, terms, (status,), n_iter, decrement, tuple(problem.trace))


def _enough(loglik: float, control: Control) -> float:
    """The distance from the maximum at which a line search is blind: it sees the log-likelihood only to rounding."""
    return max(_CLOSE, control.tol, 4 * float(np.sqrt(2 * _EPS * abs(loglik))))


def _descend(problem: _Scaled, theta: Array, control: Control) -> Array:
    """Gradient descent: a fixed step, or backtracking until Armijo's condition holds (10)."""
    size = control.step_size or 1.0
    value, slope = problem(theta)
    left = np.inf
    for k in range(1, control.limit(100_000) + 1):
        trial, value, slope, used = _downhill(problem, theta, (value, slope), size, control)
        if used == 0.0:
            break
        theta, size = trial, control.step_size or 2.0 * used
        largest = float(np.abs(np.linalg.solve(problem.A.T, slope)).max(initial=0.0)) * problem.total
        problem.record_known(-value * problem.total, largest, used)
        if k % _LOOK_EVERY == 0:
            before, left = left, problem.decrement(theta)
            blind = left <= _enough(value * problem.total / problem.unit, control) / 2 and left > before / 2
            if blind or left <= max(_CLOSE, control.tol) / 2:
                break
    return theta


def _downhill(
    problem: _Scaled, theta: Array, here: tuple[float, Array], size: float, control: Control
) -> tuple[Array, float, Array, float]:
    """One gradient step from (value, slope): the new point, its value and slope, and the step used (0: none found).

    Where the decrease asked for is lost in rounding, the slope decides in its place: on a parabola Armijo's condition
    with constant 1/2 says that the step ends before the minimum along the line (Hager & Zhang 2005, SIAM J. Optim. 16).
    """
    value, slope = here
    squared = float(slope @ slope)
    rounding = 8 * _EPS * abs(value)
    for _ in range(control.max_halvings + 1):
        trial = theta - size * slope
        new_value, new_slope = problem(trial)
        needed = 0.5 * size * squared
        enough = new_value <= value - needed if needed > rounding else new_slope @ slope >= 0
        if control.step_size is not None or enough:
            return trial, new_value, new_slope, size
        size /= 2
    return theta, value, slope, 0.0


def _quasi_newton(name: str, limit: int, options: dict[str, float]) -> Callable[[_Scaled, Array, Control], Array]:
    def solve(problem: _Scaled, theta: Array, control: Control) -> Array:
        from scipy.optimize import minimize  # 0.1 s to import: only for those who ask

        last = [theta]

        def remember(point: Array) -> None:
            problem.record(point, float(np.linalg.norm(point - last[0])))
            last[0] = np.array(point)

        # a gradient of g on the mean scale leaves about 2g√Σw standard errors to go
        gtol = max(control.tol / (4 * np.sqrt(problem.total)), 1e-13)
        bounds = {"maxiter": control.limit(limit), "gtol": gtol, **options}
        found = minimize(problem, theta, jac=True, method=name, callback=remember, options=bounds)  # type: ignore[call-overload]
        return np.asarray(found.x)

    return solve


METHODS: dict[str, Callable[[_Scaled, Array, Control], Array]] = {
    "gradient": _descend,
    "bfgs": _quasi_newton("BFGS", 1000, {}),
    "lbfgs": _quasi_newton("L-BFGS-B", 1000, {"ftol": 0.0, "maxcor": 20, "maxfun": 100_000}),
}
