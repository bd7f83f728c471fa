"""Tables that are read piece by piece, because they do not fit in memory or lie elsewhere: what an engine offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.numerics.blocks import Block

if TYPE_CHECKING:
    import pandas as pd

    from glminfer.data.frames import Columns
    from glminfer.data.rows import Rows

Floats = NDArray[np.float64]


class InPieces(Protocol):
    """A table as the user gives it: nothing of it has been read but what it holds."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    def pieces(self, wanted: Iterable[str], labels: Iterable[str]) -> Pieces:
        """Some columns, read once; those in ``labels`` only tell rows apart."""

    def chunks(self, wanted: Iterable[str], labels: Iterable[str]) -> Iterator[Columns]:
        """The same one piece after the other, kept nowhere; a piece knows its own levels only."""

    def to_pandas(self) -> pd.DataFrame:
        """All of it in memory."""


def in_pieces(data: Any) -> InPieces | None:
    """The data as a table in pieces, or None if they are a frame in memory."""
    kind = type(data)
    if kind.__module__.partition(".")[0] == "dask" and hasattr(data, "columns"):
        from glminfer.data.rows_dask import DaskTable

        return DaskTable(data)
    # its class is asked: whether an object has rows is answered by counting them
    return cast(InPieces, data) if hasattr(kind, "chunks") and hasattr(kind, "pieces") else None


class Pieces(Protocol):
    """Columns of a table in pieces whose levels are those of the whole table."""

    @property
    def read_again(self) -> bool:
        """Whether they are read whenever they are asked for."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a fit notes of where its columns come from."""

    @property
    def stops(self) -> Sequence[int]:
        """Where each piece ends among all rows."""

    def whole(self, names: Iterable[str]) -> Columns:
        """Some columns over all rows."""

    def map(self, function: Callable[..., Any], each: Sequence[Any], *shared: Any) -> Iterator[Any]:
        """``function(columns, each[k], *shared)`` of every piece k, in their order."""

    def hold(self, function: Callable[..., Filled], each: Sequence[Any], *shared: Any) -> Held:
        """Rows of numbers from ``function``, kept where the engine keeps them."""

    def kept(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """One array of parts for every piece."""


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """One piece as numbers.

    Attributes
    ----------
    block : Block
    trials : (n,) or None
    told : object
        What sums over all pieces are asked of beside; has ``+``.
    """

    block: Block
    trials: Floats | None
    told: Any


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """All pieces as numbers: the sum of what each told."""

    rows: Rows
    trials: Floats | None
    told: Any
