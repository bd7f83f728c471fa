"""Rows put into sessions and into their order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_rows import some

import glminfer as gi
from glminfer.data.sessions import sessions


@some
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5))
def test_rows_come_session_by_session_and_in_order(seed: int, n: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"s": rng.choice(list("abcde")[:count], n), "t": rng.permutation(n)})
    rows = np.sort(rng.permutation(n)[: rng.integers(1, n + 1)])
    found = sessions(frame, rows, order="t", by="s")
    assert sorted(found.rows) == list(range(len(rows)))
    assert found.lengths.sum() == len(rows)
    for code, (a, b) in enumerate(zip(found.starts[:-1], found.starts[1:], strict=True)):
        own = frame.iloc[rows[found.rows[a:b]]]
        assert set(own.s) == {found.labels[code]}
        assert own.t.is_monotonic_increasing
    assert (found.codes == [found.labels.index(s) for s in frame.s.iloc[rows]]).all()


def test_several_columns_are_crossed_and_values_need_no_column() -> None:
    frame = pd.DataFrame({"mouse": list("aabb"), "day": [1, 2, 1, 1]})
    found = sessions(frame, np.arange(4), by=["mouse", "day"])
    assert (found.name, found.labels) == ("mouse × day", (("a", 1), ("a", 2), ("b", 1)))
    assert found.codes.tolist() == [0, 1, 2, 2]
    values = sessions(frame, np.arange(4), by=frame.mouse + frame.day.astype(str))
    assert values.codes.tolist() == [0, 1, 2, 2]
    everything = sessions(frame, np.arange(4))
    assert (everything.name, everything.count, everything.rows.tolist()) == ("", 1, [0, 1, 2, 3])


def test_without_an_order_rows_keep_that_of_the_frame() -> None:
    frame = pd.DataFrame({"s": list("baab")})
    assert sessions(frame, np.arange(4), by="s").rows.tolist() == [0, 3, 1, 2]


def test_what_cannot_be_ordered_is_said() -> None:
    frame = pd.DataFrame({"s": ["a", "b", None], "t": [1, 1, 2], "name": list("xyz")})
    with pytest.raises(gi.DataError, match=r"by: s is missing in 1 of the 3 rows used.*subset=data"):
        sessions(frame, np.arange(3), by="s")
    assert sessions(frame, np.arange(2), by="s").count == 2
    with pytest.raises(gi.DataError, match=r"order: t is 1 in more than one row of the data.*by= says which rows"):
        sessions(frame, np.arange(3), order="t")
    assert sessions(frame, np.arange(2), order="t", by="s").count == 2
    with pytest.raises(gi.DataError, match=r"t is 1 in more than one row of all = 'k'.*more columns in by="):
        sessions(frame.assign(all="k"), np.arange(3), order="t", by="all")
    with pytest.raises(gi.DataError, match=r"name is a column of labels .* needs numbers that grow"):
        sessions(frame, np.arange(3), order="name")
    with pytest.raises(gi.FormulaError, match=r"no column 'sesion'.*A column added since the fit"):
        sessions(frame.rename(columns={"s": "session"}), np.arange(3), by="sesion")
