"""How long answers after selection take, beside glmnet's share of the same work: ``pytest -m performance -s``.

GLMINFER_STEINMETZ names a folder of recorded sessions; without it the simulator stands in for one.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

pytestmark = pytest.mark.performance

FOLDER = os.environ.get("GLMINFER_STEINMETZ", "")
R_SCRIPT = """
arguments <- commandArgs(TRUE)
suppressMessages(library(glmnet))
n <- as.integer(arguments[2]); p <- as.integer(arguments[3]); count <- as.integer(arguments[4])
read <- function(name, k) readBin(file.path(arguments[1], name), "double", k)
x <- matrix(read("x", n * p), n); y <- read("y", n)
start <- sum(proc.time()[c("user.self", "sys.self")])
halves <- function() for (k in 1:count) {
  rows <- sample.int(n, n %/% 2)
  glmnet(x[rows, ], y[rows], family = "binomial", dfmax = as.integer(arguments[5]) - 1)
}
each <- function() for (j in round(seq(1, p, length.out = count))) glmnet(x[, -j], x[, j])
if (arguments[6] == "halves") halves() else each()
cat(sum(proc.time()[c("user.self", "sys.self")]) - start)
"""


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processors."""
    start, work = perf_counter(), process_time()
    run()
    return perf_counter() - start, process_time() - work


def glmnet(folder: Path, X: np.ndarray, y: np.ndarray, count: int, q: int, what: str) -> float | None:
    """Processor seconds of R's glmnet for ``count`` halves, or ``count`` columns on the others; None without it."""
    if shutil.which("Rscript") is None:
        return None
    for name, values in {"x": X, "y": y}.items():
        values.astype(float).ravel(order="F").tofile(folder / name)
    (folder / "run.R").write_text(R_SCRIPT)
    command = ["Rscript", "--vanilla", folder / "run.R", folder, *map(str, (*X.shape, count, q)), what]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def session() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcome and counts of a session of more than 1,000 neurons."""
    if FOLDER:
        found = next(one for one in gi.datasets.load_steinmetz(FOLDER) if one.spikes.shape[1] > 1_000)
        return found.trials, found.spikes.loc[:, found.spikes.nunique() > 1]
    trials = gi.datasets.simulate_session(n_trials=250, n_neurons=1_070)
    neurons = trials[[name for name in trials if name[0] == "n" and name[1:].isdigit()]]
    return trials, neurons.loc[:, neurons.nunique() > 1]


def test_all_columns_of_a_session_are_debiased(tmp_path, capsys):
    trials, neurons = session()
    path = gi.logit_path("feedback == 1 ~ 1", trials, covariates=neurons)
    clock, work = timed(lambda: path.debias())
    X, y = neurons.to_numpy(), (trials.feedback == 1).to_numpy()
    each = glmnet(tmp_path, X, y, 20, 1, "each")
    said = (
        ""
        if each is None
        else f"; glmnet's regressions of a column on the others {each / 20 * X.shape[1]:.0f} s of them"
    )
    with capsys.disabled():
        print(f"\n{X.shape[0]} × {X.shape[1]}: all debiased in {clock:.1f} s ({work:.1f} s of the processors){said}")
    assert work < 120


def test_stability_selection_and_split_tests(tmp_path, capsys):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((300, 700))
    y = (rng.random(300) < 1 / (1 + np.exp(-X[:, :10] @ rng.normal(0, 0.5, 10)))).astype(float)
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X, lambdas=[1.0])
    found = gi.stability(path)
    clock, work = timed(lambda: gi.stability(path))
    theirs = glmnet(tmp_path, X, y, 100, found.q, "halves")
    tests = timed(lambda: gi.split_test("y ~ 1", {"y": y}, covariates=X))
    said = "" if theirs is None else f"; glmnet on 100 halves {theirs:.1f} s of them"
    with capsys.disabled():
        print(
            f"\n300 × 700: stability, 100 halves, q = {found.q}: {clock:.1f} s ({work:.1f} s of the processors){said}"
        )
        print(f"50 split tests: {tests[0]:.1f} s ({tests[1]:.1f} s of the processors)")
    assert work < 30
