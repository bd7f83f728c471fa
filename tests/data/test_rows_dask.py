"""Dask data frames: the fit of the same rows in memory, whatever the partitions, threads or processes."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import patsy
import pytest
from engines import everything, identical, parquet, partitioned, rows, small_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data import frames
from glminfer.data.dask_values import Values
from glminfer.data.evaluation import Value
from glminfer.data.rows import MemoryRows
from glminfer.data.rows_dask import DaskRows
from glminfer.numerics import kernels

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")

N = 240
FORMULAS: dict[str, tuple[str, dict[str, Any]]] = {
    "factors": ("choice ~ x * g + C(k) + c + b", {}),
    "weights": ("y ~ x + c", {"weights": "w", "offset": "o"}),
    "counts": ("cbind(wins, trials - wins) ~ x + C(k, Sum)", {}),
    "learned": ("y ~ center(x) + poly(z, 2) + standardize(o, by=k)", {}),
    "earlier rows": ("y ~ lag(x) + history(z, 2, last=5)", {}),
    "all rows": ("y ~ np.cumsum(z) + double(x)", {"env": {"double": lambda v: 2 * v / np.max(np.abs(v))}}),
    "subset": ("y ~ x + g + C(k)", {"subset": "(z < 3) & (k > 0)"}),
    "missing": ("y ~ np.log(x + 2) + g", {}),
}
LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
few = settings(max_examples=2, deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def _threads_and_small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    small_blocks(monkeypatch, 16)
    with dask.config.set(scheduler="threads"):
        yield


def agree(found: gi.Fit, expected: gi.Fit) -> None:
    """The same fit, to the last bit; of rows that lie in Dask, in memory."""
    assert isinstance(found.rows, DaskRows)
    assert isinstance(expected.rows, MemoryRows)
    np.testing.assert_array_equal(found.coef, expected.coef)
    identical({"tidy": found.tidy(), "notes": found.notes}, {"tidy": expected.tidy(), "notes": expected.notes})
    assert str(found) == str(expected)


@pytest.mark.parametrize("name", FORMULAS)
@few
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, N), max_size=12))
def test_any_partitions(name: str, seed: int, cuts: list[int]) -> None:
    formula, options = FORMULAS[name]
    frame = rows(seed)
    agree(gi.logit(formula, partitioned(frame, cuts), **options), gi.logit(formula, frame, **options))


@pytest.mark.parametrize("link", LINKS)
def test_everything_is_the_same(link: str) -> None:
    frame = rows(11)
    found, expected = (gi.glm("choice ~ x + g", d, link=link) for d in (partitioned(frame, [3, 90, 90, 200]), frame))
    identical(everything(found), everything(expected))


def test_everything_is_the_same_on_two_processes(client: Any) -> None:
    """Each kernel there and back, partial sums on two workers."""
    frame = rows(12)
    formula, options = "choice ~ x + C(g, Sum)", {"weights": "w", "offset": "o", "link": "probit"}
    with dask.config.set(scheduler=None), client.as_current():
        found = gi.glm(formula, partitioned(frame, [10, 120, 121]), **options)
        assert isinstance(found.rows, DaskRows)
        identical(everything(found), everything(gi.glm(formula, frame, **options)))


def test_rows_of_one_block_come_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to distribute, and a sum here takes a thousandth of the time."""
    small_blocks(monkeypatch, 512)
    frame = rows(11)
    found, expected = (gi.logit("choice ~ x + g", d) for d in (partitioned(frame, [3, 90, 90, 200]), frame))
    assert isinstance(found.rows, MemoryRows)
    identical(everything(found), everything(expected))


@pytest.mark.parametrize("size", [1, 7, 40])
def test_columns_that_leave_change_where_blocks_end(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of fewer columns has more rows in a block: the rows are cut anew."""
    small_blocks(monkeypatch, size)
    monkeypatch.setattr("glminfer.data.rows.BLOCK_NUMBERS", 20 * size)
    frame = rows(3)
    formula = "y ~ x + I(2 * x) + z + I(x + z) + I(x - z) + o + I(o + 1)"
    found, expected = (gi.logit(formula, d) for d in (partitioned(frame, [50, 130]), frame))
    agree(found, expected)
    identical({"HC3": found.tidy(cov="HC3")}, {"HC3": expected.tidy(cov="HC3")})


def test_a_fit_does_not_change_from_run_to_run() -> None:
    data = partitioned(rows(1, n=3000), [100 * k for k in range(1, 30)])
    first, second = (gi.logit("y ~ x + g", data) for _ in range(2))
    np.testing.assert_array_equal(first.coef, second.coef)


def test_separation_levels_of_the_last_partition_and_one_class() -> None:
    frame = rows(13).sort_values("y", ignore_index=True)
    frame["y"], frame["h"] = frame.y.where(frame.g != "c", 1), np.where(frame.index < 230, "b", "a")
    data = partitioned(frame, [40, 50, 230])
    with pytest.warns(gi.SeparationWarning):
        found = gi.logit("y ~ x + g + h", data)
    with pytest.warns(gi.SeparationWarning):
        expected = gi.logit("y ~ x + g + h", frame)
    identical({"tidy": found.tidy(), "text": str(found)}, {"tidy": expected.tidy(), "text": str(expected)})
    identical({"p": found.predict()}, {"p": expected.predict()})


def test_partitions_without_labels_may_hold_numbers_in_their_place() -> None:
    """As pandas reads a column in which all is missing."""
    frame = rows(13)
    frame.loc[100:149, "g"] = None
    parts = [frame[:100], frame[100:150].assign(g=np.nan), frame[150:]]
    data = dd.from_map(lambda k: parts[k], range(3), meta=frame.iloc[:0].astype({"g": object}))
    agree(gi.logit("y ~ x + g", data), gi.logit("y ~ x + g", frame))


@pytest.mark.parametrize("penalty", [gi.Firth(), None])
def test_many_rows_and_penalties(penalty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 1000)
    frame = rows(16, n=30_000)
    data = partitioned(frame, [1234, 20_000])
    agree(gi.logit("y ~ x + z", data, penalty=penalty), gi.logit("y ~ x + z", frame, penalty=penalty))


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ xx", {}),
        ("y ~ x", {"weights": "o"}),
        ("c ~ x", {}),
        ("b ~ x", {"subset": "b"}),
        ("cbind(z, wins) ~ x", {}),
        ("y ~ np.log(k)", {}),
        ("y ~ x + g", {"missing": "raise"}),
        ("y ~ x", {"subset": "z > 1000"}),
    ],
)
def test_errors_are_those_of_rows_in_memory(formula: str, options: dict) -> None:
    frame = rows(21)
    with pytest.raises(gi.InputError) as memory:
        gi.logit(formula, frame, **options)
    with pytest.raises(gi.InputError) as found:
        gi.logit(formula, partitioned(frame, [20, 130]), **options)
    assert str(found.value) == str(memory.value)


@pytest.mark.parametrize("coding", ["Treatment('b')", "Sum", "Poly", "Helmert()", "Diff", "[[1], [2], [-3]]", None])
def test_values_travel_with_the_coding_asked_for(coding: str | None) -> None:
    """patsy's contrasts refuse to be pickled; a formula with C(g, Treatment('b')) failed on a cluster of processes."""
    names = {name: getattr(patsy, name) for name in ("Treatment", "Sum", "Poly", "Helmert", "Diff")}
    contrast = None if coding is None else eval(coding, names)
    value = pickle.loads(pickle.dumps(Value(np.arange(3.0), contrast, ({"mean": 1.0},))))
    np.testing.assert_array_equal(value.column, np.arange(3.0))
    assert value.states == ({"mean": 1.0},)
    assert type(value.contrast) is type(contrast)
    if type(contrast).__module__.startswith("patsy."):
        assert vars(value.contrast) == vars(contrast)
    else:
        assert value.contrast == contrast


@pytest.mark.parametrize("hold", [partitioned, parquet])
def test_a_wish_for_compression_is_not_ignored(hold: Any) -> None:
    with pytest.raises(
        gi.InputError, match=r"compress=True\) has no effect on rows in Parquet files and in Dask, where"
    ):
        gi.logit("y ~ x", hold(rows(4), [60]), control=gi.Control(compress=True))
    fit = gi.logit("y ~ x", hold(rows(4), [60]), control=gi.Control(compress=False))
    np.testing.assert_array_equal(fit.coef, gi.logit("y ~ x", rows(4)).coef)


def test_other_collections_are_no_tables() -> None:
    from dask import array

    with pytest.raises(gi.DataError, match="which has no named columns"):
        gi.logit("y ~ x", array.ones((3, 2)))


def test_a_column_of_the_frame_as_weights() -> None:
    frame = rows(4)
    data = partitioned(frame, [60])
    agree(gi.logit("y ~ x", data, weights=data.w), gi.logit("y ~ x", frame, weights=frame.w))


def test_predictions(tmp_path: Any) -> None:
    frame = rows(3)
    data = partitioned(frame, [60, 60, 130])
    fit = gi.logit("choice ~ x + g + lag(z)", frame)
    pd.testing.assert_series_equal(fit.predict(data), fit.predict(frame))
    fit = gi.logit("choice ~ x + g", frame)
    written = fit.predict(data, interval="confidence", to=tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(written.to_pandas(), fit.predict(frame, interval="confidence"))


@pytest.mark.parametrize("hold", ["threads", "processes"], indirect=True)
def test_a_bar_counts_rows(hold: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    frame = rows(2)
    fit = gi.logit("y ~ x", hold(frame, [50, 50, 170]))
    expected = fit.rows.sum(kernels.column_products), fit.rows.map(kernels.eta, np.ones((1, 2)))
    monkeypatch.setattr("glminfer.data.rows_dask.watched", lambda: True)
    monkeypatch.setattr("glminfer.data.progress.watched", lambda: True)
    monkeypatch.setattr("glminfer.data.progress._LONG", -1.0)
    capsys.readouterr()
    np.testing.assert_array_equal(fit.rows.sum(kernels.column_products), expected[0])
    shown = capsys.readouterr().err
    assert f"/{fit.nobs}" in shown
    assert "rows/s" in shown
    np.testing.assert_array_equal(fit.rows.map(kernels.eta, np.ones((1, 2))), expected[1])


def test_names_of_a_dask_frame_are_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of narwhals, which warns that it will no longer know them."""
    frame = partitioned(rows(2), [100])
    monkeypatch.setattr("glminfer.data.frames._narwhals", lambda _: pytest.fail("asked of narwhals"))
    assert frames.names(frame) == tuple(rows(2).columns)
    assert frames.length(frame) == 240
    np.testing.assert_array_equal(frames.take(frame, ["z"]).data["z"], rows(2).z)
    assert list(frames.to_pandas(frame)) == list(rows(2))


def test_an_existing_cluster_by_its_address(client: Any) -> None:
    distributed = pytest.importorskip("distributed")
    frame = rows(6)
    with dask.config.set(scheduler=None), distributed.Client(client.scheduler.address):
        found = gi.logit("y ~ x + g", partitioned(frame, [100]))
        assert distributed.futures_of(found.rows.parts)
        agree(found, gi.logit("y ~ x + g", frame))


def a_worker(client: Any) -> int:
    return next(iter(client.run(os.getpid).values()))


def test_a_cluster_of_two_processes_one_of_which_is_killed(client: Any) -> None:
    frame = rows(5)

    def mine(v: np.ndarray) -> np.ndarray:
        return v**2 + v

    formula = "choice ~ x + g + mine(z) + center(o)"
    expected = gi.logit(formula, frame)
    with dask.config.set(scheduler=None), client.as_current():
        found = gi.logit(formula, dd.from_pandas(frame, npartitions=5))
        agree(found, expected)
        os.kill(a_worker(client), signal.SIGKILL)
        identical({"HC3": found.tidy(cov="HC3")}, {"HC3": expected.tidy(cov="HC3")})
        identical({"LR": found.lr_test("g")}, {"LR": expected.lr_test("g")})
        client.wait_for_workers(2, timeout=60)


@pytest.mark.parametrize("question", [2, 7])
def test_a_worker_is_killed_during_the_fit(question: int, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While levels are looked for, and between two Newton steps."""
    frame, asked, killed = rows(6), itertools.count(1), []

    def killing(values: Values) -> list[Any]:
        if next(asked) == question:
            killed.append(a_worker(client))
            os.kill(killed[0], signal.SIGKILL)
        return here(values)

    here = Values.here
    monkeypatch.setattr(Values, "here", killing)
    with dask.config.set(scheduler=None), client.as_current():
        agree(gi.logit("y ~ x + g", partitioned(frame, [100, 110])), gi.logit("y ~ x + g", frame))
        assert killed
        client.wait_for_workers(2, timeout=60)
        assert killed[0] not in client.run(os.getpid).values()
