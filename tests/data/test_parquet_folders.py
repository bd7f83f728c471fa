"""Columns that folder names give, as Hive and Spark write them: mouse=Ada/session=3/part-0.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engines import rows

import glminfer as gi


def written(folder: Path, frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The frame in folders by some columns; its rows in the order in which the files are read."""
    parts = []
    for values, part in frame.groupby(by, sort=False):
        inner = folder.joinpath(*(f"{name}={value}" for name, value in zip(by, values, strict=True)))
        inner.mkdir(parents=True)
        part.drop(columns=by).to_parquet(inner / "part-0.parquet", index=False)
        parts.append((str(inner), part))
    return pd.concat([part for _, part in sorted(parts, key=lambda pair: pair[0])], ignore_index=True)


@pytest.fixture
def trials(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    frame = rows(1).assign(session=lambda f: f.k * 10)
    return tmp_path, written(tmp_path, frame, ["mouse", "session"])


@pytest.mark.parametrize("formula", ["y ~ x + mouse", "y ~ x + C(session) + g", "y ~ session * z", "choice ~ mouse"])
def test_folder_names_are_columns(formula: str, trials: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = trials
    files, memory = (gi.logit(formula, data) for data in (gi.parquet(folder), frame))
    pd.testing.assert_frame_equal(files.tidy(), memory.tidy())
    assert files.notes == memory.notes


def test_verbs_that_read_again(trials: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = trials
    files, memory = (gi.logit("y ~ x", data) for data in (gi.parquet(folder), frame))
    pd.testing.assert_frame_equal(files.tidy(cluster="mouse"), memory.tidy(cluster="mouse"))
    pd.testing.assert_frame_equal(files.add1("mouse + session"), memory.add1("mouse + session"))
    pd.testing.assert_series_equal(files.predict(gi.parquet(folder)), memory.predict(frame))
    assert set(files.augment().columns) == set(memory.augment().columns)
    whole = gi.parquet(folder).to_pandas()
    pd.testing.assert_series_equal(whole.session, frame.session)
    assert whole.mouse.tolist() == frame.mouse.tolist()


def test_names_and_order(trials: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = trials
    found = gi.parquet(folder)
    assert found.names[-2:] == ("mouse", "session")
    assert found.n_rows == len(frame)
    assert gi.parquet(folder, columns=["y", "session"]).names == ("y", "session")
    with pytest.raises(gi.FormulaError, match="Did you mean 'session'"):
        gi.logit("y ~ sesion", found)


def test_a_pattern_names_the_folders_below_it(trials: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = trials
    some = gi.parquet(folder / "mouse=m1*" / "*" / "*.parquet")
    assert some.names[-2:] == ("mouse", "session")
    assert some.n_rows == frame.mouse.str.startswith("m1").sum()
    below = gi.parquet(folder / "mouse=m1" / "*" / "*.parquet")
    assert below.names[-1] == "session"
    assert "mouse" not in below.names
    one = gi.parquet(sorted(folder.rglob("*.parquet"))[0])
    assert not {"mouse", "session"} & set(one.names)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["3", "-1"], [3, -1]),
        (["3", "04"], [3, 4]),
        (["3", "b"], ["3", "b"]),
        (["New%20York", "Oslo"], ["New York", "Oslo"]),
        (["3", "__HIVE_DEFAULT_PARTITION__"], [3, None]),
    ],
)
def test_values(values: list[str], expected: list[Any], tmp_path: Path) -> None:
    for value in values:
        inner = tmp_path / f"key={value}"
        inner.mkdir()
        rows(2)[["y", "x"]].to_parquet(inner / "a.parquet", index=False)
    found = gi.parquet(tmp_path)
    assert sorted((keys["key"] for keys in found.keys), key=str) == sorted(expected, key=str)
    fit = gi.logit("y ~ x + key" if None not in expected else "y ~ x + C(key)", found)
    if None in expected:
        assert any("missing in key" in note for note in fit.notes)
    else:
        assert fit.columns[-1].startswith("key")


def test_a_column_of_the_files_goes_before_the_name_of_a_folder(tmp_path: Path) -> None:
    inner = tmp_path / "x=7"
    inner.mkdir()
    rows(2)[["y", "x"]].to_parquet(inner / "a.parquet", index=False)
    assert gi.parquet(tmp_path).names == ("y", "x")
    assert np.isfinite(gi.logit("y ~ x", gi.parquet(tmp_path)).coef["x"])
    said = "x: taken from the columns of the files, not from the names of their folders"
    assert said in gi.logit("y ~ x", gi.parquet(tmp_path)).notes
    assert said in gi.logit("y ~ x", gi.parquet(tmp_path)).summary()
    assert said not in gi.logit("y ~ 1", gi.parquet(tmp_path)).notes


def test_files_whose_folders_differ(tmp_path: Path) -> None:
    for name in ("a=1", "b=2"):
        (tmp_path / name).mkdir()
        rows(2)[["y", "x"]].to_parquet(tmp_path / name / "part.parquet", index=False)
    with pytest.raises(
        gi.DataError, match=r"The folders of '.*b=2.part\.parquet' give values of 'b', those of '.*a=1.*' values of 'a'"
    ):
        gi.parquet(tmp_path)


def test_a_file_beside_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"y": [0, 1, 1, 0], "x": [0.1, 0.2, -0.3, 0.4]}).to_parquet(tmp_path / "one.parquet")
    monkeypatch.chdir(tmp_path)
    for given in ("one.parquet", "*.parquet", ["one.parquet"], "."):
        assert gi.logit("y ~ x", gi.parquet(given)).nobs == 4


def test_names_that_look_like_numbers_stay_apart(tmp_path: Path) -> None:
    for k, name in enumerate(("01", "1", "123456789012345678901234")):
        folder = tmp_path / f"s={name}"
        folder.mkdir()
        rows = pd.DataFrame({"y": [0, 1, 1, 0, 1], "x": np.arange(5.0) + k})
        rows.to_parquet(folder / "part.parquet")
    fit = gi.logit("y ~ x + s", gi.parquet(tmp_path))
    assert [column for column in fit.tidy().term if column.startswith("s[")] == [
        "s[T.1]",
        "s[T.123456789012345678901234]",
    ]
