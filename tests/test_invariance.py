"""What must not change the answer, and what must change it in a known way, on random data."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engines import small_blocks
from hypothesis import given
from hypothesis import strategies as st
from random_rows import LINKS, Numbers, few, numbers, ordinary, some
from reference_cases import case

import glminfer as gi
from glminfer.data.rows import MemoryRows
from glminfer.fit.single import fit_single
from glminfer.fit.solving import Method
from glminfer.numerics.families import family
from glminfer.numerics.newton import Control, maximise
from glminfer.numerics.objectives import Likelihood

SWAPPED = {"logit": "logit", "probit": "probit", "cauchit": "cauchit", "cloglog": "loglog", "loglog": "cloglog"}
SOLVERS = ("newton", "bfgs", "lbfgs", "gradient")
seeds = st.integers(0, 2**32 - 1)


def frame_of(data: Numbers) -> pd.DataFrame:
    columns = pd.DataFrame(data.X[:, 1:], columns=[f"x{j}" for j in range(1, data.X.shape[1])])
    return columns.assign(y=data.y, w=data.weights, o=data.offset)


def formula_of(data: Numbers) -> str:
    return "y ~ 1" + "".join(f" + x{j}" for j in range(1, data.X.shape[1]))


def fit_of(data: Numbers, frame: pd.DataFrame | None = None, link: str | None = None, **options: Any) -> gi.Fit:
    given = {"weights": "w", "offset": "o", **options}
    return gi.glm(formula_of(data), frame_of(data) if frame is None else frame, link=link or data.link, **given)


def same(a: gi.Fit, b: gi.Fit, rtol: float = 1e-9, sign: float = 1.0) -> None:
    """Equal coefficients (within rtol of their standard errors), covariance and likelihood."""
    se = np.sqrt(np.diagonal(b.vcov()))
    np.testing.assert_allclose((a.coef - sign * b.coef) / se, 0.0, atol=rtol)
    np.testing.assert_allclose(a.vcov() / np.outer(se, se), b.vcov() / np.outer(se, se), rtol=0.0, atol=10 * rtol)
    np.testing.assert_allclose(a.loglik, b.loglik, rtol=1e-12)


# how the rows are held ------------------------------------------------------------------------------------------------


@some
@given(ordinary(), st.integers(1, 50))
def test_any_cut_into_blocks(data: Numbers, block_rows: int) -> None:
    start = np.zeros((1, data.X.shape[1]))
    whole = maximise(Likelihood(data.rows(), family(data.link)), start, Control())
    cut = maximise(Likelihood(data.rows(block_rows), family(data.link)), start, Control())
    assert cut.status == whole.status
    if whole.status[0] != "converged":
        return
    se = np.sqrt(np.diagonal(np.linalg.inv(whole.terms.information[0])))
    np.testing.assert_allclose((cut.coef - whole.coef) / se, 0.0, atol=1e-12)
    np.testing.assert_allclose(cut.terms.loglik, whole.terms.loglik, rtol=1e-13)


@pytest.mark.parametrize("block_rows", [1, 17, 512])
def test_a_whole_fit_does_not_depend_on_the_block_size(block_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = gi.datasets.simulate_session(seed=3)
    formula = "choice ~ contrast_left * contrast_right"
    whole = gi.logit(formula, trials)
    small_blocks(monkeypatch, block_rows)
    same(gi.logit(formula, trials), whole, rtol=1e-12)


@some
@given(ordinary(), seeds)
def test_any_row_order(data: Numbers, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(data.y))
    shuffled, straight = fit_of(data, frame_of(data).iloc[order]), fit_of(data)
    same(shuffled, straight)
    pd.testing.assert_series_equal(shuffled.predict().sort_index(), straight.predict(), rtol=1e-9)
    pd.testing.assert_frame_equal(shuffled.augment().sort_index(), straight.augment(), rtol=1e-7, atol=1e-9)


@few
@given(ordinary(), seeds)
def test_the_index_is_only_a_label(data: Numbers, seed: int) -> None:
    labels = [f"row {k}" for k in np.random.default_rng(seed).permutation(len(data.y))]
    renamed = fit_of(data, frame_of(data).set_index(pd.Index(labels)))
    np.testing.assert_array_equal(renamed.coef, fit_of(data).coef)
    assert list(renamed.predict().index) == labels


# weights --------------------------------------------------------------------------------------------------------------


@some
@given(ordinary())
def test_weight_two_is_the_row_twice(data: Numbers) -> None:
    frame = frame_of(data)
    twice = frame.loc[frame.index.repeat(frame.w.astype(int))].assign(w=1.0)
    weighted, repeated = fit_of(data), fit_of(data, twice)
    same(weighted, repeated)
    np.testing.assert_allclose(weighted.deviance, repeated.deviance, rtol=1e-11)
    np.testing.assert_allclose(weighted.null_deviance, repeated.null_deviance, rtol=1e-11)
    assert weighted.nobs == len(frame)
    assert repeated.nobs == frame.w.sum()


@some
@given(ordinary(least=80), seeds)
def test_weight_zero_is_absence(data: Numbers, seed: int) -> None:
    frame = frame_of(data)
    gone = np.random.default_rng(seed).random(len(frame)) < 0.2
    silent = fit_of(data, frame.assign(w=frame.w.where(~gone, 0.0)))
    absent = fit_of(data, frame[~gone])
    same(silent, absent)
    for number in ("nobs", "df_resid", "df_null", "rank"):
        assert getattr(silent, number) == getattr(absent, number)
    np.testing.assert_allclose([silent.aic, silent.bic], [absent.aic, absent.bic], rtol=1e-12)
    np.testing.assert_allclose(silent.glance().pearson_chi2, absent.glance().pearson_chi2, rtol=1e-9)


@few
@given(ordinary(), st.floats(0.01, 50.0))
def test_equal_weights(data: Numbers, weight: float) -> None:
    """The unweighted estimate; the covariance shrinks, and the log-likelihood grows, by the weight."""
    weighted, plain = fit_of(data, weights=np.full(len(data.y), weight)), fit_of(data, weights=None)
    np.testing.assert_allclose(weighted.coef, plain.coef, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(weighted.vcov() * weight, plain.vcov(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(weighted.loglik, weight * plain.loglik, rtol=1e-11)


# columns --------------------------------------------------------------------------------------------------------------


@some
@given(ordinary(least=80), seeds)
def test_scaling_a_column_scales_its_coefficient_and_nothing_else(data: Numbers, seed: int) -> None:
    frame, plain = frame_of(data), fit_of(data)
    names = [name for name in frame if name.startswith("x")]
    units = pd.Series(1.0, index=plain.coef.index)
    units[names] = 10.0 ** np.random.default_rng(seed).uniform(-8, 8, len(names)) * np.resize([1.0, -1.0], len(names))
    scaled = fit_of(data, frame.assign(**{name: frame[name] * units[name] for name in names}))
    se = np.sqrt(np.diagonal(plain.vcov()))
    np.testing.assert_allclose((scaled.coef * units - plain.coef) / se, 0.0, atol=1e-9)
    np.testing.assert_allclose(
        scaled.vcov() * np.outer(units, units) / np.outer(se, se), plain.vcov() / np.outer(se, se), atol=1e-8
    )
    np.testing.assert_allclose(scaled.loglik, plain.loglik, rtol=1e-12)
    np.testing.assert_allclose(scaled.predict(), plain.predict(), rtol=1e-9)
    np.testing.assert_allclose(scaled.tidy().p_value, plain.tidy().p_value, rtol=1e-6)


@some
@given(ordinary(), st.floats(-3, 3))
def test_a_constant_in_the_offset_moves_only_the_intercept(data: Numbers, shift: float) -> None:
    plain, moved = fit_of(data), fit_of(data, offset=data.offset + shift)
    se = np.sqrt(np.diagonal(plain.vcov()))
    expected = plain.coef - shift * (plain.coef.index == "Intercept")
    np.testing.assert_allclose((moved.coef - expected) / se, 0.0, atol=1e-8)
    np.testing.assert_allclose(moved.vcov() / np.outer(se, se), plain.vcov() / np.outer(se, se), atol=1e-8)
    for number in ("loglik", "deviance", "null_deviance", "aic", "bic"):
        np.testing.assert_allclose(getattr(moved, number), getattr(plain, number), rtol=1e-11)
    np.testing.assert_allclose(moved.predict(), plain.predict(), rtol=1e-8)


@few
@given(ordinary(least=100), seeds)
def test_another_basis_of_the_same_columns(data: Numbers, seed: int) -> None:
    """x1, x2 replaced by x1 + x2, x1 - x2: the same likelihood and fitted values."""
    frame = frame_of(data).assign(u=lambda d: np.random.default_rng(seed).standard_normal(len(d)))
    frame = frame.assign(v=np.cos(np.arange(len(frame))))
    one = gi.glm("y ~ u + v", frame, link=data.link)
    other = gi.glm("y ~ I(u + v) + I(u - v)", frame, link=data.link)
    np.testing.assert_allclose(other.loglik, one.loglik, rtol=1e-12)
    np.testing.assert_allclose(other.predict(), one.predict(), rtol=1e-9)
    assert other.coef["I(u + v)"] + other.coef["I(u - v)"] == pytest.approx(one.coef["u"], abs=1e-9)


# the outcome ----------------------------------------------------------------------------------------------------------


@some
@given(ordinary())
def test_swapping_the_event(data: Numbers) -> None:
    """Flips the signs for symmetric links; cloglog and loglog change places."""
    frame = frame_of(data)
    plain = fit_of(data)
    swapped = fit_of(data, frame.assign(y=1 - frame.y, o=-frame.o), link=SWAPPED[data.link])
    same(swapped, plain, sign=-1.0)
    np.testing.assert_allclose(swapped.predict(), 1 - plain.predict(), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(swapped.residuals(), -plain.residuals(), rtol=1e-7, atol=1e-8)
    named = fit_of(data, frame.assign(o=-frame.o), link=SWAPPED[data.link], event=0)
    np.testing.assert_array_equal(named.coef, swapped.coef)


@some
@given(seeds, st.sampled_from(LINKS))
def test_grouped_and_expanded_rows(seed: int, link: str) -> None:
    """Counts, proportions with trials and single trials: one set of estimates; likelihoods differ by a constant."""
    rng = np.random.default_rng(seed)
    x, trials = np.round(rng.standard_normal(20), 1), rng.integers(3, 12, 20)
    events = rng.binomial(trials, family(link).mean(0.2 + 0.5 * x))
    rows = pd.DataFrame({"x": x, "s": events, "f": trials - events, "n": trials, "p": events / trials})
    single = pd.DataFrame(
        {
            "x": np.repeat(x, trials),
            "y": np.concatenate([[1] * s + [0] * f for s, f in zip(rows.s, rows.f, strict=True)]),
        }
    )
    counts = gi.glm("cbind(s, f) ~ x", rows, link=link)
    share = gi.glm("p ~ x", rows, trials="n", link=link)
    expanded = gi.glm("y ~ x", single, link=link)
    same(share, counts)
    np.testing.assert_allclose(share.deviance, counts.deviance, rtol=1e-10)
    np.testing.assert_allclose(expanded.coef, counts.coef, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(expanded.vcov(), counts.vcov(), rtol=1e-8)
    lr = [fit.null_deviance - fit.deviance for fit in (counts, expanded)]
    np.testing.assert_allclose(lr[0], lr[1], rtol=1e-8, atol=1e-9)
    for measure in ("mcfadden", "nagelkerke"):
        np.testing.assert_allclose(counts.glance()[measure], expanded.glance()[measure], rtol=1e-7, atol=1e-10)


# many at once ---------------------------------------------------------------------------------------------------------


@few
@given(seeds, st.sampled_from(LINKS), st.integers(2, 6))
def test_a_batch_is_a_loop_of_fits(seed: int, link: str, m: int) -> None:
    """m outcomes over one design, solved together, equal m calls of the front door."""
    rng = np.random.default_rng(seed)
    one = numbers(seed, 150, 3, link)
    Y = (rng.random((150, m)) < 0.5).astype(float)
    rows = one.rows()
    block = type(rows.whole)(one.X, Y, rows.whole.weights, rows.whole.offset)
    together = maximise(Likelihood(MemoryRows(block), family(link)), np.zeros((m, 3)), Control())
    for k in range(m):
        fit = fit_of(one, frame_of(one).assign(y=Y[:, k]))
        se = np.sqrt(np.diagonal(fit.vcov()))
        if together.status[k] != "converged" or abs(together.terms.loglik[k] - fit.loglik) > 1e-6:
            assert link == "cauchit"  # a lower maximum: the front door tries several starts
            continue
        np.testing.assert_allclose((together.coef[k] - fit.coef) / se, 0.0, atol=1e-10)
        np.testing.assert_allclose(together.terms.loglik[k], fit.loglik, rtol=1e-12)


def test_fitting_twice_gives_the_same_bits() -> None:
    trials = gi.datasets.simulate_session(seed=5)
    a, b = (gi.logit("choice ~ contrast_left + contrast_right", trials) for _ in range(2))
    np.testing.assert_array_equal(a.coef, b.coef)
    np.testing.assert_array_equal(a.augment()[".cooksd"], b.augment()[".cooksd"])


# tables ---------------------------------------------------------------------------------------------------------------


def awkward_fit() -> gi.Fit:
    """Aliased, separated, ordinary and huge rows in one table."""
    rng = np.random.default_rng(0)
    n = 400
    x = rng.standard_normal(n)
    frame = pd.DataFrame({"x": x, "again": 2 * x, "big": 1e8 * rng.standard_normal(n), "g": rng.choice(list("ab"), n)})
    frame["y"] = np.where(frame.g == "b", 1, (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        return gi.logit("y ~ x + again + big + g", frame)


TABLES = {
    "tidy": lambda fit: fit.tidy(),
    "odds ratios": lambda fit: fit.tidy(exponentiate=True),
    "glance": lambda fit: fit.glance(),
    "augment": lambda fit: fit.augment(),
    "confint": lambda fit: fit.confint(method="wald"),
    "predict": lambda fit: fit.predict(interval="confidence"),
    "score": lambda fit: fit.score(),
    "trace": lambda fit: fit.trace,
    "crosscheck": lambda fit: fit.crosscheck(),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kind", ["ordinary", "awkward"])
def test_tables_round_trip_through_csv(table: str, kind: str) -> None:
    trials = gi.datasets.simulate_session(n_trials=200, seed=2)
    fit = gi.logit("choice ~ contrast_left + contrast_right", trials) if kind == "ordinary" else awkward_fit()
    made = TABLES[table](fit)
    again = pd.read_csv(io.StringIO(made.to_csv(index=False)))
    pd.testing.assert_frame_equal(again, made.reset_index(drop=True), check_dtype=False, rtol=1e-14)


# solvers --------------------------------------------------------------------------------------------------------------


def data_set(name: str) -> tuple[str, pd.DataFrame]:
    if name == "session":
        return "choice ~ contrast_left * contrast_right", gi.datasets.simulate_session(seed=7)
    if name == "birthwt":
        found = case("birthwt_logit")
        return found["formula"], found["frame"]
    import statsmodels.api as sm

    fair = sm.datasets.fair.load_pandas().data
    return "affair ~ rate_marriage + age + yrs_married + religious + children", fair.assign(affair=fair.affairs > 0)


@pytest.fixture(scope="module", params=["session", "birthwt", "fair"])
def example(request: pytest.FixtureRequest) -> tuple[str, pd.DataFrame, gi.Fit]:
    formula, data = data_set(request.param)
    return formula, data, gi.logit(formula, data)


@pytest.mark.parametrize("solver", SOLVERS)
def test_four_solvers_one_estimate(solver: str, example: tuple[str, pd.DataFrame, gi.Fit]) -> None:
    formula, data, newton = example
    fit = gi.logit(formula, data, solver=solver)
    assert fit.converged
    np.testing.assert_allclose(fit.coef, newton.coef, rtol=1e-6)
    np.testing.assert_allclose(fit.tidy().std_error, newton.tidy().std_error, rtol=1e-6)
    trace = fit.trace
    assert list(trace.columns) == ["step", "loglik", "max_abs_score", "step_size", "seconds"]
    assert trace.step.tolist() == list(range(fit.n_iter + 1))
    assert trace.loglik.iloc[-1] == pytest.approx(fit.loglik, rel=1e-12)
    assert (trace.loglik.diff().dropna() >= -1e-9).all()
    assert trace.seconds.is_monotonic_increasing


@few
@given(ordinary(("logit", "probit", "cloglog", "loglog")), st.sampled_from(SOLVERS[1:]))
def test_solvers_agree_on_random_data(data: Numbers, solver: str) -> None:
    newton, other = fit_of(data), fit_of(data, solver=solver)
    se = np.sqrt(np.diagonal(newton.vcov()))
    np.testing.assert_allclose((other.coef - newton.coef) / se, 0.0, atol=1e-6)


def test_the_subsample_a_large_fit_starts_from_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 20,000 rows on Newton starts at the fit of a subsample; the estimate is that of a cold start."""
    from glminfer.fit import approach

    data = numbers(1, 25_000, 5, "logit")
    warm = fit_of(data)
    monkeypatch.setattr(approach, "_MANY_ROWS", 10**9)
    cold = fit_of(data)
    assert cold.trace.loglik.iloc[0] < warm.trace.loglik.iloc[0]
    same(warm, cold)


def test_the_record_needs_no_front_door() -> None:
    """The lower floors alone give the same numbers: a sample, a method, a record."""
    from glminfer.data.design import learn

    trials = gi.datasets.simulate_session(seed=1)
    record = fit_single(learn("choice ~ contrast_left", trials), Method("probit"), {})
    np.testing.assert_array_equal(record.values, gi.glm("choice ~ contrast_left", trials, link="probit").coef)
