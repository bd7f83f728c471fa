"""Cross-validation as a user calls it: folds of every kind, choices, notes, messages."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from reference_cases import case

import glminfer as gi
from glminfer.numerics import threads


@pytest.fixture(scope="module")
def trials():
    """Three mice of four sessions each, twelve neurons, some missing counts."""
    frame = gi.datasets.simulate_session(n_trials=240, n_neurons=12, n_sessions=4, seed=4)
    frame["n003"] = frame["n003"].where(np.arange(240) % 40 != 7)
    return frame


def neurons(frame):
    return frame[[name for name in frame if name[0] == "n"]]


@pytest.fixture(scope="module")
def path(trials):
    return gi.logit_path("choice ~ 1", trials, covariates=neurons(trials), n_lambdas=15, lambda_min_ratio=0.01)


@pytest.fixture(scope="module")
def cv(path):
    return gi.cross_validate(path, folds=5)


# glmnet --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["birthwt_logit", "spector", "titanic"])
def test_the_front_door_gives_glmnets_numbers(name):
    found = case(name)
    cv = found["results"]["glmnet"]["cv"]
    ids = np.array(cv["foldid"]).astype(int)
    for entry in cv["results"]:
        path = gi.logit_path(found["formula"], found["frame"], lambdas=entry["lambda"], l1_ratio=entry["alpha"])
        measure = {"class": "accuracy"}.get(entry["type_measure"], entry["type_measure"])
        got = gi.cross_validate(path, folds=ids, measure=measure)
        table = got.tidy()
        estimate = 1 - table.estimate if measure == "accuracy" else table.estimate
        np.testing.assert_allclose(estimate, entry["cvm_exact"], rtol=1e-8)
        np.testing.assert_allclose(table.std_error, entry["cvsd_exact"], rtol=1e-7)
        assert (got.lambda_min, got.lambda_1se) == (entry["lambda_min"], entry["lambda_1se"])


# tables --------------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_penalty(path, cv):
    table = cv.tidy()
    expected = ["step", "lambda", "C", "estimate", "std_error", "conf_low", "conf_high", "n_nonzero"]
    assert table.columns.tolist() == expected
    assert np.array_equal(table["lambda"], path.lambdas)
    assert np.array_equal(table.n_nonzero, path.n_nonzero)
    np.testing.assert_allclose(table.conf_high - table.estimate, 2.776445 * table.std_error, rtol=1e-6)  # t of 4 df
    narrow = cv.tidy(level=0.5)
    assert (narrow.conf_low >= table.conf_low).all()


@pytest.mark.parametrize("measure", ["deviance", "accuracy", "balanced_accuracy", "auc", "brier"])
def test_choices_look_in_the_right_direction(path, measure):
    cv = gi.cross_validate(path, folds=5, measure=measure)
    table = cv.tidy().set_index("lambda")
    sign = -1 if measure in ("deviance", "brier") else 1
    scores = sign * table.estimate
    assert scores[cv.lambda_min] == scores.max()
    assert cv.lambda_1se >= cv.lambda_min
    assert scores[cv.lambda_1se] >= scores.max() - table.std_error[cv.lambda_min] - 1e-9
    larger = scores[scores.index > cv.lambda_1se]
    assert (larger < scores.max() - table.std_error[cv.lambda_min]).all()
    row = cv.glance().iloc[0]
    assert row.measure == measure
    assert row.estimate_min == table.estimate[cv.lambda_min]
    assert row.C_1se == cv.C_1se == pytest.approx(1 / (path.total * cv.lambda_1se))


def test_the_constant_stands_beside_the_path(trials, path):
    share = np.mean(trials.choice[trials.n003.notna()] == "right")
    accuracy = gi.cross_validate(path, folds=5, measure="accuracy").glance()
    assert accuracy.null[0] == pytest.approx(max(share, 1 - share))
    assert gi.cross_validate(path, folds=5, measure="auc").glance().null[0] == 0.5


def test_it_prints_its_choices(cv):
    text = str(cv)
    assert text.startswith("Cross-validation of choice ~ 1, choice = 'right'; l1_ratio 1, 15 λ\n5 folds, stratified")
    assert "constant alone" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "<table" in cv._repr_html_()


def test_coefficients_and_predictions_at_the_choices(trials, path, cv):
    for rule, lambda_ in (("min", cv.lambda_min), ("1se", cv.lambda_1se)):
        assert cv.coef_at(rule).equals(path.coef_at(lambda_))
        assert cv.predict(trials.head(5), lambda_=rule).equals(path.predict(trials.head(5), lambda_=lambda_))
    assert cv.coef_at(0.1).equals(path.coef_at(0.1))
    with pytest.raises(gi.InputError, match="lambda_='best' is neither a number nor one of: min, 1se"):
        cv.coef_at("best")


# folds ---------------------------------------------------------------------------------------------------------------


def same(one, other):
    return np.array_equal(one.tidy().estimate, other.tidy().estimate)


def test_the_seed_makes_the_folds(path, cv):
    assert same(cv, gi.cross_validate(path, folds=5))
    assert not same(cv, gi.cross_validate(path, folds=5, seed=1))


def test_paths_of_the_same_rows_share_their_folds(trials, cv):
    other = gi.logit_path("choice ~ contrast_right", trials, subset=trials.n003.notna(), l1_ratio=0.0)
    assert gi.cross_validate(other, folds=5).fold_ids.equals(cv.fold_ids)


def test_folds_as_ids_in_any_form(trials, path, cv):
    ids = cv.fold_ids
    assert ids.isna().equals(trials.n003.isna())
    assert same(cv, gi.cross_validate(path, folds=ids))
    assert same(cv, gi.cross_validate(path, folds=ids.sample(frac=1, random_state=0)))
    assert same(cv, gi.cross_validate(path, folds=ids.fillna(9).to_numpy()))
    labelled = trials.assign(part=ids.map(lambda k: f"part {k:g}", na_action="ignore"))
    named = gi.logit_path("choice ~ 1", labelled, covariates=neurons(trials), lambdas=path.lambdas)
    assert same(cv, gi.cross_validate(named, folds="part"))
    assert gi.cross_validate(named, folds="part").folds.names == tuple(f"part {k}" for k in range(1, 6))


@pytest.mark.parametrize("by", ["session", "mouse", ["mouse", "session"]])
@pytest.mark.parametrize("folds", [2, 3, 10])
def test_groups_are_never_split(trials, path, by, folds):
    cv = gi.cross_validate(path, folds=folds, by=by)
    used = trials.assign(fold=cv.fold_ids).dropna(subset="fold")
    assert (used.groupby(by).fold.nunique() == 1).all()
    groups = used.groupby(by).ngroups
    assert used.fold.nunique() == min(folds, groups)
    told = [f"{groups} groups" in note for note in cv.notes]
    assert any(told) == (groups < folds)


def test_the_scale_of_the_columns_is_learned_inside_each_fold(trials, path, cv):
    scaled = neurons(trials) * np.exp(np.linspace(-9, 9, 12)) + 3.0
    other = gi.logit_path("choice ~ 1", trials, covariates=scaled, lambdas=path.lambdas)
    np.testing.assert_allclose(gi.cross_validate(other, folds=5).tidy().estimate, cv.tidy().estimate, rtol=1e-7)


def test_the_number_of_threads_changes_nothing(path, cv, monkeypatch):
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    assert same(cv, gi.cross_validate(path, folds=5))


def test_trials_and_their_rows_give_the_same_curve():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((40, 3))
    n = rng.integers(1, 6, 40)
    hits = rng.binomial(n, 1 / (1 + np.exp(-x[:, 0])))
    grouped = pd.DataFrame(x, columns=["a", "b", "c"]).assign(hits=hits, others=n - hits, fold=np.arange(40) % 4)
    rows = np.repeat(np.arange(40), n)
    single = grouped.iloc[rows].reset_index(drop=True)
    single["y"] = (np.arange(len(rows)) - np.repeat(np.cumsum(n) - n, n) < hits[rows]).astype(int)
    lambdas = [0.1, 0.03, 0.01]
    one = gi.logit_path("cbind(hits, others) ~ a + b + c", grouped, lambdas=lambdas)
    other = gi.logit_path("y ~ a + b + c", single, lambdas=lambdas)
    for measure in ("accuracy", "auc", "brier"):
        tables = [gi.cross_validate(p, folds="fold", measure=measure).tidy() for p in (one, other)]
        np.testing.assert_allclose(tables[0].estimate, tables[1].estimate, rtol=1e-9)
        np.testing.assert_allclose(tables[0].std_error, tables[1].std_error, rtol=1e-7)


def test_weights_count_rows_in_fitting_and_judging(trials):
    frame = trials.assign(w=np.arange(240) % 3, fold=np.arange(240) % 4).dropna()
    lambdas = [0.1, 0.05, 0.02]
    repeated = frame.loc[frame.index.repeat(frame.w)].reset_index(drop=True)
    weighted = gi.logit_path("choice ~ n000 + n001 + n002", frame, weights="w", lambdas=lambdas)
    expanded = gi.logit_path("choice ~ n000 + n001 + n002", repeated, lambdas=lambdas)
    tables = [gi.cross_validate(p, folds="fold").tidy() for p in (weighted, expanded)]
    np.testing.assert_allclose(tables[0].estimate, tables[1].estimate, rtol=1e-9)
    np.testing.assert_allclose(tables[0].std_error, tables[1].std_error, rtol=1e-7)


# notes and messages --------------------------------------------------------------------------------------------------


def test_small_and_one_sided_folds_are_told(trials):
    rare = trials.assign(hit=np.arange(240) % 48 == 0)
    path = gi.logit_path("hit ~ n000 + n001", rare, n_lambdas=5)
    cv = gi.cross_validate(path, folds=np.arange(240) // 40, measure="auc")
    assert any("auc needs both outcomes, and 1 of 6 folds (5) have one only" in note for note in cv.notes)
    ids = np.arange(240) // 200
    ids[[0, 48]] = 2  # two events by themselves
    with pytest.raises(gi.DataError, match=r"auc needs both outcomes in a fold, and 1 of 3 folds have them"):
        gi.cross_validate(path, folds=ids, measure="auc")


def test_an_auc_of_few_rows_is_told(path):
    assert any("7.8 rows in a fold: the AUC of so few" in n for n in gi.cross_validate(path, 30, measure="auc").notes)
    assert not gi.cross_validate(path, 30, measure="brier").notes


def test_a_best_penalty_at_the_end_is_told(trials):
    path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, lambdas=[0.2, 0.1])
    assert any("the best λ is the smallest of the path" in note for note in gi.cross_validate(path).notes)


def test_nothing_to_predict_is_told():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((60, 5))).add_prefix("x").assign(y=rng.permutation(60) % 2)
    cv = gi.cross_validate(gi.logit_path("y ~ .", frame, lambdas=[1.0, 0.8]))
    assert cv.notes == ("no λ predicts better than the constant alone (deviance 1.386)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds=1 must be 2 or more"),
        ({"folds": 500}, "folds=500 and the path has 234 rows"),
        ({"folds": "sesion"}, "no column 'sesion'. Did you mean 'session'"),
        ({"folds": np.zeros(240)}, "folds= has one value, 0.0, in all rows used"),
        ({"folds": np.arange(5)}, "folds= has 5 values and the data have 240 rows"),
        ({"folds": np.where(np.arange(240) < 9, np.nan, 1.0)}, "folds= is missing in 8 of the 234 rows used"),
        ({"folds": "session", "by": "mouse"}, "by= says how rows are dealt out"),
        ({"folds": "session", "stratify": True}, "stratify= says how rows are dealt out"),
        ({"by": np.ones(240)}, "by has one value in all rows used"),
        ({"measure": "acuracy"}, "measure 'acuracy' is not known. Did you mean 'accuracy'"),
        ({"folds": "choice"}, "Outside fold 'left' each of .* rows is an event"),
        ({"seed": -1}, "seed=-1 must be a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(path, options, message):
    with pytest.raises(gi.InputError, match=message):
        gi.cross_validate(path, **options)


def test_a_path_without_rows_asks_for_them(path):
    with pytest.raises(gi.RowsNeededError):
        gi.cross_validate(pickle.loads(pickle.dumps(path)))


def test_unknown_keywords_are_answered():
    with pytest.raises(TypeError, match=r"no argument 'fold'\. Did you mean 'folds'"):
        gi.cross_validate(None, fold=3)
