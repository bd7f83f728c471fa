"""Which columns enter an elastic net first: what is selected on a part of the rows, and how rows are parted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.elastic_net import Mixture, problem_of
from glminfer.numerics.newton import Control
from glminfer.numerics.path_walk import Problem, solved_at, start

_RATIO = 0.95  # of each λ to the one before
_LEAST = (1e-4, 1e-2)  # the last λ as a part of the first, with more rows than columns and with fewer
_TOL = 1e-6  # which columns enter is clear before their coefficients are exact

Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]


def entering(X: Array, y: Array, weights: Array, offset: Array, mixture: Mixture, most: int) -> Array:
    """The largest λ at which each column is different from zero, as λ falls until more than ``most`` have been.

    Returns
    -------
    (p,)
        Zero for columns that were not among the first ``most``; infinite for columns without a penalty. All zero where
        the rows of positive weight have one outcome only.
    """
    chosen = np.zeros(X.shape[1])
    if one_outcome(y, weights):
        return chosen
    problem = problem_of(X, y, weights, offset, mixture, Control(tol=_TOL))
    real = problem.l1[: X.shape[1]]
    chosen[(real == 0) & problem.source.varies[: X.shape[1]]] = np.inf
    return _descended(problem, chosen, most)


def _descended(problem: Problem, chosen: Array, most: int) -> Array:
    walk = start(problem)
    top, p = walk.passed[0].lambda_, len(chosen)
    last = _LEAST[0] if len(problem.outcome.y) > p else _LEAST[1]
    for step in range(1, int(np.log(last) / np.log(_RATIO)) + 2):
        if not np.isfinite(top):
            break
        solved = solved_at(walk, top * _RATIO**step, _TOL)
        nonzero = solved.columns[(solved.u != 0) & (solved.columns < p)]
        now = chosen.copy()
        now[nonzero] = np.maximum(now[nonzero], solved.lambda_)
        if np.count_nonzero((now > 0) & np.isfinite(now)) > most:
            break
        chosen = now
    return chosen


def one_outcome(y: Array, weights: Array) -> bool:
    """Whether all rows of positive weight have the same outcome, 0 or 1."""
    seen = y[weights > 0]
    return not len(seen) or bool((seen == seen[0]).all() and seen[0] in (0.0, 1.0))


def complementary_pairs(units: int, pairs: int, rng: np.random.Generator) -> Mask:
    """Halves of some units, (2 pairs, units): each followed by its disjoint partner; an odd one is left out of both."""
    half = units // 2
    taken = np.zeros((2 * pairs, units), dtype=bool)
    for pair in range(pairs):
        order = rng.permutation(units)
        taken[2 * pair, order[:half]] = True
        taken[2 * pair + 1, order[half : 2 * half]] = True
    return taken


def splits(units: int, count: int, share: float, rng: np.random.Generator) -> Mask:
    """Random parts of some units, (count, units); at least one unit is in and one is out."""
    size = int(np.clip(round(share * units), 1, units - 1))
    taken = np.zeros((count, units), dtype=bool)
    for part in taken:
        part[rng.permutation(units)[:size]] = True
    return taken


def aggregated(p_values: Array, least_share: float) -> Array:
    """One p-value for each column from those of many splits (splits, columns) (82).

    min{1, (1 - log γ₀) inf over γ in [γ₀, 1] of the γ-quantile of p / γ}: the quantile is the kth smallest for γ
    between (k - 1)/B and k/B, so the infimum over each such piece is at its right end.
    """
    count = len(p_values)
    ordered = np.sort(p_values, axis=0)
    first = max(int(np.ceil(least_share * count - 1e-9)), 1)
    share = np.arange(1, count + 1) / count
    found = (ordered / share[:, None])[first - 1 :].min(axis=0)
    return np.asarray(np.minimum(1.0, (1.0 - np.log(least_share)) * found))
