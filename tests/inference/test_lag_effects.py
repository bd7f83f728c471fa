"""Coefficients of histories and lags as a curve over lags."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.data.raised_cosines import past_bumps

HISTORY = "history(n000, 4, by=session, last=10, offset=2)"
LAGS = "lag(feedback, [1, 3], by=session)"


@pytest.fixture(scope="module")
def fit():
    trials = gi.datasets.simulate_session(n_trials=500, n_neurons=1, seed=2)
    return gi.logit(f"choice ~ contrast_left + {HISTORY} + {LAGS} + lag(choice) + lag(feedback):trial", trials)


def test_the_curve_is_the_basis_times_the_coefficients(fit):
    table = fit.lag_effects(HISTORY)
    assert table.columns.tolist() == [
        "lag", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "df"
    ]  # fmt: skip
    names = [f"{HISTORY}[{j}]" for j in range(4)]
    basis = past_bumps(4, 10, 2)
    np.testing.assert_allclose(table.estimate, basis @ fit.coef[names], rtol=1e-12)
    V = fit.vcov().loc[names, names]
    np.testing.assert_allclose(table.std_error, np.sqrt(np.diag(basis @ V @ basis.T)), rtol=1e-10)
    assert table.lag.tolist() == list(range(1, 11))
    assert "Covariance: model" in repr(table)


def test_it_is_what_an_impulse_does(fit):
    """The same curve from predictions: one spike, and what it does to the rows that follow."""
    quiet = pd.DataFrame({"n000": 0, "feedback": 1, "contrast_left": 0.0, "choice": "left", "session": "s"}, range(30))
    quiet["trial"] = 1
    spike = quiet.assign(n000=np.where(quiet.index == 14, 1, 0))
    change = fit.predict(spike, type="link") - fit.predict(quiet, type="link")
    np.testing.assert_allclose(change[15:25], fit.lag_effects(HISTORY).estimate, atol=1e-12)
    np.testing.assert_allclose(change[25:], 0, atol=1e-12)


def test_lags_are_their_own_curve_with_any_covariance(fit):
    table = fit.lag_effects(LAGS, cov="HC1", level=0.9)
    rows = fit.tidy(cov="HC1", level=0.9).set_index("term").loc[[f"{LAGS}[0]", f"{LAGS}[1]"]]
    assert table.lag.tolist() == [1, 3]
    for name in ("estimate", "std_error", "p_value", "conf_low", "conf_high"):
        np.testing.assert_allclose(table[name], rows[name], rtol=1e-12)
    assert fit.lag_effects(LAGS, cluster="session").df.tolist() == [2, 2]


@pytest.mark.parametrize("term", ["contrast_left", "lag(choice)", "lag(feedback):trial", f"{LAGS} + {HISTORY}"])
def test_other_terms_are_refused(fit, term):
    with pytest.raises(gi.InputError) as error:
        fit.lag_effects(term)
    assert str(error.value) == (
        f"{term!r} is not one call of history() or lag() on numbers; this fit has {HISTORY}, {LAGS}, lag(choice), "
        "lag(feedback):trial. The coefficients of other terms are in fit.tidy()."
    )
