"""What a covariance is: a matrix, its name, the reference distribution that goes with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from glminfer.errors import DataError, InputError
from glminfer.fit.records import FitRecord
from glminfer.numerics import linalg, spread
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Bordered, Eliminated
from glminfer.numerics.spread import Root

_AT_ONCE = 4_000_000  # numbers held while degrees of freedom of many combinations are computed


@dataclass(frozen=True, slots=True)
class Leverages:
    """Hat matrices of all clusters: what the degrees of freedom of CR2 depend on.

    Attributes
    ----------
    root : (r, r)
        C with C C' the inverse information.
    values : (G, r)
        Eigenvalues of the hat matrix H_gg of each cluster.
    inverse : (G, r)
        1 / (1 - value), zero where the value is 1.
    vectors : (G, r, r)
        Eigenvectors in the coordinates of ``root``.
    """

    root: Array
    values: Array
    inverse: Array
    vectors: Array

    def dof(self, L: Array) -> Array:
        """Satterthwaite degrees of freedom of the variance of each combination (q, r): (tr P)² / tr P² (36)."""
        c = L @ self.root
        size = np.linalg.norm(c, axis=1, keepdims=True)
        c = np.divide(c, size, out=np.full_like(c, np.nan), where=size > 0)
        step = max(1, _AT_ONCE // max(self.values.size, 1))
        parts = [self._dof(c[k : k + step]) for k in range(0, len(c), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _dof(self, c: Array) -> Array:
        """P = diag(a) - Q Q' with a_g = c'M(I - M)⁻¹c and rows q_g = M(I - M)^(-1/2)c of Q."""
        along = np.swapaxes(np.tensordot(c, self.vectors, axes=(1, 1)), 0, 1)  # (G, q, r)
        a = np.einsum("gqj,gj->gq", along**2, self.values * self.inverse)
        q = (along * (self.values * np.sqrt(self.inverse))[:, None, :]) @ np.swapaxes(self.vectors, 1, 2)
        squared = (q**2).sum(axis=2)
        crossed = (np.einsum("gqi,gqj->qij", q, q, optimize=True) ** 2).sum(axis=(1, 2))
        with np.errstate(invalid="ignore"):  # no coefficient at all: 0/0
            return np.asarray((a - squared).sum(axis=0) ** 2 / ((a**2 - 2 * a * squared).sum(axis=0) + crossed))


@dataclass(frozen=True, slots=True)
class Covariance:
    """A covariance matrix and what it is.

    Attributes
    ----------
    matrix : (r, r)
        Covariance of the working coefficients.
    kind : str
        Its name, as asked for.
    dof : float
        Degrees of freedom of the reference distribution of tests; infinite is the normal.
    description : str
        The sentence printed above a table.
    notes : tuple of str
        What to know before relying on it.
    leverages : Leverages or None
        For CR2: each combination of coefficients has degrees of freedom of its own.
    tests : bool
        Whether statistics and p-values may be made with it; not so the default of a fit that has no single valid one.
    floor : float
        Variances of at most this many times the model's are rounding of zero (`vanishing`): there is none to report.
    """

    matrix: Array
    kind: str
    dof: float
    description: str
    notes: tuple[str, ...] = ()
    leverages: Leverages | None = None
    tests: bool = True
    floor: float = 0.0

    def dof_for(self, L: Array) -> Array:
        """Degrees of freedom of each linear combination (q, r) of the working coefficients, (q,)."""
        if self.leverages is None:
            return np.full(len(L) if np.ndim(L) > 1 else 1, self.dof)
        return self.leverages.dof(np.atleast_2d(np.asarray(L)))

    @property
    def reference(self) -> str:
        """The reference distribution, as printed."""
        if self.leverages is not None:
            return "t tests with Satterthwaite degrees of freedom"
        return "z (normal) tests" if np.isinf(self.dof) else f"t({self.dof:g}) tests"


def errors_along(fit: FitRecord, L: Array, chosen: Covariance) -> Array:
    """√(l V l') of each combination (q, r) of working coefficients; NaN where the covariance has nothing to say."""
    variance = known(fit, chosen, lambda V: np.einsum("qr,qr->q", L @ V, L))
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def known(fit: FitRecord, chosen: Covariance, variances: Callable[[Array], Array]) -> Array:
    """The variances that a function of the matrix gives; NaN where they are rounding of zero beside the model's."""
    found = variances(chosen.matrix)
    if not chosen.floor:
        return found
    of_model = variances(fit.working_covariance)
    none = (np.abs(found) <= chosen.floor * of_model) & (of_model > 0)
    return np.where(none, np.nan, found)


def root_of(variances: Array) -> Array:
    """Standard errors; NaN where a multiway covariance gives a negative variance, 0 where only rounding does."""
    rounding = -1e-12 * np.abs(variances).max(initial=0.0, where=np.isfinite(variances))
    known = np.where(variances < rounding, np.nan, np.maximum(variances, 0.0))
    return np.asarray(np.sqrt(known))


def bread_root(fit: FitRecord) -> Array:
    """C (r, r) with C C' the inverse information of the working coefficients (19), a penalty's part included.

    Hat matrices are formed in these coordinates, where they do not depend on the scale of the columns.
    """
    factored = linalg.factor(fit.precision)
    if factored is None:
        raise DataError(
            "The information at the estimate is singular, so a robust covariance does not exist. "
            "Look at fit.trace and fit.notes for what went wrong."
        )
    if isinstance(factored, Eliminated):
        return cast(Array, spread.root(cast(Bordered, fit.precision), factored))
    L, scale = factored
    return np.asarray(np.linalg.solve(L.T, np.eye(len(L))) / scale[:, None])


def bread_of(fit: FitRecord) -> Array:
    """The inverse information (r, r) of the working coefficients, or an error where there is none."""
    root = bread_root(fit)
    return fit.working_covariance if isinstance(root, Root) else np.asarray(root @ root.T)


def refuse_robust(value: str, fit: FitRecord) -> None:
    """Refuse a robust covariance of penalised estimates: they are no sum over rows."""
    if fit.penalty is not None:
        ways = " or ".join(f"cov={kind!r}" for kind in fit.penalty.covariances)
        raise DataError(
            f"cov={value!r} is defined for maximum likelihood, and this fit was made with penalty=gi.{fit.penalty!r}. "
            f"Use {ways}, or fit without a penalty."
        )


def refuse_untested(chosen: Covariance, fit: FitRecord) -> None:
    """Refuse to test with a covariance that is only a default among several."""
    if not chosen.tests:
        assert fit.penalty is not None
        ways = " or ".join(f"cov={kind!r}" for kind in fit.penalty.covariances)
        raise InputError(
            f"This fit is penalised ({fit.penalty.name}), and p-values depend on which covariance its estimates are "
            f"given. Name it: {ways}."
        )
