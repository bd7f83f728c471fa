"""Separation is found exactly: as in rational arithmetic on small integer designs, and as planted in large ones."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_rows import LINKS, few, some

import glminfer as gi
from glminfer.data.rows import memory_rows
from glminfer.fit import separation, single
from glminfer.fit.solving import Method
from glminfer.numerics.families import family

# the oracle: Fourier-Motzkin elimination in fractions -----------------------------------------------------------------

Inequality = tuple[tuple[Fraction, ...], Fraction]  # a'd >= b


def feasible(system: list[Inequality]) -> bool:
    """Whether some d satisfies every a'd >= b, by eliminating one variable after the other."""
    while system and system[0][0]:
        system = list({scaled(row) for row in eliminated(system)})
    return all(b <= 0 for _, b in system)


def eliminated(system: list[Inequality]) -> list[Inequality]:
    above = [row for row in system if row[0][0] > 0]
    below = [row for row in system if row[0][0] < 0]
    kept = [(a[1:], b) for a, b in system if a[0] == 0]
    pairs = [(up, down) for up in above for down in below]
    return kept + [combined(up, down) for up, down in pairs]


def combined(up: Inequality, down: Inequality) -> Inequality:
    s, t = -down[0][0], up[0][0]
    return tuple(s * u + t * d for u, d in zip(up[0][1:], down[0][1:], strict=True)), s * up[1] + t * down[1]


def scaled(row: Inequality) -> Inequality:
    size = max((abs(v) for v in (*row[0], row[1])), default=Fraction(0))
    return row if size == 0 else (tuple(v / size for v in row[0]), row[1] / size)


def cone(X: np.ndarray, y: np.ndarray) -> list[Inequality]:
    """x'd >= 0 on events, <= 0 on non-events, = 0 on mixed rows."""
    rows: list[Inequality] = []
    for x, outcome in zip(X, y, strict=True):
        exact = tuple(Fraction(int(v)) for v in x)
        negative = tuple(-v for v in exact)
        rows += [(exact, Fraction(0))] if outcome > 0 else []
        rows += [(negative, Fraction(0))] if outcome < 1 else []
    return rows


def beyond(direction: np.ndarray, sign: int) -> Inequality:
    return tuple(Fraction(sign * int(v)) for v in direction), Fraction(1)


def exact_mask(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows that some direction of recession moves."""
    rows = cone(X, y)
    return np.array([any(feasible([*rows, beyond(x, sign)]) for sign in (1, -1)) for x in X])


def exact_signs(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """0, ±1 or NaN for each coefficient: where it goes along the directions of recession."""
    rows = cone(X, y)
    ways = [[feasible([*rows, beyond(e, sign)]) for sign in (1, -1)] for e in np.eye(X.shape[1], dtype=int)]
    return np.array([np.nan if up and down else float(up) - float(down) for up, down in ways])


@st.composite
def integer_designs(draw: st.DrawFn, mixed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Small designs with many ties, so that every kind of separation occurs; columns independent."""
    n, p = draw(st.integers(3, 9)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest = draw(st.integers(1, 4))
    X = rng.integers(-largest, largest + 1, (n, p)).astype(float)
    if draw(st.booleans()):
        X[:, 0] = 1.0
    outcomes = [0.0, 1.0, 0.5] if mixed and draw(st.booleans()) else [0.0, 1.0]
    y = rng.choice(outcomes, n)
    if draw(st.booleans()):  # make separation likely
        side = np.sign(X @ rng.integers(-2, 3, p))
        y = np.where(side > 0, 1.0, np.where(side < 0, 0.0, y))
    assume(np.linalg.matrix_rank(X) == p)
    return X, y


def found_mask(X: np.ndarray, y: np.ndarray, suspicion: np.ndarray | None = None) -> np.ndarray:
    found = separation.find(X, y, np.zeros(len(y)) if suspicion is None else suspicion)
    return np.zeros(len(y), dtype=bool) if found is None else found[0]


many = settings(few, max_examples=150)


@many
@given(integer_designs())
def test_mask_and_signs_are_exact(design: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = design
    expected = exact_mask(X, y)
    found = separation.find(X, y, np.zeros(len(y)))
    assert (found is not None) == expected.any()
    if found is None:
        return
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1].signs(np.eye(X.shape[1])), exact_signs(X, y))


@many
@given(integer_designs())
def test_where_newton_goes_and_what_is_left_tell_the_same(design: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = design
    expected = exact_mask(X, y)
    ones = np.ones(len(y))
    summit = single.climb(memory_rows(X, y, ones, 0 * ones), family("logit"), Method(), np.zeros(X.shape[1]))
    assert (summit.separated is not None) == expected.any()
    if summit.separated is None or summit.recession is None:
        return
    np.testing.assert_array_equal(summit.separated, expected)
    np.testing.assert_array_equal(summit.recession.signs(np.eye(X.shape[1])), exact_signs(X, y))


@many
@given(integer_designs(), st.integers(0, 2**32 - 1))
def test_no_step_makes_a_row_separated_that_is_not(design: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """Whatever the step, the rows it is said to separate are separated."""
    X, y = design
    rng = np.random.default_rng(seed)
    moves = rng.choice([-2.0, 0.0, 2.0], len(y)) if seed % 2 else X @ rng.integers(-3, 4, X.shape[1])
    found = separation.along(X, y, moves)
    if found is not None:
        assert (found[0] <= exact_mask(X, y)).all()
        assert found[0].any()


def test_a_runaway_step_spares_the_linear_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.standard_normal(200), "g": rng.choice(list("abc"), 200)})
    data["y"] = np.where(data.g == "c", 1, (rng.random(200) < 0.5).astype(int))

    def refused(*_: object) -> None:
        raise AssertionError("a linear programme")

    monkeypatch.setattr(separation, "_linear_programme", refused)
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", data)
    assert fit.coef["g[T.c]"] == np.inf
    rest = gi.logit("y ~ x + g", data[data.g != "c"])
    np.testing.assert_allclose(fit.coef[:3], rest.coef, rtol=1e-9)


def test_two_ways_out_at_once_are_found() -> None:
    """A second direction opens only among the rows that the first one leaves: the rest has no maximum either."""
    x = np.array([-2.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0])
    z = np.array([0.3, 5.0, -1.0, -2.0, 1.0, 2.0, -4.0, 0.1])
    y = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    rows = memory_rows(np.column_stack([x, z]), y, np.ones(8), np.zeros(8))
    found = separation.along(rows.whole.X, y, x)
    assert found is not None
    assert found[0].tolist() == [True, True, False, False, False, False, True, True]
    summit = single.climb(rows, family("logit"), Method(), np.zeros(2), moves=x)
    assert summit.separated is not None
    assert summit.separated.all()


@some
@given(integer_designs(), st.integers(0, 2**32 - 1))
def test_growing_the_constraints_is_as_exact(design: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """With room for three rows at a time the programme must fetch the others itself, whatever looks suspicious."""
    X, y = design
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separation, "_DIRECT", 3)
        mask = found_mask(X, y, np.random.default_rng(seed).random(len(y)))
    np.testing.assert_array_equal(mask, exact_mask(X, y))


@some
@given(integer_designs(), st.integers(0, 2**32 - 1))
def test_scale_of_columns_and_rows_and_order_do_not_matter(design: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    X, y = design
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    columns, rows = 10.0 ** rng.integers(-8, 9, X.shape[1]), 10.0 ** rng.integers(-3, 4, (len(y), 1))
    np.testing.assert_array_equal(found_mask((X * columns * rows)[order], y[order]), exact_mask(X, y)[order])


# fits -----------------------------------------------------------------------------------------------------------------


def fit_quietly(formula: str, data: object, **options: object) -> gi.Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        return gi.glm(formula, data, **options)


@some
@given(integer_designs(mixed=False), st.sampled_from(LINKS))
def test_a_fit_is_separated_exactly_when_it_is(design: tuple[np.ndarray, np.ndarray], link: str) -> None:
    """The certificate of existence is sound, and the limit is the fit of the rows that are not separated."""
    X, y = design
    assume(0 < y.sum() < len(y) and X.shape[1] < len(y))
    formula = "y ~ 0 + " + " + ".join(f"x{j}" for j in range(X.shape[1]))
    data = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).assign(y=y)
    fit, mask, signs = fit_quietly(formula, data, link=link), exact_mask(X, y), exact_signs(X, y)
    assert (fit.status == "separated") == mask.any()
    if not mask.any():
        assert fit.converged
        return
    np.testing.assert_array_equal(fit.separated_rows, mask)
    np.testing.assert_array_equal(fit.predict().to_numpy()[mask], y[mask])
    np.testing.assert_array_equal(np.isfinite(fit.coef), signs == 0)
    np.testing.assert_array_equal(fit.coef[np.isinf(fit.coef)], np.inf * signs[np.abs(signs) == 1])
    if (~mask).any():
        eta, rest = fit.predict(type="link").to_numpy()[~mask], y[~mask]
        np.testing.assert_allclose(fit.family.pointwise(rest, eta)[0].sum(), fit.loglik, rtol=1e-12)
        score = X[~mask].T @ fit.family.pointwise(rest, eta)[1]
        np.testing.assert_allclose(score, 0.0, atol=1e-7)
    else:
        assert fit.loglik == 0.0


def test_mixed_groups_hold_the_fit() -> None:
    """A group with both outcomes cannot be moved: only directions along it are left."""
    data = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "s": [0, 2, 4, 4], "f": [4, 2, 0, 0]})
    fit = fit_quietly("cbind(s, f) ~ x", data)
    assert fit.separated_rows.tolist() == [True, False, True, True]
    assert fit.predict().tolist() == [0.0, 0.5, 1.0, 1.0]
    assert fit.coef.tolist() == [-np.inf, np.inf]
    two = fit_quietly("cbind(s, f) ~ x", data.assign(s=[0, 2, 3, 4], f=[4, 2, 1, 0]))
    assert two.converged


def test_zero_weight_rows_do_not_decide() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])
    data = pd.DataFrame({"x": x, "y": [0, 0, 1, 1, 0], "w": [1, 1, 1, 1, 0]})
    fit = fit_quietly("y ~ x", data, weights="w")
    assert fit.status == "separated"
    assert fit.predict().tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_several_directions_and_their_signs() -> None:
    """b and c separate on their own, a is finite, d and e only together and with either sign."""
    rng = np.random.default_rng(5)
    n = 60
    a = rng.standard_normal(n)
    y = (rng.random(n) < 1 / (1 + np.exp(-a))).astype(int)
    data = pd.DataFrame({"a": a, "b": 0.0, "c": 0.0, "y": y})
    extra = pd.DataFrame({"a": [0.3, -0.2, 0.1], "b": [1.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0], "y": [1, 1, 0]})
    both = pd.concat([data, extra], ignore_index=True)
    fit, alone = fit_quietly("y ~ a + b + c", both), gi.logit("y ~ a", data)
    assert fit.coef["b"] == np.inf
    assert fit.coef["c"] == -np.inf
    np.testing.assert_allclose(fit.coef[["Intercept", "a"]], alone.coef, rtol=1e-9)
    table = fit.tidy().set_index("term")
    np.testing.assert_allclose(table.std_error[["Intercept", "a"]], alone.tidy().std_error, rtol=1e-9)
    assert table.status.tolist() == ["converged", "converged", "separated", "separated"]


def test_a_sign_that_the_directions_leave_open() -> None:
    x = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [-1.0, -2.0], [-2.0, -1.0], [-1.0, -1.0]])
    data = pd.DataFrame({"u": x[:, 0], "v": x[:, 1], "y": [1, 1, 1, 0, 0, 0]})
    fit = fit_quietly("y ~ u + v", data)
    assert np.isnan(fit.coef).all()
    np.testing.assert_array_equal(np.isnan(exact_signs(np.column_stack([np.ones(6), x]), data.y.to_numpy())), True)
    assert (fit.tidy().status == "separated").all()
    assert "several directions separate, with either sign" in fit.separation


def test_layers_of_separation() -> None:
    """Once the rows of the first direction are gone, a second one separates more: 1 at x = 0, then z among the rest."""
    data = pd.DataFrame(
        {"x": [1, 1, 0, 0, 0, 0, -1, -1], "z": [5, -5, 1, 2, -1, -2, 4, -4], "y": [1, 1, 1, 1, 0, 0, 0, 0]}
    )
    fit = fit_quietly("y ~ 0 + x + z", data)
    assert fit.separated_rows.all()
    assert fit.coef["x"] == np.inf


# many rows ------------------------------------------------------------------------------------------------------------


def large(n: int = 20_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.standard_normal((n, 3)), np.zeros(n)])
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ [0.2, 0.5, -0.3, 0.0, 0.0]))).astype(float)
    return X, y


def test_large_and_not_separated() -> None:
    X, y = large()
    assert separation.find(X[:, :4], y, np.zeros(len(y))) is None


@pytest.mark.parametrize("helpful", [True, False])
def test_a_few_rows_among_many(helpful: bool) -> None:
    """Five ones in a dummy among 20,000 rows, all events; found with and without a hint where to look."""
    X, y = large()
    planted = np.array([2001, 2999, 7003, 12343, 19999])  # none among the rows looked at first without a hint
    X[planted, 4], y[planted] = 1.0, 1.0
    hint = X[:, 4] if helpful else np.zeros(len(y))
    mask, directions = separation.find(X, y, hint)
    np.testing.assert_array_equal(np.flatnonzero(mask), planted)
    np.testing.assert_array_equal(directions.signs(np.eye(5)), [0, 0, 0, 0, 1])


def test_one_row_away_from_separation() -> None:
    """The sixth row of the dummy has the other outcome: the maximum exists."""
    X, y = large()
    planted = np.array([3, 999, 5000, 12345, 19999, 7])
    X[planted, 4], y[planted] = 1.0, [1, 1, 1, 1, 1, 0]
    assert separation.find(X, y, np.zeros(len(y))) is None


def test_complete_separation_of_many_rows() -> None:
    X, _ = large()
    side = X[:, 1] - 2 * X[:, 2] + 0.1
    mask, _ = separation.find(X[:, :4], (side > 0) * 1.0, np.zeros(len(side)))
    assert mask.all()


def test_complete_separation_of_all_but_one_row() -> None:
    """A single event in the interior of the others' side: nothing is separated."""
    X, _ = large()
    y = (X[:, 1] > 0) * 1.0
    y[np.argmin(np.abs(X[:, 1] + 1.0) + np.abs(X[:, 2:4]).sum(axis=1))] = 1.0
    assert separation.find(X[:, :4], y, np.zeros(len(y))) is None


def test_fit_of_many_rows_with_a_separated_level() -> None:
    X, y = large()
    data = pd.DataFrame(X[:, 1:4], columns=["a", "b", "c"]).assign(g="rest", y=y)
    data.loc[:4, "g"], data.loc[:4, "y"] = "sure", 1.0
    with pytest.warns(gi.SeparationWarning, match=r"y = 1(\.0)? in 5 of 5 where it is 1"):
        fit = gi.logit("y ~ a + b + c + g", data)
    alone = gi.logit("y ~ a + b + c", data.iloc[5:])
    assert fit.coef["g[T.sure]"] == np.inf
    np.testing.assert_allclose(fit.coef.iloc[:4], alone.coef, rtol=1e-8)
    assert fit.loglik == pytest.approx(alone.loglik, rel=1e-12)


def test_a_residual_that_is_wrong_is_not_believed(monkeypatch):
    """scipy's nnls may stop early and say that nothing is left."""
    cone, inside, outside = np.eye(3), np.array([1.0, 2.0, 0.0]), np.array([1.0, -1.0, 0.0])
    assert separation._is_sum(cone, inside)
    assert not separation._is_sum(cone, outside)
    monkeypatch.setattr("scipy.optimize.nnls", lambda A, b: (np.zeros(A.shape[1]), 0.0))
    assert separation._is_sum(cone, inside)
    assert not separation._is_sum(cone, outside)


def test_signs_on_a_cone_of_many_parts():
    """Each part by itself, and all at once, as the sums of inequalities tell."""
    rng = np.random.default_rng(0)
    parts = [np.eye(2)[:1, :1], np.array([[1.0, 0.0], [-0.6, 0.8]]), rng.normal([2.0, 0.0], size=(5, 2))]
    cone = np.zeros((8, 5))
    for part, row, column in zip(parts, (0, 1, 3), (0, 1, 3), strict=True):
        unit = part / np.linalg.norm(part, axis=1, keepdims=True)
        cone[row : row + len(part), column : column + part.shape[1]] = unit
    recession = separation.Recession(np.eye(5), cone, np.ones(5))
    functionals = np.vstack([np.eye(5), -np.eye(5), cone, -cone, rng.normal(size=(40, 5)), np.zeros((1, 5))])
    expected = [separation._direction(cone, row) if row.any() else 0.0 for row in functionals]
    np.testing.assert_array_equal(recession.signs(functionals), expected)
    assert set(np.nan_to_num(expected, nan=2.0)) == {-1.0, 0.0, 1.0, 2.0}
