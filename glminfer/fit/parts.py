"""Parts of the rows of a path: which rows belong together, and which columns a lasso selects on each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glminfer.data.progress import progress
from glminfer.data.sessions import sessions
from glminfer.data.values import whole_number
from glminfer.errors import DataError, InputError, counted
from glminfer.fit.path_records import PathRecord
from glminfer.numerics.blocks import Array
from glminfer.numerics.entering import Codes, Mask, entering
from glminfer.numerics.threads import one_blas_thread, one_by_one

_FEWEST = 4  # units that can be halved


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn: rows, or groups of rows that stay together.

    Attributes
    ----------
    codes : (n,)
        The unit of each row of positive weight; -1 for the others.
    count : int
    told : str
        ``276 rows``; ``12 groups of session``.
    """

    codes: Codes
    count: int
    told: str

    def weighing(self, taken: Mask, weights: Array) -> Array:
        """The weights with zero on rows whose unit is not taken, (n,)."""
        return np.where((self.codes >= 0) & taken[self.codes], weights, 0.0)


def units(path: PathRecord, by: Any) -> Units:
    """The rows of positive weight, or the groups they belong to.

    Raises
    ------
    DataError
        If there are too few to be halved.
    """
    rows, sample = path.with_rows()
    used = rows.weights > 0
    codes, count, told = np.full(len(used), -1, dtype=np.intp), int(used.sum()), counted(int(used.sum()), "row")
    if by is None:
        codes[used] = np.arange(count)
    else:
        groups = sessions(path.call["data"], sample.used, by=by)
        found, codes[used] = np.unique(groups.codes[used], return_inverse=True)
        count, told = len(found), f"{counted(len(found), 'group')} of {groups.name}"
    if count < _FEWEST:
        raise DataError(f"{told}: too few to be cut into halves again and again. Leave by= out, or use more data.")
    return Units(codes, count, told)


def checked_seed(seed: Any) -> np.random.Generator:
    """The generator of a seed."""
    return np.random.default_rng(whole_number("seed", seed, 0))


def refuse_ridge(path: PathRecord, what: str) -> None:
    """A ridge selects nothing."""
    if path.mixture.l1_ratio == 0:
        raise InputError(
            f"{what} asks which columns are selected, and a ridge (l1_ratio=0) keeps all of them; fit the path with "
            "l1_ratio=1."
        )


def selected(path: PathRecord, parts: Mask, drawn: Units, most: int, what: str) -> Array:
    """For each part of the units (m, units) the λ at which each of the first ``most`` columns enters, (m, p)."""
    rows = path.with_rows()[0]

    def one(taken: Mask) -> Array:
        weights = drawn.weighing(taken, rows.weights)
        return entering(rows.X, rows.y, weights, rows.offset, path.mixture, most)

    with one_blas_thread():
        return np.array(list(progress(one_by_one(one, list(parts)), len(parts), what)))
