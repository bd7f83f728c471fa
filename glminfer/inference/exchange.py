"""What a permutation test was asked for, and the plan and statistics that follow from it for one fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glminfer.data.rows_coded import in_codes
from glminfer.data.sessions import Sessions, sessions
from glminfer.data.values import whole_number
from glminfer.errors import InputError, counted, nearest, one_of
from glminfer.fit.records import FitRecord
from glminfer.inference import rearranged, schemes
from glminfer.inference import terms as term_names
from glminfer.inference.rearranged import Arrangements, Statistics
from glminfer.inference.schemes import SCHEMES, Moves, Plan, Scheme
from glminfer.numerics import kernels
from glminfer.numerics.blocks import Array

TITLES = {"score": "score statistic", "LR": "likelihood ratio"}


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for: the scheme with its options, the statistic, how many arrangements, which seed."""

    scheme: Scheme
    statistic: str
    n: int
    seed: int
    by: Any = None
    order: Any = None
    block: int | None = None
    max_shift: int | None = None


# what was asked for --------------------------------------------------------------------------------------------------


def requested(scheme: str | None, statistic: str, n: int, seed: int, options: dict[str, Any]) -> Request:
    """The request, or an error that says which option is missing or idle."""
    chosen = _scheme(scheme)
    one_of(statistic, TITLES, "statistic")
    if chosen.name == "sign_flip" and statistic != "score":
        raise InputError("scheme='sign_flip' changes the signs of scores, so it goes with statistic='score' only.")
    for name, value in options.items():
        if value is None and name in chosen.needs:
            raise InputError(f"scheme={chosen.name!r} needs {name}=: {_NEEDED[name]}")
        if value is not None and name not in (*chosen.needs, *chosen.takes):
            able = ", ".join(other.name for other in SCHEMES.values() if name in (*other.needs, *other.takes))
            raise InputError(f"{name}= has no part in scheme={chosen.name!r}; it belongs to: {able}.")
    whole = {name: options[name] for name in ("block", "max_shift") if options[name] is not None}
    checked = {name: whole_number(name, value, 1) for name, value in whole.items()}
    return Request(chosen, statistic, whole_number("n", n, 1), whole_number("seed", seed, 0), **{**options, **checked})


_NEEDED = {
    "by": "the column that says which rows belong to one group, such as by='session'.",
    "block": "how many consecutive rows stay together, such as block=20, longer than rows depend on each other.",
}


def _scheme(name: str | None) -> Scheme:
    if name is None:
        listed = "; ".join(f"{scheme.name!r}, {scheme.does}" for scheme in SCHEMES.values())
        raise InputError(f"scheme= is needed: which rows could have changed places without the effect? {listed}.")
    if name not in SCHEMES:
        raise InputError(f"scheme {name!r} is not known.{nearest(str(name), SCHEMES)} Choose: {', '.join(SCHEMES)}.")
    return SCHEMES[name]


def sessions_of(fit: FitRecord, asked: Request) -> Sessions:
    """The rows of positive weight in the sessions and the order asked for."""
    _, sample = fit.with_rows()
    return sessions(fit.call["data"], sample.used[sample.weights > 0], asked.order, asked.by)


def refuse_idle(asked: Request, columns: NDArray[Any], text: str, found: Sessions) -> None:
    """Nothing may be left to chance: groups of one row, a single session, values that are the same all over a group.

    ``columns`` (n, k) are the tested ones.
    """
    name = asked.scheme.name
    if name in ("swap", "sign_flip"):
        if found.count < 2:
            raise InputError(f"scheme={name!r} exchanges groups of {found.name}, and there is {found.count} only.")
        return
    shortest = 1 if asked.block is None else asked.block
    if found.lengths.max() <= shortest:
        larger = f"more than {counted(shortest, 'row')}"
        raise InputError(
            f"No group of {found.name or 'rows'} has {larger}, so scheme={name!r} has nothing to exchange."
        )
    if found.name and columns.size and rearranged.constant_within(columns, found).all():
        raise InputError(
            f"{text} has one value in each group of {found.name}, so scheme={name!r} changes nothing. "
            f"Whole groups can be exchanged: scheme='swap', by={asked.by!r}."
        )


def columns_of(fit: FitRecord, terms: list[str]) -> Array:
    """The columns of some terms on the rows of positive weight."""
    _, sample = fit.with_rows()
    wanted, used = term_names.columns_of(fit, terms), sample.weights > 0
    if sample.rows.coded is None:
        return np.asarray(sample.X[:, wanted][used])
    return np.asarray(sample.rows.map(kernels.combined, np.eye(len(fit.columns))[:, wanted])[used])


# from the request to a distribution ----------------------------------------------------------------------------------


def prepared(fit: FitRecord, asked: Request, terms: list[str], found: Sessions) -> tuple[Plan, Statistics, int, int]:
    """The plan, what computes its statistics, how many arrangements at once, and df."""
    if asked.scheme.name == "sign_flip":
        part = rearranged.tested_part(fit, terms, np.arange(len(found.rows)))  # in the order of the codes
        return schemes.Weights(found.count), rearranged.flip_statistics(part, found), 256, part.X.shape[1]
    plan = plan_for(asked, found, columns_of(fit, terms))
    part = rearranged.tested_part(fit, terms, plan.targets)
    moved = _values(fit, terms, found) if isinstance(plan, schemes.Labels) else part.residual()
    if asked.statistic == "score":
        statistics = rearranged.score_statistics(part.scores(), moved)
    else:
        statistics = rearranged.ratio_statistics(part, moved)
    return plan, statistics, rearranged.at_once(moved.shape[1] * len(plan.targets)), moved.shape[1]


def plan_for(asked: Request, found: Sessions, columns: NDArray[Any]) -> Moves:
    """How rows move; whole sessions exchange values if the tested ``columns`` (n, k) have one in each."""
    match asked.scheme.name:
        case "blocks":
            return schemes.blocks_within(found, asked.block or 1)
        case "circular_shift":
            return schemes.Circular(found)
        case "linear_shift":
            return schemes.linear_plan(found, asked.max_shift, asked.n)
        case "swap":
            alike = columns.size and rearranged.constant_within(columns, found).all()
            return schemes.Labels(found) if alike else schemes.whole_sessions(found)
    return schemes.rows_within(found)


def _values(fit: FitRecord, terms: list[str], found: Sessions) -> Array:
    _, sample = fit.with_rows()
    used, others = np.flatnonzero(sample.weights > 0), np.array(term_names.columns_without(fit, terms), dtype=np.intp)
    coded = sample.rows.coded is not None
    nuisance = in_codes(sample.rows).X[used].chosen(others) if coded else sample.X[used][:, others]
    return rearranged.session_values(columns_of(fit, terms), nuisance, found)


# what is said --------------------------------------------------------------------------------------------------------


def title(asked: Request, lots: Arrangements) -> str:
    """Which statistic, how many arrangements, and how p is made of them."""
    drawn = f"all {lots.n:,} other" if lots.complete else f"{lots.n:,} random"
    return f"Permutation test, {TITLES[asked.statistic]}, {drawn} arrangements; {schemes.p_text(lots.plan)}"


def told(asked: Request, found: Sessions | None, lots: Arrangements) -> list[str]:
    """How rows are exchanged, what that assumes, and what limits p; ``found`` is None for rows of several kinds."""
    where = "" if found is None else f"{schemes.extent(lots.plan)} ({_size(found)})"
    lines = [f"Scheme: {asked.scheme.name}, {asked.scheme.does}{where}", f"Valid if {asked.scheme.valid}"]
    left = 0 if found is None else schemes.unused(lots.plan, len(found.rows))
    if left:
        lines.append(f"Note: {counted(left, 'row')} near the ends of sessions {'is' if left == 1 else 'are'} not used")
    smallest = schemes.smallest_p(lots.plan, lots.n)
    if smallest > rearranged.LEVEL:
        lines.append(f"Note: p cannot be smaller than {smallest:.2g} with so few arrangements")
    return lines


def _size(found: Sessions) -> str:
    least, most = int(found.lengths.min()), int(found.lengths.max())
    size = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"{found.name}, {found.count:,} of {size} rows" if found.name else f"{size} rows"
