"""Wald tests of the terms of a fit, as in car's Anova."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import InputError, counted
from glminfer.fit.nested import stage_of
from glminfer.fit.records import FitRecord
from glminfer.inference import terms as term_names
from glminfer.inference.averages import Recoded, recoded
from glminfer.inference.covariance import Covariance, covariance_for_tests
from glminfer.inference.distributions import f_tail
from glminfer.inference.linear import refuse_many
from glminfer.inference.quadratic import informs, quadratic
from glminfer.inference.sum_coding import sum_coordinates
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array


def wald_rows(fit: FitRecord, kind: str, cov: str, cluster: Any) -> Table:
    """One Wald test per term: term, df, statistic, p_value (and df_denom with clusters)."""
    if kind == "I":
        raise InputError("Wald tests have no sequential form; use type='II' or 'III', or test='LR' for type I.")
    for term in term_names.names(fit):
        count = len(_estimable(fit, term_names.columns_of(fit, [term])))
        refuse_many(count, term, "test='LR' asks the same without it.")
    columns = recoded(fit) if kind == "III" and not fit.aliased else None  # in other columns others may be aliased
    fit = fit if columns is None else columns.fit
    chosen = covariance_for_tests(fit, cov, cluster)
    if kind == "II":
        tested = _marginal(fit, chosen)
    else:
        tested = _sum_coded(fit) if columns is None else _averaged(columns)
    covariance_line = f"Covariance: {chosen.kind} ({chosen.description})"
    rows = pd.DataFrame([_row(fit, one, chosen) for one in tested])
    notes = [f"Note: {note}" for note in (*chosen.notes, *(one.why for one in tested if one.why))]
    return headed(rows, [*heading(fit, kind, "wald", _reference(chosen)), covariance_line, *notes])


def _reference(chosen: Covariance) -> str:
    if np.isinf(chosen.dof):
        return "χ² reference"
    single = "" if chosen.leverages is None else ", with one df F(1, Satterthwaite's)"
    return f"F(df, {chosen.dof:g}) reference{single}"


_KINDS = {
    "I": "each term added to those before it",
    "II": "each term added to the model without the terms that contain it",
    "III": "each term dropped from the whole model, on sum-coded columns",
}


def ratio_tests(fit: FitRecord) -> str:
    """What likelihood-ratio tests of this fit, and of others like it, are called."""
    if fit.penalty is None:
        return "likelihood-ratio tests"
    return "penalised likelihood-ratio tests (Jeffreys prior of the larger model)"


def test_names(fit: FitRecord) -> dict[str, str]:
    """The tests by their short names."""
    return {"LR": ratio_tests(fit), "score": "score tests", "wald": "Wald tests"}


def heading(fit: FitRecord, kind: str, test: str, reference: str = "χ² reference") -> list[str]:
    """What an analysis of deviance says of itself."""
    lines = [
        f"Analysis of deviance, type {kind}: {_KINDS[kind]}",
        f"Model: {fit.design.formula.text}",
        f"Tests: {test_names(fit)[test]}, {reference}",
    ]
    numeric = [
        t for t in fit.design.formula.terms if len(t.factors) > 1 and any(_is_numeric(fit, f) for f in t.factors)
    ]
    if kind == "III" and numeric:
        lines.append(
            "Main effects of interactions with numeric columns are tested where those columns are 0: centre them"
        )
    return lines


def _is_numeric(fit: FitRecord, factor: str) -> bool:
    return fit.design.factors[factor].kind == "numeric"


@dataclass(frozen=True, slots=True)
class _Tested:
    """A term, its estimable columns, and the combinations (q, r) of working coefficients it is tested by.

    ``L`` is None when a coefficient of the term is infinite: a Wald statement about the rest would mislead. So it is
    when the covariance cannot tell the term from those that contain it, and ``why`` says so.
    """

    term: str
    estimable: int
    L: Array | None
    why: str = ""


def _row(fit: FitRecord, one: _Tested, chosen: Covariance) -> dict[str, Any]:
    """W = (Lγ)'(LVL')⁻¹(Lγ), as χ², or as F = W/df with clusters."""
    if one.L is None or not len(one.L):
        return {"term": one.term, "df": one.estimable, "statistic": np.nan, "p_value": np.nan}
    joint = quadratic(fit, one.L, np.zeros(len(one.L)), chosen, [one.term] * len(one.L))
    wald, df = joint.wald, joint.df
    if not df:
        return {"term": one.term, "df": 0, "statistic": np.nan, "p_value": np.nan}
    denominator = float(chosen.dof_for(one.L[:1])[0]) if joint.independent == 1 else float(chosen.dof)
    p_value = f_tail(wald / df, df, denominator)
    if np.isinf(denominator):
        return {"term": one.term, "df": df, "statistic": wald, "p_value": p_value}
    return {"term": one.term, "df": df, "df_denom": denominator, "statistic": wald / df, "p_value": p_value}


def _estimable(fit: FitRecord, columns: Sequence[int]) -> list[int]:
    return [j for j in columns if fit.columns[j] not in fit.aliased]


def _marginal(fit: FitRecord, chosen: Covariance) -> list[_Tested]:
    """Each term beside its relatives: the part of both that is uncorrelated with the relatives (car, Anova.II)."""
    tested = []
    for term in term_names.names(fit):
        relatives = term_names.relatives(fit, term)
        above = _estimable(fit, term_names.columns_of(fit, relatives))
        own = _estimable(fit, term_names.columns_of(fit, [term]))
        if not fit.finite[[*above, *own]].all():
            tested.append(_Tested(term, len(own), None))
        elif above and not informs(fit, fit.T[above], chosen):
            tested.append(_Tested(term, len(own), None, _untold(term, relatives, len(above), chosen)))
        else:
            tested.append(_Tested(term, len(own), _uncorrelated(fit.T[[*above, *own]], fit.T[above], chosen.matrix)))
    return tested


def _untold(term: str, relatives: Sequence[str], count: int, chosen: Covariance) -> str:
    rank = "" if np.isinf(chosen.dof) else f", of rank {chosen.dof:g} at most,"
    return (
        f"no type II test of {term}: the covariance{rank} cannot tell it from {', '.join(relatives)} "
        f"({counted(count, 'coefficient')}), which contain it. Use more clusters, test='score', or type='III'"
    )


def _uncorrelated(both: Array, above: Array, V: Array) -> Array:
    """Combinations of the rows of ``both`` whose estimates are uncorrelated with those of ``above``."""
    if not len(above):
        return both
    scale = np.sqrt(np.einsum("pr,rs,ps->p", both, V, both))
    unit = both / np.where(scale > 0, scale, 1.0)[:, None]
    left, singular, _ = np.linalg.svd(unit @ V @ above.T, full_matrices=True)
    rank = int((singular > 1e-10 * singular.max(initial=0.0)).sum())
    return np.asarray(left[:, rank:].T @ unit)


def _sum_coded(fit: FitRecord) -> list[_Tested]:
    """Coefficients of the sum-coded columns, the intercept included."""
    where = stage_of(fit)
    back = _left_inverse(sum_coordinates(fit, where), where.scale)
    inner, null = _limits(fit)
    names = ["Intercept", *term_names.names(fit)] if fit.design.has_intercept else term_names.names(fit)
    found = []
    for term in names:
        rows = back[[j for j in term_names.columns_of(fit, [term]) if back[j].any()]]
        size = (np.abs(rows) / where.scale).sum(axis=1) * (np.abs(null) * where.scale[:, None]).max(initial=0.0)
        finite = not null.size or (np.abs(rows @ null).max(axis=1, initial=0.0) <= 1e-9 * size).all()
        found.append(_Tested(term, len(rows), rows @ inner if finite else None))
    return found


def _averaged(columns: Recoded) -> list[_Tested]:
    """The same hypotheses where factors are coded (142)."""
    fit = columns.fit
    names = ["Intercept", *term_names.names(fit)] if fit.design.has_intercept else term_names.names(fit)
    found = []
    for term in names:
        C = columns.functionals(term)
        finite = fit.recession is None or not fit.recession.signs(C).any()
        found.append(_Tested(term, len(C), np.asarray(C @ fit.T) if finite else None))
    return found


def _limits(fit: FitRecord) -> tuple[Array, Array]:
    """How the fit's own coordinates (finite part) and its directions of recession lie in the whole space."""
    assert fit.space is not None
    if fit.recession is None:
        return np.eye(fit.rank), np.zeros((fit.rank, 0))
    M = fit.space.coordinates()
    return M @ fit.T, M @ fit.recession.null


def _left_inverse(M: Array, scale: Array) -> Array:
    """(p, r): coefficients of the columns from working coefficients; zero where a column depends on earlier ones."""
    weighted = M * scale[:, None]
    size = np.linalg.norm(weighted, axis=0)
    unit = weighted / np.where(size > 0, size, 1.0)
    kept: list[int] = []
    for j in range(M.shape[1]):
        if len(kept) < len(unit) and np.linalg.svd(unit[:, [*kept, j]], compute_uv=False)[-1] > 1e-8:
            kept.append(j)
    out = np.zeros((M.shape[1], M.shape[0]))
    out[kept] = np.linalg.pinv(unit[:, kept]) * scale / size[kept, None]
    return out
