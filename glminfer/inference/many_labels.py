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


def objects(values: Sequence[Any]) -> Objects:
    """A vector of anything, never made into numbers."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def first_columns(fits: FitsRecord, repeats: Sequence[int]) -> dict[str, Objects]:
    """The columns that say which model a row belongs to, each model of a panel repeated so many times."""
    found: dict[str, Objects] = {}
    if fits.by is not None:
        parts = [np.repeat(objects([p.group]), len(p) * k) for p, k in zip(fits.panels, repeats, strict=True)]
        found[fits.by] = np.concatenate(parts)
    if fits.model is not None:
        parts = [np.repeat(objects(p.names), k) for p, k in zip(fits.panels, repeats, strict=True)]
        found[fits.model] = np.concatenate(parts)
    return found


def told(label: str, name: str) -> str:
    """A coefficient or term of one model: the candidate's name where it stands."""
    return label.replace(HOLE, written(name)) if HOLE in label else label


def labels(panel: Panel, names: Sequence[str]) -> Objects:
    """Labels (m × len(names)) of coefficients or terms, model by model."""
    table = np.empty((len(panel), len(names)), dtype=object)
    words = [written(name) for name in panel.names] if any(HOLE in label for label in names) else []
    for j, label in enumerate(names):
        table[:, j] = words if label == HOLE else [label.replace(HOLE, w) for w in words] if HOLE in label else label
    return table.ravel()


def coefficient_statuses(panel: Panel) -> Objects:
    """(m × p) status of each coefficient."""
    base = [
        f"aliased: {panel.stock.aliased[name]}" if name in panel.stock.aliased else str(Status.CONVERGED)
        for name in panel.columns
    ]
    table = np.empty((len(panel), len(base)), dtype=object)
    table[:] = base
    for k, words in panel.found.words.items():
        table[k] = words
    reduced = np.flatnonzero(panel.found.status == str(Status.FIRTH))
    table[reduced] = str(Status.FIRTH)
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
