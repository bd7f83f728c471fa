"""Are decoding scores honest? Simulated optimism, coverage and rejection rates: ``python calibration_decoding.py``.

Every replicate has a random generator of its own, made from the seed, the setting and the number of the replicate.
``docs/calibration.md`` shows the tables and what follows from them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import perf_counter

import numpy as np
import pandas as pd
from calibration import BLAS, Found, Setting, rate
from compare import machine, markdown
from scipy.signal import lfilter
from scipy.special import expit

import glminfer as gi

OPTIONS = {"n_lambdas": 8, "lambda_min_ratio": 0.1}
ARRANGEMENTS = 19
SHIFTS = 9
FRESH = 4_000  # new rows on which the true accuracy of a fit is counted
SIZES = ((60, 20), (60, 200), (200, 50))
EFFECTS = {"no effect, 50 %": (0.0, 0.0), "no effect, 70 %": (0.0, 0.85), "effect, 50 %": (0.5, 0.0)}
DRIFTS = {"no drift": 0.0, "ρ = 0.9": 0.9, "ρ = 0.99": 0.99}
SCHEMES = {
    "free": {"scheme": "free"},
    "blocks of 20": {"scheme": "blocks", "block": 20},
    "circular shift": {"scheme": "circular_shift"},
    "linear shift": {"scheme": "linear_shift", "max_shift": SHIFTS},
}


# independent rows ----------------------------------------------------------------------------------------------------


def rows(rng: np.random.Generator, n: int, p: int, slope: float, start: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns, the first five with a slope, and outcomes."""
    X = rng.standard_normal((n, p))
    return X, (rng.random(n) < expit(start + slope * X[:, :5].sum(axis=1))).astype(int)


def sample(rng: np.random.Generator, n: int, p: int, slope: float, start: float) -> tuple[pd.DataFrame, np.ndarray]:
    """The same with enough of either outcome for every fold."""
    while True:
        X, y = rows(rng, n, p, slope, start)
        if 10 <= y.sum() <= n - 10:
            return pd.DataFrame({"y": y}), X


def score_replicate(rng: np.random.Generator, n: int, p: int, slope: float, start: float) -> Found:
    """The best of a path, the nested score with its ends, what is true of new rows, and the p-value."""
    frame, X = sample(rng, n, p, slope, start)
    path = gi.logit_path("y ~ 1", frame, covariates=X, **OPTIONS)
    best = gi.cross_validate(path, folds=5, measure="accuracy").glance().loc[0]
    nested = gi.nested_cross_validate(path, outer=5, inner=4).glance().loc[0]
    naive = nested.fold_sd / np.sqrt(5) * 2.776
    p = {m: gi.decoding_test(path, 5, measure=m, scheme="free", n=ARRANGEMENTS).p_value for m in ("accuracy", "auc")}
    return {
        "constant": nested.null,
        "best of the path": best.estimate_min,
        "nested": nested.estimate,
        "true": fresh_accuracy(rng, frame, X, slope, start),
        "low": nested.conf_low,
        "high": nested.conf_high,
        "naive low": nested.estimate - naive,
        "naive high": nested.estimate + naive,
        "p accuracy": p["accuracy"],
        "p AUC": p["auc"],
    }


def fresh_accuracy(rng: np.random.Generator, frame: pd.DataFrame, X: np.ndarray, slope: float, start: float) -> float:
    """Accuracy on new rows of a fit to four fifths of the rows, λ chosen among them."""
    part = np.arange(len(frame)) % 5 != 0
    path = gi.logit_path("y ~ 1", frame[part], covariates=X[part], **OPTIONS)
    chosen = gi.cross_validate(path, folds=4)
    new, y = rows(rng, FRESH, X.shape[1], slope, start)
    p = chosen.predict(pd.DataFrame({"y": y}), covariates=new)
    return float(np.mean((p > 0.5) == (y == 1)))


def score_settings() -> list[Setting]:
    """Effect × size."""
    return [
        Setting((name, f"{n} × {p}"), partial(score_replicate, n=n, p=p, slope=slope, start=start))
        for name, (slope, start) in EFFECTS.items()
        for n, p in SIZES
    ]


def score_row(found: pd.DataFrame) -> dict[str, str]:
    """Means, and coverage of the expected accuracy."""
    target = found["true"].mean()
    cells = {name: rate(found[name]) for name in ("constant", "best of the path", "nested", "true")}
    cells["interval (73) covers"] = rate((found.low <= target) & (target <= found.high))
    return cells | {"without correction": rate((found["naive low"] <= target) & (target <= found["naive high"]))}


def p_row(found: pd.DataFrame) -> dict[str, str]:
    """Rejections at three levels by the accuracy and by the area under the ROC curve."""
    return {
        f"{measure}, p ≤ {level:g}": rate(found[f"p {measure}"] <= level)
        for measure in ("accuracy", "AUC")
        for level in (0.05, 0.1, 0.5)
    }


# drift ---------------------------------------------------------------------------------------------------------------


def drifting(rng: np.random.Generator, n: int, k: int, rho: float) -> np.ndarray:
    """k stationary autoregressive series of variance 1."""
    noise = rng.standard_normal((n, k)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2) or 1.0
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=0))


def drift_replicate(rng: np.random.Generator, rho: float, n: int = 200, p: int = 20) -> Found:
    """Ten of the columns and the outcome drift, each by itself."""
    X = rng.standard_normal((n, p)) + np.column_stack([drifting(rng, n, p // 2, rho), np.zeros((n, p // 2))])
    y = (rng.random(n) < expit(1.5 * drifting(rng, n, 1, rho)[:, 0])).astype(int)
    if not 20 <= y.sum() <= n - 20:
        return drift_replicate(rng, rho, n, p)
    path = gi.logit_path("y ~ 1", pd.DataFrame({"y": y}), covariates=X, **OPTIONS)
    blocked = np.arange(n) // 40  # folds of consecutive rows, the same for every arrangement
    found = {f"p {name}": gi.decoding_test(path, folds=5, n=2 * SHIFTS, **how).p_value for name, how in SCHEMES.items()}
    shifted = gi.decoding_test(path, folds=blocked, n=2 * SHIFTS, measure="auc", **SCHEMES["linear shift"])
    found["p linear shift, folds of consecutive rows"] = shifted.p_value
    return found | {"nested": gi.nested_cross_validate(path, outer=5, inner=4).glance().estimate[0]}


def drift_settings() -> list[Setting]:
    """Autocorrelation from one row to the next."""
    return [Setting((name, "200 × 20"), partial(drift_replicate, rho=rho)) for name, rho in DRIFTS.items()]


def drift_row(found: pd.DataFrame) -> dict[str, str]:
    """Rejections at 10 %, the smallest p-value of nine linear shifts to either side."""
    cells = {name.removeprefix("p "): rate(found[name] <= 0.1) for name in found if name.startswith("p ")}
    return cells | {"nested accuracy": rate(found.nested)}


# running and printing ------------------------------------------------------------------------------------------------

PARTS = {"scores": (score_settings, (score_row, p_row)), "drift": (drift_settings, (drift_row,))}


def run_chunk(part: str, setting: int, seed: int, replicates: range) -> list[Found]:
    """Some replicates of one setting, in a worker."""
    chosen = PARTS[part][0]()[setting]
    key = list(PARTS).index(part)
    return [chosen.replicate(np.random.default_rng([seed, key, setting, k])) for k in replicates]


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--part", choices=list(PARTS), help="one part only")
    options.add_argument("--replicates", type=int, default=400, help="samples per setting")
    options.add_argument("--seed", type=int, default=20261121)
    options.add_argument("--workers", type=int, default=1)
    chosen = options.parse_args()
    print(machine())
    print(f"glminfer {gi.__version__}, seed {chosen.seed}, {chosen.replicates:,} samples per setting, in %\n")
    os.environ.update(dict.fromkeys(BLAS, "1"))
    with ProcessPoolExecutor(chosen.workers, multiprocessing.get_context("spawn")) as pool:
        for part in [chosen.part] if chosen.part else PARTS:
            start, (settings, tables) = perf_counter(), PARTS[part]
            chunks = [range(k, min(k + 20, chosen.replicates)) for k in range(0, chosen.replicates, 20)]
            waiting = [
                [pool.submit(run_chunk, part, s, chosen.seed, chunk) for chunk in chunks]
                for s in range(len(settings()))
            ]
            found = {
                "; ".join(setting.labels): pd.DataFrame([one for f in futures for one in f.result()])
                for setting, futures in zip(settings(), waiting, strict=True)
            }
            for row in tables:
                rows = {name: row(one) for name, one in found.items()}
                if row is p_row:  # uniform p-values are uniform together
                    rows["no effect, all"] = row(pd.concat([found[name] for name in found if "no effect" in name]))
                print(f"{markdown(pd.DataFrame(rows).T)}\n", flush=True)
            print(f"{part}: {perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
