"""Information matrices of many models with levels (113), a lane for each: what can differ from zero (155).

Packed as (K, m): the upper triangle of the border, the products of each column of each level with the border, and the
upper triangle of each level. As in ``lanes`` every operation is elementwise along the lanes.
"""

from __future__ import annotations

import numpy as np

from glminfer.numerics import lanes
from glminfer.numerics.blocks import Array
from glminfer.numerics.bordered import Layout, Places


def split(layout: Layout, upper: Array) -> tuple[Array, Array, Array]:
    """The matrices A (q, q, m), B (L, s, q, m), D (s, s, L, m); one on the diagonal of D where there is no column."""
    q, (L, s) = len(layout.border), layout.levels.shape
    m, a = upper.shape[1], q * (q + 1) // 2
    b = a + L * s * q
    D = lanes.unpacked(np.moveaxis(upper[b:].reshape(L, -1, m), 0, 1), s)
    at = np.arange(s)
    D[at, at] = np.where(layout.there.T[:, :, None], D[at, at], 1.0)
    return lanes.unpacked(upper[:a], q), upper[a:b].reshape(L, s, q, m), D


def unpacked(layout: Layout, upper: Array) -> Array:
    """All numbers, (R, R, m)."""
    A, B, D = split(layout, upper)
    at, there = layout.levels, layout.there
    out = np.zeros((layout.width, layout.width, upper.shape[1]), upper.dtype)
    out[layout.border[:, None], layout.border] = A
    out[at[there][:, None], layout.border] = B[there]
    out[layout.border[:, None], at[there]] = B[there].swapaxes(0, 1)
    level, first, second = np.nonzero(there[:, :, None] & there[:, None, :])
    out[at[level, first], at[level, second]] = D[first, second, level]
    return out


def solved(layout: Layout, upper: Array, b: Array) -> tuple[Array, Array]:
    """As ``lanes.solved``: the levels are eliminated, then the border (114), (115)."""
    A, B, D = split(layout, upper)
    there, q = layout.there, len(layout.border)
    inside = np.zeros((*layout.levels.shape, *b.shape[1:]), b.dtype)
    inside[there] = b[layout.levels[there]]
    right = np.concatenate([B.transpose(1, 2, 0, 3), inside.transpose(1, 0, 2)[:, None]], axis=1)  # (s, q + 1, L, m)
    with np.errstate(all="ignore"):
        found, least = lanes.solved(D[:, :, None], right)
        C, c = _reduced(A, B, found[:, :q]), b[layout.border] - _against(B, found[:, q])
        outer, pivot = lanes.solved(C, c, A)
        levels = found[:, q] - (found[:, :q] * outer[:, None]).sum(axis=1)
    out = np.empty_like(b)
    out[layout.border] = outer
    out[layout.levels[there]] = levels.transpose(1, 0, 2)[there]
    return out, np.minimum(pivot, least.min(axis=(0, 1)))


def _reduced(A: Array, B: Array, G: Array) -> Array:
    """The Schur complement A - B'G (114), for B (L, s, q, m) and G (s, q, L, m)."""
    C, q = A.copy(), len(A)
    for a in range(q):
        for b in range(a, q):
            C[a, b] -= _against(B[:, :, a, None], G[:, b])[0]
            C[b, a] = C[a, b]
    return C


def _against(B: Array, g: Array) -> Array:
    """B'g (q, m), for g (s, L, m)."""
    parts = [(B[:, a] * g[a][:, None]).sum(axis=0) for a in range(len(g))]
    return np.asarray(sum(parts[1:], parts[0]))


def inverted(layout: Layout, upper: Array) -> Array:
    """Upper triangles (R(R+1)/2, m) of the inverse (115)."""
    if upper.shape[1] == 1:  # a lane is summed alike wherever it stands, be it the only one
        return inverted(layout, np.repeat(upper, lanes.WIDTH, axis=1))[:, :1]
    A, B, D = split(layout, np.ascontiguousarray(upper))  # nor does the order of sums depend on that in memory
    q, (L, s) = len(layout.border), layout.levels.shape
    m, there = upper.shape[1], layout.there
    unit = np.broadcast_to(np.eye(s)[:, :, None, None], (s, s, L, m))
    right = np.concatenate([B.transpose(1, 2, 0, 3), unit], axis=1)
    found, _ = lanes.solved(D[:, :, None], right)
    G, E = found[:, :q], found[:, q:]
    K = lanes.unpacked(lanes.inverted(_reduced(A, B, G)[lanes.pairs(q)]), q)
    F = np.zeros((layout.width, q, m))
    F[layout.border, np.arange(q)] = 1.0
    F[layout.levels[there]] = -G.transpose(2, 0, 1, 3)[there]
    first, second = lanes.pairs(layout.width)
    out = np.zeros((len(first), m))
    for a in range(q):
        along = (F * K[:, a]).sum(axis=1)
        out += along[first] * F[second, a]
    level, one, other = np.nonzero(there[:, :, None] & there[:, None, :])
    places = layout.levels[level, one], layout.levels[level, other]
    above = places[0] <= places[1]
    out[_at(layout.width, places[0][above], places[1][above])] += E[one, other, level][above]
    return out


def _at(p: int, first: Places, second: Places) -> Places:
    """Where the entries of an upper triangle are in its packed form."""
    return np.asarray(first * p - first * (first - 1) // 2 + second - first)
