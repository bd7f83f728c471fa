"""What many fits print: what was fitted, how the models ended, and the first rows of their table."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from glminfer.errors import Status, counted
from glminfer.fit.panels import FitsRecord
from glminfer.inference.table import headed
from glminfer.report.many_tables import own_rows, tidy

_ROWS = 6
_SHOWN = ["estimate", "std_error", "p_value", "p_adjusted"]


def overview(fits: FitsRecord) -> pd.DataFrame:
    """The first rows of the table, headed by what was fitted and how the models ended."""
    table = tidy(fits)
    first = list(table.columns[: list(table.columns).index("term") + 1])
    shown = table[own_rows(fits)] if fits.model == "covariate" else table
    head = shown.head(_ROWS)[[*first, *_SHOWN, "status"]]
    if (head.status == str(Status.CONVERGED)).all():
        head = head.drop(columns="status")
    lines = [*_facts(fits), ""]
    if len(shown) > len(head):
        whose = " that are the candidates' own" if fits.model == "covariate" else ""
        lines.append(f"First {len(head)} of {counted(len(shown), 'row')} of tidy(){whose}:")
    return headed(head, lines)


def _facts(fits: FitsRecord) -> list[str]:
    return [
        f"{counted(len(fits), 'logistic regression')} (logit link), {_method(fits)}",
        f"Formula  {_formula(fits)}",
        f"Models   {_models(fits)}",
        f"Rows     {_rows(fits)}",
        f"Status   {_statuses(fits)}",
        *(f"Note     {note}" for note in fits.notes),
    ]


def _method(fits: FitsRecord) -> str:
    if fits.penalty is None:
        return "maximum likelihood"
    return (
        "Firth's bias reduction" if not isinstance(fits.penalty, str) else "maximum likelihood, Firth where separated"
    )


def _formula(fits: FitsRecord) -> str:
    return f"outcome ~ {fits.formula}" if fits.model == "outcome" else fits.formula


def _models(fits: FitsRecord) -> str:
    """``one per outcome (300: n000, n001, n002, …) and session (3: ...)``."""
    told = []
    if fits.model is not None:
        told.append(_listed(fits.model, list(dict.fromkeys(name for p in fits.panels for name in p.names))))
    if fits.by is not None:
        told.append(_listed(fits.by, list(dict.fromkeys(str(panel.group) for panel in fits.panels))))
    return f"one per {' and '.join(told)}"


def _listed(what: str, names: list[str]) -> str:
    more = ", …" if len(names) > 3 else ""
    return f"{what} ({len(names):,}: {', '.join(names[:3])}{more})"


def _rows(fits: FitsRecord) -> str:
    nobs = np.concatenate([panel.found.nobs for panel in fits.panels])
    low, high = int(nobs.min()), int(nobs.max())
    return f"{low:,} used" if low == high else f"{low:,} to {high:,} used"


def _statuses(fits: FitsRecord) -> str:
    counts = Counter(str(status) for panel in fits.panels for status in panel.found.status)
    return ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
