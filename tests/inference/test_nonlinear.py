"""The delta method: exact gradients, R's dose.p, agreement with linear combinations, undefined values."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_cases import NAMES, case, fitted
from scipy.stats import norm

import glminfer as gi
from glminfer.inference.nonlinear import FUNCTIONS, Dual, derived

DOSES = [(name, k) for name in NAMES for k in range(len(case(name)["results"].get("dose_p", ())))]


@pytest.mark.parametrize(("name", "k"), DOSES)
def test_doses_of_r(name, k):
    """MASS::dose.p: the dose at which the probability is p."""
    theirs = case(name)["results"]["dose_p"][k]
    intercept, slope = theirs["coef_names"]
    mine = fitted(name).delta([f"(logit({p!r}) - {intercept}) / {slope}" for p in map(float, theirs["p"])])
    np.testing.assert_allclose(mine.estimate, theirs["dose"], rtol=1e-10)
    np.testing.assert_allclose(mine.std_error, theirs["se"], rtol=1e-8)


@functools.cache
def fit():
    rng = np.random.default_rng(8)
    n = 400
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(["a", "b"], n)})
    frame["session"] = rng.integers(0, 15, n)
    frame["y"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-0.4 - frame.x + 0.6 * frame.z))).astype(int)
    return gi.logit("y ~ x * g + z", frame)


def by_hand(value, gradient, level=0.95):
    names = list(gradient)
    row = np.array([gradient[name] for name in names])
    se = float(np.sqrt(row @ fit().vcov().loc[names, names].to_numpy() @ row))
    half = norm.ppf((1 + level) / 2) * se
    return [value, se, value - half, value + half]


def test_by_hand():
    b = fit().coef
    table = fit().delta(["-Intercept / x", "exp(x) - exp(z)", "x*z^2 + 1", "x:g[T.b]/z"], level=0.9)
    assert table.columns.tolist() == ["expression", "estimate", "std_error", "conf_low", "conf_high", "df"]
    cross = b["x:g[T.b]"]
    expected = [
        by_hand(-b.Intercept / b.x, {"Intercept": -1 / b.x, "x": b.Intercept / b.x**2}, 0.9),
        by_hand(np.exp(b.x) - np.exp(b.z), {"x": np.exp(b.x), "z": -np.exp(b.z)}, 0.9),
        by_hand(b.x * b.z**2 + 1, {"x": b.z**2, "z": 2 * b.x * b.z}, 0.9),
        by_hand(cross / b.z, {"x:g[T.b]": 1 / b.z, "z": -cross / b.z**2}, 0.9),
    ]
    np.testing.assert_allclose(table.iloc[:, 1:5].astype(float), expected, rtol=1e-12)
    assert np.isinf(table.df).all()


@pytest.mark.parametrize("text", ["x", "x - z", "(x + 2*z - x:g[T.b])/3", "-Intercept"])
@pytest.mark.parametrize(
    "options", [{}, {"cov": "HC3"}, {"cluster": "session"}, {"cov": "CR2", "cluster": "session"}, {"dof": 9}]
)
def test_linear_expressions_agree_with_linear_combinations(text, options):
    one, other = fit().delta(text, **options), fit().lincom(text, **options)
    for name in ("estimate", "std_error", "conf_low", "conf_high", "df"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12)


def test_functions_and_methods_are_the_same():
    pd.testing.assert_frame_equal(gi.delta(fit(), "x/z"), fit().delta("x/z"))


def test_a_ratio_does_not_depend_on_the_scale_of_its_parts():
    table = fit().delta(["x/z", "(5*x)/(5*z)", "1/(z/x)", "exp(log(x) - log(-z))*-1"])
    np.testing.assert_allclose(table.std_error, table.std_error[0], rtol=1e-12)
    np.testing.assert_allclose(table.estimate, table.estimate[0], rtol=1e-12)


# gradients -----------------------------------------------------------------------------------------------------------


def complex_step(text, values):
    """Derivatives by the complex step, as exact as the functions: Im f(x + ih)/h."""
    names = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "tanh": np.tanh, "log1p": np.log1p}
    out = []
    for j in range(len(values)):
        moved = [complex(v, 1e-150 if i == j else 0) for i, v in enumerate(values)]
        out.append(eval(text, {**names, "x": moved[0], "z": moved[1]}).imag / 1e-150)
    return out


TEXTS = st.recursive(
    st.sampled_from(["x", "z", "2.5", "0.75", "3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(1 / (2 + sin({t})))"),
        inner.map(lambda t: f"sin({t})"),
        inner.map(lambda t: f"tanh({t})"),
        inner.map(lambda t: f"exp(-({t})**2)"),
        inner.map(lambda t: f"sqrt(1 + ({t})**2)"),
        inner.map(lambda t: f"(3 + sin({t}))**(1 + tanh({t}))"),
        inner.map(lambda t: f"log1p(sin({t})**2)"),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_gradients_are_exact(text):
    columns = [fit().columns.index(name) for name in ("x", "z")]
    values = fit().values[columns]
    expected = complex_step(text, values)
    if not np.isfinite(expected).all() or np.abs(expected).max() < 1e-12 or np.abs(expected).max() > 1e12:
        return
    found = derived(fit(), text)
    np.testing.assert_allclose(found.gradient[columns], expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_derivatives_of_functions(name):
    x, h = 0.37, 1e-5
    at = [FUNCTIONS[name](Dual(value, np.ones(1))) for value in (x - h, x, x + h)]
    assert at[1].gradient[0] == pytest.approx((at[2].value - at[0].value) / (2 * h), rel=1e-8)
    constant = FUNCTIONS[name](Dual(x, np.zeros(1)))
    assert (constant.value, constant.gradient[0]) == (at[1].value, 0)


def test_functions_may_be_called_as_numpys_and_names_come_first():
    table = fit().delta(["exp(x)", "np.exp(x)", "numpy.exp( x )"])
    assert table.estimate.nunique() == 1
    frame = fit().call["data"].assign(w=lambda d: np.exp(d.x))
    other = gi.logit("y ~ w + log(w)", frame)
    assert other.delta("log(w)").estimate[0] == other.coef["log(w)"]
    assert other.delta("exp((w))").estimate[0] == pytest.approx(np.exp(other.coef["w"]), rel=1e-15)


# errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log(z)", "or its gradient is not defined at the estimates z = -0.6"),
        ("sqrt(z)", "a function is outside its domain."),
        ("z**0.5", "a function is outside its domain."),
        ("z**x", "a function is outside its domain."),
        ("abs(x - x)", "does not change with the coefficients to first order at x = "),
        ("1/(x - x)", "it divides by zero."),
        ("exp(1e5*x)", "a value is too large for a double."),
        ("x*1e308*100", "a value is too large for a double."),
        ("cos(0*x)", "the delta method has no standard error for it there."),
        ("2 + 3", "'2 + 3' has no coefficient in it. The coefficients are: Intercept, x, "),
        ("x = 1", "'x = 1' is an equation; delta() takes an expression, and fit.wald_test() tests equations."),
        ("w/x", "'w' in 'w/x' is neither a coefficient nor a term of this fit."),
        ("gamma(x)", "The functions are: exp, expm1, log"),
        ("exp(x, z)", "cannot be read as arithmetic over coefficients"),
        ("exp x", "is neither a coefficient nor a term"),
        ("exp(x", "cannot be read as arithmetic over coefficients"),
        ("  ", "is not an expression over coefficients"),
        ([], "is not an expression over coefficients"),
        ([1.0], "is not an expression over coefficients"),
    ],
)
def test_what_cannot_be_read_or_computed(text, told):
    with pytest.raises(gi.InputError) as caught:
        fit().delta(text)
    assert told in str(caught.value)


def test_levels():
    with pytest.raises(gi.InputError, match="is not a confidence level"):
        fit().delta("x/z", level=95)


def test_aliased_and_separated_coefficients():
    frame = fit().call["data"].assign(c=lambda d: d.x + d.z)
    with pytest.raises(gi.InputError, match=r"c is aliased \(c = x \+ z\)"):
        gi.logit("y ~ x + z + c", frame).delta("c/x")
    frame = frame.assign(y=lambda d: d.y.where(d.g == "a", 1))
    with pytest.warns(gi.SeparationWarning):
        separated = gi.logit("y ~ x + g", frame)
    with pytest.raises(gi.InputError) as caught:
        separated.delta("exp(g[T.b])")
    assert str(caught.value) == (
        "'exp(g[T.b])' has no finite estimate, so no standard error and no Wald test: g[T.b] is separated. "
        "fit.lr_test('g') compares likelihoods, which are finite, and penalty=gi.Firth() in the fit gives finite "
        "estimates."
    )
    assert np.isfinite(separated.delta("-Intercept/x").std_error[0])
