"""Offsets and far-out rows that once left the solvers without curvature to start from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 60))
    return pd.DataFrame({"x": x, "z": z, "y": (rng.random(60) < 1 / (1 + np.exp(-x))).astype(int)})


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("constant", [35.0, 500.0, -1000.0])
def test_a_constant_offset_moves_only_the_intercept(data, link, constant):
    plain = gi.glm("y ~ x", data, link=link)
    moved = gi.glm("y ~ x", data, link=link, offset=np.full(60, constant))
    assert moved.converged
    np.testing.assert_allclose(moved.coef.to_numpy() + np.array([constant, 0.0]), plain.coef, rtol=1e-8)
    assert moved.null_deviance == pytest.approx(plain.null_deviance, rel=1e-10)


@pytest.mark.parametrize("link", LINKS)
def test_a_large_varying_offset(data, link):
    fit = gi.glm("y ~ x", data, link=link, offset=1000 + data.z)
    again = gi.glm("y ~ x", data, link=link, offset="z")
    assert fit.converged
    np.testing.assert_allclose(fit.coef.to_numpy() + np.array([1000.0, 0.0]), again.coef, rtol=1e-7)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("options", [{}, {"solver": "bfgs"}, {"solver": "gradient"}, {"penalty": gi.Firth()}])
def test_rows_of_zero_weight_far_out_change_nothing(data, link, options):
    far = pd.DataFrame({"x": [1e4, -1e4], "z": 0.0, "y": [0, 1], "w": 0.0})
    both = pd.concat([data.assign(w=1.0), far], ignore_index=True)
    without = gi.glm("y ~ x", data, link=link, **options)
    fit = gi.glm("y ~ x", both, link=link, weights="w", **options)
    assert fit.converged
    np.testing.assert_allclose(fit.coef, without.coef, rtol=1e-6)
    if not options:
        np.testing.assert_allclose(fit.vcov(cov="HC3"), without.vcov(cov="HC3"), rtol=1e-10)


def test_cauchit_finds_the_higher_of_several_maxima():
    rng = np.random.default_rng(1)
    for n in (8, 15):
        x = rng.normal(size=n) * 3
        y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * x))).astype(int)
    data = {"x": x, "y": y}
    first = gi.glm("y ~ 1", data, link="cauchit", offset=42 * x)
    second = gi.glm("y ~ 1", data, link="cauchit", offset=42 * x - 27)
    assert first.loglik == pytest.approx(-5.5748325, abs=1e-6)
    assert second.loglik == pytest.approx(first.loglik, abs=1e-9)
    assert first.null_deviance == pytest.approx(-2 * first.loglik, rel=1e-9)


def test_gradient_descent_does_not_mind_the_unit_of_a_column(data):
    fit = gi.logit("y ~ 0 + x", data.assign(x=data.x * 1e8), solver="gradient")
    plain = gi.logit("y ~ 0 + x", data)
    assert fit.converged
    assert fit.coef["x"] * 1e8 == pytest.approx(plain.coef["x"], rel=1e-6)


def test_a_fit_without_terms_has_an_empty_analysis_of_deviance(data):
    for kind in ("I", "II", "III"):
        assert len(gi.logit("y ~ 1", data).anova(type=kind)) == 0


def test_quantile_residuals_are_finite_far_in_the_tails(data):
    fit = gi.logit("y ~ 1", {"y": [0, 1, 0, 1], "o": [43.0, -45.0, 0.0, 0.0]}, offset="o")
    values = fit.residuals("quantile", seed=1)
    assert np.isfinite(values).all()
    assert values[0] < -5
    assert values[1] > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"control": gi.Control(step_size=0.1)}, r"Control\(step_size=...\) is for solver='gradient'"),
        ({"control": 3}, "is not a gi.Control"),
        ({"penalty": 3}, "is not a penalty"),
        ({"penalty": gi.Firth(), "solver": "bfgs"}, "is for maximum likelihood"),
    ],
)
def test_options_that_would_do_nothing_are_refused(data, options, message):
    with pytest.raises(gi.InputError, match=message):
        gi.logit("y ~ x", data, **options)


def test_options_of_intervals_need_an_interval(data):
    fit = gi.logit("y ~ x", data)
    for options in ({"level": 0.3}, {"cov": "HC3"}, {"cluster": "z"}):
        with pytest.raises(gi.InputError, match="add interval='confidence'"):
            fit.predict(**options)


def test_nothing_to_score_is_an_error(data):
    fit = gi.logit("y ~ x", data)
    with pytest.raises(gi.DataError, match="None of the 0 complete rows of the data can be scored"):
        fit.score(data.assign(x=np.nan))


def null_deviance_by_bracketing(y, offset):
    """The score of a constant falls, so its root can be bracketed."""
    from scipy.optimize import brentq

    score = lambda b: (y - 0.5 * (1 + np.tanh((b + offset) / 2))).sum()  # noqa: E731
    eta = brentq(score, -1e5, 1e5, xtol=1e-13) + offset
    return 2 * np.logaddexp(0, np.where(y == 1, -eta, eta)).sum()


@pytest.mark.parametrize("seed", [0, 12, 18, 34, 68, 84, 100, 104])  # most of them had stopped short
def test_offsets_that_saturate_every_row(seed):
    rng = np.random.default_rng(seed)
    n = 600
    x, spread, moved = rng.normal(size=n), rng.choice([1, 5, 30, 100, 1000]), rng.choice([0, 0, 500])
    data = pd.DataFrame({"x": x, "o": rng.normal(size=n) * max(spread, 30) + moved + 30 * x * (seed % 5 == 0)})
    data["y"] = (np.arange(n) < rng.choice([5, 100])).astype(int)
    expected = null_deviance_by_bracketing(data.y.to_numpy(), data.o.to_numpy())
    fit = gi.logit("y ~ x", data, offset="o")
    assert fit.converged
    assert fit.null_deviance == pytest.approx(expected, rel=1e-12)
    alone = gi.logit("y ~ 1", data, offset="o")
    assert alone.converged
    assert alone.deviance == pytest.approx(expected, rel=1e-12)
    assert fit.deviance <= alone.deviance
    many = gi.logit_many("x", data, outcomes=["y"], offset="o")
    assert many.glance().null_deviance[0] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(many.coef.iloc[0], fit.coef, rtol=1e-8)
    other = data.assign(y=1 - data.y, o=-data.o)
    np.testing.assert_allclose(gi.logit("y ~ x", other, offset="o").coef, -fit.coef, rtol=1e-7)


@pytest.mark.parametrize("link", LINKS[:4])
def test_an_offset_of_many_times_a_covariate(data, link):
    """Exactly the fit without it, its slope less what the offset has."""
    plain = gi.glm("y ~ x", data, link=link)
    moved = gi.glm("y ~ x", data, link=link, offset=30 * data.x)
    np.testing.assert_allclose(moved.coef.to_numpy() + np.array([0.0, 30.0]), plain.coef, rtol=1e-8)
    saturated = gi.glm("y ~ x", data, link=link, offset=30 * data.x + 100 * data.z)
    assert saturated.converged
    assert saturated.null_deviance >= saturated.deviance > plain.deviance


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("size", [2.0, 20.0, 1000.0])
def test_a_bad_start_only_costs_time(coded, size, monkeypatch):
    """From far out, with all rows saturated, the climb begins anew: no programme is asked, and the maximum is found."""
    from glminfer.fit import existence
    from glminfer.fit.single import climb
    from glminfer.fit.solving import Method

    rng = np.random.default_rng(3)
    g = rng.integers(0, 60, 6000)
    frame = pd.DataFrame({"x": rng.normal(size=6000), "g": g.astype(str)})
    chance = 1 / (1 + np.exp(-frame.x - 0.5 * rng.normal(size=60)[g]))
    frame["y"] = (rng.random(6000) < chance).astype(int)
    fit = gi.logit("y ~ x + g", frame, control=gi.Control(coded=coded))
    monkeypatch.setattr(existence, "by_programme", None)
    for start in (size * rng.normal(size=fit.rank), np.where(rng.random(fit.rank) < 0.3, size, 0.0)):
        summit = climb(fit.space.rows, fit.family, Method(control=fit.control), start)
        assert str(summit.solution.status[0]) == "converged"
        np.testing.assert_allclose(summit.solution.coef[0], fit.working, atol=1e-8)
