"""What a printed summary states, as text and as HTML."""

import html
import re

import numpy as np
import pandas as pd
import pytest

import glminfer as gi


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(23)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=400),
            "z": rng.normal(size=400),
            "g": rng.choice(["a", "b", "c"], 400),
            "k": rng.integers(1, 4, 400),
            "w": rng.integers(0, 3, 400),
        }
    )
    frame["choice"] = np.where(rng.uniform(size=400) < 1 / (1 + np.exp(-frame.x)), "right", "left")
    return frame


def budworm():
    return pd.DataFrame(
        {
            "ldose": [*range(6), *range(6)],
            "sex": ["M"] * 6 + ["F"] * 6,
            "dead": [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16],
            "n": 20,
        }
    )


def ordinary(trials):
    return gi.logit("choice ~ x + g + C(k)", trials)


def grouped(_):
    return gi.logit("cbind(dead, n - dead) ~ sex * ldose", budworm())


def missing(trials):
    frame = trials.assign(z=trials.z.where(trials.index >= 100), x=trials.x.where(trials.index != 200))
    return gi.logit("choice ~ x + z", frame, subset="k > 1", weights="w")


def aliased(trials):
    return gi.logit("choice ~ x + z + both + three", trials.assign(both=trials.x + 2 * trials.z, three=3.0))


def separated(trials):
    with pytest.warns(gi.SeparationWarning):
        return gi.logit("choice ~ x + g", trials.assign(choice=trials.choice.where(trials.g != "c", "right")))


def not_converged(trials):
    with pytest.warns(gi.ConvergenceWarning):
        return gi.logit("choice ~ x + z", trials, control=gi.Control(max_iter=1))


def other_link(trials):
    return gi.glm("choice ~ x + I(z ** 2)", trials, link="cloglog", solver="lbfgs")


def odd_names(trials):
    frame = trials.rename(columns={"x": "x < 1 & y", "z": "µ <b>"})
    return gi.logit("choice ~ `x < 1 & y` + `µ <b>`", frame)


FITS = [ordinary, grouped, missing, aliased, separated, not_converged, other_link, odd_names]


def words(text):
    return " ".join(text.split())


# ordinary ------------------------------------------------------------------------------------------------------------


def test_the_whole_summary_of_an_ordinary_fit():
    frame = pd.DataFrame({"s": [10, 15, 27, 35, 10, 25, 35, 23, 12], "f": [6, 4, 8, 10, 3, 6, 9, 10, 8]})
    frame["x"] = [1, 3, 5, 2, 7, 3, 5, 4, 3]
    summary = gi.logit("cbind(s, f) ~ x", frame).summary()
    assert re.sub(r"\d iterations", "n iterations", summary) == (
        "Logistic regression (logit link), maximum likelihood\n"
        "Formula     cbind(s, f) ~ x\n"
        "Event       successes of cbind(s, f)\n"
        "Rows        9 used (256 trials)\n"
        "Covariance  model (inverse expected information, no correction); z (normal) tests\n"
        "Fit         Newton (IRLS), n iterations, converged\n"
        "\n"
        "           estimate  std_error      z  p_value      2.5%    97.5%\n"
        "Intercept    0.8381     0.3803  2.204   0.0275    0.0927   1.5836\n"
        "x           0.07217    0.09856  0.732    0.464  -0.12100  0.26534\n"
        "\n"
        "Null deviance 5.39 on 8 df; residual deviance 4.85 on 7 df\n"
        "Log-likelihood -17.95; AIC 39.90; BIC 40.29; McFadden R² 0.002\n"
        "Likelihood ratio against the constant: χ²(1) = 0.54, p = 0.463\n"
        "Pearson χ² 5.01 on 7 df, ratio 0.72"
    )


def test_formula_event_rows_references_covariance_and_ending(trials):
    text = words(str(ordinary(trials)))
    for stated in [
        "Logistic regression (logit link), maximum likelihood",
        "Formula choice ~ x + g + C(k)",
        "Event choice = 'right'",
        "Rows 400 used",
        "Reference levels g: a, C(k): 1",
        "Covariance model (inverse expected information, no correction); z (normal) tests",
        "Fit Newton (IRLS), ",
        " iterations, converged",
        "estimate std_error z p_value 2.5% 97.5%",
        "Null deviance",
        "AIC",
        "on 399 df; residual deviance",
        "on 394 df",
    ]:
        assert stated in text
    assert "Notes" not in text


def test_numbers_of_the_summary_are_those_of_the_tables(trials):
    fit = ordinary(trials)
    text, table = str(fit), fit.tidy()
    for row in table.itertuples():
        (line,) = [line for line in text.splitlines() if line.startswith(f"{row.term} ")]
        shown = [float(word) for word in line[len(row.term) :].replace("<", "").split()]
        exact = [row.estimate, row.std_error, row.statistic, row.p_value, row.conf_low, row.conf_high]
        for number, truth, unit in zip(
            shown, exact, [row.std_error] * 2 + [1, 10 * row.p_value] + [row.std_error] * 2, strict=True
        ):
            assert number == pytest.approx(truth, abs=6e-3 * unit) or truth < 2.2e-16
    assert f"residual deviance {fit.deviance:.2f}" in text
    assert f"AIC {fit.aic:.2f}; BIC {fit.bic:.2f}" in text


def test_print_str_repr_and_summary_are_one(trials, capsys):
    fit = ordinary(trials)
    print(fit)
    assert capsys.readouterr().out == f"{fit.summary()}\n" == f"{fit!r}\n"
    assert gi.summary(fit) == fit.summary(cov="model", level=0.95) == str(fit)


def test_another_level(trials):
    text = ordinary(trials).summary(level=0.9)
    assert "5%     95%" in text
    with pytest.raises(gi.InputError, match="level=90 is not a confidence level"):
        ordinary(trials).summary(level=90)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_the_link_is_stated(trials, link):
    names = {"logit": "logit", "cloglog": "complementary log-log", "loglog": "log-log"}
    assert f"({names.get(link, link)} link)" in str(gi.glm("choice ~ x", trials, link=link)).splitlines()[0]


def test_the_event_that_was_asked_for(trials):
    assert "Event       choice = 'left'" in str(gi.logit("choice ~ x", trials, event="left"))
    assert "Event       z > 0" in str(gi.logit("z > 0 ~ x", trials))


# grouped, missing, aliased, separated --------------------------------------------------------------------------------


def test_grouped_data(trials):
    text = words(str(grouped(trials)))
    assert "Rows 12 used (240 trials)" in text
    assert "Pearson χ² 3.50 on 8 df, ratio 0.44" in text
    assert "overdispersed" not in text


def test_overdispersion_is_said_where_there_is_some():
    frame = pd.DataFrame({"s": [1, 19, 2, 18, 3, 17, 4, 16], "n": 20, "x": range(8)})
    assert "overdispersed, the standard errors are too small" in str(gi.logit("cbind(s, n - s) ~ x", frame))


def test_a_saturated_grouped_fit_has_no_negative_deviance():
    frame = pd.DataFrame({"s": [2, 3, 5], "f": [5, 5, 1], "g": ["a", "b", "c"]})
    fit = gi.logit("cbind(s, f) ~ g", frame)
    assert "residual deviance 0.00 on 0 df" in str(fit)
    assert 0 <= fit.deviance < 1e-12


def test_missing_rows_subset_and_zero_weights(trials):
    fit = missing(trials)
    kept = trials[trials.k > 1]
    gone = (kept.index < 100) | (kept.index == 200)
    used = int((~gone & (kept.w > 0)).sum())
    text = words(str(fit))
    one = int((kept.index == 200).sum())
    causes = [f"{one} missing in x"] * bool(one) + [f"{int((kept.index < 100).sum())} missing in z"]
    assert f"Rows {used} used; {len(kept)} rows, {int(gone.sum())} dropped: {', '.join(causes)}" in text
    assert f"subset: {len(kept)} of 400 rows" in text
    assert "rows of zero weight are given fitted values but not counted in nobs" in text
    assert fit.n_dropped == gone.sum()


def test_aliased_coefficients_in_words(trials):
    fit = aliased(trials)
    text = str(fit)
    assert "- both is aliased and has no estimate: both = x + 2*z" in text
    assert "- three is aliased and has no estimate: three = 3" in text
    assert re.search(r"^both +aliased$", text, re.MULTILINE)
    assert fit.aliased == {"both": "both = x + 2*z", "three": "three = 3"}


def test_separated_coefficients_in_words(trials):
    fit = separated(trials)
    count = int((trials.g == "c").sum())
    text = words(str(fit))
    assert "separated: some estimates are infinite (see notes)" in text
    assert "g[T.c] inf separated" in text
    assert f"g[T.c] goes to +inf (choice = 'right' in {count} of {count} where it is 1)" in text
    assert "For finite estimates use penalty=gi.Firth()." in text


def test_a_fit_that_did_not_converge_says_so_three_times(trials):
    text = words(str(not_converged(trials)))
    assert "NOT CONVERGED: the iteration limit was reached" in text
    assert text.count("limit reached") == 3  # one for each coefficient
    assert "Nothing in this table should be relied on; see fit.trace." in text


# numbers -------------------------------------------------------------------------------------------------------------


def z_of_45():
    """Two groups of outcomes whose log odds are 45 standard errors from zero."""
    half = 45.0**2  # with p = e/(1+e) fitted exactly: z² = W p(1-p) when the estimate is 1
    p = 1 / (1 + np.exp(-1.0))
    total = half / (p * (1 - p))
    return gi.logit("y ~ 1", {"y": [1, 0], "w": [total * p, total * (1 - p)]}, weights="w")


def test_the_smallest_p_values_are_never_zero():
    fit = z_of_45()
    row = fit.tidy().iloc[0]
    assert row.statistic == pytest.approx(45, rel=1e-9)
    assert row.log10_p == pytest.approx(-441.4746, abs=5e-5)
    assert row.p_value == 0  # not representable; its logarithm is
    assert re.search(r"45\.000 +<2e-16", str(fit))
    assert "&lt;2e-16" in fit._repr_html_()
    assert "0.000 " not in str(fit).split("Null")[0].replace("45.000", "")


def test_small_large_and_tiny_scales_stay_readable(trials):
    frame = trials.assign(big=trials.x * 1e9, tiny=trials.z * 1e-9)
    text = str(gi.logit("choice ~ big + tiny", frame))
    table = text.split("\n\n")[1]
    assert all(len(line) <= 100 for line in table.splitlines())
    assert "e-10" in table
    assert "e+0" in table
    assert "0.00000" not in table


def test_an_intercept_only_fit_and_one_without_intercept(trials):
    text = str(gi.logit("choice ~ 1", trials))
    assert "Likelihood ratio" not in text
    assert "Intercept" in text
    free = str(gi.logit("choice ~ 0 + x", trials))
    assert "Null deviance 554.52 on 400 df" in free  # of probability one half: 800 log 2
    assert "Intercept" not in free


def test_a_hundred_columns_stay_readable():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2000, 100)), columns=[f"neuron_number_{i:03}" for i in range(100)])
    frame["choice"] = rng.integers(0, 2, 2000)
    fit = gi.logit("choice ~ .", frame)
    lines = str(fit).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("neuron_number_") for line in lines) == 100
    assert len(lines) < 120  # the formula does not fill pages
    assert words(str(fit)).startswith(
        "Logistic regression (logit link), maximum likelihood Formula choice ~ (neuron_number_000 + "
        "neuron_number_001 + "
        "neuron_number_002 + … 94 more … + neuron_number_097 + neuron_number_098 + neuron_number_099)"
    )
    assert fit.formula.count("neuron_number_") == 100
    assert len({len(line) for line in lines if line.startswith("neuron_number_")}) == 1  # columns line up


# HTML ----------------------------------------------------------------------------------------------------------------


def texts(markup):
    return [html.unescape(cell) for cell in re.findall(r">([^<>]+)<", markup)]


@pytest.mark.parametrize("make", FITS)
def test_html_states_what_the_text_states(trials, make):
    fit = make(trials)
    markup = fit._repr_html_()
    plain = words(" ".join(texts(markup)))
    assert words(str(fit).replace("\n- ", "\n")) == plain
    assert markup.startswith("<div>")
    for tag in ("div", "table", "tr", "td", "th", "p", "ul", "li"):
        assert markup.count(f"<{tag}>") + markup.count(f"<{tag} ") == markup.count(f"</{tag}>")


def test_names_are_escaped_in_html(trials):
    markup = odd_names(trials)._repr_html_()
    assert "x &lt; 1 &amp; y" in markup
    assert "<b>" not in markup


@pytest.mark.parametrize("make", FITS)
def test_the_text_fits_the_page(trials, make):
    lines = str(make(trials)).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
