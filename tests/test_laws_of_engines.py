"""The laws of test_invariance and test_invariance_tests for rows in Parquet files and in Dask partitions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import test_invariance
import test_invariance_tests
from engines import parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from random_rows import numbers

import glminfer as gi

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


def files(frame: pd.DataFrame) -> Any:
    return parquet(frame, (7, 7, 60), 25)


def partitions(frame: pd.DataFrame) -> Any:
    dd = pytest.importorskip("dask.dataframe")
    return dd.from_pandas(frame.reset_index(drop=True), npartitions=3)


class Front:
    """The package, whose fits hold their rows in another way."""

    def __init__(self, hold: Callable[[pd.DataFrame], Any]) -> None:
        self.hold = hold

    def __getattr__(self, name: str) -> Any:
        found = getattr(gi, name)
        if name not in ("glm", "logit"):
            return found
        return lambda formula, data, **options: found(formula, self.hold(pd.DataFrame(data)), **options)


@pytest.mark.parametrize("hold", [files, partitions], ids=["parquet", "dask"])
@pytest.mark.parametrize(("module", "law"), CASES, ids=[law for _, law in CASES])
def test_laws(module: Any, law: str, hold: Callable[[pd.DataFrame], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gi", Front(hold))
    test = getattr(module, f"test_{law}").hypothesis.inner_test
    names = set(inspect.signature(test).parameters)

    @settings(max_examples=1, deadline=None, derandomize=True)
    @given(st.integers(0, 2**32 - 1))
    def holds(seed: int) -> None:
        drawn = {"data": numbers(seed, 120, 4, "logit"), "seed": seed, "link": "probit", "weight": 3.7, "shift": 1.5}
        drawn |= {"level": "b", "terms": "x * g + h", "coding": "Sum", "scale": 1e-3, "copies": 2}
        test(**{name: drawn[name] for name in names})

    holds()
