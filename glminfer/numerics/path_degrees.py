"""Effective degrees of freedom of elastic-net fits: tr[(H + l2)⁻¹ H] over the active columns (68)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from glminfer.numerics.blocks import Array
from glminfer.numerics.families import logit_parts
from glminfer.numerics.path_walk import Problem
from glminfer.numerics.standardised import Indices


@dataclass(frozen=True, slots=True)
class Face:
    """The active columns of a solution.

    Attributes
    ----------
    active : (k,)
    shrunk : (n, k)
        Those with an l2 penalty, each divided by the root of its penalty per unit of λ.
    kernel : (n, n) or None
        ``shrunk @ shrunk.T``, when there are more columns than rows.
    free : (n, f)
        Those without, the constant among them.
    """

    active: Indices
    shrunk: Array
    kernel: Array | None
    free: Array


def effective_df(problem: Problem, lambdas: Array, active: Sequence[Indices], etas: Sequence[Array]) -> Array:
    """The degrees of freedom of each solution, by its λ, active columns and linear predictor, (L,) (68)."""
    faces = _faces(problem, active)
    return np.array([_df(problem, *each) for each in zip(lambdas, faces, etas, strict=True)])


def _faces(problem: Problem, active: Sequence[Indices]) -> Iterator[Face]:
    """One for each solution, made anew only where the active columns change."""
    face = None
    for at in active:
        if face is None or not np.array_equal(face.active, at):
            l2 = problem.l2[at]
            shrunk = problem.source.columns(at[l2 > 0]) / np.sqrt(l2[l2 > 0])
            kernel = shrunk @ shrunk.T if shrunk.shape[1] > len(shrunk) else None
            face = Face(at, shrunk, kernel, problem.source.columns(at[l2 == 0]))
        yield face


def _df(problem: Problem, lambda_: float, face: Face, eta: Array) -> float:
    _, large, small = logit_parts(eta)
    root = np.sqrt(problem.outcome.weights * large * small)
    Q = np.linalg.qr(face.free * root[:, None])[0]
    if not face.shrunk.shape[1]:
        return float(Q.shape[1])
    if face.kernel is None:
        R = face.shrunk * root[:, None]
        R -= Q @ (Q.T @ R)
        gram = R.T @ R
    else:
        gram = face.kernel * np.outer(root, root)
        gram -= Q @ (Q.T @ gram)
        gram -= (gram @ Q) @ Q.T
    return float(Q.shape[1]) + _share(gram / lambda_)


def _share(gram: Array) -> float:
    """tr[(I + G)⁻¹ G]."""
    k = len(gram)
    L, _ = scipy.linalg.lapack.dpotrf(gram + np.eye(k), lower=1, clean=1)
    inverse, _ = scipy.linalg.lapack.dtrtri(L, lower=1)
    return float(k - np.square(inverse).sum())
