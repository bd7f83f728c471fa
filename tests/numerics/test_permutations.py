"""Score statistics of moved columns in one product, beside one regression at a time in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_glm import Plain, plain, score_statistic
from random_rows import LINKS, few

from glminfer.numerics import kernels, permutations
from glminfer.numerics.blocks import Block
from glminfer.numerics.families import family


def drawn(seed: int, link: str, n: int = 60, outcomes: int = 2) -> tuple[list[Plain], np.ndarray]:
    """Models of the same columns Z, and two columns to move."""
    rng = np.random.default_rng(seed)
    Z = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    w, o = rng.integers(0, 4, n).astype(float), 0.2 * rng.normal(size=n)
    y = (rng.random((outcomes, n)) < 0.5).astype(float)
    return [plain(Z, one, link, w, o) for one in y], rng.normal(size=(n, 2))


def nulls(models: list[Plain], link: str) -> permutations.NullScores:
    Z, w, o = models[0].X, models[0].w[:, None], models[0].o[:, None]
    block = Block(Z, np.column_stack([m.y for m in models]), w, o)
    found = permutations.contributions(block, np.array([m.fit() for m in models]), family(link))
    return permutations.null_scores(Z, found[:, : len(models)], found[:, len(models) :])


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKS), st.sampled_from([1, 2]))
def test_statistics_of_moved_columns_are_score_tests_of_these_columns(seed: int, link: str, d: int) -> None:
    models, X = drawn(seed, link)
    rng = np.random.default_rng(seed)
    sources = np.stack([np.arange(len(X)), *(rng.permutation(len(X)) for _ in range(3))])
    found = permutations.moved_statistics(nulls(models, link), X[:, :d].T[:, sources])
    expected = [[score_statistic(model, X[order, :d]) for model in models] for order in sources]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKS))
def test_flipped_scores_are_score_tests_of_flipped_columns(seed: int, link: str) -> None:
    (model,), X = drawn(seed, link, outcomes=1)
    null, rng = nulls([model], link), np.random.default_rng(seed)
    W = null.weight[:, 0]
    left = X - model.X @ np.linalg.solve((model.X.T * W) @ model.X, (model.X.T * W) @ X)
    codes = rng.integers(0, 7, len(X))
    signs = np.array([np.ones(7), *rng.choice([-1.0, 1.0], (4, 7))])
    found = permutations.flipped_statistics(permutations.group_scores(null, left, codes, 7), signs)
    expected = [score_statistic(model, left * flip[codes][:, None]) for flip in signs]
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    np.testing.assert_allclose(
        permutations.flipped_statistics(permutations.group_scores(null, left, codes, 7), -signs), found
    )


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(LINKS))
def test_the_likelihood_of_moved_columns_is_that_of_a_matrix_that_holds_them(seed: int, link: str) -> None:
    (model,), X = drawn(seed, link, outcomes=1)
    rng = np.random.default_rng(seed)
    sources = np.stack([rng.permutation(len(X)) for _ in range(3)])
    block = Block(model.X, model.y[:, None], model.w[:, None], model.o[:, None])
    objective = permutations.MovedLikelihood(block, family(link), X.T[:, sources])
    coef = 0.3 * rng.normal(size=(3, 5))
    for models in (None, np.array([2, 0])):
        mine = objective(coef if models is None else coef[models], models)
        for place, k in enumerate(range(3) if models is None else models):
            whole = Block(np.column_stack([model.X, X[sources[k]]]), block.y, block.weights, block.offset)
            theirs = kernels.likelihood(whole, coef[k][None], family(link))
            for name in ("loglik", "score", "information", "curvature"):
                np.testing.assert_allclose(getattr(mine, name)[place], getattr(theirs, name)[0], rtol=1e-9, atol=1e-9)


def test_a_column_that_the_others_explain_counts_nothing() -> None:
    (model,), X = drawn(3, "logit", outcomes=1)
    both = np.column_stack([X[:, 0], model.X @ [1.0, 2.0, -1.0]])
    found = permutations.moved_statistics(nulls([model], "logit"), both.T[:, None, :])
    assert found[0, 0] == pytest.approx(score_statistic(model, X[:, :1]), rel=1e-7)
    nothing = permutations.moved_statistics(nulls([model], "logit"), both.T[1:, None, :])
    assert nothing[0, 0] == 0.0


def test_equal_up_to_rounding_is_reached() -> None:
    found = permutations.reached(np.array([2.0, 2.0 - 1e-12, 2.0 - 1e-6, 3.0, np.nan]), np.float64(2.0))
    assert found.tolist() == [True, True, False, True, False]
