"""The elastic net as the penalty of one fit: coefficients that are selected and shrunk, and nothing claimed of them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from glminfer.errors import InputError, Status, checked_keywords
from glminfer.numerics.blocks import Array
from glminfer.numerics.elastic_net import Mixture, PathSolution, elastic_net_path
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Solution
from glminfer.numerics.objectives import Likelihood, Summable
from glminfer.numerics.posing import Columns, Peak, Posed, Table, every_column
from glminfer.numerics.rank import Basis, subset_basis, working_columns
from glminfer.numerics.ridge import Ridge, check_strength, check_switch

_EVIDENCE = (
    "A coefficient that is not zero is no evidence of an effect: the penalty selects, shrinks, and lets one of several "
    "correlated columns stand for all. Honest ways to evidence: path.debias of a gi.logit_path, estimates with "
    "intervals; gi.stability, what is selected again and again; gi.split_test, p-values from rows that did not select."
)


@dataclass(frozen=True, slots=True)
class ElasticNet:
    """An L1 penalty, or a mixture of L1 and L2, on all coefficients but the intercept, for ``penalty=``; logit only.

    Minimises ``-ℓ(b)/Σw + λ Σ [(1 - a)/2 b² + a |b|]`` (60) with a = ``l1_ratio``, as `logit_path` does at many λ.
    Some coefficients are zero. A fit has no standard errors, intervals or p-values: after selection none of the usual
    ones is valid. ``effective_df`` (68) takes the place of the number of coefficients.

    Parameters
    ----------
    lambda_ : float
        Strength λ of the penalty on the scale of glmnet: beside the mean log-likelihood of a trial. scikit-learn's C is
        1/(λ Σw). 0 is maximum likelihood.
    l1_ratio : float
        From 0 to 1, the lasso. 0 is `Ridge`, with what may be claimed of it.
    standardize : bool
        Whether the penalty is on the coefficients of the columns divided by their standard deviations (with 1/n and the
        weights), as is the default of glmnet and `logit_path`. The coefficients are reported for the columns as they
        are.

    References
    ----------
    Tibshirani (1996), JRSS B 58; Zou & Hastie (2005), JRSS B 67; Friedman, Hastie & Tibshirani (2010), J. Stat. Softw.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=20, seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right + trial", trials, penalty=gi.ElasticNet(0.1))
    >>> fit.coef.round(2).to_dict()["trial"]
    0.0
    """

    lambda_: float
    l1_ratio: float = 1.0
    standardize: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no penalty."""
        check_strength(self.lambda_, "gi.ElasticNet(0.1)")
        a = self.l1_ratio
        if isinstance(a, bool) or not (isinstance(a, Real) and 0 <= float(a) <= 1):
            raise InputError(f"l1_ratio={a!r} must be a number from 0 (ridge) to 1 (lasso).")
        check_switch(self.standardize)

    @property
    def name(self) -> str:
        """What the summary calls it."""
        kind = "lasso (" if self.l1_ratio == 1 else f"elastic net (l1_ratio {self.l1_ratio:.6g}, "
        return f"{kind}λ = {self.lambda_:.6g}{', on standardised columns' if self.standardize else ''})"

    @property
    def algorithm(self) -> str:
        """What the summary calls its solver."""
        return "Proximal Newton"

    @property
    def covariances(self) -> tuple[str, ...]:
        """None is valid after selection."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Where evidence is to be had."""
        return (_EVIDENCE,)

    @property
    def simplest(self) -> ElasticNet | Ridge | None:
        """Without an L1 part it is a ridge."""
        return self if self.lambda_ and self.l1_ratio else Ridge(self.lambda_, self.standardize).simplest

    def no_likelihood(self, _link: str, /) -> str:
        """Selected and shrunken estimates are the maximum of no likelihood."""
        return (
            f"{self.name} selects and shrinks the estimates, so that twice a difference of log-likelihoods has no χ² "
            "distribution. See fit.notes for ways to evidence, or refit without penalty=."
        )

    def pose(self, rows: Summable, columns: Columns) -> Posed:
        """The problem on all columns."""
        if columns.link != "logit":
            raise InputError(
                f"gi.ElasticNet is for the logit link, not for {columns.link}; use gi.Ridge, or fit with gi.logit."
            )
        basis, total, sizes = every_column(rows, columns)
        unit = sizes if self.standardize else np.ones_like(sizes)
        shrinkage = np.where(columns.free, 0.0, self.lambda_ * (1 - self.l1_ratio) * total * unit**2)
        return _Selected(basis, columns.free, self, shrinkage)


ElasticNet.__init__ = checked_keywords(ElasticNet.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class _Selected:
    """An elastic net on working columns, some of them ``free``; ``shrinkage`` is the curvature of its L2 part."""

    basis: Basis
    free: NDArray[np.bool_]
    penalty: ElasticNet
    shrinkage: Array

    def maximise(self, rows: Table, fam: Family, _start: Array, control: Control) -> Peak:
        """Solve one model, as the end of a path."""
        path = self._path(rows, control)
        coef = np.where(self.free, path.intercept[0], 0.0)
        coef[~self.free] = path.coef[0]
        active = np.flatnonzero(self.free | (coef != 0))
        terms = Likelihood(rows.with_columns(working_columns, subset_basis(len(coef), active)), fam)(coef[None, active])
        status = Status.CONVERGED if path.converged[0] else Status.LIMIT
        solution = Solution(coef[None, active], terms, (status,), path.n_iter, path.kkt, ())
        return Peak(solution, self.shrinkage[active], active)

    def _path(self, rows: Table, control: Control) -> PathSolution:
        how, X = self.penalty, rows.values("X")[:, ~self.free]
        mixture = Mixture(how.l1_ratio, np.ones(X.shape[1]), how.standardize, bool(self.free.any()))
        y, weights, offset = rows.values("y")[:, 0], rows.values("weights")[:, 0], rows.values("offset")[:, 0]
        return elastic_net_path(X, y, weights, offset, mixture, np.array([float(how.lambda_)]), control)
