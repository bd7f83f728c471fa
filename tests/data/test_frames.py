import datetime
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from glminfer.data import frames
from glminfer.data.columns import Factor, Masked, numbers
from glminfer.errors import DataError, FormulaError

BASE = {
    "x": [1.5, 2.25, -3.0, 0.1],
    "i": [1, 2, 3, 2],
    "g": ["b", "a", "c", "a"],
    "b": [True, False, False, True],
}
HOLES = {"x": [1.5, None, -3.0, 0.1], "i": [1, 2, None, 2], "g": ["b", None, "c", "a"], "b": [True, False, None, True]}
PANDAS = pd.DataFrame(BASE)
HOLEY = pd.DataFrame(HOLES, dtype=object)


def plain(column):
    """Values with None where missing."""
    if isinstance(column, Factor):
        return [None if code < 0 else column.levels[code] for code in column.codes]
    gone = frames.missing(column)
    values = column.values if isinstance(column, Masked) else column
    return [None if m else v for v, m in zip(values.tolist(), gone, strict=True)]


def structured(table):
    return table.astype({"g": object}).to_records(index=False)


def duck(table):
    return duckdb.connect().from_arrow(pa.table(table))


# every kind of frame and storage


@pytest.mark.parametrize(
    "frame",
    [
        BASE,
        {name: np.array(values) for name, values in BASE.items()},
        {name: pl.Series(values) for name, values in BASE.items()},
        PANDAS,
        PANDAS.convert_dtypes(),
        PANDAS.convert_dtypes(dtype_backend="pyarrow"),
        PANDAS.astype(object),
        PANDAS.astype({"g": "string[python]"}),
        PANDAS.astype({"g": "string[pyarrow]"}),
        PANDAS.astype({"g": "category"}),
        PANDAS.assign(x=pd.arrays.SparseArray(PANDAS.x)),
        PANDAS.assign(x=[Decimal(str(v)) for v in PANDAS.x]),
        PANDAS.assign(g=[s.encode() for s in PANDAS.g]),
        structured(PANDAS),
        pl.DataFrame(BASE),
        pl.LazyFrame(BASE),
        pl.DataFrame(BASE).with_columns(pl.col("g").cast(pl.Categorical)),
        pl.DataFrame(BASE).with_columns(pl.col("g").cast(pl.Enum(["a", "b", "c"]))),
        pl.DataFrame(BASE).with_columns(pl.col("x").cast(pl.Decimal(10, 4))),
        pa.table(BASE),
        pa.table({**BASE, "x": pa.array([Decimal(str(v)) for v in BASE["x"]], pa.decimal128(8, 3))}),
        lambda: duck(BASE),
    ],
    ids=lambda frame: type(frame).__module__,
)
def test_complete_columns(frame):
    frame = frame() if callable(frame) else frame
    columns = frames.take(frame, BASE)
    assert {name: plain(column) for name, column in columns.data.items()} == BASE
    assert columns.data["g"].levels == ("a", "b", "c")
    assert [columns.data[name].dtype.kind for name in ("x", "i", "b")] == ["f", "i", "b"]
    assert columns.n == frames.length(frame) == 4
    assert frames.names(frame) == tuple(BASE)
    assert not any(frames.any_missing(column) for column in columns.data.values())


@pytest.mark.parametrize(
    "frame",
    [
        HOLES,
        HOLEY,
        HOLEY.convert_dtypes(),
        HOLEY.convert_dtypes(dtype_backend="pyarrow"),
        HOLEY.astype({"g": "category", "x": float}),
        pl.DataFrame(HOLES),
        pl.LazyFrame(HOLES),
        pa.table(HOLES),
        lambda: duck(HOLES),
    ],
    ids=lambda frame: type(frame).__module__,
)
def test_missing_values_and_kinds_are_kept(frame):
    columns = frames.take(frame() if callable(frame) else frame, HOLES)
    assert {name: plain(column) for name, column in columns.data.items()} == HOLES
    assert all(frames.any_missing(column) for column in columns.data.values())
    rows = np.array([0, 3])
    chosen = frames.select(columns, rows)
    assert [plain(chosen.data[name]) for name in HOLES] == [[values[0], values[3]] for values in HOLES.values()]
    assert isinstance(chosen.data["i"], np.ndarray)
    assert [chosen.data[name].dtype.kind for name in ("i", "b")] == ["i", "b"]


def test_numpy_columns_are_not_copied():
    columns = frames.take(PANDAS, ["x"])
    assert np.shares_memory(columns.data["x"], PANDAS["x"].to_numpy())
    assert columns.native is PANDAS


def test_small_and_unusual_types():
    frame = {
        "f4": np.array([1, 2], np.float32),
        "f2": np.array([1, 2], np.float16),
        "u1": np.array([1, 2], np.uint8),
        "big": np.array([2**70, None], dtype=object),
        "none": [None, None],
        "one": 1.5,
        "word": "a",
    }
    data = frames.take(frame, frame).data
    assert [data[name].dtype for name in ("f4", "f2", "u1")] == [np.float32, np.float64, np.uint8]
    assert plain(data["big"]) == [2.0**70, None]
    assert frames.missing(data["none"]).all()
    assert plain(data["one"]) == [1.5, 1.5]
    assert plain(data["word"]) == ["a", "a"]


def test_categories_keep_their_order():
    ordered = pd.Categorical(["lo", "hi"], categories=["lo", "mid", "hi"], ordered=True)
    frame = {"o": ordered, "n": pd.Categorical([3, 1]), "cut": pd.cut(np.array([0.5, 1.5]), [0, 1, 2])}
    data = frames.take(frame, frame).data
    assert data["o"].levels == ("lo", "mid", "hi")
    assert data["o"].ordered
    assert data["n"].levels == (1, 3)
    assert data["cut"].levels == ("(0, 1]", "(1, 2]")
    table = pa.table({"o": pa.DictionaryArray.from_arrays([1, 0], ["z", "a"])})
    assert frames.take(table, ["o"]).data["o"].levels == ("z", "a")


def test_only_the_used_columns_are_converted():
    frame = PANDAS.assign(t=pd.Timestamp("2020"), bad=[1, "a", None, 2])
    assert list(frames.take(frame, ["x", "x"]).data) == ["x"]


def test_column_labels_that_are_no_strings():
    frame = pd.DataFrame(np.eye(2))
    assert frames.names(frame) == ("0", "1")
    assert plain(frames.take(frame, ["1"]).data["1"]) == [0, 1]


def test_columns_can_be_taken_again():
    columns = frames.take(PANDAS, BASE)
    assert list(frames.take(columns, ["g"]).data) == ["g"]
    with pytest.raises(FormulaError, match=r"no column 'gg'\. Did you mean 'g'"):
        frames.take(columns, ["gg"])


def test_index_is_kept():
    labelled = PANDAS.set_index(pd.Index(["p", "q", "r", "s"]))
    assert list(frames.select(frames.take(labelled, ["x"]), np.array([2, 0])).index) == ["r", "p"]
    assert frames.index(pl.DataFrame(BASE)) is None


def test_to_pandas():
    day = datetime.date(2020, 1, 1)
    for frame in (PANDAS, BASE, pl.LazyFrame(BASE), pa.table(BASE), structured(PANDAS), frames.take(PANDAS, ["x"])):
        assert frames.to_pandas(frame)[list(BASE)].astype(object).equals(PANDAS.astype(object))
    assert frames.to_pandas(pl.DataFrame({"day": [day, None]}))["day"].tolist()[0] == day


# errors


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.date_range("2020", periods=2), "x holds dates or times (datetime64["),
        (pd.date_range("2020", periods=2), "such as (x - x.min()).dt.total_seconds()"),
        (pd.to_timedelta([1, 2], unit="s"), "x holds time spans"),
        (pd.to_timedelta([1, 2], unit="s"), "such as x.dt.total_seconds()"),
        (pd.date_range("2020", periods=2, tz="UTC"), "x holds dates or times"),
        (pd.period_range("2020", periods=2), "x holds dates or times (period"),
        ([datetime.date(2020, 1, 1), None], "x holds dates or times (date)"),
        (pd.Series(pa.array([datetime.date(2020, 1, 1)] * 2), dtype="date32[pyarrow]"), "x holds dates or times"),
        ([1j, 2j], "x holds complex numbers; use its real and imaginary parts"),
        (["a", 1], "x holds str (such as 'a') and int (such as 1); a column is numbers or labels."),
        ([[1], [2]], "x has shape (2, 1); a column has one value per row."),
        (pd.Series([(1, 2), (3, 4)]), "x holds tuple (such as (1, 2)); a column is numbers or labels."),
    ],
)
def test_columns_that_cannot_be_used(values, message):
    with pytest.raises(DataError) as error:
        frames.take({"x": values}, ["x"])
    assert message in str(error.value)


def test_polars_dates():
    with pytest.raises(DataError, match="x holds dates or times"):
        frames.take(pl.DataFrame({"x": [datetime.datetime(2020, 1, 1)]}), ["x"])
    with pytest.raises(DataError, match="x holds dates or times"):
        frames.take(pl.DataFrame({"x": [datetime.date(2020, 1, 1)]}), ["x"])


@pytest.mark.parametrize(
    "frame", [BASE, PANDAS, pl.DataFrame(BASE), pl.LazyFrame(BASE), pa.table(BASE), structured(PANDAS)]
)
def test_unknown_columns(frame):
    with pytest.raises(FormulaError) as error:
        frames.take(frame, ["ii"])
    assert str(error.value) == "The data have no column 'ii'. Did you mean 'i'? The columns are x, i, g, b."


def test_columns_of_the_same_name():
    frame = pd.concat([PANDAS, PANDAS[["x"]]], axis=1)
    with pytest.raises(DataError, match="2 columns are called 'x', so the formula cannot tell them apart"):
        frames.take(frame, ["x"])
    assert frames.take(frame, ["g"]).n == 4


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (5, "The data are int, which has no named columns"),
        (np.ones((3, 2)), r"The data are an array of shape \(3, 2\)"),
        ({"x": [1, 2], "y": [1]}, r"different numbers of rows \(x has 2, y has 1\)"),
    ],
)
def test_data_that_are_no_table(frame, message):
    with pytest.raises(DataError, match=message):
        frames.take(frame, ["x"])


# values given beside the frame


LABELLED = pd.DataFrame({"w": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])


def test_aligned_from_names_arrays_and_series():
    for value in (
        "w",
        [1, 2, 3],
        np.array([[1.0], [2.0], [3.0]]),
        LABELLED["w"],
        LABELLED["w"][::-1],
        pl.Series([1, 2, 3]),
    ):
        assert frames.aligned(value, LABELLED, "weights").tolist() == [1, 2, 3]
    more = pd.Series([9.0, 3, 2, 1], index=["z", "r", "q", "p"])
    assert frames.aligned(more, LABELLED, "weights").tolist() == [1, 2, 3]
    assert frames.aligned(pd.Series([2, 1, 3], index=[1, 0, 2]), pl.DataFrame({"a": [1, 2, 3]}), "w").tolist() == [
        1,
        2,
        3,
    ]
    assert np.isnan(frames.aligned(pd.array([1, pd.NA, 3]), LABELLED, "weights")[1])


def test_aligned_column_keeps_labels():
    column = frames.aligned_column(pd.Series(["v", "u", "v"], index=["r", "q", "p"]), LABELLED, "cluster")
    assert plain(column) == ["v", "u", "v"]


def test_equal_indexes_may_have_duplicates():
    frame = pd.DataFrame({"a": [1, 2]}, index=[0, 0])
    assert frames.aligned(pd.Series([3.0, 4.0], index=[0, 0]), frame, "weights").tolist() == [3, 4]
    with pytest.raises(
        DataError, match="labels that occur more than once, such as 0, so the weights cannot be aligned"
    ):
        frames.aligned(pd.Series([3.0, 4.0], index=[0, 1]), frame, "weights")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "weights= has 2 values and the data have 3 rows. Give one value for each row"),
        (
            pd.Series([1.0, 2.0], index=["p", "q"]),
            "weights= is a Series of 2 values whose index lacks 1 row of the data",
        ),
        (pd.Series([1.0] * 3), "such as 'p'. A Series goes by its index; for values in row order give an array"),
        (3, "weights= is 3; give a column name or one value for each of the 3 rows."),
        (LABELLED, "weights= is a DataFrame of 1 columns; give one column"),
        (["a", "b", "c"], "weights is a column of labels ('a', 'b', 'c') and cannot be used as weights."),
        ("v", "The data have no column 'v'. The columns are w."),
    ],
)
def test_values_that_do_not_fit(value, message):
    with pytest.raises((DataError, FormulaError)) as error:
        frames.aligned(value, LABELLED, "weights")
    assert message in str(error.value)


def test_numbered_rows_must_have_the_same_length():
    with pytest.raises(DataError, match="weights= has 4 values and the data have 3 rows"):
        frames.aligned(pd.Series([1.0] * 4), LABELLED.reset_index(drop=True), "weights")


def test_numbers_of_a_masked_column():
    assert np.isnan(numbers(Masked(np.array([1, 2]), np.array([False, True])), "w", "weights")[1])
