"""Parquet files larger than memory, on Linux: ``python larger.py [ROWS COLUMNS [FOLDER]]``.

Makes files of ROWS × COLUMNS random numbers and an outcome, reads them three times with pyarrow (the yardstick: nothing
is done with the rows), writes as many numbers as the design matrix has to a file, and fits them in a process of its
own, whose peak of resident memory is what counts. On a subset
that fits, the coefficients are compared with those of the same rows in memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

_PER_FILE = 1_000_000


def make(folder: Path, n: int, p: int) -> None:
    """Files of a million rows: p numbers, and an outcome that depends on them."""
    coef = np.linspace(-0.5, 0.5, p)
    for k, start in enumerate(range(0, n, _PER_FILE)):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((min(_PER_FILE, n - start), p))
        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(p)])
        frame["y"] = rng.random(len(X)) < 1 / (1 + np.exp(0.5 - X @ coef))
        frame.to_parquet(folder / f"part-{k:04}.parquet")


def taken() -> np.ndarray:
    """Seconds on the wall and of the processors, so far."""
    return np.array([time.perf_counter(), time.process_time()])


def reading(folder: Path) -> np.ndarray:
    """Seconds to read every column of every file once, batch by batch."""
    begin = taken()
    for path in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1 << 18):
            assert batch.num_rows
    return taken() - begin


def writing(folder: Path, size: float) -> np.ndarray:
    """Seconds to write as many bytes as the design matrix has to one file, and nothing else."""
    piece, begin = np.random.default_rng(0).standard_normal(1 << 19), taken()
    with (folder / "numbers").open("wb", buffering=0) as file:
        for _ in range(round(size / piece.nbytes)):
            file.write(memoryview(piece))
    (folder / "numbers").unlink()
    return taken() - begin


def resident(what: str) -> float:
    """Megabytes resident: "VmRSS" now, "VmHWM" at the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(what))


def formula(p: int) -> str:
    return "y ~ " + " + ".join(f"x{j}" for j in range(p))


def fit(how: str, folder: str, p: int) -> None:
    """Fit to files or to a frame read from them, and print what it took; run in a process of its own."""
    import glminfer as gi

    gi.logit("y ~ x", {"y": [0, 1, 0, 1], "x": [0, 0, 1, 1]}).tidy()  # imports do not count
    before, begin = resident("VmRSS"), taken()
    files = how == "files"
    data = gi.parquet(folder, scratch=str(Path(folder).parent)) if files else pd.read_parquet(folder)
    found = gi.logit(formula(p), data)
    found.tidy()
    wall, processors = taken() - begin
    print(f"{how}: {found.nobs:,} rows in {wall:.2f} s ({processors:.2f} s of the processors), {found.n_iter} steps")
    print(f"{how}: resident before {before:.0f} MB, at the peak {resident('VmHWM'):.0f} MB")
    print(f"SECONDS {wall} {processors}")


def apart(how: str, folder: Path, p: int) -> np.ndarray:
    """Seconds on the wall and of the processors of a fit in a process of its own."""
    command = [sys.executable, __file__, how, str(folder), str(p)]
    told, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("SECONDS")
    print(told, end="")
    return np.array(list(map(float, seconds.split())))


def agreement(folder: Path, p: int) -> float:
    """Largest difference of coefficients, in standard errors, of the first file from the same rows in memory."""
    import glminfer as gi

    path = sorted(folder.glob("*.parquet"))[0]
    files, memory = (gi.logit(formula(p), data) for data in (gi.parquet(path), pd.read_parquet(path)))
    return float(((files.coef - memory.coef).abs() / memory.tidy().std_error.to_numpy()).max())


def main(n: int, p: int, where: str | None) -> None:
    folder = Path(tempfile.mkdtemp(dir=where))
    try:
        data = folder / "data"
        data.mkdir()
        make(data, n, p)
        size = sum(path.stat().st_size for path in data.iterdir()) / 1e6
        three = sum((reading(data) for _ in range(3)), np.zeros(2))
        files = len(list(data.iterdir()))
        print(f"{n:,} rows × {p} columns in {files} files, {size:,.0f} MB")
        print(f"read 3 times: {three[0]:.2f} s ({three[1]:.2f} s)")
        written = writing(folder, 8.0 * n * (p + 1))
        print(f"written once, as numbers: {written[0]:.2f} s ({written[1]:.2f} s)")
        fitted, memory = (apart(how, data, p) for how in ("files", "memory"))
        for what, other in (
            ("reading three times", three),
            ("reading three times and writing once", three + written),
            ("reading and fitting in memory", memory),
        ):
            wall, processors = fitted / other
            print(f"ratio to {what}: {wall:.2f} on the wall, {processors:.2f} of processor time")
        print(f"coefficients differ from those in memory (first file) by {agreement(data, p):.1e} standard errors")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] in (["files"], ["memory"]):
        fit(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        n, p, *rest = [*sys.argv[1:], *["2000000", "12"][len(sys.argv) - 1 :]]
        main(int(n), int(p), rest[0] if rest else None)
