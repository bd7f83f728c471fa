"""What must not change a test or an interval, on random data: coding, order, units, cuts, rows written twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from engines import small_blocks
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_rows import LINKS, few

import glminfer as gi
from glminfer.numerics.families import family

links = st.sampled_from(LINKS)
concave = st.sampled_from(LINKS[:4])  # cauchit: a maximum may depend on the start where there are several
seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, link: str = "logit", n: int = 160) -> pd.DataFrame:
    """Numeric x and z, factors g and h with every cell filled, weights, an offset, clusters."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["g"], frame["h"] = np.array(["a", "b", "c"])[np.arange(n) % 3], np.array(["u", "v"])[np.arange(n) // 3 % 2]
    frame["w"], frame["o"] = rng.integers(1, 4, n), 0.3 * rng.normal(size=n)
    frame["mouse"] = rng.permutation(np.arange(n) % 16)
    eta = 0.1 + 0.3 * frame.x + 0.3 * (frame.g == "b") * rng.normal() + 0.2 * (frame.h == "v") * rng.normal() + frame.o
    frame["y"] = (rng.random(n) < family(link).mean(eta.to_numpy())).astype(int)
    return frame


def fitted(formula: str, frame: pd.DataFrame, link: str, **options: Any) -> gi.Fit:
    """The fit, if it has a finite maximum."""
    assume(frame.groupby(["g", "h"]).y.nunique().min() == 2)
    return gi.glm(formula, frame, link=link, **{"weights": "w", "offset": "o", **options})


def by_term(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("term")


def agree(mine: Any, theirs: Any, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    """p-values and statistics near zero are differences of log-likelihoods of size 100: hence the absolute part."""
    np.testing.assert_allclose(np.asarray(mine, float), np.asarray(theirs, float), rtol=rtol, atol=atol)


def ends(fit: gi.Fit, method: str = "profile", **options: Any) -> pd.DataFrame:
    return fit.confint(method=method, **options).set_index("term")


TESTS = [("I", "LR"), ("I", "score"), ("II", "LR"), ("II", "score"), ("II", "wald"), ("III", "LR"), ("III", "wald")]


# coding --------------------------------------------------------------------------------------------------------------


@few
@given(seeds, links, st.sampled_from(["b", "c"]), st.sampled_from(["x + g + h", "x * g + h", "g * h + x"]))
def test_a_new_reference_level(seed: int, link: str, level: str, terms: str) -> None:
    frame = drawn(seed, link)
    fit = fitted(f"y ~ {terms}", frame, link)
    other = fitted(f"y ~ {terms.replace('g', f'C(g, Treatment({level!r}))')}", frame, link)
    agree(other.loglik, fit.loglik, 1e-11)
    agree(other.predict(), fit.predict(), 1e-7)
    one, two = (f.predict(interval="confidence", type="link") for f in (fit, other))
    agree(two, one, atol=1e-7)
    for kind, test in TESTS:
        agree(other.anova(type=kind, test=test).iloc[:, 1:4], fit.anova(type=kind, test=test).iloc[:, 1:4])
    agree(other.drop1().iloc[:, 1:], fit.drop1().iloc[:, 1:])
    names = [[t for t in f.design.terms if t != "Intercept"] for f in (fit, other)]
    agree(other.lr_test(names[1][1:]).statistic, fit.lr_test(names[0][1:]).statistic)


@few
@given(seeds, links, st.sampled_from(["b", "c"]))
def test_a_new_reference_level_and_joint_wald_tests(seed: int, link: str, level: str) -> None:
    frame = drawn(seed, link)
    fit, other = (fitted(f"y ~ x + {g}", frame, link) for g in ("g", f"C(g, Treatment({level!r}))"))
    name = list(other.design.terms)[-1]
    for options in ({}, {"cov": "HC3"}, {"cov": "CR2", "cluster": "mouse"}, {"cluster": "mouse"}):
        one, two = fit.wald_test("g", **options).iloc[0], other.wald_test(name, **options).iloc[0]
        agree([two.statistic, two.p_value], [one.statistic, one.p_value])
        assert two.df == one.df
        table = [f.anova(test="wald", **options) for f in (fit, other)]
        agree(table[1].iloc[:, 1:], table[0].iloc[:, 1:])
    for options in ({"cov": "HC0"}, {"cluster": "mouse"}):
        agree(other.anova(test="score", **options).statistic, fit.anova(test="score", **options).statistic)


@few
@given(seeds, links, st.sampled_from(["Sum", "Helmert", "Diff", "Poly"]))
def test_type_iii_does_not_depend_on_the_coding(seed: int, link: str, coding: str) -> None:
    frame = drawn(seed, link)
    fit = fitted("y ~ g * h + x:g", frame, link)
    other = fitted(f"y ~ C(g, {coding}) * C(h, Sum) + x:C(g, {coding})", frame, link)
    for test, options in (
        ("LR", {}),
        ("wald", {}),
        ("score", {}),
        ("wald", {"cov": "HC3"}),
        ("wald", {"cluster": "mouse"}),
    ):
        one, two = (f.anova(type="III", test=test, **options) for f in (fit, other))
        agree(two.iloc[:, 1:], one.iloc[:, 1:])


@few
@given(seeds, links)
def test_the_order_of_factors_and_terms(seed: int, link: str) -> None:
    frame = drawn(seed, link)
    fit, other = fitted("y ~ x * g + h", frame, link), fitted("y ~ h + g * x", frame, link)
    same = {"x": "x", "g": "g", "h": "h", "x:g": "g:x"}
    for kind, test in TESTS[2:]:
        one, two = by_term(fit.anova(type=kind, test=test)), by_term(other.anova(type=kind, test=test))
        agree(two.loc[list(same.values())], one.loc[list(same)])
    agree(by_term(other.drop1()).loc[["h", "g:x"]], by_term(fit.drop1()).loc[["h", "x:g"]])
    agree(ends(other, terms=["x", "h"]), ends(fit, terms=["x", "h"]))


# rows ----------------------------------------------------------------------------------------------------------------


def everything(fit: gi.Fit) -> list[pd.DataFrame]:
    """Numbers of every kind of test."""
    return [
        fit.anova().iloc[:, 1:],
        fit.anova(type="I", test="score").iloc[:, 1:],
        fit.anova(type="III", test="wald").iloc[:, 1:],
        fit.drop1().iloc[:, 1:],
        fit.lr_test("g")[["statistic", "df", "p_value"]],
        fit.score_test("z + x:h")[["statistic", "df", "p_value"]],
        fit.score_test("z", cluster="mouse")[["statistic", "df", "p_value"]],
        fit.add1("z + x:h").iloc[:, 1:],
        ends(fit),
        ends(fit, "score"),
        fit.profile("x"),
    ]


@few
@given(seeds, concave)
def test_row_order(seed: int, link: str) -> None:
    frame = drawn(seed, link)
    shuffled = frame.sample(frac=1, random_state=seed % 1000)
    one, two = (everything(fitted("y ~ x + g + h", rows, link)) for rows in (frame, shuffled))
    for a, b in zip(one, two, strict=True):
        agree(b, a, atol=1e-7)


@settings(few, max_examples=5)
@given(seeds, concave, st.integers(1, 60))
def test_cuts_into_blocks(seed: int, link: str, block_rows: int) -> None:
    frame = drawn(seed, link)
    whole = everything(fitted("y ~ x + g + h", frame, link))
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, block_rows)
        cut = everything(fitted("y ~ x + g + h", frame, link))
    for a, b in zip(whole, cut, strict=True):
        agree(b, a, rtol=1e-12, atol=1e-12)


@few
@given(seeds, concave)
def test_rows_written_twice_are_rows_of_weight_two(seed: int, link: str) -> None:
    frame = drawn(seed, link)
    written = frame.loc[frame.index.repeat(frame.w)].assign(w=1).reset_index(drop=True)
    fit, other = (fitted("y ~ x + g + h", rows, link) for rows in (frame, written))
    agree(other.anova().iloc[:, 1:], fit.anova().iloc[:, 1:])
    agree(other.anova(test="score").iloc[:, 1:], fit.anova(test="score").iloc[:, 1:])
    agree(other.score_test("z + x:h").statistic, fit.score_test("z + x:h").statistic)
    clusters = [f.score_test("z", cov="CR0", cluster="mouse").statistic for f in (fit, other)]
    agree(clusters[1], clusters[0])
    for method in ("profile", "score"):
        agree(ends(other, method), ends(fit, method), atol=1e-8)


@few
@given(seeds, concave)
def test_rows_of_no_weight_are_not_there(seed: int, link: str) -> None:
    frame = drawn(seed, link)
    extra = pd.concat([frame, frame.iloc[:20].assign(w=0, y=1, x=50.0)], ignore_index=True)
    fit = fitted("y ~ x + g + h", frame, link)
    other = gi.glm("y ~ x + g + h", extra, link=link, weights="w", offset="o")
    for a, b in zip(everything(fit), everything(other), strict=True):
        agree(b, a, atol=1e-7)


# columns -------------------------------------------------------------------------------------------------------------


@few
@given(seeds, concave, st.sampled_from([1e-9, 1e-3, 1e7]), st.floats(-3, 3))
def test_units_and_origin_of_a_column(seed: int, link: str, scale: float, shift: float) -> None:
    frame = drawn(seed, link)
    fit = fitted("y ~ x + g + h", frame, link)
    other = fitted("y ~ x + g + h", frame.assign(x=scale * (frame.x + shift), z=scale * frame.z), link)
    for kind, test in TESTS:
        a, b = by_term(fit.anova(type=kind, test=test)), by_term(other.anova(type=kind, test=test))
        agree(b.drop(index="Intercept", errors="ignore"), a.drop(index="Intercept", errors="ignore"))
    agree(other.score_test("z + z:h").statistic, fit.score_test("z + z:h").statistic)
    agree(other.drop1().iloc[:, 1:], fit.drop1().iloc[:, 1:])
    for method in ("profile", "score"):
        agree(ends(other, method).loc["x"] * scale, ends(fit, method).loc["x"])
        others = [ends(f, method).drop(index=["Intercept", "x"]) for f in (other, fit)]
        agree(*others, atol=1e-7)
    agree(other.profile("x").zeta, fit.profile("x").zeta, atol=1e-7)


@few
@given(seeds, links, st.integers(0, 3))
def test_degrees_of_freedom_count_estimable_columns(seed: int, link: str, copies: int) -> None:
    rng = np.random.default_rng(seed)
    frame = drawn(seed, link)
    extra = {f"c{k}": frame[["x", "z"]].to_numpy() @ rng.integers(-3, 4, 2) for k in range(copies)}
    fit = fitted("y ~ x + g + z + h" + "".join(f" + {name}" for name in extra), frame.assign(**extra), link)
    clean = fitted("y ~ x + g + z + h", frame, link)
    assert fit.rank == clean.rank
    for test in ("LR", "score"):
        table = by_term(fit.anova(type="I", test=test))
        assert table.df.sum() == fit.rank - 1
        assert table.loc[list(extra), "df"].tolist() == [0] * copies
        assert table.loc[list(extra), ["statistic", "p_value"]].isna().all(axis=None)
        agree(table.loc[list(clean.design.terms)[1:]], by_term(clean.anova(type="I", test=test)))
    for test in ("LR", "wald", "score"):
        agree(by_term(fit.anova(test=test)).loc[["g", "h"]], by_term(clean.anova(test=test)).loc[["g", "h"]])
    together = fit.lr_test(["x", "z", *extra]).iloc[0]
    assert together.df == 2
    agree(together.statistic, clean.lr_test("x + z").statistic[0])
    added = fitted("y ~ g + h", frame.assign(**extra), link).score_test(["x", "z", *extra]).iloc[0]
    assert added.df == 2
    agree(added.statistic, fitted("y ~ g + h", frame, link).score_test("x + z").statistic[0])


# what must hold ------------------------------------------------------------------------------------------------------


@few
@given(seeds, links)
def test_statistics_are_not_negative_and_add_up(seed: int, link: str) -> None:
    fit = fitted("y ~ x * g + h + z", drawn(seed, link), link)
    for kind, test in TESTS:
        table = fit.anova(type=kind, test=test)
        assert (table.statistic >= 0).all()
        assert table.p_value.between(0, 1).all()
    sequence = fit.anova(type="I")
    assert (sequence.deviance.diff().dropna() <= 1e-9).all()
    null = fit.update("~ 1")
    agree(sequence.statistic.sum(), null.deviance - fit.deviance)
    agree(fit.lr_test("x * g + h + z").statistic[0], null.deviance - fit.deviance)
    second = by_term(fit.anova())
    agree(second.statistic[["h", "z", "x:g"]], by_term(fit.anova(type="III")).statistic[["h", "z", "x:g"]])


@few
@given(seeds, concave)
def test_ends_have_the_right_deviance_and_contain_the_estimate(seed: int, link: str) -> None:
    frame = drawn(seed, link)
    fit = fitted("y ~ x + z + g", frame, link)
    table = ends(fit)
    assert (table.conf_low < fit.coef).all()
    assert (fit.coef < table.conf_high).all()
    for name, rest in (("x", "z"), ("z", "x")):
        for end in table.loc[name]:
            held = gi.glm(f"y ~ {rest} + g", frame, link=link, weights="w", offset=frame.o + end * frame[name])
            assert held.deviance - fit.deviance == pytest.approx(3.841458820694124, rel=1e-7)
    inside = fit.profile("x")
    assert (np.diff(inside.zeta) > 0).all()


@few
@given(seeds)
def test_swapping_the_event_turns_intervals_around(seed: int) -> None:
    frame = drawn(seed)
    fit, other = fitted("y ~ x + g", frame, "logit"), fitted("y ~ x + g", frame, "logit", event=0, offset=-frame.o)
    for method in ("profile", "score"):
        agree(ends(other, method), -ends(fit, method)[["conf_high", "conf_low"]])
    agree(other.anova().statistic, fit.anova().statistic)
    agree(other.score_test("z").statistic, fit.score_test("z").statistic)


@pytest.mark.parametrize("link", LINKS)
def test_the_three_tests_agree_as_rows_grow(link: str) -> None:
    """Effects shrink like 1/√n, so the statistics stay near 9 and their differences fall like 1/√n."""
    apart = {}
    for n in (400, 20_000):
        worst = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            x, z = rng.normal(size=(2, n))
            y = rng.random(n) < family(link).mean(0.2 + 5 * x / np.sqrt(n) + 0.3 * z)
            fit = gi.glm("y ~ x + z", pd.DataFrame({"x": x, "z": z, "y": y}), link=link)
            three = [by_term(fit.anova(test=test)).statistic["x"] for test in ("LR", "wald", "score")]
            worst.append(np.ptp(three) / max(three))
            wald, profile, score = (ends(fit, method).loc["x"] for method in ("wald", "profile", "score"))
            width = wald.conf_high - wald.conf_low
            worst.append(max(np.abs(profile - wald).max(), np.abs(score - wald).max()) / width)
        apart[n] = max(worst)
    assert apart[20_000] < 0.04
    assert apart[20_000] < apart[400] / 3
