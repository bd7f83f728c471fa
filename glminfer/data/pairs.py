"""Sums in pairs of pairs (106): the same to the last bit, whoever adds up which neighbours, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = tuple[int, int, Any]  # number of its first value, how many values, and their sum


@dataclass(frozen=True, slots=True)
class Partial:
    """What is known of a sum from some values next to each other.

    Attributes
    ----------
    nodes : tuple of (first, count, sum)
        Sums of 1, 2, 4, … values that begin at a multiple of their number, as large as there are.
    """

    nodes: tuple[Node, ...]

    def __add__(self, following: Partial) -> Partial:
        nodes = list(self.nodes)
        for node in following.nodes:
            _put(nodes, node)
        return Partial(tuple(nodes))

    @property
    def total(self) -> Any:
        """The sum, when all values are there."""
        return _closed(list(self.nodes))


def partial_sum(values: Iterable[Any], first: int) -> Partial:
    """What some values tell, of which the first has this number among all."""
    nodes: list[Node] = []
    for k, value in enumerate(values, first):
        _put(nodes, (k, 1, value))
    return Partial(tuple(nodes))


def added(values: Iterable[Any]) -> Any:
    """The sum of all values, in pairs of pairs; no more of them are kept than needed."""
    return partial_sum(values, 0).total


def _put(nodes: list[Node], node: Node) -> None:
    """Append a node, and add it to the one before it where the two are a pair."""
    while nodes:
        (first, count, total), (following, as_many, more) = nodes[-1], node
        if count != as_many or first % (2 * count) or following != first + count:
            break
        nodes.pop()
        node = (first, 2 * count, total + more)  # (106)
    nodes.append(node)


def _closed(nodes: list[Node]) -> Any:
    """The sum where the last pairs lack a partner."""
    total = nodes.pop()[2]
    while nodes:
        total = nodes.pop()[2] + total
    return total
