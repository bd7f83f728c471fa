"""The functions available inside formulas, and how those that learn from the data keep what they learned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from patsy.contrasts import Diff, Helmert, Poly, Sum, Treatment

from glminfer.data.polynomials import apply_poly, learn_poly
from glminfer.data.raised_cosines import apply_raised_cosine, learn_raised_cosine
from glminfer.data.scaling import apply_scaling, learn_center, learn_standardize
from glminfer.data.sequential import SEQUENTIAL
from glminfer.data.splines import apply_bs, apply_ns, learn_bs, learn_ns
from glminfer.data.values import UnseenLevels, column_of, numbers_of
from glminfer.errors import DataError, FormulaError, nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stateful:
    """A function that learns from the fitted rows and gives later rows the same treatment.

    ``state = f.learn(x, …)`` looks at the rows, ``f.apply(state, x, …)`` gives (n,) or (n, k) numbers for any rows.
    The state is plain (numbers, arrays, frozen records), so that it pickles.
    """

    name: str
    learner: Callable[..., Any]
    applier: Callable[..., Floats]

    def learn(self, *args: Any, **kwargs: Any) -> Any:
        """What to remember of these rows."""
        bound(self.name, self.learner, args, kwargs)
        return self._named(self.learner, args, kwargs)

    def apply(self, state: Any, *args: Any, **kwargs: Any) -> Floats:
        """The columns for any rows."""
        columns: Floats = self._named(self.applier, (state, *args), kwargs)
        return columns

    def _named(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Say in errors which function of the formula they come from."""
        try:
            return function(*args, **kwargs)
        except UnseenLevels as error:
            raise UnseenLevels(f"{self.name}(): {error}", error.rows) from None
        except ValueError as error:
            raise DataError(f"{self.name}(): {error}") from error


def bound(
    name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments of a call by name, or an error that shows how the function is called."""
    signature = inspect.signature(function)
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        unknown = [k for k in kwargs if k not in signature.parameters]
        hint = nearest(unknown[0], signature.parameters) if unknown else ""
        raise FormulaError(f"{name}(): {error}.{hint} It is called as {name}{_plain(signature)}.") from error


def _plain(signature: inspect.Signature) -> str:
    """``(x, degree=1, raw=False)``: the signature without types."""
    empty = inspect.Signature.empty
    return str(inspect.Signature([p.replace(annotation=empty) for p in signature.parameters.values()]))


# patsy's smooths -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """What one of patsy's smooths learned; patsy's own objects refuse to be pickled."""

    kind: str
    fields: dict[str, Any]


def learn_cr(
    x: Any, df: Any = None, knots: Any = None, lower_bound: Any = None, upper_bound: Any = None, constraints: Any = None
) -> Smooth:
    """Natural cubic regression spline, as mgcv's."""
    return _learn_smooth("CR", column_of(x), df, knots, lower_bound, upper_bound, constraints)


def learn_cc(
    x: Any, df: Any = None, knots: Any = None, lower_bound: Any = None, upper_bound: Any = None, constraints: Any = None
) -> Smooth:
    """Cyclic cubic regression spline, as mgcv's."""
    return _learn_smooth("CC", column_of(x), df, knots, lower_bound, upper_bound, constraints)


def learn_te(*bases: Any, constraints: Any = None) -> Smooth:
    """Tensor product of bases, as mgcv's."""
    return _learn_smooth("TE", *map(numbers_of, bases), constraints=constraints)


def _learn_smooth(kind: str, *args: Any, **kwargs: Any) -> Smooth:
    smooth = _patsy_class(kind)()
    smooth.memorize_chunk(*args, **kwargs)
    smooth.memorize_finish()
    return Smooth(kind, dict(vars(smooth)))


def apply_smooth(state: Smooth, x: Any, *_: Any, **__: Any) -> Any:
    """The spline at any rows."""
    return _restored(state).transform(column_of(x))


def apply_te(state: Smooth, *bases: Any, **_: Any) -> Any:
    """The tensor product at any rows."""
    return _restored(state).transform(*map(numbers_of, bases))


def _restored(state: Smooth) -> Any:
    smooth = _patsy_class(state.kind)()
    vars(smooth).update(state.fields)
    return smooth


def _patsy_class(kind: str) -> Any:
    from patsy import mgcv_cubic_splines

    return getattr(mgcv_cubic_splines, kind)


# markers the design understands --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalSpec:
    """Values to be coded as a factor, by which contrasts and with which levels (None: to be decided)."""

    values: Any
    contrast: Any = None
    levels: Any = None


def C(values: Any, contrast: Any = None, levels: Any = None) -> CategoricalSpec:
    """Mark values as a factor; an outer ``C`` adds to an inner one."""
    inner = values if isinstance(values, CategoricalSpec) else CategoricalSpec(values)
    return CategoricalSpec(
        inner.values,
        inner.contrast if contrast is None else contrast,
        inner.levels if levels is None else levels,
    )


def I(x: Any) -> Any:  # noqa: E743
    """Shield arithmetic from the formula language: ``I(x + z)`` is one term."""
    return x


def Q(name: str) -> Any:
    """Quote a column name; resolved while the formula is read, so a call means that ``name`` was not a plain text."""
    raise FormulaError(f'Q() quotes the name of one column, as in Q("my column"); it was given {name!r}.')


FUNCTIONS: dict[str, Callable[..., Any] | Stateful] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "I": I,
    "Q": Q,
    "C": C,
    "Treatment": Treatment,
    "Sum": Sum,
    "Poly": Poly,
    "Helmert": Helmert,
    "Diff": Diff,
    "bs": Stateful("bs", learn_bs, apply_bs),
    "ns": Stateful("ns", learn_ns, apply_ns),
    "cr": Stateful("cr", learn_cr, apply_smooth),
    "cc": Stateful("cc", learn_cc, apply_smooth),
    "te": Stateful("te", learn_te, apply_te),
    "center": Stateful("center", learn_center, apply_scaling),
    "scale": Stateful("scale", learn_standardize, apply_scaling),
    "standardize": Stateful("standardize", learn_standardize, apply_scaling),
    "poly": Stateful("poly", learn_poly, apply_poly),
    "raised_cosine": Stateful("raised_cosine", learn_raised_cosine, apply_raised_cosine),
    **SEQUENTIAL,
}
