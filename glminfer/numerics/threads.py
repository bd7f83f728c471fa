"""Who computes: a pool of worker threads for row blocks, with BLAS held to one thread meanwhile.

Many small BLAS calls on a multi-threaded BLAS are slower than on one thread, by far on a busy machine; so blocks of
rows run in parallel and every BLAS call stays on the thread that made it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from glminfer.errors import InputError, checked_keywords

R = TypeVar("R")

_lock = threading.Lock()
_holders = 0
_limiter: Any = None
_chosen: int | None = None


@cache
def _controller() -> ThreadpoolController:
    # scipy has a BLAS of its own, loaded with this module: what is loaded later would go on with all its threads
    import scipy.linalg  # noqa: F401

    return ThreadpoolController().select(user_api="blas")


@checked_keywords
def set_threads(n: int | None = None) -> None:
    """How many threads may fits use?

    Blocks of rows, batches of models and folds are worked on by this many threads, each with one thread of BLAS.
    Results do not depend on it, to the last bit. Fits of a few thousand rows use one thread in any case.

    Parameters
    ----------
    n : int, optional
        Number of threads from now on, in this process. Left out, it is again that of the environment variable
        ``GLMINFER_THREADS``, and without one the number of processors this process may use.

    Raises
    ------
    InputError
        ``n`` is no whole number above zero.

    Examples
    --------
    >>> import glminfer as gi
    >>> gi.set_threads(1)  # a shared machine, or one process per processor already
    >>> gi.set_threads()
    """
    global _chosen
    if n is not None:
        _check(n, f"n={n!r}")
    _chosen = n


def _check(n: Any, said: str) -> None:
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise InputError(f"{said} is no number of threads; it is a whole number, 1 or more.")


def n_threads() -> int:
    """Number of worker threads: as set, else as the environment says, else the processors this process may use."""
    return _chosen or _of_environment(os.environ.get("GLMINFER_THREADS")) or _processors()


def _of_environment(text: str | None) -> int | None:
    if not text:
        return None
    n = int(text) if text.strip().isdecimal() else 0
    _check(n, f"GLMINFER_THREADS={text!r}")
    return n


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    # keyed by process id: threads do not survive a fork, so a child makes its own pool
    return ThreadPoolExecutor(workers, thread_name_prefix=f"glminfer-{process}")


def _take_control() -> None:
    """Let this thread set the limit of an OpenBLAS.

    threadpoolctl 3.8 listens to the first thread that sets a limit and silently ignores the others; here the first
    holder sets it and the last one, perhaps another thread, restores it. Our own lock keeps them apart.
    """
    for library in _controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside the block; safe when several threads fit at once.

    The limit is global to the process, so the first holder sets it and the last one restores what was there before.
    """
    global _holders, _limiter
    with _lock:
        if _holders == 0:
            _take_control()
            _limiter = _controller().limit(limits=1)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _take_control()
                _limiter.restore_original_limits()
                _take_control()  # and leave none behind


def in_order(function: Callable[[Any], R], items: Sequence[Any]) -> list[R]:
    """``[function(item) for item in items]``, on the pool when there is more than one item."""
    return list(one_by_one(function, items))


def one_by_one(function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R]:
    """``in_order`` handing out each result as soon as it and those before it are there."""
    if len(items) < 2 or threading.current_thread().name.startswith("glminfer-") or (workers := n_threads()) < 2:
        yield from map(function, items)
        return
    with one_blas_thread():
        yield from _pool(os.getpid(), workers).map(function, items)


def in_turn(function: Callable[[Any], R], items: Iterable[Any]) -> Iterator[R]:
    """``one_by_one`` for results too large to wait for each other: only a few are made before they are asked for."""
    workers = 1 if threading.current_thread().name.startswith("glminfer-") else n_threads()
    if workers < 2:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    try:
        with one_blas_thread():
            for item in items:
                waiting.append(_pool(os.getpid(), workers).submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def ahead(items: Iterable[R]) -> Iterator[R]:
    """The items, each made by a thread of its own while the one before it is worked on."""
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="glminfer-ahead") as worker:
        coming = worker.submit(list, islice(source, 1))
        while item := coming.result():
            coming = worker.submit(list, islice(source, 1))
            yield item[0]
