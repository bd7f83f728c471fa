"""Keywords and options that do not exist: the error gives the nearest one that does."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.errors import nearest


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"x": rng.normal(size=150), "g": rng.choice(["u", "v", "w"], 150)})
    frame["y"] = (rng.uniform(size=150) < 1 / (1 + np.exp(-frame.x))).astype(int)
    return frame


# unknown keywords ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit(trials):
    return gi.logit("y ~ x + g", trials)


CALLS = {
    "logit": (lambda fit, t, **k: gi.logit("y ~ x", t, **k), "weight", "weights"),
    "glm": (lambda fit, t, **k: gi.glm("y ~ x", t, **k), "lnk", "link"),
    "Control": (lambda fit, t, **k: gi.Control(**k), "maxiter", "max_iter"),
    "simulate_session": (lambda fit, t, **k: gi.datasets.simulate_session(**k), "n_trial", "n_trials"),
    "tidy": (lambda fit, t, **k: fit.tidy(**k), "levels", "level"),
    "confint": (lambda fit, t, **k: fit.confint(**k), "lvl", "level"),
    "vcov": (lambda fit, t, **k: fit.vcov(**k), "cov_", "cov"),
    "predict": (lambda fit, t, **k: fit.predict(**k), "new_data", "newdata"),
    "residuals": (lambda fit, t, **k: fit.residuals(**k), "typ", "type"),
    "augment": (lambda fit, t, **k: fit.augment(**k), "new", "newdata"),
    "score": (lambda fit, t, **k: fit.score(**k), "newdta", "newdata"),
    "summary": (lambda fit, t, **k: fit.summary(**k), "levl", "level"),
    "with_data": (lambda fit, t, **k: fit.with_data(t, **k), "weigths", "weights"),
    "update": (lambda fit, t, **k: fit.update(**k), "chang", "change"),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_keyword_of_any_call_gets_the_nearest_name(trials, fit, call):
    function, wrong, right = CALLS[call]
    with pytest.raises(TypeError, match=rf"{call}\(\) has no argument '{wrong}'. Did you mean '{right}'\? It takes: "):
        function(fit, trials, **{wrong: 1})


VERBS = ["tidy", "glance", "augment", "summary", "vcov", "confint", "predict", "residuals", "score", "crosscheck"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_function_and_a_method_that_checks_its_keywords(fit, verb):
    for call in (lambda **k: getattr(gi, verb)(fit, **k), getattr(fit, verb)):
        with pytest.raises(TypeError, match=rf"^{verb}\(\) has no argument 'nonsense'\..*It takes: "):
            call(nonsense=1)
        assert str(call()) == str(getattr(fit, verb)())


def test_every_public_callable_checks_its_keywords(fit):
    functions = [getattr(gi, name) for name in gi.__all__ if name.islower() and callable(getattr(gi, name))]
    assert len(functions) >= 12
    for function in functions:
        with pytest.raises(TypeError, match="has no argument 'nonsense'"):
            function(fit, nonsense=1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda f: f.tidy(cov="robust"), "cov 'robust' is not known."),
        (lambda f: f.tidy(conf_method="walt"), "conf_method 'walt' is not known. Did you mean 'wald'?"),
        (
            lambda f: f.tidy(level=95),
            "level=95 is not a confidence level: it must lie strictly between 0 and 1, such as 0.95.",
        ),
        (
            lambda f: f.tidy(dof=0),
            "dof=0 is not a number of degrees of freedom: it must be positive, or inf for the normal.",
        ),
        (lambda f: f.confint(terms=["gg"]), "coefficient 'gg' is not known."),
        (
            lambda f: f.residuals("pearsn"),
            "type 'pearsn' is not known. Did you mean 'pearson'? Choose one of: deviance,",
        ),
        (
            lambda f: f.residuals(seed=1),
            "seed= is for type='quantile', which draws random numbers; type='deviance' does not.",
        ),
        (lambda f: f.predict(type="prob"), "type 'prob' is not known. Choose one of: response, link, class, terms."),
        (lambda f: f.predict(interval="prediction"), "interval 'prediction' is not known. Choose one of: confidence."),
        (
            lambda f: f.predict(type="class", interval="confidence"),
            "interval= goes with type='response' or type='link'",
        ),
        (
            lambda f: f.predict(type="class", threshold=50),
            "threshold=50 is not a probability: it must lie between 0 and 1.",
        ),
        (
            lambda f: f.predict(threshold=0.3),
            "threshold=0.3 decides between classes, with type='class'; type='response' has",
        ),
        (lambda f: f.predict(f.frame(), unseen="drop"), "unseen 'drop' is not known. Choose one of: raise, nan."),
    ],
)
def test_unknown_options(fit, call, says):
    with pytest.raises(gi.InputError) as caught:
        call(fit)
    assert says in str(caught.value)


def test_unknown_links_solvers_and_controls(trials):
    with pytest.raises(
        gi.InputError, match=r"link 'logistic' is not known. Did you mean 'logit'\? Choose one of: logit, probit"
    ):
        gi.glm("y ~ x", trials, link="logistic")
    with pytest.raises(gi.InputError, match=r"solver 'newtn' is not known. Did you mean 'newton'\?"):
        gi.logit("y ~ x", trials, solver="newtn")
    with pytest.raises(gi.InputError, match=r"control=50 is not a gi.Control; write control=gi.Control\(max_iter=50\)"):
        gi.logit("y ~ x", trials, control=50)


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"max_iter": 0}, "max_iter=0 must be a whole number, 1 or more."),
        ({"max_iter": 2.5}, "max_iter=2.5 must be a whole number, 1 or more."),
        ({"max_halvings": -1}, "max_halvings=-1 must be a whole number, 0 or more."),
        ({"tol": 0}, "tol=0 must be a number greater than 0."),
        ({"tol": "small"}, "tol='small' must be a number greater than 0."),
        ({"tol": np.nan}, "tol=nan must be a number greater than 0."),
        ({"step_size": -0.1}, "step_size=-0.1 must be a number greater than 0."),
    ],
)
def test_controls_that_cannot_be(knobs, says):
    with pytest.raises(gi.InputError) as caught:
        gi.Control(**knobs)
    assert str(caught.value) == says


# the wrong kind of object --------------------------------------------------------------------------------------------

FIT = "is asked of what gi.logit or gi.glm returns, and this is"
PATH = "is asked of what gi.logit_path returns, and this is"
WRONG = [
    (lambda o: gi.anova([o["fit"], o["fit"]]), f"anova() {FIT} a list. Give each by itself, not in a list."),
    (lambda o: gi.anova(o["fit"], None), f"anova() {FIT} None."),
    (
        lambda o: gi.anova(o["fit"], "y ~ g"),
        f"anova() {FIT} 'y ~ g' (str). Options have names: type, test, cov, cluster.",
    ),
    (lambda o: o["fit"].anova("III"), f"anova() {FIT} 'III' (str). Options have names: type, test, cov, cluster."),
    (lambda o: gi.tidy(o["frame"]), f"tidy() {FIT} a DataFrame."),
    (lambda o: gi.tidy(fit=o["frame"]), f"tidy() {FIT} a DataFrame."),
    (lambda o: gi.tidy(o["path"]), f"tidy() {FIT} a Path. It has a method of its own, .tidy()."),
    (lambda o: gi.score_test(o["fits"], "x"), f"score_test() {FIT} a Fits. It has a method of its own, .score_test()."),
    (lambda o: gi.confint(o["path"]), f"confint() {FIT} a Path."),
    (lambda o: gi.predict("y ~ x", o["frame"]), f"predict() {FIT} 'y ~ x' (str)."),
    (lambda o: gi.summary(gi.Fit), f"summary() {FIT} <class 'glminfer.models.Fit'>."),
    (lambda o: gi.cross_validate(o["fit"]), f"cross_validate() {PATH} a Fit."),
    (lambda o: gi.nested_cross_validate(5), f"nested_cross_validate() {PATH} 5 (int)."),
    (lambda o: gi.decoding_test(o["fits"]), f"decoding_test() {PATH} a Fits."),
    (
        lambda o: gi.permutation_test(o["path"]),
        "permutation_test() is asked of what gi.logit, gi.glm, gi.logit_many or gi.logit_each returns, and this is a "
        "Path.",
    ),
    (
        lambda o: gi.plot_cross_validation(o["path"]),
        "plot_cross_validation() is asked of what gi.cross_validate returns, and this is a Path.",
    ),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_the_wrong_kind_of_object_is_told_what_makes_the_right_one(trials, fit, call, says):
    path = gi.logit_path("y ~ x + g", trials, n_lambdas=3)
    fits = gi.logit_many("x", trials, outcomes=["y"])
    with pytest.raises(gi.InputError) as caught:
        call({"fit": fit, "path": path, "fits": fits, "frame": trials})
    assert str(caught.value) == says


def test_many_fits_say_which_of_them_to_ask(trials):
    fits = gi.logit_many("x", trials, outcomes=["y"])
    with pytest.raises(AttributeError, match=r"have no 'predict'.*asked of it, such as fits\['y'\]"):
        gi.predict(fits)


def test_every_verb_of_a_record_knows_what_it_is_asked_of():
    """A new verb whose first argument is annotated otherwise would fail with a raw AttributeError."""
    verbs = {name: value for kind in (gi.Fit, gi.Fits, gi.Path) for name, value in vars(kind).items()}
    functions = [getattr(gi, name, verb) for name, verb in verbs.items() if hasattr(verb, "__wrapped__")]
    asked = [f for f in functions if next(iter(f.__wrapped__.__annotations__)) in ("fit", "fits", "path")]
    assert len(asked) >= 25
    for function in asked:
        with pytest.raises(gi.InputError, match=r"is asked of what gi\.logit.* returns, and this is 5 \(int\)\."):
            function(5)


# options of the wrong kind -------------------------------------------------------------------------------------------

LEVEL = "is not a confidence level: it must lie strictly between 0 and 1, such as 0.95."
DOF = "is not a number of degrees of freedom: it must be positive, or inf for the normal."
TERMS = "Terms are named by text, such as 'x' or ['x', 'g']; this is"
COV = "Give the name that fit.vcov would take; it is computed where it is needed."
ENV = "env= is a dict of functions by name, env={'name': function}, and this is"
KINDS = [
    (
        lambda f, t: f.tidy(cov=f.vcov("HC1")),
        f"cov= is the name of a covariance, such as 'HC1', and this is a DataFrame. {COV}",
    ),
    (
        lambda f, t: f.wald_test("x", cov=np.eye(4)),
        f"cov= is the name of a covariance, such as 'HC1', and this is an array of shape (4, 4). {COV}",
    ),
    (
        lambda f, t: f.score_test("z", cov=np.eye(4)),
        "cov of a score test an array of shape (4, 4) is not known. Choose one of: model, HC0.",
    ),
    (lambda f, t: f.tidy(level="0.95"), f"level='0.95' (str) {LEVEL}"),
    (lambda f, t: f.confint(level=None), f"level=None {LEVEL}"),
    (lambda f, t: f.summary(level=[0.9, 0.95]), f"level=[0.9, 0.95] (list) {LEVEL}"),
    (lambda f, t: f.tidy(level=np.float64(95)), f"level=95.0 {LEVEL}"),
    (lambda f, t: f.tidy(dof="inf"), f"dof='inf' (str) {DOF}"),
    (lambda f, t: f.wald_test("x", dof=[3]), f"dof=[3] (list) {DOF}"),
    (
        lambda f, t: f.predict(type="class", threshold="a"),
        "threshold='a' (str) is not a probability: it must lie between 0 and 1.",
    ),
    (
        lambda f, t: gi.stability(gi.logit_path("y ~ x + g", t), threshold="a"),
        "threshold='a' (str) must be more than 0.5, at most 1: a share of the halves.",
    ),
    (lambda f, t: f.lr_test(5), f"{TERMS} 5 (int)."),
    (lambda f, t: f.lr_test(None), f"{TERMS} None."),
    (lambda f, t: gi.logit_many("x", t, outcomes=["y"]).lr_test(5), f"{TERMS} 5 (int)."),
    (lambda f, t: gi.logit_many("x", t, outcomes=["y"]).score_test(["x", 3]), f"{TERMS} 3 (int)."),
    (lambda f, t: f.delta(3), "3 is not an expression over coefficients, such as '-Intercept / x', or a list."),
    (lambda f, t: f.residuals("quantile", seed="a"), "seed='a' must be a whole number, 0 or more."),
    (lambda f, t: gi.logit("y ~ x", t, env=5), f"{ENV} 5 (int)."),
    (lambda f, t: gi.logit_many("x", t, outcomes=["y"], env=[1]), f"{ENV} [1] (list)."),
    (lambda f, t: f.tidy(exponentiate="yes"), "exponentiate='yes' (str) is neither True nor False."),
    (lambda f, t: gi.logit_path("y ~ x", t, standardize=None), "standardize=None is neither True nor False."),
    (lambda f, t: f.anova(test=t), "test a DataFrame is not known. Choose one of: LR, wald, score."),
    (
        lambda f, t: gi.logit_path("y ~ x", t, penalty_factor=[1, 2]),
        "penalty_factor= has shape (2,) and there is 1 penalised column; give one factor for each, or a dict by column "
        "name (1 for the others).",
    ),
]


@pytest.mark.parametrize(("call", "says"), KINDS)
def test_options_of_the_wrong_kind(trials, fit, call, says):
    frame = trials.assign(z=np.arange(150) % 7)
    with pytest.raises(gi.InputError) as caught:
        call(gi.logit("y ~ x + g", frame), frame)
    assert str(caught.value) == says


def test_numbers_and_flags_of_numpy_are_numbers_and_flags(fit):
    plain = fit.tidy(level=0.5, dof=7, exponentiate=True)
    for level in (np.float32(0.5), np.float64(0.5), np.array(0.5)):
        for flag in (np.True_, 1):
            pd.testing.assert_frame_equal(fit.tidy(level=level, dof=np.int64(7), exponentiate=flag), plain)
    assert np.isfinite(fit.residuals("quantile", seed=np.int64(3))).all()


@pytest.mark.parametrize(
    ("word", "known", "says"),
    [
        ("acc", ["deviance", "accuracy", "auc"], " Did you mean 'accuracy'?"),
        ("con", ["count", "contrast_left", "contrast"], " Did you mean 'contrast'?"),
        ("Weigh", ["height", "weights"], " Did you mean 'weights'?"),
        ("xx", ["x", "xxl_of_them"], " Did you mean 'x'?"),
        ("zebra", ["accuracy", "auc"], ""),
    ],
)
def test_a_word_cut_short_is_completed(word, known, says):
    assert nearest(word, known) == says
