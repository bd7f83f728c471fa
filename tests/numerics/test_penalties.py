"""Firth's bias reduction: brglm2's numbers, many models at once, finite whatever the data."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import LINKS, Numbers, few, numbers, ordinary, some
from reference_cases import FOLDER, NAMES, case, fit_case

import glminfer as gi
from glminfer.data.rows import MemoryRows
from glminfer.errors import Status
from glminfer.numerics import linalg, newton
from glminfer.numerics.blocks import Block
from glminfer.numerics.families import family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import BiasReduced, bias_reduction
from glminfer.numerics.penalties import bias_reduced

WITH_BRGLM2 = [name for name in NAMES if "brglm2" in case(name)["results"]]
SCALED = {"birthwt_scaled": 1e-6, "birthwt_cauchit": 1e-6}  # brglm2's own accuracy there


def solved(data: Numbers) -> Solution:
    return bias_reduced(data.rows(), family(data.link), np.zeros((1, data.X.shape[1])), Control())


# numbers of R --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_BRGLM2)
def test_estimates_and_errors_are_those_of_brglm2(name: str) -> None:
    found = case(name)["results"]["brglm2"]["AS_mean"]
    fit = fit_case(name, gi.Firth())
    table = fit.tidy().set_index("term")
    known = [term for term, value in found["coef"].items() if value is not None and np.isfinite(value)]
    mine, error = table.loc[known, "estimate"], table.loc[known, "std_error"]
    theirs = pd.Series(found["coef"])[known].astype(float)
    assert (np.abs(mine - theirs) / error).max() < SCALED.get(name, 1e-8)
    np.testing.assert_allclose(error, pd.Series(found["se"])[known].astype(float), rtol=SCALED.get(name, 1e-8))
    assert fit.converged


# many models at once -------------------------------------------------------------------------------------------------


def batch(link: str, m: int = 6, n: int = 80) -> tuple[MemoryRows, list[Numbers]]:
    """m outcomes over the same columns; the second never happens, the third is separated, the last has one event."""
    first = numbers(8, n, 3, link)
    rng = np.random.default_rng(9)
    Y = (rng.random((n, m)) < 0.4).astype(float)
    Y[:, 1], Y[:, 2], Y[:, -1] = 0.0, first.X[:, 1] > 0, np.arange(n) == 7
    rows = MemoryRows(Block(first.X, Y, first.weights[:, None], first.offset[:, None]))
    return rows, [Numbers(first.X, y, first.weights, first.offset, link) for y in Y.T]


@pytest.mark.parametrize("link", LINKS)
def test_a_batch_is_a_loop(link: str) -> None:
    rows, apart = batch(link)
    together = bias_reduced(rows, family(link), np.zeros((len(apart), 3)), Control())
    for k, data in enumerate(apart):
        alone = solved(data)
        assert alone.status == (together.status[k],)
        np.testing.assert_allclose(together.coef[k], alone.coef[0], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(together.terms.information[k], alone.terms.information[0], rtol=1e-7, atol=1e-9)


def test_every_model_of_a_batch_of_logits_is_finite() -> None:
    rows, apart = batch("logit")
    found = bias_reduced(rows, family("logit"), np.zeros((len(apart), 3)), Control())
    assert found.status == (Status.CONVERGED,) * len(apart)
    assert np.abs(found.coef).max() < 100


def test_a_bad_model_leaves_its_neighbours_alone() -> None:
    """One model whose rows all weigh nothing has no information, and so no estimate."""
    rows, apart = batch("logit")
    weights = np.repeat(rows.whole.weights, len(apart), axis=1)
    good = bias_reduced(rows.with_weights(weights), family("logit"), np.zeros((len(apart), 3)), Control())
    weights = weights.copy()
    weights[:, 3] = 0.0
    found = bias_reduced(rows.with_weights(weights), family("logit"), np.zeros((len(apart), 3)), Control())
    others = np.array([0, 1, 2, 4, 5])
    assert found.status[3] is Status.LIMIT
    np.testing.assert_array_equal(found.coef[others], good.coef[others])
    assert [found.status[k] for k in others] == [good.status[k] for k in others]


@few
@given(ordinary(links=("logit",)), st.integers(0, 2**32 - 1))
def test_batches_of_any_outcomes_are_finite(data: Numbers, seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = (rng.random((len(data.y), 5)) < rng.random(5) ** 3).astype(float)
    rows = MemoryRows(Block(data.X, Y, data.weights[:, None], data.offset[:, None]))
    found = bias_reduced(rows, family("logit"), np.zeros((5, data.X.shape[1])), Control())
    assert set(found.status) == {Status.CONVERGED}


# what is maximised ---------------------------------------------------------------------------------------------------


@some
@given(ordinary(links=("logit",), least=20), st.integers(0, 2**32 - 1))
def test_the_adjusted_score_is_the_slope_of_the_penalised_likelihood(data: Numbers, seed: int) -> None:
    objective = BiasReduced(data.rows(), family("logit"))
    p = data.X.shape[1]
    at = np.random.default_rng(seed).normal(0, 0.5, p)
    steps = 1e-5 * np.vstack([np.eye(p), -np.eye(p)])
    height = np.concatenate([objective((at + step)[None]).loglik for step in steps])
    slope = (height[:p] - height[p:]) / 2e-5
    np.testing.assert_allclose(objective(at[None]).score[0], slope, rtol=1e-5, atol=1e-5)


@some
@given(ordinary(links=("logit",), least=20), st.integers(0, 2**32 - 1))
def test_the_exact_curvature_is_that_of_the_penalised_likelihood(data: Numbers, seed: int) -> None:
    p = data.X.shape[1]
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(p, max(p - 1, 1)))
    objective = BiasReduced(data.rows(), family("logit"), [B], exact=True)
    at = rng.normal(0, 0.5, p)
    steps = 1e-5 * np.eye(p)
    score = [objective((at + sign * step)[None]).score[0] for sign in (1, -1) for step in steps]
    slope = (np.array(score[:p]) - np.array(score[p:])) / 2e-5
    np.testing.assert_allclose(objective(at[None]).curvature[0], -slope, rtol=1e-5, atol=1e-5)


def test_both_ways_of_stepping_reach_the_same_point() -> None:
    data = numbers(12, 60, 5, "logit")
    few, many = bias_reduction(data.rows(), family("logit"), 5), BiasReduced(data.rows(), family("logit"))
    assert few.exact
    assert not many.exact
    control = Control(max_iter=1000)
    found = [newton.maximise(one, np.zeros((1, 5)), control, no_progress=0.98) for one in (few, many)]
    np.testing.assert_allclose(found[0].coef, found[1].coef, rtol=1e-8)
    assert found[0].n_iter[0] < found[1].n_iter[0]


def test_the_penalty_may_be_that_of_a_subspace() -> None:
    """Within a subspace the penalty is that of the model whose columns span it."""
    data = numbers(3, 60, 4, "logit")
    B = np.random.default_rng(1).normal(size=(4, 2))
    inside = Numbers(data.X @ B, data.y, data.weights, data.offset, "logit")
    whole = BiasReduced(data.rows(), family("logit"), within=[B])
    found = newton.maximise(whole, np.zeros((1, 4)), Control(), patient=True, spaces=[B], no_progress=0.98)
    alone = solved(inside)
    np.testing.assert_allclose(found.coef[0], B @ alone.coef[0], atol=1e-8)
    _, logdet = linalg.inverses(alone.terms.information)
    np.testing.assert_allclose(found.terms.loglik, alone.terms.loglik + logdet / 2, rtol=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_the_score_of_the_estimate_is_zero(link: str) -> None:
    data = numbers(4, 150, 4, link)
    found = solved(data)
    V, _ = linalg.inverses(found.terms.information)
    score = BiasReduced(data.rows(), family(link))(found.coef).score
    assert np.sqrt(np.einsum("mp,mpq,mq->m", score, V, score))[0] < 1e-9


def test_the_trace_shows_the_penalised_likelihood_where_there_is_one() -> None:
    rising = np.diff([step.loglik for step in solved(numbers(6, 100, 3, "logit")).trace])
    assert (rising > -1e-9).all()
    assert np.isnan([step.loglik for step in solved(numbers(6, 100, 3, "probit")).trace]).all()


# hard data -----------------------------------------------------------------------------------------------------------


def test_a_linearly_separable_sample_of_76_rows_and_22_columns() -> None:
    rng = np.random.default_rng(76)
    X = rng.standard_normal((76, 22))
    data = pd.DataFrame(X, columns=[f"x{k}" for k in range(22)]).assign(y=(X @ rng.standard_normal(22) > 0) * 1)
    fit = gi.logit("y ~ .", data, penalty=gi.Firth())
    assert fit.converged
    assert np.isfinite(fit.tidy()[["estimate", "std_error"]].to_numpy()).all()
    assert abs(fit.trace.max_abs_score.iloc[-1]) < 1e-8


def test_complete_separation_of_eight_rows() -> None:
    """By symmetry the intercept is -4.5 slopes."""
    data = {"y": [0, 0, 0, 0, 1, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 7, 8]}
    fit = gi.logit("y ~ x", data, penalty=gi.Firth())
    assert fit.converged
    np.testing.assert_allclose(fit.coef["Intercept"], -4.5 * fit.coef["x"], rtol=1e-9)
    assert 0.5 < fit.coef["x"] < 2


# corrected intercepts ------------------------------------------------------------------------------------------------

FLIC = json.loads((FOLDER / "penalties" / "flic.json").read_text())
CORRECTED = gi.Firth(intercept="corrected")


@pytest.mark.parametrize("name", FLIC)
def test_corrected_intercepts_are_those_of_r(name: str) -> None:
    expected, plain, fit = FLIC[name], fit_case(name, gi.Firth()), fit_case(name, CORRECTED)
    names = {term: case(name)["coef_map"].get(term, term) for term in expected["coef"]}
    for mine, theirs in ((fit.coef, expected["coef"]), (fit.tidy().set_index("term").std_error, expected["se"])):
        np.testing.assert_allclose(mine[list(names.values())], list(theirs.values()), rtol=1e-7)
    np.testing.assert_array_equal(fit.coef.drop("Intercept"), plain.coef.drop("Intercept"))
    assert abs(fit.coef["Intercept"] - plain.coef["Intercept"]) > 1e-6 or name == "iris_separated"
    assert fit.converged


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3]))
def test_the_mean_probability_is_the_share_of_events(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=40), "g": rng.choice(list("ab"), 40), "w": rng.integers(0, 3, 40)})
    data = data.assign(y=(rng.random(40) < share) * 1, w=data.w.astype(float), o=rng.normal(size=40))
    data.loc[[0, 1], ["y", "w"]] = [[0, 1.0], [1, 1.0]]
    fit = gi.logit("y ~ x + g", data, weights="w", offset="o", penalty=CORRECTED)
    p = fit.predict(data)
    assert np.average(p, weights=data.w) == pytest.approx(np.average(data.y, weights=data.w), rel=1e-9)


def test_a_corrected_intercept_has_no_likelihood_ratio() -> None:
    data = {"y": [0, 0, 0, 1, 0, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6, 7, 9]}
    fit, plain = gi.logit("y ~ x", data, penalty=CORRECTED), gi.logit("y ~ x", data, penalty=gi.Firth())
    assert fit.summary().startswith("Logistic regression (logit link), Firth's bias reduction, intercept corrected")
    for ask in (fit.confint, fit.anova, lambda: fit.lr_test("x"), lambda: fit.profile("x")):
        with pytest.raises(gi.InputError, match="a corrected intercept is not at the maximum of the penalised"):
            ask()
    with pytest.raises(gi.InputError, match="a corrected intercept is not at the maximum of the penalised"):
        gi.anova(plain, fit)
    assert fit.anova(test="wald").p_value[0] < 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: gi.Firth("corected"), "intercept 'corected' is not known. Did you mean 'corrected'?"),
        (lambda data: gi.logit("y ~ 0 + x", data, penalty=CORRECTED), "needs an intercept in the formula"),
        (lambda data: gi.glm("y ~ x", data, link="probit", penalty=CORRECTED), "for the logit link, not for probit"),
        (
            lambda data: gi.logit_many("x", data, outcomes=["y"], penalty=CORRECTED),
            "penalty=Firth(intercept='corrected') is not known here; use gi.Firth()",
        ),
    ],
)
def test_where_an_intercept_cannot_be_corrected(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(gi.InputError) as caught:
        make({"y": [0, 1, 0, 1, 1], "x": [1, 2, 3, 4, 5]})
    assert message in str(caught.value)
