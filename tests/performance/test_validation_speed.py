"""How long cross-validations take, beside cv.glmnet on the same rows and folds: ``pytest -m performance -s``."""

import shutil
import subprocess
from time import process_time

import numpy as np
import pandas as pd
import pytest
from performance.test_tests_speed import fastest, seconds

import glminfer as gi

pytestmark = pytest.mark.performance

LIMIT = 1.5  # times that of cv.glmnet
SIZES = [(276, 691, 5), (1_000, 200, 3), (10_000, 100, 2)]
R_SCRIPT = """
arguments <- commandArgs(TRUE)
suppressMessages(library(glmnet))
n <- as.integer(arguments[2]); p <- as.integer(arguments[3])
read <- function(name, k) readBin(file.path(arguments[1], name), "double", k)
x <- matrix(read("x", n * p), n); y <- read("y", n); fold <- read("fold", n)
run <- function() cv.glmnet(x, y, family = "binomial", foldid = fold)
found <- run()
took <- sapply(seq_len(as.integer(arguments[4])), function(k) summary(system.time(run())))
cat(format(min(took["elapsed", ]), digits = 10), min(took["user", ] + took["system", ]), min(found$cvm))
"""


def rows(n: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal columns, ten of them with an effect; outcome; ten folds."""
    rng = np.random.default_rng(7)
    X = np.asfortranarray(rng.standard_normal((n, p)))
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, :10] @ rng.normal(0, 0.5, 10)))).astype(float)
    return X, y, np.arange(n) % 10 + 1.0


def cv_glmnet(folder, X, y, fold, repeats: int) -> list[float]:
    """Fewest seconds by the clock and of the processor, smallest mean deviance; nothing without R and glmnet."""
    if shutil.which("Rscript") is None:
        return []
    for name, values in {"x": X, "y": y, "fold": fold}.items():
        values.ravel(order="F").tofile(folder / name)
    (folder / "run.R").write_text(R_SCRIPT)
    command = ["Rscript", "--vanilla", folder / "run.R", folder, *map(str, X.shape), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()] if done.returncode == 0 else []


@pytest.mark.parametrize(("n", "p", "repeats"), SIZES)
def test_cross_validation_beside_cv_glmnet(n, p, repeats, tmp_path, capsys):
    X, y, fold = rows(n, p)
    frame = pd.DataFrame({"y": y})

    def run() -> gi.CrossValidation:
        return gi.cross_validate(gi.logit_path("y ~ 1", frame, covariates=X, stop_early=True), folds=fold)

    ours, theirs, again = fastest(run, repeats), cv_glmnet(tmp_path, X, y, fold, repeats), fastest(run, repeats)
    start = process_time()
    found, took = run().glance().loc[0], min(ours, again)
    work = process_time() - start
    said = "no glmnet here"
    if theirs:
        said = f"cv.glmnet {theirs[0]:.2f} s; ratio {took / theirs[0]:.2f} (processor time {work / theirs[1]:.2f})"
    with capsys.disabled():
        print(f"\n{n:,} × {p}, path and 10 folds: glminfer {took:.2f} s; {said}")
    if theirs:
        assert took <= LIMIT * theirs[0]
        assert found.estimate_min == pytest.approx(theirs[-1], rel=1e-3)  # its folds interpolate between their own λ


def test_nested_validation_and_permutations_of_a_session(capsys):
    X, y, _ = rows(276, 691)
    frame = pd.DataFrame({"y": y})
    path = gi.logit_path("y ~ 1", frame, covariates=X)
    short = gi.logit_path("y ~ 1", frame, covariates=X, n_lambdas=20, lambda_min_ratio=0.1)
    nested = seconds(lambda: gi.nested_cross_validate(path, outer=10, inner=10))
    nested_short = seconds(lambda: gi.nested_cross_validate(short, outer=10, inner=10))
    test = seconds(lambda: gi.decoding_test(short, scheme="free", n=199))
    with capsys.disabled():
        print(
            f"\n276 × 691: nested 10 × 10 {nested:.1f} s (100 λ), {nested_short:.1f} s (20 λ); "
            f"199 arrangements {test:.0f} s"
        )
    assert nested < 60
    assert test < 120
