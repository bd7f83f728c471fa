"""What a path says when printed: the columns, the penalties, a few steps on the way, which columns enter first."""

from __future__ import annotations

import numpy as np

from glminfer.errors import Status, checked_keywords, counted
from glminfer.fit.path_records import PathRecord
from glminfer.inference.numbers import aligned
from glminfer.report.layout import Layout, other_notes, shortened, used_rows
from glminfer.report.summary import Summary, drawn

_STEPS = 10  # shown of a longer path
_FIRST = 8  # columns named that enter first
_WARNING = (
    "A coefficient that is not zero is no evidence of an effect: the penalty selects, shrinks, and lets one of several "
    "correlated columns stand for all."
)


@checked_keywords
def summary(path: PathRecord) -> Summary:
    """What was fitted along the path, as text.

    Returns
    -------
    str
        Formula, event, rows, penalised columns, the range of penalties and how exactly each was solved; some of the
        steps; the columns that enter first. Notebooks show it as a table.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> print(gi.logit_path("choice ~ contrast_left + contrast_right", trials).summary().splitlines()[0])
    Lasso path (logit link), 100 penalties
    """
    header, body = _steps(path)
    return drawn(
        Layout(
            title=f"{_kind(path.mixture.l1_ratio)} path (logit link), {_counted_penalties(len(path.lambdas))}",
            facts=tuple(_facts(path)),
            header=header,
            body=body,
            closing=tuple(_entering(path)),
            notes=(*other_notes(path.notes), _WARNING),
        )
    )


def _kind(l1_ratio: float) -> str:
    return {0.0: "Ridge", 1.0: "Lasso"}.get(l1_ratio, f"Elastic-net (l1_ratio {l1_ratio:g})")


def _counted_penalties(count: int) -> str:
    return "1 penalty" if count == 1 else f"{count:,} penalties"


def _facts(path: PathRecord) -> list[tuple[str, str]]:
    lambdas, Cs = path.lambdas, path.Cs
    span = f"λ {lambdas[0]:.4g}, C {Cs[0]:.4g}"
    if len(lambdas) > 1:
        span = f"λ from {lambdas[0]:.4g} to {lambdas[-1]:.4g}, C = 1/(Σw λ) from {Cs[0]:.4g} to {Cs[-1]:.4g}"
    return [
        ("Formula", shortened(path.design.formula.text)),
        ("Event", path.design.response.event),
        ("Rows", used_rows(path.nobs, path.total if path.grouped else None, path.notes)),
        ("Columns", _columns(path)),
        ("Penalties", span),
        ("Fit", _ending(path)),
    ]


def _ending(path: PathRecord) -> str:
    if path.status is Status.CONVERGED:
        return f"converged: the conditions of optimality hold within {path.control.tol:g} at every penalty"
    return f"{path.status}: violations of optimality up to {path.solution.kkt.max():.1e} (path.kkt)"


def _columns(path: PathRecord) -> str:
    free = int(np.count_nonzero(path.mixture.factor == 0))
    parts = [f"{counted(len(path.names) - free, 'column')} penalised"]
    if path.covariates:
        parts[0] += f" ({counted(len(path.covariates), 'covariate')} beside the formula)"
    if free:
        parts.append(f"{counted(free, 'column')} without penalty")
    parts.append("intercept free" if path.mixture.intercept else "no intercept")
    parts.append("standardised inside" if path.mixture.standardize else "on their own scale")
    return ", ".join(parts)


def _steps(path: PathRecord) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    L = len(path.lambdas)
    shown = np.unique(np.linspace(0, L - 1, min(L, _STEPS)).round().astype(int))
    deviance = [text for (text,) in aligned([(v,) for v in path.deviance[shown]], np.ones(len(shown)))]
    rows = (
        (str(k), f"{path.lambdas[k]:.4g}", f"{path.Cs[k]:.4g}", f"{path.n_nonzero[k]:,}", f"{path.dev_ratio[k]:.3f}", d)
        for k, d in zip(shown, deviance, strict=True)
    )
    return ("step", "lambda", "C", "nonzero", "dev_ratio", "deviance"), tuple(rows)


def _entering(path: PathRecord) -> list[str]:
    """The columns in the order in which they leave zero, as far as there is room."""
    if path.mixture.l1_ratio == 0:
        return ["A ridge shrinks every coefficient and sets none to zero."]
    moving = (path.solution.coef != 0) & (path.mixture.factor > 0)
    entered = np.where(moving.any(axis=0), moving.argmax(axis=0), len(moving))
    order = [j for j in np.argsort(entered, kind="stable")[:_FIRST] if entered[j] < len(moving)]
    if not order:
        return ["No column enters at these penalties."]
    return [f"First to enter: {', '.join(f'{path.names[j]} (step {entered[j]})' for j in order)}"]
