"""Dictionaries of columns: arrays, lists, scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import DataError


def column_values(value: Any, n: int) -> Any:
    """One entry as stored values of length ``n``; a scalar fills every row."""
    if isinstance(value, pd.Series | pd.Categorical | pd.api.extensions.ExtensionArray):
        return value
    if _is_scalar(value):
        return pd.Series([value] * n) if isinstance(value, str) or value is None else np.full(n, value)
    if isinstance(value, np.ndarray):
        return value
    return _listed_values(value)


def _listed_values(value: Any) -> Any:
    """A list as an array; pandas decides where numbers and None are mixed."""
    if hasattr(value, "to_numpy"):  # a series of another library
        return value.to_numpy()
    values = list(value)
    return (
        pd.Series(values, dtype=object) if any(v is None or isinstance(v, str) for v in values) else np.asarray(values)
    )


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | bytes) or (np.ndim(value) == 0 and not hasattr(value, "__len__"))


def dict_length(frame: Mapping[Any, Any]) -> int:
    """Number of rows; 1 when all entries are scalars."""
    lengths = {str(key): len(value) for key, value in frame.items() if not _is_scalar(value)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {n:,}" for name, n in lengths.items())
        raise DataError(f"The columns have different numbers of rows ({told}), so they are not one table.")
    return next(iter(lengths.values()), 1 if frame else 0)


def kept(given: Any) -> Any:
    """What is given as it is now: what becomes of an array or a dict of arrays later is not what was fitted."""
    if isinstance(given, np.ndarray | list | pd.api.extensions.ExtensionArray):
        return given.copy()
    if isinstance(given, pd.DataFrame | pd.Series):
        return given.copy(deep=False)
    return {name: kept(value) for name, value in given.items()} if type(given) is dict else given
