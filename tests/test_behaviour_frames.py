"""The same data in any frame, and the same column in any dtype, give the same fit and the same predictions."""

import decimal

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import glminfer as gi

N = 90
FORMULA = "choice ~ x * g + C(k) + ok"


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(17)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "g": rng.choice(["a", "b", "c"], N),
            "k": rng.integers(1, 4, N),
            "ok": rng.uniform(size=N) < 0.5,
            "w": rng.integers(1, 4, N),
            "o": rng.normal(size=N),
        }
    )
    frame["choice"] = np.where(rng.uniform(size=N) < 1 / (1 + np.exp(-frame.x)), "right", "left")
    return frame


@pytest.fixture(scope="module")
def expected(trials):
    return gi.logit(FORMULA, trials, weights="w", offset="o")


def structured(frame):
    return frame.assign(g=frame.g.astype("U1"), choice=frame.choice.astype("U5")).to_records(
        index=False, column_dtypes={"g": "U1", "choice": "U5"}
    )


FRAMES = {
    "dict of lists": lambda f: f.to_dict("list"),
    "dict of arrays": lambda f: {name: f[name].to_numpy() for name in f},
    "dict of object arrays": lambda f: {name: f[name].to_numpy(dtype=object) for name in f},
    "dict of polars Series": lambda f: {name: pl.Series(f[name].to_list()) for name in f},
    "record array": structured,
    "polars": pl.from_pandas,
    "polars lazy": lambda f: pl.from_pandas(f).lazy(),
    "pyarrow": lambda f: pa.Table.from_pandas(f, preserve_index=False),
    "pyarrow in chunks": lambda f: pa.concat_tables([pa.Table.from_pandas(f[:40]), pa.Table.from_pandas(f[40:])]),
    "duckdb": lambda f: duckdb.sql("select * from f"),
    "duckdb query": lambda f: duckdb.sql("select x, g, k, ok, w, o, choice from f where w > 0"),
    "narwhals": lambda f: nw.from_native(pl.from_pandas(f)),
    "pandas nullable": lambda f: f.convert_dtypes(),
    "pandas Arrow": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "pandas objects": lambda f: f.astype(object),
    "pandas categories": lambda f: f.astype({"g": "category", "choice": "category", "k": "category"}),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_any_frame_gives_the_same_fit(trials, expected, kind):
    fit = gi.logit(FORMULA, FRAMES[kind](trials), weights="w", offset="o")
    assert fit.coef.equals(expected.coef)
    assert fit.loglik == expected.loglik
    assert fit.event == "choice = 'right'"
    assert fit.notes == ()
    assert np.array_equal(fit.predict(), expected.predict())
    new = trials.head(5)
    assert np.array_equal(fit.predict(FRAMES[kind](new)), expected.predict(new))
    table = fit.augment()
    assert table[".cooksd"].tolist() == expected.augment()[".cooksd"].tolist()
    assert table["g"].tolist() == trials.g.tolist()


@pytest.mark.parametrize("kind", [kind for kind in FRAMES if "pandas" not in kind])
def test_rows_of_other_frames_are_numbered(trials, kind):
    fit = gi.logit("choice ~ x", FRAMES[kind](trials))
    for answer in (fit.predict(), fit.residuals(), fit.augment()):
        assert answer.index.equals(pd.RangeIndex(N))


def gaps(values, rows, missing):
    values = list(values)
    for row in rows:
        values[row] = missing
    return values


MISSING = {
    "NaN": lambda v: pd.Series(gaps(v, [1, 2], np.nan)),
    "None among floats": lambda v: pd.Series(gaps(v, [1, 2], None), dtype=object),
    "NA in Float64": lambda v: pd.array(gaps(v, [1, 2], pd.NA), dtype="Float64"),
    "NaN in float32": lambda v: pd.Series(gaps(v, [1, 2], np.nan)).astype("float32"),
    "null in Arrow": lambda v: pd.array(gaps(v, [1, 2], None), dtype="double[pyarrow]"),
    "None among decimals": lambda v: gaps([decimal.Decimal(repr(float(x))) for x in v], [1, 2], None),
    "masked by a dict of lists": lambda v: gaps(v, [1, 2], None),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_numbers_of_every_kind(trials, kind):
    frame = trials.assign(x=MISSING[kind](trials.x))
    fit = gi.logit("choice ~ x", frame)
    assert fit.notes == ("90 rows, 2 dropped: 2 missing in x",)
    exact = gi.logit("choice ~ x", trials.drop(index=[1, 2]))
    assert np.allclose(fit.coef, exact.coef, rtol=1e-5 if "32" in kind else 1e-14)
    assert fit.predict().isna().to_numpy().nonzero()[0].tolist() == [1, 2]


LABELS = {
    "str": lambda v: pd.Series(v),
    "object": lambda v: pd.Series(v, dtype=object),
    "string[python]": lambda v: pd.array(v, dtype="string[python]"),
    "string[pyarrow]": lambda v: pd.array(v, dtype="string[pyarrow]"),
    "large_string": lambda v: pd.array(v, dtype=pd.ArrowDtype(pa.large_string())),
    "Arrow dictionary": lambda v: pd.Series(pa.array(v).dictionary_encode().to_pandas()),
    "category": lambda v: pd.Categorical(v),
    "category, ordered": lambda v: pd.Categorical(v, ["a", "b", "c"], ordered=True),
    "category of Arrow strings": lambda v: pd.Series(pd.array(v, dtype="string[pyarrow]")).astype("category"),
    "list": list,
}


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind(trials, kind, missing):
    values = gaps(trials.g, [3, 4] if missing else [], None)
    fit = gi.logit("choice ~ x + g", trials.assign(g=LABELS[kind](values)))
    expected = gi.logit("choice ~ x + g", trials.drop(index=[3, 4]) if missing else trials)
    assert fit.coef.equals(expected.coef)
    assert fit.coef.index.tolist() == ["Intercept", "x", "g[T.b]", "g[T.c]"]
    assert fit.notes == (("90 rows, 2 dropped: 2 missing in g",) if missing else ())


@pytest.mark.parametrize("kind", ["polars", "polars enum", "pyarrow", "duckdb"])
def test_categories_of_other_frames(trials, kind):
    table = {
        "polars": pl.from_pandas(trials).with_columns(pl.col("g").cast(pl.Categorical)),
        "polars enum": pl.from_pandas(trials).with_columns(pl.col("g").cast(pl.Enum(["c", "b", "a", "never"]))),
        "pyarrow": pa.Table.from_pandas(trials.assign(g=pd.Categorical(trials.g))),
        "duckdb": duckdb.sql("select * replace (g::enum('a', 'b', 'c') as g) from trials"),
    }[kind]
    fit = gi.logit("choice ~ g", table)
    declared = trials.assign(
        g=pd.Categorical(trials.g, ["c", "b", "a", "never"] if "enum" in kind else ["a", "b", "c"])
    )
    expected = gi.logit("choice ~ g", declared)
    assert fit.coef.equals(expected.coef)
    assert fit.notes == expected.notes


BOOLS = {
    "bool": lambda v: v,
    "boolean": lambda v: v.astype("boolean"),
    "Arrow": lambda v: v.astype("bool[pyarrow]"),
    "object": lambda v: v.astype(object),
    "category": lambda v: v.astype("category"),
}


@pytest.mark.parametrize("kind", BOOLS)
def test_bools_of_every_kind_are_factors_and_outcomes(trials, kind):
    ok = BOOLS[kind](trials.ok)
    fit = gi.logit("choice ~ ok", trials.assign(ok=ok))
    assert fit.coef.index.tolist() == ["Intercept", "ok[T.True]"]
    assert fit.coef.equals(gi.logit("choice ~ ok", trials).coef)
    assert gi.logit("ok ~ x", trials.assign(ok=ok)).coef.equals(gi.logit("ok ~ x", trials).coef)


def test_missing_bools(trials):
    ok = trials.ok.astype("boolean")
    ok[[0, 5]] = pd.NA
    fit = gi.logit("choice ~ ok", trials.assign(ok=ok))
    assert fit.notes == ("90 rows, 2 dropped: 2 missing in ok",)
    assert fit.coef.equals(gi.logit("choice ~ ok", trials.drop(index=[0, 5])).coef)
    assert gi.logit("ok ~ x", trials.assign(ok=ok)).coef.equals(gi.logit("ok ~ x", trials.drop(index=[0, 5])).coef)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint16", "int32", "Int64", "UInt8", "float32", "Float64", "int16[pyarrow]", "category"]
)
def test_integers_of_every_kind_in_a_factor(trials, dtype):
    fit = gi.logit("choice ~ C(k)", trials.assign(k=trials.k.astype(dtype)))
    assert np.array_equal(fit.coef, gi.logit("choice ~ C(k)", trials).coef)
    assert fit.predict({"k": [2]})[0] == gi.logit("choice ~ C(k)", trials).predict({"k": [2]})[0]


def test_a_number_column_and_its_factor(trials):
    assert gi.logit("choice ~ k", trials).coef.index.tolist() == ["Intercept", "k"]
    assert gi.logit("choice ~ k", trials.assign(k=trials.k.astype("category"))).rank == 3


def test_a_frame_that_is_a_view_or_in_fortran_order(trials):
    block = pd.DataFrame(np.asfortranarray(np.random.default_rng(0).normal(size=(2 * N, 3))), columns=list("pqr"))[::2]
    block["y"] = np.arange(N) % 2
    plain = pd.DataFrame(block.to_dict("list"))
    assert gi.logit("y ~ p + q + r", block).coef.equals(gi.logit("y ~ p + q + r", plain).coef)


def test_read_only_columns(trials):
    values = trials.x.to_numpy().copy()
    values.flags.writeable = False
    assert gi.logit("y ~ x", {"y": (trials.choice == "right").to_numpy(), "x": values}).converged


def test_columns_of_different_lengths():
    with pytest.raises(gi.DataError, match=r"The columns have different numbers of rows \(y has 3, x has 2\)"):
        gi.logit("y ~ x", {"y": [0, 1, 0], "x": [1, 2]})


@pytest.mark.parametrize("data", [None, 5, "trials.csv", [1, 2], np.zeros((3, 2)), pd.Series([1, 2])])
def test_things_that_are_no_table(data):
    with pytest.raises(gi.DataError, match="which has no named columns; give a DataFrame"):
        gi.logit("y ~ x", data)


def test_statsmodels_result_on_the_same_frame(trials):
    table = gi.logit("choice ~ x * g + C(k)", trials, weights="w", offset="o").crosscheck()
    assert table.columns.tolist() == [
        "term",
        "estimate",
        "statsmodels",
        "relative_difference",
        "std_error",
        "std_error_statsmodels",
        "std_error_difference",
    ]
    assert (table[["relative_difference", "std_error_difference"]] < 1e-8).all(axis=None)


def test_crosscheck_of_an_estimate_that_is_zero():
    data = pd.DataFrame({"g": ["a", "a", "b", "b", "b"] * 4, "y": [0, 1, 0, 0, 1] * 4})
    table = gi.logit("y ~ g - 1", data).crosscheck()
    assert abs(table.estimate[0]) < 1e-15
    assert (table.relative_difference < 1e-8).all()
