import pytest

from glminfer.data.expressions import expression
from glminfer.data.formula import expand, has_dot, parse, spelled, updated, written
from glminfer.errors import FormulaError


def names(text):
    return [term.name for term in parse(text).terms]


def raised(text):
    with pytest.raises(FormulaError) as error:
        parse(text)
    return str(error.value)


# terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ 1", []),
        ("y ~ b + a", ["b", "a"]),
        ("y ~ a:b + c", ["c", "a:b"]),
        ("y ~ z:x + x:z", ["z:x"]),
        ("y ~ a*b*c", ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("y ~ (a + b + c)^2 - a:b", ["a", "b", "c", "a:c", "b:c"]),
        ("y ~ a/b", ["a", "a:b"]),
        ("y ~ a + a", ["a"]),
        ("y ~ poly(x,2)+I( x^2 )", ["poly(x, 2)", "I(x ** 2)"]),
        ("y ~ `mother age` + wt.lmp", ['Q("mother age")', "wt.lmp"]),
        ("y ~ (x > 5)*g", ["x > 5", "g", "x > 5:g"]),
        ("y ~ class + inf", ["class", 'Q("inf")']),
        ("y ~ f('a ~ b + `c`')", ["f('a ~ b + `c`')"]),
        ("y ~ a +\n  b", ["a", "b"]),
    ],
)
def test_terms_by_degree_then_as_typed(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "intercept"),
    [("y ~ x", True), ("y ~ x - 1", False), ("y ~ 0 + x", False), ("y ~ x + 0 + 1", True), ("y ~ 1", True)],
)
def test_intercept(text, intercept):
    assert parse(text).has_intercept is intercept


def test_factors_of_an_interaction_keep_the_typed_order():
    assert parse("y ~ x + z + z:x").terms[-1].factors == ("z", "x")


def test_left_side():
    assert parse("rt>0.5 ~ x").response == "rt > 0.5"
    assert parse("`low bwt` ~ x").response == 'Q("low bwt")'
    assert parse("choice == 'right' ~ x").pieces == ("choice == 'right'",)
    assert parse("cbind(s, n - s) ~ x").pieces == ("s", "n - s")
    assert parse("a + b").response == ""


def test_offsets_are_no_terms():
    formula = parse("y ~ x + offset(log(t)) + offset(z)")
    assert formula.offsets == ("log(t)", "z")
    assert [t.name for t in formula.terms] == ["x"]
    assert parse("y ~ offset").offsets == ()  # a column may have this name


# errors that point at the place


@pytest.mark.parametrize(
    ("text", "message", "marked"),
    [
        ("y ~", "There is nothing to the right of '~'", "~"),
        ("y ~ x +", "There is nothing after this '+'.", "+"),
        ("y ~ x z", "An operator such as '+' is missing before 'z'.", "z"),
        ("y ~ * x", "There is nothing before this '*'.", "*"),
        ("y ~ f(x", "This '(' is not closed.", "("),
        ("y ~ x)", "This ')' closes nothing.", ")"),
        ("y ~ x]", "This ']' closes nothing.", "]"),
        ("y ~ 'a", "This quote is not closed.", "'"),
        ("y ~ `a", "This backtick is not closed", "`"),
        ("y ~ ``", "These backticks hold no name.", "``"),
        ("y ~ 1B", "'1B' is not a name; write the column in backticks, `1B`.", "1B"),
        ("y = a ~ x", "'=' has no meaning in a formula; a comparison is written '=='.", "="),
        ("y ~ x ~ z", "A formula has one '~'; this is the second.", "~"),
        ("y ~ x + 2", "A number is not a term", "2"),
        ("y ~ -x", "A minus sign in front of a term only removes the intercept", "-x"),
        ("y ~ (x + z)**a", "Terms have a power of 1 or more", "a"),
        ("y ~ a:1", "An intercept cannot be part of an interaction.", "1"),
        ("y ~ g:offset(x)", "cannot be part of the interaction g:offset(x)", "offset"),
        ("y ~ offset(x, 2)", "offset() takes one column or expression", "offset"),
        ("cbind(a) ~ x", "cbind() on the left takes two columns", "cbind(a) "),
        ("y ~ x %in% z", "write a:b for an interaction", "%in%"),
        ("y ~ x $ z", "'$' has no meaning in a formula", "$"),
        ("y ~ x # why", "A comment cannot stand in a formula.", "# why"),
        ("y ~ x + (1 | g)", "'|' is the grammar of mixed models", "|"),
        ("y ~ .", "'.' stands for all other columns", "."),
        ("y ~ ()", "There is nothing before this ')'.", ")"),
    ],
)
def test_errors_point_at_the_place(text, message, marked):
    said, line, arrows = raised(text).split("\n")
    assert message in said
    start, end = arrows.index("^"), arrows.rindex("^") + 1
    assert line[start:end] == marked


def test_errors_without_a_place():
    assert raised("  ") == "The formula is empty; write for example 'choice ~ contrast'."
    assert raised(5) == "A formula is a string such as 'choice ~ contrast'; this is int."


# the dot, and update


def test_dot_is_all_other_columns():
    columns = ("y", "a", "b.c", "my x", "w", "inf")
    assert expand("y ~ .", columns) == 'y ~ (a + b.c + Q("my x") + w + Q("inf"))'
    assert names(expand("y ~ .^2 - a:b.c", columns[:3])) == ["a", "b.c"]
    assert names(expand("y ~ . - a", columns, ("w", "inf"))) == ["b.c", 'Q("my x")']
    assert expand("log(`my x`) ~ .", ("my x", "a")) == "log(`my x`) ~ (a)"
    assert expand("y ~ a.b + .5", columns) == "y ~ a.b + .5"
    assert not has_dot("y ~ a.b + f(x).g")


def test_dot_without_other_columns():
    with pytest.raises(FormulaError, match="there are no others"):
        expand("y ~ .", ("y",))


def test_update():
    assert updated("y ~ a + b", "~ . - b") == "y ~ (a + b) - b"
    assert updated("y ~ a", "z > 1 ~ .^2") == "z > 1 ~ (a)^2"
    assert updated("y ~ a", "log(.) ~ .") == "log(y) ~ (a)"
    with pytest.raises(FormulaError, match=r"'~ \. - x'"):
        updated("y ~ a", "a + b")


def test_written_names():
    assert [written(n) for n in ("a", "a.b", "my x", "in", "1B", 'a"b')] == [
        "a",
        "a.b",
        'Q("my x")',
        'Q("in")',
        'Q("1B")',
        'Q("a\\"b")',
    ]
    assert spelled("`my x`^2>1") == 'Q("my x") ** 2 > 1'


# expressions


def compiled(text, *known):
    return expression(text, frozenset(known))


def test_a_name_is_a_column_unless_it_is_called():
    found = compiled("C(C) + np.log(np) + f(f)", "C", "np", "f")
    assert found.columns == ("np", "f", "C")
    assert [path for _, path in found.calls] == ["C", "np.log", "f"]


def test_whole_expressions_that_are_columns():
    for name in ("class", "a.b", "x[5]", "I", "x > 1"):
        assert compiled(name, name).column == name
    assert compiled('Q("my x")').column == "my x"


def test_columns_inside_expressions():
    assert compiled("I(class ** 2)", "class").columns == ("class",)
    assert compiled("log(a.b + 1)", "a.b").columns == ("a.b",)
    assert compiled('log(Q("my x"))', "my x").columns == ("my x",)
    assert compiled("x * np.pi", "x").constants == (("_k0", "np.pi"),)
    assert compiled("f(x, key=lambda v: v + w)", "x", "w").columns == ("x", "w")
    assert compiled("log(µ)", "µ").columns == ("µ",)  # the micro sign, which Python's parser replaces


def test_options_of_C_are_contrasts():
    found = compiled("C(Sum, Sum)", "Sum")
    assert found.columns == ("Sum",)
    assert [name for _, name in found.contrasts] == ["Sum"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("as.factor(g)", "as.factor is R's; here it is written C(g)."),
        ("x if z", "goes in backticks"),
        ("Q(x)", 'Q() takes the name of a column as text, Q("my x"); this is Q(x).'),
        ("log(offset(z))", "offset() in log(offset(z)) must stand alone: a term of its own"),
        ("log(cbind(a, b))", "cbind() in log(cbind(a, b)) must stand alone: the whole left-hand side"),
    ],
)
def test_expressions_that_cannot_be_read(text, message):
    with pytest.raises(FormulaError) as error:
        compiled(text, "x", "g")
    assert message in str(error.value)
