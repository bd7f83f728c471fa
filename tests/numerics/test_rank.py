"""Rank and aliasing in column order, whatever the scale; and fits on hard columns equal those on standardised ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import few, some

import glminfer as gi
from glminfer.data.rows import MemoryRows, memory_rows
from glminfer.numerics.rank import Basis, learn_basis


def rows_of(X: np.ndarray, weights: np.ndarray | None = None) -> MemoryRows:
    n = len(X)
    return memory_rows(X, np.zeros(n), np.ones(n) if weights is None else weights, np.zeros(n))


def basis_of(X: np.ndarray, constant: bool = True, weights: np.ndarray | None = None) -> Basis:
    unit = np.eye(X.shape[1])[0] if constant else None
    return learn_basis(rows_of(X, weights), X.shape[1], unit)


# arrays ---------------------------------------------------------------------------------------------------------------


@some
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 4), st.booleans())
def test_the_earlier_columns_stay(seed: int, independent: int, dependent: int, scaled: bool) -> None:
    """Dependent columns put in at random places: kept are the columns that raise the rank, read from the left."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((60, independent))
    combinations = rng.integers(-2, 3, (independent, dependent)).astype(float)
    X = np.column_stack([base, base @ combinations])
    X = X[:, rng.permutation(X.shape[1])]
    kept = [j for j in range(X.shape[1]) if np.linalg.matrix_rank(X[:, : j + 1]) > np.linalg.matrix_rank(X[:, :j])]
    units = 10.0 ** rng.integers(-8, 9, X.shape[1]) if scaled else np.ones(X.shape[1])
    found = basis_of(X * units, constant=False)
    assert found.kept.tolist() == kept
    assert found.rank == independent
    assert sorted(found.relations) == sorted(set(range(X.shape[1])) - set(kept))
    size = np.linalg.norm(X * units, axis=0)
    for j, relation in found.relations.items():  # X[:, j] = X relation, with earlier columns only
        assert relation[[k for k in found.relations if k != j]].tolist() == [0.0] * (dependent - 1)
        difference = (X * units) @ relation - (X * units)[:, j]
        assert np.linalg.norm(difference) <= 1e-12 * (size @ np.abs(relation) + size[j])
        assert not relation[j:].any()


@some
@given(st.integers(0, 2**32 - 1))
def test_working_columns_are_combinations_of_the_design_columns(seed: int) -> None:
    """Z = X T with T unit triangular on the kept columns, for columns shifted and scaled at will."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((50, 3)) * 10.0 ** rng.integers(-6, 7, 3)
    shift = np.abs(raw).max(axis=0) * 10.0 ** rng.integers(-1, 6, 3)
    X = np.column_stack([np.ones(50), raw + shift])
    found = basis_of(X)
    Z = found.columns(X)
    size = np.abs(X).max(axis=0)
    np.testing.assert_allclose(Z, X @ found.T, atol=1e-9 * (size @ np.abs(found.T)).max())
    assert found.kept.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.diagonal(found.T), 1.0)
    np.testing.assert_array_equal(np.tril(found.T, -1), 0.0)


def test_ordinary_columns_are_used_as_they_are() -> None:
    X = np.column_stack([np.ones(50), np.random.default_rng(0).standard_normal((50, 3))])
    found = basis_of(X)
    assert found.plain
    assert found.columns(X) is X
    np.testing.assert_allclose(found.means, X.mean(axis=0), atol=1e-15)


def test_rows_of_zero_weight_do_not_count() -> None:
    X = np.column_stack([np.ones(6), [0, 0, 0, 0, 1, 2.0]])
    assert basis_of(X, weights=np.array([1.0, 1, 1, 1, 0, 0])).kept.tolist() == [0]
    assert basis_of(X).rank == 2


def test_a_zero_column() -> None:
    found = basis_of(np.column_stack([np.ones(5), np.zeros(5), np.arange(5.0)]))
    assert found.kept.tolist() == [0, 2]
    np.testing.assert_array_equal(found.relations[1], 0.0)


def test_no_columns_and_no_kept_columns() -> None:
    assert basis_of(np.empty((5, 0)), constant=False).rank == 0
    assert basis_of(np.zeros((5, 2)), constant=False).rank == 0


@pytest.mark.parametrize(("noise", "rank"), [(1e-4, 3), (1e-6, 3), (1e-8, 3), (1e-9, 3), (1e-13, 2), (0.0, 2)])
def test_nearly_dependent_columns(noise: float, rank: int) -> None:
    """A residual of 1e-9 of the column is information; of 1e-13, rounding."""
    rng = np.random.default_rng(2)
    a, e = rng.standard_normal((2, 200))
    X = np.column_stack([np.ones(200), a, a + noise * e])
    assert basis_of(X).rank == rank


# formulas -------------------------------------------------------------------------------------------------------------


def trials(n: int = 300, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.standard_normal(n), "g": rng.choice(list("xyz"), n)})
    chance = 1 / (1 + np.exp(-(0.3 + 0.8 * frame.a - 0.5 * frame.b + 0.4 * (frame.g == "y"))))
    return frame.assign(y=(rng.random(n) < chance).astype(int))


def same_fit(fit: gi.Fit, plain: gi.Fit, rtol: float = 1e-8) -> None:
    """Everything that does not name columns is equal; so are the coefficients both have."""
    assert fit.rank == plain.rank
    assert fit.df_resid == plain.df_resid
    np.testing.assert_allclose(fit.loglik, plain.loglik, rtol=1e-12)
    np.testing.assert_allclose(fit.predict().dropna(), plain.predict(), rtol=rtol)
    kept = [name for name in fit.columns if name not in fit.aliased]
    if kept == list(plain.columns):
        np.testing.assert_allclose(fit.coef[kept], plain.coef, rtol=rtol)
        np.testing.assert_allclose(fit.vcov(), plain.vcov(), rtol=rtol, atol=1e-12)


def test_a_sum_of_columns() -> None:
    data = trials().assign(c=lambda d: d.a + d.b)
    fit = gi.logit("y ~ a + b + c", data)
    assert fit.aliased == {"c": "c = a + b"}
    same_fit(fit, gi.logit("y ~ a + b", data))
    row = fit.tidy().set_index("term").loc["c"]
    assert row.status == "aliased: c = a + b"
    assert row[["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]].isna().all()
    assert any("c is aliased and has no estimate: c = a + b" in note for note in fit.notes)
    assert list(fit.vcov().index) == ["Intercept", "a", "b"]


def test_the_first_in_the_order_of_the_formula_stays() -> None:
    data = trials().assign(c=lambda d: d.a + d.b)
    assert gi.logit("y ~ c + a + b", data).aliased == {"b": "b = c - a"}
    assert gi.logit("y ~ a + c + b", data).aliased == {"b": "b = -a + c"}


@pytest.mark.parametrize("factor", [1.0, 1e8, 1e-8, -3.0])
def test_a_duplicated_column_at_any_scale(factor: float) -> None:
    data = trials().assign(again=lambda d: factor * d.a)
    fit = gi.logit("y ~ a + b + again", data)
    assert list(fit.aliased) == ["again"]
    same_fit(fit, gi.logit("y ~ a + b", data))


@pytest.mark.parametrize("value", [1.0, 7.5, 1e8, 1e-8, 0.0, -2.0])
def test_a_constant_column(value: float) -> None:
    fit = gi.logit("y ~ a + k", trials().assign(k=value))
    assert fit.aliased == {"k": f"k = {value:.6g}"}
    same_fit(fit, gi.logit("y ~ a", trials()))


def test_a_constant_column_without_an_intercept_is_a_column() -> None:
    fit = gi.logit("y ~ 0 + k + a", trials().assign(k=2.0))
    assert not fit.aliased
    assert fit.coef["k"] == pytest.approx(gi.logit("y ~ a", trials()).coef["Intercept"] / 2, rel=1e-9)


def test_all_dummies_and_the_intercept() -> None:
    data = trials()
    data = data.assign(**{f"is_{level}": (data.g == level).astype(int) for level in "xyz"})
    fit = gi.logit("y ~ is_x + is_y + is_z", data)
    assert fit.aliased == {"is_z": "is_z = 1 - is_x - is_y"}
    same_fit(fit, gi.logit("y ~ g", data))


def test_an_empty_cell_of_an_interaction() -> None:
    data = trials().assign(h=lambda d: np.where(d.a > 0, "p", "q"))
    data = data[~((data.g == "z") & (data.h == "q"))]
    fit = gi.logit("y ~ g * h", data)
    assert list(fit.aliased) == ["g[T.z]:h[T.q]"]
    assert fit.aliased["g[T.z]:h[T.q]"] == "g[T.z]:h[T.q] = 0"
    assert fit.rank == 5


def test_an_unused_category_and_one_lost_to_missing_rows() -> None:
    data = trials()
    unused = data.assign(g=pd.Categorical(data.g, categories=["x", "y", "z", "never"]))
    same_fit(gi.logit("y ~ a + g", unused), gi.logit("y ~ a + g", data))
    lost = data.assign(a=data.a.where(data.g != "z"))
    fit = gi.logit("y ~ a + g", lost)
    assert list(fit.columns) == ["Intercept", "a", "g[T.y]"]
    assert any("'z' has no rows and is left out" in note for note in fit.notes)
    same_fit(fit, gi.logit("y ~ a + g", data[data.g != "z"]))


def test_more_columns_than_rows() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.standard_normal((30, 60)), columns=[f"x{j}" for j in range(60)]).assign(y=[0, 1] * 15)
    with pytest.raises(gi.DataError, match=r"61 columns, 30 rows.*penalty=.*logit_path"):
        gi.logit("y ~ .", data)


# scale and shift: the fit of the standardised columns -----------------------------------------------------------------


def against_standardised(x: np.ndarray, y: np.ndarray, link: str = "logit", **more: np.ndarray) -> None:
    """Slope, standard error, likelihood and predictions equal those of (x - mean) / sd, 1e-8 relative."""
    stored = np.asarray(x, dtype=float)
    mean, sd = float(stored.mean()), float(stored.std())
    terms = " + ".join(["x", *more])
    fit = gi.glm(f"y ~ {terms}", {"x": x, "y": y, **more}, link=link)
    plain = gi.glm(f"y ~ {terms}", {"x": (stored - mean) / sd, "y": y, **more}, link=link)
    assert fit.converged
    assert not fit.aliased
    se, plain_se = fit.tidy().std_error, plain.tidy().std_error
    np.testing.assert_allclose(fit.coef.iloc[1] * sd, plain.coef.iloc[1], rtol=1e-8)
    np.testing.assert_allclose(fit.coef.iloc[2:], plain.coef.iloc[2:], rtol=1e-8)
    np.testing.assert_allclose(se.iloc[1] * sd, plain_se.iloc[1], rtol=1e-8)
    np.testing.assert_allclose(fit.coef.iloc[0] + fit.coef.iloc[1] * mean, plain.coef.iloc[0], atol=1e-8 * se.iloc[0])
    np.testing.assert_allclose(fit.loglik, plain.loglik, rtol=1e-11)
    np.testing.assert_allclose(fit.predict(), plain.predict(), rtol=1e-8)
    interval, expected = (
        fit.predict(type="link", interval="confidence"),
        plain.predict(type="link", interval="confidence"),
    )
    np.testing.assert_allclose(interval.std_error, expected.std_error, rtol=1e-8)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_years_in_seconds(link: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(1e9, 2e9, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-(x - 1.5e9) / 3e8))).astype(int)
    against_standardised(x, y, link)


def test_single_precision_far_from_zero() -> None:
    rng = np.random.default_rng(1)
    x = (1000 + rng.standard_normal(100_000)).astype(np.float32)
    y = (rng.random(100_000) < 1 / (1 + np.exp(-(x.astype(float) - 1000)))).astype(int)
    against_standardised(x, y)


@pytest.mark.parametrize("shift", [0.0, 1e4, 1e8])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_scale_and_shift(scale: float, shift: float) -> None:
    rng = np.random.default_rng(2)
    z, w = rng.standard_normal((2, 300))
    y = (rng.random(300) < 1 / (1 + np.exp(-z - 0.5 * w))).astype(int)
    against_standardised(scale * (z + shift), y, w=w)


@few
@given(st.integers(0, 2**32 - 1), st.floats(-8, 8), st.floats(0, 6), st.sampled_from(["logit", "probit", "loglog"]))
def test_any_scale_and_shift(seed: int, scale: float, shift: float, link: str) -> None:
    rng = np.random.default_rng(seed)
    z, w = rng.standard_normal((2, 200))
    y = (rng.random(200) < 1 / (1 + np.exp(-0.5 * z))).astype(int)
    against_standardised(10**scale * (z + 10**shift), y, link, w=w * 10**-scale)


def test_columns_of_size_1e8_beside_1e_minus_8() -> None:
    data = trials()
    fit = gi.logit("y ~ a + b + g", data.assign(a=data.a * 1e8, b=data.b * 1e-8))
    plain = gi.logit("y ~ a + b + g", data)
    units = plain.coef * 0 + 1
    units["a"], units["b"] = 1e8, 1e-8
    np.testing.assert_allclose(fit.coef * units, plain.coef, rtol=1e-10)
    np.testing.assert_allclose(fit.vcov() * np.outer(units, units), plain.vcov(), rtol=1e-9, atol=1e-15)


def test_collinear_but_estimable_columns() -> None:
    """Columns that agree to six digits: coefficients of the difference are those of the difference as a column."""
    rng = np.random.default_rng(3)
    a, e = rng.standard_normal((2, 500))
    c = a + 1e-6 * e
    difference = (c - a) * 1e6
    y = (rng.random(500) < 1 / (1 + np.exp(-a - e))).astype(int)
    fit = gi.logit("y ~ a + c", {"y": y, "a": a, "c": c})
    plain = gi.logit("y ~ a + e", {"y": y, "a": a, "e": difference})
    np.testing.assert_allclose(fit.loglik, plain.loglik, rtol=1e-12)
    np.testing.assert_allclose(fit.coef["c"] * 1e-6, plain.coef["e"], rtol=1e-8)
    np.testing.assert_allclose(fit.coef["a"] + fit.coef["c"], plain.coef["a"], rtol=1e-4)
    np.testing.assert_allclose(fit.predict(), plain.predict(), rtol=1e-8)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no extended precision here")
@pytest.mark.parametrize("apart", [1e-7, 1e-9, 1e-10])
def test_nearly_dependent_columns_keep_their_digits(apart):
    """A column that is another but for a trace of a third: the same fit as with the third in its place."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["x", "u", "z"])
    data["y"] = (rng.random(2000) < 1 / (1 + np.exp(-0.5 * data.x - 0.5 * data.u))).astype(int)
    data["near"] = data.x + apart * data.u
    data["trace"] = (data.near - data.x) / apart  # exactly what can be seen of u
    one, other = gi.logit("y ~ x + z + near", data), gi.logit("y ~ x + z + trace", data)
    mine, clear = one.tidy().set_index("term"), other.tidy().set_index("term")
    assert mine.std_error["near"] * apart == pytest.approx(clear.std_error["trace"], rel=1e-9)
    assert mine.estimate["near"] * apart == pytest.approx(clear.estimate["trace"], rel=1e-9)
    assert mine.std_error["z"] == pytest.approx(clear.std_error["z"], rel=1e-10)
    assert one.deviance == pytest.approx(other.deviance, rel=1e-10)
