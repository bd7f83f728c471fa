"""Which factors are kept as codes instead of dummies, and the columns they then make (113).

This is the one place that decides: a factor, or an interaction of factors, whose dummies are many beside data of some
size. Its products with numeric columns go with it, and so do those with other contrasts than dummies, which alone
stay dense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from glminfer.data.coding import LearnedFactor
from glminfer.data.factors import matrix, term_sources
from glminfer.data.filling import fill
from glminfer.data.formula import Formula
from glminfer.data.grammar import Term
from glminfer.numerics.alike import takes_codes
from glminfer.numerics.blocks import Block
from glminfer.numerics.mixed import Coded, Mixed, mixed

if TYPE_CHECKING:
    from glminfer.data.design import Design
    from glminfer.data.factors import Learned
    from glminfer.data.rows import Rows

Floats = NDArray[np.float64]
Values = Mapping[str, NDArray[Any]]
MANY = 100  # columns of dummies from which codes are faster
_CONSTANT, _LITTLE = 1e-13, 1e-4  # spread beside the mean: of a constant with its rounding, and of what is lost
_LARGE = 1 << 22  # numbers of a dense matrix from which it matters


@dataclass(frozen=True, slots=True)
class _Part:
    """A term that can be coded: its factors of dummies, its other factors, and where its columns are.

    The others are numeric, or have contrasts: then their columns are found by level, with all or without the reference.
    """

    labels: tuple[str, ...]
    numbers: tuple[tuple[str, bool], ...]
    places: NDArray[np.intp]


Groups: TypeAlias = dict[tuple[str, ...], list[tuple[str, _Part]]]


def columns(formula: Formula, learned: Learned | Design, values: Values, n: int, coded: bool | None) -> Floats | Mixed:
    """The (n, p) design matrix, with codes in place of many dummies where that pays, or as ``coded`` says."""
    groups = chosen(formula, learned, n, coded)
    made = {labels: _coded(labels, parts, learned, values, n) for labels, parts in groups.items()}
    made = {labels: coded for labels, coded in made.items() if not _far_from_zero(coded)}
    return _together(formula, learned, values, n, {labels: groups[labels] for labels in made}, tuple(made.values()))


def chosen(formula: Formula, learned: Learned | Design, n: int, coded: bool | None) -> Groups:
    """Terms that are coded, by their categorical factors: many dummies in large data, or as ``coded`` says."""
    width = max((where.stop for where in learned.terms.values()), default=0)
    if coded is False or not n or (coded is None and n * width < _LARGE):
        return {}
    least = 1 if coded else MANY
    return {labels: parts for labels, parts in _groups(formula, learned).items() if _columns(parts) >= least}


def columns_of_piece(
    formula: Formula, learned: Learned | Design, values: Values, n: int, groups: Groups
) -> Floats | Mixed:
    """Some rows of the design matrix, with codes for the terms chosen among all rows."""
    made = tuple(_coded(labels, parts, learned, values, n) for labels, parts in groups.items())
    return _together(formula, learned, values, n, groups, made)


def _together(
    formula: Formula, learned: Learned | Design, values: Values, n: int, groups: Groups, made: tuple[Coded, ...]
) -> Floats | Mixed:
    """The coded terms and all others."""
    if not made:
        return matrix(formula, learned, values, n)
    taken = {name for parts in groups.values() for name, _ in parts}
    dense, spots = _dense(formula, learned, values, n, taken)
    return mixed(dense, spots, made)


def far_from_zero(rows: Rows) -> bool:
    """Whether products of the coded columns would lose digits, so that dummies are needed."""
    parts = () if rows.coded is None else rows.coded.parts
    asked = [k for k, part in enumerate(parts) if part.values is not None]
    return any(_loses(rows.sum(_sums_of_part, k), partial(rows.sum, _squares_of_part, k)) for k in asked)


def _far_from_zero(coded: Coded) -> bool:
    """Whether numbers vary so little about their mean in some level that products of columns would lose them."""
    return coded.values is not None and _loses(_sums(coded), partial(_squares, coded))


def _loses(sums: Floats, squares: Callable[[Floats], Floats]) -> bool:
    """The same from the sums of each level, and from what they make of sums of squares about the means."""
    count = np.maximum(sums[:, :1], 1.0)
    mean = sums[:, 1:] / count
    about = squares(mean) / count
    return bool(((about > (_CONSTANT * mean) ** 2) & (about < (_LITTLE * mean) ** 2)).any())


def _sums(coded: Coded) -> Floats:
    """Rows of each level, and sums of what they have in its columns, (L, 1 + s)."""
    ones = np.ones(len(coded.codes))
    return np.column_stack([np.bincount(coded.codes, minlength=len(coded.places)), coded.sums(ones)])


def _squares(coded: Coded, mean: Floats) -> Floats:
    """Sums of squares about the means of the levels, (L, s)."""
    values = cast(Floats, coded.values)
    away = [(v - mean[coded.codes, a]) ** 2 for a, v in enumerate(values.T)]
    return np.column_stack([np.bincount(coded.codes, v, len(mean)) for v in away])


@takes_codes
def _sums_of_part(block: Block, part: int) -> Floats:
    return _sums(cast(Mixed, block.X).parts[part])


@takes_codes
def _squares_of_part(block: Block, part: int, mean: Floats) -> Floats:
    return _squares(cast(Mixed, block.X).parts[part], mean)


def _columns(parts: Sequence[tuple[str, _Part]]) -> int:
    """Columns of the widest of some terms."""
    return max(int(np.count_nonzero(part.places >= 0)) for _, part in parts)


def _groups(formula: Formula, learned: Learned | Design) -> Groups:
    """Terms that can be coded, by their categorical factors."""
    found: Groups = {}
    for term, flags in zip(formula.terms, learned.full, strict=True):
        part = _part(term, flags, learned.factors, learned.terms[term.name])
        if part is not None:
            found.setdefault(part.labels, []).append((term.name, part))
    return found


def _part(term: Term, flags: Sequence[bool], factors: Mapping[str, LearnedFactor], where: slice) -> _Part | None:
    """Where the columns of a term are, for each combination of levels; None if it has no dummies.

    Columns run through the first factor of the term fastest.
    """
    full = dict(zip(term.factors, flags, strict=True))
    labels = tuple(sorted(text for text in term.factors if _has_dummies(factors[text], full[text])))
    if not labels or where.stop == where.start:
        return None
    numbers = tuple((text, full[text]) for text in term.factors if text not in labels)
    axes = [*labels, *(text for text, _ in numbers)]
    index = {text: _column_of_each(factors[text], full[text]) for text in term.factors}
    at, there, stride = np.zeros((1,) * len(axes), dtype=np.intp), np.ones((1,) * len(axes), dtype=bool), 1
    for text in term.factors:
        own = index[text].reshape([-1 if axis == text else 1 for axis in axes])
        at, there = at + stride * own, there & (own >= 0)
        stride *= int((index[text] >= 0).sum())
    cells = int(np.prod([len(factors[text].levels) for text in labels]))
    return _Part(labels, numbers, np.where(there, where.start + at, -1).reshape(cells, -1))


def _has_dummies(factor: LearnedFactor, full: bool) -> bool:
    return not factor.width and factor.coding(full).matrix is None


def _column_of_each(factor: LearnedFactor, full: bool) -> NDArray[np.intp]:
    """Column of each level, -1 for the reference; of a factor without dummies just its columns."""
    if not _has_dummies(factor, full):
        return np.arange(len(factor.names(full)))
    reference = factor.coding(full).reference
    at = np.arange(len(factor.levels))
    return at if reference is None else np.where(at == reference, -1, at - (at > reference))


def _dense(
    formula: Formula, learned: Learned | Design, values: Values, n: int, taken: set[str]
) -> tuple[Floats, NDArray[np.intp]]:
    """All other columns, and where they stand."""
    pieces, spots = [], [np.zeros(0, dtype=np.intp)]
    width = 0
    for name, sources in term_sources(formula, learned, values, taken):
        where = learned.terms[name]
        size = where.stop - where.start
        if size:
            pieces.append((slice(width, width + size), sources))
            spots.append(np.arange(where.start, where.stop))
            width += size
    return fill(pieces, n, width), np.concatenate(spots)


def _coded(
    labels: tuple[str, ...], terms: Sequence[tuple[str, _Part]], learned: Learned | Design, values: Values, n: int
) -> Coded:
    """The columns of all terms with the same categorical factors."""
    parts = [part for _, part in terms]
    codes: NDArray[Any] = np.zeros(n, dtype=np.int32)
    for text in labels:
        codes = codes * np.int32(len(learned.factors[text].levels)) + values[text]
    places = np.hstack([part.places for part in parts])
    plain = places.shape[1] == 1 and not parts[0].numbers
    numbers = None if plain else np.hstack([_numbers(part.numbers, learned, values, n) for part in parts])
    return Coded(np.ascontiguousarray(codes, dtype=np.int32), numbers, places)


def _numbers(factors: Sequence[tuple[str, bool]], learned: Learned | Design, values: Values, n: int) -> Floats:
    """Products of one column from each of the other factors; the last factor runs fastest, as the places do."""
    result = np.ones((n, 1))
    for text, full in factors:
        factor = learned.factors[text]
        found = values[text] if factor.width else factor.coding(full).table(len(factor.levels))[values[text]]
        own = np.atleast_2d(found.T).T
        result = (result[:, :, None] * own[:, None, :]).reshape(n, -1)
    return result
