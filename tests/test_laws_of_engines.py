"""The laws of test_invariance and test_invariance_tests on every engine, whatever the cut.

Beside the law, each fit must be the one of the same rows in memory, held in one block. ``GLMINFER_DRAWS=20 pytest
tests/test_laws_of_engines.py`` draws nineteen more data sets and cuts.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import test_invariance
import test_invariance_tests
from engines import agree, small_blocks
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from random_rows import numbers

import glminfer as gi
from glminfer.data.rows_dask import DaskRows

LAWS = [
    *(test_invariance, "weight_two_is_the_row_twice weight_zero_is_absence equal_weights swapping_the_event"),
    *(test_invariance, "scaling_a_column_scales_its_coefficient_and_nothing_else grouped_and_expanded_rows"),
    *(test_invariance, "a_constant_in_the_offset_moves_only_the_intercept another_basis_of_the_same_columns"),
    *(test_invariance_tests, "a_new_reference_level a_new_reference_level_and_joint_wald_tests row_order"),
    *(test_invariance_tests, "type_iii_does_not_depend_on_the_coding the_order_of_factors_and_terms"),
    *(test_invariance_tests, "rows_written_twice_are_rows_of_weight_two rows_of_no_weight_are_not_there"),
    *(test_invariance_tests, "units_and_origin_of_a_column degrees_of_freedom_count_estimable_columns"),
    *(test_invariance_tests, "statistics_are_not_negative_and_add_up swapping_the_event_turns_intervals_around"),
    *(test_invariance_tests, "ends_have_the_right_deviance_and_contain_the_estimate"),
]
CASES = [(module, law) for module, laws in zip(LAWS[::2], LAWS[1::2], strict=True) for law in laws.split()]


DRAWS = int(os.environ.get("GLMINFER_DRAWS", "1")) - 1  # beside an example: what is drawn first is hardly cut at all
ENGINES = ("blocks", "parquet", "threads", "processes")
CHEAP = ("blocks", "parquet")  # have a second example by default
PAIRS = [pytest.param(engine, *case, id=f"{case[1]}-{engine}") for case in CASES for engine in ENGINES]


class Front:
    """The package, whose fits hold their rows in another way."""

    def __init__(self, hold: Callable[..., Any]) -> None:
        self.hold = hold
        self.cuts: list[int] = []
        self.halves = False  # one cut in the middle, twice: a question takes longer the more places there are
        self.piece = 1 << 15

    def __getattr__(self, name: str) -> Any:
        found = getattr(gi, name)
        if name not in ("glm", "logit"):
            return found
        return lambda formula, data, **options: self._fit(found, formula, pd.DataFrame(data), options)

    def _fit(self, fit: Callable[..., gi.Fit], formula: str, frame: pd.DataFrame, options: dict[str, Any]) -> gi.Fit:
        found = fit(formula, self._held(frame), **options)
        with pytest.MonkeyPatch.context() as patch:
            small_blocks(patch, 512)
            expected = fit(formula, frame, **options)
        agree(found, expected)
        if self.halves:
            rows = found.with_rows()[0]
            assert isinstance(rows, DaskRows)
            assert len(rows.parts) == 2
        return found

    def _held(self, frame: pd.DataFrame) -> Any:
        cuts = 2 * [len(frame) // 2] if self.halves else [min(cut, len(frame)) for cut in self.cuts]
        return self.hold(frame, cuts, self.piece)


seeds, cuts = st.integers(0, 2**32 - 1), st.lists(st.integers(0, 130), max_size=4)


@pytest.mark.parametrize(("hold", "module", "law"), PAIRS, indirect=["hold"])
def test_laws(
    module: Any, law: str, hold: Callable[..., Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = Front(hold)
    monkeypatch.setattr(module, "gi", front)
    test = getattr(module, f"test_{law}").hypothesis.inner_test
    names = set(inspect.signature(test).parameters)

    engine = request.node.callspec.params["hold"]
    phases = list(Phase) if DRAWS else [Phase.explicit]

    @settings(max_examples=max(DRAWS, 1), phases=phases, deadline=None, derandomize=True)
    @given(seeds, cuts, st.integers(9, 80))
    @example(1, [7, 7, 60], 25)
    @example(2, [31, 90], 9)
    def holds(seed: int, at: list[int], piece: int) -> None:
        if not DRAWS and seed == 2 and engine not in CHEAP:
            return
        front.cuts, front.piece = at, piece
        front.halves = engine == "processes" and at == [7, 7, 60]
        drawn = {"data": numbers(seed, 120, 4, "logit"), "seed": seed, "link": "probit", "weight": 3.7, "shift": 1.5}
        drawn |= {"level": "b", "terms": "x * g + h", "coding": "Sum", "scale": 1e-3, "copies": 2}
        test(**{name: drawn[name] for name in names})

    holds()
