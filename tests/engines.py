"""The same rows held in different ways: what every engine must agree on."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

_FOLDER = tempfile.mkdtemp(prefix="engines-")
atexit.register(shutil.rmtree, _FOLDER)


def parquet(frame: pd.DataFrame, cuts: Sequence[int] = (), piece_rows: int = 1 << 18) -> Any:
    """The frame in Parquet files cut at the given rows, read at most so many rows at a time."""
    folder = Path(tempfile.mkdtemp(dir=_FOLDER))
    edges = [0, *sorted(cuts), len(frame)]
    for k, (start, stop) in enumerate(itertools.pairwise(edges)):
        frame.iloc[start:stop].to_parquet(folder / f"part-{k:03}.parquet")
    return replace(gi.parquet(folder), piece_rows=piece_rows)


def partitioned(frame: pd.DataFrame, cuts: Sequence[int] = (), piece_rows: int = 0) -> Any:
    """The frame in Dask partitions cut at the given rows; two equal cuts give an empty one."""
    import dask.dataframe as dd

    del piece_rows  # partitions are read as they are
    frame = frame.reset_index(drop=True)
    edges = [0, *sorted(min(cut, len(frame)) for cut in cuts), len(frame)]
    parts = [frame.iloc[start:stop] for start, stop in itertools.pairwise(edges)]
    return dd.from_map(lambda k: parts[k], range(len(parts)), meta=frame.iloc[:0])


def rows(seed: int, n: int = 240) -> pd.DataFrame:
    """Columns of every kind, with missing values, for outcomes that depend on them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.standard_normal(n),
            "z": rng.standard_normal(n) + 2.0,
            "k": rng.integers(0, 4, n),
            "g": rng.choice(["c", "a", "b"], n),
            "c": pd.Categorical(rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"]),
            "b": rng.random(n) < 0.4,
            "w": rng.integers(0, 3, n).astype(float),
            "o": 0.3 * rng.standard_normal(n),
            "mouse": rng.choice([f"m{i}" for i in range(12)], n),
            "trials": rng.integers(0, 9, n),
        }
    )
    eta = 0.6 * frame.x - 0.4 * (frame.g == "a") + 0.3 * frame.b + frame.o
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["choice"] = np.where(frame.y == 1, "right", "left")
    frame["wins"] = rng.binomial(frame.trials, 1 / (1 + np.exp(-eta)))
    frame["share"] = (frame.wins / frame.trials.where(frame.trials > 0, 1)).astype(float)
    frame.loc[rng.random(n) < 0.05, "x"] = np.nan
    frame.loc[rng.random(n) < 0.05, "g"] = None
    return frame


def everything(fit: gi.Fit) -> dict[str, Any]:
    """Tables of all kinds, by name."""
    some = [name for name in fit.design.terms if name != "Intercept"][:1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few clusters
        found = {
            "tidy": fit.tidy(),
            "glance": fit.glance(),
            "notes": fit.notes,
            "summary": str(fit),
            "predict": fit.predict(interval="confidence"),
            "residuals": fit.residuals("pearson"),
            "HC1": fit.tidy(cov="HC1"),
            "HC3": fit.tidy(cov="HC3"),
            "CR1": fit.tidy(cluster="mouse"),
            "CR2": fit.tidy(cov="CR2", cluster="mouse"),
            "LR": fit.lr_test(some),
            "score": fit.score_test("o + w" if "o" not in str(fit.formula) else "z"),
            "anova": fit.anova(),
            "scores": fit.score(),
        }
    return found | {"profile": fit.confint(terms=list(fit.columns[:2]))}


def same(found: dict[str, Any], expected: dict[str, Any], rtol: float = 1e-12, atol: float | None = None) -> None:
    """Equal tables; numbers within rtol of each other (or, where they are rounding, of 1: else within atol)."""
    for name, table in expected.items():
        within = {"rtol": rtol, "atol": rtol if atol is None else atol, "obj": name}
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_frame_equal(found[name], table, **within)
        elif isinstance(table, pd.Series):
            pd.testing.assert_series_equal(found[name], table, **within)
        else:
            assert found[name] == table, name


def identical(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal tables, to the last bit."""
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        if isinstance(table, pd.DataFrame):
            pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)
        elif isinstance(table, pd.Series):
            pd.testing.assert_series_equal(found[name], table, check_exact=True, obj=name)
        else:
            assert found[name] == table, name


def agree(found: gi.Fit, expected: gi.Fit) -> None:
    """The same fit: places within 1e-12 standard errors, other numbers within 1e-12 of each other, the same words."""
    mine, theirs = found.tidy(), expected.tidy()
    places = ["estimate", "conf_low", "conf_high"]
    units = theirs.std_error.to_numpy()[:, None]
    np.testing.assert_allclose(mine[places] / units, theirs[places] / units, rtol=0, atol=1e-12)
    for one, other in ((mine, theirs), (found.glance(), expected.glance())):
        numbers = [name for name in other.select_dtypes("number") if name not in places]
        np.testing.assert_allclose(one[numbers], other[numbers], rtol=1e-12, atol=1e-12)
    assert (*found.columns, *found.notes, found.status) == (*expected.columns, *expected.notes, expected.status)


def small_blocks(patch: pytest.MonkeyPatch, n: int) -> None:
    """Rows in blocks of n from now on, on every engine: what takes many rows otherwise is seen on few."""
    patch.setattr("glminfer.data.rows.BLOCK_NUMBERS", 0)
    patch.setattr("glminfer.data.rows._LEAST_ROWS", n)
