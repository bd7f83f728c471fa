"""The outcome: every accepted form gives the same numbers, every other one a sentence that names its values."""

import pickle
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from glminfer.data.response import ResponseSpec, code_response, learn_response, read_response
from glminfer.errors import ResponseError

ZERO_ONE = [0, 1, 1, 0, 1, 0]
EXPECTED = np.array(ZERO_ONE, dtype=float)


@dataclass
class Factor:
    """As frames.py gives labelled columns: codes and levels."""

    codes: np.ndarray
    levels: tuple


def factor(values, levels=None):
    levels = tuple(levels or sorted(set(values)))
    return Factor(np.array([levels.index(v) if v in levels else -1 for v in values]), levels)


def learn(values, text="y", **options):
    return learn_response(text, [(text, values)], **options)


def refused(values, message, text="y", **options):
    with pytest.raises(ResponseError, match=re.escape(message)):
        learn(values, text, **options)


words = ["no" if v == 0 else "yes" for v in ZERO_ONE]


@pytest.mark.parametrize(
    ("values", "event"),
    [
        (np.array(ZERO_ONE), "y = 1"),
        (np.array(ZERO_ONE, dtype=np.int8), "y = 1"),
        (np.array(ZERO_ONE, dtype=np.uint16), "y = 1"),
        (np.array(ZERO_ONE, dtype=float), "y = 1"),
        (np.array(ZERO_ONE, dtype=np.float32), "y = 1"),
        (np.array(ZERO_ONE, dtype=bool), "y = True"),
        (np.array(words), "y = 'yes'"),
        (np.array(words, dtype=object), "y = 'yes'"),
        (factor(words), "y = 'yes'"),
        (factor(words, ("maybe", "no", "yes")), "y = 'yes'"),
        (pd.Categorical(words), "y = 'yes'"),
        (factor([v + 1 for v in ZERO_ONE]), "y = 2"),
        (factor([bool(v) for v in ZERO_ONE]), "y = True"),
    ],
)
def test_every_two_valued_outcome_gives_the_same_numbers(values, event):
    spec, y, trials = learn(values)
    assert spec.kind == "binary"
    assert spec.event == event
    assert trials is None
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, EXPECTED)
    np.testing.assert_array_equal(code_response(spec, [("y", values)])[0], EXPECTED)


@pytest.mark.parametrize(
    ("values", "event", "printed"),
    [
        (np.array(ZERO_ONE), 0, "y = 0"),
        (np.array(ZERO_ONE, dtype=float), 0.0, "y = 0"),
        (np.array(ZERO_ONE, dtype=bool), False, "y = False"),
        (factor(words), "no", "y = 'no'"),
        (factor([v + 1 for v in ZERO_ONE]), 1, "y = 1"),
    ],
)
def test_event_chooses_the_success(values, event, printed):
    spec, y, _ = learn(values, event=event)
    assert spec.event == printed
    np.testing.assert_array_equal(y, 1 - EXPECTED)
    np.testing.assert_array_equal(code_response(spec, [("y", values)])[0], 1 - EXPECTED)


def test_category_order_decides_the_event():
    spec, y, _ = learn(factor(words, ("yes", "no")))
    assert spec.event == "y = 'no'"
    assert spec.levels == ("yes", "no")
    np.testing.assert_array_equal(y, 1 - EXPECTED)


@pytest.mark.parametrize(
    ("text", "event", "printed"),
    [
        ("rt > 0.5", None, "rt > 0.5"),
        ("rt > 0.5", False, "not (rt > 0.5)"),
        ("(a > 1) & (b < 2)", None, "(a > 1) & (b < 2)"),
        ("~late", None, "~late"),
        ("not late", None, "not late"),
        ("a > 1 or b > 1", None, "a > 1 or b > 1"),
        ("late", None, "late = True"),
        ("np.isfinite(a)", None, "np.isfinite(a) = True"),
        ("class", None, "class = True"),
        ("-late", None, "-late = True"),
    ],
)
def test_event_of_a_condition_is_the_condition(text, event, printed):
    assert learn(np.array(ZERO_ONE, dtype=bool), text, event=event)[0].event == printed


def test_later_rows_may_hold_one_label_only_and_other_types():
    spec, *_ = learn(factor(words))
    np.testing.assert_array_equal(code_response(spec, [("y", factor(["yes", "yes"]))])[0], [1, 1])
    numbers, *_ = learn(np.array(ZERO_ONE), event=0)
    np.testing.assert_array_equal(code_response(numbers, [("y", np.array([True, False]))])[0], [0, 1])
    coded, *_ = learn(factor([1, 2, 2]))
    np.testing.assert_array_equal(code_response(coded, [("y", np.array([2.0, 1.0]))])[0], [1, 0])


def test_later_rows_with_unknown_values_are_refused():
    spec, *_ = learn(factor(words))
    message = "y is 'maybe' in 2 rows; the model knows 'no' and 'yes' only. Leave these rows out"
    with pytest.raises(ResponseError, match=re.escape(message)):
        code_response(spec, [("y", factor(["yes", "maybe", "maybe"], ("maybe", "never", "yes")))])
    with pytest.raises(ResponseError, match="y is 1 in 1 row; the model knows 'no' and 'yes' only"):
        code_response(spec, [("y", np.array([1]))])
    numbers, *_ = learn(np.array(ZERO_ONE))
    with pytest.raises(ResponseError, match="y is 2 and 3 in 2 rows; the model knows 0 and 1 only"):
        code_response(numbers, [("y", np.array([0, 2, 3, 1]))])
    with pytest.raises(ResponseError, match="y is '1' in 1 row"):
        code_response(numbers, [("y", np.array(["1"]))])


def test_missing_labels_are_refused():
    refused(factor(["no", "yes", None], ("no", "yes")), "y is missing in 1 row. Leave these rows out.")


def test_spec_pickles():
    spec, *_ = learn(factor(words))
    assert pickle.loads(pickle.dumps(spec)) == spec == ResponseSpec("y", "binary", "y = 'yes'", ("no", "yes"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1, 2, 2],
            "y takes 2 values (1 and 2), not 0 and 1, so the event is not known. Write it as a condition: y == 2 ~",
        ),
        (
            [-1, 1],
            "y takes 2 values (-1 and 1), not 0 and 1, so the event is not known. Write it as a condition: y == 1 ~",
        ),
        ([-1.0, 1.0], "y takes 2 values (-1 and 1), not 0 and 1"),
        (
            [0.1, 0.25, 1],
            "y takes 3 values (0.1, 0.25 and 1), not 0 and 1. A proportion needs its number of trials: give them with "
            "trials=, or write cbind(successes, failures) on the left.",
        ),
        ([0, 0.5], "y takes 2 values (0 and 0.5), not 0 and 1. A proportion needs its number of trials"),
        (
            [0, 1, 2, 3, 4, 5, 6, 7],
            "y takes 8 values (0, 1, 2, 3, 4, 5, …), not 0 and 1. Write counts out of n as cbind(y, n - y) ~ …, or a "
            "condition, y > 0 ~ …",
        ),
        ([-3, 0, 2], "y takes 3 values (-3, 0 and 2), not 0 and 1. Write the event as a condition, such as y > 0 ~ …"),
        ([-3], "y takes 1 value (-3), not 0 and 1. Write the event as a condition"),
    ],
)
def test_other_numbers_are_refused_by_value(values, message):
    refused(np.array(values), message)


def test_three_labels_are_refused_by_name():
    refused(
        factor(["left", "none", "right"]),
        "choice takes 3 labels ('left', 'none' and 'right'); a logistic model needs two outcomes. Write the event as a "
        "condition, choice == 'right' ~ …, or leave rows out with subset=.",
        text="choice",
    )


def test_the_way_out_is_written_as_the_formula_writes_it():
    with pytest.raises(
        ResponseError, match=re.escape("my y takes 2 values (1 and 2)") + ".*" + re.escape('Q("my y") == 2')
    ):
        learn_response('Q("my y")', [("my y", np.array([1, 2]))])


def test_other_shapes_and_types_are_refused():
    needs = "; the outcome must be one column of 0 and 1, of True and False, or of two labels."
    refused(np.zeros((3, 2)), "y is an array of shape (3, 2)" + needs)
    refused(np.array([0j, 1j]), "y is a column of complex128" + needs)


def test_unknown_event_is_refused_with_the_nearest_value():
    refused(
        factor(["left", "right"]),
        "event='rigth' is not a value of y, which takes 'left' and 'right'. Did you mean 'right'? Give one of these",
        event="rigth",
    )
    refused(np.array(ZERO_ONE), "event='1' is not a value of y, which takes 0 and 1.", event="1")
    refused(factor(["right"]), "event='left' is not a value of y, which takes 'right'.", event="left")


# successes and failures, proportions ---------------------------------------------------------------------------

S = np.array([10, 15, 0, 7])
N = np.array([16, 15, 0, 9])


def grouped(successes, failures, **options):
    return learn_response("cbind(s, f)", [("s", np.asarray(successes)), ("f", np.asarray(failures))], **options)


def test_counts_and_proportions_are_the_same_numbers():
    spec, y, trials = grouped(S, N - S)
    assert (spec.kind, spec.event, spec.levels) == ("counts", "successes of cbind(s, f)", None)
    np.testing.assert_array_equal(trials, N)
    np.testing.assert_array_equal(y, [10 / 16, 1, 0, 7 / 9])  # no trials: 0, as in R
    share = np.array([10 / 16, 1, np.nan, 7 / 9])
    other, same, again = learn(share, "share", trials=N)
    assert (other.kind, other.event) == ("proportion", "successes, as the proportion share of the trials")
    np.testing.assert_array_equal(same, y)
    np.testing.assert_array_equal(again, trials)
    np.testing.assert_array_equal(code_response(other, [("share", share)], N)[0], y)
    np.testing.assert_array_equal(code_response(spec, [("s", S), ("f", N - S)])[0], y)


def test_single_precision_proportions_are_whole_successes():
    n = np.array([3000.0, 3000.0])
    y = learn(np.array([1 / 3, 0.1], dtype=np.float32), trials=n)[1]
    np.testing.assert_array_equal(y, [1000 / 3000, 300 / 3000])


def test_zero_one_with_trials_is_a_proportion():
    spec, y, trials = learn(np.array([True, False]), trials=[1, 1])
    assert spec.kind == "proportion"
    np.testing.assert_array_equal(y, [1, 0])
    np.testing.assert_array_equal(trials, [1, 1])


@pytest.mark.parametrize(
    ("successes", "message"),
    [
        (
            [-1, 2],
            "s is -1 in 1 row; cbind(s, f) needs counts, whole numbers from 0 up. Case weights that are not counts",
        ),
        ([0.5, 2.25], "s is 0.5 and 2.25 in 2 rows; cbind(s, f) needs counts"),
        ([np.inf, 2], "s is inf in 1 row; cbind(s, f) needs counts"),
        (["a", "b"], "s holds labels; cbind(s, f) needs counts, whole numbers from 0 up."),
    ],
)
def test_counts_that_are_none_are_refused(successes, message):
    with pytest.raises(ResponseError, match=re.escape(message)):
        grouped(successes, [1, 2])


def test_counts_take_no_trials_event_or_third_column():
    with pytest.raises(ResponseError, match=re.escape("trials= and cbind(s, f) both give the number of trials. Leave")):
        grouped([1, 2], [1, 2], trials=[2, 4])
    with pytest.raises(
        ResponseError, match=re.escape("event='s' has no meaning for cbind(s, f): its first column counts")
    ):
        grouped([1, 2], [1, 2], event="s")
    with pytest.raises(
        ResponseError, match=re.escape("cbind(a, b, c) has 3 columns; write cbind(successes, failures).")
    ):
        learn_response("cbind(a, b, c)", [(k, np.array([1, 2])) for k in "abc"])


@pytest.mark.parametrize(
    ("share", "trials", "message"),
    [
        (
            [0.33, 0.5],
            [10, 10],
            "y × trials is not a whole number of successes in 1 row (such as 0.33 × 10 = 3.3): y is rounded, or "
            "trials= are not its trials. Give the counts, cbind(successes, failures), or the unrounded proportion.",
        ),
        ([4, 1], [10, 10], "y is 4 in 1 row; with trials= it must be a proportion from 0 to 1. If it counts successes"),
        ([-0.5, 1], [10, 10], "y is -0.5 in 1 row; with trials= it must be a proportion"),
        ([np.nan, 1], [10, 10], "y is nan in 1 row; with trials= it must be a proportion"),
        ([0.5, 0.5], [2.5, 4], "trials is 2.5 in 1 row; trials= needs counts, whole numbers from 0 up."),
        ([0.5, 0.5], [-2, 4], "trials is -2 in 1 row; trials= needs counts, whole numbers from 0 up."),
        (["no", "yes"], [2, 4], "y holds labels; with trials= it must be a proportion. Leave trials= out."),
    ],
)
def test_proportions_that_are_none_are_refused(share, trials, message):
    refused(np.array(share), message, trials=np.array(trials))


def test_a_proportion_takes_no_event_and_needs_its_trials():
    refused(
        np.array([0.5, 1]),
        "event=1 has no meaning for a proportion with trials: y is the share of the event. To model the other outcome, "
        "write I(1 - y) on the left.",
        trials=[2, 2],
        event=1,
    )
    spec = learn(np.array([0.5, 1]), trials=[2, 2])[0]
    message = "y is a proportion, which means nothing without its trials. Give them with trials=."
    with pytest.raises(ResponseError, match=re.escape(message)):
        code_response(spec, [("y", np.array([0.5]))])


# one class only ------------------------------------------------------------------------------------------------

END = " A logistic model needs both outcomes: check the coding of y, subset= and the missing values."


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (factor(["right"] * 4), {}, "y is 'right' in all 4 rows." + END),
        (factor(["right"] * 4, ("left", "right")), {}, "y is 'right' in all 4 rows." + END),
        (factor(["right"] * 4, ("left", "right")), {"event": "left"}, "y is 'right' in all 4 rows."),
        (np.zeros(3), {}, "y is 0 in all 3 rows."),
        (np.zeros(3), {"event": 0}, "y is 0 in all 3 rows."),
        (np.ones(3, dtype=bool), {}, "y is True in all 3 rows."),
        (np.array([1, 1, 0]), {"weights": np.array([1.0, 2.0, 0.0])}, "y is 1 in all 2 rows."),
        (np.array([1, 1, 0]), {"weights": np.zeros(3)}, "y has no row with a trial of positive weight."),
        (np.array([0.0, 0.0]), {"trials": [2, 3]}, "y has failures only, in all 5 trials of 2 rows."),
        (np.array([1.0, 1.0]), {"trials": [2, 3]}, "y has successes only, in all 5 trials of 2 rows."),
        (np.array([1.0, 0.0]), {"trials": [2, 0]}, "y has successes only, in all 2 trials of 1 row."),
        (np.array([1.0, 0.0]), {"trials": [0, 0]}, "y has no row with a trial of positive weight."),
        (
            np.zeros(40),
            {"lost": "12 of 52 rows were dropped: 12 missing in x"},
            "y is 0 in all 40 rows (12 of 52 rows were dropped: 12 missing in x)." + END,
        ),
    ],
)
def test_one_class_only_is_refused(values, options, message):
    refused(values, message, **options)


def test_constant_counts_are_refused():
    with pytest.raises(ResponseError, match=re.escape("cbind(s, f) has failures only, in all 3 trials of 2 rows.")):
        grouped([0, 0], [1, 2])


def test_one_group_of_both_outcomes_is_enough():
    np.testing.assert_array_equal(grouped([3], [2])[1], [0.6])


def test_a_constant_outcome_can_still_be_read():
    spec, y, _ = read_response("y", [("y", factor(["right", "right"]))])
    assert spec.levels == (None, "right")
    np.testing.assert_array_equal(y, [1, 1])
