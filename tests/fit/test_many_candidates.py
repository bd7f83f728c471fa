"""One outcome and many candidates, groups of candidates, and one model per group of rows."""

import numpy as np
import pandas as pd
import pytest

import glminfer as gi

N = 320


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "a": rng.standard_normal(N),
            "b": rng.standard_normal(N),
            "g": rng.choice(list("uvw"), N),
            "w": rng.choice([0.5, 1.0, 2.0], N),
            "o": 0.3 * rng.standard_normal(N),
            "s": np.repeat(["s1", "s2"], N // 2),
        }
    )
    return frame.assign(y=(rng.random(N) < 1 / (1 + np.exp(-0.5 * frame.a - 0.3))).astype(int))


@pytest.fixture(scope="module")
def candidates(data):
    """120 counts: 3 silent, 5 separating, 7 with missing values, 9 a duplicate of 8, 11 a copy of a."""
    rng = np.random.default_rng(4)
    counts = pd.DataFrame(rng.poisson(1.5 + data.y.to_numpy()[:, None] * rng.random(120), (N, 120)).astype(float))
    counts.columns = [f"n{k}" for k in range(120)]
    counts["n3"], counts["n5"], counts["n9"] = 0.0, data.y + 0.1 * rng.random(N), counts["n8"]
    counts["n11"] = 2 * data.a + 1
    counts.loc[10:60, "n7"] = np.nan
    return counts


@pytest.fixture(scope="module")
def fits(data, candidates):
    return gi.logit_each("y ~ a + b + C(g)", data, covariates=candidates)


def same_tables(fits, single, rows):
    mine, whole = fits.tidy(adjust=None), fits.glance()
    one, other = mine[rows(mine)].reset_index(drop=True), single.tidy()
    assert one.term.tolist() == other.term.tolist()
    numbers = [name for name in other if name not in ("term", "status")]
    assert np.allclose(one[numbers], other[numbers], rtol=1e-9, atol=1e-10, equal_nan=True)
    assert one.status.tolist() == other.status.tolist()
    row, alone = whole[rows(whole)].iloc[0], single.glance().iloc[0]
    names = [name for name in single.glance() if name not in ("status", "n_iter")]
    assert np.allclose([float(row[n]) for n in names], [float(alone[n]) for n in names], rtol=1e-9, equal_nan=True)


def of(name):
    return lambda table: table.covariate == name


def test_one_row_per_candidate_with_its_status(fits, candidates):
    assert fits.names == candidates.columns.tolist()
    status = fits.status
    assert status[["n3", "n5", "n7", "n9", "n11"]].tolist() == [
        "aliased",
        "separated",
        "converged",
        "converged",
        "aliased",
    ]
    assert (status.drop(["n3", "n5", "n11"]) == "converged").all()
    notes = fits.glance().set_index("covariate").note
    assert notes["n11"] == "n11 is aliased: n11 = 1 + 2*a"
    assert "n5 goes to +inf" in notes["n5"]
    assert len(fits.tidy()) == 120 * 6


@pytest.mark.filterwarnings("ignore::glminfer.SeparationWarning")
@pytest.mark.parametrize("name", ["n0", "n3", "n5", "n7", "n9", "n11"])
def test_candidates_equal_single_fits(fits, data, candidates, name):
    single = gi.logit(f"y ~ a + b + C(g) + {name}", data.assign(**{name: candidates[name]}))
    same_tables(fits, single, of(name))
    same_tables(fits, fits[name], of(name))


@pytest.mark.parametrize("formula", ["y ~ a + C(g) + {x}", "y ~ b + a*{x}", "y ~ C(g):{x} + a"])
@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"by": "s"}])
def test_tables_say_of_failed_models_what_their_single_fits_say(data, candidates, formula, options):
    part = candidates[["n3", "n5", "n11"]].assign(n12=candidates.n5.mask(candidates.n0 > 4))
    fits = gi.logit_each(formula, data, covariates=part, **options)
    table, rows = fits.tidy(adjust=None), fits.glance()
    for key, (_, row) in zip(fits.names, rows.iterrows(), strict=True):
        fit = fits[key]
        mine = table[table.covariate == row.covariate]
        mine = mine[mine.s == row.s] if "s" in mine else mine
        assert mine.term.tolist() == list(fit.columns)
        assert mine.status.tolist() == fit.coefficient_status
        assert np.allclose(mine.estimate, fit.coef, rtol=1e-9, equal_nan=True)
        assert row.status == ("aliased" if fit.aliased and fit.converged else str(fit.status))
        said = fit.separation or "; ".join(f"{name} is aliased: {text}" for name, text in fit.aliased.items())
        assert row.note == said
    assert {"aliased", "separated"} <= set(rows.status)


def test_infinite_candidates_are_refused_without_a_warning(data, candidates):
    bad = candidates[["n0", "n1"]].assign(n1=candidates.n1.where(candidates.index != 7, np.inf))
    fits = gi.logit_each("y ~ a", data, covariates=bad)
    assert fits.status.tolist() == ["converged", "refused"]
    assert "inf" in fits.glance().note[1]


@pytest.mark.parametrize("size", [1e300, -1e155, 1e150, 1e-160, 1e-150])
@pytest.mark.parametrize("formula", ["y ~ a + {x}", "y ~ a:{x}", "y ~ a * {x}"])
def test_a_candidate_whose_squares_no_number_holds_is_refused_as_a_single_fit_refuses_it(
    data, candidates, formula, size
):
    n1 = candidates.n1.where(candidates.index != 7, size) if abs(size) > 1 else candidates.n1 * size
    good, bad = candidates[["n0", "n1", "n2"]], candidates[["n0", "n1", "n2"]].assign(n1=n1)
    with pytest.raises(gi.DataError, match="double precision") as single:
        gi.logit(formula.replace("{x}", "n1"), data.assign(n1=n1))
    fits = gi.logit_each(formula, data, covariates=bad)
    assert fits.status.tolist() == ["converged", "refused", "converged"]
    assert fits.glance().note[1] == str(single.value)
    with pytest.raises(gi.DataError, match="double precision"):
        fits["n1"]
    assert gi.logit_each(formula, data, covariates=bad[["n1"]]).status.tolist() == ["refused"]
    whole = gi.logit_each(formula, data, covariates=good)
    others = [part.tidy(adjust=None).query("covariate != 'n1'") for part in (fits, whole)]
    pd.testing.assert_frame_equal(*others, check_exact=True)


def test_a_candidate_at_the_limit_of_what_numbers_hold_is_fitted_by_both(data, candidates):
    given = candidates[["n0", "n1"]].assign(n1=candidates.n1.where(candidates.index != 7, 1e140))
    assert gi.logit_each("y ~ a", data, covariates=given).status.tolist() == ["converged", "converged"]
    assert gi.logit("y ~ a + n1", data.assign(n1=given.n1)).status == "converged"


def test_estimates_of_all_agree_with_single_fits_to_ten_digits(fits):
    table = fits.tidy(adjust=None)
    for name in fits.names[13::12]:
        fit = fits[name]
        rows = table[table.covariate == name]
        assert np.allclose(rows.estimate, fit.coef, rtol=1e-10, atol=1e-11)
        assert np.allclose(rows.std_error, fit.tidy().std_error, rtol=1e-10)


@pytest.mark.parametrize(
    "formula", ["y ~ a * {x} + b", "y ~ {x} + a:{x} + C(g):{x} + b", "y ~ 0 + a + {x}", "y ~ {x}*C(g)"]
)
def test_interactions_with_a_candidate(data, candidates, formula):
    part = candidates[["n0", "n7", "n20"]]
    fits = gi.logit_each(formula, data, covariates=part)
    for name in part:
        single = gi.logit(formula.replace("{x}", name), data.assign(**{name: part[name]}))
        same_tables(fits, single, of(name))


@pytest.mark.parametrize("options", [{"weights": "w"}, {"offset": "o"}, {"weights": "w", "offset": "o"}])
def test_weights_and_offsets(data, candidates, options):
    part = candidates[["n0", "n7"]]
    fits = gi.logit_each("y ~ a", data, covariates=part, **options)
    for name in part:
        same_tables(fits, gi.logit(f"y ~ a + {name}", data.assign(**{name: part[name]}), **options), of(name))


@pytest.mark.parametrize("cov", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_covariances(fits, cov):
    table = fits.tidy(cov=cov, adjust=None)
    for name in ["n0", "n7", "n11"]:
        expected = fits[name].tidy(cov=cov)
        assert np.allclose(table[table.covariate == name].std_error, expected.std_error, rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("cov", ["CR0", "CR1", "CR2"])
def test_clustered_covariances(data, candidates, cov):
    fits = gi.logit_each("y ~ a * {x}", data.assign(m=np.arange(N) % 17), covariates=candidates[["n0", "n7"]])
    table = fits.tidy(cov=cov, cluster="m", adjust=None)
    for name in ["n0", "n7"]:
        expected = fits[name].tidy(cov=cov, cluster="m")
        rows = table[table.covariate == name]
        for column in ("std_error", "p_value", "df"):
            assert np.allclose(rows[column], expected[column], rtol=1e-9, equal_nan=True)


def test_a_bad_neighbour_changes_nothing_to_the_last_bit(data, candidates, fits):
    good = candidates[[f"n{k}" for k in range(20, 40)]]
    bad = good.copy()
    bad["n25"], bad["n30"] = data.y + 0.0, np.inf
    a, b = (gi.logit_each("y ~ a + b + C(g)", data, covariates=c) for c in (good, bad))
    assert b.status["n30"] == "refused"
    assert "inf" in b.glance().set_index("covariate").note["n30"]
    kept = [name for name in good if name not in ("n25", "n30")]
    assert (a.coef.loc[kept] == b.coef.loc[kept]).all(axis=None)
    assert (a.coef.loc[kept] == fits.coef.loc[kept]).all(axis=None)


def test_candidates_of_all_kinds(data, candidates):
    part = candidates[["n0", "n1"]].astype(int)
    expected = gi.logit_each("y ~ a", data, covariates=part).coef.to_numpy()
    for given in (part.astype("uint8"), part.to_numpy(), part.astype("Int64"), part.to_dict("series")):
        assert np.allclose(gi.logit_each("y ~ a", data, covariates=given).coef, expected, rtol=1e-10)
    joined = gi.logit_each("y ~ a", data.join(part), covariates=["n1", "n0"])
    assert np.allclose(joined.coef.loc[["n0", "n1"]], expected, rtol=1e-10)
    bools = gi.logit_each("y ~ a", data, covariates=part > 1)
    assert bools["n0"].coef.index.tolist() == ["Intercept", "a", "n0"]
    assert np.allclose(bools["n0"].coef, bools.coef.loc["n0"], rtol=1e-10)


def test_candidates_inside_functions_and_of_labels(data, candidates):
    part = candidates[["n0", "n20"]]
    fits = gi.logit_each("y ~ a + log1p({x}) + I({x}**2)", data, covariates=part)
    assert fits.tidy().term[:4].tolist() == ["Intercept", "a", "log1p(n0)", "I(n0 ** 2)"]
    for name in part:
        single = gi.logit(f"y ~ a + log1p({name}) + I({name}**2)", data.assign(**{name: part[name]}))
        same_tables(fits, single, of(name))
        assert np.allclose(fits[name].coef, single.coef, rtol=1e-10)
    labels = data[["g"]].assign(h=np.where(data.b > 0, "p", "q"))
    fits = gi.logit_each("y ~ a", data.drop(columns="g"), covariates=labels)
    assert fits.tidy().term.tolist() == ["Intercept", "a", "g[T.v]", "g[T.w]", "Intercept", "a", "h[T.q]"]


def test_groups_of_candidates(data, candidates):
    areas = {"VISp": ["n0", "n1", "n2"], "MOs": ["n12", "n13"], "all": [f"n{k}" for k in range(20, 40)]}
    fits = gi.logit_each("y ~ a + b", data.join(candidates), covariates=areas)
    assert fits.names == ["VISp", "MOs", "all"]
    for area, members in areas.items():
        single = gi.logit(f"y ~ a + b + {' + '.join(members)}", data.join(candidates))
        same_tables(fits, single, of(area))
    given = {area: candidates[members] for area, members in areas.items()}
    again = gi.logit_each("y ~ a + b", data, covariates=given)
    assert np.allclose(again["MOs"].coef, fits["MOs"].coef, rtol=1e-12)


def test_an_aliased_candidate_is_said_whatever_form_it_has(data, candidates):
    silent = "n3 is aliased: n3 = 0"
    inside = gi.logit_each("y ~ a + I({x} * 2)", data, covariates=candidates[["n0", "n3"]])
    area = gi.logit_each("y ~ a", data, covariates={"quiet": candidates[["n0", "n3"]], "loud": candidates[["n1"]]})
    for fits, note in ((inside, "I(n3 * 2) is aliased: I(n3 * 2) = 0"), (area, silent)):
        table = fits.glance()
        assert sorted(table.status) == ["aliased", "converged"]
        assert sorted(table.note) == ["", note]
        assert table.note[table.status == "aliased"].item() == note
        rows = fits.tidy()
        assert rows[rows.estimate.isna()].status.tolist() == [note.replace(note.split(" is ")[0] + " is ", "")]
    assert inside.lr_test().df.tolist() == [1, 0]
    assert area.lr_test().df.tolist() == [1, 1]
    assert np.allclose(
        area.score_test().statistic,
        gi.logit_each("y ~ a", data, covariates=candidates[["n0", "n1"]]).score_test().statistic,
    )


def test_more_candidates_than_rows_is_a_row_with_a_note(data):
    rng = np.random.default_rng(0)
    small = data.iloc[:30]
    given = {"few": rng.standard_normal((30, 2)), "many": rng.standard_normal((30, 40))}
    fits = gi.logit_each("y ~ a", small, covariates=given)
    assert fits.status.tolist()[1] == "refused"
    assert "42 columns, 30 rows" in fits.glance().note[1]


def test_one_model_per_group_of_rows(data):
    fits = gi.logit_each("y ~ a + b", data, by="s")
    assert fits.names == ["s1", "s2"]
    assert fits.tidy().columns[:2].tolist() == ["s", "term"]
    for group in fits:
        single = gi.logit("y ~ a + b", data[data.s == group])
        same_tables(fits, single, lambda table, group=group: table.s == group)
        assert np.allclose(fits[group].coef, single.coef, rtol=1e-10)
    frame = data.assign(y=np.where(data.s == "s2", 1, data.y))
    assert gi.logit_each("y ~ a + b", frame, by="s").status.tolist() == ["converged", "constant outcome"]


def test_candidates_in_groups_of_rows(data, candidates):
    fits = gi.logit_each("y ~ a * {x}", data, covariates=candidates[["n0", "n7", "n3"]], by="s")
    assert fits.names[0] == ("s1", "n0")
    for group in ["s1", "s2"]:
        for name in ["n0", "n7"]:
            frame = data.assign(**{name: candidates[name]})
            single = gi.logit(f"y ~ a * {name}", frame[frame.s == group])
            same_tables(fits, single, lambda t, g=group, n=name: (t.s == g) & (t.covariate == n))
    assert set(fits.status.xs("n3", level="covariate")) == {"aliased"}


def test_p_values_of_candidates_are_one_family(fits):
    table = fits.tidy()
    own = table[table.term == table.covariate]
    assert len(own) == 120
    expected = gi.adjust(own, "fdr_bh")
    assert np.allclose(own.p_adjusted, expected.p_adjusted, equal_nan=True)


def test_firth_where_separated(data, candidates):
    fits = gi.logit_each("y ~ a", data, covariates=candidates[["n0", "n5"]], penalty="firth_if_separated")
    assert fits.status.tolist() == ["converged", "separated, Firth"]
    single = gi.logit("y ~ a + n5", data.assign(n5=candidates.n5), penalty=gi.Firth())
    assert np.allclose(fits.coef.loc["n5"], single.coef, rtol=1e-6)


def test_what_cannot_be_read_is_refused(data, candidates):
    with pytest.raises(gi.FormulaError, match="'a' is a candidate, and the formula has it already"):
        gi.logit_each("y ~ a", data, covariates=["a", "b"])
    with pytest.raises(gi.FormulaError, match="on the left side"):
        gi.logit_each("{x} ~ a", data, covariates=["b"])
    with pytest.raises(gi.InputError, match="covariates=, or by="):
        gi.logit_each("y ~ a", data)
    with pytest.raises(gi.InputError, match="more than once"):
        gi.logit_each("y ~ a", data, covariates=["b", "b"])
    with pytest.raises(gi.FormulaError, match="no column 'c'"):
        gi.logit_each("y ~ a", data, covariates=["b", "c"])
    with pytest.raises(gi.InputError, match="some entries are one column and others are several"):
        gi.logit_each("y ~ a", data, covariates={"x": ["b"], "z": data.b})


def test_a_candidate_that_makes_no_columns_is_a_row_with_a_reason(data, candidates):
    part = candidates[["n0", "n1"]].assign(few=(candidates.n0 > 1).astype(int))
    fits = gi.logit_each("y ~ a + poly({x}, 2)", data, covariates=part)
    assert fits.status.tolist() == ["converged", "converged", "refused"]
    reason = "poly(): degree=2 needs 3 distinct values, and the column has 2 (0 and 1)."
    assert fits.glance().note[2].startswith(reason)
    rows = fits.tidy().query("covariate == 'few'")
    assert rows.term.tolist() == ["Intercept", "a", "poly(few, 2)[0]", "poly(few, 2)[1]"]
    assert rows.estimate.isna().all()
    assert fits.lr_test().df.tolist() == [2, 2, 0]
    with pytest.raises(gi.DataError, match="degree=2 needs 3 distinct values"):
        fits["few"]
    with pytest.raises(gi.DataError, match="degree=2 needs 3 distinct values"):  # nothing left to fit
        gi.logit_each("y ~ a + poly({x}, 2)", data, covariates=part[["few"]])


def test_the_candidate_of_a_function_is_called_by_its_place(data, candidates):
    fits = gi.logit_each("y ~ a + poly({x}, 2)", data, covariates=candidates[["n0", "n1"]])
    assert fits.lr_test("{x}").equals(fits.lr_test())
    assert fits.confint("{x}").term.tolist()[:2] == ["poly(n0, 2)[0]", "poly(n0, 2)[1]"]
    with pytest.raises(gi.InputError, match=r"Did you mean 'poly\(\{x\}, 2\)'"):
        fits.lr_test("poly({x})")


def test_columns_that_are_none_are_told_what_to_do(data, candidates):
    with pytest.raises(gi.InputError, match=r"covariates= is one column, a Series; .*covariates=series.to_frame\(\)"):
        gi.logit_each("y ~ a", data, covariates=candidates.n0)
    with pytest.raises(gi.InputError, match=r"covariates\['v'\]= has no columns"):
        gi.logit_each("y ~ a", data, covariates={"v": [], "w": ["n0"]})
    shifted = candidates.set_axis(candidates.index + 7)
    with pytest.raises(gi.DataError, match="covariates= is a DataFrame of 320 rows whose index lacks 7 rows"):
        gi.logit_each("y ~ a", data, covariates=shifted)


def test_a_group_with_a_member_that_makes_no_columns_is_a_row_with_a_reason(data, candidates):
    whole = pd.concat([data, candidates[["n0", "n1", "n2"]]], axis=1)
    whole = whole.assign(far=np.where(np.arange(N) == 3, np.inf, 1.0), none=np.nan)
    groups = {"A": ["n0", "n1"], "B": ["n2", "far"], "C": ["none", "n0"]}
    fits = gi.logit_each("y ~ a", whole, covariates=groups)
    table = fits.glance()
    assert table.covariate.tolist() == ["A", "B", "C"]
    assert table.status.tolist() == ["converged", "refused", "refused"]
    assert table.note[1].startswith("far is infinite in 1 row")
    assert table.note[2].startswith("No rows are left to fit: all 320 rows have missing values (320 missing in none)")
    alone = gi.logit_each("y ~ a", whole, covariates={"A": ["n0", "n1"]})
    pd.testing.assert_frame_equal(fits.lr_test(adjust=None)[:1], alone.lr_test(adjust=None))
    assert fits.lr_test().statistic.isna().tolist() == [False, True, True]
    assert fits.tidy().p_value.notna().any()
    with pytest.raises(gi.DataError, match="far is infinite in 1 row"):
        gi.logit_each("y ~ a", whole, covariates={"B": ["n2", "far"]})


@pytest.mark.parametrize("knob", ["compress", "coded", "step_size"])
def test_knobs_that_only_single_fits_have_are_refused(data, candidates, knob):
    control = gi.Control(**{knob: 0.1 if knob == "step_size" else True})
    text = rf"Control\({knob}=.*\) has no effect in many models, which share their columns. Leave it out; gi.logit"
    with pytest.raises(gi.InputError, match=text):
        gi.logit_each("y ~ a", data, covariates=candidates, control=control)
    with pytest.raises(gi.InputError, match=text):
        gi.logit_many("a", data, outcomes=["y"], control=control)
    for off in (gi.Control(compress=False), gi.Control(coded=False)):
        assert gi.logit_many("a", data, outcomes=["y"], control=off)["y"].converged
    with pytest.raises(gi.InputError, match=r"control=3 is not a gi\.Control"):
        gi.logit_many("a", data, outcomes=["y"], control=3)


@pytest.mark.parametrize("kind", ["dict", "frame", "names"])
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (pd.date_range("2026-01-01", periods=N).to_numpy(), "bad holds dates or times"),
        (pd.timedelta_range("1s", periods=N).to_numpy(), "bad holds time spans"),
        (np.array([object() for _ in range(N)]), "bad holds object"),
        (np.ones(N) + 1j, "bad holds complex numbers"),
    ],
)
def test_a_candidate_that_is_no_number_is_a_row_with_a_reason(data, candidates, kind, bad, says):
    good = candidates[["n0", "n1", "n2"]]
    mixed = {"n0": good.n0, "bad": bad, "n1": good.n1, "also": bad, "last": bad, "n2": good.n2}
    given = {"dict": mixed, "frame": pd.DataFrame(mixed, index=data.index), "names": list(mixed)}[kind]
    frame = data if kind != "names" else pd.concat([data, pd.DataFrame(mixed, index=data.index)], axis=1)
    fits = gi.logit_each("y ~ a*{x}", frame, covariates=given)
    table = fits.glance()
    assert table.covariate.tolist() == list(mixed)
    assert table.status.tolist() == ["converged", "refused", "converged", "refused", "refused", "converged"]
    assert table.note[1].startswith(says)
    alone = gi.logit_each("y ~ a*{x}", data, covariates=good)
    assert np.array_equal(fits.coef.loc[["n0", "n1", "n2"]], alone.coef)
    for ask in (lambda f: f.tidy(adjust=None), lambda f: f.lr_test(adjust=None), lambda f: f.score_test(adjust=None)):
        left = ask(fits).query("covariate in ('n0', 'n1', 'n2')").reset_index(drop=True)
        pd.testing.assert_frame_equal(left, ask(alone))
    assert fits.tidy().query("covariate == 'bad'").estimate.isna().all()
    assert np.array_equal(fits["n1"].coef, alone["n1"].coef)
    with pytest.raises(gi.DataError, match=says):
        fits["bad"]


def test_candidates_that_are_all_no_numbers_raise(data):
    dates = pd.date_range("2026-01-01", periods=N).to_numpy()
    with pytest.raises(gi.DataError, match="u holds dates or times"):
        gi.logit_each("y ~ a", data, covariates={"u": dates, "v": dates})
    with pytest.raises(gi.DataError, match="t holds dates or times"):  # a column all models share
        gi.logit_each("y ~ t", data.assign(t=dates), covariates=["a", "b"])


def test_a_date_among_labels_and_in_groups_is_a_row_too(data, candidates):
    dates = pd.date_range("2026-01-01", periods=N).to_numpy()
    labels = np.where(candidates.n0 > 1, "many", "few")
    fits = gi.logit_each("y ~ a", data, covariates={"l": labels, "d": dates, "n": candidates.n0})
    assert fits.status.tolist() == ["converged", "refused", "converged"]
    groups = {"A": candidates[["n0", "n1"]], "B": pd.DataFrame({"d": dates, "n": candidates.n0.to_numpy()})}
    joint = gi.logit_each("y ~ a", data, covariates=groups)
    assert joint.status.tolist() == ["converged", "refused"]
    assert joint.glance().note[1].startswith("d holds dates or times")


def test_a_candidate_of_one_level_is_a_row_with_a_reason(data, candidates):
    whole = data.assign(n0=candidates.n0, same="u")
    fits = gi.logit_each("y ~ a", whole, covariates=["n0", "same", "g"])
    assert fits.status.tolist() == ["converged", "refused", "converged"]
    reason = "same is the same in every row, and the model has no column for it."
    assert fits.glance().note.tolist() == ["", reason, ""]
    rows = fits.tidy().query("covariate == 'same'")
    assert rows.term.tolist() == ["Intercept", "a", "same"]
    assert rows.estimate.isna().all()
    alone = gi.logit_each("y ~ a", whole, covariates=["n0", "g"])
    for test in ("lr_test", "score_test"):
        table = getattr(fits, test)(adjust=None)
        assert table.df.tolist() == [1, 0, 2]
        assert np.isnan(table.statistic[1])
        pd.testing.assert_frame_equal(
            table.drop(index=1).reset_index(drop=True), getattr(alone, test)(adjust=None), check_exact=True
        )
    assert fits.anova(test="score").df.tolist() == [1, 1, 0, 0, 1, 2]
    with pytest.raises(gi.DataError) as caught:  # nothing left to fit
        gi.logit_each("y ~ a", whole, covariates=["same"])
    assert str(caught.value) == reason
    jointly = gi.logit_each("y ~ a", whole, covariates={"A": ["n0", "g"], "B": ["same"]})
    assert jointly.glance().note.tolist() == ["", reason.replace("same is", "B is", 1)]


@pytest.mark.parametrize("formula", ["y ~ -1", "y ~ a - 1", "y ~ g - 1"])
@pytest.mark.parametrize("options", [{}, {"offset": "o", "weights": "w"}], ids=["plain", "weights and offset"])
def test_candidates_alone_in_a_model(data, candidates, formula, options):
    part = candidates[["n0", "n7", "n1"]]
    fits = gi.logit_each(formula, data, covariates=part, **options)
    for name in part:
        single = gi.logit(f"{formula} + {name}", data.assign(**{name: candidates[name]}), **options)
        same_tables(fits, single, lambda table, name=name: table.covariate == name)
        for test in ("LR", "score"):
            ours = fits.anova(test=test, adjust=None).query("covariate == @name")
            theirs = single.anova(test=test)
            assert ours.term.tolist() == theirs.term.tolist()
            assert np.allclose(ours.statistic, theirs.statistic, rtol=1e-7)
        assert np.isclose(fits.glance().query("covariate == @name").loglik.iloc[0], single.loglik, rtol=1e-12)


def test_rows_without_a_group_are_counted():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.normal(size=100), "y": rng.integers(0, 2, 100), "s": rng.choice(["p", "q"], 100)})
    data.loc[:39, "s"] = None
    told = "40 rows left out: s is missing there"
    for fits in (gi.logit_each("y ~ a", data, by="s"), gi.logit_many("a", data, outcomes=["y"], by="s")):
        assert fits.notes == (told,)
        assert fits.glance().nobs.sum() == 60
        assert told in str(fits)
    with pytest.raises(gi.DataError, match="by='s' is missing in all rows used"):
        gi.logit_each("y ~ a", data.assign(s=None), by="s")
