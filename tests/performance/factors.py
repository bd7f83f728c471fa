"""What questions about a factor with many levels cost: ``python factors.py [rows] [levels ...]``.

Each number of levels is fitted in a process of its own, on one thread. The memory is the peak of the process until the
question is answered, that of the frame included; it never falls.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

os.environ.update(dict.fromkeys(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GLMINFER_THREADS"], "1"))

import numpy as np
from scenarios import factor

import glminfer as gi

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "tidy": lambda fit: fit.tidy(),
    "tidy, HC3": lambda fit: fit.tidy(cov="HC3"),
    "tidy, 30 clusters": lambda fit: fit.tidy(cluster="mouse"),
    "lr_test of a number": lambda fit: fit.lr_test("x1"),
    "lr_test of the factor": lambda fit: fit.lr_test("g"),
    "score_test of a number": lambda fit: fit.score_test("w"),
    "profile interval of a number": lambda fit: fit.confint(terms="x1"),
    "predict with intervals": lambda fit: fit.predict(interval="confidence"),
    "augment": lambda fit: fit.augment(),
}


def peak() -> float:
    """Largest memory of this process so far, in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def asked(what: str, question: Callable[[], Any]) -> Any:
    clock, spent = perf_counter(), process_time()
    answer = question()
    times = f"{perf_counter() - clock:.2f} s | {process_time() - spent:.2f} s"
    print(f"| {what} | {times} | {peak():.2f} GB |", flush=True)
    return answer


def run(n: int, levels: int) -> None:
    scenario = factor(n, levels)
    codes = scenario.frame.g.cat.codes.to_numpy()
    frame = scenario.frame.assign(mouse=codes % 30, w=np.random.default_rng(0).normal(size=n))
    print(f"\n**{scenario.name}; {peak():.2f} GB before the fit**\n\n|  | clock | CPU | peak |\n|---|--:|--:|--:|")
    fit = asked("fit", lambda: gi.logit(scenario.formula, frame))
    for what, question in QUESTIONS.items():
        asked(what, lambda question=question: question(fit))


if __name__ == "__main__":
    n, *sizes = [int(float(text)) for text in sys.argv[1:]] or [1_000_000]
    for levels in sizes or [1_000, 20_000]:
        process = multiprocessing.get_context("spawn").Process(target=run, args=(n, levels))
        process.start()
        process.join()
