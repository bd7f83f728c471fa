"""Models whose own columns lie so far from zero, beside their spread, that sums over a batch lose digits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glminfer.fit.batch import chunks
from glminfer.fit.panels import Models, Panel

_FAR = 1e4  # squared mean over variance; shared columns are centred, those of single models are as they are given


def far(panel: Panel) -> NDArray[np.bool_]:
    """(m,) whether a model has such a column; its single fit, which centres it, has all digits."""
    out = np.zeros(len(panel), dtype=bool)
    if panel.stock.candidates is None or not panel.stock.sample.design.has_intercept:
        return out
    for which in chunks(panel.stock.rows.whole.n, np.arange(len(panel))):
        out[which] = _far_of(panel, which)
    return out


def _far_of(panel: Panel, which: Models) -> NDArray[np.bool_]:
    block = panel.stock.block(which)
    assert block.own is not None
    used = (block.weights > 0)[:, None, :]
    count = np.maximum(used.sum(axis=0), 1)
    mean = np.where(used, block.own, 0.0).sum(axis=0) / count
    variance = (np.where(used, block.own - mean, 0.0) ** 2).sum(axis=0) / count
    return np.asarray(((mean**2 > _FAR * variance) & (variance > 0)).any(axis=0))
