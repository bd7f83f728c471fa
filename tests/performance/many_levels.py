"""Many models beside a factor of 150 levels, and loops of single fits: ``python many_levels.py``."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

import glminfer as gi

N, LEVELS, CANDIDATES, OUTCOMES, LOOP = 40_000, 150, 200, 50, 10
TERMS = "x1 + x2 + C(session)"


def trials(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of 150 sessions with two covariates and an outcome, and the linear predictor."""
    session = rng.integers(0, LEVELS, N)
    x1, x2 = rng.standard_normal((2, N))
    eta = -0.3 + 0.5 * x1 - 0.2 * x2 + rng.normal(0, 0.5, LEVELS)[session]
    names = np.array([f"s{k:03d}" for k in range(LEVELS)])[session]
    y = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "session": names}), eta


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time and what came out."""
    start = process_time()
    found = work()
    return process_time() - start, found


def told(name: str, time: float, models: int) -> None:
    """One line."""
    print(f"{name:45s}{time:8.2f} s{1e3 * time / models:10.1f} ms a model")


def main() -> None:
    """Print processor times."""
    gi.set_threads(1)
    rng = np.random.default_rng(1)
    data, eta = trials(rng)
    candidates = rng.poisson(1.0, (N, CANDIDATES)).astype(float)
    outcomes = (rng.random((N, OUTCOMES)) < 1 / (1 + np.exp(-eta))[:, None]).astype(float)
    silent = outcomes.copy()
    for k in range(OUTCOMES):  # in three sessions a neuron is silent: separated
        silent[data.session.isin(data.session.unique()[rng.integers(0, LEVELS, 3)]), k] = 0.0
    gi.logit("y ~ x1", data).tidy()

    def each() -> Any:
        fits = gi.logit_each(f"y ~ {TERMS}", data, covariates=candidates)
        return fits.tidy(), fits.lr_test()

    def many(values: np.ndarray) -> Any:
        fits = gi.logit_many(TERMS, data, outcomes=values)
        return fits.tidy(), fits.lr_test("x1")

    def alone() -> None:
        for k in range(LOOP):
            gi.logit(f"y ~ {TERMS} + c", data.assign(c=candidates[:, k])).tidy()

    def theirs() -> Any:
        dummies = pd.get_dummies(data.session, drop_first=True).to_numpy(float)
        X = np.column_stack([np.ones(N), data.x1, data.x2, dummies, candidates[:, 0]])
        return sm.Logit(data.y.to_numpy(), X).fit(disp=0).bse

    told(f"logit_each, {CANDIDATES} candidates, tidy and lr_test", seconds(each)[0], CANDIDATES)
    told(f"logit_many, {OUTCOMES} outcomes, tidy and lr_test", seconds(lambda: many(outcomes))[0], OUTCOMES)
    told("the same, silent in three sessions each", seconds(lambda: many(silent))[0], OUTCOMES)
    told(f"loop of gi.logit with codes, {LOOP} fits, tidy", seconds(alone)[0], LOOP)
    told("statsmodels Logit, arrays, one fit", seconds(theirs)[0], 1)


if __name__ == "__main__":
    main()
