"""Trials within sessions within mice: how conclusions change when rows are not independent.

A covariate that is the same for all trials of a session (here: whether the session was recorded after a rest day) looks
far more certain than it is when trials are counted as independent. The script compares standard errors and p-values of
one fit under several covariances, and draws them side by side when matplotlib is installed.

Usage: python clustered_trials.py [picture.png]
"""

import sys

import numpy as np
import pandas as pd

import glminfer as gi


def sessions_with_moods(seed: int = 4) -> pd.DataFrame:
    """Simulated trials whose sessions differ by a mood that no covariate knows; rest days have no true effect."""
    trials = gi.datasets.simulate_session(n_trials=1800, n_neurons=0, n_mice=3, n_sessions=6, seed=seed)
    rng = np.random.default_rng(seed)
    sessions = trials["session"].unique()
    mood = dict(zip(sessions, rng.normal(scale=0.8, size=len(sessions)), strict=True))
    rest = dict(zip(sessions, rng.permutation(np.arange(len(sessions)) % 2), strict=True))
    flip = rng.random(len(trials)) < np.abs(np.tanh(trials["session"].map(mood) / 2))
    moody = np.where(trials["session"].map(mood) > 0, "right", "left")
    return trials.assign(choice=np.where(flip, moody, trials["choice"]), rested=trials["session"].map(rest))


def main(picture: str | None = None) -> None:
    trials = sessions_with_moods()
    fit = gi.logit("choice ~ contrast_left + contrast_right + rested", trials)

    print("Trials taken as independent:\n")
    print(fit, "\n")
    print("Sessions as clusters, CR2 with Satterthwaite degrees of freedom:\n")
    print(fit.summary(cov="CR2", cluster="session"), "\n")

    analyses = {
        "independent trials": {},
        "robust, HC3": {"cov": "HC3"},
        "by session, CR1": {"cluster": "session"},
        "by session, CR2": {"cov": "CR2", "cluster": "session"},
        "jackknife of sessions": {"cov": "jackknife", "cluster": "session"},
    }
    tables = {name: fit.tidy(**options) for name, options in analyses.items()}
    columns = ["std_error", "statistic", "df", "p_value"]
    rows = [table.set_index("term").loc["rested", columns] for table in tables.values()]
    print("The effect of a rest day, which is truly zero:\n")
    print(pd.DataFrame(rows, index=list(tables)).to_string(float_format="{:.3g}".format), "\n")

    print("Jointly, both contrasts matter whatever the covariance:\n")
    print(fit.wald_test(["contrast_left", "contrast_right"], cov="CR2", cluster="session"))

    draw(tables, picture)


def draw(tables: dict[str, pd.DataFrame], picture: str | None) -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
    except ImportError:
        print("\nNo picture: matplotlib is not installed (pip install 'glminfer[plot]').")
        return
    axes = gi.plot_coefficients({name: tables[name] for name in ("independent trials", "by session, CR2")})
    axes.figure.savefig(picture or "clustered_trials.png", dpi=120)
    print(f"\nPicture: {picture or 'clustered_trials.png'}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
