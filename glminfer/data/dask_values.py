"""Values that lie where Dask keeps them, and what is computed from them there. The only module that knows dask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise, repeat
from typing import Any
from uuid import uuid4

_Key = Any


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A row of values to be computed: a Dask collection of one layer, which is made faster than delayed functions.

    Attributes
    ----------
    keys : tuple
        One for each value.
    graph : dict
        How each is made: of values kept (or the futures of these), or of each other.
    """

    keys: tuple[_Key, ...]
    graph: dict[_Key, Any]

    def __len__(self) -> int:
        return len(self.keys)

    def each(self, function: Callable[..., Any], own: Iterable[dict[str, Any]] = repeat({})) -> Values:
        """``function(value, **own[k])`` of each value k."""
        name = _named(function)
        given = zip(self.keys, own, strict=False)
        return self._with({(name, k): (_Call(function, more, name), key) for k, (key, more) in enumerate(given)})

    def some(self, which: Iterable[int]) -> Values:
        """The values at some places."""
        return Values(tuple(self.keys[k] for k in which), self.graph)

    def in_groups(self, function: Callable[[list[Any]], Any], sizes: Iterable[int]) -> Values:
        """``function([value, …])`` of so many values at a time."""
        name, ends = _named(function), pairwise(accumulate(sizes, initial=0))
        call = _Call(function, {}, name)
        return self._with({(name, k): (call, list(self.keys[a:b])) for k, (a, b) in enumerate(ends)})

    def _with(self, tasks: dict[_Key, Any]) -> Values:
        return Values(tuple(tasks), {**self.graph, **tasks})

    def kept(self) -> Values:
        """The same values, made and kept where they are made."""
        found: Values = _dask().persist(self)[0]
        return found

    def here(self) -> list[Any]:
        """The values, computed and brought here; the scheduler is asked directly, as there is nothing to optimise."""
        scheduler = _dask().base.get_scheduler() or self.__dask_scheduler__
        return list(scheduler(self.graph, list(self.keys)))

    def here_counting(self, parts: Values, done: Callable[[int], None]) -> list[Any]:
        """The same, calling ``done`` with the number of each of the ``parts`` they are made of when it is there."""
        places = {str(key): k for k, key in enumerate(parts.keys)}
        client = getattr(_dask().base.get_scheduler(), "__self__", None)
        if client is None:  # threads, processes or one after the other in this process
            watching: Any = import_module("dask.callbacks")
            with watching.Callback(posttask=lambda key, *_: done(places[str(key)]) if str(key) in places else None):
                return self.here()
        cluster: Any = import_module("distributed")
        made = parts.kept()
        for future in cluster.as_completed(cluster.futures_of(made)):
            done(places[str(future.key)])
        return Values(self.keys, {**self.graph, **made.graph}).here()

    # what Dask asks of a collection

    def __dask_tokenize__(self) -> tuple[_Key, ...]:
        return self.keys  # there are no others like them

    def __dask_graph__(self) -> dict[_Key, Any]:
        return self.graph

    def __dask_keys__(self) -> list[_Key]:
        return list(self.keys)

    def __dask_postcompute__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return list, ()

    def __dask_postpersist__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _persisted, (self.keys,)

    @staticmethod
    def __dask_optimize__(graph: dict[_Key, Any], keys: Any, **options: Any) -> dict[_Key, Any]:
        return graph

    @staticmethod
    def __dask_scheduler__(*given: Any, **options: Any) -> Any:
        threads: Any = import_module("dask.threaded")
        return threads.get(*given, **options)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A function with some arguments, into which dask does not look to tell it from others: its name is its own."""

    function: Callable[..., Any]
    more: dict[str, Any]
    name: str

    def __call__(self, value: Any) -> Any:
        return self.function(value, **self.more)

    def __dask_tokenize__(self) -> str:
        return self.name


def _persisted(graph: dict[_Key, Any], keys: tuple[_Key, ...]) -> Values:
    return Values(keys, {key: graph[key] for key in keys})


def of_each(function: Callable[..., Any], partitions: Sequence[Any]) -> Values:
    """``function(partition)`` of each delayed partition, kept where it is made."""
    made = _dask().persist(*(_dask().delayed(function, pure=False)(part) for part in partitions))
    return Values(tuple(part.key for part in made), {part.key: part.dask[part.key] for part in made})


def _named(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, partial) else function
    return f"{inner.__name__.strip('_')}-{uuid4().hex}"


def _dask() -> Any:
    import dask

    return dask
