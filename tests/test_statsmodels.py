"""statsmodels as a live second oracle, on random designs and for every link.

It is the first software we compare with where it is right: on ordinary, well-scaled data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from random_rows import LINKS, Numbers, few, numbers, ordinary, some

import glminfer as gi
from glminfer.numerics.families import family

SM_LINKS = {"logit": "Logit", "probit": "Probit", "cloglog": "CLogLog", "loglog": "LogLog", "cauchit": "Cauchy"}
RTOL = 1e-8


def theirs(data: Numbers, endog: np.ndarray | None = None, **options: Any) -> Any:
    """GLM results; coefficients are iterated until they stop moving."""
    binomial = sm.families.Binomial(getattr(sm.families.links, SM_LINKS[data.link])())
    model = sm.GLM(data.y if endog is None else endog, data.X, family=binomial, offset=data.offset, **options)
    return model.fit(tol=1e-14, maxiter=200, tol_criterion="params")


def frame_of(data: Numbers) -> tuple[str, pd.DataFrame]:
    names = [f"x{j}" for j in range(1, data.X.shape[1])]
    frame = pd.DataFrame(data.X[:, 1:], columns=names).assign(y=data.y, w=data.weights, o=data.offset)
    return " + ".join(["y ~ 1", *names]), frame


def ours(data: Numbers, **options: Any) -> gi.Fit:
    formula, frame = frame_of(data)
    return gi.glm(formula, frame, link=data.link, offset="o", **options)


def agree(fit: gi.Fit, result: Any, rtol: float = RTOL) -> None:
    """Coefficients within rtol standard errors; covariance, tests and likelihoods relative."""
    assert fit.converged
    np.testing.assert_allclose((fit.coef - result.params) / result.bse, 0.0, atol=rtol)
    np.testing.assert_allclose(fit.tidy().std_error, result.bse, rtol=10 * rtol)
    scale = np.outer(result.bse, result.bse)
    np.testing.assert_allclose(fit.vcov() / scale, result.cov_params() / scale, atol=10 * rtol)
    np.testing.assert_allclose(fit.tidy().statistic, result.tvalues, rtol=10 * rtol, atol=1e-7)
    np.testing.assert_allclose(fit.tidy().p_value, result.pvalues, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(
        fit.confint(method="wald")[["conf_low", "conf_high"]], result.conf_int(), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(fit.deviance, result.deviance, rtol=1e-10)


def well_behaved(fit: gi.Fit) -> bool:
    """A finite maximum, with fitted values that statsmodels does not clip."""
    return fit.converged and float(fit.predict(type="link").abs().max()) < 6


@some
@given(ordinary(("logit", "probit", "cloglog", "loglog"), least=80))
def test_single_trials(data: Numbers) -> None:
    fit = ours(data)
    assume(well_behaved(fit))
    result = theirs(data)
    agree(fit, result)
    np.testing.assert_allclose([fit.loglik, fit.aic], [result.llf, result.aic], rtol=1e-10)
    np.testing.assert_allclose(fit.null_deviance, result.null_deviance, rtol=1e-8)
    np.testing.assert_allclose(fit.bic, result.bic_llf, rtol=1e-10)
    np.testing.assert_allclose(fit.glance().pearson_chi2.item(), result.pearson_chi2, rtol=1e-8)
    assert (fit.df_resid, fit.nobs) == (result.df_resid, result.nobs)
    np.testing.assert_allclose(fit.mcfadden, result.pseudo_rsquared("mcf"), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_cauchit(seed: int) -> None:
    """The likelihood is not concave: statsmodels may stop lower, so it starts where we ended."""
    data = numbers(seed, 200, 3, "cauchit")
    fit = ours(data)
    binomial = sm.families.Binomial(sm.families.links.Cauchy())
    model = sm.GLM(data.y, data.X, family=binomial, offset=data.offset)
    result = model.fit(start_params=fit.coef.to_numpy(), tol=1e-14, maxiter=100, tol_criterion="params")
    agree(fit, result, 1e-7)
    assert fit.loglik >= model.fit(maxiter=100).llf - 1e-7


@few
@given(ordinary(("logit", "probit", "cloglog"), least=80), st.booleans())
def test_weights(data: Numbers, whole: bool) -> None:
    """Prior weights: their var_weights, or freq_weights when they count rows (then df differ, nothing else)."""
    weights = data.weights if whole else data.weights * 0.37
    fit = ours(data, weights=weights)
    assume(well_behaved(fit))
    agree(fit, theirs(data, var_weights=weights))
    if whole:
        agree(fit, theirs(data, freq_weights=weights))


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKS[:4]))
def test_grouped_counts(seed: int, link: str) -> None:
    rng = np.random.default_rng(seed)
    x, trials = rng.standard_normal(40), rng.integers(2, 15, 40)
    events = rng.binomial(trials, family(link).mean(0.1 + 0.6 * x))
    frame = pd.DataFrame({"x": x, "s": events, "f": trials - events})
    fit = gi.glm("cbind(s, f) ~ x", frame, link=link)
    assume(well_behaved(fit))
    data = Numbers(np.column_stack([np.ones(40), x]), events / trials, trials * 1.0, np.zeros(40), link)
    result = theirs(data, endog=frame[["s", "f"]].to_numpy())
    agree(fit, result)
    np.testing.assert_allclose(fit.loglik, result.llf, rtol=1e-10)
    np.testing.assert_allclose(fit.null_deviance, result.null_deviance, rtol=1e-8)


RESIDUALS = {
    "deviance": "resid_deviance",
    "pearson": "resid_pearson",
    "working": "resid_working",
    "response": "resid_response",
}


@pytest.mark.parametrize("link", LINKS[:4])
@pytest.mark.parametrize("kind", RESIDUALS)
def test_residuals(link: str, kind: str) -> None:
    data = numbers(31, 150, 4, link)
    np.testing.assert_allclose(
        ours(data).residuals(kind), getattr(theirs(data), RESIDUALS[kind]), rtol=1e-7, atol=1e-10
    )


@pytest.mark.parametrize("link", LINKS[:4])
def test_leverage_and_cooks_distance(link: str) -> None:
    data = numbers(32, 150, 4, link)
    influence = theirs(data).get_influence(observed=False)
    table = ours(data).augment()
    np.testing.assert_allclose(table[".hat"], influence.hat_matrix_diag, rtol=1e-7)
    np.testing.assert_allclose(table[".cooksd"], influence.cooks_distance[0], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("link", LINKS[:4])
def test_predictions_and_their_standard_errors(link: str) -> None:
    data = numbers(33, 150, 3, link)
    rng = np.random.default_rng(0)
    new = np.column_stack([np.ones(20), rng.standard_normal((20, 2))])
    offset = rng.standard_normal(20)
    result = theirs(data).get_prediction(new, offset=offset)
    frame = pd.DataFrame(new[:, 1:], columns=["x1", "x2"]).assign(o=offset)
    mine = ours(data).predict(frame, interval="confidence")
    np.testing.assert_allclose(mine.estimate, result.predicted_mean, rtol=1e-8)
    np.testing.assert_allclose(mine.std_error, result.se_mean, rtol=1e-7)
    on_link = ours(data).predict(frame, type="link", interval="confidence")
    np.testing.assert_allclose(on_link.estimate, result.linpred.predicted, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(on_link.std_error, result.linpred.se, rtol=1e-7)
    ends = result.conf_int(alpha=0.05)
    np.testing.assert_allclose(mine[["conf_low", "conf_high"]], ends, rtol=1e-7)


@few
@given(ordinary(("logit", "probit", "cloglog", "loglog"), least=80))
def test_crosscheck_is_this_comparison(data: Numbers) -> None:
    fit = ours(data, weights="w")
    assume(well_behaved(fit))
    table = fit.crosscheck()
    assert ((table.estimate - table.statsmodels).abs() <= 1e-8 * table.std_error).all()
    assert (table.std_error_difference < 1e-7).all()
    result = theirs(data, var_weights=data.weights)
    np.testing.assert_allclose(table.statsmodels, result.params, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table.std_error_statsmodels, result.bse, rtol=1e-7)


def test_logit_class_and_shipped_data() -> None:
    """The other class of statsmodels, on its own data: spector's grades and the affairs of fair."""
    spector = sm.datasets.spector.load_pandas().data
    result = sm.Logit.from_formula("GRADE ~ GPA + TUCE + PSI", spector).fit(disp=False, tol=1e-14)
    fit = gi.logit("GRADE ~ GPA + TUCE + PSI", spector)
    np.testing.assert_allclose(fit.coef, result.params, rtol=1e-9)
    np.testing.assert_allclose(fit.tidy().std_error, result.bse, rtol=1e-8)
    np.testing.assert_allclose([fit.loglik, fit.mcfadden], [result.llf, result.prsquared], rtol=1e-10)
