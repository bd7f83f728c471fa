"""Which functions of a formula look at one row at a time: those can be computed piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np

from glminfer.data.expressions import Expression
from glminfer.data.scope import Scope
from glminfer.data.transforms import FUNCTIONS, Stateful

_ROWWISE = {np.where, np.clip, np.round, np.around, np.nan_to_num, np.isin, np.digitize, np.interp, np.sinc}
_OURS = [function for function in FUNCTIONS.values() if not isinstance(function, Stateful)]


def is_rowwise(found: Expression, scope: Scope) -> bool:
    """Whether every function an expression calls is known to look at one row at a time; one of the user's may not."""
    return all(_one_row(function) for function in _called(found, scope))


def is_stateful(found: Expression, scope: Scope) -> bool:
    """Whether every other function it calls learns from all rows, and then looks at one row at a time."""
    return all(_one_row(function) or isinstance(function, Stateful) for function in _called(found, scope))


def _called(found: Expression, scope: Scope) -> list[Any]:
    return [scope.function(path, found.text) for _, path in found.calls]


def _one_row(function: Any) -> bool:
    if isinstance(function, np.ufunc):
        return True
    return any(function is known for known in (*_OURS, *_ROWWISE))
