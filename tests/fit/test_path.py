"""Paths from data frames: glmnet's numbers through a formula, covariates beside it, arguments, tables, predictions."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from reference_cases import case, formula_of

import glminfer as gi

CASES = ("birthwt_logit", "spector", "titanic")


@pytest.fixture(scope="module")
def trials():
    return gi.datasets.simulate_session(seed=1, n_trials=200, n_neurons=60)


@pytest.fixture(scope="module")
def neurons(trials):
    return trials[[name for name in trials if name[0] == "n" and name[1:].isdigit()]]


@pytest.fixture(scope="module")
def path(trials, neurons):
    return gi.logit_path("choice ~ contrast_left + contrast_right", trials, covariates=neurons)


# glmnet ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_glmnet_through_a_formula(name):
    found = case(name)
    for expected in found["results"]["glmnet"]["paths"]:
        if not expected["intercept"]:
            continue
        options = {key: expected[key] for key in ("weights", "offset") if isinstance(expected[key], str)}
        columns = found["results"]["glmnet"]["columns"]
        path = gi.logit_path(
            formula_of(found),
            found["frame"],
            l1_ratio=expected["alpha"],
            lambdas=np.array(expected["lambda"]),
            standardize=expected["standardize"],
            penalty_factor=dict(zip(columns, np.array(expected["penalty_factor"], dtype=float), strict=True)),
            **options,
        )
        wide = path.tidy().pivot(index="step", columns="term", values="estimate")
        coef = expected["coef"]
        assert wide[["Intercept", *columns]].to_numpy() == pytest.approx(coef.to_numpy(), rel=1e-7, abs=1e-7)
        assert path.kkt.max() <= 1e-9
        assert path.null_deviance == pytest.approx(expected["null_dev"], rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_glmnet_ends_its_sequence_here_too(name):
    found = case(name)
    for expected in found["results"]["glmnet"]["default_sequence"]:
        options = {"l1_ratio": expected["alpha"]}
        path = gi.logit_path(formula_of(found), found["frame"], stop_early=True, **options)
        assert path.lambdas[0] == pytest.approx(expected["lambda_first"], rel=1e-9)
        assert abs(len(path.lambdas) - expected["length"]) <= 1  # glmnet's deviances are those of its tolerance
        whole = gi.logit_path(formula_of(found), found["frame"], **options)
        assert len(whole.lambdas) == 100
        assert whole.lambdas[: len(path.lambdas)] == pytest.approx(path.lambdas, rel=1e-12)


# covariates beside the formula ----------------------------------------------------------------------------------------


def test_covariates_beside_the_formula_are_columns_of_it(trials, neurons, path):
    names = " + ".join(["contrast_left", "contrast_right", *neurons])
    inside = gi.logit_path(f"choice ~ {names}", trials)
    assert list(inside.names) == list(path.names)
    assert path.solution.coef == pytest.approx(inside.solution.coef, abs=1e-12)
    dot = gi.logit_path("choice ~ .", trials[["choice", "contrast_left", "contrast_right", *neurons]])
    assert dot.solution.coef == pytest.approx(inside.solution.coef, abs=1e-12)


@pytest.mark.parametrize("kind", ["array", "dict", "list", "polars", "float32", "shuffled", "nullable"])
def test_covariates_of_every_kind(trials, neurons, path, kind):
    given = {
        "array": lambda: neurons.to_numpy(),
        "dict": lambda: {name: neurons[name].to_numpy() for name in neurons},
        "list": lambda: list(neurons),
        "polars": lambda: pytest.importorskip("polars").from_pandas(neurons),
        "float32": lambda: neurons.astype("float32"),
        "shuffled": lambda: neurons.sample(frac=1, random_state=1),
        "nullable": lambda: neurons.astype("Int64"),
    }[kind]()
    found = gi.logit_path("choice ~ contrast_left + contrast_right", trials, covariates=given)
    assert found.solution.coef == pytest.approx(path.solution.coef, abs=1e-12)
    expected = [f"x{j}" for j in range(neurons.shape[1])] if kind == "array" else list(neurons)
    assert list(found.covariates) == expected


def test_a_matrix_of_floats_is_not_copied(trials, neurons):
    X = neurons.to_numpy(dtype=float)
    path = gi.logit_path("choice ~ 1", trials, covariates=X)
    assert np.shares_memory(path.rows.X, X)


def test_missing_covariates_drop_their_rows(trials, neurons):
    holes = neurons.astype(float)
    holes.iloc[3, 1] = holes.iloc[5, 1] = holes.iloc[5, 2] = np.nan
    path = gi.logit_path("choice ~ contrast_left", trials, covariates=holes)
    keep = np.delete(np.arange(len(trials)), [3, 5])
    part = gi.logit_path("choice ~ contrast_left", trials.iloc[keep], covariates=holes.iloc[keep])
    assert path.solution.coef == pytest.approx(part.solution.coef, abs=1e-12)
    first, second = holes.columns[1:3]
    assert f"200 rows, 2 dropped: 2 missing in {first}, 1 missing in {second}" in path.notes
    assert path.n_dropped == 2
    predicted = path.predict(lambda_=0.05)
    assert predicted.isna().to_numpy().nonzero()[0].tolist() == [3, 5]
    with pytest.raises(gi.DataError, match="missing='raise'"):
        gi.logit_path("choice ~ contrast_left", trials, covariates=holes, missing="raise")


def test_rows_are_chosen_together(trials, neurons):
    mask = trials["trial"].to_numpy() % 3 > 0
    chosen = gi.logit_path("choice ~ 1", trials, covariates=neurons, subset=mask)
    part = gi.logit_path("choice ~ 1", trials[mask], covariates=neurons[mask])
    assert chosen.solution.coef == pytest.approx(part.solution.coef, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.iloc[:-1].to_numpy(), "covariates= has 199 rows and the data have 200 rows"),
        (lambda X: X.assign(mouse="M1"), "mouse is a column of labels .* cannot be used as a covariate"),
        (lambda X: X.rename(columns={X.columns[1]: X.columns[0]}), "more than once"),
        (lambda X: X.assign(contrast_left=1.0), "'contrast_left' is a column of the formula and of covariates="),
        (lambda X: X.assign(n000=np.where(X.index == 7, np.inf, 1.0)), "has inf in column 'n000' \\(1 row\\)"),
        (lambda X: X.iloc[:, :0], "covariates= has no columns"),
    ],
)
def test_covariates_that_cannot_be_used(trials, neurons, change, message):
    with pytest.raises(gi.InputError, match=message):
        gi.logit_path("choice ~ contrast_left", trials, covariates=change(neurons.reset_index(drop=True)))


# arguments ------------------------------------------------------------------------------------------------------------


def test_lambdas_come_back_sorted_and_C_is_their_inverse(trials, neurons):
    wanted = [0.01, 0.2, 0.05, 5.0]
    path = gi.logit_path("choice ~ 1", trials, covariates=neurons, lambdas=wanted)
    assert path.lambdas.tolist() == sorted(wanted, reverse=True)
    assert path.n_nonzero[0] == 0
    same = gi.logit_path("choice ~ 1", trials, covariates=neurons, Cs=path.Cs[::-1])
    assert same.lambdas == pytest.approx(path.lambdas, rel=1e-14)
    assert path.Cs == pytest.approx(1 / (200 * path.lambdas), rel=1e-14)
    weighted = gi.logit_path("choice ~ 1", trials, covariates=neurons, Cs=[1.0], weights=np.full(200, 3.0))
    assert weighted.lambdas == pytest.approx([1 / 600])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambdas": [0.1], "Cs": [1.0]}, "two ways to say the same"),
        ({"lambdas": [0.1], "n_lambdas": 5}, "n_lambdas= shapes the default sequence; with lambdas="),
        ({"Cs": [0.1], "lambda_min_ratio": 0.1}, "lambda_min_ratio= shapes the default sequence; with Cs="),
        ({"Cs": [0.1], "stop_early": True}, "stop_early= shapes the default sequence"),
        ({"lambdas": [0.1, -1]}, "lambdas= holds -1; every penalty must be a finite number, 0 or more"),
        ({"lambdas": [np.nan]}, "lambdas= holds nan"),
        ({"Cs": [0.0]}, "Cs= holds 0; .* more than 0"),
        ({"lambdas": []}, "at least one number"),
        ({"lambdas": ["a"]}, "must be numbers"),
        ({"lambda_min_ratio": 2}, "lambda_min_ratio=2 must lie between 0 and 1"),
        ({"n_lambdas": 0}, "n_lambdas=0 must be a whole number, 1 or more"),
        ({"l1_ratio": 1.5}, r"l1_ratio=1.5 must be a number from 0 \(ridge\) to 1 \(lasso\)"),
        ({"penalty_factor": {"contrast_lefd": 0}}, "names 'contrast_lefd', .* Did you mean 'contrast_left'"),
        ({"penalty_factor": {"contrast_left": -1}}, "is -1 for 'contrast_left'"),
        ({"penalty_factor": {"contrast_left": "a"}}, "is 'a' for 'contrast_left'"),
        ({"penalty_factor": [1, 1, 1]}, r"has shape \(3,\) and there are 2 penalised columns"),
        ({"penalty_factor": [0, 0]}, "0 for every column, so there is no penalty; that is gi.logit"),
        ({"control": 3}, "control=3 is not a gi.Control"),
        ({"control": gi.Control(step_size=0.1)}, "is for solver='gradient'"),
        (
            {"control": gi.Control(coded=True)},
            r"Control\(coded=True\) has no effect in a path, which keeps dense columns",
        ),
        ({"control": gi.Control(compress=True)}, r"Control\(compress=True\) has no effect in a path"),
    ],
)
def test_options_that_cannot_be_used(trials, options, message):
    with pytest.raises(gi.InputError, match=message):
        gi.logit_path("choice ~ contrast_left + contrast_right", trials, **options)


def test_a_misspelt_option_is_answered(trials):
    with pytest.raises(TypeError, match="Did you mean 'penalty_factor'"):
        gi.logit_path("choice ~ contrast_left", trials, penalty_factors=[1])


def test_nothing_to_penalise_is_said(trials):
    with pytest.raises(gi.DataError, match=r"has no columns to penalise; .*covariates="):
        gi.logit_path("choice ~ 1", trials)


def test_constant_columns_stay_at_zero_with_a_note(trials, neurons):
    path = gi.logit_path("choice ~ 1", trials, covariates=neurons.assign(still=3.0, zero=0))
    assert any(note.startswith("constant, so their coefficients stay zero: ") for note in path.notes)
    assert "still" in " ".join(path.notes)
    assert not path.solution.coef[:, -2:].any()
    assert path.kkt.max() <= 1e-10


def test_a_limit_is_no_optimum(trials, neurons):
    with pytest.warns(gi.ConvergenceWarning, match="not at the optimum at .* raise the limit"):
        path = gi.logit_path("choice ~ 1", trials, covariates=neurons, lambdas=[1e-3], control=gi.Control(max_iter=1))
    assert path.status is gi.Status.LIMIT
    assert "limit reached" in str(path)


def test_a_far_mean_costs_no_digits(trials, neurons):
    near = gi.logit_path("choice ~ contrast_left", trials, covariates=neurons)
    far = gi.logit_path("choice ~ contrast_left", trials, covariates=neurons + 2.0**30)
    assert far.solution.coef == pytest.approx(near.solution.coef, abs=1e-8)
    assert far.predict(lambda_=0.01).to_numpy() == pytest.approx(near.predict(lambda_=0.01).to_numpy(), abs=1e-6)


def test_grouped_outcomes_are_their_trials(trials):
    right = "contrast_left + contrast_right"
    single = gi.logit_path(f"choice ~ {right}", trials)
    kinds = trials.assign(chosen=trials["choice"] == "right")
    kinds = kinds.groupby(["contrast_left", "contrast_right"], as_index=False).agg(
        events=("chosen", "sum"), n=("chosen", "size")
    )
    grouped = gi.logit_path(f"cbind(events, n - events) ~ {right}", kinds, lambdas=single.lambdas)
    assert grouped.solution.coef == pytest.approx(single.solution.coef, abs=1e-7)
    assert np.diff(grouped.deviance) == pytest.approx(np.diff(single.deviance), abs=1e-6)
    assert grouped.nobs == len(kinds)
    assert "trials)" in str(grouped)


# tables and answers ---------------------------------------------------------------------------------------------------


def test_tidy_has_every_coefficient_of_every_step(path):
    table = path.tidy()
    assert list(table) == ["step", "lambda", "C", "term", "estimate"]
    assert len(table) == 100 * (1 + len(path.names))
    first = table[table.step == 0]
    assert first.term.tolist() == ["Intercept", *path.names]
    assert (first.estimate[1:] == 0).all()
    assert first["lambda"].nunique() == 1


def test_glance_has_one_row_for_each_step(path):
    table = path.glance()
    columns = ["step", "lambda", "C", "l1_ratio", "n_nonzero", "dev_ratio", "deviance", "df", "aic", "bic", "ebic"]
    assert list(table) == columns
    assert (table.df == table.n_nonzero + 1).all()
    assert table.dev_ratio[0] == pytest.approx(0, abs=1e-12)
    assert table.deviance.to_numpy() == pytest.approx(-2 * path.loglik)
    assert (np.diff(table.deviance) < 0).all()
    assert table.aic.to_numpy() == pytest.approx((table.deviance + 2 * table.df).to_numpy())
    assert table.bic.to_numpy() == pytest.approx((table.deviance + np.log(200) * table.df).to_numpy())
    one = table[table.n_nonzero == 1].iloc[0]
    assert one.ebic == pytest.approx(one.bic + 2 * np.log(len(path.names)))


@pytest.mark.parametrize("columns", [slice(0, 30), slice(0, 60)])
def test_degrees_of_freedom_of_a_ridge_are_a_trace(trials, neurons, columns):
    few = slice(None, None, 5) if columns.stop == 60 else slice(None)  # more columns than rows, and fewer
    X = neurons.iloc[few, columns]
    X = X.loc[:, X.std() > 0]
    data = trials.iloc[few]
    path = gi.logit_path("choice ~ contrast_left", data, covariates=X, l1_ratio=0, lambdas=[0.5, 0.01])
    Z = np.column_stack([np.ones(len(X)), data["contrast_left"], X])
    Z[:, 1:] = (Z[:, 1:] - Z[:, 1:].mean(axis=0)) / Z[:, 1:].std(axis=0)
    for k, lambda_ in enumerate(path.lambdas):
        p = path.predict(lambda_=lambda_).to_numpy()
        H = Z.T @ (Z * (p * (1 - p))[:, None]) / len(Z)
        P = np.diag([0.0, *np.full(Z.shape[1] - 1, lambda_)])
        assert path.df[k] == pytest.approx(np.trace(np.linalg.solve(H + P, H)), rel=1e-6)


def test_coef_at_any_lambda(trials, neurons, path):
    on = path.coef_at(path.lambdas[40])
    assert on.to_numpy()[1:] == pytest.approx(path.solution.coef[40])
    assert on.index.tolist() == ["Intercept", *path.names]
    between = float(np.sqrt(path.lambdas[40] * path.lambdas[41]))
    alone = gi.logit_path("choice ~ contrast_left + contrast_right", trials, covariates=neurons, lambdas=[between])
    assert path.coef_at(between).to_numpy()[1:] == pytest.approx(alone.solution.coef[0], abs=1e-8)
    assert not path.coef_at(10 * path.lambdas[0])[1:].any()
    below = path.coef_at(path.lambdas[-1] / 2)
    alone = gi.logit_path(
        "choice ~ contrast_left + contrast_right", trials, covariates=neurons, lambdas=[path.lambdas[-1] / 2]
    )
    assert below.to_numpy()[1:] == pytest.approx(alone.solution.coef[0], abs=1e-5)
    with pytest.raises(gi.InputError, match="must be one finite number"):
        path.coef_at([0.1])


def test_predictions_for_new_rows(trials, neurons, path):
    lambda_ = path.lambdas[30]
    fitted = path.predict(lambda_=lambda_)
    new = path.predict(trials.iloc[5:9], lambda_=lambda_)
    assert new.to_numpy() == pytest.approx(fitted.iloc[5:9].to_numpy(), rel=1e-12)
    assert new.index.tolist() == trials.index[5:9].tolist()
    beside = path.predict(trials.iloc[5:9], lambda_=lambda_, covariates=neurons.iloc[5:9])
    assert beside.equals(new)
    link = path.predict(lambda_=lambda_, type="link")
    assert 1 / (1 + np.exp(-link.to_numpy())) == pytest.approx(fitted.to_numpy(), rel=1e-12)
    assert set(path.predict(lambda_=lambda_, type="class")) == {"left", "right"}
    with pytest.raises(gi.InputError, match=r"no column 'n00.'"):
        path.predict(trials[["contrast_left", "contrast_right"]], lambda_=lambda_)
    with pytest.raises(gi.InputError, match="give the same columns in the same order"):
        path.predict(trials.iloc[:3], lambda_=lambda_, covariates=neurons.iloc[:3, ::-1])
    with pytest.raises(TypeError):
        path.predict(trials)


def test_offsets_and_factors_reach_predictions(trials):
    data = trials.assign(known=np.linspace(-1, 1, len(trials)))
    path = gi.logit_path("choice ~ C(mouse) + contrast_left + offset(known)", data, l1_ratio=0.5)
    link = path.predict(lambda_=path.lambdas[50], type="link")
    again = path.predict(data.iloc[::-1], lambda_=path.lambdas[50], type="link").iloc[::-1]
    assert again.to_numpy() == pytest.approx(link.to_numpy(), rel=1e-12)


def test_pickles_keep_tables_and_drop_rows(path):
    restored = pickle.loads(pickle.dumps(path))
    assert isinstance(restored, gi.Path)
    pd.testing.assert_frame_equal(restored.glance(), path.glance())
    pd.testing.assert_frame_equal(restored.tidy(), path.tidy())
    assert str(restored) == str(path)
    assert restored.coef_at(path.lambdas[3]).equals(path.coef_at(path.lambdas[3]))
    with pytest.raises(gi.RowsNeededError, match="unpickled without its rows"):
        restored.coef_at(0.0123)
    assert copy.deepcopy(path) is path


def test_printed(path):
    text = str(path)
    assert text.splitlines()[0] == "Lasso path (logit link), 100 penalties"
    assert "62 columns penalised (60 covariates beside the formula), intercept free, standardised inside" in " ".join(
        text.split()
    )
    assert "First to enter: " in text
    assert "no evidence of an effect" in " ".join(text.split())
    assert max(map(len, text.splitlines()[:8])) <= 100
    assert "<table" in path._repr_html_()


def test_ridge_and_mixture_say_what_they_are(trials):
    for l1_ratio, words in ((0.0, "Ridge path"), (0.3, "Elastic-net (l1_ratio 0.3) path")):
        assert str(gi.logit_path("choice ~ contrast_left", trials, l1_ratio=l1_ratio, n_lambdas=3)).startswith(words)


def test_a_penalised_column_called_intercept(trials, neurons):
    told = "A penalised column is called Intercept, as is the constant of a path in its tables"
    one = pd.DataFrame({"Intercept": np.ones(len(trials))}, index=trials.index)
    with pytest.raises(gi.DataError, match=told):
        gi.logit_path("choice ~ 1", trials, covariates=one)
    with pytest.raises(gi.DataError, match=told):
        gi.logit_path("choice ~ contrast_left + Intercept - 1", trials.assign(Intercept=1.0))
