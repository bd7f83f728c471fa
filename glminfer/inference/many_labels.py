"""What the rows of a table over many models are called: groups, models, coefficients and their statuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.formula import written
from glminfer.errors import InputError, Status, nearest
from glminfer.fit.panels import FitsRecord, Panel
from glminfer.fit.singles import HOLE

Objects = NDArray[Any]
Positions = NDArray[np.intp]
Labels = Any  # pandas' own kind of array for such values


def objects(values: Sequence[Any]) -> Objects:
    """A vector of anything, never made into numbers."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def repeated(levels: Sequence[Any], codes: Positions) -> Labels:
    """A column in which each row has one of some levels: these become text once, however many rows there are."""
    return pd.Series(objects(levels)).array.take(codes)


def first_columns(fits: FitsRecord, repeats: Sequence[int]) -> dict[str, Labels]:
    """The columns that say which model a row belongs to, each model of a panel repeated so many times."""
    sizes, rows = np.array([len(panel) for panel in fits.panels]), np.asarray(repeats, dtype=np.intp)
    found: dict[str, Labels] = {}
    if fits.by is not None:
        found[fits.by] = repeated([p.group for p in fits.panels], np.repeat(np.arange(len(sizes)), sizes * rows))
    if fits.model is not None:
        names = [name for panel in fits.panels for name in panel.names]
        found[fits.model] = repeated(names, np.repeat(np.arange(len(names)), np.repeat(rows, sizes)))
    return found


def told(label: str, name: str) -> str:
    """A coefficient or term of one model: the candidate's name where it stands."""
    return label.replace(HOLE, written(name)) if HOLE in label else label


def labels(panels: Sequence[Panel], wanted: Sequence[Sequence[str]]) -> Labels:
    """Labels of the coefficients or terms wanted of each panel, model by model."""
    levels: list[str] = []
    codes = [_coded(panel, names, levels) for panel, names in zip(panels, wanted, strict=True)]
    return repeated(levels, np.concatenate(codes))


def _coded(panel: Panel, names: Sequence[str], levels: list[str]) -> Positions:
    """Where each label stands among the levels, which grow by what they do not have yet."""
    m = len(panel)
    table = np.empty((m, len(names)), dtype=np.intp)
    words = [written(name) for name in panel.names] if any(HOLE in label for label in names) else []
    for j, label in enumerate(names):
        table[:, j] = len(levels) + (np.arange(m) if HOLE in label else 0)
        levels += [label.replace(HOLE, word) for word in words] if HOLE in label else [label]
    return table.ravel()


def roles(fits: FitsRecord) -> Labels:
    """What each coefficient is in every model, whatever it is called in each, panel by panel and model by model."""
    levels = [role for panel in fits.panels for role in panel.roles]
    starts = np.cumsum([0, *(len(panel.roles) for panel in fits.panels)])
    codes = [np.tile(np.arange(a, b), len(p)) for p, a, b in zip(fits.panels, starts[:-1], starts[1:], strict=True)]
    return repeated(levels, np.concatenate(codes))


def coefficient_statuses(fits: FitsRecord) -> Labels:
    """(m × p) status of each coefficient, panel by panel."""
    levels: dict[str, int] = {}
    codes = [_coded_statuses(panel, levels) for panel in fits.panels]
    return repeated(list(levels), np.concatenate(codes))


def _coded_statuses(panel: Panel, levels: dict[str, int]) -> Positions:
    def code(text: str) -> int:
        return levels.setdefault(text, len(levels))

    base = [
        code(f"aliased: {panel.stock.aliased[name]}" if name in panel.stock.aliased else str(Status.CONVERGED))
        for name in panel.columns
    ]
    table = np.tile(np.array(base, dtype=np.intp), (len(panel), 1))
    for k, words in panel.found.words.items():
        table[k] = [code(word) for word in words]
    reduced = np.flatnonzero(panel.found.status == str(Status.FIRTH))
    if reduced.size:
        table[reduced] = code(str(Status.FIRTH))
    return table.ravel()


def keyed(fits: FitsRecord) -> pd.DataFrame:
    """Panel and position of every model, by group and name."""
    sizes = [len(panel) for panel in fits.panels]
    where = {
        "group": np.concatenate([objects([p.group] * len(p)) for p in fits.panels]),
        "name": np.concatenate([objects(p.names) for p in fits.panels]),
        "panel": np.repeat(np.arange(len(sizes)), sizes),
        "place": np.concatenate([np.arange(size) for size in sizes]),
    }
    return pd.DataFrame(where)


def located(fits: FitsRecord, key: Any) -> tuple[Panel, int]:
    """The panel and position a key names: "n7", a group, or (group, "n7")."""
    group, name = _parts(fits, key)
    for panel in fits.panels:
        if (fits.by is None or panel.group == group) and (fits.model is None or name in panel.names):
            return panel, 0 if fits.model is None else panel.names.index(name)
    raise _unknown(fits, key, group, name)


def _parts(fits: FitsRecord, key: Any) -> tuple[Any, Any]:
    if fits.by is None:
        return None, key
    if fits.model is None:
        return key, None
    if not (isinstance(key, tuple) and len(key) == 2):
        raise InputError(
            f"{key!r} does not name one model; give ({fits.by}, {fits.model}), such as {names(fits)[0]!r}."
        )
    return key


def _unknown(fits: FitsRecord, key: Any, group: Any, name: Any) -> InputError:
    known = [panel.group for panel in fits.panels] if fits.by is not None else []
    if fits.by is not None and group not in known:
        return InputError(f"There is no {fits.by} {group!r}.{nearest(str(group), map(str, known))}")
    models = {name: None for panel in fits.panels for name in panel.names}
    near = nearest(str(name), models)
    return InputError(f"There is no {fits.model} {key!r} among {len(fits):,} models.{near}")


def names(fits: FitsRecord) -> list[Any]:
    """The key of every model, in order."""
    found: list[Any] = []
    for panel in fits.panels:
        if fits.by is None:
            found += panel.names
        elif fits.model is None:
            found.append(panel.group)
        else:
            found += [(panel.group, name) for name in panel.names]
    return found
