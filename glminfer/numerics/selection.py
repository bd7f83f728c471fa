"""How working coefficients make those of the columns where p is large: each its own, but for a few combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Array
from glminfer.numerics.room import refuse_without_room


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """T (p, r): working column k is column ``places[k]``, or for a few of them a combination of columns (18).

    Attributes
    ----------
    height : int
        p.
    places : (r,)
        In increasing order.
    mixed : (k,)
        The working columns that are combinations.
    combinations : (p, k)
        What they are made of.
    """

    height: int
    places: NDArray[np.intp]
    mixed: NDArray[np.intp]
    combinations: Array

    __array_priority__ = 1000  # arrays leave the product to __rmatmul__

    @property
    def shape(self) -> tuple[int, int]:
        """As of the array it stands for."""
        return self.height, len(self.places)

    @property
    def ndim(self) -> int:
        """As of the array it stands for."""
        return 2

    @property
    def identity(self) -> bool:
        """Whether every column is a working column."""
        return len(self.places) == self.height and not len(self.mixed)

    def __len__(self) -> int:
        return self.height

    @property
    def T(self) -> Turned:
        """The transposed matrix."""
        return Turned(self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del copy
        refuse_without_room(self.shape, f"{self.height:,} × {len(self.places):,} numbers")
        out = np.zeros(self.shape, dtype=dtype)
        out[self.places, np.arange(len(self.places))] = 1.0
        out[:, self.mixed] = self.combinations
        return out

    def __getitem__(self, rows: Any) -> Array:
        """Some rows."""
        at = np.atleast_1d(np.arange(self.height)[rows])
        out = (at[:, None] == self.places).astype(float)
        out[:, self.mixed] = self.combinations[at]
        return np.asarray(out[0] if np.ndim(np.arange(self.height)[rows]) == 0 else out)

    def __matmul__(self, working: Any) -> Any:
        """T times (r,) or (r, k), or another selection."""
        if isinstance(working, Selection):
            return self._after(working)
        working = np.asarray(working, dtype=float)
        out = np.zeros((self.height, *working.shape[1:]))
        out[self.places] = working
        if len(self.mixed):
            out[self.places[self.mixed]] = 0.0
            out += self.combinations @ working[self.mixed]
        return out

    def __rmatmul__(self, L: Array) -> Array:
        """L T for (q, p)."""
        L = np.asarray(L, dtype=float)
        out = L[..., self.places]
        if len(self.mixed):
            out[..., self.mixed] = L @ self.combinations
        return np.asarray(out)

    def _after(self, inner: Selection) -> Selection:
        """The product with another selection."""
        whole = self @ inner.combinations
        before = np.flatnonzero(np.isin(inner.places, self.mixed) & ~np.isin(np.arange(len(inner.places)), inner.mixed))
        at = np.searchsorted(self.mixed, inner.places[before])
        mixed = np.concatenate([inner.mixed, before])
        order = np.argsort(mixed, kind="stable")
        joined = np.column_stack([whole, self.combinations[:, at]])
        return Selection(self.height, self.places[inner.places], mixed[order], joined[:, order])


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """The transposed matrix of a selection."""

    of: Selection

    __array_priority__ = 1000

    @property
    def T(self) -> Selection:
        """The selection itself."""
        return self.of

    @property
    def shape(self) -> tuple[int, int]:
        """As of the array it stands for."""
        return len(self.of.places), self.of.height

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """All numbers."""
        del copy
        return np.asarray(self.of, dtype=dtype).T

    def __matmul__(self, columns: Array) -> Array:
        """T' times (p,) or (p, k)."""
        return np.asarray((np.asarray(columns).T @ self.of).T)

    def __rmatmul__(self, L: Array) -> Array:
        """L T' for (q, r)."""
        return np.asarray((self.of @ np.asarray(L).T).T)


def places_only(height: int, places: NDArray[np.intp]) -> Selection:
    """A selection without combinations."""
    return Selection(height, places, np.zeros(0, dtype=np.intp), np.zeros((height, 0)))
