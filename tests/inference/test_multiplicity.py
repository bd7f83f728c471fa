"""Adjusted p-values against statsmodels and by hand; single-step adjustment against known distributions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import few, some
from reference_cases import fitted
from scipy import stats

import glminfer as gi
from glminfer.inference.covariance import covariance
from glminfer.inference.multiplicity import METHODS
from glminfer.numerics.largest import largest

# adjusting a table ----------------------------------------------------------------------------------------------------

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(("theirs", "ours"), [("BH", "fdr_bh"), ("BY", "fdr_by"), ("hochberg", "simes-hochberg")])
def test_names_in_r(theirs: str, ours: str) -> None:
    table = pd.DataFrame({"p_value": [0.01, 0.04, 0.03]})
    pd.testing.assert_frame_equal(gi.adjust(table, theirs), gi.adjust(table, ours))
    assert gi.adjust(table, theirs).attrs["adjustment"] == f"{ours} over 3 tests"


@pytest.mark.parametrize("method", METHODS)
@few
@given(p=p_values)
def test_statsmodels_multipletests(method: str, p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    mine = gi.adjust(pd.DataFrame({"p_value": p}), method)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(mine.p_adjusted, multipletests(p, method=method)[1])


def test_holm_by_hand() -> None:
    table = gi.adjust(pd.DataFrame({"p_value": [0.01, 0.04, 0.03]}))
    np.testing.assert_allclose(table.p_adjusted, [0.03, 0.06, 0.06])
    assert table.attrs["adjustment"] == "holm over 3 tests"


@some
@given(p=p_values, method=st.sampled_from(METHODS))
def test_adjusted_is_never_smaller(p: list[float], method: str) -> None:
    table = gi.adjust(pd.DataFrame({"p_value": p}), method)
    assert (table.p_adjusted >= table.p_value * (1 - 1e-12)).all()
    assert (table.p_adjusted <= 1).all()


def test_rows_without_a_p_value_are_left_out_and_counted() -> None:
    fit = fitted("birthwt_aliased")
    table = gi.adjust(fit.tidy(), "bonferroni")
    known = table.p_value.notna()
    np.testing.assert_allclose(table.p_adjusted[known], np.minimum(1, known.sum() * table.p_value[known]))
    assert table.p_adjusted[~known].isna().all()
    assert table.attrs["adjustment"] == f"bonferroni over {known.sum()} tests, 3 rows without a p-value left out"
    assert list(table.columns).index("p_adjusted") == list(table.columns).index("p_value") + 1
    assert "p_adjusted" not in fit.tidy().columns


def test_families_are_adjusted_one_by_one() -> None:
    table = pd.DataFrame(
        {"outcome": list("aabbbc"), "term": list("xyxyzx"), "p_value": [0.01, 0.02, 0.03, 0.5, np.nan, 0.04]}
    )
    mine = gi.adjust(table, "bonferroni", family="outcome")
    np.testing.assert_allclose(mine.p_adjusted, [0.02, 0.04, 0.06, 1.0, np.nan, 0.04])
    assert mine.attrs["adjustment"] == (
        "bonferroni over 1 to 2 tests in each of 3 families (outcome), 1 row without a p-value left out"
    )
    alone = gi.adjust(table, "holm", family=["outcome", "term"])
    np.testing.assert_array_equal(alone.p_adjusted, table.p_value)
    assert (
        "1 test in each of 6 families (outcome, term)"
        in gi.adjust(table.fillna(1), family=["outcome", "term"]).attrs["adjustment"]
    )
    pd.testing.assert_index_equal(mine.index, table.index)


def test_families_of_categories_and_missing_labels() -> None:
    labels = pd.Categorical(["a", None, "a"], categories=["a", "unused"])
    mine = gi.adjust(pd.DataFrame({"g": labels, "p_value": [0.1, 0.2, 0.3]}), "bonferroni", family="g")
    np.testing.assert_allclose(mine.p_adjusted, [0.2, 0.2, 0.6])


def test_adjusting_twice_starts_anew() -> None:
    table = pd.DataFrame({"p_value": [0.01, 0.04]})
    pd.testing.assert_frame_equal(gi.adjust(gi.adjust(table, "bonferroni"), "holm"), gi.adjust(table, "holm"))


def test_tables_of_the_package() -> None:
    fit = fitted("birthwt_logit")
    for table in (fit.tidy(), fit.anova(), fit.drop1(), fit.lincom(["age", "lwt"])):
        assert "p_adjusted" in gi.adjust(table, "fdr_by").columns


REFUSED = [
    ((pd.Series([0.1]),), "gi.adjust takes a table with a column p_value, and was given a Series."),
    ((pd.DataFrame({"p": [0.1]}),), "The table has no column p_value to adjust; its columns are p."),
    ((pd.DataFrame({"p_value": [1.2, 0.1]}),), "p_value lies outside [0, 1] in 1 row, so it is no p-value."),
    (
        (pd.DataFrame({"p_value": [0.1]}), "fdr_hb"),
        "method 'fdr_hb' is not known. Did you mean 'fdr_by'? Choose one of: bonferroni, sidak, holm, holm-sidak, "
        "simes-hochberg, hommel, fdr_bh, fdr_by.",
    ),
    (
        (pd.DataFrame({"term": ["x"], "p_value": [0.1]}), "holm", "trem"),
        "family: the table has no column 'trem'. Did you mean 'term'? Its columns are term, p_value.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals(arguments: tuple, message: str) -> None:
    with pytest.raises(gi.InputError) as error:
        gi.adjust(*arguments)
    assert str(error.value) == message


# the largest of several statistics ------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [1.0, 2.5, 5.0, 9.0])
def test_independent_statistics_are_sidak(c: float) -> None:
    p = 2 * stats.norm.sf(c)
    for q in (1, 2, 7):
        assert largest(np.eye(q), np.inf, 0).tail(c) == pytest.approx(-np.expm1(q * np.log1p(-p)), rel=1e-3)


def test_equal_statistics_are_one() -> None:
    for dof in (np.inf, 6.0):
        tail = largest(np.ones((4, 4)), dof, 0).tail(2.1)
        assert tail == pytest.approx(2 * stats.t.sf(2.1, dof), rel=1e-3)


def pairs(k: int) -> np.ndarray:
    """Correlation of all differences of k independent means: rank k - 1."""
    A = np.array([np.eye(k)[i] - np.eye(k)[j] for i, j in combinations(range(k), 2)])
    return A @ A.T / 2


@pytest.mark.parametrize("k", [3, 4, 6])
@pytest.mark.parametrize("dof", [np.inf, 5.0, 20.0])
def test_all_pairs_are_the_studentized_range(k: int, dof: float) -> None:
    joint = largest(pairs(k), dof, 0)
    for c in (1.5, 2.5, 3.5):
        assert joint.tail(c) == pytest.approx(stats.studentized_range.sf(c * np.sqrt(2), k, dof), rel=3e-3)
    assert joint.quantile(0.95) == pytest.approx(stats.studentized_range.ppf(0.95, k, dof) / np.sqrt(2), rel=1e-3)


def test_equicorrelated_statistics_by_one_integral() -> None:
    """Dunnett's case: T_j = √ρ Z + √(1 - ρ) E_j."""
    rho, q, c = 0.5, 5, 2.6
    z, weights = np.polynomial.hermite_e.hermegauss(101)
    inside = stats.norm.cdf((c - np.sqrt(rho) * z) / np.sqrt(1 - rho)) - stats.norm.cdf(
        (-c - np.sqrt(rho) * z) / np.sqrt(1 - rho)
    )
    exact = 1 - weights @ inside**q / weights.sum()
    R = np.full((q, q), rho) + (1 - rho) * np.eye(q)
    assert largest(R, np.inf, 0).tail(c) == pytest.approx(exact, rel=2e-3)


def test_scipy_agrees_on_a_random_correlation() -> None:
    rng = np.random.default_rng(5)
    A = rng.normal(size=(4, 8))
    R = np.corrcoef(A)
    c = np.full(4, 2.0)
    inside = stats.multivariate_normal.cdf(c, cov=R, lower_limit=-c)
    assert largest(R, np.inf, 0).tail(2.0) == pytest.approx(1 - inside, rel=2e-3)


# simultaneous statements ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 300
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(list("abcd"), n), "c": rng.integers(0, 20, n)})
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-0.4 * data.x - 0.5 * (data.g == "b")))).astype(int)
    return data


@pytest.fixture(scope="module")
def fit(trials: pd.DataFrame) -> gi.Fit:
    return gi.logit("y ~ x + g", trials)


TUKEY = ["g[T.b]", "g[T.c]", "g[T.d]", "g[T.b] - g[T.c]", "g[T.b] - g[T.d]", "g[T.c] - g[T.d]"]


@pytest.mark.parametrize("how", [{}, {"cov": "HC3"}, {"cluster": "c"}, {"cov": "CR2", "cluster": "c"}, {"dof": 9.0}])
@pytest.mark.parametrize("asked", [None, "g", TUKEY])
def test_between_one_test_and_sidak(fit: gi.Fit, how: dict, asked: object) -> None:
    table = fit.simultaneous(asked, **how)
    q = len(table)
    assert (table.p_adjusted >= table.p_value).all()
    assert (table.p_adjusted <= -np.expm1(q * np.log1p(-table.p_value)) * (1 + 1e-12)).all()
    one = fit.lincom(asked if asked is not None else ["x", "g"], **how)
    np.testing.assert_array_equal(table.estimate, one.estimate)
    assert (table.conf_low < one.conf_low).all()
    assert table.attrs["adjustment"] == f"single-step over {q} tests"


def test_intervals_and_p_values_agree(fit: gi.Fit) -> None:
    """A combination is significant at 1 - level exactly when its simultaneous interval leaves out zero."""
    for level in (0.5, 0.8, 0.95):
        table = fit.simultaneous(TUKEY, level=level)
        outside = (table.conf_low > 0) | (table.conf_high < 0)
        np.testing.assert_array_equal(outside, table.p_adjusted < 1 - level)


def test_against_simulated_estimates(fit: gi.Fit) -> None:
    L = np.array([[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, -1, 0], [0, 0, 1, -1, 0]], dtype=float)
    L = L[:, np.argsort([list(fit.columns).index(c) for c in fit.columns])]
    table = fit.simultaneous(L)
    V = L @ fit.vcov().to_numpy() @ L.T
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(5), V, 400_000, method="svd")
    peak = np.abs(draws / np.sqrt(np.diagonal(V))).max(axis=1)
    expected = [(peak >= t).mean() for t in table.statistic.abs()]
    np.testing.assert_allclose(table.p_adjusted, expected, atol=0.003)


def test_one_hypothesis_needs_no_adjustment(fit: gi.Fit) -> None:
    for how in ({}, {"cluster": "c"}):
        table = fit.simultaneous("x", **how)
        assert table.p_adjusted[0] == pytest.approx(table.p_value[0], rel=1e-3)
        assert table.conf_low[0] == pytest.approx(fit.lincom("x", **how).conf_low[0], rel=1e-3)


def test_a_repeated_hypothesis_changes_nothing(fit: gi.Fit) -> None:
    once, twice = fit.simultaneous("g"), fit.simultaneous(["g", "g[T.b]", "2*g[T.b]"])
    np.testing.assert_allclose(twice.p_adjusted[:3], once.p_adjusted, rtol=5e-3)


def test_the_same_seed_gives_the_same_answer(fit: gi.Fit) -> None:
    pd.testing.assert_frame_equal(fit.simultaneous(TUKEY), fit.simultaneous(TUKEY))
    first, other = fit.simultaneous(TUKEY), fit.simultaneous(TUKEY, seed=1)
    np.testing.assert_allclose(first.p_adjusted, other.p_adjusted, rtol=5e-3)


def test_satterthwaite_uses_the_smallest_degrees_of_freedom(fit: gi.Fit) -> None:
    df = covariance(fit, "CR2", "c").dof_for(fit.T)[1:]
    table = fit.simultaneous(cov="CR2", cluster="c")
    np.testing.assert_allclose(table.df, df)
    by_hand = fit.simultaneous(cov="CR2", cluster="c", dof=float(df.min()))
    np.testing.assert_allclose(by_hand.conf_low, table.conf_low, rtol=1e-6)


def test_aliased_and_separated_coefficients_are_no_family(trials: pd.DataFrame) -> None:
    data = trials.assign(y=trials.y.where(trials.g != "d", 1))
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x + g + I(2*x)", data)
    assert fit.simultaneous().hypothesis.tolist() == [
        f"{name} = 0" for name in fit.columns if name in ("g[T.b]", "g[T.c]", "x")
    ]


def test_only_an_intercept(trials: pd.DataFrame) -> None:
    with pytest.raises(gi.InputError, match="no coefficient with a finite estimate but the intercept"):
        gi.logit("y ~ 1", trials).simultaneous()
