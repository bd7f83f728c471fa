"""Where the models of a batch begin."""

import numpy as np

from glminfer.data.rows import MemoryRows
from glminfer.fit import batch
from glminfer.numerics import batched
from glminfer.numerics.blocks import Block

N, M = 20_000, 16


def test_many_outcomes_begin_where_normal_covariates_would_end():
    """The start (112) is the estimate up to a few percent, also where effects are large; least squares is not."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(N), rng.standard_normal((N, 2))])
    true = np.stack([rng.normal(0, 0.5, M), np.linspace(0.1, 1.4, M), np.linspace(-1.0, 0.5, M)])
    y = (rng.random((N, M)) < 1 / (1 + np.exp(-X @ true))).astype(float)
    block = Block(X, y, np.ones((N, 1)), np.zeros((N, 1)))
    rows = MemoryRows(block)
    inverse, total = np.linalg.inv(X.T @ X), X.sum(axis=0)
    begun = batch.Beginning(inverse, total, inverse @ total, True, np.zeros(3), block.weights, None)
    start, stepped = batch.starts(block, begun, rows.sum(batched.outcome_sums), rows.sum(batched.tallies))
    assert stepped
    assert np.abs(start - true).max() < 0.1
    mean = y.mean(axis=0)
    flat = np.linalg.lstsq(X, y - mean, rcond=None)[0] / (mean * (1 - mean))
    assert np.abs(flat[1:] - true[1:]).max() > 0.3
