"""Lasso paths of 100 penalties beside the packages that are installed: ``python paths.py [SIZE ...] [--rho 0.5]``.

Everyone gets the same matrix, the same 100 λ (glminfer's default, which is glmnet's sequence run to its end) and one
thread. Beside each time stands how far from the optimum its coefficients are: the largest violation of the conditions
of optimality, for standardised columns, over all λ, computed here by one function for all. glmnet runs with its default
threshold and with smaller ones until it is as close as 1e-8; glminfer also as far out as skglm is by default. R's clock
runs inside R, after one run to warm up; skglm compiles before it is timed. Times are processor seconds of one thread,
the best of several runs: about what passes on the clock of a quiet machine. Python's peers are stopped after a while,
between two λ.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import glminfer as gi

SIZES = {"a": (276, 691), "b": (1000, 200), "c": (10_000, 100), "d": (20_000, 500), "e": (100_000, 50)}
SIZES["f"] = (500, 20_000)
PATIENCE = 10.0  # seconds after which a peer is stopped between two λ
OPTIMAL = 1e-8
LOOSE = 1e-4  # as far from the optimum as skglm is by default

Path3 = tuple[float, np.ndarray, np.ndarray]  # seconds, intercepts (L,), coefficients (L, p)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]  # X, y, λ


def data(n: int, p: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns with a common correlation, up to twenty of which matter."""
    rng = np.random.default_rng(0)
    X = np.sqrt(1 - rho) * rng.standard_normal((n, p)) + np.sqrt(rho) * rng.standard_normal((n, 1))
    k = min(20, p // 5)
    eta = X[:, :k] @ rng.normal(0, 2 / np.sqrt(k), k)
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)


def violation(problem: Problem, intercept: np.ndarray, coef: np.ndarray) -> float:
    """How far from the optimum a path is."""
    X, y, lambdas = problem
    mean, deviation, worst = X.mean(axis=0), X.std(axis=0), 0.0
    for lambda_, constant, b in zip(lambdas, intercept, coef, strict=False):
        residual = (y - 1 / (1 + np.exp(-(constant + X @ b)))) / len(y)
        score = (residual @ X - mean * residual.sum()) / deviation
        off = np.where(b != 0, np.abs(score - lambda_ * np.sign(b)), np.maximum(np.abs(score) - lambda_, 0))
        worst = max(worst, off.max(), abs(residual.sum()))
    return worst


def best(run: Callable[[], object], budget: float = 6.0) -> float:
    """The fastest of up to seven runs."""
    spent: list[float] = []
    while len(spent) < 7 and (len(spent) < 2 or sum(spent) < budget):
        start = process_time()
        run()
        spent.append(process_time() - start)
    return min(spent)


def glminfer(X: np.ndarray, y: np.ndarray, **options: object) -> tuple[float, gi.Path]:
    """From a formula and a matrix to the path."""
    frame = pd.DataFrame({"y": y.astype(int)})
    path = gi.logit_path("y ~ 1", frame, covariates=X, **options)
    return best(lambda: gi.logit_path("y ~ 1", frame, covariates=X, **options)), path


# Python peers: one λ after the other, from the solution before --------------------------------------------------------


def along(problem: Problem, solve: Callable[[float], tuple[float, np.ndarray]]) -> Path3:
    """Solve at one λ after the other while patience lasts."""
    made, start = [], process_time()
    for lambda_ in problem[2]:
        made.append(solve(lambda_))
        if process_time() - start > PATIENCE:
            break
    spent = process_time() - start
    return spent, np.array([constant for constant, _ in made]), np.array([coef for _, coef in made])


def standardised(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns on one scale, which the peers do not make themselves; not timed."""
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    return np.asfortranarray((X - mean) / deviation), mean, deviation


def unscaled(found: Path3, mean: np.ndarray, deviation: np.ndarray) -> Path3:
    seconds, intercept, coef = found
    coef = coef / deviation
    return seconds, intercept - coef @ mean, coef


def scikit_learn(problem: Problem, solver: str) -> Path3:
    """LogisticRegression with a warm start, at its default tolerance."""
    from sklearn.linear_model import LogisticRegression

    X, y, _ = problem
    Z, mean, deviation = standardised(X)
    model = LogisticRegression(
        l1_ratio=1.0, solver=solver, warm_start=True, max_iter=10_000, random_state=0, intercept_scaling=1e3
    )

    def solve(lambda_: float) -> tuple[float, np.ndarray]:
        model.set_params(C=1 / (len(y) * lambda_)).fit(Z, y)
        return float(model.intercept_[0]), model.coef_[0].copy()

    return unscaled(along(problem, solve), mean, deviation)


def glum(problem: Problem, **options: float) -> Path3:
    """GeneralizedLinearRegressor with a warm start."""
    from glum import GeneralizedLinearRegressor

    X, y, _ = problem
    Z, mean, deviation = standardised(X)
    options |= {"l1_ratio": 1.0, "warm_start": True, "scale_predictors": False, "max_iter": 1000}
    model = GeneralizedLinearRegressor(family="binomial", **options)

    def solve(lambda_: float) -> tuple[float, np.ndarray]:
        model.set_params(alpha=lambda_).fit(Z, y)
        return float(model.intercept_), model.coef_.copy()

    return unscaled(along(problem, solve), mean, deviation)


def skglm(problem: Problem, **options: float) -> Path3:
    """ProxNewton with a warm start, compiled beforehand."""
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic
    from skglm.penalties import L1
    from skglm.solvers import ProxNewton

    X, y, lambdas = problem
    Z, mean, deviation = standardised(X)
    signs = np.where(y > 0, 1.0, -1.0)

    def model() -> GeneralizedLinearEstimator:
        solver = ProxNewton(warm_start=True, fit_intercept=True, **options)
        return GeneralizedLinearEstimator(Logistic(), L1(lambdas[1]), solver)

    model().fit(Z, signs)
    used = model()

    def solve(lambda_: float) -> tuple[float, np.ndarray]:
        used.penalty = L1(lambda_)
        used.fit(Z, signs)
        return float(np.ravel(used.intercept_)[0]), np.ravel(used.coef_).copy()

    return unscaled(along(problem, solve), mean, deviation)


PEERS: dict[str, tuple[str, Callable[[Problem], Path3]]] = {
    "glum": ("glum", glum),
    "glum, gradient_tol=1e-8": ("glum", lambda problem: glum(problem, gradient_tol=1e-8)),
    "skglm": ("skglm", skglm),
    "skglm, tol=1e-8": ("skglm", lambda problem: skglm(problem, tol=1e-8, max_iter=1000)),
    "scikit-learn liblinear": ("sklearn", lambda problem: scikit_learn(problem, "liblinear")),
    "scikit-learn saga": ("sklearn", lambda problem: scikit_learn(problem, "saga")),
}

# glmnet ---------------------------------------------------------------------------------------------------------------

R_SCRIPT = """
suppressMessages(library(glmnet))
a <- commandArgs(TRUE); folder <- a[1]; n <- as.integer(a[2]); p <- as.integer(a[3]); thresh <- as.numeric(a[4])
read <- function(name, size) readBin(file.path(folder, name), "double", size)
X <- matrix(read("X", n * p), n, p); y <- read("y", n); lambda <- read("lambda", 1000)
run <- function(...) glmnet(X, y, family = "binomial", thresh = thresh, maxit = 1e8, ...)
best <- function(...) {
  spent <- c()
  while (length(spent) < 7 && sum(spent) < 6) spent <- c(spent, sum(system.time(run(...))[1:2]))
  min(spent)
}
run(nlambda = 5)
fit <- run(lambda = lambda)
own <- run(nlambda = if (thresh == 1e-7) 100 else 2)
numbers <- c(best(lambda = lambda), if (thresh == 1e-7) best() else NA, length(own$lambda))
writeBin(c(numbers, as.vector(as.matrix(coef(fit)))), file.path(folder, "out"))
"""


def glmnet(problem: Problem, thresh: float) -> tuple[Path3, float, int]:
    """The path at the λ given; seconds and number of λ of the sequence that glmnet would have chosen."""
    X, y, lambdas = problem
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("X", X.ravel(order="F")), ("y", y), ("lambda", lambdas)):
            array.tofile(Path(folder, name))
        Path(folder, "run.R").write_text(R_SCRIPT)
        command = ["Rscript", "--vanilla", str(Path(folder, "run.R")), folder, *map(str, (*X.shape, thresh))]
        one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
        subprocess.run(command, check=True, capture_output=True, env=os.environ | one)
        seconds, own, count, *coef = np.fromfile(Path(folder, "out"))
    table = np.array(coef).reshape(len(lambdas), -1)
    return (seconds, table[:, 0], table[:, 1:]), own, int(count)


# the table ------------------------------------------------------------------------------------------------------------


def compared(size: str, rho: float, peers: bool) -> pd.DataFrame:
    """One row for each package: seconds, ratio to glminfer, violation of optimality, and λ solved."""
    X, y = data(*SIZES[size], rho)
    seconds, path = glminfer(X, y)
    problem = (X, y, path.lambdas)
    rows = {"glminfer": (seconds, violation(problem, path.solution.intercept, path.solution.coef), 100)}
    for tol in (OPTIMAL, LOOSE):
        looser, path = glminfer(X, y, control=gi.Control(tol=tol))
        off = violation(problem, path.solution.intercept, path.solution.coef)
        rows[f"glminfer, tol={tol:.0e}"] = (looser, off, 100)
    if shutil.which("Rscript"):
        rows |= by_glmnet(problem)
        looser, path = glminfer(X, y, stop_early=True)
        off = violation(problem, path.solution.intercept, path.solution.coef)
        rows["glminfer, stop_early=True"] = (looser, off, len(path.lambdas))
    for name, (module, run) in PEERS.items() if peers else ():
        if find_spec(module):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of their limits: the violation tells
                spent, intercept, coef = run(problem)
            rows[name] = (spent, violation(problem, intercept, coef), len(coef))
    table = pd.DataFrame(rows, index=["seconds", "violation", "penalties"]).T
    table.insert(1, "ratio", table.seconds / seconds)
    return table


def by_glmnet(problem: Problem) -> dict[str, tuple[float, float, int]]:
    """glmnet as it comes, and as close to the optimum as is asked for."""
    rows: dict[str, tuple[float, float, int]] = {}
    for power in (7, 14, 15, 16, 17, 18):
        (seconds, *found), own, count = glmnet(problem, 10.0**-power)
        off = violation(problem, *found)
        if power == 7:
            rows["glmnet"] = (seconds, off, 100)
            rows["glmnet, its own sequence"] = (own, np.nan, count)
        if off <= OPTIMAL:
            rows[f"glmnet, thresh=1e-{power}"] = (seconds, off, 100)
            break
    return rows


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("sizes", nargs="*", default=list(SIZES), help="of a to f")
    options.add_argument("--rho", type=float, default=0.5, help="correlation of the columns")
    options.add_argument("--no-peers", action="store_true", help="glmnet only")
    chosen = options.parse_args()
    for size in chosen.sizes:
        n, p = SIZES[size]
        print(f"\n{n:,} x {p:,}, correlation {chosen.rho:g}; load {os.getloadavg()[0]:.1f}", flush=True)
        with threadpool_limits(limits=1):
            table = compared(size, chosen.rho, not chosen.no_peers)
        shown = {"seconds": "{:.3f}".format, "ratio": "{:.2f}".format, "violation": "{:.0e}".format}
        print(table.to_string(formatters=shown | {"penalties": "{:.0f}".format}), flush=True)


if __name__ == "__main__":
    main()
