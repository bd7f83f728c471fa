"""The progress bar: shown on long work only, to somebody who is watching, and never in the way of the items."""

import sys

import pytest

from glminfer.data import progress as module
from glminfer.data.progress import progress


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(module, "watched", lambda: True)


@pytest.fixture
def long(monkeypatch):
    monkeypatch.setattr(module, "_LONG", -1.0)


def test_items_pass_unchanged_and_short_work_shows_nothing(watched, capsys):
    assert list(progress(iter("abc"), 3, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_long_work_shows_what_is_counted(watched, long, capsys):
    assert list(progress(range(7), 7, "letters")) == list(range(7))
    shown = capsys.readouterr().err
    assert "letters" in shown
    assert "/7" in shown


def test_nothing_is_shown_to_nobody(long, monkeypatch, capsys):
    monkeypatch.setattr(module, "watched", lambda: False)
    assert list(progress(range(3), 3, "letters")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_without_tqdm_there_is_no_bar(watched, long, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(progress(range(3), 3, "letters")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_the_bar_is_closed_when_the_work_stops(watched, long, capsys):
    def broken():
        yield 1
        yield 2
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        list(progress(broken(), 3, "letters"))
    assert capsys.readouterr().err.endswith("\r")  # tqdm has cleared its line
