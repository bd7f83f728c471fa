"""Where the user called: the names a formula may use as functions, and the line a warning points at."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any

from glminfer.errors import ConvergenceWarning, SeparationWarning, Status, counted
from glminfer.fit.path_records import PathRecord
from glminfer.fit.records import FitRecord


def names_around() -> dict[str, Any]:
    """Names visible where the user called."""
    frame, _ = _outside()
    return {**frame.f_globals, **frame.f_locals}


def _outside() -> tuple[FrameType, int]:
    """The first frame outside this package, and how many levels it is above the caller of this function."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "glminfer":
        frame, level = frame.f_back, level + 1
    return frame, level


def warn_about(fit: FitRecord) -> None:
    """Warn of infinite estimates or an unfinished fit."""
    _, level = _outside()  # the warning points at the line of the user
    if fit.status is Status.SEPARATED:
        warnings.warn(fit.separation, SeparationWarning, stacklevel=level)
    elif fit.status is Status.LIMIT:
        warnings.warn(_unfinished(fit), ConvergenceWarning, stacklevel=level)


def warn_of_limit(path: PathRecord) -> None:
    """Warn of penalties that were left before their optimum."""
    if path.status is Status.LIMIT:
        _, level = _outside()
        more = "raise the limit with control=gi.Control(max_iter=...)" if path.control.max_iter else "look at path.kkt"
        warnings.warn(f"The path is {path.notes[-1]}; {more}.", ConvergenceWarning, stacklevel=level)


def _unfinished(fit: FitRecord) -> str:
    """Why the solver stopped short of the maximum, and what to try."""
    done = f"({counted(fit.n_iter, 'iteration')} of {fit.solver!r})"
    if fit.control.max_iter is not None and fit.n_iter >= fit.control.max_iter:
        return (
            f"{Status.LIMIT.sentence[:-1]} {done}. The estimates are not the maximum; raise the limit with "
            "control=gi.Control(max_iter=...) and look at fit.trace."
        )
    return (
        f"The solver found no further step that raises the likelihood {done}, short of its maximum. The estimates are "
        "not the maximum; look at fit.trace, at the scale of columns, weights and offset, and try another solver."
    )
