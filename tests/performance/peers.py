"""The packages compared: each entry prepares what it is given for free, and returns the function that is timed.

The timed function returns coefficients and standard errors (or None) in the order Intercept, x0, x1, ..., g.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from scenarios import Scenario

Answer = tuple[np.ndarray, np.ndarray | None]
Timed = Callable[[], Answer]
Spent = tuple[float, float]  # seconds on the clock, and of the processors


@contextmanager
def row_threads(count: int) -> Iterator[None]:
    """Let glminfer use ``count`` threads."""
    from glminfer import set_threads

    set_threads(count)
    try:
        yield
    finally:
        set_threads()


def tidy(scenario: Scenario) -> Timed:
    """glminfer: a formula and a frame to the tidy table."""
    import glminfer as gi

    def run() -> Answer:
        table = gi.logit(scenario.formula, scenario.frame).tidy()
        order = _order(table.term)
        return table.estimate.to_numpy()[order], table.std_error.to_numpy()[order]

    return run


def statsmodels_formula(scenario: Scenario) -> Timed:
    """smf.glm: a formula and a DataFrame to estimates, errors, p-values and intervals."""
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    def run() -> Answer:
        fit = smf.glm(scenario.formula, scenario.frame, family=sm.families.Binomial()).fit()
        pd.concat([fit.params, fit.bse, fit.pvalues, fit.conf_int()], axis=1)
        order = _order(fit.params.index)
        return fit.params.to_numpy()[order], fit.bse.to_numpy()[order]

    return run


def statsmodels_arrays(scenario: Scenario) -> Timed:
    """sm.Logit on a matrix made beforehand, with the same table."""
    import statsmodels.api as sm

    X, y = matrix(scenario, intercept=True), scenario.frame.y.to_numpy(float)

    def run() -> Answer:
        fit = sm.Logit(y, X).fit(disp=0)
        np.column_stack([fit.params, fit.bse, fit.pvalues, fit.conf_int()])
        return fit.params, fit.bse

    return run


def glum(scenario: Scenario) -> Timed:
    """glum without a penalty: a formula and a DataFrame to the table with model-based errors."""
    from glum import GeneralizedLinearRegressor

    labels = scenario.frame.select_dtypes(exclude=["number", "bool"]).columns
    frame = scenario.frame.astype(dict.fromkeys(labels, "category"))
    outcome, rhs = frame.y.to_numpy(float), scenario.formula.split("~")[1]

    def run() -> Answer:
        model = GeneralizedLinearRegressor(family="binomial", alpha=0, drop_first=True, formula=rhs)
        model.fit(frame, outcome)
        table = model.coef_table(frame, outcome, dispersion=1.0, robust=False, expected_information=True)
        return table["coef"].to_numpy(), table["se"].to_numpy()

    return run


def sklearn(scenario: Scenario) -> Timed:
    """LogisticRegression without a penalty on a matrix made beforehand: no standard errors."""
    from sklearn.linear_model import LogisticRegression

    X, y = matrix(scenario, intercept=False), scenario.frame.y.to_numpy()

    def run() -> Answer:
        fit = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(X, y)
        return np.append(fit.intercept_, fit.coef_), None

    return run


PYTHON: dict[str, tuple[str, Callable[[Scenario], Timed]]] = {
    "statsmodels GLM, formula": ("statsmodels", statsmodels_formula),
    "statsmodels Logit, arrays": ("statsmodels", statsmodels_arrays),
    "glum, formula": ("glum", glum),
    "scikit-learn newton-cholesky, arrays, no SE": ("sklearn", sklearn),
}


def matrix(scenario: Scenario, intercept: bool) -> np.ndarray:
    """The design as an array, in the common order of the columns."""
    X = pd.get_dummies(scenario.frame.drop(columns="y"), drop_first=True, dtype=float)
    return np.column_stack([np.ones(len(X)), X]) if intercept else np.ascontiguousarray(X)


def _order(terms: pd.Series | pd.Index) -> np.ndarray:
    """Positions in the common order: the intercept, the numbers, the factor."""
    kind = [0 if name == "Intercept" else 2 if name.startswith("g") else 1 for name in terms]
    return np.argsort(kind, kind="stable")


R_SCRIPT = """
folder <- commandArgs(TRUE)[1]; repeats <- as.integer(commandArgs(TRUE)[2])
names <- readLines(file.path(folder, "names.txt"))
read <- function(name) { path <- file.path(folder, name); readBin(path, "double", file.size(path) / 8) }
d <- as.data.frame(setNames(lapply(names, read), names))
if (file.exists(file.path(folder, "g.txt"))) d$g <- readLines(file.path(folder, "g.txt"))
model <- as.formula(readLines(file.path(folder, "formula.txt")))
for (k in seq_len(repeats + 1)) {
  gc(FALSE)
  start <- as.numeric(Sys.time())
  used <- sum(proc.time()[1:2])
  fit <- glm(model, family = binomial(), data = d)
  table <- coef(summary(fit))
  wall <- as.numeric(Sys.time()) - start
  if (k > 1) cat("spent", format(c(wall, sum(proc.time()[1:2]) - used), digits = 10), "\\n")
}
cat("version", as.character(getRversion()), "\\n")
cat("coef", format(table[, 1], digits = 17), "\\n")
cat("se", format(table[, 2], digits = 17), "\\n")
"""


def run_r(scenario: Scenario, repeats: int) -> tuple[list[Spent], Answer, str]:
    """Time glm and summary inside R (after one run to warm up); reading the data is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        _hand_over(scenario, Path(folder))
        command = ["Rscript", "--vanilla", str(Path(folder, "run.R")), folder, str(repeats)]
        one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
        printed = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | one).stdout
    lines = [line.split() for line in printed.splitlines() if line]
    found = {words[0]: words[1:] for words in lines}
    answer = np.array(found["coef"], dtype=float), np.array(found["se"], dtype=float)
    spent = [(float(words[1]), float(words[2])) for words in lines if words[0] == "spent"]
    return spent, answer, found["version"][0]


def _hand_over(scenario: Scenario, folder: Path) -> None:
    numbers = [name for name in scenario.frame if name != "g"]
    for name in numbers:
        scenario.frame[name].to_numpy(float).tofile(folder / name)
    if "g" in scenario.frame:
        (folder / "g.txt").write_text("\n".join(scenario.frame.g) + "\n")
    for name, text in {"names.txt": "\n".join(numbers), "formula.txt": scenario.formula, "run.R": R_SCRIPT}.items():
        (folder / name).write_text(text + "\n")


def installed(module: str) -> bool:
    return find_spec(module) is not None


def has_r() -> bool:
    return shutil.which("Rscript") is not None
