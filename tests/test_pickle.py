"""Fits travel: small pickles that work in a fresh process, rows given back by with_data, fits on several threads."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

ROOT = str(Path(gi.__file__).parents[1])


def simulated(n, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "age": rng.integers(20, 60, n),
            "g": rng.choice(["a", "b", "c"], n),
            "w": rng.integers(0, 3, n),
        }
    )
    frame["y"] = (rng.uniform(size=n) < 1 / (1 + np.exp(0.5 - frame.x))).astype(int)
    return frame


@pytest.fixture(scope="module")
def trials():
    return simulated(400)


def sent(fit):
    return pickle.loads(pickle.dumps(fit))


# pickles -------------------------------------------------------------------------------------------------------------

FORMULAS = [
    "y ~ x + g",
    "y ~ poly(x, 3) + ns(age, 3)",
    "y ~ bs(x, df=4) * g + np.log(age)",
    "y ~ standardize(log(age)) + center(x):C(g, Sum)",
    "y ~ cr(x, df=4) + cc(age, df=4) + te(cr(x, df=3), cr(z, df=3))",
    "y ~ C(age > 40, Treatment(True)) + `z` + offset(x / 2)",
    "x > 0 ~ z + I(age ** 2)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fit_comes_back_with_all_that_needs_no_rows(trials, formula):
    fit = gi.logit(formula, trials, weights="w")
    back = sent(fit)
    assert type(back) is gi.Fit
    assert back.coef.equals(fit.coef)
    assert back.tidy().equals(fit.tidy())
    assert back.glance().equals(fit.glance())
    assert back.vcov().equals(fit.vcov())
    assert back.confint(method="wald").equals(fit.confint(method="wald"))
    assert str(back) == str(fit)
    assert back._repr_html_() == fit._repr_html_()
    assert back.trace.equals(fit.trace)
    assert (back.formula, back.event, back.notes, back.status) == (fit.formula, fit.event, fit.notes, fit.status)
    new = trials.iloc[5:9]
    assert back.predict(new).equals(fit.predict(new))
    assert back.predict(new, interval="confidence").equals(fit.predict(new, interval="confidence"))
    assert back.predict(new, type="terms").equals(fit.predict(new, type="terms"))
    assert back.augment(new).equals(fit.augment(new))
    assert back.score(trials).equals(fit.score(trials))
    assert sent(back).tidy().equals(fit.tidy())


def test_the_pickle_of_many_rows_is_small():
    frame = simulated(100_000)
    frame.loc[::7, "z"] = np.nan
    w = frame.w.to_numpy()
    for formula, options in [
        ("y ~ x + z + age + g", {}),
        ("y ~ bs(x, df=5) + ns(age, 3) + g + poly(z, 2) + offset(x)", {"weights": w, "subset": frame.x > -2}),
        ("y ~ x + cr(z, df=4)", {"offset": frame.z, "event": 0}),
    ]:
        fit = gi.logit(formula, frame, **options)
        fit.augment()
        fit.glance()
        assert len(pickle.dumps(fit)) < 50_000
        assert len(pickle.dumps(gi.logit(formula, frame, **options))) < 50_000  # before anything was asked


def test_the_pickle_of_a_separated_fit_is_small_and_predicts():
    frame = simulated(100_000)
    frame.loc[frame.g == "c", "y"] = 1
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", frame)
    assert len(pickle.dumps(fit)) < 50_000
    back = sent(fit)
    assert back.predict({"x": [-9.0], "g": "c"})[0] == 1
    assert back.tidy().equals(fit.tidy())
    assert np.allclose(back.predict(frame.head(50)), fit.predict().head(50), rtol=1e-12)


SCRIPT = """
import pickle, sys, warnings
warnings.simplefilter("error")
import glminfer as gi
fit, new, prob, text = pickle.load(open(sys.argv[1], "rb"))
assert fit.predict(new).equals(prob)
assert str(fit) == text
try:
    fit.augment()
except gi.RowsNeededError as error:
    print(error)
"""


def squared(values):
    return values**2


def in_a_fresh_process(contents, folder, script=SCRIPT):
    path = folder / "fit.pickle"
    path.write_bytes(pickle.dumps(contents))
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=folder,
        env={"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_fits_work_in_a_fresh_process(trials, tmp_path):
    formula = "y ~ poly(x, 2) + bs(z, df=4) + ns(age, 3) + np.log(age) + cr(x, df=3) + C(g, Sum)"
    fit = gi.logit(formula, trials)
    out = in_a_fresh_process((fit, trials.head(9), fit.predict(trials.head(9)), str(fit)), tmp_path)
    assert out.strip() == (
        "This fit was unpickled without its rows, which are needed here. fit.with_data(frame), with the data it was "
        "fitted "
        "to, gives them back."
    )


def test_a_function_that_does_not_exist_in_the_other_process_is_named(trials, tmp_path):
    fit = gi.logit("y ~ doubled(x) + z", trials, env={"doubled": lambda v: 2 * v})
    script = """
import pickle, sys
import glminfer as gi
fit, new = pickle.load(open(sys.argv[1], "rb"))
print(fit.tidy().term.tolist())
try:
    fit.predict(new)
except gi.FormulaError as error:
    print(error)
"""
    table, error = in_a_fresh_process((fit, trials.head(3)), tmp_path, script).strip().splitlines()
    assert table == "['Intercept', 'doubled(x)', 'z']"
    assert error.startswith("The formula calls the function 'doubled', which did not come along with the pickled fit: ")
    assert error.endswith("Define it in a module that can be imported in both places.")


def test_copies_keep_their_rows_and_fits_can_be_keys(trials):
    fit, other = gi.logit("y ~ x", trials), gi.logit("y ~ x", trials)
    assert copy.copy(fit) is copy.deepcopy(fit) is fit
    assert {fit: "one", other: "other"}[fit] == "one"
    assert fit == fit
    assert fit in [other, fit]
    assert fit != other


# rows needed ---------------------------------------------------------------------------------------------------------

NEED_ROWS = {
    "augment": lambda fit: fit.augment(),
    "residuals": lambda fit: fit.residuals(),
    "quantile residuals": lambda fit: fit.residuals("quantile", seed=1),
    "predict": lambda fit: fit.predict(),
    "predict with interval": lambda fit: fit.predict(interval="confidence"),
    "predict terms": lambda fit: fit.predict(type="terms"),
    "score": lambda fit: fit.score(),
    "crosscheck": lambda fit: fit.crosscheck(),
    "update": lambda fit: fit.update("~ . - x"),
}


@pytest.mark.parametrize("verb", NEED_ROWS)
def test_verbs_that_need_the_rows_offer_with_data(trials, verb):
    fit = gi.logit("y ~ x + poly(age, 2) + g", trials, weights="w", subset="z < 1")
    back = sent(fit)
    with pytest.raises(
        gi.RowsNeededError, match=r"fit\.with_data\(frame\), with the data it was fitted to, gives them back"
    ):
        NEED_ROWS[verb](back)
    mine, theirs = NEED_ROWS[verb](back.with_data(trials)), NEED_ROWS[verb](fit)
    if verb == "update":
        mine, theirs = mine.tidy(), theirs.tidy()
    assert mine.equals(theirs)


def test_with_data_accepts_the_data_in_another_frame_and_order(trials):
    back = sent(gi.logit("y ~ x + g", trials, weights="w"))
    assert back.with_data(trials.to_dict("list")).score().equals(back.with_data(trials).score())
    shuffled = trials.sample(frac=1, random_state=1)
    assert np.allclose(
        back.with_data(shuffled).predict().reindex(trials.index), back.with_data(trials).predict(), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.assign(x=f.x + 1), "Intercept is"),
        (lambda f: f.assign(x=2 * f.x), "x is"),
        (lambda f: f.assign(z=0), "where the fit has 400 rows and"),
        (lambda f: f.head(300), "300 rows with log-likelihood"),
        (lambda f: f.assign(y=1 - f.y), "Intercept is"),
        (lambda f: f.assign(g=f.g.map({"a": "a", "b": "b", "c": "d"})), "g[T.d]"),
        (lambda f: f.assign(g=f.g.map({"a": "b", "b": "a", "c": "c"})), "Intercept is"),
        (lambda f: pd.concat([f, f]), "800 rows with log-likelihood"),
    ],
    ids=["shifted", "scaled", "constant", "fewer", "other outcome", "other level", "levels swapped", "twice"],
)
def test_with_data_refuses_other_data(trials, change, says):
    back = sent(gi.logit("y ~ x + z + g", trials))
    with pytest.raises(gi.DataError) as caught:
        back.with_data(change(trials))
    assert str(caught.value).startswith("These data do not give this fit: ")
    assert str(caught.value).endswith("Use the data it was fitted to.")
    assert says in str(caught.value)


def test_with_data_names_a_column_that_is_gone(trials):
    with pytest.raises(gi.InputError, match="no column 'z'"):
        sent(gi.logit("y ~ x + z", trials)).with_data(trials.drop(columns="z"))


@pytest.mark.parametrize("argument", ["weights", "offset", "subset"])
def test_arguments_given_as_values_are_asked_for_again(trials, argument):
    values = {"weights": trials.w.to_numpy(), "offset": trials.z, "subset": (trials.z < 1).to_numpy()}[argument]
    fit = gi.logit("y ~ x", trials, **{argument: values})
    back = sent(fit)
    with pytest.raises(
        gi.DataError, match=rf"{argument}= was given as an array, which the pickle left behind; give it again"
    ):
        back.with_data(trials)
    again = back.with_data(trials, **{argument: values})
    assert again.residuals().equals(fit.residuals())
    with pytest.raises(gi.DataError, match="These data do not give this fit"):
        back.with_data(trials, **{argument: values[::-1] if argument == "subset" else values * 2 + 1})


def test_functions_of_the_formula_come_along_in_the_same_process(trials):
    fit = gi.logit("y ~ squared(x) + z", trials)
    again = sent(fit).with_data(trials)
    assert again.augment().equals(fit.augment())
    assert again.update("~ . - z").coef.index.tolist() == ["Intercept", "squared(x)"]


def test_with_data_of_a_separated_and_of_an_unfinished_fit(trials):
    frame = trials.copy()
    frame.loc[frame.g == "c", "y"] = 1
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g", frame)
    assert sent(fit).with_data(frame).augment().equals(fit.augment())  # no second warning
    with pytest.warns(gi.ConvergenceWarning):
        fit = gi.logit("y ~ x + g", trials, control=gi.Control(max_iter=1))
    assert sent(fit).with_data(trials).augment().equals(fit.augment())


def test_other_frames_are_given_back_too(trials):
    import polars as pl

    frame = pl.from_pandas(trials)
    fit = gi.logit("y ~ x + g", frame)
    assert sent(fit).with_data(frame).augment().equals(fit.augment())


# threads -------------------------------------------------------------------------------------------------------------


def test_two_threads_fitting_at_once_give_the_numbers_of_one():
    frames = [simulated(60_000, seed) for seed in range(2)]
    formulas = ["y ~ x * g + poly(age, 2) + z", "y ~ bs(x, df=4) + z", "y ~ x + w"]
    work = [(formula, frame) for formula in formulas for frame in frames] * 2
    alone = [gi.logit(formula, frame) for formula, frame in work[:6]] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda task: gi.logit(*task), work))
    for one, other in zip(alone, together, strict=True):
        assert one.coef.equals(other.coef)
        assert one.tidy().equals(other.tidy())
        assert one.loglik == other.loglik


def test_one_fit_may_be_asked_by_several_threads(trials):
    fit = gi.logit("y ~ x * g", trials)
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: fit.augment(), range(8)))
    assert all(table.equals(tables[0]) for table in tables)
