"""The same design with other contrasts: what a test that must not depend on the coding is computed on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from patsy.contrasts import Sum

from glminfer.data.coding import coded
from glminfer.data.design import Design, Sample
from glminfer.data.reading import Given
from glminfer.data.rows_coded import in_codes
from glminfer.numerics.mixed import Mixed


def sum_coded(design: Design, but: Collection[str] = ()) -> Design:
    """The design with every contrast but of some factors replaced by sum-to-zero contrasts; terms keep their slices."""
    factors = {
        text: replace(factor, reduced=coded(text, factor.levels, Sum, False))
        if factor.reduced is not None and text not in but
        else factor
        for text, factor in design.factors.items()
    }
    return replace(design, factors=factors, offsets={}, given=Given())


def recoded_columns(design: Design, sample: Sample, data: Any) -> NDArray[np.float64]:
    """The used rows of the data in the columns of a recoded design."""
    new = design.block(data)
    return np.asarray(new.X[np.searchsorted(new.keep, sample.used)])


def recoded_sample(design: Design, sample: Sample, data: Any, coded: bool | None) -> Sample | None:
    """A sample with coded factors in the columns of a recoded design; None where these cannot be coded."""
    new = design.block(data, coded=coded)
    if not isinstance(new.X, Mixed):
        return None
    X = new.X if len(new.X) == sample.rows.n else new.X[np.searchsorted(new.keep, sample.used)]
    return replace(sample, design=design, rows=replace(in_codes(sample.rows), X=X), looked=None)


def keeps_dummies(design: Design) -> frozenset[str]:
    """Contrasts of factors that can stay dummies: the longest first, and no two of one term (142)."""
    dummies = [f for f in design.factors.values() if f.reduced is not None and f.reduced.matrix is None]
    kept: set[str] = set()
    for factor in sorted(dummies, key=lambda f: -len(f.levels)):
        beside = {other for term in design.formula.terms if factor.text in term.factors for other in term.factors}
        if not beside & kept:
            kept.add(factor.text)
    return frozenset(kept)


def positions(design: Design, name: str) -> NDArray[np.intp]:
    """Where the columns of a term are, one axis for each of its factors."""
    if name == "Intercept":
        return np.array(design.terms[name].start)
    k = next(k for k, term in enumerate(design.formula.terms) if term.name == name)
    factors, where = design.formula.terms[k].factors, design.terms[name]
    widths = [len(design.factors[f].names(full)) for f, full in zip(factors, design.full[k], strict=True)]
    return np.arange(where.start, where.stop).reshape(widths[::-1]).T  # the first factor runs fastest
