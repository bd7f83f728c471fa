"""Which rows may change places: the schemes of permutation tests, and what each of them assumes.

A scheme is turned into a plan: on which rows the statistic is computed (``targets``), and from which row each of them
takes its values of the tested covariates in one arrangement (``sources``). Arrangement 0 leaves everything in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.sessions import Sessions
from glminfer.errors import InputError, counted

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
_MANY = 30  # things of which there are more orders than anyone draws


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way of exchanging rows.

    Attributes
    ----------
    name : str
    needs, takes : tuple of str
        Options it cannot do without, and those it may have, beside them.
    does : str
        What happens to the rows, for the heading of a table.
    valid : str
        The assumption under which the test holds its level.
    """

    name: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    does: str
    valid: str


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            "free",
            (),
            (),
            "rows are exchanged freely",
            "without the effect any order of the rows is equally likely: no drift, no sessions that differ",
        ),
        Scheme(
            "within",
            ("by",),
            (),
            "rows are exchanged within groups",
            "any order of the rows of a group is equally likely: no drift within a group",
        ),
        Scheme(
            "blocks",
            ("block",),
            ("by", "order"),
            "blocks of consecutive rows are exchanged",
            "rows further apart than a block are nearly independent, and there is no drift",
        ),
        Scheme(
            "circular_shift",
            (),
            ("by", "order"),
            "covariates are shifted along the session and wrapped around",
            "covariates or outcome are stationary and their end fits their start; not with drift",
        ),
        Scheme(
            "linear_shift",
            (),
            ("by", "order", "max_shift"),
            "covariates are shifted along the session without wrapping",
            "covariates or outcome are stationary (one of them may drift), and each session is long",
        ),
        Scheme(
            "swap",
            ("by",),
            ("order",),
            "the covariates of whole sessions are exchanged",
            "sessions are independent and alike (recorded in the same way)",
        ),
        Scheme(
            "sign_flip",
            ("by",),
            (),
            "the scores of whole sessions change sign",
            "sessions are independent, and scores are symmetric about zero without the effect",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of consecutive rows that exchange their places with others of the same group.

    Attributes
    ----------
    rows : (t,)
        The rows, run by run, group by group.
    starts, lengths, groups : (k,)
        Where each run starts in ``rows``, its length, and its group (ascending).
    """

    rows: Codes
    starts: Codes
    lengths: Codes
    groups: Codes

    @property
    def targets(self) -> Codes:
        """All rows."""
        return self.rows

    @property
    def count(self) -> int:
        """The product of the groups' numbers of orders."""
        return math.prod(_orders(k) for k in self._sizes())

    def _sizes(self) -> list[int]:
        return [int(k) for k in np.bincount(self.groups)]

    def arrangement(self, k: int) -> Codes:
        """The k-th of all orders of the runs, the groups' own orders counted like digits."""
        if not k:
            return self._in_order(np.arange(len(self.groups)))
        order, first = [], 0
        for size in self._sizes():
            k, own = divmod(k, math.factorial(size))
            order += [first + j for j in _unranked(own, size)]
            first += size
        return self._in_order(np.array(order, dtype=np.intp))

    def draw(self, rng: np.random.Generator) -> Codes:
        """Runs in random order within their groups."""
        if self.groups[-1] == 0:
            return self._in_order(rng.permutation(len(self.groups)))
        return self._in_order(np.lexsort((rng.random(len(self.groups)), self.groups)))

    def _in_order(self, order: Codes) -> Codes:
        if len(order) == len(self.rows):  # runs of one row
            return self.rows[order]
        lengths = self.lengths[order]
        ends = np.cumsum(lengths)
        return self.rows[np.arange(len(self.rows)) + np.repeat(self.starts[order] - ends + lengths, lengths)]


def _orders(size: int) -> int:
    """The number of orders of so many things; of many things a number that is as far beyond what can be drawn."""
    return math.factorial(min(size, _MANY))


def _unranked(k: int, size: int) -> list[int]:
    """The k-th permutation of range(size); 0 is the identity."""
    if not k:
        return list(range(size))
    left, found = list(range(size)), []
    for remaining in range(size - 1, -1, -1):
        where, k = divmod(k, math.factorial(remaining))
        found.append(left.pop(where))
    return found


@dataclass(frozen=True, slots=True)
class Labels:
    """Sessions that exchange a value which is the same in all of their rows."""

    sessions: Sessions

    @property
    def targets(self) -> Codes:
        """All rows."""
        return self.sessions.rows

    @property
    def count(self) -> int:
        """All orders of the sessions."""
        return _orders(self.sessions.count)

    def arrangement(self, k: int) -> Codes:
        """The k-th order of the sessions."""
        return self._from(np.array(_unranked(k, self.sessions.count)))

    def draw(self, rng: np.random.Generator) -> Codes:
        """Sessions in random order."""
        return self._from(rng.permutation(self.sessions.count))

    def _from(self, order: Codes) -> Codes:
        one = self.sessions.rows[self.sessions.starts[:-1]]
        return np.repeat(one[order], self.sessions.lengths)


@dataclass(frozen=True, slots=True)
class Circular:
    """Each session shifted by an amount of its own, wrapped around."""

    sessions: Sessions

    @property
    def targets(self) -> Codes:
        """All rows."""
        return self.sessions.rows

    @property
    def count(self) -> int:
        """The product of the lengths of the sessions."""
        return math.prod(int(length) for length in self.sessions.lengths)

    def arrangement(self, k: int) -> Codes:
        """The k-th combination of shifts, the sessions' own shifts counted like digits."""
        shifts = []
        for length in self.sessions.lengths:
            k, own = divmod(k, int(length))
            shifts.append(own)
        return self._shifted(np.array(shifts, dtype=np.intp))

    def draw(self, rng: np.random.Generator) -> Codes:
        """A random shift for each session."""
        return self._shifted(rng.integers(self.sessions.lengths))

    def _shifted(self, shifts: Codes) -> Codes:
        starts, lengths, shift = (
            np.repeat(each, self.sessions.lengths)
            for each in (self.sessions.starts[:-1], self.sessions.lengths, shifts)
        )
        return self.sessions.rows[starts + (np.arange(len(starts)) - starts + shift) % lengths]


@dataclass(frozen=True, slots=True)
class Linear:
    """All sessions shifted by the same -N … N rows; the statistic leaves out N rows at each end of a session."""

    sessions: Sessions
    most: int

    @property
    def _places(self) -> Codes:
        starts, ends = self.sessions.starts[:-1] + self.most, self.sessions.starts[1:] - self.most
        return np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])

    @property
    def targets(self) -> Codes:
        """The rows that are at least N rows away from both ends of their session."""
        return self.sessions.rows[self._places]

    @property
    def count(self) -> int:
        """2N + 1."""
        return 2 * self.most + 1

    def arrangement(self, k: int) -> Codes:
        """Shifts 0, 1, -1, 2, -2, …"""
        shift = (k + 1) // 2 * (1 if k % 2 else -1)
        return self.sessions.rows[self._places + shift]

    def draw(self, rng: np.random.Generator) -> Codes:
        """A random shift."""
        return self.arrangement(int(rng.integers(self.count)))


SIGNS = (1.0, -1.0)
SIX_POINTS = (1.0, -1.0, np.sqrt(1.5), -np.sqrt(1.5), np.sqrt(0.5), -np.sqrt(0.5))  # Webb (2023)


@dataclass(frozen=True, slots=True)
class Weights:
    """Groups whose scores are multiplied by weights: by their signs, or by more values.

    Attributes
    ----------
    groups : int
    values : tuple of float
        The values of the weights, equally likely; 1 comes first, and -w is among them with w.
    """

    groups: int
    values: tuple[float, ...] = SIGNS

    @property
    def count(self) -> int:
        """All combinations of values."""
        return int(len(self.values) ** self.groups)

    def arrangement(self, k: int) -> Floats:
        """The weights (G,) given by the digits of k; all are 1 for k = 0."""
        base = len(self.values)
        return np.array([self.values[k // base**g % base] for g in range(self.groups)])

    def draw(self, rng: np.random.Generator) -> Floats:
        """Random weights."""
        return np.asarray(self.values)[rng.integers(len(self.values), size=self.groups)]


Moves = Runs | Labels | Circular | Linear
Plan = Moves | Weights


# from options to plans -----------------------------------------------------------------------------------------------


def rows_within(found: Sessions) -> Runs:
    """Single rows exchanged within their sessions."""
    ones = np.arange(len(found.rows))
    return Runs(found.rows, ones, np.ones_like(ones), np.sort(found.codes))


def blocks_within(found: Sessions, block: int) -> Runs:
    """Blocks of ``block`` consecutive rows exchanged within their sessions; the last of a session may be shorter."""
    starts = [np.arange(a, b, block) for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)]
    groups = np.repeat(np.arange(found.count), [len(own) for own in starts])
    joined = np.concatenate(starts)
    return Runs(found.rows, joined, np.diff(np.append(joined, len(found.rows))), groups)


def whole_sessions(found: Sessions) -> Runs:
    """Whole sessions exchanged, each cut to the length of the shortest."""
    length = int(found.lengths.min())
    rows = np.concatenate([found.rows[a : a + length] for a in found.starts[:-1]])
    starts = np.arange(found.count) * length
    return Runs(rows, starts, np.full(found.count, length), np.zeros(found.count, dtype=np.intp))


def linear_plan(found: Sessions, max_shift: int | None, n: int) -> Linear:
    """Shifts of up to ``max_shift`` rows, by default a quarter of the shortest session and ``n`` shifts in all."""
    shortest = int(found.lengths.min())
    most = min(shortest // 4, n // 2) if max_shift is None else max_shift
    if not 0 < 2 * most < shortest:
        code = int(np.argmin(found.lengths))
        raise InputError(
            f"max_shift={most} needs sessions of more than {max(2 * most, 2)} rows, since that many are left out at "
            f"the ends, and {found.label(code)} has {counted(shortest, 'row')}. Give a smaller max_shift, or leave "
            "short sessions out with subset=."
        )
    if 2 * most > n:
        raise InputError(f"max_shift={most} makes {2 * most} shifts, and all of them are used: n={n} must be as large.")
    return Linear(found, most)


# what follows from a plan --------------------------------------------------------------------------------------------


def p_values(plan: Plan, as_large: NDArray[Any], n: int) -> Floats:
    """p from the numbers of arrangements, of n, whose statistic is as large as the observed one (94), (95)."""
    if isinstance(plan, Linear):
        return np.minimum(1.0, (1 + as_large) / (n // 2 + 1))  # (95)
    return np.asarray((1 + as_large) / (1 + n))  # (94)


def p_value(plan: Plan, as_large: int, n: int) -> float:
    """The same for one number."""
    return float(p_values(plan, np.asarray(as_large), n))


def p_text(plan: Plan) -> str:
    """How p is made of the count b and of n."""
    return "p = (1 + b)/(1 + n/2)" if isinstance(plan, Linear) else "p = (1 + b)/(1 + n)"


def smallest_p(plan: Plan, n: int) -> float:
    """The smallest p there can be; all signs changed give the same statistic as none."""
    return p_value(plan, int(isinstance(plan, Weights) and plan.count == n + 1), n)


def unused(plan: Plan, n: int) -> int:
    """How many of n rows the statistic leaves out."""
    return 0 if isinstance(plan, Weights) else n - len(plan.targets)


def extent(plan: Plan) -> str:
    """How far rows move, for the heading of a table."""
    if isinstance(plan, Linear):
        return f" by 1 to {plan.most:,} rows either way"
    if isinstance(plan, Runs) and len(plan.lengths) < len(plan.rows):
        return f", {len(plan.lengths):,} runs of {int(plan.lengths.max()):,} rows"
    return ""
