"""Can the outcome be decoded at all? A cross-validated score beside those of rearranged outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glminfer.data.sessions import sessions
from glminfer.errors import InputError, checked_keywords, counted
from glminfer.fit.folds import Dealer, Folds, refuse_one_class
from glminfer.fit.held_out import Curve, curve, judged
from glminfer.fit.path_records import PathRecord
from glminfer.fit.recipe import Recipe
from glminfer.fit.validation import dealer_of, folds_of, measure_named, recipe_of
from glminfer.inference import exchange, rearranged, schemes
from glminfer.inference.exchange import Request
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.schemes import Moves
from glminfer.inference.table import Table, headed
from glminfer.numerics.blocks import Array
from glminfer.numerics.losses import Measure
from glminfer.numerics.permutations import reached
from glminfer.numerics.threads import one_blas_thread


@dataclass(frozen=True, eq=False)
class DecodingRecord:
    """A score of a path on held-out rows, and what it is when outcomes are rearranged.

    Attributes
    ----------
    path : PathRecord
    measure : Measure
    estimate : float
        The best cross-validated mean along the path.
    lambda_ : float
        Where it is.
    constant : float
        The same measure of the constant alone.
    null : (n,)
        The best means of n arrangements of the outcome.
    p_value, mc_error : float
        (74) and its Monte Carlo standard error.
    scheme : str
    heading : tuple of str
    """

    made_by: ClassVar[tuple[str, ...]] = ("gi.decoding_test",)

    path: PathRecord
    measure: Measure
    estimate: float
    lambda_: float
    constant: float
    null: Array
    p_value: float
    mc_error: float
    scheme: str
    heading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decoder:
    """The statistic: the best mean of a cross-validation along the path, folds and penalties made anew."""

    recipe: Recipe
    folds: Folds | Dealer
    measure: Measure
    seed: int
    plan: Moves
    rows: NDArray[np.intp]

    def arranged(self, source: NDArray[np.intp]) -> Recipe:
        """The outcomes of some rows on the rows they are moved to; rows left out of the plan weigh nothing."""
        y, targets = self.recipe.y.copy(), self.rows[self.plan.targets]
        y[targets] = self.recipe.y[self.rows[source]]
        weights = np.zeros_like(self.recipe.weights)
        weights[targets] = self.recipe.weights[targets]
        return self.recipe.weighing(weights).answering(y)

    def curve(self, source: NDArray[np.intp]) -> Curve:
        """The cross-validation of one arrangement."""
        made = self.arranged(source)
        # the same random numbers for every arrangement: the score is one function of the outcomes
        dealt = self.folds
        if isinstance(dealt, Dealer):
            dealt = dealt.deal(made.y, made.counts, np.random.default_rng(self.seed))
        refuse_one_class(dealt, made.y, made.weights)
        lambdas = made.sequence()
        found = [judged(made, dealt, code, lambdas, self.measure) for code in range(dealt.count)]
        return curve(found, dealt.weights(made.weights), self.measure)

    def statistics(self, sources: NDArray[np.intp]) -> Array:
        """Best means (B,) of arrangements (B, t), larger where better."""
        curves = [self.curve(source) for source in sources]
        return np.array([self.measure.sign * found.mean[found.best] for found in curves])


def decode(
    path: PathRecord,
    folds: Any,
    measure: str,
    scheme: str | None,
    n: int,
    options: dict[str, Any],
    stratify: bool | None,
    seed: int,
) -> DecodingRecord:
    """The test (74), for the front door to give a class."""
    chosen, asked = measure_named(measure), exchange.requested(scheme, "score", n, seed, options)
    recipe = _decodable(path, asked)
    rows = np.flatnonzero(recipe.counts)
    outcome = recipe.y[rows][:, None]
    found = sessions(path.call["data"], path.with_rows()[1].used[rows], asked.order, asked.by)
    exchange.refuse_idle(asked, outcome, "The outcome", found)
    plan = exchange.plan_for(asked, found, outcome)
    decoder = Decoder(recipe, _folds(path, folds, stratify, asked.seed), chosen, asked.seed, plan, rows)
    lots = rearranged.arrangements(plan, asked.n, asked.seed)
    with one_blas_thread():
        observed = decoder.curve(plan.arrangement(0))
        every = rearranged.distribution(lots, decoder.statistics, 1)
    told = [*_model_told(decoder, path), *exchange.told(asked, found, lots)]
    lambda_ = float(decoder.arranged(plan.arrangement(0)).sequence()[observed.best])
    return _record(path, asked, lots, chosen, (observed, lambda_), every, told)


def _decodable(path: PathRecord, asked: Request) -> Recipe:
    """The rows of the path, if their outcomes may change places."""
    if asked.scheme.name == "sign_flip":
        raise InputError("scheme='sign_flip' changes the signs of scores; outcomes have none. Choose another scheme.")
    if path.grouped:
        raise InputError(
            "The outcome of this path counts trials, and rows of different numbers of trials cannot change places; "
            "give one row for each trial."
        )
    recipe = recipe_of(path).coarsely()
    if np.ptp(recipe.offset[recipe.counts]) > 0:
        raise InputError(
            "This path has an offset, so outcomes of different rows are not alike without the columns either; fit it "
            "without, or test terms with gi.permutation_test."
        )
    return recipe


def _folds(path: PathRecord, folds: Any, stratify: bool | None, seed: int) -> Folds | Dealer:
    """A number of folds is dealt again for every arrangement; given ones stay."""
    if isinstance(folds, Integral) and not isinstance(folds, bool):
        return dealer_of(path, int(folds), None, stratify is not False)
    return folds_of(path, folds, None, stratify, np.random.default_rng(seed))[0]


def _record(
    path: PathRecord,
    asked: Request,
    lots: Arrangements,
    measure: Measure,
    best: tuple[Curve, float],
    every: Array,
    told: list[str],
) -> DecodingRecord:
    observed, lambda_ = best
    p = schemes.p_value(lots.plan, int(reached(every[1:], every[0]).sum()), lots.n)  # (74)
    drawn = f"all {lots.n:,} other" if lots.complete else f"{lots.n:,} random"
    return DecodingRecord(
        path=path,
        measure=measure,
        estimate=float(observed.mean[observed.best]),
        lambda_=lambda_,
        constant=observed.null,
        null=measure.sign * every[1:],
        p_value=p,
        mc_error=0.0 if lots.complete else float(np.sqrt(p * (1 - p) / lots.n)),
        scheme=asked.scheme.name,
        heading=(f"Decoding test, {drawn} arrangements of the outcome; {schemes.p_text(lots.plan)}", *told),
    )


def _model_told(decoder: Decoder, path: PathRecord) -> list[str]:
    recipe, folds = decoder.recipe, decoder.folds
    dealt = folds.told if isinstance(folds, Folds) else folds.describe()
    lines = [
        f"Score: the best {decoder.measure.label} along {len(path.lambdas)} λ, {dealt}",
        "λ is chosen anew for every arrangement, so that their scores are too good in the same way",
    ]
    if not recipe.mixture.factor.all():
        free = int(np.count_nonzero(recipe.mixture.factor == 0))
        lines.append(f"Note: {counted(free, 'column')} without penalty may be what decodes: the test is of all columns")
    return lines


@checked_keywords
def tidy(test: DecodingRecord) -> Table:
    """Is the score more than rearranged outcomes give? One row.

    Returns
    -------
    DataFrame
        measure, estimate (the best cross-validated mean along the path: the best of many, so a little too good),
        null_mean and null_sd (of the same for rearranged outcomes, which are too good in the same way), constant (the
        measure of the constant alone), p_value (74), mc_error, n, scheme.

    Examples
    --------
    >>> import glminfer as gi
    >>> trials = gi.datasets.simulate_session(n_trials=150, seed=1)
    >>> path = gi.logit_path("choice ~ contrast_left + contrast_right", trials, n_lambdas=5)
    >>> float(gi.decoding_test(path, folds=4, measure="auc", scheme="free", n=19).tidy().p_value[0])
    0.05
    """
    row = {
        "measure": test.measure.name,
        "estimate": test.estimate,
        "null_mean": float(test.null.mean()),
        "null_sd": float(test.null.std()),
        "constant": test.constant,
        "p_value": test.p_value,
        "mc_error": test.mc_error,
        "n": len(test.null),
        "scheme": test.scheme,
    }
    return headed(pd.DataFrame([row]), test.heading)
