"""Keywords and options that do not exist: the error gives the nearest one that does."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi


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
