"""Every neuron of real recording sessions: how long it takes, how the models end, and what R says to fifty of them.

    python tests/performance/sessions.py FOLDER     # a folder with session_NN.npz

For each session two questions: does a neuron's firing depend on the contrasts and the outcome (one model per neuron);
does a neuron tell the outcome beyond the contrasts (one candidate per model, likelihood ratio).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

import glminfer as gi

R_SCRIPT = """
control <- glm.control(epsilon = 1e-14, maxit = 100)
for (file in list.files(pattern = "^model")) {
  d <- read.csv(file)
  full <- glm(y ~ ., binomial, d, control = control)
  less <- glm(y ~ . - last, binomial, d, control = control)
  found <- c(coef(full), sqrt(diag(vcov(full))), less$deviance - full$deviance)
  cat(file, sprintf("%.17g", found), "\\n")
}
"""


def answers(session: gi.datasets.Session) -> tuple[gi.Fits, pd.DataFrame, gi.Fits, pd.DataFrame]:
    """Both questions about one session, with the tables that answer them."""
    many = gi.logit_many("contrast_left + contrast_right + C(feedback)", session.trials, outcomes=session.spikes > 0)
    table = many.tidy()
    each = gi.logit_each("feedback == 1 ~ contrast_left * contrast_right", session.trials, covariates=session.spikes)
    return many, table, each, each.lr_test()


def written(folder: Path, k: int, session: gi.datasets.Session, name: str, encoding: bool) -> None:
    """The data of one model, the column in question last."""
    trials, neuron = session.trials, session.spikes[name]
    part = trials[["contrast_left", "contrast_right"]].copy()
    success = (trials.feedback == 1).astype(int)
    if encoding:
        part["last"], part["y"] = success, (neuron > 0).astype(int)
    else:
        part["both"], part["last"], part["y"] = part.contrast_left * part.contrast_right, neuron, success
    part.to_csv(folder / f"model{k:03d}.csv", index=False)


def beside_r(sessions: list, found: list, count: int = 50) -> str:
    """Largest relative differences from R's glm in random models."""
    rng = np.random.default_rng(0)
    ours = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for k in range(count):
            j = int(rng.integers(len(sessions)))
            many, _, each, _ = found[j]
            fits = many if k % 2 else each
            name = str(rng.choice(fits.status.index[fits.status == "converged"]))
            fit, last = fits[name], "C(feedback)" if k % 2 else name
            written(folder, k, sessions[j], name, bool(k % 2))
            table = fit.tidy().set_index("term")
            order = [*table.index.drop(name, errors="ignore"), *([] if k % 2 else [name])]  # in R it stands last
            ours.append([*table.estimate[order], *table.std_error[order], fit.lr_test(last).statistic[0]])
        (folder / "run.R").write_text(R_SCRIPT)
        done = subprocess.run(["Rscript", "run.R"], cwd=folder, capture_output=True, text=True, check=True)
    theirs = [[float(v) for v in line.split()[1:]] for line in done.stdout.splitlines()]
    pairs = [(np.array(a), np.array(b)) for a, b in zip(ours, theirs, strict=True)]
    away = [np.abs(a - b) / np.maximum(np.abs(b), 1e-3) for a, b in pairs]
    parts = [(d[: len(d) // 2].max(), d[len(d) // 2 : -1].max(), d[-1]) for d in away]
    estimates, errors, ratios = np.max(parts, axis=0)
    return f"estimates {estimates:.0e}, standard errors {errors:.0e}, likelihood ratios {ratios:.0e}"


def main(folder: str) -> None:
    sessions = list(gi.datasets.load_steinmetz(folder))
    start, spent, found = perf_counter(), process_time(), []
    for session in sessions:
        before = perf_counter()
        found.append(answers(session))
        many, _, each, _ = found[-1]
        ends = [", ".join(f"{n} {s}" for s, n in Counter(f.status).most_common()) for f in (many, each)]
        print(f"{session!r}: {perf_counter() - before:.2f} s; encoding {ends[0]}; decoding {ends[1]}", flush=True)
    print(f"\nall: {perf_counter() - start:.1f} s on the clock, {process_time() - spent:.1f} s of the processors")
    table, tests = (pd.concat([f[k] for f in found]) for k in (1, 3))
    kept = table[table.p_adjusted < 0.05].groupby("term").size()
    print(f"{len(tests):,} neurons; adjusted within sessions, p < 0.05:\n{kept.to_string()}")
    print(f"beyond the contrasts {int((tests.p_adjusted < 0.05).sum())}")
    if shutil.which("Rscript"):
        print(f"largest relative differences from R in 50 models: {beside_r(sessions, found)}")


if __name__ == "__main__":
    main(sys.argv[1])
