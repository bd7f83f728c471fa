"""Permutation tests of terms of one fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plain_glm import plain, score_statistic
from random_rows import LINKS, few

import glminfer as gi
from glminfer.data.sessions import sessions
from glminfer.inference import rearranged, schemes

COLUMNS = ["hypothesis", "statistic", "df", "p_value", "n", "mc_error", "scheme", "test"]
ROWS: dict[str, dict[str, Any]] = {
    "free": {},
    "within": {"by": "s"},
    "blocks": {"by": "s", "block": 4, "order": "t"},
    "circular_shift": {"by": "s", "order": "t"},
}
ALL: dict[str, dict[str, Any]] = {**ROWS, "linear_shift": {"by": "s"}, "swap": {"by": "s"}, "sign_flip": {"by": "s"}}


def simulated(seed: int = 5, n: int = 96, sessions: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"s": np.sort(np.arange(n) % sessions), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["t"], frame["g"] = np.arange(n), rng.choice(list("abc"), n)
    frame["w"], frame["o"], frame["m"] = rng.integers(1, 4, n), 0.3 * rng.normal(size=n), rng.integers(1, 9, n)
    p = 1 / (1 + np.exp(-(0.2 + 0.5 * frame.z + 0.3 * frame.x)))
    frame["y"], frame["k"] = (rng.random(n) < p).astype(int), rng.binomial(frame.m, p)
    frame["dose"] = np.array([0.0, 1.0, 1.0, 0.0, 0.5, 2.0, 3.0, 1.0])[frame.s % 8]
    return frame


@pytest.fixture(scope="module")
def frame():
    return simulated()


@pytest.fixture(scope="module")
def fit(frame):
    return gi.logit("y ~ x + z + g", frame)


# the statistic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["free", "within", "blocks", "circular_shift", "swap", "sign_flip"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("outcome", ["y", "cbind(k, m - k)"])
def test_the_observed_statistic_is_that_of_the_score_test(frame, scheme, link, outcome):
    options = {"weights": "w", "offset": "o"}
    fit = gi.glm(f"{outcome} ~ x + z + g", frame, link=link, **options)
    expected = gi.glm(f"{outcome} ~ x + z", frame, link=link, **options).score_test("g")
    found = fit.permutation_test("g", scheme=scheme, n=5, **ALL[scheme])
    assert list(found.columns) == COLUMNS
    assert found.statistic[0] == pytest.approx(expected.statistic[0], rel=1e-8)
    assert found.df[0] == 2


@pytest.mark.parametrize("scheme", ALL)
def test_rows_of_a_session_need_not_stand_together(frame, fit, scheme):
    """The rows of all sessions in another order, said by order= where it matters."""
    orders = {"blocks", "circular_shift", "linear_shift", "swap"}
    options = ALL[scheme] | ({"order": "t"} if scheme in orders else {})
    mixed = gi.logit("y ~ x + z + g", frame.sample(frac=1, random_state=3))
    mine, theirs = (f.permutation_test("x", scheme=scheme, n=5, **options) for f in (mixed, fit))
    assert mine.statistic[0] == pytest.approx(theirs.statistic[0], rel=1e-9)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("outcome", ["y", "cbind(k, m - k)"])
def test_the_observed_likelihood_ratio_is_that_of_the_lr_test(frame, link, outcome):
    fit = gi.glm(f"{outcome} ~ x + z + g", frame, link=link, weights="w", offset="o")
    found = fit.permutation_test(["x", "g"], scheme="free", statistic="LR", n=5)
    expected = fit.lr_test("x + g")
    assert found.statistic[0] == pytest.approx(expected.statistic[0], rel=1e-9)
    assert (found.df[0], found.hypothesis[0]) == (3, expected.hypothesis[0])


def test_every_statistic_is_that_of_a_model_with_moved_residuals(frame):
    """By hand: least squares of x on the others, residuals put into another order, one refit for each order."""
    fit = gi.logit("y ~ x + z", frame, weights="w", offset="o")
    part = rearranged.tested_part(fit, ["x"], np.arange(len(frame)))
    plan = schemes.rows_within(sessions(frame, np.arange(len(frame)), by="s"))
    Z = np.column_stack([np.ones(len(frame)), frame.z])
    left = frame.x.to_numpy() - Z @ np.linalg.lstsq(Z, frame.x, rcond=None)[0]
    orders = np.stack([plan.draw(np.random.default_rng(k)) for k in range(4)])
    place = np.stack([order[np.argsort(plan.targets)] for order in orders])
    small = plain(Z, frame.y, "logit", frame.w, frame.o)
    score = rearranged.score_statistics(part.scores(), part.residual())(place)
    np.testing.assert_allclose(score, [score_statistic(small, left[k][:, None]) for k in place], rtol=1e-8)
    ratio = rearranged.ratio_statistics(part, part.residual())(place)
    both = [plain(np.column_stack([Z, left[k]]), frame.y, "logit", frame.w, frame.o).best() for k in place]
    np.testing.assert_allclose(ratio, 2 * (np.array(both) - small.best()), rtol=1e-7)


def test_score_and_likelihood_ratio_agree(frame, fit):
    for scheme in ("free", "circular_shift", "swap"):
        score, ratio = (fit.permutation_test("x", scheme=scheme, statistic=s, **ALL[scheme]) for s in ("score", "LR"))
        assert abs(score.p_value[0] - ratio.p_value[0]) < 0.02
        assert score.test[0] == "permutation score"
        assert ratio.test[0] == "permutation LR"


def test_a_covariate_of_sessions_moves_with_its_session(frame):
    frame = frame[frame.s < 5].reset_index(drop=True)
    fit = gi.logit("y ~ dose + z", frame)
    found = fit.permutation_test("dose", scheme="swap", by="s")
    assert found.statistic[0] == pytest.approx(gi.logit("y ~ z", frame).score_test("dose").statistic[0], rel=1e-8)
    by_hand = []
    for k in range(120):
        order = schemes.Labels(sessions(frame, np.arange(80), by="s")).arrangement(k)
        moved = frame.dose.to_numpy()[order] - frame.dose.to_numpy()[::16].mean()
        by_hand.append(score_statistic(plain(np.column_stack([np.ones(80), frame.z]), frame.y), moved[:, None]))
    assert found.n[0] == 119
    assert found.p_value[0] == pytest.approx(np.mean(np.array(by_hand) >= by_hand[0] - 1e-9))


# p-values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "statistic"), [(s, t) for s in ALL for t in ("score", "LR") if (s, t) != ("sign_flip", "LR")]
)
def test_p_values_are_uniform_where_the_scheme_holds(scheme, statistic):
    """Covariates and outcome independent of each other and of time: every scheme holds its level."""
    rng, p, samples = np.random.default_rng(11), [], 100 if statistic == "score" else 50
    for _ in range(samples):
        data = {"y": rng.permutation(np.arange(48) % 2), "x": rng.normal(size=48), "z": rng.normal(size=48)}
        data["s"], data["t"] = np.arange(48) // 8, np.arange(48)
        options = {**ALL[scheme], "n": 39}
        p.append(
            gi.logit("y ~ x + z", data).permutation_test("x", scheme=scheme, statistic=statistic, **options).p_value[0]
        )
    for level in (0.1, 0.25, 0.5, 0.75):
        rejected, error = np.mean(np.array(p) <= level + 1e-12), np.sqrt(level * (1 - level) / samples)
        assert rejected < level + 3.5 * error
        if scheme not in ("linear_shift", "sign_flip", "swap"):  # conservative, or with few possible values
            assert rejected > level - 3.5 * error


def test_all_arrangements_are_the_limit_of_many(frame):
    few = frame.groupby("s").head(4).iloc[:8]
    fit = gi.logit("y ~ x", few.assign(y=[0, 1, 1, 0, 1, 0, 1, 1]))
    every = fit.permutation_test("x", scheme="within", by="s", n=575)
    drawn = fit.permutation_test("x", scheme="within", by="s", n=574)
    assert (every.n[0], every.mc_error[0], drawn.n[0]) == (575, 0.0, 574)
    p = drawn.p_value[0]
    assert drawn.mc_error[0] == pytest.approx(np.sqrt(p * (1 - p) / 574))
    assert abs(p - every.p_value[0]) < 4 * drawn.mc_error[0]
    assert "all 575 other arrangements" in every.heading[0]
    assert "574 random arrangements" in drawn.heading[0]


def test_an_outcome_that_the_covariate_tells_apart(frame):
    separated = frame.assign(y=(frame.x > 0).astype(int))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + z", separated)
    for statistic in ("score", "LR"):
        assert fit.permutation_test("x", scheme="free", statistic=statistic, n=99).p_value[0] == 0.01


def test_rows_that_the_other_columns_tell_apart_say_nothing(frame):
    """c = 1 in five rows, all of them events: the null model separates them."""
    data = frame.assign(c=(np.arange(96) < 5).astype(int), y=np.where(np.arange(96) < 5, 1, frame.y))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + z + c", data)
    found = fit.permutation_test("x", scheme="free", n=5)
    rest = gi.logit("y ~ z", data.iloc[5:]).score_test("x")
    assert found.statistic[0] == pytest.approx(rest.statistic[0], rel=1e-7)
    with pytest.raises(gi.InputError, match=r"without the tested term is separated.*statistic='score'"):
        fit.permutation_test("x", scheme="free", statistic="LR", n=5)


def test_refits_that_separate_have_the_likelihood_of_their_limit():
    """Four rows: many orders of x separate the outcome; their likelihood is at most one."""
    data = {"y": [0, 0, 1, 1, 0, 1], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 2.5]}
    fit = gi.logit("y ~ x", data)
    part = rearranged.tested_part(fit, ["x"], np.arange(6))
    plan = schemes.rows_within(sessions(data, np.arange(6)))
    found = rearranged.ratio_statistics(part, part.residual())(np.stack([plan.arrangement(k) for k in range(720)]))
    assert found.max() == pytest.approx(fit.null_deviance, rel=1e-7)
    assert np.isclose(found, fit.null_deviance, rtol=1e-6).sum() == 2 * 6 * 6  # all events above, or below, all others


# what must not matter ------------------------------------------------------------------------------------------------


def outcome(found: gi.Fit, term: str, scheme: str, **options: Any) -> tuple[float, float]:
    table = found.permutation_test(term, scheme=scheme, n=99, **{**ALL[scheme], **options})
    return float(table.statistic[0]), float(table.p_value[0])


@pytest.mark.parametrize("scheme", ALL)
def test_missing_rows_are_as_if_they_had_not_been_there(frame, scheme):
    holes = frame.copy()
    holes.loc[[3, 17, 40, 41, 90], "z"] = np.nan
    holes.loc[3, "t"] = np.nan
    kept = gi.logit("y ~ x + z", holes), gi.logit("y ~ x + z", holes.dropna())
    assert outcome(kept[0], "x", scheme) == pytest.approx(outcome(kept[1], "x", scheme), rel=1e-9)
    if ALL[scheme]:
        values = {name: holes[v] if name in ("by", "order") else v for name, v in ALL[scheme].items()}
        assert outcome(kept[0], "x", scheme, **values) == outcome(kept[0], "x", scheme)


@pytest.mark.parametrize("scheme", ALL)
def test_rows_of_zero_weight_are_as_if_they_had_not_been_there(frame, scheme):
    light = frame.assign(w=np.where(frame.t % 7 == 3, 0, frame.w))
    one = gi.logit("y ~ x + z", light, weights="w")
    two = gi.logit("y ~ x + z", light[light.w > 0], weights="w")
    assert outcome(one, "x", scheme) == pytest.approx(outcome(two, "x", scheme), rel=1e-9)


def test_the_order_of_the_rows_is_that_of_the_order_column(frame):
    mixed = frame.sample(frac=1, random_state=1)
    one, two = gi.logit("y ~ x + z", frame), gi.logit("y ~ x + z", mixed)
    for scheme, options in {"circular_shift": {}, "blocks": {"block": 5}, "linear_shift": {}}.items():
        ordered = [f.permutation_test("x", scheme=scheme, order="t", n=99, **options).iloc[0, 1:6] for f in (one, two)]
        np.testing.assert_allclose(ordered[0].astype(float), ordered[1].astype(float), rtol=1e-9)


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKS[:4]), st.sampled_from(sorted(ALL)))
def test_units_codings_and_the_event_do_not_matter(seed, link, scheme):
    frame = simulated(seed)
    assume(frame.groupby("g").y.nunique().min() == 2 and len(frame.g.unique()) == 3)
    fit = gi.glm("y ~ x + z + g", frame, link=link)
    swapped = {"cloglog": "loglog", "loglog": "cloglog"}.get(link, link)
    other = gi.glm("1 - y ~ x + z + C(g, Treatment('b'))", frame.assign(x=1e8 * frame.x, z=1e6 - frame.z), link=swapped)
    names = {"x": "x", "g": "C(g, Treatment('b'))"}
    for mine, theirs in names.items():
        assert outcome(other, theirs, scheme) == pytest.approx(outcome(fit, mine, scheme), rel=1e-5)


def test_neither_chunks_nor_threads_nor_the_call_before_matter(fit, monkeypatch):
    before = [outcome(fit, "g", scheme) for scheme in ALL]
    monkeypatch.setattr(rearranged, "_AT_ONCE", 1)
    again = [outcome(fit, "g", scheme) for scheme in ALL]
    assert [p for _, p in again] == [p for _, p in before]
    np.testing.assert_allclose(again, before, rtol=1e-12)
    monkeypatch.setattr("glminfer.numerics.threads.n_threads", lambda: 1)
    assert [outcome(fit, "g", scheme) for scheme in ALL] == again
    assert outcome(fit, "g", "free", seed=1) != before[0]


def test_the_function_and_the_method_are_the_same(fit):
    one, two = gi.permutation_test(fit, "x", scheme="free", n=9), fit.permutation_test("x", scheme="free", n=9)
    pd.testing.assert_frame_equal(one, two)


# what is said --------------------------------------------------------------------------------------------------------


def test_the_heading_names_model_scheme_and_assumption(fit):
    lines = fit.permutation_test("x", scheme="linear_shift", by="s").heading
    assert lines[0] == "Permutation test, score statistic, all 8 other arrangements; p = (1 + b)/(1 + n/2)"
    assert lines[1] == "Model: y ~ x + z + g; what is left of x beside z, g is moved"
    assert lines[2].endswith("without wrapping by 1 to 4 rows either way (s, 6 of 16 rows)")
    assert lines[3].startswith("Valid if covariates or outcome are stationary")
    assert lines[4:] == (
        "Note: 48 rows near the ends of sessions are not used",
        "Note: p cannot be smaller than 0.2 with so few arrangements",
    )
    alone = gi.logit("y ~ x", fit.call["data"]).permutation_test("x", scheme="free", n=9)
    assert alone.heading[1] == "Model: y ~ x"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no scheme": ({}, "scheme= is needed: which rows could have changed places.*'free', rows are exchanged freely"),
    "unknown": ({"scheme": "circular"}, "scheme 'circular' is not known. Did you mean 'circular_shift'.*Choose: free"),
    "no by": ({"scheme": "within"}, "scheme='within' needs by=: the column that says which rows belong to one group"),
    "no block": ({"scheme": "blocks"}, "scheme='blocks' needs block=: how many consecutive rows stay together"),
    "idle option": ({"scheme": "free", "by": "s"}, "by= has no part in scheme='free'; it belongs to: within, blocks"),
    "one group": ({"scheme": "swap", "by": "one"}, "exchanges groups of one, and there is 1 only"),
    "rows alone": (
        {"scheme": "within", "by": "t"},
        "No group of t has more than 1 row, so scheme='within' has nothing",
    ),
    "long block": ({"scheme": "blocks", "by": "s", "block": 16}, "No group of s has more than 16 rows"),
    "n": ({"scheme": "free", "n": 0}, "n=0 must be a whole number, 1 or more"),
    "seed": ({"scheme": "free", "seed": -1}, "seed=-1 must be a whole number, 0 or more"),
    "block": ({"scheme": "blocks", "block": 2.5}, "block=2.5 must be a whole number, 1 or more"),
    "statistic": ({"scheme": "free", "statistic": "wald"}, "statistic 'wald' is not known.*score, LR"),
    "signs": ({"scheme": "sign_flip", "by": "s", "statistic": "LR"}, "goes with statistic='score' only"),
    "column": ({"scheme": "within", "by": "sesion"}, "The data have no column 'sesion'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_said(frame, name):
    options, message = WRONG[name]
    fit = gi.logit("y ~ x", frame.assign(one="a"))
    with pytest.raises(gi.InputError, match=message):
        fit.permutation_test("x", **options)


def test_terms_that_cannot_be_tested(frame, fit):
    with pytest.raises(gi.InputError, match=r"'zz' is not a term of this fit. Did you mean 'z'"):
        fit.permutation_test("zz", scheme="free")
    with pytest.raises(
        gi.InputError, match=r"dose has one value in each group of s, so scheme='within' changes nothing"
    ):
        gi.logit("y ~ dose", frame).permutation_test("dose", scheme="within", by="s")
    twice = gi.logit("y ~ x + u", frame.assign(u=2 * frame.x))
    with pytest.raises(gi.InputError, match=r"u is a combination of the other columns"):
        twice.permutation_test("u", scheme="free")
    with pytest.raises(gi.InputError, match=r"permutation_test compares maxima.*penalised"):
        gi.logit("y ~ x", frame, penalty=gi.Firth()).permutation_test("x", scheme="free")
    with pytest.raises(TypeError, match=r"no argument 'scheem'\. Did you mean 'scheme'"):
        fit.permutation_test("x", scheem="free")
