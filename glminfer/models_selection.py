"""The front door to inference after selection: stability selection and split tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import numpy as np

from glminfer.data.beside import beside
from glminfer.data.design import learn
from glminfer.errors import checked_keywords
from glminfer.fit.caller import names_around
from glminfer.fit.path import Penalised, fit_path
from glminfer.fit.path_arguments import spacing
from glminfer.fit.path_records import PathRecord
from glminfer.inference import stability as stable
from glminfer.inference.splitting import split_tests, splitting
from glminfer.inference.table import Table
from glminfer.numerics.newton import Control
from glminfer.numerics.threads import one_blas_thread
from glminfer.report import plots_selection

_RESPONSE_ARGUMENTS = ("weights", "trials", "offset", "subset", "missing", "event", "env")
_NOTHING_ENTERS = 1e6  # a λ beyond any score of standardised columns


@checked_keywords
def stability(
    path: PathRecord,
    threshold: float | None = None,
    *,
    q: int | None = None,
    pfer: float | None = None,
    n_pairs: int = 50,
    bound: Literal["unimodal", "r-concave", "none"] = "unimodal",
    by: Any = None,
    seed: int = 0,
) -> Stability:
    """Which columns would be selected again on other rows? Stability selection with complementary pairs.

    The lasso is fitted to both halves of ``n_pairs`` random cuts of the rows, and on each half the first ``q`` columns
    to enter are selected. Columns selected on a share of the halves of at least ``threshold`` are stable. The expected
    number of false ones among them is at most ``pfer`` (79), (80), (81); two of the three numbers decide the third.

    **Assumes**, for the bound: that columns without effect are exchangeable (each as likely to be selected as any
    other), and that the lasso is no worse than guessing. Without that the bound is on the expected number of stable
    columns among those that are rarely selected (with a probability of at most q/p on a half). "unimodal" and
    "r-concave" assume that shape of the distribution of the share; "none" assumes nothing more. Stable columns are
    those that predict and are not replaceable by others; of two that tell the same, neither may be stable.

    Parameters
    ----------
    path : Path
        Gives the rows, the columns and their penalties (``l1_ratio`` above 0). Its λ are not used.
    threshold : float, optional
        The share of halves, above 0.5; 0.75 where not two of the three are given.
    q : int, optional
        Columns selected on each half, at most.
    pfer : float, optional
        Expected number of false selections (per-family error rate); 1 where not two of the three are given.
    n_pairs : int
        Number of cuts; twice as many lassos are fitted.
    bound : {"unimodal", "r-concave", "none"}
        Which bound: (80), (81), or that of Meinshausen and Bühlmann (79).
    by : str, list or array, optional
        Groups of rows (sessions, mice) that stay together in a half. Then groups are what is exchangeable.
    seed : int
        Seed of the cuts.

    Returns
    -------
    Stability
        ``tidy()`` is the table, ``plot()`` draws how columns enter; ``selected``, ``threshold``, ``q``, ``pfer``.

    Raises
    ------
    InputError
        If the three numbers contradict each other, or the path is a ridge.

    References
    ----------
    Meinshausen & Bühlmann (2010), JRSS B 72; Shah & Samworth (2013), JRSS B 75.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> found = gi.stability(path, threshold=0.9, pfer=1)
    >>> found.q, found.selected
    (7, ('contrast_left', 'contrast_right', 'n008'))
    """
    record = stable.stable(path, threshold, q, pfer, n_pairs, bound, by, seed)
    return Stability(**{f.name: getattr(record, f.name) for f in fields(record)})


class Stability(stable.StabilityRecord):
    """How often each column of a path is selected on half of the rows.

    Attributes
    ----------
    selected : tuple of str
        The stable columns.
    threshold, q, pfer : float, int, float
        The share of halves from which on a column is stable, the number selected on each half, the bound on the
        expected number of false selections.
    probability : (p,)
        The share of halves that select each column.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> path = gi.logit_path("choice ~ . - mouse - session - reaction_time - feedback", trials)
    >>> gi.stability(path, n_pairs=10).n_pairs
    10
    """

    tidy = stable.tidy
    plot = plots_selection.plot_stability

    def __str__(self) -> str:
        return str(stable.shown(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return stable.shown(self)._repr_html_()


@checked_keywords
def split_test(
    formula: str,
    data: Any,
    *,
    n_splits: int = 50,
    method: Literal["LR", "Wald"] = "LR",
    max_selected: int | None = None,
    share: float = 0.5,
    gamma_min: float = 0.05,
    by: Any = None,
    seed: int = 0,
    covariates: Any = None,
    penalty_factor: Mapping[str, float] | Sequence[float] | None = None,
    standardize: bool = True,
    weights: Any = None,
    trials: Any = None,
    offset: Any = None,
    subset: Any = None,
    missing: Literal["drop", "raise"] = "drop",
    event: Any = None,
    env: Mapping[str, Any] | None = None,
) -> Table:
    """Which of many terms matter? Select them on one part of the rows, test them on the other, and do so many times.

    On each split the terms whose columns enter a lasso first are selected on one part; on the other part an ordinary
    logistic regression of the selected terms tests each of them, and the p-values are multiplied by the number of
    selected terms. Terms not selected have p = 1. The p-values of a term over all splits are joined by (82), which does
    not depend on the luck of one split. The chance of any false p_value below 0.05 is at most 0.05.

    **Assumes** that rows (with ``by``, groups) are independent, that the logistic model holds, and that every term that
    matters is among the selected: one that is missed lends its effect to those it is correlated with. The second parts
    must be large enough for the test: see ``max_selected``.

    Parameters
    ----------
    formula, data, weights, trials, offset, subset, missing, event, env
        As in `logit`.
    n_splits : int
        Number of splits.
    method : {"LR", "Wald"}
        Test on the second part. Likelihood-ratio tests stay valid where it is separated.
    max_selected : int, optional
        Columns selected on the first part, at most; by default one for every ten rows of the rarer outcome in the
        second part.
    share : float
        Part of the rows on which terms are selected.
    gamma_min : float
        The smallest quantile of the p-values that counts: a term must be significant in this share of the splits.
    by : str, list or array, optional
        Groups of rows (sessions, mice) that stay together in one part.
    seed : int
        Seed of the splits.
    covariates, penalty_factor, standardize
        As in `logit_path`; terms with penalty factor 0 are in every model and are not tested.

    Returns
    -------
    DataFrame
        term, n_selected (splits that selected it), p_value (adjusted for the choice among all terms), status.

    Raises
    ------
    InputError
        If the formula, the data, the outcome or an option cannot be used.

    References
    ----------
    Meinshausen, Meier & Bühlmann (2009), JASA 104; Wasserman & Roeder (2009), Annals of Statistics 37.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1, n_neurons=20)
    >>> table = gi.split_test("choice ~ . - mouse - session - reaction_time - feedback", trials, n_splits=20)
    >>> table[table.p_value < 0.01].term.tolist()
    ['contrast_left', 'contrast_right', 'n008']
    """
    options = {name: value for name, value in locals().items() if name in _RESPONSE_ARGUMENTS}
    how = Penalised(1.0, penalty_factor, bool(standardize), spacing(lambdas=np.array([_NOTHING_ENTERS])), Control())
    with one_blas_thread():
        more = None if covariates is None else beside(covariates, data)
        also = [] if more is None else more.incomplete()
        sample = learn(formula, data, **options, caller=names_around(), also=also)
        path = fit_path(sample, more, how, {"data": data})  # for its rows and columns; nothing enters at its one λ
    asked = splitting(path, n_splits, share, max_selected, method, gamma_min)
    return split_tests(path, asked, by, seed)
