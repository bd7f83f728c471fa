"""What a summary says, before it is drawn: heading, facts, a table of coefficients, closing lines, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glminfer.errors import Status
from glminfer.fit.records import FitRecord
from glminfer.inference.covariance import Covariance, shown_covariance
from glminfer.inference.distributions import chi2_tail
from glminfer.inference.numbers import aligned, fixed, p_equation, p_text
from glminfer.report.tables import tidy

_LONGEST_FORMULA = 400  # characters
_MANY = 100  # columns of a term that are one line
_PIECES = 3  # shown at either end of a longer one
_NAMES = {
    "logit": "Logistic regression (logit link)",
    "probit": "Binomial regression (probit link)",
    "cloglog": "Binomial regression (complementary log-log link)",
    "loglog": "Binomial regression (log-log link)",
    "cauchit": "Binomial regression (cauchit link)",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a summary, as text; a row of the body with two cells stands for many coefficients."""

    title: str
    facts: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    closing: tuple[str, ...]
    notes: tuple[str, ...]


def layout(fit: FitRecord, cov: str = "model", cluster: Any = None, level: float = 0.95) -> Layout:
    """Lay out the summary of a fit."""
    chosen = shown_covariance(fit, cov, cluster)
    table = tidy(fit, cov=chosen, level=level)
    header, body = _coefficients(table, level, chosen, _long(fit)) if chosen.kind != "none" else _selected(table)
    return Layout(
        title=f"{_NAMES[fit.family.link]}, {'maximum likelihood' if fit.penalty is None else fit.penalty.name}",
        facts=tuple(_facts(fit, chosen)),
        header=header,
        body=body,
        closing=tuple(_closing(fit, chosen)),
        notes=(*other_notes(fit.notes), *chosen.notes),
    )


def _facts(fit: FitRecord, chosen: Covariance) -> list[tuple[str, str]]:
    design = fit.design
    facts = [("Formula", shortened(design.formula.text)), ("Event", design.response.event), ("Rows", _rows(fit))]
    if design.reference:
        facts.append(("Reference levels", ", ".join(f"{name}: {level}" for name, level in design.reference.items())))
    if fit.shrinkage is not None:
        facts.append(("Shrinkage", _shrunken(fit, chosen)))
    tests = f"; {chosen.reference}" if chosen.tests else ""
    facts.append(("Covariance", f"{chosen.kind} ({chosen.description}){tests}"))
    facts.append(("Fit", _ending(fit)))
    return facts


def shortened(formula: str) -> str:
    """A formula on one line, its middle left out where it would fill the page (``fit.formula`` has all of it)."""
    formula = " ".join(formula.split())
    if len(formula) <= _LONGEST_FORMULA:
        return formula
    pieces = formula.split(" + ")
    start = "".join(f"{piece} + " for piece in pieces[:_PIECES])
    left_out = len(pieces) - 2 * _PIECES
    return f"{start}… {left_out} more … + {' + '.join(pieces[-_PIECES:])}" if left_out > 0 else formula


def _rows(fit: FitRecord) -> str:
    return used_rows(fit.nobs, fit.n_trials if fit.grouped else None, fit.notes)


def used_rows(nobs: int, n_trials: float | None, notes: Sequence[str]) -> str:
    """Rows used, and what became of the others by the notes; ``n_trials`` when the outcome counts trials."""
    told = next((f"; {note}" for note in notes if _is_about_rows(note)), "")
    grouped = f" ({n_trials:,.0f} trials)" if n_trials is not None else ""
    chosen = next((f"; {note}" for note in notes if note.startswith("subset:")), "")
    return f"{nobs:,} used{grouped}{told}{chosen}"


def other_notes(notes: Sequence[str]) -> tuple[str, ...]:
    """The notes that `used_rows` does not tell."""
    told = next((note for note in notes if _is_about_rows(note)), None)
    return tuple(note for note in notes if not note.startswith("subset:") and note != told)


def _is_about_rows(note: str) -> bool:
    return " dropped: " in note


def _ending(fit: FitRecord) -> str:
    names = {"newton": "Newton (IRLS)", "bfgs": "BFGS", "lbfgs": "L-BFGS", "gradient": "gradient descent"}
    name = names[fit.solver] if fit.penalty is None else fit.penalty.algorithm
    steps = f"{name}, {fit.n_iter} iteration{'s' if fit.n_iter != 1 else ''}"
    words = {
        Status.CONVERGED: "converged",
        Status.SEPARATED: "separated: some estimates are infinite (see notes)",
        Status.LIMIT: "NOT CONVERGED: the iteration limit was reached",
    }
    return f"{steps}, {words[fit.status]}"


def _shrunken(fit: FitRecord, chosen: Covariance) -> str:
    zero = int(np.count_nonzero(fit.values == 0)) if chosen.kind == "none" else 0
    selected = f", {zero:,} of them zero and not shown" if zero else ""
    return f"{fit.effective_df:,.2f} effective degrees of freedom of {fit.rank:,} coefficients{selected}"


def _long(fit: FitRecord) -> dict[str, slice]:
    """Terms of so many columns that a page is no place for them."""
    return {name: where for name, where in fit.design.terms.items() if where.stop - where.start >= _MANY}


def _folded(name: str, part: pd.DataFrame) -> tuple[str, str]:
    """Many coefficients in one line: ``999 coefficients from -1.2 to 1.3; see tidy()``."""
    finite = part.loc[np.isfinite(part["std_error"]), "estimate"]
    ends = f" from {finite.min():.4g} to {finite.max():.4g}" if len(finite) else ""
    words = part["status"].str.split(":").str[0].value_counts()
    odd = [f"{count:,} {word}" for word, count in words.items() if word != Status.CONVERGED]
    told = ", ".join(odd)
    return name, f"{len(part):,} coefficients{ends}{f' ({told})' if odd else ''}; see tidy()"


def _coefficients(
    table: pd.DataFrame, level: float, chosen: Covariance, long: Mapping[str, slice]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    folded = [(where.start, _folded(name, table.iloc[where])) for name, where in long.items()]
    kept = np.ones(len(table), dtype=bool)
    for where in long.values():
        kept[where] = False
    places, table = np.flatnonzero(kept), table[kept]
    tail = 50 * (1 - level)
    ends = (f"{tail:.3g}%", f"{100 - tail:.4g}%")
    degrees = [] if chosen.leverages is None else [[fixed(v, 1) for v in table["df"]]]
    statistic_name = "z" if np.isinf(chosen.dof) else "t"
    names = (statistic_name, *["df" for _ in degrees], "p_value") if chosen.tests else ()
    header = ("", "estimate", "std_error", *names, *ends, "")
    numbers = table[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy()
    cells = aligned(map(tuple, numbers), table["std_error"])
    estimate, error, low, high = zip(*cells, strict=True) if len(table) else ((), (), (), ())
    statistic = [fixed(v, 3) for v in table["statistic"]]
    p = [p_text(v) for v in table["p_value"]]
    remarks = ["" if s == Status.CONVERGED else s.split(":")[0] for s in table["status"]]
    tests = (statistic, *degrees, p) if chosen.tests else ()
    rows = tuple(zip(table["term"], estimate, error, *tests, low, high, remarks, strict=True))
    if not any(remarks):
        header, rows = header[:-1], tuple(row[:-1] for row in rows)
    inside = [*zip(places.tolist(), rows, strict=True), *folded]
    return header, tuple(row for _, row in sorted(inside, key=lambda one: one[0]))


def _selected(table: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The estimates alone, those that are zero left out."""
    shown = table[table["estimate"] != 0]
    scale = np.full(len(shown), shown["estimate"].abs().max() / 10)  # the same decimals for all
    estimate = [text for (text,) in aligned([(v,) for v in shown["estimate"]], scale)]
    return ("", "estimate"), tuple(zip(shown["term"], estimate, strict=True))


def _closing(fit: FitRecord, chosen: Covariance) -> list[str]:
    lines = [
        f"Null deviance {fit.null_deviance:,.2f} on {fit.df_null:,} df; "
        f"residual deviance {fit.deviance:,.2f} on {_degrees(fit.df_resid)} df",
        f"Log-likelihood {fit.loglik:,.2f}; AIC {fit.aic:,.2f}; BIC {fit.bic:,.2f}; McFadden R² {fit.mcfadden:.3f}",
    ]
    df = fit.df_null - fit.df_resid
    if df > 0 and fit.design.has_intercept and fit.penalty is None and chosen.kind == "model":
        gain = max(fit.null_deviance - fit.deviance, 0.0)
        lines.append(
            f"Likelihood ratio against the constant: χ²({df}) = {gain:,.2f}, {p_equation(chi2_tail(gain, df))}"
        )
    if fit.grouped and fit.df_resid > 0:
        ratio = fit.goodness[0] / fit.df_resid
        line = f"Pearson χ² {fit.goodness[0]:,.2f} on {_degrees(fit.df_resid)} df, ratio {ratio:.2f}"
        lines.append(line + (": overdispersed, the standard errors are too small" if _overdispersed(fit) else ""))
    return lines


def _degrees(df: float) -> str:
    return f"{int(df):,}" if df == int(df) else f"{df:,.2f}"


def _overdispersed(fit: FitRecord) -> bool:
    return chi2_tail(fit.goodness[0], fit.df_resid) < 0.01
