"""Analysis of deviance of many models: every term of each tested in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from glminfer.data.progress import progress
from glminfer.errors import InputError, checked_keywords, one_of
from glminfer.fit.panels import FitsRecord, Panel
from glminfer.fit.singles import HOLE, PLACE, refitted
from glminfer.fit.subpanels import Smaller, refuse_reduced, smaller
from glminfer.inference import deviance
from glminfer.inference import terms as term_names
from glminfer.inference.many_labels import first_columns, labels, told
from glminfer.inference.many_tests import Tested, chosen_scores, columns_of, comparable
from glminfer.inference.multiplicity import adjust as adjusted
from glminfer.numerics.threads import one_by_one

_ROLE = "\0role"  # what a term is in every model, whatever it is called in each


@checked_keywords
def anova(
    fits: FitsRecord,
    *,
    type: str | int = "II",
    test: str = "LR",
    cov: str = "model",
    cluster: Any = None,
    adjust: str | None = "fdr_bh",
) -> pd.DataFrame:
    """Which terms matter in each model? Analysis of deviance, p-values adjusted within each term (52), (89).

    Parameters
    ----------
    type, test, cov, cluster
        As in `anova` of a single fit. All models are tested together for likelihood ratios of type I and II, and for
        score tests of type II without interactions; else one after another.
    adjust : str or None
        How p-values are adjusted within each term over the models, as in `adjust`.

    Returns
    -------
    DataFrame
        One row per model and term: its group, outcome or covariate, term, df, statistic, p_value, p_adjusted, status.

    Raises
    ------
    InputError
        If the fits are penalised, or the test has no such form.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_neurons=5, seed=1)
    >>> fits = gi.logit_many("contrast_left + C(mouse)", trials, outcomes=trials.filter(regex="^n") > 0)
    >>> fits.anova().term[:2].tolist()
    ['contrast_left', 'C(mouse)']
    """
    kind = one_of(deviance.TYPES.get(str(type), str(type)), list(deviance.TYPES.values()), "type")
    one_of(test, deviance.TESTS, "test")
    refuse_reduced(fits, "anova")
    if test == "LR" and (cov != "model" or cluster is not None):
        raise InputError(
            "A likelihood ratio has no robust form; use test='wald' or test='score' with cov= or cluster=."
        )
    together = (kind != "III" and test == "LR") or (kind == "II" and test == "score" and not _any_relatives(fits))
    if together:
        parts = [_batched(fits, panel, kind, test, (cov, cluster)) for panel in fits.panels]
    else:
        options = {"type": kind, "test": test, "cov": cov, "cluster": cluster}
        parts = [_singly(fits, panel, options) for panel in fits.panels]
    return _joined(fits, parts, adjust)


def model_terms(panel: Panel) -> list[str]:
    """Terms of the design of a panel, without the intercept."""
    return [name.replace(PLACE, HOLE) for name in panel.stock.sample.design.terms if name != "Intercept"]


def _relatives(panel: Panel, name: str) -> list[str]:
    found = term_names.relatives_in(panel.stock.sample.design, name.replace(HOLE, PLACE))
    return [other.replace(PLACE, HOLE) for other in found]


def _any_relatives(fits: FitsRecord) -> bool:
    return any(_relatives(panel, name) for panel in fits.panels for name in model_terms(panel))


def _joined(fits: FitsRecord, parts: Sequence[pd.DataFrame], adjust: str | None) -> pd.DataFrame:
    """One table, p-values adjusted within each role of a term."""
    table = pd.concat(parts, ignore_index=True)
    first = first_columns(fits, [len(part) // len(p) for part, p in zip(parts, fits.panels, strict=True)])
    for place, (name, values) in enumerate(first.items()):
        table.insert(place, name, values)
    if adjust is not None:
        table = adjusted(table, adjust, _ROLE)
        table.attrs["adjustment"] = table.attrs["adjustment"].replace(_ROLE, "term")
    return table.drop(columns=_ROLE)


# all models together -------------------------------------------------------------------------------------------------


def _batched(fits: FitsRecord, panel: Panel, kind: str, test: str, how: tuple[str, Any]) -> pd.DataFrame:
    names = model_terms(panel)
    if test == "score":
        found = [chosen_scores(fits, panel, [name], *how) for name in names]
    else:
        found = _ratios(fits, panel, kind, names)
    statistic, df, p = (np.stack([getattr(t, a) for t in found], axis=1) for a in ("statistic", "df", "p_value"))
    columns = {
        _ROLE: np.tile(np.array(names, dtype=object), len(panel)),
        "term": labels([panel], [names]),
        "df": df.ravel(),
        "statistic": statistic.ravel(),
        "p_value": p.ravel(),
        "status": np.repeat(panel.found.status, len(names)),
    }
    return pd.DataFrame(columns)


def _ratios(fits: FitsRecord, panel: Panel, kind: str, names: Sequence[str]) -> list[Tested]:
    """Likelihood ratios of the terms, each model fitted once."""
    fitted: dict[tuple[int, ...], Smaller] = {}

    def less(dropped: Sequence[str]) -> Smaller:
        columns = tuple(columns_of(panel, dropped))
        if columns not in fitted:
            fitted[columns] = smaller(fits, panel, columns) if columns else _whole(panel)
        return fitted[columns]

    pairs = []
    for k, name in enumerate(names):
        above = list(names[k + 1 :]) if kind == "I" else _relatives(panel, name)
        pairs.append((less([name, *above]), less(above)))
    return [_between(panel, small, large) for small, large in pairs]


def _whole(panel: Panel) -> Smaller:
    """The models themselves."""
    return Smaller(panel.found.loglik - panel.found.constant, panel.found.rank, panel.found.working.T)


def _between(panel: Panel, small: Smaller, large: Smaller) -> Tested:
    gain = 2 * (large.loglik - small.loglik)
    df = np.where(comparable(panel) & np.isfinite(gain), np.maximum(large.rank - small.rank, 0), 0)
    return Tested(np.where(df > 0, np.maximum(gain, 0.0), np.nan), df)


# one after another ---------------------------------------------------------------------------------------------------


def _singly(fits: FitsRecord, panel: Panel, options: dict[str, Any]) -> pd.DataFrame:
    """The single tables below each other; models without one have rows of NaN."""
    have = np.flatnonzero(comparable(panel)).tolist()

    def work(k: int) -> pd.DataFrame:
        return pd.DataFrame(deviance.anova(refitted(fits, panel, k), **options))

    tables = dict(zip(have, progress(one_by_one(work, have), len(have), "models"), strict=True))
    first = next(iter(tables.values()), pd.DataFrame({"term": [], "df": [], "statistic": [], "p_value": []}))
    with_intercept = len(first) > 0 and first["term"].iloc[0] == "Intercept"
    names = ["Intercept", *model_terms(panel)] if with_intercept else model_terms(panel)
    parts = []
    for k in range(len(panel)):
        empty = pd.DataFrame({"term": [told(name, panel.names[k]) for name in names]}).reindex(columns=first.columns)
        part = tables.get(k, empty.assign(df=0))
        parts.append(part.assign(status=panel.found.status[k], **{_ROLE: names}))
    return pd.concat(parts, ignore_index=True)
