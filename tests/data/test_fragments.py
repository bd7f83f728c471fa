"""Rows in several places: blocks are those of rows in one place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glminfer.data import fragments
from glminfer.data.fragments import Fragments
from glminfer.numerics.blocks import Block

few = settings(max_examples=60, deadline=None, derandomize=True)


def block(n: int, groups: bool) -> Block:
    X = np.arange(3.0 * n).reshape(n, 3)
    return Block(X, X[:, :1] + 1, X[:, 1:2] + 2, X[:, 2:] + 3, np.arange(n) if groups else None)


def starts(part: Block) -> float:
    """The first row of a block, seen from its numbers."""
    return part.X[0, 0] / 3


@few
@given(st.integers(1, 90), st.integers(1, 20), st.lists(st.integers(0, 90), max_size=6), st.booleans())
def test_any_parts_make_whole_blocks(n: int, size: int, cuts: list[int], groups: bool) -> None:
    whole = block(n, groups)
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    parts = [Fragments((whole.rows(slice(a, b)),)) for a, b in pairwise(edges)]
    places = fragments.nearest_cuts(edges, size)
    assert all(place % size == 0 for place in places[:-1])
    for a, b in pairwise(places):
        here = [fragments.between(p, max(a - e, 0), max(b - e, 0)) for p, e in zip(parts, edges, strict=False)]
        made = fragments.assembled(here, size)
        assert all(starts(part) % size == 0 for part in made.parts)
        together = fragments.together(made.parts)
        for name in ("X", "y", "weights", "offset", *(["groups"] if groups else [])):
            np.testing.assert_array_equal(getattr(together, name), getattr(whole, name)[a:b])


def test_only_a_block_whose_rows_were_apart_is_copied() -> None:
    whole = block(100, groups=False)
    parts = [Fragments((whole.rows(slice(0, 33)),)), Fragments((whole.rows(slice(33, 100)),))]
    made = fragments.assembled(parts, 10)
    shared = [np.shares_memory(part.X, whole.X) for part in made.parts]
    assert [part.n for part in made.parts] == [30, 10, 60]
    assert shared == [True, False, True]


def test_thinned_rows_are_those_of_all_rows() -> None:
    whole = block(50, groups=False)
    parts = Fragments((whole.rows(slice(13, 20)), whole.rows(slice(20, 50))))
    np.testing.assert_array_equal(fragments.thinned(parts, 7, 13).X, whole.X[14::7])
