"""Time glminfer beside the peers that are installed, on the same data, in one process: ``python compare.py [--quick]``.

    python tests/performance/compare.py                    # everything, about eight minutes
    python tests/performance/compare.py --quick            # smaller data, half a minute
    python tests/performance/compare.py dense wide         # some of it
    python tests/performance/compare.py --picture COST.png # how the time grows with rows and columns

Every package may use one thread of BLAS or OpenMP. glminfer works on rows in threads of its own, so it is timed with
one of them and with one for each processor. The rounds of the Python packages are interleaved, so that a change in the
load of the machine meets them all; R follows at once, with the data handed over in files and the clock running inside
R. The CPU time, summed over threads, hardly depends on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import os
import platform
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

os.environ.update(dict.fromkeys(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], "1"))

import numpy as np
import pandas as pd
from cases import NAMES, Case, floor_of, missing, opened
from peers import PYTHON, Answer, Spent, Timed, has_r, installed, row_threads, tidy
from scenarios import numeric
from threadpoolctl import threadpool_limits

PATIENCE = 4.0  # seconds of a run, from which two rounds are enough


def timed(runs: dict[str, Timed], case: Case) -> tuple[dict[str, list[Spent]], dict[str, Answer]]:
    """What each run took, and what each package answered; a run to warm up precedes each burst of short ones."""
    answers, spent, slow = {}, {name: [] for name in runs}, set()
    for name, run in runs.items():
        first, answers[name] = _answered(run)
        if first[0] > PATIENCE:
            slow.add(name)
            spent[name].append(first)
    for k in range(case.rounds):
        for name, run in runs.items():
            if name in slow and k:
                continue
            if case.burst > 1:
                run()
            spent[name] += [_answered(run)[0] for _ in range(case.burst)]
    return spent, answers


def _answered(run: Timed) -> tuple[Spent, Answer]:
    start, processor = perf_counter(), process_time()
    answer = run()
    return (perf_counter() - start, process_time() - processor), answer


def compared(case: Case, with_r: bool) -> pd.DataFrame:
    """One row per package: times, ratios to glminfer's and to the floor, and largest differences from its answers."""
    cores = len(os.sched_getaffinity(0))
    runs = {
        f"glminfer, {_threads(count)}": _with_threads(case.ours, count) for count in sorted({cores, 1}, reverse=True)
    }
    runs |= {name: make() for name, (module, make) in case.peers.items() if installed(module)}
    if case.floor is not None:
        runs["floor"] = lambda: (case.floor(), (np.empty(0), None))[1]
    with threadpool_limits(limits=1):  # all packages are imported by now, and their BLAS and OpenMP with them
        spent, answers = timed(runs, case)
    for name, run in case.outside.items() if with_r else ():
        spent[name], answers[name] = run(case.rounds * case.burst)
    return _table(case, spent, answers)


def _with_threads(run: Timed, count: int) -> Timed:
    def limited() -> Answer:
        with row_threads(count):
            return run()

    return limited


def _table(case: Case, spent: dict[str, list[Spent]], answers: dict[str, Answer]) -> pd.DataFrame:
    times = {name: case.times.get(name, 1) * np.array(pairs).T for name, pairs in spent.items()}
    ours, median = next(iter(answers)), {name: np.median(wall) for name, (wall, _) in times.items()}
    work = {name: np.median(cpu) for name, (_, cpu) in times.items()}
    return pd.DataFrame(
        {
            "median": {name: _duration(median[name]) for name in times},
            "fastest": {name: _duration(wall.min()) for name, (wall, _) in times.items()},
            "slowest": {name: _duration(wall.max()) for name, (wall, _) in times.items()},
            "ratio": {name: f"{median[name] / median[ours]:.1f}" for name in times},
            "CPU": {name: _duration(work[name]) for name in times},
            "coef differs": {name: _difference(answer[0], answers[ours][0]) for name, answer in answers.items()},
            "SE differs": {name: _difference(answer[1], answers[ours][1]) for name, answer in answers.items()},
            "floors": {name: f"{work[name] / work['floor']:.1f}" if "floor" in work else "–" for name in times},
        }
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _difference(theirs: np.ndarray | None, ours: np.ndarray | None) -> str:
    """The largest difference, relative to the larger of the estimate and a tenth of the largest one."""
    if theirs is None or ours is None or len(theirs) != len(ours):
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


# how the time grows ---------------------------------------------------------------------------------------------------

DRAWN = ("statsmodels Logit, arrays", "glum, formula", "scikit-learn newton-cholesky, arrays, no SE")
ROWS, COLUMNS = (300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000), (2, 5, 10, 20, 50, 100, 200)


def growth(sizes: list[tuple[int, int]]) -> pd.DataFrame:
    """Least of three runs of each package and of the floor, in seconds of the processor, by rows and columns."""
    found = []
    for n, p in sizes:
        scenario = numeric(n, p)
        runs = {"glminfer": _with_threads(tidy(scenario), 1)}
        runs |= {name: PYTHON[name][1](scenario) for name in DRAWN if installed(PYTHON[name][0])}
        runs["floor"] = floor_of(scenario)
        found.append({name: _fastest(run) for name, run in runs.items()} | {"rows": n, "columns": p})
    return pd.DataFrame(found)


def _fastest(run: Callable[[], object]) -> float:
    run()
    return min(_answered(run)[0][1] for _ in range(3))


def picture(path: str, quick: bool) -> None:
    """Seconds against rows, and against columns, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    few = 20_000 if quick else 1_000_000
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    with threadpool_limits(limits=1):
        by_rows = growth([(n, 20) for n in ROWS if n <= few])
        by_columns = growth([(few // 10, p) for p in COLUMNS])
    for axis, table, what in zip(axes, (by_rows, by_columns), ("rows", "columns"), strict=True):
        for name in table.columns.drop(["rows", "columns"]):
            style = {"color": "0.6", "linestyle": "--"} if name == "floor" else {"marker": "o", "markersize": 4}
            label = "floor: three weighted XᵀX" if name == "floor" else name
            axis.loglog(table[what], table[name], label=label, linewidth=2.5 if name == "glminfer" else 1.2, **style)
        axis.set_xlabel(f"{what} ({'20 columns' if what == 'rows' else f'{few // 10:,} rows'})")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds of one processor")
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    for table in (by_rows, by_columns):
        print(table.set_index(["rows", "columns"]).map(_duration).to_string(), end="\n\n")


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("only", nargs="*", choices=[[], *NAMES], metavar="CASE", help=", ".join(NAMES))
    options.add_argument("--quick", action="store_true", help="smaller data, half a minute in all")
    options.add_argument("--no-r", action="store_true", help="leave R out")
    options.add_argument("--picture", metavar="PATH", help="draw how the time grows instead")
    chosen = options.parse_args()
    print(machine())
    warnings.simplefilter("ignore")  # of the peers
    if chosen.picture:
        picture(chosen.picture, chosen.quick)
        return
    absent = [name for name, (module, _) in PYTHON.items() if not installed(module)]
    print("Skipped, not installed:", "; ".join(absent + ([] if has_r() else ["R"])) or "none", end="\n\n")
    for name in chosen.only or NAMES:
        if missing(name):
            print(f"{name}: skipped, {missing(name)} is not installed\n")
            continue
        start = perf_counter()
        with ExitStack() as stack:
            case = opened(stack, name, chosen.quick)
            print(f"**{case.name}**\n", flush=True)
            print(markdown(compared(case, has_r() and not chosen.no_r)))
        print(f"\nload at the end {_load()}; {perf_counter() - start:.0f} s in all", end="\n\n", flush=True)


if __name__ == "__main__":
    main()
