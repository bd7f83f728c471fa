"""Rows in memory, in many blocks, and in Parquet files: the same fit, whatever the cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from engines import agree as within_rounding
from engines import everything, identical, parquet, rows, same, small_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi

N = 240
LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
FORMULAS = {
    "numbers": ("y ~ x + z", {}),
    "factors": ("choice ~ x * g + C(k) + c + b", {}),
    "weights": ("y ~ x + c", {"weights": "w", "offset": "o"}),
    "offset in the formula": ("y ~ x + offset(o / 2)", {}),
    "proportion": ("share ~ x + g", {"trials": "trials"}),
    "counts": ("cbind(wins, trials - wins) ~ x + C(k, Sum)", {}),
    "learned": ("y ~ center(x) + poly(z, 2) + bs(x, df=4) + standardize(z, by=g)", {}),
    "logarithm": ("y ~ np.log(x + 2) + center(np.sqrt(z))", {}),
    "earlier rows": ("y ~ lag(x) + history(z, 2, last=5) + lag(y, 1, by=mouse)", {}),
    "all rows": ("y ~ np.cumsum(z) + double(x)", {"env": {"double": lambda v: 2 * v / np.max(np.abs(v))}}),
    "condition": ("z > 2 ~ x + c", {"event": None}),
    "event": ("choice ~ x", {"event": "left"}),
    "subset": ("y ~ x + g + C(k)", {"subset": "(z < 3) & (k > 0)"}),
    "subset of all rows": ("y ~ x", {"subset": "z < np.median(z)"}),
    "aliased": ("y ~ x + I(2 * x) + z", {}),
}
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=3, deadline=None, derandomize=True)


def fitted(formula: str, data: Any, **options: Any) -> gi.Fit:
    return gi.glm(formula, data, **options)


@pytest.mark.parametrize("name", FORMULAS)
@few
@given(seed=seeds, cuts=st.lists(st.integers(0, N), max_size=4), piece=st.integers(7, 300))
def test_any_cut_into_files_and_pieces(name: str, seed: int, cuts: list[int], piece: int) -> None:
    formula, options = FORMULAS[name]
    frame = rows(seed)
    fit, files = fitted(formula, frame, **options), fitted(formula, parquet(frame, cuts, piece), **options)
    np.testing.assert_array_equal(files.coef, fit.coef)
    same({"tidy": files.tidy(), "notes": files.notes}, {"tidy": fit.tidy(), "notes": fit.notes})
    assert str(files) == str(fit)


@pytest.mark.parametrize(
    ("name", "link"),
    [("factors", "logit"), ("weights", "logit"), ("learned", "logit"), *(("proportion", link) for link in LINKS)],
)
def test_everything_is_the_same(name: str, link: str) -> None:
    formula, options = FORMULAS[name]
    frame = rows(11)
    fit = fitted(formula, frame, link=link, **options)
    identical(everything(fitted(formula, parquet(frame, (3, 90, 90, 200), 50), link=link, **options)), everything(fit))


@pytest.mark.parametrize("size", [13, 64])
@pytest.mark.parametrize(("name", "link"), [("factors", "logit"), ("weights", "cauchit"), ("counts", "cloglog")])
def test_many_blocks(name: str, link: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    formula, options = FORMULAS[name]
    frame = rows(5)
    fit = fitted(formula, frame, link=link, **options)
    whole = everything(fit)
    small_blocks(monkeypatch, size)
    blocks = everything(fitted(formula, frame, link=link, **options))
    # tests of likelihood are differences of deviances, each of which is known to some roundings
    same(blocks, whole, atol=1e-12 * max(1.0, fit.deviance / 100))
    identical(everything(fitted(formula, parquet(frame, (100,), 30), link=link, **options)), blocks)


PENALTIES = [
    gi.Firth(),
    gi.Firth(intercept="corrected"),
    gi.Ridge(0.05),
    gi.Ridge(0.05, standardize=True),
    gi.ElasticNet(0.05, 0.5, standardize=True),
]


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_penalised(penalty: Any) -> None:
    frame = rows(2)
    fit = fitted("y ~ x + g", frame, penalty=penalty)
    files = fitted("y ~ x + g", parquet(frame, (10,), 33), penalty=penalty)
    same({"tidy": files.tidy(), "glance": files.glance()}, {"tidy": fit.tidy(), "glance": fit.glance()})
    if penalty == gi.Firth():
        same({"ci": files.confint()}, {"ci": fit.confint()})


# what one piece does not show -----------------------------------------------------------------------------------------


class Agree:
    """A fit on one engine equals the fit in memory: tables, notes and words, whatever the blocks."""

    def __init__(self, hold: Callable[..., Any]) -> None:
        self.hold = hold

    def __call__(
        self, formula: str, frame: pd.DataFrame, cuts: tuple[int, ...] = (), piece: int = 40, **options: Any
    ) -> gi.Fit:
        found, fit = gi.logit(formula, self.hold(frame, cuts, piece), **options), gi.logit(formula, frame, **options)
        identical(
            {"tidy": found.tidy(), "notes": found.notes, "glance": found.glance(), "text": str(found)},
            {"tidy": fit.tidy(), "notes": fit.notes, "glance": fit.glance(), "text": str(fit)},
        )
        with pytest.MonkeyPatch.context() as patch:
            small_blocks(patch, 512)
            within_rounding(found, gi.logit(formula, frame, **options))
        return found


@pytest.fixture
def agree(hold: Callable[..., Any]) -> Agree:
    return Agree(hold)


engines = pytest.mark.parametrize("hold", ["blocks", "parquet", "threads", "processes"], indirect=True)
in_files = pytest.mark.parametrize("hold", ["parquet"], indirect=True)


@engines
def test_levels_first_seen_in_the_last_piece(agree: Agree) -> None:
    frame = rows(1)
    frame["g"] = "b"
    frame.loc[230:, "g"] = "a"
    frame["y"] = np.arange(N) % 2
    fit = agree("y ~ g + x", frame, (239,))
    assert fit.columns == ("Intercept", "g[T.b]", "x")


@engines
def test_numbers_as_levels_first_seen_in_the_last_piece(agree: Agree) -> None:
    frame = rows(1).assign(k=7)
    frame.loc[225:, "k"] = 3
    assert "C(k)[T.7]" in agree("y ~ C(k) + x", frame).columns


@engines
def test_empty_files_and_pieces_of_missing_values(agree: Agree) -> None:
    frame = rows(3)
    frame.loc[80:120, "x"] = np.nan
    frame.loc[0:10, "g"] = None
    frame.loc[140:169, "g"] = None
    agree("y ~ x + g", frame, (0, 0, 80, 121, 121, 140, 170, N))


@in_files
def test_a_file_in_which_a_column_has_no_type(agree: Agree) -> None:
    frame = rows(3).assign(h=lambda f: f.g.where(f.index >= 60))
    frame["h"] = frame.h.astype(object).where(frame.h.notna(), None)
    agree("y ~ h + x", frame, (60,))


@engines
def test_pieces_of_one_class(agree: Agree) -> None:
    frame = rows(4).sort_values("y", ignore_index=True)
    agree("choice ~ x + g", frame, (40, 41))


@engines
def test_levels_that_vanish_with_missing_rows(agree: Agree) -> None:
    frame = rows(6).assign(g="a", k=1)
    frame.loc[200:210, "g"], frame.loc[200:210, "k"] = "zz", 9
    frame.loc[200:210, "x"] = np.nan
    frame.loc[100:, "g"] = frame.g[100:].where(frame.g[100:] == "zz", "b")
    frame.loc[150:, "k"] = frame.k[150:].where(frame.k[150:] == 9, 2)
    fit = agree("y ~ x + g + C(k)", frame)
    assert "C(k): level 9 has no rows and is left out" in fit.notes


@engines
def test_rows_lost_to_a_transform_take_their_levels_along(agree: Agree) -> None:
    frame = rows(6).assign(q=lambda f: np.where(f.index < 20, -1.0, f.z.abs() + 1), k=lambda f: (f.index < 20) + 0)
    frame["k"] = frame.k.where(frame.index % 2 == 0, 5)
    agree("y ~ center(np.log(q)) + C(k) + x", frame)


@engines
def test_integers_and_bools_with_missing_values(agree: Agree) -> None:
    frame = rows(8).astype({"k": "Int64", "b": "boolean"})
    frame.loc[50:60, "k"] = pd.NA
    frame.loc[70:75, "b"] = pd.NA
    agree("y ~ C(k) + b + x", frame, (90,))


@engines
def test_dates_as_labels(agree: Agree) -> None:
    frame = rows(8).assign(day=lambda f: pd.Timestamp("2024-05-01") + pd.to_timedelta(f.k, "D"))
    agree("y ~ C(day) + x", frame, (90,))
    files, memory = (gi.logit("y ~ x", data) for data in (parquet(frame, (90,), 30), frame))
    pd.testing.assert_frame_equal(files.tidy(cluster="day"), memory.tidy(cluster="day"))


@engines
def test_columns_with_odd_names(agree: Agree) -> None:
    frame = rows(9).rename(columns={"x": "my x", "z": "a.b", "g": "class"})
    agree("y ~ `my x` + `a.b` + Q('class')", frame, (33,))


@in_files
def test_a_dot_means_all_columns_known(agree: Agree) -> None:
    frame = rows(9)[["y", "x", "z", "b"]]
    agree("y ~ .", frame, (100,))
    files = gi.logit("y ~ .", gi.parquet(parquet(frame, (100,)).files, columns=["y", "x"]))
    assert files.columns == ("Intercept", "x")


@engines
def test_values_given_beside_the_files(agree: Agree) -> None:
    frame = rows(12)
    w, o = frame.w.to_numpy(), frame.o
    agree("y ~ x", frame, (50,), weights=w, offset=o, subset=(frame.z > 1).to_numpy())
    files = gi.logit("y ~ x", parquet(frame, (50,)))
    memory = gi.logit("y ~ x", frame)
    pd.testing.assert_frame_equal(files.tidy(cluster=frame.mouse.to_numpy()), memory.tidy(cluster="mouse"))


def test_separation() -> None:
    frame = rows(13)
    frame["y"] = frame.y.where(frame.g != "c", 1)
    files, memory = parquet(frame, (50,), 30), frame
    with pytest.warns(gi.SeparationWarning):
        found = gi.logit("y ~ x + g", files)
    with pytest.warns(gi.SeparationWarning):
        expected = gi.logit("y ~ x + g", memory)
    same({"tidy": found.tidy(), "text": str(found)}, {"tidy": expected.tidy(), "text": str(expected)})
    same({"ci": found.confint(), "p": found.predict()}, {"ci": expected.confint(), "p": expected.predict()})


@in_files
def test_ill_conditioned_columns(agree: Agree) -> None:
    frame = rows(14).assign(far=lambda f: 1e9 + f.z, tiny=lambda f: 1e-8 * f.o)
    agree("y ~ far + tiny + x", frame, (77,))


def test_other_verbs_read_the_files_again() -> None:
    frame = rows(15).dropna()
    files, memory = (gi.logit("y ~ x + g", data) for data in (parquet(frame, (50,), 30), frame.reset_index(drop=True)))
    same(
        {"add1": files.add1("z + c"), "update": files.update("~ . + b").tidy(), "augment": files.augment()},
        {"add1": memory.add1("z + c"), "update": memory.update("~ . + b").tidy(), "augment": memory.augment()},
    )
    pd.testing.assert_frame_equal(files.lr_test(files.update("~ . + z")), memory.lr_test(memory.update("~ . + z")))
    pd.testing.assert_frame_equal(files.anova(type="III"), memory.anova(type="III"))


@in_files
def test_many_rows_start_from_a_subsample(agree: Agree) -> None:
    frame = rows(16, n=30_000)
    agree("y ~ x + z + b", frame, (12_345,), piece=7_001)


# messages -------------------------------------------------------------------------------------------------------------


BAD = {
    "unknown column": ("y ~ xx", {}),
    "unknown weights": ("y ~ x", {"weights": "ww"}),
    "labels as weights": ("y ~ x", {"weights": "g"}),
    "negative weights": ("y ~ x", {"weights": "o"}),
    "three labels": ("c ~ x", {}),
    "a number": ("z ~ x", {}),
    "counts": ("k ~ x", {}),
    "one class": ("b ~ x", {"subset": "b"}),
    "one class of counts": ("cbind(wins, 0 * wins) ~ x", {}),
    "fractions of trials": ("z ~ x", {"trials": "trials"}),
    "no whole number": ("cbind(z, wins) ~ x", {}),
    "infinite": ("y ~ np.log(k)", {}),
    "infinite in a transform": ("y ~ center(np.log(k))", {}),
    "infinite offset": ("y ~ x + offset(np.log(k))", {}),
    "missing": ("y ~ x + g", {"missing": "raise"}),
    "empty subset": ("y ~ x", {"subset": "z > 1000"}),
    "no condition": ("y ~ x", {"subset": "z"}),
    "event": ("choice ~ x", {"event": "rigt"}),
    "too large": ("y ~ I(1e200 * x)", {}),
    "function": ("y ~ foo(x)", {}),
    "constant column": ("y ~ standardize(0 * z)", {}),
    "length": ("y ~ x", {"weights": np.ones(3)}),
    "all missing": ("y ~ np.log(-1 - b)", {}),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_those_of_rows_in_memory(name: str) -> None:
    formula, options = BAD[name]
    frame = rows(21)
    with pytest.raises(gi.InputError) as memory:
        gi.logit(formula, frame, **options)
    with pytest.raises(gi.InputError) as files:
        gi.logit(formula, parquet(frame, (20, 130), 60), **options)
    assert type(files.value) is type(memory.value)
    assert str(files.value) == str(memory.value)


def test_no_rows() -> None:
    with pytest.raises(gi.DataError, match="The data have no rows, so there is nothing to fit"):
        gi.logit("y ~ x", parquet(rows(1)[:0], (0,)))
