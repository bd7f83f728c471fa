"""Every frozen R case, quantity by quantity.

R's numbers come from ``glm.fit`` restarted at its own solution until the linear predictor stops moving, so both sides
are at the maximum and agree to 1e-10 unless ``LOOSER`` says why not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference_cases import NAMES, case, fitted

import glminfer as gi

TIGHT = 1e-10
SEPARATED = [name for name in NAMES if any("separated" in flag for flag in case(name)["flags"])]
FINITE = [name for name in NAMES if name not in SEPARATED]

# (case, quantity) or (case, "*") -> relative tolerance; the reason is said on the line
LOOSER = {
    # columns of size 1e8 and 1e-8, one shifted by 1e8: R's own direct fit is good to 1e-9 (exact_transform is compared
    # where it exists, at 1e-10)
    ("birthwt_scaled", "*"): 1e-8,
    ("birthwt_scaled", "coef"): TIGHT,
    ("birthwt_scaled", "std_error"): TIGHT,
    ("birthwt_scaled", "vcov"): TIGHT,
    ("birthwt_scaled", "deviance"): TIGHT,
    # nearly separated: fitted values within 1e-11 of 0 or 1, and R computes residuals from y - mu (the case's notes:
    # working 6e-7, pearson 3e-7, deviance 1e-5 relative); hat values carry mu(1 - mu)
    ("mtcars_am", "residuals deviance"): 2e-5,
    ("mtcars_am", "std_resid"): 2e-5,
    ("mtcars_am", "residuals pearson"): 1e-6,
    ("mtcars_am", "residuals working"): 1e-6,
    ("mtcars_am", "residuals response"): 1e-6,
    ("mtcars_am", "hat"): 1e-6,
    ("mtcars_am", "broom augment"): 2e-5,
    ("mtcars_am", "broom augment hat"): 1e-6,
}


def tolerance(name: str, quantity: str) -> float:
    return LOOSER.get((name, quantity), LOOSER.get((name, "*"), TIGHT))


def agree(mine: Any, theirs: Any, rtol: float, scale: Any = 0.0) -> None:
    """Equal NaN and infinities, and abs(mine - theirs) <= rtol * max(abs(theirs), scale) everywhere else."""
    a, b = np.asarray(mine, dtype=float), np.asarray(theirs, dtype=float)
    assert a.shape == b.shape
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    np.testing.assert_array_equal(a[np.isinf(b)], b[np.isinf(b)])
    finite = np.isfinite(b)
    bound = (rtol * np.maximum(np.abs(b), scale))[finite]
    worst = np.abs(a[finite] - b[finite]) / np.where(bound > 0, bound, 1e-300)
    assert worst.max(initial=0.0) <= 1.0, f"worst of {worst.size} numbers misses its bound {worst.max():.3g}-fold"


# coefficients ---------------------------------------------------------------------------------------------------------


def r_fit(name: str) -> dict[str, Any]:
    """R's fit; for the ill-scaled case the numbers transformed from well-scaled columns where there are any."""
    results = case(name)["results"]
    return {**results["fit"], **results.get("exact_transform", {})}


@functools.cache
def tidy(name: str) -> pd.DataFrame:
    return fitted(name).tidy().set_index("term")


def vector(name: str, column: str, key: str, rtol: float) -> None:
    theirs = pd.Series(r_fit(name)[key], dtype=float)
    assert set(theirs.index) == set(tidy(name).index)
    agree(tidy(name)[column][theirs.index], theirs, rtol)


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize(("column", "key"), [("estimate", "coef"), ("std_error", "se"), ("statistic", "z")])
def test_coefficients(name: str, column: str, key: str) -> None:
    vector(name, column, key, tolerance(name, {"estimate": "coef"}.get(column, column)))


@pytest.mark.parametrize("name", FINITE)
def test_p_values(name: str) -> None:
    """d log p = -z dz in the tail: a p-value is as good as its z, z² times over."""
    theirs = pd.Series(r_fit(name)["p"], dtype=float)
    z = tidy(name).statistic[theirs.index].abs().fillna(0.0)
    agree(tidy(name).p_value[theirs.index], theirs, tolerance(name, "p_value") * (1 + z.to_numpy() ** 2))


@pytest.mark.parametrize("name", FINITE)
def test_log10_p(name: str) -> None:
    theirs = np.log10(pd.Series(r_fit(name)["p"], dtype=float))
    agree(tidy(name).log10_p[theirs.index], theirs, 10 * tolerance(name, "p_value"), scale=1.0)


@pytest.mark.parametrize("name", FINITE)
def test_vcov(name: str) -> None:
    theirs = r_fit(name)["vcov"]
    se = np.sqrt(np.diagonal(theirs))
    mine = fitted(name).vcov()
    assert set(mine.index) == set(theirs.index)
    agree(mine.loc[theirs.index, theirs.columns], theirs, tolerance(name, "vcov"), scale=1e-3 * np.outer(se, se))


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("level", ["0.95", "0.90"])
def test_wald_intervals(name: str, level: str) -> None:
    theirs = case(name)["results"]["confint_wald"][level]
    mine = fitted(name).confint(level=float(level), method="wald").set_index("term").loc[theirs.index]
    width = (theirs.upper - theirs.lower).fillna(0.0).to_numpy()[:, None]  # an end near zero is a difference
    agree(mine[["conf_low", "conf_high"]], theirs[["lower", "upper"]], tolerance(name, "confint"), scale=width)


@pytest.mark.parametrize("name", NAMES)
def test_aliased(name: str) -> None:
    assert list(fitted(name).aliased) == list(case(name)["results"]["fit"]["aliased"])


def test_aliased_relations() -> None:
    texts = dict(fitted("birthwt_aliased").aliased)
    assert texts == {"age_plus_ptl": "age_plus_ptl = age + ptl", "two": "two = 2", "lwt_copy": "lwt_copy = lwt"}


# one number per fit ---------------------------------------------------------------------------------------------------

NON_INTEGER = "birthwt_weights"  # R rounds w·y in its log-likelihood there: loglik_kernel is the weighted likelihood
NUMBERS = {
    "deviance": "deviance",
    "null_deviance": "null_deviance",
    "loglik": "loglik",
    "aic": "aic",
    "bic": "bic",
    "df_resid": "df_residual",
    "df_null": "df_null",
    "nobs": "nobs",
    "rank": "rank",
}


def r_number(name: str, key: str) -> float:
    fit = r_fit(name)
    if name != NON_INTEGER or key not in ("loglik", "aic", "bic"):
        return fit[key]
    penalty = {"loglik": 0.0, "aic": 2.0, "bic": np.log(fit["nobs"])}[key]
    return fit["loglik_kernel"] if key == "loglik" else penalty * fit["rank"] - 2 * fit["loglik_kernel"]


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("mine", NUMBERS)
def test_numbers(name: str, mine: str) -> None:
    agree(getattr(fitted(name), mine), r_number(name, NUMBERS[mine]), tolerance(name, mine))


@pytest.mark.parametrize("name", FINITE)
def test_loglik_without_the_binomial_coefficient(name: str) -> None:
    fit = fitted(name)
    agree(fit.loglik - fit.count_constant, r_fit(name)["loglik_kernel"], tolerance(name, "loglik"))


@pytest.mark.parametrize("name", FINITE)
def test_converged(name: str) -> None:
    assert fitted(name).converged
    assert fitted(name).status == "converged"


def has(key: str) -> list[str]:
    return [name for name in FINITE if isinstance(case(name)["results"].get(key), dict)]


@pytest.mark.parametrize("name", has("r2"))
@pytest.mark.parametrize("measure", ["mcfadden", "tjur", "nagelkerke"])
def test_r2(name: str, measure: str) -> None:
    theirs = case(name)["results"]["r2"]["formula"][measure]
    agree(fitted(name).glance()[measure].item(), theirs, tolerance(name, "r2"))


@pytest.mark.parametrize("name", has("roc"))
def test_roc_auc(name: str) -> None:
    agree(fitted(name).score().auc.item(), case(name)["results"]["roc"]["auc"], TIGHT)


# one number per row ---------------------------------------------------------------------------------------------------

ROWWISE: dict[str, tuple[str, Callable[[gi.Fit], pd.Series]]] = {
    "fitted": ("fitted", lambda fit: fit.predict()),
    "linear predictor": ("linear_predictors", lambda fit: fit.predict(type="link")),
    "residuals deviance": ("resid_deviance", lambda fit: fit.residuals()),
    "residuals pearson": ("resid_pearson", lambda fit: fit.residuals("pearson")),
    "residuals working": ("resid_working", lambda fit: fit.residuals("working")),
    "residuals response": ("resid_response", lambda fit: fit.residuals("response")),
    "hat": ("hat", lambda fit: fit.augment()[".hat"]),
    "cooksd": ("cooks_distance", lambda fit: fit.augment()[".cooksd"]),
    "std_resid": ("rstandard_deviance", lambda fit: fit.augment()[".std_resid"]),
}


def rows_of(name: str, quantity: str) -> np.ndarray:
    values = ROWWISE[quantity][1](fitted(name))
    assert len(values) == len(case(name)["frame"])
    return values.to_numpy()[case(name)["rows_used"]]


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("quantity", ROWWISE)
def test_rows(name: str, quantity: str) -> None:
    mine, theirs = rows_of(name, quantity), case(name)["results"]["rowwise"][ROWWISE[quantity][0]]
    rtol = tolerance(name, quantity)
    if not isinstance(theirs, dict):
        agree(mine, theirs, rtol)
        return
    assert len(mine) == theirs["n"]
    agree(mine[:20], theirs["first20"], rtol)
    agree(mine.sum(), theirs["sum"], rtol, scale=np.abs(mine).sum())
    agree((mine**2).sum(), theirs["sumsq"], rtol)


# new rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("scale", ["link", "response"])
def test_predictions_of_new_rows(name: str, scale: str) -> None:
    theirs = case(name)["results"]["predict"][scale]
    mine = fitted(name).predict(case(name)["newdata"], type=scale, interval="confidence")
    agree(
        mine[["estimate", "std_error"]],
        theirs[["fit", "se"]],
        tolerance(name, "predict"),
        scale=theirs[["se"]].fillna(0.0).to_numpy(),
    )
    plain = fitted(name).predict(case(name)["newdata"], type=scale)
    np.testing.assert_array_equal(plain, mine.estimate)


@pytest.mark.parametrize("name", FINITE)
def test_prediction_intervals_are_mapped_from_the_link(name: str) -> None:
    link = fitted(name).predict(case(name)["newdata"], type="link", interval="confidence")
    response = fitted(name).predict(case(name)["newdata"], interval="confidence")
    theirs = case(name)["results"]["predict"]["link"]
    agree(
        link.conf_low, theirs.fit - 1.959963984540054 * theirs.se, tolerance(name, "predict"), scale=theirs.se.fillna(0)
    )
    for end in ("conf_low", "conf_high"):
        inside = response[end].dropna()
        assert inside.between(0, 1).all()
        np.testing.assert_allclose(fitted(name).family.mean(link[end].dropna().to_numpy()), inside, rtol=1e-14)


@pytest.mark.parametrize("name", [name for name in FINITE if case(name)["newdata"].isna().any(axis=None)])
def test_new_rows_with_missing_values_keep_their_place(name: str) -> None:
    missing = case(name)["newdata"].isna().any(axis=1)
    predicted = fitted(name).predict(case(name)["newdata"])
    pd.testing.assert_index_equal(predicted.index, case(name)["newdata"].index)
    np.testing.assert_array_equal(predicted.isna(), missing)


# broom ----------------------------------------------------------------------------------------------------------------

BROOM_TIDY = {"estimate": "estimate", "std.error": "std_error", "statistic": "statistic"}
BROOM_GLANCE = {
    "null.deviance": "null_deviance",
    "df.null": "df_null",
    "logLik": "loglik",
    "AIC": "aic",
    "BIC": "bic",
    "deviance": "deviance",
    "df.residual": "df_resid",
    "nobs": "nobs",
}
BROOM_AUGMENT = {
    ".fitted": ".fitted",
    ".resid": ".resid",
    ".std.resid": ".std_resid",
    ".hat": ".hat",
    ".cooksd": ".cooksd",
}


def broom(name: str, table: str) -> pd.DataFrame:
    return case(name)["results"]["broom"][table]


# beyond 1000 rows nothing is stored row by row
AUGMENTED = [name for name in FINITE if isinstance(case(name)["results"]["broom"].get("augment"), pd.DataFrame)]


@pytest.mark.parametrize("name", FINITE)
def test_broom_tidy(name: str) -> None:
    theirs = broom(name, "tidy")
    mine = tidy(name).loc[theirs.index]
    agree(mine[list(BROOM_TIDY.values())], theirs[list(BROOM_TIDY)], tolerance(name, "broom tidy"))


@pytest.mark.parametrize("name", [name for name in FINITE if case(name)["link"] == "logit"])
def test_broom_tidy_exponentiated(name: str) -> None:
    """d exp(b) = exp(b) db: an odds ratio is as good as b absolutely, so b's size enters the tolerance."""
    theirs = broom(name, "tidy_exponentiated")
    mine = fitted(name).tidy(exponentiate=True).set_index("term").loc[theirs.index]
    on_link = tidy(name).loc[theirs.index]
    rtol = tolerance(name, "broom tidy")
    size = 1 + on_link.estimate.abs() + 2 * on_link.std_error
    agree(mine.std_error, theirs["std.error"], rtol)
    agree(mine.estimate, theirs.estimate, rtol * size)
    np.testing.assert_array_equal(mine.p_value, on_link.p_value)
    wald = case(name)["results"]["confint_wald"]["0.95"].loc[theirs.index]  # broom's interval is the profile one
    with np.errstate(over="ignore"):
        agree(mine[["conf_low", "conf_high"]], np.exp(wald), rtol * np.column_stack([size, size]))


@pytest.mark.parametrize("name", FINITE)
def test_broom_glance(name: str) -> None:
    theirs, mine = broom(name, "glance").iloc[0], fitted(name).glance().iloc[0]
    for key, column in BROOM_GLANCE.items():
        rounded = name == NON_INTEGER and key in ("logLik", "AIC", "BIC")
        expected = r_number(name, column) if rounded else theirs[key]
        agree(mine[column], expected, tolerance(name, "broom glance"))


@pytest.mark.parametrize("name", AUGMENTED)
@pytest.mark.parametrize("column", BROOM_AUGMENT)
def test_broom_augment(name: str, column: str) -> None:
    theirs = broom(name, "augment")[column]
    mine = fitted(name).augment()[BROOM_AUGMENT[column]].iloc[: len(theirs)]
    quantity = "broom augment hat" if column == ".hat" else "broom augment"
    agree(mine, theirs, tolerance(name, quantity))


# separated cases: R stops somewhere on the way to infinity; the limits are known exactly ------------------------------


def limit(name: str) -> dict[str, Any]:
    return case(name)["results"]["separation"]


@pytest.mark.parametrize("name", SEPARATED)
def test_limit_of_the_coefficients(name: str) -> None:
    theirs = pd.Series(limit(name)["coef_limit"], dtype=float)
    agree(fitted(name).coef[theirs.index], theirs, TIGHT)
    table = tidy(name)
    lost = ~np.isfinite(table.estimate)
    assert (table.status[lost] == "separated").all()
    assert (table.status[~lost] == "converged").all()
    columns = ["std_error", "statistic", "p_value", "conf_low", "conf_high", "log10_p"]
    assert table.loc[lost, columns].isna().all(axis=None)


@pytest.mark.parametrize("name", [name for name in SEPARATED if "se_limit" in limit(name)])
def test_limit_of_the_standard_errors(name: str) -> None:
    theirs = pd.Series(limit(name)["se_limit"], dtype=float)
    agree(tidy(name).std_error[theirs.index], theirs.replace(np.inf, np.nan), TIGHT)  # no Wald statement: NaN here


@pytest.mark.parametrize("name", SEPARATED)
def test_limit_of_the_likelihood(name: str) -> None:
    """A deviance of zero is zero to rounding; degrees of freedom are those of a finite fit."""
    fit, r = fitted(name), case(name)["results"]["fit"]
    agree(fit.deviance, limit(name)["deviance_limit"], TIGHT, scale=1e-4)
    agree(fit.loglik, -limit(name)["deviance_limit"] / 2, TIGHT, scale=1e-4)
    agree(fit.aic, 2 * r["rank"] + limit(name)["deviance_limit"], TIGHT)
    agree(fit.bic, np.log(r["nobs"]) * r["rank"] + limit(name)["deviance_limit"], TIGHT)
    agree(fit.null_deviance, r["null_deviance"], TIGHT)
    assert (fit.nobs, fit.rank, fit.df_resid, fit.df_null) == (r["nobs"], r["rank"], r["df_residual"], r["df_null"])
    assert fit.status == "separated"
    assert not fit.converged


@pytest.mark.parametrize("name", SEPARATED)
def test_limit_of_the_fitted_values(name: str) -> None:
    fit, y = fitted(name), case(name)["results"]["rowwise"]["y"]
    known = limit(name)
    rows = np.arange(len(y)) if known["kind"] == "complete" else np.asarray(known["separated_rows"], dtype=int)
    assert sorted(np.flatnonzero(fit.separated_rows)) == sorted(rows)
    np.testing.assert_array_equal(fit.predict().to_numpy()[rows], y[rows])
    for kind in ("deviance", "pearson", "response"):
        np.testing.assert_array_equal(fit.residuals(kind).to_numpy()[rows], 0.0)


@pytest.mark.parametrize("name", SEPARATED)
@pytest.mark.parametrize("quantity", ROWWISE)
def test_rows_that_are_not_separated(name: str, quantity: str) -> None:
    """R stopped within 1e-10 of the limit, which the other rows feel to that order."""
    rest = ~fitted(name).separated_rows
    mine, theirs = rows_of(name, quantity), np.asarray(case(name)["results"]["rowwise"][ROWWISE[quantity][0]])
    agree(mine[rest], theirs[rest], 1e-8)


def test_predictions_of_a_separated_fit() -> None:
    """Rows off the direction of recession are predicted as in R, rows on it with certainty."""
    theirs = case("endometrial")["results"]["predict"]["link"]
    mine = fitted("endometrial").predict(case("endometrial")["newdata"], type="link", interval="confidence")
    agree(mine.iloc[0][["estimate", "std_error"]], theirs.iloc[0], 1e-9)
    assert mine.estimate.iloc[1] == np.inf
    assert mine.iloc[2].isna().all()
