"""Dense columns in the place of codes, where codes cannot tell the columns of a level apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from glminfer.data.design import Sample
from glminfer.data.rows_coded import CodedRows
from glminfer.numerics.rank_coded import NearlyDependentError

T = TypeVar("T")


def coded_or_in_full(sample: Sample, ask: Callable[[Sample], T]) -> T:
    """The answer of a sample; with dense columns where those of a level are too nearly dependent for codes."""
    try:
        return ask(sample)
    except NearlyDependentError:
        return ask(replace(sample, rows=cast(CodedRows, sample.rows).in_full()))
