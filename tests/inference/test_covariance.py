"""Robust and clustered covariances against R, statsmodels, dense textbook formulas and explicit refits."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from random_rows import LINKS, few, some
from reference_cases import NAMES, case, fitted

import glminfer as gi
from glminfer.inference.covariance import covariance

HC = ("HC0", "HC1", "HC2", "HC3")
TIGHT = 1e-8

# against R ------------------------------------------------------------------------------------------------------------


def agree(mine: pd.DataFrame, theirs: pd.DataFrame, rtol: float = TIGHT) -> None:
    """Relative to the standard errors: a covariance near zero is a difference of larger numbers."""
    se = np.sqrt(np.abs(np.diagonal(theirs)))
    gap = (mine.loc[theirs.index, theirs.columns] - theirs).abs() / np.outer(se, se)
    assert gap.to_numpy().max() <= rtol


def r_hc(name: str) -> dict[str, pd.DataFrame]:
    """R's matrices: without rows of zero weight, and on well-scaled columns, where R itself is exact only there."""
    results = case(name)["results"]
    exact = results.get("exact_transform", {}).get("vcovHC", {})
    return exact or results.get("vcovHC_positive_weight_rows") or results.get("vcovHC", {})


@pytest.mark.parametrize("name", [name for name in NAMES if r_hc(name)])
@pytest.mark.parametrize("kind", HC)
def test_sandwich_vcovhc(name: str, kind: str) -> None:
    theirs = r_hc(name)
    if isinstance(theirs.get(kind), pd.DataFrame):
        agree(fitted(name).vcov(kind), theirs[kind])


R_CLUSTERED = {"CR0": "HC0_nocadjust", "CR1": "HC1", "CR2": "CV2_onestep", "CR3": "CV3_onestep"}
CLUSTERED = [
    (name, column)
    for name in NAMES
    for column, found in case(name)["results"].get("vcovCL", {}).items()
    if isinstance(found, dict)
]


def cluster_of(name: str, column: str) -> str | list[str]:
    return [str(c) for c in case(name)["results"]["vcovCL"][column]["columns"]] if column == "two_way" else column


@pytest.mark.parametrize(("name", "column"), CLUSTERED)
@pytest.mark.parametrize("kind", R_CLUSTERED)
def test_sandwich_vcovcl(name: str, column: str, kind: str) -> None:
    theirs = case(name)["results"]["vcovCL"][column].get(R_CLUSTERED[kind])
    if theirs is None:
        pytest.skip("not stored")
    if (np.diagonal(theirs) < 0).any():
        pytest.skip("R leaves a negative variance: see test_a_negative_variance_is_not_left_standing")
    agree(fitted(name).vcov(kind, cluster=cluster_of(name, column)), theirs)


@pytest.mark.parametrize(("name", "column"), [pair for pair in CLUSTERED if pair[1] != "two_way"])
def test_jackknife(name: str, column: str) -> None:
    theirs = case(name)["results"]["vcovCL"][column]["jackknife"]
    if "_error" in theirs:
        with pytest.raises(gi.DataError, match=f"without {column} = .* infinite or cannot be told apart"):
            fitted(name).vcov("jackknife", cluster=column)
    else:
        agree(fitted(name).vcov("jackknife", cluster=column), theirs["center_mean"])


@pytest.mark.parametrize("name", [n for n in NAMES if "vcovCL_positive_weight_rows" in case(n)["results"]])
def test_clusters_of_rows_of_positive_weight(name: str) -> None:
    for column, theirs in case(name)["results"]["vcovCL_positive_weight_rows"].items():
        agree(fitted(name).vcov("CR0", cluster=column), theirs["HC0_nocadjust"])
        agree(fitted(name).vcov("CR1", cluster=column), theirs["HC1"])


# against statsmodels --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 400
    mouse = rng.integers(0, 25, n)
    data = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(list("abc"), n)})
    data["mouse"] = [f"m{k:02d}" for k in mouse]
    data["session"] = rng.integers(0, 12, n)
    eta = 0.5 * data.x + rng.normal(0, 0.7, 25)[mouse]
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return data


@pytest.fixture(scope="module")
def fit(trials: pd.DataFrame) -> gi.Fit:
    return gi.logit("y ~ x + z + g", trials)


def statsmodels_fit(trials: pd.DataFrame, **how):
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    return smf.glm("y ~ x + z + g", trials, family=sm.families.Binomial()).fit(tol=1e-14, **how)


def test_hc0_is_that_of_statsmodels(trials: pd.DataFrame, fit: gi.Fit) -> None:
    agree(fit.vcov("HC0"), statsmodels_fit(trials, cov_type="HC0").cov_params())


def test_cr1_is_the_cluster_covariance_of_statsmodels(trials: pd.DataFrame, fit: gi.Fit) -> None:
    codes = trials.mouse.factorize()[0]
    theirs = statsmodels_fit(trials, cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    agree(fit.vcov(cluster="mouse"), theirs.cov_params())
    table = fit.tidy(cluster="mouse").set_index("term")
    np.testing.assert_allclose(table.std_error[theirs.params.index], theirs.bse, rtol=1e-9)
    assert (table.df == 24).all()


# against the definitions, written out with n × n matrices -------------------------------------------------------------


@dataclass(frozen=True)
class Dense:
    """A fit as plain arrays: Z (n, p), Pearson residuals and hat matrix on the weighted scale."""

    names: list[str]
    scores: np.ndarray
    root: np.ndarray
    residual: np.ndarray
    bread: np.ndarray
    nobs: int

    @property
    def H(self) -> np.ndarray:
        return self.root @ self.bread @ self.root.T


def dense(fit: gi.Fit) -> Dense:
    _, sample = fit.with_rows()
    used = sample.weights > 0
    X, w, y = sample.X[used], sample.weights[used], sample.y[used]
    eta = X @ fit.coef.to_numpy() + sample.offset[used]
    _, score, expected, _ = fit.family.pointwise(y, eta)
    root = X * np.sqrt(w * expected)[:, None]
    bread = np.linalg.inv(root.T @ root)
    return Dense(list(fit.columns), X * (w * score)[:, None], root, w * score / np.sqrt(w * expected), bread, len(y))


def power(A: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(A)
    return (vectors * np.where(values > 1e-10, np.abs(values), np.inf) ** exponent) @ vectors.T


def textbook(found: Dense, kind: str, groups: np.ndarray) -> np.ndarray:
    n, k, G = found.nobs, len(found.names), len(set(groups))
    B = np.zeros((k, k))
    for g in np.unique(groups):
        rows = groups == g
        exponent = {"CR0": 0.0, "CR1": 0.0, "CR2": -0.5, "CR3": -1.0}[kind]
        inflated = power(np.eye(rows.sum()) - found.H[np.ix_(rows, rows)], exponent) if exponent else np.eye(rows.sum())
        u = found.root[rows].T @ inflated @ found.residual[rows]
        B += np.outer(u, u)
    factor = {"CR1": G / (G - 1) * (n - 1) / (n - k), "CR3": (G - 1) / G}.get(kind, 1.0)
    return factor * found.bread @ B @ found.bread


def satterthwaite(found: Dense, groups: np.ndarray, combination: np.ndarray) -> float:
    """Pustejovsky & Tipton (2018): degrees of freedom from the quadratic form in independent errors."""
    n = found.nobs
    I_H = np.eye(n) - found.H
    P = []
    for g in np.unique(groups):
        rows = groups == g
        p = np.zeros(n)
        A = power(np.eye(rows.sum()) - found.H[np.ix_(rows, rows)], -0.5)
        p[rows] = A @ found.root[rows] @ found.bread @ combination
        P.append(p)
    M = np.array(P) @ I_H @ np.array(P).T
    return np.trace(M) ** 2 / np.trace(M @ M)


def random_fit(seed: int, link: str, grouped: bool, n_groups: int, n: int = 80) -> tuple[gi.Fit, pd.DataFrame]:
    """Counts or single trials, prior weights (some zero) and an offset; clusters c, and one row per cluster in r."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "o": rng.normal(0, 0.2, n)})
    data["c"] = rng.permutation(np.arange(n) % n_groups)
    data["r"] = rng.permutation(n)
    data["w"] = rng.choice([0.0, 0.5, 1.0, 2.0], n, p=[0.05, 0.25, 0.5, 0.2])
    data["m"] = rng.integers(1, 6, n) if grouped else 1
    data["s"] = rng.binomial(data.m, rng.uniform(0.2, 0.8, n))
    data["f"] = data.m - data.s
    left = "cbind(s, f)" if grouped else "s"
    fit = gi.glm(f"{left} ~ x + z", data, link=link, weights="w", offset="o")
    assume(fit.converged)
    return fit, data


cases = {
    "seed": st.integers(0, 10_000),
    "link": st.sampled_from(LINKS),
    "grouped": st.booleans(),
    "n_groups": st.integers(5, 30),
}


@some
@given(**cases, kind=st.sampled_from(["CR0", "CR1", "CR2", "CR3"]))
def test_definitions(seed: int, link: str, grouped: bool, n_groups: int, kind: str) -> None:
    fit, data = random_fit(seed, link, grouped, n_groups)
    groups = data.c[data.w > 0].to_numpy()
    expected = textbook(dense(fit), kind, groups)
    agree(fit.vcov(kind, cluster="c"), pd.DataFrame(expected, fit.columns, fit.columns))


@some
@given(**cases)
def test_satterthwaite_degrees_of_freedom(seed: int, link: str, grouped: bool, n_groups: int) -> None:
    fit, data = random_fit(seed, link, grouped, n_groups)
    found, groups = dense(fit), data.c[data.w > 0].to_numpy()
    table = fit.tidy(cov="CR2", cluster="c")
    expected = [satterthwaite(found, groups, unit) for unit in np.eye(3)]
    np.testing.assert_allclose(table.df, expected, rtol=1e-7)
    L = np.random.default_rng(seed).normal(size=(4, 3))
    chosen = covariance(fit, "CR2", "c")
    np.testing.assert_allclose(chosen.dof_for(L @ fit.T), [satterthwaite(found, groups, row) for row in L], rtol=1e-7)
    assert (table.df < n_groups).all()


@pytest.mark.parametrize("kind", ["II", "III"])
def test_analysis_of_deviance_has_the_degrees_of_freedom_of_single_coefficients(kind: str) -> None:
    """A treatment of two clusters of twelve: one and a half degrees of freedom, not eleven."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"c": np.arange(300) % 12, "x": rng.normal(size=300), "g": rng.choice(list("uvw"), 300)})
    data["treated"] = (data.c < 2).astype(int)
    data["y"] = rng.random(300) < 0.35 + 0.2 * data.treated
    fit, how = gi.logit("y ~ x + g + treated", data), {"cov": "CR2", "cluster": "c"}
    table = fit.anova(type=kind, test="wald", **how).set_index("term")
    for term in ("x", "treated"):
        alone = fit.wald_test(term, **how).iloc[0]
        for column in ("statistic", "df", "df_denom", "p_value"):
            assert table.loc[term, column] == pytest.approx(alone[column], rel=1e-10)
    assert table.df_denom["treated"] < 2
    assert table.df_denom["g"] == 11


def test_satterthwaite_of_balanced_groups_is_known() -> None:
    """Half of 2G equal clusters are treated: the difference of means has 2(G - 1) degrees of freedom."""
    data = pd.DataFrame({"c": np.repeat(np.arange(10), 8), "y": np.tile([0, 1, 0, 1, 1, 0, 1, 0], 10)})
    data["treated"] = (data.c >= 5).astype(int)
    data.loc[[0, 8, 40, 56], "y"] ^= 1  # as many events in both arms: equal working weights
    table = gi.logit("y ~ treated", data).tidy(cov="CR2", cluster="c").set_index("term")
    assert table.df["treated"] == pytest.approx(8)
    assert table.df["Intercept"] == pytest.approx(4)


@some
@given(**cases)
def test_one_row_per_cluster(seed: int, link: str, grouped: bool, n_groups: int) -> None:
    fit, _ = random_fit(seed, link, grouped, n_groups)
    for clustered, robust, factor in [("CR0", "HC0", 1.0), ("CR1", "HC1", 1.0), ("CR2", "HC2", 1.0)]:
        agree(fit.vcov(clustered, cluster="r"), factor * fit.vcov(robust))
    agree(fit.vcov("CR3", cluster="r"), (fit.nobs - 1) / fit.nobs * fit.vcov("HC3"))


@few
@given(**cases)
def test_cr3_is_one_newton_step_without_each_cluster(seed: int, link: str, grouped: bool, n_groups: int) -> None:
    """Scoring steps from the full estimate on the rows that are left, about the estimate itself."""
    fit, data = random_fit(seed, link, grouped, n_groups)
    found, groups = dense(fit), data.c[data.w > 0].to_numpy()
    names = list(fit.columns)
    B = np.zeros((3, 3))
    for g in np.unique(groups):
        kept = groups != g
        step = np.linalg.solve(found.root[kept].T @ found.root[kept], found.scores[kept].sum(axis=0))
        B += np.outer(step, step)
    G = len(np.unique(groups))
    agree(fit.vcov("CR3", cluster="c"), pd.DataFrame((G - 1) / G * B, names, names))


@few
@given(**cases)
def test_jackknife_is_explicit_refits(seed: int, link: str, grouped: bool, n_groups: int) -> None:
    fit, data = random_fit(seed, link, grouped, n_groups)
    groups = np.unique(data.c[data.w > 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        left = "cbind(s, f)" if grouped else "s"
        how = {"link": link, "weights": "w", "offset": "o"}
        refits = [gi.glm(f"{left} ~ x + z", data[data.c != g], **how).coef for g in groups]
    away = pd.DataFrame(refits) - pd.DataFrame(refits).mean()
    G = len(groups)
    expected = (G - 1) / G * away.to_numpy().T @ away.to_numpy()
    agree(fit.vcov("jackknife", cluster="c"), pd.DataFrame(expected, fit.columns, fit.columns), 1e-7)


@some
@given(**cases)
def test_hc_in_order(seed: int, link: str, grouped: bool, n_groups: int) -> None:
    fit, _ = random_fit(seed, link, grouped, n_groups)
    V = [fit.vcov(kind).to_numpy() for kind in ("HC0", "HC2", "HC3")]
    scale = np.abs(V[2]).max()
    for smaller, larger in pairwise(V):
        assert np.linalg.eigvalsh(larger - smaller).min() >= -1e-12 * scale


@few
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["HC2", "HC3", "CR1", "CR2", "CR3", "jackknife"]))
def test_scale_of_columns_does_not_matter(seed: int, kind: str) -> None:
    fit, data = random_fit(seed, "logit", False, 12)
    cluster = None if kind.startswith("HC") else "c"
    other = gi.logit("s ~ x + z", data.assign(x=1e6 * data.x, z=1e-6 * data.z), weights="w", offset="o")
    scale = np.diag([1.0, 1e6, 1e-6])
    mine = fit.vcov(kind, cluster=cluster)
    agree(other.vcov(kind, cluster=cluster) @ scale @ np.eye(3), other.vcov(kind, cluster=cluster) @ scale)
    rescaled = pd.DataFrame(scale @ other.vcov(kind, cluster=cluster).to_numpy() @ scale, mine.index, mine.columns)
    agree(rescaled, mine, 1e-7)


def test_blocks_do_not_matter(fit: gi.Fit) -> None:
    from dataclasses import replace

    small = replace(fit, rows=replace(fit.rows, block_rows=17))
    for kind in HC:
        agree(small.vcov(kind), fit.vcov(kind), 1e-12)
    for kind in ("CR1", "CR2", "CR3", "jackknife"):
        agree(small.vcov(kind, cluster="mouse"), fit.vcov(kind, cluster="mouse"), 1e-11)


def test_many_clusters_are_taken_in_parts(fit: gi.Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [fit.vcov(kind, cluster="mouse") for kind in ("CR2", "CR3")]
    df = fit.tidy(cov="CR2", cluster="mouse").df
    monkeypatch.setattr("glminfer.inference.clustered._AT_ONCE", 100)
    monkeypatch.setattr("glminfer.inference.matrix._AT_ONCE", 100)
    monkeypatch.setattr("glminfer.inference.jackknife._AT_ONCE", 100)
    for kind, before in zip(("CR2", "CR3"), whole, strict=True):
        agree(fit.vcov(kind, cluster="mouse"), before, 1e-12)
    np.testing.assert_allclose(fit.tidy(cov="CR2", cluster="mouse").df, df, rtol=1e-10)


# what clusters may be -------------------------------------------------------------------------------------------------


def test_clusters_by_name_array_series_and_label(trials: pd.DataFrame, fit: gi.Fit) -> None:
    by_name = fit.vcov(cluster="mouse")
    shuffled = trials.mouse.sample(frac=1.0, random_state=1)
    given = [trials.mouse.to_numpy(), trials.mouse.tolist(), shuffled, trials.mouse.astype("category")]
    given += [trials.mouse.factorize()[0], trials.mouse.astype("string"), ["mouse"], tuple(trials.mouse)]
    for values in given:
        agree(fit.vcov(cluster=values), by_name, 1e-12)


def test_dates_may_be_clusters(trials: pd.DataFrame, fit: gi.Fit) -> None:
    days = pd.Timestamp("2016-12-14") + pd.to_timedelta(trials.mouse.factorize()[0], unit="D")
    by_name = fit.vcov(cluster="mouse")
    for values in (days, days.to_numpy(), [day.date() for day in days], pd.Series(days, trials.index).dt.date):
        agree(fit.vcov(cluster=values), by_name, 1e-12)
    again = gi.logit(fit.formula, trials.assign(day=days))
    agree(again.vcov(cluster="day"), by_name, 1e-12)
    with pytest.raises(gi.DataError, match="day is missing in 1 of the"):
        gi.logit(fit.formula, trials.assign(day=pd.Series(days, trials.index).where(trials.index != 3))).vcov(
            cluster="day"
        )


def test_a_column_of_the_formula_may_be_the_cluster(trials: pd.DataFrame, fit: gi.Fit) -> None:
    """Dummies of the cluster column fit each cluster's mean: its score along them is zero, and CR2 leaves it out."""
    agree(fit.vcov(cluster="g"), fit.vcov(cluster=trials.g), 1e-12)
    for kind in ("CR2", "CR3"):
        assert np.isfinite(fit.vcov(kind, cluster="g").to_numpy()).all()


def test_two_ways(trials: pd.DataFrame, fit: gi.Fit) -> None:
    both = trials.mouse + "/" + trials.session.astype(str)
    for kind in ("CR0", "CR1", "CR2", "CR3"):
        one = [fit.vcov(kind, cluster=c) for c in ("mouse", "session", both)]
        agree(fit.vcov(kind, cluster=["mouse", "session"]), one[0] + one[1] - one[2], 1e-10)
    agree(fit.vcov(cluster=[trials.mouse, trials.session]), fit.vcov(cluster=["mouse", "session"]), 1e-12)
    agree(fit.vcov(cluster=trials[["mouse", "session"]]), fit.vcov(cluster=["mouse", "session"]), 1e-12)
    agree(fit.vcov(cluster=["mouse", "mouse"]), fit.vcov(cluster="mouse"), 1e-10)
    assert (fit.tidy(cluster=["mouse", "session"]).df == 11).all()


def test_three_ways(trials: pd.DataFrame, fit: gi.Fit) -> None:
    def crossed(*names: str) -> pd.DataFrame:
        return fit.vcov("CR0", cluster=trials[list(names)].astype(str).agg("/".join, axis=1))

    expected = crossed("mouse") + crossed("session") + crossed("g") + crossed("mouse", "session", "g")
    expected = expected - crossed("mouse", "session") - crossed("mouse", "g") - crossed("session", "g")
    mine = covariance(fit, "CR0", ["mouse", "session", "g"])
    if not any("set to zero" in note for note in mine.notes):
        agree(fit.vcov("CR0", cluster=["mouse", "session", "g"]), expected, 1e-10)
    assert mine.dof == 2


def test_negative_eigenvalues_are_reported() -> None:
    """Nine coefficients, 21 and 9 clusters: R's matrix is kept, and the note says what to expect of it."""
    chosen = covariance(fitted("birthwt_logit"), "CR1", ["cl", "cl2"])
    assert np.linalg.eigvalsh(chosen.matrix).min() < 0
    assert any("the multiway covariance has 2 negative eigenvalues" in note for note in chosen.notes)


def test_a_negative_variance_is_not_left_standing() -> None:
    fit = fitted("mtcars_am")
    theirs = case("mtcars_am")["results"]["vcovCL"]["two_way"]["HC0_nocadjust"]
    assert (np.diagonal(theirs) < 0).any()
    chosen = covariance(fit, "CR0", ["carb", "gear"])
    scale = np.sqrt(np.diagonal(fit.working_covariance))
    assert np.linalg.eigvalsh(chosen.matrix / np.outer(scale, scale)).min() > -1e-12
    lost = theirs.index[np.diagonal(theirs) < 0][0]
    assert any("set to zero" in note and lost in note for note in chosen.notes)
    assert (fit.tidy(cov="CR0", cluster=["carb", "gear"]).std_error >= 0).all()


def test_an_indefinite_matrix_gives_no_standard_error_rather_than_a_wrong_one() -> None:
    fit = gi.logit("low ~ age + lwt + smoke + ptl + ht + ui", case("birthwt_logit")["frame"])
    how = {"cov": "CR1", "cluster": ["cl", "cl2"]}
    chosen = covariance(fit, **how)
    values, vectors = np.linalg.eigh(fit.vcov(**how))
    assert values[0] < 0
    assert not any("set to zero" in note for note in chosen.notes)
    row = pd.DataFrame([vectors[:, 0] / vectors[0, 0]], columns=list(fit.columns))
    predicted = fit.predict(pd.concat([row, row * 0]), type="link", interval="confidence", **how)
    assert predicted.iloc[0][["std_error", "conf_low", "conf_high"]].isna().all()
    assert predicted.iloc[1].notna().all()


def test_missing_rows_are_left_out_of_clusters(trials: pd.DataFrame) -> None:
    data = trials.copy()
    data.loc[::7, "x"] = np.nan
    data.loc[[0, 7, 14], "mouse"] = None  # on rows that are dropped anyway
    fit = gi.logit("y ~ x + z + g", data)
    whole = gi.logit("y ~ x + z + g", data.dropna())
    for kind in ("CR1", "CR2", "CR3", "jackknife"):
        agree(fit.vcov(kind, cluster="mouse"), whole.vcov(kind, cluster="mouse"), 1e-11)


def test_subset_leaves_rows_out_of_clusters(trials: pd.DataFrame) -> None:
    data = trials.copy()
    data.loc[data.session == 3, "mouse"] = None
    fit = gi.logit("y ~ x", data, subset="session != 3")
    agree(fit.vcov(cluster="mouse"), gi.logit("y ~ x", data[data.session != 3]).vcov(cluster="mouse"), 1e-12)


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_a_missing_cluster_on_a_used_row_is_an_error(trials: pd.DataFrame, dtype: object) -> None:
    data = trials.assign(mouse=trials.mouse.astype(dtype))
    data.loc[[3, 5], "mouse"] = None
    fit = gi.logit("y ~ x", data)
    with pytest.raises(gi.DataError) as error:
        fit.tidy(cluster="mouse")
    assert str(error.value) == (
        "mouse is missing in 2 of the 400 rows used, so it is not known which cluster they belong to. "
        "Fill the values, or refit without these rows: subset=data['mouse'].notna()."
    )
    again = gi.logit("y ~ x", data, subset=data["mouse"].notna())
    assert (again.tidy(cluster="mouse").df == 24).all()


def test_unused_categories_are_no_clusters(trials: pd.DataFrame) -> None:
    labels = pd.Categorical(trials.mouse, categories=[*sorted(set(trials.mouse)), "never", "neither"])
    fit = gi.logit("y ~ x", trials.assign(mouse=labels))
    assert (fit.tidy(cluster="mouse").df == 24).all()


def test_rows_of_zero_weight_make_no_cluster(trials: pd.DataFrame) -> None:
    weights = (trials.mouse != "m03").astype(float)
    fit = gi.logit("y ~ x", trials, weights=weights)
    kept = gi.logit("y ~ x", trials[trials.mouse != "m03"])
    for kind in ("CR1", "CR2", "CR3", "jackknife"):
        agree(fit.vcov(kind, cluster="mouse"), kept.vcov(kind, cluster="mouse"), 1e-10)
    agree(fit.vcov(cluster=["mouse", "session"]), kept.vcov(cluster=["mouse", "session"]), 1e-10)
    assert (fit.tidy(cluster="mouse").df == 23).all()


@pytest.mark.parametrize("kind", ["polars", "dict", "pyarrow"])
def test_clusters_of_any_frame(trials: pd.DataFrame, fit: gi.Fit, kind: str) -> None:
    if kind == "polars":
        frame = pytest.importorskip("polars").from_pandas(trials)
    elif kind == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(trials)
    else:
        frame = trials.to_dict("list")
    other = gi.logit("y ~ x + z + g", frame)
    agree(other.vcov(cluster="mouse"), fit.vcov(cluster="mouse"), 1e-12)
    agree(other.vcov(cluster=["mouse", "session"]), fit.vcov(cluster=["mouse", "session"]), 1e-12)


def test_aliased_columns_do_not_matter(trials: pd.DataFrame, fit: gi.Fit) -> None:
    aliased = gi.logit("y ~ x + z + g + I(x + z)", trials)
    for kind in ("CR1", "CR2", "CR3", "jackknife"):
        agree(aliased.vcov(kind, cluster="mouse"), fit.vcov(kind, cluster="mouse"))
    table = aliased.tidy(cov="CR2", cluster="mouse").set_index("term")
    assert table.loc["I(x + z)", ["std_error", "p_value", "df"]].isna().all()
    np.testing.assert_allclose(table.df.dropna(), fit.tidy(cov="CR2", cluster="mouse").df, rtol=1e-8)


def test_a_pickled_fit_needs_its_rows(trials: pd.DataFrame, fit: gi.Fit) -> None:
    light = pickle.loads(pickle.dumps(fit))
    for how in ({"cov": "HC1"}, {"cluster": "mouse"}, {"cov": "CR2", "cluster": "mouse"}):
        with pytest.raises(gi.RowsNeededError, match="with_data"):
            light.tidy(**how)
    agree(light.with_data(trials).vcov(cluster="mouse"), fit.vcov(cluster="mouse"), 1e-12)


# separation -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def separated(trials: pd.DataFrame) -> gi.Fit:
    data = trials.assign(y=trials.y.where(trials.g != "c", 1))
    with pytest.warns(gi.SeparationWarning):
        return gi.logit("y ~ x + g", data)


@pytest.mark.parametrize(
    "how",
    [{"cov": kind} for kind in HC]
    + [{"cov": k, "cluster": "mouse"} for k in ("CR0", "CR1", "CR2", "CR3", "jackknife")],
)
def test_a_separated_coefficient_never_gets_a_p_value(trials: pd.DataFrame, separated: gi.Fit, how: dict) -> None:
    table = separated.tidy(**how).set_index("term")
    assert table.loc["g[T.c]", ["std_error", "statistic", "p_value", "conf_low", "conf_high"]].isna().all()
    rest = table.drop(index="g[T.c]")
    assert rest.p_value.notna().all()
    assert separated.vcov(**how).loc["g[T.c]"].isna().all()


def test_separated_rows_add_nothing_but_are_counted(trials: pd.DataFrame, separated: gi.Fit) -> None:
    """The sums are those of the other rows; n, k and G are those of all rows."""
    rest = gi.logit("y ~ x + g", trials[trials.g != "c"])
    names = list(rest.columns)
    for kind, factor in {
        "HC0": 1.0,
        "HC2": 1.0,
        "HC3": 1.0,
        "HC1": (400 / 396) / (rest.nobs / (rest.nobs - 3)),
    }.items():
        agree(separated.vcov(kind).loc[names, names], factor * rest.vcov(kind))
    agree(separated.vcov("CR0", cluster="mouse").loc[names, names], rest.vcov("CR0", cluster="mouse"))
    n, k, m, q = separated.nobs, separated.rank, rest.nobs, rest.rank
    assert (n, k) == (400, 4)
    factor = (n - 1) / (n - k) / ((m - 1) / (m - q))
    agree(separated.vcov("CR1", cluster="mouse").loc[names, names], factor * rest.vcov("CR1", cluster="mouse"))
    assert (separated.tidy(cluster="mouse").df == 24).all()


def test_complete_separation_has_no_robust_statement() -> None:
    data = {"x": np.arange(8.0), "y": [0, 0, 0, 0, 1, 1, 1, 1], "c": list("abababab")}
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ x", data)
    for how in ({"cov": "HC3"}, {"cluster": "c"}, {"cov": "CR2", "cluster": "c"}, {"cov": "jackknife", "cluster": "c"}):
        assert fit.tidy(**how)[["std_error", "p_value"]].isna().all(axis=None)


def test_a_row_that_fits_itself_adds_nothing() -> None:
    data = pd.DataFrame({"s": [3, 4, 6, 5, 2], "f": [7, 6, 4, 5, 8], "x": [0.0, 1, 2, 3, 4], "last": [0, 0, 0, 0, 1]})
    fit = gi.logit("cbind(s, f) ~ x + last", data)
    rest = gi.logit("cbind(s, f) ~ x", data.iloc[:4])
    assert "1 row has leverage 1 (it fits itself exactly) and adds nothing to HC0" in fit.summary("HC0")
    for kind in ("HC2", "HC3"):
        agree(fit.vcov(kind).loc[["Intercept", "x"], ["Intercept", "x"]], rest.vcov(kind))
        assert f"1 row has leverage 1 (it fits itself exactly) and adds nothing to {kind}" in fit.summary(kind)
    agree(fit.vcov("CR2", cluster=range(5)).iloc[:2, :2], rest.vcov("HC2"))


def nested_clusters() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(list("abcd"), 60)
    data = pd.DataFrame({"x": rng.normal(size=240), "z": rng.normal(size=240), "g": g, "y": rng.integers(0, 2, 240)})
    data["part"] = np.where(data.g == "a", "a", data.g + (np.arange(240) % 8).astype(str))
    return data


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "CR3"])
def test_clusters_with_coefficients_of_their_own_have_no_covariance(kind: str) -> None:
    """Each cluster's scores sum to zero in its own slope and level: the sandwich is zero but for rounding."""
    data = nested_clusters()
    for formula in ("y ~ x*g", "y ~ 0 + g + g:x"):
        fit = gi.logit(formula, data.assign(x=1e3 * data.x + 1e4))
        text = (
            f"cov={kind!r} is not defined for this fit: the scores of every cluster are zero in all of its coefficient"
        )
        for cluster in ("g", ["g", "part"]):
            with pytest.raises(gi.errors.DataError, match=text):
                fit.tidy(cov=kind, cluster=cluster)
            with pytest.raises(gi.errors.DataError, match="Choose clusters that the formula has no coefficients for"):
                fit.wald_test("x:g" if "*" in formula else "g:x", cov=kind, cluster=cluster)
    coded = gi.logit("y ~ x*g", data, control=gi.Control(coded=True))
    with pytest.raises(gi.errors.DataError, match="not defined for this fit"):
        coded.tidy(cov=kind, cluster="g")


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "CR3"])
def test_coefficients_that_one_cluster_decides_have_no_standard_error(kind: str) -> None:
    """Level a is one cluster, the others are eight each: what is said of them is what their rows alone say."""
    data = nested_clusters()
    how = {"cov": kind, "cluster": "part"}
    fit = gi.logit("y ~ 0 + g + g:x", data)
    table = fit.tidy(**how).set_index("term")
    lost = ["g[a]", "g[a]:x"]
    assert table.loc[lost, ["std_error", "statistic", "p_value", "conf_low", "conf_high"]].isna().all(axis=None)
    assert table.drop(index=lost)[["std_error", "p_value"]].notna().all(axis=None)
    assert any(
        f"no {kind} standard error for g[a], g[a]:x: the scores of every cluster" in n for n in table.attrs["notes"]
    )
    assert fit.vcov(**how).loc[lost].isna().all(axis=None)
    assert np.isnan(fit.wald_test("g[a] = 0", **how).statistic[0])
    assert np.isnan(fit.lincom("g[a] + 2*g[a]:x", **how).std_error[0])
    assert np.isnan(fit.delta("exp(g[a])", **how).std_error[0])
    new = pd.DataFrame({"g": ["a", "b"], "x": [0.3, 0.3]})
    assert fit.predict(new, interval="confidence", **how).std_error.isna().tolist() == [True, False]
    assert fit.predict(interval="confidence", **how).std_error.isna().to_numpy().tolist() == (data.g == "a").tolist()
    if kind in ("CR0", "CR2"):  # no factor that counts all clusters or rows
        rest = gi.logit("y ~ 0 + g + g:x", data[data.g != "a"])
        agree(fit.vcov(**how).drop(index=lost, columns=lost), rest.vcov(**how), 1e-8)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "CR3"])
def test_coefficients_that_single_clusters_decide_in_part_are_noted(kind: str) -> None:
    """The same model with a reference level, and one with a slope that all clusters share."""
    data = nested_clusters()
    text = "single clusters decide {}, at least in part, so that scores of every cluster are zero there"
    half = gi.logit("y ~ z + g*x", data).tidy(cov=kind, cluster="part")
    named = "Intercept, g[T.b], g[T.c], g[T.d], x, g[T.b]:x and 2 more"
    assert any(note.startswith(text.format(named)) for note in half.attrs["notes"])
    levels = gi.logit("y ~ x + g", data).tidy(cov=kind, cluster="g")
    assert any(note.startswith(text.format("Intercept, g[T.b], g[T.c], g[T.d]")) for note in levels.attrs["notes"])
    assert half.std_error.notna().all()
    assert levels.std_error.notna().all()
    plain = gi.logit("y ~ x + z", data)
    for cluster in ("g", "part", np.arange(240)):
        assert not any("single clusters" in note for note in plain.tidy(cov=kind, cluster=cluster).attrs["notes"])
    whole = gi.logit("y ~ 0 + g + g:x", data).tidy(cov=kind, cluster="part")
    assert not any("single clusters" in note for note in whole.attrs["notes"])  # no standard error, which is said


def test_many_models_say_the_same_of_such_coefficients() -> None:
    data = nested_clusters()
    data["y2"] = np.random.default_rng(1).integers(0, 2, 240)
    fits = gi.logit_many("0 + g + g:x", data, outcomes=["y", "y2"])
    for kind in ("CR0", "CR1", "CR3"):
        table = fits.tidy(cov=kind, cluster="part")
        for outcome in ("y", "y2"):
            own = gi.logit(f"{outcome} ~ 0 + g + g:x", data).tidy(cov=kind, cluster="part")
            mine = table[table.outcome == outcome].std_error.to_numpy()
            np.testing.assert_allclose(mine, own.std_error, rtol=1e-8)
        assert any(note.startswith("2 models with coefficients in which the scores") for note in table.attrs["notes"])
        assert fits.tidy(cov=kind, cluster="g").std_error.isna().all()
        assert fits.confint(method="wald", cov=kind, cluster="g").conf_low.isna().all()


def test_rows_that_all_fit_themselves_have_no_covariance() -> None:
    data = pd.DataFrame({"s": [3, 4, 6], "f": [7, 6, 4], "g": list("abc")})
    fit = gi.logit("cbind(s, f) ~ g", data)
    for kind in ("HC0", "HC2", "HC3"):
        with pytest.raises(gi.errors.DataError, match=r"every row has coefficients of its own.*Use cov='model'"):
            fit.tidy(cov=kind)


# tables and printing --------------------------------------------------------------------------------------------------


def test_reference_distribution(fit: gi.Fit) -> None:
    from scipy import stats

    for how in ({"cluster": "mouse"}, {"cov": "CR2", "cluster": "mouse"}, {"cov": "HC3"}):
        table = fit.tidy(**how, level=0.9)
        np.testing.assert_allclose(table.p_value, 2 * stats.t.sf(table.statistic.abs(), table.df), rtol=1e-10)
        half = stats.t.ppf(0.95, table.df) * table.std_error
        np.testing.assert_allclose(table.conf_high, table.estimate + half, rtol=1e-10)
    normal = fit.tidy(cluster="mouse", dof=float("inf"))
    np.testing.assert_allclose(normal.p_value, 2 * stats.norm.sf(normal.statistic.abs()), rtol=1e-10)
    assert np.isinf(normal.df).all()


def test_the_default_with_clusters_is_cr1(fit: gi.Fit) -> None:
    pd.testing.assert_frame_equal(fit.tidy(cluster="mouse"), fit.tidy(cov="CR1", cluster="mouse"))
    pd.testing.assert_frame_equal(fit.tidy(cov="model", cluster="mouse"), fit.tidy(cov="CR1", cluster="mouse"))


def test_confint_is_that_of_tidy(fit: gi.Fit) -> None:
    for how in ({"cov": "HC3"}, {"cluster": "mouse"}, {"cov": "CR2", "cluster": "mouse", "dof": 5.0}):
        mine = fit.confint(method="wald", **how)
        pd.testing.assert_frame_equal(mine, fit.tidy(**how)[["term", "conf_low", "conf_high"]])


def test_odds_ratios_with_clusters(fit: gi.Fit) -> None:
    plain, ratio = fit.tidy(cluster="mouse"), fit.tidy(cluster="mouse", exponentiate=True)
    np.testing.assert_allclose(ratio.conf_high, np.exp(plain.conf_high))
    np.testing.assert_array_equal(ratio.std_error, plain.std_error)


@pytest.mark.parametrize("how", [{"cov": "HC3"}, {"cluster": "mouse"}, {"cov": "CR2", "cluster": "mouse"}])
def test_predictions(trials: pd.DataFrame, fit: gi.Fit, how: dict) -> None:
    from scipy import stats

    predicted = fit.predict(type="link", interval="confidence", **how)
    X = fit.with_rows()[1].X
    V = fit.vcov(**how).to_numpy()
    np.testing.assert_allclose(predicted.std_error, np.sqrt(np.einsum("ij,jk,ik->i", X, V, X)), rtol=1e-9)
    dof = covariance(fit, how.get("cov"), how.get("cluster")).dof_for(X @ fit.T)
    half = stats.t.ppf(0.975, dof) * predicted.std_error
    np.testing.assert_allclose(predicted.conf_low, predicted.estimate - half, rtol=1e-9, atol=1e-12)
    new = fit.predict(trials, type="link", interval="confidence", **how)
    np.testing.assert_allclose(new, predicted, rtol=1e-9, atol=1e-12)


SUMMARIES = {
    "HC3": ({"cov": "HC3"}, "HC3 (heteroscedasticity-robust, correction 1/(1 - h)²); z (normal) tests"),
    "CR1": ({"cluster": "mouse"}, "CR1 (25 clusters of mouse, correction G/(G - 1) · (n - 1)/(n - k)); t(24) tests"),
    "CR0": ({"cov": "CR0", "cluster": "mouse"}, "CR0 (25 clusters of mouse, no correction); t(24) tests"),
    "CR2": (
        {"cov": "CR2", "cluster": "mouse"},
        "CR2 (25 clusters of mouse, correction (I - H)^(-1/2)); t tests with Satterthwaite degrees of freedom",
    ),
    "CR3": (
        {"cov": "CR3", "cluster": "mouse"},
        "CR3 (25 clusters of mouse, correction (I - H)^(-1), (G - 1)/G); t(24) tests",
    ),
    "jackknife": (
        {"cov": "jackknife", "cluster": "mouse"},
        "jackknife (25 clusters of mouse, refits without each cluster, (G - 1)/G); t(24) tests",
    ),
    "array": (
        {"cluster": np.arange(400) // 20},
        "CR1 (20 clusters of cluster, correction G/(G - 1) · (n - 1)/(n - k)); t(19) tests",
    ),
    "two": (
        {"cluster": ["mouse", "session"]},
        "CR1 (2-way: 25 clusters of mouse, 12 of session, correction G/(G - 1) · (n - 1)/(n - k)); t(11) tests",
    ),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_states_the_covariance(fit: gi.Fit, name: str) -> None:
    how, told = SUMMARIES[name]
    assert told in " ".join(fit.summary(**how).split())
    assert fit.tidy(**how).attrs["covariance"] == told.rsplit(";", 1)[0]


def test_summary_shows_satterthwaite_degrees_of_freedom(fit: gi.Fit) -> None:
    header = next(line for line in fit.summary("CR2", cluster="mouse").splitlines() if "estimate" in line)
    assert header.split() == ["estimate", "std_error", "t", "df", "p_value", "2.5%", "97.5%"]
    header = next(line for line in fit.summary(cluster="mouse").splitlines() if "estimate" in line)
    assert header.split() == ["estimate", "std_error", "t", "p_value", "2.5%", "97.5%"]


def test_few_clusters_are_noted(trials: pd.DataFrame) -> None:
    data = trials.assign(four=trials.session % 4, five=np.arange(400) % 5)
    fit = gi.logit("y ~ x + z + g + I(x**2) + I(z**2)", data)
    assert fit.rank == 7
    text = " ".join(fit.summary(cluster="four").split())
    assert (
        "4 clusters of four for 7 coefficients: the covariance has rank 3 at most, so no more than 3 coefficients can "
        "be tested at once"
    ) in text
    assert ("4 clusters of four are few: standard errors are too small with fewer than 10; cov='CR2' is safer") in text
    assert "5 clusters of five are few: p-values and intervals are rough with fewer than 10" in " ".join(
        fit.summary("CR3", cluster="five").split()
    )
    assert len(fit.tidy(cluster="four").attrs["notes"]) == 2
    assert "few" not in gi.logit("y ~ x", trials).summary(cluster="mouse")


# refusals -------------------------------------------------------------------------------------------------------------

REFUSED = {
    "HC with clusters": (
        {"cov": "HC1", "cluster": "mouse"},
        "cov='HC1' is for independent rows, and cluster= says that rows belong together. "
        "Choose one of: CR0, CR1, CR2, CR3, jackknife; or leave cluster= out.",
    ),
    "CR without": (
        {"cov": "CR2"},
        "cov='CR2' needs cluster=: the column that says which rows belong together, such as cluster='mouse'. "
        "For independent rows choose one of: model, HC0, HC1, HC2, HC3.",
    ),
    "unknown": (
        {"cov": "HC4"},
        "cov 'HC4' is not known. Did you mean 'HC3'? "
        "Choose one of: model, HC0, HC1, HC2, HC3, CR0, CR1, CR2, CR3, jackknife.",
    ),
    "misspelt": ({"cluster": "mouze"}, "The data have no column 'mouze'. Did you mean 'mouse'? The columns are"),
    "length": (
        {"cluster": np.arange(7)},
        "cluster= has 7 values and the data have 400 rows. Give one value for each row of the data as passed, or put "
        "the values into a column and name it.",
    ),
    "constant": (
        {"cluster": np.ones(400)},
        "cluster has 1 cluster in the 400 rows used, and a cluster-robust covariance compares clusters: it needs at "
        "least 2, and is trustworthy from about 10.",
    ),
    "empty": ({"cluster": []}, "cluster= is an empty list; name a column, such as cluster='mouse'."),
    "misspelt among several": ({"cluster": ["mouse", "sesion"]}, "The data have no column 'sesion'. Did you mean"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("verb", ["tidy", "vcov", "summary", "confint", "predict"])
def test_refusals(fit: gi.Fit, name: str, verb: str) -> None:
    how, message = REFUSED[name]
    more = {"confint": {"method": "wald"}, "predict": {"interval": "confidence"}}.get(verb, {})
    with pytest.raises(gi.InputError) as error:
        getattr(fit, verb)(**how, **more)
    assert str(error.value).startswith(message)


def test_penalised_fits_are_refused(trials: pd.DataFrame) -> None:
    fit = gi.logit("y ~ x", trials, penalty=gi.Firth())
    for how in ({"cov": "HC0"}, {"cluster": "mouse"}):
        with pytest.raises(gi.DataError, match=r"defined for maximum likelihood.*penalty=gi.Firth\(\)"):
            fit.tidy(**how)


def test_as_many_coefficients_as_rows() -> None:
    data = {"s": [3, 4, 6], "f": [7, 6, 4], "g": list("abc")}
    fit = gi.logit("cbind(s, f) ~ g", data)
    with pytest.raises(gi.DataError) as error:
        fit.tidy(cov="HC1")
    assert str(error.value) == (
        "cov='HC1' divides by n - k, which is 0 here: 3 rows and 3 coefficients. Use HC0, which has no correction, or "
        "fewer covariates."
    )


def test_profile_intervals_have_no_robust_form(fit: gi.Fit) -> None:
    for verb, how in (("confint", {"method": "profile"}), ("tidy", {"conf_method": "profile"})):
        with pytest.raises(gi.InputError, match="method='wald'"):
            getattr(fit, verb)(cluster="mouse", **how)


@pytest.mark.parametrize("tol", [1e-10, 1e-3, 0.1, 0.5])
@pytest.mark.parametrize("how", [{"cov": "HC0"}, {"cluster": "c"}])
def test_a_wide_tolerance_takes_no_variance_for_zero(tol: float, how: dict[str, str]) -> None:
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.standard_normal(400), "c": np.arange(400) % 40})
    data["y"] = (rng.random(400) < 1 / (1 + np.exp(-data.x))).astype(int)
    exact = gi.logit("y ~ x", data).tidy(**how).std_error
    found = gi.logit("y ~ x", data, control=gi.Control(tol=tol)).tidy(**how).std_error
    np.testing.assert_allclose(found, exact, rtol=0.3)
