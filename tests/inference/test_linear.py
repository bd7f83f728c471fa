"""Hypotheses read from texts: names of every kind, arithmetic, terms, matrices, and what cannot be read."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.inference.linear import read

N = 240


@functools.cache
def frame():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "x1": rng.normal(size=N),
            "z.w": rng.normal(size=N),
            "my x": rng.normal(size=N),
            "g": rng.choice(["a", "b", "0-5yrs", "12+ yrs", "6-11yrs", "a:b", "it's"], N),
            "h": rng.choice(["p", "q"], N),
            "exp": rng.normal(size=N),
        }
    )
    data["y"] = (rng.uniform(size=N) < 1 / (1 + np.exp(-data.x + data.x1))).astype(int)
    return data


@functools.cache
def fitted(formula):
    return gi.logit(formula, frame())


def row(formula, text):
    """The combination and the right-hand side of a text with one hypothesis, by name."""
    fit = fitted(formula)
    asked = read(fit, text)
    assert len(asked.L) == 1
    return {name: value for name, value in zip(fit.columns, asked.L[0], strict=True) if value}, float(asked.rhs[0])


# names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        'y ~ x + x1 + Q("my x") + Q("z.w") + g + exp',
        "y ~ x:h + g:x1 + I(x ** 2) + np.log(abs(x1)) + exp(x)",
        "y ~ poly(x, 3) + C(h, Sum):x1 + C(g, Treatment('b'))",
        "y ~ x*h*x1 - 1",
    ],
)
def test_every_coefficient_is_found_by_its_own_name(formula):
    fit = fitted(formula)
    for name in fit.columns:
        assert row(formula, f"{name} = 0") == ({name: 1.0}, 0.0)
    pairs = [f"2*{left} = {right}/4 - 1" for left, right in zip(fit.columns, fit.columns[1:], strict=False)]
    for text, left, right in zip(pairs, fit.columns, fit.columns[1:], strict=False):
        assert row(formula, text) == ({left: 2.0, right: -0.25}, -1.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I(x**2)", "I(x ** 2)"),
        ("I(x^2)", "I(x ** 2)"),
        ("`my x`", 'Q("my x")'),
        ("Q('my x')", 'Q("my x")'),
        ("h[p] : x", "x:h[p]"),
        ("x : h[q]", "x:h[q]"),
        ("g[T.12+yrs]", "g[T.12+ yrs]"),
        ("poly(exp,3)[1]", "poly(exp, 3)[1]"),
        ("((x1))", "x1"),
        ("+x1", "x1"),
        ("(Intercept)", "Intercept"),
    ],
)
def test_other_spellings(text, name):
    formula = 'y ~ x1 + Q("my x") + g + x:h + I(x ** 2) + poly(exp, 3)'
    assert row(formula, f"{text} = 1") == ({name: 1.0}, 1.0)


def test_longer_names_come_first():
    data = frame().assign(a=frame().x, a1=frame().x1)
    fit = gi.logit("y ~ a + a1 + a:a1", data)
    asked = read(fit, "a + a1 - a:a1 - a1:a = 2*a")
    np.testing.assert_array_equal(asked.L, [[0, -1, 1, -2]])


# arithmetic ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "combination", "rhs"),
    [
        ("x1 = x", {"x1": 1, "x": -1}, 0),
        ("x1 == x", {"x1": 1, "x": -1}, 0),
        ("x + 2*x1 = -0.1", {"x": 1, "x1": 2}, -0.1),
        ("x1", {"x1": 1}, 0),
        ("2*(x - x1) = 1", {"x": 2, "x1": -2}, 1),
        ("(x + x1)/2 = exp", {"x": 0.5, "x1": 0.5, "exp": -1}, 0),
        ("x + 1 = 3 - x1", {"x": 1, "x1": 1}, 2),
        ("-(x - -x1)*2e-1 = .5", {"x": -0.2, "x1": -0.2}, 0.5),
        ("x*2**3/(1 + 3) = 1", {"x": 2}, 1),
        ("x^1 - x = 0 + 3*x1", None, None),
        ("0 = x", {"x": -1}, 0),
        ("Intercept + 13*x = 0", {"Intercept": 1, "x": 13}, 0),
        ("(x = 007)", {"x": 1}, 7),
    ],
)
def test_arithmetic(text, combination, rhs):
    if combination is None:
        with pytest.raises(gi.InputError, match="not linear in the coefficients: it has a power of coefficients"):
            row("y ~ x + x1 + exp", text)
        return
    assert row("y ~ x + x1 + exp", text) == (combination, rhs)


def test_chains_and_commas():
    fit = fitted("y ~ x + x1 + exp")
    chain = read(fit, "x = x1 = exp = 1")
    np.testing.assert_array_equal(chain.L, [[0, 1, -1, 0], [0, 0, 1, -1], [0, 0, 0, 1]])
    np.testing.assert_array_equal(chain.rhs, [0, 0, 1])
    assert chain.rows == ("x = x1", "x1 = exp", "exp = 1")
    assert chain.text == "x = x1 = exp = 1"
    for text in ("x = 0, x1 = 2", "(x = 0), (x1 = 2)", "(x=0),x1=2"):
        both = read(fit, text)
        np.testing.assert_array_equal(both.L, [[0, 1, 0, 0], [0, 0, 1, 0]])
        assert both.rows == ("x = 0", "x1 = 2")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 3)), min_size=4, max_size=4), st.floats(-10, 10))
def test_any_combination_can_be_written(numbers, rhs):
    fit = fitted("y ~ x:h + I(x ** 2) + x1")
    if not any(numbers):
        return
    text = " + ".join(f"({value!r})*{name}" for value, name in zip(numbers, fit.columns, strict=False))
    asked = read(fit, f"{text} = {rhs!r}")
    np.testing.assert_allclose(asked.L[0, :4], numbers, rtol=1e-15)
    assert asked.rhs[0] == pytest.approx(rhs, rel=1e-15)


# terms ---------------------------------------------------------------------------------------------------------------


def test_terms():
    fit = fitted("y ~ x + h + x1:h + C(g)")
    assert read(fit, "C(g)").rows == tuple(f"{name} = 0" for name in fit.columns[fit.design.terms["C(g)"]])
    assert len(read(fit, "h:x1").L) == 2
    assert read(fit, ["h", "x"]).text == "h = 0, x = 0"
    assert read(fit, ["C( g )", "x = 2"]).rhs.tolist() == [0.0] * 6 + [2.0]
    assert read(fitted("y ~ I(x ** 2)"), "I(x^2)").rows == ("I(x ** 2) = 0",)
    assert read(fitted("y ~ poly(x, 3)"), "poly(x,3)").L.shape == (3, 4)


def test_a_term_in_an_equation():
    with pytest.raises(gi.InputError) as caught:
        fitted("y ~ x + h*x1").wald_test("h = 0.5*h:x1")
    assert str(caught.value) == (
        "'h' in 'h = 0.5*h:x1' is a term, not a coefficient (its coefficients: h[T.q]). Test it by itself, 'h', or in "
        "a list, ['h', 'x = 0'], or write the coefficient that is meant."
    )


# matrices ------------------------------------------------------------------------------------------------------------


def test_matrices():
    fit = fitted("y ~ x + x1 + exp")
    asked = read(fit, [[0, 1, -2, 0], [0, 0, 0, 0.5]], rhs=[1, 0])
    assert asked.rows == ("x - 2*x1 = 1", "0.5*exp = 0")
    assert read(fit, np.array([0, -1, -1, 0])).rows == ("-x - x1 = 0",)
    named = pd.DataFrame({"exp": [1.0, 0.0], "x": [0.0, 2.0]})
    np.testing.assert_array_equal(read(fit, named, rhs=3).L, [[0, 0, 0, 1], [0, 2, 0, 0]])
    assert read(fit, named, rhs=3).rhs.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("matrix", "rhs", "told"),
    [
        ([[1, 2]], None, r"has 2 columns and the fit 3 coefficients: Intercept, x, x1\. Give one column for each"),
        ([[0, 1, 0]], [1, 2], r"rhs= has 2 values, where the matrix has 1 row\."),
        ([[0, np.nan, 0]], None, "values that are not finite"),
        ([[0, 0, 0]], None, "'0 = 0' has no coefficient in it"),
        (pd.DataFrame({"x2": [1]}), None, r"'x2' is neither .* Did you mean 'x'\?"),
        (None, None, "None is not a hypothesis"),
        (3.0, None, r"3\.0 is not a hypothesis"),
        ([1, "x"], None, "is not a hypothesis"),
        ("x", 2.0, "rhs= goes with a matrix; in a text write the right-hand side there"),
    ],
)
def test_matrices_that_cannot_be_read(matrix, rhs, told):
    with pytest.raises(gi.InputError, match=told):
        fitted("y ~ x + x1").wald_test(matrix, rhs=rhs)


# errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x2 = 0", "'x2' in 'x2 = 0' is neither a coefficient nor a term of this fit. Did you mean 'x'?"),
        ("C(race)[T.2]", "'C(race)[T.2]' is neither a coefficient nor a term of this fit."),
        (
            "x1 + h[T.z] = 0",
            "'h[T.z]' in 'x1 + h[T.z] = 0' is neither a coefficient nor a term of this fit. Did you mean 'h[T.q]'?",
        ),
        ("2x = 1", "A product is written 2*x."),
        ("exp(x) = 1", "Functions of coefficients go to fit.delta(...)."),
        ("x*x1 = 0", "'x*x1 = 0' is not linear in the coefficients: it multiplies coefficients with each other. The "),
        (
            "x/x1 = 1",
            "is not linear in the coefficients: it divides by a coefficient. The coefficient of an interaction",
        ),
        ("2**x = 1", "is not linear in the coefficients: it has a power of coefficients."),
        ("x = 1/0", "'x = 1/0' has a number that is not finite, such as a division by zero."),
        ("x = 1e999", "has a number that is not finite"),
        ("x = (-1)**0.5", "has a number that is not finite"),
        ("x = 10.0**999", "has a number that is not finite"),
        ("x = ", "'x =' cannot be read as arithmetic over coefficients: an operator, an operand or a bracket is"),
        ("x x1", "cannot be read as arithmetic"),
        ("(x", "cannot be read as arithmetic"),
        ("x)", "cannot be read as arithmetic"),
        ("x,", "cannot be read as arithmetic"),
        ("2*(x = 1)", "cannot be read as arithmetic"),
        ("(x, x1) = 1", "cannot be read as arithmetic"),
        ("x > 0", "'>' in 'x > 0' is neither a coefficient nor a term of this fit."),
        ("", "The hypothesis is an empty text."),
        ("1 = 1", "The hypothesis '1 = 1' has no coefficient in it, so the data say nothing about it."),
        ("x - x = 1", "has no coefficient in it"),
        ([], "There is no hypothesis to test: the list is empty."),
    ],
)
def test_texts_that_cannot_be_read(text, told):
    with pytest.raises(gi.InputError) as caught:
        fitted("y ~ x + x1 + h").wald_test(text)
    assert told in str(caught.value)


def test_a_sum_of_very_many_coefficients():
    fit = fitted("y ~ x + x1")
    assert row("y ~ x + x1", " + ".join(["x"] * 300))[0] == {"x": 300.0}
    with pytest.raises(gi.InputError, match=r"is too long an expression\. Give the combination as a matrix"):
        fit.wald_test(" + ".join(["x"] * 20_000))


# aliased and separated -----------------------------------------------------------------------------------------------


@functools.cache
def dependent():
    data = frame().assign(c=frame().x + frame().x1)
    return gi.logit("y ~ x + x1 + c + h", data)


def test_aliased_coefficients():
    with pytest.raises(gi.InputError) as caught:
        dependent().wald_test("c = x")
    assert str(caught.value) == (
        "'c = x' is about a coefficient without an estimate of its own: c is aliased (c = x + x1). Ask about the "
        "columns that were kept."
    )
    with pytest.raises(gi.InputError, match=r"There is nothing left to test: c is aliased \(c = x \+ x1\)"):
        dependent().wald_test("c")
    with pytest.raises(gi.InputError, match="c is aliased"):
        dependent().wald_test(np.eye(5)[[3]])


def test_aliased_terms_add_nothing():
    table = dependent().wald_test(["x", "c", "h"])
    assert table.df[0] == 2
    assert table.hypothesis[0] == "x = 0, h = 0"
    assert table.attrs["notes"] == ("c is aliased (c = x + x1) and is not tested",)
    assert table.statistic[0] == pytest.approx(dependent().wald_test(["x", "h"]).statistic[0], rel=1e-12)


def test_an_empty_cell_is_left_out_of_a_term():
    data = frame().query("not (g == 'a' and h == 'q')")
    fit = gi.logit("y ~ C(g) * h", data)
    table = fit.wald_test("C(g):h")
    where = fit.design.terms["C(g):h"]
    aliased = [name for name in fit.columns[where] if name in fit.aliased]
    assert len(aliased) == 1
    assert table.df[0] == where.stop - where.start - 1
    assert table.hypothesis[0] == f"C(g):h = 0 (without {aliased[0]})"
    assert table.attrs["notes"][0].startswith(f"{aliased[0]} is aliased (")


def separated(level, reference="a"):
    data = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 60), "x": np.tile(np.linspace(-1, 1, 60), 3)})
    data["y"] = (np.random.default_rng(1).uniform(size=180) < 0.5).astype(int)
    data.loc[data.g == level, "y"] = 1
    with pytest.warns(gi.SeparationWarning):
        return gi.logit(f"y ~ x + C(g, Treatment({reference!r}))", data), data


def test_a_separated_coefficient():
    fit, data = separated("c")
    gone = "C(g, Treatment('a'))[T.c]"
    with pytest.raises(gi.InputError) as caught:
        fit.wald_test(f"{gone} = x")
    assert str(caught.value) == (
        f'"{gone} = x" has no finite estimate, so no standard error and no Wald test: {gone} is separated. '
        "fit.lr_test(\"C(g, Treatment('a'))\") compares likelihoods, which are finite, and penalty=gi.Firth() in the "
        "fit gives finite estimates."
    )
    with pytest.raises(gi.InputError, match="no finite estimate"):
        fit.lincom(gone)
    table = fit.wald_test("C(g, Treatment('a'))", cov="HC1")
    assert table.df[0] == 1
    assert table.hypothesis[0] == f"C(g, Treatment('a')) = 0 (without {gone})"
    assert table.attrs["notes"] == (f"{gone} is separated and is not tested",)
    other = gi.logit("y ~ x + g", data[data.g != "c"])
    assert fit.lincom("x").p_value[0] == pytest.approx(other.lincom("x").p_value[0], rel=1e-8)


def test_a_finite_combination_of_separated_coefficients():
    """With the reference level separated every coefficient of the factor is infinite, but not their differences."""
    fit, data = separated("c", reference="c")
    b, a = "C(g, Treatment('c'))[T.b]", "C(g, Treatment('c'))[T.a]"
    assert np.isinf(fit.coef[[a, b]]).all()
    line = fit.lincom(f"{b} = {a}").iloc[0]
    other = gi.logit("y ~ x + g", data[data.g != "c"]).lincom("g[T.b]").iloc[0]
    for name in ("estimate", "std_error", "p_value", "conf_low"):
        assert line[name] == pytest.approx(other[name], rel=1e-8)
    mean = fit.lincom(f"Intercept + {a}").iloc[0]
    assert mean.estimate == pytest.approx(gi.logit("y ~ x + g", data[data.g != "c"]).coef["Intercept"], rel=1e-8)
    with pytest.raises(gi.InputError, match="has no finite estimate"):
        fit.lincom(f"{b} + {a}")
    with pytest.raises(gi.InputError, match=r"The term .* has no coefficient with a finite estimate"):
        fit.wald_test("C(g, Treatment('c'))")


def test_a_term_without_columns_has_nothing_to_test():
    frame = pd.DataFrame({"x": np.arange(40.0) % 7, "h": "u", "y": [0, 1, 1, 0] * 10})
    fit = gi.logit("y ~ x + h", frame)
    for ask in (fit.wald_test, fit.lincom):
        with pytest.raises(gi.InputError) as caught:
            ask("h")
        assert str(caught.value) == "There is nothing left to test: h is the same in every row and has no coefficient."
    joint, alone = fit.wald_test(["x", "h"]), fit.wald_test("x")
    assert joint.statistic[0] == alone.statistic[0]
    assert joint.attrs["notes"] == ("h is the same in every row and has no coefficient",)
