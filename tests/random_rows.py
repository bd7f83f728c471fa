"""Random rows for property tests: drawn by Hypothesis as a seed and a shape, made by numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from glminfer.data.rows import MemoryRows, memory_rows
from glminfer.numerics.families import family

LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")

few = settings(max_examples=15, deadline=None, derandomize=True)
some = settings(max_examples=40, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Numbers:
    """Rows of one model as plain arrays; the first column is the constant."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    link: str

    def rows(self, block_rows: int = 0) -> MemoryRows:
        rows = memory_rows(self.X, self.y, self.weights, self.offset)
        return MemoryRows(rows.whole, block_rows)

    def take(self, where: np.ndarray) -> Numbers:
        return Numbers(self.X[where], self.y[where], self.weights[where], self.offset[where], self.link)


def numbers(seed: int, n: int, p: int, link: str, scale: float = 1.0) -> Numbers:
    """Outcomes drawn from the model of the link, with prior weights and an offset."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), scale * rng.standard_normal((n, p - 1))])
    offset = 0.3 * rng.standard_normal(n)
    coef = rng.normal(0, 0.5 / np.sqrt(p), p) / np.r_[1.0, np.full(p - 1, scale)]
    y = (rng.random(n) < family(link).mean(X @ coef + offset)).astype(float)
    y[:2] = 0.0, 1.0  # both outcomes, whatever the draw
    return Numbers(X, y, rng.integers(1, 4, n).astype(float), offset, link)


def ordinary(links: tuple[str, ...] = LINKS, least: int = 60, most: int = 200) -> st.SearchStrategy[Numbers]:
    """Designs on which the maximum exists with near certainty."""
    return st.builds(
        numbers,
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(least, most),
        p=st.integers(1, 5),
        link=st.sampled_from(links),
    )
