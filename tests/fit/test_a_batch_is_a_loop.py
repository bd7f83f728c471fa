"""Many models are what a loop over single fits is, model by model: whatever fails beside them, in whatever order."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.fit import batch
from glminfer.numerics import threads

N, M = 180, 300
SILENT, SEPARATED, MISSING, COPY, COPIED = (f"m{k:03d}" for k in (40, 111, 112, 250, 249))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(21)
    frame = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N), "g": rng.choice(list("uv"), N)})
    frame["s"] = np.repeat(["s1", "s2"], N // 2)
    return frame.assign(y=(rng.random(N) < 1 / (1 + np.exp(-frame.a))).astype(int))


def special(values, silent, separated):
    """The columns with one silent, one separated, one with missing values and one that is there twice."""
    frame = pd.DataFrame(values, columns=[f"m{k:03d}" for k in range(M)])
    frame[SILENT], frame[SEPARATED], frame[COPY] = silent, separated, frame[COPIED]
    frame.loc[5:30, MISSING] = np.nan
    return frame


@pytest.fixture(scope="module")
def outcomes(data):
    rng = np.random.default_rng(22)
    eta = np.column_stack([np.ones(N), data.a, data.b]) @ (0.6 * rng.standard_normal((3, M)))
    return special((rng.random((N, M)) < 1 / (1 + np.exp(-eta))).astype(float), 0.0, (data.a > 0.1).astype(float))


@pytest.fixture(scope="module")
def candidates(data):
    rng = np.random.default_rng(23)
    counts = rng.poisson(1.0 + data.y.to_numpy()[:, None] * rng.random(M), (N, M)).astype(float)
    return special(counts, 0.0, 3.0 * data.y + data.b.abs())


@pytest.fixture(scope="module")
def many(data, outcomes):
    return gi.logit_many("a + b + C(g)", data, outcomes=outcomes)


@pytest.fixture(scope="module")
def each(data, candidates):
    return gi.logit_each("y ~ a + C(g)", data, covariates=candidates)


@pytest.fixture(scope="module")
def grouped(data, outcomes):
    return gi.logit_many("a + b", data, outcomes=outcomes, by="s")


def single(formula, frame):
    """One fit of the loop; separation is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        return gi.logit(formula, frame)


def equal(row, table, fit):
    """A model's estimates, standard errors and likelihood are those of a single fit to ten digits."""
    assert np.allclose(table.estimate, fit.coef, rtol=1e-10, atol=1e-10, equal_nan=True)
    assert np.allclose(table.std_error, fit.tidy().std_error, rtol=1e-10, equal_nan=True)
    assert np.allclose([row.loglik, row.null_deviance], [fit.loglik, fit.null_deviance], rtol=1e-10)
    assert (row.status, row.nobs, row.n_dropped) == (str(fit.status), fit.nobs, len(fit.frame()) - fit.nobs)


def by_name(table, keys):
    return dict(list(table.groupby(keys if len(keys) > 1 else keys[0], sort=False)))


def test_outcomes(many, data, outcomes):
    tables, rows = by_name(many.tidy(adjust=None), ["outcome"]), many.glance().set_index("outcome")
    assert rows.index.tolist() == many.names == outcomes.columns.tolist()
    assert rows.status[SILENT] == "constant outcome"
    assert tables[SILENT].estimate.isna().all()
    assert rows.status[SEPARATED] == "separated"
    assert (rows.status.drop([SILENT, SEPARATED]) == "converged").all()
    assert rows.nobs[MISSING] == N - 26
    for name in outcomes.columns.drop(SILENT):
        equal(rows.loc[name], tables[name], single("y ~ a + b + C(g)", data.assign(y=outcomes[name])))
    assert (many.coef.loc[COPY] == many.coef.loc[COPIED]).all()


def test_candidates(each, data, candidates):
    tables, rows = by_name(each.tidy(adjust=None), ["covariate"]), each.glance().set_index("covariate")
    assert rows.index.tolist() == candidates.columns.tolist()
    assert rows.status[SILENT] == "aliased"
    assert tables[SILENT].status.iloc[-1].startswith("aliased: m040 = 0")
    assert rows.status[SEPARATED] == "separated"
    assert (rows.status.drop([SILENT, SEPARATED]) == "converged").all()
    for name in candidates.columns.drop(SILENT):
        equal(rows.loc[name], tables[name], single(f"y ~ a + C(g) + {name}", data.assign(**{name: candidates[name]})))
    assert np.allclose(tables[SILENT].estimate[:-1], single("y ~ a + C(g)", data).coef, rtol=1e-10)
    assert (each.coef.loc[COPY] == each.coef.loc[COPIED]).all()


def test_groups_of_rows(grouped, data, outcomes):
    tables, rows = by_name(grouped.tidy(adjust=None), ["s", "outcome"]), grouped.glance().set_index(["s", "outcome"])
    assert len(rows) == 2 * M
    for group in ("s1", "s2"):
        assert rows.status[group, SILENT] == "constant outcome"
        assert rows.status[group, SEPARATED] == "separated"
        for name in outcomes.columns.drop(SILENT)[group == "s2" :: 4].union([SEPARATED, MISSING, COPY]):
            frame = data.assign(y=outcomes[name])[data.s == group]
            equal(rows.loc[group, name], tables[group, name], single("y ~ a + b", frame))


def candidates_by_group(data, candidates):
    return gi.logit_each("y ~ a", data, covariates=candidates, by="s")


def test_candidates_in_groups_of_rows(data, candidates):
    fits = candidates_by_group(data, candidates)
    tables, rows = by_name(fits.tidy(adjust=None), ["s", "covariate"]), fits.glance().set_index(["s", "covariate"])
    assert len(rows) == 2 * M
    for group in ("s1", "s2"):
        assert rows.status[group, SILENT] == "aliased"
        assert rows.status[group, SEPARATED] == "separated"
        for name in candidates.columns.drop(SILENT)[group == "s2" :: 6].union([SEPARATED, MISSING, COPY]):
            frame = data.assign(**{name: candidates[name]})[data.s == group]
            equal(rows.loc[group, name], tables[group, name], single(f"y ~ a + {name}", frame))


# what may change nothing ---------------------------------------------------------------------------------------------


def everything(fits, names=None, but=()):
    """All numbers that fits say about some of their models."""
    tables = [
        fits.tidy(adjust=None),
        fits.tidy(adjust=None, cov="HC3"),
        fits.glance(),
        fits.lr_test(adjust=None),
        fits.score_test(adjust=None),
        fits.score_test("a", "HC0", adjust=None),
        fits.anova(adjust=None),
    ]
    key = fits.model
    kept = [table if names is None else table[table[key].isin(names)] for table in tables]
    return [table.select_dtypes("number").drop(columns=but, errors="ignore").to_numpy(float) for table in kept]


def same(one, other):
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def spoiled(columns, separated):
    """The same columns, some of them without a fit."""
    bad = columns.copy()
    bad[["m003", "m017"]], bad["m008"] = 0.0, separated
    bad.loc[:99, "m021"] = np.nan
    return bad, [name for name in columns if name not in ("m003", "m008", "m017", "m021")]


def test_bad_neighbours_change_nothing_to_the_last_bit(data, outcomes, candidates):
    good = outcomes[[f"m{k:03d}" for k in range(30)]]
    bad, kept = spoiled(good, (data.b > 0).astype(float))
    one, other = (gi.logit_many("a + b + C(g)", data, outcomes=columns) for columns in (good, bad))
    same(everything(one, kept), everything(other, kept))
    good = candidates[good.columns]
    bad, kept = spoiled(good, data.y + 0.0)
    one, other = (gi.logit_each("y ~ a + C(g)", data, covariates=columns) for columns in (good, bad))
    same(everything(one, kept), everything(other, kept))


def test_neighbours_that_are_not_there_change_nothing_to_the_last_bit(data, outcomes, candidates, many, each):
    kept = [f"m{k:03d}" for k in (7, 8, 60, 112, 113, 299)]
    same(everything(many, kept), everything(gi.logit_many("a + b + C(g)", data, outcomes=outcomes[kept])))
    same(everything(each, kept), everything(gi.logit_each("y ~ a + C(g)", data, covariates=candidates[kept])))


@pytest.mark.parametrize("lanes", [16, 64])
def test_the_number_of_models_in_a_chunk_changes_nothing_to_the_last_bit(data, outcomes, many, lanes, monkeypatch):
    expected = everything(many)
    monkeypatch.setattr(batch, "_LANES", (lanes, lanes))
    same(everything(gi.logit_many("a + b + C(g)", data, outcomes=outcomes)), expected)


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_threads_changes_nothing_to_the_last_bit(data, candidates, each, count, monkeypatch):
    expected = everything(each)
    monkeypatch.setattr(threads, "n_threads", lambda: count)
    same(everything(gi.logit_each("y ~ a + C(g)", data, covariates=candidates)), expected)


def test_the_order_of_rows_and_the_size_of_blocks_change_nothing(data, outcomes, candidates, many, each, monkeypatch):
    order = np.random.default_rng(0).permutation(N)

    def agree(one, other):
        numbers = (everything(fits, but=["n_iter"]) for fits in (one, other))
        for a, b in zip(*numbers, strict=True):
            assert np.allclose(a, b, rtol=1e-8, atol=1e-9, equal_nan=True)
        assert np.allclose(one.coef, other.coef, rtol=1e-10, atol=1e-10, equal_nan=True)

    agree(gi.logit_many("a + b + C(g)", data.iloc[order], outcomes=outcomes.iloc[order]), many)
    agree(gi.logit_each("y ~ a + C(g)", data.iloc[order], covariates=candidates), each)  # by their index
    monkeypatch.setattr(batch, "_ROWS", 64)
    agree(gi.logit_many("a + b + C(g)", data, outcomes=outcomes), many)
    agree(gi.logit_each("y ~ a + C(g)", data, covariates=candidates), each)


@given(seed=st.integers(0, 10**6), n=st.integers(12, 80), p=st.integers(1, 4), weighted=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_batch_is_a_loop(seed, n, p, weighted):
    """Few rows, so that many of the models are separated, constant or nearly so."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.standard_normal((n, p)).round(1), columns=[f"x{j}" for j in range(p)])
    frame["w"] = rng.choice([0.0, 0.5, 2.0], n)
    Y = pd.DataFrame((rng.random((n, 6)) < rng.random(6)).astype(float), columns=list("abcdef"))
    Y = Y.mask(rng.random((n, 6)) < rng.choice([0.0, 0.1], 6))
    options = {"weights": "w"} if weighted else {}
    fits = gi.logit_many("x0 + " * (p > 1) + f"x{p - 1}", frame, outcomes=Y, **options)
    for name, status in fits.status.items():
        assert len(fits.tidy(adjust=None).query("outcome == @name")) == 2 + (p > 1)
        if status in ("converged", "separated", "aliased"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", gi.SeparationWarning)
                fit = gi.logit(f"{name} ~ {fits.formula}", frame.join(Y), **options)
            assert (status == "separated") == (fit.status is gi.Status.SEPARATED)
            assert np.allclose(fits.coef.loc[name], fit.coef, rtol=1e-8, atol=1e-8, equal_nan=True)
            assert np.isclose(fits.glance().set_index("outcome").loglik[name], fit.loglik, rtol=1e-9, atol=1e-9)


def test_lags_never_cross_the_border_of_a_session(data, outcomes):
    part = outcomes[["m000", MISSING, SILENT]]
    fits = gi.logit_many("b + lag(a, 2, by=s)", data, outcomes=part, by="s")
    for group in ("s1", "s2"):
        inside = data[data.s == group]
        for name in ("m000", MISSING):
            alone = gi.logit("y ~ b + lag(a, 2)", inside.assign(y=part[name]))
            assert np.allclose(fits[group, name].coef, alone.coef, rtol=1e-10)
            assert fits[group, name].nobs == alone.nobs == len(inside) - 2 - 26 * (name == MISSING and group == "s1")
    lagged = gi.logit_each("y ~ lag({x}, 1, by=s)", data, covariates=part[["m000", SILENT]])
    before = data.assign(before=part.m000.groupby(data.s).shift(1))
    assert np.allclose(lagged["m000"].coef, gi.logit("y ~ before", before).coef, rtol=1e-10)
    assert lagged.status[SILENT] == "aliased"
