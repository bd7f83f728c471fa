"""Permutation tests of terms: how large would the statistic be if the covariates had fallen on other rows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glminfer.data.sessions import Sessions, sessions
from glminfer.data.values import whole_number
from glminfer.errors import InputError, checked_keywords, counted, nearest, one_of
from glminfer.fit.nested import refuse_penalised
from glminfer.fit.records import FitRecord
from glminfer.inference import rearranged, schemes
from glminfer.inference import terms as term_names
from glminfer.inference.rearranged import Statistics
from glminfer.inference.schemes import SCHEMES, Moves, Plan, Scheme
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array
from glminfer.numerics.threads import one_blas_thread

_TITLES = {"score": "score statistic", "LR": "likelihood ratio"}


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


@checked_keywords
def permutation_test(
    fit: FitRecord,
    term: str | Sequence[str],
    *,
    scheme: str | None = None,
    statistic: str = "score",
    n: int = 999,
    seed: int = 0,
    by: Any = None,
    order: Any = None,
    block: int | None = None,
    max_shift: int | None = None,
) -> Table:
    """Is a term related to the outcome beyond what the arrangement of the rows could do? A permutation test (90).

    What is left of the term's columns after a regression on the other columns is moved to other rows; the other columns
    and the outcome stay, and the statistic is computed again (91), (92). Then p = (1 + b)/(1 + n), with b the number of
    n arrangements whose statistic is at least as large as the observed one (94). Which rows may change places is for
    you to say, since it depends on how the data came about:

    - ``"free"``: rows are exchanged freely. Valid if any order of the rows was equally likely without the effect, as
      for a stimulus drawn afresh on each trial. Not valid if covariate and outcome both drift, or differ by session.
    - ``"within"``: rows are exchanged within the groups of ``by``. Valid if any order of the rows of a group was
      equally likely. Not valid with drift within the groups.
    - ``"blocks"``: blocks of ``block`` consecutive rows are exchanged. Valid if rows further apart than a block are
      nearly independent and nothing drifts. Not valid if the dependence is longer than the blocks.
    - ``"circular_shift"``: covariates are shifted along each session and wrapped around. Valid if they, or the outcome,
      are stationary and end as they began. Not valid with drift, where the seam is unlike the rest.
    - ``"linear_shift"``: covariates are shifted along the session without wrapping; rows at its ends are left out, and
      p is doubled or nearly so to hold for certain (95). Valid if covariates or outcome are stationary; the other one
      may drift. Not valid if both drift.
    - ``"swap"``: whole sessions exchange their covariates (a label, or a series cut to the shortest session). Valid if
      sessions are independent and alike, whatever happens within them. Not valid if sessions differ in kind.
    - ``"sign_flip"``: the scores of whole sessions change sign (93). Valid if sessions are independent and their scores
      symmetric about zero; they need not be alike. Not valid for fewer than 5 or so sessions, or a term that is
      constant within sessions of which few have one value.

    Parameters
    ----------
    term : str or list of str
        The terms to test: "g", "x1 + z", a list.
    scheme : str
        One of the above; there is no default.
    statistic : {"score", "LR"}
        Rao's score statistic, which needs no refits, or the likelihood ratio, which refits each arrangement.
    n : int
        Number of random arrangements; if there are no more than that, each is used once and p is exact.
    seed : int
        Of the random arrangements.
    by : str, list, Series or array, optional
        Sessions or groups: rows never change places across them; for "swap" and "sign_flip" they are what is exchanged.
    order : str, Series or array, optional
        Numbers that grow along each session; by default the order of the rows.
    block : int, optional
        Rows in a block.
    max_shift : int, optional
        The largest linear shift, in rows; by default a quarter of the shortest session.

    Returns
    -------
    DataFrame
        One row: hypothesis, statistic, df, p_value, n (arrangements beside the observed one), mc_error (Monte Carlo
        standard error of p; zero where all arrangements were used), scheme, test. What is assumed is in its heading.

    Raises
    ------
    InputError
        If the scheme is unknown or lacks an option, nothing can be exchanged, or the fit is penalised.

    References
    ----------
    Freedman & Lane (1983) and Potter (2005), on residuals of covariates; Winkler et al. (2014), on exchangeability;
    DiCiccio & Romano (2017); Harris (2020a, b), on shifts and sessions; Hemerik, Goeman & Finos (2020), on signs.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> float(fit.permutation_test("contrast_right", scheme="within", by="mouse").p_value[0])
    0.001
    """
    refuse_penalised(fit, "permutation_test")
    options = {"by": by, "order": order, "block": block, "max_shift": max_shift}
    asked = _request(scheme, statistic, n, seed, options)
    terms = term_names.chosen(fit, term)
    found = _sessions(fit, asked)
    _refuse_idle(fit, asked, terms, found)
    with one_blas_thread():
        plan, statistics, size, df = _prepared(fit, asked, terms, found)
        every = rearranged.distribution(plan, statistics, size, asked.n, asked.seed)
    return _table(fit, asked, terms, plan, every, df, _told(asked, found, plan))


# what was asked for --------------------------------------------------------------------------------------------------


def _request(scheme: str | None, statistic: str, n: int, seed: int, options: dict[str, Any]) -> Request:
    chosen = _scheme(scheme)
    one_of(statistic, _TITLES, "statistic")
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


def _sessions(fit: FitRecord, asked: Request) -> Sessions:
    _, sample = fit.with_rows()
    return sessions(fit.call["data"], sample.used[sample.weights > 0], asked.order, asked.by)


def _refuse_idle(fit: FitRecord, asked: Request, terms: list[str], found: Sessions) -> None:
    """Nothing may be left to chance: groups of one row, a single session, values that are the same all over a group."""
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
    _, sample = fit.with_rows()
    columns = sample.X[:, term_names.columns_of(fit, terms)][sample.weights > 0]
    if found.name and rearranged.constant_within(columns, found).all():
        raise InputError(
            f"{' + '.join(terms)} has one value in each group of {found.name}, so scheme={name!r} changes nothing. "
            f"Whole groups can be exchanged: scheme='swap', by={asked.by!r}."
        )


# from the request to a distribution ----------------------------------------------------------------------------------


def _prepared(fit: FitRecord, asked: Request, terms: list[str], found: Sessions) -> tuple[Plan, Statistics, int, int]:
    """The plan, what computes its statistics, how many arrangements at once, and df."""
    if asked.scheme.name == "sign_flip":
        part = rearranged.tested_part(fit, terms, found.rows)
        return schemes.Weights(found.count), rearranged.flip_statistics(part, found), 256, part.X.shape[1]
    labels = asked.scheme.name == "swap" and _constant(fit, terms, found)
    plan = schemes.Labels(found) if labels else _plan(asked, found)
    part = rearranged.tested_part(fit, terms, plan.targets)
    moved = _values(fit, terms, found) if labels else part.residual()
    if asked.statistic == "score":
        statistics = rearranged.score_statistics(part.scores(), moved)
    else:
        statistics = rearranged.ratio_statistics(part, moved)
    return plan, statistics, rearranged.at_once(moved.shape[1] * len(plan.targets)), moved.shape[1]


def _plan(asked: Request, found: Sessions) -> Moves:
    match asked.scheme.name:
        case "blocks":
            return schemes.blocks_within(found, asked.block or 1)
        case "circular_shift":
            return schemes.Circular(found)
        case "linear_shift":
            return schemes.linear_plan(found, asked.max_shift, asked.n)
        case "swap":
            return schemes.whole_sessions(found)
    return schemes.rows_within(found)


def _constant(fit: FitRecord, terms: list[str], found: Sessions) -> bool:
    _, sample = fit.with_rows()
    columns = sample.X[:, term_names.columns_of(fit, terms)][sample.weights > 0]
    return bool(rearranged.constant_within(columns, found).all())


def _values(fit: FitRecord, terms: list[str], found: Sessions) -> Array:
    _, sample = fit.with_rows()
    X, tested = sample.X[sample.weights > 0], term_names.columns_of(fit, terms)
    return rearranged.session_values(X[:, tested], X[:, term_names.columns_without(fit, terms)], found)


# what is said --------------------------------------------------------------------------------------------------------


def _table(
    fit: FitRecord, asked: Request, terms: list[str], plan: Plan, every: Array, df: int, told: list[str]
) -> Table:
    row = rearranged.summary_row(terms, df, plan, every)
    row |= {"scheme": asked.scheme.name, "test": f"permutation {asked.statistic}"}
    n = len(every) - 1
    return headed(pd.DataFrame([row]), [_title(asked, plan, n), _model(fit, terms), *told, *_few(plan, n)])


def _title(asked: Request, plan: Plan, n: int) -> str:
    drawn = f"all {n:,} other" if plan.count - 1 == n else f"{n:,} random"
    return f"Permutation test, {_TITLES[asked.statistic]}, {drawn} arrangements; {schemes.p_text(plan)}"


def _model(fit: FitRecord, terms: list[str]) -> str:
    others = [name for name in term_names.names(fit) if name not in terms]
    left = f"; what is left of {' + '.join(terms)} beside {', '.join(others)} is moved" if others else ""
    return f"Model: {fit.design.formula.text}{left}"


def _told(asked: Request, found: Sessions, plan: Plan) -> list[str]:
    """How rows are exchanged, and what that assumes."""
    least, most = int(found.lengths.min()), int(found.lengths.max())
    size = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    where = f"{found.name}, {found.count:,} of {size} rows" if found.name else f"{size} rows"
    left = schemes.unused(plan, len(found.rows))
    note = f"Note: {counted(left, 'row')} near the ends of sessions {'is' if left == 1 else 'are'} not used"
    scheme = f"Scheme: {asked.scheme.name}, {asked.scheme.does}{schemes.extent(plan)} ({where})"
    return [scheme, f"Valid if {asked.scheme.valid}", *([note] if left else [])]


def _few(plan: Plan, n: int) -> list[str]:
    smallest = schemes.smallest_p(plan, n)
    return (
        [f"Note: p cannot be smaller than {smallest:.2g} with so few arrangements"]
        if smallest > rearranged.LEVEL
        else []
    )
