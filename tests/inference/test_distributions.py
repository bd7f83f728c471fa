"""Reference distributions, beside scipy's own."""

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats

from glminfer.inference.distributions import chi2_tails, two_sided


def test_tails_of_many_statistics():
    rng = np.random.default_rng(0)
    statistic, df = np.concatenate([[0.0, np.nan, 1500.0], rng.chisquare(3, 200)]), rng.integers(1, 5, 203)
    df[:3] = 1
    found = chi2_tails(statistic, df)
    assert np.allclose(found, scipy.stats.chi2.sf(statistic, df), rtol=1e-11, equal_nan=True)
    assert found[0] == 1.0
    assert 0 <= found[2] < 1e-300


def _log10_p(t, dof):
    """The same with a hundred digits: p = I_x(dof/2, 1/2)."""
    with mpmath.workdps(100):
        t, dof = mpmath.mpf(t), mpmath.mpf(dof)
        p = mpmath.betainc(dof / 2, mpmath.mpf(1) / 2, 0, dof / (dof + t * t), regularized=True)
        return float(mpmath.log10(p))


@pytest.mark.parametrize(
    ("t", "dof"), [(-166.0, 999.0), (1e20, 17.5), (-1e160, 3.0), (38.0, 1e5), (80.0, 2e4), (2.0, 7.0)]
)
def test_logarithms_of_p_values_of_t_do_not_underflow(t, dof):
    p, log10_p = two_sided(np.array([t]), np.array([dof]))
    assert log10_p[0] == pytest.approx(_log10_p(t, dof), rel=1e-12)
    assert p[0] == pytest.approx(2 * scipy.stats.t.sf(abs(t), dof), rel=1e-10)


def test_logarithms_of_p_values_on_both_sides_of_the_smallest_double():
    t, dof = np.linspace(30, 60, 200), np.where(np.arange(200) % 2, 1e4, np.inf)
    log10_p = two_sided(t, dof)[1]
    assert np.isfinite(log10_p).all()
    assert (np.diff(log10_p[1::2]) < 0).all()
    assert (np.diff(log10_p[1::2], 2) < 0).all()  # no kink where the two formulas meet


def test_logarithms_of_p_values_of_many_degrees_of_freedom_tend_to_the_normal():
    t = np.array([40.0, 60.0])
    near, normal = two_sided(t, np.full(2, 1e14))[1], two_sided(t, np.full(2, np.inf))[1]
    assert np.allclose(near, normal, rtol=1e-7)


def test_p_values_of_no_statistic_are_missing_and_of_an_infinite_one_zero():
    p, log10_p = two_sided(np.array([np.nan, np.inf, 0.0]), np.full(3, 12.0))
    assert np.isnan([p[0], log10_p[0]]).all()
    assert (p[1], log10_p[1]) == (0.0, -np.inf)
    assert (p[2], log10_p[2]) == (1.0, 0.0)
