"""Profile-likelihood and score intervals, and profile curves."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from plain_glm import plain, score_statistic
from reference_cases import NAMES, case, fitted
from scipy import stats
from scipy.optimize import brentq

import glminfer as gi

LINKS = ["logit", "probit", "cloglog", "loglog", "cauchit"]
SEPARATED = [name for name in NAMES if any("separated" in flag for flag in case(name)["flags"])]
CUT = stats.chi2.ppf(0.95, 1)


def simulated(n: int = 250, seed: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(["a", "b", "c"], n)})
    frame["w"], frame["o"], frame["m"] = rng.integers(0, 4, n), 0.4 * rng.normal(size=n), rng.integers(1, 7, n)
    p = 1 / (1 + np.exp(-(-0.4 + 0.8 * frame.x + 0.5 * (frame.g == "b"))))
    frame["y"], frame["s"] = (rng.uniform(size=n) < p).astype(int), rng.binomial(frame.m, p)
    return frame


@pytest.fixture(scope="module")
def frame():
    return simulated()


@pytest.fixture(scope="module")
def fit(frame):
    return gi.logit("y ~ x + z + g", frame)


def ends(fit: gi.Fit, **options: object) -> pd.DataFrame:
    return fit.confint(**options).set_index("term")[["conf_low", "conf_high"]]


# exact limits from R -------------------------------------------------------------------------------------------------


def exact(name: str, level: str) -> pd.DataFrame:
    results = case(name)["results"]
    return results.get("separation", results)["confint_profile_exact"][level]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", ["0.95", "0.90"])
def test_exact_limits(name, level):
    theirs = exact(name, level)
    mine = ends(fitted(name), level=float(level))
    assert mine.drop(index=theirs.index).isna().all(axis=None)  # aliased
    mine = mine.loc[theirs.index].to_numpy()
    theirs = theirs.to_numpy()
    infinite = np.isinf(theirs)
    np.testing.assert_array_equal(mine[infinite], theirs[infinite])
    width = (theirs[:, 1] - theirs[:, 0])[:, None].repeat(2, axis=1)
    finite = np.isfinite(width)
    assert (np.abs(mine[finite] - theirs[finite]) / width[finite]).max(initial=0.0) < 1e-9
    single = np.isfinite(theirs) & ~finite  # the one end of a coefficient that is infinite
    np.testing.assert_allclose(mine[single], theirs[single], rtol=1e-9)


def test_which_cases_have_limits():
    assert len(NAMES) == 25
    assert SEPARATED == ["endometrial", "iris_separated"]
    aliased = ends(fitted("birthwt_aliased"))
    assert aliased.index[aliased.conf_low.isna()].tolist() == ["age_plus_ptl", "two", "lwt_copy"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in [*SEPARATED, "mtcars_am"]])
def test_spline_limits_of_mass_are_near(name):
    """MASS interpolates the profile by splines, to about 1e-3 of the width."""
    theirs = case(name)["results"]["confint_profile"]["0.95"].dropna()
    mine = ends(fitted(name)).loc[theirs.index].to_numpy()
    width = (theirs.upper - theirs.lower).to_numpy()[:, None]
    assert (np.abs(mine - theirs.to_numpy()) / width).max() < 5e-3


def test_separated_ends_are_infinite():
    table = ends(fitted("endometrial"))
    assert table.loc["NV"].tolist() == [pytest.approx(1.2841117901852366, rel=1e-10), np.inf]
    table = ends(fitted("iris_separated"))
    assert table.loc["Petal_Width"].tolist() == [-np.inf, pytest.approx(-5.816326341314636, rel=1e-9)]
    assert table.loc[["Intercept", "Sepal_Length"]].to_numpy().tolist() == [[-np.inf, np.inf]] * 2


def test_budworm():
    data = {
        "sex": np.repeat(["M", "F"], 6),
        "ldose": np.tile(np.arange(6), 2),
        "dead": [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16],
    }
    fit = gi.logit("cbind(dead, 20 - dead) ~ sex + ldose - 1", data)
    order = ["sex[F]", "sex[M]", "ldose"]
    profile = ends(fit).loc[order].to_numpy()
    published = [[-4.4581, -2.6136], [-3.1729, -1.6551], [0.8229, 1.3391]]
    np.testing.assert_allclose(profile, published, rtol=0, atol=1e-4)  # four digits of a spline through the profile
    wald = ends(fit, method="wald").loc[order].round(4).to_numpy().tolist()
    assert wald == [[-4.3914, -2.5549], [-3.1280, -1.6168], [0.8073, 1.3211]]


# what an end is ------------------------------------------------------------------------------------------------------

DATA = {
    "trials": ("y", {}),
    "weights and offset": ("y", {"weights": "w", "offset": "o"}),
    "grouped": ("cbind(s, m - s)", {}),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", DATA)
def test_ends_have_the_right_deviance(frame, link, kind):
    """With the coefficient held there, by an offset, the deviance is higher by the quantile of chi-square."""
    left, options = DATA[kind]
    fit = gi.glm(f"{left} ~ x + z", frame, link=link, **options)
    already = frame.o if "offset" in options else 0.0 * frame.o
    for level in (0.95, 0.8):
        table = ends(fit, level=level)
        for name, rest, column in (("Intercept", "x + z - 1", 1.0), ("x", "z", frame.x), ("z", "x", frame.z)):
            for value in table.loc[name]:
                held = gi.glm(
                    f"{left} ~ {rest}",
                    frame,
                    link=link,
                    weights=options.get("weights"),
                    offset=already + value * column,
                )
                assert held.deviance - fit.deviance == pytest.approx(stats.chi2.ppf(level, 1), rel=1e-7)
        assert (table.conf_low < fit.coef).all()
        assert (fit.coef < table.conf_high).all()


def test_proportions_with_trials_have_the_limits_of_counts(frame):
    counts = gi.logit("cbind(s, m - s) ~ x + g", frame)
    proportion = gi.logit("p ~ x + g", frame.assign(p=frame.s / frame.m), trials="m")
    rows = pd.concat([frame.assign(y=1, n=frame.s), frame.assign(y=0, n=frame.m - frame.s)])
    weighted = gi.logit("y ~ x + g", rows, weights="n")
    for method in ("profile", "score"):
        for other in (proportion, weighted):
            np.testing.assert_allclose(ends(other, method=method), ends(counts, method=method), rtol=1e-8)


def test_levels_nest(fit):
    tables = [ends(fit, level=level) for level in (0.5, 0.9, 0.99, 0.9999)]
    for inner, outer in itertools.pairwise(tables):
        assert (outer.conf_low < inner.conf_low).all()
        assert (inner.conf_high < outer.conf_high).all()


def test_in_one_normal_like_dimension_the_methods_agree():
    """For a binomial proportion: profile by hand, and the score interval is Wilson's."""
    n, s = 40, 11
    data = {"s": [s], "f": [n - s], "one": [1.0]}
    fit = gi.glm("cbind(s, f) ~ 1", data)
    low, high = ends(fit, method="score").iloc[0]
    z = np.sqrt(CUT)
    centre, half = (s + z * z / 2) / (n + z * z), z / (n + z * z) * np.sqrt(s * (n - s) / n + z * z / 4)
    assert stats.logistic.cdf([low, high]) == pytest.approx([centre - half, centre + half], rel=1e-9)

    def lost(p: float) -> float:
        return 2 * (s * np.log(s / n / p) + (n - s) * np.log((n - s) / n / (1 - p))) - CUT

    low, high = ends(fit).iloc[0]
    expected = [brentq(lost, 0.01, s / n, xtol=1e-14), brentq(lost, s / n, 0.99, xtol=1e-14)]
    assert stats.logistic.cdf([low, high]) == pytest.approx(expected, rel=1e-8)


# score intervals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", DATA)
def test_score_ends_are_where_the_score_test_rejects(frame, link, kind):
    left, options = DATA[kind]
    fit = gi.glm(f"{left} ~ x + z", frame, link=link, **options)
    table = ends(fit, method="score")
    y, w = (frame.y, frame.w if "weights" in options else 1.0) if left == "y" else (frame.s / frame.m, frame.m)
    offset = frame.o if "offset" in options else 0.0
    X = np.column_stack([np.ones(len(frame)), frame[["x", "z"]]])
    for j in range(3):
        for value in table.iloc[j]:
            held = plain(np.delete(X, j, axis=1), y, link, w * np.ones(len(frame)), offset + value * X[:, j])
            assert score_statistic(held, X[:, [j]]) == pytest.approx(CUT, rel=1e-7)


def test_score_ends_through_score_tests_of_the_package(fit, frame):
    for level in (0.95, 0.6):
        for value in ends(fit, method="score", level=level).loc["x"]:
            held = gi.logit("y ~ z + g", frame, offset=value * frame.x)
            assert held.score_test("x").statistic[0] == pytest.approx(stats.chi2.ppf(level, 1), rel=1e-8)


# separation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_one_sided_intervals_of_separated_levels(frame, link):
    """The finite end: the deviance there, by a refit, exceeds that of the limit by the quantile."""
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y), c=(frame.g == "c").astype(float))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.glm("y ~ x + g", changed, link=link)
    table = ends(fit)
    assert table.conf_high["g[T.c]"] == np.inf
    held = gi.glm("y ~ x + I(g == 'b')", changed, link=link, offset=table.conf_low["g[T.c]"] * changed.c)
    assert held.deviance - fit.deviance == pytest.approx(CUT, rel=1e-6)  # a scalar search in steps of 1e-9
    rest = gi.glm("y ~ x + g", changed[changed.g != "c"], link=link)
    np.testing.assert_allclose(table.iloc[:3], ends(rest), rtol=1e-7)
    score, expected = ends(fit, method="score"), ends(rest, method="score")
    np.testing.assert_allclose(score.iloc[:3], expected, rtol=1e-7)
    assert score.conf_high["g[T.c]"] == np.inf
    held = gi.glm("y ~ x + I(g == 'b')", changed, link=link, offset=score.conf_low["g[T.c]"] * changed.c)
    assert held.score_test("c").statistic[0] == pytest.approx(CUT, rel=1e-7)
    wald = ends(fit, method="wald")
    assert wald.loc["g[T.c]"].isna().all()


@pytest.mark.parametrize("method", ["profile", "score"])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_complete_separation_has_ends_that_the_tests_just_do_not_reject(method, link):
    """Found by a root search of its own over fits with the slope in the offset."""
    for scale in (1.0, 1e-6, 1e6):
        data = pd.DataFrame({"x": scale * np.arange(1.0, 13), "y": np.repeat([0, 1], 6)})
        with pytest.warns(gi.SeparationWarning):
            fit = gi.glm("y ~ x", data, link=link)
        low, high = ends(fit, method=method).loc["x"]
        assert high == np.inf

        def excess(b, data=data):
            held = gi.glm("y ~ 1", data, link=link, offset=b * data.x)
            return (held.deviance if method == "profile" else held.score_test("x").statistic[0]) - CUT

        assert low == pytest.approx(brentq(excess, 0.001 / scale, 3 / scale, xtol=1e-14 / scale), rel=1e-7)
        intercept = ends(fit, method=method).loc["Intercept"]
        assert intercept.conf_low == -np.inf
        assert np.isfinite(intercept.conf_high)


@pytest.mark.parametrize("seed", range(30))
def test_intervals_of_separated_fits_of_any_kind(seed):
    """Two to three columns of any scale: an end or none, in the place of the estimate, and never an error."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(6, 40)), int(rng.integers(1, 4))
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-3, 4, size=p)
    eta = X @ rng.normal(size=p)
    data = pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]).assign(y=(eta > np.median(eta)).astype(int))
    link = str(rng.choice(["logit", "probit", "cloglog"]))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.glm(f"y ~ {' + '.join(data.columns[:p])}", data, link=link)
    for method in ("profile", "score"):
        table = ends(fit, method=method)
        assert table.notna().all(axis=None)
        estimate = fit.coef[np.isinf(fit.coef)]
        assert (table.conf_high[estimate.index][estimate > 0] == np.inf).all()
        assert (table.conf_low[estimate.index][estimate < 0] == -np.inf).all()
        assert np.isfinite(table.loc[estimate.index]).sum(axis=None) == len(estimate)


def test_infinite_downwards(frame):
    changed = frame.assign(y=np.where(frame.g == "c", 0, frame.y))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ g", changed)
    low, high = ends(fit).loc["g[T.c]"]
    assert low == -np.inf
    n, base = (changed.g == "c").sum(), changed[changed.g == "a"].y
    # two proportions: with the log-odds ratio held at `high`, the rows of a and c lose CUT together
    pair = pd.DataFrame({"s": [base.sum(), 0], "f": [(1 - base).sum(), n], "o": [0.0, high]})
    held = gi.logit("cbind(s, f) ~ 1", pair, offset="o")
    own = gi.logit("cbind(s, f) ~ 1", pair.iloc[:1])
    assert 2 * ((own.loglik - own.count_constant) - (held.loglik - held.count_constant)) == pytest.approx(CUT, rel=1e-6)


def test_complete_separation_has_one_finite_end():
    data = {"y": [0] * 4 + [1] * 4, "x": [0] * 4 + [1] * 4}
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x", data)
    table = ends(fit)
    # the intercept alone: 8 log(1 + e^b) = CUT loses what the interval may
    assert table.loc["Intercept"].tolist() == [-np.inf, pytest.approx(np.log(np.expm1(CUT / 8)), rel=1e-7)]
    # the difference of two log-odds, halved either side: 16 log(1 + e^(-d/2)) = CUT
    assert table.loc["x"].tolist() == [pytest.approx(-2 * np.log(np.expm1(CUT / 16)), rel=1e-7), np.inf]


# tables --------------------------------------------------------------------------------------------------------------


def test_confint_is_the_profile_by_default_and_tidy_wald(fit):
    pd.testing.assert_frame_equal(fit.confint(), fit.confint(0.95, "profile"))
    assert fit.confint().columns.tolist() == ["term", "conf_low", "conf_high"]
    tidy = fit.tidy(conf_method="profile")
    np.testing.assert_array_equal(tidy[["conf_low", "conf_high"]], fit.confint()[["conf_low", "conf_high"]])
    score = fit.tidy(conf_method="score", level=0.9)
    expected = fit.confint(0.9, "score")
    np.testing.assert_array_equal(score[["conf_low", "conf_high"]], expected[["conf_low", "conf_high"]])
    wald = fit.tidy()
    np.testing.assert_array_equal(wald[["conf_low", "conf_high"]], ends(fit, method="wald"))
    same = ["term", "estimate", "std_error", "statistic", "p_value", "df", "log10_p", "status"]
    pd.testing.assert_frame_equal(tidy[same], wald[same])


def test_odds_ratios(fit, frame):
    for method in ("profile", "score", "wald"):
        ratios = fit.tidy(conf_method=method, exponentiate=True).set_index("term")
        expected = ends(fit, method=method)
        np.testing.assert_allclose(ratios[["conf_low", "conf_high"]], np.exp(expected), rtol=1e-14)
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        separated = gi.logit("y ~ x + g", changed)
    row = separated.tidy(conf_method="profile", exponentiate=True).set_index("term").loc["g[T.c]"]
    assert (row.estimate, row.conf_high) == (np.inf, np.inf)
    assert row.conf_low == pytest.approx(np.exp(ends(separated).conf_low["g[T.c]"]), rel=1e-12)
    with pytest.raises(gi.InputError, match="exponentiate=True gives odds ratios, which belong to the logit link"):
        gi.glm("y ~ x", frame, link="probit").tidy(conf_method="profile", exponentiate=True)


def test_terms_choose_rows(fit):
    everything = fit.confint()
    assert fit.confint(terms=["g"]).term.tolist() == ["g[T.b]", "g[T.c]"]
    assert fit.confint(terms=["z", "g[T.c]", "Intercept"]).term.tolist() == ["z", "g[T.c]", "Intercept"]
    for method in ("profile", "score", "wald"):
        some = fit.confint(terms=["g", "x"], method=method).set_index("term")
        np.testing.assert_allclose(some, ends(fit, method=method).loc[some.index], rtol=1e-9)
    pd.testing.assert_frame_equal(fit.confint(terms="z"), everything[everything.term == "z"].reset_index(drop=True))
    with pytest.raises(gi.InputError, match=r"coefficient 'zz' is not known. Did you mean 'z'"):
        fit.confint(terms=["zz"])


def test_other_covariances_are_refused(fit, frame):
    text = "comes from the likelihood, which has no robust form; with cov=, cluster= or dof= use method='wald'."
    for options in ({"cov": "HC1"}, {"cluster": "g"}, {"dof": 12}):
        for method in ("profile", "score"):
            with pytest.raises(gi.InputError) as caught:
                fit.confint(method=method, **options)
            assert str(caught.value) == f"method={method!r} {text}"
        with pytest.raises(gi.InputError, match="comes from the likelihood, which has no robust form"):
            fit.tidy(conf_method="profile", **options)
        assert np.isfinite(ends(fit, method="wald", **options).to_numpy()).all()


def test_refusals(fit, frame):
    with pytest.raises(gi.InputError, match=r"method 'exact' is not known\. Choose one of: profile, score, wald"):
        fit.confint(method="exact")
    for level in (0, 1, 95, -0.5):
        with pytest.raises(gi.InputError, match=r"is not a confidence level: it must lie strictly between 0 and 1"):
            fit.confint(level=level)
        with pytest.raises(gi.InputError, match=r"is not a confidence level"):
            fit.tidy(conf_method="profile", level=level)
    firth = gi.logit("y ~ x", frame, penalty=gi.Firth())
    with pytest.raises(
        gi.InputError, match=r"confint\(method='score'\) compares maxima of the likelihood, and this fit"
    ):
        firth.tidy(conf_method="score")
    assert np.isfinite(ends(firth, method="wald").to_numpy()).all()


def test_aliased_coefficients_have_no_interval(frame):
    fit = gi.logit("y ~ x + twice + z", frame.assign(twice=2 * frame.x))
    for method in ("profile", "score", "wald"):
        table = ends(fit, method=method)
        assert table.loc["twice"].isna().all()
        expected = ends(gi.logit("y ~ x + z", frame), method=method)
        np.testing.assert_allclose(table.drop(index="twice"), expected, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_a_column(frame, scale):
    expected = ends(gi.logit("y ~ x + z + g", frame))
    found = ends(gi.logit("y ~ x + z + g", frame.assign(x=scale * frame.x)))
    found.loc["x"] *= scale
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_single_coefficient():
    fit = gi.logit("y ~ x - 1", {"y": [0, 1, 0, 1, 1, 0, 1, 1], "x": [-1, 2, 0.5, 1, -0.3, -2, 1, 3]})
    for method in ("profile", "score"):
        table = ends(fit, method=method)
        assert table.conf_low["x"] < fit.coef["x"] < table.conf_high["x"]


# profile curves ------------------------------------------------------------------------------------------------------


def test_curve(fit, frame):
    curve = fit.profile("x")
    assert curve.columns.tolist() == ["value", "zeta", "deviance"]
    assert len(curve) == 21
    assert curve.value.is_monotonic_increasing
    assert (np.diff(curve.zeta) > 0).all()
    middle = curve.iloc[10]
    assert (middle.value, middle.zeta, middle.deviance) == pytest.approx((fit.coef["x"], 0, fit.deviance), rel=1e-9)
    np.testing.assert_allclose(curve.deviance - fit.deviance, curve.zeta**2, rtol=1e-9, atol=1e-12)
    edge = stats.norm.ppf(0.9995)
    assert curve.zeta.iloc[[0, -1]].tolist() == pytest.approx([-edge, edge], rel=1e-8)
    np.testing.assert_allclose(curve.value.iloc[[0, -1]], ends(fit, level=0.999).loc["x"], rtol=1e-9)
    for row in curve.iloc[::4].itertuples():
        held = gi.logit("y ~ z + g", frame, offset=row.value * frame.x)
        assert row.deviance == pytest.approx(held.deviance, rel=1e-10)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("kind", DATA)
def test_curves_rise_for_every_link(frame, link, kind):
    left, options = DATA[kind]
    fit = gi.glm(f"{left} ~ x + z", frame, link=link, **options)
    for name in fit.columns:
        curve = fit.profile(name)
        assert (np.diff(curve.zeta) > 0).all()
        assert (np.sign(curve.zeta) == np.sign(np.arange(21) - 10)).all()


def test_curves_of_linear_combinations(fit, frame):
    recoded = frame.assign(both=frame.x + frame.z)  # b_x x + b_z z = b_x (x + z) + (b_z - b_x) z
    expected = gi.logit("y ~ both + z + g", recoded).profile("z")
    np.testing.assert_allclose(fit.profile("z - x"), expected, rtol=1e-7, atol=1e-7)
    doubled = fit.profile("2*z - 2*x")
    np.testing.assert_allclose(doubled.value, 2 * expected.value, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(doubled.zeta, expected.zeta, rtol=1e-7, atol=1e-7)
    levels = gi.logit("y ~ x + z + C(g, Treatment('b'))", frame).profile("C(g, Treatment('b'))[T.c]")
    np.testing.assert_allclose(fit.profile("g[T.c] - g[T.b]"), levels, rtol=1e-7, atol=1e-7)


def test_a_constant_in_the_combination_shifts_the_values(fit):
    shifted, plain_curve = fit.profile("x + 1"), fit.profile("x")
    np.testing.assert_allclose(shifted.value, plain_curve.value + 1, rtol=1e-9)
    np.testing.assert_allclose(shifted.zeta, plain_curve.zeta, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_profiled(fit, frame):
    with pytest.raises(gi.InputError, match="'g' stands for 2 combinations; profile one, such as 'g"):
        fit.profile("g")
    with pytest.raises(gi.InputError, match="zz"):
        fit.profile("zz")
    aliased = gi.logit("y ~ x + twice", frame.assign(twice=2 * frame.x))
    with pytest.raises(
        gi.InputError, match=r"'twice' is about a coefficient without an estimate of its own: twice is al"
    ):
        aliased.profile("twice")
    changed = frame.assign(y=np.where(frame.g == "c", 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        separated = gi.logit("y ~ x + g", changed)
    with pytest.raises(gi.InputError, match=r"'g\[T.c\]' has no finite estimate"):
        separated.profile("g[T.c]")
    rest = gi.logit("y ~ x + g", changed[changed.g != "c"])
    np.testing.assert_allclose(separated.profile("x"), rest.profile("x"), rtol=1e-7, atol=1e-7)


# hard data -----------------------------------------------------------------------------------------------------------


def heavy_tailed(seed: int) -> pd.DataFrame:
    """Few rows, columns with heavy tails, strong effects: often separated or nearly so."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(8, 60)), int(rng.integers(1, 4))
    X = rng.standard_t(3, size=(n, p))
    data = pd.DataFrame({f"x{k}": X[:, k] for k in range(p)})
    if rng.random() < 0.5:
        data["x0"] = (data.x0 > 0.5).astype(float)
    effects, uniform = rng.normal(0, 1.5, p), rng.random(n)
    return data.assign(y=(uniform < 1 / (1 + np.exp(-X @ effects - rng.normal(0, 1)))).astype(int))


def formula(names: list[str], constant: bool) -> str:
    return "y ~ " + " + ".join([*names, "1" if constant else "0"])


@pytest.mark.parametrize(
    ("seed", "link", "name"), [(369, "logit", "Intercept"), (369, "logit", "x2"), (296, "logit", "x0")]
)
def test_nearly_separated_data(seed, link, name):
    """Wald ends overshoot so far there that Newton finds no maximum; the search must come back from them."""
    data = heavy_tailed(seed)
    names = [column for column in data if column != "y"]
    fit = gi.glm(formula(names, True), data, link=link)
    low, high = ends(fit).loc[name]
    assert low < fit.coef[name] < high
    column = data[name] if name in data else pd.Series(1.0, data.index)
    for end in (low, high):
        held = gi.glm(formula([n for n in names if n != name], name in data), data, link=link, offset=end * column)
        assert held.deviance - fit.deviance == pytest.approx(CUT, rel=1e-7)
    score = ends(fit, method="score")
    assert (score.conf_low < fit.coef).all()
    assert (fit.coef < score.conf_high).all()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_several_directions_of_separation(link):
    """56 rows that three columns separate completely; the log-log likelihood overflows off the right direction."""
    data = heavy_tailed(15)
    with pytest.warns(gi.SeparationWarning):
        fit = gi.glm("y ~ x0 + x1 + x2", data, link=link)
    table = ends(fit)
    assert fit.loglik == 0
    for name, (low, high) in table.iterrows():
        finite = low if fit.coef[name] > 0 else high
        assert (high if fit.coef[name] > 0 else low) == fit.coef[name]
        rest = [n for n in ("x0", "x1", "x2") if n != name]
        column = data[name] if name in data else pd.Series(1.0, data.index)
        held = gi.glm(formula(rest, name in data), data, link=link, offset=finite * column)
        assert held.deviance == pytest.approx(CUT, rel=1e-6)  # the end is found to 1e-9, the deviance is steep there


def test_every_end_of_many_small_fits():
    """The deviance at each finite end, by refits; ends of finite coefficients are finite."""
    checked = 0
    for seed in range(500, 540):
        data = heavy_tailed(seed)
        names = [column for column in data if column != "y"]
        if data.y.nunique() < 2 or len(data) < 12:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gi.SeparationWarning)
            fit = gi.logit(formula(names, True), data)
            table = ends(fit)
            for name in names:
                for end in table.loc[name]:
                    assert not np.isnan(end)
                    if np.isinf(end):
                        assert not np.isfinite(fit.coef[name])
                        continue
                    held = gi.logit(formula([n for n in names if n != name], True), data, offset=end * data[name])
                    assert held.deviance - fit.deviance == pytest.approx(CUT, rel=1e-6)
                    checked += 1
    assert checked > 80


def test_an_end_that_is_not_found_is_said(monkeypatch):
    from glminfer.inference import one_sided

    data = pd.DataFrame({"x": np.arange(1.0, 13), "y": np.repeat([0, 1], 6)})
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x", data)
    assert fit.confint().attrs["notes"] == ()
    real = one_sided.alone

    def lost(*arguments):
        return replace(real(*arguments), status=gi.errors.Status.LIMIT, loglik=-1e3)

    monkeypatch.setattr(one_sided, "alone", lost)
    for method in ("profile", "score"):
        table = fit.confint(method=method)
        assert np.isnan(table.conf_low[1])
        assert table.conf_high[1] == np.inf
        assert table.attrs["notes"][0].startswith(f"no {method} interval of Intercept, x: the maximum with it held")
