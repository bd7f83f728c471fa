"""The data that the timings share: a frame, a formula, and the outcome of a logit model with modest coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class Scenario:
    """One model to fit, how many rounds to time it, and how many runs in a row make a round."""

    name: str
    frame: pd.DataFrame
    formula: str
    rounds: int
    burst: int = 1

    @property
    def n_coefficients(self) -> int:
        """Of the intercept, the numbers, and the levels of labels but one."""
        kinds = self.frame.drop(columns="y")
        coded = [name for name in kinds if f"C({name})" in self.formula or kinds[name].dtype.kind not in "biuf"]
        return 1 + kinds.shape[1] - len(coded) + sum(kinds[name].nunique() - 1 for name in coded)


def numeric(n: int, p: int, rounds: int = 3) -> Scenario:
    """n rows, p normal covariates (and an intercept)."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((p, n))
    eta = -0.5 + rng.normal(0, 0.6 / np.sqrt(p), p) @ X
    columns = {f"x{k}": column for k, column in enumerate(X)}
    frame = pd.DataFrame({"y": _outcome(rng, eta), **columns})
    return Scenario(f"{n:,} rows × {p} numeric", frame, "y ~ " + " + ".join(columns), rounds)


def mixed(n: int = 300, rounds: int = 10) -> Scenario:
    """Five normal covariates and a factor of three levels, as strings: 8 coefficients."""
    rng = np.random.default_rng(2)
    X, g = rng.standard_normal((5, n)), rng.choice(["a", "b", "c"], n)
    eta = -0.2 + np.array([0.8, -0.5, 0.3, 0.0, 0.2]) @ X + 0.5 * (g == "b")
    columns = {f"x{k}": column for k, column in enumerate(X)}
    frame = pd.DataFrame({"y": _outcome(rng, eta), **columns, "g": g})
    return Scenario(f"{n:,} rows × (5 numeric + 3 levels)", frame, "y ~ " + " + ".join([*columns, "g"]), rounds, 20)


def factor(n: int, levels: int, rounds: int = 3) -> Scenario:
    """Ten normal covariates and a factor with many levels: which session, which neuron."""
    rng = np.random.default_rng(4)
    X, codes = rng.standard_normal((10, n)), rng.integers(0, levels, n)
    eta = -0.3 + np.linspace(-0.4, 0.4, 10) @ X + rng.normal(0, 0.5, levels)[codes]
    columns = {f"x{k}": column for k, column in enumerate(X)}
    g = pd.Categorical.from_codes(codes, [f"s{k:05}" for k in range(levels)])
    frame = pd.DataFrame({"y": _outcome(rng, eta), **columns, "g": g})
    return Scenario(
        f"{n:,} rows × (10 numeric + {levels:,} levels)", frame, "y ~ " + " + ".join([*columns, "g"]), rounds
    )


def repeated(n: int, rounds: int = 3) -> Scenario:
    """Trials of 4 conditions (a categorical column) in 20 sessions (numbers): 80 kinds of rows, 23 coefficients."""
    rng = np.random.default_rng(3)
    condition, session = rng.integers(0, 4, n), rng.integers(0, 20, n)
    y = _outcome(rng, -0.5 + 0.3 * condition + 0.05 * session)
    kinds = pd.Categorical.from_codes(condition, ["none", "left", "right", "both"])
    frame = pd.DataFrame({"y": y, "condition": kinds, "session": session})
    return Scenario(f"{n:,} rows of 80 kinds", frame, "y ~ condition + C(session)", rounds)


def _outcome(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(np.int64)
