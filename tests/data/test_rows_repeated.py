"""Rows that are alike are computed on once: nothing that is reported may tell the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data.design import learn
from glminfer.data.rows import MemoryRows
from glminfer.data.rows_repeated import RepeatedRows, find_alike
from glminfer.data.sample_rows import Storage
from glminfer.numerics import kernels

CLAIMS = 1e-11  # p-values near 1 have lost a digit
ONCE, EACH = gi.Control(compress=True), gi.Control(compress=False)


def trials(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "contrast": rng.choice([0.0, 0.25, 0.5, 1.0], n),
            "side": rng.choice(["left", "right"], n),
            "mouse": rng.choice(["Ada", "Bea", "Cleo"], n),
            "session": rng.integers(0, 8, n),
            "w": rng.choice([0.0, 1.0, 2.5], n),
            "shift": rng.choice([0.0, 0.3], n),
            "size": rng.integers(1, 5, n),
        }
    )
    eta = -0.4 + 1.2 * frame.contrast * np.where(frame.side == "right", 1, -1) + 0.3 * (frame.mouse == "Bea")
    frame["choice"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["hits"] = rng.binomial(frame["size"], 1 / (1 + np.exp(-eta)))
    return frame


FORMULA = "choice ~ contrast * side + C(mouse)"


def both(formula: str, frame: pd.DataFrame, link: str = "logit", **options: Any) -> tuple[gi.Fit, gi.Fit]:
    once = gi.glm(formula, frame, link=link, control=ONCE, **options)
    each = gi.glm(formula, frame, link=link, control=EACH, **options)
    assert isinstance(once.with_rows()[1].rows, RepeatedRows)
    assert isinstance(each.with_rows()[1].rows, MemoryRows)
    return once, each


def assert_same(one: pd.DataFrame, other: pd.DataFrame, rtol: float = 1e-12) -> None:
    pd.testing.assert_frame_equal(one, other, rtol=rtol, atol=rtol)


def assert_same_fit(once: gi.Fit, each: gi.Fit, rtol: float = 1e-12) -> None:
    assert once.status is each.status
    assert_same(once.tidy(), each.tidy(), rtol)
    assert_same(once.glance().drop(columns="n_iter"), each.glance().drop(columns="n_iter"), rtol)
    np.testing.assert_allclose(once.vcov(), each.vcov(), rtol=rtol, atol=rtol)


CASES = {
    "plain": (FORMULA, {}),
    "constant": ("choice ~ 1", {}),
    "no constant": ("choice ~ C(mouse) + contrast - 1", {}),
    "weights": (FORMULA, {"weights": "w"}),
    "offset": (FORMULA, {"offset": "shift"}),
    "counts": ("cbind(hits, size - hits) ~ contrast * side", {}),
    "aliased": ("choice ~ contrast + I(2 * contrast) + side", {}),
    "curve": ("choice ~ poly(contrast, 2) + side", {}),
    "subset": (FORMULA, {"subset": "session < 5"}),
    "Firth": (FORMULA, {"penalty": gi.Firth()}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_fit(name: str) -> None:
    formula, options = CASES[name]
    assert_same_fit(*both(formula, trials(), **options))


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_every_link(link: str) -> None:
    # a fit ends within 1e-10 standard errors of its maximum; the last step usually leaves far less, not for cauchit
    assert_same_fit(*both(FORMULA, trials(1200), link=link), rtol=1e-9 if link == "cauchit" else 1e-12)


@pytest.mark.parametrize("solver", ["bfgs", "lbfgs", "gradient"])
def test_every_solver(solver: Any) -> None:
    once = gi.logit(FORMULA, trials(), solver=solver, control=ONCE)
    np.testing.assert_allclose(once.coef, gi.logit(FORMULA, trials(), control=EACH).coef, atol=1e-6)


def test_every_claim() -> None:
    once, each = both(FORMULA, trials(), weights="w", offset="shift")
    for cov in ("HC0", "HC1", "HC2", "HC3"):
        assert_same(once.tidy(cov=cov), each.tidy(cov=cov), CLAIMS)
    for cov in ("CR0", "CR1", "CR2", "CR3"):
        assert_same(once.tidy(cov=cov, cluster="session"), each.tidy(cov=cov, cluster="session"), CLAIMS)
    assert_same(once.confint(), each.confint(), CLAIMS)
    assert_same(once.confint(method="score"), each.confint(method="score"), CLAIMS)
    assert_same(once.anova(), each.anova(), CLAIMS)
    assert_same(once.lr_test("C(mouse)"), each.lr_test("C(mouse)"), CLAIMS)
    assert_same(once.score_test("C(session)"), each.score_test("C(session)"), CLAIMS)
    assert_same(once.score_test("C(session)", cov="HC0"), each.score_test("C(session)", cov="HC0"), CLAIMS)
    assert_same(once.drop1(), each.drop1(), CLAIMS)
    assert_same(once.augment(), each.augment(), CLAIMS)
    for kind in ("response", "deviance", "pearson", "working"):
        np.testing.assert_allclose(once.residuals(kind), each.residuals(kind), rtol=1e-9, atol=1e-11)
    assert_same(once.predict(interval="confidence"), each.predict(interval="confidence"), CLAIMS)
    assert_same(
        once.permutation_test("C(mouse)", scheme="free", n=99, seed=1),
        each.permutation_test("C(mouse)", scheme="free", n=99, seed=1),
        CLAIMS,
    )


def test_missing_rows() -> None:
    frame = trials()
    frame.loc[::7, "contrast"] = np.nan
    frame.loc[3, "mouse"] = None
    once, each = both(FORMULA, frame)
    assert_same_fit(once, each)
    assert once.notes == each.notes
    np.testing.assert_array_equal(once.with_rows()[1].used, each.with_rows()[1].used)


def test_separated() -> None:
    frame = trials()
    frame.loc[frame.mouse == "Cleo", "choice"] = 1
    with pytest.warns(gi.SeparationWarning):
        once, each = both(FORMULA, frame)
    assert_same_fit(once, each)
    assert once.separation == each.separation
    np.testing.assert_array_equal(once.separated_rows, each.separated_rows)
    assert_same(once.augment(), each.augment())
    assert_same(once.lr_test("C(mouse)"), each.lr_test("C(mouse)"))


def test_the_same_alarm() -> None:
    """Residuals that follow each other are found in alike rows, too."""
    rng = np.random.default_rng(4)
    n = 2000
    drift = np.repeat(rng.normal(0, 1.5, n // 50), 50)
    frame = pd.DataFrame({"x": rng.choice([0.0, 1.0], n), "session": np.repeat([1, 2], n // 2), "trial": np.arange(n)})
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-drift))).astype(int)
    once, each = both("y ~ x", frame)
    assert once.notes == each.notes
    assert any("follow each other" in note or "correlat" in note for note in once.notes)


def test_new_data_and_pickles() -> None:
    frame = trials()
    fit = gi.logit(FORMULA, frame, control=ONCE)
    again = fit.update(". ~ . - C(mouse)")
    assert isinstance(again.with_rows()[1].rows, RepeatedRows)
    assert_same_fit(again, gi.logit("choice ~ contrast * side", frame, control=EACH))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 200), with_weights=st.booleans(), models=st.integers(1, 3))
def test_kernels_over_kinds_of_rows(seed: int, n: int, with_weights: bool, models: int) -> None:
    """Each kernel marked as blind to repetition gives over kinds of rows what it gives over rows."""
    rng = np.random.default_rng(seed)
    x, g = rng.choice([-1.0, 0.5, 2.0], n), rng.integers(0, 3, n)
    frame = {"y": rng.integers(0, 2, n), "x": x, "g": g.astype(str), "o": rng.choice([0.0, 1.0], n)}
    frame["w"] = rng.choice([0.0, 1.0, 3.0], n) if with_weights else np.ones(n)
    if len(np.unique(frame["y"][frame["w"] > 0])) < 2:
        return
    formula = "y ~ x * g + offset(o)"
    once = learn(formula, frame, weights="w", storage=Storage(compress=True)).rows
    each = learn(formula, frame, weights="w", storage=Storage(compress=False)).rows
    family = gi.numerics.families.family("probit")
    coef = rng.normal(size=(models, each.width))
    told = (coef, family)
    whole, parts = each.sum(kernels.likelihood, *told), once.sum(kernels.likelihood, *told)
    for name in ("loglik", "score", "information", "curvature"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-11, atol=1e-11)
    covariances = np.repeat(np.eye(each.width)[None], models, axis=0)
    alike = [
        (kernels.gradient, *told),
        (kernels.column_products,),
        (kernels.towards, 0.4),
        (kernels.combination, coef[0]),
        (kernels.totals,),
        (kernels.count_used,),
        (kernels.count_ones,),
        (kernels.bias_score, coef, family, covariances),
    ]
    for kernel, *arrays in alike:
        np.testing.assert_allclose(once.sum(kernel, *arrays), each.sum(kernel, *arrays), rtol=1e-11, atol=1e-11)
    for kernel, *arrays in [(kernels.eta, coef), (kernels.combined, coef.T), (kernels.known_offsets,)]:
        np.testing.assert_allclose(once.map(kernel, *arrays), each.map(kernel, *arrays), rtol=1e-12, atol=1e-12)
    for name in ("X", "y", "weights", "offset"):
        np.testing.assert_array_equal(once.values(name), each.values(name))


def test_where_it_pays() -> None:
    n = 60_000
    rng = np.random.default_rng(1)
    few, many = rng.integers(0, 5, n), rng.normal(size=n)
    none = np.zeros(n)
    assert find_alike({"few": few}, none, n, None) is not None
    assert find_alike({"few": few, "many": many}, none, n, None) is None
    assert find_alike({"few": few}, many, n, None) is None  # an offset of its own for each row
    assert find_alike({"few": few}, none, n, False) is None
    assert find_alike({"few": few[:100]}, none[:100], 100, None) is None  # small data are as fast without
    assert find_alike({"few": few[:100]}, none[:100], 100, True) is not None


def test_kinds_that_the_look_missed() -> None:
    """Few kinds in the rows looked at and many elsewhere: the count ends it."""
    n = 80_000
    x = np.zeros(n)
    x[1::2] = np.arange(n // 2)  # every 20th row is looked at, an even one
    assert find_alike({"x": x}, np.zeros(n), n, None) is None


def test_codes_beyond_a_table() -> None:
    rng = np.random.default_rng(2)
    values = {name: rng.integers(0, 2**40, 50)[rng.integers(0, 50, 3000)] for name in "abcdef"}
    found = find_alike(values, np.zeros(3000), 3000, True)
    assert found is not None
    columns = np.column_stack(list(values.values()))
    np.testing.assert_array_equal(columns[found.first][found.codes], columns)
    assert len(found.first) == len(np.unique(columns, axis=0))


def test_compress_is_yes_no_or_none() -> None:
    with pytest.raises(gi.InputError, match="compress='yes' must be True, False, or None for what pays"):
        gi.Control(compress="yes")  # type: ignore[arg-type]
