"""Rows of simple trials, and what a fit to them says or gives: for tests of which rows are used, and how aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

N = 80


def simple_trials() -> pd.DataFrame:
    """Numbers, a factor, weights with zeros, an offset and an outcome, on an index of strings."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "g": rng.choice(["a", "b", "c"], N),
            "w": rng.integers(0, 4, N),
            "o": rng.normal(size=N),
        },
        index=[f"trial {i}" for i in range(N)],
    )
    frame["y"] = (rng.uniform(size=N) < 1 / (1 + np.exp(-frame.x))).astype(int)
    return frame


def message(error: type[Exception], formula: str, frame: Any, **options: Any) -> str:
    """What the error says."""
    with pytest.raises(error) as caught:
        gi.logit(formula, frame, **options)
    return str(caught.value)


def same(one: gi.Fit, other: gi.Fit, rel: float = 1e-12) -> bool:
    """Whether coefficients and log-likelihoods agree."""
    return np.allclose(one.coef, other.coef, rtol=rel, atol=1e-14) and np.isclose(one.loglik, other.loglik, rtol=rel)
