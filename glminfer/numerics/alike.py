"""Which kernels may see rows that are alike only once, and factors as codes.

Rows are alike when their columns and offsets are the same. A log-likelihood is linear in the weights and in the
weighted outcomes, so alike rows may stand together as one row that has the sum of their weights and the mean of their
outcomes, exactly; other kernels (squared scores, leverages) need each row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K", bound=Callable[..., Any])

_SUMS: set[Any] = set()
_VALUES: set[Any] = set()
_BLIND: set[Any] = set()
_CODES: set[Any] = set()


def sums_alike(kernel: K) -> K:
    """Mark a kernel whose sum is the same when alike rows stand together, their number in ``block.counts``."""
    _SUMS.add(kernel)
    return kernel


def same_for_alike(kernel: K) -> K:
    """Mark a kernel that gives alike rows the same value, whatever their outcomes and weights."""
    _VALUES.add(kernel)
    return kernel


def blind(kernel: K) -> K:
    """Mark a kernel that does not look at the columns."""
    _BLIND.add(kernel)
    return kernel


def takes_codes(kernel: K) -> K:
    """Mark a kernel to which the columns may come as a `Mixed` matrix: it only multiplies with them."""
    _CODES.add(kernel)
    return kernel


def may_see_codes(kernel: Any) -> bool:
    """Whether the columns may come as a `Mixed` matrix."""
    return kernel in _CODES


def may_sum_once(kernel: Any) -> bool:
    """Whether alike rows may stand together in a sum."""
    return kernel in _SUMS


def same_value(kernel: Any) -> bool:
    """Whether alike rows have the same value."""
    return kernel in _VALUES


def ignores_columns(kernel: Any) -> bool:
    """Whether only outcomes, weights and offsets are looked at."""
    return kernel in _BLIND
