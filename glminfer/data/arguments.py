"""What is asked of a table beside a formula: the arguments of a fit that say which rows, and what they weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from glminfer.data.columns import Column
from glminfer.data.reading import Given, Reading, given, read
from glminfer.data.scope import scope_of
from glminfer.errors import one_of


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of `design.learn`, as they are described there."""

    weights: Any = None
    trials: Any = None
    offset: Any = None
    subset: Any = None
    missing: Literal["drop", "raise"] = "drop"
    event: Any = None
    env: Mapping[str, Any] | None = None
    caller: Mapping[str, Any] | None = None
    also: Sequence[tuple[str, Column]] = ()

    @property
    def beside(self) -> dict[str, Any]:
        """Weights, trials and offset."""
        return {"weights": self.weights, "trials": self.trials, "offset": self.offset}

    def reading(self, formula: str, data: Any) -> tuple[Given, Reading]:
        """How the arguments were given, and the formula read for a table."""
        one_of(self.missing, ("drop", "raise"), "missing")
        how = given(**self.beside, subset=self.subset)
        return how, read(formula, data, how, scope_of(self.env, self.caller))
