"""Long factors of Dask frames are codes where the partitions are: the fit of rows in memory, to the last bit."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from coded_cases import APART, CASES, CODES, QUESTIONS, trials
from engines import everything, identical, partitioned, same, small_blocks
from hypothesis import given, settings
from hypothesis import strategies as st

import glminfer as gi
from glminfer.data.rows import MemoryRows
from glminfer.data.rows_coded import CodedRows
from glminfer.data.rows_dask import DaskRows
from glminfer.numerics.mixed import Mixed

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")

N = 400
few = settings(max_examples=2, deadline=None, derandomize=True)
pytestmark = pytest.mark.filterwarnings("ignore::glminfer.SeparationWarning")


@pytest.fixture(autouse=True)
def _threads_and_small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    small_blocks(monkeypatch, 13)
    monkeypatch.setenv("GLMINFER_THREADS", "1")  # 13 rows are done sooner than handed over
    with dask.config.set(scheduler="threads"):
        yield


def both(formula: str, frame: pd.DataFrame, cuts: Sequence[int], **options: Any) -> tuple[gi.Fit, gi.Fit]:
    """With codes in several places, and in memory."""
    options = {"control": CODES, **options}
    found, expected = (gi.glm(formula, data, **options) for data in (partitioned(frame, cuts), frame))
    rows = found.with_rows()[1].rows
    assert isinstance(rows, DaskRows)
    assert isinstance(rows.coded, Mixed)
    assert len(rows.parts) > 1
    assert isinstance(expected.with_rows()[1].rows, CodedRows)
    return found, expected


def tables(fit: gi.Fit) -> dict[str, Any]:
    some = {"tidy": fit.tidy(), "glance": fit.glance(), "notes": fit.notes, "vcov": fit.vcov(), "text": str(fit)}
    return some | {"HC3": fit.tidy(cov="HC3"), "CR1": fit.tidy(cluster="mouse"), "predict": fit.predict()}


@pytest.mark.parametrize("name", CASES)
@few
@given(cuts=st.lists(st.integers(0, N), min_size=1, max_size=5))
def test_any_partitions(name: str, cuts: list[int]) -> None:
    formula, options = CASES[name]
    found, expected = both(formula, trials(N), [*cuts, 200], **options)
    np.testing.assert_array_equal(found.coef, expected.coef)
    identical(tables(found), tables(expected))


@pytest.fixture(scope="module")
def fits() -> tuple[gi.Fit, gi.Fit]:
    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="threads"):
        small_blocks(patch, 13)
        return both("y ~ x + z + side + session", trials(N), (50, 50, 133, 390))


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question(fits: tuple[gi.Fit, gi.Fit], question: str) -> None:
    found, expected = (QUESTIONS[question](fit) for fit in fits)
    if question == "LR of fits":  # of a dense fit as well
        same({question: found}, {question: expected})
    elif question == "augment":  # Dask has another type for text
        identical({question: found.select_dtypes("number")}, {question: expected.select_dtypes("number")})
    else:
        identical({question: found}, {question: expected})


@pytest.mark.parametrize("formula", ["y ~ x + session", "y ~ session * x + side", "y ~ side * session + z"])
@pytest.mark.parametrize("kind", ["CR0", "CR1"])
def test_clusters_inside_levels(formula: str, kind: str) -> None:
    """Many groups make large blocks: the rows are cut anew."""
    frame = trials(N).assign(day=lambda f: f.session + "/" + f.mouse)
    found, expected = both(formula, frame, (100, 333), weights="w")
    ask: Callable[[gi.Fit], Any] = lambda fit: {"CR": fit.vcov(cov=kind, cluster="day")}  # noqa: E731
    identical(ask(found), ask(expected))


@pytest.mark.parametrize("test", ["LR", "wald"])
def test_type_iii_of_an_interaction(test: str) -> None:
    found, expected = both("y ~ session * side + x", trials(N), (100, 333))
    identical({test: found.anova(type="III", test=test)}, {test: expected.anova(type="III", test=test)})


def numbers(fit: gi.Fit) -> pd.DataFrame:
    """Dask has another type for text."""
    return fit.augment().select_dtypes("number")


@pytest.mark.parametrize("name", APART)
def test_separated(name: str) -> None:
    formula, frame = APART[name]
    with pytest.warns(gi.SeparationWarning):
        found, expected = both(formula, frame, (7, 250))
    identical(
        {"tidy": found.tidy(), "HC1": found.tidy(cov="HC1")}, {"tidy": expected.tidy(), "HC1": expected.tidy(cov="HC1")}
    )
    identical({"rows": numbers(found), "text": str(found)}, {"rows": numbers(expected), "text": str(expected)})
    assert found.separation == expected.separation
    np.testing.assert_array_equal(found.separated_rows, expected.separated_rows)


@pytest.mark.parametrize("link", ["probit", "cauchit"])
def test_partitions_without_rows_in_use_and_rows_of_missing_values(link: str) -> None:
    frame = trials(N)
    frame.loc[::29, "x"] = np.nan
    frame.loc[150:199, "x"] = np.nan
    frame.loc[:9, "x"] = np.nan
    options = {"weights": "w", "offset": "o", "link": link}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gi.SeparationWarning)
        found, expected = both("y ~ x + session", frame, (10, 10, 150, 200), **options)
    identical(everything(found), everything(expected))


def test_two_processes_one_of_which_is_killed(client: Any) -> None:
    frame = trials(N)
    with dask.config.set(scheduler=None), client.as_current():
        found, expected = both("y ~ session * x + side", frame, (90, 200))
        identical({"tidy": found.tidy(), "text": str(found)}, {"tidy": expected.tidy(), "text": str(expected)})
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        identical({"HC3": found.tidy(cov="HC3")}, {"HC3": expected.tidy(cov="HC3")})
        identical({"CR1": found.tidy(cluster="mouse")}, {"CR1": expected.tidy(cluster="mouse")})
        identical({"LR": found.lr_test("session:x")}, {"LR": expected.lr_test("session:x")})
        client.wait_for_workers(2, timeout=60)


# when ----------------------------------------------------------------------------------------------------------------


def test_memory_is_that_of_codes() -> None:
    """No dummies, neither where the partitions are nor here."""
    frame = trials(20_000, 300)
    found = gi.logit("y ~ x + session", partitioned(frame, (9_000,)))
    rows = found.with_rows()[1].rows
    assert isinstance(rows, DaskRows)
    size = sum(len(pickle.dumps(part)) for part in rows.parts.here())
    assert size < 20_000 * (8 + 8 + 4 + 3 * 8) + 100_000  # two numbers and a code, outcome, weight and offset
    np.testing.assert_array_equal(found.coef, gi.logit("y ~ x + session", frame).coef)


def test_as_many_rows_as_in_memory_make_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in use decide, not those given."""
    monkeypatch.setattr("glminfer.data.long_factors.MANY", 5)
    monkeypatch.setattr("glminfer.data.long_factors._LARGE", 300 * 9)
    frame = trials(N)
    assert gi.logit("y ~ x + session", partitioned(frame, (90,))).with_rows()[1].rows.coded is not None
    frame.loc[299:, "x"] = np.nan
    found, expected = (gi.logit("y ~ x + session", data) for data in (partitioned(frame, (90,)), frame))
    assert found.with_rows()[1].rows.coded is None
    assert isinstance(expected.with_rows()[1].rows, MemoryRows)
    np.testing.assert_array_equal(found.coef, expected.coef)


def test_the_switch() -> None:
    frame = trials(N)
    found = gi.logit("y ~ x + session", partitioned(frame, (90,)), control=gi.Control(coded=False))
    assert found.with_rows()[1].rows.coded is None


def test_rows_of_one_block_come_here_as_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 512)
    found = gi.logit("y ~ x + session", partitioned(trials(N), (50,)), control=CODES)
    assert isinstance(found.with_rows()[1].rows, CodedRows)
    identical({"tidy": found.tidy()}, {"tidy": gi.logit("y ~ x + session", trials(N), control=CODES).tidy()})


def test_numbers_far_from_zero_get_dummies() -> None:
    frame = trials(N)
    found, expected = (
        gi.logit("y ~ session + start:session", data, control=CODES) for data in (partitioned(frame, (50,)), frame)
    )
    assert found.with_rows()[1].rows.coded is None
    same({"tidy": found.tidy()}, {"tidy": expected.tidy()})


@pytest.mark.parametrize("apart", [1e-6, 1e-12])
def test_columns_that_are_nearly_dependent_within_a_level_get_dummies(apart: float) -> None:
    frame = trials(N, 4).assign(t=lambda f: f.x + apart * f.z)
    found, expected = (
        gi.logit("y ~ session + session:x + session:t", data, control=CODES)
        for data in (partitioned(frame, (50, 390)), frame)
    )
    assert (found.with_rows()[1].rows.coded is None) == (apart == 1e-6)
    identical({"tidy": found.tidy(), "notes": found.notes}, {"tidy": expected.tidy(), "notes": expected.notes})


def test_rows_at_some_places_are_those_in_memory() -> None:
    found, expected = both("y ~ x * session", trials(N), (90, 200))
    places = np.random.default_rng(0).permutation(N)[:57]
    for name in ("X", "y", "weights", "offset"):
        for at in (places, places[:0]):
            one, other = (getattr(fit.with_rows()[1].rows.some(at), name) for fit in (found, expected))
            np.testing.assert_array_equal(one, other)
