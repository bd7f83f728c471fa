"""Cheap steps before the last ones: they change no result, and step aside where they would not help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.data.rows import MemoryRows, memory_rows
from glminfer.fit import approach, existence
from glminfer.numerics import kernels, linalg
from glminfer.numerics.families import family
from glminfer.numerics.rank import learn_basis

N, P = 40_000, 9


def frame(seed: int = 0, n: int = N, p: int = P) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    y = rng.random(n) < 1 / (1 + np.exp(0.5 - X @ np.linspace(-0.5, 0.5, p)))
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]).assign(y=y.astype(int))


def formula(p: int = P) -> str:
    return "y ~ " + " + ".join(f"x{j}" for j in range(p))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the kernels summed over all rows, as they are called."""
    called: list[str] = []
    whole = MemoryRows.sum

    def sum_(self: MemoryRows, kernel: Any, *arrays: Any) -> Any:
        if self.n == N:
            called.append(kernel.__name__)
        return whole(self, kernel, *arrays)

    monkeypatch.setattr(MemoryRows, "sum", sum_)
    return called


def test_one_pass_in_double_precision_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame()
    called = counted(monkeypatch)
    fit = gi.logit(formula(), data)
    assert called.count("likelihood") == 1
    assert called.count("rounded_likelihood") <= 2
    assert called.count("rounded_likelihood") + called.count("gradient") <= 4
    assert called.count("all_column_sums") == 1
    assert "column_sums" not in called
    assert "column_products" not in called
    assert "extent" not in called
    assert "existence" not in called
    assert fit.converged


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_the_way_there_does_not_matter(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame(1)
    near = gi.glm(formula(), data, link=link)
    monkeypatch.setattr(approach, "_MANY_ROWS", 10**9)
    cold = gi.glm(formula(), data, link=link)
    pd.testing.assert_frame_equal(near.tidy(), cold.tidy(), rtol=1e-11)
    assert near.loglik == pytest.approx(cold.loglik, rel=1e-14)


def test_columns_that_single_precision_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = {"x0": 1e60, "x1": 1e-60}
    data = frame(2)
    plain, odd = (
        gi.logit(formula(), data),
        gi.logit(formula(), data.assign(**{k: data[k] * s for k, s in scales.items()})),
    )
    assert odd.converged
    np.testing.assert_allclose(odd.tidy().statistic, plain.tidy().statistic, rtol=1e-9)


def test_the_trace_goes_up_without_a_gap() -> None:
    fit = gi.logit(formula(), frame(3))
    assert fit.trace.seconds.is_monotonic_increasing
    assert (np.diff(fit.trace.loglik) >= -1e-9).all()
    assert fit.n_iter == len(fit.trace) - 1
    assert (fit.trace.step_size[1:] == 1.0).all()


def test_every_step_counts_when_they_are_limited() -> None:
    with pytest.warns(gi.ConvergenceWarning):
        fit = gi.logit(formula(), frame(4), control=gi.Control(max_iter=2))
    assert fit.n_iter == 2


def test_separation_of_many_rows_is_found() -> None:
    data = frame(5).assign(apart=lambda f: f.y * 2.0 - 1.0 + 0.1 * f.x0)
    with pytest.warns(gi.SeparationWarning):
        fit = gi.logit("y ~ apart + x1", data)
    assert fit.status.name == "SEPARATED"


def test_a_subsample_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows on a cluster may be a thousand times as many as fit in the memory of the process that asks."""
    data = frame(10)
    expected = gi.logit(formula(), data).tidy()
    monkeypatch.setattr(approach, "_MOST", 1000 * (P + 1))
    few = approach.subsample(gi.logit(formula(), data).rows)
    assert few is not None
    assert few.n == 1000
    pd.testing.assert_frame_equal(gi.logit(formula(), data).tidy(), expected, rtol=1e-11)


# certificates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("seed", range(3))
def test_no_row_is_below_the_bound(link: str, seed: int) -> None:
    """Equation (121) against the residuals themselves."""
    rng = np.random.default_rng(seed)
    n, fam = 400, family(link)
    X, weights = rng.standard_normal((n, 3)), rng.integers(0, 4, n) / 2.0
    y, coef = (rng.random(n) < 0.5).astype(float), 0.4 * rng.standard_normal((1, 3))
    rows = memory_rows(X, y, weights, np.zeros(n))
    extent = rows.sum(kernels.extent, coef)
    assert extent.eta == np.abs(X @ coef[0]).max()
    assert extent.weight == 0.5
    closeness = rows.map(kernels.suspicion, coef, fam)[weights > 0]
    limit = np.sqrt(1 / (2 * closeness.max()))
    assert not existence._certain(extent, fam, limit * 1.001)
    assert existence._certain(extent, fam, limit * 1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_what_some_rows_leave_of_a_column_is_a_lower_bound(seed: int) -> None:
    """Equation (122)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6))
    few = X[rng.random(200) < 0.2]
    whole, part = (np.diagonal(np.linalg.cholesky(A.T @ A)) for A in (X, few))
    assert (part <= whole * (1 + 1e-12)).all()


def test_a_subsample_without_a_level_proves_nothing() -> None:
    """A column that is zero in every sixteenth row: the products of all rows decide, as without a subsample."""
    rng = np.random.default_rng(6)
    X = np.column_stack([np.ones(N), rng.standard_normal(N), (np.arange(N) % 16 == 3).astype(float)])
    rows = memory_rows(X, np.zeros(N), np.ones(N), np.zeros(N))
    constant = np.eye(3)[0]
    few = rows.every(16)
    with_few, without = (learn_basis(rows, 3, constant, part) for part in (few, None))
    assert with_few.rank == without.rank == 3
    np.testing.assert_array_equal(with_few.T, without.T)
    np.testing.assert_allclose(with_few.means, without.means, rtol=1e-12)


def test_a_subsample_gives_the_same_basis_and_means() -> None:
    X = np.column_stack([np.ones(N), frame(7).to_numpy()[:, :4]])
    weights = np.where(np.arange(N) % 7, 1.0, 0.0)
    rows = memory_rows(X, np.zeros(N), weights, np.zeros(N))
    constant = np.eye(5)[0]
    with_few, without = (learn_basis(rows, 5, constant, part) for part in (rows.every(16), None))
    assert with_few.plain
    assert without.plain
    np.testing.assert_allclose(with_few.means, without.means, rtol=1e-10, atol=1e-14)


def test_dependent_columns_are_aliased_among_many_rows() -> None:
    fit = gi.logit("y ~ x0 + x1 + I(2 * x0 - x1)", frame(8))
    assert list(fit.aliased) == ["I(2 * x0 - x1)"]


def test_rounded_products_are_those_in_double_precision_to_seven_digits() -> None:
    rng = np.random.default_rng(9)
    X, weights = rng.standard_normal((5000, 7)), rng.random((5000, 1))
    exact = linalg.gram(X, weights)
    assert np.abs(linalg.rounded_gram(X, weights) - exact).max() < 1e-6 * np.abs(exact).max()
    np.testing.assert_array_equal(linalg.rounded_gram(X, weights - 0.5), linalg.gram(X, weights - 0.5))


def test_steps_along_an_old_curvature_end_at_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equation (127), from a curvature that is too far off to be used for long: it is computed again."""
    data = frame(11)
    expected = gi.logit(formula(), data)
    whole = linalg.rounded_gram
    monkeypatch.setattr(kernels, "rounded_gram", lambda X, weights: 1.2 * whole(X, weights))
    found = gi.logit(formula(), data)
    assert found.converged
    pd.testing.assert_frame_equal(found.tidy(), expected.tidy(), rtol=1e-10)
    assert found.n_iter == len(found.trace) - 1
    assert found.trace.seconds.is_monotonic_increasing


@pytest.mark.parametrize("factor", [1.0, 1e8, 1e100])
def test_candidates_and_groups_have_sums_of_their_own(factor: float) -> None:
    """What was learned of the columns of some rows says nothing of others, however many these are."""
    rng = np.random.default_rng(12)
    data = pd.DataFrame({"z": rng.standard_normal(N), "group": np.repeat(["a", "b"], N // 2)})
    data["x"] = rng.standard_normal(N) + 5 * (data.group == "b")
    data["far"] = factor * (1 + 1e-7 * rng.standard_normal(N))
    data["flat"] = 7 * factor
    data["gaps"] = data.x.where(data.x < 5)
    data["y"] = (rng.random(N) < 1 / (1 + np.exp(1 - data.x / 2))).astype(int)
    each = gi.logit_each("y ~ z", data, covariates=["x", "far", "flat", "gaps"])
    for name in ("x", "far", "flat", "gaps"):
        alone = gi.logit(f"y ~ z + {name}", data)
        pd.testing.assert_frame_equal(each[name].tidy(), alone.tidy(), rtol=1e-7)
        pd.testing.assert_frame_equal(each[name].predict(type="terms"), alone.predict(type="terms"), rtol=1e-7)
        assert dict(each[name].aliased) == dict(alone.aliased)
    groups = gi.logit_many("x + z", data, outcomes=["y"], by="group")
    alone = gi.logit("y ~ x + z", data[data.group == "b"])
    found = groups["b", "y"].predict(type="terms").dropna()
    np.testing.assert_allclose(found, alone.predict(type="terms"), rtol=1e-9, atol=1e-9)
