"""How much slower are fits while another process keeps all processors busy? ``python busy.py [--quick]``.

The other process multiplies matrices with as many BLAS threads as there are processors. It is stopped and continued
between rounds, so that quiet and busy runs take turns. BLAS is not limited from outside: threads of BLAS and of our own
would compete with each other and with the other process, if glminfer did not hold BLAS to one thread. A share of a half
is what a fair system leaves; the script fails when a fit takes three times as long as in quiet.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time, sleep

import many
import numpy as np
import pandas as pd
import paths
from compare import machine, markdown
from scenarios import mixed, numeric, repeated

import glminfer as gi

LIMIT = 3.0
HOG = "import numpy as np\nA = np.random.default_rng(0).standard_normal((1500, 1500))\nwhile True: A @ A"
Run = Callable[[], object]


def runs(quick: bool) -> dict[str, Run]:
    """What is timed."""
    tall, wide = numeric(50_000 if quick else 500_000, 20), numeric(5_000 if quick else 50_000, 100)
    small, kinds = mixed(), repeated(100_000 if quick else 2_000_000)
    frame, Y, Z = many.data(400 if quick else 2000)
    X, y = paths.data(300, 60 if quick else 200, 0.0)
    outcome = pd.DataFrame({"y": y.astype(int)})
    path = gi.logit_path("y ~ 1", outcome, covariates=X)
    fit = gi.logit(small.formula, small.frame)
    fits = {
        scenario.name: lambda scenario=scenario: gi.logit(scenario.formula, scenario.frame).tidy()
        for scenario in (small, tall, wide, kinds)
    }
    return fits | {
        f"{Y.shape[1]:,} outcomes": lambda: many.outcomes(frame, Y, Z),
        f"lasso path, {X.shape[0]} × {X.shape[1]}": lambda: gi.logit_path("y ~ 1", outcome, covariates=X),
        "cross-validation of it, 10 folds": lambda: gi.cross_validate(path, seed=1),
        "profile intervals, 8 coefficients": lambda: fit.confint(method="profile"),
    }


@contextmanager
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """One that wants all processors, stopped for now."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with subprocess.Popen([sys.executable, "-c", HOG], env=free) as process:
        sleep(1.0)
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


def seconds(run: Run, least: float) -> np.ndarray:
    """Seconds of a run, by the clock and of the processors: the mean of as many as fill some time.

    In that time the system has shared its processors out.
    """
    start, count = np.array([perf_counter(), process_time()]), 0
    while not count or perf_counter() - start[0] < least:
        run()
        count += 1
    return (np.array([perf_counter(), process_time()]) - start) / count


def measured(named: dict[str, Run], rounds: int, least: float) -> pd.DataFrame:
    """Median seconds in quiet and beside the other process, and the ratios of clock and of processor time."""
    found: dict[str, np.ndarray] = {}
    with other_process() as other:
        for name, run in named.items():
            run()
            quiet, busy = [], []
            for _ in range(rounds):
                quiet.append(seconds(run, least))
                other.send_signal(signal.SIGCONT)
                busy.append(seconds(run, least))
                other.send_signal(signal.SIGSTOP)
            found[name] = np.concatenate([np.median(quiet, axis=0), np.median(busy, axis=0)])
    table = pd.DataFrame(found, index=["quiet", "CPU quiet", "busy", "CPU busy"]).T
    ratios = {"ratio": table.busy / table.quiet, "CPU ratio": table["CPU busy"] / table["CPU quiet"]}
    return table[["quiet", "busy"]].assign(**ratios)


def main() -> None:
    """Print the table; fail when a fit is too slow."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="smaller data, half a minute in all")
    quick = options.parse_args().quick
    print(machine(), end="\n\n")
    table = measured(runs(quick), 3 if quick else 7, 0.3 if quick else 1.0)
    shown = table.map("{:.1f}".format).assign(
        **{name: table[name].map("{:.4f} s".format) for name in ("quiet", "busy")}
    )
    print(markdown(shown))
    slow = table.index[table.ratio > LIMIT]
    if len(slow):
        sys.exit(f"More than {LIMIT:g} times as slow on a busy machine: {', '.join(slow)}.")


if __name__ == "__main__":
    main()
