"""The wild cluster bootstrap: tests of a term where clusters are few."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data.values import whole_number
from glminfer.errors import InputError, checked_keywords, counted, one_of
from glminfer.fit.nested import refuse_penalised
from glminfer.fit.records import FitRecord
from glminfer.inference import rearranged, schemes
from glminfer.inference import terms as term_names
from glminfer.inference.clusters import Grouping, groupings
from glminfer.inference.exchange import columns_of
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.table import Table, headed
from glminfer.numerics import permutations
from glminfer.numerics.threads import one_blas_thread

_VALUES = {"rademacher": schemes.SIGNS, "webb": schemes.SIX_POINTS}
_FEW = 10  # clusters below which Rademacher weights have few different values
_TREATED = 3  # clusters with one value of a covariate: no more than this is too few for the bootstrap
_STATISTICS = {"wald": "Wald statistic after one step", "score": "score statistic"}


@checked_keywords
def wild_bootstrap_test(
    fit: FitRecord,
    term: str | Sequence[str],
    *,
    cluster: Any = None,
    weights: str | None = None,
    statistic: str = "wald",
    n: int = 999,
    seed: int = 0,
) -> Table:
    """Is a term related to the outcome, when rows come in few clusters? The score wild cluster bootstrap (96), (97).

    The null model is fitted once. Its score sums over clusters are multiplied by random weights of mean 0 and variance
    1, and the cluster-robust statistic is computed again from them, its variance included. p = (1 + b)/(1 + n) with b
    the number of n draws whose statistic is at least as large as the observed one (94). Nothing is refitted.

    Valid if clusters are independent and each holds a fair share of the information. More reliable than t(G - 1) with
    few or unequal clusters, but not with one or two clusters that differ from all others in the covariate, where no
    method is.

    Parameters
    ----------
    term : str or list of str
        The terms to test: "g", "x1 + z", a list.
    cluster : str, Series or array
        Which rows belong together.
    weights : {"rademacher", "webb"}, optional
        1 and -1, or Webb's six points, which give more different draws; by default these with fewer than 10 clusters.
    statistic : {"wald", "score"}
        How the variance of each draw is made: from score sums after one scoring step on the drawn scores, as in the
        restricted wild cluster bootstrap of linear models; or from the drawn score sums themselves.
    n : int
        Number of random draws; if there are no more than that in all, each is used once.
    seed : int
        Of the random weights.

    Returns
    -------
    DataFrame
        One row: hypothesis, statistic (without corrections for few clusters, which would cancel), df, p_value, n,
        mc_error (Monte Carlo standard error of p), clusters, weights, test.

    Raises
    ------
    InputError
        Without clusters, with several ways of clustering, with no more clusters than tested columns, or for a
        penalised fit.

    References
    ----------
    Kline & Santos (2012), J. Econometric Methods 1; MacKinnon, Nielsen & Webb (2024), for one step in place of refits;
    Cameron, Gelbach & Miller (2008); Webb (2023).

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_sessions=4, seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> bool(fit.wild_bootstrap_test("contrast_right", cluster="session").p_value[0] < 0.01)
    True
    """
    refuse_penalised(fit, "wild_bootstrap_test")
    one_of(statistic, _STATISTICS, "statistic")
    n, seed = whole_number("n", n, 1), whole_number("seed", seed, 0)
    way = _one_way(fit, cluster)
    chosen = one_of(("webb" if way.count < _FEW else "rademacher") if weights is None else weights, _VALUES, "weights")
    terms = term_names.chosen(fit, term)
    _, sample = fit.with_rows()
    used = sample.weights > 0
    part = rearranged.tested_part(fit, terms, np.arange(int(used.sum())))
    _refuse_too_few(way, part.X.shape[1], terms)
    sums = rearranged.sums_of_groups(part, way.codes[used], way.count)
    statistics = partial(permutations.bootstrapped_statistics, sums, refreshed=statistic == "wald")
    lots = rearranged.arrangements(schemes.Weights(way.count, _VALUES[chosen]), n, seed)
    with one_blas_thread():
        every = rearranged.distribution(lots, statistics, rearranged.at_once(4 * sums.score.size))
    row = rearranged.summary_row(terms, part.X.shape[1], lots, every)
    row |= {"clusters": way.count, "weights": chosen, "test": f"wild bootstrap {statistic}"}
    return headed(pd.DataFrame([row]), _heading(fit, terms, way, lots, chosen, statistic), every)


def _one_way(fit: FitRecord, cluster: Any) -> Grouping:
    if cluster is None:
        raise InputError("wild_bootstrap_test needs cluster=: which rows belong together, such as cluster='mouse'.")
    ways = groupings(fit, cluster)
    if len(ways) > 1:
        raise InputError(
            f"The wild cluster bootstrap is for one way of clustering, and cluster= gives {len(ways)}: "
            f"{', '.join(way.name for way in ways)}. Choose the coarsest."
        )
    return ways[0]


def _refuse_too_few(way: Grouping, columns: int, terms: list[str]) -> None:
    if columns >= way.count:
        raise InputError(
            f"{' + '.join(terms)} has {counted(columns, 'column')} and {way.name} {counted(way.count, 'cluster')}: a "
            "joint test needs more clusters than columns. Test fewer columns at once, or use permutation_test."
        )


def _heading(
    fit: FitRecord, terms: list[str], way: Grouping, lots: Arrangements, weights: str, statistic: str
) -> list[str]:
    drawn = f"all {lots.n:,} other" if lots.complete else f"{lots.n:,} random"
    how = schemes.p_text(lots.plan)
    title = f"Wild cluster bootstrap, {_STATISTICS[statistic]}, {drawn} weights ({weights}); {how}"
    lines = [title, f"Model: {fit.design.formula.text}", f"Clusters: {way.count:,} of {way.name}"]
    smallest = schemes.smallest_p(lots.plan, lots.n)
    if smallest > rearranged.LEVEL:
        lines.append(f"Note: p cannot be smaller than {smallest:.2g} with so few clusters")
    return lines + _lonely(fit, terms, way)


def _lonely(fit: FitRecord, terms: list[str], way: Grouping) -> list[str]:
    """A covariate of clusters with two values, one of which only few clusters have."""
    _, sample = fit.with_rows()
    used = sample.weights > 0
    columns, codes = columns_of(fit, terms), way.codes[used]
    first = np.unique(codes, return_index=True)[1]
    found = columns[first]
    if columns.shape[1] != 1 or not np.array_equal(columns, found[codes]):
        return []
    values, counts = np.unique(found, return_counts=True)
    if len(values) != 2 or counts.min() > _TREATED:
        return []
    few = f"{counted(int(counts.min()), 'cluster')} of {way.name} {'has' if counts.min() == 1 else 'have'}"
    return [f"Note: only {few} {terms[0]} = {values[counts.argmin()]:g}; no method is reliable with so few"]
