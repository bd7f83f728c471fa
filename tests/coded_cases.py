"""Formulas, questions and separated rows on which factors kept as codes must tell what dummies tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import glminfer as gi

CODES, DUMMIES = gi.Control(coded=True), gi.Control(coded=False)


def trials(n: int = 400, levels: int = 8, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "session": rng.integers(0, levels, n).astype(str),
            "side": rng.choice(["left", "middle", "right"], n),
            "mouse": rng.integers(0, 20, n).astype(str),
            "k": rng.integers(0, 3, n),
            "w": rng.choice([0.0, 1.0, 2.5], n),
            "o": 0.2 * rng.normal(size=n),
            "size": rng.integers(1, 5, n),
        }
    )
    effect = 0.7 * rng.normal(size=levels)
    chance = 1 / (1 + np.exp(-(0.4 * frame.x + effect[frame.session.astype(int)] + frame.o)))
    frame["y"] = (rng.random(n) < chance).astype(int)
    frame["hits"] = rng.binomial(frame["size"], chance)
    frame["age"] = 1.5 * frame.session.astype(int)
    frame["v"] = np.where(frame.session == "2", 0.0, frame.w)
    frame["start"] = 1e6 + 1e4 * frame.session.astype(int) + rng.normal(size=n)
    return frame


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "main effect": ("y ~ x + z + session", {}),
    "no intercept": ("y ~ session + x - 1", {}),
    "the factor alone": ("y ~ session", {}),
    "nothing else": ("y ~ session - 1", {}),
    "slopes": ("y ~ session * x + side", {}),
    "slopes alone": ("y ~ side + z + session:x", {}),
    "slopes by a basis": ("y ~ session + session:poly(x, 2)", {}),
    "slopes of a product": ("y ~ session + z:session:x + side:z", {}),
    "two factors": ("y ~ side * session + z", {}),
    "cells": ("y ~ x + side:k:C(k)", {}),
    "bools": ("y ~ (x > 0) * session", {}),
    "sum contrasts beside": ("y ~ C(side, Sum) + session", {}),
    "other reference": ("y ~ C(session, Treatment('5')) * x", {}),
    "weights": ("y ~ x + session", {"weights": "w"}),
    "a level that weighs nothing": ("y ~ x + session * z", {"weights": "v"}),
    "offset": ("y ~ x + session", {"offset": "o"}),
    "counts": ("cbind(hits, size - hits) ~ x * session", {}),
    "subset": ("y ~ x + session", {"subset": "x < 1"}),
    "aliased level": ("y ~ age + x + session", {}),
    "aliased number": ("y ~ session + age + z", {}),
    "sum of columns": ("y ~ x + z + I(x + z) + session", {}),
    "far from zero": ("y ~ start + session + x", {}),
    "aliased product": ("y ~ age:x + session * x", {}),
}


QUESTIONS: dict[str, Callable[[gi.Fit], Any]] = {
    **{kind: lambda fit, kind=kind: fit.tidy(cov=kind) for kind in ("HC0", "HC1", "HC2", "HC3")},
    **{
        kind: lambda fit, kind=kind: fit.tidy(cov=kind, cluster="mouse")
        for kind in ("CR0", "CR1", "CR2", "CR3", "jackknife")
    },
    "two ways": lambda fit: fit.tidy(cluster=["mouse", "side"]),
    "vcov HC3": lambda fit: fit.vcov(cov="HC3"),
    "vcov CR1": lambda fit: fit.vcov(cluster="mouse"),
    "LR": lambda fit: pd.concat([fit.lr_test(term) for term in ("session", "x", "side")]),
    "LR of fits": lambda fit: fit.lr_test(gi.logit("y ~ x + side", fit.call["data"])),
    "Wald": lambda fit: pd.concat([fit.wald_test(term) for term in ("session", "x", "side")]),
    "Wald, robust": lambda fit: fit.wald_test(["session", "x = 0.3"], cov="HC1"),
    "Wald, clustered": lambda fit: fit.wald_test("session", cluster="mouse"),
    "more hypotheses": lambda fit: fit.wald_test(["x", "z", "x + z", "session"]),
    "score": lambda fit: fit.score_test("w"),
    "score of a factor": lambda fit: fit.score_test("C(k)"),
    "score, robust": lambda fit: fit.score_test("C(k)", cov="HC0"),
    "score, clustered": lambda fit: fit.score_test("w", cluster="mouse"),
    "add1": lambda fit: fit.add1("w + C(k) + session:x"),
    "add1 by scores": lambda fit: fit.add1("w + C(k)", test="score"),
    "drop1": lambda fit: fit.drop1(),
    "drop1 by scores": lambda fit: fit.drop1(test="score"),
    **{
        f"anova {kind} {test}": lambda fit, kind=kind, test=test: fit.anova(type=kind, test=test)
        for kind in ("I", "II", "III")
        for test in ("LR", "wald", "score")
        if (kind, test) != ("I", "wald")
    },
    "profile": lambda fit: fit.confint(terms=["x", "session[T.3]"]),
    "score interval": lambda fit: fit.confint(terms=["x", "session[T.3]"], method="score"),
    "curve": lambda fit: fit.profile("x"),
    "curve of a difference": lambda fit: fit.profile("x - z"),
    "lincom": lambda fit: fit.lincom(["x - z", "session[T.3] = session[T.4]"], cov="HC2"),
    "delta": lambda fit: fit.delta("x / z"),
    "simultaneous": lambda fit: fit.simultaneous(["x", "z", "session[T.3]"], seed=1),
    "predict": lambda fit: fit.predict(interval="confidence", cov="HC3"),
    "predict, clustered": lambda fit: fit.predict(interval="confidence", cluster="mouse"),
    "terms": lambda fit: fit.predict(type="terms"),
    "terms of new rows": lambda fit: fit.predict(trials(50, seed=3), type="terms"),
    "new rows": lambda fit: fit.predict(trials(50, seed=3), interval="confidence"),
    "augment": lambda fit: fit.augment(),
    "residuals": lambda fit: fit.residuals("quantile", seed=1),
    "score of predictions": lambda fit: fit.score(),
    "permutation": lambda fit: fit.permutation_test("side", scheme="free", n=19, seed=1),
    "wild bootstrap": lambda fit: fit.wild_bootstrap_test("x", cluster="mouse", n=19, seed=1),
    "summary": str,
}


def with_outcomes(**outcomes: int) -> pd.DataFrame:
    frame = trials(500)
    for level, outcome in outcomes.items():
        frame.loc[frame.session == level[1:], "y"] = outcome
    return frame


def perfect(frame: pd.DataFrame) -> pd.DataFrame:
    often = np.arange(len(frame)) % 25 == 0
    return frame.assign(rare=often.astype(float), y=np.where(often, 1, frame.y))


APART: dict[str, tuple[str, pd.DataFrame]] = {
    "a level": ("y ~ x + session", with_outcomes(s3=1)),
    "several": ("y ~ x + session", with_outcomes(s3=1, s5=0, s6=1)),
    "the reference": ("y ~ x + session", with_outcomes(s0=1)),
    "the reference and another": ("y ~ x + session", with_outcomes(s0=1, s4=0)),
    "without intercept": ("y ~ session + x - 1", with_outcomes(s0=1, s4=0)),
    "with slopes": ("y ~ session * x", with_outcomes(s4=0)),
    "a number": ("y ~ rare + x + session", perfect(trials(500))),
    "a number and a level": ("y ~ rare + x + session", perfect(with_outcomes(s5=0))),
    "everything": ("y ~ x + session", trials().assign(y=lambda f: (f.x + f.session.astype(int) > 4).astype(int))),
    "aliased, too": ("y ~ age + session", with_outcomes(s3=1)),
}
