"""The front door to cross-validation: functions that hold rows out, and the records they return."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from glminfer.errors import InputError, checked_keywords
from glminfer.fit.path import coef_at
from glminfer.fit.path_records import PathRecord
from glminfer.fit.validation import NestedRecord, NestedRequest, ValidationRecord, validate, validate_nested
from glminfer.inference import decoding, path_prediction
from glminfer.report import plots_validation, validation_tables

_Measure = Literal["deviance", "accuracy", "balanced_accuracy", "auc", "brier"]


@checked_keywords
def cross_validate(
    path: PathRecord,
    folds: Any = 10,
    *,
    by: Any = None,
    measure: _Measure = "deviance",
    stratify: bool | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Which penalty predicts new rows best? K-fold cross-validation along a path.

    Each fold is held out in turn, the path is fitted to the other rows at the same penalties, and judged on the fold.
    Columns are standardised within the rows that are fitted. Means are weighted by the folds (70); their standard
    errors (71) and the one-standard-error rule (72) are those of cv.glmnet.

    Parameters
    ----------
    path : Path
    folds : int, str, Series or array
        A number of folds, or the fold of every row: a column name, a Series (by its index) or an array.
    by : str, list, Series or array, optional
        Groups that are never split, such as sessions or mice; each fold then holds whole groups.
    measure : {"deviance", "accuracy", "balanced_accuracy", "auc", "brier"}
        Deviance of a trial (probabilities held within 1e-5 of 0 and 1, as cv.glmnet does); share of right answers at
        probability 0.5; its mean over the two outcomes; area under the ROC curve, within each fold; mean squared error
        of the probability.
    stratify : bool, optional
        Whether every fold has the same share of events, as nearly as can be; yes by default (cv.glmnet does not).
    seed : int
        Of the random folds. The same rows, folds and seed give the same folds, whatever the path: paths of different
        l1_ratio can be compared.

    Returns
    -------
    CrossValidation

    Raises
    ------
    InputError
        If folds cannot be made, or hold all rows of one outcome.

    Notes
    -----
    The best of many penalties looks a little better than it is; `nested_cross_validate` gives an honest score, and
    `decoding_test` says whether there is anything to decode.

    References
    ----------
    Stone (1974), Journal of the Royal Statistical Society B 36; Hastie, Tibshirani & Friedman (2009), The Elements of
    Statistical Learning, section 7.10.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> cv = gi.cross_validate(path, by="session", measure="auc")
    >>> cv.lambda_min <= cv.lambda_1se
    True
    """
    made = validate(path, folds, by, measure, stratify, seed)
    return CrossValidation(**{f.name: getattr(made, f.name) for f in fields(made)})


class CrossValidation(ValidationRecord):
    """How well each penalty of a path predicts held-out rows, and which one to take.

    Attributes
    ----------
    lambda_min, C_min : float
        The penalty with the best mean; the same in scikit-learn's units.
    lambda_1se, C_1se : float
        The largest penalty whose mean is within one standard error of the best (72).
    fold_ids : Series
        The fold of each row, on the index of the data.
    notes : tuple of str
    path : Path

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials)
    >>> gi.cross_validate(path, folds=5).coef_at("1se").index.tolist()
    ['Intercept', 'contrast_left', 'contrast_right']
    """

    tidy = validation_tables.tidy
    glance = validation_tables.glance
    plot = plots_validation.plot_cross_validation

    @property
    def fold_ids(self) -> pd.Series:
        """The fold of each row; missing for rows that were not used."""
        _, sample = self.path.with_rows()
        values = np.full(sample.columns.n, None, dtype=object)
        values[sample.used] = np.array(self.folds.names, dtype=object)[self.folds.codes]
        return pd.Series(values, index=sample.columns.index, name="fold").infer_objects()

    def coef_at(self, lambda_: float | Literal["min", "1se"] = "min") -> pd.Series:
        """Coefficients of the path fitted to all rows, at the best penalty, at that of the 1-SE rule, or at any.

        Parameters
        ----------
        lambda_ : {"min", "1se"} or float
        """
        return coef_at(self.path, self._chosen(lambda_))

    def predict(self, newdata: Any = None, *, lambda_: float | Literal["min", "1se"] = "min", **options: Any) -> Any:
        """Predictions of the path fitted to all rows, as `Path.predict`, at a penalty that was chosen here.

        Parameters
        ----------
        newdata : frame, optional
        lambda_ : {"min", "1se"} or float
        **options
            As in `Path.predict`.
        """
        return path_prediction.predict(self.path, newdata, lambda_=self._chosen(lambda_), **options)

    def _chosen(self, lambda_: float | str) -> float:
        if not isinstance(lambda_, str):
            return lambda_
        chosen = {"min": self.lambda_min, "1se": self.lambda_1se}
        if lambda_ not in chosen:
            raise InputError(f"lambda_={lambda_!r} is neither a number nor one of: {', '.join(chosen)}.")
        return chosen[lambda_]

    def __str__(self) -> str:
        return repr(validation_tables.as_table(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return validation_tables.as_table(self)._repr_html_()


@checked_keywords
def nested_cross_validate(
    path: PathRecord,
    *,
    outer: Any = 10,
    inner: int = 10,
    by: Any = None,
    measure: _Measure = "accuracy",
    select: _Measure = "deviance",
    rule: Literal["min", "1se"] = "min",
    repeats: int = 1,
    stratify: bool = True,
    seed: int = 0,
) -> NestedCrossValidation:
    """How well can new rows be predicted, the choice of the penalty included? Nested cross-validation.

    Each outer fold is held out; the penalty is chosen by a cross-validation of the other rows (which also give the
    sequence of λ and the scale of the columns), the path is fitted to them at that penalty, and judged on the fold.
    Nothing about a row is known to the fit that predicts it.

    Parameters
    ----------
    path : Path
        What is fitted again: its formula, columns, l1_ratio and penalties.
    outer : int, str, Series or array
        A number of folds, or the fold of every row.
    inner : int
        Folds within the other rows.
    by : str, list, Series or array, optional
        Groups that neither outer nor inner folds split.
    measure : str
        What the score is, as in `cross_validate`.
    select : str
        What λ is chosen by; the deviance has fewer ties than the accuracy and is less noisy.
    rule : {"min", "1se"}
        Take the best penalty, or the largest within one standard error of it (72).
    repeats : int
        How often the outer folds are dealt again.
    stratify : bool
        Whether folds share the events evenly.
    seed : int

    Returns
    -------
    NestedCrossValidation

    Raises
    ------
    InputError
        If folds cannot be made, or hold all rows of one outcome.

    Notes
    -----
    Cost: outer × (inner + 1) × repeats paths. The standard error allows for the rows that the fits share and is no
    less than that of independent rows (73); it is an approximation, no unbiased one exists (Bengio & Grandvalet 2004).

    References
    ----------
    Varma & Simon (2006), BMC Bioinformatics 7; Nadeau & Bengio (2003), Machine Learning 52; Bouckaert & Frank (2004),
    PAKDD; Bengio & Grandvalet (2004), Journal of Machine Learning Research 5.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=300, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=20)
    >>> nested = gi.nested_cross_validate(path, outer=5, inner=5)
    >>> bool(nested.glance().estimate[0] > nested.glance().null[0])
    True
    """
    asked = NestedRequest(outer, inner, by, measure, select, rule, repeats, stratify, seed)
    made = validate_nested(path, asked)
    return NestedCrossValidation(**{f.name: getattr(made, f.name) for f in fields(made)})


class NestedCrossValidation(NestedRecord):
    """Scores on rows that took no part in fitting or in choosing the penalty, with their spread.

    Attributes
    ----------
    spread : Spread
        Mean, standard deviation over folds, standard error (73).
    notes : tuple of str
    path : Path

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=200, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=10)
    >>> nested = gi.nested_cross_validate(path, outer=4, inner=4)
    >>> len(nested.tidy()), len(nested.held_out())
    (4, 200)
    """

    tidy = validation_tables.nested_tidy
    glance = validation_tables.nested_glance
    held_out = validation_tables.held_out_probabilities

    def __str__(self) -> str:
        return repr(validation_tables.nested_as_table(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return validation_tables.nested_as_table(self)._repr_html_()


@checked_keywords
def decoding_test(
    path: PathRecord,
    folds: Any = 10,
    *,
    measure: _Measure = "accuracy",
    scheme: str | None = None,
    n: int = 199,
    by: Any = None,
    order: Any = None,
    block: int | None = None,
    max_shift: int | None = None,
    stratify: bool | None = None,
    seed: int = 0,
) -> DecodingTest:
    """Can the outcome be decoded from these columns at all? A permutation test of a cross-validated score.

    The score is the best cross-validated mean along the path. Outcomes are moved to other rows, and folds, penalties
    and the choice among them are made anew, so that scores of rearranged outcomes are too good in the same way. Then
    p = (1 + b)/(1 + n), with b the number of n arrangements that score at least as well (74). The score itself is too
    good to be reported as an accuracy: see `nested_cross_validate`.

    Parameters
    ----------
    path : Path
    folds : int, str, Series or array
        As in `cross_validate`. A number is dealt again for every arrangement; folds that are given stay, and must not
        have been made from the outcome.
    measure : str
        As in `cross_validate`. Where one outcome is more common, ``"auc"`` and ``"balanced_accuracy"`` see more than
        ``"accuracy"``.
    scheme : str
        Which outcomes may change places, as in `permutation_test`: "free", "within" the groups of ``by``, "blocks",
        "circular_shift", "linear_shift", "swap". There is no default, since it depends on how the data came about: with
        sessions, outcomes change places within them; with drift along a session, shifts or blocks.
    n : int
        Number of random arrangements.
    by, order, block, max_shift
        As in `permutation_test`: sessions, the order of their rows, and the size of blocks and shifts.
    stratify : bool, optional
        As in `cross_validate`.
    seed : int

    Returns
    -------
    DecodingTest

    Raises
    ------
    InputError
        If the outcome counts trials, the path has an offset, or nothing can change places.

    Notes
    -----
    Cost: (n + 1) × folds paths. A path of fewer penalties, ``n_lambdas=20, lambda_min_ratio=0.05``, is as good a
    decoder and several times faster. The chance level of an accuracy is not one half: it is what rearranged outcomes
    give, with the size of the sample and the shares of the outcomes (Combrisson & Jerbi 2015).

    References
    ----------
    Ojala & Garriga (2010), Journal of Machine Learning Research 11; Combrisson & Jerbi (2015), Journal of Neuroscience
    Methods 250; Harris (2020), Nonsense correlations in neuroscience, bioRxiv.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=300, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=5)
    >>> gi.decoding_test(path, folds=4, measure="auc", scheme="within", by="session", n=19).p_value
    0.05
    """
    options = {"by": by, "order": order, "block": block, "max_shift": max_shift}
    made = decoding.decode(path, folds, measure, scheme, n, options, stratify, seed)
    return DecodingTest(**{f.name: getattr(made, f.name) for f in fields(made)})


class DecodingTest(decoding.DecodingRecord):
    """A cross-validated score beside those of rearranged outcomes.

    Attributes
    ----------
    estimate : float
        The best mean along the path.
    null : (n,)
        The same for n arrangements of the outcome.
    p_value, mc_error : float
        (74) and its Monte Carlo standard error.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=150, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=5)
    >>> test = gi.decoding_test(path, folds=4, measure="auc", scheme="free", n=19)
    >>> bool(test.estimate > test.null.max())
    True
    """

    tidy = decoding.tidy
    plot = plots_validation.plot_decoding

    def __str__(self) -> str:
        return repr(decoding.tidy(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return decoding.tidy(self)._repr_html_()
