"""How often are intervals and tests right? Simulated coverage and rejection rates: ``python calibration.py [--quick]``.

Every replicate has a random generator of its own, made from the seed, the setting and the number of the replicate, so
the tables do not depend on the number of workers. ``docs/calibration.md`` shows the tables and what follows from them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
import pandas as pd
from compare import machine, markdown
from scipy.optimize import brentq
from scipy.special import expit

import glminfer as gi

SLOPE = 0.8  # log odds per standard deviation of x, where coverage is studied
RATES = {"balanced, 50 %": 0.5, "rare, 8 %": 0.08}
SIZES = {"equal": (20, 20, 20, 20, 20), "unequal": (4, 8, 12, 24, 52)}  # rows of five clusters, repeated
CLUSTER_SD = np.sqrt(0.25 * np.pi**2 / 3)  # of the random intercepts: intraclass correlation 0.2 on the logit scale
SLOPE_SD = 0.5  # of the random slopes of w
METHODS = ("wald", "profile", "score")
TESTS = ("wald", "LR", "score")
KINDS = ("CR0", "CR1", "CR2", "CR3", "jackknife")
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
COVARIATES = {
    "x": "constant within clusters",
    "z": "varying within clusters, with the same slope in all of them",
    "w": "varying within clusters, with a random slope",
}

Sample = dict[str, np.ndarray]
Found = dict[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the tables: how it is called and what draws one replicate."""

    labels: tuple[str, str]
    replicate: Callable[[np.random.Generator], Found]


# part 1: independent rows --------------------------------------------------------------------------------------------


def intercept(rate: float, slope: float) -> float:
    """The intercept with which a standard normal covariate gives this share of events."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    return float(brentq(lambda a: weights @ expit(a + slope * nodes) - rate, -20, 20))


def independent_rows(rng: np.random.Generator, n: int, rate: float, slope: float) -> tuple[Sample, int]:
    """A normal covariate x, a factor g without effect, and the outcome; and how often only one outcome occurred."""
    g = np.array(["a", "b", "c"])[np.arange(n) % 3]
    start = intercept(rate, slope)
    for redrawn in range(1_000):
        x = rng.standard_normal(n)
        y = (rng.random(n) < expit(start + slope * x)).astype(int)
        if 0 < y.sum() < n:
            return {"y": y, "x": x, "g": g}, redrawn
    raise ValueError(f"{n} rows with {rate:.2%} events have one outcome only")


def interval_replicate(rng: np.random.Generator, n: int, rate: float) -> Found:
    """Coverage of the slope of x in one sample; p-values of x and g in another, where neither has an effect."""
    data, redrawn = independent_rows(rng, n, rate, SLOPE)
    null, again = independent_rows(rng, n, rate, 0.0)
    found = coverage(data) | p_values(null)
    return found | {"redrawn": (redrawn + again) / 2}


def coverage(data: Sample) -> Found:
    """Where the true slope lies relative to each interval, and how the sample is separated."""
    fit, firth = gi.logit("y ~ x + g", data), gi.logit("y ~ x + g", data, penalty=gi.Firth())
    intervals = {method: ends(fit, method) for method in METHODS} | {"Firth, Wald": ends(firth, "wald")}
    found = {
        "separated": fit.status is gi.Status.SEPARATED,
        "slope infinite": not np.isfinite(fit.coef["x"]),
        "no Firth maximum": not firth.converged,
    }
    for name, (low, high) in intervals.items():
        found |= _placed(name, low, high)
    return found


def ends(fit: gi.Fit, method: str) -> tuple[float, float]:
    """The interval of the slope; NaN where the search for its ends fails, which is counted as well."""
    try:
        table = fit.confint(method=method, terms=["x"])
    except ValueError:
        return np.nan, np.nan
    return float(table.conf_low[0]), float(table.conf_high[0])


def _placed(name: str, low: float, high: float) -> Found:
    """Covering; wholly below or above the true value; without a bound. NaN ends do not cover."""
    return {
        f"covers {name}": low <= SLOPE <= high,
        f"below {name}": high < SLOPE,
        f"above {name}": low > SLOPE,
        f"none {name}": np.isnan(low),
        f"unbounded {name}": np.isinf(low) or np.isinf(high),
    }


def p_values(data: Sample) -> Found:
    """Every test of x (1 df) and g (2 df)."""
    fit, firth = gi.logit("y ~ x + g", data), gi.logit("y ~ x + g", data, penalty=gi.Firth())
    found = {}
    for test in TESTS:
        p = fit.anova(test=test).p_value
        found |= {f"p {test} x": p[0], f"p {test} g": p[1]}
    for term in ("x", "g"):
        found[f"p Firth, Wald {term}"] = firth.wald_test(term).p_value[0]
    return found


def interval_settings() -> list[Setting]:
    """Rows × share of events."""
    return [
        Setting((f"n = {n:,}", name), partial(interval_replicate, n=n, rate=rate))
        for name, rate in RATES.items()
        for n in (50, 200, 1000)
    ]


def interval_tables(rates: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Titles and tables of part 1."""
    methods, tests = (*METHODS, "Firth, Wald"), (*TESTS, "Firth, Wald")
    yield "Coverage of 95 % intervals of the slope, in %", rates[[f"covers {m}" for m in methods]]
    sides = [f"{side} {m}" for m in methods for side in ("below", "above")]
    yield "Intervals wholly below or wholly above the true slope, in % (nominal 2.5 each)", rates[sides]
    for term, what in {"x": "the slope (1 df)", "g": "the factor (2 df)"}.items():
        for level in ("5", "1"):
            columns = [f"p {test} {term} {level}" for test in tests]
            yield f"Rejection of a true null at {level} %: {what}, in %", rates[columns]
    said = [
        "separated",
        "slope infinite",
        "unbounded profile",
        "none profile",
        "none score",
        "redrawn",
        "no Firth maximum",
    ]
    yield "Samples with infinite estimates, in %", rates[said]


# part 2: clusters ----------------------------------------------------------------------------------------------------


def clustered_rows(rng: np.random.Generator, clusters: int, sizes: tuple[int, ...]) -> Sample:
    """Random intercepts, and random slopes of w, about means of zero: no covariate has a marginal effect.

    Given the covariates the linear predictor is symmetric about zero, so that the probability is one half everywhere.
    """
    g = np.repeat(np.arange(clusters), np.resize(sizes, clusters))
    x = rng.standard_normal(clusters)[g]
    z, w = rng.standard_normal((2, len(g)))
    eta = rng.normal(0, CLUSTER_SD, clusters)[g] + rng.normal(0, SLOPE_SD, clusters)[g] * w
    y = (rng.random(len(g)) < expit(eta)).astype(int)
    return {"y": y, "x": x, "z": z, "w": w, "cluster": g}


def cluster_replicate(rng: np.random.Generator, clusters: int, sizes: tuple[int, ...]) -> Found:
    """P-values of three covariates without an effect, with every covariance."""
    fit = gi.logit("y ~ x + z + w", clustered_rows(rng, clusters, sizes))
    tables = {"model": fit.tidy(), **{kind: _clustered(fit, kind) for kind in KINDS}}
    p = {kind: None if table is None else table.set_index("term").p_value for kind, table in tables.items()}
    p["score, CR1"] = fit.anova(test="score", cov="CR1", cluster="cluster").set_index("term").p_value
    found = {f"p {kind} {term}": np.nan if own is None else own[term] for kind, own in p.items() for term in COVARIATES}
    dof = tables["CR2"].set_index("term").df
    found |= {f"df {term}": dof[term] for term in COVARIATES}
    return found | {"separated": fit.status is gi.Status.SEPARATED, "jackknife refused": tables["jackknife"] is None}


def _clustered(fit: gi.Fit, kind: str) -> pd.DataFrame | None:
    """The table with a clustered covariance; None where a refit of the jackknife has infinite estimates."""
    try:
        return fit.tidy(cov=kind, cluster="cluster")
    except gi.DataError:
        if kind != "jackknife":
            raise
        return None


def cluster_settings() -> list[Setting]:
    """Clusters × equal or unequal sizes."""
    return [
        Setting((f"G = {clusters}", name), partial(cluster_replicate, clusters=clusters, sizes=sizes))
        for name, sizes in SIZES.items()
        for clusters in (5, 10, 30)
    ]


def cluster_tables(rates: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Titles and tables of part 2."""
    kinds = ("model", *KINDS, "score, CR1")
    for term, level in [*((term, "5") for term in COVARIATES), ("x", "1")]:
        columns = [f"p {kind} {term} {level}" for kind in kinds]
        yield f"Rejection of a true null at {level} %: {term}, {COVARIATES[term]}, in %", rates[columns]
    said = [*(f"df {term}" for term in COVARIATES), "jackknife refused", "separated"]
    title = "Median Satterthwaite degrees of freedom; samples without a jackknife, and separated samples, in %"
    yield title, rates[said]


# running and printing ------------------------------------------------------------------------------------------------

PARTS = {"intervals": (interval_settings, interval_tables), "clusters": (cluster_settings, cluster_tables)}


def run_chunk(part: str, setting: int, seed: int, replicates: range) -> list[Found]:
    """Some replicates of one setting, in a worker."""
    chosen = PARTS[part][0]()[setting]
    key = list(PARTS).index(part)
    warnings.simplefilter("ignore", gi.SeparationWarning)  # counted instead
    return [chosen.replicate(np.random.default_rng([seed, key, setting, k])) for k in replicates]


def run(pool: ProcessPoolExecutor, part: str, seed: int, replicates: int) -> pd.DataFrame:
    """One row of formatted rates per setting."""
    settings = PARTS[part][0]()
    chunks = [range(k, min(k + 100, replicates)) for k in range(0, replicates, 100)]
    waiting = [[pool.submit(run_chunk, part, s, seed, chunk) for chunk in chunks] for s in range(len(settings))]
    rows = {}
    for setting, futures in zip(settings, waiting, strict=True):
        found = pd.DataFrame([row for future in futures for row in future.result()])
        rows["; ".join(setting.labels)] = summarised(found)
    return pd.DataFrame(rows).T


def summarised(found: pd.DataFrame) -> dict[str, str]:
    """Rates with Monte Carlo standard errors in per cent; degrees of freedom as medians."""
    cells = {}
    for name, values in found.items():
        if name.startswith("p "):
            cells |= {f"{name} 5": rate(values < 0.05), f"{name} 1": rate(values < 0.01)}
        else:
            cells[name] = f"{values.median():.1f}" if name.startswith("df ") else rate(values)
    return cells


def rate(values: pd.Series) -> str:
    """``94.8 ± 0.5``: per cent and its standard error over replicates."""
    share = values.astype(float)
    return f"{100 * share.mean():.1f} ± {100 * share.std(ddof=0) / np.sqrt(len(share)):.1f}"


def headed(table: pd.DataFrame) -> pd.DataFrame:
    """Columns as a reader calls them."""
    told = {
        "redrawn": "one outcome, drawn again",
        "none profile": "no profile interval",
        "none score": "no score interval",
    }
    names = [told.get(name, name) for name in table]
    names = [name.removeprefix("covers ").removeprefix("p ") for name in names]
    names = [name.rsplit(" ", 2)[0] if name[-2:] in (" 5", " 1") else name for name in names]
    return table.set_axis([name.replace("wald", "Wald") for name in names], axis=1)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--part", choices=list(PARTS), help="one part only")
    options.add_argument("--replicates", type=int, default=2_000, help="samples per setting")
    options.add_argument("--quick", action="store_true", help="100 samples per setting")
    options.add_argument("--seed", type=int, default=20261121)
    options.add_argument("--workers", type=int, default=1)
    chosen = options.parse_args()
    replicates = 100 if chosen.quick else chosen.replicates
    print(machine())
    print(f"glminfer {gi.__version__}, seed {chosen.seed}, {replicates:,} samples per setting; rate ± standard error\n")
    os.environ.update(dict.fromkeys(BLAS, "1"))  # the workers import numpy after this
    with ProcessPoolExecutor(chosen.workers, multiprocessing.get_context("spawn")) as pool:
        for part in [chosen.part] if chosen.part else PARTS:
            start = perf_counter()
            rates = run(pool, part, chosen.seed, replicates)
            for title, table in PARTS[part][1](rates):
                print(f"{title}\n\n{markdown(headed(table))}\n", flush=True)
            print(f"{part}: {perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
