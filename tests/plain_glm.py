"""A binomial GLM in a few lines of plain numpy: what tests of the package are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

DISTRIBUTIONS = {
    "logit": stats.logistic,
    "probit": stats.norm,
    "cloglog": stats.gumbel_l,
    "loglog": stats.gumbel_r,
    "cauchit": stats.cauchy,
}


@dataclass(frozen=True)
class Plain:
    """Columns X (n, p), outcome y as a proportion of the weight w, offset o."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    o: np.ndarray
    link: str

    def _parts(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        eta, F = self.X @ b + self.o, DISTRIBUTIONS[self.link]
        return F.cdf(eta), F.sf(eta), F.pdf(eta)

    def loglik(self, b: np.ndarray) -> float:
        p, q, _ = self._parts(b)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(self.y > 0, self.y * np.log(p), 0) + np.where(self.y < 1, (1 - self.y) * np.log(q), 0)
        return float(self.w @ terms)

    def scores(self, b: np.ndarray) -> np.ndarray:
        """One row per observation."""
        p, q, f = self._parts(b)
        return (self.w * (self.y - p) * f / (p * q))[:, None] * self.X

    def information(self, b: np.ndarray) -> np.ndarray:
        p, q, f = self._parts(b)
        return (self.X.T * (self.w * f * f / (p * q))) @ self.X

    def fit(self) -> np.ndarray:
        """Fisher scoring from zero with step halving, until nothing moves."""
        b = np.zeros(self.X.shape[1])
        for _ in range(200):
            step = np.linalg.solve(self.information(b), self.scores(b).sum(axis=0)) if len(b) else b
            while self.loglik(b + step) < self.loglik(b) - 1e-9:
                step = step / 2
            b = b + step
            if np.abs(step).max(initial=0.0) < 1e-13 * (1 + np.abs(b).max(initial=0.0)):
                break
        return b

    def best(self) -> float:
        return self.loglik(self.fit())

    def columns(self, where: list[int]) -> Plain:
        return Plain(self.X[:, where], self.y, self.w, self.o, self.link)

    def with_offset(self, more: np.ndarray) -> Plain:
        return Plain(self.X, self.y, self.w, self.o + more, self.link)


def plain(X, y, link: str = "logit", weights=None, offset=None) -> Plain:
    n = len(y)
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    o = np.zeros(n) if offset is None else np.asarray(offset, float)
    return Plain(np.asarray(X, float), np.asarray(y, float), w, o, link)


def score_statistic(model: Plain, added: np.ndarray, clusters=None, robust: bool = False) -> float:
    """Rao's test of columns to add, u'V⁻¹u: V from the information, or from Σee' of efficient scores e (Boos 1992)."""
    k = model.X.shape[1]
    wide = Plain(np.column_stack([model.X, added]), model.y, model.w, model.o, model.link)
    b = np.append(model.fit(), np.zeros(wide.X.shape[1] - k))
    s, H = wide.scores(b), wide.information(b)
    back = np.linalg.solve(H[:k, :k], H[:k, k:])
    e = s[:, k:] - s[:, :k] @ back
    u = e.sum(axis=0)
    if clusters is not None:
        e = pd.DataFrame(e).groupby(np.asarray(clusters)).sum().to_numpy()
    V = e.T @ e if robust or clusters is not None else H[k:, k:] - H[k:, :k] @ back
    return float(u @ np.linalg.solve(V, u))
