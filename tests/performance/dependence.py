"""How often do tests reject true hypotheses when rows depend on each other? ``python dependence.py [--quick]``.

Every sample has a random generator of its own, made from the seed, the part, the setting and its number. One process;
``docs/calibration.md`` shows the tables, and the guides on permutations and few mice draw on them.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from time import perf_counter, process_time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from calibration import rate
from compare import machine, markdown
from scipy.signal import lfilter
from scipy.special import expit

import glminfer as gi

LEVEL = 0.05
DRAWS = 199  # arrangements, or weights, of a test: 5 % is ten of 200
Found = dict[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the tables: its label, and what draws one sample and tests it."""

    label: str
    sample: Callable[[np.random.Generator], Found]


def autoregressive(rng: np.random.Generator, rho: float, n: int, k: int) -> np.ndarray:
    """k independent stationary series (n, k) of variance 1 and correlation rho between neighbours."""
    noise = rng.standard_normal((n, k)) * np.sqrt(1 - rho**2)
    noise[0] = rng.standard_normal(k)
    return lfilter([1.0], [1.0, -rho], noise, axis=0)


# part 1: one covariate, drift and autocorrelation --------------------------------------------------------------------

SESSIONS, TRIALS = 10, 80
DRIFTS = {
    "no drift": "none",
    "each session drifts its own way": "own",
    "all sessions drift alike": "common",
}


def recorded(rng: np.random.Generator, rho: float, drift: str) -> dict[str, np.ndarray]:
    """Ten sessions: a covariate and the state behind the outcome, independent series of the same kind."""
    t = np.arange(TRIALS)[:, None] / (TRIALS - 1) - 0.5
    x, state = (autoregressive(rng, rho, TRIALS, SESSIONS) for _ in range(2))
    if drift != "none":
        ways = rng.normal(0, 3, (2, SESSIONS)) if drift == "own" else np.full((2, SESSIONS), 3.0)
        x, state = x + ways[0] * t, state + ways[1] * t
    y = rng.random(x.shape) < expit(state)
    session, trial = np.arange(SESSIONS)[None, :] + 0 * t, np.arange(TRIALS)[:, None] + 0 * np.arange(SESSIONS)
    columns = {"y": y.astype(int), "x": x, "session": session.astype(int), "trial": trial}
    return {name: values.T.ravel() for name, values in columns.items()}


SCHEMES = {
    "free": {},
    "within": {"by": "session"},
    "blocks": {"by": "session", "order": "trial", "block": 20},
    "circular_shift": {"by": "session", "order": "trial"},
    "linear_shift": {"by": "session", "order": "trial"},
    "swap": {"by": "session", "order": "trial"},
    "sign_flip": {"by": "session"},
}


def drifting(rng: np.random.Generator, rho: float, drift: str) -> Found:
    """p-values of a covariate without effect, and whether the fit says that its rows follow each other."""
    fit = gi.logit("y ~ x", recorded(rng, rho, drift))
    found = {"Wald": fit.tidy().p_value[1], "clustered t": fit.tidy(cluster="session").p_value[1]}
    for scheme, options in SCHEMES.items():
        found[scheme] = fit.permutation_test("x", scheme=scheme, n=DRAWS, **options).p_value[0]
    found = {name: p <= LEVEL + 1e-9 for name, p in found.items()}
    return found | {"alarm": any("residuals follow each other" in note for note in fit.notes)}


def drift_settings() -> list[Setting]:
    """Drift × autocorrelation."""
    return [
        Setting(f"{label}; ρ = {rho:g}", partial(drifting, rho=rho, drift=drift))
        for label, drift in DRIFTS.items()
        for rho in (0.0, 0.9, 0.99)
    ]


def drift_tables(rates: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Title and tables of part 1."""
    yield "Rejection of a true null at 5 %, in %; last, how often the fit has a note", rates


# part 2: a thousand neurons ------------------------------------------------------------------------------------------

NEURONS, RELATED, BLOCK, BLOCKS = 1000, 100, 100, 3  # three sessions of a hundred trials
MANY = 999  # arrangements: FDR control over m neurons needs p-values near 0.05 / m times the number of discoveries


def population(rng: np.random.Generator, rho: float, shared: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A covariate, and neurons of which the first hundred depend on it; a state that is shared by all of them."""
    rows = BLOCK * BLOCKS
    series = [autoregressive(rng, rho, BLOCK, NEURONS + 1) for _ in range(BLOCKS)]
    x, state = np.concatenate([one[:, 0] for one in series]), np.concatenate([one[:, 1:] for one in series])
    common = rng.standard_normal(rows)[:, None] * rng.normal(0, shared, NEURONS)
    effect = np.where(np.arange(NEURONS) < RELATED, 0.6, 0.0)
    eta = rng.normal(-0.5, 0.7, NEURONS) + x[:, None] * effect + (state if rho else 0.0) + common
    data = {"x": x, "session": np.repeat(np.arange(BLOCKS), BLOCK)}
    return data, (rng.random((rows, NEURONS)) < expit(eta)).astype(int)


def discoveries(rng: np.random.Generator, rho: float, shared: float, scheme: str) -> Found:
    """False and true positives of Wald tests and permutations, with FDR control and family-wise, at 5 %."""
    data, counts = population(rng, rho, shared)
    fits = gi.logit_many("x", data, outcomes=counts)
    wald = fits.tidy().query("term == 'x'")
    table = fits.permutation_test("x", scheme=scheme, n=MANY, by=None if scheme == "free" else "session")
    ways = {
        "Wald, FDR": wald.p_adjusted,
        "permutation, FDR": gi.adjust(table, "fdr_bh").p_adjusted,
        "Wald, Holm": gi.adjust(wald, "holm").p_adjusted,
        "permutation, maxT": table.p_adjusted,
    }
    found: Found = {}
    for name, p in ways.items():
        positive = p.to_numpy() <= LEVEL + 1e-9
        false = int(positive[RELATED:].sum())
        found |= {f"share {name}": false / max(int(positive.sum()), 1), f"any {name}": false > 0}
        found[f"power {name}"] = positive[:RELATED].mean()
    return found


def neuron_settings() -> list[Setting]:
    """Independent neurons; neurons that fluctuate together; a covariate and neurons that are autocorrelated."""
    return [
        Setting("independent trials and neurons; free", partial(discoveries, rho=0.0, shared=0.0, scheme="free")),
        Setting("neurons fluctuate together; free", partial(discoveries, rho=0.0, shared=1.0, scheme="free")),
        Setting("ρ = 0.9; free", partial(discoveries, rho=0.9, shared=0.0, scheme="free")),
        Setting("ρ = 0.9; circular shift", partial(discoveries, rho=0.9, shared=0.0, scheme="circular_shift")),
    ]


def neuron_tables(rates: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Titles and tables of part 2."""
    for start, title in {
        "share": "False positives among the positives, in % (FDR methods: 5)",
        "any": "Samples with any false positive, in % (Holm and maxT: 5)",
        "power": "Related neurons found, in %",
    }.items():
        columns = [name for name in rates if name.startswith(start)]
        yield title, rates[columns].set_axis([name.removeprefix(f"{start} ") for name in columns], axis=1)


# part 3: few clusters ------------------------------------------------------------------------------------------------

SIZES = {"equal": (40,), "unequal": (8, 16, 24, 48, 104)}  # rows of clusters, repeated
COVARIATES = {"x": "constant within clusters", "w": "varying within clusters, with a random slope"}


def mice(rng: np.random.Generator, clusters: int, sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Random intercepts, and random slopes of w, about zero: neither covariate has an effect."""
    g = np.repeat(np.arange(clusters), np.resize(sizes, clusters))
    x, w = rng.standard_normal(clusters)[g], rng.standard_normal(len(g))
    eta = rng.normal(0, 0.9, clusters)[g] + rng.normal(0, 0.5, clusters)[g] * w
    return {"y": (rng.random(len(g)) < expit(eta)).astype(int), "x": x, "w": w, "mouse": g}


def few_clusters(rng: np.random.Generator, clusters: int, sizes: tuple[int, ...]) -> Found:
    """p-values of both covariates by clustered covariances, the wild bootstrap and permutations of whole clusters."""
    fit = gi.logit("y ~ x + w", mice(rng, clusters, sizes))
    found: Found = {}
    for kind in ("CR1", "CR2", "CR3"):
        p = fit.tidy(cov=kind, cluster="mouse").p_value
        found |= {f"x {kind}": p[1], f"w {kind}": p[2]}
    for term in COVARIATES:
        for statistic in ("wald", "score"):
            test = fit.wild_bootstrap_test(term, cluster="mouse", statistic=statistic, n=DRAWS)
            found[f"{term} wild, {statistic}"] = test.p_value[0]
        found[f"{term} sign_flip"] = fit.permutation_test(term, scheme="sign_flip", by="mouse", n=DRAWS).p_value[0]
    found["x swap"] = fit.permutation_test("x", scheme="swap", by="mouse", n=DRAWS).p_value[0]
    return {name: p <= LEVEL + 1e-9 for name, p in found.items()}


def mouse_settings() -> list[Setting]:
    """Clusters × equal or unequal sizes."""
    return [
        Setting(f"G = {clusters}; {name}", partial(few_clusters, clusters=clusters, sizes=sizes))
        for name, sizes in SIZES.items()
        for clusters in (5, 8, 12)
    ]


def mouse_tables(rates: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Titles and tables of part 3."""
    for term, what in COVARIATES.items():
        columns = [name for name in rates if name.startswith(f"{term} ")]
        table = rates[columns].set_axis([name.removeprefix(f"{term} ") for name in columns], axis=1)
        yield f"Rejection of a true null at 5 %: a covariate {what}, in %", table


# running and printing ------------------------------------------------------------------------------------------------

PARTS = {
    "drift": (drift_settings, drift_tables, 250),
    "neurons": (neuron_settings, neuron_tables, 100),
    "mice": (mouse_settings, mouse_tables, 400),
}


def run(part: str, seed: int, share: float) -> pd.DataFrame:
    """One row of formatted rates per setting."""
    settings, _, samples = PARTS[part]
    key, rows = list(PARTS).index(part), {}
    for s, setting in enumerate(settings()):
        rngs = (np.random.default_rng([seed, key, s, k]) for k in range(max(4, round(share * samples))))
        rows[setting.label] = {name: rate(values) for name, values in pd.DataFrame(map(setting.sample, rngs)).items()}
    return pd.DataFrame(rows).T


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--part", choices=list(PARTS), help="one part only")
    options.add_argument("--share", type=float, default=1.0, help="of the samples")
    options.add_argument("--quick", action="store_true", help="a twentieth of the samples")
    options.add_argument("--seed", type=int, default=20261121)
    chosen = options.parse_args()
    share = 0.05 if chosen.quick else chosen.share
    warnings.simplefilter("ignore", gi.SeparationWarning)
    gi.set_threads(1)
    print(machine())
    print(f"glminfer {gi.__version__}, seed {chosen.seed}; rate ± standard error\n")
    for part in [chosen.part] if chosen.part else PARTS:
        start, cpu = perf_counter(), process_time()
        rates = run(part, chosen.seed, share)
        for title, table in PARTS[part][1](rates):
            print(f"**{title}**\n\n{markdown(table)}\n", flush=True)
        spent = process_time() - cpu
        print(f"{part}: {spent:.0f} s of processor time, {perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
