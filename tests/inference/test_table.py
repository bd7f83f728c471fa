"""Tables of tests as they are printed."""

import numpy as np
import pandas as pd
import pytest

from glminfer.inference.table import headed


@pytest.fixture
def table():
    return headed(
        pd.DataFrame({"name": [f"n{k:03d}" for k in range(200)], "p_value": np.linspace(1, 0, 200)}), ["Head"]
    )


def test_a_long_table_shows_its_ends(table):
    lines = repr(table).splitlines()
    assert lines[0] == "Head"
    assert len(lines) < 15
    assert "n000" in lines[2]
    assert lines[-1].split() == ["n199", "<2e-16"]
    assert any("..." in line for line in lines)
    assert table._repr_html_().count("<tr") < 15


def test_as_many_rows_as_pandas_is_told_to_show(table):
    with pd.option_context("display.max_rows", None):
        assert len(repr(table).splitlines()) == 202
    assert len(repr(headed(pd.DataFrame(table.head(50)), ["Head"])).splitlines()) == 52
