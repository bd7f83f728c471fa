"""How biased are estimates from few rows, and do their intervals cover? ``python bias.py [--replicates 1000]``.

Maximum likelihood beside Firth's bias reduction in simulated samples of 30, 60 and 100 rows. Every sample has a random
generator of its own. ``docs/calibration.md`` shows the tables and what follows from them.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from time import perf_counter

import numpy as np
import pandas as pd
from calibration import rate
from compare import machine, markdown
from scipy.optimize import brentq
from scipy.special import expit

import glminfer as gi

TRUE = {"x": 0.8, "b": 1.0}  # a standard normal covariate, and one that is 1 in 30 of 100 rows
SHARE = 0.3
SIZES = (30, 60, 100)
RATES = {"50 % events": 0.5, "20 % events": 0.2}
FITS = {"ML": None, "Firth": gi.Firth(), "corrected": gi.Firth(intercept="corrected")}
METHODS = ("ML", "Firth")

Sample = dict[str, np.ndarray]
Found = dict[str, float]


def intercept(wanted: float) -> float:
    """The intercept with which so many rows are events."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()

    def events(a: float) -> float:
        slope = TRUE["x"] * nodes
        return float(weights @ ((1 - SHARE) * expit(a + slope) + SHARE * expit(a + TRUE["b"] + slope)))

    return float(brentq(lambda a: events(a) - wanted, -20, 20))


def sample(rng: np.random.Generator, n: int, start: float) -> Sample:
    """Rows in which both outcomes and both values of b occur."""
    b = (np.arange(n) < round(SHARE * n)).astype(float)
    while True:
        x = rng.standard_normal(n)
        y = (rng.random(n) < expit(start + TRUE["x"] * x + TRUE["b"] * b)).astype(int)
        if 0 < y.sum() < n:
            return {"y": y, "x": x, "b": b}


def replicate(rng: np.random.Generator, n: int, start: float) -> Found:
    """Estimates, whether each interval covers, and how far the mean probability is from the share of events."""
    data = sample(rng, n, start)
    fits = {name: gi.logit("y ~ x + b", data, penalty=penalty) for name, penalty in FITS.items()}
    found: Found = {f"mean {name}": float(fit.predict().mean() - data["y"].mean()) for name, fit in fits.items()}
    for name in METHODS:
        tables = {kind: fits[name].confint(method=kind).set_index("term") for kind in ("wald", "profile")}
        for term, true in TRUE.items():
            found[f"estimate {name} {term}"] = float(fits[name].coef[term])
            for kind, table in tables.items():
                low, high = table.loc[term]
                found[f"covers {name}, {kind} {term}"] = bool(low <= true <= high)
    return found


def study(replicates: int, seed: int) -> dict[str, pd.DataFrame]:
    """All replicates of each setting."""
    found = {}
    for k, (label, wanted) in enumerate(RATES.items()):
        start = intercept(wanted)
        for n in SIZES:
            rows = [replicate(np.random.default_rng([seed, k, n, r]), n, start) for r in range(replicates)]
            found[f"n = {n}; {label}"] = pd.DataFrame(rows)
    return found


def mean(values: np.ndarray) -> str:
    """``0.12 ± 0.01``: a mean and its Monte Carlo standard error."""
    return f"{round(values.mean(), 3) + 0.0:+.3f} ± {values.std() / np.sqrt(len(values)):.3f}"


def of_term(rows: pd.DataFrame, term: str) -> dict[str, str]:
    """Infinite estimates, bias, and root mean squared error of one coefficient; means are over the finite ones.

    Medians count infinite estimates; those whose direction is undetermined are left out.
    """
    cells = {}
    for name in METHODS:
        error = rows[f"estimate {name} {term}"].to_numpy() - TRUE[term]
        finite = error[np.isfinite(error)]
        if name == "ML":
            cells["infinite ML, %"] = rate(pd.Series(~np.isfinite(error)))
        cells[f"bias {name}"] = mean(finite)
        cells[f"median bias {name}"] = f"{np.nanmedian(error):+.3f}"
        cells[f"RMSE {name}"] = f"{np.sqrt((finite**2).mean()):.2f}"
    return cells


def tables(found: dict[str, pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Titles and tables."""
    for term, true in TRUE.items():
        title = f"Estimates of the coefficient of {term}, which is {true}; bias and RMSE over samples with a finite one"
        yield title, pd.DataFrame({label: of_term(rows, term) for label, rows in found.items()}).T
    for term in TRUE:
        names = [f"covers {name}, {kind} {term}" for name in METHODS for kind in ("wald", "profile")]
        told = [name.removeprefix("covers ").removesuffix(f" {term}").replace("wald", "Wald") for name in names]
        cells = {label: [rate(rows[name]) for name in names] for label, rows in found.items()}
        yield f"Coverage of 95 % intervals of the coefficient of {term}, in %", pd.DataFrame(cells, told).T
    cells = {
        label: {name: mean(100 * rows[f"mean {name}"].to_numpy()) for name in FITS} for label, rows in found.items()
    }
    yield "Mean fitted probability less the share of events, in percentage points", pd.DataFrame(cells).T


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--replicates", type=int, default=1_000, help="samples per setting")
    options.add_argument("--seed", type=int, default=20261121)
    chosen = options.parse_args()
    warnings.simplefilter("ignore", gi.SeparationWarning)  # counted instead
    print(machine())
    print(f"glminfer {gi.__version__}, seed {chosen.seed}, {chosen.replicates:,} samples per setting\n")
    start = perf_counter()
    for title, table in tables(study(chosen.replicates, chosen.seed)):
        print(f"**{title}**\n\n{markdown(table)}\n")
    print(f"{perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
