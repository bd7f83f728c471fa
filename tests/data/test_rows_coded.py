"""Factors kept as codes: nothing that is reported may tell the difference from dummies."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from coded_cases import APART, CASES, CODES, DUMMIES, QUESTIONS, trials, with_outcomes
from engines import everything, parquet, same
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data.rows import MemoryRows
from glminfer.data.rows_coded import CodedRows


def both(formula: str, frame: pd.DataFrame, link: str = "logit", **options: Any) -> tuple[gi.Fit, gi.Fit]:
    codes = gi.glm(formula, frame, link=link, control=CODES, **options)
    dummies = gi.glm(formula, frame, link=link, control=DUMMIES, **options)
    assert isinstance(codes.with_rows()[1].rows, CodedRows)
    assert isinstance(dummies.with_rows()[1].rows, MemoryRows)
    return codes, dummies


def tables(fit: gi.Fit) -> dict[str, Any]:
    some = {"tidy": fit.tidy(), "glance": fit.glance().drop(columns="n_iter"), "notes": fit.notes, "vcov": fit.vcov()}
    return some | {"predict": fit.predict(interval="confidence"), "aliased": dict(fit.aliased)}


@pytest.mark.parametrize("name", CASES)
def test_the_same_fit(name: str) -> None:
    formula, options = CASES[name]
    codes, dummies = both(formula, trials(), **options)
    same(tables(codes), tables(dummies), rtol=1e-10)


@pytest.mark.parametrize("formula", ["y ~ start + age + session + side:x", "y ~ start + I(2 * start + 1) + session"])
def test_nearly_dependent_columns_and_aliased_ones(formula: str) -> None:
    """The dense fit has lost some digits here."""
    codes, dummies = both(formula, trials())
    assert codes.aliased.keys() == dummies.aliased.keys()
    same({"tidy": codes.tidy().drop(columns="status")}, {"tidy": dummies.tidy().drop(columns="status")}, rtol=1e-6)


def test_slopes_of_numbers_far_from_zero_keep_dense_columns() -> None:
    frame = trials().assign(clock=lambda f: 1.6e9 + 1e6 * f.session.astype(int) + 100 * f.x)
    far = gi.logit("y ~ session * clock", frame, control=CODES)
    assert isinstance(far.with_rows()[1].rows, MemoryRows)
    near = gi.logit("y ~ session * since", frame.assign(since=100 * frame.x), control=CODES)
    assert isinstance(near.with_rows()[1].rows, CodedRows)
    np.testing.assert_allclose(far.loglik, near.loglik, rtol=1e-9)


@pytest.mark.parametrize("second", ["C(h) * z", "h + C(h):z", "z * C(h) + start"])
def test_slopes_of_a_second_factor_with_numbers_far_from_zero_keep_dense_columns(second: str) -> None:
    """They are in the border beside the levels of the first factor, and nearly dependent on their own dummies."""
    rng = np.random.default_rng(0)
    frame = trials(900, 20).assign(z=1000 + rng.normal(size=900), h=rng.integers(0, 18, 900).astype(str))
    far, dense = (gi.logit(f"y ~ x * session + {second}", frame, control=how) for how in (CODES, DUMMIES))
    assert isinstance(far.with_rows()[1].rows, MemoryRows)
    same(tables(far), tables(dense), rtol=1e-8)
    near = gi.logit("y ~ x * session + C(h) * z", frame.assign(z=frame.z - 1000), control=CODES)
    assert isinstance(near.with_rows()[1].rows, CodedRows)
    if second == "C(h) * z":
        np.testing.assert_allclose(far.loglik, near.loglik, rtol=1e-9)


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
def test_every_link(link: str) -> None:
    codes, dummies = both("y ~ session * x + side", trials(600), link)
    same(tables(codes), tables(dummies), rtol=1e-8 if link == "cauchit" else 1e-10)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 30), n=st.integers(150, 400))
def test_any_levels(seed: int, levels: int, n: int) -> None:
    """Levels of one row, of one outcome, without rows: all as with dummies."""
    frame = trials(n, levels, seed)
    frame.loc[frame.index % 17 == 0, "x"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes, dummies = both("y ~ x + session", frame)
    assert codes.status is dummies.status
    same(tables(codes), tables(dummies), rtol=1e-9)


@pytest.mark.parametrize("formula", ["y ~ x + session", "y ~ session * x + side", "y ~ side * session + z"])
@pytest.mark.parametrize("kind", ["CR0", "CR1"])
def test_clusters_inside_levels(formula: str, kind: str) -> None:
    frame = trials().assign(day=lambda f: f.session + "/" + f.mouse)
    codes, dummies = both(formula, frame, weights="w")
    for cluster in ("session", "day"):
        for ask in (lambda f, c=cluster: f.tidy(cov=kind, cluster=c), lambda f, c=cluster: f.vcov(cov=kind, cluster=c)):
            same({cluster: ask(codes)}, {cluster: ask(dummies)}, rtol=1e-9)


@pytest.mark.parametrize("cluster", ["session", "part", "side", "day"])
@pytest.mark.parametrize(
    "formula", ["y ~ x + session", "y ~ session * x + side", "y ~ 0 + session + session:x", "y ~ side * session + z"]
)
def test_coefficients_that_single_clusters_decide_are_noted(formula: str, cluster: str) -> None:
    """The notes of tables: of clusters inside levels of the longest factor, across them, and of many clusters."""
    frame = trials(600).assign(day=lambda f: f.session + "/" + f.mouse)
    frame["part"] = np.where(frame.session.isin(["3", "5"]), frame.session, frame.day)
    codes, dummies = both(formula, frame, weights="w")
    notes = []
    for fit in (codes, dummies):
        try:
            notes.append(fit.tidy(cluster=cluster).attrs["notes"])
        except gi.DataError as error:  # none at all: every cluster has coefficients of its own
            notes.append(str(error))
    assert notes[0] == notes[1]
    own = {"session", "part"} if "0 +" not in formula else set()  # without a standard error nothing is said of its size
    noted = own | ({"side"} if "side *" in formula else set())
    assert any("single clusters decide" in note for note in notes[0]) == (cluster in noted)


def test_single_clusters_are_noted_of_files_too() -> None:
    frame = trials(600)
    for how in (CODES, DUMMIES):
        memory, files = (gi.logit("y ~ x + session", d, control=how) for d in (frame, parquet(frame, (200,), 90)))
        notes = files.tidy(cluster="session").attrs["notes"]
        assert notes == memory.tidy(cluster="session").attrs["notes"]
        assert any(note.startswith("single clusters decide Intercept, session[T.1], session[T.2]") for note in notes)


@pytest.fixture(scope="module")
def fits() -> tuple[gi.Fit, gi.Fit]:
    return both("y ~ x + z + side + session", trials())


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question(fits: tuple[gi.Fit, gi.Fit], question: str) -> None:
    codes, dummies = (QUESTIONS[question](fit) for fit in fits)
    same({question: codes}, {question: dummies}, rtol=1e-9 if "vcov" not in question else 1e-10)


@pytest.mark.parametrize(
    "question", ["HC3", "CR1", "CR2", "LR", "Wald", "score", "drop1", "profile", "predict", "terms", "augment"]
)
def test_questions_about_slopes(question: str) -> None:
    codes, dummies = (QUESTIONS[question](fit) for fit in both("y ~ session * z + side + x", trials(500)))
    same({question: codes}, {question: dummies}, rtol=1e-9)


# separation -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", APART)
def test_separated(name: str) -> None:
    formula, frame = APART[name]
    with pytest.warns(gi.SeparationWarning):
        codes, dummies = both(formula, frame)
    same(tables(codes), tables(dummies), rtol=1e-9)
    assert codes.separation == dummies.separation
    np.testing.assert_array_equal(codes.separated_rows, dummies.separated_rows)
    for ask in (lambda f: f.tidy(cov="HC1"), lambda f: f.augment(), lambda f: f.predict(type="terms")):
        same({"table": ask(codes)}, {"table": ask(dummies)}, rtol=1e-9)
    if name != "everything":
        for term in ("session", codes.design.formula.terms[0].name):
            same({"LR": codes.lr_test(term)}, {"LR": dummies.lr_test(term)}, rtol=1e-9)


def test_many_levels_of_one_outcome_take_no_linear_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a linear programme")

    monkeypatch.setattr("glminfer.fit.separation._linear_programme", refuse)
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=1600), "unit": rng.integers(0, 400, 1600)})
    frame["y"] = (rng.random(1600) < 0.4).astype(int)
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + C(unit)", frame, control=CODES)
    counts = frame.groupby("unit").y.agg(["mean", "size"])
    one = counts.index[counts["mean"].isin([0, 1])]
    assert isinstance(fit.with_rows()[1].rows, CodedRows)
    assert fit.separated_rows.sum() == counts.loc[one, "size"].sum()
    table = fit.tidy().set_index("term")
    named = [f"C(unit)[T.{level}]" for level in one if level != frame.unit.min()]
    assert (table.loc[named, "status"] == "separated").all()
    left = gi.logit("y ~ x + C(unit)", frame[~frame.unit.isin(one)], control=DUMMIES)
    np.testing.assert_allclose(table.estimate["x"], left.coef["x"], rtol=1e-9)
    np.testing.assert_allclose(table.std_error["x"], left.tidy().std_error[1], rtol=1e-9)


def own_slopes(kind: str) -> pd.DataFrame:
    """Levels whose events lie on one side of the others, strictly or with a common value."""
    frame, at = trials(600), {}
    for level, turn in (("3", 1), ("5", -1), ("0", 1)):
        at[level] = frame.session == level
        if level == "0" and kind != "the reference":
            continue
        x = turn * frame.x[at[level]]
        if kind == "ties":  # rows of both outcomes at zero, and a row that has both
            frame.loc[at[level], "x"] = np.where(np.arange(at[level].sum()) % 4 == 0, 0.0, frame.x[at[level]])
            x = turn * frame.x[at[level]]
            frame.loc[at[level], "y"] = np.where(x == 0, np.arange(len(x)) % 8 == 0, x > 0).astype(int)
        else:
            frame.loc[at[level], "y"] = (x > 0.2).astype(int)
    return frame


@pytest.mark.parametrize("kind", ["strict", "ties", "the reference"])
@pytest.mark.parametrize("formula", ["y ~ session * x + z", "y ~ side + session + session:x"])
def test_slopes_of_levels_that_separate(kind: str, formula: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = own_slopes(kind)
    with pytest.warns(gi.SeparationWarning):
        dummies = gi.logit(formula, frame, control=DUMMIES)

    def refuse(*_: Any) -> None:
        raise AssertionError("a linear programme")

    if kind != "the reference":  # its columns are combinations of others
        monkeypatch.setattr("glminfer.fit.separation._linear_programme", refuse)
    with pytest.warns(gi.SeparationWarning):
        codes = gi.logit(formula, frame, control=CODES)
    same(tables(codes), tables(dummies), rtol=1e-9)
    np.testing.assert_array_equal(codes.separated_rows, dummies.separated_rows)
    in_3_and_5 = frame.session.isin(["3", "5"]) & ((frame.x != 0) | (kind != "ties"))
    assert (codes.separated_rows >= in_3_and_5.to_numpy()).all()


# when, and how it is said ---------------------------------------------------------------------------------------------


def test_long_factors_are_coded_and_short_ones_are_not() -> None:
    frame = trials(20_000, 300)
    assert isinstance(gi.logit("y ~ x + session", frame).with_rows()[1].rows, CodedRows)
    assert isinstance(gi.logit("y ~ x + side + mouse", frame).with_rows()[1].rows, MemoryRows)
    assert isinstance(gi.logit("y ~ x + session", frame[:12_000]).with_rows()[1].rows, MemoryRows)
    coded = gi.logit("y ~ x + C(session, Sum)", frame[:12_000], control=CODES)
    assert isinstance(coded.with_rows()[1].rows, MemoryRows)


def test_a_coded_fit_starts_from_no_subsample() -> None:
    """In one row of sixteen most levels would have one outcome."""
    fit = gi.logit("y ~ x + session", trials(125_000, 300))
    assert isinstance(fit.with_rows()[1].rows, CodedRows)
    assert fit.converged
    assert fit.n_iter <= 7


@pytest.mark.parametrize("option", [{"solver": "lbfgs"}, {"penalty": gi.Ridge(0.1)}, {"penalty": gi.Firth()}])
def test_codes_when_asked_for(option: dict[str, Any]) -> None:
    """Where codes gain nothing they are still right."""
    codes = gi.logit("y ~ x + session", trials(), control=CODES, **option)
    dummies = gi.logit("y ~ x + session", trials(), control=DUMMIES, **option)
    assert isinstance(codes.with_rows()[1].rows, CodedRows | MemoryRows)
    np.testing.assert_allclose(codes.coef, dummies.coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(codes.tidy().std_error, dummies.tidy().std_error, rtol=1e-6)


def test_the_switch() -> None:
    with pytest.raises(gi.InputError, match="coded='yes' must be True, False, or None for what pays"):
        gi.Control(coded="yes")


def test_pickled() -> None:
    import pickle

    fit = gi.logit("y ~ x + session", trials(20_000, 300))
    again = pickle.loads(pickle.dumps(fit))
    same({"tidy": again.tidy()}, {"tidy": fit.tidy()})
    assert len(pickle.dumps(fit)) < 200_000
    same({"tidy": again.with_data(fit.call["data"]).tidy(cov="HC1")}, {"tidy": fit.tidy(cov="HC1")})


def test_the_summary_folds_long_factors() -> None:
    frame = trials(20_000, 300)
    frame.loc[frame.session == "7", "y"] = 1
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + session", frame)
    text = str(fit)
    assert len(text.splitlines()) < 25
    kept = fit.tidy().query("term.str.startswith('session') and status == 'converged'").estimate
    line = f"299 coefficients from {kept.min():.4g} to {kept.max():.4g} (1 separated); see tidy()"
    assert next(row for row in text.splitlines() if row.startswith("session")).split(maxsplit=1)[1] == line
    html = fit.summary()._repr_html_()
    assert f'colspan="6">{line}</td>' in html or f'colspan="7">{line}</td>' in html


def test_too_large_a_matrix_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what consists of all covariances makes them."""
    frame = trials(20_000, 300)
    fit = gi.logit("y ~ x + session", frame)
    monkeypatch.setattr("glminfer.numerics.room._SMALL", 1000)
    monkeypatch.setattr("glminfer.numerics.room.free_memory", lambda: 3e5)
    for table in (
        *(fit.tidy(cov=kind).std_error for kind in ("model", "HC0", "HC1", "HC2", "HC3")),
        fit.tidy(cluster="mouse").std_error,
        fit.predict(interval="confidence"),
        fit.predict(frame.head(100), interval="confidence"),
        fit.predict(type="terms"),
        fit.augment()[[".se_fit", ".hat", ".cooksd"]],
        fit.glance().aic,
        fit.lincom(["x = 0.5", "session[T.3] = session[T.4]"]).p_value,
        fit.wald_test("x = 0").p_value,
        fit.lr_test("x").p_value,
        fit.lr_test("session").p_value,
        fit.score_test("z").p_value,
        fit.drop1().aic,
        fit.anova(type="I").p_value,
        fit.confint(terms="x")[["conf_low", "conf_high"]],
        fit.profile("x").zeta,
        fit.score().auc,
    ):
        assert np.isfinite(table.to_numpy()).all()
    assert "299 coefficients" in str(fit)
    with pytest.raises(
        gi.DataError, match=r"covariances of 301 coefficients take 0.0 GB and 0.0 GB are free. Standard"
    ):
        fit.vcov()
    with pytest.raises(gi.DataError, match="Matrices of clusters over 301 coefficients take"):
        fit.tidy(cov="CR2", cluster="mouse")
    with pytest.raises(gi.DataError, match=r"Scores of 60 clusters over 301 .* Clusters inside levels of the longest"):
        fit.tidy(cluster=frame.mouse + frame.k.astype(str))
    assert np.isfinite(fit.tidy(cluster="session").std_error).all()
    for test in ("LR", "score"):
        assert np.isfinite(fit.anova(type="III", test=test).statistic).all()
    monkeypatch.setattr("glminfer.numerics.room.free_memory", lambda: 1e8)
    assert np.isfinite(fit.anova(type="III", test="wald").statistic).all()
    frame["half"] = frame.session.astype(int) // 2
    aliased = gi.logit("y ~ x * side + C(half) + session", frame)
    assert np.isfinite(aliased.anova(type="III").statistic[[0, 1, 3, 4]]).all()
    way = "Wald tests need them where columns are aliased: test='LR' does not. Type II"
    with pytest.raises(gi.DataError, match=rf"Sum-coded columns of 20,000 rows, 454 columns, take .* {way}"):
        aliased.anova(type="III", test="wald")
    for test in (
        fit.permutation_test("x", scheme="free", n=9),
        fit.permutation_test("x", scheme="sign_flip", by="mouse", n=9),
        fit.permutation_test("x", scheme="free", n=2, statistic="LR"),
        fit.wild_bootstrap_test("x", cluster="mouse", n=9),
    ):
        assert np.isfinite(test.statistic).all()
    with pytest.raises(gi.DataError, match=r"299 columns of 20,000 rows to move take .* Test fewer columns at once"):
        fit.permutation_test("session", scheme="free", n=9)
    monkeypatch.setattr("glminfer.numerics.room.free_memory", lambda: 3e7)
    with pytest.raises(gi.DataError, match=r"Scores of 20,000 groups over 300 columns take"):
        fit.wild_bootstrap_test("x", cluster=np.arange(20_000), n=9)
    alone = gi.logit("y ~ session - 1", frame)
    with pytest.raises(gi.DataError, match=r"Dense columns of 20,000 rows, 300 columns, to move, take .* Leave"):
        alone.permutation_test("session", scheme="free", n=9)


# permutations ---------------------------------------------------------------------------------------------------------

SCHEMES: dict[str, dict[str, Any]] = {
    "free": {},
    "within": {"by": "session"},
    "blocks": {"block": 5, "order": "t"},
    "circular_shift": {"by": "session"},
    "linear_shift": {"by": "mouse", "max_shift": 3},
    "swap": {"by": "mouse"},
    "sign_flip": {"by": "mouse"},
}


def permutable(kind: str) -> pd.DataFrame:
    """With a covariate of mice, which they exchange as a value."""
    return cells(trials(500), kind).assign(t=lambda f: np.arange(len(f)), dose=lambda f: f.mouse.astype(int) % 3)


@pytest.mark.parametrize("kind", ["ordinary", "separated", "empty"])
@pytest.mark.parametrize(
    ("formula", "term"),
    [
        ("y ~ x + side + session", "side"),
        ("y ~ session * x + side", "session"),
        ("y ~ session * x + side", "session:x"),
        ("y ~ side * session + dose", "dose"),
        ("y ~ x + age + session + z", "z"),
    ],
)
def test_permutations_of_codes(formula: str, term: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        codes, dummies = both(formula, permutable(kind), weights="w")
    found = []
    schemes = dict(SCHEMES)
    if term in ("session", "dose"):  # with one value in each group nothing can be exchanged within it
        for s in ("within", "circular_shift") if term == "session" else ("linear_shift",):
            schemes[s] = {"by": "side"} | ({"max_shift": 3} if s == "linear_shift" else {})
    for fit in (dummies, codes):
        tests = [fit.permutation_test(term, scheme=s, n=9, seed=2, **how) for s, how in schemes.items()]
        tests.append(fit.wild_bootstrap_test(term, cluster="mouse", n=9, seed=2))
        if kind == "ordinary":
            tests.append(fit.permutation_test(term, scheme="free", n=3, seed=2, statistic="LR"))
        found.append(tests)
        monkeypatch.setattr("glminfer.inference.rearranged.in_full", None)  # not of codes
    for mine, theirs in zip(found[1], found[0], strict=True):
        same({"table": mine}, {"table": theirs}, rtol=1e-8)
        np.testing.assert_allclose(mine.distribution, theirs.distribution, rtol=1e-7, atol=1e-9)
        assert mine.heading == theirs.heading


def test_what_is_explained_is_not_permuted() -> None:
    fit = gi.logit("y ~ x + session + age", trials(), control=CODES)
    with pytest.raises(gi.InputError, match="age is a combination of the other columns of the model, so nothing of it"):
        fit.permutation_test("age", scheme="free", n=9)
    with pytest.warns(gi.SeparationWarning):
        apart = gi.logit("y ~ x + session", with_outcomes(s3=1), control=CODES)
    with pytest.raises(gi.InputError, match="The model without the tested term is separated, and its refits"):
        apart.permutation_test("x", scheme="free", n=9, statistic="LR")


# type III ------------------------------------------------------------------------------------------------------------


def cells(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Levels and cells with one outcome, or cells without rows."""
    cell = (frame.session == "5") & (frame.side == "left")
    if kind == "separated":
        return frame.assign(y=np.where(frame.session == "3", 1, np.where(cell, 0, frame.y)))
    return frame[~cell] if kind == "empty" else frame


THIRD = {
    "main effects": "y ~ x + z + side + session",
    "slopes": "y ~ session * x + side",
    "slopes of two factors": "y ~ session * x + mouse * x",
    "two factors": "y ~ session * side + x",
    "three ways": "y ~ side * session * x + C(k)",
    "two pairs": "y ~ session * side + session * C(k) + x * session",
    "by a basis": "y ~ poly(x, 2) * session + side * poly(x, 2)",
    "sum contrasts": "y ~ session * C(side, Sum) + x",
    "an aliased slope": "y ~ session * age + x",
}


@pytest.mark.parametrize("kind", ["ordinary", "separated", "empty"])
@pytest.mark.parametrize("name", THIRD)
def test_type_iii_of_codes(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and headings of the dense fit, without sum-coded columns of the long factor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        codes, dummies = both(THIRD[name], cells(trials(900), kind), weights="w")
    asked = [{"test": "LR"}, {"test": "score"}, {"test": "score", "cluster": "mouse"}]
    if not codes.aliased:
        asked += [{"test": "wald"}, {"test": "wald", "cov": "HC1"}, {"test": "wald", "cluster": "mouse"}]
    expected = [dummies.anova(type="III", **how) for how in asked]

    def refuse(*_: Any) -> None:
        raise AssertionError("sum-coded columns")

    monkeypatch.setattr("glminfer.inference.sum_coding.recoded_columns", refuse)
    for how, table in zip(asked, expected, strict=True):
        found = codes.anova(type="III", **how)
        same({"table": found}, {"table": table}, rtol=1e-9, atol=1e-6)  # where nothing is left, p is 1 but for rounding
        assert found.heading == table.heading


@pytest.mark.parametrize(
    "formula", ["y ~ side + side:session", "y ~ 0 + side + session + x", "y ~ side:C(k) + side:session"]
)
def test_type_iii_where_margins_are_no_terms(formula: str) -> None:
    """Coefficients of other codings would have to be averaged, which dense columns do."""
    codes, dummies = both(formula, trials(900))
    for test in ("LR", "wald", "score"):
        same({test: codes.anova(type="III", test=test)}, {test: dummies.anova(type="III", test=test)}, rtol=1e-9)


def test_type_iii_of_files() -> None:
    frame = trials(900)
    memory, files = (gi.logit("y ~ session * side + x", d, control=CODES) for d in (frame, parquet(frame, (400,), 90)))
    for test in ("LR", "wald"):
        same({test: files.anova(type="III", test=test)}, {test: memory.anova(type="III", test=test)}, rtol=1e-10)


def test_a_wald_test_of_thousands_of_coefficients_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glminfer.inference.linear._MOST", 5)
    for kind in ("II", "III"):
        with pytest.raises(gi.InputError, match=r"Wald test of the 7 coefficients of session .* test='LR' asks the"):
            gi.logit("y ~ x + session", trials()).anova(type=kind, test="wald")
    with pytest.raises(gi.InputError, match=r"Wald test of the 7 coefficients of session .* fit.lr_test"):
        gi.logit("y ~ x + session", trials()).wald_test("session")


# rows in files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + session", {}),
        ("y ~ x * session + mouse", {"weights": "w", "offset": "o"}),
        ("hits / size ~ x + session + C(k):z", {"trials": "size"}),
        ("y ~ session:side + x", {"subset": "z > -1"}),
    ],
)
@pytest.mark.parametrize("piece", [37, 150])
def test_rows_in_files_are_coded_like_those_in_memory(formula: str, options: dict[str, Any], piece: int) -> None:
    frame = trials()
    frame.loc[::29, "x"] = np.nan
    frame.loc[150:199, "x"] = np.nan  # a piece without rows in use
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        memory = gi.logit(formula, frame, control=CODES, **options)
        files = gi.logit(formula, parquet(frame, (10, 10, 300), piece), control=CODES, **options)
    assert isinstance(files.with_rows()[1].rows, CodedRows)
    assert not files.with_rows()[1].rows.X.dense.flags.owndata  # a map of a file
    same(everything(files), everything(memory))


def test_numbers_far_from_zero_in_files_get_dummies() -> None:
    frame = trials()
    memory, files = (
        gi.logit("y ~ session + start:session", data, control=CODES) for data in (frame, parquet(frame, (50,), 90))
    )
    assert not isinstance(files.with_rows()[1].rows, CodedRows)
    same({"tidy": files.tidy()}, {"tidy": memory.tidy()})


def test_no_rows_in_use_in_the_first_pieces() -> None:
    frame = trials()
    frame.loc[:99, "x"] = np.nan
    memory, files = (gi.logit("y ~ x + session", data, control=CODES) for data in (frame, parquet(frame, (100,), 30)))
    assert isinstance(files.with_rows()[1].rows, CodedRows)
    same({"tidy": files.tidy(), "notes": files.notes}, {"tidy": memory.tidy(), "notes": memory.notes})


@pytest.mark.parametrize("apart", [3e-5, 1e-6, 1e-8, 1e-12])
@pytest.mark.parametrize("only", [None, "3"])
def test_columns_that_are_nearly_dependent_within_a_level_get_dummies(apart: float, only: str | None) -> None:
    """The other slope is x but for a trace of z, in all levels or in one: the fit is that of x and z."""
    frame = trials(1200, 4)
    near = np.full(1200, True) if only is None else (frame.session == only).to_numpy()
    frame["t"] = np.where(near, frame.x + apart * frame.z, frame.z)
    given = "y ~ session + session:x + session:t"
    codes, dummies = (gi.logit(given, frame, control=how) for how in (CODES, DUMMIES))
    same(
        {"tidy": codes.tidy(), "aliased": dict(codes.aliased)},
        {"tidy": dummies.tidy(), "aliased": dict(dummies.aliased)},
    )
    if apart == 1e-12:  # nothing but rounding
        assert isinstance(codes.with_rows()[1].rows, CodedRows)
        assert len(codes.aliased) == (4 if only is None else 1)
        return
    assert codes.converged
    assert not isinstance(codes.with_rows()[1].rows, CodedRows)
    plain = gi.logit("y ~ session + session:x + session:z", frame, control=DUMMIES)
    assert codes.deviance == pytest.approx(plain.deviance, rel=1e-9)
    assert codes.tidy().std_error.iloc[-1] * apart == pytest.approx(plain.tidy().std_error.iloc[-1], rel=1e-6)
    less = gi.logit("y ~ session + session:x", frame, control=CODES)
    assert isinstance(less.with_rows()[1].rows, CodedRows)
    assert less.score_test("session:t").df[0] == 4


def test_nearly_dependent_columns_without_room_for_dummies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = trials(1200, 4).assign(t=lambda f: f.x + 1e-6 * f.z)
    monkeypatch.setattr("glminfer.numerics.room._SMALL", 1000)
    monkeypatch.setattr("glminfer.numerics.room.free_memory", lambda: 1e4)
    text = "Within a level of a factor columns are nearly dependent, and 1,200 rows of 12 columns take .* Centre the"
    with pytest.raises(gi.DataError, match=text):
        gi.logit("y ~ session + session:x + session:t", frame, control=CODES)
