"""Many outcomes over the same rows, each coded as a single one would be; missing ones are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.columns import missing, pick
from glminfer.data.many_columns import ManyColumns
from glminfer.data.response import code_response, read_response
from glminfer.data.values import shown
from glminfer.errors import ResponseError, counted

MISSING = -1  # stands for a missing outcome of one trial


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Coded outcomes of m models.

    Attributes
    ----------
    names : tuple of str
    values : (n, m)
        Over the used rows: 0, 1 and -1 (missing) as small integers; or proportions with NaN where missing.
    """

    names: tuple[str, ...]
    values: NDArray[Any]

    def take(self, which: NDArray[np.intp] | slice) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Outcomes (n, k) of some models as floats, 0 where missing, and which are known (None if all are)."""
        few = self.values[:, span(which)]
        known = few >= 0  # NaN is not
        part = few.astype(np.float64, order="C")  # sums over rows are then taken row by row
        if known.all():
            return part, None
        return np.where(known, part, 0.0), np.ascontiguousarray(known)


def span(which: NDArray[np.intp] | slice) -> NDArray[np.intp] | slice:
    """Consecutive models as a slice, which is read without gathering; others as they are."""
    if isinstance(which, slice) or not len(which) or (np.diff(which) != 1).any():
        return which
    return slice(int(which[0]), int(which[-1]) + 1)


def coded(given: ManyColumns, used: NDArray[np.intp], trials: NDArray[np.float64] | None, event: Any) -> Outcomes:
    """Code every column on the used rows.

    Raises
    ------
    ResponseError
        If a column is no outcome: not 0/1, bool, or two labels; or, with trials, no proportion.
    """
    block = given.block()
    if block is not None and trials is None and event is None:
        return Outcomes(given.names, _coded_block(given, block[used]))
    columns = [_coded_column(given, k, used, trials, event) for k in range(len(given.names))]
    return Outcomes(given.names, np.column_stack(columns))


def _coded_block(given: ManyColumns, block: NDArray[Any]) -> NDArray[np.int8]:
    if block.dtype.kind == "b":
        return block.astype(np.int8)
    gone = np.isnan(block) if block.dtype.kind == "f" else np.zeros(1, dtype=bool)
    wrong = ~((block == 0) | (block == 1) | gone).all(axis=0)
    if wrong.any():
        raise _not_binary(given.names, wrong, block)
    return np.where(gone, MISSING, block).astype(np.int8)


def _not_binary(names: tuple[str, ...], wrong: NDArray[np.bool_], block: NDArray[Any]) -> ResponseError:
    k = int(np.argmax(wrong))
    found = np.unique(block[:, k]).tolist()
    others = int(wrong.sum()) - 1
    more = f" (and so have {counted(others, 'other outcome')})" if others else ""
    start = f"{names[k]} takes {counted(len(found), 'value')} ({shown(found)}), not 0 and 1{more}"
    if min(found) >= 0 and max(found) <= 1:
        return ResponseError(f"{start}. Proportions need their number of trials: give trials=.")
    return ResponseError(f"{start}. Say which values are the event, such as outcomes=counts > 0.")


def _coded_column(
    given: ManyColumns, k: int, used: NDArray[np.intp], trials: NDArray[np.float64] | None, event: Any
) -> NDArray[Any]:
    name, column = given.names[k], pick(given.column(k), used)
    known = ~missing(column)
    out = np.full(len(used), MISSING, dtype=np.int8 if trials is None else np.float64)
    if known.any():
        inside = pick(column, np.flatnonzero(known))
        counts = None if trials is None else trials[known]
        spec = read_response(name, [(name, inside)], trials=counts, event=event)[0]
        out[known] = code_response(spec, [(name, inside)], counts)[0]
    return out
