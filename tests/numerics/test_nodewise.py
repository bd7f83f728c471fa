"""Columns cleared of the others: optimality, the rule for λ, glmnet, dependent columns."""

import numpy as np
import pytest
from selection_cases import REFERENCE, wide

from glminfer.numerics import nodewise
from glminfer.numerics.nodewise import Rule


def made(X, w=None, free=(), rows=None, intercept=True):
    w = np.ones(len(X)) if w is None else w
    mask = np.isin(np.arange(X.shape[1]), free)
    return nodewise.design(X, w, float(len(X)) if rows is None else rows, mask, intercept)


def metric(where, X, w):
    """Inner products of the centred, scaled columns, formed here by hand."""
    share = w / w.sum()
    Z = X - share @ X
    Z = Z / np.sqrt(share @ Z**2)
    return (Z * share[:, None]).T @ Z


def draw(n, p, rho=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = np.sqrt(rho) * rng.normal(size=(n, 1)) + np.sqrt(1 - rho) * rng.normal(size=(n, p))
    return X * np.exp(rng.normal(size=p)) + rng.normal(size=p), rng.uniform(0.05, 0.25, n)


@pytest.mark.parametrize(("n", "p"), [(40, 90), (300, 12), (60, 60)])
def test_every_solution_of_a_walk_is_optimal(n, p):
    X, w = draw(n, p)
    where = made(X, w)
    G = metric(where, X, w)
    for j in (0, p - 1):
        for node in nodewise.walk(where, j):
            g = np.zeros(p)
            g[node.others] = node.g
            slope = G[:, j] - G @ g
            slope[j] = 0.0
            off = np.where(g != 0, np.abs(slope - node.lambda_ * np.sign(g)), np.abs(slope) - node.lambda_)
            off[j] = 0.0
            assert off.max() < 1e-9
            assert node.kkt < 1e-9
            assert node.own == pytest.approx(G[j, j] - G[j] @ g, rel=1e-8)
            assert node.norm**2 == pytest.approx(G[j, j] - 2 * G[j] @ g + g @ G @ g, rel=1e-7)
            assert node.correlation == pytest.approx(np.abs(slope).max(), abs=1e-10)


@pytest.mark.parametrize("entry", REFERENCE["debiased"]["nodes"], ids=lambda entry: f"column {entry['j']}")
def test_glmnet_finds_the_same(entry):
    X, _, v, w = wide()
    where = made(X, w, rows=v.sum())
    node = next(
        node for node in nodewise.walk(where, entry["j"]) if np.isclose(node.lambda_, entry["lambda"], rtol=1e-6)
    )
    g = np.zeros(X.shape[1])
    g[node.others] = node.g
    np.testing.assert_allclose(np.delete(g, entry["j"]), entry["g"], atol=1e-7)
    assert node.noise == pytest.approx(entry["noise"], rel=1e-7)
    assert node.bias(where.rows) == pytest.approx(entry["bias"], rel=1e-6)


def test_noise_rises_and_bias_falls_with_smaller_penalties():
    X, w = draw(50, 80)
    where = made(X, w)
    found = list(nodewise.walk(where, 3))
    assert np.all(np.diff([node.norm for node in found]) <= 1e-12)
    assert np.all(np.diff([node.noise for node in found][:10]) >= -1e-9)
    assert found[0].noise == pytest.approx(1.0)
    assert found[0].others.size == 0


def test_the_rule_buys_bias_with_a_quarter_more_noise():
    X, w = draw(60, 100)
    where, rule = made(X, w), Rule(np.sqrt(2 * np.log(100)))
    found = list(nodewise.walk(where, 0))
    enough = next(node for node in found if node.bias(where.rows) <= rule.most_bias)
    allowed = [node for node in found if node.noise <= 1.25 * enough.noise]
    chosen = nodewise.node(where, 0, rule)
    assert chosen.lambda_ == allowed[-1].lambda_ < enough.lambda_
    assert chosen.bias(where.rows) < enough.bias(where.rows)


def test_few_columns_are_cleared_entirely():
    X, w = draw(2_000, 4, rho=0.2)
    where = made(X, w)
    node = nodewise.node(where, 0, Rule(np.sqrt(2 * np.log(4))))
    inverse = np.linalg.inv(metric(where, X, w))
    assert node.noise == pytest.approx(np.sqrt(inverse[0, 0]), rel=1e-3)
    assert node.bias(where.rows) < 0.02


def test_scaling_and_permuting_columns_change_nothing():
    X, w = draw(40, 60)
    scale, order = np.exp(np.random.default_rng(1).normal(size=60)), np.random.default_rng(2).permutation(60)
    rule = Rule(np.sqrt(2 * np.log(60)))
    plain, scaled = nodewise.node(made(X, w), 7, rule), nodewise.node(made(X * scale, w), 7, rule)
    at = int(np.flatnonzero(order == 7)[0])
    permuted = nodewise.node(made(X[:, order], w), at, rule)
    for other in (scaled, permuted):
        assert other.lambda_ == pytest.approx(plain.lambda_, rel=1e-9)
        assert other.noise == pytest.approx(plain.noise, rel=1e-9)
    np.testing.assert_allclose(np.sort(permuted.g), np.sort(plain.g), atol=1e-9)


def test_columns_without_a_penalty_are_cleared_away():
    X, w = draw(60, 90)
    where = made(X, w, free=(4, 5))
    for node in nodewise.walk(where, 0):
        assert {4, 5} <= set(node.others.tolist())
        z = where.A.X[:, 0] - where.A.X[:, node.others] @ node.g
        assert np.abs(where.A.X[:, [4, 5]].T @ z).max() < 1e-9


def test_a_copy_keeps_the_bias_factor_where_no_rows_can_lower_it():
    X, w = draw(60, 20)
    X[:, 7] = 2 * X[:, 3] + 1
    where = made(X, w)
    node = nodewise.node(where, 3, Rule(np.sqrt(2 * np.log(20))))
    assert node.bias(where.rows) == pytest.approx(np.sqrt(60), rel=1e-3)
    assert node.nearest == 7


def test_without_an_intercept_columns_are_not_centred():
    X, w = draw(50, 3)
    where = made(X, w, intercept=False)
    np.testing.assert_array_equal(where.columns.means, 0.0)
    inverse = np.linalg.inv((X * w[:, None]).T @ X / w.sum())
    node = nodewise.node(where, 1, Rule(np.sqrt(2 * np.log(3))))
    assert node.noise * where.columns.inverse[1] == pytest.approx(np.sqrt(inverse[1, 1]), rel=1e-2)


def test_a_single_column_stands_alone():
    X, w = draw(30, 1)
    node = nodewise.node(made(X, w), 0, Rule(1.2))
    assert node.noise == pytest.approx(1.0)
    assert node.correlation == 0.0
    assert node.bias(30.0) == 0.0
