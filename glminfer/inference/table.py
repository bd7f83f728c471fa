"""Tables of tests that say what they are when printed; in every other way they are pandas DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from glminfer.inference.numbers import p_text
from glminfer.numerics.blocks import Array

_WIDTH = 110


class Table(pd.DataFrame):
    """A DataFrame with a heading: hypotheses, method and reference distribution, printed above the rows.

    Anything computed from it is a plain DataFrame. p-values print as ``<2e-16`` when they are smaller than that; the
    numbers themselves are kept in full. ``distribution`` holds the statistics of all arrangements of a permutation
    test, the observed one first.
    """

    _metadata = ["heading", "distribution"]  # noqa: RUF012 - pandas' own protocol

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        text = _shown(self).to_string(index=False, line_width=_WIDTH, **_fitting(self))
        return "\n".join([*getattr(self, "heading", ()), text])

    def _repr_html_(self) -> str:
        heading = "<br>".join(escape(line) for line in getattr(self, "heading", ()))
        return f"<div><p>{heading}</p>{_shown(self).to_html(index=False, border=0, **_fitting(self))}</div>"


def headed(table: pd.DataFrame, heading: Sequence[str], distribution: Array | None = None) -> Table:
    """The table with heading lines, and the distribution its p-values come from."""
    out = Table(table)
    object.__setattr__(out, "heading", tuple(heading))
    object.__setattr__(out, "distribution", distribution)
    return out


def _fitting(table: pd.DataFrame) -> dict[str, Any]:
    """As many rows as pandas shows of a frame: all of a short one, the first and the last of a long one."""
    most = pd.get_option("display.max_rows")
    long = most is not None and len(table) > most
    return {"max_rows": pd.get_option("display.min_rows") if long else None}


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: [_cell(name, value) for value in table[name]] for name in table.columns})


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float | np.floating):
        return str(value)
    if np.isnan(value):
        return ""
    if column.startswith("p_"):
        return p_text(float(value))
    if column in ("df", "df_denom", "df_resid"):
        return f"{value:g}"
    number = float(value)
    return f"{number:,.4f}" if 1e-3 <= abs(number) < 1e8 or number == 0 else f"{number:.4g}"
