"""Permutation tests of a term in many models: each as its single test, and all of them together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.inference import exchange, moved_together, rearranged
from glminfer.numerics import permutations

SCHEMES: dict[str, dict[str, Any]] = {
    "free": {},
    "within": {"by": "s"},
    "blocks": {"by": "s", "block": 4, "order": "t"},
    "circular_shift": {"by": "s", "order": "t"},
    "linear_shift": {"by": "s"},
    "swap": {"by": "s"},
    "sign_flip": {"by": "s"},
}
pytestmark = pytest.mark.filterwarnings("ignore::glminfer.SeparationWarning")


def simulated(seed: int = 3, n: int = 96) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"s": np.arange(n) // 16, "t": np.arange(n), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["g"], frame["w"] = rng.choice(list("abc"), n), rng.integers(0, 4, n)
    frame["dose"] = np.array([0.0, 1.0, 1.0, 0.0, 0.5, 2.0])[frame.s]
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-0.7 * frame.x))).astype(int)
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return simulated()


@pytest.fixture(scope="module")
def outcomes(frame) -> pd.DataFrame:
    """Four ordinary outcomes, one with missing values, a silent one, two that x or a level of g separates."""
    rng = np.random.default_rng(8)
    found = pd.DataFrame({f"n{k}": (rng.random(96) < 0.3 + 0.1 * k).astype(float) for k in range(4)})
    found["gone"] = np.where(np.arange(96) % 9 == 2, np.nan, rng.integers(0, 2, 96))
    found["by_x"], found["silent"] = (frame.x > 0) * 1.0, 0.0
    found["by_g"] = np.where(frame.g == "c", 1.0, rng.integers(0, 2, 96))
    return found


@pytest.fixture(scope="module")
def candidates() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    found = pd.DataFrame({f"c{k}": rng.poisson(1 + k, 96).astype(float) for k in range(4)})
    found["gone"] = np.where(np.arange(96) % 9 == 2, np.nan, rng.normal(size=96))
    found["flat"] = 1.0
    return found


def close(row: pd.Series, single: pd.DataFrame) -> None:
    """The row of a model and the table of the single test."""
    assert row.statistic == pytest.approx(single.statistic[0], rel=1e-7)
    assert (row.p_value, row.df, row.n, row.hypothesis) == (
        single.p_value[0],
        single.df[0],
        single.n[0],
        single.hypothesis[0],
    )
    assert row.mc_error == single.mc_error[0]


# each as its single test ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("term", ["x", "g"])
def test_each_outcome_is_tested_as_by_itself(frame, outcomes, scheme, term):
    fits = gi.logit_many("x + z + g", frame, outcomes=outcomes, weights="w")
    table = fits.permutation_test(term, scheme=scheme, n=99, **SCHEMES[scheme]).set_index("outcome")
    for name in ("n0", "n3", "by_g", "by_x")[: 4 if term == "x" else 3]:
        close(table.loc[name], fits[name].permutation_test(term, scheme=scheme, n=99, **SCHEMES[scheme]))
    assert np.isnan(table.p_value["by_x"]) == (term == "g")  # x is in the null model then, and leaves no row open
    missing = fits["gone"].permutation_test(term, scheme=scheme, n=99, **SCHEMES[scheme])
    if scheme != "linear_shift":  # which leaves out other rows at the ends of shorter sessions
        assert table.statistic["gone"] == pytest.approx(missing.statistic[0], rel=1e-7)
    assert 0 < table.p_value["gone"] <= 1
    assert np.isnan(table.loc["silent", ["statistic", "p_value", "p_adjusted"]].astype(float)).all()
    assert table.status["silent"] == "constant outcome"
    assert (table.p_adjusted.dropna() >= table.p_value.dropna()).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("formula", ["y ~ z", "y ~ z * {x}"])
def test_each_candidate_is_tested_as_by_itself(frame, candidates, scheme, formula):
    fits = gi.logit_each(formula, frame, covariates=candidates, weights="w")
    table = fits.permutation_test(scheme=scheme, n=99, **SCHEMES[scheme]).set_index("covariate")
    for name in ("c0", "c3", "gone"):
        terms = [name, f"z:{name}"][: 1 + ("*" in formula)]
        close(table.loc[name], fits[name].permutation_test(terms, scheme=scheme, n=99, **SCHEMES[scheme]))
    assert np.isnan(table.p_value["flat"])


def test_shared_terms_groups_of_candidates_and_groups_of_rows(frame, candidates):
    each = gi.logit_each("y ~ z", frame, covariates=candidates[["c0", "gone"]])
    shared = each.permutation_test("z", scheme="free", n=49).set_index("covariate")
    close(shared.loc["gone"], each["gone"].permutation_test("z", scheme="free", n=49))
    areas = {"one": candidates[["c0"]], "three": candidates[["c1", "c2", "c3"]]}
    sets = gi.logit_each("y ~ z", frame, covariates=areas)
    table = sets.permutation_test(scheme="within", by="s", n=49).set_index("covariate")
    assert table.df.tolist() == [1, 3]
    single = sets["three"].permutation_test(["c1", "c2", "c3"], scheme="within", by="s", n=49)
    assert table.p_value["three"] == single.p_value[0]
    grouped = gi.logit_each("y ~ x", frame.assign(half=frame.s // 3), by="half")
    table = grouped.permutation_test("x", scheme="blocks", block=3, n=49).set_index("half")
    close(table.loc[1], grouped[1].permutation_test("x", scheme="blocks", block=3, n=49))


def test_a_covariate_of_sessions_is_swapped_in_all_models(frame, outcomes):
    fits = gi.logit_many("dose + z", frame, outcomes=outcomes)
    table = fits.permutation_test("dose", scheme="swap", by="s", n=719).set_index("outcome")
    for name in ("n0", "by_g"):
        close(table.loc[name], fits[name].permutation_test("dose", scheme="swap", by="s", n=719))
    assert table.n["n0"] == 719
    assert table.mc_error["n0"] == 0


def test_the_arrangement_of_the_data_gives_the_observed_statistics(frame, outcomes):
    fits = gi.logit_many("x + z + g", frame, outcomes=outcomes.drop(columns="silent"))
    expected = fits.score_test("x", adjust=None)
    for scheme in ("free", "swap", "sign_flip"):
        found = fits.permutation_test("x", scheme=scheme, n=9, **SCHEMES[scheme])
        np.testing.assert_allclose(found.statistic, expected.statistic, rtol=1e-7)
    ratio = fits.permutation_test("x", scheme="free", n=9, statistic="LR")
    expected = fits.lr_test("x").statistic.where(
        np.array(fits.names) != "by_g"
    )  # its null model is separated: no refits
    np.testing.assert_allclose(ratio.statistic, expected, rtol=1e-7)


def test_without_other_columns_and_with_proportions(frame):
    rng = np.random.default_rng(1)
    shares = pd.DataFrame({"a": rng.integers(0, 6, 96) / 5, "b": rng.integers(0, 6, 96) / 5})
    fits = gi.logit_many("0 + x", frame.assign(m=5), outcomes=shares, trials="m")
    table = fits.permutation_test("x", scheme="linear_shift", by="s", n=99)
    close(table.iloc[1], fits["b"].permutation_test("x", scheme="linear_shift", by="s", n=99))


# all of them together ------------------------------------------------------------------------------------------------


def test_adjusted_p_values_are_those_of_the_largest_statistic(frame, outcomes):
    fits = gi.logit_many("x + z", frame, outcomes=outcomes.iloc[:, :4])
    table = fits.permutation_test("x", scheme="within", by="s", n=60)
    every = []
    for name in fits:
        asked = exchange.requested(
            "within", "score", 60, 0, {"by": "s", "order": None, "block": None, "max_shift": None}
        )
        fit = fits[name]
        plan, statistics, size, _ = exchange.prepared(fit, asked, ["x"], exchange.sessions_of(fit, asked))
        every.append(rearranged.distribution(rearranged.arrangements(plan, 60, 0), statistics, size))
    largest = np.max(every, axis=0)[1:]
    by_hand = [(1 + np.sum(largest >= one[0] - 1e-9)) / 61 for one in every]
    np.testing.assert_allclose(table.p_adjusted, by_hand)


def test_terms_of_different_size_are_compared_on_one_scale():
    """The scale is monotone in each statistic, and near a standard normal deviate for all df."""
    chi2 = np.random.default_rng(0).chisquare(np.array([1, 3, 20]), (4000, 3))
    z = permutations.normal_scale(chi2, np.array([1, 3, 20]))
    assert (np.diff(np.sort(z, axis=0)[:, 0]) >= 0).all()
    np.testing.assert_allclose(np.mean(z > 1.645, axis=0), 0.05, atol=0.015)


def test_p_values_are_uniform_and_families_hold_their_level_under_exchangeability():
    rng, p, family = np.random.default_rng(5), [], []
    for _ in range(150):
        data = {"x": rng.normal(size=60), "z": rng.normal(size=60)}
        shared = rng.normal(size=60)  # what the outcomes have in common
        y = (shared[:, None] + rng.normal(size=(60, 8)) > 0).astype(int)
        table = gi.logit_many("x + z", data, outcomes=y).permutation_test("x", scheme="free", n=59)
        p.append(table.p_value[3])
        family.append(table.p_adjusted.min())
    for level in (0.1, 0.3, 0.5):
        error = np.sqrt(level * (1 - level) / 150)
        assert abs(np.mean(np.array(p) <= level + 1e-12) - level) < 3.5 * error
        assert abs(np.mean(np.array(family) <= level + 1e-12) - level) < 3.5 * error


def test_other_adjustments_and_none(frame, outcomes):
    fits = gi.logit_many("x + z", frame, outcomes=outcomes)
    table = fits.permutation_test("x", scheme="free", n=49, adjust="fdr_bh")
    np.testing.assert_allclose(table.p_adjusted, gi.adjust(table, "fdr_bh").p_adjusted)
    assert "p_adjusted" not in fits.permutation_test("x", scheme="free", n=49, adjust=None)


def test_linear_shifts_are_as_far_in_all_groups(frame):
    fits = gi.logit_each("y ~ x", frame.assign(part=np.where(frame.t < 40, "a", "b")), by="part")
    table = fits.permutation_test("x", scheme="linear_shift", n=99)
    assert table.n.tolist() == [20, 20]  # ten either way: a quarter of forty rows
    close(table.iloc[1], fits["b"].permutation_test("x", scheme="linear_shift", max_shift=10, n=99))


def test_a_group_that_cannot_be_arranged_is_a_row_without_an_answer(frame):
    """x is constant within the sessions of one group: its row is empty, and the heading says why."""
    odd = frame.assign(half=frame.s // 3, x=np.where(frame.s < 3, frame.dose, frame.x))
    fits = gi.logit_each("y ~ x", odd, by="half")
    table = fits.permutation_test("x", scheme="within", by="s", n=49)
    assert np.isnan(table.p_value[0])
    close(table.iloc[1], fits[1].permutation_test("x", scheme="within", by="s", n=49))
    assert table.heading[-1].startswith("Note: 1 of 2 groups not tested: x has one value in each group of s, so")
    with pytest.raises(gi.InputError, match="x has one value in each group of s"):
        gi.logit_each("y ~ x", odd[odd.half == 0], by="half").permutation_test("x", scheme="within", by="s")


# what must not matter ------------------------------------------------------------------------------------------------


def test_a_bad_neighbour_changes_nothing(frame, outcomes):
    few = gi.logit_many("x + z", frame, outcomes=outcomes[["n0", "n1"]])
    more = gi.logit_many("x + z", frame, outcomes=outcomes[["n0", "silent", "by_x", "n1"]])
    one = few.permutation_test("x", scheme="free", n=99, adjust=None).set_index("outcome")
    two = more.permutation_test("x", scheme="free", n=99, adjust=None).set_index("outcome").loc[["n0", "n1"]]
    pd.testing.assert_frame_equal(one, two, rtol=1e-10)


def test_neither_chunks_nor_threads_matter(frame, outcomes, candidates, monkeypatch):
    many = gi.logit_many("x + z", frame, outcomes=outcomes)
    each = gi.logit_each("y ~ z", frame, covariates=candidates)
    before = [many.permutation_test("x", scheme="free", n=99), each.permutation_test(scheme="within", by="s", n=99)]
    monkeypatch.setattr(rearranged, "_AT_ONCE", 1)
    monkeypatch.setattr(rearranged, "_REMEMBERED", 1)
    monkeypatch.setattr(moved_together, "_TOGETHER", 3)
    monkeypatch.setattr("glminfer.numerics.threads.n_threads", lambda: 1)
    again = [many.permutation_test("x", scheme="free", n=99), each.permutation_test(scheme="within", by="s", n=99)]
    for one, two in zip(before, again, strict=True):
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(two), rtol=1e-10)
    assert not many.permutation_test("x", scheme="free", n=99, seed=1).p_value.equals(before[0].p_value)


def test_scores_moved_back_give_the_sums_of_moved_columns():
    """Also where several rows take the value of one, as sessions that swap a value do."""
    rng = np.random.default_rng(0)
    null = permutations.null_scores(rng.normal(size=(20, 2)), rng.normal(size=(20, 1)), rng.random((20, 1)))
    columns, sources = rng.normal(size=(2, 3, 30)), rng.integers(30, size=(5, 20))
    back = permutations.moved_statistics(permutations.scattered(null, sources, 30), columns)
    for k in range(3):
        moved = permutations.moved_statistics(null, columns[:, k][:, sources])
        np.testing.assert_allclose(back[k], moved[:, 0], rtol=1e-10)


# what is said --------------------------------------------------------------------------------------------------------


def test_the_heading_and_the_columns(frame, outcomes):
    fits = gi.logit_many("x + z", frame, outcomes=outcomes)
    table = gi.permutation_test(fits, "x", scheme="within", by="s", n=49)
    assert list(table) == [
        "outcome",
        "hypothesis",
        "statistic",
        "df",
        "p_value",
        "p_adjusted",
        "n",
        "mc_error",
        "scheme",
        "test",
        "status",
    ]
    assert table.heading == (
        "Permutation test, score statistic, 49 random arrangements; p = (1 + b)/(1 + n)",
        "Models: x + z; 7 of 8 models tested",
        "p_adjusted: chance of any false positive, by the largest statistic of each arrangement (maxT), over 7 models",
        "Scheme: within, rows are exchanged within groups (s, 6 of 16 rows)",
        "Valid if any order of the rows of a group is equally likely: no drift within a group",
    )


def test_what_cannot_be_done_is_said(frame, outcomes):
    fits = gi.logit_many("x + z + dose", frame, outcomes=outcomes)
    with pytest.raises(gi.InputError, match=r"adjust 'maxt' is not known.*Did you mean 'maxT'"):
        fits.permutation_test("x", scheme="free", adjust="maxt")
    with pytest.raises(
        gi.InputError, match=r"dose has one value in each group of s, so scheme='within' changes nothing"
    ):
        fits.permutation_test("dose", scheme="within", by="s")
    with pytest.raises(gi.InputError, match=r"'zz' is not a term"):
        fits.permutation_test("zz", scheme="free")
    with pytest.raises(gi.InputError, match=r"permutation_test compares maxima of the likelihood"):
        gi.logit_many("x", frame, outcomes=outcomes, penalty=gi.Firth()).permutation_test("x", scheme="free")
    twice = gi.logit_many("x + u", frame.assign(u=2 * frame.x), outcomes=outcomes[["n0", "n1"]])
    with pytest.raises(gi.InputError, match=r"u is a combination of the other columns"):
        twice.permutation_test("u", scheme="free")
    one = gi.logit("y ~ x + z", frame)
    with pytest.raises(gi.InputError, match=r"term= is needed: x, z"):
        one.permutation_test(scheme="free")
    with pytest.raises(gi.InputError, match=r"adjust='holm' is for many models.*gi.adjust takes any table"):
        one.permutation_test("x", scheme="free", adjust="holm")


def test_step_down_adjustment_is_that_of_all_statistics(frame, outcomes):
    """One strong effect, and others that need not be compared with it."""
    rng = np.random.default_rng(8)
    part = outcomes.iloc[:, :4].assign(strong=(frame.x + 0.6 * rng.normal(size=len(frame)) > 0).astype(int))
    fits = gi.logit_many("x + z", frame, outcomes=part)
    asked = {"scheme": "within", "by": "s", "n": 60}
    one, table = (fits.permutation_test("x", **asked, adjust=how) for how in ("maxT", "maxT_step_down"))
    every = []
    for name in fits:
        request = exchange.requested(
            "within", "score", 60, 0, {"by": "s", "order": None, "block": None, "max_shift": None}
        )
        fit = fits[name]
        plan, statistics, size, _ = exchange.prepared(fit, request, ["x"], exchange.sessions_of(fit, request))
        every.append(rearranged.distribution(rearranged.arrangements(plan, 60, 0), statistics, size))
    order = np.argsort([-values[0] for values in every])
    p, worst = {}, 0.0
    for rank, k in enumerate(order):
        largest = np.max([every[j][1:] for j in order[rank:]], axis=0)
        worst = max(worst, (1 + np.sum(largest >= every[k][0] - 1e-9)) / 61)
        p[fits.names[k]] = worst
    np.testing.assert_allclose(table.p_adjusted, [p[name] for name in table.outcome])
    assert (table.p_adjusted <= one.p_adjusted).all()
    assert (table.p_adjusted < one.p_adjusted).any()
    assert "no more certain (maxT), over 5 models" in table.heading[2]
    pd.testing.assert_frame_equal(table.drop(columns="p_adjusted"), one.drop(columns="p_adjusted"))
