"""Dense columns in the place of codes, where codes cannot tell the columns of a level apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from glminfer.data.design import Sample
from glminfer.data.rows import Rows
from glminfer.data.rows_coded import CodedRows
from glminfer.numerics.blocks import Array, Block
from glminfer.numerics.rank_coded import NearlyDependentError

T = TypeVar("T")


def coded_or_in_full(sample: Sample, ask: Callable[[Sample], T]) -> T:
    """The answer of a sample; with dense columns where those of a level are too nearly dependent for codes."""
    try:
        return ask(sample)
    except NearlyDependentError:
        return ask(replace(sample, rows=_in_full(sample.rows)))


def _in_full(rows: Rows) -> Rows:
    """The rows with dense columns, where they are, if there is room for them."""
    return rows.in_full() if isinstance(rows, CodedRows) else rows.with_columns(_columns)


def _columns(block: Block) -> Array:
    """The columns of a block, which are numbers, as no mark says that codes would do."""
    return block.X
