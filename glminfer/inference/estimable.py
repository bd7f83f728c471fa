"""Which coefficients, and which combinations of them, have a finite estimate that can be tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from glminfer.errors import InputError
from glminfer.fit.records import FitRecord
from glminfer.numerics.blocks import Array


def reason(fit: FitRecord, j: int) -> str:
    """Why a coefficient has no finite estimate: ``c is aliased (c = a + b)``, ``x is separated``; empty if it has."""
    name = fit.columns[j]
    if name in fit.aliased:
        return f"{name} is aliased ({fit.aliased[name]})"
    return "" if fit.finite[j] else f"{name} is separated"


def usable(fit: FitRecord, where: Iterable[int], term: str) -> tuple[list[int], dict[str, str]]:
    """The columns of a term that have a finite estimate, and why each of the others has none.

    A term whose columns are all aliased adds nothing to a hypothesis; one that is all separated would be missing in it.
    """
    where = list(where)
    lost = {fit.columns[j]: why for j in where if (why := reason(fit, j))}
    kept = [j for j in where if fit.columns[j] not in lost]
    if not kept and not all(fit.columns[j] in fit.aliased for j in where):
        raise InputError(
            f"The term {term!r} has no coefficient with a finite estimate, so no standard error and no Wald test: "
            f"{'; '.join(lost.values())}. {_ways_out(term)}"
        )
    return kept, lost


def _ways_out(term: str) -> str:
    return (
        f"fit.lr_test({term!r}) compares likelihoods, which are finite, and penalty=gi.Firth() in the fit gives "
        "finite estimates."
    )


def refuse_lost(fit: FitRecord, L: Array, rows: Sequence[str]) -> None:
    """Raise unless every row of ``L`` (q, p) is a combination with a finite estimate.

    A combination of separated coefficients may be finite, such as the difference of two levels of a factor whose
    reference level is separated.
    """
    for row, text in zip(L, rows, strict=True):
        used = np.flatnonzero(row)
        if not used.size:
            raise InputError(f"The hypothesis {text!r} has no coefficient in it, so the data say nothing about it.")
        refuse_aliased(fit, used, text)
        if not _stays_finite(fit, row):
            refuse_separated(fit, used, text)


def refuse_aliased(fit: FitRecord, used: Iterable[int], text: str) -> None:
    """Raise if an aliased coefficient is among those used."""
    for j in used:
        if fit.columns[j] in fit.aliased:
            raise InputError(
                f"{text!r} is about a coefficient without an estimate of its own: {reason(fit, j)}. Ask about the "
                "columns that were kept."
            )


def refuse_separated(fit: FitRecord, used: Iterable[int], text: str) -> None:
    """Raise if a separated coefficient is among those used."""
    lost = [j for j in used if not fit.finite[j]]
    if lost:
        told = "; ".join(reason(fit, j) for j in lost)
        term = next(name for name, where in fit.design.terms.items() if where.start <= lost[0] < where.stop)
        raise InputError(
            f"{text!r} has no finite estimate, so no standard error and no Wald test: {told}. {_ways_out(term)}"
        )


def _stays_finite(fit: FitRecord, row: Array) -> bool:
    if fit.finite[np.flatnonzero(row)].all():
        return True
    return fit.recession is not None and bool(fit.recession.signs(row[None])[0] == 0)
