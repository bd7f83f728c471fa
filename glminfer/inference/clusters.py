"""Which rows belong together: cluster columns as codes of the used rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data import frames
from glminfer.data.columns import Column, missing, pick
from glminfer.data.design import Sample
from glminfer.data.sessions import coded
from glminfer.errors import DataError, FormulaError, InputError, counted
from glminfer.fit.records import FitRecord


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way of putting the used rows into clusters.

    Attributes
    ----------
    name : str
        What the clusters are called in tables: "mouse", "mouse × session".
    codes : (n,) int
        0 … G-1; rows of zero weight, which add nothing, have code 0.
    labels : tuple or None
        The value of each cluster, for messages; None for intersections.
    count : int
        Number of clusters with a row of positive weight.
    """

    name: str
    codes: NDArray[np.intp]
    count: int
    labels: tuple[Any, ...] | None = None

    def label(self, code: int) -> str:
        """``mouse = 'A'``."""
        return f"{self.name} = {self.labels[code]!r}" if self.labels else f"cluster {code} of {self.name}"


def groupings(fit: FitRecord, cluster: Any) -> tuple[Grouping, ...]:
    """The clusters asked for by name, by several names, or by values aligned with the data of the fit."""
    return groupings_of(fit.with_rows()[1], fit.call["data"], cluster)


def groupings_of(sample: Sample, data: Any, cluster: Any) -> tuple[Grouping, ...]:
    """The same for the rows of a sample of the data."""
    return tuple(_grouping(sample, data, item) for item in _items(cluster, data))


def _items(cluster: Any, data: Any) -> list[Any]:
    """One item per way of clustering: a list of names or of columns is several, a list of values is one."""
    if isinstance(cluster, pd.DataFrame):
        return [cluster[name] for name in cluster.columns]
    if not isinstance(cluster, list | tuple):
        return [cluster]
    if not cluster:
        raise InputError("cluster= is an empty list; name a column, such as cluster='mouse'.")
    if all(isinstance(item, str) for item in cluster):
        known = set(frames.names(data))
        values = not known.issuperset(cluster) and len(cluster) == frames.length(data)
        return [pd.Series(cluster).to_numpy()] if values else list(cluster)
    several = all(isinstance(item, str) or np.ndim(item) == 1 for item in cluster)
    return list(cluster) if several else [np.asarray(cluster, dtype=object)]


def _grouping(sample: Sample, data: Any, item: Any) -> Grouping:
    column = _column(data, item)
    if len(column) != sample.n_given:
        raise DataError(
            f"The data of the fit had {counted(sample.n_given, 'row')} and now have {len(column):,}; "
            "fit again, or give them back with fit.with_data(frame)."
        )
    name = item if isinstance(item, str) else str(getattr(item, "name", None) or "cluster")
    given = column if sample.places is None else pick(column, sample.used)
    counts = sample.weights > 0
    _refuse_missing(given, counts, name)
    codes, labels = _coded(given, counts)
    if len(labels) < 2:
        raise DataError(
            f"{name} has {counted(len(labels), 'cluster')} in the {counted(int(counts.sum()), 'row')} used, and a "
            "cluster-robust covariance compares clusters: it needs at least 2, and is trustworthy from about 10."
        )
    return Grouping(name, codes, len(labels), labels)


def _column(data: Any, item: Any) -> Column:
    try:
        return frames.label_column(item, data, "cluster")
    except FormulaError as error:  # a name that is not there
        raise FormulaError(f"{error} A column added since the fit is given by its values, cluster=data[…].") from None


def _refuse_missing(column: Column, counts: NDArray[np.bool_], name: str) -> None:
    gone = int(np.count_nonzero(missing(column) & counts))
    if gone:
        rows = f"{gone:,} of the {counted(int(counts.sum()), 'row')} used"
        raise DataError(
            f"{name} is missing in {rows}, so it is not known which cluster they belong to. "
            f"Fill the values, or refit without these rows: subset=data[{name!r}].notna()."
        )


def _coded(column: Column, counts: NDArray[np.bool_]) -> tuple[NDArray[np.intp], tuple[Any, ...]]:
    """Codes and the values they stand for, over the values that have a row of positive weight."""
    if counts.all():
        return coded(column)
    codes = np.zeros(len(column), dtype=np.intp)
    codes[counts], labels = coded(pick(column, np.flatnonzero(counts)))
    return codes, labels


def subsets(ways: Sequence[Grouping], counts: NDArray[np.bool_]) -> Iterator[tuple[int, Grouping]]:
    """Sign and clusters of each term of the inclusion-exclusion over all ways of clustering (37)."""
    for size in range(1, len(ways) + 1):
        for chosen in combinations(ways, size):
            yield (1 if size % 2 else -1), crossed(chosen, counts)


def crossed(ways: Sequence[Grouping], counts: NDArray[np.bool_]) -> Grouping:
    """Clusters of rows that agree in all of the given ways; ``counts`` marks the rows of positive weight."""
    if len(ways) == 1:
        return ways[0]
    codes, count = ways[0].codes, ways[0].count
    for way in ways[1:]:
        codes, labels = _coded(codes * np.intp(way.count) + way.codes, counts)
        count = len(labels)
    return Grouping(" × ".join(way.name for way in ways), codes, count)
