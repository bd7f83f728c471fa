"""Reference distributions, beside scipy's own."""

import numpy as np
import scipy.special
import scipy.stats

from glminfer.inference.distributions import chi2_tails


def test_tails_of_many_statistics():
    rng = np.random.default_rng(0)
    statistic, df = np.concatenate([[0.0, np.nan, 1500.0], rng.chisquare(3, 200)]), rng.integers(1, 5, 203)
    df[:3] = 1
    found = chi2_tails(statistic, df)
    assert np.allclose(found, scipy.stats.chi2.sf(statistic, df), rtol=1e-11, equal_nan=True)
    assert found[0] == 1.0
    assert 0 <= found[2] < 1e-300
