"""The wild cluster bootstrap, beside plain numpy and the linear bootstrap of wildboottest."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from plain_glm import plain
from random_rows import LINKS

import glminfer as gi
from glminfer.inference import schemes

COLUMNS = ["hypothesis", "statistic", "df", "p_value", "n", "mc_error", "clusters", "weights", "test"]


def clustered(seed: int = 3, n: int = 200, clusters: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"c": rng.integers(0, clusters, n), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["x"] += rng.normal(size=clusters)[frame.c]
    frame["w"], frame["o"], frame["g"] = rng.integers(1, 4, n), 0.3 * rng.normal(size=n), rng.choice(list("abc"), n)
    eta = 0.8 * rng.normal(size=clusters)[frame.c] + 0.4 * frame.z
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return frame


@pytest.fixture(scope="module")
def frame():
    return clustered()


def by_hand(frame: pd.DataFrame, Z: np.ndarray, X: np.ndarray, link: str, weights: np.ndarray, refreshed: bool):
    """One draw at a time with all coefficients: scores at the null estimate, one step, sandwich (Kline & Santos)."""
    wide, q = plain(np.column_stack([Z, X]), frame.y, link, frame.w, frame.o), Z.shape[1]
    null = np.append(plain(Z, frame.y, link, frame.w, frame.o).fit(), np.zeros(X.shape[1]))
    H, one = np.linalg.inv(wide.information(null)), wide.scores(null)
    groups = [np.flatnonzero(frame.c == c) for c in frame.c.unique()]
    parts = [plain(wide.X[i], wide.y[i], link, wide.w[i], wide.o[i]).information(null) for i in groups]
    found = []
    for v in weights:
        s = np.array([v[k] * one[i].sum(axis=0) for k, i in enumerate(groups)])
        step = H @ s.sum(axis=0)
        if refreshed:
            meat = sum(np.outer(s[k] - A @ step, s[k] - A @ step) for k, A in enumerate(parts))
        else:
            meat = s.T @ s
        V = (H @ meat @ H)[q:, q:]
        found.append(step[q:] @ np.linalg.solve(V, step[q:]))
    return np.array(found)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("statistic", ["wald", "score"])
@pytest.mark.parametrize("term", ["x", "g"])
def test_every_draw_by_hand(frame, link, statistic, term):
    fit = gi.glm("y ~ x + z + g", frame, link=link, weights="w", offset="o")
    found = fit.wild_bootstrap_test(term, cluster="c", weights="rademacher", statistic=statistic)
    X = {"x": frame[["x"]].to_numpy(), "g": np.column_stack([frame.g == "b", frame.g == "c"]).astype(float)}
    Z = np.column_stack([np.ones(len(frame)), frame.z, X["g" if term == "x" else "x"]])
    every = by_hand(frame, Z, X[term], link, np.array(list(product([1, -1], repeat=6))), statistic == "wald")
    assert list(found.columns) == COLUMNS
    assert found.statistic[0] == pytest.approx(every[0], rel=1e-7)
    assert found.p_value[0] == pytest.approx(np.mean(every >= every[0] - 1e-8 * max(every[0], 1)))
    assert (found.n[0], found.mc_error[0], found.clusters[0], found.df[0]) == (63, 0.0, 6, X[term].shape[1])


def test_the_score_statistic_is_the_clustered_score_test(frame):
    found = gi.logit("y ~ x + z", frame).wild_bootstrap_test("x", cluster="c", statistic="score")
    expected = gi.logit("y ~ z", frame).score_test("x", cov="CR0", cluster="c")
    assert found.statistic[0] == pytest.approx(expected.statistic[0], rel=1e-8)


# wildboottest(ols("y ~ x"), "x", cluster=c, B=9999, adj=False, cluster_adj=False), version 0.3.2, seeds 3, 4, 5
LINEAR = {3: (-5.995191174162178, 0.03125), 4: (-3.1493270114729413, 0.21875), 5: (1.0730546344739953, 0.375)}


@pytest.mark.parametrize("seed", LINEAR)
def test_with_equal_working_weights_it_is_the_linear_bootstrap(seed):
    """Without other covariates than the constant all rows weigh alike, and one step is exact."""
    frame = clustered(seed)
    found = gi.logit("y ~ x", frame).wild_bootstrap_test("x", cluster="c", weights="rademacher")
    t, p = LINEAR[seed]
    assert found.statistic[0] == pytest.approx(t**2, rel=1e-7)
    strict = found.p_value[0] - 2 / 64  # there rounding decides whether the observed draw and its negative are counted
    assert p == pytest.approx(found.p_value[0]) or p == pytest.approx(strict)


def test_p_values_hold_their_level_with_random_intercepts():
    """Ten clusters, a covariate of clusters: the t reference with CR0 rejects three times too often."""
    rng, p, naive = np.random.default_rng(1), [], []
    cluster = np.repeat(np.arange(10), 12)
    for _ in range(100):
        data = {"x": rng.normal(size=10)[cluster], "c": cluster}
        data["y"] = (rng.random(120) < 1 / (1 + np.exp(-0.9 * rng.normal(size=10)[cluster]))).astype(int)
        fit = gi.logit("y ~ x", data)
        p.append(fit.wild_bootstrap_test("x", cluster="c", n=199).p_value[0])
        naive.append(fit.tidy().p_value[1])
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)
    assert np.mean(np.array(naive) <= 0.05) > 0.2


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_random_draws_tend_to_all_draws(weights):
    frame = clustered(7, clusters=4)
    fit, total = gi.logit("y ~ x + z", frame), len(schemes.SIX_POINTS if weights == "webb" else schemes.SIGNS) ** 4
    every = fit.wild_bootstrap_test("x", cluster="c", weights=weights, n=total)
    drawn = fit.wild_bootstrap_test("x", cluster="c", weights=weights, n=total - 2)
    assert (every.n[0], every.mc_error[0]) == (total - 1, 0.0)
    assert abs(every.p_value[0] - drawn.p_value[0]) < 4 * drawn.mc_error[0]


def test_webb_weights_are_for_few_clusters(frame):
    few, many = gi.logit("y ~ x", frame), gi.logit("y ~ x", clustered(1, clusters=12))
    assert few.wild_bootstrap_test("x", cluster="c", n=9).weights[0] == "webb"
    assert many.wild_bootstrap_test("x", cluster="c", n=9).weights[0] == "rademacher"


def test_rows_of_zero_weight_missing_rows_and_units(frame):
    light = frame.assign(w=np.where(np.arange(200) % 9 == 0, 0, frame.w))
    holes = frame.assign(z=np.where(np.arange(200) % 9 == 0, np.nan, frame.z))
    kept = frame[np.arange(200) % 9 != 0]
    expected = gi.logit("y ~ x + z", kept, weights="w").wild_bootstrap_test("x", cluster="c", n=99)
    for data in (light, holes, kept.assign(x=1e8 * kept.x, z=1e7 + kept.z)):
        found = gi.logit("y ~ x + z", data, weights="w").wild_bootstrap_test("x", cluster="c", n=99)
        np.testing.assert_allclose(found.iloc[0, 1:6].astype(float), expected.iloc[0, 1:6].astype(float), rtol=1e-6)
    values = gi.logit("y ~ x + z", holes, weights="w").wild_bootstrap_test("x", cluster=holes.c, n=99)
    assert values.p_value[0] == expected.p_value[0]
    assert gi.wild_bootstrap_test(gi.logit("y ~ x", frame), "x", cluster="c", n=9).n[0] == 9


def test_the_heading_says_what_few_clusters_allow(frame):
    three = gi.logit("y ~ x", clustered(1, clusters=3)).wild_bootstrap_test("x", cluster="c", weights="rademacher")
    assert three.heading == (
        "Wild cluster bootstrap, Wald statistic after one step, all 7 other weights (rademacher); p = (1 + b)/(1 + n)",
        "Model: y ~ x",
        "Clusters: 3 of c",
        "Note: p cannot be smaller than 0.25 with so few clusters",
    )
    treated = gi.logit("y ~ treated + x", frame.assign(treated=(frame.c == 2).astype(int)))
    assert treated.wild_bootstrap_test("treated", cluster="c", n=9).heading[-1] == (
        "Note: only 1 cluster of c has treated = 1; no method is reliable with so few"
    )


def test_what_cannot_be_done_is_said(frame):
    fit = gi.logit("y ~ x + g", frame.assign(two=frame.c % 2))
    wrong = {
        "needs cluster=: which rows belong together": {},
        "for one way of clustering, and cluster= gives 2: c, two": {"cluster": ["c", "two"]},
        "weights 'web' is not known. Did you mean 'webb'": {"cluster": "c", "weights": "web"},
        "statistic 'LR' is not known": {"cluster": "c", "statistic": "LR"},
        "n=0 must be a whole number, 1 or more": {"cluster": "c", "n": 0},
        "g has 2 columns and two 2 clusters: a joint test needs more clusters": {"cluster": "two"},
    }
    for message, options in wrong.items():
        with pytest.raises(gi.InputError, match=message):
            fit.wild_bootstrap_test("g", **options)
    with pytest.raises(gi.InputError, match="penalised"):
        gi.logit("y ~ x", frame, penalty=gi.Firth()).wild_bootstrap_test("x", cluster="c")
