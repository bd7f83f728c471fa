"""One model per neuron: which neurons know the stimulus, and which tell the choice beyond it?

Runs on a simulated session; given recorded ones (see ``gi.datasets.load_steinmetz``), on those.

Usage: python one_model_per_neuron.py [session.npz | folder [picture_stem]]
"""

import sys

import pandas as pd

import glminfer as gi


def sessions(path: str | None) -> list[tuple[str, pd.DataFrame, pd.DataFrame, pd.Series, str]]:
    """Name, trials, counts, areas and the outcome to decode of each session."""
    if path is None:
        trials = gi.datasets.simulate_session(n_trials=400, n_neurons=300, n_mice=1, seed=1)
        areas = gi.datasets.simulated_neurons(300, seed=1).set_index("neuron").area
        return [("simulated", trials, trials.filter(regex=r"^n\d"), areas, "choice")]
    found = gi.datasets.load_steinmetz(path)
    several = found if isinstance(found, tuple) else (found,)
    return [(one.name, one.trials, one.spikes, one.areas, "feedback == 1") for one in several]


def main(path: str | None = None, picture: str = "one_model_per_neuron") -> None:
    for name, trials, counts, areas, outcome in sessions(path):
        print(f"== {name}: {len(trials)} trials, {counts.shape[1]} neurons\n")

        # Encoding: each neuron is an outcome. Silent and separated neurons are rows with a status, never an exception.
        fits = gi.logit_many("contrast_left + contrast_right + C(feedback)", trials, outcomes=counts > 0)
        print(fits, "\n")
        table = fits.tidy()
        found = table[table.p_adjusted < 0.05].groupby("term").size()
        print(f"Neurons with an adjusted p below 0.05 (false discovery rate):\n{found.to_string()}\n")
        table["area"] = table.outcome.map(areas)
        right = table[table.term == "contrast_right"]
        share = (right.p_adjusted < 0.05).groupby(right.area).mean().sort_values(ascending=False)
        print(f"Share of an area's neurons that know the right contrast:\n{share.head(6).round(2).to_string()}\n")

        # Decoding: each neuron is one more covariate, tested by its likelihood ratio; then whole areas, jointly.
        formula = f"{outcome} ~ contrast_left * contrast_right"
        each = gi.logit_each(formula, trials, covariates=counts)
        tests = each.lr_test()
        print(f"{(tests.p_adjusted < 0.05).sum()} of {len(tests)} neurons tell the outcome beyond the contrasts.")
        small = {area: counts[members.index[:8]] for area, members in areas.groupby(areas)}
        joint = gi.logit_each(formula, trials, covariates=small).lr_test().sort_values("p_value")
        print("Up to eight neurons of an area together:")
        print(joint.head(4)[["covariate", "statistic", "df", "p_value", "p_adjusted"]].to_string(index=False), "\n")
        draw(fits, tests, areas, f"{picture}_{name}")


def draw(fits: gi.Fits, tests: pd.DataFrame, areas: pd.Series, stem: str) -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
    except ImportError:
        print("No pictures: matplotlib is not installed (pip install 'glminfer[plot]').")
        return
    fits.plot_volcano("contrast_right").figure.savefig(f"{stem}_volcano.png", dpi=100)
    fits.plot_by_area(areas, "contrast_right").figure.savefig(f"{stem}_areas.png", dpi=100)
    gi.plot_p_values(tests).figure.savefig(f"{stem}_p_values.png", dpi=100)
    print(f"Pictures: {stem}_volcano.png, {stem}_areas.png, {stem}_p_values.png\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
