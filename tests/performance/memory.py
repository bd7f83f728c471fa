"""Peak memory of one fit in a process of its own, on Linux: ``python memory.py [ROWS COLUMNS]``.

What counts is how far the resident set grows from before the fit to its peak, beside the size of the design matrix.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scenarios import numeric

import glminfer as gi


def resident(what: str) -> float:
    """Megabytes resident: "VmRSS" now, "VmHWM" at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(what))


def main(n: int, p: int) -> None:
    """Fit, and print the growth."""
    small = numeric(1000, p)
    gi.logit(small.formula, small.frame).tidy()  # imports and caches do not count
    scenario = numeric(n, p)
    data, matrix = scenario.frame.memory_usage().sum() / 1e6, n * (p + 1) * 8 / 1e6
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the simulation
    before = resident("VmRSS")
    fit = gi.logit(scenario.formula, scenario.frame)
    fit.tidy()
    peak, after = resident("VmHWM"), resident("VmRSS")
    print(f"data frame {data:.0f} MB, design matrix {matrix:.0f} MB, resident before the fit {before:.0f} MB")
    print(f"at the peak  {peak - before:.0f} MB more: {(peak - before) / matrix:.2f} design matrices")
    print(f"kept by fit  {after - before:.0f} MB more: {(after - before) / matrix:.2f} design matrices")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3] or ["1000000", "20"]))
