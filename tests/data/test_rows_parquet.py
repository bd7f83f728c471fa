"""Parquet files: what is read, what is refused and how it is said, and that nothing is left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engines import everything, parquet, rows, same

import glminfer as gi
from glminfer.data import rows_parquet, stored
from glminfer.data.digests import distinct
from glminfer.data.stored import Constant, FieldWriter, Stored, Writer
from glminfer.data.stored_matrix import narrowed
from glminfer.numerics import kernels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of the same columns."""
    frame = rows(1, n=300)
    for k in range(3):
        frame[100 * k : 100 * (k + 1)].to_parquet(tmp_path / f"part-{k}.parquet")
    return tmp_path


def changed(folder: Path, k: int, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / f"part-{k}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


# which files ----------------------------------------------------------------------------------------------------------


def test_a_folder_a_pattern_a_list_and_one_file(folder: Path) -> None:
    files = [folder / f"part-{k}.parquet" for k in range(3)]
    for given in (folder, str(folder), str(folder / "*.parquet"), files, [str(folder / "part-[01].parquet"), files[2]]):
        assert gi.parquet(given).files == tuple(map(str, files))
    assert gi.parquet(files[1]).n_rows == 100
    assert gi.parquet(folder).n_rows == 300
    assert gi.parquet(folder).names == tuple(rows(1).columns)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(gi.DataError, match=r"There is no file '.*none/\*\.parquet' \(looked for in"):
        gi.parquet(tmp_path / "none" / "*.parquet")
    with pytest.raises(gi.DataError, match=r"Give a Parquet file, a folder of \.parquet files, or a pattern"):
        gi.parquet(tmp_path)


def test_columns_are_checked(folder: Path) -> None:
    with pytest.raises(gi.FormulaError, match=r"The data have no column 'chioce'\. Did you mean 'choice'\?"):
        gi.parquet(folder, columns=["chioce"])
    with pytest.raises(gi.FormulaError, match="The data have no column 'z'"):
        gi.logit("y ~ z", gi.parquet(folder, columns=["x", "y"]))
    with pytest.raises(TypeError, match=r"no argument 'scrach'\. Did you mean 'scratch'"):
        gi.parquet(folder, scrach="/tmp")


def test_without_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'glminfer\[parquet\]'"):
        gi.parquet(folder)


def test_an_unnamed_index_is_no_column(tmp_path: Path) -> None:
    rows(1)[["y", "x"]].iloc[::2].to_parquet(tmp_path / "a.parquet")
    assert gi.parquet(tmp_path / "a.parquet").names == ("y", "x")


# files that do not fit together ---------------------------------------------------------------------------------------


def test_a_truncated_file(folder: Path) -> None:
    path = folder / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(gi.DataError, match=r"'.*part-1\.parquet' cannot be read as Parquet .* It may be truncated"):
        gi.parquet(folder)


def test_a_file_with_damaged_pages(folder: Path) -> None:
    path = folder / "part-2.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    with pytest.raises(gi.DataError, match=r"The file '.*part-2\.parquet' cannot be read as Parquet"):
        gi.logit("y ~ x + z", gi.parquet(folder))


def test_a_file_that_is_none(folder: Path) -> None:
    (folder / "part-3.parquet").write_text("y,x\n1,2\n")
    with pytest.raises(gi.DataError, match=r"part-3\.parquet' cannot be read as Parquet"):
        gi.parquet(folder)
    (folder / "part-3.parquet").write_text("")
    with pytest.raises(gi.DataError, match=r"part-3\.parquet' cannot be read as Parquet"):
        gi.parquet(folder)


def test_a_column_missing_in_one_file(folder: Path) -> None:
    changed(folder, 1, lambda frame: frame.drop(columns="z"))
    data = gi.parquet(folder)
    assert gi.logit("y ~ x", data).nobs > 250
    with pytest.raises(
        gi.DataError, match=r"The file '.*part-1\.parquet' has no column 'z', which 2 of the 3 files have"
    ):
        gi.logit("y ~ x + z", data)


@pytest.mark.parametrize(
    ("kind", "said"), [("float64", "int64 in .*part-0.* and double in"), ("str", "int64 in .*part-0.* and text in")]
)
def test_a_type_that_changes_between_files(folder: Path, kind: str, said: str) -> None:
    changed(folder, 2, lambda frame: frame.astype({"k": kind}))
    with pytest.raises(gi.DataError, match=rf"k is {said} '.*part-2\.parquet'; a column has one type"):
        gi.logit("y ~ k", gi.parquet(folder))


def test_types_that_only_differ_in_storage(folder: Path) -> None:
    expected = gi.logit("y ~ g + c", gi.parquet(folder)).tidy()
    changed(folder, 1, lambda frame: frame.assign(g=frame.g.astype("large_string[pyarrow]")))
    changed(folder, 2, lambda frame: frame.assign(c=frame.c.cat.set_categories(["low", "mid", "high"])))
    pd.testing.assert_frame_equal(gi.logit("y ~ g + c", gi.parquet(folder)).tidy(), expected)


# temporary files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that must be empty in the end."""
    own = tmp_path / "scratch"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    yield own
    assert list(own.iterdir()) == []


def open_files(folder: Path) -> int:
    """Files of the folder this process holds open, those without a name included."""
    names = Path("/proc/self/fd")
    return sum(str(folder) in os.readlink(names / fd) for fd in os.listdir(names) if (names / fd).is_symlink())


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux tells them")


@linux
def test_temporary_files_have_no_name_and_go_with_the_fit(folder: Path, scratch: Path) -> None:
    fit = gi.logit("y ~ x + g", gi.parquet(folder))
    assert list(scratch.iterdir()) == []
    assert open_files(scratch) > 0
    fit.tidy(cluster="mouse")
    del fit
    gc.collect()
    assert open_files(scratch) == 0


@linux
def test_scratch_names_their_folder(folder: Path, tmp_path: Path, scratch: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    fit = gi.logit("y ~ x", gi.parquet(folder, scratch=other))
    assert open_files(other) > 0
    assert open_files(scratch) == 0
    assert list(other.iterdir()) == []
    assert fit.converged


@linux
def test_an_interrupt_leaves_nothing(folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    for where in (kernels, stored.Writer):
        with monkeypatch.context() as patch:
            patch.setattr(where, "likelihood" if where is kernels else "append", interrupted)
            with pytest.raises(KeyboardInterrupt):
                gi.logit("y ~ x", gi.parquet(folder))
    gc.collect()
    assert open_files(scratch) == 0
    assert not [thread for thread in threading.enumerate() if "ahead" in thread.name]
    assert threading.active_count() <= max(before, 1 + (os.cpu_count() or 1))


@linux
def test_ctrl_c_in_a_process_of_its_own(folder: Path, scratch: Path) -> None:
    code = (
        "import glminfer as gi, sys, time\n"
        "from glminfer.numerics import kernels\n"
        "slow = kernels.likelihood\n"
        "def likelihood(*args):\n"
        "    print('fitting', flush=True)\n"
        "    time.sleep(30)\n"
        "kernels.likelihood = likelihood\n"
        f"gi.logit('y ~ x', gi.parquet({str(folder)!r}))\n"
    )
    env = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        run.stdout.readline()
        begin = time.perf_counter()
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=20)
    assert b"KeyboardInterrupt" in error
    assert time.perf_counter() - begin < 15


@linux
def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    with pytest.raises(gi.DataError, match=r"The folder for temporary files, '.*', is full: .* MB are free and"):
        gi.logit("y ~ x", gi.parquet(folder, scratch=folder))


def test_a_folder_that_is_not_there(folder: Path) -> None:
    with pytest.raises(gi.DataError, match=r"'/no/such/folder', cannot be written to \(No such file or directory\)"):
        gi.logit("y ~ x", gi.parquet(folder, scratch="/no/such/folder"))


@pytest.mark.parametrize("shape", [(0,), (5,), (5000,), (700, 3), (5, 0)])
def test_stored_arrays(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).standard_normal(shape)
    writer = Writer(None)
    for part in np.array_split(array, 3):
        writer.append(part)
    found: Stored = writer.stored()
    np.testing.assert_array_equal(found.whole(), array)
    for where in (slice(0, 2), slice(1, 5), slice(600, 10_000), slice(3, 3), slice(None)):
        np.testing.assert_array_equal(found.rows(where), array[where])
    assert not found.rows(slice(0, 2)).flags.writeable or not shape[0] or 0 in shape


LATE = [
    ("y ~ x + z", None, 1),  # numbers: nothing to wait for
    ("choice ~ b * x", {"weights": "w", "offset": "o"}, 2),  # labels and their levels are read before
    ("y ~ x + g", None, 2),
    ("y ~ x + C(k)", None, 2),  # numbers as levels: later pieces may have others
    ("y ~ x + C(late)", None, 2),
    ("y ~ x + late_bool", None, 2),  # guessed, and refuted
    ("y ~ center(x)", None, 3),  # learned from all rows, which are held whole
]


@pytest.mark.parametrize(("formula", "options", "most"), LATE, ids=[formula for formula, _, _ in LATE])
def test_how_often_the_files_are_read(
    formula: str, options: dict | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows(3).assign(late=lambda f: (f.index > 200) * 3, late_bool=lambda f: f.index % 240 > 200)
    data, read = parquet(frame, (100,), 20), [0]
    batches = rows_parquet.batches_of

    def counted(path: str, types: dict, *others: Any) -> Any:
        for table in batches(path, types, *others):
            read[0] += len(table)
            yield table

    monkeypatch.setattr(rows_parquet, "batches_of", counted)
    fit = gi.logit(formula, data, **(options or {}))
    assert read[0] < (most + 0.5) * len(frame)  # a few rows more are read to guess from
    pd.testing.assert_frame_equal(fit.tidy(), gi.logit(formula, frame, **(options or {})).tidy())


def test_sums_of_outcomes_and_weights_do_not_read_the_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = gi.logit("y ~ x + z", gi.parquet(folder))
    stored = fit.rows
    read: list[int] = []
    part = Stored.rows

    def rows_(self: Stored, where: slice) -> Any:
        read.append(len(self.shape) > 1 and self.shape[1])
        return part(self, where)

    monkeypatch.setattr(Stored, "rows", rows_)
    assert stored.sum(kernels.count_used) == fit.nobs
    assert stored.width not in read
    stored.sum(kernels.column_products)
    assert stored.width in read


@pytest.mark.parametrize("shared", [1e-150, 1.0, 1e145])
def test_sizes_of_columns_in_pieces(shared: float, tmp_path: Path) -> None:
    """Squares that add up beyond what double precision holds, though those of each piece do not."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": shared * (1 + rng.random(4000)), "y": rng.integers(0, 2, 4000)})
    files = parquet(frame, (), 10)
    if shared == 1.0:
        assert gi.logit("y ~ x", files).converged
        return
    with pytest.raises(gi.DataError) as memory:
        gi.logit("y ~ x", frame)
    with pytest.raises(gi.DataError) as pieces:
        gi.logit("y ~ x", files)
    assert str(pieces.value) == str(memory.value)


COLUMNS = [[0, 1, 1], [1, 1], [], [2.0, 1.0], [3, 1, 2], [0.5, -1.0, 0.5], [True, False], [True], [False, False]]


@pytest.mark.parametrize("values", COLUMNS, ids=str)
def test_distinct_values(values: list[Any]) -> None:
    column = np.array(values)
    found = distinct(column)
    np.testing.assert_array_equal(found, np.unique(column))
    assert found.dtype == column.dtype


@pytest.mark.parametrize("changes", [(), (0,), (3,), (0, 3, 9), (9,)])
def test_a_column_that_does_not_change_is_not_stored(changes: tuple[int, ...]) -> None:
    values = np.ones((10, 1))
    values[list(changes)] = 2.0
    writer = FieldWriter(None)
    for part in np.split(values, [0, 3, 3, 8]):
        writer.append(part)
    found = writer.stored()
    assert isinstance(found, Stored if changes else Constant)
    np.testing.assert_array_equal(found.whole(), values)
    for where in (slice(0, 2), slice(2, 20), slice(4, 4)):
        np.testing.assert_array_equal(found.rows(where), values[where])


def test_a_file_that_changes_while_it_is_read(folder: Path) -> None:
    data = gi.parquet(folder)
    changed(folder, 1, lambda frame: frame[:50])
    with pytest.raises(gi.DataError, match=r"part-1\.parquet' has changed while it was read: it has fewer rows"):
        gi.logit("y ~ x", data)
    changed(folder, 1, lambda frame: pd.concat([frame] * 3))
    with pytest.raises(gi.DataError, match=r"part-1\.parquet' has changed while it was read: it has more rows"):
        gi.logit("y ~ x", data)


def test_a_file_written_again_is_not_read_as_if_it_were_the_same(folder: Path) -> None:
    data = gi.parquet(folder)
    fit = gi.logit("y ~ x", data)
    expected, robust = fit.augment(), fit.tidy(cov="HC1")
    changed(folder, 1, lambda frame: frame.assign(x=100 * frame.x))
    text = r"part-1\.parquet' has been written again since gi\.parquet described it: it had [\d,]+ bytes and has"
    asks = {
        "fit": lambda: gi.logit("y ~ x", data),
        "augment": fit.augment,
        "update": lambda: fit.update("~ ."),
        "many": lambda: gi.logit_many("x", data, outcomes=["y"]),
        "predict": lambda: fit.predict(data),
    }
    for ask in asks.values():
        with pytest.raises(gi.DataError, match=text):
            ask()
    pd.testing.assert_frame_equal(fit.tidy(cov="HC1"), robust)  # the numbers of the fit are its own
    again = gi.logit("y ~ x", gi.parquet(folder))
    assert again.coef["x"] != fit.coef["x"]
    changed(folder, 1, lambda frame: frame.assign(x=frame.x / 100))
    pd.testing.assert_frame_equal(fit.with_data(gi.parquet(folder)).augment(), expected)


def test_columns_of_other_kinds(tmp_path: Path) -> None:
    """Bytes, decimals, half precision and dates: as when read into memory by pyarrow."""
    frame = rows(7)
    table = pa.Table.from_pandas(frame[["y", "x"]], preserve_index=False)
    table = table.append_column("code", pa.array([f"{g}".encode() for g in frame.g], pa.binary()))
    table = table.append_column("price", pa.array([Decimal(f"{z:.2f}") for z in frame.z]))
    table = table.append_column("half", pa.array(frame.o.to_numpy().astype(np.float16)))
    table = table.append_column("day", pa.array([date(2024, 5, 1 + k) for k in frame.k]))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=37)
    data = replace(gi.parquet(tmp_path), piece_rows=50)
    formula = "y ~ x + code + price + half + C(day)"
    pd.testing.assert_frame_equal(gi.logit(formula, data).tidy(), gi.logit(formula, table).tidy())


# predictions ----------------------------------------------------------------------------------------------------------

QUESTIONS = [
    {},
    {"type": "link"},
    {"type": "class"},
    {"type": "class", "threshold": 0.7},
    {"type": "terms"},
    {"interval": "confidence"},
    {"interval": "confidence", "cluster": "mouse", "cov": "CR2", "type": "link"},
]


@pytest.mark.parametrize("options", QUESTIONS, ids=str)
@pytest.mark.parametrize("formula", ["y ~ x + g + bs(z, df=4)", "choice ~ x + C(k)", "y ~ lag(x) + z"])
def test_predictions_of_files(formula: str, options: dict, tmp_path: Path) -> None:
    frame = rows(3)
    fit = gi.logit(formula, frame)
    data = parquet(frame, (60, 60, 130), 50)
    expected = fit.predict(frame, **options)
    got = fit.predict(data, **options)
    (pd.testing.assert_frame_equal if isinstance(expected, pd.DataFrame) else pd.testing.assert_series_equal)(
        got, expected, rtol=1e-12
    )
    written = fit.predict(data, to=tmp_path / "out.parquet", **options)
    assert written.n_rows == len(frame)
    stored_table = pd.read_parquet(tmp_path / "out.parquet")
    expected = expected if isinstance(expected, pd.DataFrame) else expected.to_frame()
    if options.get("type") == "class":
        stored_table, expected = (t.astype(object).where(t.notna(), None) for t in (stored_table, expected))
    pd.testing.assert_frame_equal(stored_table, expected, rtol=1e-12)


def test_predictions_may_be_read_again(tmp_path: Path) -> None:
    frame = rows(3)
    fit = gi.logit("y ~ x", parquet(frame, (60,)))
    found = fit.predict(to=tmp_path / "fitted.parquet")
    pd.testing.assert_series_equal(found.to_pandas().predicted_response, fit.predict(), check_index=False)
    assert fit.predict(frame, to=tmp_path / "frame.parquet").names == ("predicted_response",)


def test_no_rows_to_predict(tmp_path: Path) -> None:
    frame = rows(3)
    fit = gi.logit("y ~ x", frame)
    for options in ({}, {"to": tmp_path / "out.parquet"}):
        with pytest.raises(gi.DataError, match="The data have no rows, so there is nothing to predict"):
            fit.predict(parquet(frame[:0], (0,)), **options)


def test_a_failed_prediction_leaves_no_file(tmp_path: Path) -> None:
    frame = rows(3).dropna()
    fit = gi.logit("y ~ x + g", frame)
    later = frame.assign(g=np.where(np.arange(len(frame)) > 150, "new", frame.g))
    with pytest.raises(gi.DataError, match="levels that were not there"):
        fit.predict(parquet(later, (), 50), to=tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []
    assert fit.predict(parquet(later, (), 50), unseen="nan").isna().sum() == len(frame) - 151


def test_files_that_are_read_are_not_written_over(folder: Path) -> None:
    data = gi.parquet(folder)
    with pytest.raises(gi.InputError, match=r"part-1\.parquet' is one of the files that are read"):
        gi.logit("y ~ x", data).predict(data, to=folder / "part-1.parquet")
    with pytest.raises(gi.DataError, match=r"'/no/such/out\.parquet' cannot be written"):
        gi.logit("y ~ x", data).predict(data, to="/no/such/out.parquet")


def test_pickled_without_rows_and_given_them_again(folder: Path) -> None:
    import pickle

    data = gi.parquet(folder)
    fit = gi.logit("y ~ x + g", data)
    again = pickle.loads(pickle.dumps(fit))
    with pytest.raises(gi.RowsNeededError):
        again.residuals()
    pd.testing.assert_series_equal(again.with_data(data).residuals(), fit.residuals())


@pytest.mark.parametrize("last", [1.0, 0.25, -129.0, np.nan, 2.0**40])
@pytest.mark.parametrize("first", [[0.0, 1.0], [1.5, 2.0], [2.0]])
def test_small_whole_numbers_take_a_byte_each_until_another_comes(first: list[float], last: float) -> None:
    values = np.array([*first, *[3.0, 0.0, -128.0] * 4, last, 1.0])[:, None]
    writer = FieldWriter(None)
    for part in (values[:1], values[1:5], values[5:]):
        writer.append(part)
    found = writer.stored()
    assert isinstance(found, Stored)
    assert found.dtype == (np.int8 if first != [1.5, 2.0] and last == 1.0 else np.float64)
    for read in (found.whole(), found.rows(slice(0, len(values)))):
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, values)
    np.testing.assert_array_equal(found.rows(slice(3, 9)), values[3:9])


# numbers that need less room -----------------------------------------------------------------------------------------


def counts(late: float | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"spikes": rng.poisson(3.0, 300), "side": rng.choice(["left", "right"], 300)})
    frame["x"] = rng.integers(-100, 100, 300).astype(float)
    frame["y"] = (rng.random(300) < 0.5).astype(int)
    frame["mouse"], frame["o"], frame["w"] = rng.integers(0, 12, 300), rng.random(300), rng.random(300)
    if late is not None:
        frame.loc[250, "x"] = late
    return frame


@pytest.mark.parametrize(
    ("late", "kinds"),
    [
        (None, ["int8"]),
        (1000.0, ["int8", "float32"]),
        (0.1, ["int8", "float64"]),
        (-0.5, ["int8", "float32"]),
        (-129.0, ["int8", "float32"]),
    ],
)
def test_counts_take_a_byte_until_a_number_needs_more(late: float | None, kinds: list[str]) -> None:
    frame = counts(late)
    memory, files = (gi.logit("y ~ spikes * side + x", data) for data in (frame, parquet(frame, (40,), 50)))
    X = files.rows.X
    assert [part.dtype.name for part in X.parts] == kinds
    np.testing.assert_array_equal(files.coef, memory.coef)
    same(everything(files), everything(memory))
    np.testing.assert_array_equal(X.whole(), memory.rows.values("X"))
    for where in (slice(0, 300), slice(0, 0), slice(190, 260), slice(251, 252), slice(0, 10)):
        read = X.rows(where)
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, memory.rows.values("X")[where])


@pytest.mark.parametrize("value", [2.0**24 + 1, 1e39, 1e-46, 0.1, np.pi])
def test_what_single_precision_cannot_hold_stays_double(value: float) -> None:
    X = np.ones((100, 3))
    assert narrowed(X).dtype == np.int8
    X[80, 1] = value
    assert narrowed(X) is X
    X[80, 1] = 2.0**20 + 0.125
    assert narrowed(X).dtype == np.float32
    np.testing.assert_array_equal(narrowed(X), X)
