"""A progress bar on long work, where somebody is watching. The only module that knows tqdm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")

_LONG = 1.0  # seconds before a bar appears


def progress(items: Iterable[T], total: int, what: str, size: Callable[[int, T], int] | None = None) -> Iterator[T]:
    """The items, with a bar on the error stream once they have taken a second; none without tqdm or without a watcher.

    Parameters
    ----------
    items : iterable
    total : int
        How many there are.
    what : str
        What they are called beside the bar: "permutations".
    size : function of (int, item), optional
        How many the k-th item stands for (a block of rows); one, when left out.
    """
    with counting(total, what) as add:
        for k, item in enumerate(items):
            yield item
            add(1 if size is None else size(k, item))


@contextmanager
def counting(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """The same for work that calls back: a function that is told how many more are done."""
    bar, done, begin = None, 0, perf_counter()

    def add(more: int) -> None:
        nonlocal bar, done
        done += more
        if bar is not None:
            bar.update(more)
        elif done < total and perf_counter() - begin > _LONG:
            bar = _bar(total, what, done)

    try:
        yield add
    finally:
        if bar is not None:
            bar.close()


def _bar(total: int, what: str, done: int) -> Any:
    if not watched():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=what, initial=done, leave=False, unit=f" {what}", unit_scale=total > 1_000_000)


def watched() -> bool:
    """Whether the error stream is a terminal or a notebook."""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
