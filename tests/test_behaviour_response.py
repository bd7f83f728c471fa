"""What the outcome may look like, and what is said when it cannot be one."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"x": rng.normal(size=120), "z": rng.normal(size=120)})
    frame["y"] = (rng.uniform(size=120) < 1 / (1 + np.exp(0.3 - frame.x))).astype(int)
    return frame


CODINGS = {
    "int8": (lambda y: y.astype("int8"), "y = 1"),
    "0.0 and 1.0": (lambda y: y.astype(float), "y = 1"),
    "float32": (lambda y: y.astype("float32"), "y = 1"),
    "unsigned": (lambda y: y.astype("uint8"), "y = 1"),
    "bool": (lambda y: y == 1, "y = True"),
    "nullable boolean": (lambda y: (y == 1).astype("boolean"), "y = True"),
    "Int64": (lambda y: y.astype("Int64"), "y = 1"),
    "Float64": (lambda y: y.astype("Float64"), "y = 1"),
    "Arrow bool": (lambda y: (y == 1).astype("bool[pyarrow]"), "y = True"),
    "Arrow int": (lambda y: y.astype("int64[pyarrow]"), "y = 1"),
    "bools as objects": (lambda y: (y == 1).astype(object), "y = True"),
    "ints as objects": (lambda y: y.astype(object), "y = 1"),
    "no and yes": (lambda y: y.map({0: "no", 1: "yes"}), "y = 'yes'"),
    "texts as objects": (lambda y: y.map({0: "no", 1: "yes"}).astype(object), "y = 'yes'"),
    "Arrow texts": (lambda y: y.map({0: "no", 1: "yes"}).astype("string[pyarrow]"), "y = 'yes'"),
    "string[python]": (lambda y: y.map({0: "no", 1: "yes"}).astype("string[python]"), "y = 'yes'"),
    "texts of digits": (lambda y: y.astype(str), "y = '1'"),
    "Categorical": (lambda y: pd.Categorical(y.map({0: "wrong", 1: "right"}), ["wrong", "right"]), "y = 'right'"),
    "Categorical of ints": (lambda y: pd.Categorical(y), "y = 1"),
    "Categorical, one unused": (
        lambda y: pd.Categorical(y.map({0: "left", 1: "right"}), ["left", "none", "right"]),
        "y = 'right'",
    ),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_the_coding_of_the_outcome_does_not_change_the_fit(trials, coding):
    recode, event = CODINGS[coding]
    plain = gi.logit("y ~ x + z", trials)
    fit = gi.logit("y ~ x + z", trials.assign(y=recode(trials.y)))
    assert plain.coef.equals(fit.coef)
    assert plain.coef["x"] > 0
    assert plain.loglik == fit.loglik
    assert fit.event == event
    assert f"Event       {event}" in str(fit)


def test_the_second_label_in_sort_or_category_order_is_the_event(trials):
    sorted_labels = trials.assign(y=trials.y.map({0: "left", 1: "right"}))
    declared = sorted_labels.assign(y=pd.Categorical(sorted_labels.y, ["right", "left"]))
    assert gi.logit("y ~ x", sorted_labels).event == "y = 'right'"
    assert gi.logit("y ~ x", declared).event == "y = 'left'"
    assert np.allclose(gi.logit("y ~ x", declared).coef, -gi.logit("y ~ x", sorted_labels).coef, rtol=1e-10)


@pytest.mark.parametrize(
    ("labels", "event", "printed"),
    [
        ({0: "left", 1: "right"}, "left", "y = 'left'"),
        ({0: 0, 1: 1}, 0, "y = 0"),
        ({0: False, 1: True}, False, "y = False"),
    ],
)
def test_event_chooses_the_other_outcome(trials, labels, event, printed):
    frame = trials.assign(y=trials.y.map(labels))
    usual, swapped = gi.logit("y ~ x", frame), gi.logit("y ~ x", frame, event=event)
    assert swapped.event == printed
    assert np.allclose(swapped.coef, -usual.coef, rtol=1e-9)
    assert swapped.loglik == pytest.approx(usual.loglik, rel=1e-12)


def test_the_event_that_is_modelled_anyway_may_be_named(trials):
    frame = trials.assign(y=trials.y.map({0: "left", 1: "right"}))
    assert gi.logit("y ~ x", frame, event="right").coef.equals(gi.logit("y ~ x", frame).coef)


@pytest.mark.parametrize(
    ("left", "event"),
    [
        ("x > 0.5", "x > 0.5"),
        ("side == 'right'", "side == 'right'"),
        ("side != 'right'", "side != 'right'"),
        ("(x > 0) & (z > 0)", "(x > 0) & (z > 0)"),
        ("np.isin(side, ['right'])", "np.isin(side, ['right']) = True"),
        ("I(x > 0)", "I(x > 0) = True"),
        ("`my rt` > 0", 'Q("my rt") > 0'),
        ("1 - y", "1 - y = 1"),
        ("y == 0", "y == 0"),
    ],
)
def test_an_expression_on_the_left(trials, left, event):
    frame = trials.assign(side=np.where(trials.y == 1, "right", "left"), **{"my rt": trials.x, "w": trials.z**2})
    fit = gi.logit(f"{left} ~ w", frame)
    assert fit.event == event
    assert fit.converged


def test_a_condition_and_the_labels_it_picks_are_one_fit(trials):
    frame = trials.assign(feedback=2 * trials.y - 1)
    assert gi.logit("feedback == 1 ~ x", frame).coef.equals(gi.logit("y ~ x", frame).coef)


def message(error, formula, frame, **options):
    with pytest.raises(error) as caught:
        gi.logit(formula, frame, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            lambda f: f.y + 1,
            "y takes 2 values (1 and 2), not 0 and 1, so the event is not known. Write it as a condition: y == 2 ~ …",
        ),
        (
            lambda f: 2 * f.y - 1,
            "y takes 2 values (-1 and 1), not 0 and 1, so the event is not known. Write it as a condition: y == 1 ~ …",
        ),
        (
            lambda f: np.arange(len(f)) % 3,
            "y takes 3 values (0, 1 and 2), not 0 and 1. Write counts out of n as cbind(y, n - y) ~ …, or a condition, "
            "y > 0 ~ …",
        ),
        (
            lambda f: np.resize(["left", "none", "right"], len(f)),
            "y takes 3 labels ('left', 'none' and 'right'); a logistic model needs two outcomes. Write the event as a "
            "condition, y == 'right' ~ …, or leave rows out with subset=.",
        ),
        (
            lambda f: np.resize([0, 0.25, 0.5, 1], len(f)),
            "y takes 4 values (0, 0.25, 0.5 and 1), not 0 and 1. A proportion needs its number of trials: give them "
            "with "
            "trials=, or write cbind(successes, failures) on the left.",
        ),
        (lambda f: 1 + 0 * f.y, "y is 1 in all 120 rows. A logistic model needs both outcomes"),
        (lambda f: 0 * f.y, "y is 0 in all 120 rows. A logistic model needs both outcomes"),
        (lambda f: f.y > 7, "y is False in all 120 rows. A logistic model needs both outcomes"),
        (lambda f: "right", "y is 'right' in all 120 rows. A logistic model needs both outcomes"),
    ],
    ids=["1 and 2", "-1 and 1", "counts", "three labels", "fractions", "always", "never", "all False", "one label"],
)
def test_anything_else_is_refused_by_value_with_the_way_out(trials, values, says):
    assert says in message(gi.ResponseError, "y ~ x", trials.assign(y=values(trials)))


@pytest.mark.parametrize("y", [[1, 2], [-1, 1], [0, 2]])
def test_the_way_out_offered_for_two_other_numbers_works(trials, y):
    frame = trials.assign(y=trials.y.map({0: y[0], 1: y[1]}))
    offered = message(gi.ResponseError, "y ~ x", frame).split("condition: ")[1].removesuffix(" ~ …")
    assert gi.logit(f"{offered} ~ x", frame).coef.equals(gi.logit("y ~ x", trials).coef)


def test_one_class_left_after_missing_rows_says_where_the_other_went(trials):
    frame = trials.assign(choice=np.where(trials.y == 1, "right", "left"))
    frame.loc[frame.y == 0, "z"] = np.nan
    lost, kept = int((trials.y == 0).sum()), int(trials.y.sum())
    assert message(gi.ResponseError, "choice ~ x + z", frame) == (
        f"choice is 'right' in all {kept} rows ({lost} of 120 rows were dropped: {lost} missing in z). A logistic "
        "model "
        "needs both outcomes: check the coding of choice, subset= and the missing values."
    )


def test_one_class_left_by_subset(trials):
    assert "y is 1 in all" in message(gi.ResponseError, "y ~ x", trials, subset="y == 1")


def test_rows_of_zero_weight_are_no_second_class(trials):
    says = message(gi.ResponseError, "y ~ x", trials, weights=trials.y.to_numpy())
    assert f"y is 1 in all {int(trials.y.sum())} rows" in says


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (2, "event=2 is not a value of y, which takes 0 and 1. Give one of these values."),
        ("1", "event='1' is not a value of y, which takes 0 and 1. Give one of these values."),
    ],
)
def test_an_event_that_is_no_value_of_the_outcome(trials, event, says):
    assert message(gi.ResponseError, "y ~ x", trials, event=event) == says


def test_a_misspelt_event_label(trials):
    frame = trials.assign(y=trials.y.map({0: "left", 1: "right"}))
    assert message(gi.ResponseError, "y ~ x", frame, event="rigth") == (
        "event='rigth' is not a value of y, which takes 'left' and 'right'. Did you mean 'right'? Give one of these "
        "values."
    )


# counts and proportions ----------------------------------------------------------------------------------------------

GROUPED = pd.DataFrame(
    {
        "x": [1, 3, 5, 2, 7, 3, 5, 4, 3],
        "s": [10, 15, 27, 35, 10, 25, 35, 23, 12],
        "f": [6, 4, 8, 10, 3, 6, 9, 10, 8],
    }
)


def expanded(frame):
    rows = [(x, y) for x, s, f in frame[["x", "s", "f"]].to_numpy() for y in [1] * s + [0] * f]
    return pd.DataFrame(rows, columns=["x", "y"])


def test_counts_a_proportion_and_expanded_rows_are_one_model():
    counts = gi.logit("cbind(s, f) ~ x", GROUPED)
    n = GROUPED.s + GROUPED.f
    proportion = gi.logit("p ~ x", GROUPED.assign(p=GROUPED.s / n, n=n), trials="n")
    single = gi.logit("y ~ x", expanded(GROUPED))
    for fit in (counts, proportion, single):
        assert fit.coef.to_numpy() == pytest.approx([0.83814055, 0.07217137], abs=5e-9)
        assert fit.tidy().std_error.to_numpy() == pytest.approx(counts.tidy().std_error.to_numpy(), rel=1e-9)
    assert counts.loglik == pytest.approx(proportion.loglik, rel=1e-13)
    assert (counts.null_deviance, counts.deviance) == pytest.approx((5.38966, 4.84989), abs=5e-6)
    assert (single.null_deviance, single.deviance) == pytest.approx((287.9, 287.4), abs=0.05)
    gain = counts.null_deviance - counts.deviance
    assert single.null_deviance - single.deviance == pytest.approx(gain, rel=1e-9)  # the LR test is the same
    assert (counts.nobs, single.nobs) == (9, 256)


def test_counts_give_their_event_and_number_of_trials():
    fit = gi.logit("cbind(s, f) ~ x", GROUPED)
    assert fit.event == "successes of cbind(s, f)"
    assert "9 used (256 trials)" in str(fit)
    assert np.isnan(fit.glance().tjur[0])


def test_counts_may_be_computed_on_the_left():
    frame = GROUPED.assign(n=GROUPED.s + GROUPED.f)
    assert gi.logit("cbind(s, n - s) ~ x", frame).coef.equals(gi.logit("cbind(s, f) ~ x", GROUPED).coef)


def test_a_percentage_can_be_turned_into_a_proportion_on_the_left():
    n = GROUPED.s + GROUPED.f
    fit = gi.logit("pc / 100 ~ x", GROUPED.assign(pc=100 * GROUPED.s / n, n=n), trials="n")
    assert np.allclose(fit.coef, gi.logit("cbind(s, f) ~ x", GROUPED).coef, rtol=1e-10)


@pytest.mark.parametrize(
    ("formula", "change", "options", "says"),
    [
        ("cbind(s, f) ~ x", {"s": 2.5}, {}, "s is 2.5 in 9 rows; cbind(s, f) needs counts, whole numbers from 0 up."),
        ("cbind(s, f) ~ x", {"f": -1}, {}, "f is -1 in 9 rows; cbind(s, f) needs counts, whole numbers from 0 up."),
        ("cbind(s, f, x) ~ x", {}, {}, "cbind() on the left takes two columns, cbind(successes, failures)."),
        (
            "cbind(s, f) ~ x",
            {},
            {"trials": "s"},
            "trials= and cbind(s, f) both give the number of trials. Leave trials=",
        ),
        (
            "cbind(s, f) ~ x",
            {},
            {"event": 1},
            "event=1 has no meaning for cbind(s, f): its first column counts the event.",
        ),
        ("s ~ x", {}, {"trials": "f"}, "If it counts successes out of n, write cbind(s, n - s) and leave trials= out"),
        (
            "p ~ x",
            {"p": 0.333, "n": 3},
            {"trials": "n"},
            "(such as 0.333 × 3 = 0.999): p is rounded, or trials= are not",
        ),
        ("p ~ x", {"p": 0.5, "n": 2.5}, {"trials": "n"}, "trials is 2.5 in 9 rows; trials= needs counts"),
        ("cbind(s, f) ~ x", {"s": 0}, {}, "cbind(s, f) has failures only, in all 64 trials of 9 rows"),
    ],
)
def test_counts_that_cannot_be(formula, change, options, says):
    assert says in message(gi.InputError, formula, GROUPED.assign(**change), **options)


# new outcomes --------------------------------------------------------------------------------------------------------


def test_outcomes_of_new_rows_are_read_as_learned(trials):
    frame = trials.assign(y=trials.y.map({0: "no", 1: "yes"}))
    fit = gi.logit("y ~ x", frame, event="no")
    one_class = frame[frame.y == "no"].head(5)
    assert fit.score(one_class).n[0] == 5
    with pytest.raises(gi.ResponseError, match=r"y is 'perhaps' in 1 row; the model knows 'no' and 'yes' only"):
        fit.score(pd.DataFrame({"x": [0.0, 1.0], "y": ["no", "perhaps"]}))


def test_predicted_classes_are_the_labels_of_the_data(trials):
    frame = trials.assign(y=trials.y.map({0: "no", 1: "yes"}))
    predicted = gi.logit("y ~ x", frame).predict(type="class")
    assert set(predicted) == {"no", "yes"}
    flipped = gi.logit("y ~ x", frame, event="no").predict(type="class")
    assert predicted.equals(flipped)
    as_bool = gi.logit("y ~ x", trials.assign(y=trials.y == 1)).predict(type="class")
    assert as_bool.dtype == bool


EITHER = "and event= chooses between 0 and 1, False and True, or two labels. Leave it out, and write the event as a"
MESSAGES = [
    ("y", {"y": [1, 2, 1, 2], "event": 2}, f"y takes 2 values (1 and 2), not 0 and 1, {EITHER} condition: y == 2 ~ …"),
    (
        "y",
        {"y": [-1, 1] * 2, "event": -1},
        f"y takes 2 values (-1 and 1), not 0 and 1, {EITHER} condition: y == -1 ~ …",
    ),
    (
        "y + z",
        {"y": [0, 1, 2, 3], "z": [3, 3, 0, 1]},
        "y + z takes 3 values (2, 3 and 4), not 0 and 1. Write counts out of n as cbind(y, z) ~ …, or a condition, "
        "(y + z) > 0 ~ …",
    ),
    (
        "y + z + y",
        {"y": [0, 1, 2, 3], "z": [3, 3, 0, 1]},
        "y + z + y takes 4 values (3, 4, 5 and 7), not 0 and 1. Write counts out of n as cbind(y + z + y, n - (y + z + "
        "y)) ~ …, or a condition, (y + z + y) > 0 ~ …",
    ),
    (
        "y",
        {"y": [0, 1, 0, 1], "weights": np.zeros(4)},
        "y has no row with a trial of positive weight. Rows of weight zero say nothing: check weights=, trials= and "
        "the missing values.",
    ),
    (
        "y",
        {"y": [1, 0, 0, 1], "subset": "x < 1"},
        "y is 1 in the only row. A logistic model needs both outcomes: check the coding of y, subset= and the missing "
        "values.",
    ),
]


@pytest.mark.parametrize(("left", "given", "says"), MESSAGES)
def test_messages_about_outcomes_name_what_was_given(left, given, says):
    frame = {"x": np.arange(4.0), **{name: np.array(given[name]) for name in "yz" if name in given}}
    options = {name: value for name, value in given.items() if name not in "yz"}
    with pytest.raises(gi.ResponseError) as caught:
        gi.logit(f"{left} ~ x", frame, **options)
    assert str(caught.value) == says


def test_the_only_row_that_misses_a_value():
    with pytest.raises(gi.DataError) as caught:
        gi.logit("y ~ x", {"y": [1.0], "x": [np.nan]})
    assert str(caught.value) == (
        "No rows are left to fit: the only row has missing values (1 missing in x). Leave the emptiest column out of "
        "the formula."
    )
