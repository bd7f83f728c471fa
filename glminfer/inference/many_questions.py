"""What a permutation test asks of each panel of many models: which rows move, and in which arrangements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glminfer.data.sessions import Sessions, sessions
from glminfer.errors import InputError
from glminfer.fit.panels import FitsRecord, Models, Panel
from glminfer.inference import exchange, rearranged
from glminfer.inference.exchange import Request
from glminfer.inference.many_tests import columns_of
from glminfer.inference.rearranged import Arrangements
from glminfer.inference.schemes import Linear, Plan, Weights


@dataclass(frozen=True, slots=True)
class Question:
    """What is tested in a panel, and how its rows move.

    Attributes
    ----------
    panel : Panel
    terms : list of str
        By the names of the panel.
    found : Sessions
        Its rows of positive weight.
    lots : Arrangements
        As many in all panels.
    """

    panel: Panel
    terms: list[str]
    found: Sessions
    lots: Arrangements

    @property
    def plan(self) -> Plan:
        """How the rows move."""
        return self.lots.plan

    @property
    def columns(self) -> list[int]:
        """Positions of the tested columns."""
        return columns_of(self.panel, self.terms)

    @property
    def used(self) -> Models:
        """Positions of the rows of positive weight."""
        return np.flatnonzero(self.panel.stock.sample.weights > 0)


def questions_of(
    fits: FitsRecord, terms: Sequence[list[str]], asked: Request
) -> tuple[list[Question | InputError], Request]:
    """One question for each panel, with as many arrangements, or why it has none; linear shifts are alike in all."""
    found = [_question(fits, panel, own, asked) for panel, own in zip(fits.panels, terms, strict=True)]
    plans = [one.plan for one in found if isinstance(one, Question)]
    far = [plan.most for plan in plans if isinstance(plan, Linear)]
    if far:
        asked = replace(asked, max_shift=min(far))
        if min(far) < max(far):
            return questions_of(fits, terms, asked)
    alike = len({plan.count for plan in plans}) < 2
    return [_agreed(one, asked.n, alike) if isinstance(one, Question) else one for one in found], asked


def _agreed(question: Question, n: int, alike: bool) -> Question:
    """The question with random arrangements where other panels have more or fewer."""
    lots = question.lots if alike else replace(question.lots, n=n, complete=False)
    return replace(question, lots=lots.remembered())


def _question(fits: FitsRecord, panel: Panel, terms: list[str], asked: Request) -> Question | InputError:
    sample, tested = panel.stock.sample, columns_of(panel, terms)
    used = sample.weights > 0
    own = () if panel.stock.candidates is None else panel.stock.candidates.places
    shared = np.empty((int(used.sum()), 0)) if set(tested) & set(own) else sample.X[used][:, tested]
    try:
        found = sessions(fits.call["data"], sample.used[used], asked.order, asked.by)
        exchange.refuse_idle(asked, shared, " + ".join(terms), found)
        plan = Weights(found.count) if asked.scheme.name == "sign_flip" else exchange.plan_for(asked, found, shared)
    except InputError as error:
        return error
    return Question(panel, terms, found, rearranged.arrangements(plan, asked.n, asked.seed))
