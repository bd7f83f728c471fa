"""Permutation tests of terms: how large would the statistic be if the covariates had fallen on other rows?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.nested import refuse_penalised
from glminfer.fit.panels import FitsRecord
from glminfer.fit.records import FitRecord
from glminfer.inference import exchange, many_permutation, rearranged
from glminfer.inference import terms as term_names
from glminfer.inference.exchange import Request
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array
from glminfer.numerics.threads import one_blas_thread


@checked_keywords
def permutation_test(
    fit: FitRecord | FitsRecord,
    term: str | Sequence[str] | None = None,
    *,
    scheme: str | None = None,
    statistic: str = "score",
    n: int = 999,
    seed: int = 0,
    by: Any = None,
    order: Any = None,
    block: int | None = None,
    max_shift: int | None = None,
    adjust: str | None = "maxT",
) -> Table:
    """Is a term related to the outcome beyond what the arrangement of the rows could do? A permutation test (90).

    What is left of the term's columns after a regression on the other columns is moved to other rows; the other columns
    and the outcome stay, and the statistic is computed again (91), (92). Then p = (1 + b)/(1 + n), with b the number of
    n arrangements whose statistic is at least as large as the observed one (94). Which rows may change places is for
    you to say, since it depends on how the data came about:

    - ``"free"``: rows are exchanged freely. Valid if any order of the rows was equally likely without the effect, as
      for a stimulus drawn afresh on each trial. Not valid if covariate and outcome both drift, or differ by session.
    - ``"within"``: rows are exchanged within the groups of ``by``. Valid if any order of the rows of a group was
      equally likely. Not valid with drift within the groups.
    - ``"blocks"``: blocks of ``block`` consecutive rows are exchanged. Valid if rows further apart than a block are
      nearly independent and nothing drifts. Not valid if the dependence is longer than the blocks.
    - ``"circular_shift"``: covariates are shifted along each session and wrapped around. Valid if they, or the outcome,
      are stationary and end as they began. Not valid with drift, where the seam is unlike the rest.
    - ``"linear_shift"``: covariates are shifted along the session without wrapping; rows at its ends are left out, and
      p is doubled or nearly so to hold for certain (95). Valid if covariates or outcome are stationary; the other one
      may drift. Not valid if both drift.
    - ``"swap"``: whole sessions exchange their covariates (a label, or a series cut to the shortest session). Valid if
      sessions are independent and alike, whatever happens within them. Not valid if sessions differ in kind.
    - ``"sign_flip"``: the scores of whole sessions change sign (93). Valid if sessions are independent and their scores
      symmetric about zero; they need not be alike. Not valid for fewer than 5 or so sessions, or a term that is
      constant within sessions of which few have one value.

    Many models are tested on the same arrangements, so that p-values adjusted by the largest statistic of each
    arrangement (99) bound the chance of any false positive however the models depend on each other.

    Parameters
    ----------
    fit : Fit or Fits
    term : str or list of str
        The terms to test: "g", "x1 + z", a list. Of many models "{x}" is the candidate; by default everything a
        candidate adds, or everything but the intercept.
    scheme : str
        One of the above; there is no default.
    statistic : {"score", "LR"}
        Rao's score statistic, which needs no refits, or the likelihood ratio, which refits each arrangement.
    n : int
        Number of random arrangements; if there are no more than that, each is used once and p is exact.
    seed : int
        Of the random arrangements.
    by : str, list, Series or array, optional
        Sessions or groups: rows never change places across them; for "swap" and "sign_flip" they are what is exchanged.
    order : str, Series or array, optional
        Numbers that grow along each session; by default the order of the rows.
    block : int, optional
        Rows in a block.
    max_shift : int, optional
        The largest linear shift, in rows; by default a quarter of the shortest session.
    adjust : str or None
        Of many models: "maxT" for the chance of any false positive (99), "maxT_step_down" for the same with more power
        where several effects are there (157), or a method of `adjust`.

    Returns
    -------
    DataFrame
        One row for each model: the group, outcome or covariate of many models; hypothesis, statistic, df, p_value, n
        (arrangements beside the observed one), mc_error (Monte Carlo standard error of p; zero where all arrangements
        were used), scheme, test; for many models also p_adjusted and status. What is assumed is in its heading;
        `plot_permutation` draws it.

    Raises
    ------
    InputError
        If the scheme is unknown or lacks an option, nothing can be exchanged, or the fit is penalised.

    References
    ----------
    Freedman & Lane (1983) and Potter (2005), on residuals of covariates; Winkler et al. (2014), on exchangeability;
    DiCiccio & Romano (2017); Harris (2020a, b), on shifts and sessions; Hemerik, Goeman & Finos (2020), on signs.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> fit = gi.logit("choice ~ contrast_left + contrast_right", trials)
    >>> float(fit.permutation_test("contrast_right", scheme="within", by="mouse").p_value[0])
    0.001
    """
    options = {"by": by, "order": order, "block": block, "max_shift": max_shift}
    asked = exchange.requested(scheme, statistic, n, seed, options)
    if isinstance(fit, FitsRecord):
        return many_permutation.tested(fit, term, asked, adjust)
    if term is None:
        raise InputError(f"term= is needed: {', '.join(term_names.names(fit))}.")
    if adjust != "maxT":
        raise InputError(f"adjust={adjust!r} is for many models, and this is one fit; gi.adjust takes any table.")
    return _one_model(fit, term, asked)


def _one_model(fit: FitRecord, term: str | Sequence[str], asked: Request) -> Table:
    refuse_penalised(fit, "permutation_test")
    terms = term_names.chosen(fit, term)
    found = exchange.sessions_of(fit, asked)
    exchange.refuse_idle(asked, exchange.columns_of(fit, terms), " + ".join(terms), found)
    with one_blas_thread():
        plan, statistics, size, df = exchange.prepared(fit, asked, terms, found)
        lots = rearranged.arrangements(plan, asked.n, asked.seed)
        every = rearranged.distribution(lots, statistics, size)
    return _table(fit, asked, terms, lots, every, df, exchange.told(asked, found, lots))


def _table(
    fit: FitRecord, asked: Request, terms: list[str], lots: Arrangements, every: Array, df: int, said: list[str]
) -> Table:
    row = rearranged.summary_row(terms, df, lots, every)
    row |= {"scheme": asked.scheme.name, "test": f"permutation {asked.statistic}"}
    others = [name for name in term_names.names(fit) if name not in terms]
    left = f"; what is left of {' + '.join(terms)} beside {', '.join(others)} is moved" if others else ""
    model = f"Model: {fit.design.formula.text}{left}"
    return headed(pd.DataFrame([row]), [exchange.title(asked, lots), model, *said], every)
