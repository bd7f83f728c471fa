"""What may be claimed after selection? Coverage and errors in simulated samples: ``python calibration_selection.py``.

Every replicate has a random generator of its own, made from the seed, the setting and the number of the replicate.
``docs/calibration.md`` shows the tables and what follows from them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import process_time

import numpy as np
import pandas as pd
from calibration import rate
from compare import machine, markdown
from scipy.special import expit

import glminfer as gi

N, P = 200, 300
LOOKED_AT = 12  # columns without effect of which the intervals are counted
THRESHOLDS = (0.6, 0.75, 0.9)
Q = 15  # columns selected on each half
MOST = 8  # columns selected on the first part of a split

Found = dict[str, float]


@dataclass(frozen=True, slots=True)
class World:
    """Normal columns with neighbours or all of them correlated, and the slopes of some.

    Attributes
    ----------
    label : str
    slopes : tuple of float
        Of columns spread evenly over all.
    neighbours, common : float
        Correlation of a column with the next one (falling off as its powers), or of all pairs.
    """

    label: str
    slopes: tuple[float, ...] = ()
    neighbours: float = 0.0
    common: float = 0.0

    @property
    def beta(self) -> np.ndarray:
        """The slopes of all columns."""
        beta = np.zeros(P)
        beta[np.arange(len(self.slopes)) * (P // max(len(self.slopes), 1))] = self.slopes
        return beta

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Columns and outcome."""
        X = rng.standard_normal((N, P))
        for j in range(1, P):
            X[:, j] = self.neighbours * X[:, j - 1] + np.sqrt(1 - self.neighbours**2) * X[:, j]
        X = np.sqrt(self.common) * rng.standard_normal((N, 1)) + np.sqrt(1 - self.common) * X
        return X, (rng.random(N) < expit(X @ self.beta)).astype(float)


THREE, TEN = (1.0, -1.0, 1.0), (0.5, -0.5) * 5
WORLDS = (
    World("three columns matter, independent", THREE),
    World("three matter, neighbours correlated 0.7", THREE, neighbours=0.7),
    World("three matter, all correlated 0.5", THREE, common=0.5),
    World("ten matter half as much, independent", TEN),
)
ERRORS = (World("nothing matters"), *WORLDS)


# debiased intervals --------------------------------------------------------------------------------------------------


def interval_replicate(world: World, rng: np.random.Generator) -> Found:
    """Coverage of 95 % intervals, of columns with an effect and of some without; of the lasso's bias and theirs."""
    X, y = world.draw(rng)
    beta = world.beta
    real = np.flatnonzero(beta)
    none = rng.choice(np.flatnonzero(beta == 0), LOOKED_AT, replace=False)
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X)
    table = path.debias([f"x{j}" for j in (*real, *none)], seed=int(rng.integers(2**31))).set_index("term")
    truth = pd.Series(beta, index=[f"x{j}" for j in range(P)])[table.index]
    covers = (table.conf_low <= truth) & (truth <= table.conf_high)
    far = (table.estimate - truth) / table.std_error
    matter = truth != 0
    slope = np.sign(truth[matter])
    return {
        "covers, with effect": covers[matter].mean(),
        "covers, without": covers[~matter].mean(),
        "mean z, with effect": (far[matter] * slope).mean(),
        "mean square z, without": (far[~matter] ** 2).mean(),
        "lasso / truth": (table.lasso[matter] / truth[matter]).mean(),
        "debiased / truth": (table.estimate[matter] / truth[matter]).mean(),
    }


# stability selection -------------------------------------------------------------------------------------------------


def stability_replicate(world: World, rng: np.random.Generator) -> Found:
    """False and true columns at several thresholds."""
    X, y = world.draw(rng)
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X, lambdas=[1.0])
    found = gi.stability(path, q=Q, threshold=0.9, seed=int(rng.integers(2**31)))
    real = world.beta != 0
    counts: Found = {}
    for threshold in THRESHOLDS:
        stable = found.probability >= threshold - 1e-9
        counts[f"false at {threshold:g}"] = float((stable & ~real).sum())
        counts[f"found at {threshold:g}"] = float(stable[real].mean()) if real.any() else np.nan
    return counts


def bounds() -> str:
    """What the theory promises for the thresholds."""
    path = gi.logit_path("y ~ 1", {"y": np.arange(N) % 2}, covariates=ERRORS[0].draw(np.random.default_rng(0))[0])
    lines = []
    for bound in ("none", "unimodal", "r-concave"):
        told = [gi.stability(path, q=Q, threshold=t, n_pairs=50, bound=bound).pfer for t in THRESHOLDS]
        lines.append(f"{bound}: " + ", ".join(f"{b:.3g} at {t:g}" for b, t in zip(told, THRESHOLDS, strict=True)))
    return "; ".join(lines)


# split tests ---------------------------------------------------------------------------------------------------------


def split_replicate(world: World, rng: np.random.Generator) -> Found:
    """Whether a column without effect has p < 0.05: joined over splits, in one split, on the rows that selected."""
    X, y = world.draw(rng)
    seed, real = int(rng.integers(2**31)), world.beta != 0
    many = gi.split_test("y ~ 1", {"y": y}, covariates=X, max_selected=MOST, seed=seed)
    one = gi.split_test("y ~ 1", {"y": y}, covariates=X, max_selected=MOST, seed=seed, n_splits=1, gamma_min=0.999)
    found = many.p_value.to_numpy() < 0.05
    once = one.p_value.to_numpy() < 0.05
    path = gi.logit_path("y ~ 1", {"y": y}, covariates=X)
    step = int(np.flatnonzero(path.n_nonzero <= MOST)[-1])
    chosen = np.flatnonzero(path.coef_at(path.lambdas[step])[1:])
    same = gi.logit("y ~ " + " + ".join(f"x{j}" for j in chosen), {"y": y, **{f"x{j}": X[:, j] for j in chosen}})
    naive = len(chosen) * same.anova(type="III").p_value.to_numpy() < 0.05
    power = {"found, 50 splits": found[real].mean(), "found, 1 split": once[real].mean()} if real.any() else {}
    return {
        "false, 50 splits": float((found & ~real).any()),
        "false, 1 split": float((once & ~real).any()),
        "false, same rows": float((naive & ~real[chosen]).any()),
        **power,
    }


# running and printing ------------------------------------------------------------------------------------------------

Replicate = Callable[[World, np.random.Generator], Found]
PARTS: dict[str, tuple[Replicate, tuple[World, ...]]] = {
    "debias": (interval_replicate, WORLDS),
    "stability": (stability_replicate, ERRORS),
    "splits": (split_replicate, ERRORS),
}


def run(part: str, seed: int, replicates: int) -> pd.DataFrame:
    """One row of formatted means per setting."""
    replicate, worlds = PARTS[part]
    rows = {}
    for k, world in enumerate(worlds):
        one = partial(replicate, world)
        found = pd.DataFrame(
            [one(np.random.default_rng([seed, list(PARTS).index(part), k, r])) for r in range(replicates)]
        )
        rows[world.label] = {name: told(name, values) for name, values in found.items()}
    return pd.DataFrame(rows).T.fillna("–")


def told(name: str, values: pd.Series) -> str:
    """A rate in per cent, or a mean, with its standard error over replicates."""
    if not values.notna().any():
        return "–"
    if name.startswith(("covers", "found", "false,")):
        return rate(values)
    return f"{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}"


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--part", choices=list(PARTS), help="one part only")
    options.add_argument("--replicates", type=int, default=100, help="samples per setting")
    options.add_argument("--seed", type=int, default=20261121)
    chosen = options.parse_args()
    print(machine())
    print(f"glminfer {gi.__version__}, seed {chosen.seed}, {chosen.replicates:,} samples of {N} rows × {P} columns\n")
    for part in [chosen.part] if chosen.part else PARTS:
        start = process_time()
        table = run(part, chosen.seed, chosen.replicates)
        print(f"{part}\n\n{markdown(table)}\n", flush=True)
        if part == "stability":
            print(f"bounds: {bounds()}\n")
        print(f"{part}: {process_time() - start:.0f} s of processor time\n", flush=True)


if __name__ == "__main__":
    main()
