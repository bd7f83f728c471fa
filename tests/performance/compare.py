"""Time glminfer beside the peers that are installed, on the same data, in one process: ``python compare.py [--quick]``.

Every package may use one thread of BLAS or OpenMP. Only glminfer works on rows in threads of its own, so it is timed
with one processor and with all of them. The rounds of the Python packages are interleaved, so that a change in the load
of the machine meets them all; R follows at once, with the data handed over in files and the clock running inside R.
The CPU time, summed over threads, hardly depends on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from peers import PYTHON, Answer, Spent, Timed, glminfer, has_r, installed, run_r
from scenarios import Scenario, mixed, numeric
from threadpoolctl import threadpool_limits

FULL = {"small": lambda: mixed(), "tall": lambda: numeric(1_000_000, 20), "wide": lambda: numeric(100_000, 200)}
QUICK = {
    "small": lambda: mixed(rounds=3),
    "tall": lambda: numeric(50_000, 20),
    "wide": lambda: numeric(5_000, 100),
}


def timed(runs: dict[str, Timed], scenario: Scenario) -> tuple[dict[str, list[Spent]], dict[str, Answer]]:
    """What each run took, and what each package answered; a run to warm up precedes each burst of short ones."""
    answers = {name: run() for name, run in runs.items()}
    spent: dict[str, list[Spent]] = {name: [] for name in runs}
    for _ in range(scenario.rounds):
        for name, run in runs.items():
            if scenario.burst > 1:
                run()
            spent[name] += [_spent(run) for _ in range(scenario.burst)]
    return spent, answers


def _spent(run: Timed) -> Spent:
    start, processor = perf_counter(), process_time()
    run()
    return perf_counter() - start, process_time() - processor


def compared(scenario: Scenario, with_r: bool) -> pd.DataFrame:
    """One row per package: times, their ratio to glminfer's, and largest relative differences from its answers."""
    cores = len(os.sched_getaffinity(0))
    own = {f"glminfer, {_threads(count)}": glminfer(scenario, count) for count in sorted({cores, 1}, reverse=True)}
    runs = own | {name: peer(scenario) for name, (module, peer) in PYTHON.items() if installed(module)}
    with threadpool_limits(limits=1):  # all packages are imported by now, and their BLAS and OpenMP with them
        spent, answers = timed(runs, scenario)
    if with_r:
        name = "R glm + summary, formula"
        spent[name], answers[name], _ = run_r(scenario, scenario.rounds * scenario.burst)
    ours = next(iter(answers))
    times = {name: np.array(pairs).T for name, pairs in spent.items()}
    return pd.DataFrame(
        {
            "median": {name: _duration(np.median(wall)) for name, (wall, _) in times.items()},
            "fastest": {name: _duration(wall.min()) for name, (wall, _) in times.items()},
            "slowest": {name: _duration(wall.max()) for name, (wall, _) in times.items()},
            "ratio": {name: f"{np.median(wall) / np.median(times[ours][0]):.1f}" for name, (wall, _) in times.items()},
            "CPU": {name: _duration(np.median(cpu)) for name, (_, cpu) in times.items()},
            "coef differs": {name: _difference(answer[0], answers[ours][0]) for name, answer in answers.items()},
            "SE differs": {name: _difference(answer[1], answers[ours][1]) for name, answer in answers.items()},
        }
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _difference(theirs: np.ndarray | None, ours: np.ndarray | None) -> str:
    """The largest difference, relative to the larger of the estimate and a tenth of the largest one."""
    if theirs is None or ours is None:
        return "–"
    scale = np.maximum(np.abs(ours), np.abs(ours).max() / 10)
    return f"{np.max(np.abs(theirs - ours) / scale):.0e}"


def markdown(table: pd.DataFrame) -> str:
    """A table that reads well as text and in a document."""
    rows = [["", *table.columns], *([name, *row] for name, row in zip(table.index, table.to_numpy(), strict=True))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    cells = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def machine() -> str:
    """Processor, system, load and versions."""
    info = Path("/proc/cpuinfo")
    found = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    packages = ["numpy", "scipy", "pandas", "patsy", "statsmodels", "glum", "scikit-learn"]
    modules = {"scikit-learn": "sklearn"}
    listed = [f"{name} {version(name)}" for name in packages if installed(modules.get(name, name))]
    return (
        f"{found[0] if found else platform.processor()}, {len(os.sched_getaffinity(0))} processors; load {_load()}\n"
        f"Python {platform.python_version()}, {', '.join(listed)}; one thread of BLAS and OpenMP"
    )


def _load() -> str:
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("only", nargs="*", choices=[[], *FULL], metavar="DATA", help="small, tall, wide")
    options.add_argument("--quick", action="store_true", help="smaller data, a few seconds in all")
    options.add_argument("--no-r", action="store_true", help="leave R out")
    chosen = options.parse_args()
    print(machine())
    absent = [name for name, (module, _) in PYTHON.items() if not installed(module)]
    print("Skipped, not installed:", "; ".join(absent + ([] if has_r() else ["R"])) or "none", end="\n\n")
    makers = QUICK if chosen.quick else FULL
    for name in chosen.only or makers:
        scenario = makers[name]()
        print(
            f"{scenario.name}, {scenario.n_coefficients} coefficients, {scenario.rounds * scenario.burst} runs each",
            flush=True,
        )
        print(markdown(compared(scenario, has_r() and not chosen.no_r)))
        print(f"\nload at the end {_load()}", end="\n\n", flush=True)


if __name__ == "__main__":
    main()
