"""How fast intervals, tests and robust covariances are, beside R and firthmodels: ``pytest -m performance -s``.

Each time is the fastest of several runs, with the peers in between or right after: the ratios of one run count.
"""

import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from performance.scenarios import Scenario, mixed, numeric
from threadpoolctl import threadpool_limits

import glminfer as gi
from glminfer.numerics.objectives import Likelihood

pytestmark = pytest.mark.performance

CLUSTERS = 30
R_SCRIPT = """
arguments <- commandArgs(TRUE)
d <- read.csv(arguments[1], stringsAsFactors = TRUE)
fit <- glm(as.formula(arguments[2]), family = binomial(), data = d)
robust <- function() {
  V <- sandwich::vcovCL(fit, cluster = d$cluster, type = "HC1")
  se <- sqrt(diag(V)); b <- coef(fit)
  cbind(b, se, 2 * pt(-abs(b / se), nlevels(factor(d$cluster)) - 1))
}
calls <- list(
  "MASS" = list("profile", function() suppressMessages(MASS:::confint.glm(fit))),
  "car" = list("type II LR", function() car::Anova(fit)),
  "sandwich" = list("CR1 tidy", robust)
)
for (package in names(calls)) if (requireNamespace(package, quietly = TRUE)) {
  run <- calls[[package]][[2]]
  run()
  seconds <- sapply(seq_len(as.integer(arguments[3])), function(k) {
    start <- as.numeric(Sys.time()); run(); as.numeric(Sys.time()) - start
  })
  cat(calls[[package]][[1]], package, format(min(seconds), digits = 10), sep = "\\t")
  cat("\\n")
}
"""


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest run, after one to warm up."""
    run()
    return min(seconds(run) for _ in range(repeats))


def seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def clustered(scenario: Scenario) -> pd.DataFrame:
    """The frame with a column of clusters beside it."""
    return scenario.frame.assign(cluster=np.arange(len(scenario.frame)) % CLUSTERS)


def in_r(scenario: Scenario, folder, repeats: int) -> dict[str, tuple[str, float]]:
    """Package and fastest seconds of each task in R; nothing without R or the packages."""
    if shutil.which("Rscript") is None:
        return {}
    clustered(scenario).to_csv(folder / "d.csv", index=False)
    (folder / "run.R").write_text(R_SCRIPT)
    command = ["Rscript", "--vanilla", folder / "run.R", folder / "d.csv", scenario.formula, str(repeats)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in printed.splitlines() if line.count("\t") == 2]
    return {task: (f"R {package}", float(took)) for task, package, took in lines}


def by_firthmodels(scenario: Scenario) -> tuple[str, float]:
    """All profile intervals by firthmodels, which profiles the penalised likelihood."""
    from firthmodels import FirthLogisticRegression

    X = pd.get_dummies(scenario.frame.drop(columns="y"), drop_first=True, dtype=float).to_numpy()
    with threadpool_limits(1):
        model = FirthLogisticRegression().fit(X, scenario.frame.y.to_numpy())
        return "firthmodels", seconds(lambda: model.conf_int(method="pl"))


def report(capsys, scenario: Scenario, ours: dict[str, float], peers: list[tuple[str, tuple[str, float]]]) -> None:
    """One line per task: our time, then each peer's with its ratio."""
    with capsys.disabled():
        print(f"\n{scenario.name}, {scenario.n_coefficients} coefficients")
        for task, took in ours.items():
            theirs = [f"{name} {1000 * s:.2f} ms ({s / took:.1f}×)" for done, (name, s) in peers if done == task]
            print(f"  {task}: glminfer {1000 * took:.2f} ms; " + ("; ".join(theirs) or "no peer here"))


def test_intervals_and_tests_of_a_small_model(tmp_path, capsys):
    scenario = mixed()
    fit = gi.logit(scenario.formula, clustered(scenario))
    ours = {
        "profile": fastest(lambda: fit.confint(method="profile"), 50),
        "type II LR": fastest(lambda: fit.anova(type="II", test="LR"), 50),
        "CR1 tidy": fastest(lambda: fit.tidy(cov="CR1", cluster="cluster"), 50),
    }
    peers = list(in_r(scenario, tmp_path, 20).items())
    if find_spec("firthmodels"):
        peers.append(("profile", by_firthmodels(scenario)))
    report(capsys, scenario, ours, peers)
    assert ours["profile"] <= 0.010
    assert ours["type II LR"] <= 0.005
    assert ours["CR1 tidy"] <= 0.002


def test_profile_of_twenty_covariates(tmp_path, capsys):
    scenario = numeric(2_000, 20)
    fit = gi.logit(scenario.formula, scenario.frame)
    ours = {"profile": fastest(fit.confint, 5)}
    peers = list(in_r(scenario, tmp_path, 2).items())
    if find_spec("firthmodels"):
        peers.append(("profile", by_firthmodels(scenario)))
    report(capsys, scenario, ours, peers)
    assert ours["profile"] <= 0.3


@pytest.mark.parametrize(("cov", "cluster"), [("HC3", None), ("CR1", "cluster")])
def test_a_robust_covariance_takes_less_than_two_newton_passes(cov, cluster, capsys):
    scenario = numeric(1_000_000, 20)
    fit = gi.logit(scenario.formula, clustered(scenario))
    rows, _ = fit.with_rows()
    newton, robust = Likelihood(rows, fit.family), lambda: fit.vcov(cov=cov, cluster=cluster)
    newton(fit.working[None]), robust()
    pairs = [(seconds(lambda: newton(fit.working[None])), seconds(robust)) for _ in range(7)]
    one_pass, covariance = (min(column) for column in zip(*pairs, strict=True))
    with capsys.disabled():
        told = f"one Newton pass {1000 * one_pass:.0f} ms, {cov} {1000 * covariance:.0f} ms"
        print(f"\n{scenario.name}: {told}, ratio {covariance / one_pass:.2f}")
    assert covariance < 2 * one_pass
