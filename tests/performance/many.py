"""Thousands of models: glminfer's batches beside loops of other packages, on the same data in the same process.

    python tests/performance/many.py             # speed, beside the packages that are installed
    python tests/performance/many.py --memory    # 100,000 models x 300 rows x 8 columns, and the memory they take

Times are per model; a loop is timed on fewer models than the batch. "CPU" is processor time of all threads, which
hardly depends on what else the machine does.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

import glminfer as gi

N, P = 300, 8
RHS = " + ".join(f"x{j}" for j in range(P - 1))
LOOPED = 200  # models a loop is timed on


def data(models: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Covariates, outcomes (N, models) and candidates (N, models)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, P - 1))
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(P - 1)])
    eta = 0.2 + X @ (0.3 * rng.standard_normal((P - 1, models)))
    frame["y"] = (rng.random(N) < 0.5).astype(int)
    return frame, rng.random((N, models)) < 1 / (1 + np.exp(-eta)), rng.standard_normal((N, models))


def timed(run: Callable[[], object], models: int, repeats: int) -> tuple[float, float]:
    """Least time on the clock and of the processors, in microseconds per model."""
    run()
    clock, cpu = [], []
    for _ in range(repeats):
        start, spent = perf_counter(), process_time()
        run()
        clock.append(perf_counter() - start)
        cpu.append(process_time() - spent)
    return 1e6 * min(clock) / models, 1e6 * min(cpu) / models


def statsmodels_loop(X: np.ndarray, Y: np.ndarray, candidates: np.ndarray | None) -> Callable[[], object]:
    """Logit from arrays, with standard errors; not the likelihood ratio, for which it would fit the null model."""
    from statsmodels.discrete.discrete_model import Logit

    def run() -> object:
        out = []
        for k in range(LOOPED):
            Z = X if candidates is None else np.column_stack([X, candidates[:, k]])
            fit = Logit(Y[:, k], Z).fit(disp=0, method="newton")
            out.append((fit.params, fit.bse, fit.llf))
        return out

    return run


def sklearn_loop(X: np.ndarray, Y: np.ndarray, candidates: np.ndarray | None) -> Callable[[], object]:
    """Estimates only."""
    from sklearn.linear_model import LogisticRegression

    def run() -> object:
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
        for k in range(LOOPED):
            Z = X[:, 1:] if candidates is None else np.column_stack([X[:, 1:], candidates[:, k]])
            model.fit(Z, Y[:, k])
        return model

    return run


R_SCRIPT = """
X <- as.matrix(read.csv("X.csv")); Y <- as.matrix(read.csv("Y.csv")); Z <- as.matrix(read.csv("Z.csv"))
each <- commandArgs(TRUE)[1] == "each"
best <- c(Inf, Inf)
for (r in 1:3) {
  t <- system.time(for (k in 1:ncol(Y)) {
    D <- if (each) cbind(X, Z[, k]) else X
    f <- glm.fit(D, Y[, k], family = binomial())
    se <- sqrt(diag(chol2inv(f$qr$qr[1:ncol(D), , drop = FALSE])))
    lr <- f$null.deviance - f$deviance
  })
  best <- pmin(best, c(t["elapsed"], t["user.self"] + t["sys.self"]))
}
cat(best)
"""


def r_loop(X: np.ndarray, Y: np.ndarray, Z: np.ndarray, kind: str) -> tuple[float, float]:
    """glm.fit from matrices, as ``timed``."""
    with tempfile.TemporaryDirectory() as folder:
        for name, values in (("X", X), ("Y", Y[:, :LOOPED].astype(int)), ("Z", Z[:, :LOOPED])):
            pd.DataFrame(values).to_csv(Path(folder) / f"{name}.csv", index=False)
        script = Path(folder) / "loop.R"
        script.write_text(R_SCRIPT)
        done = subprocess.run(["Rscript", script, kind], cwd=folder, capture_output=True, text=True, check=True)
    clock, cpu = (1e6 * float(seconds) / LOOPED for seconds in done.stdout.split())
    return clock, cpu


def speed(models: int = 2000, repeats: int = 15) -> dict[str, dict[str, tuple[float, float]]]:
    """Microseconds per model, clock and processor, of every package, for many outcomes and for many candidates."""
    frame, Y, Z = data(models)
    X = np.column_stack([np.ones(N), frame[[f"x{j}" for j in range(P - 1)]]])
    same = np.repeat(frame["y"].to_numpy()[:, None], models, axis=1)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for kind, ours, outcome, candidates in (("outcomes", outcomes, Y, None), ("candidates", each, same, Z)):
        rows = {"glminfer": timed(lambda run=ours: run(frame, Y, Z), models, repeats)}
        gi.set_threads(1)
        rows["glminfer, one thread"] = timed(lambda run=ours: run(frame, Y, Z), models, repeats)
        gi.set_threads(None)
        if find_spec("statsmodels"):
            rows["statsmodels Logit, loop"] = timed(statsmodels_loop(X, outcome, candidates), LOOPED, 3)
        if find_spec("sklearn"):
            rows["scikit-learn, loop, no SE"] = timed(sklearn_loop(X, outcome, candidates), LOOPED, 3)
        if shutil.which("Rscript"):
            rows["R glm.fit, loop"] = r_loop(X, outcome, Z, "each" if candidates is not None else "many")
        found[kind] = rows
    return found


def outcomes(frame: pd.DataFrame, Y: np.ndarray, Z: np.ndarray) -> object:
    """Many outcomes: estimates, standard errors, intervals and the likelihood ratio against the null."""
    fits = gi.logit_many(RHS, frame, outcomes=Y)
    return fits.tidy(adjust=None), fits.lr_test(adjust=None)


def each(frame: pd.DataFrame, Y: np.ndarray, Z: np.ndarray) -> object:
    """Many candidates: the same, with the likelihood ratio of the candidate."""
    fits = gi.logit_each(f"y ~ {RHS}", frame, covariates=Z)
    return fits.tidy(adjust=None), fits.lr_test(adjust=None)


def memory(models: int = 100_000) -> None:
    """Fit 100,000 outcomes; the peak counts their outcomes as bools (30 MB) and pandas itself."""
    frame, _, _ = data(16)
    rng = np.random.default_rng(0)
    Y = np.empty((N, models), dtype=bool)
    for k in range(0, models, 1000):
        Y[:, k : k + 1000] = rng.random((N, 1000)) < 0.2 + 0.6 * rng.random(1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, spent = perf_counter(), process_time()
    fits = gi.logit_many(RHS, frame, outcomes=Y)
    fits.tidy()
    fits.lr_test()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = f"{perf_counter() - start:.1f} s on the clock, {process_time() - spent:.1f} s of the processors"
    print(f"{models:,} models with tidy() and lr_test(): {took}")
    print(f"peak memory {peak / 1024:,.0f} MB, {before / 1024:,.0f} MB of it before the fit")


if __name__ == "__main__":
    if "--memory" in sys.argv:
        memory()
    else:
        for kind, rows in speed().items():
            print(f"\n{kind}: n = {N}, p = {P}, microseconds per model: clock, processor, ratio of processor times")
            first = rows["glminfer, one thread"][1]
            for name, (clock, cpu) in rows.items():
                print(f"  {name:28s}{clock:10.1f}{cpu:10.1f}  {cpu / first:8.1f} x")
