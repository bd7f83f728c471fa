"""The printed summary: one layout, drawn as text or as HTML."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

from glminfer.errors import checked_keywords
from glminfer.fit.records import FitRecord
from glminfer.report.layout import Layout, layout

_WIDTH = 100
_STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"


class Summary(str):
    """The text of a summary, which a notebook shows as a table."""

    __slots__ = ("html",)

    html: str

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.html


@checked_keywords
def summary(fit: FitRecord, cov: str = "model", cluster: Any = None, level: float = 0.95) -> Summary:
    """What was fitted, to which rows, and what came out, as text.

    Parameters
    ----------
    cov, cluster
        Covariance the standard errors come from, as in `vcov`; it is printed with its correction, the number of
        clusters and the reference distribution.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    str
        Formula, event, rows used and dropped, reference levels, covariance, how the fit ended, the coefficients (link
        scale), deviances, and notes on anything unusual. Notebooks show it as a table.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> print(gi.logit("choice ~ contrast_right", trials).summary().splitlines()[0])
    Logistic regression (logit link), maximum likelihood
    """
    return drawn(layout(fit, cov, cluster, level))


def drawn(parts: Layout) -> Summary:
    """A layout as text that a notebook shows as a table."""
    text = Summary(as_text(parts))
    text.html = as_html(parts)
    return text


def as_text(parts: Layout) -> str:
    """Draw a layout as lines of text."""
    label = max(len(name) for name, _ in parts.facts) + 2
    lines = [parts.title]
    lines += [_wrapped(text, name.ljust(label)) for name, text in parts.facts]
    lines += ["", *_table(parts), "", *parts.closing]
    if parts.notes:
        lines += ["", "Notes", *(_wrapped(note, "- ") for note in parts.notes)]
    return "\n".join(lines)


def _wrapped(text: str, start: str) -> str:
    indent = " " * len(start)
    return textwrap.fill(
        text, _WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _table(parts: Layout) -> list[str]:
    rows = [parts.header, *parts.body]
    full = [row for row in rows if len(row) == len(parts.header)]
    widths = [max(len(row[k]) for row in full) for k in range(len(parts.header))]
    widths[0] = max(len(row[0]) for row in rows)
    last = len(widths) - 1 if parts.header[-1] == "" else -1  # remarks stand on the left of their column
    left = {2: (0, 1), len(parts.header): (0, last)}
    widths.append(0)
    return [_line(row, widths, left[len(row)]) for row in rows]


def _line(row: tuple[str, ...], widths: list[int], left: tuple[int, ...]) -> str:
    return "  ".join(_cell(text, k, widths[k], k in left) for k, text in enumerate(row)).rstrip()


def _cell(text: str, _k: int, width: int, left: bool) -> str:
    return text.ljust(width) if left else text.rjust(width)


def as_html(parts: Layout) -> str:
    """Draw a layout for a notebook."""
    facts = "".join(_html_row((name, text), ("left", "left")) for name, text in parts.facts)
    align = ("left", *("right" for _ in parts.header[1:]))
    head = _html_row(parts.header, align, "th")
    body = "".join(_html_row(row, align, span=len(parts.header)) for row in parts.body)
    closing = "<br>".join(escape(line) for line in parts.closing)
    notes = "".join(f"<li>{escape(note)}</li>" for note in parts.notes)
    return (
        f"<div><p><strong>{escape(parts.title)}</strong></p>"
        f'<table style="{_STYLE}"><tbody>{facts}</tbody></table>'
        f'<table style="{_STYLE}"><thead>{head}</thead><tbody>{body}</tbody></table>'
        f"<p>{closing}</p>{f'<p>Notes</p><ul>{notes}</ul>' if notes else ''}</div>"
    )


def _html_row(cells: tuple[str, ...], align: tuple[str, ...], tag: str = "td", span: int = 0) -> str:
    if len(cells) == 2 < span:  # many coefficients in one line
        label, text = (
            f'<td style="text-align:left;padding:1px 8px"{at}>{escape(cell)}</td>'
            for cell, at in zip(cells, ("", f' colspan="{span - 1}"'), strict=True)
        )
        return f"<tr>{label}{text}</tr>"
    made = "".join(
        f'<{tag} style="text-align:{side};padding:1px 8px">{escape(cell)}</{tag}>'
        for cell, side in zip(cells, align, strict=True)
    )
    return f"<tr>{made}</tr>"
