"""Sums in pairs of pairs: the same bits whoever adds up what."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glminfer.data.pairs import added, partial_sum

few = settings(max_examples=60, deadline=None, derandomize=True)


def by_definition(values: list[float]) -> float:
    """(106): halves at the largest power of two below the number of values."""
    if len(values) == 1:
        return values[0]
    half = 1 << (len(values) - 1).bit_length() - 1
    return by_definition(values[:half]) + by_definition(values[half:])


def drawn(seed: int, n: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(n) * 10.0 ** rng.integers(-8, 8, n)).tolist()


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_the_sum_is_the_one_defined(seed: int, n: int) -> None:
    values = drawn(seed, n)
    assert added(values) == by_definition(values)
    np.testing.assert_allclose(added(values), math.fsum(values), rtol=0, atol=1e-15 * sum(map(abs, values)))


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_any_cut_gives_the_same_bits(seed: int, n: int, cuts: list[int], backwards: bool) -> None:
    values = drawn(seed, n)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    parts = [partial_sum(values[a:b], a) for a, b in pairwise(edges)]
    while backwards and len(parts) > 1:  # neighbours, the last ones first
        parts[-2:] = [parts[-2] + parts[-1]]
    assert reduce(add, parts).total == added(values)
    assert all(len(part.nodes) <= 2 * math.ceil(math.log2(n + 1)) for part in parts)


def test_few_sums_are_kept() -> None:
    """Of a thousand values in turn no more than ten sums wait for their partner."""
    assert len(partial_sum(iter(range(1023)), 0).nodes) == 10
    assert len(partial_sum(iter(range(1024)), 0).nodes) == 1
