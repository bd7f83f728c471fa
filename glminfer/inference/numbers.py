"""Numbers as text: significant digits that line up in a column, p-values that are never 0.000."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

SMALLEST_P = 2.2e-16
_DIGITS = 4
_MOST_DECIMALS = 8  # beyond these two a number is printed with an exponent
_LARGEST = 1e8


def p_text(p: float) -> str:
    """A p-value: ``<2e-16`` below the smallest, three significant digits otherwise; empty when there is none."""
    if np.isnan(p):
        return ""
    if p < SMALLEST_P:
        return "<2e-16"
    return f"{p:.3f}" if p >= 0.0995 else f"{p:.2g}" if p < 1e-3 else f"{p:.4f}"


def p_equation(p: float) -> str:
    """``p = 0.012`` or ``p < 2e-16``."""
    return f"p < {p_text(p)[1:]}" if p < SMALLEST_P else f"p = {p_text(p)}"


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; empty for NaN."""
    return "" if np.isnan(value) else f"{value:,.{decimals}f}"


def aligned(rows: Iterable[tuple[float, ...]], scales: Iterable[float]) -> list[tuple[str, ...]]:
    """Numbers of each row with the decimals that give its scale (its standard error) four significant digits."""
    return [tuple(_number(v, scale) for v in row) for row, scale in zip(rows, scales, strict=True)]


def _number(value: float, scale: float) -> str:
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    unit = scale if np.isfinite(scale) and scale > 0 else abs(value) or 1.0
    decimals = max(_DIGITS - 1 - int(np.floor(np.log10(unit))), 0)
    if decimals > _MOST_DECIMALS or abs(value) >= _LARGEST:
        return f"{value:.{_DIGITS - 1}e}"
    return f"{value:,.{decimals}f}"
