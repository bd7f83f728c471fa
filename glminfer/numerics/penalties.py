"""The penalties there are: how an objective is maximised when it is not the likelihood alone.

A new one is a class that satisfies `posing.Penalty`, and one name in each of the lines below.
"""

from __future__ import annotations

from typing import TypeAlias

from glminfer.numerics.firth import NO_PROGRESS, Firth, bias_reduced, unhurried
from glminfer.numerics.ridge import Ridge
from glminfer.numerics.sparse import ElasticNet

__all__ = ["NO_PROGRESS", "PENALTIES", "AnyPenalty", "ElasticNet", "Firth", "Ridge", "bias_reduced", "unhurried"]

AnyPenalty: TypeAlias = Firth | Ridge | ElasticNet
PENALTIES = (Firth, Ridge, ElasticNet)
