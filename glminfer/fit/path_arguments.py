"""The arguments of a path: its penalties, how they are spaced, and the penalty factors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from glminfer.data.values import whole_number
from glminfer.errors import InputError, counted, nearest
from glminfer.numerics.blocks import Array

N_LAMBDAS = 100


@dataclass(frozen=True, slots=True)
class Spacing:
    """The λ of a path: given ones, or a sequence of so many down to a part of the largest.

    Attributes
    ----------
    lambdas : (L,) or None
    Cs : (L,) or None
        In scikit-learn's units instead.
    n_lambdas : int
    lambda_min_ratio : float or None
        None is 1e-4 where there are more rows than columns, else 1e-2.
    stop_early : bool
        Whether a sequence ends where the deviance hardly falls any more.
    """

    lambdas: Array | None
    Cs: Array | None
    n_lambdas: int
    lambda_min_ratio: float | None
    stop_early: bool


def spacing(
    lambdas: Any = None,
    Cs: Any = None,
    n_lambdas: int = N_LAMBDAS,
    lambda_min_ratio: float | None = None,
    stop_early: bool = False,
) -> Spacing:
    """Check how the λ of a path are asked for."""
    if lambdas is not None and Cs is not None:
        raise InputError("lambdas= and Cs= are two ways to say the same; give one of them.")
    given = "lambdas" if lambdas is not None else "Cs" if Cs is not None else ""
    spoiled = [n_lambdas != N_LAMBDAS, lambda_min_ratio is not None, stop_early]
    names = ("n_lambdas", "lambda_min_ratio", "stop_early")
    for name, set_too in zip(names, spoiled, strict=True):
        if given and set_too:
            raise InputError(f"{name}= shapes the default sequence; with {given}= every value given is fitted.")
    if lambda_min_ratio is not None and not (isinstance(lambda_min_ratio, Real) and 0 < lambda_min_ratio < 1):
        raise InputError(f"lambda_min_ratio={lambda_min_ratio!r} must lie between 0 and 1.")
    return Spacing(
        None if lambdas is None else _penalties(lambdas, "lambdas", least_is_allowed=True),
        None if Cs is None else _penalties(Cs, "Cs", least_is_allowed=False),
        whole_number("n_lambdas", n_lambdas, 1),
        lambda_min_ratio,
        stop_early,
    )


def _penalties(values: Any, what: str, least_is_allowed: bool) -> Array:
    """A sequence of penalties: finite numbers, 0 or more (λ) or more than 0 (C)."""
    try:
        array = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError):
        raise InputError(f"{what}={values!r} must be numbers.") from None
    if array.ndim != 1 or not array.size:
        raise InputError(f"{what}= must be a sequence of at least one number; its shape is {array.shape}.")
    wrong = ~np.isfinite(array) | (array < 0) | ((array == 0) & (not least_is_allowed))
    if wrong.any():
        least = "0 or more" if least_is_allowed else "more than 0"
        raise InputError(f"{what}= holds {array[wrong][0]:g}; every penalty must be a finite number, {least}.")
    return array


def checked_ratio(l1_ratio: Any) -> float:
    """l1_ratio as a number from 0 to 1."""
    if not (isinstance(l1_ratio, Real) and not isinstance(l1_ratio, bool) and 0 <= float(l1_ratio) <= 1):
        raise InputError(f"l1_ratio={l1_ratio!r} must be a number from 0 (ridge) to 1 (lasso).")
    return float(l1_ratio)


def factors(penalty_factor: Any, names: tuple[str, ...]) -> Array:
    """Penalty factors of the columns, as given: 1 where none is."""
    if penalty_factor is None:
        return np.ones(len(names))
    if isinstance(penalty_factor, Mapping):
        made = _by_name(penalty_factor, names)
    else:
        made = np.asarray(penalty_factor, dtype=float)
        if made.shape != (len(names),):
            verb = "is" if len(names) == 1 else "are"
            raise InputError(
                f"penalty_factor= has shape {made.shape} and there {verb} {counted(len(names), 'penalised column')}; "
                "give one factor for each, or a dict by column name (1 for the others)."
            )
    wrong = ~np.isfinite(made) | (made < 0)
    if wrong.any():
        j = int(np.argmax(wrong))
        raise InputError(
            f"penalty_factor= is {made[j]:g} for {names[j]!r}; a factor is a finite number, 0 (no penalty) or more. "
            "To leave a column out, leave it out of the formula."
        )
    if not made.any():
        raise InputError("penalty_factor= is 0 for every column, so there is no penalty; that is gi.logit.")
    return made


def _by_name(factor: Mapping[Any, Any], names: tuple[str, ...]) -> Array:
    place = {name: j for j, name in enumerate(names)}
    made = np.ones(len(names))
    for name, value in factor.items():
        if name not in place:
            shown = ", ".join(names[:12]) + (f", … ({len(names):,} in all)" if len(names) > 12 else "")
            raise InputError(
                f"penalty_factor= names {name!r}, which is not a penalised column.{nearest(str(name), names)} "
                f"The columns are {shown}."
            )
        if not isinstance(value, Real):
            raise InputError(f"penalty_factor= is {value!r} for {name!r}; a factor is a number, 0 or more.")
        made[place[name]] = float(value)
    return made


def checked_lambda(lambda_: Any) -> float:
    """One penalty: a finite number, 0 or more."""
    if not isinstance(lambda_, Real) or isinstance(lambda_, bool) or not 0 <= float(lambda_) < np.inf:
        raise InputError(f"lambda_={lambda_!r} must be one finite number, 0 or more, such as path.lambdas[10].")
    return float(lambda_)
