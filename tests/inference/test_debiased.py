"""The debiased lasso: R's numbers, maximum likelihood where columns are few, invariances, coverage, hard cases."""

import numpy as np
import pandas as pd
import pytest
from selection_cases import REFERENCE, sparse, wide

import glminfer as gi
from glminfer.inference.debiased import initial
from glminfer.numerics import nodewise, threads

TRIALS = gi.datasets.simulate_session(seed=1, n_neurons=12)
SIMPLE = "choice ~ . - mouse - session - reaction_time - feedback"


def path_of(X, y, **options):
    return gi.logit_path("y ~ 1", {"y": y}, covariates=X, **options)


@pytest.fixture(scope="module")
def wide_path():
    X, y = sparse(120, 200, seed=1, slopes=(1.2, -1.2, 1.2), rho=0.2)
    return path_of(X, y)


def test_estimates_and_errors_are_those_of_the_formulas_in_r():
    X, y, v, _ = wide()
    frozen = REFERENCE["debiased"]
    path = path_of(X, y, weights=v)
    start = initial(path, frozen["lambda"])
    np.testing.assert_allclose(start.coef, frozen["coef"], atol=1e-7)
    for entry in frozen["nodes"]:
        walk = nodewise.walk(start.design, entry["j"])
        node = next(node for node in walk if np.isclose(node.lambda_, entry["lambda"], rtol=1e-6))
        estimate, std_error = start.debiased(node)
        assert estimate == pytest.approx(entry["estimate"], rel=1e-6)
        assert std_error == pytest.approx(entry["std_error"], rel=1e-7)


def test_with_few_columns_it_is_maximum_likelihood():
    path, fit = gi.logit_path(SIMPLE, TRIALS), gi.logit(SIMPLE, TRIALS).tidy().set_index("term")
    table = path.debias(lambda_=1e-4).set_index("term")
    fit = fit.loc[table.index]
    assert ((table.estimate - fit.estimate).abs() < 0.01 * fit.std_error).all()
    np.testing.assert_allclose(table.std_error, fit.std_error, rtol=0.01)
    chosen = path.debias().set_index("term")
    assert ((chosen.estimate - fit.estimate).abs() < 0.15 * fit.std_error).all()
    np.testing.assert_allclose(chosen.std_error, fit.std_error, rtol=0.08)


def test_the_table_and_what_it_says(wide_path):
    table = wide_path.debias(["x0", "x1", "x9"], lambda_=0.04, level=0.9)
    assert list(table.columns) == [
        *["term", "estimate", "std_error", "statistic", "p_value", "p_adjusted", "conf_low", "conf_high"],
        *["lasso", "bias_factor", "status"],
    ]
    np.testing.assert_allclose(table.statistic, table.estimate / table.std_error)
    np.testing.assert_allclose(table.conf_high - table.conf_low, 2 * 1.6448536 * table.std_error, rtol=1e-6)
    np.testing.assert_allclose(table.lasso, wide_path.coef_at(0.04)[["x0", "x1", "x9"]])
    np.testing.assert_allclose(table.p_adjusted, gi.adjust(table, "holm").p_adjusted)
    said = "\n".join(table.heading)
    for part in (
        "120 rows, 200 columns",
        "λ = 0.04 (as given)",
        "holm over 3 tests (for columns named before looking at the path)",
        "Assumes independent rows",
    ):
        assert part in said
    assert table.p_value[1] < 1e-3
    assert table.status.eq("converged").all()


def test_the_default_penalty_is_three_quarters_of_that_of_cross_validation(wide_path):
    best = gi.cross_validate(wide_path, folds=10, seed=3).lambda_min
    pd.testing.assert_frame_equal(
        pd.DataFrame(wide_path.debias("x0", seed=3)), pd.DataFrame(wide_path.debias("x0", lambda_=0.75 * best))
    )
    assert "0.75 of that of 10-fold cross-validation" in "\n".join(wide_path.debias("x0", seed=3).heading)


def test_a_column_does_not_depend_on_which_others_are_asked_for(wide_path):
    alone = wide_path.debias("x7", lambda_=0.05)
    among = wide_path.debias(["x3", "x7", "x0"], lambda_=0.05)
    assert among.term.tolist() == ["x0", "x3", "x7"]
    row = among[among.term == "x7"].iloc[0]
    assert row.estimate == alone.estimate[0]
    assert row.std_error == alone.std_error[0]


def test_terms_of_a_formula_are_all_their_columns():
    path = gi.logit_path("choice ~ C(mouse) + contrast_left + contrast_right", TRIALS)
    table = path.debias("C(mouse)", lambda_=0.01)
    assert table.term.tolist() == [name for name in path.names if name.startswith("C(mouse)")]


def test_scale_and_order_of_columns_do_not_matter():
    X, y = sparse(90, 130, seed=3)
    order, scale = np.random.default_rng(0).permutation(130), np.exp(np.random.default_rng(1).normal(size=130))
    names = [f"x{j}" for j in range(130)]
    plain = path_of(pd.DataFrame(X, columns=names), y).debias(["x0", "x5"], lambda_=0.05)
    turned = pd.DataFrame(X * scale + 3.0, columns=names).iloc[:, order]
    other = path_of(turned, y).debias(["x0", "x5"], lambda_=0.05).set_index("term").loc[["x0", "x5"]]
    np.testing.assert_allclose(other.estimate * scale[[0, 5]], plain.estimate, rtol=1e-6)
    np.testing.assert_allclose(other.std_error * scale[[0, 5]], plain.std_error, rtol=1e-7)


def test_the_other_event_turns_the_signs():
    X, y = sparse(90, 130, seed=4)
    one, other = path_of(X, y).debias("x1", lambda_=0.05), path_of(X, 1 - y).debias("x1", lambda_=0.05)
    assert other.estimate[0] == pytest.approx(-one.estimate[0], rel=1e-6)
    assert other.std_error[0] == pytest.approx(one.std_error[0], rel=1e-7)


def test_weight_two_is_the_row_twice_and_weight_zero_its_absence():
    X, y = sparse(60, 80, seed=5)
    w = np.random.default_rng(0).integers(0, 3, 60)
    at = np.repeat(np.arange(60), w)
    weighted = path_of(X, y, weights=w).debias(["x0", "x4"], lambda_=0.06)
    repeated = path_of(X[at], y[at]).debias(["x0", "x4"], lambda_=0.06)
    for name in ("estimate", "std_error", "bias_factor"):
        np.testing.assert_allclose(weighted[name], repeated[name], rtol=1e-6)


def test_the_number_of_threads_changes_nothing(wide_path, monkeypatch):
    many = wide_path.debias(["x0", "x1", "x2", "x3"], lambda_=0.05)
    monkeypatch.setattr(threads, "n_threads", lambda: 1)
    pd.testing.assert_frame_equal(
        pd.DataFrame(many), pd.DataFrame(wide_path.debias(["x0", "x1", "x2", "x3"], lambda_=0.05))
    )


def test_copies_constants_and_free_columns():
    X, y = sparse(80, 30, seed=6)
    X[:, 9], X[:, 12] = 2 * X[:, 3], 5.0
    table = path_of(X, y, penalty_factor={"x0": 0}).debias(["x0", "x3", "x9", "x12"], lambda_=0.05)
    assert table.status.tolist() == ["converged", "not told from x9", "not told from x3", "constant"]
    assert table[["estimate", "std_error", "p_value", "conf_low", "p_adjusted"]].isna().all(axis=1).tolist() == [
        *[False, True, True, True]
    ]
    assert "2 columns cannot be told from others" in "\n".join(table.heading)


def test_an_offset_is_part_of_the_model():
    X, y = sparse(400, 3, seed=7, slopes=(1.0, 0.5, 0.0))
    known = X[:, 0].copy()
    frame = {"y": y, "a": X[:, 0], "b": X[:, 1], "known": known}
    table = gi.logit_path("y ~ a + b", frame, offset="known").debias(lambda_=1e-5)
    fit = gi.logit("y ~ a + b", frame, offset="known").tidy()
    np.testing.assert_allclose(table.estimate, fit.estimate[1:], atol=1e-3)
    np.testing.assert_allclose(table.std_error, fit.std_error[1:], rtol=1e-3)


def test_counts_are_their_trials():
    rng = np.random.default_rng(8)
    x, z, m = rng.normal(size=60), rng.normal(size=60), rng.integers(2, 6, 60)
    s = rng.binomial(m, 1 / (1 + np.exp(-x)))
    counts = gi.logit_path("cbind(s, f) ~ x + z", {"s": s, "f": m - s, "x": x, "z": z}).debias(lambda_=0.01)
    each = np.repeat(np.arange(60), m)
    y = np.concatenate([np.repeat([1.0, 0.0], [a, b]) for a, b in zip(s, m - s, strict=True)])
    trials = gi.logit_path("y ~ x + z", {"y": y, "x": x[each], "z": z[each]}).debias(lambda_=0.01)
    np.testing.assert_allclose(counts.estimate, trials.estimate, rtol=1e-7)
    np.testing.assert_allclose(counts.std_error, trials.std_error, rtol=1e-7)


def test_intervals_cover_in_a_small_study():
    covered, z = [], []
    for seed in range(20):
        X, y = sparse(150, 200, seed=100 + seed, slopes=(0.8, -0.8))
        table = path_of(X, y).debias(["x0", "x1", "x50", "x51", "x52", "x53"], lambda_=0.04)
        truth = np.array([0.8, -0.8, 0, 0, 0, 0])
        covered.append((table.conf_low <= truth) & (truth <= table.conf_high))
        z.append(((table.estimate - truth) / table.std_error).to_numpy())
    assert np.mean(covered) > 0.9
    assert 0.6 < np.std(np.array(z)[:, 2:]) < 1.15
    assert abs(np.mean(z)) < 0.25


def test_few_rows_are_left_out_one_by_one():
    path = path_of(np.random.default_rng(0).normal(size=(6, 20)), np.array([0, 1, 0, 1, 1, 0]))
    assert "6-fold cross-validation" in "\n".join(path.debias("x1").heading)


# what is refused -----------------------------------------------------------------------------------------------------


def test_only_a_lasso_is_debiased():
    path = gi.logit_path("choice ~ contrast_left + n000", TRIALS, l1_ratio=0.5)
    with pytest.raises(gi.InputError, match=r"this path has l1_ratio=0.5. Fit it with l1_ratio=1"):
        path.debias()


@pytest.mark.parametrize(
    ("terms", "words"),
    [("x199x", "'x199x' is no column and no term of this path. Did you mean 'x199'"), ([], "terms= is empty")],
)
def test_unknown_terms_are_refused(wide_path, terms, words):
    with pytest.raises(gi.InputError, match=words):
        wide_path.debias(terms)


def test_unknown_options_are_refused(wide_path):
    with pytest.raises(gi.InputError, match=r"adjust 'bonferoni' is not known\. Did you mean 'bonferroni'"):
        wide_path.debias("x0", adjust="bonferoni")
    with pytest.raises(gi.InputError, match=r"level=1\.5 is not a confidence level"):
        wide_path.debias("x0", level=1.5)
    with pytest.raises(TypeError, match=r"debias\(\) has no argument 'lambdas'"):
        wide_path.debias("x0", lambdas=0.1)
