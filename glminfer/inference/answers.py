"""Answers for every row of a table that is read piece by piece, put together or written to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from os import PathLike
from typing import Any

import pandas as pd

from glminfer.data.design import Design
from glminfer.data.later import chunks
from glminfer.data.pieces import in_pieces
from glminfer.data.rows_parquet import Parquet, write
from glminfer.errors import DataError

Answer = pd.Series | pd.DataFrame
_NULLABLE = {str: "string", bool: "boolean", int: "Int64", float: "Float64"}


def answered(
    design: Design, data: Any, ask: Callable[[Any], Answer], to: str | PathLike[str] | None
) -> Answer | Parquet:
    """``ask(data)``, piece by piece where the data come in pieces; written to a Parquet file when ``to`` names one."""
    table = in_pieces(data)
    if to is None and table is None:
        return ask(data)
    answers: Iterator[Any] = map(ask, iter([data]) if table is None else chunks(design, table))
    first = next(answers, None)
    if first is None:
        raise DataError("The data have no rows, so there is nothing to predict.")
    answers = chain([first], answers)
    if to is None:
        joined: Answer = pd.concat(list(answers), ignore_index=True)
        return joined
    return write(to, (_stored(answer, design) for answer in answers), data if isinstance(data, Parquet) else None)


def _stored(answer: Answer, design: Design) -> pd.DataFrame:
    """An answer as a table whose types do not depend on which values are missing in it."""
    if isinstance(answer, pd.DataFrame):
        return answer
    table = answer.to_frame()
    if answer.name != "predicted_class":
        return table
    labels = {type(level) for level in design.response.levels or (0, 1)}
    kind: Any = _NULLABLE.get(labels.pop() if len(labels) == 1 else str, "string")
    return table.astype(kind)
