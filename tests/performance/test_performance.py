"""Limits on the time a user waits; run on demand and on a quiet machine: ``pytest -m performance``."""

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from performance import larger
from performance.scenarios import Scenario, mixed, numeric, repeated

import glminfer as gi

pytestmark = pytest.mark.performance

ROOT = Path(__file__).parents[2]


def median_seconds(run: Callable[[], Any], repeats: int) -> float:
    run()  # the first run loads and compiles

    def once() -> float:
        start = perf_counter()
        run()
        return perf_counter() - start

    return statistics.median(once() for _ in range(repeats))


def table(scenario: Scenario) -> Any:
    return gi.logit(scenario.formula, scenario.frame).tidy()


def test_small_fit_takes_three_milliseconds():
    scenario = mixed()
    assert median_seconds(lambda: table(scenario), 200) <= 0.003


def test_small_fit_is_faster_than_statsmodels():
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    scenario = mixed()

    def theirs() -> Any:
        fit = smf.glm(scenario.formula, scenario.frame, family=sm.families.Binomial()).fit()
        return fit.params, fit.bse, fit.pvalues, fit.conf_int()

    assert median_seconds(lambda: table(scenario), 50) < median_seconds(theirs, 50)


def test_a_million_rows_take_six_tenths_of_a_second():
    scenario = numeric(1_000_000, 20)
    assert median_seconds(lambda: table(scenario), 5) <= 0.6


def test_files_are_fitted_in_a_gigabyte(tmp_path: Path):
    larger.make(tmp_path, 4_000_000, 12)
    run = [sys.executable, larger.__file__, "files", str(tmp_path), "12"]
    printed = subprocess.run(run, capture_output=True, check=True, text=True, cwd=ROOT).stdout
    peak = re.search(r"at the peak (\d+) MB", printed)
    assert peak is not None
    assert int(peak[1]) <= 1000


def test_import_takes_six_tenths_of_a_second(tmp_path):
    code = "from time import perf_counter as t; start = t(); import glminfer; print(t() - start)"
    run, options = [sys.executable, "-c", code], {"capture_output": True, "check": True, "text": True, "cwd": ROOT}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    times = [float(subprocess.run(run, env=kept, **options).stdout) for _ in range(6)]
    assert statistics.median(times[1:]) <= 0.6  # the first one compiles


def test_ten_million_rows_of_eighty_kinds_take_a_second_and_a_half():
    scenario = repeated(10_000_000)
    assert median_seconds(lambda: gi.logit(scenario.formula, scenario.frame), 3) <= 1.5


def test_alike_rows_are_five_times_faster_than_all_of_them():
    scenario = repeated(1_000_000)

    def seconds(compress: bool) -> float:
        control = gi.Control(compress=compress)
        return median_seconds(lambda: gi.logit(scenario.formula, scenario.frame, control=control), 3)

    assert 5 * seconds(True) <= seconds(False)
