"""Many models beside a factor of many levels: what a loop of single fits gives, and what no neighbour can change."""

import warnings

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.data import long_factors
from glminfer.data.rows_coded import CodedRows
from glminfer.numerics import levels
from glminfer.numerics.mixed import Mixed

N, L, M = 700, 24, 40
SILENT, LEVEL, MISSING, WITHOUT = 3, 17, 21, 30  # no event; none in one level; some values missing; a level missing


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    g = rng.integers(0, L, N)
    frame = pd.DataFrame({"x": rng.standard_normal(N), "z": 5 + rng.standard_normal(N)})
    frame["g"] = np.array([f"s{k:02d}" for k in range(L)])[g]
    frame["h"] = rng.choice(list("uvw"), N)
    frame["w"] = rng.choice([0.5, 1.0, 2.0], N)
    eta = 0.6 * frame.x - 0.3 + rng.normal(0, 0.5, L)[g]
    return frame.assign(y=(rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int), eta=eta)


@pytest.fixture(scope="module")
def outcomes(data):
    rng = np.random.default_rng(5)
    values = (rng.random((N, M)) < 1 / (1 + np.exp(-data.eta.to_numpy()[:, None]))).astype(float)
    values[:, SILENT] = 0.0
    values[data.g == "s05", LEVEL] = 0.0
    values[40:90, MISSING] = np.nan
    values[data.g == "s07", WITHOUT] = np.nan
    return pd.DataFrame(values, columns=[f"m{k:02d}" for k in range(M)])


@pytest.fixture(scope="module")
def candidates(data):
    rng = np.random.default_rng(6)
    values = rng.poisson(1.0 + 0.5 * data.y.to_numpy()[:, None], (N, M)).astype(float)
    values[:, SILENT] = 0.0
    values[:, LEVEL] = 3.0 * data.y + 0.1 * data.x.abs()
    values[40:90, MISSING] = np.nan
    values[data.g == "s07", WITHOUT] = np.nan
    return pd.DataFrame(values, columns=[f"m{k:02d}" for k in range(M)])


def single(formula, frame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        return gi.logit(formula, frame, control=gi.Control(coded=False), **options)


def equal(fits, name, fit, tables):
    """Estimates, standard errors of every kind and likelihoods of a model are those of the single fit."""
    row = fits.glance().set_index(fits.model).loc[name]
    assert (row.status, row.nobs) == (str(fit.status), fit.nobs)
    assert np.allclose([row.loglik, row.null_deviance], [fit.loglik, fit.null_deviance], rtol=1e-10)
    for how, table in tables.items():
        mine = table[table[fits.model] == name]
        kwargs = {"cov": how} if how != "CR1" else {"cluster": "h"}
        theirs = fit.tidy(**kwargs)
        assert np.allclose(mine.estimate, theirs.estimate, rtol=1e-10, atol=1e-10, equal_nan=True)
        assert np.allclose(mine.std_error, theirs.std_error, rtol=1e-10, atol=1e-12, equal_nan=True)


def tables_of(fits):
    return {kind: fits.tidy(cov=kind) for kind in ("model", "HC0", "HC3")} | {"CR1": fits.tidy(cluster="h")}


def test_the_columns_of_levels_are_found(data, outcomes):
    fits = gi.logit_many("x + C(g) + C(h)", data, outcomes=outcomes[["m00"]])
    columns = fits.panels[0].stock.columns
    assert isinstance(columns, Mixed)
    assert np.array_equal(np.asarray(columns), fits.panels[0].stock.rows.whole.X)
    assert columns.dense.shape[1] == 4  # the intercept, x, and two dummies of h
    few = gi.logit_many("x + C(h)", data, outcomes=outcomes[["m00"]]).panels[0].stock
    assert few.columns is few.rows.whole.X


@pytest.mark.parametrize("rhs", ["x + C(g)", "x*C(g) + C(h)", "0 + C(g)", "z + C(g):x"])
def test_outcomes_are_a_loop(data, outcomes, rhs):
    fits = gi.logit_many(rhs, data, outcomes=outcomes, weights="w")
    assert isinstance(fits.panels[0].stock.columns, Mixed)
    tables = tables_of(fits) if rhs == "x + C(g)" else {"model": fits.tidy()}
    assert fits.status.iloc[SILENT] == "constant outcome"
    assert (fits.status.iloc[LEVEL] == "separated") == (rhs != "z + C(g):x")  # slopes alone are not
    for k in (0, 5, LEVEL, MISSING, WITHOUT, M - 1):
        frame = data.assign(o=outcomes.iloc[:, k])
        known = frame[frame.o.notna()] if k == WITHOUT else frame  # the level that leaves with its rows is aliased here
        fit = single(f"o ~ {rhs}", known, weights="w")
        if k == WITHOUT:
            mine = fits.tidy().query("outcome == @outcomes.columns[@k]").set_index("term").estimate
            assert np.isclose(fits.glance().loglik[k], fit.loglik, rtol=1e-10)
            shared = mine.index.intersection(fit.coef.index)
            assert np.allclose(mine[shared], fit.coef[shared], rtol=1e-9, atol=1e-9, equal_nan=True)
        else:
            equal(fits, outcomes.columns[k], fit, tables)


def test_candidates_are_a_loop(data, candidates):
    fits = gi.logit_each("y ~ x + C(g)", data, covariates=candidates)
    assert isinstance(fits.panels[0].stock.columns, Mixed)
    tables = tables_of(fits)
    assert fits.status.iloc[LEVEL] == "separated"
    assert fits.status.iloc[SILENT] == "aliased"
    for k in (0, 5, LEVEL, MISSING, M - 1):
        equal(fits, candidates.columns[k], single("y ~ x + C(g) + c", data.assign(c=candidates.iloc[:, k])), tables)


def test_questions_about_candidates_are_those_of_single_fits(data, candidates):
    fits = gi.logit_each("y ~ z + C(g) + {x}*x", data, covariates=candidates.iloc[:, [0, 1, 2]])
    lr, score, drop = fits.lr_test(), fits.score_test(), fits.lr_test("C(g)")
    robust = fits.score_test(cov="HC0")
    limits = fits.confint("{x}")
    for k in range(3):
        frame = data.assign(c=candidates.iloc[:, k])
        fit = single("y ~ z + C(g) + c*x", frame)
        assert np.isclose(lr.statistic[k], fit.lr_test(["c", "c:x"]).statistic[0], rtol=1e-9)
        base = single("y ~ z + C(g) + x", frame)
        assert np.isclose(score.statistic[k], base.score_test("c + c:x").statistic[0], rtol=1e-9)
        assert np.isclose(robust.statistic[k], base.score_test("c + c:x", cov="HC0").statistic[0], rtol=1e-9)
        assert np.isclose(drop.statistic[k], fit.lr_test("C(g)").statistic[0], rtol=1e-9)
        theirs = fit.confint(terms=["c"])
        ends = limits.loc[k, ["conf_low", "conf_high"]].astype(float)
        assert np.allclose(ends, theirs.loc[0, ["conf_low", "conf_high"]].astype(float), rtol=1e-7)


def test_neighbours_change_nothing_to_the_last_bit(data, outcomes, candidates):
    kept = [0, 5, 12, 39]
    whole = gi.logit_many("x + C(g)", data, outcomes=outcomes)
    alone = gi.logit_many("x + C(g)", data, outcomes=outcomes.iloc[:, kept])
    for name in ("estimate", "std_error"):
        both = (f.tidy().set_index("outcome")[name] for f in (whole, alone))
        assert all(np.array_equal(a.loc[f"m{k:02d}"], b.loc[f"m{k:02d}"]) for a, b in [tuple(both)] for k in kept)
    whole = gi.logit_each("y ~ x + C(g)", data, covariates=candidates)
    alone = gi.logit_each("y ~ x + C(g)", data, covariates=candidates.iloc[:, kept])
    assert np.array_equal(whole.glance().loglik.iloc[kept], alone.glance().loglik)
    assert np.array_equal(whole.coef.iloc[kept], alone.coef)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_model_alone_is_to_the_last_bit_what_it_is_beside_a_constant_outcome(seed):
    """One model of the chunk has a covariance, or two have: sums over a single lane must not be taken in pairs."""
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 20, N)
    frame = pd.DataFrame({"x": rng.normal(size=N), "g": [f"g{i:03d}" for i in g]})
    Y = pd.DataFrame((rng.random((N, 2)) < 0.5) * 1, columns=["a", "b"]).assign(k=0)
    tables = [gi.logit_many("x + C(g)", frame, outcomes=Y[names]).tidy() for names in (["a"], ["a", "k"], ["a", "b"])]
    alone, *beside = (table[table.outcome == "a"] for table in tables)
    for other in beside:
        assert np.array_equal(alone.estimate, other.estimate)
        assert np.array_equal(alone.std_error, other.std_error)


def test_single_fits_of_large_panels_have_codes(data, outcomes, candidates, monkeypatch):
    plain = gi.logit_many("x + C(g)", data, outcomes=outcomes)
    each = gi.logit_each("y ~ x + C(g)", data, covariates=candidates)
    monkeypatch.setattr(long_factors, "_LARGE", 1)
    monkeypatch.setattr(long_factors, "MANY", 10)
    coded = gi.logit_many("x + C(g)", data, outcomes=outcomes)
    assert isinstance(coded.panels[0].stock.sample.rows, CodedRows)
    assert isinstance(coded["m00"].rows, CodedRows)
    assert np.allclose(coded["m21"].coef, plain["m21"].coef, rtol=1e-10, atol=1e-10)
    more = gi.logit_each("y ~ x + C(g)", data, covariates=candidates)
    for one, other in ((plain, coded), (each, more)):
        assert one.status.tolist() == other.status.tolist()
        a, b = one.tidy(), other.tidy()
        assert np.allclose(a.estimate, b.estimate, rtol=1e-9, atol=1e-9, equal_nan=True)
        assert np.allclose(a.std_error, b.std_error, rtol=1e-9, atol=1e-9, equal_nan=True)
        assert one.glance().note.tolist() == other.glance().note.tolist()
    assert np.array_equal(more.coef.iloc[0], each.coef.iloc[0])


def test_levels_are_left_alone_where_they_are_few(data):
    dummies = pd.get_dummies(data.h).to_numpy(float)
    assert levels.leveled(dummies) is dummies
