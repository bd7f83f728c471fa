"""Many models from one call: the same numbers as single fits, a status for each that fails, and no bad influence."""

import pickle

import numpy as np
import pandas as pd
import pytest

import glminfer as gi
from glminfer.fit import batch

N = 300
RHS = "x + z + C(g)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "x": rng.standard_normal(N),
            "z": rng.standard_normal(N),
            "g": rng.choice(list("abc"), N),
            "w": rng.choice([0.5, 1.0, 2.0], N),
            "o": 0.3 * rng.standard_normal(N),
            "s": np.repeat(["s1", "s2", "s3"], N // 3),
        }
    )


@pytest.fixture(scope="module")
def outcomes(data):
    """300 outcomes: 3 silent, 5 separated by x, 7 with missing values, 9 a duplicate of 8, 11 by a level of g."""
    rng = np.random.default_rng(2)
    eta = np.column_stack([np.ones(N), data.x, data.z]) @ (0.5 * rng.standard_normal((3, 300)))
    Y = pd.DataFrame((rng.random(eta.shape) < 1 / (1 + np.exp(-eta))).astype(float), index=data.index)
    Y.columns = [f"y{k}" for k in range(300)]
    Y["y3"], Y["y5"], Y["y9"] = 0.0, (data.x > 0).astype(float), Y["y8"]
    Y.loc[20:70, "y7"] = np.nan
    Y["y11"] = np.where(data.g == "c", 1.0, Y["y11"])
    return Y


@pytest.fixture(scope="module")
def fits(data, outcomes):
    return gi.logit_many(RHS, data, outcomes=outcomes)


def same_tables(fits, single, key, rows):
    """A model's rows of tidy and glance are those of the single fit."""
    mine, whole = fits.tidy(adjust=None), fits.glance()
    one, other = mine[rows(mine)].reset_index(drop=True), single.tidy()
    assert one.term.tolist() == other.term.tolist()
    assert one.status.tolist() == other.status.tolist()
    numbers = [name for name in other if name not in ("term", "status")]
    assert np.allclose(one[numbers], other[numbers], rtol=1e-9, atol=1e-10, equal_nan=True)
    row, alone = whole[rows(whole)].iloc[0], single.glance().iloc[0]
    assert row.status == alone.status
    names = [name for name in single.glance() if name not in ("status", "n_iter")]
    assert np.allclose([float(row[n]) for n in names], [float(alone[n]) for n in names], rtol=1e-9, equal_nan=True)


def test_one_row_per_model_with_its_status(fits, outcomes):
    assert len(fits) == 300
    assert fits.names == outcomes.columns.tolist()
    table = fits.glance()
    assert len(table) == 300
    assert table.status[[3, 5, 7, 9, 11]].tolist() == [
        "constant outcome",
        "separated",
        "converged",
        "converged",
        "separated",
    ]
    assert (table.status.drop([3, 5, 11]) == "converged").all()
    assert "x goes to +inf" in table.note[5]
    assert "C(g)[T.c] goes to +inf (y11 = 1 in" in table.note[11]
    assert len(fits.tidy()) == 300 * 5


def test_notes_say_why_there_is_nothing_to_fit(data, outcomes):
    fits = gi.logit_many(RHS, data, outcomes=outcomes[["y0", "y3"]].assign(none=np.nan))
    assert fits.status.tolist() == ["converged", "constant outcome", "constant outcome"]
    assert fits.glance().note.tolist() == [
        "",
        "The outcome is the same in all 300 rows used.",
        "No row has all values that this model needs, so there is nothing to fit.",
    ]
    assert fits.glance().nobs.tolist() == [300, 300, 0]


def test_models_equal_single_fits(fits, data, outcomes):
    for name in ["y0", "y5", "y7", "y9", "y11", "y250"]:
        frame = data.assign(**{name: outcomes[name]})
        with pytest.warns() if name in ("y5", "y11") else nullcontext():
            single = gi.logit(f"{name} ~ {RHS}", frame)
        same_tables(fits, single, name, lambda table, name=name: table.outcome == name)
        same_tables(fits, fits[name], name, lambda table, name=name: table.outcome == name)
        assert fits[name].formula == f"{name} ~ {RHS}"


class nullcontext:
    def __enter__(self):
        return self

    def __exit__(self, *args):
        return False


def test_estimates_of_all_models_agree_with_single_fits_to_ten_digits(fits):
    table = fits.tidy(adjust=None)
    for name in fits.names[12::24]:
        fit = fits[name]
        rows = table[table.outcome == name]
        assert np.allclose(rows.estimate, fit.coef, rtol=1e-10, atol=1e-11)
        assert np.allclose(rows.std_error, fit.tidy().std_error, rtol=1e-10)


def test_a_bad_neighbour_changes_nothing_to_the_last_bit(data, outcomes, fits):
    good = outcomes[[f"y{k}" for k in range(20, 40)]]
    bad = good.copy()
    bad["y25"] = (data.x > 0).astype(float)
    bad["y30"] = 1.0
    a, b = (gi.logit_many(RHS, data, outcomes=Y) for Y in (good, bad))
    kept = [name for name in good if name not in ("y25", "y30")]
    assert (a.coef.loc[kept] == b.coef.loc[kept]).all(axis=None)
    assert (a.coef.loc[kept] == fits.coef.loc[kept]).all(axis=None)  # nor do those that are not there at all
    errors = [f.tidy(adjust=None).set_index(["outcome", "term"]).std_error for f in (a, b, fits)]
    assert (errors[0].loc[kept] == errors[1].loc[kept]).all()
    assert (errors[0].loc[kept] == errors[2].loc[kept]).all()


def test_chunks_and_the_order_of_rows_change_nothing(data, outcomes, fits, monkeypatch):
    shuffled = np.random.default_rng(0).permutation(N)
    again = gi.logit_many(RHS, data.iloc[shuffled], outcomes=outcomes)  # outcomes go by their index
    assert np.allclose(again.coef, fits.coef, rtol=1e-10, atol=1e-10, equal_nan=True)
    monkeypatch.setattr(batch, "_LANES", (16, 16))
    monkeypatch.setattr(batch, "_ROWS", 64)
    again = gi.logit_many(RHS, data, outcomes=outcomes)
    assert np.allclose(again.coef, fits.coef, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("options", [{"weights": "w"}, {"offset": "o"}, {"weights": "w", "offset": "o"}])
def test_weights_and_offsets(data, outcomes, options):
    part = outcomes[["y0", "y3", "y5", "y7", "y11"]]
    fits = gi.logit_many(RHS, data, outcomes=part, **options)
    for name in ["y0", "y7"]:
        single = gi.logit(f"{name} ~ {RHS}", data.assign(**{name: part[name]}), **options)
        same_tables(fits, single, name, lambda table, name=name: table.outcome == name)
    assert fits.status.tolist() == ["converged", "constant outcome", "separated", "converged", "separated"]


def test_without_an_intercept(data, outcomes):
    fits = gi.logit_many("0 + x + z", data, outcomes=outcomes[["y0", "y7"]], offset="o")
    for name in ["y0", "y7"]:
        single = gi.logit(f"{name} ~ 0 + x + z", data.assign(**{name: outcomes[name]}), offset="o")
        same_tables(fits, single, name, lambda table, name=name: table.outcome == name)


def test_proportions_with_trials(data):
    rng = np.random.default_rng(5)
    trials = rng.integers(0, 6, N)
    counts = rng.binomial(trials[:, None], 0.4, (N, 4))
    shares = pd.DataFrame(counts / np.maximum(trials, 1)[:, None], columns=list("abcd"))
    frame = data.assign(n=trials)
    fits = gi.logit_many("x + z", frame, outcomes=shares, trials="n")
    for name in "abcd":
        single = gi.logit(f"{name} ~ x + z", frame.assign(**{name: shares[name]}), trials="n")
        same_tables(fits, single, name, lambda table, name=name: table.outcome == name)


def test_dependent_columns_are_aliased_in_every_model(data, outcomes):
    frame = data.assign(both=data.x + data.z)
    fits = gi.logit_many("x + z + both", frame, outcomes=outcomes[["y0", "y1", "y5"]])
    assert fits.notes == ("both is aliased in every model: both = x + z",)
    table = fits.tidy()
    assert set(table[table.term == "both"].status) == {"aliased: both = x + z"}
    same_tables(fits, gi.logit("y0 ~ x + z + both", frame.assign(y0=outcomes.y0)), "y0", lambda t: t.outcome == "y0")


def test_columns_far_from_zero_are_as_good_as_centred_ones(data, outcomes):
    frame = data.assign(far=1e9 + 1e3 * data.x.astype("float32").astype(float))
    shifted = frame.assign(far=frame.far - 1e9)
    far, near = (gi.logit_many("far + z", f, outcomes=outcomes.iloc[:, :4]) for f in (frame, shifted))
    assert np.allclose(far.coef.iloc[:3, 1:], near.coef.iloc[:3, 1:], rtol=1e-8)


def test_groups(data, outcomes):
    fits = gi.logit_many("x + z", data, outcomes=outcomes[["y0", "y3", "y7", "y5"]], by="s")
    assert fits.names[:5] == [("s1", "y0"), ("s1", "y3"), ("s1", "y7"), ("s1", "y5"), ("s2", "y0")]
    table = fits.tidy()
    assert table.columns[:3].tolist() == ["s", "outcome", "term"]
    for group in ["s1", "s2"]:
        for name in ["y0", "y7"]:
            frame = data.assign(**{name: outcomes[name]})
            single = gi.logit(f"{name} ~ x + z", frame[frame.s == group])
            same_tables(fits, single, name, lambda t, g=group, n=name: (t.s == g) & (t.outcome == n))
            assert np.allclose(fits[group, name].coef, single.coef, rtol=1e-9)
    assert fits.status["s2", "y3"] == "constant outcome"
    assert fits.status["s3", "y5"] == "separated"


def test_outcomes_come_in_many_forms(data, outcomes):
    part = outcomes[["y0", "y1"]].astype(int)
    expected = gi.logit_many("x", data, outcomes=part).coef.to_numpy()
    forms = [
        part.astype(bool),
        part.astype("Int64"),
        part.replace({0: "no", 1: "yes"}),
        part.to_dict("series"),
        part.to_numpy(),
    ]
    for given in forms:
        assert np.allclose(gi.logit_many("x", data, outcomes=given).coef, expected, rtol=1e-12)
    named = gi.logit_many("x", data, outcomes=part.to_numpy(bool), names=["a", "b"])
    assert named.names == ["a", "b"]
    assert gi.logit_many("x", data.join(part), outcomes=["y1", "y0"]).names == ["y1", "y0"]
    assert gi.logit_many("x", data, outcomes=part.to_numpy()).names == ["outcome_0", "outcome_1"]
    swapped = gi.logit_many("x", data, outcomes=part.replace({0: "no", 1: "yes"}), event="no")
    assert np.allclose(swapped.coef, -expected, rtol=1e-12)
    assert swapped["y0"].event == "y0 = 'no'"


def test_p_values_are_adjusted_within_each_term(fits):
    table = fits.tidy()
    assert table.attrs["adjustment"].startswith("fdr_bh over ")
    for _, family in table.groupby("term"):
        alone = gi.adjust(family, "fdr_bh")
        assert np.allclose(family.p_adjusted, alone.p_adjusted, equal_nan=True)
    assert "p_adjusted" not in fits.tidy(adjust=None)


@pytest.mark.parametrize("cov", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_covariances(fits, cov):
    table = fits.tidy(cov=cov, adjust=None)
    for name in ["y0", "y7", "y11"]:
        expected = fits[name].tidy(cov=cov)
        rows = table[table.outcome == name]
        assert np.allclose(rows.std_error, expected.std_error, rtol=1e-9, equal_nan=True)
    assert table.attrs["covariance"] == expected.attrs["covariance"]


@pytest.mark.parametrize("cov", ["CR0", "CR1", "CR2", "CR3", "jackknife"])
def test_clustered_covariances(data, outcomes, cov):
    clusters = np.arange(N) // 12
    fits = gi.logit_many("x + z", data, outcomes=outcomes[["y0", "y7", "y3", "y11"]])
    table = fits.tidy(cov=cov, cluster=clusters, adjust=None)
    for name in ["y0", "y7", "y11"]:
        expected = fits[name].tidy(cov=cov, cluster=clusters)
        rows = table[table.outcome == name]
        for column in ("std_error", "p_value", "df"):
            assert np.allclose(rows[column], expected[column], rtol=1e-9, equal_nan=True)


def test_firth_where_separated(data, outcomes):
    part = outcomes[["y0", "y3", "y11"]]
    fits = gi.logit_many(RHS, data, outcomes=part, penalty="firth_if_separated")
    assert fits.status.tolist() == ["converged", "constant outcome", "separated, Firth"]
    single = gi.logit(f"y11 ~ {RHS}", data.assign(y11=part.y11), penalty=gi.Firth())
    table = fits.tidy()
    rows = table[table.outcome == "y11"]
    assert np.allclose(rows.estimate, single.coef, rtol=1e-7)
    assert np.allclose(rows.std_error, single.tidy().std_error, rtol=1e-7)
    assert set(rows.status) == {"separated, Firth"}
    assert set(table[table.outcome == "y0"].status) == {"converged"}
    whole = gi.logit_many(RHS, data, outcomes=part, penalty=gi.Firth())
    assert np.allclose(whole.coef.loc["y11"], single.coef, rtol=1e-7)


def test_what_cannot_be_read_is_refused(data, outcomes):
    counts = outcomes[["y0", "y1"]].assign(y1=np.arange(N) % 4)
    with pytest.raises(gi.ResponseError, match=r"y1 takes 4 values \(0, 1, 2 and 3\).*outcomes=counts > 0"):
        gi.logit_many("x", data, outcomes=counts.astype(int))
    with pytest.raises(gi.FormulaError, match="right side of a formula"):
        gi.logit_many("y ~ x", data, outcomes=outcomes)
    with pytest.raises(gi.InputError, match=r"outcomes= has 'y0' more than once"):
        gi.logit_many("x", data, outcomes=pd.concat([outcomes.y0, outcomes.y0], axis=1))
    with pytest.raises(gi.FormulaError, match="'w' is an outcome and a covariate"):
        gi.logit_many("x + w", data.assign(w=outcomes.y0), outcomes=["w"])
    with pytest.raises(gi.DataError, match="299 rows"):
        gi.logit_many("x", data, outcomes=outcomes.to_numpy()[:-1])
    with pytest.raises(gi.InputError, match="penalty='firth' is not known"):
        gi.logit_many("x", data, outcomes=outcomes, penalty="firth")


def test_keys(fits):
    with pytest.raises(gi.InputError, match=r"There is no outcome 'y_12' among 300 models. Did you mean 'y12'"):
        fits["y_12"]
    assert "y12" in fits
    assert list(fits)[:2] == ["y0", "y1"]


def test_what_belongs_to_a_single_fit_is_told_where_to_ask(fits):
    with pytest.raises(AttributeError, match=r"300 models together have no 'predict'.*fits\['y0'\]; all together have"):
        fits.predict()
    with pytest.raises(AttributeError, match="Did you mean 'tidy'"):
        fits.tydy()
    with pytest.raises(AttributeError, match="belongs to one fit"):
        gi.wild_bootstrap_test(fits, "x", cluster="s")
    assert not hasattr(fits, "_repr_png_")
    assert pickle.loads(pickle.dumps(fits)).names == fits.names


def test_what_becomes_of_the_arrays_given_changes_nothing(data, outcomes):
    Y, X = (part.copy() for part in (outcomes[["y0", "y1"]].to_numpy(), outcomes[["y2", "y4"]].to_numpy()))
    frame = outcomes[["y0", "y1"]].copy()
    many = [gi.logit_many("x", data, outcomes=given) for given in (Y, frame)]
    each = gi.logit_each("y0 ~ x", data.assign(y0=outcomes.y0), covariates=X)
    Y[:], X[:], frame.loc[:] = 0.0, 0.0, 0.0
    for fits in (*many, each):
        key = fits.names[1]
        assert np.allclose(fits[key].coef, fits.coef.loc[key], rtol=1e-9)


def test_what_is_printed(fits):
    text = repr(fits)
    assert "300 logistic regressions (logit link), maximum likelihood" in text
    assert f"outcome ~ {RHS}" in text
    assert "297 converged, 2 separated, 1 constant outcome" in text
    assert "250 to 300 used" in text or "to 300 used" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "<table" in fits._repr_html_()


def test_long_work_shows_how_far_it_is(data, outcomes, monkeypatch):
    shown = []

    def progress(items, total, what):
        done = list(items)
        shown.append((len(done), total, what))
        return iter(done)

    monkeypatch.setattr(batch, "progress", progress)
    monkeypatch.setattr(batch, "_LANES", (16, 16))
    gi.logit_many(RHS, data, outcomes=outcomes)
    assert shown == [
        (19, 19, "batches of models"),
        (2, 2, "models"),
    ]  # chunks of 16 models, then those that are separated
