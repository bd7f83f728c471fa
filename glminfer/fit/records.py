"""What a fit is: a frozen record of estimates, with the rows it was made from (or without, once pickled)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.design import Design, Sample
from glminfer.data.rows import Rows
from glminfer.errors import RowsNeededError, Status
from glminfer.fit.separation import Recession
from glminfer.numerics import kernels, linalg
from glminfer.numerics.blocks import Array
from glminfer.numerics.families import Family
from glminfer.numerics.newton import Control, Step, unit_of
from glminfer.numerics.penalties import PENALTIES, AnyPenalty
from glminfer.numerics.rank import Basis
from glminfer.numerics.selection import Selection

_WITH_ROWS = ("rows", "space", "sample", "separated_rows")


class Lost(Enum):
    """Stands for an argument as long as the data, which a pickle leaves behind."""

    ARGUMENT = "argument"


@dataclass(frozen=True, slots=True)
class Space:
    """All used rows in working coordinates (r columns), and how those make the p columns of the design."""

    rows: Rows
    basis: Basis

    def coordinates(self) -> Array:
        """M (r, p) with X = Z M: each column of the design in working coordinates."""
        kept, T = self.basis.kept, np.asarray(self.basis.T)
        M = np.zeros((self.basis.rank, len(T)))
        M[:, kept] = np.linalg.inv(T[kept])
        for j, relation in self.basis.relations.items():
            M[:, j] = M[:, kept] @ relation[kept]
        return M

    def working(self, coef: Array) -> Array:
        """Working coordinates (r,) of coefficients of the columns (p,)."""
        if not isinstance(self.basis.T, Selection):
            return np.asarray(self.coordinates() @ coef)
        T = self.basis.T
        coef = coef + sum(coef[j] * relation for j, relation in self.basis.relations.items() if coef[j])
        found = coef[T.places]
        if len(T.mixed):  # what combinations put elsewhere is taken off again
            found = found - (T.combinations @ found[T.mixed])[T.places]
            found[T.mixed] = coef[T.places][T.mixed]
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class FitRecord:
    """A fitted logistic GLM (n rows, p coefficients of which r are estimable and finite).

    Attributes
    ----------
    design : Design
        How the formula becomes numbers.
    family : Family
        The link.
    values : (p,)
        Estimates in column order: NaN where aliased or undetermined, ±inf where separated.
    linear : (p,)
        Their finite part, zero where aliased: the linear predictor of rows that are not separated is X @ linear.
    penalty : a penalty or None
        None is maximum likelihood.
    T : (p, r)
        Maps working coefficients to those of the columns; ``linear = T @ working``. A `Selection` in its place where
        factors are coded, and a `Bordered` matrix in that of ``information``.
    working : (r,)
        The working coefficients.
    means : (p,)
        Mean of each column over the rows of positive weight.
    information : (r, r)
        Expected information of the working coefficients at the estimate (6).
    loglik, null_loglik, saturated_loglik : float
        Log-likelihoods with the binomial coefficients: of the fit, of the constant, of one mean per row.
    count_constant : float
        The binomial coefficients' part of the log-likelihoods.
    n_trials : float
        Number of trials: the sum of the weights for grouped outcomes, else the rows of positive weight.
    aliased : dict
        Aliased column -> the relation that makes it redundant, as text.
    recession : Recession or None
        Where separated estimates go.
    separated_rows : (n,) bool or None
        Used rows whose fitted probability is exactly 0 or 1.
    rows : Rows or None
        Working columns, outcome and weights of the used rows; separated rows weigh nothing.
    space : Space or None
        The working columns of all estimable coefficients, with every row at its own weight: where other models of the
        same columns are fitted.
    sample : Sample or None
        The used columns of all rows given, and which rows are used.
    call : dict
        The arguments of the fit, the frame included: what a refit needs.
    shrinkage : (r,) or None
        Curvature P that a quadratic penalty adds to each working coefficient (58), zero for an L1 penalty, where the
        working coefficients are those that are not zero; None without a penalty that shrinks.
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.logit", "gi.glm")

    design: Design
    family: Family
    solver: str
    penalty: AnyPenalty | None
    control: Control
    values: Array
    linear: Array
    T: Array
    working: Array
    means: Array
    information: Array
    rank: int
    nobs: int
    n_dropped: int
    loglik: float
    null_loglik: float
    count_constant: float
    n_trials: float
    saturated_loglik: float
    status: Status
    n_iter: int
    aliased: Mapping[str, str]
    recession: Recession | None
    separated_rows: NDArray[np.bool_] | None
    separation: str
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    grouped: bool
    rows: Rows | None
    space: Space | None
    sample: Sample | None
    call: Mapping[str, Any]
    shrinkage: Array | None = None

    @cached_property
    def goodness(self) -> tuple[float, float]:
        """Pearson χ² and Tjur's difference of mean probabilities (29); NaN for grouped outcomes."""
        rows, sample = self.with_rows()
        pearson, hits, misses = rows.sum(kernels.goodness, self.working[None], self.family)[0]
        total, events = sample.rows.sum(kernels.totals)[:2]
        if self.separated_rows is not None:  # fitted exactly: probability 1 for their events, 0 for the others
            hits += float(sample.weights[self.separated_rows] @ sample.y[self.separated_rows])
        return float(pearson), float("nan") if self.grouped else float(hits / events - misses / (total - events))

    @property
    def df_resid(self) -> int | float:
        """Rows of positive weight less estimable coefficients, or less their effective number."""
        return self.nobs - (self.rank if self.shrinkage is None else self.effective_df)

    @cached_property
    def effective_df(self) -> float:
        """Effective number of coefficients tr(I (I + P)⁻¹) (59), (68): their count, unless a penalty shrinks them."""
        if self.shrinkage is None:
            return float(self.rank)
        if not self.shrinkage.any():  # a lasso: all that are not zero count in full
            return float(len(self.shrinkage))
        return float(np.trace(self.information @ self.working_covariance))

    @property
    def df_null(self) -> int:
        """Residual degrees of freedom of the null model."""
        return self.nobs - int(self.design.has_intercept)

    @property
    def deviance(self) -> float:
        """Twice the log-likelihood lost against one mean per row (27)."""
        return max(2 * (self.saturated_loglik - self.loglik), 0.0)  # rounding, where every row has its own mean

    @property
    def null_deviance(self) -> float:
        """Deviance of the constant (and offset) alone."""
        return 2 * (self.saturated_loglik - self.null_loglik)

    @property
    def aic(self) -> float:
        """Akaike's criterion (28), with the effective number of coefficients."""
        return 2 * self.effective_df - 2 * self.loglik

    @property
    def bic(self) -> float:
        """Schwarz's criterion, with n the rows of positive weight (28), and the effective number of coefficients."""
        return float(np.log(self.nobs)) * self.effective_df - 2 * self.loglik

    @property
    def mcfadden(self) -> float:
        """1 - ℓ/ℓ₀ of single trials: the same for grouped rows and for their trials (29)."""
        return 1 - (self.loglik - self.count_constant) / (self.null_loglik - self.count_constant)

    @property
    def nagelkerke(self) -> float:
        """Cox and Snell's R² over its maximum, of single trials (29)."""
        null, full = self.null_loglik - self.count_constant, self.loglik - self.count_constant
        return float(np.expm1(2 * (null - full) / self.n_trials) / np.expm1(2 * null / self.n_trials))

    @property
    def converged(self) -> bool:
        """Whether every estimate is at the maximum of the likelihood."""
        return self.status is Status.CONVERGED

    def frame(self, newdata: Any = None) -> pd.DataFrame:
        """The data of the fit, or other data, as a pandas DataFrame."""
        if newdata is None:
            self.with_rows()
            newdata = self.call["data"]
        return frames.to_pandas(newdata)

    def __copy__(self) -> FitRecord:
        """Itself: nothing of it changes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FitRecord:
        """Itself: nothing of it changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the rows, so that a pickle is small whatever the data were."""
        goodness = self.goodness if self.rows is not None else self.__dict__.get("goodness")
        kept = {f.name: None if f.name in _WITH_ROWS else getattr(self, f.name) for f in fields(self)}
        return {**kept, "goodness": goodness, "call": _light(self.call)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return tuple(self.design.columns)

    @property
    def working_covariance(self) -> Array:
        """Inverse information of the working coefficients (19); with a quadratic penalty (I + P)⁻¹ (59)."""
        inverse = linalg.inverse(self.precision)
        return np.full_like(self.information, np.nan) if inverse is None else inverse

    @property
    def precision(self) -> Array:
        """Information, and what a quadratic penalty adds to it."""
        return self.information if self.shrinkage is None else self.information + np.diag(self.shrinkage)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """(p,) True where the estimate is a finite number."""
        return np.isfinite(self.values)

    @property
    def coefficient_status(self) -> list[str]:
        """One word or relation per coefficient."""
        return [self._status_of(name, value) for name, value in zip(self.columns, self.values, strict=True)]

    def _status_of(self, name: str, value: float) -> str:
        if name in self.aliased:
            return f"aliased: {self.aliased[name]}"
        if not np.isfinite(value):
            return str(Status.SEPARATED)
        return str(Status.LIMIT if self.status is Status.LIMIT else Status.CONVERGED)

    def with_rows(self) -> tuple[Rows, Sample]:
        """The rows and the sample, or an error that says how to give them back."""
        if self.rows is None or self.sample is None:
            raise RowsNeededError(
                "This fit was unpickled without its rows, which are needed here. "
                "fit.with_data(frame), with the data it was fitted to, gives them back."
            )
        return self.rows, self.sample


def _light(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call without anything as long as the data."""
    plain = (str, int, float, bool, type(None), Control, *PENALTIES)
    light = {name: value if isinstance(value, plain) else Lost.ARGUMENT for name, value in call.items()}
    return {**light, "data": None, "env": None}


def weight_unit(fit: FitRecord) -> float:
    """What the weights of a fit are measured in (156)."""
    rows, _ = fit.with_rows()
    weight, _, silent, _ = rows.sum(kernels.totals)
    return unit_of(float(weight), rows.n - int(silent))
