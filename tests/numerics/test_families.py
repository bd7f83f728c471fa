"""Every family against arithmetic of 120 digits, up to abs(eta) = 800.

The oracle knows log F and log(1 - F) only; its score and curvature are their high-precision finite differences, and its
expected information is the mean of the squared score.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

from glminfer.numerics.families import FAMILIES, Family, family

DIGITS = 120
TINY = 1e-300  # below this double precision loses digits
LARGEST = 5e307  # the largest double is 1.8e308: a share of it is as good as infinite
LINKS = list(FAMILIES)

# the extremes, the switches between two ways of computing, and the middle
_SIZES = [1e-9, 1e-3, 0.3, 1.0, 2.0, 3.0, 4.6, 4.60517, 4.7, 5.0, 6.54, 6.56, 7.0, 20.0, 37.0, 38.5, 49.9, 50.1, 100.0]
_FAR = [400.0, 700.0, 709.7, 709.9, 745.2, 800.0]
ETA = np.array(sorted({sign * size for sign in (-1, 1) for size in (0.0, *_SIZES, *_FAR)}))

Real = Callable[[mp.mpf], mp.mpf]


def _log_of_complement(log_p: mp.mpf) -> mp.mpf:
    return mp.log(-mp.expm1(log_p))


def _log_cauchit(eta: mp.mpf) -> mp.mpf:
    return mp.log(mp.acot(-eta) / mp.pi) if eta < 0 else mp.log1p(-mp.acot(eta) / mp.pi) if eta > 0 else mp.log(0.5)


def _log_probit(eta: mp.mpf) -> mp.mpf:
    tail = mp.erfc(abs(eta) / mp.sqrt(2)) / 2
    return mp.log(tail) if eta < 0 else mp.log1p(-tail)


LOG_F: dict[str, Real] = {
    "logit": lambda eta: -mp.log1p(mp.exp(-eta)),
    "probit": _log_probit,
    "cloglog": lambda eta: _log_of_complement(-mp.exp(eta)),
    "loglog": lambda eta: -mp.exp(-eta),
    "cauchit": _log_cauchit,
}
LOG_S: dict[str, Real] = {
    "logit": lambda eta: -mp.log1p(mp.exp(eta)),
    "probit": lambda eta: _log_probit(-eta),
    "cloglog": lambda eta: -mp.exp(eta),
    "loglog": lambda eta: _log_of_complement(-mp.exp(-eta)),
    "cauchit": lambda eta: _log_cauchit(-eta),
}


def differences(f: Real, eta: mp.mpf) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """f, f' and f'' by central differences of step 1e-30: relative errors of 1e-50 at most."""
    h = mp.mpf(10) ** -30
    left, here, right = f(eta - h), f(eta), f(eta + h)
    return here, (right - left) / (2 * h), (right - 2 * here + left) / h**2


class Exact:
    """loglik, score, expected and observed information of one observation y at eta."""

    def __init__(self, link: str, eta: float) -> None:
        with mp.workdps(DIGITS + 450):  # 1 - F is 1e-348 at eta = 800
            at = mp.mpf(eta)
            self.one = differences(LOG_F[link], at)
            self.zero = differences(LOG_S[link], at)
            self.F, self.S = mp.exp(self.one[0]), mp.exp(self.zero[0])
            self.expected = self.F * self.one[1] ** 2 + self.S * self.zero[1] ** 2  # E[score²]
            self.slope = self.F * self.one[1]

    def terms(self, y: float) -> tuple[mp.mpf, ...]:
        with mp.workdps(DIGITS):
            w = mp.mpf(y)
            mixed = [w * a + (1 - w) * b for a, b in zip(self.one, self.zero, strict=True)]
            return mixed[0], mixed[1], self.expected, -mixed[2]


@pytest.fixture(scope="module")
def exact() -> dict[tuple[str, float], Exact]:
    return {(link, eta): Exact(link, eta) for link in LINKS for eta in ETA}


def close(mine: float, theirs: mp.mpf, rtol: float) -> bool:
    """Equal to rtol where representable; a value that is not is 0 or infinite (or at the edge of it)."""
    size = abs(theirs)
    if size > LARGEST:
        return abs(mine) > LARGEST and (mine > 0) == (theirs > 0)
    if size < TINY:
        return abs(mine) <= 2 * TINY
    return bool(abs(mp.mpf(mine) - theirs) <= rtol * size)


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("link", LINKS)
def test_pointwise_is_exact_up_to_800(link: str, y: float, exact: dict[tuple[str, float], Exact]) -> None:
    mine = FAMILIES[link].pointwise(np.full(ETA.shape, y), ETA)
    names = ("loglik", "score", "expected", "observed")
    wrong = []
    for k, eta in enumerate(ETA):
        theirs = exact[link, eta].terms(y)
        wrong += [
            f"{name} at eta={eta}, y={y}: {float(a[k])!r} where {mp.nstr(b, 17)} is right"
            for name, a, b in zip(names, mine, theirs, strict=True)
            if not close(float(a[k]), b, 1e-12)
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("link", LINKS)
def test_mean_survival_and_slope(link: str, exact: dict[tuple[str, float], Exact]) -> None:
    fam = FAMILIES[link]
    for function, attribute in ((fam.mean, "F"), (fam.survival, "S"), (fam.slope, "slope")):
        for eta, mine in zip(ETA, function(ETA), strict=True):
            # the exponent of a double-exponential tail carries eta's rounding: exp(-x) is good to x·eps
            assert close(float(mine), getattr(exact[link, eta], attribute), 1e-12), (attribute, eta)


@pytest.mark.parametrize("link", LINKS)
def test_quantile_undoes_the_mean(link: str) -> None:
    fam = FAMILIES[link]
    p = np.array([1e-10, 1e-3, 0.2, 0.5, 0.8, 0.999])
    np.testing.assert_allclose(fam.mean(fam.quantile(p)), p, rtol=1e-12)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("eta", [-800.0, 800.0])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_no_nan_at_800(link: str, eta: float, y: float) -> None:
    values = [v.item() for v in FAMILIES[link].pointwise(np.array([y]), np.array([eta]))]
    assert not np.isnan(values).any()
    lost = {("cloglog", 800.0): y < 1, ("loglog", -800.0): y > 0}.get((link, eta), False)
    assert np.isfinite(values[0]) is not lost
    assert values[2] >= 0
    if FAMILIES[link].concave:
        assert values[3] >= 0


@pytest.mark.parametrize("link", LINKS)
def test_a_certain_success_costs_nothing(link: str) -> None:
    """loglik tends to 0 from below on the right side (cauchit's heavy tail: 1/(800π))."""
    fam = FAMILIES[link]
    right = fam.pointwise(np.array([1.0, 0.0]), np.array([800.0, -800.0]))[0]
    assert (right <= 0).all()
    assert (right >= (-1 / 2500 if link == "cauchit" else 0.0)).all()


MIRROR = {"logit": "logit", "probit": "probit", "cauchit": "cauchit", "cloglog": "loglog", "loglog": "cloglog"}


@pytest.mark.parametrize("link", LINKS)
def test_swapping_the_event_mirrors_eta(link: str) -> None:
    y = np.resize([0.0, 0.3, 1.0, 0.5], ETA.shape)
    loglik, score, expected, observed = FAMILIES[link].pointwise(y, ETA)
    swapped = FAMILIES[MIRROR[link]].pointwise(1 - y, -ETA)
    for a, b in zip((loglik, -score, expected, observed), swapped, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(FAMILIES[link].mean(ETA), FAMILIES[MIRROR[link]].survival(-ETA), rtol=1e-15)
    np.testing.assert_allclose(FAMILIES[link].slope(ETA), FAMILIES[MIRROR[link]].slope(-ETA), rtol=1e-15)


@pytest.mark.parametrize("link", LINKS)
def test_bend_is_the_relative_change_of_the_slope(link: str, exact: dict[tuple[str, float], Exact]) -> None:
    """g = F''/F' with F'' = F ((log F)'' + (log F)'²); on the other side the mirror."""
    inside = ETA[np.abs(ETA) < 5]
    for eta, mine in zip(inside, FAMILIES[link].bend(inside), strict=True):
        with mp.workdps(DIGITS):
            _, first, second = exact[link, eta].one
            theirs = (second + first**2) / first
        assert abs(mp.mpf(float(mine)) - theirs) <= 1e-12 * max(abs(theirs), mp.mpf("1e-3")), eta
    np.testing.assert_allclose(FAMILIES[link].bend(ETA), -FAMILIES[MIRROR[link]].bend(-ETA), rtol=1e-15)


@pytest.mark.parametrize("link", LINKS)
def test_only_the_logit_observes_what_it_expects(link: str) -> None:
    _, _, expected, observed = FAMILIES[link].pointwise(np.array([0.0, 1.0]), np.array([0.7, 0.7]))
    assert (observed is expected) == (link == "logit")


@pytest.mark.parametrize("link", LINKS)
def test_scalar_finite_differences_in_double(link: str) -> None:
    """The functions belong together: a plain central difference of loglik is the score, of the score the curvature."""
    fam, h = FAMILIES[link], 1e-5
    eta, y = np.linspace(-4, 4, 41), np.resize([0.0, 1.0, 0.4], 41)
    up, down = fam.pointwise(y, eta + h), fam.pointwise(y, eta - h)
    _, score, _, observed = fam.pointwise(y, eta)
    np.testing.assert_allclose((up[0] - down[0]) / (2 * h), score, atol=1e-7)
    np.testing.assert_allclose((up[1] - down[1]) / (2 * h), -observed, atol=1e-7, rtol=1e-7)


def test_a_family_pickles_by_name() -> None:
    for link in LINKS:
        again = pickle.loads(pickle.dumps(family(link)))
        assert isinstance(again, Family)
        assert again is FAMILIES[link]


@pytest.mark.parametrize("n", [0, 1, 511, 512, 513, 1025, 20_164])
@pytest.mark.parametrize("spread", [0.5, 30.0, 300.0])
def test_the_sum_of_log_likelihoods_is_that_of_the_rows(n: int, spread: float) -> None:
    """Equation (128): products of many factors neither overflow nor forget what is small."""
    rng = np.random.default_rng(n)
    eta = spread * rng.standard_normal((n, 3))
    eta[:, 1] = np.abs(eta[:, 1]) + 40.0  # fitted almost perfectly
    y = (eta > 0).astype(float)
    y[: n // 3, 0] = 0.3
    logit = family("logit")
    assert logit.unweighted is not None
    summed, row_by_row = logit.unweighted(y, eta), logit.pointwise(y, eta)
    for k in range(3):
        exact = math.fsum(row_by_row[0][:, k])
        assert abs(summed[0][k] - exact) <= 1e-13 * abs(exact)
    for ours, theirs in zip(summed[1:], row_by_row[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert summed[2] is summed[3]
    if n:  # one model at a time takes the products where the rows leave them their digits
        alone = logit.unweighted(y[:, :1], eta[:, :1])[0][0]
        assert abs(alone - math.fsum(row_by_row[0][:, 0])) <= 1e-13 * abs(alone)


def test_products_hold_what_they_must() -> None:
    ones = np.zeros((100_000, 1))  # every factor is 2
    assert FAMILIES["logit"].unweighted(ones, ones)[0][0] == pytest.approx(-100_000 * np.log(2), rel=1e-14)
